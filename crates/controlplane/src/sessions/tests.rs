//! Tokens and sessions: joined, expired, revoked.

use std::sync::Arc;
use std::time::Duration;

use countersign_common::approval::Rejection;
use countersign_common::error::Report as _;
use countersign_common::{Digest, Secret};

use super::{IssueError, REVOCATIONS, Revocation, SESSIONS, SessionRefused, TOKENS, What, record};
use crate::approvals::ApprovalError;
use crate::store::{Change, Transaction};
use crate::testing::{Scratch, agent, bundle, human, order, subject, target};

#[tokio::test]
async fn a_token_is_shown_once_and_only_its_hash_is_on_disk() {
    let scratch = Scratch::new().await;
    let token = scratch.token(&agent()).await;
    assert!(token.expose().starts_with("cst_") && token.expose().len() == 4 + 64);
    scratch.session(&agent()).await;
    let bytes = std::fs::read(scratch.dir.path().join("control.redb")).unwrap();
    let secret = token.expose().strip_prefix("cst_").unwrap().as_bytes();
    assert!(!bytes.windows(secret.len()).any(|window| window == secret));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_token_at_the_same_target_is_one_session_on_every_connection() {
    let scratch = Scratch::new().await;
    let token = scratch.token(&agent()).await;
    let opened = (0..20).map(|_| {
        let (sessions, token) = (Arc::clone(scratch.control.sessions()), token.clone());
        tokio::spawn(async move { sessions.open_session(&token, &target("shop")).await.unwrap().id })
    });
    let ids: std::collections::BTreeSet<_> =
        futures::future::join_all(opened).await.into_iter().map(|id| id.unwrap()).collect();
    assert_eq!(ids.len(), 1);
    let sessions = scratch.control.sessions();
    let elsewhere = sessions.open_session(&token, &target("billing")).await.unwrap();
    assert!(!ids.contains(&elsewhere.id));
    let scratch = { scratch }.restart().await;
    let again = scratch.control.sessions().open_session(&token, &target("shop")).await.unwrap();
    assert!(ids.contains(&again.id), "also after a restart");
}

#[tokio::test]
async fn unknown_expired_and_revoked_tokens_read_the_same_to_the_client() {
    let scratch = Scratch::new().await;
    let sessions = scratch.control.sessions();
    let unknown = sessions.authenticate(&Secret::new("cst_00".into())).unwrap_err();
    let mut short = order(&agent());
    short.ttl = Duration::from_secs(5);
    let short = sessions.issue(short).await.unwrap().secret;
    let stolen = sessions.issue(order(&agent())).await.unwrap();
    sessions.revoke(&What::Token(stolen.id), &subject("operator"), "stolen").await.unwrap();
    sessions.authenticate(&short).unwrap();
    scratch.clock.advance(Duration::from_secs(5));
    let expired = sessions.authenticate(&short).unwrap_err();
    let revoked = sessions.authenticate(&stolen.secret).unwrap_err();
    assert!(matches!(unknown, SessionRefused::UnknownToken));
    assert!(matches!(expired, SessionRefused::Expired { .. }));
    assert!(matches!(revoked, SessionRefused::Revoked { .. }));
    let seen: std::collections::BTreeSet<_> =
        [unknown, expired, revoked].iter().map(|e| format!("{} {}", e.code(), e.client_text())).collect();
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[tokio::test]
async fn a_token_for_one_target_opens_no_other() {
    let scratch = Scratch::new().await;
    let mut bound = order(&agent());
    bound.target = Some(target("shop"));
    let sessions = scratch.control.sessions();
    let token = sessions.issue(bound).await.unwrap().secret;
    sessions.open_session(&token, &target("shop")).await.unwrap();
    let refused = sessions.open_session(&token, &target("billing")).await;
    assert!(matches!(refused, Err(SessionRefused::OtherTarget { .. })));
}

#[tokio::test]
async fn a_revocation_holds_at_once_reaches_listeners_and_lasts() {
    let scratch = Scratch::new().await;
    let sessions = scratch.control.sessions();
    let token = scratch.token(&agent()).await;
    let session = sessions.open_session(&token, &target("shop")).await.unwrap();
    let mut revocations = sessions.watch_revocations();
    sessions.revoke(&What::Session(session.id), &subject("operator"), "why").await.unwrap();
    assert!(matches!(sessions.check(session.id), Err(SessionRefused::Revoked { .. })));
    assert_eq!(revocations.next().await, Some(Revocation::Session(session.id)));
    // The same token opens no new session at this target, but others.
    assert!(sessions.open_session(&token, &target("shop")).await.is_err());
    sessions.open_session(&token, &target("billing")).await.unwrap();
    let scratch = { scratch }.restart().await;
    assert!(scratch.control.sessions().open_session(&token, &target("shop")).await.is_err());
}

#[tokio::test]
async fn the_stop_button_ends_everything_on_behalf_of_a_subject_until_a_new_token() {
    let scratch = Scratch::new().await;
    let sessions = scratch.control.sessions();
    let (token, other) = (scratch.token(&agent()).await, scratch.token(&human("bob", &[])).await);
    let session = sessions.open_session(&token, &target("shop")).await.unwrap();
    // agent-7 acts on behalf of alice: stopping alice stops it.
    sessions.revoke(&What::Subject(subject("alice")), &subject("operator"), "stop").await.unwrap();
    assert!(sessions.authenticate(&token).is_err());
    assert!(matches!(sessions.check(session.id), Err(SessionRefused::Revoked { .. })));
    sessions.authenticate(&other).unwrap();
    scratch.clock.advance(Duration::from_secs(1));
    let new = scratch.token(&agent()).await;
    sessions.authenticate(&new).unwrap();
    assert!(sessions.authenticate(&token).is_err());
}

#[tokio::test]
async fn records_are_swept_a_week_after_they_expired_and_not_before() {
    let scratch = Scratch::new().await;
    let token = scratch.token(&agent()).await;
    let session = scratch.control.sessions().open_session(&token, &target("shop")).await.unwrap();
    scratch.clock.advance(Duration::from_secs(2 * 86_400));
    assert_eq!(scratch.control.sessions().sweep().await.unwrap(), 0);
    assert!(scratch.control.sessions().get(session.id).is_some());
    scratch.clock.advance(Duration::from_secs(7 * 86_400));
    // The token, its session twice, and four names by both of their skeletons.
    assert_eq!(scratch.control.sessions().sweep().await.unwrap(), 11);
    assert!(scratch.control.sessions().get(session.id).is_none());
    assert!(matches!(scratch.control.sessions().authenticate(&token), Err(SessionRefused::UnknownToken)));
}

#[tokio::test]
async fn a_stop_button_goes_when_nothing_is_left_that_it_stops() {
    let scratch = Scratch::new().await;
    let sessions = scratch.control.sessions();
    let mark = || async { scratch.control.store().get("/cs/revocations/alice").await.unwrap() };
    let token = scratch.token(&agent()).await;
    scratch.clock.advance(Duration::from_secs(1));
    let alice = What::Subject(subject("alice"));
    sessions.revoke(&alice, &subject("operator"), "she left").await.unwrap();
    // The token that the agent has on her behalf lives for a day, and is remembered for a week more.
    scratch.clock.advance(Duration::from_secs(7 * 86_400));
    sessions.sweep().await.unwrap();
    assert!(mark().await.is_some());
    assert!(matches!(sessions.authenticate(&token), Err(SessionRefused::Revoked { .. })));
    scratch.clock.advance(Duration::from_secs(86_400));
    sessions.sweep().await.unwrap();
    sessions.sweep().await.unwrap();
    assert!(mark().await.is_none());
    assert!(matches!(sessions.authenticate(&token), Err(SessionRefused::UnknownToken)));
}

#[tokio::test]
async fn a_token_that_never_or_hardly_lives_is_not_issued() {
    let scratch = Scratch::new().await;
    for ttl in [Duration::ZERO, Duration::from_secs(100 * 365 * 86_400)] {
        let mut order = order(&agent());
        order.ttl = ttl;
        let refused = scratch.control.sessions().issue(order).await;
        assert!(matches!(refused, Err(IssueError::Lifetime { .. })));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_operators_token_is_made_once_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let scratch = Scratch::new().await;
    let path = scratch.control.operator_token().to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let token = std::fs::read_to_string(&path).unwrap();
    let caller = scratch.control.sessions().authenticate(&Secret::new(token.trim().into())).unwrap();
    assert_eq!(caller.principal.subject, subject("operator"));
    let scratch = scratch.restart().await;
    assert_eq!(std::fs::read_to_string(scratch.control.operator_token()).unwrap(), token);
}

/// Writes something over a record that this version does not know, and tells of it, as another node would.
async fn written_by_a_later_version(scratch: &Scratch, key: &str) -> crate::store::StoreError {
    let store = scratch.control.store();
    store.transact(Transaction::new().put(key, r#"{"later":true}"#)).await.unwrap();
    let entry = store.get(key).await.unwrap().unwrap();
    scratch.control.sessions().apply(&Change::Put(entry)).unwrap_err()
}

#[tokio::test]
async fn i8_closed_what_a_record_says_that_cannot_be_read_may_be_that_access_was_taken_back() {
    for what in [TOKENS, SESSIONS, REVOCATIONS] {
        let scratch = Scratch::new().await;
        let sessions = scratch.control.sessions();
        let token = scratch.token(&agent()).await;
        let session = sessions.open_session(&token, &target("shop")).await.unwrap();
        let key = match what {
            TOKENS => format!("{TOKENS}{}", Digest::of(token.expose().as_bytes())),
            SESSIONS => record::session_key(session.id),
            _ => format!("{REVOCATIONS}alice"),
        };
        let mut revocations = sessions.watch_revocations();
        let error = written_by_a_later_version(&scratch, &key).await;
        assert!(matches!(error, crate::store::StoreError::BadValue { .. }), "{what}: {error}");
        assert!(matches!(sessions.check(session.id), Err(SessionRefused::Revoked { .. })), "{what}");
        assert!(sessions.open_session(&token, &target("shop")).await.is_err(), "{what}");
        assert_eq!(revocations.next().await, Some(Revocation::Session(session.id)), "{what}");
        let is_accepted = sessions.authenticate(&token).is_ok();
        assert_eq!(is_accepted, what == SESSIONS, "{what}");
        if what == TOKENS {
            // A node that begins now has never read the token, and knows the session all the same.
            let later = scratch.beside().await;
            assert!(later.control.sessions().check(session.id).is_err());
        }
        // Nobody else is shut out, and the control plane starts.
        let bob = scratch.token(&human("bob", &[])).await;
        let scratch = scratch.restart().await;
        scratch.control.sessions().authenticate(&bob).unwrap();
    }
}

#[tokio::test]
async fn the_stop_button_stops_what_was_issued_and_voted_by_a_clock_that_goes_before() {
    let scratch = Scratch::new().await;
    let fast = scratch.beside().await;
    fast.clock.advance(Duration::from_secs(40));
    let (sessions, operator) = (scratch.control.sessions(), subject("operator"));
    // One has a token by the other clock, one has voted by it: each has to be reached for itself.
    let carol = human("carol", &["dba"]);
    let carols = fast.token(&carol).await;
    let session = fast.session(&agent()).await;
    let held = fast.approved(&session, "DELETE FROM carts").await;
    sessions.reload().await.unwrap();
    scratch.control.approvals().look_up(held.approval.id).await.unwrap();
    for name in ["carol", "bob"] {
        scratch.control.revoke(&What::Subject(subject(name)), &operator, "left").await.unwrap();
    }
    assert!(sessions.authenticate(&carols).is_err(), "a token of the other clock");
    let refused = scratch.control.approvals().redeem(scratch.redeem(&session, &held)).await;
    assert!(matches!(refused, Err(ApprovalError::Rejected(Rejection::QuorumLost))), "{refused:?}");
    // What is issued after it holds, by whichever clock.
    let new = scratch.token(&carol).await;
    sessions.authenticate(&new).unwrap();
}

#[tokio::test]
async fn i4_separate_names_that_look_alike_cannot_both_exist() {
    let scratch = Scratch::new().await;
    let sessions = scratch.control.sessions();
    scratch.token(&human("alice", &["dba"])).await;
    for (name, group) in
        [("Alice", "dba"), ("\u{430}lice", "dba"), ("a1ice", "dba"), ("bob", "DBA"), ("bob", "db\u{430}")]
    {
        let refused = sessions.issue(order(&human(name, &[group]))).await;
        assert!(matches!(refused, Err(IssueError::LooksLike { .. })), "{name} {group}: {refused:?}");
    }
    let mut behalf = agent();
    behalf.on_behalf_of = vec![subject("ALICE")];
    assert!(matches!(sessions.issue(order(&behalf)).await, Err(IssueError::LooksLike { .. })));
    // The same names again, also in another encoding, and a subject that looks like a group.
    scratch.token(&human("\u{ff41}lice", &["dba"])).await;
    scratch.token(&human("dba", &["alice"])).await;
    let by = subject("operator");
    let refused = scratch.control.apply_bundle(bundle("hold db\u{430} 1"), &by).await.unwrap_err();
    assert!(refused.to_string().contains("group `db\\u{430}` looks like `dba`"), "{refused}");
    let beside = scratch.beside().await;
    let refused = beside.control.sessions().issue(order(&human("Alice", &[]))).await;
    let text = refused.unwrap_err().to_string();
    assert!(text.starts_with("subject `Alice` looks like `alice`, which is in use"), "{text}");
}

#[tokio::test]
async fn a_name_is_free_again_when_no_token_bears_it_any_more() {
    let scratch = Scratch::new().await;
    let sessions = scratch.control.sessions();
    scratch.token(&human("Carol", &[])).await;
    scratch.clock.advance(Duration::from_secs(2 * 86_400));
    sessions.sweep().await.unwrap();
    assert!(sessions.issue(order(&human("carol", &[]))).await.is_err(), "its token has expired, and is kept");
    scratch.clock.advance(Duration::from_secs(7 * 86_400));
    sessions.sweep().await.unwrap();
    sessions.issue(order(&human("carol", &[]))).await.unwrap();
}

#[tokio::test]
async fn a_row_of_issuers_is_bounded() {
    let scratch = Scratch::new().await;
    let mut order = order(&agent());
    order.issuers = (0..9).map(|number| subject(&format!("issuer-{number}"))).collect();
    assert!(matches!(scratch.control.sessions().issue(order).await, Err(IssueError::ManyIssuers { .. })));
}
