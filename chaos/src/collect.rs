//! What is left when all is quiet: rows, approvals, records. Read from the database past the gateway, and from
//! the control plane as auditors read it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use countersign_api::v1;
use countersign_testkit::Postgres;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::Api;
use crate::command::Effect;
use crate::history::Entry;
use crate::remains::Remains;

/// Everything that the checker looks at. Kept as JSON when it finds something.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Aftermath {
    /// What clients and approvers did and were told.
    pub history: Vec<Entry>,
    /// What the database has.
    pub rows: Vec<Row>,
    /// How every approval stands.
    pub approvals: Vec<Approval>,
    /// What was recorded of commands.
    pub records: Vec<Record>,
    /// What the verifier says is wrong with the recordings.
    pub faults: Vec<String>,
    /// What the store has, where it can be read.
    pub store: Option<Remains>,
}

/// A row that somebody inserted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub effect: Effect,
    /// The transaction that inserted it.
    pub xid: String,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: String,
    /// The row that its command would insert.
    pub effect: Option<Effect>,
    /// Where it stands.
    pub state: State,
    /// Who said what: name, and yes or no.
    pub decisions: Vec<(String, bool)>,
    /// The transaction that was presented as evidence.
    pub xid: Option<String>,
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words of the protocol")]
pub enum State {
    Pending,
    Approved,
    Redeemed,
    Done,
    /// The target answered with an error.
    Failed,
    InDoubt,
    NotRun,
    Denied,
    Expired,
    Withdrawn,
    Voided,
    Revoked,
}

impl State {
    /// Whether it never had and never gets an effect.
    #[must_use]
    pub const fn is_a_no(self) -> bool {
        matches!(self, Self::Denied | Self::Expired | Self::Withdrawn | Self::Voided | Self::Revoked)
    }

    /// The word for it in the store.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Redeemed => "redeemed",
            Self::Done | Self::Failed => "done",
            Self::InDoubt => "in_doubt",
            Self::NotRun => "not_run",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Voided => "voided",
            Self::Revoked => "revoked",
        }
    }

    /// Whether it has not ended, and nobody is told that it is in doubt.
    #[must_use]
    pub const fn goes_on(self) -> bool {
        matches!(self, Self::Pending | Self::Approved | Self::Redeemed)
    }

    fn of(status: &v1::ApprovalStatus) -> Option<Self> {
        use v1::ApprovalState as Wire;
        let failed = status.outcome.as_ref().is_some_and(|outcome| outcome.error_code.is_some());
        Some(match status.state() {
            Wire::Unspecified => return None,
            Wire::Pending => Self::Pending,
            Wire::Approved => Self::Approved,
            Wire::Redeemed => Self::Redeemed,
            Wire::Done if failed => Self::Failed,
            Wire::Done => Self::Done,
            Wire::InDoubt => Self::InDoubt,
            Wire::NotRun => Self::NotRun,
            Wire::Denied => Self::Denied,
            Wire::Expired => Self::Expired,
            Wire::Withdrawn => Self::Withdrawn,
            Wire::Voided => Self::Voided,
            Wire::Revoked => Self::Revoked,
        })
    }
}

/// A record of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The connection's stream.
    pub stream: String,
    /// The command.
    pub command: String,
    /// What it says.
    pub said: Said,
}

/// What a record says of its command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It began; the row that it would insert.
    Begun(Option<Effect>),
    /// It used up this approval.
    Redeemed(String),
    /// It ended, with the target's word that it ran, or without.
    Ended {
        /// Whether the target said that it was done.
        completed: bool,
    },
}

/// The rows, as the database's superuser sees them.
///
/// # Errors
/// The database does not answer.
pub fn rows(server: &Postgres) -> Result<Vec<Row>> {
    let listed = server.sql("SELECT id, xmin FROM effects ORDER BY id")?;
    let row = |line: &str| {
        let (effect, xid) = line.split_once('|').with_context(|| format!("not a row: {line}"))?;
        let effect = Effect::within(effect).with_context(|| format!("nobody's row: {line}"))?;
        Ok(Row { effect, xid: xid.to_owned() })
    };
    listed.lines().map(row).collect()
}

/// All approvals that these agents asked for.
///
/// # Errors
/// The control plane does not answer.
pub async fn approvals(api: &Api, agents: &[String]) -> Result<Vec<Approval>> {
    let every: Vec<v1::ApprovalState> =
        (1..=11).filter_map(|state| v1::ApprovalState::try_from(state).ok()).collect();
    let mut found = Vec::new();
    for agent in agents {
        let listed = api.approvals(&every, Some(agent)).await.context("no list of approvals")?;
        ensure!(listed.len() < 1000, "{agent} has more approvals than one list shows");
        for approval in listed {
            let details = api.details(&approval.id).await.with_context(|| approval.id.clone())?;
            found.push(read(approval, &details)?);
        }
    }
    Ok(found)
}

fn read(approval: v1::Approval, details: &v1::ApprovalDetails) -> Result<Approval> {
    let status = approval.status.as_ref();
    let state = status.and_then(State::of).with_context(|| format!("{} has no state", approval.id))?;
    let text = details.command.as_ref().map(|command| String::from_utf8_lossy(&command.text).into_owned());
    let presented = approval.evidence.and_then(|evidence| evidence.presented);
    Ok(Approval {
        effect: text.as_deref().and_then(Effect::within),
        state,
        decisions: approval
            .decisions
            .iter()
            .map(|decision| (decision.approver.clone(), decision.vote() == v1::Vote::Approve))
            .collect(),
        xid: presented.and_then(|evidence| evidence.strip_prefix("xid:").map(str::to_owned)),
        id: approval.id,
    })
}

