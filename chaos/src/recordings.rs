//! What was recorded, read from the files of all nodes and from the archive without any reading of the product's. Each
//! line is read once and kept as what it says, so that hours of recordings fit into memory.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::command::Effect;

/// A record of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The connection's stream.
    pub stream: String,
    /// Its number in the stream.
    #[serde(default)]
    pub seq: u64,
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

/// Everything that matters of what was recorded.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// What is said of commands.
    pub records: Vec<Record>,
    /// The streams that were ended for a gateway that was lost.
    pub lost: BTreeSet<String>,
}

/// What the closing record says of a stream whose gateway was lost.
const LOST: &str = "the gateway was lost";

/// The records in these folders, read on until every command that began has ended or patience ends: what a lost
/// gateway left open is ended when its lease has run out.
///
/// # Errors
/// A file cannot be read, or a record is not what it should be.
pub fn records(folders: Vec<PathBuf>, patience: Duration) -> Result<Found> {
    let mut reader = Reader::of(folders);
    let start = Instant::now();
    loop {
        reader.round()?;
        if open(&reader.found.records) == 0 || start.elapsed() > patience {
            return Ok(reader.found);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Reads what has come since it read last.
#[derive(Debug)]
struct Reader {
    folders: Vec<PathBuf>,
    /// How far each file was read; one that is compressed never grows.
    read: BTreeMap<PathBuf, u64>,
    /// After a failover two nodes may have the same line, and the archive has it once more.
    seen: HashSet<(u64, u64)>,
    hashes: (RandomState, RandomState),
    found: Found,
}

impl Reader {
    fn of(folders: Vec<PathBuf>) -> Self {
        Self {
            folders,
            read: BTreeMap::new(),
            seen: HashSet::new(),
            hashes: (RandomState::new(), RandomState::new()),
            found: Found::default(),
        }
    }

    fn round(&mut self) -> Result<()> {
        for folder in self.folders.clone() {
            self.folder(&folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
        }
        Ok(())
    }

    /// What is in a folder and the folders in it: an archive has one for each log, and its segments are compressed.
    fn folder(&mut self, folder: &Path) -> Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.folder(&path)?;
            } else {
                self.file(&path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let from = self.read.get(path).copied();
        let bytes = match name.strip_prefix("segment-").and_then(|rest| rest.split_once('.')) {
            Some((_, "jsonl")) => rest_of(path, from.unwrap_or_default()),
            Some((_, "jsonl.zst")) if from.is_none() => std::fs::File::open(path).and_then(zstd::decode_all),
            _ => return Ok(()),
        };
        let bytes = match bytes {
            // A node removes what the archive has.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            bytes => bytes?,
        };
        // The last line may be being written.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let text = std::str::from_utf8(bytes.get(..whole).unwrap_or_default())?;
        for line in text.lines().filter(|line| line.contains("\"record\":")) {
            self.line(line)?;
        }
        self.read.insert(path.to_owned(), from.unwrap_or_default() + whole as u64);
        Ok(())
    }

    /// What a line says of a command, or that its stream's gateway was lost; nothing when it is about something else.
    fn take(&mut self, line: &str) -> Result<()> {
        let line: Value = serde_json::from_str(line).context("a record is not JSON")?;
        let stream = line.get("stream").and_then(Value::as_str).unwrap_or_default();
        if line.pointer("/record/closed/reason").and_then(Value::as_str) == Some(LOST) {
            self.found.lost.insert(stream.to_owned());
        }
        let seq = line.get("seq").and_then(Value::as_u64).unwrap_or_default();
        let record = line.get("record").and_then(Value::as_object).context("a line without a record")?;
        let said = record.iter().next().and_then(|(kind, body)| said(kind, body));
        let new = said.map(|(command, said)| Record { stream: stream.to_owned(), seq, command, said });
        self.found.records.extend(new);
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<()> {
        if self.seen.insert((self.hashes.0.hash_one(line), self.hashes.1.hash_one(line))) {
            self.take(line)?;
        }
        Ok(())
    }
}

fn rest_of(path: &Path, from: u64) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut rest = Vec::new();
    file.read_to_end(&mut rest)?;
    Ok(rest)
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

/// The command that a record is about, and what it says of it.
fn said(kind: &str, body: &Value) -> Option<(String, Said)> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let said = match kind {
        "begin" => Said::Begun(Effect::within(&body.get("command").unwrap_or(&Value::Null).to_string())),
        "redeemed" => Said::Redeemed(text("approval")),
        "end" => {
            let outcome = body.get("outcome").and_then(Value::as_object);
            Said::Ended { completed: outcome.is_some_and(|outcome| outcome.contains_key("completed")) }
        }
        _ => return None,
    };
    Some((text("id"), said))
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
        let ended = line(2, "{\"end\":{\"id\":\"c\",\"outcome\":{\"lost\":{}}}}")
            + &line(3, "{\"closed\":{\"reason\":\"the gateway was lost\",\"count\":4}}");
        let own = folder.make("own").unwrap();
        std::fs::write(own.join("segment-00000000.jsonl"), &begun).unwrap();
        let archive = folder.make("archive").unwrap();
        let log = folder.make("archive/log").unwrap();
        let sealed = zstd::encode_all((begun + &ended).as_bytes(), 0).unwrap();
        std::fs::write(log.join("segment-00000000.jsonl.zst"), sealed).unwrap();

        let found = records(vec![own, archive], Duration::ZERO).unwrap();
        assert_eq!(found.lost, BTreeSet::from(["s".to_owned()]));
        let said: Vec<&Said> = found.records.iter().map(|record| &record.said).collect();
        assert_eq!(said, [&Said::Begun(None), &Said::Ended { completed: false }]);
    }

    #[test]
    fn a_file_that_grows_is_read_on_where_it_was_left_and_half_a_line_later() {
        let folder = Folder::new(Account::Own).unwrap();
        let file = folder.path().join("segment-00000000.jsonl");
        let line = |record: &str| format!("{{\"stream\":\"s\",\"record\":{record}}}\n");
        let begun = line("{\"begin\":{\"id\":\"c\",\"command\":{}}}");
        let ended = line("{\"end\":{\"id\":\"c\",\"outcome\":{\"lost\":{}}}}");
        let mut reader = Reader::of(vec![folder.path().to_path_buf()]);
        for (upto, records) in [(0, 1), (20, 1), (ended.len(), 2), (ended.len(), 2)] {
            std::fs::write(&file, format!("{begun}{}", &ended[..upto])).unwrap();
            reader.round().unwrap();
            assert_eq!(reader.found.records.len(), records, "{upto} bytes of the last line");
        }
        assert_eq!(open(&reader.found.records), 0);
    }
}
