//! The whole fleet, every way between two of its parts through a proxy of its own, and PostgreSQL behind it; each in a
//! network namespace of its own, where that is possible.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use countersign_testkit::{
    Bundle, ClusterOptions, Cut, Dsn, FaultProxy, Journal, Part, Postgres, Signal, shop,
};

use super::{Blow, CERTIFICATE_LIFE, Setting, Stage, WeakPoint, Weakness, network, server, terms, verify};
use crate::store::Store;

const POSTGRES: &str = "postgres";
const TARGET: &str = "gateways to postgres";

/// How many gateways there are from the beginning; one more comes and goes.
const GATEWAYS: usize = 3;

/// What a gateway says that has a new certificate.
const CERTIFICATE_RENEWED: &str = "the certificate was renewed";

/// What a gateway says that ends because its certificate has, which nobody could renew.
const CERTIFICATE_ENDED: &str = "the certificate has ended and cannot be renewed any more";

/// Whoever leads etcd when it is cut off.
const LEADER: &str = "the leader of etcd";

/// The cluster.
#[derive(Debug)]
pub struct Cluster {
    // In the order in which they have to end.
    cluster: countersign_testkit::Cluster,
    target: FaultProxy,
    server: Postgres,
    bundle: Bundle,
    journal: Journal,
}

impl Cluster {
    /// Starts it.
    ///
    /// # Errors
    /// A process does not start.
    pub fn start(setting: &Setting) -> Result<Self> {
        let mut network = network(setting)?;
        let server = server(network.place(POSTGRES)?)?;
        let target = FaultProxy::start_at(network.door(None, POSTGRES)?, server.address(), setting.seed)?;
        let bundle = Bundle::example_at(target.address(), &terms())?.without_limits()?;
        let options = ClusterOptions {
            gateways: GATEWAYS,
            spare_gateways: 1,
            journal: setting.journal,
            certificate_hours: Some(CERTIFICATE_LIFE.as_secs_f64() / 3600.0),
            bad_ways: Some(setting.seed),
            ..ClusterOptions::default()
        };
        let cluster = countersign_testkit::Cluster::start_on(network, &bundle, &options)?;
        Ok(Self { cluster, target, server, bundle, journal: setting.journal })
    }

    fn part(&self, name: &str) -> Option<Part> {
        self.cluster.parts().into_iter().find(|part| part.to_string() == name)
    }

    fn way(&self, name: &str) -> Result<&FaultProxy> {
        if name == TARGET { Ok(&self.target) } else { self.cluster.way(name) }
    }

    /// Everybody who can be cut off from others.
    fn everybody(&self) -> Vec<String> {
        let parts = self.cluster.parts().into_iter().map(|part| part.to_string());
        parts.chain([POSTGRES.to_owned()]).collect()
    }

    /// Sides that can be cut off from everybody else: each node alone, whoever leads etcd, and three zones, in each of
    /// which there is one of every kind.
    fn sides(&self) -> Vec<String> {
        let alone = self.cluster.parts().into_iter().filter(|part| *part != Part::Balancer);
        let zones = (1..=3).map(|zone| format!("zone {zone}"));
        // The leader and the zones as often as the nodes together.
        let weighty = zones.chain([LEADER.to_owned()]).cycle().take(9);
        alone.map(|part| part.to_string()).chain(weighty).collect()
    }

    /// The names of those on a side.
    fn members(&mut self, side: &str) -> Result<Vec<String>> {
        if side == LEADER {
            return Ok(vec![Part::Etcd(self.cluster.etcd().leader()?).to_string()]);
        }
        let Some(zone) = side.strip_prefix("zone ") else { return Ok(vec![side.to_owned()]) };
        Ok(["etcd", "control", "gateway"].map(|kind| format!("{kind}-{zone}")).into())
    }

    fn partition(&mut self, side: &str, lost: Cut) -> Result<()> {
        let members = self.members(side)?;
        let others = self.everybody().into_iter().filter(|name| !members.contains(name));
        for other in others.collect::<Vec<_>>() {
            for member in &members {
                if lost != Cut::ToClient {
                    self.cluster.network().cut(member, &other)?;
                }
                if lost != Cut::ToServer {
                    self.cluster.network().cut(&other, member)?;
                }
            }
        }
        Ok(())
    }

    /// Nothing to one that has just ended because its certificate has: [`Stage::supervise`] sees to it.
    fn signal(&mut self, part: Part, signal: Signal) -> Result<()> {
        if self.cluster.runs(part) { self.cluster.signal(part, signal) } else { Ok(()) }
    }

    /// The ids of all nodes' logs, and whose they are: in the archive a log has no other name.
    fn logs(&self) -> Vec<(String, String)> {
        let mut logs = Vec::new();
        for (number, data) in self.cluster.data().into_iter().enumerate() {
            let own = Part::Control(number).to_string();
            for (kind, name) in [("recordings", own), ("drained", "drained".to_owned())] {
                // A node that was never elected has drained nothing.
                let id = std::fs::read_to_string(data.join(kind).join("id")).unwrap_or_default();
                logs.extend((!id.is_empty()).then(|| (id.trim().to_owned(), name)));
            }
        }
        logs
    }

    /// What Redis has alone is lost with it where it says what is synced: then only its process may be hit.
    fn can_lose_redis(&self) -> bool {
        self.journal != Journal::RedisFsync
    }

    fn come_or_go(&mut self, part: Part) -> Result<()> {
        if self.cluster.runs(part) { self.cluster.stop(part) } else { self.cluster.start_again(part) }
    }
}

