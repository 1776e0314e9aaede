//! The invariants that approvals uphold, each against a real store.

mod crash;
mod limits;
mod model;
mod nodes;
mod reads;

use std::sync::Arc;
use std::time::Duration;

use countersign_common::approval::{Outcome, Rejection, State, Vote};
use countersign_common::id::{AttemptId, NodeId};
use countersign_common::principal::Kind;
use countersign_common::{Digest, rendering};
use futures::StreamExt as _;

use super::{ApprovalError, Decide, Held, Joined, Redeem};
use crate::sessions::What;
use crate::store::{Change, Transaction};
use crate::testing::{Scratch, agent, bundle, human, no, principal, request, subject, vote, yes};

const UPDATE: &str = "UPDATE orders SET paid = true";

fn rejected(result: Result<impl std::fmt::Debug, ApprovalError>) -> Rejection {
    match result {
        Err(ApprovalError::Rejected(rejection)) => rejection,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i1_once_of_a_hundred_redeemers_exactly_one_wins() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    for round in 0..5 {
        let held = scratch.approved(&session, &format!("{UPDATE} -- {round}")).await;
        let redeemers = (0..100).map(|_| {
            let approvals = Arc::clone(scratch.control.approvals());
            let redeem = Redeem { owner: NodeId::generate(), ..scratch.redeem(&session, &held) };
            tokio::spawn(async move { (redeem.owner, approvals.redeem(redeem).await) })
        });
        let mut winners = Vec::new();
        for outcome in futures::future::join_all(redeemers).await {
            match outcome.unwrap() {
                (owner, Ok(approval)) => {
                    assert_eq!(approval.state, State::Redeemed { owner, fence: approval.revision });
                    winners.push(owner);
                }
                (_, lost) => {
                    assert!(matches!(rejected(lost), Rejection::WrongState { state: "redeemed", .. }))
                }
            }
        }
        assert_eq!(winners.len(), 1);
    }
}

#[tokio::test]
async fn i1_once_the_same_attempt_asked_again_gets_the_same_answer_and_no_other_attempt_does() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let held = scratch.approved(&session, UPDATE).await;
    let redeem = scratch.redeem(&session, &held);
    let approvals = scratch.control.approvals();
    let first = approvals.redeem(redeem.clone()).await.unwrap();
    assert_eq!(approvals.redeem(redeem.clone()).await.unwrap(), first);
    let other = Redeem { attempt: AttemptId::generate(), ..redeem.clone() };
    assert!(matches!(rejected(approvals.redeem(other).await), Rejection::WrongState { .. }));
    let elsewhere = Redeem { owner: NodeId::generate(), ..redeem };
    assert!(matches!(rejected(approvals.redeem(elsewhere).await), Rejection::WrongState { .. }));
}

#[tokio::test]
async fn i1_once_a_redeemed_approval_of_an_earlier_start_is_in_doubt_and_never_redeemed_again() {
    let mut scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let held = scratch.approved(&session, UPDATE).await;
    let redeem = scratch.redeem(&session, &held);
    let redeemed = scratch.control.approvals().redeem(redeem.clone()).await.unwrap();
    scratch = scratch.restart().await;
    let approvals = scratch.control.approvals();
    let found = approvals.get(held.approval.id).await.unwrap().approval;
    assert_eq!(found.state, State::InDoubt { owner: redeem.owner, fence: redeemed.revision });
    assert!(matches!(rejected(approvals.redeem(redeem).await), Rejection::WrongState { .. }));
    // The same command does not ask again: it could run twice.
    let again = approvals.hold(request(&session, UPDATE)).await.unwrap();
    assert_eq!((again.approval.id, again.joined), (held.approval.id, Joined::Open));
    let resolved = approvals.resolve(held.approval.id, false, &subject("carol"), "looked").await.unwrap();
    assert_eq!(resolved.state, State::NotRun { reason: "carol: looked".into() });
}

