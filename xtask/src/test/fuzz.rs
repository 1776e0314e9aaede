//! Each fuzz target for a short time, from its kept corpus. The coverage that libFuzzer steers by comes
//! from stable compiler options, so neither a nightly compiler nor `cargo fuzz` is needed.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::run::{cargo, quiet, show};
use crate::{repo, setup};

/// How long each target runs.
const SECONDS: u32 = 20;

/// What `cargo fuzz --sanitizer none` passes: inline counters and comparisons of constants.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions=yes";

pub(super) fn run() -> Result<()> {
    setup::to_build()?;
    let names = targets()?;
    let host = host()?;
    let build = repo::build()?.join("fuzz");
    let mut command = cargo(&["build", "--locked", "--package", "countersign-fuzz", "--target", &host]);
    // A folder of its own: other flags would make everything else be built anew each time.
    command.arg("--target-dir").arg(&build).env("RUSTFLAGS", FLAGS).env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    show(&mut command)?;
    let programs = build.join(host).join("debug");
    for name in names {
        smoke(&name, &programs.join(&name))?;
    }
    Ok(())
}

/// The names of the targets; there has to be one.
fn targets() -> Result<Vec<String>> {
    let folder = repo::root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("no `{}`", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "no fuzz target in `{}`", folder.display());
    Ok(names)
}

fn host() -> Result<String> {
    let version = quiet(std::process::Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not tell its host")
}

/// Runs one target. New inputs go to a folder of the build; only what a person keeps enters the corpus.
fn smoke(name: &str, program: &Path) -> Result<()> {
    let corpus = repo::root().join("fuzz/corpus").join(name);
    ensure!(corpus.is_dir(), "no corpus for `{name}`: keep a few inputs in fuzz/corpus/{name}");
    let found = repo::build()?.join("fuzz/found").join(name);
    let artifacts = repo::root().join("fuzz/artifacts").join(name);
    std::fs::create_dir_all(&found)?;
    std::fs::create_dir_all(&artifacts)?;
    println!("Fuzzing {name} for {SECONDS} s.");
    let mut command = std::process::Command::new(program);
    command
        .arg(format!("-max_total_time={SECONDS}"))
        .args(["-print_final_stats=1", "-rss_limit_mb=4096", "-timeout=10", "-verbosity=0"])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([&found, &corpus]);
    let output = command.output().with_context(|| format!("cannot run the fuzz target `{name}`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        // How it began does not matter, how it ended does.
        let lines: Vec<&str> = said.lines().collect();
        println!("{}", lines.get(lines.len().saturating_sub(60)..).unwrap_or_default().join("\n"));
        bail!("`{name}` failed; its input is in fuzz/artifacts/{name}");
    }
    let runs = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    println!("{name}: {} inputs, none of them bad.", runs.context("the fuzz target says no count")?.trim());
    Ok(())
}
