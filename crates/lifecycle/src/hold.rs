//! A hold: the command waits in its own connection until it is decided, the client acts, or the wait times out. The
//! first of these events ends the wait. The approval itself lives in the control plane and outlasts the hold.

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

/// Extra wait after an approval's deadline. Only the stored approval says that it expired, so the hold waits for
/// that.
const EXPIRY_GRACE: Duration = Duration::from_secs(3);

/// Retry hint for a client that was refused because too many requests are open. People decide within minutes.
const LIMITED_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Lower bound for the target's `notice_every`.
const NOTICE_EVERY_LEAST: Duration = Duration::from_millis(100);

/// One command that waits for approval.
pub(crate) struct Hold<'r, E> {
    pub(crate) road: &'r Road,
    pub(crate) exchange: E,
    pub(crate) begun: Begun,
    pub(crate) digest: Digest,
    pub(crate) duties: Duties,
    pub(crate) bundle: BundleVersion,
    /// The journal has answered the sync of the begin record, with success or failure.
    pub(crate) settled: bool,
}

/// Event that can change or end a hold.
enum Event {
    /// The connection must end.
    Stopped(Stop),
    /// The approval has a new revision, or can no longer be watched.
    Changed(Result<Arc<Approval>, Unavailable>),
    /// The next notice is due, or the wait has timed out.
    Time,
    /// [`Exchange::stirred`] returned: the client's connection needs a look.
    Stirred,
    /// The sync of the begin record finished, with success or failure.
    Settled,
}

/// Result of a wait.
enum Ended {
    /// All required approvals were given.
    Approved(Arc<Approval>),
    /// The command must be refused. Boxed: a refusal is large and rare.
    Refused(Box<Refusal>),
    /// The client has disconnected; no refusal is sent.
    Left,
}

