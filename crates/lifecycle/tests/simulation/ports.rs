//! The ports of one connection: the judge and the control plane of the world, behind a link that is slow, loses
//! requests and answers, and delivers notifications late and out of order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use countersign_common::Verdict;
use countersign_common::approval::{Approval, Event as Step, Evidence, Rejection};
use countersign_common::id::{ApprovalId, BundleVersion, NodeId, SessionId};
use countersign_common::verdict::{Duties, Reason};
use countersign_lifecycle::ports::{
    Approvals, HoldError, HoldRequest, Judge, Question, Redeem, RedeemError, Ruling, Testimony, Unavailable,
};
use countersign_recording::VerdictWord;
use parking_lot::Mutex;

use crate::history::{Event, Number};
use crate::world::{Mishap, READ, Rule, UNKNOWN, WRITE, World};

/// One connection's access to the world.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) world: Arc<World>,
    /// Index of the connection's session in `World::sessions`.
    pub(crate) session: usize,
    pub(crate) node: NodeId,
    /// Number of the command in progress.
    pub(crate) number: AtomicU32,
    /// Number of changes of the connection's settings.
    pub(crate) setting: AtomicU32,
    /// Transaction that is open on the target for the command in progress.
    pub(crate) transaction: Mutex<Option<String>>,
}

impl Line {
    pub(crate) fn new(world: &Arc<World>, session: usize, node: NodeId) -> Self {
        let (number, setting, transaction) = (0.into(), 0.into(), Mutex::default());
        Self { world: Arc::clone(world), session, node, number, setting, transaction }
    }

    pub(crate) fn number(&self) -> Number {
        self.number.load(Ordering::Relaxed)
    }

    pub(crate) fn fault(&self) -> Unavailable {
        self.world.log(Event::Fault { number: self.number() });
        Unavailable("lost on the way".into())
    }

    fn revoked(&self) -> bool {
        self.world.sessions[self.session].revoked.load(Ordering::Relaxed)
    }
}

/// Index of the command's kind, derived from its facts.
pub(crate) fn kind(facts: &countersign_common::Facts) -> usize {
    match facts.fingerprint.as_deref() {
        Some(text) if text.starts_with("read") || text == "commit" => READ,
        Some(text) if text.starts_with("write") => WRITE,
        _ => UNKNOWN,
    }
}

impl Judge for Line {
    fn judge(&self, question: &Question<'_>) -> Result<Ruling, Unavailable> {
        let bundle = self.world.bundle.lock().clone();
        let number = self.number();
        let Some(bundle) = bundle else {
            self.world.log(Event::Judged { number, verdict: None });
            return Err(Unavailable("the bundle's lease has run out".into()));
        };
        let verdict = match &bundle.rules[kind(question.facts)] {
            Rule::Allow => Verdict::Allow(Duties::default()),
            Rule::Block => Verdict::Block(Reason { policies: Vec::new(), text: "never".into() }),
            Rule::Hold(terms) => Verdict::Hold(Arc::clone(terms), Duties::default()),
        };
        self.world.log(Event::Judged { number, verdict: Some(VerdictWord::from(&verdict)) });
        let bundle = BundleVersion::from(format!("b{}", bundle.version).as_str());
        Ok(Ruling { verdict, policies: Vec::new(), bundle })
    }

    fn may_release(&self) -> Result<(), Unavailable> {
        if self.world.bundle.lock().is_some() { Ok(()) } else { Err(self.fault()) }
    }
}

#[async_trait]
impl Approvals for Line {
    async fn hold(&self, request: HoldRequest) -> Result<Approval, HoldError> {
        let world = &self.world;
        let mishap = world.mishap();
        world.pause(world.plan.slow_ms).await;
        if mishap == Mishap::RequestLost || self.revoked() {
            return Err(self.fault().into());
        }
        world.kinds.lock().insert(request.digest, kind(&request.facts));
        let approval = world.create_or_join(&request);
        world.pause(world.plan.slow_ms).await;
        if mishap == Mishap::AnswerLost { Err(self.fault().into()) } else { Ok(approval) }
    }

