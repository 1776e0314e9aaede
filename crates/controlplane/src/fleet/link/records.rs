//! The records that come on a link: taken in, and acknowledged as far as they are kept.

use std::sync::Arc;
use std::time::Duration;

use countersign_api::v1::control_frame::Frame;
use countersign_api::{parsed, v1};
use countersign_common::id::{SessionId, StreamId};
use countersign_recording::{Envelope, Journal, JournalError, JournalExt as _, Position, Record};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::outbox::Outbox;
use crate::fleet::Fleet;
use crate::fleet::intake::{LinkIntake, NotTaken};
use crate::fleet::member::Member;
use crate::fleet::sample::Sampler;

/// How long records that nobody waits for may gather before it is asked whether they are synced. The journal
/// syncs them by itself in less.
const GATHER: Duration = Duration::from_millis(50);

/// The records of one link.
#[derive(Debug)]
pub(super) struct Records {
    openings: Openings,
    intake: Mutex<Reading>,
    taken: watch::Sender<Taken>,
    kept: Mutex<v1::RecordsKept>,
}

#[derive(Debug)]
struct Reading {
    intake: Box<dyn LinkIntake>,
    sampler: Sampler,
    /// The position that the next record has; zero: any.
    next: u64,
}

/// How far records have been taken in.
#[derive(Debug, Clone, Copy)]
struct Taken {
    /// The gateway's position of the last one.
    gateway: u64,
    /// Its place in the journal here.
    journal: Position,
    /// Up to which position somebody waits for them to be synced.
    wanted: u64,
}

/// Why records were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRecords {
    /// Their positions do not follow those before.
    #[error("records from position {found} came, {expected} was next")]
    Position {
        /// The position that was next.
        expected: u64,
        /// The position that came.
        found: u64,
    },
    /// A stream's name is none.
    #[error("a record's stream has no name: {0}")]
    Stream(String),
    /// A stream is opened for a session that the gateway has not proven, or as somebody else's.
    #[error(
        "{stream} records {session} without a proof that a token of it was presented to this gateway, or as another principal's or target's"
    )]
    NotProven {
        /// The stream.
        stream: StreamId,
        /// The session that its opening record names.
        session: SessionId,
    },
    /// One was not taken.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
}

/// Checks the opening records of one link.
#[derive(Debug)]
pub(super) struct Openings {
    pub(super) fleet: Arc<Fleet>,
    /// The gateway, as its certificate says.
    pub(super) member: Member,
}

impl Openings {
    /// INVARIANT: I12. A gateway records only sessions whose token it was shown, as the principal and the target that the
    /// control plane knows. Every stream has its opening record first (the intake sees to it), so checking that one binds
    /// all others of the stream.
    fn check(&self, stream: StreamId, record: &v1::RecordLine) -> Result<(), BadRecords> {
        // The intake refuses an opening record at any other place.
        if record.sequence != 0 {
            return Ok(());
        }
        // What cannot be read, or opens nothing, the intake refuses by name.
        let Ok(Envelope { record: Record::Opened(opened), .. }) = Envelope::parse(&record.line) else {
            return Ok(());
        };
        let (session, proof) = (opened.session, &record.session_proof);
        let proofs = self.fleet.proofs();
        match proofs.are_of_record(&self.member, session, &opened.principal, &opened.target, proof) {
            true => Ok(()),
            false => Err(BadRecords::NotProven { stream, session }),
        }
    }
}

impl Records {
    pub(super) fn new(intake: Box<dyn LinkIntake>, sampler: Sampler, openings: Openings) -> Self {
        Self {
            openings,
            intake: Mutex::new(Reading { intake, sampler, next: 0 }),
            taken: watch::Sender::new(Taken { gateway: 0, journal: Position(0), wanted: 0 }),
            kept: Mutex::default(),
        }
    }

    /// Takes records in, in their order.
    pub(super) fn take(&self, records: &v1::RecordLines) -> Result<(), BadRecords> {
        let mut reading = self.intake.lock();
        let mut last = None;
        let mut next = Some(records.first_position);
        for record in &records.lines {
            // No gateway lives to send so many.
            let position = next.unwrap_or(0);
            next = position.checked_add(1);
            if position == 0 || next.is_none() || (reading.next != 0 && position != reading.next) {
                return Err(BadRecords::Position { expected: reading.next.max(1), found: position });
            }
            let stream = parsed(&record.stream_id, "stream_id");
            let stream = stream.map_err(|error| BadRecords::Stream(error.to_string()))?;
            self.openings.check(stream, record)?;
            let taken = reading.intake.take(stream, record.sequence, &record.line)?;
            reading.sampler.look_at(stream, taken.effect, &record.line);
            reading.next = position + 1;
            last = Some((position, taken.position));
        }
        drop(reading);
        self.taken.send_modify(|taken| {
            if let Some((gateway, journal)) = last {
                taken.gateway = gateway;
                // One that came again may stand before others of this link.
                taken.journal = taken.journal.max(journal);
            }
            taken.wanted = taken.wanted.max(records.wanted_synced);
        });
        Ok(())
    }

    /// Acknowledges records as far as the journal keeps them; ends when it does not any more.
    pub(super) async fn acknowledge(&self, journal: &dyn Journal, outbox: &Outbox) -> JournalError {
        let (accepted, synced) = (self.accepted(journal, outbox), self.synced(journal, outbox));
        let failed = tokio::select! {
            failed = accepted => failed,
            failed = synced => failed,
        };
        failed.err().unwrap_or(JournalError::Closed)
    }

    async fn accepted(&self, journal: &dyn Journal, outbox: &Outbox) -> Result<(), JournalError> {
        let mut taken = self.taken.subscribe();
        while taken.changed().await.is_ok() {
            let now = *taken.borrow_and_update();
            journal.accepted(now.journal).await?;
            self.tell(outbox, |kept| kept.accepted = kept.accepted.max(now.gateway));
        }
        Ok(())
    }

    async fn synced(&self, journal: &dyn Journal, outbox: &Outbox) -> Result<(), JournalError> {
        let mut taken = self.taken.subscribe();
        let mut synced = 0;
        while taken.changed().await.is_ok() {
            if taken.borrow().wanted <= synced {
                // Nobody waits, unless somebody begins to.
                let wanted = taken.wait_for(|taken| taken.wanted > synced);
                let _ = tokio::time::timeout(GATHER, wanted).await;
            }
            let now = *taken.borrow_and_update();
            journal.synced(now.journal).await?;
            synced = now.gateway;
            self.tell(outbox, |kept| {
                kept.synced = kept.synced.max(now.gateway);
                kept.accepted = kept.accepted.max(now.gateway);
            });
        }
        Ok(())
    }

    /// Says how far they are kept, where it is further than before.
    fn tell(&self, outbox: &Outbox, change: impl FnOnce(&mut v1::RecordsKept)) {
        let mut kept = self.kept.lock();
        let before = *kept;
        change(&mut kept);
        if *kept != before {
            outbox.send(Frame::RecordsKept(*kept));
        }
    }
}
