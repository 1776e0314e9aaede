//! `countersign replay`: what a session did. Through the API the look is itself recorded; offline it is
//! not, and whoever can read the files could look without this command too.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use countersign_api::v1;
use countersign_common::id::SessionId;
use countersign_recording::{Envelope, Log, SessionLines, render_text};

use super::Surroundings;
use super::audit::silent_nodes;
use crate::data::recordings_in;
use crate::error::{CliError, Exit};
use crate::output;

/// Which session, and how.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The session (`ses_…`).
    session: SessionId,
    /// How to print.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Reads the recordings in the data directory instead of asking the control plane.
    #[arg(long)]
    offline: bool,
    /// Reads those in this folder: a node's data directory, its recordings, or an archive. May be given more than
    /// once; what lies in several of them comes once.
    #[arg(long, value_name = "DIR")]
    from: Vec<PathBuf>,
}

/// How a recording is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// Every record as one line of JSON, exactly as it is chained.
    Jsonl,
}

pub(crate) async fn run(arguments: &Arguments, around: &Surroundings) -> Result<(), CliError> {
    let default = if around.output.is_json() { Format::Jsonl } else { Format::Text };
    let format = arguments.format.unwrap_or(default);
    if arguments.offline || !arguments.from.is_empty() {
        return offline(arguments, format, around);
    }
    let request = v1::GetSessionRecordingRequest { session_id: arguments.session.to_string() };
    let client = around.connect().await.map_err(|error| match error.exit() {
        Exit::Unreachable => {
            error.help("start the control plane, or read the files themselves with --offline")
        }
        _ => error,
    })?;
    let records = client.audit().get_session_recording(request).await?;
    if let Some(nodes) = silent_nodes(records.metadata()) {
        around.output.notice(&format!("what {nodes} recorded last is missing: silent when asked for it"));
    }
    let mut records = records.into_inner();
    while let Some(answer) = records.message().await? {
        print(answer.record.as_bytes(), format)?;
    }
    Ok(())
}

fn offline(arguments: &Arguments, format: Format, around: &Surroundings) -> Result<(), CliError> {
    let dirs = match arguments.from.is_empty() {
        true => vec![around.data().recordings()],
        false => arguments.from.iter().map(|dir| recordings_in(dir)).collect(),
    };
    let place = dirs.iter().map(|dir| format!("`{}`", dir.display())).collect::<Vec<_>>().join(", ");
    let unreadable = |error: &dyn std::error::Error| {
        CliError::failed(format!("cannot read the recordings in {place}: {error}"))
            .help("name the data directory with --data, or folders of recordings with --from")
    };
    let mut found = false;
    let logs = Log::find(&dirs).map_err(|error| unreadable(&error))?;
    for line in SessionLines::open(&logs, arguments.session).map_err(|error| unreadable(&error))? {
        print(&line.map_err(|error| unreadable(&error))?.text, format)?;
        found = true;
    }
    if found {
        return Ok(());
    }
    Err(CliError::new(Exit::NotFound, format!("there is no recording of {} in {place}", arguments.session))
        .help("name the data directory with --data, or folders of recordings with --from"))
}

/// A record; `--format` decides how, as it is JSON already.
fn print(line: &[u8], format: Format) -> Result<(), CliError> {
    let text = match format {
        Format::Jsonl => String::from_utf8_lossy(line).into_owned(),
        Format::Text => {
            let envelope = Envelope::parse(line).map_err(|error| {
                CliError::new(Exit::Unsound, format!("a record cannot be read: {error}"))
                    .help("print it as it is with `--format jsonl`, and run `countersign audit verify`")
            })?;
            render_text(&envelope)
        }
    };
    output::print(&text)
}
