//! What gateways ask once: each call becomes one call of the control plane, and its answer. All of it may be asked
//! again, here or on another node, and is done once.

use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_api::v1::report_command::Testimony;
use countersign_api::{BadField, digest, parsed, required, v1};
use countersign_common::approval::{Approval, Evidence, Outcome, Rejection, State};
use countersign_common::id::{ApprovalId, AttemptId, NodeId, SessionId};
use countersign_common::{Digest, Secret};

use crate::approvals::{ApprovalError, HoldRequest, Redeem};
use crate::fleet::Fleet;
use crate::fleet::member::Member;
use crate::sessions::SessionRefused;
use crate::store::StoreError;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    /// Its start.
    pub(super) node: NodeId,
    /// As its certificate says.
    pub(super) member: Member,
}

/// Why a call was not done.
#[derive(Debug, thiserror::Error)]
enum Undone {
    #[error(transparent)]
    Field(#[from] BadField),
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the approval was not redeemed by this gateway")]
    NotTheOwner,
    #[error("the session was not opened at this gateway")]
    NotShown,
}

/// Does what is asked, and answers.
pub(super) async fn answer(fleet: &Fleet, asker: &Asker, call: Option<Call>) -> Answer {
    let done = match call {
        None => Err(BadField::Missing { field: "call" }.into()),
        Some(Call::OpenSession(open)) => open_session(fleet, asker, open).await,
        Some(Call::Hold(hold)) => self::hold(fleet, asker, hold).await,
        Some(Call::Redeem(redeem)) => return self::redeem(fleet, asker, redeem).await,
        Some(Call::Report(report)) => self::report(fleet, asker, report).await,
        Some(Call::Withdraw(withdraw)) => self::withdraw(fleet, asker, withdraw).await,
        Some(Call::Cancel(cancel)) => {
            fleet.route_cancel(cancel).await.map(|()| Answer::Done(v1::Done {})).map_err(Undone::Store)
        }
    };
    done.unwrap_or_else(|undone| refusal(&undone, None))
}

async fn open_session(fleet: &Fleet, asker: &Asker, open: v1::OpenSession) -> Result<Answer, Undone> {
    let target = parsed(&open.target, "open_session.target")?;
    let opened = fleet.control().sessions().open_session(&Secret::new(open.token), &target).await;
    Ok(match opened {
        Ok(session) => {
            let (proofs, member) = (fleet.proofs(), &asker.member);
            let proof = proofs.of(member, session.id);
            let record_proof = proofs.of_record(member, session.id, &session.principal, &session.target);
            let session = Some(crate::grpc::session_to_wire(&session));
            Answer::SessionOpened(v1::SessionOpened { session, proof, record_proof })
        }
        Err(SessionRefused::Store(error)) => return Err(error.into()),
        Err(refused) => {
            tracing::info!(%target, reason = %refused, "a token was refused");
            Answer::NotAdmitted(v1::NotAdmitted {})
        }
    })
}

/// The session that a gateway speaks for, if it is one of those that were opened there.
// INVARIANT: I3, I4. What a gateway may do is bounded by the clients that came to it.
fn shown(fleet: &Fleet, asker: &Asker, session: SessionId, proof: &[u8]) -> Result<(), Undone> {
    if fleet.proofs().are_of(&asker.member, session, proof) { Ok(()) } else { Err(Undone::NotShown) }
}

async fn hold(fleet: &Fleet, asker: &Asker, hold: v1::HoldCommand) -> Result<Answer, Undone> {
    shown(fleet, asker, parsed(&hold.session_id, "hold.session_id")?, &hold.session_proof)?;
    let request = HoldRequest {
        session: parsed(&hold.session_id, "hold.session_id")?,
        command: required(hold.command, "hold.command")?.try_into()?,
        context: required(hold.context, "hold.context")?.try_into()?,
        digest: digest(&hold.digest, "hold.digest")?,
        facts: required(hold.facts, "hold.facts")?.try_into()?,
        terms: required(hold.terms, "hold.terms")?.try_into()?,
        bundle: hold.bundle_version.as_str().into(),
        locks_held: hold.locks_held,
    };
    // Another node may have opened the session a moment ago.
    fleet.control().sessions().look_up(request.session).await?;
    let held = fleet.control().approvals().hold(request).await?;
    Ok(approval(&held.approval))
}

/// Unlike the others it says how the approval stands when it does not take it.
async fn redeem(fleet: &Fleet, asker: &Asker, redeem: v1::RedeemApproval) -> Answer {
    let proof = redeem.session_proof.clone();
    let (id, attempt, redeem) = match read_redeem(asker, &redeem) {
        Ok(redeem) => (redeem.id, redeem.attempt, redeem),
        Err(error) => return refusal(&error.into(), None),
    };
    if let Err(undone) = shown(fleet, asker, redeem.session, &proof) {
        return refusal(&undone, None);
    }
    if let Err(error) = fleet.control().sessions().look_up(redeem.session).await {
        return refusal(&error.into(), None);
    }
    match fleet.control().approvals().redeem(redeem).await {
        Ok(redeemed) => approval(&redeemed),
        Err(ApprovalError::Store(error)) => refusal(&error.into(), None),
        // It is another session's: that it is there is all that is said.
        Err(error @ ApprovalError::NotYours) => refusal(&error.into(), None),
        Err(error) => {
            match granted_before(fleet, asker, id, attempt).await {
                Ok(Some(granted)) => return approval(&granted),
                Ok(None) => {}
                Err(undone) => return refusal(&undone, None),
            }
            let standing = fleet.control().approvals().get(id).await.ok().map(|snapshot| snapshot.approval);
            refusal(&error.into(), standing.as_ref())
        }
    }
}

/// What this very attempt was granted before, when the start that made it was given up: a later start of the same gateway
/// takes it up in order to say what became of it.
async fn granted_before(
    fleet: &Fleet,
    asker: &Asker,
    id: ApprovalId,
    attempt: AttemptId,
) -> Result<Option<Approval>, Undone> {
    let Some(granted) = fleet.control().approvals().granted_to(id, attempt).await? else { return Ok(None) };
    Ok(may_report(fleet, asker, &granted.state).await?.then_some(granted))
}

fn read_redeem(asker: &Asker, redeem: &v1::RedeemApproval) -> Result<Redeem, BadField> {
    let digest: Digest = digest(&redeem.digest, "redeem.digest")?;
    Ok(Redeem {
        id: parsed(&redeem.approval_id, "redeem.approval_id")?,
        session: parsed(&redeem.session_id, "redeem.session_id")?,
        digest,
        // Never what it says of itself.
        owner: asker.node,
        attempt: parsed(&redeem.attempt_id, "redeem.attempt_id")?,
        evidence: match redeem.evidence.as_str() {
            "" => Evidence::None,
            evidence => Evidence::Presented(evidence.to_owned()),
        },
    })
}

async fn report(fleet: &Fleet, asker: &Asker, report: v1::ReportCommand) -> Result<Answer, Undone> {
    let id: ApprovalId = parsed(&report.approval_id, "report.approval_id")?;
    let testimony = required(report.testimony, "report.testimony")?;
    let standing = fleet.control().approvals().get(id).await?.approval;
    if says_the_same(&standing.state, &testimony) {
        // Whose it was does not stand there any more, so nothing but that is said.
        return Ok(Answer::Done(v1::Done {}));
    }
    if !may_report(fleet, asker, &standing.state).await? {
        return Err(Undone::NotTheOwner);
    }
    let (approvals, fence) = (fleet.control().approvals(), report.fence);
    let reported = match testimony {
        Testimony::Ended(outcome) => approvals.report(id, fence, outcome.into()).await,
        Testimony::NotSent(_) => approvals.not_sent(id, fence).await,
        Testimony::Unknown(_) => approvals.in_doubt(id, fence).await,
    };
    Ok(approval(&reported?))
}

/// Whether this is told already: a report that is repeated gets the same answer.
fn says_the_same(state: &State, testimony: &Testimony) -> bool {
    match (state, testimony) {
        (State::Done { outcome }, Testimony::Ended(told)) => *outcome == Outcome::from(told.clone()),
        (State::NotRun { .. }, Testimony::NotSent(_)) => true,
        // That nobody knows is true no more where somebody does.
        (State::InDoubt { .. } | State::NotRun { .. } | State::Done { .. }, Testimony::Unknown(_)) => true,
        _ => false,
    }
}

/// The owner may, and when it was given up, a later start of the same gateway.
async fn may_report(fleet: &Fleet, asker: &Asker, state: &State) -> Result<bool, StoreError> {
    // INVARIANT: I1. Nobody else's start is spoken for by who reports before it has redeemed.
    let (State::Redeemed { owner, .. } | State::InDoubt { owner, .. }) = state else { return Ok(false) };
    if *owner == asker.node {
        return Ok(true);
    }
    let same = fleet.nodes().member_of(*owner).await?.is_some_and(|member| member == asker.member);
    // INVARIANT: I1. A start that lives speaks for itself: only it knows.
    Ok(same && !fleet.nodes().is_alive(*owner).await?)
}

async fn withdraw(fleet: &Fleet, asker: &Asker, withdraw: v1::WithdrawCommand) -> Result<Answer, Undone> {
    let id: ApprovalId = parsed(&withdraw.approval_id, "withdraw.approval_id")?;
    let by: SessionId = parsed(&withdraw.session_id, "withdraw.session_id")?;
    shown(fleet, asker, by, &withdraw.session_proof)?;
    let approvals = fleet.control().approvals();
    let taken_back = match withdraw.void_reason {
        Some(reason) => approvals.void(id, by, reason).await,
        None => approvals.withdraw(id, by).await,
    };
    match taken_back {
        Ok(withdrawn) => Ok(approval(&withdrawn)),
        // Repeated, or past being taken back: how it stands says which.
        Err(ApprovalError::Rejected(Rejection::WrongState { .. })) => {
            Ok(approval(&fleet.control().approvals().get(id).await?.approval))
        }
        Err(error) => Err(error.into()),
    }
}

fn approval(approval: &Approval) -> Answer {
    Answer::Approval(approval.into())
}

/// The answer to a call that was not done. What may be tried again is told apart from what may not.
fn refusal(undone: &Undone, standing: Option<&Approval>) -> Answer {
    let not_taken = |digest_mismatch, past_deadline| {
        Answer::NotTaken(v1::NotTaken {
            reason: undone.to_string(),
            digest_mismatch,
            past_deadline,
            standing: standing.map(Into::into),
            limited: matches!(undone, Undone::Approval(ApprovalError::Limited { .. })),
        })
    };
    match undone {
        Undone::Store(error) | Undone::Approval(ApprovalError::Store(error)) => {
            tracing::error!(%error, cause = ?std::error::Error::source(error), "a call failed on the store");
            Answer::Unavailable(error.to_string())
        }
        Undone::Approval(error @ (ApprovalError::NoBundle | ApprovalError::Contended)) => {
            Answer::Unavailable(error.to_string())
        }
        Undone::Approval(ApprovalError::WrongDigest | ApprovalError::Rejected(Rejection::DigestMismatch)) => {
            not_taken(true, false)
        }
        Undone::Approval(ApprovalError::Rejected(Rejection::PastDeadline(_))) => not_taken(false, true),
        Undone::Field(_) | Undone::Approval(_) | Undone::NotTheOwner | Undone::NotShown => {
            tracing::info!(reason = %undone, "a call was refused");
            not_taken(false, false)
        }
    }
}