#[tokio::test]
async fn i1_once_the_same_bytes_after_they_ran_need_a_new_approval() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let held = scratch.approved(&session, UPDATE).await;
    let approvals = scratch.control.approvals();
    let redeemed = approvals.redeem(scratch.redeem(&session, &held)).await.unwrap();
    let wrong = approvals.report(held.approval.id, redeemed.revision + 1, Outcome::Completed).await;
    assert!(matches!(rejected(wrong), Rejection::WrongFence { .. }));
    approvals.report(held.approval.id, redeemed.revision, Outcome::Completed).await.unwrap();
    let again = approvals.hold(request(&session, UPDATE)).await.unwrap();
    assert_eq!(again.joined, Joined::New);
    assert_ne!(again.approval.id, held.approval.id);
}

#[tokio::test]
async fn i2_same_other_bytes_are_not_redeemed_and_a_false_digest_is_not_held() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let held = scratch.approved(&session, UPDATE).await;
    let approvals = scratch.control.approvals();
    let other = Redeem { digest: Digest::of(b"other"), ..scratch.redeem(&session, &held) };
    assert_eq!(rejected(approvals.redeem(other).await), Rejection::DigestMismatch);
    let mut lying = request(&session, "DROP TABLE orders");
    lying.digest = request(&session, UPDATE).digest;
    assert!(matches!(approvals.hold(lying).await, Err(ApprovalError::WrongDigest)));
    let mut elsewhere = request(&session, UPDATE);
    elsewhere.context.target = "other".parse().unwrap();
    elsewhere.digest = countersign_common::command::digest(
        &elsewhere.command,
        &elsewhere.context,
        &session.principal,
        session.id,
    );
    assert!(matches!(approvals.hold(elsewhere).await, Err(ApprovalError::WrongDigest)));
}

#[tokio::test]
async fn i2_same_an_approver_decides_on_what_they_were_shown() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let held = scratch.hold(&session, UPDATE).await;
    let approvals = scratch.control.approvals();
    let shown = approvals.details(held.approval.id).await.unwrap().rendering;
    assert!(shown.contains(UPDATE) && shown.contains("agent agent-7 on behalf of alice"), "{shown}");
    assert_eq!(rendering::digest(&shown), held.approval.rendering);
    let bob = human("bob", &["dba"]);
    let other = Decide { rendering: rendering::digest("SELECT 1"), ..yes(&held, &bob) };
    assert!(matches!(approvals.decide(other).await, Err(ApprovalError::SawSomethingElse)));
    let shown = Decide { rendering: rendering::digest(&shown), ..yes(&held, &bob) };
    assert_eq!(approvals.decide(shown).await.unwrap().state, State::Approved);
}

#[tokio::test]
async fn i2_same_a_large_command_is_kept_whole() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let text = format!("{UPDATE} -- {}", "näher ".repeat(200_000));
    let held = scratch.hold(&session, &text).await;
    let details = scratch.control.approvals().details(held.approval.id).await.unwrap();
    assert_eq!(details.command.text, text.as_bytes());
    assert!(details.rendering.contains(&text));
}

#[tokio::test]
async fn i3_no_means_no_whatever_ended_is_not_redeemed() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let approvals = scratch.control.approvals();
    let denied = scratch.hold(&session, "denied").await;
    approvals.decide(no(&denied, &human("bob", &["dba"]))).await.unwrap();
    let withdrawn = scratch.approved(&session, "withdrawn").await;
    approvals.withdraw(withdrawn.approval.id, session.id).await.unwrap();
    let revoked = scratch.approved(&session, "revoked").await;
    approvals.revoke(revoked.approval.id, subject("bob")).await.unwrap();
    let expired = scratch.approved(&session, "expired").await;
    let pending = scratch.hold(&session, "pending").await;
    scratch.clock.advance(Duration::from_secs(3600));
    // Before anybody has marked it, and after.
    let late = approvals.redeem(scratch.redeem(&session, &expired)).await;
    assert!(matches!(rejected(late), Rejection::PastDeadline(_)));
    assert_eq!(approvals.expire_due().await.unwrap(), 2);
    for held in [denied, withdrawn, revoked, expired, pending] {
        let refused = rejected(approvals.redeem(scratch.redeem(&session, &held)).await);
        assert!(matches!(refused, Rejection::WrongState { .. }), "{refused:?}");
        let late_yes = approvals.decide(yes(&held, &human("carol", &["dba"]))).await;
        assert!(matches!(rejected(late_yes), Rejection::WrongState { .. }));
    }
}

