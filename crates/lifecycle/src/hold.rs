//! A hold: the command waits in its own connection until people decide, the client acts, or patience
//! runs out. What ends it first wins; the approval itself outlives it in the control plane.

use std::sync::Arc;
use std::time::Duration;

use countersign_common::Digest;
use countersign_common::approval::{Approval, DRIFTED, Rejection, State, Terms};
use countersign_common::id::{AttemptId, BundleVersion, CommandId};
use countersign_common::refusal::{Refusal, State as RefusalState};
use countersign_common::target::OnDisconnect;
use countersign_common::verdict::Duties;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::exchange::{Asked, Exchange, Meanwhile, NotReady};
use crate::ports::{HoldError, HoldRequest, Redeem, RedeemError, Stop, Testimony, Unavailable, stopped};
use crate::road::{Passage, Road, refused, unavailable};
use crate::running::{Redeemed, Running};
use crate::{Cleared, metrics, recorder::Begun, trace};

/// How long after its deadline an approval's own word is waited for: only the record says that it has expired.
const EXPIRY_GRACE: Duration = Duration::from_secs(3);

/// When a client may try again that was refused because too many requests are open. People decide in minutes.
const LIMITED_RETRY_AFTER: Duration = Duration::from_secs(30);

/// However short the target's `notice_every` is, notices are not closer than this.
const NOTICE_EVERY_LEAST: Duration = Duration::from_millis(100);

/// One command that waits.
pub(crate) struct Hold<'r, E> {
    pub(crate) road: &'r Road,
    pub(crate) exchange: E,
    pub(crate) begun: Begun,
    pub(crate) digest: Digest,
    pub(crate) duties: Duties,
    pub(crate) bundle: BundleVersion,
    /// The begin record was asked to be synced, and that has been answered.
    pub(crate) settled: bool,
}

/// What happens while a command waits.
enum Event {
    /// The connection has to end.
    Stopped(Stop),
    /// The approval has a new revision, or nobody can tell any more.
    Changed(Result<Arc<Approval>, Unavailable>),
    /// It is time for a notice, or patience is at its end.
    Time,
    /// Something has come in on the connection.
    Stirred,
    /// The begin record is synced, or cannot be.
    Settled,
}

/// What ended the wait.
enum Ended {
    /// Everyone agreed.
    Approved(Arc<Approval>),
    /// It did not come to that. Boxed: it is large, and comes once.
    Refused(Box<Refusal>),
    /// The client is gone; there is nobody to tell.
    Left,
}

