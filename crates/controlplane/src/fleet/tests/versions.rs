//! Two versions side by side: what one writes, the other reads, or refuses.

use std::collections::BTreeMap;

use countersign_api::v1;
use countersign_api::v1::gateway_frame::Frame as FromGateway;
use countersign_common::id::{AttemptId, NodeId};
use serde_json::{Map, Value, json};

use super::bed::{Bed, Running, eventually};
use super::commands::{approved, completed, redeem, report};
use super::gateway::{Linked, Member, token};
use crate::sessions::What;
use crate::store::{Change, Entry, Revision, Store, Transaction, range_all};
use crate::testing::{agent, bundle, human, subject};

/// What has no place for notes: texts that a digest is over, files of bundles, and values that are no records.
const NO_RECORDS: [&str; 5] =
    ["/cs/commands/", "/cs/bundle/files/", "/cs/leases/", "/cs/lost/", "/cs/checkpoints/"];

/// The records in the store.
async fn records(store: &dyn Store) -> Vec<(Entry, Map<String, Value>)> {
    let mut found = Vec::new();
    for entry in range_all(store, "/cs/").await.unwrap().0 {
        let is_record = !NO_RECORDS.iter().any(|prefix| entry.key.starts_with(prefix));
        if is_record && let Ok(Value::Object(record)) = serde_json::from_slice(&entry.value) {
            found.push((entry, record));
        }
    }
    found
}

/// A node with one of everything in its store, and the gateway that has redeemed something.
async fn one_of_everything(
    bed: &mut Bed,
) -> (Running, Member, Linked, countersign_common::approval::Approval) {
    let node = bed.node().await;
    let by = subject("operator");
    let member = Member::join(&node, "gateway-1").await;
    let mut link = member.link(&node).await;
    let other = Member::join(&node, "gateway-2").await;
    other.link(&node).await;
    node.fleet.revoke("gateway-2", &by, "stolen").await.unwrap();
    token(&node).await;
    let control = &node.scratch.control;
    let bob = control.sessions().issue(crate::testing::order(&human("bob", &["dba"]))).await.unwrap();
    control.revoke(&What::Token(bob.id), &by, "lost").await.unwrap();
    control.revoke(&What::Subject(subject("carol")), &by, "left").await.unwrap();
    control.apply_bundle(bundle("hold dba 1 "), &by).await.unwrap();
    let session = node.scratch.session(&agent()).await;
    let approval = approved(&node, &mut link, &session, "DELETE FROM carts").await;
    let redeemed = link.approval(redeem(&approval, AttemptId::generate(), "xid:749")).await;
    let ended = node.scratch.session(&agent()).await;
    control.revoke(&What::Session(ended.id), &by, "").await.unwrap();
    (node, member, link, redeemed)
}

#[tokio::test]
async fn what_a_later_version_notes_in_a_record_is_passed_over_and_kept() {
    let mut bed = Bed::new().await;
    let (first, member, mut link, redeemed) = one_of_everything(&mut bed).await;
    let notes = json!({ "later": { "n": 1 } });
    let store = std::sync::Arc::clone(&bed.store);
    for (entry, mut record) in records(&*store).await {
        record.insert("also".into(), notes.clone());
        let noted = Transaction::new().put_under(entry.lease, &entry.key, crate::encode(&record));
        store.transact(noted).await.unwrap();
    }
    // A node of this version starts on it, and the one that ran goes on; each rewrites some.
    let second = bed.node().await;
    let control = &second.scratch.control;
    assert_eq!(control.approvals().list_going_on().0.len(), 1);
    assert_eq!(second.fleet.list_revoked().len(), 1);
    assert_eq!(control.audit().events(10).await.unwrap().len(), 1);
    assert_eq!(second.fleet.list_join_tokens().await.unwrap().len(), 3);
    control.approvals().details(redeemed.id).await.unwrap();
    let done = link.approval(report(&redeemed, completed())).await;
    assert_eq!(done.state.as_str(), "done");
    let session = redeemed.session;
    control.revoke(&What::Session(session), &subject("operator"), "enough").await.unwrap();
    let id = link.id;
    let _moved = member.link_as(&second, id).await;
    eventually("its record says so", async || {
        second.node(id).is_some_and(|node| node.gateway().is_some_and(|one| one.linked_to == control.node()))
    })
    .await;
    let rewritten = ["/cs/approvals/", "/cs/sessions/", "/cs/nodes/gateway/"];
    for (entry, record) in records(&*store).await {
        let is_rewritten = rewritten.iter().any(|prefix| entry.key.starts_with(prefix));
        if is_rewritten {
            assert_eq!(record.get("also"), Some(&notes), "{}", entry.key);
        }
    }
    drop(first);
}

