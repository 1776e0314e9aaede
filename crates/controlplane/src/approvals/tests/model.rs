//! The real store against the pure model: the same events in the same order have the same outcomes.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_common::Digest;
use countersign_common::approval::{Event, Evidence, Outcome, Vote, step};
use countersign_common::id::NodeId;
use countersign_common::time::Clock as _;
use proptest::prelude::*;

use crate::approvals::ApprovalError;
use crate::testing::{Scratch, agent, bundle, human, subject};

/// What may happen; filled in with the approval at hand.
#[derive(Debug, Clone, Copy)]
enum Act {
    Vote(u8, bool),
    Pass(u16),
    Expire,
    Withdraw,
    Void,
    Revoke,
    Redeem(bool),
    Report(bool),
    NotSent,
    OwnerLost,
    Resolve(bool),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..4_u8, prop::bool::weighted(0.85)).prop_map(|(who, yes)| Act::Vote(who, yes)),
        1 => (0..2000_u16).prop_map(Act::Pass),
        1 => Just(Act::Expire),
        1 => Just(Act::Withdraw),
        1 => Just(Act::Void),
        1 => Just(Act::Revoke),
        4 => prop::bool::weighted(0.8).prop_map(Act::Redeem),
        3 => prop::bool::weighted(0.8).prop_map(Act::Report),
        1 => Just(Act::NotSent),
        2 => Just(Act::OwnerLost),
        2 => any::<bool>().prop_map(Act::Resolve),
        1 => Just(Act::Restart),
    ]
}

fn event(act: Act, digest: Digest, fence: u64) -> Option<Event> {
    Some(match act {
        Act::Pass(_) | Act::Restart => return None,
        Act::Vote(who, yes) => Event::Decide {
            by: human(["bob", "carol", "alice", "dave"][usize::from(who)], &["dba"]),
            vote: if yes { Vote::Approve } else { Vote::Deny },
            reason: None,
            method: "token".into(),
            issuers: BTreeSet::new(),
        },
        Act::Expire => Event::Expire,
        Act::Withdraw => Event::Withdraw,
        Act::Void => Event::Void { reason: "why".into() },
        Act::Revoke => Event::Revoke { by: subject("bob") },
        Act::Redeem(same) => Event::Redeem {
            digest: if same { digest } else { Digest::of(b"other") },
            owner: NodeId::from_u128(7),
            ineligible: BTreeSet::new(),
            evidence: Evidence::None,
        },
        Act::Report(mine) => Event::Report { fence: fence + u64::from(!mine), outcome: Outcome::Completed },
        Act::NotSent => Event::NotSent { fence },
        Act::OwnerLost => Event::OwnerLost { fence },
        Act::Resolve(ran) => Event::Resolve { ran, reason: "looked".into() },
    })
}

async fn plays_like_the_model(acts: Vec<Act>) {
    let mut scratch = Scratch::new().await;
    scratch.control.apply_bundle(bundle("hold dba 2"), &subject("operator")).await.unwrap();
    let session = scratch.session(&agent()).await;
    let mut model = scratch.hold(&session, "UPDATE t").await.approval;
    let (id, digest) = (model.id, model.digest);
    let mut fence = 0;
    for act in acts {
        match act {
            Act::Pass(seconds) => scratch.clock.advance(Duration::from_secs(seconds.into())),
            Act::Restart => {
                scratch = scratch.restart().await;
                // The process that redeemed is gone.
                let lost = Event::OwnerLost { fence };
                model = step(&model, &lost, scratch.clock.now()).unwrap_or(model);
            }
            _ => {}
        }
        if let Some(event) = event(act, digest, fence) {
            let expected = step(&model, &event, scratch.clock.now());
            let got = scratch.control.approvals().advance(id, &event).await;
            match (expected, got) {
                (Ok(expected), Ok(got)) => {
                    assert_eq!(got, expected);
                    // I9: nothing has left a terminal state, and the revision has grown.
                    assert!(!model.state.is_terminal() && got.revision == model.revision + 1);
                    if let countersign_common::approval::State::Redeemed { fence: new, .. } = got.state {
                        fence = new;
                    }
                    model = got;
                }
                (Err(expected), Err(ApprovalError::Rejected(got))) => assert_eq!(got, expected),
                (expected, got) => panic!("model {expected:?}, store {got:?}"),
            }
        }
        let stored = scratch.control.approvals().get(id).await.unwrap().approval;
        assert_eq!(stored, model);
        let listed = scratch.control.approvals().list_going_on().0.len();
        assert_eq!(listed, usize::from(!model.state.is_terminal()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn i9_terminal_random_events_on_the_store_end_as_in_the_model(acts in prop::collection::vec(act(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(plays_like_the_model(acts));
    }
}
