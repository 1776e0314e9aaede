//! The approval's transition function: every event in every state, and the invariants it upholds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_common::approval::{
    Approval, Decision, Event, Evidence, Outcome, Rejection, Stage, State, Terms, Vote, step,
};
use countersign_common::id::{ApprovalId, ChainName, GroupName, NodeId, SessionId, Subject, TargetName};
use countersign_common::principal::{Kind, Principal};
use countersign_common::{Digest, Timestamp};
use proptest::prelude::*;

const T0: Timestamp = Timestamp::from_micros(1_000_000);

fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

fn person(name: &str, groups: &[&str]) -> Principal {
    Principal {
        subject: subject(name),
        kind: Kind::Human,
        groups: groups.iter().map(|g| GroupName::new(g).unwrap()).collect(),
        on_behalf_of: Vec::new(),
    }
}

fn stage(group: &str, quorum: u32) -> Stage {
    Stage { groups: BTreeSet::from([GroupName::new(group).unwrap()]), quorum }
}

fn approval(stages: Vec<Stage>) -> Approval {
    Approval {
        id: ApprovalId::from_u128(1),
        revision: 1,
        digest: Digest::of(b"UPDATE"),
        rendering: Digest::of(b"shown"),
        session: SessionId::from_u128(2),
        target: TargetName::new("shop").unwrap(),
        requester: Principal {
            subject: subject("agent-7"),
            kind: Kind::Agent,
            groups: BTreeSet::new(),
            on_behalf_of: vec![subject("alice")],
        },
        terms: Terms {
            chains: vec![ChainName::new("prod-dba").unwrap()],
            stages,
            timeout: Duration::from_secs(3600),
            policies: Vec::new(),
            reason: "writes need a dba".into(),
        },
        created_at: T0,
        expires_at: T0.after(Duration::from_secs(3600)),
        decisions: Vec::new(),
        state: State::Pending { stage: 0 },
        evidence: Default::default(),
    }
}

fn vote(by: Principal, vote: Vote) -> Event {
    vote_with_token_of(&[], by, vote)
}

fn vote_with_token_of(issuers: &[&str], by: Principal, vote: Vote) -> Event {
    let issuers = issuers.iter().map(|name| subject(name)).collect();
    Event::Decide { by, vote, reason: None, method: "token".into(), issuers }
}

fn yes(name: &str, group: &str) -> Event {
    vote(person(name, &[group]), Vote::Approve)
}

fn redeem() -> Event {
    Event::Redeem {
        digest: Digest::of(b"UPDATE"),
        owner: NodeId::from_u128(9),
        ineligible: BTreeSet::new(),
        evidence: Evidence::None,
    }
}

fn approved() -> Approval {
    step(&approval(vec![stage("dba", 1)]), &yes("bob", "dba"), T0).unwrap()
}

fn every_state() -> Vec<State> {
    let owner = NodeId::from_u128(9);
    vec![
        State::Pending { stage: 0 },
        State::Approved,
        State::Redeemed { owner, fence: 3 },
        State::InDoubt { owner, fence: 3 },
        State::Done { outcome: Outcome::Completed },
        State::NotRun { reason: "known".into() },
        State::Denied,
        State::Expired,
        State::Withdrawn,
        State::Voided { reason: "policy".into() },
        State::Revoked { by: subject("bob") },
    ]
}

fn every_event() -> Vec<(&'static str, Event)> {
    vec![
        ("approve", yes("carol", "dba")),
        ("deny", vote(person("carol", &["dba"]), Vote::Deny)),
        ("expire", Event::Expire),
        ("withdraw", Event::Withdraw),
        ("void", Event::Void { reason: "never-drop".into() }),
        ("revoke", Event::Revoke { by: subject("bob") }),
        ("redeem", redeem()),
        ("report", Event::Report { fence: 3, outcome: Outcome::Completed }),
        ("not sent", Event::NotSent { fence: 3 }),
        ("owner lost", Event::OwnerLost { fence: 3 }),
        ("resolve ran", Event::Resolve { ran: true, reason: "xact committed".into() }),
        ("resolve not run", Event::Resolve { ran: false, reason: "xact aborted".into() }),
    ]
}

/// The approval in `state`, with the votes that state implies; one second before its deadline's end
/// everything but expiry is possible, after it only expiry is.
fn in_state(state: State) -> Approval {
    let mut approval =
        if state == (State::Pending { stage: 0 }) { approval(vec![stage("dba", 1)]) } else { approved() };
    approval.state = state;
    approval
}

