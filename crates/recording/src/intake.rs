//! The intake of gateways' records on a control-plane node: lines are checked, duplicates are removed, and the rest
//! is appended to the node's journal. Statements of the sender about a line are verified against the line and the
//! chain.
//!
//! After a failover a gateway resends what was not acknowledged, perhaps to another node. A stream may therefore
//! begin here in its middle, and continue here after a part that another node has: the first line of a stream on a
//! *link* may skip ahead, the following ones must be consecutive. [`crate::verify`] proves that the parts fit when
//! they are read together.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_common::Digest;
use countersign_common::id::{NodeId, StreamId};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::journal::{Encoded, Journal, JournalError, Position};
use crate::line::{Effect, Envelope, MalformedLine, NO_PREVIOUS};
use crate::local::LocalJournal;
use crate::record::Record;
use crate::skim::Skim;

/// Number of ended streams that are remembered in order to recognise resent lines. Beyond that, a resent line is
/// stored a second time, which readers recognise as identical.
const ENDED_KEPT_MAX: usize = 1 << 16;

/// State of the streams that gateways record on this node. Uses about 150 bytes per stream that is open or has ended
/// recently.
#[derive(Debug)]
pub struct Ledger {
    journal: Arc<dyn Journal>,
    links: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    streams: FxHashMap<StreamId, Known>,
    ended: VecDeque<StreamId>,
    /// Gateways from which nothing is accepted any more.
    lost: BTreeSet<NodeId>,
}

/// State of one stream on this node.
#[derive(Debug)]
struct Known {
    /// `None` after a restart, until a gateway continues the stream.
    gateway: Option<NodeId>,
    next_seq: u64,
    tip: Digest,
    /// Position of its last record in the journal.
    last: Position,
    closed: bool,
    /// The link that wrote the last record.
    link: u64,
    /// Progress of a repetition: the next number, and the hash of the last line.
    again: Option<(u64, Digest)>,
}

/// Result of taking in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Position in the journal. Once it is accepted or synced, so is the line.
    pub position: Position,
    /// `true` if the line was here before, so that nothing was appended.
    pub again: bool,
    /// Effect of the line on its stream.
    pub effect: Effect,
}

