//! What is kept of catalogues, for how long, and how much of it.

use std::sync::Arc;
use std::time::Duration;

use countersign_common::facts_basis::CatalogueStanding;
use countersign_common::time::Clock as _;
use countersign_lifecycle::ports::HeldCatalogue as _;
use countersign_postgres::facts::CatalogueCopy;
use countersign_sql::Catalogue;

use super::record::{KNOWN, Known};
use super::{Catalogues, Claim, TakeError};
use crate::store::range_all;
use crate::testing::{Scratch, target};

/// A catalogue with one relation of this name.
fn copy(name: &str) -> CatalogueCopy {
    let mut rows = vec![Vec::new(); 15];
    let cells = ["20001", "public", name, "r", "1", "2200", "p", "f"].map(|cell| Some(cell.to_owned()));
    rows[0].push(cells.into_iter().chain([None]).collect());
    CatalogueCopy::of(&target("shop"), "app", Arc::new(Catalogue::from_rows(&rows).unwrap()))
}

async fn standing(catalogues: &Catalogues, gateway: &str, copy: &CatalogueCopy) -> Option<CatalogueStanding> {
    let shop = target("shop");
    let claim = Claim { gateway, target: &shop, database: "app", digest: copy.digest() };
    catalogues.find(&claim).await.unwrap().map(|(_, standing)| standing)
}

async fn take(catalogues: &Catalogues, gateway: &str, copy: &CatalogueCopy) -> Result<(), TakeError> {
    let shop = target("shop");
    let claim = Claim { gateway, target: &shop, database: "app", digest: copy.digest() };
    catalogues.take(&claim, copy.compressed()).await
}

async fn known(scratch: &Scratch) -> Vec<Known> {
    let (entries, _) = range_all(&**scratch.control.store(), KNOWN).await.unwrap();
    entries.iter().map(|entry| crate::decode(entry).unwrap()).collect()
}

#[tokio::test]
async fn the_word_of_another_gateway_counts_for_an_hour() {
    let scratch = Scratch::new().await;
    let (catalogues, one) = (scratch.control.catalogues(), copy("t"));
    assert_eq!(standing(catalogues, "a", &one).await, None);
    take(catalogues, "a", &one).await.unwrap();
    take(catalogues, "a", &one).await.unwrap();
    assert_eq!(known(&scratch).await.len(), 1, "stored once");
    assert_eq!(standing(catalogues, "a", &one).await, Some(CatalogueStanding::Claimed));
    assert_eq!(standing(catalogues, "b", &one).await, Some(CatalogueStanding::Agreed));
    assert_eq!(standing(catalogues, "a", &one).await, Some(CatalogueStanding::Agreed));
    scratch.clock.advance(Duration::from_secs(3601));
    // The definitions have changed long ago, and only one gateway still says so.
    assert_eq!(standing(catalogues, "a", &one).await, Some(CatalogueStanding::Claimed));
    // Of another database it is none.
    let shop = target("shop");
    let elsewhere = Claim { gateway: "a", target: &shop, database: "other", digest: one.digest() };
    assert!(catalogues.find(&elsewhere).await.unwrap().is_none());
    let taken = catalogues.take(&elsewhere, one.compressed()).await;
    assert!(matches!(taken, Err(TakeError::Copy(_))), "{taken:?}");
    assert!(known(&scratch).await.iter().all(|known| known.database == "app"));
}

#[tokio::test]
async fn what_nothing_was_held_by_for_a_day_is_swept_with_its_content() {
    let scratch = Scratch::new().await;
    let (catalogues, one, two) = (scratch.control.catalogues(), copy("t"), copy("u"));
    take(catalogues, "a", &one).await.unwrap();
    scratch.clock.advance(Duration::from_secs(20 * 3600));
    take(catalogues, "a", &two).await.unwrap();
    assert_eq!(catalogues.sweep().await.unwrap(), 0);
    scratch.clock.advance(Duration::from_secs(5 * 3600));
    assert_eq!(catalogues.sweep().await.unwrap(), 1);
    assert_eq!(standing(catalogues, "a", &one).await, None);
    assert!(standing(catalogues, "a", &two).await.is_some());
    scratch.clock.advance(Duration::from_secs(2 * 3600));
    crate::content::sweep(&**scratch.control.store(), scratch.clock.now()).await.unwrap();
    let (content, _) = range_all(&**scratch.control.store(), "/cs/catalogues/content/").await.unwrap();
    assert_eq!(content.len(), 1, "the content of the other one");
}

/// Bytes that do not compress.
fn noise(seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..12_000).map(|_| random.alphanumeric()).collect()
}

#[tokio::test]
async fn a_gateway_that_uploads_without_end_is_refused_and_the_others_are_not() {
    let scratch = Scratch::new().await;
    let catalogues = scratch.control.catalogues();
    let shop = target("shop");
    let mut refused = 0;
    for round in 0..10_u64 {
        let digest = countersign_common::Digest::of(&round.to_be_bytes());
        let claim = Claim { gateway: "a", target: &shop, database: "app", digest };
        // Nothing of the kind, and counted all the same.
        match catalogues.take(&claim, vec![7; 8 << 20]).await {
            Err(TakeError::Copy(_)) => {}
            Err(TakeError::TooMany) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 2);
    assert!(matches!(take(catalogues, "a", &copy("t")).await, Err(TakeError::TooMany)));
    take(catalogues, "b", &copy("t")).await.unwrap();
    scratch.clock.advance(Duration::from_secs(601));
    take(catalogues, "a", &copy(&noise(1))).await.unwrap();
}

#[tokio::test]
async fn a_stored_catalogue_that_was_tampered_with_is_none() {
    let scratch = Scratch::new().await;
    let one = copy("t");
    take(scratch.control.catalogues(), "a", &one).await.unwrap();
    let store = scratch.control.store();
    let (content, _) = range_all(&**store, "/cs/catalogues/content/").await.unwrap();
    let forged = copy("forged").compressed();
    store.transact(crate::store::Transaction::new().put(&content[0].key, forged)).await.unwrap();
    // A node that has not read it before.
    let other = scratch.beside().await;
    assert_eq!(standing(other.control.catalogues(), "a", &one).await, None);
    take(other.control.catalogues(), "a", &one).await.unwrap();
    assert!(standing(other.control.catalogues(), "a", &one).await.is_some());
    let third = scratch.beside().await;
    assert!(standing(third.control.catalogues(), "a", &one).await.is_some());
}