#[tokio::test]
async fn i3_no_means_no_when_policy_blocks_meanwhile() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let (control, approvals) = (&scratch.control, scratch.control.approvals());
    let first = scratch.approved(&session, "first").await;
    control.apply_bundle(bundle("block"), &subject("operator")).await.unwrap();
    let state = approvals.get(first.approval.id).await.unwrap().approval.state;
    assert_eq!(state, State::Voided { reason: "never".into() });
    assert!(matches!(approvals.hold(request(&session, "x")).await, Err(ApprovalError::Blocked(_))));
    control.apply_bundle(bundle("hold dba 1"), &subject("operator")).await.unwrap();
    // Also when the reconciler has not been there: only the bundle has changed.
    let second = scratch.approved(&session, "second").await;
    control.bundles().apply(bundle("hold security 1"), &subject("operator")).await.unwrap();
    let refused = approvals.redeem(scratch.redeem(&session, &second)).await;
    assert!(matches!(refused, Err(ApprovalError::Blocked(_))), "{refused:?}");
    let state = approvals.get(second.approval.id).await.unwrap().approval.state;
    assert!(matches!(state, State::Voided { .. }));
    // What policy would let run by itself needs no new approval either.
    control.apply_bundle(bundle("hold dba 1"), &subject("operator")).await.unwrap();
    let third = scratch.approved(&session, "third").await;
    control.apply_bundle(bundle("allow"), &subject("operator")).await.unwrap();
    approvals.redeem(scratch.redeem(&session, &third)).await.unwrap();
}

#[tokio::test]
async fn i3_no_means_no_when_the_session_or_an_approver_was_stopped() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let (control, approvals) = (&scratch.control, scratch.control.approvals());
    let by = subject("operator");
    let bob_token = control.sessions().issue(crate::testing::order(&human("bob", &["dba"]))).await.unwrap();
    let held = scratch.approved(&session, "approved by bob").await;
    scratch.clock.advance(Duration::from_secs(1));
    control.revoke(&What::Token(bob_token.id), &by, "stolen").await.unwrap();
    let refused = approvals.redeem(scratch.redeem(&session, &held)).await;
    assert_eq!(rejected(refused), Rejection::QuorumLost);

    let held = scratch.hold(&session, "approved by carol").await;
    approvals.decide(yes(&held, &human("carol", &["dba"]))).await.unwrap();
    control.revoke(&What::Session(session.id), &by, "stop").await.unwrap();
    let refused = approvals.redeem(scratch.redeem(&session, &held)).await;
    assert!(matches!(refused, Err(ApprovalError::SessionEnded(_))), "{refused:?}");
    let state = approvals.get(held.approval.id).await.unwrap().approval.state;
    assert_eq!(state, State::Revoked { by });
}

#[tokio::test]
async fn a_vote_outlives_the_token_it_was_cast_with() {
    let scratch = Scratch::new().await;
    let bob = human("bob", &["dba"]);
    let mut short = crate::testing::order(&bob);
    short.ttl = Duration::from_secs(10);
    scratch.control.sessions().issue(short).await.unwrap();
    let session = scratch.session(&agent()).await;
    let held = scratch.approved(&session, UPDATE).await;
    scratch.clock.advance(Duration::from_secs(60));
    scratch.control.approvals().redeem(scratch.redeem(&session, &held)).await.unwrap();
}

