//! Where the records of gateways go: the port that the journal of this node fills.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::{fmt, io};

use async_trait::async_trait;
use countersign_common::Timestamp;
use countersign_common::id::{NodeId, StreamId};
use countersign_common::time::Clock;
use countersign_recording::{Abandoned, Intake, IntakeError, Journal, Ledger, LocalJournal, Log, Taken};
use tokio::sync::Mutex;

/// Takes the records of gateways in.
#[async_trait]
pub trait RecordIntake: Send + Sync + fmt::Debug {
    /// For one link of a gateway.
    fn link(&self, gateway: NodeId) -> Box<dyn LinkIntake>;

    /// The gateway is lost, or has ended: nothing more of it is taken. To be told to every control-plane node.
    fn refuse(&self, gateway: NodeId);

    /// Ends the streams that it left open, after [`RecordIntake::refuse`]. Repeated, it does nothing.
    ///
    /// # Errors
    /// When they could not be ended; to be tried again.
    async fn end_lost(&self, gateway: NodeId) -> io::Result<()>;

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
    fn take(&mut self, stream: StreamId, seq: u64, line: &[u8]) -> Result<Taken, NotTaken>;
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

/// Into the journal of this node, which is the only one of the control plane: it has all records, and so may end what a lost
/// gateway left open.
#[derive(Debug)]
pub struct LedgerIntake {
    ledger: Arc<Ledger>,
    journal: Arc<LocalJournal>,
    clock: Arc<dyn Clock>,
    /// Those whose streams it has ended since its start: never twice at two times.
    ended: Mutex<BTreeSet<NodeId>>,
}

impl LedgerIntake {
    /// Into this journal.
    #[must_use]
    pub fn new(journal: Arc<LocalJournal>, clock: Arc<dyn Clock>) -> Self {
        let ledger = Ledger::resume(Arc::clone(&journal));
        Self { ledger, journal, clock, ended: Mutex::default() }
    }
}

#[async_trait]
impl RecordIntake for LedgerIntake {
    fn link(&self, gateway: NodeId) -> Box<dyn LinkIntake> {
        Box::new(self.ledger.link(gateway))
    }

    fn refuse(&self, gateway: NodeId) {
        self.ledger.refuse(gateway);
    }

    async fn end_lost(&self, gateway: NodeId) -> io::Result<()> {
        let Self { journal, clock, ended, .. } = self;
        // One at a time, and none at two times: the second end of a stream would be another one.
        let mut ended = ended.lock().await;
        if journal.open_streams().is_empty() || ended.contains(&gateway) {
            return Ok(());
        }
        let (journal, at) = (Arc::clone(journal), clock.now());
        let done = tokio::task::spawn_blocking(move || end_streams(&journal, gateway, at)).await;
        done.map_err(io::Error::other)??;
        ended.insert(gateway);
        Ok(())
    }

    fn journal(&self) -> &Arc<dyn Journal> {
        self.ledger.journal()
    }
}

/// INVARIANT: I5 - what a lost gateway had begun ends as lost.
fn end_streams(journal: &LocalJournal, gateway: NodeId, at: Timestamp) -> io::Result<()> {
    journal.flush().map_err(io::Error::other)?;
    let logs = Log::find(&[journal.dir().to_owned()])?;
    let abandoned = Abandoned::survey(&logs, gateway, at)?;
    abandoned.end(journal).map_err(io::Error::other)?;
    let ended: Vec<StreamId> = abandoned.streams.iter().map(|one| one.stream).collect();
    if !ended.is_empty() {
        tracing::warn!(%gateway, count = ended.len(), "the streams of a lost gateway are ended");
    }
    Ok(())
}

impl LinkIntake for Intake {
    fn take(&mut self, stream: StreamId, seq: u64, line: &[u8]) -> Result<Taken, NotTaken> {
        match Intake::take(self, stream, seq, line) {
            Ok(taken) => Ok(taken),
            Err(IntakeError::Journal(error)) => Err(NotTaken::Broken(error.to_string())),
            Err(error) => Err(NotTaken::Unfit(error.to_string())),
        }
    }
}
