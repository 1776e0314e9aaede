//! What a gateway keeps for a command that waits, counted in bytes that are allocated and not given back: no time and
//! no pages, so that the figure is the same everywhere. The gateway runs here, the control plane and the target are
//! processes of their own, and a client is a bare socket.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::alloc::System;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use countersign_common::Secret;
use countersign_common::time::{Clock, SystemClock};
use countersign_gateway::identity::{Identity, IdentityOptions};
use countersign_gateway::link::{Link, LinkOptions, Unfinished};
use countersign_gateway::{Gateway, ListenerConfig, Listeners};
use countersign_masking::HashKey;
use countersign_testkit::{
    Bundle, Dsn, Fleet, Postgres, PostgresOptions, RawClient, Terms, eventually, shop, tagged,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What is waited for before it is counted, so that caches and pools are as large as they get; and what waits in the end.
/// Tables double when seven eighths of them are taken (`hashbrown`: 56 of 64, 224 of 256). Both counts stand just before that,
/// so that the figure is what one more costs, and does not jump by a table that one client more or less would double.
const WARM: usize = 56;
const ALL: usize = 224;

/// What is counted.
const COUNTED: usize = ALL - WARM;

/// The most that one that waits may keep, in bytes. The design aims at 12 KiB of the process.
const BYTES_MAX: usize = 12 * 1024;

/// How long what is on its way (records, connections given back) may take to be gone.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);

struct World {
    gateway: Dsn,
    server: Postgres,
    _fleet: Fleet,
    _bundle: Bundle,
    _state: tempfile::TempDir,
    // Ends first: what it serves needs the others.
    _runtime: tokio::runtime::Runtime,
}

impl World {
    fn start() -> Result<Self> {
        let _ =
            rustls::crypto::CryptoProvider::install_default(rustls::crypto::aws_lc_rs::default_provider());
        let server = Postgres::start(PostgresOptions::default().with("max_connections", "400"))?;
        let terms = Terms { hold: "1h", notice_every: "10m", timeout: "2h", ..Terms::default() };
        let bundle = Bundle::example(&server, &terms)?.without_limits()?;
        let state = tempfile::tempdir()?;
        give_credential_by_file(&bundle, &state.path().join("password"))?;
        let fleet = Fleet::start(bundle.dev(), 0)?;
        let joining = fleet.control().cli_as_operator(&["fleet", "token", "--ttl", "1h"])?;
        let joining = joining["token"].as_str().unwrap().to_owned();
        let token = fleet.control().token("ann", "agent", &["agents"])?;
        let control = format!("127.0.0.1:{}", fleet.port());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let port = runtime.block_on(serve(state.path().join("gateway"), control, joining));
        let gateway = Dsn {
            host: "127.0.0.1".into(),
            port,
            user: "shop".into(),
            password: token,
            database: "shop".into(),
        };
        Ok(Self { gateway, server, _fleet: fleet, _bundle: bundle, _state: state, _runtime: runtime })
    }

    /// As many clients, each with a write of its own that waits.
    fn hold(&self, numbers: std::ops::Range<usize>) -> Vec<RawClient> {
        let client = |number: usize| {
            let (mut client, _) = RawClient::login(&self.gateway).unwrap();
            let write = format!("UPDATE payments SET amount_cents = {number} WHERE id = {number}\0");
            client.send(&tagged(b'Q', write.as_bytes())).unwrap();
            let said = client.until(b'N').unwrap();
            assert!(format!("{said:?}").contains("apr_"), "{said:?}");
            client
        };
        numbers.map(client).collect()
    }

    /// Connections to the target that those who wait still have.
    fn connections(&self) -> String {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_app' \
                     AND application_name NOT LIKE 'countersign%'";
        self.server.sql(count).unwrap()
    }

    fn connections_are_given_back(&self) {
        let none = || Ok((self.connections() == "0").then_some(()));
        eventually("connections to be given back", SETTLED_WITHIN, none).unwrap();
    }
}

/// The target's password: of the environment only other processes have one of their own.
fn give_credential_by_file(bundle: &Bundle, file: &Path) -> Result<()> {
    std::fs::write(file, shop::PASSWORD)?;
    let targets = std::fs::read_to_string(bundle.path().join("targets.yaml"))?;
    let by_file = format!("{{ file: {} }}", file.display());
    bundle.replace("targets.yaml", &targets.replace("{ env: SHOP_PASSWORD }", &by_file))
}

/// A gateway in this process, from its joining on; the port that it serves.
async fn serve(state: std::path::PathBuf, control: String, token: String) -> u16 {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = IdentityOptions {
        state,
        name: "held-memory".into(),
        control_planes: vec![control.clone()],
        token: Some(token.parse().unwrap()),
    };
    let identity = Identity::open(options, Arc::clone(&clock)).await.unwrap();
    let link =
        Link::start(LinkOptions::new(vec![control]), identity.credentials(), clock, Unfinished::default());
    let ports = link.ready(None).await;
    let any = ListenerConfig::new("127.0.0.1:0".parse().unwrap(), None);
    let listeners = Listeners::bind(vec![any], 1000).await.unwrap();
    let port = listeners.addresses()[0].port();
    let key = Arc::new(HashKey::new(&Secret::new(vec![7; 32])));
    let gateway = Arc::new(Gateway::new(&listeners, &ports, &key));
    link.serves(Arc::clone(&gateway) as _);
    tokio::spawn(async move {
        let _link = link;
        gateway.run(listeners, std::future::pending(), Duration::ZERO).await;
    });
    port
}

/// Bytes that are allocated and have not been given back.
fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

#[test]
fn a_command_that_waits_keeps_less_than_12_kib_in_its_gateway() {
    let world = World::start().unwrap();
    let warm = world.hold(0..WARM);
    world.connections_are_given_back();
    let before = live_bytes();
    let held = world.hold(WARM..ALL);
    world.connections_are_given_back();
    let each = || live_bytes().saturating_sub(before) / COUNTED;
    let settled = eventually("what a command keeps to be little", SETTLED_WITHIN, || {
        Ok(Some(each()).filter(|bytes| *bytes <= BYTES_MAX))
    });
    println!("{} bytes each", each());
    assert!(settled.is_ok(), "a command that waits keeps {} bytes", each());
    drop((warm, held));
}
