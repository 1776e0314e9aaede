//! A gateway that many commands wait at is killed. Their clients come back to another one with the same bytes: when has
//! each joined its approval again, and does each run exactly once when it is approved?

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::StreamExt as _;
use tokio::task::JoinSet;

use super::held;
use crate::approver::Approver;
use crate::client::{Answer, Client};
use crate::figures::Latencies;
use crate::plot::{Axis, Curve, Plot};
use crate::report::{Section, Table, ms};
use crate::system::System;

/// The first number of these statements.
const FIRST: u64 = 3_000_000;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a client rests between two attempts to come back.
const REST: Duration = Duration::from_millis(20);

/// How many.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReconnectOptions {
    /// Commands that wait at the gateway that is killed; at most a thousand
    #[arg(long, default_value_t = 300)]
    reconnect: usize,
}

pub(crate) async fn run(system: &Arc<System>, options: &ReconnectOptions) -> Result<Section> {
    ensure!(system.gateways() > 1, "there is no gateway to come back to: give --system fleet");
    let count = options.reconnect;
    let mut clients = waiting_at(system, count, 0).await?;
    let mut approver = system.approver().await?;
    let asked = ids(&mut approver, count).await?;
    let killed = Instant::now();
    system.kill_first_gateway()?;
    let mut coming_back = JoinSet::new();
    for (index, mut client) in clients.drain(..).enumerate() {
        let system = Arc::clone(system);
        coming_back.spawn(async move {
            // It hears that its connection is gone, as a driver does.
            ensure!(client.answer().await.is_err(), "a dead gateway answered");
            let client = come_back(&system, index).await?;
            anyhow::Ok((client, killed.elapsed()))
        });
    }
    let (mut joined, mut back) = (Vec::new(), Vec::new());
    while let Some(done) = coming_back.join_next().await {
        let (client, after) = done??;
        joined.push(after);
        back.push(client);
    }
    ensure!(ids(&mut approver, count).await? == asked, "somebody was asked anew instead of joining");
    let ran = approve_all(&mut approver, back, count).await?;
    Ok(section(count, ran, &Latencies::of(joined)?))
}

/// Clients at one gateway, each with a write that waits.
async fn waiting_at(system: &Arc<System>, count: usize, gateway: usize) -> Result<Vec<Client>> {
    let asking = (0..count).map(|index| async move {
        let mut client = Client::connect(&system.login_at(index, gateway)?).await?;
        client.ask(&held(FIRST + index as u64)).await?;
        client.until_notice("apr_").await?;
        anyhow::Ok(client)
    });
    let clients: Vec<Result<Client>> = futures::stream::iter(asking).buffered(64).collect().await;
    clients.into_iter().collect()
}

/// Connects to the other gateway, sends the same bytes, and waits until it is told that people are being asked.
async fn come_back(system: &System, index: usize) -> Result<Client> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let attempt = async {
            let mut client = Client::connect(&system.login_at(index, 1)?).await?;
            client.ask(&held(FIRST + index as u64)).await?;
            client.until_notice("apr_").await?;
            anyhow::Ok(client)
        };
        match attempt.await {
            Ok(client) => return Ok(client),
            Err(error) => ensure!(Instant::now() < deadline, "no way back: {error:#}"),
        }
        tokio::time::sleep(REST).await;
    }
}

async fn ids(approver: &mut Approver, count: usize) -> Result<BTreeSet<String>> {
    let waiting = approver.until_waiting(count, PATIENCE).await?;
    Ok(waiting.into_iter().map(|request| request.id).collect())
}

/// Approves everything; how many ran.
async fn approve_all(approver: &mut Approver, clients: Vec<Client>, count: usize) -> Result<usize> {
    let mut answers = JoinSet::new();
    for mut client in clients {
        answers.spawn(async move { client.answer().await });
    }
    for request in approver.until_waiting(count, PATIENCE).await? {
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

fn section(count: usize, ran: usize, joined: &Latencies) -> Section {
    let mut table =
        Table::new(&["waited", "came back and joined", "ran, once each", "p50 ms", "p99 ms", "last ms"]);
    table.row([
        count.to_string(),
        joined.count().to_string(),
        ran.to_string(),
        ms(joined.ms(0.5)),
        ms(joined.ms(0.99)),
        ms(joined.ms(1.0)),
    ]);
    let title = "From the death of a gateway until its clients have joined again";
    let mut plot = Plot::new("reconnect", title, Axis::log("ms after the kill"), Axis::linear("share"));
    plot.add(Curve { name: format!("{count} clients"), points: joined.curve() });
    Section {
        title: "A gateway is killed".into(),
        text: format!(
            "{count} commands wait at one gateway, which is killed with -9. Each client connects to the other gateway and \
             sends the same bytes; it has joined when it is told again that people are being asked, under the same \
             ticket. Then all of them are approved."
        ),
        table,
        plots: vec![plot],
    }
}
