//! Tokens, sessions, and the errors of people who have none.

mod support;

use countersign_common::Secret;
use support::{Cli, Server, nowhere, steady};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_printed_once_and_alone_on_stdout() {
    let server = Server::start().await;
    let issue = "token issue --subject agent-9 --kind agent --group agents --on-behalf-of alice --ttl 30m";
    let issued = server.operator().run(issue).await;
    let token = issued.ok().trim().to_owned();
    assert!(token.starts_with("cst_") && !token.contains(char::is_whitespace), "{token}");
    assert!(!issued.stderr().contains(&token));
    let caller = server.control.sessions().authenticate(&Secret::new(token)).unwrap();
    assert_eq!(caller.principal.on_behalf_of, [support::subject("alice")]);

    let json = server.operator().run(&format!("{issue} --output json")).await.json();
    let keys: Vec<_> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["token_id", "token", "expires_at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_refused_like_any_wrong_one() {
    let server = Server::start().await;
    let issued = server
        .operator()
        .run("token issue --subject bob --kind human --group admin --output json")
        .await
        .json();
    let bob = Cli::new()
        .arg("--api")
        .arg(std::fs::read_to_string(server.data.path().join("api")).unwrap())
        .env("COUNTERSIGN_TOKEN", issued["token"].as_str().unwrap());
    bob.run("sessions").await.ok();
    server.operator().run(&format!("token revoke {}", issued["token_id"].as_str().unwrap())).await.ok();
    let refused = bob.run("sessions").await;
    assert_eq!(refused.exit(), 3);
    assert!(refused.stderr().contains("--token-file or COUNTERSIGN_TOKEN"), "{}", refused.stderr());
    assert!(!refused.stderr().contains(issued["token"].as_str().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_shown_and_ended_with_their_requests() {
    let server = Server::start().await;
    let session = server.session().await;
    let held = server.held(&session, "UPDATE orders SET paid = true").await;
    let operator = server.operator();

    let listed = operator.run("sessions").await.ok();
    assert!(
        listed.contains(&session.id.to_string()) && listed.contains("agent agent-7 for alice"),
        "{listed}"
    );
    insta::assert_snapshot!(
        steady(&operator.run(&format!("sessions show {}", session.id)).await.ok()), @r"
    ses_… is open
    who      agent agent-7 for alice
    groups   agents
    target   shop
    token    tok_…
    opened   <time>
    expires  <time>
    ");

    let ended =
        operator.run(&format!("sessions revoke {} --reason runaway --output json", session.id)).await.json();
    assert_eq!((&ended["state"], &ended["revoked"]["reason"]), (&"revoked".into(), &"runaway".into()));
    let state = server.control.approvals().get(held.approval.id).await.unwrap().approval.state;
    assert_eq!(state.as_str(), "revoked");
    assert!(!operator.run("sessions ls").await.ok().contains(&session.id.to_string()));
    assert!(operator.run("sessions ls --all").await.ok().contains("revoked"));

    let unknown = operator.run("sessions show ses_00000000000000000000000001").await;
    assert_eq!(unknown.exit(), 4, "{}", unknown.stderr());
    assert_eq!(operator.run("sessions show nonsense").await.exit(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_issue_tokens() {
    let server = Server::start().await;
    let bob = server.person("bob", &["dba"]).await;
    let refused = bob.run("token issue --subject x --kind agent").await;
    assert_eq!(refused.exit(), 3);
    assert!(refused.stderr().contains("only members of the group `admin` may issue tokens"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_control_plane_it_says_what_to_do() {
    let none = Cli::new().run("requests").await;
    assert_eq!(none.exit(), 6);
    assert!(none.stderr().contains("start `countersign dev`"), "{}", none.stderr());

    let dead = Cli::new().env("COUNTERSIGN_TOKEN", "cst_x").run("requests --api http://127.0.0.1:1").await;
    assert_eq!(dead.exit(), 6);
    assert!(dead.stderr().contains("http://127.0.0.1:1"), "{}", dead.stderr());

    let clear = Cli::new().env("COUNTERSIGN_TOKEN", "cst_x").run("requests --api http://192.0.2.1:1").await;
    assert_eq!(clear.exit(), 2);
    assert!(clear.stderr().contains("use `https://`"), "{}", clear.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_token_is_not_sent_to_an_address_that_was_named() {
    let server = Server::start().await;
    // Another process' address, with our data directory: its token stays here.
    let elsewhere = server.operator().run("requests --api http://127.0.0.1:1").await;
    assert_eq!(elsewhere.exit(), 3);
    assert!(elsewhere.stderr().contains("no token"), "{}", elsewhere.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_file_is_preferred_and_a_missing_one_is_an_error() {
    let server = Server::start().await;
    let missing =
        server.operator().arg("--token-file").arg(nowhere(server.data.path())).run("requests").await;
    assert_eq!(missing.exit(), 1);
    assert!(missing.stderr().contains("cannot read the token file"), "{}", missing.stderr());
    let file = server.data.path().join("operator.token");
    let named = server.operator().env("COUNTERSIGN_TOKEN", "cst_wrong").arg("--token-file").arg(file);
    named.run("requests").await.ok();
    let wrong = server.operator().env("COUNTERSIGN_TOKEN", "cst_wrong").run("requests").await;
    assert_eq!(wrong.exit(), 3);
    assert!(wrong.stderr().contains("CS0001"), "{}", wrong.stderr());
}
