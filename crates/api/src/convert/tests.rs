//! Tests that conversion to a message and back keeps the value, and that a missing field is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use countersign_common::approval::{Approval, Decision, Evidence, Outcome, Stage, State, Terms, Vote};
use countersign_common::command::{Command, Context, Parameter};
use countersign_common::facts::{Action, Facts, Flag, MaskedUses, Operation};
use countersign_common::id::{ApprovalId, GroupName, NodeId, RoleName, SessionId, Subject, TargetName};
use countersign_common::principal::{Kind, Principal};
use countersign_common::verdict::DataClass;
use countersign_common::{Digest, Timestamp};

use super::BadField;
use crate::v1;

fn principal() -> Principal {
    Principal {
        subject: Subject::new("agent-7").unwrap(),
        kind: Kind::Agent,
        groups: [GroupName::new("agents").unwrap()].into(),
        on_behalf_of: vec![Subject::new("alice").unwrap()],
    }
}

fn approval(state: State) -> Approval {
    Approval {
        id: ApprovalId::from_u128(1),
        revision: 3,
        digest: Digest::of(b"1"),
        rendering: Digest::of(b"2"),
        session: SessionId::from_u128(2),
        target: TargetName::new("shop").unwrap(),
        requester: principal(),
        terms: Terms {
            chains: vec!["prod-dba".parse().unwrap()],
            stages: vec![Stage { groups: [GroupName::new("dba").unwrap()].into(), quorum: 2 }],
            timeout: Duration::from_millis(1500),
            policies: vec!["writes-need-dba".parse().unwrap()],
            reason: "writes need a dba".into(),
        },
        created_at: Timestamp::from_micros(1_700_000_000_000_001),
        expires_at: Timestamp::from_micros(1_700_000_001_500_001),
        decisions: vec![Decision {
            approver: Subject::new("bob").unwrap(),
            stage: 0,
            vote: Vote::Approve,
            reason: Some("fine".into()),
            method: "token".into(),
            at: Timestamp::from_micros(1_700_000_000_500_000),
            issuers: ["root", "carol"].map(|name| Subject::new(name).unwrap()).into(),
        }],
        state,
        evidence: Evidence::Presented("xid:749".into()),
    }
}

#[test]
fn an_approval_in_any_state_survives_the_wire() {
    let owner = NodeId::from_u128(9);
    let reason = || String::from("why");
    for state in [
        State::Pending { stage: 0 },
        State::Approved,
        State::Redeemed { owner, fence: 4 },
        State::Done { outcome: Outcome::Completed },
        State::Done { outcome: Outcome::Failed { code: "23505".into() } },
        State::InDoubt { owner, fence: 4 },
        State::NotRun { reason: reason() },
        State::Denied,
        State::Expired,
        State::Withdrawn,
        State::Voided { reason: reason() },
        State::Revoked { by: Subject::new("bob").unwrap() },
    ] {
        let approval = approval(state);
        assert_eq!(Approval::try_from(v1::Approval::from(&approval)), Ok(approval));
    }
}

#[test]
fn a_missing_field_is_an_error_that_names_it_and_never_a_default() {
    type Remove = fn(&mut v1::Approval);
    let removals: [(&str, Remove); 14] = [
        ("approval.id", |a| a.id.clear()),
        ("approval.revision", |a| a.revision = 0),
        ("approval.digest", |a| a.digest.clear()),
        ("approval.rendering_digest", |a| a.rendering_digest.clear()),
        ("approval.session_id", |a| a.session_id.clear()),
        ("approval.target", |a| a.target.clear()),
        ("approval.requester", |a| a.requester = None),
        ("principal.kind", |a| a.requester.as_mut().unwrap().kind = 0),
        ("approval.terms", |a| a.terms = None),
        ("stage.quorum", |a| a.terms.as_mut().unwrap().stages[0].quorum = 0),
        ("approval.create_time", |a| a.create_time = None),
        ("approval.expire_time", |a| a.expire_time = None),
        ("approval.status", |a| a.status = None),
        ("approval.status.fence", |a| a.status.as_mut().unwrap().fence = None),
    ];
    for (field, remove) in removals {
        let mut wire =
            v1::Approval::from(&approval(State::Redeemed { owner: NodeId::from_u128(9), fence: 4 }));
        remove(&mut wire);
        assert_eq!(Approval::try_from(wire), Err(BadField::Missing { field }));
    }
}

#[test]
fn a_command_with_its_context_and_facts_survives_the_wire() {
    let value = |value: Option<&[u8]>| Parameter {
        type_name: "25".into(),
        binary: false,
        value: value.map(|value| value.to_vec().into()),
        omitted: None,
    };
    let command = Command {
        form: "execute".into(),
        text: b"SELECT \xff".to_vec().into(),
        parameters: vec![value(None), value(Some(b""))],
    };
    assert_eq!(Command::try_from(v1::Command::from(&command)), Ok(command));
    let context = Context {
        target: TargetName::new("shop").unwrap(),
        generation: Digest::of(b"1"),
        role: RoleName::new("app").unwrap(),
        database: "shop".into(),
        settings: BTreeMap::from([("search_path".into(), "public".into())]),
        transaction: Some(Digest::of(b"t")),
        texts: Vec::new(),
    };
    assert_eq!(Context::try_from(v1::Context::from(&context)), Ok(context));
    for action in Action::ALL {
        let class = |name: &str| BTreeSet::from([DataClass(name.into())]);
        let masked =
            MaskedUses { copies: class("email"), predicates: class("phone"), equalities: class("card") };
        let flags = Flag::ALL.iter().copied().collect();
        let operation = Operation { flags, masked, ..Operation::new(*action) };
        let facts = Facts { operations: vec![operation], ..Facts::nothing() };
        assert_eq!(Facts::try_from(v1::Facts::from(&facts)), Ok(facts));
    }
}

#[test]
fn facts_that_are_not_known_here_are_refused() {
    let mut wire = v1::Facts::from(&Facts::unknown(Flag::Unparsed));
    wire.operations[0].flags = vec!["harmless_honestly".into()];
    assert!(matches!(Facts::try_from(wire), Err(BadField::Invalid { field: "operation.flags", .. })));
}

#[test]
fn a_digest_of_another_length_is_refused() {
    let mut wire = v1::Approval::from(&approval(State::Approved));
    wire.digest.pop();
    assert!(matches!(Approval::try_from(wire), Err(BadField::Invalid { field: "approval.digest", .. })));
}
