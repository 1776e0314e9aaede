//! An in-memory control plane: the real `step`, written by compare-and-swap, with all revisions kept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_common::Digest;
use countersign_common::approval::{Approval, Event as Step, Rejection, State, step};
use countersign_common::command::Context;
use countersign_common::id::{ApprovalId, SessionId};
use countersign_common::rendering::Rendering;
use countersign_common::time::Clock as _;
use countersign_lifecycle::ports::HoldRequest;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::history::Event;
use crate::world::World;

#[derive(Debug)]
pub(crate) struct Ledger {
    /// All revisions of each approval, oldest first, each with the time at which gateways are notified of it.
    approvals: Mutex<BTreeMap<ApprovalId, Vec<(Approval, Instant)>>>,
    next: AtomicU64,
    /// Notified on every write. `Notify` wakes waiters in the order in which they wait; `watch` does not.
    pub(crate) moved: Notify,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { approvals: Mutex::default(), next: AtomicU64::new(1), moved: Notify::new() }
    }
}

impl Ledger {
    pub(crate) fn latest(&self, id: ApprovalId) -> Approval {
        self.approvals.lock()[&id].last().unwrap().0.clone()
    }

    /// Revisions above `seen` that gateways have been notified of, and the time of the next notification.
    pub(crate) fn visible(&self, id: ApprovalId, seen: u64) -> (Vec<Approval>, Instant) {
        let now = Instant::now();
        let all = self.approvals.lock();
        let above = all[&id].iter().filter(|(one, _)| one.revision > seen);
        let (arrived, coming): (Vec<_>, Vec<_>) = above.partition(|(_, arrives)| *arrives <= now);
        let never = now + Duration::from_secs(86_400);
        let next = coming.iter().map(|(_, arrives)| *arrives).min().unwrap_or(never);
        (arrived.into_iter().map(|(one, _)| one.clone()).collect(), next)
    }

    pub(crate) fn all(&self) -> Vec<Approval> {
        self.approvals
            .lock()
            .values()
            .filter_map(|revisions| revisions.last())
            .map(|(one, _)| one.clone())
            .collect()
    }

    fn joins(&self, session: SessionId, digest: Digest) -> Option<Approval> {
        let mut all = self.all();
        all.retain(|one| one.session == session && one.digest == digest);
        all.into_iter().rev().find(|one| one.state.is_open() || one.state == State::Denied)
    }
}

impl World {
    /// Joins an open approval, repeats a denial, or creates a new approval, atomically.
    pub(crate) fn create_or_join(&self, request: &HoldRequest) -> Approval {
        if let Some(approval) = self.ledger.joins(request.session, request.digest) {
            return approval;
        }
        let now = self.now();
        let id = ApprovalId::from_u128(u128::from(self.ledger.next.fetch_add(1, Ordering::Relaxed)));
        let approval = Approval {
            id,
            revision: 1,
            digest: request.digest,
            rendering: rendering(request, &request.context),
            session: request.session,
            target: request.context.target.clone(),
            requester: (*request.principal).clone(),
            terms: (*request.terms).clone(),
            created_at: now,
            expires_at: now.after(request.terms.timeout),
            decisions: Vec::new(),
            state: State::Pending { stage: 0 },
            evidence: Default::default(),
        };
        self.write(approval.clone());
        approval
    }

    fn write(&self, approval: Approval) {
        self.log(Event::Written(Box::new(approval.clone())));
        let arrives = Instant::now() + self.throw(|dice| dice.millis(self.plan.late_ms));
        self.ledger.approvals.lock().entry(approval.id).or_default().push((approval, arrives));
        self.ledger.moved.notify_waiters();
    }

    /// Applies the event by read, delay and compare-and-swap; retries if the approval was changed in between.
    pub(crate) async fn advance(&self, id: ApprovalId, event: &Step) -> Result<Approval, Rejection> {
        loop {
            let read = self.ledger.latest(id);
            self.pause(self.plan.slow_ms).await;
            let next = step(&read, event, self.now())?;
            if self.ledger.latest(id).revision == read.revision {
                self.write(next.clone());
                return Ok(next);
            }
        }
    }
}

fn rendering(request: &HoldRequest, context: &Context) -> Digest {
    Rendering::of(&request.command, context, &request.principal, None).digest
}
