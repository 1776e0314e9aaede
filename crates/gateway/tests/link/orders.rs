//! Orders of the control plane: end sessions, move, drain, restart as a new incarnation.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use countersign_common::approval::{Outcome, State};
use countersign_common::command::Context;
use countersign_common::id::StreamId;
use countersign_gateway::link::{Connections, Order, Unfinished};
use countersign_lifecycle::ports::{Said, Stop, Testimony, stopped};
use countersign_recording::{Effect, Encoded, JournalError};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::plane::{Plane, leave};
use crate::stage::{Nodes, certified_for, eventually, start, start_with};
use crate::story::{redeem, shop, token};
use crate::words;

#[tokio::test]
async fn i3_no_means_no_a_session_that_was_ended_stops_its_connections() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    let mut admitted = ports.sessions.open(&token(), &shop()).await.unwrap();
    let session_ids = vec![words::SESSION.to_string()];
    plane.say(Frame::SessionsEnded(v1::SessionsEnded { session_ids, reason: "the stop button".into() }));
    let stop = stopped(&mut admitted.stop).await;
    assert_eq!(stop, Stop::Revoked("the stop button".into()));
    // A drain does not change that.
    link.drain();
    assert_eq!(*admitted.stop.borrow(), Stop::Revoked("the stop button".into()));
}

#[tokio::test]
async fn a_node_that_asks_to_leave_is_left_without_losing_a_call() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 2).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    plane.truth.lock().answers = false;
    let approvals = Arc::clone(&ports.approvals);
    let asked = tokio::spawn(async move { approvals.hold(words::hold_request(1)).await });
    eventually("asked", || !plane.truth.lock().approvals.is_empty()).await;
    plane.truth.lock().answers = true;
    plane.say(leave(false, false, "this node ends"));
    let held = asked.await.unwrap().unwrap();
    let truth = plane.truth.lock();
    assert_eq!(truth.approvals.len(), 1);
    assert!(truth.approvals.contains_key(&held.id));
    assert_eq!(truth.hellos.len(), 2);
}

#[tokio::test]
async fn a_link_that_ends_because_the_next_node_has_taken_over_does_not_undo_the_move() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 2).await;
    let link = nodes.link(nodes.options());
    link.ready(None).await;
    plane.truth.lock().supersedes = true;
    plane.say(leave(false, false, "this node ends"));
    eventually("it has moved", || plane.truth.lock().superseded == 1 && link.is_linked()).await;
    eventually("it is asked there", || plane.truth.lock().heard_on_link == 2).await;
    assert_eq!(plane.truth.lock().hellos.len(), 2, "it came again although it was there");
}

#[tokio::test]
async fn a_start_that_was_declared_lost_ends_its_connections_and_another_one_reports_for_it() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let mut options = nodes.options();
    options.call_time_max = Duration::from_millis(100);
    let link = nodes.link(options.clone());
    let ports = link.ready(None).await;
    let mut admitted = ports.sessions.open(&token(), &shop()).await.unwrap();
    let held = ports.approvals.hold(words::hold_request(1)).await.unwrap();
    let redeemed = ports.approvals.redeem(redeem(&ports, &held)).await.unwrap();
    let State::Redeemed { fence, .. } = redeemed.state else { panic!() };
    plane.truth.lock().open = false;
    plane.break_links();
    ports.approvals.report(held.id, fence, Testimony::Ended(Outcome::Completed)).await;
    plane.lose(link.node());
    plane.truth.lock().open = true;
    assert!(matches!(stopped(&mut admitted.stop).await, Stop::Revoked(_)));
    let mut orders = link.orders();
    let order = orders.wait_for(|order| *order != Order::None).await.unwrap().clone();
    assert!(matches!(order, Order::Lost(_)), "{order:?}");
    let line = b"line".as_slice();
    let hash = countersign_common::Digest::of(line);
    let record = Encoded { line, hash, stream: StreamId::from_u128(1), seq: 0, effect: Effect::Opens };
    assert_eq!(ports.journal.append(record), Err(JournalError::Closed));
    let next = start(options, link.unfinished());
    assert_ne!(next.node(), link.node());
    eventually("reported", || matches!(plane.truth.lock().approvals[&held.id].state, State::Done { .. }))
        .await;
}

