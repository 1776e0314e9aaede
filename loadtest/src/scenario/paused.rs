//! Many sessions that wait for people: what each costs in memory at the gateway and at the control plane, whether it
//! keeps a connection to the target, and whether those who are approved run.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use countersign_testkit::usage;
use futures::future::try_join_all;

use crate::budget::{Finding, Line};
use crate::holder::Holder;
use crate::plot::{Axis, Curve, Plot};
use crate::report::{Section, Table};
use crate::system::{Setup, Shape, System};

/// Files that a gateway needs for other things than sessions that wait: connections to the target while sessions are
/// being opened, its link, its logs.
const OTHER_FILES: usize = 800;

/// The most sessions of one holder.
const OF_HOLDER_MAX: usize = 18_000;

/// Sessions that are being opened at once, by all holders together.
const OPENING_AT_ONCE: usize = 96;

/// How many.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PausedOptions {
    /// Sessions that wait, step by step, over all gateways. A gateway needs an open file for each, so that more than
    /// `ulimit -Hn` allows are spread over several gateways
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 5000, 10_000, 19_000])]
    paused: Vec<usize>,
    /// How many of them are approved in the end
    #[arg(long, default_value_t = 200)]
    approved: usize,
}

/// What was measured with so many sessions.
struct Step {
    sessions: usize,
    /// Since the step before.
    established_in: Duration,
    /// Memory that was taken since nobody was served, in KiB.
    gateways_kib: u64,
    control_kib: u64,
    upstream: usize,
}

/// What became of those who were approved.
struct Approved {
    ran: usize,
    within: Duration,
}

pub(crate) async fn run(shape: Shape, options: &PausedOptions) -> Result<Section> {
    let most = options.paused.iter().copied().max().unwrap_or_default();
    let of_gateway = usage::files_max(std::process::id())?.saturating_sub(OTHER_FILES).max(1);
    let gateways = most.div_ceil(of_gateway);
    ensure!(
        gateways <= 1 || shape != Shape::Embedded,
        "one process can hold {of_gateway} sessions: give --system fleet"
    );
    let system = System::start(Setup { gateways, tapped: false, ..Setup::of(shape) }).await?;
    let mut holders = holders(&system, most).await?;
    let mut steps: Vec<Step> = Vec::new();
    let before = memory(&system)?;
    for &sessions in &options.paused {
        let start = Instant::now();
        let count = holders.len();
        let opening =
            holders.iter_mut().enumerate().map(|(index, holder)| holder.open(part(sessions, count, index)));
        try_join_all(opening).await?;
        let established_in = start.elapsed();
        let (control, gateways) = memory(&system)?;
        let (gateways_kib, control_kib) =
            (gateways.saturating_sub(before.1), control.saturating_sub(before.0));
        let upstream = system.upstream_connections_left().await?;
        println!("{sessions} sessions wait: {} KiB at the gateways", gateways_kib / sessions as u64);
        steps.push(Step { sessions, established_in, gateways_kib, control_kib, upstream });
    }
    let approved = approve_some(&system, &mut holders, options.approved).await?;
    Ok(section(shape, gateways, of_gateway, &steps, &approved))
}

/// As many holders as it takes, the same number for each gateway.
async fn holders(system: &System, most: usize) -> Result<Vec<Holder>> {
    let gateways = system.gateways();
    let count = gateways * most.div_ceil(gateways * OF_HOLDER_MAX);
    let at_once = (OPENING_AT_ONCE / count).max(4);
    let mut holders = Vec::new();
    for index in 0..count {
        // Sessions of one holder never meet those of another: numbers far apart, an address each.
        let login = system.login_at(0, index % gateways)?;
        let first = (index * OF_HOLDER_MAX) as u64;
        let address = u8::try_from(2 + index)?;
        holders.push(Holder::start(&login, system.agents(), first, address, at_once).await?);
    }
    Ok(holders)
}

/// What one of `count` has of a whole.
const fn part(whole: usize, count: usize, index: usize) -> usize {
    whole / count + (index < whole % count) as usize
}

