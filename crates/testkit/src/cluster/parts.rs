//! The parts of a fleet: names for all of them, and the two kinds of process that are ours.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::config;
use crate::product::Product;
use crate::{Folder, lasting_port};

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

/// The servers behind a control-plane node, as it reaches them.
#[derive(Debug)]
pub(super) struct Reached {
    /// The members of etcd.
    pub(super) stores: Vec<String>,
    /// `None`: there is none.
    pub(super) redis: Option<SocketAddr>,
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
    /// Starts one; `authority` and `archive` are folders that all nodes have.
    pub(super) fn start(
        folder: &Folder,
        number: usize,
        authority: &Path,
        archive: &Path,
        reached: &Reached,
    ) -> Result<Self> {
        let name = Part::Control(number).to_string();
        let (api, fleet) = (loopback()?, loopback()?);
        let data = folder.path().join(&name);
        let text = config::control(&config::ControlText {
            name: &name,
            api,
            fleet,
            data: &data,
            authority,
            archive,
            stores: &reached.stores,
            redis: reached.redis,
        });
        let product = product(folder, &name, "controlplane", &text, &[])?;
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

impl Gateway {
    /// Starts one that joins with `token`; `links` are the control-plane nodes as it reaches them.
    pub(super) fn start(
        folder: &Folder,
        number: usize,
        token: &str,
        links: &[SocketAddr],
        proxied: bool,
        environment: &[(String, String)],
    ) -> Result<Self> {
        let name = Part::Gateway(number).to_string();
        let (address, ops) = (loopback()?, loopback()?);
        let token = folder.write(&format!("{name}.join"), token)?;
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
            links,
            proxied,
        });
        let product = product(folder, &name, "gateway", &text, environment)?;
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

fn loopback() -> Result<SocketAddr> {
    Ok(([127, 0, 0, 1], lasting_port()?).into())
}

/// Writes the configuration and starts the process.
fn product(
    folder: &Folder,
    name: &str,
    command: &str,
    text: &str,
    environment: &[(String, String)],
) -> Result<Product> {
    let file = folder.write(&format!("{name}.yaml"), text)?.display().to_string();
    let log = folder.path().join(format!("{name}.log"));
    let mut product = Product::new(name, &[command, "--config", &file], environment, log);
    product.start()?;
    Ok(product)
}