#[tokio::test]
async fn i4_separate_nobody_in_the_requesters_chain_decides_and_only_people_do() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let held = scratch.hold(&session, UPDATE).await;
    let approvals = scratch.control.approvals();
    let own = [
        human("alice", &["dba"]),
        human("agent-7", &["dba"]),
        principal(Kind::Human, "dave", &["dba"], &["alice"]),
        principal(Kind::Agent, "other-agent", &["dba"], &["agent-7"]),
    ];
    for by in own {
        let refused = rejected(approvals.decide(yes(&held, &by)).await);
        assert!(matches!(refused, Rejection::OwnRequest(_)), "{refused:?}");
    }
    let robot = principal(Kind::Service, "robot", &["dba"], &[]);
    assert!(matches!(rejected(approvals.decide(yes(&held, &robot)).await), Rejection::NotHuman(_)));
    let operator = human("operator", &["admin"]);
    let refused = rejected(approvals.decide(yes(&held, &operator)).await);
    assert!(matches!(refused, Rejection::NotEligible { .. }));
    assert_eq!(approvals.get(held.approval.id).await.unwrap().approval, held.approval);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i4_separate_a_person_counts_once_however_often_they_vote() {
    let scratch = Scratch::new().await;
    scratch.control.apply_bundle(bundle("hold dba 2"), &subject("operator")).await.unwrap();
    let session = scratch.session(&agent()).await;
    let held = scratch.hold(&session, UPDATE).await;
    let votes = (0..20).map(|_| {
        let approvals = Arc::clone(scratch.control.approvals());
        let vote = vote(&held, &human("bob", &["dba", "security"]), Vote::Approve);
        tokio::spawn(async move { approvals.decide(vote).await })
    });
    let counted = futures::future::join_all(votes).await;
    assert_eq!(counted.iter().filter(|vote| vote.as_ref().unwrap().is_ok()).count(), 1);
    let approvals = scratch.control.approvals();
    assert_eq!(approvals.get(held.approval.id).await.unwrap().approval.need(), "1 of 2 (dba)");
    approvals.decide(yes(&held, &human("carol", &["dba"]))).await.unwrap();
    approvals.redeem(scratch.redeem(&session, &held)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_command_on_ten_connections_asks_once() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let holds = (0..10).map(|_| {
        let (approvals, request) = (Arc::clone(scratch.control.approvals()), request(&session, UPDATE));
        tokio::spawn(async move { approvals.hold(request).await.unwrap() })
    });
    let held: Vec<_> = futures::future::join_all(holds).await.into_iter().map(|held| held.unwrap()).collect();
    assert_eq!(held.iter().filter(|held| held.joined == Joined::New).count(), 1);
    assert!(held.iter().all(|one| one.approval.id == held[0].approval.id));
    assert_eq!(scratch.control.approvals().list_going_on().0.len(), 1);
    // Another session is another request.
    let other = scratch.session(&agent()).await;
    assert_eq!(scratch.hold(&other, UPDATE).await.joined, Joined::New);
}

#[tokio::test]
async fn a_denial_is_remembered_for_ten_minutes_and_a_rephrasing_is_flagged() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let approvals = scratch.control.approvals();
    let held = scratch.hold(&session, UPDATE).await;
    approvals.decide(no(&held, &human("bob", &["dba"]))).await.unwrap();
    let again = scratch.hold(&session, UPDATE).await;
    assert_eq!((again.joined, again.approval.id), (Joined::Remembered, held.approval.id));
    assert_eq!(again.approval.state, State::Denied);
    let rephrased = scratch.hold(&session, "UPDATE orders SET paid = (1 = 1)").await;
    let rephrased = approvals.get(rephrased.approval.id).await.unwrap();
    assert_eq!(rephrased.after_denial, Some(held.approval.id));
    scratch.clock.advance(Duration::from_secs(601));
    assert_eq!(scratch.hold(&session, UPDATE).await.joined, Joined::New);
}

#[tokio::test]
async fn a_waiter_sees_the_decision() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let held = scratch.hold(&session, UPDATE).await;
    let approvals = scratch.control.approvals();
    let mut watch = approvals.watch(held.approval.id).await.unwrap();
    assert_eq!(watch.current(), held.approval);
    approvals.decide(yes(&held, &human("bob", &["dba"]))).await.unwrap();
    assert_eq!(watch.changed().await.unwrap().state, State::Approved);
    approvals.withdraw(held.approval.id, session.id).await.unwrap();
    assert_eq!(watch.changed().await.unwrap().state, State::Withdrawn);
    assert!(watch.changed().await.is_none());
    // Who comes later sees how it ended, and that nothing follows.
    let mut late = approvals.watch(held.approval.id).await.unwrap();
    assert_eq!(late.current().state, State::Withdrawn);
    assert!(late.changed().await.is_none());
}

