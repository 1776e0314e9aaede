//! `cargo xtask bench definitions`: what changes of definitions cost, and what watching for those of others costs the target.
//!
//! A restore of many tables runs through Countersign and directly, in alternating rounds on databases with as many
//! relations before. The cost of a scan is the target's own time, from its log.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use countersign_testkit::{
    Auth, Bundle, Countersign, Dsn, Postgres, PostgresOptions as Server, RawClient, eventually, tagged,
};

use super::contestant;

/// How many, and how often.
#[derive(Debug, Args)]
pub(crate) struct DefinitionsOptions {
    /// Relations that a database has before
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000])]
    relations: Vec<u32>,
    /// Tables of the restore
    #[arg(long, default_value_t = 1_000)]
    tables: u32,
    /// Rounds; medians are taken over them
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Measures this binary, and builds none
    #[arg(long, value_name = "FILE")]
    binary: Option<std::path::PathBuf>,
}

/// The start of the statement that a scan begins with, as the target logs it.
const SCAN: &str = "statement: SELECT v.class, v.oid";

pub(super) fn run(options: &DefinitionsOptions) -> Result<()> {
    ensure!(options.rounds > 0, "a benchmark needs at least one round");
    match &options.binary {
        Some(binary) => countersign_testkit::use_binary(binary.clone())?,
        None => contestant::build()?,
    }
    for relations in &options.relations {
        measure(*relations, options)?;
    }
    Ok(())
}

fn measure(relations: u32, options: &DefinitionsOptions) -> Result<()> {
    let server = Postgres::start(
        // Durable, as a target in production is.
        Server { auth: Auth::Trust, ..Server::default() }
            .with("fsync", "on")
            .with("synchronous_commit", "on")
            .with("full_page_writes", "on")
            .with("log_min_duration_statement", "0"),
    )?;
    fill(&server, relations)?;
    let bundle = Bundle::allow_all(&server)?;
    let gateway = Countersign::start(bundle.dev())?;
    let token = gateway.token("bench", "agent", &["agents"])?;
    let through = gateway.dsn("shop", &token, "shop");
    let mut client = login(&through)?;
    run_all(&mut client, ["SELECT count(*) FROM orders"])?;
    let scans = eventually("three scans", Duration::from_secs(90), || {
        // A client that works keeps the gateway interested.
        run_all(&mut client, ["SELECT count(*) FROM orders"])?;
        std::thread::sleep(Duration::from_millis(200));
        let scans = scan_times(&server.log());
        Ok((scans.len() >= 3).then_some(scans))
    })?;
    println!("{relations} relations: a scan takes the target {:.1} ms at the median", median(scans)? * 1e3);

    let writes = (write(&server.dsn(), 200)? * 1e3, write(&through, 200)? * 1e3);
    println!("a write takes {:.2} ms directly, {:.2} ms through Countersign", writes.0, writes.1);
    let (mut direct, mut gated) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let both: [(&Dsn, &mut Vec<f64>); 2] = [(&server.dsn(), &mut direct), (&through, &mut gated)];
        let order: Vec<usize> = if round % 2 == 0 { vec![0, 1] } else { vec![1, 0] };
        let mut both: Vec<_> = both.into_iter().map(Some).collect();
        for at in order {
            if let Some((dsn, seconds)) = both.get_mut(at).and_then(Option::take) {
                seconds.push(restore(dsn, options.tables)?);
            }
        }
    }
    let (direct, gated) = (median(direct)?, median(gated)?);
    println!(
        "{relations} relations before: a restore of {} tables takes {direct:.2} s directly, {gated:.2} s through Countersign, ratio {:.2}",
        options.tables,
        gated / direct
    );
    Ok(())
}

/// Makes tables and, over each tenth, a view.
fn fill(server: &Postgres, relations: u32) -> Result<()> {
    // Each statement of its own: one transaction would need a lock for each.
    for first in (0..relations).step_by(500) {
        let last = relations.min(first + 500) - 1;
        server.sql(&format!(
            "DO $$ BEGIN FOR i IN {first}..{last} LOOP
                IF i % 10 = 0 AND i > 0 THEN EXECUTE format('CREATE VIEW filler_%s AS SELECT id, note FROM filler_1', i);
                ELSE EXECUTE format('CREATE TABLE filler_%s (id int, name text, note text DEFAULT ''x'', at timestamptz)', i);
                END IF; END LOOP; END $$"
        ))?;
    }
    server.sql("ANALYZE").map(drop)
}

/// Restores as many tables as a dump would, each with its key, index, view and rows; the seconds that it took.
fn restore(dsn: &Dsn, tables: u32) -> Result<f64> {
    let mut client = login(dsn)?;
    run_all(&mut client, ["DROP SCHEMA IF EXISTS restored CASCADE", "CREATE SCHEMA restored"])?;
    let begun = Instant::now();
    for number in 0..tables {
        let table = format!("restored.t{number}");
        run_all(
            &mut client,
            [
                format!("CREATE TABLE {table} (id integer NOT NULL, name text, note text DEFAULT 'none')")
                    .as_str(),
                &format!("INSERT INTO {table} SELECT i, 'x', 'y' FROM generate_series(1, 10) i"),
                &format!("ALTER TABLE ONLY {table} ADD CONSTRAINT t{number}_pkey PRIMARY KEY (id)"),
                &format!("CREATE INDEX t{number}_name ON {table} USING btree (name)"),
                &format!("CREATE VIEW restored.v{number} AS SELECT id, name FROM {table}"),
            ],
        )?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn login(dsn: &Dsn) -> Result<RawClient> {
    Ok(RawClient::login_within(dsn, Duration::from_secs(120))?.0)
}

/// The seconds that a plain write takes, which changes no definition: what a restore costs besides.
fn write(dsn: &Dsn, times: u32) -> Result<f64> {
    let mut client = login(dsn)?;
    run_all(&mut client, ["CREATE TABLE IF NOT EXISTS written (id integer)"])?;
    let begun = Instant::now();
    for _ in 0..times {
        run_all(&mut client, ["INSERT INTO written VALUES (1)"])?;
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(times))
}

fn run_all<'a>(client: &mut RawClient, statements: impl IntoIterator<Item = &'a str>) -> Result<()> {
    for sql in statements {
        client.send(&tagged(b'Q', &[sql.as_bytes(), b"\0"].concat()))?;
        let frames = client.until_ready()?;
        if let Some(error) = frames.iter().find(|frame| frame.tag == b'E') {
            bail!("`{sql}`: {error:?}");
        }
    }
    Ok(())
}

/// The seconds that the target spent on each scan.
fn scan_times(log: &str) -> Vec<f64> {
    let seconds = |line: &str| {
        let (before, _) = line.split_once(SCAN)?;
        let (_, duration) = before.rsplit_once("duration: ")?;
        duration.split_once(" ms")?.0.parse::<f64>().ok().map(|millis| millis / 1e3)
    };
    log.lines().filter_map(seconds).collect()
}

fn median(mut values: Vec<f64>) -> Result<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().context("nothing was measured")
}
