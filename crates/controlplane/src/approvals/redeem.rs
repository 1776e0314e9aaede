//! Redeeming: the one act that uses an approval up. What this node knows is presumed, and one compare-and-swap decides,
//! which asks whether all of it still stands in the store. Where it does not, or something is not known, everything is
//! looked at once more first.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_common::approval::{Approval, Event, Evidence, State, Vote, step};
use countersign_common::id::{ApprovalId, AttemptId, NodeId, SessionId, Subject};
use countersign_common::verdict::Reason;
use countersign_common::{Digest, Verdict};

use super::agreed::Agreed;
use super::record::{self, Stored};
use super::{ATTEMPTS_MAX, ApprovalError, Approvals, Details, as_read};
use crate::bundles::{BundleError, Question};
use crate::store::Transaction;

/// What a gateway presents in order to run a command.
#[derive(Debug, Clone)]
pub struct Redeem {
    /// The approval.
    pub id: ApprovalId,
    /// The session on whose connection it will run.
    pub session: SessionId,
    /// The digest of what is about to be sent.
    pub digest: Digest,
    /// The gateway.
    pub owner: NodeId,
    /// This attempt. Asked again after a lost answer, the same attempt gets the same answer.
    pub attempt: AttemptId,
    /// Evidence by which the target will remember the command.
    pub evidence: Evidence,
}

impl Approvals {
    /// Uses an approval up. The answer is `Redeemed` with the fence that the owner's report has to carry;
    /// with it in hand, and only then, the owner may send the command, once.
    ///
    /// # Errors
    /// When it is not approved (or used up already: somebody else runs it), expired, for other bytes, its
    /// session has ended, an approver was stopped since, or policy blocks the command by now; in that
    /// last case the approval is void from here on. After any error nothing may be sent.
    ///
    /// # Cancel safety
    /// A caller that stops waiting must not send; the approval may be used up all the same, and goes in
    /// doubt when its owner is lost.
    pub async fn redeem(&self, redeem: Redeem) -> Result<Approval, ApprovalError> {
        if let Some(redeemed) = self.redeem_as_known(&redeem).await? {
            return Ok(redeemed);
        }
        self.look_again(&redeem).await?;
        for _ in 0..ATTEMPTS_MAX {
            let (entry, stored) = self.read(redeem.id).await?;
            let approval = &stored.approval;
            if approval.session != redeem.session {
                return Err(ApprovalError::NotYours);
            }
            self.sessions.check(redeem.session).map_err(ApprovalError::SessionEnded)?;
            if approval.state == State::Approved
                && let Some(reason) = self.blocks(approval, &self.details_of(&stored).await?)?
            {
                let void = Event::Void { reason: reason.text.clone() };
                self.advance(redeem.id, &void).await?;
                return Err(ApprovalError::Blocked(reason));
            }
            // INVARIANT: I1. The very attempt that used it up, asking again because its answer was lost.
            let mine = matches!(approval.state, State::Redeemed { owner, .. } if owner == redeem.owner);
            if mine && stored.redeemed_by == Some(redeem.attempt) {
                return Ok(stored.approval);
            }
            let next = step(approval, &self.redeeming(&redeem, approval), self.now())?;
            // INVARIANT: I1. One swap from `Approved`; whoever lost it reads `Redeemed` next time.
            if let Some(approval) = self.swap(as_read(&entry), stored, next, redeem.attempt).await? {
                return Ok(approval);
            }
        }
        Err(ApprovalError::Contended)
    }

    /// Redeems by what this node knows, in one write, if all that decides stands in the store as it is known here: the
    /// record, the session with its token, the stop buttons of all involved, the tokens of those who agreed, the bundle. `None`: it does not, or not
    /// enough is known, or by what is known it would be refused: then it has to be looked at.
    // INVARIANT: I1, I3. More than a look: who was stopped before the very write does not redeem.
    async fn redeem_as_known(&self, redeem: &Redeem) -> Result<Option<Approval>, ApprovalError> {
        let known = self.agreed.lock().get(redeem.id);
        let Some(Agreed { written, stored, details }) = known else { return Ok(None) };
        let approval = &stored.approval;
        // What is compared comes first: what is found out below is of then or later, and if later, the swap fails.
        let still = Transaction::new().if_modified(record::approval_key(redeem.id), written);
        let still = self.bundles.still_current(still);
        let still = still.and_then(|still| {
            self.sessions.still(still, redeem.session, &involved(approval), &approvers(approval))
        });
        let Some(still) = still else { return Ok(None) };
        let details = match details {
            Some(details) => details,
            // It never changes: read when it may, it is the same.
            None => Arc::new(self.details_of(&stored).await?),
        };
        let may_go = approval.session == redeem.session
            && self.sessions.check(redeem.session).is_ok()
            && self.blocks(approval, &details)?.is_none();
        let next = step(approval, &self.redeeming(redeem, approval), self.now());
        match next {
            Ok(next) if may_go => self.swap(still, Stored::clone(&stored), next, redeem.attempt).await,
            _ => Ok(None),
        }
    }

