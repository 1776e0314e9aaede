//! The whole fleet, every way between two of its parts through a proxy of its own, and PostgreSQL behind it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use countersign_testkit::{Bundle, ClusterOptions, Dsn, FaultProxy, Part, Postgres, Signal, shop};

use super::{Blow, Stage, WeakPoint, server, terms, verify};

const POSTGRES: &str = "postgres";
const TARGET: &str = "gateways to postgres";

/// The cluster.
#[derive(Debug)]
pub struct Cluster {
    // In the order in which they have to end.
    cluster: countersign_testkit::Cluster,
    target: FaultProxy,
    server: Postgres,
    _bundle: Bundle,
}

impl Cluster {
    /// Starts it.
    ///
    /// # Errors
    /// A process does not start.
    pub fn start(seed: u64) -> Result<Self> {
        let server = server()?;
        let target = FaultProxy::start(([127, 0, 0, 1], server.port()).into(), seed)?;
        let bundle = Bundle::example_at(target.address(), &terms())?;
        let options = ClusterOptions { bad_ways: Some(seed), ..ClusterOptions::default() };
        let cluster = countersign_testkit::Cluster::start(&bundle, &options)?;
        Ok(Self { cluster, target, server, _bundle: bundle })
    }

    fn part(&self, name: &str) -> Option<Part> {
        self.cluster.parts().into_iter().find(|part| part.to_string() == name)
    }

    fn way(&self, name: &str) -> Result<&FaultProxy> {
        if name == TARGET { Ok(&self.target) } else { self.cluster.way(name) }
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
        let process = |name: String| WeakPoint { name, is_process: true };
        let way = |name: &str| WeakPoint { name: name.to_owned(), is_process: false };
        let parts = self.cluster.parts().into_iter().map(|part| part.to_string());
        // Each gateway and control-plane node as often as the many ways between them.
        let mut points: Vec<WeakPoint> = parts
            .chain([POSTGRES.to_owned()])
            .flat_map(|name| [process(name.clone()), process(name)])
            .collect();
        points.extend(self.cluster.ways().chain([TARGET]).map(way));
        points
    }

    fn strike(&mut self, name: &str, blow: Blow) -> Result<()> {
        match (self.part(name), blow) {
            (Some(part), Blow::Kill) => self.cluster.kill(part),
            (Some(part), Blow::Stop) => self.cluster.signal(part, Signal::Stop),
            (None, Blow::Kill) if name == POSTGRES => self.server.crash(),
            (None, Blow::Stop) if name == POSTGRES => self.server.signal(Signal::Stop),
            (None, Blow::Network(fault)) => self.way(name).map(|way| way.set(fault)),
            (None, Blow::Reset) => self.way(name).map(FaultProxy::reset),
            _ => bail!("no process `{name}`"),
        }
    }

    fn heal(&mut self, name: &str, blow: Blow) -> Result<()> {
        match (self.part(name), blow) {
            (Some(part), Blow::Kill) => self.cluster.start_again(part),
            (Some(part), Blow::Stop) => self.cluster.signal(part, Signal::Continue),
            (None, Blow::Kill) if name == POSTGRES => self.server.start_again(),
            (None, Blow::Stop) if name == POSTGRES => self.server.signal(Signal::Continue),
            _ => self.way(name).map(FaultProxy::heal),
        }
    }

    fn recordings(&self) -> Vec<PathBuf> {
        self.cluster.data().iter().map(|data| data.join("recordings")).collect()
    }

    fn end(&mut self) -> Result<Vec<String>> {
        self.cluster.end()?;
        verify(&self.cluster.data())
    }

    fn keep_logs(&self, folder: &Path) -> Result<()> {
        std::fs::write(folder.join("postgres.log"), self.server.log())?;
        self.cluster.keep_logs(folder)
    }
}
