//! `countersign audit`: proves that recordings are whole, through the API or offline on the files.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use countersign_api::v1;
use countersign_common::error::code;
use countersign_common::id::SessionId;
use countersign_recording::history::{FoundChapter, verify_folder};
use countersign_recording::{Checkpoint, Log, PublicKey, Report, Verifier};
use serde::Serialize;
use tonic::metadata::MetadataMap;

use super::Surroundings;
use crate::data::{DataDir, recordings_in};
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
    /// A session (`ses_…`), or folders to verify offline: a node's data directory, its recordings, an archive.
    /// Name all places that a control plane's nodes recorded to, as a session may lie in several. Without
    /// any: everything that the control plane has.
    #[arg(value_name = "SESSION|DIR")]
    what: Vec<String>,
    /// Verifies the files in the data directory instead of asking the control plane.
    #[arg(long)]
    offline: bool,
    /// The public key of the checkpoints: a file, or its 64 hex digits; once for each node. Default:
    /// `keys/checkpoint.pub` beside the recordings, which proves less: who can change them may be able to
    /// change it too.
    #[arg(long, value_name = "FILE|HEX")]
    key: Vec<String>,
    /// A checkpoint that was kept elsewhere (a file with one line of `checkpoints.jsonl`): the recording
    /// (of several: the first) has to reach it. Only so does it show when its newest part was taken away with its checkpoints.
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
}

/// The JSON of a verification.
#[derive(Debug, Serialize)]
struct Verified {
    whole: bool,
    records: u64,
    faults: Vec<String>,
    /// Nodes that were asked for what they recorded last, and were silent: that part was not seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    silent_nodes: Option<String>,
    /// All that was found; offline only.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
    /// What was found of what has ended; offline only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    history: Vec<FoundChapter>,
}

pub(crate) async fn run(command: &Command, around: &Surroundings) -> Result<(), CliError> {
    let Command::Verify(arguments) = command;
    let (session, dirs) = arguments.what()?;
    let offline =
        !dirs.is_empty() || arguments.offline || !arguments.key.is_empty() || arguments.anchor.is_some();
    let verified = match offline {
        true => on_files(arguments, session, &Places::of(&dirs, around)?)?,
        false => through_api(session, around).await?,
    };
    let what = session.map_or_else(|| "everything recorded".to_owned(), |id| id.to_string());
    around.output.result(&verified, || text(&verified, &what))?;
    if verified.whole {
        return Ok(());
    }
    let listed = verified.report.as_ref().map_or(0, |report| report.faults.len());
    let found = verified.report.as_ref().map_or(0, |report| report.fault_count);
    let count = verified.faults.len().saturating_sub(listed) as u64 + found;
    Err(CliError::new(Exit::Unsound, format!("the recording is not whole: {count} faults"))
        .code(code::RECORDING_BROKEN)
        .help("keep the files as they are, and compare them with a copy that verifies"))
}

async fn through_api(session: Option<SessionId>, around: &Surroundings) -> Result<Verified, CliError> {
    let request = v1::VerifySessionRequest { session_id: session.map(|id| id.to_string()) };
    let answer = around.connect().await?.audit().verify_session(request).await?;
    let silent_nodes = silent_nodes(answer.metadata());
    let answer = answer.into_inner();
    Ok(Verified {
        whole: answer.faults.is_empty(),
        records: answer.records,
        faults: answer.faults,
        silent_nodes,
        report: None,
        history: Vec::new(),
    })
}

/// Who was silent when the control plane gathered what its nodes had recorded last.
pub(super) fn silent_nodes(metadata: &MetadataMap) -> Option<String> {
    metadata.get("countersign-silent-nodes")?.to_str().ok().map(str::to_owned)
}

impl Verify {
    /// The session, if one is named, and the folders.
    fn what(&self) -> Result<(Option<SessionId>, Vec<&Path>), CliError> {
        let (mut session, mut dirs) = (None, Vec::new());
        for what in &self.what {
            match what.parse::<SessionId>() {
                Ok(id) if session.is_none() => session = Some(id),
                Ok(_) => return Err(CliError::new(Exit::Usage, "name one session, or none")),
                Err(_) => dirs.push(Path::new(what)),
            }
        }
        Ok((session, dirs))
    }
}

/// Where recordings and their keys lie.
struct Places {
    recordings: Vec<PathBuf>,
    /// Where keys are looked for, when none is named.
    keys: Vec<PathBuf>,
}

impl Places {
    fn of(dirs: &[&Path], around: &Surroundings) -> Result<Self, CliError> {
        let mut places = Self { recordings: Vec::new(), keys: Vec::new() };
        if dirs.is_empty() {
            let data = around.data();
            places.recordings.push(data.recordings());
            places.keys.push(data.checkpoint_public_key());
        }
        for dir in dirs {
            places.add(dir)?;
        }
        Ok(places)
    }

    fn add(&mut self, dir: &Path) -> Result<(), CliError> {
        if !dir.is_dir() {
            let what = format!("`{}` is neither a session's id nor a folder", dir.display());
            return Err(
                CliError::new(Exit::NotFound, what).help("`countersign sessions ls --all` lists sessions")
            );
        }
        let recordings = recordings_in(dir);
        self.keys.push(match recordings == dir {
            true => dir.join("..").join("keys").join("checkpoint.pub"),
            false => DataDir::of(Some(dir)).checkpoint_public_key(),
        });
        self.recordings.push(recordings);
        Ok(())
    }

