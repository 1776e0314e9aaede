//! The whole run: start everything, play the rounds in turn, report.

use anyhow::Result;
use countersign_testkit::{Account, Folder, Postgres, PostgresOptions as Server};

use super::PostgresOptions;
use super::contestant::{self, Contestant, Kind};
use super::load;
use super::measure::Round;
use super::memory;
use super::report::{Cell, Report};
use super::workload::{self, Scripts, Workload};
use crate::setup;

pub(super) fn run(options: &PostgresOptions) -> Result<()> {
    setup::to_measure()?;
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| !options.without.contains(kind)).collect();
    if kinds.iter().any(|kind| matches!(kind, Kind::Countersign | Kind::Fleet | Kind::Masking)) {
        match &options.binary {
            Some(binary) => countersign_testkit::use_binary(binary.clone())?,
            None => contestant::build()?,
        }
    }
    let program = load::generator()?;
    println!("Filling the tables, scale {}.", options.scale);
    let settings = Server::default().with("shared_buffers", "1GB").with("max_connections", "600");
    let server = Postgres::start(settings)?;
    workload::fill(&server, &program, options.scale)?;
    let contestants: Vec<Contestant> =
        kinds.iter().map(|kind| Contestant::start(*kind, &server)).collect::<Result<_>>()?;

    let account = Account::Own;
    let folder = Folder::new(account)?;
    let scripts = Scripts::write(&folder, options.scale)?;
    let mut report = Report::default();
    for workload in Workload::ALL {
        if !options.only.is_empty() && !options.only.contains(&workload) {
            continue;
        }
        for &clients in &options.clients {
            if options.for_the_budget && clients == 1 && workload != Workload::Simple {
                continue;
            }
            let admitted: Vec<&Contestant> =
                contestants.iter().filter(|contestant| workload.admits(contestant.kind)).collect();
            let rounds = alternate(&admitted, options, |contestant, seconds| {
                load::round(&program, contestant, workload, &scripts, clients, seconds)
            })?;
            let named = admitted.iter().map(|contestant| contestant.kind).zip(rounds);
            report.cells.push(Cell { workload, clients, contestants: named.collect() });
            print!("{}", report.last());
        }
    }
    if options.sessions > 0 {
        report.memory = memory::measure(&contestants, options.sessions)?;
        print!("{}", report.memory_table());
    }
    if let Some(file) = &options.json {
        std::fs::write(file, format!("{:#}\n", report.json()))?;
        println!("The figures are in {}.", file.display());
    }
    Ok(())
}

/// A first short round for everybody that does not count, then rounds in turn; every second one in
/// the opposite order, so that nobody always runs in the other's wake.
fn alternate(
    contestants: &[&Contestant],
    options: &PostgresOptions,
    play: impl Fn(&Contestant, u32) -> Result<Round>,
) -> Result<Vec<Vec<Round>>> {
    for contestant in contestants {
        play(contestant, 1)?;
    }
    let mut rounds: Vec<Vec<Round>> = contestants.iter().map(|_| Vec::new()).collect();
    for number in 0..options.rounds {
        let mut turn: Vec<_> = contestants.iter().zip(rounds.iter_mut()).collect();
        if number % 2 == 1 {
            turn.reverse();
        }
        for (contestant, rounds) in turn {
            rounds.push(play(contestant, options.seconds)?);
        }
    }
    Ok(rounds)
}
