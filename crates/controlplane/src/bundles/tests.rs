//! What is stored, and what becomes of it at the next start.

use std::sync::Arc;

use super::Files;
use crate::ControlPlane;
use crate::approvals::ApprovalError;
use crate::store::Transaction;
use crate::testing::{Scratch, agent, bundle, options, request, subject};

/// Puts other files in the place of those of the current bundle.
async fn files_become(scratch: &Scratch, files: &Files) {
    let store = scratch.control.store();
    let page = store.range(super::FILES, None, 2).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    let swapped = Transaction::new().put(&page.entries[0].key, crate::encode(files));
    store.transact(swapped).await.unwrap();
}

#[tokio::test]
async fn i8_closed_a_stored_bundle_that_is_none_judges_nothing_and_another_can_be_applied() {
    for strange in ["is no policy here", "allow"] {
        let scratch = Scratch::new().await;
        let session = scratch.session(&agent()).await;
        // One that does not compile any more, and files that are not those of the version.
        files_become(&scratch, &bundle(strange)).await;
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::clone(scratch.control.store());
        let later = ControlPlane::over(store, options(dir.path(), &scratch.clock)).await.unwrap();
        assert!(later.bundles().current().is_none(), "{strange}");
        let refused = later.approvals().hold(request(&session, "DELETE FROM carts")).await;
        assert!(matches!(refused, Err(ApprovalError::NoBundle)), "{strange}: {refused:?}");
        later.apply_bundle(bundle("hold dba 1"), &subject("operator")).await.unwrap();
        later.approvals().hold(request(&session, "DELETE FROM carts")).await.unwrap();
    }
}