    async fn changed(&self, id: ApprovalId, seen: u64) -> Result<Arc<Approval>, Unavailable> {
        let world = &self.world;
        loop {
            let (visible, next) = world.ledger.visible(id, seen);
            if !visible.is_empty() {
                if world.chance(world.plan.lost_percent / 5) {
                    return Err(self.fault());
                }
                return Ok(Arc::new(world.throw(|dice| dice.pick(&visible).clone())));
            }
            tokio::select! {
                biased;
                () = world.ledger.moved.notified() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    async fn redeem(&self, redeem: Redeem) -> Result<Approval, RedeemError> {
        let world = &self.world;
        world.log(Event::Redeeming { number: self.number() });
        let mishap = world.mishap();
        world.pause(world.plan.slow_ms).await;
        if mishap == Mishap::RequestLost || self.revoked() {
            return Err(self.fault().into());
        }
        let read = world.ledger.latest(redeem.id);
        assert_eq!(read.session, redeem.session, "an approval of another session was presented");
        if read.state.is_open() && world.blocks(read.digest) {
            let _ = world.advance(redeem.id, &Step::Void { reason: "blocked by now".into() }).await;
        }
        let event = Step::Redeem {
            digest: redeem.digest,
            owner: redeem.owner,
            ineligible: Default::default(),
            evidence: redeem.evidence.map_or(Evidence::None, Evidence::Presented),
        };
        let redeemed = world.advance(redeem.id, &event).await;
        world.pause(world.plan.slow_ms).await;
        if mishap == Mishap::AnswerLost {
            return Err(self.fault().into());
        }
        match redeemed {
            Ok(approval) => {
                world.log(Event::Redeemed { number: self.number(), approval: Box::new(approval.clone()) });
                Ok(approval)
            }
            Err(rejection) => Err(rejected(rejection, world.ledger.latest(redeem.id))),
        }
    }

    async fn report(&self, id: ApprovalId, fence: u64, testimony: Testimony) {
        let event = match testimony {
            Testimony::Ended(outcome) => Step::Report { fence, outcome },
            Testimony::NotSent => Step::NotSent { fence },
            Testimony::Unknown => Step::OwnerLost { fence },
        };
        let _ = self.world.advance(id, &event).await;
        if self.world.chance(self.world.plan.lost_percent) {
            // The answer was lost, so the report is delivered again.
            let _ = self.world.advance(id, &event).await;
        }
    }

    async fn withdraw(&self, id: ApprovalId, by: SessionId) -> Result<Approval, Unavailable> {
        assert_eq!(by, self.world.sessions[self.session].id);
        let mishap = self.world.mishap();
        if mishap == Mishap::RequestLost {
            return Err(self.fault());
        }
        let withdrawn = self.world.advance(id, &Step::Withdraw).await;
        if mishap == Mishap::AnswerLost {
            return Err(self.fault());
        }
        Ok(withdrawn.unwrap_or_else(|_| self.world.ledger.latest(id)))
    }

    async fn void(&self, id: ApprovalId, by: SessionId, reason: String) -> Result<Approval, Unavailable> {
        assert_eq!(by, self.world.sessions[self.session].id);
        let mishap = self.world.mishap();
        if mishap == Mishap::RequestLost {
            return Err(self.fault());
        }
        let voided = self.world.advance(id, &Step::Void { reason }).await;
        if mishap == Mishap::AnswerLost {
            return Err(self.fault());
        }
        Ok(voided.unwrap_or_else(|_| self.world.ledger.latest(id)))
    }
}

fn rejected(rejection: Rejection, standing: Approval) -> RedeemError {
    RedeemError::Rejected { rejection, standing: Box::new(standing) }
}
