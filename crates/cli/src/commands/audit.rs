//! `countersign audit`: proves that recordings are whole, through the API or offline on the files.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_api::v1;
use countersign_common::error::code;
use countersign_common::id::SessionId;
use countersign_recording::{Checkpoint, PublicKey, Report, Verifier, verify_session};
use serde::Serialize;

use super::Surroundings;
use crate::data::DataDir;
use crate::error::{CliError, Exit};

/// What is done with recordings.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks that no record was changed, dropped, reordered or cut off, and that nothing ran without
    /// its countersign.
    Verify(Verify),
}

/// What is verified.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A session (`ses_…`), or a folder of recordings (or data directory) to verify offline. Without it:
    /// everything that the control plane has.
    #[arg(value_name = "SESSION|DIR")]
    what: Option<String>,
    /// Verifies the files in the data directory instead of asking the control plane.
    #[arg(long)]
    offline: bool,
    /// The public key of the checkpoints: a file, or its 64 hex digits. Default: `keys/checkpoint.pub`
    /// beside the recordings, which proves less: who can change them may be able to change it too.
    #[arg(long, value_name = "FILE|HEX")]
    key: Option<String>,
    /// A checkpoint that was kept elsewhere (a file with one line of `checkpoints.jsonl`): the recording
    /// has to reach it. Only so does it show when its newest part was taken away with its checkpoints.
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
}

/// The JSON of a verification.
#[derive(Debug, Serialize)]
struct Verified {
    whole: bool,
    records: u64,
    faults: Vec<String>,
    /// All that was found; offline only.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
}

pub(crate) async fn run(command: &Command, around: &Surroundings) -> Result<(), CliError> {
    let Command::Verify(arguments) = command;
    let session = arguments.what.as_deref().and_then(|what| what.parse::<SessionId>().ok());
    let dir = arguments.what.as_deref().filter(|_| session.is_none()).map(Path::new);
    let offline = dir.is_some() || arguments.offline || arguments.key.is_some() || arguments.anchor.is_some();
    let verified = match offline {
        true => on_files(arguments, session, &Place::of(dir, around)?)?,
        false => through_api(session, around).await?,
    };
    let what = session.map_or_else(|| "everything recorded".to_owned(), |id| id.to_string());
    around.output.result(&verified, || text(&verified, &what))?;
    if verified.whole {
        return Ok(());
    }
    let count = verified.report.as_ref().map_or(verified.faults.len() as u64, |report| report.fault_count);
    Err(CliError::new(Exit::Unsound, format!("the recording is not whole: {count} faults"))
        .code(code::RECORDING_BROKEN)
        .help("keep the files as they are, and compare them with a copy that verifies"))
}

async fn through_api(session: Option<SessionId>, around: &Surroundings) -> Result<Verified, CliError> {
    let request = v1::VerifySessionRequest { session_id: session.map(|id| id.to_string()) };
    let answer = around.connect().await?.audit().verify_session(request).await?.into_inner();
    Ok(Verified {
        whole: answer.faults.is_empty(),
        records: answer.records,
        faults: answer.faults,
        report: None,
    })
}

/// Where recordings and their key lie.
struct Place {
    recordings: PathBuf,
    /// Where the key is looked for, when none is named.
    keys: Vec<PathBuf>,
}

impl Place {
    fn of(dir: Option<&Path>, around: &Surroundings) -> Result<Self, CliError> {
        let data = match dir {
            None => around.data(),
            Some(dir) if dir.join("recordings").is_dir() => DataDir::of(Some(dir)),
            Some(dir) if dir.is_dir() => {
                let beside = dir.join("..").join("keys").join("checkpoint.pub");
                return Ok(Self { recordings: dir.to_owned(), keys: vec![beside] });
            }
            Some(dir) => {
                return Err(CliError::new(
                    Exit::NotFound,
                    format!("`{}` is neither a session's id nor a folder", dir.display()),
                )
                .help("`countersign sessions ls --all` lists sessions"));
            }
        };
        Ok(Self { recordings: data.recordings(), keys: vec![data.checkpoint_public_key()] })
    }

    fn key(&self, named: Option<&str>) -> Result<PublicKey, CliError> {
        let named =
            named.map(|named| named.parse::<PublicKey>().map_or_else(|_| Err(PathBuf::from(named)), Ok));
        let file = match named {
            Some(Ok(key)) => return Ok(key),
            Some(Err(file)) => file,
            None => self.keys.first().cloned().unwrap_or_default(),
        };
        let text = std::fs::read_to_string(&file).map_err(|error| {
            CliError::failed(format!("cannot read the public key `{}`: {error}", file.display()))
                .help("name the key that signs the checkpoints with --key")
        })?;
        text.parse()
            .map_err(|error| CliError::failed(format!("`{}` holds no public key: {error}", file.display())))
    }
}

fn on_files(arguments: &Verify, session: Option<SessionId>, place: &Place) -> Result<Verified, CliError> {
    let key = place.key(arguments.key.as_deref())?;
    let failed = |error: std::io::Error| {
        CliError::failed(format!("cannot read the recordings in `{}`: {error}", place.recordings.display()))
    };
    let report = match (session, &arguments.anchor) {
        (Some(_), Some(_)) => {
            return Err(CliError::new(Exit::Usage, "--anchor is about the whole recording, not one session"));
        }
        (Some(session), None) => verify_session(&place.recordings, &key, session).map_err(failed)?,
        (None, None) => Verifier::new(&key).verify(&place.recordings).map_err(failed)?,
        (None, Some(file)) => {
            let anchor = anchor(file, &key)?;
            Verifier::new(&key).anchored_by(anchor).verify(&place.recordings).map_err(failed)?
        }
    };
    if let (Some(session), true) = (session, report.streams.is_empty()) {
        let what = format!("there is no recording of {session} in `{}`", place.recordings.display());
        return Err(CliError::new(Exit::NotFound, what));
    }
    Ok(Verified {
        whole: report.is_whole(),
        records: report.records,
        faults: report.faults.iter().map(ToString::to_string).collect(),
        report: Some(report),
    })
}

fn anchor(file: &Path, key: &PublicKey) -> Result<Checkpoint, CliError> {
    let text = std::fs::read(file)
        .map_err(|error| CliError::failed(format!("cannot read `{}`: {error}", file.display())))?;
    Checkpoint::parse(text.trim_ascii_end(), key).map_err(|error| {
        CliError::new(Exit::Unsound, format!("`{}` is no checkpoint by this key: {error}", file.display()))
    })
}

fn text(verified: &Verified, what: &str) -> String {
    if !verified.whole {
        return verified.faults.iter().map(|fault| format!("{fault}\n")).collect();
    }
    let Some(report) = &verified.report else {
        return format!("Whole: {what}; {} records checked.\n", verified.records);
    };
    let mut text = format!(
        "Whole: {what}; {} records in {} streams, {} segments, {} checkpoints.\n",
        report.records,
        report.streams.len(),
        report.segments,
        report.checkpoints
    );
    if report.uncovered_lines > 0 {
        text.push_str(&format!(
            "The last {} lines are not under a checkpoint yet: nothing but their own chains vouches for them.\n",
            report.uncovered_lines
        ));
    }
    if report.recoveries > 0 {
        text.push_str(&format!(
            "The writer died {} times; {} torn bytes were put aside.\n",
            report.recoveries, report.recovered_bytes
        ));
    }
    text
}
