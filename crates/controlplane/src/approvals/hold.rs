//! Asking: a command is put on hold, or joins the request that is there for it already.

use std::fmt::Write as _;

use countersign_common::approval::{Approval, Evidence, RequestLimits, State, Terms};
use countersign_common::command::{self, Command, Context};
use countersign_common::id::{ApprovalId, AttemptId, BundleVersion, SessionId};
use countersign_common::rendering::Rendering;
use countersign_common::{Digest, Facts, Timestamp, Verdict};
use countersign_runtime::trace_context;
use tracing::Span;

use super::record::{self, Details, Stored};
use super::{ATTEMPTS_MAX, ApprovalError, Approvals, DENIAL_REMEMBERED};
use crate::Also;
use crate::bundles::Question;
use crate::content::Content;
use crate::sessions::Session;
use crate::store::{Entry, Outcome, StoreError, Transaction};

/// The largest text of a request: the command, its facts and its rendering, in bytes. Larger: refused,
/// never cut.
const DETAILS_BYTES_MAX: usize = 32 << 20;

/// The longest line that says what a command does, in bytes; the record stays small.
const DOES_BYTES_MAX: usize = 200;

/// What a gateway asks people about.
#[derive(Debug, Clone)]
pub struct HoldRequest {
    /// The session that sent the command.
    pub session: SessionId,
    /// The command, whole.
    pub command: Command,
    /// What gives it its meaning.
    pub context: Context,
    /// Its digest, as the gateway will present it again at redeem.
    pub digest: Digest,
    /// What it does.
    pub facts: Facts,
    /// The terms of the gateway's own verdict. The control plane judges again; its own terms hold.
    pub terms: Terms,
    /// The bundle by which the gateway judged.
    pub bundle: BundleVersion,
    /// The locks that the open transaction holds while people think, in the target's words.
    pub locks_held: Vec<String>,
}

/// What became of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The approval: pending, approved already, or ended with a no that is remembered.
    pub approval: Approval,
    /// Whether somebody is asked anew.
    pub joined: Joined,
}

/// How a command met its approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// People are asked now.
    New,
    /// The same command of the same session was there already: people are being asked, have agreed, or
    /// it is running elsewhere or in doubt.
    Open,
    /// People said no to the same command a short while ago. They are not asked again.
    Remembered,
}

