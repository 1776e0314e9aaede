//! A rolling restart: every gateway and every control-plane node, one after the other, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countersign_testkit::{Dsn, Part, eventually};

use crate::client::{Client, Refused};
use crate::stage::{SOON, Stage};

const CLIENTS: usize = 8;

/// What happened to the connections of a client that goes on as soon as it can.
#[derive(Debug, Default)]
struct Load {
    reads: AtomicUsize,
    stop: AtomicBool,
}

/// Reads until it is over; how each of its connections ended before that.
fn read(dsn: &Dsn, load: &Load) -> Vec<Result<Refused, String>> {
    let mut ends = Vec::new();
    while !load.stop.load(Ordering::Acquire) {
        let mut client = eventually("a gateway", SOON, || Ok(Client::login(dsn).ok())).unwrap();
        while !load.stop.load(Ordering::Acquire) {
            match client.run("SELECT count(*) FROM orders") {
                Ok(Ok(_)) => {
                    load.reads.fetch_add(1, Ordering::AcqRel);
                }
                Ok(Err(refused)) => {
                    ends.push(Ok(refused));
                    break;
                }
                Err(error) => {
                    ends.push(Err(format!("{error:#}")));
                    break;
                }
            }
        }
    }
    ends
}

/// Restarts these under load, waiting in between until everybody works again; how connections ended.
fn restart(stage: &mut Stage, parts: &[Part]) -> Vec<Result<Refused, String>> {
    let load = Arc::new(Load::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (dsn, load) = (stage.agent.clone(), Arc::clone(&load));
            std::thread::spawn(move || read(&dsn, &load))
        })
        .collect();
    let works = |load: &Load| {
        let from = load.reads.load(Ordering::Acquire);
        let enough = || Ok((load.reads.load(Ordering::Acquire) > from + 10 * CLIENTS).then_some(()));
        eventually("reads", SOON, enough).unwrap();
    };
    works(&load);
    for part in parts {
        stage.cluster.stop(*part).unwrap();
        works(&load);
        stage.cluster.start_again(*part).unwrap();
        works(&load);
    }
    load.stop.store(true, Ordering::Release);
    clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
}

#[test]
fn control_plane_nodes_restart_one_by_one_and_no_client_notices() {
    let mut stage = Stage::new();
    let ends = restart(&mut stage, &[Part::Control(0), Part::Control(1), Part::Control(2)]);
    assert!(ends.is_empty(), "{ends:?}");
    stage.approved_insert("afterwards");
}

#[test]
fn gateways_restart_one_by_one_and_the_connections_that_had_to_move_are_told_why() {
    let mut stage = Stage::new();
    let mut waiting = stage.client();
    waiting.send_insert("held");
    let ticket = waiting.ticket();
    let ends = restart(&mut stage, &[Part::Gateway(0), Part::Gateway(1), Part::Gateway(2)]);
    assert!(!ends.is_empty(), "nobody had to move");
    for end in ends {
        // 57P01: the server is going down, as every driver and pool knows it.
        let refused = end.unwrap();
        assert_eq!(refused.sqlstate, "57P01", "{refused:?}");
        assert!(!refused.message.is_empty());
    }
    // What waited for a person still does, and is found again under its ticket.
    let moved = waiting.outcome().unwrap().unwrap_err();
    assert!(moved.says_not_executed(), "{moved:?}");
    let mut client = stage.client();
    client.send_insert("held");
    assert_eq!(client.ticket(), ticket);
    stage.cluster.approve(&ticket).unwrap();
    client.expect_ran();
    assert_eq!(stage.rows(), ["held"]);
}