    fn names(&self) -> String {
        self.recordings.iter().map(|dir| format!("`{}`", dir.display())).collect::<Vec<_>>().join(", ")
    }

    /// Who checks: with the keys that were named, or else with those beside the recordings. An archive has none
    /// beside it; with others named it needs none.
    fn keys(&self, named: &[String]) -> Result<Vec<PublicKey>, CliError> {
        match named.is_empty() {
            false => named.iter().map(|named| key(named)).collect(),
            true => {
                let beside = self.keys.iter().filter(|file| self.keys.len() == 1 || file.is_file());
                beside.map(|file| key_in(file)).collect()
            }
        }
    }

    fn verifier(&self, keys: &[PublicKey]) -> Result<Verifier, CliError> {
        let (first, others) = keys.split_first().ok_or_else(|| {
            CliError::failed(format!("there is no public key beside {}", self.names()))
                .help("name the keys that sign the checkpoints with --key")
        })?;
        Ok(others.iter().fold(Verifier::new(first), Verifier::or))
    }

    /// What has ended, in those that are archives.
    fn history(&self, keys: &[PublicKey]) -> std::io::Result<Vec<FoundChapter>> {
        let mut found = Vec::new();
        for place in &self.recordings {
            found.extend(verify_folder(place, keys)?);
        }
        Ok(found)
    }
}

fn key(named: &str) -> Result<PublicKey, CliError> {
    named.parse().or_else(|_| key_in(Path::new(named)))
}

fn key_in(file: &Path) -> Result<PublicKey, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        CliError::failed(format!("cannot read the public key `{}`: {error}", file.display()))
            .help("name the key that signs the checkpoints with --key")
    })?;
    text.parse()
        .map_err(|error| CliError::failed(format!("`{}` holds no public key: {error}", file.display())))
}

fn on_files(arguments: &Verify, session: Option<SessionId>, places: &Places) -> Result<Verified, CliError> {
    let failed = |error: std::io::Error| {
        CliError::failed(format!("cannot read the recordings in {}: {error}", places.names()))
    };
    let keys = places.keys(&arguments.key)?;
    let verifier = places.verifier(&keys)?;
    let logs = Log::find(&places.recordings).map_err(failed)?;
    let report = match (session, &arguments.anchor) {
        (Some(_), Some(_)) => {
            return Err(CliError::new(Exit::Usage, "--anchor is about the whole recording, not one session"));
        }
        (Some(session), None) => verifier.verify_session(&logs, session).map_err(failed)?,
        (None, None) => verifier.verify_all(&logs).map_err(failed)?,
        (None, Some(file)) => {
            let anchor = anchor(file, &verifier)?;
            verifier.anchored_by(anchor).verify_all(&logs).map_err(failed)?
        }
    };
    if let (Some(session), true) = (session, report.streams.is_empty()) {
        let what = format!("there is no recording of {session} in {}", places.names());
        return Err(CliError::new(Exit::NotFound, what));
    }
    let history = match session {
        Some(_) => Vec::new(),
        None => places.history(&keys).map_err(failed)?,
    };
    let ended = history.iter().flat_map(|chapter| chapter.faults.iter().cloned());
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).chain(ended).collect();
    Ok(Verified {
        whole: report.is_whole() && faults.is_empty(),
        records: report.records,
        faults,
        silent_nodes: None,
        report: Some(report),
        history,
    })
}

fn anchor(file: &Path, verifier: &Verifier) -> Result<Checkpoint, CliError> {
    let text = std::fs::read(file)
        .map_err(|error| CliError::failed(format!("cannot read `{}`: {error}", file.display())))?;
    verifier.checkpoint(text.trim_ascii_end()).map_err(|error| {
        CliError::new(Exit::Unsound, format!("`{}` is no checkpoint by this key: {error}", file.display()))
    })
}

fn text(verified: &Verified, what: &str) -> String {
    if !verified.whole {
        return verified.faults.iter().map(|fault| format!("{fault}\n")).collect();
    }
    let Some(report) = &verified.report else {
        let mut text = format!("Whole: {what}; {} records checked.\n", verified.records);
        if let Some(nodes) = &verified.silent_nodes {
            text.push_str(&format!("What {nodes} recorded last was not seen: silent when asked for it.\n"));
        }
        return text;
    };
    let mut text = format!(
        "Whole: {what}; {} records in {} streams, {} segments, {} checkpoints.\n",
        report.records,
        report.streams.len(),
        report.segments,
        report.checkpoints
    );
    if report.repeated > 0 {
        text.push_str(&format!(
            "{} records were found more than once, the same: they were sent again after a failover.\n",
            report.repeated
        ));
    }
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
    for chapter in &verified.history {
        let FoundChapter { installation, chapter, pages, entries, is_unsealed, .. } = chapter;
        let unsealed = if *is_unsealed { "; the newest page is not sealed yet" } else { "" };
        text.push_str(&format!(
            "History of {chapter} ({installation}): {entries} entries on {pages} pages{unsealed}.\n"
        ));
    }
    text
}
