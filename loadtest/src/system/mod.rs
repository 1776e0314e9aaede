//! What is loaded: a PostgreSQL, and before it Countersign, as processes of their own.

mod started;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use countersign_testkit::{Bundle, Postgres, PostgresOptions, Terms, shop};

use self::started::Started;
use crate::approver::Approver;
use crate::client::Login;
use crate::tap::Tap;

/// Sessions: each agent's token is one, on however many connections.
const AGENTS: usize = 64;

/// Connections from one loopback address; it has some 28,000 ports.
const CONNECTIONS_OF_ADDRESS: usize = 20_000;

/// Loopback addresses that connections come from: 127.0.0.2 and those after it.
const ADDRESSES: usize = 200;

/// How long a connection to the target may take to be given back.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(5);

/// What is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// Gateway and control plane in one process: `countersign dev`
    Embedded,
    /// Gateways and a control plane with the embedded store, each a process of its own
    Fleet,
    /// Gateways, two control-plane nodes, three members of etcd, each a process of its own
    Cluster,
}

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) shape: Shape,
    /// Gateways; one process has one.
    pub(crate) gateways: usize,
    /// Whether a cluster has a Redis for hints.
    pub(crate) redis: bool,
    /// Whether the wire to the target has a tap, which costs two more connections for each.
    pub(crate) tapped: bool,
}

/// Everything that runs.
pub(crate) struct System {
    gateways: Vec<SocketAddr>,
    agents: Vec<String>,
    tap: Tap,
    // In the order in which they have to go.
    countersign: Started,
    _bundle: Bundle,
    postgres: Postgres,
}

/// One process of Countersign.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// What it is: `gateway 1`.
    pub(crate) name: String,
    /// Its process id.
    pub(crate) id: u32,
}

impl Shape {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "one process",
            Self::Fleet => "gateway and control plane apart",
            Self::Cluster => "on three members of etcd",
        }
    }
}

impl Shape {
    /// In the name of a file.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Fleet => "fleet",
            Self::Cluster => "cluster",
        }
    }
}

impl Setup {
    /// As many gateways as it takes to lose one.
    pub(crate) const fn of(shape: Shape) -> Self {
        let gateways = match shape {
            Shape::Embedded => 1,
            Shape::Fleet | Shape::Cluster => 2,
        };
        Self { shape, gateways, redis: true, tapped: true }
    }
}

impl System {
    /// Starts all of it.
    pub(crate) async fn start(setup: Setup) -> Result<Self> {
        let postgres = Postgres::start(PostgresOptions::default().with("max_connections", "1500"))?;
        postgres.sql("CREATE TABLE load (n bigint)")?;
        postgres.sql(&format!("ALTER TABLE load OWNER TO {}", shop::ROLE))?;
        let server = postgres.dsn();
        let tap = Tap::start(format!("{}:{}", server.host, server.port).parse()?).await?;
        let terms = Terms { hold: "1h", notice_every: "10m", timeout: "2h", ..Terms::default() };
        let bundle = Bundle::example(&postgres, &terms)?.without_limits()?;
        if setup.tapped {
            lead_through(&bundle, server.port, tap.address().port())?;
        }
        let countersign = Started::start(&setup, &bundle)?;
        let gateways = countersign.gateways()?;
        let agents = (0..AGENTS).map(|number| countersign.agent(number)).collect::<Result<_>>()?;
        Ok(Self { gateways, agents, tap, countersign, _bundle: bundle, postgres })
    }

    /// Kills a gateway, as a power cut would; its clients have the others left.
    pub(crate) fn kill_gateway(&self, number: usize) -> Result<()> {
        self.countersign.kill_gateway(number)
    }

    /// Starts one again that was killed; clients are served when this returns.
    pub(crate) fn start_gateway_again(&self, number: usize) -> Result<()> {
        self.countersign.start_gateway_again(number)
    }

    /// Kills Redis, and nobody starts it again.
    pub(crate) fn kill_redis(&self) -> Result<()> {
        self.countersign.kill_redis()
    }

    /// How many gateways there are.
    pub(crate) fn gateways(&self) -> usize {
        self.gateways.len()
    }

    /// Where a gateway is.
    pub(crate) fn gateway(&self, number: usize) -> Result<SocketAddr> {
        self.gateways.get(number).copied().context("no gateway")
    }

    /// How the connection with this number logs in: spread over agents, gateways and loopback addresses.
    pub(crate) fn login(&self, number: usize) -> Result<Login> {
        self.login_at(number, number % self.gateways.len().max(1))
    }

    /// The same at a certain gateway.
    pub(crate) fn login_at(&self, number: usize, gateway: usize) -> Result<Login> {
        let pick = |all: &[String]| all.get(number % all.len().max(1)).cloned().context("no agent");
        let address = u8::try_from(2 + number / CONNECTIONS_OF_ADDRESS % ADDRESSES)?;
        Ok(Login {
            server: self.gateway(gateway)?,
            from: IpAddr::V4(Ipv4Addr::new(127, 0, 0, address)),
            target: "shop".into(),
            token: pick(&self.agents)?,
            database: shop::DATABASE.into(),
        })
    }

    /// The agents' tokens.
    pub(crate) fn agents(&self) -> &[String] {
        &self.agents
    }

    /// A person who may approve.
    pub(crate) async fn approver(&self) -> Result<Approver> {
        Approver::connect(&self.countersign.api()?, &self.countersign.approver()).await
    }

    /// A person who may approve, and does so at another control-plane node than the one that has this gateway's link,
    /// where there is another.
    pub(crate) async fn approver_elsewhere(&self, gateway: usize) -> Result<Approver> {
        Approver::connect(&self.countersign.api_elsewhere(gateway)?, &self.countersign.approver()).await
    }

    /// The processes of Countersign that run now.
    pub(crate) fn parts(&self) -> Result<Vec<Part>> {
        self.countersign.parts()
    }

    /// The ids of them.
    pub(crate) fn ids(&self) -> Result<Vec<u32>> {
        Ok(self.parts()?.iter().map(|part| part.id).collect())
    }

    /// The wire to the target.
    pub(crate) fn tap(&self) -> &Tap {
        &self.tap
    }

    /// What the target itself says, asked past every gateway.
    pub(crate) fn sql(&self, sql: &str) -> Result<String> {
        self.postgres.sql(sql)
    }

    fn upstream_connections(&self) -> Result<usize> {
        let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{}'", shop::ROLE);
        self.sql(&sql)?.trim().parse().context("not a number")
    }

    /// How many connections gateways have to the target when they have given back what they do not need.
    pub(crate) async fn upstream_connections_left(&self) -> Result<usize> {
        let deadline = Instant::now() + GIVEN_BACK_WITHIN;
        loop {
            let left = self.upstream_connections()?;
            if left == 0 || Instant::now() > deadline {
                return Ok(left);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Puts the tap between the gateway and its target.
fn lead_through(bundle: &Bundle, server: u16, tap: u16) -> Result<()> {
    let targets = std::fs::read_to_string(bundle.path().join("targets.yaml"))?;
    bundle.replace("targets.yaml", &targets.replace(&format!(":{server}/"), &format!(":{tap}/")))
}
