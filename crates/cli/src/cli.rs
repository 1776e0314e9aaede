//! The commands and their arguments, as people write them. What they do is in `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    apply, audit, controlplane, decide, fleet, gateway, policy, replay, requests, sessions, token,
};
use crate::dev::DevOptions;
use crate::output::Format;

const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 failed · 2 wrong usage · 3 refused · 4 no such thing
            5 checked and not sound · 6 control plane not reached
            7 a recording is consistent, and nothing says that it is whole";

/// Every risky command waits for a human's countersign.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// How to print: for people, or one JSON document (streams: one JSON line per event).
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Everywhere")]
    pub(crate) output: Format,

    /// Address of the control plane, such as `https://control.example:7443`; `http://` on loopback only.
    /// Default: that of the data directory.
    #[arg(long, global = true, env = "COUNTERSIGN_API", value_name = "URL", help_heading = "Everywhere")]
    pub(crate) api: Option<String>,

    /// File with your token. Without it: the variable COUNTERSIGN_TOKEN, then the file that
    /// COUNTERSIGN_TOKEN_FILE names, then the operator's token of the data directory.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub(crate) token_file: Option<PathBuf>,

    /// Certificate authorities (PEM) for `https://`; default: those of the system.
    #[arg(
        long,
        global = true,
        env = "COUNTERSIGN_CA_FILE",
        value_name = "FILE",
        help_heading = "Everywhere"
    )]
    pub(crate) ca_file: Option<PathBuf>,

    /// The data directory. Default: `countersign` in $XDG_DATA_HOME, or in ~/.local/share.
    #[arg(long, global = true, env = "COUNTERSIGN_DATA", value_name = "DIR", help_heading = "Everywhere")]
    pub(crate) data: Option<PathBuf>,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs gateway and control plane in one process, to try things out.
    Dev(DevOptions),
    /// Runs a control plane.
    Controlplane(controlplane::Arguments),
    /// Runs a gateway, linked to control planes.
    Gateway(gateway::Arguments),
    /// Works on the fleet: its authority, who joins, who is there.
    #[command(subcommand)]
    Fleet(fleet::Command),
    /// Validates a bundle and puts it in force.
    Apply(apply::Arguments),
    /// Works on policies, without a server.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Issues and revokes tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// Lists, shows and watches requests for people's agreement.
    #[command(args_conflicts_with_subcommands = true)]
    Requests(requests::Arguments),
    /// Shows a request and says yes to exactly what it showed.
    Approve(decide::Approve),
    /// Shows a request and says no.
    Deny(decide::Deny),
    /// Lists, shows and ends sessions.
    #[command(args_conflicts_with_subcommands = true)]
    Sessions(sessions::Arguments),
    /// Prints what a session did, from its recording.
    Replay(replay::Arguments),
    /// Proves that recordings are whole.
    #[command(subcommand)]
    Audit(audit::Command),
}