/// The approvals that go on still, with those in doubt about which the target can be asked.
///
/// # Errors
/// The control plane does not answer.
pub async fn going_on(api: &Api) -> Result<Vec<String>> {
    use v1::ApprovalState::{Approved, InDoubt, Pending, Redeemed};
    let listed = api.approvals(&[Pending, Approved, Redeemed, InDoubt], None).await;
    let presented = |approval: &v1::Approval| {
        approval.evidence.as_ref().is_some_and(|evidence| evidence.presented.is_some())
    };
    let in_doubt =
        |approval: &v1::Approval| approval.status.as_ref().is_some_and(|status| status.state() == InDoubt);
    let open =
        listed.context("no list of approvals")?.into_iter().filter(|one| !in_doubt(one) || presented(one));
    Ok(open.map(|approval| approval.id).collect())
}

/// The records in these folders, read again until every command that began has ended or patience ends: what a lost
/// gateway left open is ended when its lease has run out.
///
/// # Errors
/// A file cannot be read, or a record is not what it should be.
pub fn records(folders: &[PathBuf], patience: Duration) -> Result<Vec<Record>> {
    let start = Instant::now();
    loop {
        let lines = lines(folders)?;
        let all = lines.iter().filter_map(|line| record(line).transpose());
        let all: Vec<Record> = all.collect::<Result<_>>()?;
        if open(&all) == 0 || start.elapsed() > patience {
            return Ok(all);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// All lines of records, without any reading of the product's. After a failover two nodes may have the same line,
/// and the archive has it once more.
fn lines(folders: &[PathBuf]) -> Result<BTreeSet<String>> {
    let mut lines = BTreeSet::new();
    for folder in folders {
        read_lines(folder, &mut lines).with_context(|| format!("cannot read `{}`", folder.display()))?;
    }
    Ok(lines)
}

/// Those in a folder and the folders in it: an archive has one for each log, and its segments are compressed.
fn read_lines(folder: &Path, lines: &mut BTreeSet<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_lines(&path, lines)?;
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = match name.strip_prefix("segment-").and_then(|rest| rest.split_once('.')) {
            Some((_, "jsonl")) => std::fs::read(&path)?,
            Some((_, "jsonl.zst")) => zstd::decode_all(std::fs::File::open(&path)?)?,
            _ => continue,
        };
        let text = String::from_utf8(bytes)?;
        // The last one may be being written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        lines.extend(whole.lines().filter(|line| line.contains("\"record\":")).map(str::to_owned));
    }
    Ok(())
}

/// How many commands have begun and not ended.
fn open(records: &[Record]) -> usize {
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    for record in records {
        *balance.entry(&record.command).or_default() += match record.said {
            Said::Begun(_) => 1,
            Said::Ended { .. } => -1,
            Said::Redeemed(_) => 0,
        };
    }
    balance.values().filter(|open| **open > 0).count()
}

/// What a line says of a command; nothing when it is about something else.
fn record(line: &str) -> Result<Option<Record>> {
    let line: Value = serde_json::from_str(line).context("a record is not JSON")?;
    let record = line.get("record").and_then(Value::as_object).context("a line without a record")?;
    let Some((kind, body)) = record.iter().next() else { return Ok(None) };
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let said = match kind.as_str() {
        "begin" => Said::Begun(Effect::within(&body.get("command").unwrap_or(&Value::Null).to_string())),
        "redeemed" => Said::Redeemed(text("approval")),
        "end" => {
            let outcome = body.get("outcome").and_then(Value::as_object);
            Said::Ended { completed: outcome.is_some_and(|outcome| outcome.contains_key("completed")) }
        }
        _ => return Ok(None),
    };
    let stream = line.get("stream").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Some(Record { stream, command: text("id"), said }))
}

#[cfg(test)]
mod tests {
    use countersign_testkit::{Account, Folder};

    use super::*;

    #[test]
    fn what_only_the_archive_has_is_read_and_what_the_node_has_too_counts_once() {
        let folder = Folder::new(Account::Own).unwrap();
        let line =
            |seq: u8, record: &str| format!("{{\"stream\":\"s\",\"seq\":{seq},\"record\":{record}}}\n");
        let begun = line(1, "{\"begin\":{\"id\":\"c\",\"command\":{}}}");
        let ended = line(2, "{\"end\":{\"id\":\"c\",\"outcome\":{\"lost\":{}}}}");
        let own = folder.make("own").unwrap();
        std::fs::write(own.join("segment-00000000.jsonl"), &begun).unwrap();
        let archive = folder.make("archive").unwrap();
        let log = folder.make("archive/log").unwrap();
        let sealed = zstd::encode_all((begun + &ended).as_bytes(), 0).unwrap();
        std::fs::write(log.join("segment-00000000.jsonl.zst"), sealed).unwrap();

        let found = records(&[own, archive], Duration::ZERO).unwrap();
        let said: Vec<&Said> = found.iter().map(|record| &record.said).collect();
        assert_eq!(said, [&Said::Begun(None), &Said::Ended { completed: false }]);
    }
}
