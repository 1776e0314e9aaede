//! What was done: records, hash chain, segments, verification and replay.
//!
//! A [`Stream`] is one connection of a session; it turns [`Record`]s into lines that are linked by
//! SHA-256 and hands them to a [`Journal`]. [`LocalJournal`] keeps them in segment files that are linked
//! in turn, and vouches for them with signed [`Checkpoint`]s. [`verify`] proves offline that nothing was
//! changed, dropped, reordered or cut off (I12); [`Replay`] reads a session back.
//!
//! What stands in a record must have been masked before it comes here; this crate masks nothing.
//! `docs/recording.md` describes the format and what each setting survives.

mod abandoned;
mod archive;
mod capture;
mod checkpoint;
mod checkpoint_file;
mod checkpoint_files;
mod checkpoint_log;
mod continuation;
mod intake;
mod journal;
mod line;
mod local;
mod log;
mod merge;
pub mod metrics;
mod record;
mod render;
mod replay;
mod segment;
mod signing;
mod skim;
mod stream;
mod verified_lines;
mod verify;
mod witness;

pub use abandoned::Abandoned;
pub use archive::history;
pub use archive::{ArchiveStore, ArchiveStoreError, Archiver, Round};
pub use capture::{Capture, Captured};
pub use checkpoint::{Checkpoint, CheckpointSink, Signed, SignedCheckpoint, Tip, Tips};
pub use checkpoint_file::{CheckpointFile, Newest, sync_checkpoints};
pub use continuation::{NotContinued, check_continuation, log_of};
pub use intake::{Intake, IntakeError, Ledger, Taken};
pub use journal::{Accepted, Encoded, Journal, JournalError, JournalExt, Position, Synced};
pub use line::{Effect, Envelope, MalformedLine};
pub use local::{LeftOpen, LocalJournal, Options};
pub use log::Log;
pub use record::{
    Answer, Begin, Closed, Decided, Ended, Ending, FactsJson, Held, Opened, Record, Redeemed,
    TransactionEnded, TransactionOutcome, VerdictWord,
};
pub use render::{render_text, visible};
pub use replay::{RecordLine, Replay, ReplayError, SessionLines};
pub use segment::{OpenStream, SegmentPoint};
pub use signing::{InvalidKey, PublicKey, SigningKey};
pub use skim::Skim;
pub use stream::{Stream, StreamError};
pub use verified_lines::{ChainCheck, UnverifiedLine, VerifiedLines};
pub use verify::{
    Fault, LogHead, Problem, Reached, Recorded, RecordedApproval, Report, StreamSummary, Verdict, Verifier,
    verify, verify_session,
};
pub use witness::Cosignature;
