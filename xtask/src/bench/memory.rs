//! What a session costs in memory: many that do nothing, many whose command waits for a person, and one with a large
//! parameter.

use std::time::Duration;

use anyhow::Result;
use countersign_testkit::usage::{forget_peak, peak_kib, resident_kib};
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
    /// By how much the process grows at most for a parameter of [`LARGE_BYTES`], as a multiple of its size.
    pub(crate) large_times: f64,
}

/// The size of a large parameter.
pub(crate) const LARGE_BYTES: usize = 256 << 20;

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
        drop(clients);
        let large_times = large_times(&contestant.dsn, proxy)?;
        measured.push(Memory { kind: contestant.kind, sessions, idle_kib, held_kib, large_times });
    }
    Ok(measured)
}

fn each(before: u64, after: u64, sessions: u32) -> f64 {
    after.saturating_sub(before) as f64 / f64::from(sessions)
}

/// Sends one large parameter, and looks at the peak.
fn large_times(dsn: &Dsn, proxy: u32) -> Result<f64> {
    let (mut client, _) = RawClient::login(dsn)?;
    client.send(&tagged(b'Q', b"SELECT 1\0"))?;
    client.until_ready()?;
    forget_peak(proxy)?;
    let before = resident_kib(proxy)?;
    client.send(&tagged(b'P', b"\0SELECT length($1::bytea)\0\0\0"))?;
    // Portal and statement without a name, one parameter, in binary.
    let mut bind = b"\0\0\0\x01\0\x01\0\x01".to_vec();
    bind.extend(u32::try_from(LARGE_BYTES)?.to_be_bytes());
    bind.resize(bind.len() + LARGE_BYTES, 7);
    bind.extend([0, 0]);
    client.send(&tagged(b'B', &bind))?;
    client.send(&tagged(b'E', b"\0\0\0\0\0"))?;
    client.send(&tagged(b'S', b""))?;
    let answer = client.until_ready()?;
    anyhow::ensure!(answer.iter().any(|frame| frame.tag == b'C'), "the parameter was refused: {answer:?}");
    Ok(peak_kib(proxy)?.saturating_sub(before) as f64 * 1024.0 / LARGE_BYTES as f64)
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
