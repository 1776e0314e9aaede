//! The loads, one file each. A scenario loads a system and leaves a section for the report.

pub(crate) mod commands;
pub(crate) mod decision;
pub(crate) mod paused;
pub(crate) mod reconnect;
pub(crate) mod storm;

use std::sync::Arc;

use anyhow::Result;
use futures::StreamExt as _;

use crate::client::Client;
use crate::system::System;
use crate::tap;

/// Logins at once, when many connections are opened.
const LOGINS_AT_ONCE: usize = 64;

/// Opens the connections with these numbers.
async fn open(system: &Arc<System>, numbers: std::ops::Range<usize>) -> Result<Vec<Client>> {
    let logins = numbers.map(|number| {
        let system = Arc::clone(system);
        async move { Client::connect(&system.login(number)?).await }
    });
    let clients: Vec<Result<Client>> = futures::stream::iter(logins).buffered(LOGINS_AT_ONCE).collect().await;
    clients.into_iter().collect()
}

/// A write that nobody else sends, which has to wait for a countersign; the tap knows it by its number.
fn held(number: u64) -> String {
    format!("INSERT INTO load VALUES ({number}) {}", tap::mark(number))
}