impl<E: Exchange> Hold<'_, E> {
    /// Asks, waits, redeems; or says why not. Each is boxed by itself: a command that waits, for hours perhaps, carries
    /// neither the memory of how people were asked nor that of how it will be redeemed.
    pub(crate) async fn take_through(mut self, terms: Arc<Terms>) -> Passage {
        let approval = match Box::pin(self.ask(terms)).instrument(trace::ask()).await {
            Ok(approval) => approval,
            Err(HoldError::Limited(reason)) => return self.refuse(limited(reason)),
            Err(HoldError::Blocked(reason)) => {
                return self.refuse(Refusal::new(RefusalState::Blocked, reason));
            }
            Err(HoldError::Unavailable(error)) => return self.refuse(unavailable(&error)),
        };
        let held = metrics::held();
        tracing::Span::current().record("countersign.approval", tracing::field::display(approval.id));
        let ended = self.wait(approval).instrument(trace::hold()).await;
        drop(held);
        match ended {
            Ended::Approved(approval) => Box::pin(self.redeem(approval)).await,
            Ended::Refused(refusal) => self.refuse(*refusal),
            Ended::Left => {
                self.road.recorder.end_refused(self.command(), RefusalState::Pending);
                Passage::Left
            }
        }
    }

    /// Has people asked, and records that.
    async fn ask(&self, terms: Arc<Terms>) -> Result<Arc<Approval>, HoldError> {
        let approval = self.road.approvals.hold(self.request(terms)).await?;
        self.road.recorder.hold(self.command(), &approval)?;
        Ok(Arc::new(approval))
    }

    fn command(&self) -> CommandId {
        self.begun.command
    }

    fn request(&self, terms: Arc<Terms>) -> HoldRequest {
        HoldRequest {
            digest: self.digest,
            session: self.road.session,
            principal: Arc::clone(&self.road.principal),
            command: self.exchange.command().clone(),
            context: self.exchange.context(),
            facts: Arc::clone(&self.exchange.described().facts),
            terms,
            bundle: self.bundle.clone(),
            in_transaction: self.exchange.in_transaction(),
            catalogue: self.exchange.catalogue(),
        }
    }

    /// How long this connection waits before it is given the ticket.
    fn patience(&self) -> Duration {
        let waiting = &self.road.target.waiting;
        let ours = if self.exchange.in_transaction() { waiting.hold_in_transaction } else { waiting.hold };
        self.exchange.patience().map_or(ours, |theirs| theirs.min(ours))
    }

    async fn wait(&mut self, first: Arc<Approval>) -> Ended {
        // Beyond the approval's own end there is nothing to wait for but its being said.
        let patience = self.patience().min(self.road.now().until(first.expires_at) + EXPIRY_GRACE);
        let (waits_until, url) = (self.road.now().after(patience), self.road.url(first.id));
        let mut asked = Asked { approval: first, waits_until, url, repeat: 0 };
        let deadline = Instant::now() + patience;
        // One timer for both: the next notice, or the end of patience.
        let mut notice_at = Instant::now();
        loop {
            if let Some(ended) = self.judge_standing(&asked.approval) {
                self.note_decisions(&asked.approval);
                return ended;
            }
            match self.event(&asked.approval, notice_at.min(deadline)).await {
                Event::Stopped(reason) => return Box::pin(self.stop(reason, &asked.approval)).await,
                Event::Changed(Ok(approval)) => asked.approval = approval,
                Event::Changed(Err(error)) => {
                    return ended(unavailable(&error).with_ticket(asked.approval.id));
                }
                Event::Time if Instant::now() >= deadline => return ended(self.ticket(&asked.approval)),
                Event::Time => {
                    self.exchange.asking(&asked);
                    asked.repeat += 1;
                    notice_at = Instant::now() + self.notice_every();
                }
                // If it is not synced, that is found when the command is about to go.
                Event::Settled => self.settled = true,
                Event::Stirred => {
                    if let Some(meanwhile) = Box::pin(self.exchange.look()).await {
                        return Box::pin(self.leave(meanwhile, &asked.approval)).await;
                    }
                }
            }
        }
    }

    /// What happens next, until `time` at most.
    ///
    /// # Cancel safety
    /// Safe, as all that it waits for is.
    async fn event(&mut self, approval: &Approval, time: Instant) -> Event {
        let road = self.road;
        let mut stop = road.stop.clone();
        // In this order, and the connection last: a client that stirs all the time must not keep out what ends its wait.
        tokio::select! {
            biased;
            reason = stopped(&mut stop) => Event::Stopped(reason),
            changed = road.approvals.changed(approval.id, approval.revision) => Event::Changed(changed),
            () = tokio::time::sleep_until(time) => Event::Time,
            // While people think, so that nobody waits for it when they have agreed.
            _ = road.recorder.synced(self.begun.position), if !self.settled => Event::Settled,
            () = self.exchange.stirred() => Event::Stirred,
        }
    }

    /// How long from one notice to the next.
    fn notice_every(&self) -> Duration {
        self.road.target.waiting.notice_every.max(NOTICE_EVERY_LEAST)
    }

    /// What an approval's state means for the one who waits; `None`: wait on.
    fn judge_standing(&self, approval: &Arc<Approval>) -> Option<Ended> {
        match &approval.state {
            State::Pending { .. } => None,
            State::Approved => Some(Ended::Approved(Arc::clone(approval))),
            // INVARIANT: I3. Whatever else it is, it is not a yes.
            state => Some(ended(refusal_for(state, approval))),
        }
    }

    /// What people said stands in the record also when it was a no; a yes is recorded with its redemption.
    fn note_decisions(&self, approval: &Approval) {
        if approval.state != State::Approved
            && let Err(error) = self.road.recorder.decisions(self.command(), approval)
        {
            tracing::error!(%error, "decisions were not recorded");
        }
    }

    /// The connection's patience is at its end; the approval is not, as far as anybody has said.
    fn ticket(&self, approval: &Approval) -> Refusal {
        let over = approval.state.is_open() && self.road.now() >= approval.expires_at;
        let mut refusal = if over { past_deadline(approval) } else { refusal_for(&approval.state, approval) };
        refusal.retry_after_s = Some(self.road.target.waiting.notice_every.as_secs().max(1));
        refusal.url = self.road.url(approval.id);
        refusal
    }

    async fn leave(&self, meanwhile: Meanwhile, approval: &Approval) -> Ended {
        let withdraw = match meanwhile {
            Meanwhile::Cancelled => true,
            Meanwhile::Left => self.road.target.waiting.on_disconnect == OnDisconnect::Withdraw,
        };
        let withdrawn = if withdraw { Some(self.withdraw(approval).await) } else { None };
        match (meanwhile, withdrawn) {
            (Meanwhile::Left, _) | (_, None) => Ended::Left,
            (Meanwhile::Cancelled, Some(Ok(standing))) => ended(cancelled(&standing)),
            (Meanwhile::Cancelled, Some(Err(_))) => ended(not_withdrawn(approval)),
        }
    }

    async fn withdraw(&self, approval: &Approval) -> Result<Approval, Unavailable> {
        let withdrawn = self.road.approvals.withdraw(approval.id, self.road.session).await;
        if let Err(error) = &withdrawn {
            tracing::warn!(approval = %approval.id, %error, "a request was perhaps not withdrawn");
        }
        withdrawn
    }

    async fn stop(&self, reason: Stop, approval: &Approval) -> Ended {
        match reason {
            Stop::Revoked(why) => {
                let standing = self.withdraw(approval).await;
                ended(stopped_for(why, standing, approval))
            }
            Stop::Drain | Stop::None => ended(self.ticket(approval)),
        }
    }

    /// Uses the approval up, records that, and lets the command go.
    async fn redeem(mut self, approval: Arc<Approval>) -> Passage {
        let approval = &*approval;
        let road = self.road;
        let (prepared, synced) = tokio::join!(
            self.exchange.prepare().instrument(trace::prepare()),
            road.recorder.synced(self.begun.position).instrument(trace::record()),
        );
        if let Err(not_ready) = prepared {
            return self.not_ready(not_ready, approval).await;
        }
        // INVARIANT: I5. The begin record is durable before the approval is used up, so that a journal
        // that fails costs nobody their approval.
        if let Err(error) = synced {
            return self.refuse(unavailable(&error).with_ticket(approval.id));
        }
        // What may be shown may have changed while it waited. INVARIANT: I6.
        let refusal = self.exchange.cannot_bear(&self.duties);
        if let Some(refusal) = refusal.or_else(|| self.exchange.use_up(&self.duties)) {
            return self.refuse(refusal.with_ticket(approval.id));
        }
        // INVARIANT: I1, I2. One compare-and-swap on the digest of the bytes that go, or nothing goes. It is
        // taken anew: what gives the command its meaning may have changed while it waited.
        let digest = road.digest(&self.exchange);
        let redeem = Redeem {
            id: approval.id,
            session: road.session,
            digest,
            owner: road.node,
            attempt: AttemptId::generate(),
            evidence: self.exchange.evidence(),
        };
        let redeemed = match road.approvals.redeem(redeem).instrument(trace::redeem()).await {
            Ok(redeemed) => redeemed,
            Err(error) => return self.refuse(refusal_of(error, approval)),
        };
        let State::Redeemed { fence, .. } = redeemed.state else {
            return self.refuse(refusal_for(&redeemed.state, &redeemed));
        };
        let used = Redeemed { approval: redeemed.id, fence };
        let recorded = async {
            let position = road.recorder.redeemed(self.begun.command, &redeemed, fence)?;
            road.recorder.synced(position).await
        };
        // INVARIANT: I8. A gateway that was stopped in between does not send by what it was granted long ago.
        let failed = match recorded.await {
            Ok(()) => road.judge.may_release().err(),
            Err(error) => Some(error),
        };
        let no = failed.map(|error| unavailable(&error)).or_else(|| road.revoked());
        if let Some(refusal) = no {
            road.approvals.report(used.approval, used.fence, Testimony::NotSent).await;
            return self.refuse(refusal.with_ticket(used.approval));
        }
        metrics::released(&redeemed, road.now());
        let facts = Arc::clone(&self.exchange.described().facts);
        let running = Running::new(road, self.begun, facts, self.duties, Some(used));
        Passage::Go(Cleared::command(self.exchange.into_wire()), running)
    }

    /// People have agreed, and it does not go all the same.
    async fn not_ready(&self, why: NotReady, approval: &Approval) -> Passage {
        let refusal = match why {
            NotReady::Unavailable(why) => unavailable(&Unavailable(why)),
            NotReady::Changed(why) => Refusal::new(RefusalState::Mismatch, why),
            // INVARIANT: I2. What people agreed to is not what would run, on this connection or another.
            NotReady::Drifted(why) => {
                let why = format!("{DRIFTED}: {why}");
                match self.void(approval, why.clone()).await {
                    Ok(standing) => refusal_for(&standing.state, &standing),
                    // It is not used up either, and whoever comes with it next finds the same.
                    Err(_) => Refusal::new(RefusalState::Mismatch, why),
                }
            }
        };
        self.refuse(refusal.with_ticket(approval.id))
    }

    async fn void(&self, approval: &Approval, reason: String) -> Result<Approval, Unavailable> {
        let voided = self.road.approvals.void(approval.id, self.road.session, reason).await;
        if let Err(error) = &voided {
            tracing::warn!(approval = %approval.id, %error, "an approval was perhaps not voided");
        }
        voided
    }

    fn refuse(&self, refusal: Refusal) -> Passage {
        self.road.recorder.end_refused(self.command(), refusal.state);
        refused(refusal)
    }
}

