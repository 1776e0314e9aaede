//! What is stored of an approval, and under which keys: a small record that changes, and beside it, in
//! chunks, what was asked, which never changes.

use countersign_common::approval::Approval;
use countersign_common::command::{Command, Context};
use countersign_common::facts_basis::FactsBasis;
use countersign_common::id::{ApprovalId, AttemptId, BundleVersion, SessionId};
use countersign_common::trace::TraceParent;
use countersign_common::{Digest, Facts, Timestamp};
use serde::{Deserialize, Serialize};

use super::ApprovalError;
use crate::Also;
use crate::store::Entry;

/// Where approvals stand: `/cs/approvals/<bucket>/<id>`.
pub(crate) const APPROVALS: &str = "/cs/approvals/";

/// Where their texts stand: `/cs/commands/<bucket>/<id>/<chunk>`.
const COMMANDS: &str = "/cs/commands/";

/// Which approval a command of a session last had: `/cs/asked/<session>/<digest>`.
const ASKED: &str = "/cs/asked/";

/// How many bytes of a text stand under one key: more would not be a small record any more.
pub(crate) const CHUNK_BYTES: usize = 16 * 1024;

/// The largest record with which people may be asked, and the largest that a yes may make of it, in bytes. An ordinary one
/// has less than 1 KiB; many stages, groups and long reasons make it larger.
const ASKED_BYTES_MAX: usize = 8 * 1024;
const RECORD_BYTES_MAX: usize = 16 * 1024;

/// An approval, as stored: short names, as an ordinary one has to stay within a kibibyte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stored {
    /// Which attempt wrote it, so that an ambiguous write can be told from somebody else's.
    pub(crate) attempt: AttemptId,
    /// When it last changed.
    pub(crate) changed_at: Timestamp,
    /// How many bytes the text has, and in how many chunks.
    #[serde(rename = "bytes")]
    pub(crate) details_bytes: usize,
    /// The digest over the text.
    #[serde(rename = "text")]
    pub(crate) details_digest: Digest,
    /// A request that this session had denied shortly before, for another command: a rephrasing, maybe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after_denial: Option<ApprovalId>,
    /// What the command does, in a line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) does: String,
    /// Where in its trace the command was held, if it is traced: what people decide later, and at other nodes, is part
    /// of the same trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<TraceParent>,
    /// Which attempt redeemed it; stays, whatever follows. Only who made the attempt knows it.
    #[serde(rename = "by", default, skip_serializing_if = "Option::is_none")]
    pub(crate) redeemed_by: Option<AttemptId>,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    pub(crate) also: Also,
    /// The approval.
    pub(crate) approval: Approval,
}

impl Stored {
    /// The record as a value of the store.
    ///
    /// # Errors
    /// When its terms, or the votes on it, are more than fits.
    pub(super) fn value(&self) -> Result<Vec<u8>, ApprovalError> {
        let value = crate::encode(self);
        let bytes_max = if self.approval.revision == 1 { ASKED_BYTES_MAX } else { RECORD_BYTES_MAX };
        // INVARIANT: I10. Only asking, and a yes, can be too much: what ends an approval or uses it up adds little, and
        // is always taken.
        if self.approval.state.is_open() && value.len() > bytes_max {
            return Err(ApprovalError::TooLarge { what: "approval record", bytes: value.len(), bytes_max });
        }
        Ok(value)
    }
}

/// What was asked, whole; never cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Details {
    /// The command as it would run.
    pub command: Command,
    /// What gives it its meaning.
    pub context: Context,
    /// What it does, as the control plane found.
    pub facts: Facts,
    /// What `facts` rest on; `None`: an earlier version took them from the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<FactsBasis>,
    /// What the gateway stated, where that is not the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stated: Option<Facts>,
    /// The bundle that was current when it was asked.
    pub bundle: BundleVersion,
    /// The locks that the open transaction holds while people think, in the target's words.
    pub locks_held: Vec<String>,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    pub also: Also,
    /// The text that approvers are shown; [`Approval::rendering`] is its digest.
    pub rendering: String,
}

/// An approval with the moment of its last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The approval.
    pub approval: Approval,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// A request that this session had denied shortly before, for another command.
    pub after_denial: Option<ApprovalId>,
    /// How many bytes the details have.
    pub details_bytes: usize,
    /// What the command does, in a line; cut where it ends in `…`. Empty: not known.
    pub does: String,
}

impl From<Stored> for Snapshot {
    fn from(stored: Stored) -> Self {
        Self {
            approval: stored.approval,
            changed_at: stored.changed_at,
            after_denial: stored.after_denial,
            details_bytes: stored.details_bytes,
            does: stored.does,
        }
    }
}

/// The key of an approval.
pub(super) fn approval_key(id: ApprovalId) -> String {
    format!("{APPROVALS}{}/{id}", crate::bucket(&id.to_bytes()))
}

/// The approval of such a key.
pub(super) fn id_of(key: &str) -> Option<ApprovalId> {
    let (_, id) = key.strip_prefix(APPROVALS)?.split_once('/')?;
    id.parse().ok()
}

/// The prefix of the chunks of its text.
pub(crate) fn details_prefix(id: ApprovalId) -> String {
    format!("{COMMANDS}{}/{id}/", crate::bucket(&id.to_bytes()))
}

/// The key that says which approval a command of a session last had.
pub(crate) fn asked_key(session: SessionId, digest: &Digest) -> String {
    format!("{ASKED}{session}/{digest}")
}

/// The approval that stands under such a key; `None`: no id does.
pub(crate) fn approval_of(asked: &Entry) -> Option<ApprovalId> {
    std::str::from_utf8(&asked.value).ok()?.parse().ok()
}
