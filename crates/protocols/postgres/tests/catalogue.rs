//! A catalogue that is kept up to date object by object is the one that is read whole, on a real server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use countersign_common::id::{EnvironmentName, RoleName, TargetName};
use countersign_common::target::{JUDGED_BYTES_MAX_DEFAULT, RecordingTerms, Role, Tls, TlsMode, Waiting};
use countersign_common::{Digest, Target};
use countersign_postgres::StartupParameters;
use countersign_postgres::codec::startup::Protocol;
use countersign_postgres::upstream::{Connector, Opening, Upstream};
use countersign_sql::catalogue::Rows;
use countersign_sql::catalogue::refresh::{self, Draft, Plan, Scope, Summary};
use countersign_sql::{Catalogue, Lexing, Reader};
use support::postgres::Postgres;
use support::tls;

/// Sequences of statements that are run for each way of keeping up.
const SEQUENCES: u64 = 6;

/// Steps of a sequence; each runs a few statements and compares.
const STEPS: u32 = 25;

fn target(port: u16, tls: Tls) -> Target {
    let role = RoleName::new("app").unwrap();
    Target {
        name: TargetName::new("shop").unwrap(),
        protocol: "postgres".into(),
        host: "127.0.0.1".into(),
        port,
        environment: EnvironmentName::new("test").unwrap(),
        labels: BTreeMap::new(),
        tls,
        roles: BTreeMap::from([(role.clone(), Role { user: "postgres".into(), credential: None })]),
        default_role: role,
        default_database: None,
        databases: std::collections::BTreeSet::new(),
        waiting: Waiting::default(),
        recording: RecordingTerms::default(),
        safe_functions: BTreeSet::new(),
        judged_bytes_max: JUDGED_BYTES_MAX_DEFAULT,
        reads_when_isolated: None,
        unmatched_rules: Default::default(),
        notifications: Default::default(),
        generation: Digest::of(b"1"),
    }
}

async fn open(server: &Postgres) -> Upstream {
    let connector = Connector::new(&target(server.port, tls(TlsMode::Disable))).unwrap();
    let parameters = StartupParameters::default();
    let role = Role { user: "postgres".into(), credential: None };
    let opening =
        Opening { role: &role, database: "postgres", parameters: &parameters, protocol: Protocol::V3_0 };
    connector.connect(&opening).await.unwrap()
}

async fn reader(server: &Postgres) -> Upstream {
    let mut upstream = open(server).await;
    for result in upstream.pipeline(&refresh::setup()).await.unwrap() {
        result.unwrap();
    }
    upstream
}

/// Brings a snapshot up to date in a scope.
async fn read(upstream: &mut Upstream, before: &Catalogue, scope: &Scope) -> Catalogue {
    let versions = upstream.simple_query(&scope.versions_query()).await.unwrap();
    read_planned(upstream, before, before.plan(scope, &versions).unwrap()).await
}

async fn read_planned(upstream: &mut Upstream, before: &Catalogue, plan: Plan) -> Catalogue {
    if plan.is_empty() {
        return before.clone();
    }
    let results: Vec<Rows> =
        upstream.pipeline(&plan.queries()).await.unwrap().into_iter().map(Result::unwrap).collect();
    let mut draft = Draft::new(plan, results).unwrap();
    let wanted = draft.definitions().to_vec();
    for query in &wanted {
        let rows = upstream.simple_query(&query.sql()).await.unwrap();
        draft.define(query, rows[0][0].clone().unwrap());
    }
    before.with(&draft).unwrap()
}

async fn read_whole(upstream: &mut Upstream) -> Catalogue {
    read(upstream, &Catalogue::empty(), &Scope::All).await
}

/// Everything that a snapshot says, with what is derived from the rows.
fn everything(catalogue: &Catalogue) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (query, rows) in catalogue.to_rows().iter().enumerate() {
        lines.extend(rows.iter().map(|row| format!("{query} {row:?}")));
    }
    let mut derived: Vec<String> = catalogue
        .relations()
        .map(|one| {
            let children: Vec<u32> = catalogue.children(one.oid()).map(|child| child.oid()).collect();
            let dependants = catalogue.dependants(countersign_sql::catalogue::ObjectId::relation(one.oid()));
            format!("{} {:?} {} {children:?} {dependants:?}", one.qualified(), one.family(), one.is_foreign())
        })
        .collect();
    derived.sort();
    lines.extend(derived);
    lines
}

fn assert_same(kept: &Catalogue, whole: &Catalogue, after: &[String]) {
    let (kept, whole) = (everything(kept), everything(whole));
    let only = |some: &[String], others: &[String]| -> Vec<String> {
        let others: BTreeSet<&String> = others.iter().collect();
        some.iter().filter(|line| !others.contains(line)).cloned().collect()
    };
    assert!(
        kept == whole,
        "kept up: {:#?}\nread whole: {:#?}\nafter {after:#?}",
        only(&kept, &whole),
        only(&whole, &kept)
    );
}

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }
}

