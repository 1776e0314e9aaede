//! Gateways are killed again and again, in turn, while commands wait at them and others are just being let go; the
//! database is asked in the end what was lost and what ran twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use countersign_api::v1::ApprovalState;
use futures::StreamExt as _;
use tokio::task::JoinSet;

use super::reconnect::{PATIENCE, approve_all, come_back};
use super::wait_at;
use crate::approver::Approver;
use crate::budget::{Finding, Line};
use crate::client::Client;
use crate::figures::Latencies;
use crate::report::{Section, Table, ms};
use crate::system::{Setup, Shape, System};

/// The first number of these statements.
const FIRST: u64 = 4_000_000;

/// Requests that are on their way at once.
const ASKING_AT_ONCE: usize = 16;

/// A kill comes less than so many milliseconds after the yes to those that race with it, each at another moment than the
/// one before: from before the yes is used up to after the command ran.
const MOMENTS: u64 = 90;

/// From one moment to the next; goes through all of them.
const STEP: u64 = 7;

/// How many.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct KillsOptions {
    /// Times that a gateway is killed
    #[arg(long, default_value_t = 20)]
    kills: u64,
    /// Commands that wait at each kill, whose clients come back
    #[arg(long, default_value_t = 8)]
    waiting: u64,
    /// Commands that are approved in the moment of each kill, whose clients do not come back
    #[arg(long, default_value_t = 4)]
    racing: u64,
}

/// What was counted in the end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    /// Commands that came back, were approved and ran.
    ran: usize,
    /// Of those that raced: ran; did not, and are said not to have; nobody used up the yes.
    raced_ran: usize,
    raced_not_run: usize,
    raced_unused: usize,
    /// Nobody knows, after the target was asked.
    in_doubt: usize,
    /// Approved, said to have run, and there is no row.
    lost: usize,
    /// More rows than one, or a row of what is said not to have run.
    doubled: usize,
}

/// Everything that was sent so far.
#[derive(Default)]
struct Sent {
    waited: Vec<u64>,
    raced: Vec<(u64, String)>,
}

pub(crate) async fn run(shape: Shape, options: &KillsOptions) -> Result<Section> {
    let system = Arc::new(System::start(Setup::of(shape)).await?);
    ensure!(system.gateways() > 1, "there is no gateway to come back to: give --system fleet or cluster");
    let (mut sent, mut joined, mut next) = (Sent::default(), Latencies::new()?, FIRST);
    for kill in 0..options.kills {
        let numbers = next..next + options.waiting + options.racing;
        next = numbers.end;
        one(&system, options, kill, numbers, &mut sent, &mut joined)
            .await
            .with_context(|| format!("kill {kill}"))?;
        if kill % 50 == 49 {
            println!("{} kills", kill + 1);
        }
    }
    let count = count(&system, &sent).await?;
    Ok(section(shape, options, &count, &joined))
}

async fn one(
    system: &Arc<System>,
    options: &KillsOptions,
    kill: u64,
    numbers: std::ops::Range<u64>,
    sent: &mut Sent,
    joined: &mut Latencies,
) -> Result<()> {
    let victim = usize::try_from(kill)? % system.gateways();
    let other = (victim + 1) % system.gateways();
    let asking = numbers.clone().map(|number| wait_at(system, number, victim));
    let asked: Vec<_> = futures::stream::iter(asking).buffered(ASKING_AT_ONCE).collect().await;
    let mut asked = asked.into_iter().collect::<Result<Vec<_>>>()?;
    let racing = asked.split_off(usize::try_from(options.waiting)?);
    let race = race(system, &racing).await?;
    tokio::time::sleep(Duration::from_millis(kill * STEP % MOMENTS)).await;
    let killed = Instant::now();
    system.kill_gateway(victim)?;
    let mut coming_back = JoinSet::new();
    for (number, (client, ticket)) in numbers.clone().zip(asked) {
        let system = Arc::clone(system);
        coming_back.spawn(async move {
            let client = come_back(&system, client, number, other, &ticket).await?;
            anyhow::Ok((client, ticket, killed.elapsed()))
        });
    }
    let mut back = Vec::new();
    while let Some(done) = coming_back.join_next().await {
        let (client, ticket, after) = done??;
        joined.add(after);
        back.push((client, ticket));
    }
    race.join_all().await;
    sent.waited.extend(numbers.clone().take(back.len()));
    let raced = numbers.skip(back.len()).zip(racing);
    sent.raced.extend(raced.map(|(number, (_, ticket))| (number, ticket)));
    approve_all(system, back).await?;
    system.start_gateway_again(victim)
}

/// Says yes to all of these, and does not wait for what comes of it.
async fn race(system: &System, racing: &[(Client, String)]) -> Result<JoinSet<Result<()>>> {
    let (mut yes, mut approver) = (JoinSet::new(), system.approver().await?);
    let mut requests = Vec::new();
    for (_, ticket) in racing {
        requests.push(approver.request(ticket).await?);
    }
    for request in requests {
        let mut approver = approver.clone();
        yes.spawn(async move { approver.approve(&request).await });
    }
    Ok(yes)
}

