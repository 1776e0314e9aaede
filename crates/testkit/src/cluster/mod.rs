//! A cluster: the whole fleet, as one runs it in production: etcd, Redis, control-plane nodes, gateways, HAProxy before them;
//! each its own process with its own configuration file. Every part can be killed, stopped and started again, and
//! every way between two parts can go bad, where that is asked for.

mod config;
mod parts;
mod ways;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::countersign::text;
use crate::product::Product;
use crate::wait::eventually;
use crate::{
    Account, Backend, Bundle, Dsn, EtcdCluster, EtcdOptions, FaultProxy, Folder, HaProxy, HaProxyOptions,
    Network, Place, Redis, RedisOptions, Signal, binary, product,
};
pub use config::Journal;
pub use parts::Part;
use parts::{Control, ControlStart, Gateway, GatewayStart};
use ways::Ways;

/// How long a part may take to end in good order.
const END_LIMIT: Duration = Duration::from_secs(40);

/// How large a cluster.
#[derive(Debug, Clone, Copy)]
pub struct ClusterOptions {
    /// Members of etcd.
    pub etcd: usize,
    /// Control-plane nodes.
    pub controls: usize,
    /// Gateways.
    pub gateways: usize,
    /// Gateways besides that the balancer knows, and that are started later: each joins then.
    pub spare_gateways: usize,
    /// Whether there is a Redis for hints.
    pub redis: bool,
    /// Whether the balancer says who a client is (PROXY protocol); gateways take nobody else then.
    pub proxy_protocol: bool,
    /// Where the control-plane nodes keep records until they are archived.
    pub journal: Journal,
    /// How long the certificates of gateways are valid, which then join with a token that works more than once.
    pub certificate_hours: Option<f64>,
    /// The seed of the proxies on the ways between the parts; `None`: they reach each other directly.
    pub bad_ways: Option<u64>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            etcd: 3,
            controls: 3,
            gateways: 3,
            spare_gateways: 0,
            redis: true,
            proxy_protocol: true,
            journal: Journal::Local,
            certificate_hours: None,
            bad_ways: None,
        }
    }
}

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    // In the order in which they have to end.
    balancer: HaProxy,
    gateways: Vec<Gateway>,
    controls: Vec<Control>,
    ways: Ways,
    redis: Option<Redis>,
    etcd: EtcdCluster,
    network: Network,
    folder: Folder,
    approver: String,
}

/// The archive's folder.
const ARCHIVE: &str = "archive";

/// The person who decides unless a test names another: human, of group `dba`.
const APPROVER: &str = "dora";

impl Cluster {
    /// Starts one with this bundle in force; clients can connect when this returns.
    ///
    /// # Errors
    /// A part is not installed, or does not get ready; the error has what it logged.
    pub fn start(bundle: &Bundle, options: &ClusterOptions) -> Result<Self> {
        Self::start_on(Network::shared(), bundle, options)
    }

