//! What gateways ask, and who may ask it.

use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_api::v1::control_frame::Frame;
use countersign_api::v1::gateway_frame::Frame as FromGateway;
use countersign_api::v1::report_command::Testimony;
use countersign_common::approval::{Approval, Evidence, State};
use countersign_common::id::AttemptId;

use super::bed::{Bed, Running};
use super::gateway::{Linked, Member};
use crate::approvals::HoldRequest;
use crate::sessions::{Session, What};
use crate::testing::{agent, bundle, human, request, subject, terms};

pub(super) fn hold(request: &HoldRequest) -> Call {
    Call::Hold(v1::HoldCommand {
        digest: request.digest.as_bytes().to_vec(),
        session_id: request.session.to_string(),
        command: Some((&request.command).into()),
        context: Some((&request.context).into()),
        facts: Some((&request.facts).into()),
        terms: Some((&terms("dba", 1)).into()),
        bundle_version: "gateway".into(),
        locks_held: Vec::new(),
        session_proof: Vec::new(),
    })
}

pub(super) fn redeem(approval: &Approval, attempt: AttemptId, evidence: &str) -> Call {
    Call::Redeem(v1::RedeemApproval {
        approval_id: approval.id.to_string(),
        session_id: approval.session.to_string(),
        digest: approval.digest.as_bytes().to_vec(),
        attempt_id: attempt.to_string(),
        session_proof: Vec::new(),
        evidence: evidence.into(),
    })
}

pub(super) fn report(approval: &Approval, testimony: Testimony) -> Call {
    Call::Report(v1::ReportCommand {
        approval_id: approval.id.to_string(),
        fence: fence(approval),
        testimony: Some(testimony),
    })
}

pub(super) fn completed() -> Testimony {
    Testimony::Ended(v1::CommandOutcome { error_code: None })
}

fn fence(approval: &Approval) -> u64 {
    match approval.state {
        State::Redeemed { fence, .. } | State::InDoubt { fence, .. } => fence,
        _ => 0,
    }
}

/// A command that a gateway has held, and a person agreed to.
pub(super) async fn approved(node: &Running, link: &mut Linked, session: &Session, text: &str) -> Approval {
    let held = link.approval(hold(&request(session, text))).await;
    let yes = crate::approvals::Decide {
        id: held.id,
        by: human("bob", &["dba"]),
        vote: countersign_common::approval::Vote::Approve,
        reason: None,
        method: "token".into(),
        rendering: held.rendering,
        issuers: Default::default(),
        only_target: None,
    };
    node.scratch.control.approvals().decide(yes).await.unwrap();
    link.standing(&held, "approved").await
}

/// The same, redeemed.
pub(super) async fn redeemed(node: &Running, link: &mut Linked, text: &str, evidence: &str) -> Approval {
    let session = node.scratch.session(&agent()).await;
    let approval = approved(node, link, &session, text).await;
    link.approval(redeem(&approval, AttemptId::generate(), evidence)).await
}

#[tokio::test]
async fn a_command_is_held_approved_redeemed_and_reported_over_the_link() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let mut link = Member::join(&node, "gateway-1").await.link(&node).await;
    let token = node.scratch.token(&agent()).await;
    let open =
        |token: &str| Call::OpenSession(v1::OpenSession { token: token.into(), target: "shop".into() });
    let opened = link.call(open(token.expose())).await;
    let Answer::SessionOpened(v1::SessionOpened { session: Some(opened), .. }) = opened else {
        panic!("not opened: {opened:?}")
    };
    assert!(matches!(link.call(open("cst_wrong")).await, Answer::NotAdmitted(_)));
    let session = node.scratch.control.sessions().get(opened.id.parse().unwrap()).unwrap();

    let approval = approved(&node, &mut link, &session, "DELETE FROM carts").await;
    let attempt = AttemptId::generate();
    let redeemed = link.approval(redeem(&approval, attempt, "xid:749")).await;
    assert!(matches!(redeemed.state, State::Redeemed { owner, .. } if owner == link.id));
    // INVARIANT: I1. The same attempt gets the same answer, another one none.
    assert_eq!(link.approval(redeem(&approval, attempt, "xid:749")).await, redeemed);
    let again = link.call(redeem(&approval, AttemptId::generate(), "xid:749")).await;
    let Answer::NotTaken(v1::NotTaken { standing: Some(standing), .. }) = again else { panic!("{again:?}") };
    assert_eq!(Approval::try_from(standing).unwrap().state, redeemed.state);

    assert_eq!(redeemed.evidence, Evidence::Presented("xid:749".into()));
    let done = link.approval(report(&redeemed, completed())).await;
    assert_eq!(done.state.as_str(), "done");
    // Reported again, because the answer was lost.
    assert_eq!(link.call(report(&redeemed, completed())).await, Answer::Done(v1::Done {}));
}