/// Reason why a line was rejected. Nothing was appended, and the link should be closed: later lines on it would not
/// fit either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// The line is not a record.
    #[error(transparent)]
    Malformed(#[from] MalformedLine),
    /// The line is another record than the sender stated.
    #[error("sent as record {seq} of {stream}, the line is record {line_seq} of {line_stream}")]
    Mislabelled {
        /// Stream according to the sender.
        stream: StreamId,
        /// Number according to the sender.
        seq: u64,
        /// Stream according to the line.
        line_stream: StreamId,
        /// Number according to the line.
        line_seq: u64,
    },
    /// The stream belongs to another gateway, by its id or by its opening record.
    #[error("{stream} is not a stream of this gateway")]
    Foreign {
        /// Stream of the rejected line.
        stream: StreamId,
    },
    /// Records between the last one and this one are missing.
    #[error("gap in {stream}: record {expected} is due, {found} came")]
    Gap {
        /// Stream of the rejected line.
        stream: StreamId,
        /// Number of the next expected record.
        expected: u64,
        /// Number of the received record.
        found: u64,
    },
    /// Another record is stored with this number, or the line does not follow from its predecessor.
    #[error("fork in {stream}: record {seq} is not the one that belongs there")]
    Fork {
        /// Stream of the rejected line.
        stream: StreamId,
        /// Number of the received record.
        seq: u64,
    },
    /// The opening record is not the first, or the first is not an opening record.
    #[error("{stream} has its opening record at the wrong place")]
    OpeningMisplaced {
        /// Stream of the rejected line.
        stream: StreamId,
    },
    /// The stream has already ended.
    #[error("record {seq} of {stream}, which has ended")]
    Ended {
        /// Stream of the rejected line.
        stream: StreamId,
        /// Number of the received record.
        seq: u64,
    },
    /// The gateway was declared lost; other nodes end its streams.
    #[error("{gateway} was declared lost")]
    Lost {
        /// Incarnation of the lost gateway.
        gateway: NodeId,
    },
    /// The journal does not accept the record.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Ledger {
    /// Creates a ledger for an empty journal.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>) -> Arc<Self> {
        Arc::new(Self { journal, links: AtomicU64::new(0), state: Mutex::default() })
    }

    /// Creates a ledger with the streams that a restarted node's journal has open ([`crate::LeftOpen::Keep`]): their
    /// gateways may still live and continue them.
    #[must_use]
    pub fn resume(journal: Arc<LocalJournal>) -> Arc<Self> {
        let files = Arc::clone(&journal);
        Self::resume_before(journal, &files)
    }

    /// Like [`Self::resume`], for a journal that writes to these files eventually.
    #[must_use]
    pub fn resume_before(journal: Arc<dyn Journal>, files: &LocalJournal) -> Arc<Self> {
        let known = |one: crate::OpenStream| {
            // Position 0, because everything was synced when the journal was opened.
            let (next_seq, tip, last) = (one.count, one.tip, Position(0));
            let stream = Known { gateway: None, next_seq, tip, last, closed: false, link: 0, again: None };
            (one.stream, stream)
        };
        let streams = files.open_streams().into_iter().map(known).collect();
        let state = State { streams, ..State::default() };
        Arc::new(Self { journal, links: AtomicU64::new(0), state: Mutex::new(state) })
    }

    /// Creates the intake of one link of a gateway.
    #[must_use]
    pub fn link(self: &Arc<Self>, gateway: NodeId) -> Intake {
        let link = self.links.fetch_add(1, Ordering::Relaxed) + 1;
        Intake { ledger: Arc::clone(self), gateway, link }
    }

    /// Rejects everything more from a gateway, on any link, and forgets its streams. Every node must have done this
    /// before the streams are ended as lost ([`crate::Abandoned`]).
    pub fn refuse(&self, gateway: NodeId) {
        let mut state = self.state.lock();
        state.lost.insert(gateway);
        state.streams.retain(|_, known| known.gateway != Some(gateway));
    }

    /// Journal to which lines are appended.
    #[must_use]
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }
}

/// Takes in the lines that arrive on one link.
#[derive(Debug)]
pub struct Intake {
    ledger: Arc<Ledger>,
    gateway: NodeId,
    link: u64,
}

impl Intake {
    /// Takes in one line, sent as record `seq` of `stream`. Never waits; costs less than a microsecond plus hashing
    /// the line.
    ///
    /// A repeated line is recognised by its hash, or by the hashes of the lines sent after it: a false repetition is
    /// rejected at the latest when it reaches the newest record.
    ///
    /// # Errors
    /// [`IntakeError`] with the fault; nothing was appended.
    pub fn take(&self, stream: StreamId, seq: u64, line: &[u8]) -> Result<Taken, IntakeError> {
        let skim = Skim::of(line)?;
        if (skim.stream, skim.seq) != (stream, seq) {
            let (line_stream, line_seq) = (skim.stream, skim.seq);
            return Err(IntakeError::Mislabelled { stream, seq, line_stream, line_seq });
        }
        self.check_opening(&skim, line)?;
        let hash = Digest::of(line);
        let mut state = self.ledger.state.lock();
        let State { streams, ended, lost } = &mut *state;
        if lost.contains(&self.gateway) {
            return Err(IntakeError::Lost { gateway: self.gateway });
        }
        match streams.get_mut(&stream) {
            Some(known) => {
                if known.gateway.is_none() {
                    known.gateway = Some(self.owner(stream)?);
                }
                if known.gateway != Some(self.gateway) {
                    return Err(IntakeError::Foreign { stream });
                }
                if known.place(&skim, hash, self.link)? == Place::Again {
                    return Ok(Taken { position: known.last, again: true, effect: skim.effect });
                }
            }
            None => drop(self.owner(stream)?),
        }
        let encoded = Encoded { line, hash, stream, seq, effect: skim.effect };
        let position = self.ledger.journal.append(encoded)?;
        let closed = skim.effect == Effect::Closes;
        let (gateway, link) = (Some(self.gateway), self.link);
        let now = Known { gateway, next_seq: seq + 1, tip: hash, last: position, closed, link, again: None };
        streams.insert(stream, now);
        if closed {
            remember_ended(ended, streams, stream);
        }
        Ok(Taken { position, again: false, effect: skim.effect })
    }

