//! `countersign replay`: what a session did, verified before it is shown. Through the API the look is itself recorded; offline it
//! is not, and whoever can read the files could look without this command too.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use countersign_api::v1;
use countersign_common::error::code;
use countersign_common::id::SessionId;
use countersign_recording::{
    ChainCheck, Envelope, Log, UnverifiedLine, VerifiedLines, Verifier, render_text,
};

use super::Surroundings;
use super::audit::silent_nodes;
use super::places::{Places, anchors};
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
    /// Offline, the public key of the checkpoints: a file, or its 64 hex digits; once for each node. Default:
    /// `keys/checkpoint.pub` beside the recordings.
    #[arg(long, value_name = "FILE|HEX")]
    key: Vec<String>,
    /// Offline, checkpoints that were kept elsewhere, as for `audit verify`.
    #[arg(long, value_name = "FILE|URL")]
    anchor: Vec<String>,
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
    let is_about_files =
        arguments.offline || ![&arguments.key, &arguments.anchor].iter().all(|given| given.is_empty());
    if is_about_files || !arguments.from.is_empty() {
        return offline(arguments, format, around).await;
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
    // The control plane has verified what it sends; that it is one chain is seen here, too.
    let mut chain = ChainCheck::default();
    while let Some(answer) = records.message().await? {
        let line = answer.record.as_bytes();
        chain.take(line).map_err(|why| unsound(format!("the next record does not fit: {why}")))?;
        print(line, format)?;
    }
    Ok(())
}

async fn offline(arguments: &Arguments, format: Format, around: &Surroundings) -> Result<(), CliError> {
    let dirs: Vec<&Path> = arguments.from.iter().map(PathBuf::as_path).collect();
    let places = Places::of(&dirs, around)?;
    let unreadable = |error: &dyn std::error::Error| {
        CliError::failed(format!("cannot read the recordings in {}: {error}", places.names()))
            .help("name the data directory with --data, or folders of recordings with --from")
    };
    let verifier = places.verifier(&places.keys(&arguments.key)?)?;
    let anchors = anchors(&arguments.anchor, &verifier, around).await?;
    let verifier = anchors.into_iter().fold(verifier, Verifier::anchored_by);
    let logs = Log::find(&places.recordings).map_err(|error| unreadable(&error))?;
    let lines = VerifiedLines::open(&logs, arguments.session, &verifier);
    let lines = lines.map_err(|error| unreadable(&error))?;
    let mut found = false;
    for line in lines {
        let line = line.map_err(|error| match &error {
            UnverifiedLine::Unreadable(error) => unreadable(error),
            UnverifiedLine::Unfit(_) | UnverifiedLine::Unsound(_) => unsound(error.to_string()),
        })?;
        print(&line.text, format)?;
        found = true;
    }
    if found {
        return Ok(());
    }
    let what = format!("there is no recording of {} in {}", arguments.session, places.names());
    Err(CliError::new(Exit::NotFound, what)
        .help("name the data directory with --data, or folders of recordings with --from"))
}

fn unsound(what: String) -> CliError {
    CliError::new(Exit::Unsound, what)
        .code(code::RECORDING_BROKEN)
        .help("run `countersign audit verify`; keep the files as they are, and compare them with a copy that verifies")
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
