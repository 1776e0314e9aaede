//! Notifications name the process that a client knows: its own by the id that it was told, another client of the gateway
//! by the id that that one was told, everybody else by the server's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use countersign_testkit::{
    Auth, Bundle, Countersign, Dsn, Frame, Postgres, PostgresOptions, RawClient, tagged,
};

fn query(sql: &str) -> Vec<u8> {
    tagged(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

/// The first four bytes of a body, as the number that they are.
fn number(body: &[u8]) -> u32 {
    u32::from_be_bytes(*body.first_chunk().unwrap())
}

struct Session {
    client: RawClient,
    /// The process id that it was told.
    pid: u32,
}

impl Session {
    fn login(dsn: &Dsn) -> Self {
        let (client, greeting) = RawClient::login(dsn).unwrap();
        let key = greeting.iter().find(|frame| frame.tag == b'K').unwrap();
        Self { client, pid: number(&key.body) }
    }

    fn run(&mut self, sql: &str) -> Vec<Frame> {
        self.client.send(&query(sql)).unwrap();
        self.client.until_ready().unwrap()
    }

    /// Runs it, and the senders and payloads of the notifications that come with the answer or behind it.
    fn notified(&mut self, sql: &str) -> Vec<(u32, String)> {
        let mut frames = self.run(sql);
        // What others have sent is delivered before the server is ready once more.
        frames.extend(self.run("SELECT 1"));
        let said = |frame: &Frame| {
            let texts = frame.body.get(4..).unwrap().split(|byte| *byte == 0);
            let texts: Vec<_> = texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect();
            (number(&frame.body), texts.get(1).unwrap().clone())
        };
        frames.iter().filter(|frame| frame.tag == b'A').map(said).collect()
    }
}

#[test]
fn a_notification_names_the_process_that_the_client_knows() {
    let server = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
    let bundle = Bundle::allow_all(&server).unwrap();
    let gateway = Countersign::start(bundle.dev()).unwrap();
    let token = gateway.token("agent-7", "agent", &["agents"]).unwrap();
    let through = gateway.dsn("shop", &token, "shop");
    let (mut one, mut two) = (Session::login(&through), Session::login(&through));
    let mut stranger = Session::login(&server.dsn());
    assert_ne!(one.pid, two.pid);
    one.run("LISTEN z");
    two.run("LISTEN z");
    stranger.run("LISTEN z");
    // By function, by statement, and at the end of a transaction.
    assert_eq!(one.notified("NOTIFY z, 'own'"), [(one.pid, "own".to_owned())]);
    assert_eq!(one.notified("SELECT pg_notify('z', 'called')"), [(one.pid, "called".to_owned())]);
    assert_eq!(one.notified("BEGIN; NOTIFY z, 'late'; COMMIT"), [(one.pid, "late".to_owned())]);
    let all = ["own", "called", "late"].map(|payload| (one.pid, payload.to_owned()));
    assert_eq!(two.notified("SELECT 2"), all, "the other client knows it by the same id");
    stranger.run("NOTIFY z, 'from outside'");
    assert_eq!(one.notified("SELECT 3"), [(stranger.pid, "from outside".to_owned())]);
    // Outside, only the server's own ids are known.
    let shown: Vec<_> = stranger.notified("SELECT 4").into_iter().map(|(pid, _)| pid).collect();
    assert!(!shown.contains(&one.pid), "{shown:?}");
    // What a function of the server says is the server's.
    let row = one.run("SELECT pg_backend_pid() <> 0").into_iter().find(|frame| frame.tag == b'D').unwrap();
    assert!(row.body.ends_with(b"t"));
}
