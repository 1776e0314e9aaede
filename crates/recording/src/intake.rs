//! Lines of gateways' chains as a control-plane node takes them in: checked, freed of what was sent twice,
//! and appended to the node's journal. Nothing the sender says about a line is believed that the line and
//! the chain do not say themselves.
//!
//! After a failover a gateway sends again what was not acknowledged, perhaps to another node. So a stream
//! may begin here in its middle, and go on here after a part that another node has: the first line of a
//! stream on a *link* may leap forward, the next ones follow without gaps. Whether the parts fit is proved
//! when they are read together ([`crate::verify`]).

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

/// How many streams that have ended are remembered, so that their lines are known when they come again.
/// Beyond that a line that is sent again is kept a second time, which readers see to be the same.
const ENDED_KEPT_MAX: usize = 1 << 16;

/// What one node knows of the streams that gateways record here. Memory: about 150 bytes a stream that is
/// open, or ended lately.
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
    /// Gateways of which nothing is taken any more.
    lost: BTreeSet<NodeId>,
}

/// One stream, as far as it is here.
#[derive(Debug)]
struct Known {
    /// `None` after a restart, until a gateway goes on with it.
    gateway: Option<NodeId>,
    next_seq: u64,
    tip: Digest,
    /// Where its last record stands in the journal.
    last: Position,
    closed: bool,
    /// The link that wrote it last.
    link: u64,
    /// Lines that come again: the next number, and the hash of the last.
    again: Option<(u64, Digest)>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Whoever waits until the journal has accepted, or synced, this position may say so of the line.
    pub position: Position,
    /// Whether it had been here before, so that nothing was appended.
    pub again: bool,
    /// What it does to its stream.
    pub effect: Effect,
}

/// Why a line was not taken. Nothing of it was appended, and the link it came on should end: what follows
/// on it would not fit either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// It is no record's line.
    #[error(transparent)]
    Malformed(#[from] MalformedLine),
    /// It is another record than the sender says.
    #[error("sent as record {seq} of {stream}, the line is record {line_seq} of {line_stream}")]
    Mislabelled {
        /// The stream as sent.
        stream: StreamId,
        /// The number as sent.
        seq: u64,
        /// The stream in the line.
        line_stream: StreamId,
        /// The number in the line.
        line_seq: u64,
    },
    /// The stream is another gateway's by its id, or its opening record names another.
    #[error("{stream} is not a stream of this gateway")]
    Foreign {
        /// The stream.
        stream: StreamId,
    },
    /// Records between the last one and this one were not sent.
    #[error("gap in {stream}: record {expected} is due, {found} came")]
    Gap {
        /// The stream.
        stream: StreamId,
        /// The number that is due.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// Another record stands at its place, or it follows from another one than stands before it.
    #[error("fork in {stream}: record {seq} is not the one that belongs there")]
    Fork {
        /// The stream.
        stream: StreamId,
        /// The number.
        seq: u64,
    },
    /// The opening record is not the first, or the first is no opening record.
    #[error("{stream} has its opening record at the wrong place")]
    OpeningMisplaced {
        /// The stream.
        stream: StreamId,
    },
    /// The stream has ended.
    #[error("record {seq} of {stream}, which has ended")]
    Ended {
        /// The stream.
        stream: StreamId,
        /// The number.
        seq: u64,
    },
    /// The gateway was declared lost; its streams are ended by others.
    #[error("{gateway} was declared lost")]
    Lost {
        /// The gateway.
        gateway: NodeId,
    },
    /// The journal does not take it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Ledger {
    /// For a journal that keeps nothing yet.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>) -> Arc<Self> {
        Arc::new(Self { journal, links: AtomicU64::new(0), state: Mutex::default() })
    }

    /// With the streams that a restarted node's journal has open ([`crate::LeftOpen::Keep`]): their gateways
    /// may still live and go on with them.
    #[must_use]
    pub fn resume(journal: Arc<LocalJournal>) -> Arc<Self> {
        let files = Arc::clone(&journal);
        Self::resume_before(journal, &files)
    }

    /// The same for a journal that has these files behind it.
    #[must_use]
    pub fn resume_before(journal: Arc<dyn Journal>, files: &LocalJournal) -> Arc<Self> {
        let known = |one: crate::OpenStream| {
            // All of it was synced when the journal was opened.
            let (next_seq, tip, last) = (one.count, one.tip, Position(0));
            let stream = Known { gateway: None, next_seq, tip, last, closed: false, link: 0, again: None };
            (one.stream, stream)
        };
        let streams = files.open_streams().into_iter().map(known).collect();
        let state = State { streams, ..State::default() };
        Arc::new(Self { journal, links: AtomicU64::new(0), state: Mutex::new(state) })
    }

    /// The intake of one link of a gateway.
    #[must_use]
    pub fn link(self: &Arc<Self>, gateway: NodeId) -> Intake {
        let link = self.links.fetch_add(1, Ordering::Relaxed) + 1;
        Intake { ledger: Arc::clone(self), gateway, link }
    }

    /// Takes nothing more of a gateway, on whatever link, and forgets its streams. Before its streams are
    /// ended as lost ([`crate::Abandoned`]) every node has to have done this.
    pub fn refuse(&self, gateway: NodeId) {
        let mut state = self.state.lock();
        state.lost.insert(gateway);
        state.streams.retain(|_, known| known.gateway != Some(gateway));
    }

    /// The journal behind it.
    #[must_use]
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }
}

/// Takes in the lines that come on one link.
#[derive(Debug)]
pub struct Intake {
    ledger: Arc<Ledger>,
    gateway: NodeId,
    link: u64,
}

impl Intake {
    /// Takes one line, sent as record `seq` of `stream`. Waits for nothing; costs under a microsecond and the
    /// hashing of the line.
    ///
    /// A line that was here before is known by its hash, or by the hashes of the lines sent after it: a
    /// repetition that is no repetition is refused at the latest where it reaches the newest record.
    ///
    /// # Errors
    /// Says what is wrong with it; nothing was appended.
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

    /// A stream opens with its first record, by the gateway that sends it.
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

    /// Whose a stream is of which that is not known here: this gateway's, if its id says so.
    // INVARIANT: I12. Where a stream begins here in its middle, nobody goes on with another's.
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

/// Whether a line is new.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Next,
    Again,
}

impl Known {
    /// Where a line that comes on `link` belongs.
    ///
    /// INVARIANT: I12 - one record a place, each following from the one before.
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
            // The records between are at another node.
            false if first_on_link => Ok(Place::Next),
            false => Err(IntakeError::Gap { stream, expected: due, found: seq }),
            true if skim.prev == self.tip => Ok(Place::Next),
            true => Err(IntakeError::Fork { stream, seq }),
        }
    }

    /// A line whose place is taken: it has to be the one that is there. Hashes of old records are not kept;
    /// lines that follow from each other up to the newest one are those that are here.
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
