//! Nodes that die, lose answers and repeat messages, at every frame and with many seeds.

use std::sync::Arc;
use std::time::Duration;

use countersign_common::approval::{Outcome, State};
use countersign_common::id::{ApprovalId, StreamId};
use countersign_gateway::link::Order;
use countersign_lifecycle::ports::{Ports, Testimony};
use countersign_recording::{Effect, Encoded, JournalExt as _};

use crate::plane::{Faults, Plane};
use crate::stage::{Nodes, eventually, start};
use crate::story::{redeem, shop, token};
use crate::words;

const FAULTS: Faults = Faults { die_before: 6, die_after: 6, twice: 5, cannot_tell: 3 };

enum Fate {
    /// Released, and reported as ended.
    Ran(ApprovalId),
    /// Refused; no byte of it was sent.
    Refused,
}

/// Runs a command from its login to its end, as the pipeline does. Any failure refuses it.
async fn command(ports: Ports, number: usize) -> Fate {
    if ports.sessions.open(&token(), &shop()).await.is_err() {
        return Fate::Refused;
    }
    let begin = format!("begin {number}");
    let record = |line: &str, seq, effect| {
        let line = line.as_bytes();
        let hash = countersign_common::Digest::of(line);
        let stream = StreamId::from_u128(number as u128);
        ports.journal.append(Encoded { line, hash, stream, seq, effect })
    };
    let Ok(position) = record(&begin, 0, Effect::Opens) else { return Fate::Refused };
    let Ok(held) = ports.approvals.hold(words::hold_request(number)).await else { return Fate::Refused };
    let mut approval = held;
    while !matches!(approval.state, State::Approved) {
        match ports.approvals.changed(approval.id, approval.revision).await {
            Ok(changed) => approval = Arc::unwrap_or_clone(changed),
            Err(_) => return Fate::Refused,
        }
    }
    if ports.journal.synced(position).await.is_err() {
        return Fate::Refused;
    }
    let Ok(redeemed) = ports.approvals.redeem(redeem(&ports, &approval)).await else { return Fate::Refused };
    let State::Redeemed { fence, .. } = redeemed.state else { return Fate::Refused };
    ports.approvals.report(approval.id, fence, Testimony::Ended(Outcome::Completed)).await;
    record("end", 1, Effect::Closes).unwrap();
    Fate::Ran(approval.id)
}

/// Runs a round, and returns the number of commands that ran.
async fn round(seed: u64, commands: usize) -> usize {
    let plane = Plane::new(seed);
    let nodes = Nodes::start(&plane, 3).await;
    let mut options = nodes.options();
    options.call_time_max = Duration::from_millis(400);
    let link = nodes.link(options);
    let ports = link.ready(None).await;
    plane.truth.lock().faults = FAULTS;
    let running: Vec<_> = (0..commands).map(|n| tokio::spawn(command(ports.clone(), n))).collect();
    let mut ran = Vec::new();
    for one in running {
        if let Fate::Ran(id) = one.await.unwrap() {
            ran.push(id);
        }
    }
    plane.truth.lock().faults = Faults::default();
    settle(&plane).await;
    let truth = plane.truth.lock();
    assert_eq!(truth.violations, Vec::<String>::new(), "seed {seed}");
    // INVARIANT: I1. Every approval is redeemed at most once.
    assert!(truth.redeemed.values().all(|count| *count == 1), "seed {seed}");
    for id in &ran {
        let state = &truth.approvals[id].state;
        assert_eq!(*state, State::Done { outcome: Outcome::Completed }, "seed {seed}");
    }
    // INVARIANT: I3. A command that was refused has not run, and its approval says so.
    let done = truth.approvals.values().filter(|one| matches!(one.state, State::Done { .. })).count();
    assert_eq!(done, ran.len(), "seed {seed}");
    // INVARIANT: I5. Every record is there once, in order.
    let last = truth.records.last_key_value().map_or(0, |(last, _)| *last);
    assert_eq!(truth.records.len() as u64, last, "seed {seed}");
    ran.len()
}

/// Waits until no approval is redeemed or in doubt: unused redemptions are taken back.
async fn settle(plane: &Arc<Plane>) {
    eventually("every redeem is answered for", || {
        let truth = plane.truth.lock();
        !truth
            .approvals
            .values()
            .any(|one| matches!(one.state, State::Redeemed { .. } | State::InDoubt { .. }))
    })
    .await;
}

