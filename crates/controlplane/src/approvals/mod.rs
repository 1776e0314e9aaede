//! Approvals: the durable records of held commands. Every change is one `common::approval::step`, decided
//! and written by compare-and-swap on what was read, never on memory; what memory holds serves lists,
//! waiters and deadlines.

mod agreed;
mod board;
mod error;
mod hold;
mod limits;
mod record;
mod redeem;
mod search;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::approval::{
    Approval, Event, Outcome as CommandOutcome, Rejection, State, Vote, step,
};
use countersign_common::id::{ApprovalId, AttemptId, NodeId, SessionId, Subject, TargetName};
use countersign_common::time::Clock;
use countersign_common::{Digest, Principal, Timestamp};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tracing::Instrument as _;

pub use error::ApprovalError;
pub use hold::{Held, HoldRequest, Joined};
pub(crate) use record::{
    APPROVALS, CHUNK_BYTES as DETAILS_CHUNK_BYTES, Stored, approval_of, asked_key, details_prefix,
};
pub use record::{Details, Snapshot};
pub use redeem::Redeem;

use self::agreed::AgreedTo;
use self::board::Board;
use self::limits::Fences;
use crate::bundles::Bundles;
use crate::content;
use crate::hints::Hint;
use crate::sessions::{Caller, Session, Sessions};
use crate::store::{Change, Entry, Outcome, Revision, Store, StoreError, Transaction, range_all};
use crate::trace;

/// How often a lost race is tried again. Each loss means that somebody else's step was taken, and an
/// approval takes few steps in its life.
const ATTEMPTS_MAX: usize = 32;

/// How long a no is remembered: the same command gets the same answer without asking again.
const DENIAL_REMEMBERED: Duration = Duration::from_secs(10 * 60);

/// How many changes a listener may be behind before it is told to look for itself.
const CHANGES_BEHIND_MAX: usize = 4096;

/// What an approver says.
#[derive(Debug, Clone)]
pub struct Decide {
    /// The approval.
    pub id: ApprovalId,
    /// Who says it, as verified now.
    pub by: Principal,
    /// Yes or no.
    pub vote: Vote,
    /// Why.
    pub reason: Option<String>,
    /// How they proved to be themselves: `token`, `oidc`, `webauthn`.
    pub method: String,
    /// The digest of the text that they were shown (I2).
    pub rendering: Digest,
    /// Who issued the token they vote with, who issued those issuers' tokens, and so on.
    pub issuers: BTreeSet<Subject>,
    /// The only target that their token is for; `None`: every target.
    pub only_target: Option<TargetName>,
}

/// What became of a write whose answer was lost.
enum Settled {
    /// It was written.
    Mine,
    /// Somebody else was faster; it never will be written.
    Lost,
    /// Nobody can tell.
    Unclear,
}

/// Approvals.
#[derive(Debug)]
pub struct Approvals {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    sessions: Arc<Sessions>,
    bundles: Arc<Bundles>,
    board: Mutex<Board>,
    agreed: Mutex<AgreedTo>,
    fences: Fences,
    /// Rung when a deadline may have become the next one.
    deadlines: Notify,
    changes: broadcast::Sender<Arc<Snapshot>>,
    steps: broadcast::Sender<Hint>,
    /// Turns of those who look through the whole history.
    searches: Semaphore,
}

/// One approval, as it changes.
#[derive(Debug, Clone)]
pub struct ApprovalWatch(watch::Receiver<Arc<Snapshot>>);

impl ApprovalWatch {
    /// How it stands now.
    #[must_use]
    pub fn current(&self) -> Approval {
        self.0.borrow().approval.clone()
    }

    /// Waits until it stands otherwise than when last looked at, and returns it. `None`: nothing follows,
    /// because it has ended or the control plane has.
    ///
    /// # Cancel safety
    /// Safe: a change is seen by the next call.
    pub async fn changed(&mut self) -> Option<Approval> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().approval.clone())
    }
}

/// A change of an approval, and the revision from which a watch goes on behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalChange {
    /// When it happened.
    pub revision: Revision,
    /// How the approval stands since.
    pub snapshot: Snapshot,
}

/// Every change of every approval.
pub type ApprovalChanges = BoxStream<'static, Result<ApprovalChange, StoreError>>;

