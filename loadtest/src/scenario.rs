//! The loads, one file each. A scenario starts the system that it loads and leaves a section for the report.

pub(crate) mod commands;
pub(crate) mod decision;
pub(crate) mod kills;
pub(crate) mod paused;
pub(crate) mod reconnect;
pub(crate) mod storm;

use anyhow::Result;
use futures::StreamExt as _;

use crate::client::Client;
use crate::system::System;
use crate::tap;

/// Logins at once, when many connections are opened.
const LOGINS_AT_ONCE: usize = 64;

/// Opens the connections with these numbers.
async fn open(system: &System, numbers: std::ops::Range<usize>) -> Result<Vec<Client>> {
    let logins = numbers.map(|number| async move { Client::connect(&system.login(number)?).await });
    let clients: Vec<Result<Client>> = futures::stream::iter(logins).buffered(LOGINS_AT_ONCE).collect().await;
    clients.into_iter().collect()
}

/// A write that nobody else sends, which has to wait for a countersign; the tap knows it by its number.
pub(crate) fn held(number: u64) -> String {
    format!("INSERT INTO load VALUES ({number}) {}", tap::mark(number))
}

/// Connects, sends a write of its own and waits until people are asked; the client, and the ticket of its request.
async fn wait_at(system: &System, number: u64, gateway: usize) -> Result<(Client, String)> {
    let mut client = Client::connect(&system.login_at(usize::try_from(number)?, gateway)?).await?;
    client.ask(&held(number)).await?;
    let ticket = client.ticket().await?;
    Ok((client, ticket))
}
