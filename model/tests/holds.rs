//! The product's protocol, in both of its forms, holds everything, whatever goes wrong.

use countersign_model::{Faults, Protocol, Variant};
use stateright::{Checker as _, Model as _};

/// Goes through every world that the form can come to, and prints how many there are.
fn holds(variant: Variant, faults: Faults) {
    let checker = Protocol { variant, faults }.checker().spawn_dfs().join();
    println!("{variant:?}, {faults:?}: {} worlds", checker.unique_state_count());
    assert!(checker.is_done());
    for (name, path) in checker.discoveries() {
        // What can happen is found, too: a model in which nothing runs would hold everything.
        let wanted = ["it runs", "it is refused", "it comes in doubt"].contains(&name);
        let steps: String = path.into_actions().iter().map(|action| format!("\n  {action}")).collect();
        assert!(wanted, "{variant:?} breaks `{name}`:{steps}");
    }
    assert_eq!(checker.discoveries().len(), 3, "something never happens");
}

/// A crash, and a lease lost by a gateway that lives on and still sends.
const CRASHES: Faults = Faults { crashes: 1, leases: 1, writes: 0, breaks: 0 };

/// A write of which nobody hears, a broken connection, a lease lost alive.
const SILENCES: Faults = Faults { crashes: 0, leases: 1, writes: 1, breaks: 1 };

#[test]
fn all_invariants_hold_over_crashes() {
    holds(Variant::Plain, CRASHES);
}

#[test]
fn all_invariants_hold_over_silences() {
    holds(Variant::Plain, SILENCES);
}

#[test]
fn with_evidence_all_invariants_hold_over_crashes_and_every_doubt_ends() {
    holds(Variant::Evidence, CRASHES);
}

#[test]
fn with_evidence_all_invariants_hold_over_silences_and_every_doubt_ends() {
    holds(Variant::Evidence, SILENCES);
}

#[test]
#[ignore = "millions of worlds, some minutes: run by hand"]
fn all_invariants_hold_over_all_of_it_at_once() {
    holds(Variant::Plain, Faults { crashes: 1, leases: 1, writes: 1, breaks: 1 });
    holds(Variant::Evidence, Faults { crashes: 1, leases: 1, writes: 1, breaks: 1 });
}

#[test]
#[ignore = "millions of worlds, some minutes: run by hand"]
fn all_invariants_hold_over_two_crashes() {
    holds(Variant::Plain, Faults { crashes: 2, leases: 1, writes: 0, breaks: 0 });
    holds(Variant::Evidence, Faults { crashes: 2, leases: 1, writes: 0, breaks: 0 });
}
