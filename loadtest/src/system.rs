//! What is loaded: a PostgreSQL, and before it Countersign, as processes of their own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use clap::ValueEnum;
use countersign_testkit::{Bundle, Countersign, Fleet, Postgres, PostgresOptions, Terms, shop};

use crate::approver::Approver;
use crate::client::Login;
use crate::tap::Tap;

/// Sessions: each agent's token is one, on however many connections.
const AGENTS: usize = 64;

/// Gateways of a fleet.
const GATEWAYS: usize = 2;

/// Connections from one loopback address; it has some 28,000 ports.
const CONNECTIONS_OF_ADDRESS: usize = 20_000;

/// What is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Shape {
    /// Gateway and control plane in one process: `countersign dev`
    #[default]
    Embedded,
    /// Two gateways and a control plane, each a process of its own
    Fleet,
}

impl Shape {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "one process",
            Self::Fleet => "two gateways and a control plane",
        }
    }
}

/// Everything that runs.
pub(crate) struct System {
    gateways: Vec<SocketAddr>,
    processes: Vec<Part>,
    api: String,
    approver: String,
    agents: Vec<String>,
    tap: Tap,
    // In the order in which they have to go.
    countersign: Started,
    _bundle: Bundle,
    _postgres: Postgres,
}

/// What was started of Countersign.
enum Started {
    Embedded(Box<Countersign>),
    Fleet(Box<Mutex<Fleet>>),
}

/// One process of Countersign.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// What it is: `gateway 1`.
    pub(crate) name: String,
    /// Its process id.
    pub(crate) id: u32,
}

impl System {
    /// Starts all of it.
    pub(crate) async fn start(shape: Shape) -> Result<Self> {
        let postgres = Postgres::start(PostgresOptions::default().with("max_connections", "2000"))?;
        postgres.sql("CREATE TABLE load (n bigint)")?;
        postgres.sql(&format!("ALTER TABLE load OWNER TO {}", shop::ROLE))?;
        let server = postgres.dsn();
        let tap = Tap::start(format!("{}:{}", server.host, server.port).parse()?).await?;
        let terms = Terms { hold: "1h", notice_every: "10m", timeout: "2h", ..Terms::default() };
        let bundle = Bundle::example(&postgres, &terms)?;
        lead_through(&bundle, server.port, tap.address().port())?;
        let (countersign, gateways, processes) = match shape {
            Shape::Embedded => embedded(&bundle)?,
            Shape::Fleet => fleet(&bundle)?,
        };
        let (api, approver, agents) = countersign.people()?;
        Ok(Self {
            gateways,
            processes,
            api,
            approver,
            agents,
            tap,
            countersign,
            _bundle: bundle,
            _postgres: postgres,
        })
    }

    /// Kills the first gateway, as a power cut would; its clients have the others left.
    pub(crate) fn kill_first_gateway(&self) -> Result<()> {
        match &self.countersign {
            Started::Embedded(_) => anyhow::bail!("one process has no other gateway: give --system fleet"),
            Started::Fleet(fleet) => fleet.lock().unwrap_or_else(PoisonError::into_inner).kill_gateway(0),
        }
    }

    /// How many gateways there are.
    pub(crate) fn gateways(&self) -> usize {
        self.gateways.len()
    }

    /// How the connection with this number logs in: spread over agents, gateways and loopback addresses.
    pub(crate) fn login(&self, number: usize) -> Result<Login> {
        self.login_at(number, number % self.gateways.len().max(1))
    }

    /// The same at a certain gateway.
    pub(crate) fn login_at(&self, number: usize, gateway: usize) -> Result<Login> {
        let pick = |all: &[String]| all.get(number % all.len().max(1)).cloned().context("no agent");
        let address = u8::try_from(2 + number / CONNECTIONS_OF_ADDRESS)?;
        let server = *self.gateways.get(gateway).context("no gateway")?;
        Ok(Login {
            server,
            from: IpAddr::V4(Ipv4Addr::new(127, 0, 0, address)),
            target: "shop".into(),
            token: pick(&self.agents)?,
            database: shop::DATABASE.into(),
        })
    }

    /// A person who may approve.
    pub(crate) async fn approver(&self) -> Result<Approver> {
        Approver::connect(&self.api, &self.approver).await
    }

    /// The processes of Countersign.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.processes
    }

    /// The ids of them.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.processes.iter().map(|part| part.id).collect()
    }

    /// The wire to the target.
    pub(crate) fn tap(&self) -> &Tap {
        &self.tap
    }
}

impl Started {
    /// Where the API is, who approves, and the agents' tokens.
    fn people(&self) -> Result<(String, String, Vec<String>)> {
        let people = |control: &Countersign| {
            let tokens =
                (0..AGENTS).map(|number| control.token(&format!("agent-{number}"), "agent", &["agents"]));
            Ok((control.api().to_owned(), control.approver().to_owned(), tokens.collect::<Result<_>>()?))
        };
        match self {
            Self::Embedded(countersign) => people(countersign),
            Self::Fleet(fleet) => people(fleet.lock().unwrap_or_else(PoisonError::into_inner).control()),
        }
    }
}

type Processes = (Started, Vec<SocketAddr>, Vec<Part>);

fn embedded(bundle: &Bundle) -> Result<Processes> {
    let countersign = Countersign::start(bundle.dev())?;
    let gateways = vec![countersign.postgres().parse()?];
    let parts = vec![Part { name: "gateway and control plane".into(), id: countersign.id() }];
    Ok((Started::Embedded(Box::new(countersign)), gateways, parts))
}

fn fleet(bundle: &Bundle) -> Result<Processes> {
    let fleet = Fleet::start(bundle.dev(), GATEWAYS)?;
    let mut parts = vec![Part { name: "control plane".into(), id: fleet.control().id() }];
    let mut gateways = Vec::new();
    for index in 0..GATEWAYS {
        let dsn = fleet.dsn(index, "shop", "", shop::DATABASE)?;
        gateways.push(format!("{}:{}", dsn.host, dsn.port).parse()?);
        parts.push(Part { name: format!("gateway {}", index + 1), id: fleet.gateway_id(index)? });
    }
    Ok((Started::Fleet(Box::new(Mutex::new(fleet))), gateways, parts))
}

/// Puts the tap between the gateway and its target.
fn lead_through(bundle: &Bundle, server: u16, tap: u16) -> Result<()> {
    let targets = std::fs::read_to_string(bundle.path().join("targets.yaml"))?;
    bundle.replace("targets.yaml", &targets.replace(&format!(":{server}/"), &format!(":{tap}/")))
}
