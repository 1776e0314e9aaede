//! The open streams of a gateway that was declared lost, as found on all nodes, and the records that end them. Every
//! begun command ends exactly once in the whole control plane, regardless of the node that records it.

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

/// Bound on the difference between the clocks of a gateway and of the recording nodes.
const CLOCKS_APART: Duration = Duration::from_secs(86_400);

/// Reason in the closing records of these streams.
const REASON: &str = "the gateway was lost";

/// The open streams of a lost gateway. The records that end them follow from this value alone, byte for byte. If two
/// nodes write them, or one node writes them twice, the same record is stored twice and the copies are identical.
///
/// The control plane must therefore agree on one such value per gateway, and may then apply it any number of times.
/// [`crate::ArchiveStore::end_lost`] does all of this, and agrees through a conditional put. Before the survey, the
/// caller ensures that no node accepts anything more from the gateway ([`crate::Ledger::refuse`]), and that `logs`
/// covers the records of all nodes: the own folder after [`crate::LocalJournal::flush`], those of other nodes in the
/// archive after [`crate::LocalJournal::seal_and_sync`]. Records that only a dead node has are not found. A stream
/// that continues there would fork, which verification shows once the node is back. Wait for such a node if possible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abandoned {
    v: u32,
    /// Incarnation of the lost gateway.
    pub gateway: NodeId,
    /// Time at which the gateway was declared lost; the time of all records that end its streams.
    pub at: Timestamp,
    /// Open streams of the gateway.
    pub streams: Vec<OpenStream>,
    /// Streams with records missing in between, because a node that has them is unavailable. They stay open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parted: Vec<StreamId>,
}

impl Abandoned {
    /// Finds the open streams of the gateway in these logs. Reads everything that was written since the gateway
    /// started; uses about 50 bytes of memory per stream in it.
    ///
    /// # Errors
    /// Any error of reading a file.
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

    /// Serialises the value for storage.
    ///
    /// # Errors
    /// None in practice: ids, digests and numbers always serialise.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Parses a stored value.
    ///
    /// # Errors
    /// [`MalformedLine`] if this version does not write such a value.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedLine> {
        let found: Self =
            serde_json::from_slice(bytes).map_err(|e| MalformedLine(format!("lost gateway: {e}")))?;
        if found.v == VERSION {
            Ok(found)
        } else {
            Err(MalformedLine("lost gateway: unknown version".into()))
        }
    }

    /// Appends the records that end these streams: running commands as lost, then the closing record. Returns the
    /// position of the last record; `None` if there is nothing to end. May be repeated, here and on other nodes.
    ///
    /// # Errors
    /// Any error of the journal; call it again then.
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

/// Returns a time before which this gateway incarnation recorded nothing: its id starts with its time, and clocks
/// differ by less than a day.
pub(crate) fn began_after(gateway: NodeId) -> SystemTime {
    let [a, b, c, d, e, f, ..] = gateway.to_bytes();
    let began = Duration::from_millis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    SystemTime::UNIX_EPOCH + began.saturating_sub(CLOCKS_APART)
}

/// State of a stream during the survey.
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
