//! What the store has when all is quiet, and had at the moments after which something of it was not to run any more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::history::{Entry, Event};
use crate::operator::UNLUCKY;
use crate::store::{Store, Stored};
use crate::story::{Barrier, Course, Story};

/// Within what time the store has forgotten the starts of processes that are gone, once it is quiet: a lease.
const FORGET_LIMIT: Duration = Duration::from_secs(30);

/// What is left in the store.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Remains {
    /// Every approval.
    pub approvals: Vec<Stored>,
    /// When they were read, in microseconds since 1970.
    pub read_at: u64,
    /// The nodes that count as alive: name, and how many starts of it.
    pub nodes: BTreeMap<String, u64>,
    /// After what something was not to run any more.
    pub barriers: Vec<Barrier>,
    /// What every approval went through.
    #[serde(default)]
    pub courses: Vec<Course>,
}

impl Remains {
    /// Reads it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn of(store: &Store, history: &[Entry]) -> Result<Self> {
        let nodes = nodes(store)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
        let read_at = u64::try_from(now.as_micros())?;
        let story = store.story()?;
        let barriers = barriers(&story, history)?;
        Ok(Self { approvals: store.approvals()?, read_at, nodes, barriers, courses: story.into_courses() })
    }
}

/// The nodes, once those that are gone are forgotten, or patience ends.
fn nodes(store: &Store) -> Result<BTreeMap<String, u64>> {
    let start = Instant::now();
    loop {
        let nodes = store.nodes()?;
        if nodes.values().all(|starts| *starts == 1) || start.elapsed() > FORGET_LIMIT {
            return Ok(nodes);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// From each acknowledgement on, for ever or until another bundle is about to be applied.
fn barriers(story: &Story, history: &[Entry]) -> Result<Vec<Barrier>> {
    let mut found = Vec::new();
    let mut strict_since = None;
    for entry in history {
        match &entry.event {
            Event::Stopped { subject, revision: Some(revision), .. } => {
                let what = format!("{subject} was stopped at {} ms", entry.at_ms);
                found.push(story.barrier(what, *revision, None, |who| who == subject)?);
            }
            Event::Applied { strict: true, revision } => {
                strict_since = revision.map(|revision| (revision, entry.at_ms))
            }
            Event::Applying { strict: false, revision } => {
                if let Some((since, at)) = strict_since.take() {
                    found.push(forbidden(story, at, since, *revision)?);
                }
            }
            _ => {}
        }
    }
    if let Some((since, at)) = strict_since {
        found.push(forbidden(story, at, since, None)?);
    }
    Ok(found)
}

fn forbidden(story: &Story, at_ms: u64, since: u64, until: Option<u64>) -> Result<Barrier> {
    let what = format!("a bundle forbade it at {at_ms} ms");
    story.barrier(what, since, until, |who| who.starts_with(UNLUCKY))
}
