//! `countersign audit`: proves that recordings are whole, through the API or offline on the files.

use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};
use countersign_api::{BadField, timestamp, v1};
use countersign_common::Timestamp;
use countersign_common::error::code;
use countersign_common::id::SessionId;
use countersign_recording::history::FoundChapter;
use countersign_recording::{Log, LogHead, Report, Verdict, Verifier};
use serde::Serialize;
use tonic::metadata::MetadataMap;

use super::places::{Places, anchors};
use super::{Surroundings, now};
use crate::error::{CliError, Exit};

/// How often a recording is verified again whose segments were just being sealed, and how long to wait before.
const ATTEMPTS_MAX: u32 = 3;
const REST: Duration = Duration::from_secs(1);

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
    /// Checkpoints that were kept elsewhere: a file or a URL with lines of `checkpoints.jsonl`; may be given several times.
    /// Only with one does a verification of files say `whole`: without, what was taken away together with the checkpoints
    /// that speak of it does not show.
    #[arg(long, value_name = "FILE|URL")]
    anchor: Vec<String>,
}

/// The JSON of a verification.
#[derive(Debug, Serialize)]
struct Verified {
    whole: bool,
    /// `whole`, `consistent` or `broken`.
    verdict: Verdict,
    records: u64,
    faults: Vec<String>,
    /// How far each log came, and who says so.
    logs: Vec<VerifiedLog>,
    /// What else is to be known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
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

/// How far one log came.
#[derive(Debug, Serialize)]
struct VerifiedLog {
    log: Option<String>,
    /// Its own newest checkpoint: what it vouches for itself.
    newest: Option<Reached>,
    /// The newest checkpoint that was kept elsewhere and is one of its own.
    anchored: Option<Reached>,
    /// A newer one that is known elsewhere: what was recorded up to it was not seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    ahead: Option<Reached>,
    /// Lines after its newest checkpoint.
    uncovered_lines: u64,
}

/// A checkpoint.
#[derive(Debug, Clone, Serialize)]
struct Reached {
    checkpoint: u64,
    at: String,
    age_seconds: u64,
}

impl Reached {
    fn of(checkpoint: u64, at: Timestamp) -> Self {
        Self { checkpoint, at: at.to_string(), age_seconds: at.until(now()).as_secs() }
    }

    fn text(&self) -> String {
        let age = humantime::format_duration(Duration::from_secs(self.age_seconds));
        format!("checkpoint {} of {} ({age} old)", self.checkpoint, self.at)
    }
}

impl From<&LogHead> for VerifiedLog {
    fn from(head: &LogHead) -> Self {
        let reached = |reached: &countersign_recording::Reached| Reached::of(reached.checkpoint, reached.at);
        Self {
            log: head.log.clone(),
            newest: head.newest.as_ref().map(reached),
            anchored: head.anchored.as_ref().map(reached),
            ahead: head.ahead.as_ref().map(reached),
            uncovered_lines: head.uncovered_lines,
        }
    }
}

impl VerifiedLog {
    fn read(log: v1::VerifiedLog) -> Result<Self, BadField> {
        let reached = |reached: Option<v1::ReachedCheckpoint>| {
            reached
                .map(|one| Ok(Reached::of(one.number, timestamp(one.sign_time, "reached.sign_time")?)))
                .transpose()
        };
        Ok(Self {
            log: log.log,
            newest: reached(log.newest)?,
            anchored: reached(log.anchored)?,
            ahead: reached(log.ahead)?,
            uncovered_lines: log.uncovered_lines,
        })
    }