    /// The same on a network of its own, where each part has a place by its name.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(mut network: Network, bundle: &Bundle, options: &ClusterOptions) -> Result<Self> {
        let folder = Folder::new(Account::Own)?;
        let etcd = start_etcd(&mut network, options)?;
        let redis = options.redis.then(|| start_redis(&mut network, options)).transpose()?;
        let mut ways = Ways::new(options.bad_ways);
        let authority = folder.path().join("authority");
        product::json(Command::new(binary()?).args(["fleet", "init", "--output", "json"]).arg(&authority))?;
        let archive = folder.make(ARCHIVE)?;
        let mut controls = Vec::new();
        for number in 0..options.controls {
            let place = network.place(&Part::Control(number).to_string())?;
            let stores = ways.lead_to_etcd(&mut network, number, &etcd.endpoints())?;
            let redis = redis.as_ref().map(|redis| ways.lead_to_redis(&mut network, number, redis.address()));
            let redis = redis.transpose()?;
            let (authority, archive, journal) = (&*authority, &*archive, options.journal);
            let certificate_hours = options.certificate_hours.unwrap_or(24.0);
            let with = ControlStart { place, authority, archive, stores, redis, journal, certificate_hours };
            controls.push(Control::start(&folder, number, &with)?);
        }
        let first = controls.first().context("a fleet without a control plane")?;
        let operator = operator(first.data())?;
        apply(first.api(), &operator, &bundle.path().display().to_string())?;
        let mut gateways = Vec::new();
        for number in 0..options.gateways + options.spare_gateways {
            let order: &[&str] = match options.certificate_hours {
                Some(_) => &["fleet", "token", "--reusable", "--ttl", "24h"],
                None => &["fleet", "token"],
            };
            let token = text(&cli(first.api(), &operator, order)?, "token")?;
            let place = network.place(&Part::Gateway(number).to_string())?;
            let links: Vec<SocketAddr> = controls.iter().map(Control::fleet).collect();
            let links = ways.lead_to_controls(&mut network, number, &links)?;
            let environment = bundle.dev().environment;
            let proxied = options.proxy_protocol;
            let with = GatewayStart { place, token: &token, links, proxied, environment: &environment };
            let mut gateway = Gateway::new(&folder, number, &with)?;
            if number < options.gateways {
                gateway.product.start()?;
            }
            gateways.push(gateway);
        }
        let balancer = start_balancer(&mut network, &mut ways, &gateways, options.proxy_protocol)?;
        let mut cluster = Self {
            balancer,
            gateways,
            controls,
            ways,
            redis,
            etcd,
            network,
            folder,
            approver: String::new(),
        };
        cluster.approver = cluster.token(APPROVER, "human", &["dba"])?;
        Ok(cluster)
    }

    /// Where a client connects with `token` to reach `target`: before the balancer.
    #[must_use]
    pub fn dsn(&self, target: &str, token: &str, database: &str) -> Dsn {
        Dsn {
            host: self.balancer.address().ip().to_string(),
            port: self.balancer.address().port(),
            user: target.into(),
            password: token.into(),
            database: database.into(),
        }
    }

    /// Where every control-plane node has its API, past every bad way.
    #[must_use]
    pub fn apis(&self) -> Vec<String> {
        self.controls.iter().map(|control| control.api().to_owned()).collect()
    }

    /// The data folder of every control-plane node.
    #[must_use]
    pub fn data(&self) -> Vec<PathBuf> {
        self.controls.iter().map(|control| control.data().to_path_buf()).collect()
    }

    /// Where all control-plane nodes archive what they have recorded.
    #[must_use]
    pub fn archive(&self) -> PathBuf {
        self.folder.path().join(ARCHIVE)
    }

    /// Whether its parts can be cut off from each other.
    #[must_use]
    pub const fn can_cut(&self) -> bool {
        self.network.can_cut()
    }

    /// Where the members of etcd are, past every bad way.
    #[must_use]
    pub fn stores(&self) -> Vec<String> {
        self.etcd.endpoints()
    }

    /// The network that the parts stand on, where those of which it is asked can be cut off from each other.
    pub const fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The etcd cluster.
    pub const fn etcd(&mut self) -> &mut EtcdCluster {
        &mut self.etcd
    }

    /// The token of whoever set it up.
    ///
    /// # Errors
    /// There is none.
    pub fn operator(&self) -> Result<String> {
        operator(self.controls.first().context("no control plane")?.data())
    }

    /// The token of the person who may approve.
    #[must_use]
    pub fn approver(&self) -> &str {
        &self.approver
    }

    /// A new token for `subject`; `kind` is `human`, `agent` or `service`.
    ///
    /// # Errors
    /// What the command says.
    pub fn token(&self, subject: &str, kind: &str, groups: &[&str]) -> Result<String> {
        let mut arguments = vec!["token", "issue", "--subject", subject, "--kind", kind, "--ttl", "1h"];
        for group in groups {
            arguments.extend(["--group", group]);
        }
        text(&self.cli_as(&self.operator()?, &arguments)?, "token")
    }

    /// The ids of the requests that wait for a person, oldest first; at most a thousand.
    ///
    /// # Errors
    /// What the command says.
    pub fn pending(&self) -> Result<Vec<String>> {
        let arguments = ["requests", "ls", "--state", "pending", "--limit", "1000"];
        let listed = self.cli_as(&self.approver, &arguments)?;
        let requests = listed.get("requests").and_then(Value::as_array);
        let requests = requests.with_context(|| format!("not a list of requests: {listed}"))?;
        requests.iter().rev().map(|request| text(request, "id")).collect()
    }

    /// Approves, as the person who may.
    ///
    /// # Errors
    /// What the command says.
    pub fn approve(&self, id: &str) -> Result<()> {
        self.cli_as(&self.approver, &["approve", id, "--reason", "looks right"]).map(drop)
    }

    /// Runs a command of the command line at the first control-plane node that can be asked; its JSON.
    ///
    /// # Errors
    /// What the last of them says.
    pub fn cli_as(&self, token: &str, arguments: &[&str]) -> Result<Value> {
        let mut last = None;
        for control in &self.controls {
            match cli(control.api(), token, arguments) {
                Ok(printed) => return Ok(printed),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no control plane")?)
    }

    /// Every part that can be hit.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Balancer];
        parts.extend(self.redis.iter().map(|_| Part::Redis));
        parts.extend((0..self.gateways.len()).map(Part::Gateway));
        parts.extend((0..self.controls.len()).map(Part::Control));
        parts.extend((0..self.etcd.endpoints().len()).map(Part::Etcd));
        parts
    }

    /// Kills a part, as a power cut would.
    ///
    /// # Errors
    /// There is no such part, or it does not run.
    pub fn kill(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Balancer => self.balancer.kill(),
            Part::Gateway(number) => self.gateway(number)?.product.kill(),
            Part::Control(number) => self.control(number)?.product.kill(),
            Part::Etcd(number) => self.etcd.kill(number),
            Part::Redis => self.redis()?.kill(),
        }
    }

    /// Kills Redis, which has lost all that it had when it is started again.
    ///
    /// # Errors
    /// There is none, or its files cannot be removed.
    pub fn empty_redis(&mut self) -> Result<()> {
        self.redis()?.empty()
    }

    /// What a gateway or control-plane node has logged, over all its starts; nothing when it was never started.
    ///
    /// # Errors
    /// It is neither.
    pub fn log(&self, part: Part) -> Result<String> {
        let product = match part {
            Part::Gateway(number) => self.gateways.get(number).map(|gateway| &gateway.product),
            Part::Control(number) => self.controls.get(number).map(|control| &control.product),
            Part::Balancer | Part::Etcd(_) | Part::Redis => None,
        };
        let log = product.with_context(|| format!("{part} is not ours"))?.log();
        Ok(std::fs::read_to_string(log).unwrap_or_default())
    }

    /// Starts a part again that was killed or has ended, with its data and at its address.
    ///
    /// # Errors
    /// There is no such part, or it does not get ready.
    pub fn start_again(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Balancer => self.balancer.start_again(),
            Part::Gateway(number) => self.gateway(number)?.product.start(),
            Part::Control(number) => self.control(number)?.product.start(),
            Part::Etcd(number) => self.etcd.restart(number),
            Part::Redis => self.redis()?.restart(),
        }
    }

    /// Sends a part a signal.
    ///
    /// # Errors
    /// There is no such part, or it does not run.
    pub fn signal(&mut self, part: Part, signal: Signal) -> Result<()> {
        match part {
            Part::Balancer => self.balancer.signal(signal),
            Part::Gateway(number) => self.gateway(number)?.product.signal(signal),
            Part::Control(number) => self.control(number)?.product.signal(signal),
            Part::Etcd(number) => self.etcd.signal(number, signal),
            Part::Redis => self.redis()?.signal(signal),
        }
    }

    /// Asks a gateway or a control-plane node to end in good order, and waits until it has.
    ///
    /// # Errors
    /// It is neither, does not run, or ends with an error code.
    pub fn stop(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Gateway(number) => self.gateway(number)?.product.stop(END_LIMIT),
            Part::Control(number) => self.control(number)?.product.stop(END_LIMIT),
            Part::Balancer | Part::Etcd(_) | Part::Redis => {
                anyhow::bail!("{part} has no good order to end in")
            }
        }
    }

    /// Whether a gateway or control-plane node runs.
    pub fn runs(&mut self, part: Part) -> bool {
        match part {
            Part::Gateway(number) => self.gateway(number).is_ok_and(|gateway| gateway.product.runs()),
            Part::Control(number) => self.control(number).is_ok_and(|control| control.product.runs()),
            Part::Balancer | Part::Etcd(_) | Part::Redis => true,
        }
    }

    /// The process id of a gateway or control-plane node.
    ///
    /// # Errors
    /// It is neither, or does not run.
    pub fn id(&self, part: Part) -> Result<u32> {
        let product = match part {
            Part::Gateway(number) => self.gateways.get(number).map(|gateway| &gateway.product),
            Part::Control(number) => self.controls.get(number).map(|control| &control.product),
            Part::Balancer | Part::Etcd(_) | Part::Redis => None,
        };
        product.and_then(Product::id).with_context(|| format!("{part} does not run, or is not ours"))
    }

    /// The control-plane node that has a gateway's link.
    ///
    /// # Errors
    /// It is not linked.
    pub fn linked_to(&self, gateway: usize) -> Result<usize> {
        let nodes = self.cli_as(&self.operator()?, &["fleet", "nodes"])?;
        let nodes = nodes.get("nodes").and_then(Value::as_array).context("no list of nodes")?;
        let names = |field: &str, value: &str| {
            nodes.iter().find(|node| node.get(field).is_some_and(|found| found == value))
        };
        let node = names("name", &Part::Gateway(gateway).to_string()).context("no such gateway")?;
        let linked = text(node, "linked_to")?;
        let control = names("id", &linked).with_context(|| format!("nobody is {linked}"))?;
        let name = text(control, "name")?;
        (0..self.controls.len()).find(|number| Part::Control(*number).to_string() == name).context(name)
    }

    /// Where a client reaches one gateway past the balancer, which says who the client is.
    ///
    /// # Errors
    /// There is no such gateway.
    pub fn gateway_address(&self, number: usize) -> Result<SocketAddr> {
        Ok(self.gateways.get(number).context("no such gateway")?.address())
    }

    /// The names of the ways that can go bad, such as `gateway-1 to control-2`.
    pub fn ways(&self) -> impl Iterator<Item = &str> {
        self.ways.names()
    }

    /// A way by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn way(&self, name: &str) -> Result<&FaultProxy> {
        self.ways.get(name).with_context(|| format!("no way `{name}`"))
    }

    /// Ends all gateways that run, then all control-plane nodes, in good order.
    ///
    /// # Errors
    /// One ends with an error code.
    pub fn end(&mut self) -> Result<()> {
        for number in 0..self.gateways.len() {
            if self.runs(Part::Gateway(number)) {
                self.stop(Part::Gateway(number))?;
            }
        }
        for number in 0..self.controls.len() {
            self.stop(Part::Control(number))?;
        }
        Ok(())
    }

    /// Copies all logs into a folder.
    ///
    /// # Errors
    /// They cannot be copied.
    pub fn keep_logs(&self, folder: &Path) -> Result<()> {
        let gateways = self.gateways.iter().map(|gateway| &gateway.product);
        for product in gateways.chain(self.controls.iter().map(|control| &control.product)) {
            // A gateway that was never started has none.
            if product.log().is_file() {
                std::fs::copy(product.log(), folder.join(format!("{}.log", product.name())))?;
            }
        }
        if let Some(redis) = &self.redis {
            std::fs::write(folder.join("redis.log"), redis.log())?;
        }
        std::fs::write(folder.join("haproxy.log"), self.balancer.log())?;
        Ok(())
    }

    fn gateway(&mut self, number: usize) -> Result<&mut Gateway> {
        self.gateways.get_mut(number).with_context(|| format!("no gateway {number}"))
    }

    fn redis(&mut self) -> Result<&mut Redis> {
        self.redis.as_mut().context("this cluster has no Redis")
    }

    fn control(&mut self, number: usize) -> Result<&mut Control> {
        self.controls.get_mut(number).with_context(|| format!("no control-plane node {number}"))
    }
}

