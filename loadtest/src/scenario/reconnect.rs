//! A gateway that many commands wait at is killed. Their clients come back to another one with the same bytes: when has
//! each joined its approval again, and does each run exactly once when it is approved?

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::StreamExt as _;
use tokio::task::JoinSet;

use super::{held, wait_at};
use crate::budget::{Finding, Line};
use crate::client::{Answer, Client};
use crate::figures::Latencies;
use crate::plot::{Axis, Curve, Plot};
use crate::report::{Section, Table, ms};
use crate::system::{Setup, Shape, System};

/// The first number of these statements.
const FIRST: u64 = 3_000_000;

/// How long all of it may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// How long a client rests between two attempts to come back.
const REST: Duration = Duration::from_millis(20);

/// Requests that are on their way at once.
const ASKING_AT_ONCE: usize = 64;

/// How many.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReconnectOptions {
    /// Commands that wait at the gateway that is killed; one kill for each number
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 300])]
    reconnect: Vec<usize>,
}

/// One kill.
struct Killed {
    count: usize,
    joined: Latencies,
    ran: usize,
    rows: usize,
}

pub(crate) async fn run(shape: Shape, options: &ReconnectOptions) -> Result<Section> {
    let system = Arc::new(System::start(Setup::of(shape)).await?);
    ensure!(system.gateways() > 1, "there is no gateway to come back to: give --system fleet or cluster");
    let (mut kills, mut first) = (Vec::new(), FIRST);
    for &count in &options.reconnect {
        kills.push(kill(&system, first..first + count as u64).await?);
        first += count as u64;
    }
    Ok(section(shape, &kills))
}

/// Clients with these numbers wait at the first gateway; it is killed, and started again when all is over.
async fn kill(system: &Arc<System>, numbers: std::ops::Range<u64>) -> Result<Killed> {
    let asking = numbers.clone().map(|number| wait_at(system, number, 0));
    let asked: Vec<_> = futures::stream::iter(asking).buffered(ASKING_AT_ONCE).collect().await;
    let asked = asked.into_iter().collect::<Result<Vec<_>>>()?;
    let killed = Instant::now();
    system.kill_gateway(0)?;
    let mut coming_back = JoinSet::new();
    for (number, (client, ticket)) in numbers.clone().zip(asked) {
        let system = Arc::clone(system);
        coming_back.spawn(async move {
            let client = come_back(&system, client, number, 1, &ticket).await?;
            anyhow::Ok((client, ticket, killed.elapsed()))
        });
    }
    let (mut joined, mut back) = (Latencies::new()?, Vec::new());
    while let Some(done) = coming_back.join_next().await {
        let (client, ticket, after) = done??;
        joined.add(after);
        back.push((client, ticket));
    }
    let ran = approve_all(system, back).await?;
    let (from, to) = (numbers.start, numbers.end);
    let rows = system.sql(&format!("SELECT count(*) FROM load WHERE n >= {from} AND n < {to}"))?;
    system.start_gateway_again(0)?;
    Ok(Killed { count: usize::try_from(to - from)?, joined, ran, rows: rows.trim().parse()? })
}

/// A client hears that its connection is gone, as a driver does; it connects to another gateway, sends the same bytes and
/// waits until it is told that people are being asked: under the same ticket.
pub(super) async fn come_back(
    system: &System,
    mut client: Client,
    number: u64,
    gateway: usize,
    ticket: &str,
) -> Result<Client> {
    let deadline = Instant::now() + PATIENCE;
    ensure!(client.answer().await.is_err(), "a dead gateway answered");
    loop {
        match wait_at(system, number, gateway).await {
            Ok((client, joined)) => {
                ensure!(
                    joined == ticket,
                    "{} was asked anew as {joined} instead of joining {ticket}",
                    held(number)
                );
                return Ok(client);
            }
            Err(error) => ensure!(Instant::now() < deadline, "no way back: {error:#}"),
        }
        tokio::time::sleep(REST).await;
    }
}

/// Approves everything; how many ran.
pub(super) async fn approve_all(system: &System, waiting: Vec<(Client, String)>) -> Result<usize> {
    let (mut answers, mut approver) = (JoinSet::new(), system.approver().await?);
    for (mut client, ticket) in waiting {
        answers.spawn(async move { client.answer().await });
        let request = approver.request(&ticket).await?;
        approver.approve(&request).await?;
    }
    let mut ran = 0;
    while let Some(answer) = answers.join_next().await {
        let answer = answer??;
        ensure!(answer == Answer::Completed, "an approved command was refused: {answer:?}");
        ran += 1;
    }
    Ok(ran)
}

fn section(shape: Shape, kills: &[Killed]) -> Section {
    let mut table =
        Table::new(&["waited", "came back and joined", "ran", "rows", "p50 ms", "p99 ms", "last ms"]);
    let mut plot = Plot::new(
        &format!("reconnect-{}", shape.file()),
        &format!("A gateway is killed: {}", shape.name()),
        Axis::log("ms from the kill until a client has joined its approval elsewhere"),
        Axis::share(),
    );
    plot.mark_x(1000.0, "aim: within 1 s");
    for killed in kills {
        let [half, most, all] = [0.5, 0.99, 1.0].map(|share| ms(killed.joined.ms(share)));
        let [waited, joined] = [killed.count.to_string(), killed.joined.count().to_string()];
        table.row([waited, joined, killed.ran.to_string(), killed.rows.to_string(), half, most, all]);
        plot.add(Curve { name: format!("{} clients", killed.count), points: killed.joined.curve() });
    }
    let finding = |killed: &Killed| {
        let note = format!("{} clients come back at once", killed.count);
        Finding::new(Line::Failover, killed.joined.ms(0.99) / 1000.0, note)
    };
    Section {
        title: format!("A gateway is killed: {}", shape.name()),
        text: "Commands wait at one gateway, which is killed with -9. Each client connects to the other gateway and sends the \
               same bytes; it has joined when it is told again that people are being asked, under the same ticket. \
               Then all of them are approved, and the target is asked how many rows there are."
            .into(),
        table,
        plots: vec![plot],
        findings: kills.iter().map(finding).collect(),
    }
}