#[tokio::test]
async fn a_watch_of_everything_from_the_revision_of_a_list_misses_nothing() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let approvals = scratch.control.approvals();
    scratch.hold(&session, "before").await;
    let (_, revision) = approvals.list_all(10, |_| true).await.unwrap();
    let held = scratch.approved(&session, UPDATE).await;
    let mut changes = approvals.watch_all(revision).await.unwrap();
    for state in ["pending", "approved"] {
        let change = changes.next().await.unwrap().unwrap();
        assert_eq!(change.snapshot.approval.id, held.approval.id);
        assert_eq!(change.snapshot.approval.state.as_str(), state);
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let mut scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let pending = scratch.hold(&session, "pending").await;
    let approved = scratch.approved(&session, "approved").await;
    scratch = scratch.restart().await;
    let approvals = scratch.control.approvals();
    assert_eq!(approvals.list_going_on().0.len(), 2);
    assert_eq!(scratch.hold(&session, "pending").await.approval, pending.approval);
    approvals.redeem(scratch.redeem(&session, &approved)).await.unwrap();
    scratch.clock.advance(Duration::from_secs(3600));
    assert_eq!(approvals.expire_due().await.unwrap(), 1, "deadlines are rebuilt");
}

#[tokio::test]
async fn deadlines_are_kept_while_the_control_plane_runs() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(Arc::clone(&scratch.control).run(stopped));
    let held = scratch.control.approvals().hold(request(&session, UPDATE)).await.unwrap();
    let mut watch = scratch.control.approvals().watch(held.approval.id).await.unwrap();
    scratch.clock.advance(held.approval.terms.timeout);
    let ended = tokio::time::timeout(Duration::from_secs(10), watch.changed()).await.unwrap().unwrap();
    assert_eq!(ended.state, State::Expired);
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn an_ordinary_record_stays_within_a_kibibyte() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let held = scratch.approved(&session, UPDATE).await;
    scratch.control.approvals().redeem(scratch.redeem(&session, &held)).await.unwrap();
    let (entry, _) = scratch.control.approvals().read(held.approval.id).await.unwrap();
    assert!(entry.value.len() <= 1024, "{} bytes", entry.value.len());
}

#[tokio::test]
async fn a_session_cannot_withdraw_or_redeem_anothers_approval() {
    let scratch = Scratch::new().await;
    let (mine, other) = (scratch.session(&agent()).await, scratch.session(&agent()).await);
    let held = scratch.approved(&mine, UPDATE).await;
    let approvals = scratch.control.approvals();
    assert!(matches!(approvals.withdraw(held.approval.id, other.id).await, Err(ApprovalError::NotYours)));
    assert!(matches!(approvals.redeem(scratch.redeem(&other, &held)).await, Err(ApprovalError::NotYours)));
}