#[test]
fn every_event_in_every_state_before_and_after_the_deadline() {
    let mut table = String::new();
    for (moment, now) in [("in time", T0), ("past the deadline", T0.after(Duration::from_secs(3600)))] {
        for state in every_state() {
            for (name, event) in every_event() {
                let from = in_state(state.clone());
                let line = match step(&from, &event, now) {
                    Ok(next) => format!("-> {}", next.state.as_str()),
                    Err(rejection) => format!("   no: {rejection}"),
                };
                table += &format!("{moment:18} {:9} + {name:15} {line}\n", state.as_str());
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn i1_once_a_redeemed_approval_is_not_redeemed_again() {
    let redeemed = step(&approved(), &redeem(), T0).unwrap();
    assert!(matches!(step(&redeemed, &redeem(), T0), Err(Rejection::WrongState { .. })));
}

#[test]
fn i2_same_another_digest_does_not_redeem() {
    let other = Event::Redeem {
        digest: Digest::of(b"DELETE"),
        owner: NodeId::from_u128(9),
        ineligible: BTreeSet::new(),
        evidence: Evidence::None,
    };
    assert_eq!(step(&approved(), &other, T0), Err(Rejection::DigestMismatch));
}

#[test]
fn i3_no_means_no_nothing_that_ended_in_a_no_can_be_redeemed() {
    for state in every_state().into_iter().filter(|s| *s != State::Approved) {
        let approval = in_state(state);
        assert!(step(&approval, &redeem(), T0).is_err(), "{:?} was redeemed", approval.state);
    }
}

#[test]
fn i4_separate_nobody_in_the_requesters_chain_decides() {
    let pending = approval(vec![stage("dba", 1)]);
    assert!(matches!(step(&pending, &yes("alice", "dba"), T0), Err(Rejection::OwnRequest(_))));
    let mut delegate = person("bob", &["dba"]);
    delegate.on_behalf_of = vec![subject("alice")];
    assert!(matches!(step(&pending, &vote(delegate, Vote::Approve), T0), Err(Rejection::OwnRequest(_))));
}

#[test]
fn i4_separate_a_token_that_somebody_of_the_requesters_chain_has_issued_does_not_decide() {
    let pending = approval(vec![stage("dba", 1)]);
    for own in ["agent-7", "alice", "Alice", "\u{430}lice"] {
        for said in [Vote::Approve, Vote::Deny] {
            let event = vote_with_token_of(&["root", own], person("bob", &["dba"]), said);
            assert!(matches!(step(&pending, &event, T0), Err(Rejection::OwnToken(_))), "{own}");
        }
    }
    let event = vote_with_token_of(&["root", "carol"], person("bob", &["dba"]), Vote::Approve);
    assert_eq!(step(&pending, &event, T0).unwrap().state, State::Approved);
}

#[test]
fn i4_separate_a_vote_by_such_a_token_does_not_count_when_it_is_redeemed() {
    let mut approved = approved();
    assert!(step(&approved, &redeem(), T0).is_ok());
    approved.decisions[0].issuers = BTreeSet::from([subject("agent-7")]);
    assert_eq!(step(&approved, &redeem(), T0), Err(Rejection::QuorumLost));
}

#[test]
fn i4_separate_another_spelling_of_a_name_is_the_same_person() {
    let pending = approval(vec![stage("dba", 2)]);
    for own in ["Alice", "\u{430}lice", "a1ice", "AGENT-7"] {
        assert!(matches!(step(&pending, &yes(own, "dba"), T0), Err(Rejection::OwnRequest(_))), "{own}");
    }
    let one = step(&pending, &yes("bob", "dba"), T0).unwrap();
    for again in ["Bob", "b\u{43e}b", "B0B"] {
        assert!(matches!(step(&one, &yes(again, "dba"), T0), Err(Rejection::AlreadyDecided(_))), "{again}");
    }
}

#[test]
fn i4_separate_an_agent_does_not_countersign() {
    let mut agent = person("reviewer-bot", &["dba"]);
    agent.kind = Kind::Agent;
    let pending = approval(vec![stage("dba", 1)]);
    assert!(matches!(step(&pending, &vote(agent, Vote::Approve), T0), Err(Rejection::NotHuman(_))));
}

#[test]
fn i4_separate_a_person_counts_once_even_in_two_groups_and_two_stages() {
    let two_stages = approval(vec![stage("dba", 1), stage("security", 1)]);
    let both = person("bob", &["dba", "security"]);
    let first = step(&two_stages, &vote(both.clone(), Vote::Approve), T0).unwrap();
    assert_eq!(first.state, State::Pending { stage: 1 });
    assert!(matches!(step(&first, &vote(both, Vote::Approve), T0), Err(Rejection::AlreadyDecided(_))));
    let second = step(&first, &yes("carol", "security"), T0).unwrap();
    assert_eq!(second.state, State::Approved);
}

#[test]
fn a_quorum_of_two_needs_two_people_of_the_group() {
    let pending = approval(vec![stage("dba", 2)]);
    let one = step(&pending, &yes("bob", "dba"), T0).unwrap();
    assert_eq!((one.state.clone(), one.need().as_str()), (State::Pending { stage: 0 }, "1 of 2 (dba)"));
    assert!(matches!(step(&one, &yes("dave", "developers"), T0), Err(Rejection::NotEligible { .. })));
    assert_eq!(step(&one, &yes("carol", "dba"), T0).unwrap().state, State::Approved);
}

#[test]
fn a_quorum_of_nobody_and_a_chain_without_stages_are_never_reached() {
    let nobody = approval(vec![stage("dba", 0)]);
    let voted = step(&nobody, &yes("bob", "dba"), T0).unwrap();
    assert_eq!(voted.state, State::Pending { stage: 0 });
    assert!(step(&approval(Vec::new()), &yes("bob", "dba"), T0).is_err());
}

#[test]
fn an_approver_who_lost_eligibility_no_longer_counts_when_it_is_redeemed() {
    let event = Event::Redeem {
        digest: Digest::of(b"UPDATE"),
        owner: NodeId::from_u128(9),
        ineligible: BTreeSet::from([subject("bob")]),
        evidence: Evidence::None,
    };
    assert_eq!(step(&approved(), &event, T0), Err(Rejection::QuorumLost));
}

#[test]
fn a_report_with_another_fence_is_not_believed() {
    let redeemed = step(&approved(), &redeem(), T0).unwrap();
    let State::Redeemed { fence, .. } = redeemed.state else { panic!("not redeemed") };
    let late = Event::Report { fence: fence - 1, outcome: Outcome::Completed };
    assert!(matches!(step(&redeemed, &late, T0), Err(Rejection::WrongFence { .. })));
}

#[test]
fn the_evidence_of_the_redeeming_step_stays_when_the_owner_is_lost() {
    let evidence = Evidence::Presented("xid:7".into());
    let event = Event::Redeem {
        digest: Digest::of(b"UPDATE"),
        owner: NodeId::from_u128(9),
        ineligible: BTreeSet::new(),
        evidence: evidence.clone(),
    };
    let redeemed = step(&approved(), &event, T0).unwrap();
    let State::Redeemed { fence, .. } = redeemed.state else { panic!("not redeemed") };
    let lost = step(&redeemed, &Event::OwnerLost { fence }, T0).unwrap();
    assert_eq!(lost.evidence, evidence);
    assert!(matches!(lost.state, State::InDoubt { .. }));
}

fn any_event() -> impl Strategy<Value = Event> {
    let names = prop::sample::select(vec!["alice", "agent-7", "bob", "carol", "dave"]);
    let groups = prop::sample::select(vec!["dba", "security", "developers"]);
    let decide = (names, groups, any::<bool>()).prop_map(|(name, group, deny)| {
        vote(person(name, &[group]), if deny { Vote::Deny } else { Vote::Approve })
    });
    let others = prop::sample::select(every_event().into_iter().map(|(_, e)| e).collect::<Vec<_>>());
    let reports = (0u64..8).prop_map(|fence| Event::Report { fence, outcome: Outcome::Completed });
    prop_oneof![4 => decide, 3 => others, 2 => Just(redeem()), 1 => reports]
}

proptest! {
    /// Over any history: revisions grow by one (I9), terminal states stay (I9), decisions are only added to
    /// and nobody decides twice or on their own request (I4), it is redeemed at most once (I1), never after a no (I3).
    #[test]
    fn any_history_keeps_the_invariants(
        events in prop::collection::vec((any_event(), 0u64..600), 1..40),
        quorums in prop::collection::vec(1u32..3, 1..3),
    ) {
        let groups = ["dba", "security"];
        let stages = quorums.iter().zip(groups).map(|(q, g)| stage(g, *q)).collect();
        let mut current = approval(stages);
        let mut now = T0;
        let mut redeemed = 0;
        for (event, seconds) in events {
            now = now.after(Duration::from_secs(seconds));
            let Ok(next) = step(&current, &event, now) else { continue };
            prop_assert_eq!(next.revision, current.revision + 1);
            prop_assert!(!current.state.is_terminal(), "left {:?}", current.state);
            prop_assert!(next.decisions.starts_with(&current.decisions));
            if matches!(next.state, State::Redeemed { .. }) {
                redeemed += 1;
                prop_assert!(now < next.expires_at);
                prop_assert!(next.decisions.iter().all(|d| d.vote == Vote::Approve));
            }
            current = next;
        }
        prop_assert!(redeemed <= 1);
        let people: BTreeSet<_> = current.decisions.iter().map(|d: &Decision| &d.approver).collect();
        prop_assert_eq!(people.len(), current.decisions.len());
        prop_assert!(!people.contains(&subject("alice")) && !people.contains(&subject("agent-7")));
    }
}