    /// What people read about it.
    fn text(&self) -> String {
        let log = self.log.as_deref().unwrap_or("without a name");
        let mut text = format!("Log {log}: ");
        match (&self.anchored, &self.newest) {
            (Some(anchored), _) => {
                text.push_str(&format!("whole up to {}, which is kept elsewhere", anchored.text()));
            }
            (None, Some(newest)) => text.push_str(&format!(
                "consistent up to {}, its own newest; nothing from elsewhere says that nothing came after it",
                newest.text()
            )),
            (None, None) => text.push_str("no checkpoint of it was seen"),
        }
        if let Some(ahead) = &self.ahead {
            text.push_str(&format!("; what was recorded up to {} was not seen", ahead.text()));
        }
        if self.uncovered_lines > 0 {
            text.push_str(&format!(
                "; {} lines after its newest are under no checkpoint",
                self.uncovered_lines
            ));
        }
        text.push_str(".\n");
        text
    }
}

pub(crate) async fn run(command: &Command, around: &Surroundings) -> Result<(), CliError> {
    let Command::Verify(arguments) = command;
    let (session, dirs) = arguments.what()?;
    let offline =
        !dirs.is_empty() || arguments.offline || !arguments.key.is_empty() || !arguments.anchor.is_empty();
    let verified = match offline {
        true => on_files(arguments, session, &Places::of(&dirs, around)?, around).await?,
        false => through_api(session, around).await?,
    };
    let what = session.map_or_else(|| "everything recorded".to_owned(), |id| id.to_string());
    around.output.result(&verified, || text(&verified, &what))?;
    match verified.verdict {
        Verdict::Whole => Ok(()),
        Verdict::Consistent => {
            let help = match offline {
                true => {
                    "give a checkpoint that was kept elsewhere with --anchor, or ask the control plane, whose store has them"
                }
                false => "verify again when all nodes are there and what they recorded is under a checkpoint",
            };
            Err(CliError::new(
                Exit::Unanchored,
                "nothing is wrong with the recording, but it is not proven whole",
            )
            .help(help))
        }
        Verdict::Broken => Err(broken(&verified)),
    }
}

fn broken(verified: &Verified) -> CliError {
    let listed = verified.report.as_ref().map_or(0, |report| report.faults.len());
    let found = verified.report.as_ref().map_or(0, |report| report.fault_count);
    let count = verified.faults.len().saturating_sub(listed) as u64 + found;
    CliError::new(Exit::Unsound, format!("the recording is not whole: {count} faults"))
        .code(code::RECORDING_BROKEN)
        .help("keep the files as they are, and compare them with a copy that verifies")
}

async fn through_api(session: Option<SessionId>, around: &Surroundings) -> Result<Verified, CliError> {
    let request = v1::VerifySessionRequest { session_id: session.map(|id| id.to_string()) };
    let answer = around.connect().await?.audit().verify_session(request).await?;
    let silent_nodes = silent_nodes(answer.metadata());
    let answer = answer.into_inner();
    let verdict = match answer.verdict() {
        _ if !answer.faults.is_empty() => Verdict::Broken,
        v1::Verdict::Whole if silent_nodes.is_none() => Verdict::Whole,
        v1::Verdict::Broken => Verdict::Broken,
        v1::Verdict::Whole | v1::Verdict::Consistent | v1::Verdict::Unspecified => Verdict::Consistent,
    };
    Ok(Verified {
        whole: verdict == Verdict::Whole,
        verdict,
        records: answer.records,
        faults: answer.faults,
        logs: answer.logs.into_iter().map(VerifiedLog::read).collect::<Result<_, _>>()?,
        notes: answer.notes,
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

async fn on_files(
    arguments: &Verify,
    session: Option<SessionId>,
    places: &Places,
    around: &Surroundings,
) -> Result<Verified, CliError> {
    let failed = |error: std::io::Error| {
        CliError::failed(format!("cannot read the recordings in {}: {error}", places.names()))
    };
    let keys = places.keys(&arguments.key)?;
    let verifier = places.verifier(&keys)?;
    let anchors = anchors(&arguments.anchor, &verifier, around).await?;
    let verifier = anchors.into_iter().fold(verifier, Verifier::anchored_by);
    let report = steady_report(&verifier, places, session).await.map_err(failed)?;
    if let (Some(session), true, true) = (session, report.streams.is_empty(), report.is_sound()) {
        let what = format!("there is no recording of {session} in {}", places.names());
        return Err(CliError::new(Exit::NotFound, what));
    }
    let history = match session {
        Some(_) => Vec::new(),
        None => places.history(&keys).map_err(failed)?,
    };
    let ended: Vec<String> = history.iter().flat_map(|chapter| chapter.faults.iter().cloned()).collect();
    let verdict = if ended.is_empty() { report.verdict() } else { Verdict::Broken };
    Ok(Verified {
        whole: verdict == Verdict::Whole,
        verdict,
        records: report.records,
        faults: report.faults.iter().map(ToString::to_string).chain(ended).collect(),
        logs: report.heads.iter().map(VerifiedLog::from).collect(),
        notes: Vec::new(),
        silent_nodes: None,
        report: Some(report),
        history,
    })
}

/// Verifies; again when segments were just being sealed.
async fn steady_report(
    verifier: &Verifier,
    places: &Places,
    session: Option<SessionId>,
) -> std::io::Result<Report> {
    let mut attempt = 1;
    loop {
        let logs = Log::find(&places.recordings)?;
        let report = match session {
            Some(session) => verifier.verify_session(&logs, session),
            None => verifier.verify_all(&logs),
        }?;
        if attempt == ATTEMPTS_MAX || !report.may_be_in_progress() {
            return Ok(report);
        }
        attempt += 1;
        tokio::time::sleep(REST).await;
    }
}

fn text(verified: &Verified, what: &str) -> String {
    let mut text = match verified.verdict {
        Verdict::Broken => {
            let mut text: String = verified.faults.iter().map(|fault| format!("{fault}\n")).collect();
            text.extend(verified.notes.iter().map(|note| format!("{note}\n")));
            return text;
        }
        Verdict::Whole => "Whole: ".to_owned(),
        Verdict::Consistent => "Not proven whole: ".to_owned(),
    };
    text.push_str(&format!("{what}; {} records checked", verified.records));
    match &verified.report {
        Some(report) => text.push_str(&format!(
            " in {} streams, {} segments, {} checkpoints.\n",
            report.streams.len(),
            report.segments,
            report.checkpoints
        )),
        None => text.push_str(".\n"),
    }
    text.extend(verified.logs.iter().map(VerifiedLog::text));
    if let Some(nodes) = &verified.silent_nodes {
        text.push_str(&format!("What {nodes} recorded last was not seen: silent when asked for it.\n"));
    }
    text.extend(verified.notes.iter().map(|note| format!("{note}\n")));
    if let Some(report) = &verified.report {
        text.push_str(&report_text(report));
    }
    text.extend(verified.history.iter().map(chapter_text));
    text
}

fn report_text(report: &Report) -> String {
    let mut text = String::new();
    if report.repeated > 0 {
        text.push_str(&format!(
            "{} records were found more than once, the same: they were sent again after a failover.\n",
            report.repeated
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

fn chapter_text(chapter: &FoundChapter) -> String {
    let FoundChapter { installation, chapter, pages, entries, is_unsealed, .. } = chapter;
    let unsealed = if *is_unsealed { "; the newest page is not sealed yet" } else { "" };
    format!("History of {chapter} ({installation}): {entries} entries on {pages} pages{unsealed}.\n")
}
