//! The streams of a gateway that was declared lost: what all the nodes have of them, and the records that end
//! them. Every command that was begun ends exactly once in the whole control plane, whoever writes it down.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, SystemTime};

use countersign_common::id::{NodeId, StreamId};
use countersign_common::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::journal::{Encoded, Journal, JournalError, Position};
use crate::line::{Effect, MalformedLine, VERSION};
use crate::log::Log;
use crate::merge::{Index, Merged, Next};
use crate::replay::opening;
use crate::segment::OpenStream;
use crate::skim::Skim;

/// How far the clocks of a gateway and of those who record may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(86_400);

/// What the closing records of these streams say.
const REASON: &str = "the gateway was lost";

/// The open streams of a lost gateway. The lines that end them follow from this alone, byte for byte: when two
/// nodes write them, or one of them twice, a record stands in two places and is the same.
///
/// So one of these has to be agreed on for a gateway in the whole control plane, and then may be carried out any
/// number of times. [`crate::ArchiveStore::end_lost`] does all of it, and agrees by a conditional put. Whoever surveys has to see to it that,
/// before, no node takes anything more of the gateway ([`crate::Ledger::refuse`]) and that what nodes have of
/// it lies in `logs`: their own folder after [`crate::LocalJournal::flush`], other nodes' in the archive, after
/// [`crate::LocalJournal::seal_and_sync`]. What a dead node has and nobody else is not seen: a stream that went on there
/// would fork, which verification shows when the node is back. Wait for it where you can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abandoned {
    v: u32,
    /// The gateway.
    pub gateway: NodeId,
    /// When it was declared lost; the time of all the records that end its streams.
    pub at: Timestamp,
    /// Its open streams.
    pub streams: Vec<OpenStream>,
    /// Streams of which records are missing between others: a node that has them is not there. They stay open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parted: Vec<StreamId>,
}

impl Abandoned {
    /// What stands in these logs. Reads what was written since the gateway began; memory: about 50 bytes for every
    /// stream in that.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn survey(logs: &[Log], gateway: NodeId, at: Timestamp) -> io::Result<Self> {
        let began = began_after(gateway);
        let logs: Vec<_> = logs.iter().map(|log| log.since(began)).collect();
        let logs = logs.as_slice();
        let mut own = BTreeMap::new();
        let index = Index::of(logs, |line, skim| {
            if opening(&line.text).is_some_and(|opened| opened.node == gateway) {
                own.insert(skim.stream, Survey::Nothing);
            }
            true
        });
        let mut index = index.map_err(|(_, error)| error)?;
        index.retain(|stream| own.contains_key(&stream));
        let mut merged = Merged::of(logs, index)?;
        while let Some(next) = merged.next().map_err(|(_, error)| error)? {
            if let Next::Record(line) = next
                && let Some(skim) = &line.skim
                && let Some(survey) = own.get_mut(&skim.stream)
            {
                survey.take(skim, Digest::of(&line.text));
            }
        }
        let mut found = Self { v: VERSION, gateway, at, streams: Vec::new(), parted: Vec::new() };
        for (stream, survey) in own {
            match survey {
                Survey::Open(open) => found.streams.push(open),
                Survey::Parted => found.parted.push(stream),
                Survey::Nothing | Survey::Closed => {}
            }
        }
        Ok(found)
    }

    /// As it is stored.
    ///
    /// # Errors
    /// None in practice: ids, digests and numbers always serialise.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Reads what was stored.
    ///
    /// # Errors
    /// When it is not what this version writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedLine> {
        let found: Self =
            serde_json::from_slice(bytes).map_err(|e| MalformedLine(format!("lost gateway: {e}")))?;
        if found.v == VERSION {
            Ok(found)
        } else {
            Err(MalformedLine("lost gateway: unknown version".into()))
        }
    }

    /// Appends the records that end these streams: running commands as lost, then the closing record. Says where
    /// the last of them stands; `None` when there is nothing to end. May be done again, here and elsewhere.
    ///
    /// # Errors
    /// When the journal does not take them; do it again then.
    pub fn end(&self, journal: &dyn Journal) -> Result<Option<Position>, JournalError> {
        // INVARIANT: I5 - every begun command gets exactly one end record.
        let mut last = None;
        for one in &self.streams {
            let lines =
                crate::stream::end_abandoned(one.stream, one.count, one.tip, &one.running, self.at, REASON)
                    .map_err(|e| JournalError::Poisoned { cause: e.to_string().into() })?;
            for (seq, (line, hash, effect)) in (one.count..).zip(&lines) {
                let record = Encoded { line, hash: *hash, stream: one.stream, seq, effect: *effect };
                last = Some(journal.append(record)?);
            }
        }
        Ok(last)
    }
}

/// A moment before which nothing of this start of a gateway was recorded: its id begins with its time, and clocks are
/// not a day apart.
pub(crate) fn began_after(gateway: NodeId) -> SystemTime {
    let [a, b, c, d, e, f, ..] = gateway.to_bytes();
    let began = Duration::from_millis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    SystemTime::UNIX_EPOCH + began.saturating_sub(CLOCKS_APART)
}

/// What was seen of a stream.
#[derive(Debug)]
enum Survey {
    Nothing,
    Open(OpenStream),
    Parted,
    Closed,
}

impl Survey {
    fn take(&mut self, skim: &Skim, hash: Digest) {
        let due = match self {
            Self::Open(open) => open.count,
            Self::Nothing => 0,
            Self::Parted | Self::Closed => {
                if skim.effect == Effect::Closes {
                    *self = Self::Closed;
                }
                return;
            }
        };
        if skim.effect == Effect::Closes {
            *self = Self::Closed;
            return;
        }
        if skim.seq != due {
            *self = Self::Parted;
            return;
        }
        let mut running = match std::mem::replace(self, Self::Nothing) {
            Self::Open(open) => open.running,
            Self::Nothing | Self::Parted | Self::Closed => Vec::new(),
        };
        match skim.effect {
            Effect::Begins(id) => running.push(id),
            Effect::Ends(id) => running.retain(|&one| one != id),
            Effect::Opens | Effect::Continues | Effect::Closes => {}
        }
        *self = Self::Open(OpenStream { stream: skim.stream, count: skim.seq + 1, tip: hash, running });
    }
}
