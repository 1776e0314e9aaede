//! Tests of joining and renewal against a scripted authority over real TLS.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod authority;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::Digest;
use countersign_common::time::{Clock as _, ManualClock, SystemClock};
use countersign_gateway::identity::{Identity, IdentityError, IdentityOptions, JoinToken};

use crate::authority::{Authority, LIFE};

fn options(state: &Path, authority: &Authority, digest: Digest) -> IdentityOptions {
    let token: JoinToken = format!("csj_s3cret.{digest}").parse().unwrap();
    IdentityOptions {
        state: state.to_owned(),
        name: "gateway-1".into(),
        control_planes: vec![authority.address.to_string()],
        token: Some(token),
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemClock.now()))
}

fn keys(state: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(state).unwrap().map(|entry| entry.unwrap().path());
    let keys = entries.filter(|path| path.extension().is_some_and(|extension| extension == "key"));
    keys.map(|path| std::fs::read(path).unwrap()).collect()
}

#[tokio::test]
async fn a_gateway_joins_once_and_is_somebody_from_then_on() {
    let (authority, dir) = (Authority::start().await, tempfile::tempdir().unwrap());
    let state = dir.path().join("state");
    let mut options = options(&state, &authority, authority.digest());
    Identity::open(options.clone(), clock()).await.unwrap();
    assert_eq!(authority.joined(), [("csj_s3cret".to_owned(), "gateway-1".to_owned())]);
    // The token is no longer needed, and not used.
    options.token = None;
    Identity::open(options, clock()).await.unwrap();
    assert_eq!(authority.joined().len(), 1);
    assert_eq!(std::fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            path.display()
        );
    }
}

#[tokio::test]
async fn a_token_is_not_shown_to_another_authority_than_the_one_it_names() {
    let (authority, dir) = (Authority::start().await, tempfile::tempdir().unwrap());
    let other = options(dir.path(), &authority, Digest::of(b"another authority"));
    let refused = Identity::open(other, clock()).await.unwrap_err();
    assert!(matches!(refused, IdentityError::OtherAuthority { .. }), "{refused}");
    assert!(authority.joined().is_empty());
}

#[tokio::test]
async fn a_join_whose_answer_was_lost_is_repeated_with_the_same_key() {
    let (authority, dir) = (Authority::start().await, tempfile::tempdir().unwrap());
    let options = options(dir.path(), &authority, authority.digest());
    authority.lose_answers(true);
    let lost = Identity::open(options.clone(), clock()).await.unwrap_err();
    assert!(matches!(lost, IdentityError::Unreached { .. }), "{lost}");
    authority.lose_answers(false);
    Identity::open(options, clock()).await.unwrap();
    let requests = authority.keys();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
}

#[tokio::test]
async fn the_certificate_is_renewed_with_another_key_when_two_thirds_of_its_life_are_over() {
    let (authority, dir) = (Authority::start().await, tempfile::tempdir().unwrap());
    let clock = clock();
    let identity =
        Identity::open(options(dir.path(), &authority, authority.digest()), Arc::clone(&clock) as _)
            .await
            .unwrap();
    let mut credentials = identity.credentials();
    let before = keys(dir.path());
    identity.look().await.unwrap();
    assert_eq!(authority.renewed(), 0, "it is not time yet");
    clock.advance(LIFE * 2 / 3 + Duration::from_secs(5));
    identity.look().await.unwrap();
    assert_eq!(authority.renewed(), 1);
    assert!(credentials.has_changed().unwrap());
    credentials.mark_unchanged();
    let after = keys(dir.path());
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before, after);
}

#[tokio::test]
async fn without_a_good_certificate_and_without_a_token_a_gateway_is_nobody() {
    let (authority, dir) = (Authority::start().await, tempfile::tempdir().unwrap());
    let mut options = options(dir.path(), &authority, authority.digest());
    let clock = clock();
    Identity::open(options.clone(), Arc::clone(&clock) as _).await.unwrap();
    options.token = None;
    clock.advance(LIFE * 2);
    let refused = Identity::open(options, clock).await.unwrap_err();
    assert!(matches!(refused, IdentityError::NoToken), "{refused}");
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_not_renewed_and_the_next_start_joins_with_a_token_that_still_works()
{
    let (authority, dir) = (Authority::start().await, tempfile::tempdir().unwrap());
    let (options, clock) = (options(dir.path(), &authority, authority.digest()), clock());
    let identity = Identity::open(options.clone(), Arc::clone(&clock) as _).await.unwrap();
    clock.advance(LIFE);
    for _ in 0..2 {
        let ended = identity.look().await.unwrap_err();
        assert!(matches!(ended, IdentityError::Ended), "{ended}");
    }
    assert_eq!((authority.renewed(), authority.joined().len()), (0, 1));
    drop(identity);
    Identity::open(options, clock).await.unwrap();
    assert_eq!((authority.renewed(), authority.joined().len()), (0, 2));
}
