//! Many sessions that wait for people: what each costs in memory, and whether the gateway keeps answering.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::StreamExt as _;

use super::{held, open};
use crate::client::Client;
use crate::figures::{files_max, resident_kib};
use crate::plot::{Axis, Curve, Plot};
use crate::report::{Section, Table};
use crate::system::System;

/// Files that this process needs for other things than sessions.
const OTHER_FILES: usize = 200;

/// Requests that are on their way at once.
const ASKING_AT_ONCE: usize = 256;

/// How many.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PausedOptions {
    /// Sessions that wait, step by step; as many as the limits of open files allow (each costs one here and one in the
    /// gateway; for 100,000 raise both)
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 4000, 9000])]
    paused: Vec<usize>,
}

struct Step {
    sessions: usize,
    opened_in: Duration,
    held_in: Duration,
    kib: Vec<(String, f64)>,
}

pub(crate) async fn run(system: &Arc<System>, options: &PausedOptions) -> Result<Section> {
    let most = options.paused.iter().copied().max().unwrap_or_default();
    let files = files_max()?;
    ensure!(
        most + OTHER_FILES <= files,
        "{most} sessions need more than the {files} files that may be open; raise `ulimit -n`"
    );
    let before = memory(system)?;
    let mut clients: Vec<Client> = Vec::new();
    let mut steps = Vec::new();
    for &sessions in &options.paused {
        let (from, start) = (clients.len(), Instant::now());
        let mut new = open(system, from..sessions).await?;
        let (opened_in, start) = (start.elapsed(), Instant::now());
        hold(&mut new, from).await?;
        let held_in = start.elapsed();
        clients.append(&mut new);
        let each = |(part, now): (&String, u64), before: u64| {
            (part.clone(), now.saturating_sub(before) as f64 / clients.len().max(1) as f64)
        };
        let now = memory(system)?;
        let kib =
            now.iter().zip(&before).map(|((part, now), (_, before))| each((part, *now), *before)).collect();
        steps.push(Step { sessions, opened_in, held_in, kib });
    }
    Ok(section(&steps))
}

/// Every one sends a write of its own and waits until it is told that people are asked.
async fn hold(clients: &mut [Client], first: usize) -> Result<()> {
    let asking = clients.iter_mut().enumerate().map(|(index, client)| async move {
        client.ask(&held((first + index) as u64)).await?;
        client.until_notice("apr_").await
    });
    let asked: Vec<Result<()>> =
        futures::stream::iter(asking).buffer_unordered(ASKING_AT_ONCE).collect().await;
    asked.into_iter().collect()
}

fn memory(system: &System) -> Result<Vec<(String, u64)>> {
    system.parts().iter().map(|part| Ok((part.name.clone(), resident_kib(part.id)?))).collect()
}

fn section(steps: &[Step]) -> Section {
    let mut table = Table::new(&["sessions that wait", "part", "KiB each", "opened in s", "all asked in s"]);
    let mut plot = Plot::new(
        "paused",
        "Memory of a session that waits",
        Axis::linear("sessions"),
        Axis::linear("KiB each"),
    );
    let mut curves: Vec<Curve> = Vec::new();
    for step in steps {
        for (index, (part, kib)) in step.kib.iter().enumerate() {
            table.row([
                step.sessions.to_string(),
                part.clone(),
                format!("{kib:.1}"),
                format!("{:.1}", step.opened_in.as_secs_f64()),
                format!("{:.1}", step.held_in.as_secs_f64()),
            ]);
            let point = (step.sessions as f64, *kib);
            match curves.get_mut(index) {
                Some(curve) => curve.points.push(point),
                None => curves.push(Curve { name: part.clone(), points: vec![point] }),
            }
        }
    }
    curves.into_iter().for_each(|curve| plot.add(curve));
    Section {
        title: "Sessions that wait".into(),
        text: "Each session has a connection of its own with a write that waits for a countersign. Memory is what the \
               process has grown by since it served nobody."
            .into(),
        table,
        plots: vec![plot],
    }
}