/// Resident KiB of the control plane and of the gateways; of both together in one process.
fn memory(system: &System) -> Result<(u64, u64)> {
    let (mut control, mut gateways) = (0, 0);
    for part in system.parts()? {
        let kib = usage::resident_kib(part.id)?;
        if part.name.starts_with("control") { control += kib } else { gateways += kib }
    }
    Ok((control, gateways))
}

async fn approve_some(system: &System, holders: &mut [Holder], count: usize) -> Result<Approved> {
    let all = holders.len();
    let mut tickets = Vec::new();
    for (index, holder) in holders.iter_mut().enumerate() {
        tickets.extend(holder.wait_for(part(count, all, index).max(1)).await?);
    }
    let mut approver = system.approver().await?;
    let start = Instant::now();
    for ticket in &tickets {
        let request = approver.request(ticket).await?;
        approver.approve(&request).await?;
    }
    let mut ran = 0;
    for holder in holders {
        ran += holder.ran().await?;
    }
    ensure!(ran == tickets.len(), "of {} that were approved only {ran} ran", tickets.len());
    Ok(Approved { ran, within: start.elapsed() })
}

fn section(shape: Shape, gateways: usize, of_gateway: usize, steps: &[Step], approved: &Approved) -> Section {
    let mut table = Table::new(&[
        "sessions that wait",
        "gateway, KiB each",
        "KiB for each further one",
        "control plane, KiB each",
        "connections to the target",
        "established, a second",
    ]);
    let title = format!("Sessions that wait: {}", shape.name());
    let mut plot = Plot::new(
        &format!("paused-{}", shape.file()),
        &title,
        Axis::linear("sessions that wait"),
        Axis::linear("KiB for each session"),
    );
    let (mut gateway, mut control) = (Vec::new(), Vec::new());
    let (mut before, mut before_kib) = (0, 0);
    for step in steps {
        let each = |kib: u64| kib as f64 / step.sessions.max(1) as f64;
        let new = step.sessions.saturating_sub(before).max(1) as f64;
        let rate = new / step.established_in.as_secs_f64();
        let further = step.gateways_kib.saturating_sub(before_kib) as f64 / new;
        table.row([
            step.sessions.to_string(),
            format!("{:.1}", each(step.gateways_kib)),
            format!("{further:.1}"),
            format!("{:.1}", each(step.control_kib)),
            step.upstream.to_string(),
            format!("{rate:.0}"),
        ]);
        gateway.push((step.sessions as f64, each(step.gateways_kib)));
        control.push((step.sessions as f64, each(step.control_kib)));
        (before, before_kib) = (step.sessions, step.gateways_kib);
    }
    plot.mark_y(12.0, "aim for the gateway: 12 KiB");
    plot.add(Curve { name: "gateway".into(), points: gateway.clone() });
    if shape != Shape::Embedded {
        plot.add(Curve { name: "control plane".into(), points: control });
    }
    let text = format!(
        "Each session has a connection of its own with a write that waits for a countersign; on {gateways} gateway{}. A \
         process may open {} files here, so that one gateway can hold some {of_gateway} sessions. Memory is what the \
         processes have grown by since they served nobody. In the end {} of them were approved: all ran, the last {:.1} s \
         after the first yes.",
        if gateways == 1 { "" } else { "s" },
        of_gateway + OTHER_FILES,
        approved.ran,
        approved.within.as_secs_f64()
    );
    let note = |step: &Step| {
        format!("{} sessions on {gateways} gateway{}", step.sessions, if gateways == 1 { "" } else { "s" })
    };
    let findings = steps.last().zip(gateway.last()).map(|(step, (_, kib))| {
        vec![
            Finding::new(Line::PausedKib, *kib, note(step)),
            Finding::new(Line::PausedUpstream, step.upstream as f64, note(step)),
        ]
    });
    Section { title, text, table, plots: vec![plot], findings: findings.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        for (whole, count) in [(19_000, 2), (100_000, 6), (7, 3), (2, 5)] {
            assert_eq!((0..count).map(|index| part(whole, count, index)).sum::<usize>(), whole);
        }
    }
}
