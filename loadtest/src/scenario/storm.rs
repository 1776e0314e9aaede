//! A storm of decisions: many requests wait, and people say yes to all of them at once.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::StreamExt as _;
use tokio::task::JoinSet;

use super::wait_at;
use crate::client::{Answer, Client};
use crate::figures::Latencies;
use crate::plot::{Axis, Curve, Plot};
use crate::report::{Section, Table, ms};
use crate::system::{Setup, Shape, System};

/// The first number of these statements.
const FIRST: u64 = 2_000_000;

/// Requests that are on their way at once.
const ASKING_AT_ONCE: usize = 64;

/// How many.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StormOptions {
    /// Requests that wait before the first yes
    #[arg(long, default_value_t = 500)]
    storm: usize,
    /// People who say yes at the same time
    #[arg(long, default_value_t = 16)]
    people: usize,
}

pub(crate) async fn run(shape: Shape, options: &StormOptions) -> Result<Section> {
    let system = System::start(Setup::of(shape)).await?;
    let asking =
        (0..options.storm).map(|index| wait_at(&system, FIRST + index as u64, index % system.gateways()));
    let asked: Vec<Result<(Client, String)>> =
        futures::stream::iter(asking).buffered(ASKING_AT_ONCE).collect().await;
    let (mut waiting_clients, mut approver) = (JoinSet::new(), system.approver().await?);
    let mut waiting = Vec::new();
    for asked in asked {
        let (mut client, ticket) = asked?;
        waiting.push(approver.request(&ticket).await?);
        waiting_clients.spawn(async move {
            let answer = client.answer().await?;
            anyhow::Ok((answer, Instant::now()))
        });
    }
    let start = Instant::now();
    let decisions = waiting.iter().map(|request| {
        let mut approver = approver.clone();
        async move {
            let clicked = Instant::now();
            approver.approve(request).await.map(|()| clicked.elapsed())
        }
    });
    let decided: Vec<Result<Duration>> =
        futures::stream::iter(decisions).buffer_unordered(options.people).collect().await;
    let decided_in = start.elapsed();
    let decided = Latencies::of(decided.into_iter().collect::<Result<Vec<_>>>()?)?;
    let (mut last, mut ran) = (start, 0);
    while let Some(done) = waiting_clients.join_next().await {
        let (answer, at) = done??;
        ensure!(answer == Answer::Completed, "an approved command was refused: {answer:?}");
        (last, ran) = (last.max(at), ran + 1);
    }
    let all_in = last.saturating_duration_since(start);
    Ok(section(shape, options, &decided, decided_in, all_in, ran))
}

fn section(
    shape: Shape,
    options: &StormOptions,
    decided: &Latencies,
    decided_in: Duration,
    all_in: Duration,
    ran: usize,
) -> Section {
    let mut table = Table::new(&[
        "requests",
        "ran, once each",
        "decisions a second",
        "p50 ms",
        "p99 ms",
        "last one ran after s",
    ]);
    table.row([
        options.storm.to_string(),
        ran.to_string(),
        format!("{:.0}", options.storm as f64 / decided_in.as_secs_f64()),
        ms(decided.ms(0.5)),
        ms(decided.ms(0.99)),
        format!("{:.2}", all_in.as_secs_f64()),
    ]);
    let mut plot = Plot::new(
        "storm",
        "Decisions in a storm",
        Axis::log("ms to store a decision"),
        Axis::linear("share"),
    );
    plot.add(Curve { name: format!("{} people", options.people), points: decided.curve() });
    Section {
        title: format!("A storm of decisions: {}", shape.name()),
        text: format!(
            "{} requests wait; {} people say yes to all of them as fast as they are answered.",
            options.storm, options.people
        ),
        table,
        plots: vec![plot],
        findings: Vec::new(),
    }
}
