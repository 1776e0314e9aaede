//! `cargo xtask test`: every check of CI, step by step, each announced, with a table at the end. A step
//! that cannot run has failed.

mod deploy;
mod fuzz;
mod steps;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use steps::{STEPS, Step};

/// Which steps.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only this step; may be given more than once
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// All but this step; may be given more than once
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
    /// Names the steps and runs none
    #[arg(long)]
    list: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let chosen = choose(options)?;
    if options.list {
        for step in chosen {
            println!("{:8} {}", step.name, step.about);
        }
        return Ok(());
    }
    let mut results = Vec::new();
    for step in &chosen {
        println!("\n=== {}: {}", step.name, step.about);
        let start = Instant::now();
        let outcome = (step.run)();
        if let Err(error) = &outcome {
            println!("{}: {error:#}", step.name);
        }
        results.push((step.name, outcome.is_ok(), start.elapsed()));
    }
    summarise(&results)
}

fn choose(options: &Options) -> Result<Vec<&'static Step>> {
    for name in options.only.iter().chain(&options.skip) {
        if !STEPS.iter().any(|step| step.name == name) {
            bail!("no step `{name}`; `cargo xtask test --list` names them");
        }
    }
    let only = |step: &Step| options.only.is_empty() || options.only.iter().any(|name| name == step.name);
    let skip = |step: &Step| options.skip.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(|step| only(step) && !skip(step)).collect())
}

/// The table, then one line in the form that CI reads.
fn summarise(results: &[(&str, bool, Duration)]) -> Result<()> {
    println!("\n{:8} {:7} {:>8}", "step", "result", "took");
    for (name, passed, took) in results {
        println!("{name:8} {:7} {:>7.1}s", if *passed { "passed" } else { "FAILED" }, took.as_secs_f64());
    }
    let total: Duration = results.iter().map(|(_, _, took)| *took).sum();
    let failed = results.iter().filter(|(_, passed, _)| !passed).count();
    println!("{:8} {:7} {:>7.1}s\n", "all", "", total.as_secs_f64());
    println!("steps: {} passed, {failed} failed", results.len() - failed);
    if failed > 0 { bail!("{failed} of {} steps failed", results.len()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(only: &[&str], skip: &[&str]) -> Options {
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Options { only: own(only), skip: own(skip), list: false }
    }

    #[test]
    fn steps_are_chosen_by_name() {
        let names =
            |options: &Options| choose(options).unwrap().iter().map(|step| step.name).collect::<Vec<_>>();
        assert_eq!(names(&options(&["tidy", "fmt"], &[])), ["fmt", "tidy"]);
        assert!(!names(&options(&[], &["demo"])).contains(&"demo"));
    }

    #[test]
    fn an_unknown_step_is_an_error_not_an_empty_run() {
        assert!(choose(&options(&["tdiy"], &[])).is_err());
    }

    #[test]
    fn one_failed_step_fails_the_run() {
        assert!(summarise(&[("a", true, Duration::ZERO), ("b", false, Duration::ZERO)]).is_err());
        assert!(summarise(&[("a", true, Duration::ZERO)]).is_ok());
    }
}