/// A statement that changes definitions; many fail, as statements do.
fn statement(dice: &mut Dice) -> String {
    let (t, u) = (dice.pick(&["t1", "t2", "t3", "s1.t1", "s1.t4"]), dice.pick(&["t1", "t2", "t3", "s1.t4"]));
    let (v, w) = (dice.pick(&["v1", "v2", "s1.v3"]), dice.pick(&["v1", "v2", "v4"]));
    let (c, d) = (dice.pick(&["a", "b", "c"]), dice.pick(&["a", "b", "c", "d"]));
    let f = dice.pick(&["f1", "f2"]);
    let n = dice.below(1000);
    match dice.below(43) {
        0..=3 => format!(
            "CREATE TABLE {t} (a serial PRIMARY KEY, b text DEFAULT 'x', c int GENERATED ALWAYS AS ({n}) STORED)"
        ),
        4 => format!("CREATE TABLE {t} (d int, {c} text) INHERITS ({u})"),
        5 => format!("CREATE TABLE {t} (a int, b text) PARTITION BY RANGE (a)"),
        6 => format!("CREATE TABLE {t} PARTITION OF {u} FOR VALUES FROM ({n}) TO ({})", n + 1),
        7 => format!("ALTER TABLE {t} INHERIT {u}"),
        8 => format!("ALTER TABLE {t} NO INHERIT {u}"),
        9 => format!("ALTER TABLE {t} RENAME COLUMN {c} TO {d}"),
        10 => format!("ALTER TABLE {t} ADD COLUMN {d} text DEFAULT 'd{n}'"),
        11 => format!("ALTER TABLE {t} DROP COLUMN {c} CASCADE"),
        12 => format!("ALTER TABLE {t} ALTER COLUMN {c} SET DEFAULT '{n}'"),
        13 | 14 => format!("ALTER TABLE {t} RENAME TO {}", dice.pick(&["t1", "t2", "t3", "t4"])),
        15 => format!("ALTER TABLE {t} SET SCHEMA {}", dice.pick(&["s1", "public"])),
        16..=18 => format!("CREATE OR REPLACE VIEW {v} AS SELECT * FROM {u}"),
        19 => format!("CREATE VIEW {v} AS SELECT x.{c}, y.{d} FROM {w} x JOIN {u} y USING (a)"),
        20 => format!("CREATE MATERIALIZED VIEW {v} AS SELECT {c} FROM {u}"),
        21 => {
            format!("CREATE OR REPLACE RULE r AS ON INSERT TO {t} DO ALSO DELETE FROM {u} WHERE {c} IS NULL")
        }
        22 => format!("DROP RULE r ON {t}"),
        23 => format!("CREATE TRIGGER g BEFORE UPDATE ON {t} FOR EACH ROW EXECUTE FUNCTION fires()"),
        24 => format!("ALTER TABLE {t} DISABLE TRIGGER g"),
        25 => format!("CREATE OR REPLACE FUNCTION {f}(int) RETURNS int LANGUAGE sql AS 'SELECT {n}'"),
        26 => format!(
            "CREATE OR REPLACE FUNCTION {f}(int) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count({c}) FROM {u}; END"
        ),
        27 => format!("ALTER FUNCTION {f} RENAME TO {}", dice.pick(&["f1", "f2", "f3"])),
        28 => format!("DROP FUNCTION {f} CASCADE"),
        29 => format!("DROP TABLE {t} CASCADE"),
        30 => format!("DROP VIEW {v} CASCADE"),
        31 => format!(
            "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON {t} USING ({c} IS NOT NULL)"
        ),
        32 => format!("ALTER TABLE {t} ADD FOREIGN KEY ({c}) REFERENCES {u} ON DELETE CASCADE"),
        33 => format!("CREATE DOMAIN d1 AS int CHECK (VALUE > {n}); CREATE TABLE {t} (a d1, b d1[])"),
        34 => format!("ALTER DOMAIN d1 ADD CONSTRAINT k CHECK (VALUE < {n})"),
        35 => "CREATE TYPE e1 AS ENUM ('x'); CREATE TYPE c1 AS (a e1, b int)".to_owned(),
        36 => "ALTER TYPE c1 ADD ATTRIBUTE z int CASCADE".to_owned(),
        37 => "DROP TYPE e1 CASCADE".to_owned(),
        38 => format!("CREATE OPERATOR === (LEFTARG = int, FUNCTION = {f}); GRANT SELECT ON {t} TO PUBLIC"),
        39 => format!("CREATE INDEX ON {t} ({c})"),
        40 => format!("VACUUM {t}"),
        41 => format!("REINDEX TABLE {t}"),
        _ => format!("ALTER VIEW {v} RENAME COLUMN {c} TO {d}"),
    }
}

/// What only a scan finds.
fn unnamed_statement(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => "ALTER SCHEMA s1 RENAME TO s2".to_owned(),
        1 => "ALTER SCHEMA s2 RENAME TO s1".to_owned(),
        2 => "DROP SCHEMA s1 CASCADE; CREATE SCHEMA s1".to_owned(),
        3 => "CREATE EXTENSION citext".to_owned(),
        4 => "ALTER EXTENSION citext DROP FUNCTION replace(citext, citext, citext)".to_owned(),
        _ => "DO $$ BEGIN DROP VIEW IF EXISTS v1 CASCADE; CREATE TABLE t1 (a int, b int); END $$".to_owned(),
    }
}

