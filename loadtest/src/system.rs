//! What is loaded: a PostgreSQL, and before it Countersign, as processes of their own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use countersign_testkit::{Bundle, Countersign, Postgres, PostgresOptions, Terms, shop};

use crate::approver::Approver;
use crate::client::Login;
use crate::tap::Tap;

/// Sessions: each agent's token is one, on however many connections.
const AGENTS: usize = 64;

/// Connections from one loopback address; it has some 28,000 ports.
const CONNECTIONS_OF_ADDRESS: usize = 20_000;

/// Everything that runs.
pub(crate) struct System {
    gateways: Vec<SocketAddr>,
    processes: Vec<Part>,
    api: String,
    approver: String,
    agents: Vec<String>,
    tap: Tap,
    // In the order in which they have to go.
    _countersign: Countersign,
    _bundle: Bundle,
    _postgres: Postgres,
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
    /// `countersign dev`: gateway and control plane in one process.
    pub(crate) async fn embedded() -> Result<Self> {
        let postgres = Postgres::start(PostgresOptions::default().with("max_connections", "2000"))?;
        postgres.sql("CREATE TABLE load (n bigint)")?;
        postgres.sql(&format!("ALTER TABLE load OWNER TO {}", shop::ROLE))?;
        let server = postgres.dsn();
        let tap = Tap::start(format!("{}:{}", server.host, server.port).parse()?).await?;
        let terms = Terms { hold: "1h", notice_every: "10m", timeout: "2h", ..Terms::default() };
        let bundle = Bundle::example(&postgres, &terms)?;
        lead_through(&bundle, server.port, tap.address().port())?;
        let countersign = Countersign::start(bundle.dev())?;
        let agents = (0..AGENTS)
            .map(|number| countersign.token(&format!("agent-{number}"), "agent", &["agents"]))
            .collect::<Result<_>>()?;
        Ok(Self {
            gateways: vec![countersign.postgres().parse()?],
            processes: vec![Part { name: "gateway and control plane".into(), id: countersign.id() }],
            api: countersign.api().to_owned(),
            approver: countersign.approver().to_owned(),
            agents,
            tap,
            _countersign: countersign,
            _bundle: bundle,
            _postgres: postgres,
        })
    }

    /// How the connection with this number logs in: spread over agents, gateways and loopback addresses.
    pub(crate) fn login(&self, number: usize) -> Result<Login> {
        let pick = |all: &[String]| all.get(number % all.len().max(1)).cloned().context("no agent");
        let address = u8::try_from(2 + number / CONNECTIONS_OF_ADDRESS)?;
        let server = *self.gateways.get(number % self.gateways.len().max(1)).context("no gateway")?;
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

/// Puts the tap between the gateway and its target.
fn lead_through(bundle: &Bundle, server: u16, tap: u16) -> Result<()> {
    let targets = std::fs::read_to_string(bundle.path().join("targets.yaml"))?;
    bundle.replace("targets.yaml", &targets.replace(&format!(":{server}/"), &format!(":{tap}/")))
}
