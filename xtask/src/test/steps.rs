//! The steps: quick ones first, so that a slip shows early.

use std::process::Command;

use anyhow::{Result, bail};

use crate::run::{cargo, show};
use crate::{chaos, demo, repo, setup, tidy, ui};

/// One step.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) run: fn() -> Result<()>,
}

/// All of them, in order.
pub(super) const STEPS: &[Step] = &[
    Step { name: "fmt", about: "the source is formatted", run: fmt },
    Step { name: "tidy", about: "the rules of the house hold", run: tidy::run },
    Step { name: "deny", about: "licences, sources and banned crates", run: deny },
    Step { name: "proto", about: "the protobuf files are in good style", run: proto },
    Step {
        name: "deploy",
        about: "what stands in deploy/ is read by what will read it",
        run: super::deploy::run,
    },
    Step { name: "clippy", about: "no lint is unanswered", run: clippy },
    Step { name: "tests", about: "unit and integration tests", run: tests },
    Step { name: "docs", about: "examples in the documentation", run: docs },
    Step { name: "drivers", about: "real drivers, real servers", run: drivers },
    Step {
        name: "ui",
        about: "the approver's page is built from its sources, and works in a browser",
        run: ui::test,
    },
    Step { name: "chaos", about: "a short run of faults for real, and its checker", run: short_chaos },
    Step { name: "fuzz", about: "each fuzz target for a short time", run: super::fuzz::run },
    Step { name: "demo", about: "the whole story with a real psql", run: demo_script },
];

fn fmt() -> Result<()> {
    show(&mut cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    setup::to_build()?;
    show(&mut cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn deny() -> Result<()> {
    let program = setup::cargo_deny()?;
    // Advisories would have to be fetched; CI reaches package registries only.
    let mut command = Command::new(program);
    show(command.args(["--offline", "check", "bans", "licenses", "sources"]).current_dir(repo::root()))
}

fn proto() -> Result<()> {
    let program = setup::buf()?;
    show(Command::new(program).args(["lint", "proto"]).current_dir(repo::root()))
}

/// The test binaries that start real drivers against the built product.
const DRIVERS: &str = "drivers";

fn tests() -> Result<()> {
    setup::to_build()?;
    setup::servers()?;
    setup::clients()?;
    // Some tests start the product as a user does.
    show(&mut cargo(&["build", "--locked", "--package", "countersign-cli"]))?;
    let workspace = ["--locked", "--workspace", "--exclude", "countersign-fuzz"];
    match setup::cargo_nextest() {
        Some(program) => {
            let others = format!("not binary(={DRIVERS})");
            let mut command = Command::new(program);
            command.args(["nextest", "run"]).args(workspace).args(["-E", &others]).current_dir(repo::root());
            show(&mut command)
        }
        None => {
            let mut command = cargo(&["test"]);
            command.args(workspace).args(["--all-targets", "--", "--test-threads=4"]);
            show(&mut command)
        }
    }
}

fn docs() -> Result<()> {
    show(&mut cargo(&["test", "--locked", "--doc", "--workspace", "--exclude", "countersign-fuzz"]))
}

fn drivers() -> Result<()> {
    setup::servers()?;
    setup::clients()?;
    if !repo::root().join("crates/cli/tests").join(DRIVERS).is_dir() {
        bail!("crates/cli/tests/{DRIVERS} is missing");
    }
    let package = ["--locked", "--package", "countersign-cli"];
    match setup::cargo_nextest() {
        Some(program) => {
            let only = format!("binary(={DRIVERS})");
            let mut command = Command::new(program);
            command.args(["nextest", "run"]).args(package).args(["-E", &only]).current_dir(repo::root());
            show(&mut command)
        }
        None => show(cargo(&["test"]).args(package).args(["--test", DRIVERS])),
    }
}

fn demo_script() -> Result<()> {
    demo::run(&demo::Options::scripted())
}

fn short_chaos() -> Result<()> {
    chaos::run(&chaos::Options::short())
}