#[tokio::test]
async fn what_a_later_version_says_anywhere_else_is_refused() {
    let mut bed = Bed::new().await;
    let (node, _, _, redeemed) = one_of_everything(&mut bed).await;
    let control = &node.scratch.control;
    for (entry, mut record) in records(&*bed.store).await {
        record.insert("later".into(), json!(1));
        let modified = Revision(entry.modified.0 + 1);
        let strange = Entry { value: crate::encode(&record), modified, ..entry };
        let change = Change::Put(strange.clone());
        let taken = control.sessions().apply(&change).and_then(|()| control.approvals().apply(&change));
        let is_followed = ["/cs/tokens/", "/cs/sessions/", "/cs/revocations/", "/cs/approvals/"]
            .iter()
            .any(|prefix| strange.key.starts_with(prefix));
        assert_eq!(taken.is_err(), is_followed, "{}", strange.key);
    }
    // Inside of it, too.
    let key = format!("/cs/approvals/{}/{}", crate::bucket(&redeemed.id.to_bytes()), redeemed.id);
    let stands = bed.store.get(&key).await.unwrap().unwrap();
    for path in
        ["/approval", "/approval/state", "/approval/terms", "/approval/decisions/0", "/approval/requester"]
    {
        let mut record: Value = serde_json::from_slice(&stands.value).unwrap();
        let inside = record.pointer_mut(path).and_then(Value::as_object_mut).expect(path);
        inside.insert("later".into(), json!(1));
        let change = Change::Put(Entry { value: crate::encode(&record), ..stands.clone() });
        assert!(control.approvals().apply(&change).is_err(), "{path}");
    }
}

/// The words of a record and what stands under them, without what differs from time to time.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(items) => Value::Array(items.first().map(shape).into_iter().collect()),
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
    }
}

/// A change here is a change of what versions write to each other: see `docs/decisions/0015-versions-side-by-side.md`.
#[tokio::test]
async fn the_shapes_of_what_is_stored_change_with_intent_only() {
    let mut bed = Bed::new().await;
    let (_node, ..) = one_of_everything(&mut bed).await;
    let mut shapes: BTreeMap<String, Value> = BTreeMap::new();
    for (entry, record) in records(&*bed.store).await {
        let parts: Vec<&str> = entry.key.split('/').collect();
        // What there are several of, with and without what may be missing, is one.
        let kind = parts.iter().skip(2).take(if parts.get(2) == Some(&"nodes") { 2 } else { 1 });
        let kind = kind.copied().collect::<Vec<_>>().join("/");
        let known = shapes.entry(kind).or_insert_with(|| json!({}));
        merge(known, shape(&Value::Object(record)));
    }
    let found: String = shapes.iter().map(|(kind, shape)| format!("{kind} {shape}\n")).collect();
    assert_eq!(found, include_str!("stored.txt"), "found:\n{found}");
}

fn merge(known: &mut Value, more: Value) {
    match (known, more) {
        (Value::Object(known), Value::Object(more)) => {
            for (name, value) in more {
                merge(known.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(known), Value::Array(more)) if known.is_empty() => *known = more,
        (known, more) if known.is_null() || *known == json!("null") => *known = more,
        _ => {}
    }
}

#[tokio::test]
async fn a_gateway_that_speaks_an_older_language_than_the_release_before_is_not_taken_in() {
    let mut bed = Bed::new().await;
    let node = bed.node().await;
    let member = Member::join(&node, "gateway-1").await;
    let hello = |speaks| v1::Hello {
        node: NodeId::generate().to_string(),
        speaks,
        // What it says of itself is shown to people.
        software_version: format!("1.0\u{1b}[2J{}", "x".repeat(1000)),
        bundle_version: "\u{1b}]0;".into(),
        ..v1::Hello::default()
    };
    let refused = member.open_with(&node, hello(0)).await.err().unwrap();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused}");
    let later = member.open_with(&node, hello(countersign_api::LINK_SPEAKS + 1)).await.unwrap();
    eventually("it is there", async || node.node(later.id).is_some()).await;
    let shown = node.node(later.id).unwrap();
    assert!(shown.software.starts_with("1.0[2J") && shown.software.len() == 64, "{}", shown.software);
    assert_eq!(shown.gateway().unwrap().bundle, None);
    let taken = v1::BundleTaken { version: "\u{1b}]0;".into(), fault: String::new() };
    later.send(FromGateway::BundleTaken(taken)).await;
    let draining = v1::Draining { draining: true };
    later.send(FromGateway::Draining(draining)).await;
    eventually("it drains", async || node.node(later.id).unwrap().gateway().unwrap().draining).await;
    assert_eq!(node.node(later.id).unwrap().gateway().unwrap().bundle, None);
}