/// Too many requests are open already.
fn limited(reason: String) -> Refusal {
    Refusal::new(RefusalState::Limited, reason).with_retry_after(LIMITED_RETRY_AFTER)
}

/// What ends a wait that did not come to a yes.
fn ended(refusal: Refusal) -> Ended {
    Ended::Refused(Box::new(refusal))
}

fn refusal_of(error: RedeemError, approval: &Approval) -> Refusal {
    match error {
        RedeemError::Rejected { rejection: Rejection::DigestMismatch, .. } => {
            Refusal::new(RefusalState::Mismatch, Rejection::DigestMismatch.to_string())
                .with_ticket(approval.id)
        }
        RedeemError::Rejected { rejection: Rejection::PastDeadline(_), standing } => past_deadline(&standing),
        RedeemError::Rejected { rejection, standing } if standing.state == State::Approved => {
            Refusal::new(RefusalState::Denied, rejection.to_string()).with_ticket(approval.id)
        }
        RedeemError::Rejected { standing, .. } => refusal_for(&standing.state, &standing),
        RedeemError::Unavailable(error) => unavailable(&error).with_ticket(approval.id),
    }
}

/// What the client is told who cancelled: what its approval says, not what was wished.
// INVARIANT: I3. "withdrawn" is a no; it is said only when it is one.
fn cancelled(standing: &Approval) -> Refusal {
    match &standing.state {
        State::Withdrawn => Refusal::new(RefusalState::Withdrawn, "the client cancelled it while it waited")
            .with_ticket(standing.id),
        state if state.is_open() => not_withdrawn(standing),
        state => refusal_for(state, standing),
    }
}

