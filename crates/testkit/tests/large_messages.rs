//! Large messages: what is judged whole is in memory once, what nobody judges is passed on in pieces, and a limit names
//! itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use countersign_testkit::usage::{forget_peak, peak_kib, resident_kib};
use countersign_testkit::{Auth, Bundle, Countersign, Frame, Postgres, PostgresOptions, RawClient, tagged};

const MIB: usize = 1 << 20;

struct Stage {
    gateway: Countersign,
    server: Postgres,
    _bundle: Bundle,
    client: RawClient,
}

impl Stage {
    fn new(judged_bytes_max: usize) -> Self {
        let server = Postgres::start(PostgresOptions { auth: Auth::Trust, ..Default::default() }).unwrap();
        server.sql("CREATE TABLE kept (what text); GRANT ALL ON kept TO shop_app").unwrap();
        let bundle = Bundle::allow_all(&server).unwrap();
        bundle.judge_up_to(judged_bytes_max).unwrap();
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("agent-7", "agent", &["agents"]).unwrap();
        let (client, _) = RawClient::login(&gateway.dsn("shop", &token, "shop")).unwrap();
        let mut stage = Self { gateway, server, _bundle: bundle, client };
        // What a first command needs is not what a large one needs.
        stage.client.send(&query("SELECT 1")).unwrap();
        stage.client.until_ready().unwrap();
        stage
    }

    /// By how many MiB the gateway grew at most while this was sent and answered.
    fn growth(&mut self, bytes: &[u8]) -> (usize, Vec<Frame>) {
        let id = self.gateway.id();
        forget_peak(id).unwrap();
        let before = resident_kib(id).unwrap();
        self.client.send(bytes).unwrap();
        let answer = self.client.until(b'Z').unwrap();
        let grown = peak_kib(id).unwrap().saturating_sub(before);
        (usize::try_from(grown).unwrap() / 1024, answer)
    }
}

fn query(sql: &str) -> Vec<u8> {
    tagged(b'Q', &[sql.as_bytes(), b"\0"].concat())
}

/// Runs it with one binary parameter of so many bytes.
fn with_parameter(sql: &str, bytes: usize) -> Vec<u8> {
    let parse = tagged(b'P', &[b"\0", sql.as_bytes(), b"\0\0\0"].concat());
    let mut bind = b"\0\0\0\x01\0\x01\0\x01".to_vec();
    bind.extend(u32::try_from(bytes).unwrap().to_be_bytes());
    bind.resize(bind.len() + bytes, 7);
    bind.extend([0, 0]);
    [parse, tagged(b'B', &bind), tagged(b'E', b"\0\0\0\0\0"), tagged(b'S', b"")].concat()
}

fn rows(answer: &[Frame]) -> Vec<String> {
    let rows = answer.iter().filter(|frame| frame.tag == b'D');
    rows.map(|row| String::from_utf8_lossy(row.body.get(6..).unwrap()).into_owned()).collect()
}

#[test]
fn a_large_parameter_is_in_memory_once() {
    const SIZE: usize = 128;
    let mut stage = Stage::new(256 * MIB);
    let (grown, answer) = stage.growth(&with_parameter("SELECT length($1::bytea)", SIZE * MIB));
    assert_eq!(rows(&answer), [(SIZE * MIB).to_string()], "{answer:?}");
    assert!((SIZE / 2..SIZE * 3 / 2).contains(&grown), "{grown} MiB for {SIZE} MiB");
    // A plan that calls what nobody vouches for goes together with its Bind: one copy.
    stage
        .server
        .sql("CREATE FUNCTION public.odd(bytea) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN length($1); END'")
        .unwrap();
    let (grown, answer) = stage.growth(&with_parameter("SELECT public.odd($1::bytea)", SIZE * MIB));
    assert_eq!(rows(&answer), [(SIZE * MIB).to_string()], "{answer:?}");
    assert!(grown < SIZE * 5 / 2, "{grown} MiB for {SIZE} MiB");
}

#[test]
fn a_large_message_of_copy_data_is_passed_on_in_pieces() {
    const SIZE: usize = 128;
    let mut stage = Stage::new(256 * MIB);
    let line = [vec![b'x'; MIB - 1], vec![b'\n']].concat();
    let copy = [query("COPY kept FROM STDIN"), tagged(b'd', &line.repeat(SIZE)), tagged(b'c', b"")].concat();
    let (grown, answer) = stage.growth(&copy);
    assert!(answer.iter().any(|frame| frame.body == format!("COPY {SIZE}\0").as_bytes()), "{answer:?}");
    assert!(grown < SIZE / 4, "{grown} MiB for {SIZE} MiB");
    assert_eq!(
        stage.server.sql("SELECT sum(length(what)) FROM kept").unwrap(),
        (SIZE * (MIB - 1)).to_string()
    );
}

#[test]
fn a_message_beyond_the_limit_is_refused_by_a_text_that_names_it_and_the_next_one_runs() {
    let mut stage = Stage::new(MIB);
    let text = format!("SELECT length('{}')", "x".repeat(2 * MIB));
    for large in [query(&text), with_parameter("SELECT length($1::bytea)", 2 * MIB)] {
        let (_, answer) = stage.growth(&large);
        let error = answer.iter().find(|frame| frame.tag == b'E').unwrap();
        let error = String::from_utf8_lossy(&error.body).into_owned();
        assert!(error.contains("C42G02") && error.contains("judged_bytes_max"), "{error}");
        assert!(error.contains("COPY") && !error.contains("forbids"), "{error}");
        assert_eq!(rows(&stage.growth(&query("SELECT 'next'")).1), ["next"]);
    }
}