impl Approvals {
    /// Reads all approvals; the revision after which changes are to be applied.
    pub(crate) async fn load(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        sessions: Arc<Sessions>,
        bundles: Arc<Bundles>,
    ) -> Result<(Self, Revision), StoreError> {
        let (board, agreed) = (Mutex::new(Board::default()), Mutex::default());
        let deadlines = Notify::new();
        let (changes, _) = broadcast::channel(CHANGES_BEHIND_MAX);
        let (steps, _) = broadcast::channel(CHANGES_BEHIND_MAX);
        let (searches, fences) = (search::turns(), Fences::default());
        let approvals = Self {
            store,
            clock,
            sessions,
            bundles,
            board,
            agreed,
            fences,
            deadlines,
            changes,
            steps,
            searches,
        };
        let revision = approvals.reload().await?;
        Ok((approvals, revision))
    }

    /// Reads all approvals again, on top of what is known. One that cannot be read is passed over: whatever is asked
    /// about it reads it from the store, and is refused.
    pub(crate) async fn reload(&self) -> Result<Revision, StoreError> {
        let (entries, revision) = range_all(&*self.store, APPROVALS).await?;
        let readable = |entry: &Entry| Some((entry.modified, crate::readable::<Stored>(entry)?));
        let mut all: Vec<(Revision, Stored)> = entries.iter().filter_map(readable).collect();
        // So that the board keeps those that ended last, and the last no of each session.
        all.sort_by_key(|(_, stored)| stored.changed_at);
        all.into_iter().for_each(|(written, stored)| self.take_over(stored, Some(written)));
        self.board.lock().is_complete_up_to(revision);
        Ok(revision)
    }

    /// Takes a change over that another node, or an earlier call here, made.
    ///
    /// # Errors
    /// When the record cannot be read. This node knows nothing of the approval then; whoever can read it sees to it.
    pub(crate) fn apply(&self, change: &Change) -> Result<(), StoreError> {
        let mut taken = Ok(());
        if let Change::Put(entry) = change
            && entry.key.starts_with(APPROVALS)
        {
            taken = crate::decode(entry).map(|stored| self.take_over(stored, Some(entry.modified)));
            if taken.is_err()
                && let Some(id) = record::id_of(&entry.key)
            {
                self.board.lock().forget(id);
                self.agreed.lock().forget(id);
            }
        }
        // Others of the same revision may follow; all before it have come.
        self.board.lock().is_complete_up_to(Revision(change.revision().0.saturating_sub(1)));
        taken
    }

    /// Takes over how an approval stands, written at this revision if that is known.
    fn take_over(&self, stored: Stored, written: Option<Revision>) {
        let id = stored.approval.id;
        self.agreed.lock().take(&stored, written);
        let newer = {
            let mut board = self.board.lock();
            board.apply(stored.into()).then(|| board.known(id)).flatten()
        };
        if let Some(snapshot) = newer {
            self.deadlines.notify_one();
            // Nobody listens: nothing to tell.
            let _ = self.changes.send(snapshot);
        }
    }

    /// The approval as far as this node has heard; `None`: it does not know it. Reads memory only.
    pub(crate) fn known(&self, id: ApprovalId) -> Option<Arc<Snapshot>> {
        self.board.lock().known(id)
    }

    /// Every newer state of an approval that this node hears of from now on. Who is too far behind is told so,
    /// and finds it with [`Approvals::known`].
    pub(crate) fn changes(&self) -> broadcast::Receiver<Arc<Snapshot>> {
        self.changes.subscribe()
    }

    /// The steps that this node takes from now on, after which a waiting command goes on; each when it is committed.
    pub(crate) fn steps(&self) -> broadcast::Receiver<Hint> {
        self.steps.subscribe()
    }

    /// Reads the approval from the store, so that this node knows it.
    pub(crate) async fn look_up(&self, id: ApprovalId) -> Result<(), ApprovalError> {
        let (entry, stored) = self.read(id).await?;
        self.take_over(stored, Some(entry.modified));
        Ok(())
    }

    /// When this person last voted on something that has not ended, as far as this node has heard.
    pub(crate) fn newest_vote_of(&self, voter: &Subject) -> Option<Timestamp> {
        let going_on = self.board.lock().going_on();
        let votes = going_on.iter().flat_map(|known| &known.approval.decisions);
        votes.filter(|vote| vote.approver == *voter).map(|vote| vote.at).max()
    }

    /// The owners of the commands that are redeemed and not reported, as far as this node has heard.
    pub(crate) fn owners(&self) -> std::collections::BTreeSet<NodeId> {
        self.board.lock().owners()
    }