#[tokio::test]
async fn i1_once_a_gateway_reports_nothing_that_another_redeemed() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let mut owner = Member::join(&node, "gateway-1").await.link(&node).await;
    let mut other = Member::join(&node, "gateway-2").await.link(&node).await;
    let redeemed = redeemed(&node, &mut owner, "DELETE FROM carts", "xid:749").await;
    let completed = other.call(report(&redeemed, completed())).await;
    assert!(matches!(completed, Answer::NotTaken(_)), "{completed:?}");
    let not_sent = other.call(report(&redeemed, Testimony::NotSent(v1::NotSent {}))).await;
    assert!(matches!(not_sent, Answer::NotTaken(_)), "{not_sent:?}");
    let standing = node.scratch.control.approvals().get(redeemed.id).await.unwrap().approval;
    assert_eq!(standing, redeemed);
}

/// A gateway that has learnt the ids of a session and of its approval, from a ticket say.
#[tokio::test]
async fn i3_no_means_no_a_gateway_does_nothing_for_a_session_that_was_opened_at_another_and_reads_nothing_of_it()
 {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let mut own = Member::join(&node, "gateway-1").await.link(&node).await;
    let mut other = Member::join(&node, "gateway-2").await.link(&node).await;
    let session = node.scratch.session(&agent()).await;
    let approval = approved(&node, &mut own, &session, "DELETE FROM carts").await;
    let id = session.id.to_string();
    for proof in [Vec::new(), own.proof(&id)] {
        let mut calls = [
            hold(&request(&session, "DELETE FROM orders")),
            redeem(&approval, AttemptId::generate(), ""),
            withdraw(&approval),
        ];
        for call in &mut calls {
            let given = match call {
                Call::Hold(hold) => &mut hold.session_proof,
                Call::Redeem(redeem) => &mut redeem.session_proof,
                Call::Withdraw(withdraw) => &mut withdraw.session_proof,
                _ => unreachable!(),
            };
            given.clone_from(&proof);
        }
        for call in calls {
            let answer = other.call_as_it_is(call).await;
            assert!(matches!(answer, Answer::NotTaken(v1::NotTaken { standing: None, .. })), "{answer:?}");
        }
    }
    // With a session of its own it does nothing for another one's approval.
    let mine = node.scratch.session(&human("dora", &[])).await;
    let Call::Redeem(mut redeem) = redeem(&approval, AttemptId::generate(), "") else { unreachable!() };
    redeem.session_id = mine.id.to_string();
    let answer = other.call(Call::Redeem(redeem)).await;
    assert!(matches!(answer, Answer::NotTaken(v1::NotTaken { standing: None, .. })), "{answer:?}");
    // Nor is it told of what it follows, now or later.
    let follow = v1::FollowApproval { approval_id: approval.id.to_string(), seen_revision: 0 };
    other.send(FromGateway::Follow(follow)).await;
    let redeemed = own.approval(self::redeem(&approval, AttemptId::generate(), "")).await;
    let done = own.approval(report(&redeemed, completed())).await;
    assert_eq!(done.state.as_str(), "done");
    let heard = other.heard_until_answered(report(&redeemed, completed())).await;
    let approvals = heard.iter().filter(|frame| matches!(frame, Frame::Approval(_)));
    assert_eq!(approvals.count(), 0, "{heard:?}");
    // Its connections do not go on with it.
    let attach = v1::AttachSessions { session_ids: vec![id.clone()], proofs: vec![own.proof(&id)] };
    other.send(FromGateway::Attach(attach)).await;
    let ended = |frame| match frame {
        Frame::SessionsEnded(ended) => Some(ended.session_ids),
        _ => None,
    };
    assert_eq!(other.wait_for(ended).await, [id]);
}

