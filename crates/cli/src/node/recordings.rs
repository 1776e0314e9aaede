//! The recordings of this node before they are gone on with: they have to be what the newest checkpoint says that is kept outside
//! of them. Otherwise this node would sign what somebody has written anew.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use countersign_common::id::Subject;
use countersign_common::time::{Clock as _, SystemClock};
use countersign_controlplane::ControlPlane;
use countersign_controlplane::journal::NotAdmitted;
use countersign_recording::PublicKey;

use crate::data::{DataDir, private_dir};
use crate::error::{CliError, Exit};

/// In whose name a loss is accepted: whoever may start the process.
const OPERATOR: &str = "operator";

/// How a start goes on that was refused.
#[derive(Debug, Clone, Args)]
pub(crate) struct AcceptLoss {
    /// Goes on although this node's recordings are not what was signed, or are gone: puts on record that the log is lost, for
    /// this reason, moves what is left of it aside, and begins a new one. For one log, by its id; verification says so for good.
    #[arg(long, value_name = "LOG=REASON")]
    accept_loss: Vec<LostLog>,
}

/// `LOG=REASON`.
#[derive(Debug, Clone)]
struct LostLog {
    log: String,
    reason: String,
}

impl FromStr for LostLog {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write it as the id of the log, `=`, and the reason".to_owned();
        let (log, reason) = text.split_once('=').ok_or_else(wrong)?;
        let is_log = log.len() == 32 && log.bytes().all(|byte| byte.is_ascii_hexdigit());
        match is_log && !reason.trim().is_empty() {
            true => Ok(Self { log: log.to_owned(), reason: reason.trim().to_owned() }),
            false => Err(wrong()),
        }
    }
}

/// Finds out whether this node may go on with its recordings, before any journal is opened. `alone`: nobody else has the store.
pub(crate) async fn admit(
    control: &ControlPlane,
    data: &DataDir,
    key: &PublicKey,
    alone: bool,
    accepted: &AcceptLoss,
) -> Result<(), CliError> {
    let folders = [data.recordings(), data.drained()];
    let by = Subject::new(OPERATOR).map_err(|error| CliError::failed(error.to_string()))?;
    for LostLog { log, reason } in &accepted.accept_loss {
        let accepting = control.checkpoints().accept_loss(log, &folders, &by, reason, SystemClock.now());
        accepting.await.map_err(|error| CliError::because(Exit::Failed, "--accept-loss", &error))?;
        tracing::warn!(log, reason, "the loss of recordings was accepted, and is on record");
    }
    // One that was moved aside is begun anew.
    private_dir(&data.recordings())
        .map_err(|error| CliError::failed(format!("cannot create the folder of recordings: {error}")))?;
    let admitted = control.checkpoints().admit(key, &existing(&folders), alone).await;
    admitted.map_err(|error| refused(&error))
}

fn existing(folders: &[PathBuf]) -> Vec<PathBuf> {
    folders.iter().filter(|folder| folder.is_dir()).cloned().collect()
}

fn refused(error: &NotAdmitted) -> CliError {
    let refused = CliError::because(Exit::Unsound, "the start is refused", error);
    match error.log() {
        None => refused,
        Some(log) => refused.help(format!(
            "nothing was changed. Put the files back that were there, all of them. If they are lost, keep what is left, and \
             start with `--accept-loss {log}=REASON`: that goes on record, and verification says so for good"
        )),
    }
}