/// Writes something over the record of an approval that this version does not know.
async fn written_by_a_later_version(scratch: &Scratch, held: &Held) {
    let key = super::record::approval_key(held.approval.id);
    scratch.control.store().transact(Transaction::new().put(key, r#"{"later":true}"#)).await.unwrap();
}

#[tokio::test]
async fn i10_live_an_approval_that_cannot_be_read_keeps_no_other_from_its_end() {
    let mut scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let strange = scratch.hold(&session, "strange").await;
    scratch.clock.advance(Duration::from_secs(1));
    let [due, blocked] = [scratch.hold(&session, "due").await, scratch.hold(&session, "blocked").await];
    written_by_a_later_version(&scratch, &strange).await;
    let state = async |scratch: &Scratch, held: &Held| {
        scratch.control.approvals().get(held.approval.id).await.unwrap().approval.state
    };
    // The stop button, a new bundle and the time, each with the strange one first.
    let approvals = scratch.control.approvals();
    approvals.withdraw(due.approval.id, session.id).await.unwrap();
    let due = scratch.hold(&session, "due").await;
    scratch.control.bundles().apply(bundle("block"), &subject("operator")).await.unwrap();
    assert!(approvals.reconsider().await.is_err(), "it is told of");
    assert!(matches!(state(&scratch, &blocked).await, State::Voided { .. }));
    assert!(matches!(state(&scratch, &due).await, State::Voided { .. }));
    scratch.control.bundles().apply(bundle("hold dba 1"), &subject("operator")).await.unwrap();
    let [due, stopped] = [scratch.hold(&session, "due again").await, scratch.hold(&session, "stopped").await];
    scratch.clock.advance(Duration::from_secs(3600));
    assert!(approvals.expire_due().await.is_err(), "it is told of");
    assert_eq!(state(&scratch, &due).await, State::Expired);
    assert_eq!(state(&scratch, &stopped).await, State::Expired);
    let refused = approvals.redeem(scratch.redeem(&session, &strange)).await;
    assert!(matches!(refused, Err(ApprovalError::Store(_))), "{refused:?}");
    // Nor does it keep anybody from looking, or the control plane from starting.
    assert_eq!(approvals.list_all(2, |_| true).await.unwrap().0.len(), 2);
    scratch = scratch.restart().await;
    assert_eq!(scratch.control.approvals().expire_due().await.unwrap(), 0);
}

#[tokio::test]
async fn what_changes_so_that_it_cannot_be_read_is_not_known_any_more() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let held = scratch.hold(&session, UPDATE).await;
    let approvals = scratch.control.approvals();
    let mut waiting = approvals.watch(held.approval.id).await.unwrap();
    written_by_a_later_version(&scratch, &held).await;
    let key = super::record::approval_key(held.approval.id);
    let entry = scratch.control.store().get(&key).await.unwrap().unwrap();
    approvals.apply(&Change::Put(entry)).unwrap_err();
    assert!(approvals.known(held.approval.id).is_none());
    assert_eq!(approvals.expire_due().await.unwrap(), 0);
    assert!(waiting.changed().await.is_none());
}

#[tokio::test]
async fn i10_live_terms_that_leave_no_room_are_not_asked_about_and_what_has_no_room_for_a_yes_ends() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let (control, approvals) = (&scratch.control, scratch.control.approvals());
    control.apply_bundle(bundle("allow"), &subject("operator")).await.unwrap();
    let mut large = request(&session, UPDATE);
    let groups = (0..90).map(|n| format!("group-{n}-{}", "x".repeat(100)).parse().unwrap());
    large.terms.stages[0].groups.extend(groups);
    let refused = approvals.hold(large).await;
    assert!(matches!(refused, Err(ApprovalError::TooLarge { .. })), "{refused:?}");
    control.apply_bundle(bundle("hold dba 100"), &subject("operator")).await.unwrap();
    let held = scratch.hold(&session, UPDATE).await;
    let reason = Some("\u{1}".repeat(256));
    let mut votes = 0;
    let full = loop {
        let by = human(&format!("person-{votes}"), &["dba"]);
        match approvals.decide(Decide { reason: reason.clone(), ..yes(&held, &by) }).await {
            Ok(_) => votes += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, ApprovalError::TooLarge { .. }) && votes > 5, "{full} after {votes}");
    let denied = approvals.decide(Decide { reason, ..no(&held, &human("bob", &["dba"])) }).await.unwrap();
    assert_eq!(denied.state, State::Denied);
}

#[tokio::test]
async fn a_search_finds_the_newest() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let mut asked = Vec::new();
    for n in 0..5 {
        asked.push(scratch.hold(&session, &format!("{UPDATE} -- {n}")).await.approval.id);
    }
    asked.sort();
    let found = scratch.control.approvals().list_all(2, |one| one.approval.id != asked[4]).await.unwrap().0;
    let found: Vec<_> = found.iter().map(|one| one.approval.id).collect();
    assert_eq!(found, [asked[3], asked[2]]);
}

#[tokio::test]
async fn i2_same_a_text_that_was_changed_in_the_store_is_neither_shown_nor_redeemed() {
    let scratch = Scratch::new().await;
    let session = scratch.session(&agent()).await;
    let held = scratch.approved(&session, UPDATE).await;
    let (approvals, store) = (scratch.control.approvals(), scratch.control.store());
    let key = format!("{}000000", super::details_prefix(held.approval.id));
    let text = String::from_utf8(store.get(&key).await.unwrap().unwrap().value).unwrap();
    let changed = text.replace("paid = true", "paid = NULL");
    assert_ne!(text, changed);
    store.transact(Transaction::new().put(&key, changed)).await.unwrap();
    assert!(matches!(approvals.details(held.approval.id).await, Err(ApprovalError::Store(_))));
    let refused = approvals.redeem(scratch.redeem(&session, &held)).await;
    assert!(matches!(refused, Err(ApprovalError::Store(_))), "{refused:?}");
}
