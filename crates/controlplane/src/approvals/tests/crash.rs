//! `kill -9` at any point: a child process works on a store and says what was acknowledged; it is killed
//! again and again, and nothing that it was told is lost, nothing is doubled.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use countersign_common::approval::{Evidence, Outcome, State};
use countersign_common::id::{ApprovalId, AttemptId};
use countersign_common::time::ManualClock;

use crate::testing::{START, agent, bundle, human, open, order, request, subject, target, yes};

/// Where the child works; unset for everybody else.
const DIR: &str = "COUNTERSIGN_TEST_CRASH_DIR";

/// How often the child is killed.
const KILLS: u64 = 12;

/// The child: every line that it prints was acknowledged before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let clock = Arc::new(ManualClock::at(START));
    let control = open(Path::new(&dir), &clock).await;
    control.apply_bundle(bundle("hold dba 1"), &subject("operator")).await.unwrap();
    let token = control.sessions().issue(order(&agent())).await.unwrap().secret;
    let session = control.sessions().open_session(&token, &target("shop")).await.unwrap();
    let workers = (0..4_u32).map(|worker| {
        let (control, session) = (Arc::clone(&control), session.clone());
        tokio::spawn(async move {
            let approvals = control.approvals();
            for n in 0..u32::MAX {
                let held = approvals.hold(request(&session, &format!("{worker} {n}"))).await.unwrap();
                let id = held.approval.id;
                println!("ack {id} pending");
                approvals.decide(yes(&held, &human("bob", &["dba"]))).await.unwrap();
                println!("ack {id} approved");
                let redeem = crate::approvals::Redeem {
                    id,
                    session: session.id,
                    digest: held.approval.digest,
                    owner: control.node(),
                    attempt: AttemptId::generate(),
                    evidence: Evidence::None,
                };
                let redeemed = approvals.redeem(redeem).await.unwrap();
                println!("ack {id} redeemed");
                approvals.report(id, redeemed.revision, Outcome::Completed).await.unwrap();
                println!("ack {id} done");
            }
        })
    });
    futures::future::join_all(workers).await;
}

/// Runs the child for a while and kills it; the last state it was told of each approval.
fn run_and_kill(dir: &Path, after: Duration) -> BTreeMap<ApprovalId, String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "approvals::tests::crash::child_that_is_killed", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = BTreeMap::new();
    let mut hear = |line: String| {
        let mut words = line.split(' ').skip_while(|word| *word != "ack").skip(1);
        // The last line may be cut in the middle: it was not heard.
        if let (Some(Ok(id)), Some(state)) = (words.next().map(str::parse), words.next()) {
            told.insert(id, state.to_owned());
        }
    };
    // The time runs from the first acknowledgement, so that the kill falls into the work.
    for line in lines.by_ref().map_while(Result::ok) {
        let works = line.contains("ack ");
        hear(line);
        if works {
            break;
        }
    }
    let pid = child.id();
    let killer = std::thread::spawn(move || {
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    });
    for line in lines.map_while(Result::ok) {
        hear(line);
    }
    killer.join().unwrap();
    assert!(!told.is_empty(), "child {pid} did nothing");
    told
}

fn rank(state: &str) -> usize {
    ["pending", "approved", "redeemed", "done"].iter().position(|one| *one == state).unwrap_or(usize::MAX)
}

#[tokio::test]
async fn i1_once_after_kill_9_at_any_point_nothing_is_lost_and_nothing_doubled() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = BTreeMap::new();
    let (mut doubted, mut known_before) = (0, 0);
    for round in 0..KILLS {
        let after = Duration::from_millis(3 + round * 37 % 150);
        let heard = run_and_kill(dir.path(), after);
        assert!(heard.keys().all(|id| !told.contains_key(id)), "an approval was made twice");
        told.extend(heard);
        let scratch = open(dir.path(), &Arc::new(ManualClock::at(START))).await;
        let (found, _) = scratch.approvals().list_all(usize::MAX, |_| true).await.unwrap();
        let found: BTreeMap<_, _> = found.into_iter().map(|one| (one.approval.id, one.approval)).collect();
        for (id, state) in &told {
            let approval = found.get(id).unwrap_or_else(|| panic!("{id} is lost, it was {state}"));
            match &approval.state {
                // At least what was acknowledged; one step more may have lasted unheard.
                State::Pending { .. } | State::Approved | State::Done { .. } => {
                    let stands = rank(approval.state.as_str());
                    assert!(
                        stands == rank(state) || stands == rank(state) + 1,
                        "{id}: {state} → {approval:?}"
                    );
                    assert_eq!(approval.revision, stands as u64 + 1, "each step was taken once");
                }
                State::InDoubt { .. } => {
                    assert!(["approved", "redeemed"].contains(&state.as_str()), "{id} was {state}");
                    doubted += 1;
                }
                other => panic!("{id} was {state} and is {other:?}"),
            }
        }
        let unheard = found.keys().filter(|id| !told.contains_key(id)).count();
        assert!(unheard >= known_before && unheard <= known_before + 4, "at most one a worker is unheard of");
        known_before = unheard;
        for approval in found.values() {
            assert!(scratch.approvals().details(approval.id).await.is_ok(), "its text is whole");
            assert!(!matches!(approval.state, State::Redeemed { .. }), "its owner is gone");
        }
    }
    println!("{} approvals told, {doubted} sightings in doubt", told.len());
}
