//! What everybody did and was told, in the order in which it happened: the clients' side of the story, which
//! the checker holds against the others.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::command::{Effect, Form};

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// When, in milliseconds since the run began.
    pub at_ms: u64,
    /// To whom: an agent, an approver, the nemesis.
    pub who: String,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// An agent sent a command; [`Event::Told`] with the same attempt says what it was told.
    Sent {
        /// Numbers every sending of every command.
        attempt: u64,
        /// As whom.
        subject: String,
        /// How it was sent.
        form: Form,
        /// The row that it would insert; `None`: it inserts none.
        effect: Option<Effect>,
    },
    /// What it was told, or that it did not wait for that.
    Told {
        /// Which sending.
        attempt: u64,
        /// What.
        answer: Answer,
    },
    /// An agent asked that its command be cancelled.
    Cancelled {
        /// Which sending.
        attempt: u64,
    },
    /// An approver said yes or no; [`Event::VoteTold`] with the same number says what became of it.
    Voted {
        /// Numbers every sending of every vote.
        vote: u64,
        /// On which approval.
        ticket: String,
        /// Yes, or no.
        yes: bool,
    },
    /// What became of a vote.
    VoteTold {
        /// Which.
        vote: u64,
        /// What.
        outcome: VoteOutcome,
    },
    /// An approver took an approval back, and was told that it is revoked.
    TakenBack {
        /// Which approval.
        ticket: String,
    },
    /// An agent was not let in any more as this subject.
    TurnedAway {
        /// As whom it came.
        subject: String,
    },
    /// The operator begins to take access back from somebody.
    Stopping {
        /// From whom.
        subject: String,
    },
    /// That was acknowledged.
    Stopped {
        /// Whose access it was.
        subject: String,
        /// When the answer came, in milliseconds since the run began.
        acknowledged: u64,
        /// A revision of the store at which it had been acknowledged.
        revision: Option<u64>,
    },
    /// The operator begins to apply a bundle.
    Applying {
        /// Whether it is the strict one.
        strict: bool,
        /// A revision of the store before.
        revision: Option<u64>,
    },
    /// That was acknowledged.
    Applied {
        /// Whether it is the strict one.
        strict: bool,
        /// A revision of the store at which it had been acknowledged.
        revision: Option<u64>,
    },
    /// The nemesis struck, or healed.
    Nemesis {
        /// What it did, and to whom.
        deed: String,
    },
}

/// What became of a vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteOutcome {
    /// It counts.
    Counted,
    /// It does not.
    Rejected(String),
    /// No answer came.
    Unknown(String),
}

/// Takes down what happens, in memory and in a file that outlives a crash of the run.
#[derive(Debug)]
pub struct History {
    start: Instant,
    next: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    entries: Vec<Entry>,
    file: File,
}

impl History {
    /// A new one that writes to `file`, a line of JSON for each entry.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn begin(file: &Path) -> Result<Self> {
        let file = File::create(file).with_context(|| format!("cannot write `{}`", file.display()))?;
        let kept = Mutex::new(Kept { entries: Vec::new(), file });
        Ok(Self { start: Instant::now(), next: AtomicU64::new(1), kept })
    }

    /// A number that no attempt and no vote has yet.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// How many milliseconds ago the run began.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes down one thing.
    pub fn add(&self, who: &str, event: Event) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at_ms = self.now_ms();
        let entry = Entry { at_ms, who: who.to_owned(), event };
        if let Ok(line) = serde_json::to_string(&entry) {
            // The memory is what is checked; the file is for people.
            let _ = writeln!(kept.file, "{line}");
        }
        kept.entries.push(entry);
    }

    /// All of it so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).entries.clone()
    }
}