/// Asks the control plane what became of those that raced, and then the database how often each ran: what is in doubt may
/// still run until the target has said that it did not.
async fn count(system: &System, sent: &Sent) -> Result<Count> {
    let mut approver = system.approver().await?;
    let mut states = Vec::new();
    for (number, ticket) in &sent.raced {
        states.push((number, settled(&mut approver, ticket).await?));
    }
    let listed = system.sql("SELECT n, count(*) FROM load GROUP BY n")?;
    let rows: BTreeMap<u64, usize> = listed.lines().filter_map(row).collect();
    let rows_of = |number: &u64| rows.get(number).copied().unwrap_or_default();
    let mut count = Count::default();
    for number in &sent.waited {
        match rows_of(number) {
            0 => count.lost += 1,
            1 => count.ran += 1,
            _ => count.doubled += 1,
        }
    }
    for (number, state) in states {
        count.raced(state, rows_of(number));
    }
    Ok(count)
}

impl Count {
    fn raced(&mut self, state: ApprovalState, rows: usize) {
        match (state, rows) {
            (ApprovalState::Done, 1) => self.raced_ran += 1,
            (ApprovalState::Done, 0) => self.lost += 1,
            (ApprovalState::NotRun, 0) => self.raced_not_run += 1,
            (ApprovalState::Approved | ApprovalState::Pending, 0) => self.raced_unused += 1,
            (ApprovalState::Redeemed | ApprovalState::InDoubt, 0 | 1) => self.in_doubt += 1,
            _ => self.doubled += 1,
        }
    }
}

/// The state of a request, when it is no longer being used up and no longer in doubt, or patience is at its end.
async fn settled(approver: &mut Approver, ticket: &str) -> Result<ApprovalState> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = approver.state(ticket).await?;
        let settled = !matches!(state, ApprovalState::Redeemed | ApprovalState::InDoubt);
        if settled || Instant::now() > deadline {
            return Ok(state);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A line of the database: `number|rows`.
fn row(line: &str) -> Option<(u64, usize)> {
    let (number, rows) = line.split_once('|')?;
    Some((number.trim().parse().ok()?, rows.trim().parse().ok()?))
}

fn section(shape: Shape, options: &KillsOptions, count: &Count, joined: &Latencies) -> Section {
    let mut table = Table::new(&["what", "how many"]);
    let mut line = |what: &str, count: String| table.row([what.to_owned(), count]);
    line("kills", options.kills.to_string());
    line("came back, joined, were approved, ran once", count.ran.to_string());
    line("approved in the moment of the kill: ran once", count.raced_ran.to_string());
    line("… did not run, and are said not to have", count.raced_not_run.to_string());
    line("… the yes was not used up", count.raced_unused.to_string());
    line("… still in doubt", count.in_doubt.to_string());
    line("**lost**", format!("**{}**", count.lost));
    line("**doubled**", format!("**{}**", count.doubled));
    line("from a kill until joined elsewhere: p50 ms", ms(joined.ms(0.5)));
    line("… p99 ms", ms(joined.ms(0.99)));
    let wrong = (count.lost + count.doubled) as f64;
    Section {
        title: format!("Killed again and again: {}", shape.name()),
        text: format!(
            "One of two gateways is killed with -9, in turn, {} times. Each time {} commands wait at it, whose clients come \
             back to the other one, join and are approved; {} more are approved in the moment of the kill, which comes 0 \
             to {} ms after the yes. The table in the database is counted in the end.",
            options.kills,
            options.waiting,
            options.racing,
            MOMENTS - 1
        ),
        table,
        plots: Vec::new(),
        findings: vec![Finding::new(Line::Lost, wrong, format!("{} kills", options.kills))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_ran_against_what_is_said_is_counted() {
        let mut count = Count::default();
        for (state, rows) in [
            (ApprovalState::Done, 1),
            (ApprovalState::Done, 0),
            (ApprovalState::Done, 2),
            (ApprovalState::NotRun, 0),
            (ApprovalState::NotRun, 1),
            (ApprovalState::Approved, 0),
            (ApprovalState::Approved, 1),
            (ApprovalState::InDoubt, 1),
            (ApprovalState::Expired, 1),
        ] {
            count.raced(state, rows);
        }
        let (lost, doubled) = (1, 4);
        let expected =
            Count { raced_ran: 1, raced_not_run: 1, raced_unused: 1, in_doubt: 1, lost, doubled, ran: 0 };
        assert_eq!(count, expected);
    }

    #[test]
    fn a_line_of_the_database_is_read() {
        assert_eq!(row("4000001|1"), Some((4_000_001, 1)));
        assert_eq!(row("(2 rows)"), None);
    }
}