fn started() -> Postgres {
    let server = Postgres::start("local all all trust\nhost all all 127.0.0.1/32 trust\n", None);
    server.sql(
        "CREATE SCHEMA s1;
         CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    );
    server
}

/// Runs some statements; gives back those that succeeded.
async fn run(client: &mut Upstream, statements: Vec<String>) -> Vec<String> {
    let mut done = Vec::new();
    for statement in statements {
        if client.simple_query(&statement).await.is_ok() {
            done.push(statement);
        }
    }
    done
}

#[tokio::test]
async fn a_snapshot_kept_up_by_scans_is_the_one_read_whole() {
    for seed in 1..=SEQUENCES {
        let server = started();
        let (mut client, mut reading) = (open(&server).await, reader(&server).await);
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut kept = read_whole(&mut reading).await;
        let mut summary =
            Summary::from_rows(&reading.simple_query(&refresh::summary_query()).await.unwrap()).unwrap();
        for _ in 0..STEPS {
            let mut statements: Vec<String> = (0..=dice.below(6)).map(|_| statement(&mut dice)).collect();
            if dice.below(4) == 0 {
                statements.push(unnamed_statement(&mut dice));
            }
            let done = run(&mut client, statements).await;
            let now =
                Summary::from_rows(&reading.simple_query(&refresh::summary_query()).await.unwrap()).unwrap();
            if let Some(scope) = now.differing(&summary) {
                kept = read(&mut reading, &kept, &scope).await;
            }
            summary = now;
            assert_same(&kept, &read_whole(&mut reading).await, &done);
        }
        assert!(kept.unread().is_empty());
    }
}

#[tokio::test]
async fn a_snapshot_kept_up_by_the_names_in_statements_is_the_one_read_whole() {
    let texts = Reader::new();
    let mut named = 0;
    for seed in 1..=SEQUENCES {
        let server = started();
        let (mut client, mut reading) = (open(&server).await, reader(&server).await);
        let mut dice = Dice(seed.wrapping_mul(0xD1B5_4A32_D192_ED03));
        let mut kept = read_whole(&mut reading).await;
        for _ in 0..STEPS * 2 {
            let done = run(&mut client, vec![statement(&mut dice)]).await;
            for text in &done {
                let redefined = texts.read(text.as_bytes(), Lexing::STANDARD).effects().redefines.clone();
                if redefined.anything {
                    kept = read(&mut reading, &kept, &Scope::All).await;
                    continue;
                }
                named += 1;
                let known = redefined.names.iter().flat_map(|name| kept.named(name)).collect::<Vec<_>>();
                let known = kept.dependants_closure(known, 10_000);
                let query = refresh::named_query(redefined.names.iter().map(AsRef::as_ref), &known);
                let rows = reading.simple_query(&query).await.unwrap();
                let plan = kept.plan_named(known, &rows).unwrap().unwrap();
                kept = read_planned(&mut reading, &kept, plan).await;
            }
            assert_same(&kept, &read_whole(&mut reading).await, &done);
        }
    }
    assert!(named > 50, "only {named} statements were followed by name");
}

#[tokio::test]
async fn names_reach_the_server_as_they_are_and_event_triggers_are_told() {
    let server = started();
    let (mut client, mut reading) = (open(&server).await, reader(&server).await);
    let odd = "o'd\\\"{,}'); DROP SCHEMA s1; --";
    let quoted = odd.replace('"', "\"\"");
    client.simple_query(&format!("CREATE TABLE \"{quoted}\" (a int)")).await.unwrap();
    let query = refresh::named_query([odd], &BTreeSet::new());
    let rows = reading.simple_query(&query).await.unwrap();
    assert_eq!(rows.iter().filter(|row| row[0].as_deref() == Some("r")).count(), 1, "{rows:?}");
    let kept = read_whole(&mut reading).await;
    assert!(kept.plan_named(BTreeSet::new(), &rows).unwrap().is_some());
    client
        .simple_query(
            "CREATE FUNCTION watches() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
             CREATE EVENT TRIGGER watches ON ddl_command_end EXECUTE FUNCTION watches()",
        )
        .await
        .unwrap();
    let rows = reading.simple_query(&query).await.unwrap();
    assert!(kept.plan_named(BTreeSet::new(), &rows).unwrap().is_none());
}

#[tokio::test]
async fn a_snapshot_is_the_same_when_it_is_made_from_its_own_rows() {
    let server = started();
    let (mut client, mut reading) = (open(&server).await, reader(&server).await);
    let mut dice = Dice(42);
    let statements = (0..200).map(|_| statement(&mut dice)).collect();
    run(&mut client, statements).await;
    let read = read_whole(&mut reading).await;
    let made = Catalogue::from_rows(&read.to_rows()).unwrap();
    assert_same(&made, &read, &[]);
    assert!(read.relations().any(|one| !one.rules().is_empty() && one.view().is_none()));
}
