//! The catalogue that a held command rests on is uploaded when it is wanted, and once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use countersign_common::Digest;
use countersign_lifecycle::ports::{HeldCatalogue, HoldRequest};

use crate::plane::Plane;
use crate::stage::Nodes;
use crate::words;

/// A catalogue that counts how often it is compressed.
#[derive(Debug, Default)]
struct Counted(AtomicU32);

impl HeldCatalogue for Counted {
    fn digest(&self) -> Digest {
        Digest::of(b"catalogue")
    }

    fn compressed(&self) -> Vec<u8> {
        self.0.fetch_add(1, Ordering::SeqCst);
        b"compressed".to_vec()
    }
}

fn request(number: usize, catalogue: &Arc<Counted>) -> HoldRequest {
    HoldRequest { catalogue: Some(Arc::clone(catalogue) as _), ..words::hold_request(number) }
}

#[tokio::test]
async fn a_catalogue_is_uploaded_when_it_is_wanted_and_once_for_all_that_wait() {
    let plane = Plane::new(1);
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    let catalogue = Arc::new(Counted::default());
    let all = (0..8).map(|number| ports.approvals.hold(request(number, &catalogue)));
    for held in futures::future::join_all(all).await {
        held.unwrap();
    }
    assert_eq!(catalogue.0.load(Ordering::SeqCst), 1);
    let truth = plane.truth.lock();
    assert_eq!(truth.catalogues.values().collect::<Vec<_>>(), [b"compressed"]);
    assert!(truth.holds.iter().all(|hold| !hold.catalogue_refused));
}

#[tokio::test]
async fn where_a_catalogue_is_not_taken_the_command_is_held_without_it() {
    let plane = Plane::new(1);
    plane.truth.lock().refuses_catalogues = true;
    let nodes = Nodes::start(&plane, 1).await;
    let link = nodes.link(nodes.options());
    let ports = link.ready(None).await;
    ports.approvals.hold(request(1, &Arc::default())).await.unwrap();
    let truth = plane.truth.lock();
    let refused: Vec<bool> = truth.holds.iter().map(|hold| hold.catalogue_refused).collect();
    assert_eq!(refused, [false, false, true]);
    assert!(truth.holds.iter().all(|hold| hold.catalogue_digest == Digest::of(b"catalogue").as_bytes()));
}
