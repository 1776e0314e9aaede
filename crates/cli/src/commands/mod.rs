//! The commands, a file each. Each takes its arguments and prints its result; what it has to know of the
//! surroundings is in [`Surroundings`].

pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod controlplane;
pub(crate) mod decide;
pub(crate) mod fleet;
pub(crate) mod gateway;
mod places;
pub(crate) mod policy;
pub(crate) mod replay;
pub(crate) mod requests;
pub(crate) mod sessions;
pub(crate) mod token;

use countersign_common::Timestamp;
use countersign_common::time::{Clock as _, SystemClock};

use crate::cli::{Cli, Command, Global};
use crate::client::Client;
use crate::data::DataDir;
use crate::error::CliError;
use crate::output::Output;

/// What every command has at hand.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) global: Global,
    pub(crate) output: Output,
}

impl Surroundings {
    pub(crate) async fn connect(&self) -> Result<Client, CliError> {
        Client::connect(&self.global).await
    }

    pub(crate) fn data(&self) -> DataDir {
        DataDir::of(self.global.data.as_deref())
    }
}

/// Does what the command line says.
pub(crate) async fn run(cli: Cli, output: Output) -> Result<(), CliError> {
    let around = Surroundings { global: cli.global, output };
    match cli.command {
        Command::Dev(options) => Box::pin(crate::dev::run(options, &around)).await,
        Command::Controlplane(arguments) => Box::pin(controlplane::run(&arguments, &around)).await,
        Command::Gateway(arguments) => Box::pin(gateway::run(&arguments, &around)).await,
        Command::Fleet(command) => fleet::run(command, &around).await,
        Command::Apply(arguments) => apply::run(&arguments, &around).await,
        Command::Policy(command) => policy::run(&command, &around).await,
        Command::Token(command) => token::run(command, &around).await,
        Command::Requests(arguments) => requests::run(arguments, &around).await,
        Command::Approve(arguments) => decide::approve(arguments, &around).await,
        Command::Deny(arguments) => decide::deny(arguments, &around).await,
        Command::Sessions(arguments) => sessions::run(arguments, &around).await,
        Command::Replay(arguments) => replay::run(&arguments, &around).await,
        Command::Audit(command) => audit::run(&command, &around).await,
    }
}

/// Now, for texts such as `in 5m`.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}