    /// The approval, from the store.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn get(&self, id: ApprovalId) -> Result<Snapshot, ApprovalError> {
        Ok(self.read(id).await?.1.into())
    }

    /// What was asked, whole.
    ///
    /// # Errors
    /// When there is no such approval, the store fails, or the text is not the one that was stored (I2).
    pub async fn details(&self, id: ApprovalId) -> Result<Details, ApprovalError> {
        let (_, stored) = self.read(id).await?;
        self.details_of(&stored).await
    }

    async fn details_of(&self, stored: &Stored) -> Result<Details, ApprovalError> {
        let whole = content::read(&*self.store, &record::details_prefix(stored.approval.id)).await?;
        // INVARIANT: I2. What people are shown is what was stored when the command was held.
        if Digest::of(&whole.value) != stored.details_digest {
            return Err(crate::bad_value(&whole, "its digest is not the recorded one").into());
        }
        Ok(crate::decode(&whole)?)
    }

    /// All that have not ended, oldest first, and a revision to watch from: changes after it may repeat
    /// what is in the list, but miss nothing. Reads memory only.
    #[must_use]
    pub fn list_going_on(&self) -> (Vec<Arc<Snapshot>>, Revision) {
        let board = self.board.lock();
        (board.going_on(), board.complete_up_to())
    }

    /// The approval and every later state of it.
    ///
    /// # Errors
    /// When there is no such approval, or the store fails.
    pub async fn watch(&self, id: ApprovalId) -> Result<ApprovalWatch, ApprovalError> {
        let (entry, stored) = self.read(id).await?;
        self.take_over(stored.clone(), Some(entry.modified));
        Ok(ApprovalWatch(self.board.lock().subscribe(stored.into())))
    }

    /// Every change of every approval after a revision.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] when the history does not reach back that far: list again.
    pub async fn watch_all(&self, after: Revision) -> Result<ApprovalChanges, StoreError> {
        let changes = self.store.watch(APPROVALS, after).await?;
        Ok(changes
            .filter_map(async |change| match change {
                Ok(Change::Put(entry)) => Some(
                    crate::decode::<Stored>(&entry)
                        .map(|stored| ApprovalChange { revision: entry.modified, snapshot: stored.into() }),
                ),
                Ok(Change::Deleted { .. }) => None,
                Err(error) => Some(Err(error)),
            })
            .boxed())
    }

    /// Counts a person's yes or no.
    ///
    /// # Errors
    /// When what they saw is not what is asked, or the approval's rules refuse it: their own request
    /// (I4), not a person, in no group that decides now, decided before, ended, expired.
    ///
    /// # Cancel safety
    /// The decision may count all the same; a second one is refused.
    pub async fn decide(&self, decide: Decide) -> Result<Approval, ApprovalError> {
        let (_, stored) = self.read(decide.id).await?;
        if decide.only_target.as_ref().is_some_and(|only| *only != stored.approval.target) {
            return Err(ApprovalError::NotFound(decide.id));
        }
        // INVARIANT: I2. The rendering never changes, so it may be compared before the step is taken.
        if stored.approval.rendering != decide.rendering {
            return Err(ApprovalError::SawSomethingElse);
        }
        let Decide { id, by, vote, reason, method, issuers, .. } = decide;
        let span = trace::decide(stored.trace, id, vote);
        self.advance(id, &Event::Decide { by, vote, reason, method, issuers }).instrument(span).await
    }

    /// Whether this caller could decide on the approval as it stands here and now, by the rules of the step that a
    /// decision is.
    ///
    /// # Errors
    /// Why not.
    pub fn may_decide(&self, approval: &Approval, caller: &Caller) -> Result<(), Rejection> {
        let (by, issuers) = ((*caller.principal).clone(), caller.issuers.clone());
        let (vote, reason, method) = (Vote::Approve, None, String::new());
        step(approval, &Event::Decide { by, vote, reason, method, issuers }, self.now()).map(drop)
    }

    /// The client takes its request back.
    ///
    /// # Errors
    /// When the approval is another session's, or is past being withdrawn.
    pub async fn withdraw(&self, id: ApprovalId, by: SessionId) -> Result<Approval, ApprovalError> {
        let (_, stored) = self.read(id).await?;
        if stored.approval.session != by {
            return Err(ApprovalError::NotYours);
        }
        self.advance(id, &Event::Withdraw).await
    }

    /// Voids an approval whose command would not do any more what people were asked about, as the gateway of its
    /// session found.
    ///
    /// # Errors
    /// When the approval is another session's, or has been used or has ended.
    pub async fn void(
        &self,
        id: ApprovalId,
        by: SessionId,
        reason: String,
    ) -> Result<Approval, ApprovalError> {
        let (_, stored) = self.read(id).await?;
        if stored.approval.session != by {
            return Err(ApprovalError::NotYours);
        }
        self.advance(id, &Event::Void { reason }).await
    }

    /// Takes an approval back before it is used: an approver's second thought, or the stop button.
    ///
    /// # Errors
    /// When it has been used, or has ended.
    pub async fn revoke(&self, id: ApprovalId, by: Subject) -> Result<Approval, ApprovalError> {
        self.advance(id, &Event::Revoke { by }).await
    }

    /// The same for all open approvals of a session; how many there were.
    ///
    /// # Errors
    /// When the store fails. Those that end in the meantime are none.
    pub async fn revoke_session(&self, session: SessionId, by: &Subject) -> Result<usize, ApprovalError> {
        let open = self.board.lock().open_of(session);
        let revoked = |id| (id, Event::Revoke { by: by.clone() });
        self.advance_each(open.into_iter().map(revoked)).await
    }

    /// The owner says how the command ended.
    ///
    /// # Errors
    /// When the fence is not the owner's, or the outcome is known already.
    pub async fn report(
        &self,
        id: ApprovalId,
        fence: u64,
        outcome: CommandOutcome,
    ) -> Result<Approval, ApprovalError> {
        self.advance(id, &Event::Report { fence, outcome }).await
    }

    /// The owner is certain that not a byte of the command went upstream. That ends a doubt, too.
    ///
    /// # Errors
    /// As [`Approvals::report`].
    pub async fn not_sent(&self, id: ApprovalId, fence: u64) -> Result<Approval, ApprovalError> {
        self.advance(id, &Event::NotSent { fence }).await
    }

    /// The owner cannot tell whether the command ran (its connection to the target broke in the middle).
    ///
    /// # Errors
    /// As [`Approvals::report`].
    pub async fn in_doubt(&self, id: ApprovalId, fence: u64) -> Result<Approval, ApprovalError> {
        self.advance(id, &Event::OwnerLost { fence }).await
    }

    /// A node is lost: whatever it had redeemed and not reported is in doubt. How many there were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn owner_lost(&self, owner: NodeId) -> Result<usize, ApprovalError> {
        self.owners_lost(|one| one == owner).await
    }

    /// The same for every node that `lost` names.
    pub(crate) async fn owners_lost(&self, lost: impl Fn(NodeId) -> bool) -> Result<usize, ApprovalError> {
        let redeemed = self.board.lock().redeemed_by(lost);
        let lost = |(id, fence)| (id, Event::OwnerLost { fence });
        self.advance_each(redeemed.into_iter().map(lost)).await
    }

    /// Somebody found out whether a command in doubt ran.
    ///
    /// # Errors
    /// When it is not in doubt.
    pub async fn resolve(
        &self,
        id: ApprovalId,
        ran: bool,
        by: &Subject,
        reason: &str,
    ) -> Result<Approval, ApprovalError> {
        self.advance(id, &Event::Resolve { ran, reason: format!("{by}: {reason}") }).await
    }

    /// Ends what is past its deadline; how many there were. Safe to run at any time, by any node.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn expire_due(&self) -> Result<usize, ApprovalError> {
        let due = self.board.lock().due(self.clock.now());
        self.advance_each(due.into_iter().map(|id| (id, Event::Expire))).await
    }

    /// Waits until a deadline may have come: until the next known one, at most `longest`, and less when
    /// an earlier one turns up.
    pub(crate) async fn deadline(&self, longest: Duration) {
        let next = self.board.lock().next_deadline();
        let wait = next.map_or(longest, |at| self.clock.now().until(at).min(longest));
        let _ = tokio::time::timeout(wait, self.deadlines.notified()).await;
    }

    /// Takes a step of each; one that refuses it is passed over, as it has gone on by itself. How many took theirs.
    ///
    /// # Errors
    /// The first fault. That of one approval alone keeps no other from its step.
    async fn advance_each(
        &self,
        steps: impl IntoIterator<Item = (ApprovalId, Event)>,
    ) -> Result<usize, ApprovalError> {
        let (mut count, mut fault) = (0, None);
        for (id, event) in steps {
            match self.advance(id, &event).await {
                Ok(_) => count += 1,
                Err(ApprovalError::Rejected(_)) => {}
                // INVARIANT: I10. Whoever comes after it does not wait for it.
                Err(error) if error.is_of_one_approval() => {
                    tracing::error!(approval = %id, %error, "an approval does not take its step");
                    fault.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        fault.map_or(Ok(count), Err)
    }

    /// Takes one step: read, `step`, compare-and-swap; again when somebody else was faster.
    async fn advance(&self, id: ApprovalId, event: &Event) -> Result<Approval, ApprovalError> {
        for _ in 0..ATTEMPTS_MAX {
            let (entry, stored) = self.read(id).await?;
            let next = step(&stored.approval, event, self.clock.now())?;
            if let Some(approval) = self.swap(as_read(&entry), stored, next, AttemptId::generate()).await? {
                return Ok(approval);
            }
        }
        Err(ApprovalError::Contended)
    }

    /// Writes the next state if `still` holds: that nobody has written the record since `stored`, and what else it
    /// asks for. `None`: it does not hold.
    ///
    /// INVARIANT: I1, I9. This is the only place that changes an approval, and it compares.
    async fn swap(
        &self,
        still: Transaction,
        stored: Stored,
        next: Approval,
        attempt: AttemptId,
    ) -> Result<Option<Approval>, ApprovalError> {
        let stood = stored.approval.state.as_str();
        let redeems =
            stored.approval.state == State::Approved && matches!(next.state, State::Redeemed { .. });
        let redeemed_by = if redeems { Some(attempt) } else { stored.redeemed_by };
        let next = Stored { attempt, changed_at: self.clock.now(), redeemed_by, approval: next, ..stored };
        let value = next.value()?;
        let transaction = still.put_own(record::approval_key(next.approval.id), value);
        let written = match self.store.transact(transaction).await {
            Ok(Outcome::Committed(revision)) => Some(revision),
            Ok(Outcome::Conflict | Outcome::LeaseLost) => return Ok(None),
            Err(error) if error.is_ambiguous() => match self.settle(&next).await? {
                Settled::Mine => None,
                Settled::Lost => return Ok(None),
                Settled::Unclear => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        };
        let approval = next.approval.clone();
        // A vote that is not the last, and evidence, leave it where it is.
        if approval.state.as_str() != stood {
            crate::metrics::stepped(&approval, next.changed_at);
        }
        self.take_over(next, written);
        if lets_go_on(&approval.state) {
            // Nobody listens: no other node is to be told.
            let _ = self.steps.send(Hint { approval: approval.id, revision: approval.revision });
        }
        Ok(Some(approval))
    }

    /// Finds out whether a write was written of which nobody knows. Every write is the next revision of
    /// the one before, so whoever stands at its revision has won it.
    async fn settle(&self, next: &Stored) -> Result<Settled, ApprovalError> {
        let (_, found) = self.read(next.approval.id).await?;
        Ok(if found.attempt == next.attempt {
            Settled::Mine
        } else if found.approval.revision == next.approval.revision {
            Settled::Lost
        } else {
            // It may still be written, or somebody has gone on since: the caller must not act on it.
            Settled::Unclear
        })
    }

    async fn read(&self, id: ApprovalId) -> Result<(Entry, Stored), ApprovalError> {
        let entry = self.store.get(&record::approval_key(id)).await?;
        let entry = entry.ok_or(ApprovalError::NotFound(id))?;
        let stored = crate::decode(&entry)?;
        Ok((entry, stored))
    }

    /// The session, if it goes on; one that was opened at another node a moment ago is learnt.
    async fn session(&self, id: SessionId) -> Result<Session, ApprovalError> {
        if self.sessions.get(id).is_none() {
            self.sessions.look_again(id, &BTreeSet::new()).await?;
        }
        self.sessions.check(id).map_err(ApprovalError::SessionEnded)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Nobody has written it since it was read.
fn as_read(entry: &Entry) -> Transaction {
    Transaction::new().if_modified(&entry.key, entry.modified)
}

/// Whether a waiting command goes on when it hears of this. What its own gateway did it knows already.
fn lets_go_on(state: &State) -> bool {
    match state {
        State::Approved
        | State::Denied
        | State::Expired
        | State::Withdrawn
        | State::Voided { .. }
        | State::Revoked { .. } => true,
        State::Pending { .. }
        | State::Redeemed { .. }
        | State::InDoubt { .. }
        | State::Done { .. }
        | State::NotRun { .. } => false,
    }
}

#[cfg(test)]
mod tests;
