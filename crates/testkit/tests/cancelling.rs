//! Cancel requests stop the command that they mean, and never the next one: the connection on which a client asks is
//! closed only when the target has been signalled.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use std::time::Duration;

use countersign_testkit::{
    Auth, Bundle, Countersign, Dsn, Fleet, Frame, Postgres, PostgresOptions, RawClient, eventually, tagged,
    untagged,
};

/// Pairs of a statement and a cancel request.
const PAIRS: usize = 150;

fn query(sql: &str) -> Vec<u8> {
    tagged(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

/// A connection, and the key by which it is cancelled.
struct Session {
    client: RawClient,
    key: Vec<u8>,
}

impl Session {
    fn login(dsn: &Dsn) -> Self {
        let (client, greeting) = RawClient::login(dsn).unwrap();
        let key = greeting.into_iter().find(|frame| frame.tag == b'K').unwrap().body;
        Self { client, key }
    }

    /// Asks through this door, and waits as libpq does until the server hangs up.
    fn cancel(&self, door: &Dsn) {
        let mut other = RawClient::connect(&door.host, door.port).unwrap();
        other.send(&untagged(&[&80_877_102_u32.to_be_bytes(), self.key.as_slice()].concat())).unwrap();
        assert!(other.until_closed().unwrap().is_empty(), "a cancel request is answered by nothing");
    }

    fn send(&mut self, sql: &str) {
        self.client.send(&query(sql)).unwrap();
    }

    /// Returns whether the statement was answered; otherwise it was cancelled.
    fn answered(&mut self) -> bool {
        let frames = self.client.until_ready().expect("neither answered nor cancelled");
        let error = |frame: &&Frame| frame.tag == b'E';
        match frames.iter().find(error) {
            None => true,
            Some(error) => {
                let text = String::from_utf8_lossy(&error.body).into_owned();
                assert!(text.contains("\0C57014\0"), "{text}");
                false
            }
        }
    }

    fn run(&mut self, sql: &str) -> bool {
        self.send(sql);
        self.answered()
    }
}

/// Long enough that a signal which comes late would find it.
const NEXT: &str = "SELECT pg_sleep(0.005), 'next'";

/// Waits until a statement sleeps at the server.
fn wait_for_sleep(watcher: &mut Session) {
    const SLEEPS: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    eventually("a statement sleeps", Duration::from_secs(30), || {
        watcher.send(SLEEPS);
        let frames = watcher.client.until_ready()?;
        let row = frames.iter().find(|frame| frame.tag == b'D');
        Ok(row.filter(|row| row.body.ends_with(b"1")).map(|_| ()))
    })
    .unwrap();
}

/// Counts the statements behind a cancel request that were hit by it.
fn next_ones_that_were_hit(server: &Postgres, dsn: &Dsn, door: &Dsn) -> usize {
    let mut watcher = Session::login(&server.dsn());
    let mut session = Session::login(dsn);
    let mut hit = 0;
    for pair in 0..PAIRS {
        match pair % 3 {
            // The statement runs for as long as nobody cancels it.
            0 => {
                session.send("SELECT pg_sleep(60)");
                wait_for_sleep(&mut watcher);
                session.cancel(door);
                assert!(!session.answered(), "pair {pair}: it was not cancelled");
            }
            // It ends at about the time when the request comes.
            1 => {
                session.send("SELECT pg_sleep(0.002)");
                session.cancel(door);
                session.answered();
            }
            // It has ended before.
            _ => {
                assert!(session.run("SELECT 1"), "pair {pair}");
                session.cancel(door);
            }
        }
        hit += usize::from(!session.run(NEXT));
    }
    hit
}

#[test]
fn a_cancel_request_never_hits_the_next_statement() {
    let server = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
    let bundle = Bundle::allow_all(&server).unwrap();
    let gateway = Countersign::start(bundle.dev()).unwrap();
    let token = gateway.token("agent-7", "agent", &["agents"]).unwrap();
    let through = gateway.dsn("shop", &token, "shop");
    assert_eq!(next_ones_that_were_hit(&server, &server.dsn(), &server.dsn()), 0, "directly");
    assert_eq!(next_ones_that_were_hit(&server, &through, &through), 0, "through the gateway");
}

#[test]
fn a_cancel_request_that_another_gateway_forwards_never_hits_the_next_statement() {
    let server = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
    let bundle = Bundle::allow_all(&server).unwrap();
    let fleet = Fleet::start(bundle.dev(), 2).unwrap();
    let token = fleet.control().token("agent-7", "agent", &["agents"]).unwrap();
    let [here, there] = [0, 1].map(|gateway| fleet.dsn(gateway, "shop", &token, "shop").unwrap());
    assert_eq!(next_ones_that_were_hit(&server, &here, &there), 0);
}

#[test]
fn a_key_that_means_nobody_is_closed_at_once() {
    let server = Postgres::start(PostgresOptions::default()).unwrap();
    let bundle = Bundle::allow_all(&server).unwrap();
    let gateway = Countersign::start(bundle.dev()).unwrap();
    let token = gateway.token("agent-7", "agent", &["agents"]).unwrap();
    let dsn = gateway.dsn("shop", &token, "shop");
    let mut session = Session::login(&dsn);
    session.send("SELECT pg_sleep(0.5), 'not cancelled'");
    let mut wrong = session.key.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let stranger = Session { client: RawClient::connect(&dsn.host, dsn.port).unwrap(), key: wrong };
    stranger.cancel(&dsn);
    assert!(session.answered());
}
