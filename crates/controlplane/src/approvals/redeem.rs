//! Redeeming: the one act that uses an approval up. Everything is looked at once more, then one
//! compare-and-swap decides.

use std::collections::BTreeSet;

use countersign_common::approval::{Approval, Event, State, Vote, step};
use countersign_common::id::{ApprovalId, AttemptId, NodeId, SessionId, Subject};
use countersign_common::verdict::Reason;
use countersign_common::{Digest, Verdict};

use super::{ATTEMPTS_MAX, ApprovalError, Approvals, Details};
use crate::bundles::{BundleError, Question};

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
    /// Whether the gateway will present evidence before it lets the target commit.
    pub promises_evidence: bool,
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
        self.look_again(&redeem).await?;
        for _ in 0..ATTEMPTS_MAX {
            let (entry, stored) = self.read(redeem.id).await?;
            let approval = &stored.approval;
            if approval.session != redeem.session {
                return Err(ApprovalError::NotYours);
            }
            self.sessions.check(redeem.session).map_err(ApprovalError::SessionEnded)?;
            if approval.state == State::Approved
                && let Some(reason) = self.blocks(approval, &self.details(redeem.id).await?)?
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
            let event = Event::Redeem {
                digest: redeem.digest,
                owner: redeem.owner,
                ineligible: self.ineligible(approval),
                promises_evidence: redeem.promises_evidence,
            };
            let next = step(approval, &event, self.now())?;
            // INVARIANT: I1. One swap from `Approved`; whoever lost it reads `Redeemed` next time.
            if let Some(approval) = self.swap(&entry, stored, next, redeem.attempt).await? {
                return Ok(approval);
            }
        }
        Err(ApprovalError::Contended)
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
        let approvers: BTreeSet<Subject> =
            stored.approval.decisions.into_iter().map(|decision| decision.approver).collect();
        let involved: BTreeSet<Subject> =
            stored.approval.requester.chain().chain(&approvers).cloned().collect();
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