/// Puts a bundle in force: again and again on a machine so busy that a new etcd does not answer in time.
fn apply(api: &str, operator: &str, bundle: &str) -> Result<()> {
    let mut last = None;
    for _ in 0..6 {
        match cli(api, operator, &["apply", "-f", bundle]) {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no attempt")?)
}

/// Each member at its place.
fn start_etcd(network: &mut Network, options: &ClusterOptions) -> Result<EtcdCluster> {
    let places = (0..options.etcd).map(|number| network.place(&Part::Etcd(number).to_string()));
    let places: Vec<Place> = places.collect::<Result<_>>()?;
    EtcdCluster::start_with(options.etcd, EtcdOptions { places, ..EtcdOptions::default() })
}

/// Redis that keeps what a journal gives it.
fn start_redis(network: &mut Network, options: &ClusterOptions) -> Result<Redis> {
    let place = network.place(&Part::Redis.to_string())?;
    let synced = options.journal != Journal::Local;
    Redis::start(&RedisOptions { synced, place, ..RedisOptions::default() })
}

/// It knows the gateways that are still to come, too.
fn start_balancer(
    network: &mut Network,
    ways: &mut Ways,
    gateways: &[Gateway],
    proxy_protocol: bool,
) -> Result<HaProxy> {
    let place = network.place(&Part::Balancer.to_string())?;
    let mut backends = Vec::new();
    for (number, gateway) in gateways.iter().enumerate() {
        let address = ways.lead_to_gateway(network, number, gateway.address())?;
        backends.push(Backend { name: gateway.name().into(), address, ready: Some(gateway.ops()) });
    }
    HaProxy::start(&HaProxyOptions { backends, proxy_protocol, place })
}

/// Runs a command of the command line against one node; its JSON.
fn cli(api: &str, token: &str, arguments: &[&str]) -> Result<Value> {
    let mut command = Command::new(binary()?);
    command.args(arguments).args(["--output", "json"]).stdin(Stdio::null());
    product::json(command.env("COUNTERSIGN_API", api).env("COUNTERSIGN_TOKEN", token))
}

/// The operator's token in a data folder; it is there when the node is ready.
fn operator(data: &Path) -> Result<String> {
    let token = eventually("the operator's token", Duration::from_secs(5), || {
        Ok(std::fs::read_to_string(data.join("operator.token")).ok())
    })?;
    Ok(token.trim().to_owned())
}