fn withdraw(approval: &Approval) -> Call {
    Call::Withdraw(v1::WithdrawCommand {
        approval_id: approval.id.to_string(),
        session_id: approval.session.to_string(),
        session_proof: Vec::new(),
        void_reason: None,
    })
}

#[tokio::test]
async fn i8_closed_a_gateway_is_told_by_what_to_judge_before_it_is_told_that_it_may() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let mut link = Member::join(&node, "gateway-1").await.link(&node).await;
    link.send(FromGateway::Listening(v1::Listening { number: 7 })).await;
    assert!(matches!(link.next().await, Frame::Bundle(_)));
    let Frame::Alive(alive) = link.next().await else { panic!("not alive") };
    assert_eq!(alive.heard, 7);
    assert!(alive.time.is_some());
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_the_link_goes_on() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let mut link = Member::join(&node, "gateway-1").await.link(&node).await;
    let nothing = Call::Hold(v1::HoldCommand::default());
    assert!(matches!(link.call(nothing).await, Answer::NotTaken(_)));
    let session = node.scratch.session(&agent()).await;
    let wrong = HoldRequest { digest: countersign_common::Digest::of(b"x"), ..request(&session, "SELECT 1") };
    let answer = link.call(hold(&wrong)).await;
    assert!(matches!(answer, Answer::NotTaken(v1::NotTaken { digest_mismatch: true, .. })), "{answer:?}");
}

#[tokio::test]
async fn a_revoked_session_ends_at_the_gateways_that_have_it() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let mut link = member.link(&node).await;
    let session = node.scratch.session(&agent()).await;
    let attached = [session.id.to_string()];
    link.attach(&attached).await;
    // Whether it is revoked before or after the frame is read, the gateway is told.
    let (what, by) = (What::Session(session.id), subject("operator"));
    node.scratch.control.revoke(&what, &by, "enough").await.unwrap();
    let ended = |frame| match frame {
        Frame::SessionsEnded(ended) => Some(ended.session_ids),
        _ => None,
    };
    assert_eq!(link.wait_for(ended).await, [session.id.to_string()]);
    // Who attaches it afterwards is told at once, also of a session that there never was.
    let mut later = member.link(&node).await;
    later.attach(&attached).await;
    assert_eq!(later.wait_for(ended).await, [session.id.to_string()]);
    let unknown = countersign_common::id::SessionId::generate().to_string();
    later.attach(std::slice::from_ref(&unknown)).await;
    assert_eq!(later.wait_for(ended).await, [unknown]);
}

#[tokio::test]
async fn bundles_are_pushed_and_what_became_of_them_is_shown() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let mut link = Member::join(&node, "gateway-1").await.link(&node).await;
    let pushed = |frame| match frame {
        Frame::Bundle(bundle) => Some(bundle),
        _ => None,
    };
    let first = link.wait_for(pushed).await;
    assert_eq!(first.bundle.unwrap().files["policy"], b"hold dba 1");
    let applied = node.scratch.control.apply_bundle(bundle("allow"), &subject("operator")).await.unwrap();
    let second = link.wait_for(pushed).await;
    assert_eq!(second.version, applied.to_string());
    let taken = v1::BundleTaken { version: second.version, fault: String::new() };
    link.send(FromGateway::BundleTaken(taken)).await;
    super::bed::eventually("the bundle is shown", async || {
        let shown = node.node(link.id);
        shown.is_some_and(|node| node.gateway().is_some_and(|one| one.bundle.as_ref() == Some(&applied)))
    })
    .await;
}

#[tokio::test]
async fn i1_once_a_gateway_reports_nothing_of_what_nobody_has_redeemed_yet() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let mut owner = Member::join(&node, "gateway-1").await.link(&node).await;
    let mut other = Member::join(&node, "gateway-2").await.link(&node).await;
    let session = node.scratch.session(&agent()).await;
    let approval = approved(&node, &mut owner, &session, "DELETE FROM carts").await;
    // The fence that it will have is no secret.
    let told = v1::ReportCommand {
        approval_id: approval.id.to_string(),
        fence: approval.revision + 1,
        testimony: Some(Testimony::NotSent(v1::NotSent {})),
    };
    let refused = other.call(Call::Report(told)).await;
    let Answer::NotTaken(v1::NotTaken { reason, .. }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("not redeemed by this gateway"), "{reason}");
}