impl Stage for Cluster {
    fn server(&self) -> &Postgres {
        &self.server
    }

    fn door(&self, token: &str) -> Dsn {
        self.cluster.dsn("shop", token, shop::DATABASE)
    }

    fn apis(&self) -> Vec<String> {
        self.cluster.apis()
    }

    fn operator(&self) -> Result<String> {
        self.cluster.operator()
    }

    fn weak_points(&self) -> Vec<WeakPoint> {
        let guest = Part::Gateway(GATEWAYS).to_string();
        let parts = self.everybody().into_iter().filter(|name| *name != guest);
        // Each process as often as the many ways between them.
        let processes = parts.flat_map(|name| [name.clone(), name]);
        let ways = self.cluster.ways().chain([TARGET]).map(str::to_owned);
        let sides = if self.cluster.can_cut() { self.sides() } else { Vec::new() };
        let point = |kind| move |name| WeakPoint { name, kind };
        processes
            .map(point(Weakness::Process))
            .chain(ways.map(point(Weakness::Way)))
            .chain(sides.into_iter().map(point(Weakness::Partition)))
            .chain(self.can_lose_redis().then(|| point(Weakness::Memory)(Part::Redis.to_string())))
            .chain([
                point(Weakness::Sleeper)(Part::Gateway(0).to_string()),
                point(Weakness::Guest)(guest.clone()),
            ])
            .collect()
    }

    fn supervise(&mut self) -> Result<Vec<String>> {
        let mut started = Vec::new();
        // The last one may be away on purpose.
        for part in (0..GATEWAYS).map(Part::Gateway) {
            if self.cluster.runs(part) {
                continue;
            }
            let log = self.cluster.log(part)?;
            let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            ensure!(log_tail(&log).contains(CERTIFICATE_ENDED), "{part} has ended by itself: {last}");
            self.cluster.start_again(part)?;
            started.push(format!("start {part}, whose certificate had ended"));
        }
        Ok(started)
    }

    fn strike(&mut self, name: &str, blow: Blow) -> Result<()> {
        match (self.part(name), blow) {
            (_, Blow::Partition(lost)) => self.partition(name, lost),
            (Some(part), Blow::ComeOrGo) => self.come_or_go(part),
            (Some(part), Blow::Kill) => self.cluster.kill(part),
            (Some(part), Blow::Stop | Blow::Sleep) => self.signal(part, Signal::Stop),
            (Some(Part::Redis), Blow::Empty) => self.cluster.empty_redis(),
            (None, Blow::Kill) if name == POSTGRES => self.server.crash(),
            (None, Blow::Stop) if name == POSTGRES => self.server.signal(Signal::Stop),
            (None, Blow::Network(fault)) => self.way(name).map(|way| way.set(fault)),
            (None, Blow::Reset) => self.way(name).map(FaultProxy::reset),
            _ => bail!("no process `{name}`"),
        }
    }

    fn heal(&mut self, name: &str, blow: Blow) -> Result<()> {
        match (self.part(name), blow) {
            (_, Blow::Partition(_)) => self.cluster.network().heal(),
            (_, Blow::ComeOrGo) => Ok(()),
            (Some(part), Blow::Kill | Blow::Empty) => self.cluster.start_again(part),
            (Some(part), Blow::Stop | Blow::Sleep) => self.signal(part, Signal::Continue),
            (None, Blow::Kill) if name == POSTGRES => self.server.start_again(),
            (None, Blow::Stop) if name == POSTGRES => self.server.signal(Signal::Continue),
            _ => self.way(name).map(FaultProxy::heal),
        }
    }

    fn store(&self) -> Option<Store> {
        Some(Store::new(self.cluster.stores()))
    }

    fn bundle(&self) -> Option<&Path> {
        Some(self.bundle.path())
    }

    fn recordings(&self) -> Vec<PathBuf> {
        let own = self.cluster.data().into_iter();
        // What a node took out of Redis lies beside what it was given itself.
        let own = own.flat_map(|data| ["recordings", "drained"].map(|folder| data.join(folder)));
        own.filter(|folder| folder.is_dir()).chain([self.cluster.archive()]).collect()
    }

    fn renewed(&self) -> Result<usize> {
        let logs = (0..=GATEWAYS).map(|number| self.cluster.log(Part::Gateway(number)));
        logs.map(|log| Ok(log?.matches(CERTIFICATE_RENEWED).count())).sum()
    }

    fn end(&mut self) -> Result<Vec<String>> {
        self.cluster.end()?;
        let faults = verify(&[self.cluster.data(), vec![self.cluster.archive()]].concat())?;
        let logs = self.logs();
        Ok(faults.into_iter().map(|fault| name_log(fault, &logs)).collect())
    }

    fn keep_logs(&self, folder: &Path) -> Result<()> {
        std::fs::write(folder.join("postgres.log"), self.server.log())?;
        self.cluster.keep_logs(folder).context("logs of the cluster")
    }
}

/// Says whose log it is that a fault is in.
fn name_log(fault: String, logs: &[(String, String)]) -> String {
    let named = logs.iter().find_map(|(id, name)| {
        let place = format!("/{id} segment ");
        fault.contains(&place).then(|| fault.replace(&place, &format!("/{id}/{name} segment ")))
    });
    named.unwrap_or(fault)
}

/// What was logged last: enough for how a process ended.
fn log_tail(log: &str) -> &str {
    let lines = log.trim_end().rmatch_indices('\n');
    lines.take(20).last().map_or(log, |(at, _)| log.get(at..).unwrap_or_default())
}