impl<E: Exchange> Hold<'_, E> {
    /// Requests the approval, waits for it and redeems it. Each part is boxed on its own: a command may wait for
    /// hours, and must not keep the memory of the request or of the redeem in its future during that time.
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

    /// Requests the approval and records the hold.
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

    /// Time that this connection waits before the client receives the ticket.
    fn patience(&self) -> Duration {
        let waiting = &self.road.target.waiting;
        let ours = if self.exchange.in_transaction() { waiting.hold_in_transaction } else { waiting.hold };
        self.exchange.patience().map_or(ours, |theirs| theirs.min(ours))
    }

    async fn wait(&mut self, first: Arc<Approval>) -> Ended {
        // After the approval's deadline, only the notification of its expiry is left to wait for.
        let patience = self.patience().min(self.road.now().until(first.expires_at) + EXPIRY_GRACE);
        let (waits_until, url) = (self.road.now().after(patience), self.road.url(first.id));
        let mut asked = Asked { approval: first, waits_until, url, repeat: 0 };
        let deadline = Instant::now() + patience;
        // One timer serves the next notice and the timeout.
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
                // A failed sync is reported by `redeem`, which awaits it again.
                Event::Settled => self.settled = true,
                Event::Stirred => {
                    if let Some(meanwhile) = Box::pin(self.exchange.look()).await {
                        return Box::pin(self.leave(meanwhile, &asked.approval)).await;
                    }
                }
            }
        }
    }

    /// Waits for the next event that can change or end the hold, or until `time`.
    ///
    /// # Cancel safety
    /// Cancel safe: every branch is.
    async fn event(&mut self, approval: &Approval, time: Instant) -> Event {
        let road = self.road;
        let mut stop = road.stop.clone();
        // `biased`, with the client last: a client that sends data continuously must not starve revocation or the
        // decision.
        tokio::select! {
            biased;
            reason = stopped(&mut stop) => Event::Stopped(reason),
            changed = road.approvals.changed(approval.id, approval.revision) => Event::Changed(changed),
            () = tokio::time::sleep_until(time) => Event::Time,
            // Synced while approvers decide, so that nothing waits for the sync after the approval.
            _ = road.recorder.synced(self.begun.position), if !self.settled => Event::Settled,
            () = self.exchange.stirred() => Event::Stirred,
        }
    }

    /// Interval between two notices to the client.
    fn notice_every(&self) -> Duration {
        self.road.target.waiting.notice_every.max(NOTICE_EVERY_LEAST)
    }

    /// Maps the state of the approval to the result of the wait. `None` while it is pending.
    fn judge_standing(&self, approval: &Arc<Approval>) -> Option<Ended> {
        match &approval.state {
            State::Pending { .. } => None,
            State::Approved => Some(Ended::Approved(Arc::clone(approval))),
            // INVARIANT: I3. Every other state refuses.
            state => Some(ended(refusal_for(state, approval))),
        }
    }

    /// Records the decisions of a request that was not approved. Those of an approved one are recorded with its
    /// redemption.
    fn note_decisions(&self, approval: &Approval) {
        if approval.state != State::Approved
            && let Err(error) = self.road.recorder.decisions(self.command(), approval)
        {
            tracing::error!(%error, "decisions were not recorded");
        }
    }

    /// Refusal for a wait that timed out. The approval stays open unless its state says otherwise.
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

    /// Redeems the approval, records that, and releases the command.
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
        // INVARIANT: I5. The begin record is synced before the redeem, so that a failing journal does not use an
        // approval up.
        if let Err(error) = synced {
            return self.refuse(unavailable(&error).with_ticket(approval.id));
        }
        // INVARIANT: I6. The masking rules may have changed during the hold.
        let refusal = self.exchange.cannot_bear(&self.duties);
        if let Some(refusal) = refusal.or_else(|| self.exchange.use_up(&self.duties)) {
            return self.refuse(refusal.with_ticket(approval.id));
        }
        // INVARIANT: I1, I2. One compare-and-swap on the digest of the bytes that will be sent. The digest is
        // computed again, because the context may have changed during the hold.
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
        // INVARIANT: I8. A gateway that was suspended after the redeem must not send on the strength of an old lease.
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

    /// Refuses a command that was approved but cannot be sent.
    async fn not_ready(&self, why: NotReady, approval: &Approval) -> Passage {
        let refusal = match why {
            NotReady::Unavailable(why) => unavailable(&Unavailable(why)),
            NotReady::Changed(why) => Refusal::new(RefusalState::Mismatch, why),
            // INVARIANT: I2. The command no longer does what was approved, on this connection or on any other.
            NotReady::Drifted(why) => {
                let why = format!("{DRIFTED}: {why}");
                match self.void(approval, why.clone()).await {
                    Ok(standing) => refusal_for(&standing.state, &standing),
                    // Voiding failed, but the approval was not redeemed either; the next attempt finds the same
                    // drift.
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

/// Refusal if too many requests are already open.
fn limited(reason: String) -> Refusal {
    Refusal::new(RefusalState::Limited, reason).with_retry_after(LIMITED_RETRY_AFTER)
}

/// Ends a wait with a refusal.
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

/// Refusal for a client that cancelled. It reports the stored state of the approval, because the withdrawal may have
/// lost a race.
// INVARIANT: I3. "withdrawn" is final; it is reported only if the approval's state says so.
fn cancelled(standing: &Approval) -> Refusal {
    match &standing.state {
        State::Withdrawn => Refusal::new(RefusalState::Withdrawn, "the client cancelled it while it waited")
            .with_ticket(standing.id),
        state if state.is_open() => not_withdrawn(standing),
        state => refusal_for(state, standing),
    }
}

/// Refusal after the deadline. The state may still be open: a redemption that began in time may yet be written.
// INVARIANT: I3. "expired" is final; it is reported only if the approval's state says so.
fn past_deadline(approval: &Approval) -> Refusal {
    let mut refusal = refusal_for(&approval.state, approval);
    if approval.state.is_open() {
        refusal.reason = "its deadline has passed, but it has not been marked as expired yet".into();
    }
    refusal
}

/// Refusal if the withdrawal of a request is not confirmed.
fn not_withdrawn(approval: &Approval) -> Refusal {
    let mut refusal = refusal_for(&approval.state, approval);
    refusal.reason = "it could not be withdrawn; it may still be decided".into();
    refusal
}

/// Refusal for a client whose session was revoked during the hold.
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

/// Refusal that reports the state of the approval.
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
        // The approval was used up without effect. Nobody denied it, so the same command may be requested again.
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

/// Names the approver who denied the request, and the reason.
fn denial(approval: &Approval) -> String {
    match approval.decisions.last() {
        Some(last) => match &last.reason {
            Some(reason) => format!("{} said no: {reason}", last.approver),
            None => format!("{} said no", last.approver),
        },
        None => "it was denied".into(),
    }
}
