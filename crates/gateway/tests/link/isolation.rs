//! I8: without a control plane that reaches its store nothing is judged, except where a target allows it.

use std::sync::Arc;
use std::time::Duration;

use countersign_common::facts::Action;
use countersign_common::id::{RoleName, TargetName};
use countersign_common::{Facts, Principal};
use countersign_lifecycle::ports::{Ports, Question, Ruling, Unavailable};

use crate::plane::Plane;
use crate::stage::{Nodes, eventually};
use crate::words;

fn judge(ports: &Ports, target: &str, action: Action) -> Result<Ruling, Unavailable> {
    judge_one(ports, target, action, !words::facts(action).is_plain_read())
}

fn judge_one(ports: &Ports, target: &str, action: Action, changes: bool) -> Result<Ruling, Unavailable> {
    let principal: Arc<Principal> = Arc::new(words::agent());
    let facts: Arc<Facts> = Arc::new(words::facts(action));
    let target = ports.directory.target(&TargetName::new(target).unwrap()).unwrap();
    let role = RoleName::new("app").unwrap();
    ports.judge.judge(&Question {
        principal: &principal,
        target: &target,
        role: &role,
        database: "shop",
        facts: &facts,
        changes,
        in_transaction: false,
    })
}

#[tokio::test]
async fn i8_closed_nothing_is_judged_once_the_bundle_lease_has_run_out() {
    let plane = Plane::new(1);
    plane.truth.lock().lease = Duration::from_secs(2);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    assert!(judge(&ports, "shop", Action::Select).is_ok());
    // The node still answers and keeps records, but does not reach its store.
    plane.truth.lock().alive = false;
    eventually("refused", || judge(&ports, "shop", Action::Select).is_err()).await;
    assert!(ports.judge.may_release().is_err(), "what waited is not let go either");
    assert!(judge(&ports, "shop", Action::Update).is_err());
    // This target allows plain reads to continue, and nothing else.
    assert!(judge(&ports, "lab", Action::Select).is_ok());
    assert!(judge(&ports, "lab", Action::Update).is_err());
    assert!(judge_one(&ports, "lab", Action::Transaction, false).is_ok());
    assert!(judge_one(&ports, "lab", Action::Transaction, true).is_err(), "the commit of what was written");
    plane.truth.lock().alive = true;
    eventually("judged again", || judge(&ports, "shop", Action::Update).is_ok()).await;
}

#[tokio::test]
async fn i8_closed_nothing_is_judged_while_the_clocks_differ() {
    let plane = Plane::new(1);
    plane.truth.lock().clock_ahead = Duration::from_secs(120);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    let refused = judge(&ports, "lab", Action::Select).unwrap_err();
    assert!(refused.0.contains("clock"), "{refused}");
    plane.truth.lock().clock_ahead = Duration::ZERO;
    plane.break_links();
    eventually("judged again", || judge(&ports, "lab", Action::Select).is_ok()).await;
}

#[tokio::test]
async fn a_bundle_that_does_not_validate_leaves_the_old_one_in_force() {
    use countersign_api::v1;
    use countersign_api::v1::control_frame::Frame;

    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    let files = [("p.cedar".to_owned(), b"permit nonsense".to_vec())].into();
    let bundle = Some(v1::BundleFiles { files });
    plane.say(Frame::Bundle(v1::BundlePush { version: "broken".into(), bundle }));
    eventually("said so", || plane.truth.lock().taken.iter().any(|taken| taken.version == "broken")).await;
    let taken = plane.truth.lock().taken.clone();
    assert!(!taken.last().unwrap().fault.is_empty());
    assert_eq!(ports.directory.bundle().as_str(), words::bundle().0);
    assert!(judge(&ports, "shop", Action::Select).is_ok());
}
