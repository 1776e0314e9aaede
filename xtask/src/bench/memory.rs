//! What a session costs in memory: many that do nothing, and many whose command waits for a person.

use std::time::Duration;

use anyhow::Result;
use countersign_testkit::usage::resident_kib;
use countersign_testkit::{Dsn, RawClient, eventually, tagged};

use super::contestant::{Contestant, Keeps, Kind};

/// What one contestant's sessions cost.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) kind: Kind,
    pub(crate) sessions: u32,
    /// KiB for each session that has read once and does nothing now.
    pub(crate) idle_kib: f64,
    /// KiB for each session that waits for a countersign.
    pub(crate) held_kib: Option<f64>,
}

pub(super) fn measure(contestants: &[Contestant], sessions: u32) -> Result<Vec<Memory>> {
    let mut measured = Vec::new();
    for contestant in contestants.iter().filter(|contestant| contestant.kind != Kind::Masking) {
        let Some(proxy) = contestant.proxy else { continue };
        let before = resident_kib(proxy)?;
        let mut clients = open(&contestant.dsn, sessions)?;
        let idle_kib = each(before, resident_kib(proxy)?, sessions);
        let held_kib = match &contestant.keeps {
            Keeps::Countersign(keeps) => {
                hold(&mut clients)?;
                eventually("all holds", Duration::from_secs(60), || {
                    Ok((keeps.0.pending()?.len() >= clients.len()).then_some(()))
                })?;
                Some(each(before, resident_kib(proxy)?, sessions))
            }
            Keeps::Nothing | Keeps::PgBouncer(_) | Keeps::Fleet(_) => None,
        };
        measured.push(Memory { kind: contestant.kind, sessions, idle_kib, held_kib });
    }
    Ok(measured)
}

fn each(before: u64, after: u64, sessions: u32) -> f64 {
    after.saturating_sub(before) as f64 / f64::from(sessions)
}

/// Sessions that have read once.
fn open(dsn: &Dsn, sessions: u32) -> Result<Vec<RawClient>> {
    let mut clients = Vec::new();
    for _ in 0..sessions {
        let (mut client, _) = RawClient::login(dsn)?;
        client.send(&tagged(b'Q', b"SELECT abalance FROM pgbench_accounts WHERE aid = 1\0"))?;
        client.until_ready()?;
        clients.push(client);
    }
    Ok(clients)
}

/// Every client sends a write of its own, which has to wait.
fn hold(clients: &mut [RawClient]) -> Result<()> {
    for (number, client) in clients.iter_mut().enumerate() {
        let sql = format!("UPDATE pgbench_accounts SET abalance = {number} WHERE aid = {number}\0");
        client.send(&tagged(b'Q', sql.as_bytes()))?;
    }
    Ok(())
}