    /// Checks that a stream opens with its first record, and that the sending gateway opened it.
    fn check_opening(&self, skim: &Skim, line: &[u8]) -> Result<(), IntakeError> {
        let stream = skim.stream;
        let first = skim.seq == 0 && skim.prev == NO_PREVIOUS;
        match (skim.effect == Effect::Opens, skim.seq == 0) {
            (false, false) => return Ok(()),
            (true, true) if first => {}
            _ => return Err(IntakeError::OpeningMisplaced { stream }),
        }
        match Envelope::parse(line)?.record {
            Record::Opened(opened) if opened.node == self.gateway => Ok(()),
            _ => Err(IntakeError::Foreign { stream }),
        }
    }

    /// Returns the owner of a stream that is unknown here: this gateway, if the stream id says so.
    // INVARIANT: I12. If a stream begins here in its middle, no other gateway may continue it.
    fn owner(&self, stream: StreamId) -> Result<NodeId, IntakeError> {
        if stream.is_of(self.gateway) { Ok(self.gateway) } else { Err(IntakeError::Foreign { stream }) }
    }
}

fn remember_ended(
    ended: &mut VecDeque<StreamId>,
    streams: &mut FxHashMap<StreamId, Known>,
    stream: StreamId,
) {
    ended.push_back(stream);
    if ended.len() > ENDED_KEPT_MAX
        && let Some(oldest) = ended.pop_front()
    {
        streams.remove(&oldest);
    }
}

/// Tells a new line from a repeated one.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Next,
    Again,
}

impl Known {
    /// Determines the place of a line that arrives on `link`.
    ///
    /// INVARIANT: I12 - one record per place, each following from the previous one.
    fn place(&mut self, skim: &Skim, hash: Digest, link: u64) -> Result<Place, IntakeError> {
        let (stream, seq) = (skim.stream, skim.seq);
        let first_on_link = std::mem::replace(&mut self.link, link) != link;
        if first_on_link {
            self.again = None;
        }
        if seq < self.next_seq {
            return self.repeat(skim, hash).map(|()| Place::Again);
        }
        if self.closed {
            return Err(IntakeError::Ended { stream, seq });
        }
        let due = self.again.map_or(self.next_seq, |(next, _)| next);
        match seq == due {
            // The records in between are on another node.
            false if first_on_link => Ok(Place::Next),
            false => Err(IntakeError::Gap { stream, expected: due, found: seq }),
            true if skim.prev == self.tip => Ok(Place::Next),
            true => Err(IntakeError::Fork { stream, seq }),
        }
    }

    /// Checks a repeated line, which must be identical to the stored one. Hashes of old records are not kept; lines
    /// that form a chain up to the newest record are identical to the stored ones.
    fn repeat(&mut self, skim: &Skim, hash: Digest) -> Result<(), IntakeError> {
        let (stream, seq) = (skim.stream, skim.seq);
        match self.again {
            Some((next, _)) if next != seq => {
                return Err(IntakeError::Gap { stream, expected: next, found: seq });
            }
            Some((_, tip)) if tip != skim.prev => return Err(IntakeError::Fork { stream, seq }),
            Some(_) | None => {}
        }
        let newest = seq + 1 == self.next_seq;
        if newest && hash != self.tip {
            return Err(IntakeError::Fork { stream, seq });
        }
        self.again = (!newest).then_some((seq + 1, hash));
        Ok(())
    }
}
