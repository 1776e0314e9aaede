//! Approvals over the link.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_common::approval::{Approval, Rejection, State};
use countersign_common::id::{ApprovalId, SessionId};
use countersign_lifecycle::ports::{
    Approvals, HoldError, HoldRequest, Redeem, RedeemError, Testimony, Unavailable,
};

use super::errands::Errand;
use super::ports::LinkPorts;
use super::shared::{odd, silent};

#[async_trait]
impl Approvals for LinkPorts {
    async fn hold(&self, request: HoldRequest) -> Result<Approval, HoldError> {
        let proof = self.proof(request.session);
        match self.shared.ask(Call::Hold(hold(&request, proof))).await? {
            Answer::Approval(approval) => Ok(read(approval)?),
            Answer::NotTaken(no) if no.limited => Err(HoldError::Limited(no.reason)),
            Answer::NotTaken(no) => {
                tracing::warn!(session = %request.session, reason = no.reason, "a hold was not taken");
                Err(silent().into())
            }
            other => Err(odd(&other).into()),
        }
    }

    async fn changed(&self, id: ApprovalId, seen: u64) -> Result<Arc<Approval>, Unavailable> {
        let mut latest = self.shared.change(|state| state.follows.follow(id, seen, &mut state.outbox));
        let newer =
            |latest: &Option<Arc<Approval>>| latest.as_ref().is_some_and(|latest| latest.revision > seen);
        let approval = latest.wait_for(newer).await.map_err(|_| silent())?;
        approval.clone().ok_or_else(silent)
    }

    // INVARIANT: I1. What is granted is used by the caller, or reported as not sent: whatever happens to the caller, to
    // the answer and to the link.
    async fn redeem(&self, redeem: Redeem) -> Result<Approval, RedeemError> {
        if !self.shared.errands.has_room() {
            return Err(Unavailable("too many outcomes wait to be reported".into()).into());
        }
        let wire = redeem_to_wire(&redeem, self.proof(redeem.session));
        let disown = Errand::Disown { redeem: wire.clone(), by: self.shared.node };
        let errand = self.shared.errands.begin(disown);
        let mut asking = match self.shared.begin(Call::Redeem(wire)) {
            Ok(asking) => asking,
            Err(error) => {
                errand.done();
                return Err(error.into());
            }
        };
        let answer = match asking.hear().await {
            Some(Answer::Unavailable(why)) => {
                tracing::warn!(approval = %redeem.id, why, "nobody knows whether an approval was redeemed");
                return Err(silent().into());
            }
            Some(answer) => answer,
            None => {
                if !asking.may_have_been_heard() {
                    errand.done();
                }
                return Err(silent().into());
            }
        };
        let redeemed = self.redeemed(&redeem, answer);
        if !matches!(redeemed, Err(RedeemError::Unavailable(_))) {
            errand.done();
        }
        redeemed
    }

    async fn report(&self, id: ApprovalId, fence: u64, testimony: Testimony) {
        let report = report(id, fence, testimony);
        let errand = self.shared.errands.begin(Errand::Report(report));
        // What is not delivered now is delivered later.
        let _ = self.shared.see_to(errand).await;
    }

    async fn withdraw(&self, id: ApprovalId, by: SessionId) -> Result<Approval, Unavailable> {
        self.take_back(id, by, None).await
    }

    async fn void(&self, id: ApprovalId, by: SessionId, reason: String) -> Result<Approval, Unavailable> {
        self.take_back(id, by, Some(reason)).await
    }
}

impl LinkPorts {
    /// Withdraws a request, or voids it for a reason.
    async fn take_back(
        &self,
        id: ApprovalId,
        by: SessionId,
        void_reason: Option<String>,
    ) -> Result<Approval, Unavailable> {
        let withdraw = v1::WithdrawCommand {
            approval_id: id.to_string(),
            session_id: by.to_string(),
            session_proof: self.proof(by),
            void_reason,
        };
        let errand = self.shared.errands.begin(Errand::Withdraw(withdraw));
        match self.shared.see_to(errand).await.ok_or_else(silent)? {
            Answer::Approval(approval) => read(approval),
            // It is past being withdrawn: then it is said where it stands.
            Answer::NotTaken(no) => read(no.standing.ok_or_else(silent)?),
            other => Err(odd(&other)),
        }
    }