#[tokio::test]
async fn a_gateway_that_drains_says_so_and_says_goodbye_when_everything_is_delivered() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    let mut admitted = ports.sessions.open(&token(), &shop()).await.unwrap();
    plane.say(leave(true, false, "an administrator asks"));
    let mut orders = link.orders();
    let order = orders.wait_for(|order| *order != Order::None).await.unwrap().clone();
    assert_eq!(order, Order::Drain("an administrator asks".into()));
    let line = b"last words".as_slice();
    let hash = countersign_common::Digest::of(line);
    let record = Encoded { line, hash, stream: StreamId::from_u128(1), seq: 0, effect: Effect::Closes };
    ports.journal.append(record).unwrap();
    link.drain();
    assert_eq!(stopped(&mut admitted.stop).await, Stop::Drain);
    link.close(Duration::from_secs(20)).await;
    let truth = plane.truth.lock();
    assert!(truth.draining);
    assert_eq!((truth.records.len(), truth.goodbyes, truth.hellos.len()), (1, 1, 1));
}

#[derive(Debug, Default)]
struct Here(Mutex<Vec<Vec<u8>>>);

#[async_trait]
impl Connections for Here {
    async fn cancel(&self, protocol: &str, key: &[u8]) {
        assert_eq!(protocol, "postgres");
        self.0.lock().push(key.to_vec());
    }

    async fn testify(&self, _: &Context, evidence: &str) -> Said {
        Said::Ran(format!("{evidence} is committed"))
    }
}

#[tokio::test]
async fn cancels_and_questions_about_commands_in_doubt_reach_the_connections() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    link.ready(None).await;
    let here = Arc::new(Here::default());
    link.serves(Arc::clone(&here) as _);
    // A node of an earlier version sends no id, and does not know the answer.
    for (id, key) in [(0, 7), (11, 8)] {
        plane.say(Frame::Cancel(v1::CancelPush { protocol: "postgres".into(), key: vec![key], id }));
    }
    eventually("carried out", || plane.truth.lock().carried == [11]).await;
    let mut keys = here.0.lock().clone();
    keys.sort();
    assert_eq!(keys, [vec![7], vec![8]]);
    let context = Some((&words::hold_request(1).context).into());
    let asked = v1::Testify { approval_id: "apr".into(), fence: 3, context, evidence: "xid:7".into() };
    plane.say(Frame::Testify(asked));
    eventually("testified", || !plane.truth.lock().testified.is_empty()).await;
    let testified = plane.truth.lock().testified[0].clone();
    assert_eq!(testified.ran, Some(v1::CommandRan::Yes.into()));
    assert_eq!((testified.fence, testified.reason.as_str()), (3, "xid:7 is committed"));
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_on_a_link_of_its_own_before_the_old_one_is_left() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let (renewed, credentials) = watch::channel(certified_for(Duration::from_secs(60)));
    let link = start_with(nodes.options(), credentials, Unfinished::default());
    let ports = link.ready(None).await;
    let admitted = ports.sessions.open(&token(), &shop()).await.unwrap();
    let hellos = || plane.truth.lock().hellos.len();
    assert_eq!(hellos(), 1);
    renewed.send_replace(certified_for(Duration::from_secs(3600)));
    eventually("it has come again", || hellos() == 2 && link.is_linked()).await;
    ports.approvals.hold(words::hold_request(1)).await.unwrap();
    assert_eq!(*admitted.stop.borrow(), Stop::None);
    let nodes = plane.truth.lock().hellos.iter().map(|hello| hello.node.clone()).collect::<Vec<_>>();
    assert_eq!(nodes, [link.node().to_string(), link.node().to_string()]);
}

#[tokio::test]
async fn i8_closed_nobody_is_heard_over_a_link_whose_certificate_has_ended() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let (_renewed, credentials) = watch::channel(certified_for(Duration::from_secs(5)));
    let link = start_with(nodes.options(), credentials, Unfinished::default());
    link.ready(None).await;
    assert!(link.is_linked());
    // The node itself would continue.
    plane.truth.lock().open = false;
    eventually("it is left", || !link.is_linked()).await;
}

#[tokio::test]
async fn a_gateway_that_was_shut_out_is_told_so_and_stays_out() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    let mut admitted = ports.sessions.open(&token(), &shop()).await.unwrap();
    let revoked = v1::Leave { lost: true, revoked: true, reason: "stolen".into(), ..v1::Leave::default() };
    plane.say(Frame::Leave(revoked));
    let mut orders = link.orders();
    let order = orders.wait_for(|order| *order != Order::None).await.unwrap().clone();
    assert_eq!(order, Order::Revoked("stolen".into()));
    assert!(matches!(stopped(&mut admitted.stop).await, Stop::Revoked(_)));
    assert_eq!(plane.truth.lock().hellos.len(), 1);
}
