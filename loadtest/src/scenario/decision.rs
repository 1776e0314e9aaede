//! From a person's yes to the bytes on the wire to the target, one request at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{held, open};
use crate::figures::Latencies;
use crate::plot::{Axis, Curve, Plot};
use crate::report::{Section, Table, ms};
use crate::system::System;

/// How long a decision may take to show.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DecisionOptions {
    /// Requests, one after the other
    #[arg(long, default_value_t = 200)]
    decisions: u64,
}

pub(crate) async fn run(system: &Arc<System>, options: &DecisionOptions, label: &str) -> Result<Section> {
    let mut approver = system.approver().await?;
    let mut clients = open(system, 0..1).await?;
    let client = clients.first_mut().context("no client")?;
    let (mut from_click, mut from_stored) = (Vec::new(), Vec::new());
    for number in 0..options.decisions {
        let number = 1_000_000 + number;
        client.ask(&held(number)).await?;
        client.until_notice("apr_").await?;
        let waiting = approver.until_waiting(1, PATIENCE).await?;
        let request = waiting.first().context("nothing waits")?;
        let clicked = Instant::now();
        approver.approve(request).await?;
        let stored = Instant::now();
        client.answer().await?;
        let passed = system.tap().passed(number).context("the statement did not pass the tap")?;
        from_click.push(passed.saturating_duration_since(clicked));
        from_stored.push(passed.saturating_duration_since(stored));
    }
    section(label, &Latencies::of(from_click)?, &Latencies::of(from_stored)?)
}

fn section(label: &str, from_click: &Latencies, from_stored: &Latencies) -> Result<Section> {
    let mut table = Table::new(&["from", "p50 ms", "p99 ms", "max ms"]);
    let rows = [
        ("the click (with the storing of the decision)", from_click),
        ("the decision being stored", from_stored),
    ];
    let title = format!("From a yes to the target, {label}");
    let mut plot = Plot::new("decision", &title, Axis::log("ms"), Axis::linear("share"));
    for (name, latencies) in rows {
        table.row([name.to_owned(), ms(latencies.ms(0.5)), ms(latencies.ms(0.99)), ms(latencies.ms(1.0))]);
        plot.add(Curve { name: format!("from {name}"), points: latencies.curve() });
    }
    let text = format!(
        "{} requests, one at a time: an approver says yes over the API, and a tap on the wire to the target notes when \
         the statement passes. In between lie the decision's write, the news of it, the redeeming compare-and-swap, \
         and the record of it, synced.",
        from_click.count()
    );
    Ok(Section { title, text, table, plots: vec![plot] })
}
