//! What operators see of a fleet of processes: the link from both ends, the lease, the bundle, what is open.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_testkit::{Bundle, Fleet, Postgres, PostgresOptions, Terms, eventually, shop};

use super::{ADD, get, promtool, psql, reference, value};

/// How long a gauge may take that is measured now and then.
const MEASURED_WITHIN: Duration = Duration::from_secs(20);

struct Stage {
    // In the order in which they have to end.
    fleet: Fleet,
    _server: Postgres,
    _bundle: Bundle,
}

impl Stage {
    fn new() -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        Self { fleet: Fleet::start(bundle.dev(), 1).unwrap(), _server: server, _bundle: bundle }
    }

    fn gateway(&self) -> String {
        get(self.fleet.gateway_ops(0).unwrap(), "/metrics").1
    }

    fn control(&self) -> String {
        get(self.fleet.control().ops().unwrap(), "/metrics").1
    }
}

/// Waits until what `scrape` shows of all these series is so.
fn shows(scrape: impl Fn() -> String, expected: &[(&str, f64)]) {
    let right = |text: &str, (series, wanted): &(&str, f64)| {
        text.lines().any(|line| line == format!("{series} {wanted}"))
    };
    let seen = eventually("the series", MEASURED_WITHIN, || {
        let text = scrape();
        Ok(expected.iter().all(|one| right(&text, one)).then_some(()))
    });
    seen.unwrap_or_else(|error| panic!("{error}: {expected:?} in\n{}", scrape()));
}

#[test]
fn a_fleet_shows_its_link_its_lease_and_what_is_open() {
    let mut stage = Stage::new();
    let token = stage.fleet.control().token("agent-7", "agent", &["agents"]).unwrap();
    let waiting = psql(stage.fleet.dsn(0, "shop", &token, shop::DATABASE).unwrap(), ADD);
    let id = stage.fleet.control().pending_one().unwrap();
    shows(
        || stage.gateway(),
        &[
            ("countersign_held", 1.0),
            ("countersign_attached_sessions", 1.0),
            ("countersign_link_up", 1.0),
            ("countersign_link_opened_total", 1.0),
            ("countersign_link_unsynced_records", 0.0),
            ("countersign_link_open_calls", 0.0),
        ],
    );
    shows(
        || stage.control(),
        &[
            ("countersign_links", 1.0),
            ("countersign_nodes{kind=\"gateway\"}", 1.0),
            ("countersign_nodes{kind=\"control_plane\"}", 1.0),
            ("countersign_gateways_other_bundle", 0.0),
            ("countersign_open_approvals{state=\"pending\"}", 1.0),
            ("countersign_sessions", 1.0),
        ],
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let (gateway, control) = (stage.gateway(), stage.control());
    let lease = value(&gateway, "countersign_bundle_lease_remaining_seconds");
    assert!(lease > 0.0 && lease <= 15.0, "{lease}");
    let in_force = value(&gateway, "countersign_bundle_in_force_timestamp_seconds");
    assert!(in_force > now - 120.0 && in_force <= now, "{in_force}");
    assert!(value(&gateway, "countersign_link_round_trip_seconds_count") > 0.0);
    let ends = value(&gateway, "countersign_certificate_expiry_timestamp_seconds{certificate=\"gateway\"}");
    assert!(ends > now + 3600.0 && ends < now + 25.0 * 3600.0, "{ends}");
    let ends = value(&control, "countersign_certificate_expiry_timestamp_seconds{certificate=\"fleet\"}");
    assert!(ends > now + 80.0 * 86400.0 && ends < now + 91.0 * 86400.0, "{ends}");
    for scrape in [&gateway, &control] {
        reference::every_series_is_described(scrape);
        promtool(scrape);
    }

    stage.fleet.control().approve(&id).unwrap();
    assert!(waiting.wait_with_output().unwrap().status.success());
    shows(|| stage.control(), &[("countersign_open_approvals{state=\"redeemed\"}", 0.0)]);
    let followed = eventually("the watch to be where the store is", MEASURED_WITHIN, || {
        let scrape = stage.control();
        let seen = value(&scrape, "countersign_watch_revision");
        Ok((seen > 0.0 && seen >= value(&scrape, "countersign_store_revision")).then_some(()))
    });
    followed.unwrap();

    stage.fleet.control_mut().kill().unwrap();
    shows(|| stage.gateway(), &[("countersign_link_up", 0.0)]);
    stage.fleet.control_mut().start_again().unwrap();
    shows(|| stage.gateway(), &[("countersign_link_up", 1.0), ("countersign_link_opened_total", 2.0)]);
    assert!(value(&stage.gateway(), "countersign_link_dial_failures_total") > 0.0);
}
