//! Where the records of gateways go: the port that the journal of this node fills.

use std::fmt;
use std::sync::Arc;

use countersign_common::Digest;
use countersign_common::id::{NodeId, StreamId};
use countersign_recording::{Effect, Encoded, Envelope, Journal, Position, Record};
use rustc_hash::FxHashMap;

/// Takes the records of gateways in.
pub trait RecordIntake: Send + Sync + fmt::Debug {
    /// For one link of a gateway.
    fn link(&self, gateway: NodeId) -> Box<dyn LinkIntake>;

    /// The gateway is lost: nothing more of it is taken, and the streams that it left open are ended. Repeated, it
    /// does nothing; may be told to every control-plane node.
    fn lost(&self, gateway: NodeId);

    /// The journal that the positions are of.
    fn journal(&self) -> &Arc<dyn Journal>;
}

/// Takes the records of one link in.
pub trait LinkIntake: Send + fmt::Debug {
    /// Checks a line against what it says itself and what came before, and appends it; one that is there already
    /// is not appended again.
    ///
    /// # Errors
    /// When it cannot be taken; what follows on the link would not fit either.
    fn take(&mut self, stream: StreamId, seq: u64, line: &[u8]) -> Result<Position, NotTaken>;
}

/// Why a line was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It does not fit: no record, a gap, a fork, another gateway's stream.
    #[error("{0}")]
    Unfit(String),
    /// The journal does not take anything.
    #[error("the journal takes no records: {0}")]
    Broken(String),
}

/// Into a journal of this node, with the checks of shape and chain.
#[derive(Debug)]
pub struct JournalIntake(pub Arc<dyn Journal>);

/// One link's.
#[derive(Debug)]
struct JournalLink {
    journal: Arc<dyn Journal>,
    gateway: NodeId,
    tips: FxHashMap<StreamId, (u64, Digest, Position)>,
}

impl RecordIntake for JournalIntake {
    fn link(&self, gateway: NodeId) -> Box<dyn LinkIntake> {
        Box::new(JournalLink { journal: Arc::clone(&self.0), gateway, tips: FxHashMap::default() })
    }

    fn lost(&self, _: NodeId) {}

    fn journal(&self) -> &Arc<dyn Journal> {
        &self.0
    }
}

impl LinkIntake for JournalLink {
    fn take(&mut self, stream: StreamId, seq: u64, line: &[u8]) -> Result<Position, NotTaken> {
        let unfit = |why: &str| NotTaken::Unfit(format!("record {seq} of {stream}: {why}"));
        let envelope = Envelope::parse(line).map_err(|error| NotTaken::Unfit(error.to_string()))?;
        if envelope.stream != stream || envelope.seq != seq {
            return Err(unfit("it is another one"));
        }
        if matches!(&envelope.record, Record::Opened(opened) if opened.node != self.gateway) {
            return Err(unfit("it is another gateway's"));
        }
        if let Some((last, tip, position)) = self.tips.get(&stream) {
            if seq <= *last {
                return Ok(*position);
            }
            if seq != last + 1 || envelope.prev != *tip {
                return Err(unfit("it does not follow the one before"));
            }
        }
        let (hash, effect) = (Digest::of(line), Effect::from(&envelope.record));
        let position = self.journal.append(Encoded { line, hash, stream, seq, effect });
        let position = position.map_err(|error| NotTaken::Broken(error.to_string()))?;
        self.tips.insert(stream, (seq, hash, position));
        Ok(position)
    }
}