#[tokio::test]
async fn i1_once_and_i5_recorded_first_whatever_dies_and_whatever_is_lost() {
    let seeds = std::env::var("COUNTERSIGN_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    let mut ran = 0;
    for seed in 0..seeds {
        ran += round(seed, 24).await;
    }
    assert!(ran > 0, "nothing came through");
}

#[tokio::test]
async fn i1_once_a_redeem_whose_answer_never_came_is_disowned_and_reported_as_not_sent() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let mut options = nodes.options();
    // Long enough for answered calls, even on a busy machine.
    options.call_time_max = Duration::from_secs(1);
    let link = nodes.link(options);
    let ports = link.ready(None).await;
    let held = ports.approvals.hold(words::hold_request(1)).await.unwrap();
    plane.truth.lock().answers = false;
    let unknown = ports.approvals.redeem(redeem(&ports, &held)).await;
    assert!(unknown.is_err());
    assert!(matches!(plane.truth.lock().approvals[&held.id].state, State::Redeemed { .. }));
    plane.truth.lock().answers = true;
    eventually("not run", || matches!(plane.truth.lock().approvals[&held.id].state, State::NotRun { .. }))
        .await;
    assert_eq!(plane.truth.lock().redeemed[&held.id], 1);
}

#[tokio::test]
async fn i1_once_a_redeem_whose_caller_is_gone_is_disowned_too() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    let held = ports.approvals.hold(words::hold_request(1)).await.unwrap();
    plane.truth.lock().answers = false;
    let (approvals, asked) = (Arc::clone(&ports.approvals), redeem(&ports, &held));
    let caller = tokio::spawn(async move { approvals.redeem(asked).await });
    eventually("redeemed", || plane.truth.lock().redeemed.contains_key(&held.id)).await;
    caller.abort();
    assert!(caller.await.is_err());
    plane.truth.lock().answers = true;
    eventually("not run", || matches!(plane.truth.lock().approvals[&held.id].state, State::NotRun { .. }))
        .await;
}

#[tokio::test]
async fn i1_once_a_redeem_in_flight_when_its_start_is_lost_is_disowned_by_the_next_start() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let mut options = nodes.options();
    options.call_time_max = Duration::from_millis(100);
    let link = nodes.link(options.clone());
    let ports = link.ready(None).await;
    let held = ports.approvals.hold(words::hold_request(1)).await.unwrap();
    plane.truth.lock().answers = false;
    assert!(ports.approvals.redeem(redeem(&ports, &held)).await.is_err());
    plane.lose(link.node());
    let mut orders = link.orders();
    orders.wait_for(|order| matches!(order, Order::Lost(_))).await.unwrap();
    plane.give_up(held.id);
    assert!(matches!(plane.truth.lock().approvals[&held.id].state, State::InDoubt { .. }));
    plane.truth.lock().answers = true;
    let _next = start(options, link.unfinished());
    eventually("not run", || matches!(plane.truth.lock().approvals[&held.id].state, State::NotRun { .. }))
        .await;
}

#[tokio::test]
async fn a_redeem_that_was_never_put_on_a_link_costs_nobody_their_approval() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let mut options = nodes.options();
    options.call_time_max = Duration::from_millis(100);
    let link = nodes.link(options);
    let ports = link.ready(None).await;
    let held = ports.approvals.hold(words::hold_request(1)).await.unwrap();
    plane.truth.lock().open = false;
    plane.break_links();
    eventually("the link is down", || !link.is_linked()).await;
    let hellos = plane.truth.lock().hellos.len();
    assert!(ports.approvals.redeem(redeem(&ports, &held)).await.is_err());
    plane.truth.lock().open = true;
    eventually("linked again", || plane.truth.lock().hellos.len() > hellos).await;
    let redeemed = ports.approvals.redeem(redeem(&ports, &held)).await.unwrap();
    assert!(matches!(redeemed.state, State::Redeemed { .. }));
    assert_eq!(plane.truth.lock().redeemed[&held.id], 1);
}

#[tokio::test]
async fn a_report_is_kept_until_it_is_delivered() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 2).await;
    let mut options = nodes.options();
    options.call_time_max = Duration::from_millis(100);
    let link = nodes.link(options);
    let ports = link.ready(None).await;
    let held = ports.approvals.hold(words::hold_request(1)).await.unwrap();
    let redeemed = ports.approvals.redeem(redeem(&ports, &held)).await.unwrap();
    let State::Redeemed { fence, .. } = redeemed.state else { panic!() };
    plane.truth.lock().open = false;
    plane.break_links();
    ports.approvals.report(held.id, fence, Testimony::Ended(Outcome::Completed)).await;
    assert!(matches!(plane.truth.lock().approvals[&held.id].state, State::Redeemed { .. }));
    plane.truth.lock().open = true;
    eventually("done", || matches!(plane.truth.lock().approvals[&held.id].state, State::Done { .. })).await;
}