    /// Reads ahead what redeeming an approval will need, where that is known to come.
    ///
    /// # Errors
    /// When the store fails; redeeming then reads it itself.
    pub(crate) async fn get_ready(&self, id: ApprovalId) -> Result<(), ApprovalError> {
        let wanted = self.agreed.lock().without_details(id);
        if let Some(stored) = wanted {
            let details = self.details_of(&stored).await?;
            self.agreed.lock().put_details(id, details);
        }
        Ok(())
    }

    /// The redeeming step, with what this node knows of the approvers.
    fn redeeming(&self, redeem: &Redeem, approval: &Approval) -> Event {
        Event::Redeem {
            digest: redeem.digest,
            owner: redeem.owner,
            ineligible: self.ineligible(approval),
            evidence: redeem.evidence.clone(),
        }
    }

    /// The approval, if this attempt has redeemed it and nobody has said yet what became of the command. For those
    /// who may ask about an attempt of somebody else's: a later start of the same gateway.
    ///
    /// # Errors
    /// When there is no such approval, or the store fails.
    pub(crate) async fn granted_to(
        &self,
        id: ApprovalId,
        attempt: AttemptId,
    ) -> Result<Option<Approval>, ApprovalError> {
        let (_, stored) = self.read(id).await?;
        let unanswered = matches!(stored.approval.state, State::Redeemed { .. } | State::InDoubt { .. });
        Ok((unanswered && stored.redeemed_by == Some(attempt)).then_some(stored.approval))
    }

    /// Reads from the store what decides and may have changed at another node a moment ago: the session
    /// with its token, the stop buttons, the tokens of those who agreed as far as they are known here, the bundle. What
    /// memory says may be late without bound.
    ///
    /// INVARIANT: I3. Who was stopped before this call began does not redeem.
    async fn look_again(&self, redeem: &Redeem) -> Result<(), ApprovalError> {
        let (_, stored) = self.read(redeem.id).await?;
        let (involved, approvers) = (involved(&stored.approval), approvers(&stored.approval));
        let bundle = async {
            self.bundles.reload().await.map(drop).map_err(|error| match error {
                BundleError::Store(error) => ApprovalError::Store(error),
                // One is current that this node cannot read: it has nothing to judge by.
                _ => ApprovalError::NoBundle,
            })
        };
        let session = async { Ok(self.sessions.look_again(redeem.session, &involved).await?) };
        let votes = async { Ok(self.sessions.look_again_at_tokens(&approvers).await?) };
        futures::try_join!(bundle, session, votes).map(drop)
    }

    /// Voids every open approval whose command is blocked by the current bundle; how many there were.
    /// Safe to run at any time, by any node.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn reconsider(&self) -> Result<usize, ApprovalError> {
        let (going_on, _) = self.list_going_on();
        let (mut count, mut fault) = (0, None);
        for snapshot in going_on.iter().filter(|snapshot| snapshot.approval.state.is_open()) {
            match self.void_if_blocked(&snapshot.approval).await {
                Ok(voided) => count += voided,
                // The others are looked at all the same.
                Err(error) if error.is_of_one_approval() => fault = fault.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        fault.map_or(Ok(count), Err)
    }

    /// How many were voided: one, or none.
    async fn void_if_blocked(&self, approval: &Approval) -> Result<usize, ApprovalError> {
        let details = self.details(approval.id).await?;
        let Some(reason) = self.blocks(approval, &details)? else { return Ok(0) };
        self.advance_each([(approval.id, Event::Void { reason: reason.text })]).await
    }

    /// Why policy does not let the command run by now on the terms that were pinned, if so: it blocks
    /// it, or it asks for a chain that these terms do not have.
    fn blocks(&self, approval: &Approval, details: &Details) -> Result<Option<Reason>, ApprovalError> {
        let current = self.bundles.current().ok_or(ApprovalError::NoBundle)?;
        let question = Question {
            principal: &approval.requester,
            context: &details.context,
            facts: &details.facts,
            now: self.now(),
        };
        Ok(match current.judge.judge(&question) {
            Verdict::Allow(_) => None,
            Verdict::Block(reason) => Some(reason),
            Verdict::Hold(terms, _) => {
                let missing = terms.chains.iter().find(|chain| !approval.terms.chains.contains(chain));
                missing.map(|chain| Reason {
                    policies: terms.policies.clone(),
                    text: format!("the current bundle also asks `{chain}`, who were not asked; ask again"),
                })
            }
        })
    }

    /// The approvers whose votes no longer count.
    fn ineligible(&self, approval: &Approval) -> BTreeSet<Subject> {
        let lost = approval.decisions.iter().filter(|decision| {
            let groups = approval.terms.stages.get(decision.stage).map(|stage| &stage.groups);
            decision.vote == Vote::Approve
                && self.sessions.lost_eligibility(&decision.approver, decision.at, |principal| {
                    groups.is_some_and(|groups| !groups.is_disjoint(&principal.groups))
                })
        });
        lost.map(|decision| decision.approver.clone()).collect()
    }
}

/// Who decided.
fn approvers(approval: &Approval) -> BTreeSet<Subject> {
    approval.decisions.iter().map(|decision| decision.approver.clone()).collect()
}

/// Everybody whose stop button ends it: the requester's chain, and who decided.
fn involved(approval: &Approval) -> BTreeSet<Subject> {
    let approvers = approval.decisions.iter().map(|decision| &decision.approver);
    approval.requester.chain().chain(approvers).cloned().collect()
}
