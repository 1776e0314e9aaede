//! People and requests: what they are shown, what counts, what is refused, and how it exits.

#![allow(clippy::unwrap_used, reason = "helpers of tests, where it is allowed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use countersign_common::approval::State;
use countersign_controlplane::history::HistoryArchive;
use countersign_recording::{ArchiveStore, SigningKey};
use support::{Server, steady};

const STATEMENT: &str = "UPDATE orders SET paid = true WHERE id = $1 -- \u{202e}fine";

#[tokio::test(flavor = "multi_thread")]
async fn two_people_see_a_request_and_approve_exactly_that() {
    let server = Server::start().await;
    let session = server.session().await;
    let held = server.held(&session, STATEMENT).await;
    let id = held.approval.id;
    let (bob, carol) = (server.person("bob", &["dba"]).await, server.person("carol", &["leads"]).await);

    let listed = bob.run("requests").await.ok();
    assert!(listed.contains(&id.to_string()) && listed.contains("needs 0 of 2 (dba, leads)"), "{listed}");

    let shown = bob.run(&format!("requests show {id}")).await.ok();
    // How long ago it was, and how long it lasts, depends on the machine.
    let lines = shown.lines().map(|line| match line.starts_with("asked") || line.starts_with("ends") {
        true => line.split(" (").next().unwrap(),
        false => line,
    });
    insta::assert_snapshot!("shown", steady(&lines.collect::<Vec<_>>().join("\n")));

    let first = bob.run(&format!("approve {id} --reason checked")).await.ok();
    // What is approved is shown before it is said that it is approved.
    assert!(first.contains("\\u{202e}fine"), "{first}");
    assert!(first.find("What would run").unwrap() < first.find("Your yes counts").unwrap());
    assert!(first.contains("still needs 1 of 2 (dba, leads)"), "{first}");

    let second = carol.run(&format!("approve {id} --output json")).await.json();
    assert_eq!(second["request"]["state"], "approved");
    assert_eq!(second["request"]["decisions"][0]["reason"], "checked");
    let approval = server.control.approvals().get(id).await.unwrap().approval;
    assert_eq!(approval.state, State::Approved);
    assert_eq!(approval.decisions.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_needs_a_reason_and_ends_the_request() {
    let server = Server::start().await;
    let held = server.held(&server.session().await, STATEMENT).await;
    let (id, bob) = (held.approval.id, server.person("bob", &["dba"]).await);

    assert_eq!(bob.run(&format!("deny {id}")).await.exit(), 2);
    let blank =
        server.person("bob", &["dba"]).await.arg("deny").arg("--reason").arg(" ").run(&id.to_string()).await;
    assert_eq!(blank.exit(), 2);
    let pending = server.control.approvals().get(id).await.unwrap().approval.state;
    assert!(matches!(pending, State::Pending { .. }), "{pending:?}");

    let denied = bob.run(&format!("deny {id} --reason wrong-customer")).await.ok();
    assert!(denied.contains("will not run"), "{denied}");
    assert_eq!(server.control.approvals().get(id).await.unwrap().approval.state, State::Denied);

    let late = bob.run(&format!("approve {id}")).await;
    assert_eq!(late.exit(), 3);
    assert!(late.stderr().contains("is denied: nothing is left to decide"), "{}", late.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_decide_is_told_their_groups_and_the_stages() {
    let server = Server::start().await;
    let held = server.held(&server.session().await, STATEMENT).await;
    let id = held.approval.id;

    let operator = server.operator().run(&format!("approve {id}")).await;
    assert_eq!(operator.exit(), 3);
    let said = operator.stderr();
    assert!(said.contains("your token is in admin"), "{said}");
    assert!(said.contains("groups that decide now (dba, leads)"), "{said}");
    assert!(said.contains("approves nothing") && said.contains("CS0011"), "{said}");

    // INVARIANT I4, as its people see it: the agent acts for alice.
    let alice = server.person("alice", &["dba"]).await.run(&format!("approve {id} --output json")).await;
    assert_eq!(alice.exit(), 3);
    let error: serde_json::Value = serde_json::from_str(&alice.stderr()).unwrap();
    assert_eq!(error["error"]["exit"], 3);
    assert_eq!(error["error"]["code"], "CS0011");
    assert!(error["error"]["message"].as_str().unwrap().contains("on their behalf"), "{error}");

    let stranger = server.person("eve", &["nobody"]).await.run(&format!("requests show {id}")).await;
    assert_eq!(stranger.exit(), 4, "{}", stranger.stderr());
    assert_eq!(server.control.approvals().get(id).await.unwrap().approval.decisions.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_as_json_has_everything_an_approver_sees() {
    let server = Server::start().await;
    let held = server.held(&server.session().await, STATEMENT).await;
    let bob = server.person("bob", &["dba"]).await;

    let shown = bob.run(&format!("requests show {} --output json", held.approval.id)).await.json();
    insta::assert_snapshot!("shown_json", steady(&serde_json::to_string_pretty(&shown).unwrap()));

    let listed = bob.run("requests ls --all --output json").await.json();
    assert_eq!(listed["requests"].as_array().unwrap().len(), 1);
    assert!(listed["revision"].as_u64().unwrap() > 0);
    let other = bob.run("requests ls --target other --output json").await.json();
    assert_eq!(other["requests"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_prints_what_is_open_and_then_every_change() {
    use std::io::{BufRead as _, BufReader};

    let server = Server::start().await;
    let session = server.session().await;
    let first = server.held(&session, "UPDATE orders SET a = 1").await.approval.id;
    let bob = server.person("bob", &["dba"]).await;
    let mut watch = bob.command("requests watch --output json").spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> serde_json::Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    tokio::task::block_in_place(|| assert_eq!(next()["id"], first.to_string()));

    let second = server.held(&session, "UPDATE orders SET a = 2").await.approval.id;
    let (before, after) = tokio::task::block_in_place(|| {
        let before = next();
        let handle = tokio::runtime::Handle::current();
        handle.block_on(bob.run(&format!("deny {second} --reason no"))).ok();
        (before, next())
    });
    assert_eq!((&before["id"], &before["state"]), (&second.to_string().into(), &"pending".into()));
    assert_eq!((&after["id"], &after["state"]), (&second.to_string().into(), &"denied".into()));
    watch.kill().unwrap();
    watch.wait().unwrap();
}

/// Runs `approve` at a terminal of its own (`script` of util-linux makes one) and types an answer.
fn at_a_terminal(bob: &support::Cli, line: &str, answer: &str) -> (i32, String) {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    let approve = bob.command(line);
    let words = std::iter::once(approve.get_program()).chain(approve.get_args());
    let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
    command.envs(approve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_nothing_is_approved_before_somebody_says_yes() {
    let server = Server::start().await;
    let id = server.held(&server.session().await, STATEMENT).await.approval.id;
    let bob = server.person("bob", &["dba"]).await;
    let approve = format!("approve {id}");
    let votes = async || server.control.approvals().get(id).await.unwrap().approval.decisions.len();

    let (exit, said) = tokio::task::block_in_place(|| at_a_terminal(&bob, &approve, "\n"));
    assert!(said.contains("Approve exactly this? [y/N]") && said.contains("nothing was decided"), "{said}");
    assert_eq!((exit, votes().await), (3, 0));

    let (exit, said) = tokio::task::block_in_place(|| at_a_terminal(&bob, &approve, "y\n"));
    assert!(said.contains("Your yes counts"), "{said}");
    assert_eq!((exit, votes().await), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_to_the_archive_is_listed_and_shown_as_ever_to_those_who_may_see_it() {
    let archive = tempfile::tempdir().unwrap();
    let server = Server::start_with(|options| {
        let store = ArchiveStore::folder(archive.path()).unwrap();
        let key = Arc::new(SigningKey::from_seed(&[7; 32]).unwrap());
        options.history.archive = Some(HistoryArchive { store, key });
        options.history.approvals_kept = Duration::ZERO;
    })
    .await;
    let held = server.held(&server.session().await, STATEMENT).await;
    let (id, bob) = (held.approval.id, server.person("bob", &["dba"]).await);
    let before = bob.run(&format!("requests show {id} --output json")).await.json();
    bob.run(&format!("deny {id} --reason wrong")).await.ok();
    server.retained(id).await;

    assert_eq!(bob.run("requests ls --all --output json").await.json()["requests"], serde_json::json!([]));
    let listed = bob.run("requests ls --archived --output json").await.json();
    assert_eq!(listed["requests"][0]["id"], id.to_string());
    assert_eq!(listed["requests"][0]["archived"], true);
    let shown = bob.run(&format!("requests show {id} --output json")).await.json();
    assert_eq!((&shown["state"], &shown["archived"]), (&"denied".into(), &true.into()));
    assert_eq!((&shown["command"], &shown["rendering"]), (&before["command"], &before["rendering"]));
    assert!(bob.run(&format!("requests show {id}")).await.ok().contains("(archived)"));

    let eve = server.person("eve", &["others"]).await;
    assert_eq!(eve.run(&format!("requests show {id}")).await.exit(), 4);
    let hers = eve.run("requests ls --archived --output json").await.json();
    assert_eq!(hers["requests"], serde_json::json!([]));
    // It has ended: nothing can be done about it any more.
    assert_eq!(bob.run(&format!("approve {id}")).await.exit(), 3);
    server.operator().run("audit verify").await.ok();
}
