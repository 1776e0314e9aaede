//! From a person's yes to the bytes on the wire to the target, one request at a time. On a cluster the yes is said at
//! another control-plane node than the one that has the gateway's link: with Redis, after Redis was killed, and where
//! there never was one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{held, open};
use crate::approver::Approver;
use crate::budget::{Finding, Line};
use crate::client::Client;
use crate::figures::Latencies;
use crate::plot::{Axis, Curve, Plot};
use crate::report::{Section, Table, ms};
use crate::system::{Setup, Shape, System};

/// Requests before those that count: connections are opened, caches filled.
const WARM_UP: u64 = 10;

/// The first number of these statements.
const FIRST: u64 = 1_000_000;

/// How many.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DecisionOptions {
    /// Requests under each circumstance, one after the other
    #[arg(long, default_value_t = 200)]
    decisions: u64,
}

/// What was measured under one circumstance.
struct Stage {
    name: &'static str,
    /// From the call of the API that decides.
    from_call: Latencies,
    /// From the return of it: the decision is stored.
    from_stored: Latencies,
    line: Option<Line>,
}

/// A client and an approver at a running system.
struct Bench {
    client: Client,
    approver: Approver,
    number: u64,
}

pub(crate) async fn run(shape: Shape, options: &DecisionOptions) -> Result<Section> {
    let stages = match shape {
        Shape::Embedded | Shape::Fleet => {
            let system = System::start(Setup { gateways: 1, ..Setup::of(shape) }).await?;
            let mut bench = Bench::at(&system).await?;
            vec![bench.stage(&system, options, "as it is", None).await?]
        }
        Shape::Cluster => on_a_cluster(options).await?,
    };
    Ok(section(shape, options, &stages))
}

async fn on_a_cluster(options: &DecisionOptions) -> Result<Vec<Stage>> {
    let setup = Setup { gateways: 1, ..Setup::of(Shape::Cluster) };
    let system = System::start(setup).await?;
    let mut bench = Bench::at(&system).await?;
    let with = bench.stage(&system, options, "with Redis", Some(Line::DecisionRedis)).await?;
    system.kill_redis()?;
    let killed = bench.stage(&system, options, "after Redis was killed", None).await?;
    drop((bench, system));
    let system = System::start(Setup { redis: false, ..setup }).await?;
    let mut bench = Bench::at(&system).await?;
    let without = bench.stage(&system, options, "without Redis", Some(Line::DecisionNoRedis)).await?;
    Ok(vec![with, killed, without])
}

impl Bench {
    async fn at(system: &System) -> Result<Self> {
        let client = open(system, 0..1).await?.pop().context("no client")?;
        let mut bench = Self { client, approver: system.approver_elsewhere(0).await?, number: FIRST };
        for _ in 0..WARM_UP {
            bench.one(system).await?;
        }
        Ok(bench)
    }

    async fn stage(
        &mut self,
        system: &System,
        options: &DecisionOptions,
        name: &'static str,
        line: Option<Line>,
    ) -> Result<Stage> {
        let (mut from_call, mut from_stored) = (Latencies::new()?, Latencies::new()?);
        for _ in 0..options.decisions {
            let (call, stored) = self.one(system).await?;
            from_call.add(call);
            from_stored.add(stored);
        }
        Ok(Stage { name, from_call, from_stored, line })
    }

    /// One request, approved; how long after the call, and after its return, its bytes passed the tap.
    async fn one(&mut self, system: &System) -> Result<(Duration, Duration)> {
        self.number += 1;
        self.client.ask(&held(self.number)).await?;
        let ticket = self.client.ticket().await?;
        let request = self.approver.request(&ticket).await?;
        let called = Instant::now();
        self.approver.approve(&request).await?;
        let stored = Instant::now();
        self.client.answer().await?;
        let passed = system.tap().passed(self.number).context("the statement did not pass the tap")?;
        Ok((passed.saturating_duration_since(called), passed.saturating_duration_since(stored)))
    }
}

fn section(shape: Shape, options: &DecisionOptions, stages: &[Stage]) -> Section {
    let mut table = Table::new(&["", "from", "p50 ms", "p99 ms", "max ms"]);
    let title = format!("From a yes to the target: {}", shape.name());
    let mut plot = Plot::new(
        &format!("decision-{}", shape.file()),
        &title,
        Axis::log("ms from the stored decision to the statement on the wire to the target"),
        Axis::share(),
    );
    plot.mark_x(5.0, "aim with Redis: 99 % within 5 ms");
    plot.mark_x(50.0, "aim without: 99 % within 50 ms");
    for stage in stages {
        for (from, latencies) in [("the call", &stage.from_call), ("its return: stored", &stage.from_stored)]
        {
            let [half, most, all] = [0.5, 0.99, 1.0].map(|share| ms(latencies.ms(share)));
            table.row([stage.name.to_owned(), from.to_owned(), half, most, all]);
        }
        plot.add(Curve { name: stage.name.to_owned(), points: stage.from_stored.curve() });
    }
    let mut text = format!(
        "{} requests under each circumstance, one at a time: an approver says yes over the API, and a tap on the wire to the \
         target notes when the statement passes. After the decision's own write come the news of it, a new connection \
         to the target with a transaction open on it, the one write that uses the approval up and keeps the \
         transaction's number, the record of that, synced, and the statement.",
        options.decisions
    );
    if shape == Shape::Cluster {
        text.push_str(" The yes is said at the control-plane node that does *not* have the gateway's link.");
    }
    let finding = |stage: &Stage| {
        Some(Finding::new(
            stage.line?,
            stage.from_stored.ms(0.99),
            "from the stored decision, at another node",
        ))
    };
    Section { title, text, table, plots: vec![plot], findings: stages.iter().filter_map(finding).collect() }
}