/// By the clock it is over, by its record it is not: a redemption that began in time may still be written.
// INVARIANT: I3. "expired" is a no; it is said only when the record says it.
fn past_deadline(approval: &Approval) -> Refusal {
    let mut refusal = refusal_for(&approval.state, approval);
    if approval.state.is_open() {
        refusal.reason = "its deadline has passed, but it has not been marked as expired yet".into();
    }
    refusal
}

/// Nobody has confirmed that a request was withdrawn.
fn not_withdrawn(approval: &Approval) -> Refusal {
    let mut refusal = refusal_for(&approval.state, approval);
    refusal.reason = "it could not be withdrawn; it may still be decided".into();
    refusal
}

/// What the client is told whose session was revoked while its command waited.
fn stopped_for(why: String, standing: Result<Approval, Unavailable>, approval: &Approval) -> Refusal {
    match standing {
        Ok(standing) => match &standing.state {
            State::Redeemed { .. } | State::Done { .. } | State::InDoubt { .. } => {
                refusal_for(&standing.state, &standing)
            }
            _ => Refusal::new(RefusalState::Denied, why).with_ticket(standing.id),
        },
        Err(_) => {
            let why = format!("{why}; whether its request was withdrawn is not known");
            Refusal::new(RefusalState::Unavailable, why).with_ticket(approval.id)
        }
    }
}

/// The refusal that tells where an approval stands.
fn refusal_for(state: &State, approval: &Approval) -> Refusal {
    let refusal = match state {
        State::Pending { .. } => {
            let mut refusal = Refusal::new(RefusalState::Pending, approval.terms.reason.clone());
            refusal.need = Some(approval.need());
            refusal
        }
        State::Approved => {
            Refusal::new(RefusalState::Pending, "it is approved; send exactly the same again to run it")
        }
        State::Redeemed { .. } | State::Done { .. } => Refusal::new(
            RefusalState::RunningElsewhere,
            "its approval was used by another connection of this session",
        ),
        State::InDoubt { .. } => Refusal::new(
            RefusalState::InDoubt,
            "the gateway that let it go was lost before the target answered",
        ),
        State::Denied => Refusal::new(RefusalState::Denied, denial(approval)),
        State::Expired => Refusal::new(RefusalState::Expired, "nobody decided, or nobody came back, in time"),
        State::Withdrawn => Refusal::new(RefusalState::Withdrawn, "the request was withdrawn"),
        // Used up for nothing: nobody said no, so the same may be asked for again.
        State::NotRun { reason } => Refusal::new(RefusalState::Unavailable, reason.clone()),
        State::Voided { reason } if reason.starts_with(DRIFTED) => {
            Refusal::new(RefusalState::Voided, reason.clone())
        }
        State::Voided { reason } => Refusal::new(RefusalState::Blocked, reason.clone()),
        State::Revoked { by } => {
            Refusal::new(RefusalState::Denied, format!("the approval was revoked by {by}"))
        }
    };
    refusal.with_ticket(approval.id).with_expiry(approval.expires_at)
}

/// Who said no, and why.
fn denial(approval: &Approval) -> String {
    match approval.decisions.last() {
        Some(last) => match &last.reason {
            Some(reason) => format!("{} said no: {reason}", last.approver),
            None => format!("{} said no", last.approver),
        },
        None => "it was denied".into(),
    }
}