impl Approvals {
    /// Asks people about a command, or joins the request that there is for it already: the same bytes of
    /// the same session under the same circumstances (one digest) ask once, however many connections
    /// send them.
    ///
    /// # Errors
    /// When the digest is not the command's (I2), the session has ended, policy blocks the command by
    /// now, there is no bundle, too many requests are open, the text is larger than 32 MiB, or the store fails. Nobody was
    /// asked then.
    ///
    /// # Cancel safety
    /// People may have been asked all the same; the same command joins that request.
    pub async fn hold(&self, request: HoldRequest) -> Result<Held, ApprovalError> {
        let session = self.session(request.session).await?;
        // INVARIANT: I2. The digest that people are asked about is computed here, from what they are shown.
        let digest = command::digest(&request.command, &request.context, &session.principal, request.session);
        if digest != request.digest || request.context.target != session.target {
            return Err(ApprovalError::WrongDigest);
        }
        let asked_key = record::asked_key(request.session, &digest);
        if let Some(held) = self.join(self.store.get(&asked_key).await?.as_ref()).await? {
            return Ok(held);
        }
        let limits = self.limits();
        let _turn = if limits.any() { self.fences.turn(&session.target).await } else { None };
        let mut prepared = None;
        for _ in 0..ATTEMPTS_MAX {
            let asked = self.store.get(&asked_key).await?;
            if let Some(held) = self.join(asked.as_ref()).await? {
                return Ok(held);
            }
            let (stored, content) = match prepared.take() {
                Some(again) => again,
                None => {
                    let terms = self.terms(&session, &request, self.now())?;
                    // Before its text is stored: what is refused, as far as this node knows, leaves nothing behind.
                    self.board.lock().open().admit(&session, limits)?;
                    self.prepare(&session, &request, terms).await?
                }
            };
            let passed = self.pass(&session, limits).await?;
            let asking = passed.open(asking(&asked_key, asked.as_ref(), &stored), stored.approval.id);
            match self.store.transact(content.finish(asking)).await {
                Ok(Outcome::Committed(revision)) => {
                    let approval = stored.approval.clone();
                    crate::metrics::stepped(&approval, self.now());
                    self.take_over(stored, Some(revision));
                    // Only now: whoever finds the fence known relies on the count.
                    self.passed(&passed, revision);
                    return Ok(Held { approval, joined: Joined::New });
                }
                // Somebody else asked, or nobody knows whether we did: look again.
                Ok(Outcome::Conflict | Outcome::LeaseLost) | Err(StoreError::Unknown(_)) => {
                    prepared = Some((stored, content));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(ApprovalError::Contended)
    }

    /// How many requests may be open, by the current bundle.
    fn limits(&self) -> RequestLimits {
        self.bundles.current().map_or_else(RequestLimits::default, |current| current.judge.limits())
    }

    /// The approval that the same command has already, if it is to be joined.
    async fn join(&self, asked: Option<&Entry>) -> Result<Option<Held>, ApprovalError> {
        let Some(asked) = asked else { return Ok(None) };
        let id = record::approval_of(asked).ok_or_else(|| crate::bad_value(asked, "not an approval id"))?;
        let (entry, stored) = match self.read(id).await {
            Ok(read) => read,
            // It ended long ago and has just been archived, with what was read: the swap finds out.
            Err(ApprovalError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let now = self.now();
        let joined = match &stored.approval.state {
            State::Pending { .. } | State::Approved if now < stored.approval.expires_at => Joined::Open,
            // Used up, but not ended: it runs elsewhere, or nobody knows. Asking again could run it twice.
            State::Redeemed { .. } | State::InDoubt { .. } => Joined::Open,
            State::Denied | State::Revoked { .. } if now < stored.changed_at.after(DENIAL_REMEMBERED) => {
                Joined::Remembered
            }
            State::Pending { .. }
            | State::Approved
            | State::Done { .. }
            | State::NotRun { .. }
            | State::Denied
            | State::Expired
            | State::Withdrawn
            | State::Voided { .. }
            | State::Revoked { .. } => return Ok(None),
        };
        if let Some(first) = stored.trace {
            trace_context::link(&Span::current(), first);
        }
        self.take_over(stored.clone(), Some(entry.modified));
        Ok(Some(Held { approval: stored.approval, joined }))
    }

    /// The record and the text of a new request. The terms are pinned here.
    async fn prepare(
        &self,
        session: &Session,
        request: &HoldRequest,
        terms: Terms,
    ) -> Result<(Stored, Content), ApprovalError> {
        let now = self.now();
        let rendering = Rendering::of(&request.command, &request.context, &session.principal);
        let details = crate::encode(&Details {
            command: request.command.clone(),
            context: request.context.clone(),
            facts: request.facts.clone(),
            bundle: request.bundle.clone(),
            locks_held: request.locks_held.clone(),
            also: Also::default(),
            rendering: rendering.text,
        });
        if details.len() > DETAILS_BYTES_MAX {
            return Err(ApprovalError::TooLarge {
                what: "command with its facts",
                bytes: details.len(),
                bytes_max: DETAILS_BYTES_MAX,
            });
        }
        let approval = Approval {
            id: ApprovalId::generate(),
            revision: 1,
            digest: request.digest,
            rendering: rendering.digest,
            session: session.id,
            target: session.target.clone(),
            requester: (*session.principal).clone(),
            expires_at: now.after(terms.timeout).min(session.expires_at),
            terms,
            created_at: now,
            decisions: Vec::new(),
            state: State::Pending { stage: 0 },
            evidence: Evidence::None,
        };
        let stored = Stored {
            attempt: AttemptId::generate(),
            changed_at: now,
            details_bytes: details.len(),
            details_digest: Digest::of(&details),
            after_denial: self.board.lock().recent_denial(
                session.id,
                &request.digest,
                now,
                DENIAL_REMEMBERED,
            ),
            does: does(&request.facts),
            trace: trace_context::present(),
            redeemed_by: None,
            also: Also::default(),
            approval,
        };
        stored.value()?;
        let prefix = record::details_prefix(stored.approval.id);
        let content = Content::prepare(&*self.store, now, &prefix, &details, record::CHUNK_BYTES).await?;
        Ok((stored, content))
    }

    /// The terms by the control plane's own verdict. A gateway that held what we would allow keeps its
    /// stricter terms.
    fn terms(
        &self,
        session: &Session,
        request: &HoldRequest,
        now: Timestamp,
    ) -> Result<Terms, ApprovalError> {
        let current = self.bundles.current().ok_or(ApprovalError::NoBundle)?;
        let question =
            Question { principal: &session.principal, context: &request.context, facts: &request.facts, now };
        let verdict = current.judge.judge(&question);
        let differs = |ours: &str| {
            tracing::warn!(session = %session.id, digest = %request.digest, gateway = "hold", ours,
                gateway_bundle = %request.bundle, our_bundle = %current.version,
                "the gateway's verdict is not the control plane's");
        };
        match verdict {
            Verdict::Hold(terms, _) => Ok((*terms).clone()),
            Verdict::Allow(_) => {
                differs("allow");
                Ok(request.terms.clone())
            }
            Verdict::Block(reason) => {
                differs("block");
                Err(ApprovalError::Blocked(reason))
            }
        }
    }
}

/// What a command does, in a line for lists: each operation with what it writes.
fn does(facts: &Facts) -> String {
    let mut line = String::new();
    for operation in &facts.operations {
        let end = if line.is_empty() { "" } else { "; " };
        let writes: Vec<&str> = operation.writes.iter().map(String::as_str).collect();
        let space = if writes.is_empty() { "" } else { " " };
        let _ = write!(line, "{end}{}{space}{}", operation.action, writes.join(", "));
        if line.len() > DOES_BYTES_MAX {
            line.truncate(line.floor_char_boundary(DOES_BYTES_MAX));
            line.push('…');
            break;
        }
    }
    line
}

/// The one transaction that asks: the record, and that this command has it.
fn asking(asked_key: &str, asked: Option<&Entry>, stored: &Stored) -> Transaction {
    let id = stored.approval.id;
    let key = record::approval_key(id);
    Transaction::new()
        .if_unchanged(asked_key, asked)
        .if_absent(&key)
        .put(asked_key, id.to_string())
        .put_own(&key, crate::encode(stored))
}

#[cfg(test)]
mod tests {
    use countersign_common::facts::{Action, Operation};

    use super::*;

    fn update(tables: usize) -> Facts {
        let mut operation = Operation::new(Action::Update);
        operation.writes.extend((0..tables).map(|number| format!("public.tablé_{number}")));
        Facts { operations: vec![operation, Operation::new(Action::Delete)], ..Facts::nothing() }
    }

    #[test]
    fn a_line_says_what_a_command_does_and_shows_where_it_is_cut() {
        assert_eq!(does(&update(1)), "sql:update public.tablé_0; sql:delete");
        let cut = does(&update(100));
        assert!(cut.ends_with('…') && cut.len() <= DOES_BYTES_MAX + '…'.len_utf8(), "{cut}");
        assert_eq!(does(&Facts::nothing()), "");
    }
}
