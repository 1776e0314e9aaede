//! The parts of a fleet: names for all of them, and the two kinds of process that are ours.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::config::{self, Journal};
use crate::product::Product;
use crate::{Folder, Place, lasting_port};

/// A part of a fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// HAProxy.
    Balancer,
    /// A gateway, from 0.
    Gateway(usize),
    /// A control-plane node, from 0.
    Control(usize),
    /// A member of etcd, from 0.
    Etcd(usize),
    /// Redis, which carries hints between control-plane nodes.
    Redis,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balancer => f.write_str("balancer"),
            Self::Gateway(number) => write!(f, "gateway-{}", number + 1),
            Self::Control(number) => write!(f, "control-{}", number + 1),
            Self::Etcd(number) => write!(f, "etcd-{}", number + 1),
            Self::Redis => f.write_str("redis"),
        }
    }
}

/// What a control-plane node is started with.
#[derive(Debug)]
pub(super) struct ControlStart<'a> {
    pub(super) place: Place,
    /// Folders that all nodes have.
    pub(super) authority: &'a Path,
    pub(super) archive: &'a Path,
    /// The members of etcd, as it reaches them.
    pub(super) stores: Vec<String>,
    /// Redis as it reaches it; `None`: there is none.
    pub(super) redis: Option<SocketAddr>,
    pub(super) journal: Journal,
    pub(super) certificate_hours: f64,
}

/// A control-plane node.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) product: Product,
    data: PathBuf,
    api: String,
    fleet: SocketAddr,
}

impl Control {
    /// Starts one.
    pub(super) fn start(folder: &Folder, number: usize, with: &ControlStart<'_>) -> Result<Self> {
        let name = Part::Control(number).to_string();
        let (api, fleet) = (with.place.at(lasting_port()?), with.place.at(lasting_port()?));
        let data = folder.path().join(&name);
        let text = config::control(&config::ControlText {
            name: &name,
            api,
            fleet,
            data: &data,
            authority: with.authority,
            archive: with.archive,
            stores: &with.stores,
            redis: with.redis,
            journal: with.journal,
            certificate_hours: with.certificate_hours,
        });
        let mut product = product(folder, &name, "controlplane", &text, &[], &with.place)?;
        product.start()?;
        Ok(Self { product, data, api: format!("http://{api}"), fleet })
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn api(&self) -> &str {
        &self.api
    }

    /// Where gateways reach it.
    pub(super) const fn fleet(&self) -> SocketAddr {
        self.fleet
    }
}

/// A gateway.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) product: Product,
    address: SocketAddr,
    ops: SocketAddr,
}

/// What a gateway is started with.
#[derive(Debug)]
pub(super) struct GatewayStart<'a> {
    pub(super) place: Place,
    /// With which it joins.
    pub(super) token: &'a str,
    /// The control-plane nodes, as it reaches them.
    pub(super) links: Vec<SocketAddr>,
    /// Whether clients come through the balancer's PROXY protocol alone.
    pub(super) proxied: bool,
    pub(super) environment: &'a [(String, String)],
}

impl Gateway {
    /// One that is not started yet.
    pub(super) fn new(folder: &Folder, number: usize, with: &GatewayStart<'_>) -> Result<Self> {
        let name = Part::Gateway(number).to_string();
        let (address, ops) = (with.place.at(lasting_port()?), with.place.at(lasting_port()?));
        let token = folder.write(&format!("{name}.join"), with.token)?;
        let hash_key = folder.path().join("hash.key");
        if number == 0 {
            // The same on all of them, so that a masked value is the same through all of them.
            folder.write("hash.key", config::HASH_KEY)?;
        }
        let state = folder.make(&name)?;
        let text = config::gateway(&config::GatewayText {
            name: &name,
            address,
            ops,
            token: &token,
            state: &state,
            hash_key: &hash_key,
            links: &with.links,
            proxies: with.proxied.then(|| with.place.neighbours()),
        });
        let product = product(folder, &name, "gateway", &text, with.environment, &with.place)?;
        Ok(Self { product, address, ops })
    }

    pub(super) fn name(&self) -> &str {
        self.product.name()
    }

    /// Where clients reach it.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it says whether it is ready.
    pub(super) const fn ops(&self) -> SocketAddr {
        self.ops
    }
}

/// Writes the configuration of a process.
fn product(
    folder: &Folder,
    name: &str,
    command: &str,
    text: &str,
    environment: &[(String, String)],
    place: &Place,
) -> Result<Product> {
    let file = folder.write(&format!("{name}.yaml"), text)?.display().to_string();
    let log = folder.path().join(format!("{name}.log"));
    Ok(Product::new(name, &[command, "--config", &file], environment, place.clone(), log))
}
