//! The smallest stage: `countersign dev` as one process, PostgreSQL, and a bad network on either side.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use countersign_testkit::{Bundle, Countersign, Dsn, FaultProxy, Place, Postgres, Signal, shop};

use super::{Blow, Stage, WeakPoint, Weakness, server, terms, verify};
use crate::store::Store;

const COUNTERSIGN: &str = "countersign";
const POSTGRES: &str = "postgres";
const CLIENTS: &str = "clients to countersign";
const TARGET: &str = "countersign to postgres";

/// `countersign dev` between two bad networks.
#[derive(Debug)]
pub struct Dev {
    // In the order in which they have to end.
    gateway: Countersign,
    entrance: FaultProxy,
    api: FaultProxy,
    target: FaultProxy,
    server: Postgres,
    _bundle: Bundle,
}

impl Dev {
    /// Starts it.
    ///
    /// # Errors
    /// A process does not start.
    pub fn start(seed: u64) -> Result<Self> {
        let server = server(Place::default())?;
        let target = FaultProxy::start(server.address(), seed)?;
        let bundle = Bundle::example_at(target.address(), &terms())?.without_limits()?;
        let gateway = Countersign::start(bundle.dev())?;
        let entrance = FaultProxy::start(gateway.postgres().parse()?, !seed)?;
        let api = FaultProxy::start(api_address(&gateway)?, seed)?;
        Ok(Self { gateway, entrance, api, target, server, _bundle: bundle })
    }

    fn way(&self, name: &str) -> Result<&FaultProxy> {
        match name {
            CLIENTS => Ok(&self.entrance),
            TARGET => Ok(&self.target),
            _ => bail!("no way `{name}`"),
        }
    }
}

fn api_address(gateway: &Countersign) -> Result<std::net::SocketAddr> {
    let address = gateway.api().strip_prefix("http://").context("the API is not on loopback")?;
    address.parse().with_context(|| format!("`{address}` is no address"))
}

impl Stage for Dev {
    fn server(&self) -> &Postgres {
        &self.server
    }

    fn door(&self, token: &str) -> Dsn {
        Dsn { port: self.entrance.address().port(), ..self.gateway.dsn("shop", token, shop::DATABASE) }
    }

    fn apis(&self) -> Vec<String> {
        vec![format!("http://{}", self.api.address())]
    }

    fn operator(&self) -> Result<String> {
        self.gateway.operator()
    }

    fn weak_points(&self) -> Vec<WeakPoint> {
        use Weakness::{Process, Way};
        [(COUNTERSIGN, Process), (POSTGRES, Process), (CLIENTS, Way), (TARGET, Way)]
            .map(|(name, kind)| WeakPoint { name: name.into(), kind })
            .into()
    }

    fn supervise(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn strike(&mut self, name: &str, blow: Blow) -> Result<()> {
        match (name, blow) {
            (COUNTERSIGN, Blow::Kill) => self.gateway.kill(),
            (COUNTERSIGN, Blow::Stop) => self.gateway.signal(Signal::Stop),
            (POSTGRES, Blow::Kill) => self.server.crash(),
            (POSTGRES, Blow::Stop) => self.server.signal(Signal::Stop),
            (way, Blow::Network(fault)) => self.way(way).map(|way| way.set(fault)),
            (way, Blow::Reset) => self.way(way).map(FaultProxy::reset),
            _ => bail!("no process `{name}`"),
        }
    }

    fn heal(&mut self, name: &str, blow: Blow) -> Result<()> {
        match (name, blow) {
            (COUNTERSIGN, Blow::Kill) => {
                self.gateway.start_again()?;
                self.entrance.lead_to(self.gateway.postgres().parse()?);
                self.api.lead_to(api_address(&self.gateway)?);
                Ok(())
            }
            (COUNTERSIGN, Blow::Stop) => self.gateway.signal(Signal::Continue),
            (POSTGRES, Blow::Kill) => self.server.start_again(),
            (POSTGRES, Blow::Stop) => self.server.signal(Signal::Continue),
            (way, _) => self.way(way).map(FaultProxy::heal),
        }
    }

    fn store(&self) -> Option<Store> {
        None
    }

    /// None: each start applies the one of its configuration again.
    fn bundle(&self) -> Option<&Path> {
        None
    }

    fn recordings(&self) -> Vec<PathBuf> {
        vec![self.gateway.data().join("recordings")]
    }

    /// None: there are none.
    fn renewed(&self) -> Result<usize> {
        Ok(0)
    }

    fn end(&mut self) -> Result<Vec<String>> {
        self.gateway.stop()?;
        verify(&[self.gateway.data().to_path_buf()])
    }

    fn keep_logs(&self, folder: &Path) -> Result<()> {
        std::fs::write(folder.join("countersign.log"), self.gateway.log())?;
        std::fs::write(folder.join("postgres.log"), self.server.log())?;
        Ok(())
    }
}
