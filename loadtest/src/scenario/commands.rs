//! Allowed reads at a given rate, whatever the answers do: the latency counts from the moment when a command was due,
//! so that one slow answer is not hidden by the commands that wait behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::open;
use crate::client::{Answer, Client};
use crate::figures::{Latencies, cpu_of};
use crate::plot::{Axis, Curve, Plot};
use crate::report::{Section, Table, ms};
use crate::system::{Setup, Shape, System};

/// The command.
const READ: &str = "SELECT status FROM orders WHERE id = 7";

/// How many commands may be due and unanswered before the rest counts as not sent.
const BEHIND_MAX: usize = 100_000;

/// What to send.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CommandsOptions {
    /// Commands a second; one column of the report for each
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 4000, 8000])]
    rates: Vec<u32>,
    /// Connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds for each rate
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

/// What one rate gave.
struct Given {
    rate: u32,
    answered: f64,
    latencies: Latencies,
    cpu_us: f64,
}

pub(crate) async fn run(shape: Shape, options: &CommandsOptions) -> Result<Section> {
    let system = System::start(Setup { gateways: 1, ..Setup::of(shape) }).await?;
    let mut given = Vec::new();
    for &rate in &options.rates {
        // New connections for each rate: what an overload has left unanswered must not burden the next.
        let clients = open(&system, 0..options.connections).await?;
        given.push(at_rate(&system, clients, rate, options.seconds).await?);
    }
    Ok(section(shape, options, &given))
}

async fn at_rate(system: &System, clients: Vec<Client>, rate: u32, seconds: u32) -> Result<Given> {
    let before = cpu_of(&system.ids()?)?;
    let start = Instant::now();
    let total = u64::from(rate) * u64::from(seconds);
    let end = start + Duration::from_secs(u64::from(seconds));
    let next = Arc::new(AtomicU64::new(0));
    let (sender, mut answers) = mpsc::channel::<Duration>(BEHIND_MAX);
    let mut workers = JoinSet::new();
    for mut client in clients {
        let (next, sender) = (Arc::clone(&next), sender.clone());
        // Each takes the command that is due next; when all are busy, commands are late, and that is counted.
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total || Instant::now() > end + Duration::from_secs(5) {
                    return anyhow::Ok(());
                }
                let due = start + Duration::from_nanos(number * 1_000_000_000 / u64::from(rate));
                tokio::time::sleep_until(due).await;
                let answer = client.query(READ).await?;
                anyhow::ensure!(answer == Answer::Completed, "refused: {answer:?}");
                sender.send(due.elapsed()).await.context("nobody counts any more")?;
            }
        });
    }
    drop(sender);
    let mut latencies = Latencies::new()?;
    while let Some(latency) = answers.recv().await {
        latencies.add(latency);
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    let cpu = cpu_of(&system.ids()?)?.saturating_sub(before);
    Ok(Given {
        rate,
        answered: latencies.count() as f64 / start.elapsed().as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / latencies.count().max(1) as f64,
        latencies,
    })
}

fn section(shape: Shape, options: &CommandsOptions, given: &[Given]) -> Section {
    let mut table = Table::new(&[
        "due a second",
        "answered a second",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "CPU µs a command",
    ]);
    let mut plot = Plot::new(
        &format!("commands-{}", shape.file()),
        &format!("Allowed reads, open loop: {}", shape.name()),
        Axis::log("ms from when it was due"),
        Axis::linear("share"),
    );
    for one in given {
        table.row([
            one.rate.to_string(),
            format!("{:.0}", one.answered),
            ms(one.latencies.ms(0.5)),
            ms(one.latencies.ms(0.99)),
            ms(one.latencies.ms(0.999)),
            format!("{:.1}", one.cpu_us),
        ]);
        plot.add(Curve { name: format!("{} a second", one.rate), points: one.latencies.curve() });
    }
    Section {
        title: format!("Allowed commands: {}", shape.name()),
        text: format!(
            "Point reads on {} connections, each sent when it is due and not when the one before was answered; a latency \
             counts from then, so that a queue shows. CPU is that of gateway and control plane together.",
            options.connections
        ),
        table,
        plots: vec![plot],
        findings: Vec::new(),
    }
}