    /// That a session was opened here. It is asked for while a connection of the session lives.
    fn proof(&self, session: SessionId) -> Vec<u8> {
        self.shared.state.lock().attached.proof(session)
    }

    /// What an answer to a redeem means.
    fn redeemed(&self, redeem: &Redeem, answer: Answer) -> Result<Approval, RedeemError> {
        match answer {
            Answer::Approval(approval) => {
                let approval = read(approval)?;
                let ours =
                    matches!(approval.state, State::Redeemed { owner, .. } if owner == self.shared.node);
                // INVARIANT: I1, I2. Another start's redemption, or one for something else, is none.
                if ours && approval.id == redeem.id && approval.digest == redeem.digest {
                    return Ok(approval);
                }
                let state = approval.state.as_str();
                let rejection = Rejection::WrongState { state, event: "redemption" };
                Err(RedeemError::Rejected { rejection, standing: Box::new(approval) })
            }
            Answer::NotTaken(no) => Err(rejected(no)?),
            other => Err(odd(&other).into()),
        }
    }
}

/// Why an approval was not redeemed, as the road tells it apart.
fn rejected(no: v1::NotTaken) -> Result<RedeemError, Unavailable> {
    tracing::info!(reason = no.reason, "an approval was not redeemed");
    let standing = read(no.standing.ok_or_else(silent)?)?;
    let rejection = if no.digest_mismatch {
        Rejection::DigestMismatch
    } else if no.past_deadline {
        Rejection::PastDeadline(standing.expires_at)
    } else if standing.state == State::Approved {
        // Nothing else keeps an approved one from being redeemed.
        Rejection::QuorumLost
    } else {
        Rejection::WrongState { state: standing.state.as_str(), event: "redemption" }
    };
    Ok(RedeemError::Rejected { rejection, standing: Box::new(standing) })
}

/// An approval from the wire. One that cannot be read is as good as no answer.
pub(super) fn read(approval: v1::Approval) -> Result<Approval, Unavailable> {
    Approval::try_from(approval).map_err(|error| {
        tracing::error!(%error, "the control plane sent an approval that cannot be read");
        silent()
    })
}

fn hold(request: &HoldRequest, session_proof: Vec<u8>) -> v1::HoldCommand {
    let locks_held = if request.in_transaction {
        vec!["an open transaction keeps its locks while this waits".to_owned()]
    } else {
        Vec::new()
    };
    v1::HoldCommand {
        digest: request.digest.as_bytes().to_vec(),
        session_id: request.session.to_string(),
        command: Some((&request.command).into()),
        context: Some((&request.context).into()),
        facts: Some((&*request.facts).into()),
        terms: Some((&*request.terms).into()),
        bundle_version: request.bundle.to_string(),
        locks_held,
        session_proof,
    }
}

fn redeem_to_wire(redeem: &Redeem, session_proof: Vec<u8>) -> v1::RedeemApproval {
    v1::RedeemApproval {
        approval_id: redeem.id.to_string(),
        session_id: redeem.session.to_string(),
        digest: redeem.digest.as_bytes().to_vec(),
        attempt_id: redeem.attempt.to_string(),
        session_proof,
        evidence: redeem.evidence.clone().unwrap_or_default(),
    }
}

fn report(id: ApprovalId, fence: u64, testimony: Testimony) -> v1::ReportCommand {
    use v1::report_command::Testimony as Wire;

    let testimony = match testimony {
        Testimony::Ended(outcome) => Wire::Ended((&outcome).into()),
        Testimony::NotSent => Wire::NotSent(v1::NotSent {}),
        Testimony::Unknown => Wire::Unknown(v1::Unknown {}),
    };
    v1::ReportCommand { approval_id: id.to_string(), fence, testimony: Some(testimony) }
}
