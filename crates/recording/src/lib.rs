//! Recordings: records, hash chain, segments, verification and replay.
//!
//! A [`Stream`] is one connection of a session. It encodes [`Record`]s as lines that are linked by SHA-256, and
//! passes them to a [`Journal`]. [`LocalJournal`] stores them in segment files that are linked in turn, and covers
//! them with signed [`Checkpoint`]s. [`verify`] proves offline that nothing was changed, dropped, reordered or
//! truncated (I12); [`Replay`] reads a session back.
//!
//! The contents of a record must be masked before they reach this crate, which masks nothing. `docs/recording.md`
//! describes the format and the durability of each setting.

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
