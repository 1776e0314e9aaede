//! I12: an attacker who can change all files but does not have the signing key. The verifier detects every change to
//! records that a checkpoint kept elsewhere covers, and never returns "whole" for a line that was not recorded.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_common::Digest;
use countersign_common::id::{ApprovalId, CommandId, SessionId};
use countersign_recording::*;
use proptest::prelude::*;
use serde_json::Value;
use support::*;

/// Files of a log by name, segments and checkpoints, each as its lines.
type Files = BTreeMap<String, Vec<String>>;

const CHECKPOINTS: &str = "checkpoints.jsonl";

/// Files available to the attacker, present and past.
struct Scene {
    /// The log at several times; the last one is the present.
    states: Vec<Files>,
    id: String,
    /// Every checkpoint ever signed, in order.
    signed: Vec<SignedCheckpoint>,
    /// A log of another installation with another key.
    other: Files,
}

fn files(dir: &Path) -> Files {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let is_of_log =
        |name: &String| name == CHECKPOINTS || name.starts_with("segment-") && name.ends_with(".jsonl");
    let read = |name: String| {
        let text = fs::read_to_string(dir.join(&name)).unwrap();
        (name, text.lines().map(str::to_owned).collect())
    };
    names.filter(is_of_log).map(read).collect()
}

/// One run of a node that records a few commands.
fn record(dir: &Path, key: SigningKey, number: u128) {
    let sink = Box::new(CheckpointFile::open(dir, key).unwrap());
    let options = Options { segment_bytes_max: 4000, checkpoint_every: Duration::ZERO, ..Options::default() };
    let journal = std::sync::Arc::new(LocalJournal::open(dir, options, clock(), sink).unwrap());
    let mut one = stream(&journal, SESSION);
    let mut two = stream(&journal, SessionId::from_u128(200 + number));
    for command in 0..3 {
        read(&mut one, CommandId::from_u128(1000 * number + command));
        wait(journal.synced(one.last())).unwrap();
    }
    write(&mut two, CommandId::from_u128(1000 * number + 500), ApprovalId::from_u128(number));
    one.close("client left").unwrap();
    two.close("client left").unwrap();
    journal.close().unwrap();
}

impl Scene {
    fn new() -> Self {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut states = Vec::new();
        for number in 1..4 {
            record(dir.path(), key(), number);
            states.push(files(dir.path()));
        }
        record(elsewhere.path(), SigningKey::from_seed(&[8; 32]).unwrap(), 1);
        let id = fs::read_to_string(dir.path().join("id")).unwrap();
        let is_checkpoint = |line: &&String| line.contains("\"sig\"");
        let parse = |line: &String| SignedCheckpoint::parse(line.as_bytes(), &key().public()).unwrap();
        let signed = states[2][CHECKPOINTS].iter().filter(is_checkpoint).map(parse).collect();
        Self { states, id, signed, other: files(elsewhere.path()) }
    }

    fn now(&self) -> &Files {
        self.states.last().unwrap()
    }
}

/// One action of the attacker.
#[derive(Debug, Clone)]
enum Deed {
    /// Drops this number of the newest checkpoints.
    DropCheckpoints(usize),
    /// Drops one checkpoint, or the tips before it.
    DropCheckpointLine(prop::sample::Index),
    /// Changes the contents of a record.
    ChangeRecord(prop::sample::Index),
    /// Drops this number of segment lines from here on.
    DropLines(prop::sample::Index, usize),
    /// Inserts a copy of a line elsewhere.
    DoubleLine(prop::sample::Index, prop::sample::Index),
    /// Swaps two lines of the segments.
    SwapLines(prop::sample::Index, prop::sample::Index),
    SwapSegments(prop::sample::Index, prop::sample::Index),
    /// Deletes one of the files.
    Delete(prop::sample::Index),
    /// Deletes this number of the newest segments.
    DeleteNewest(usize),
    /// Replaces one file by an older copy.
    OlderFile(prop::sample::Index, usize),
    /// Replaces all files by older copies.
    OlderAll(usize),
    /// Replaces a file by that of another installation.
    Foreign(prop::sample::Index),
    /// Replaces all files by those of another installation, under this log's id.
    ForeignAll,
    Unseal,
    /// Appends a record that was never recorded.
    Invent,
    /// Repairs all chains, links, digests and footers: everything except the signatures.
    Mend,
}

fn deed() -> impl Strategy<Value = Deed> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => (1usize..12).prop_map(Deed::DropCheckpoints),
        1 => index().prop_map(Deed::DropCheckpointLine),
        3 => index().prop_map(Deed::ChangeRecord),
        1 => (index(), 1usize..6).prop_map(|(at, count)| Deed::DropLines(at, count)),
        1 => (index(), index()).prop_map(|(from, to)| Deed::DoubleLine(from, to)),
        1 => (index(), index()).prop_map(|(one, other)| Deed::SwapLines(one, other)),
        1 => (index(), index()).prop_map(|(one, other)| Deed::SwapSegments(one, other)),
        1 => index().prop_map(Deed::Delete),
        1 => (1usize..6).prop_map(Deed::DeleteNewest),
        1 => (index(), 0usize..3).prop_map(|(file, state)| Deed::OlderFile(file, state)),
        1 => (0usize..3).prop_map(Deed::OlderAll),
        1 => index().prop_map(Deed::Foreign),
        1 => Just(Deed::ForeignAll),
        1 => Just(Deed::Unseal),
        1 => Just(Deed::Invent),
        3 => Just(Deed::Mend),
    ]
}

fn segments(files: &Files) -> Vec<String> {
    files.keys().filter(|name| name.starts_with("segment-")).cloned().collect()
}

fn lines(files: &Files) -> Vec<(String, usize)> {
    let of = |name: String| (0..files[&name].len()).map(move |at| (name.clone(), at));
    segments(files).into_iter().flat_map(of).collect()
}

impl Deed {
    fn act(&self, files: &mut Files, scene: &Scene) {
        match self {
            Self::ForeignAll => *files = scene.other.clone(),
            Self::OlderAll(state) => *files = scene.states[*state].clone(),
            _ if lines(files).is_empty() => {}
            Self::Mend => mend(files),
            Self::DropCheckpoints(_) | Self::DropCheckpointLine(_) => {
                if let Some(checkpoints) = files.get_mut(CHECKPOINTS).filter(|lines| !lines.is_empty()) {
                    self.act_on_checkpoints(checkpoints);
                }
            }
            Self::SwapSegments(..)
            | Self::Delete(_)
            | Self::DeleteNewest(_)
            | Self::OlderFile(..)
            | Self::Foreign(_) => self.act_on_files(files, scene),
            _ => self.act_on_lines(files),
        }
    }

    fn act_on_checkpoints(&self, checkpoints: &mut Vec<String>) {
        match self {
            Self::DropCheckpoints(count) => {
                for _ in 0..*count {
                    checkpoints.pop();
                    // The tips of a dropped checkpoint are dropped with it.
                    while checkpoints.last().is_some_and(|line| line.contains("\"tips\":[")) {
                        checkpoints.pop();
                    }
                }
            }
            Self::DropCheckpointLine(at) => drop(checkpoints.remove(at.index(checkpoints.len()))),
            other => panic!("{other:?} is not about checkpoints"),
        }
    }

    fn act_on_files(&self, files: &mut Files, scene: &Scene) {
        let (names, segments) = (files.keys().cloned().collect::<Vec<_>>(), segments(files));
        let name = |index: &prop::sample::Index| names[index.index(names.len())].clone();
        let segment = |index: &prop::sample::Index| segments[index.index(segments.len())].clone();
        match self {
            Self::SwapSegments(one, other) => {
                let (one, other) = (segment(one), segment(other));
                let (left, right) = (files[&one].clone(), files[&other].clone());
                files.insert(one, right);
                files.insert(other, left);
            }
            Self::Delete(file) => drop(files.remove(&name(file))),
            Self::DeleteNewest(count) => {
                segments.iter().rev().take(*count).for_each(|name| drop(files.remove(name)));
            }
            Self::OlderFile(file, state) => {
                let name = name(file);
                let older = scene.states[*state].get(&name).cloned();
                files.extend(older.map(|older| (name, older)));
            }
            Self::Foreign(file) => {
                let name = name(file);
                let foreign = scene.other.get(&name).cloned();
                files.extend(foreign.map(|foreign| (name, foreign)));
            }
            other => panic!("{other:?} is not about files"),
        }
    }

    fn act_on_lines(&self, files: &mut Files) {
        let (all, segments) = (lines(files), segments(files));
        let place = |index: &prop::sample::Index| all[index.index(all.len())].clone();
        match self {
            Self::ChangeRecord(at) => {
                let (name, at) = place(at);
                let line = &mut files.get_mut(&name).unwrap()[at];
                *line = line.replacen("SELECT email", "SELECT phone", 1).replacen("DELETE 1", "DELETE 0", 1);
            }
            Self::DropLines(at, count) => {
                let (name, at) = place(at);
                let lines = files.get_mut(&name).unwrap();
                lines.drain(at..(at + count).min(lines.len()));
            }
            Self::DoubleLine(from, to) => {
                let ((from, at), (to, place)) = (place(from), place(to));
                let line = files[&from][at].clone();
                files.get_mut(&to).unwrap().insert(place, line);
            }
            Self::SwapLines(one, other) => {
                let ((one, at), (other, to)) = (place(one), place(other));
                let (left, right) = (files[&one][at].clone(), files[&other][to].clone());
                files.get_mut(&one).unwrap()[at] = right;
                files.get_mut(&other).unwrap()[to] = left;
            }
            Self::Unseal => {
                for name in &segments {
                    files.get_mut(name).unwrap().retain(|line| !line.contains("\"footer\""));
                }
            }
            Self::Invent => {
                let last = files.get_mut(segments.last().unwrap()).unwrap();
                last.retain(|line| !line.contains("\"footer\""));
                let record = last.iter().find(|line| line.contains("\"record\"")).cloned();
                last.extend(record);
            }
            other => panic!("{other:?} is not about lines"),
        }
    }
}

/// Repairs everything that needs no key. Only links are rewritten; all other bytes stay the same.
fn mend(files: &mut Files) {
    let (mut previous, mut tips) = ("null".to_owned(), BTreeMap::<String, (u64, String)>::new());
    for (number, name) in segments(files).into_iter().enumerate() {
        let mut hashes: Vec<u8> = Vec::new();
        for line in files.get_mut(&name).unwrap() {
            let value: Value = serde_json::from_str(line).unwrap();
            let (lines, digest) = (hashes.len() / 32, Digest::of(&hashes));
            if let Some(header) = value.get("header") {
                let own = (header["segment"].to_string(), number.to_string());
                *line =
                    line.replacen(&format!("\"segment\":{}", own.0), &format!("\"segment\":{}", own.1), 1);
                let from = line.find("\"previous\":").unwrap() + "\"previous\":".len();
                let length =
                    if line[from..].starts_with("null") { 4 } else { line[from..].find('}').unwrap() + 1 };
                line.replace_range(from..from + length, &previous);
            } else if let Some(footer) = value.get("footer") {
                let at = &footer["at"];
                *line = format!(
                    "{{\"v\":1,\"footer\":{{\"lines\":{lines},\"digest\":\"{digest}\",\"at\":{at}}}}}"
                );
            } else if let Some(stream) = value["stream"].as_str() {
                let (seq, prev) = tips.get(stream).cloned().unwrap_or_else(|| (0, "0".repeat(64)));
                let old = (value["seq"].as_u64().unwrap(), value["prev"].as_str().unwrap());
                *line = line
                    .replacen(&format!("\"seq\":{}", old.0), &format!("\"seq\":{seq}"), 1)
                    .replacen(old.1, &prev, 1);
                tips.insert(stream.to_owned(), (seq + 1, Digest::of(line.as_bytes()).to_string()));
            }
            hashes.extend_from_slice(Digest::of(line.as_bytes()).as_bytes());
        }
        let (lines, digest) = (hashes.len() / 32, Digest::of(&hashes));
        previous = format!("{{\"segment\":{number},\"lines\":{lines},\"digest\":\"{digest}\"}}");
    }
}

/// Locations that the attacker can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The node's own folder; there is no archive.
    Node,
    /// The archive; the node has no copy any more.
    Archive,
    /// One of the two locations.
    OneOfBoth,
    /// Both locations.
    Both,
}

fn reach() -> impl Strategy<Value = Reach> {
    prop_oneof![Just(Reach::Node), Just(Reach::Archive), Just(Reach::OneOfBoth), Just(Reach::Both)]
}

fn put(dir: &Path, files: &Files, id: &str) -> PathBuf {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("id"), id).unwrap();
    for (name, lines) in files {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(dir.join(name), text).unwrap();
    }
    dir.to_owned()
}

fn put_archived(root: &Path, files: &Files, id: &str) -> PathBuf {
    let dir = root.join(id.trim());
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("id"), id).unwrap();
    for (name, lines) in files {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        match name == CHECKPOINTS {
            true => fs::write(dir.join(format!("checkpoints-{:020}.jsonl", 0)), text).unwrap(),
            false => {
                let packed = zstd::stream::encode_all(text.as_bytes(), 1).unwrap();
                fs::write(dir.join(format!("{name}.zst")), packed).unwrap();
            }
        }
    }
    root.to_owned()
}

fn verify_with(places: &[PathBuf], anchor: Option<&SignedCheckpoint>) -> Report {
    let verifier = Verifier::new(&key().public());
    let verifier = anchor.cloned().into_iter().fold(verifier, Verifier::anchored_by);
    verifier.verify_all(&Log::find(places).unwrap()).unwrap()
}

/// Lines of all segments, concatenated.
fn recorded(files: &Files) -> Vec<&String> {
    segments(files).iter().flat_map(|name| files.get(name).unwrap()).collect()
}

/// Number of segment lines that a checkpoint covers.
fn covered(files: &Files, anchor: &SignedCheckpoint) -> usize {
    let point = anchor.checkpoint.point;
    let before = segments(files).into_iter().take(usize::try_from(point.segment).unwrap());
    before.map(|name| files[&name].len()).sum::<usize>() + usize::try_from(point.lines).unwrap()
}

thread_local!(static SCENE: Scene = Scene::new());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn i12_complete_nothing_that_can_be_done_without_the_key_is_taken_for_the_recording(
        deeds in prop::collection::vec(deed(), 1..6),
        anchor in any::<prop::sample::Index>(),
        reach in reach(),
    ) {
        SCENE.with(|scene| {
            let mut forged = scene.now().clone();
            for deed in &deeds {
                deed.act(&mut forged, scene);
            }
            let dir = tempfile::tempdir().unwrap();
            let (node, archive) = (dir.path().join("node"), dir.path().join("archive"));
            let id = &scene.id;
            let places = match reach {
                Reach::Node => vec![put(&node, &forged, id)],
                Reach::Archive => vec![put_archived(&archive, &forged, id)],
                Reach::OneOfBoth => vec![put(&node, scene.now(), id), put_archived(&archive, &forged, id)],
                Reach::Both => vec![put(&node, &forged, id), put_archived(&archive, &forged, id)],
            };
            let (truth, shown) = (recorded(scene.now()), recorded(&forged));
            let is_same = |count: usize| shown.len() >= count && shown[..count] == truth[..count];

            // With the newest checkpoint: every recorded line must be there unchanged.
            let newest = scene.signed.last().unwrap();
            let report = verify_with(&places, Some(newest));
            if !is_same(truth.len()) && reach != Reach::OneOfBoth {
                prop_assert_eq!(report.verdict(), Verdict::Broken, "{}", report);
            }
            // A line that is missing in only one of two locations is not lost.
            let is_contradicted = match reach {
                Reach::OneOfBoth => forged
                    .iter()
                    .any(|(name, lines)| name != CHECKPOINTS && scene.now().get(name) != Some(lines)),
                Reach::Node | Reach::Archive | Reach::Both => shown != truth,
            };
            if is_contradicted {
                prop_assert_ne!(report.verdict(), Verdict::Whole, "{}", report);
            }

            // With any other checkpoint: its lines must be there, and invented lines do not count as whole.
            let anchor = &scene.signed[anchor.index(scene.signed.len())];
            let report = verify_with(&places, Some(anchor));
            // In an archive alone, the header of the last segment may be missing if the segment has no records.
            let is_header = reach == Reach::Archive && anchor.checkpoint.point.lines == 1;
            if !is_same(covered(scene.now(), anchor) - usize::from(is_header)) && reach != Reach::OneOfBoth {
                prop_assert_eq!(report.verdict(), Verdict::Broken, "{}", report);
            }
            if report.verdict() == Verdict::Whole && reach != Reach::OneOfBoth {
                prop_assert!(shown.len() <= truth.len() && is_same(shown.len()), "{}", report);
            }

            // Without a checkpoint: never whole, and changes to signed lines are detected.
            let report = verify_with(&places, None);
            prop_assert_ne!(report.verdict(), Verdict::Whole, "{}", report);
            Ok(())
        })?;
    }
}

#[test]
fn what_nobody_touched_is_whole_wherever_it_lies() {
    SCENE.with(|scene| {
        let dir = tempfile::tempdir().unwrap();
        let (node, archive) = (dir.path().join("node"), dir.path().join("archive"));
        let node = put(&node, scene.now(), &scene.id);
        let archive = put_archived(&archive, scene.now(), &scene.id);
        assert!(scene.signed.len() > 10 && segments(scene.now()).len() > 5, "there is something to attack");
        for places in [vec![node.clone()], vec![archive.clone()], vec![node, archive]] {
            for anchor in &scene.signed {
                let report = verify_with(&places, Some(anchor));
                assert_eq!(report.verdict(), Verdict::Whole, "{report}");
            }
            assert_eq!(verify_with(&places, None).verdict(), Verdict::Consistent);
        }
    });
}

/// `mend` is useful only if it really repairs everything: a mended change is detected by a signature and by nothing
/// else.
#[test]
fn what_was_mended_fits_everywhere_but_where_it_was_signed() {
    SCENE.with(|scene| {
        let mut forged = scene.now().clone();
        mend(&mut forged);
        assert_eq!(&forged, scene.now(), "nothing was broken, so nothing changes");
        let name = segments(&forged)
            .into_iter()
            .find(|name| forged[name].iter().any(|line| line.contains("SELECT email")));
        let lines = forged.get_mut(&name.unwrap()).unwrap();
        lines.iter_mut().for_each(|line| *line = line.replacen("SELECT email", "SELECT phone", 1));
        mend(&mut forged);
        let dir = tempfile::tempdir().unwrap();
        let report = verify_with(&[put(dir.path(), &forged, &scene.id)], None);
        let signed = |fault: &Fault| {
            matches!(fault.problem, Problem::CheckpointContradicted { .. } | Problem::TipContradicted { .. })
        };
        assert!(!report.faults.is_empty() && report.faults.iter().all(signed), "{report}");
    });
}

/// A writer does not continue a log that was rewritten, or an older copy.
#[test]
fn i12_complete_a_log_is_not_gone_on_with_that_is_not_what_was_signed() {
    SCENE.with(|scene| {
        let newest = scene.signed.last().unwrap();
        let start = |dir: &Path| {
            let sink = Box::new(CheckpointFile::open(dir, key())?);
            LocalJournal::open(dir, Options::default(), clock(), sink).map(|journal| journal.close().unwrap())
        };
        let dir = tempfile::tempdir().unwrap();
        let whole = put(&dir.path().join("whole"), scene.now(), &scene.id);
        check_continuation(&whole, &key().public(), newest).unwrap();
        start(&whole).unwrap();
        check_continuation(&whole, &key().public(), newest).unwrap();

        // Checkpoints dropped after an earlier one, and everything after it rewritten and mended.
        let mut forged = scene.states[0].clone();
        Deed::DropCheckpoints(2).act(&mut forged, scene);
        let last = segments(&forged).pop().unwrap();
        forged.get_mut(&last).unwrap().retain(|line| !line.contains("\"footer\""));
        Deed::Invent.act(&mut forged, scene);
        mend(&mut forged);
        let mut changed = scene.now().clone();
        let first = segments(&changed).pop().unwrap();
        changed
            .get_mut(&first)
            .unwrap()
            .iter_mut()
            .for_each(|line| *line = line.replacen("client left", "client gone", 1));
        mend(&mut changed);
        let mut cut = scene.now().clone();
        cut.remove(&segments(&cut).pop().unwrap());
        let refused = [
            ("forged", &forged),
            ("an older copy", &scene.states[1]),
            ("changed", &changed),
            ("cut", &cut),
            ("another installation's", &scene.other),
            ("nothing", &Files::new()),
        ];
        for (name, files) in refused {
            let place = put(&dir.path().join(name), files, &scene.id);
            assert!(check_continuation(&place, &key().public(), newest).is_err(), "{name}");
        }
        // A log that contradicts its own newest checkpoint cannot even be opened.
        for name in ["changed", "cut", "another installation's"] {
            assert!(start(&dir.path().join(name)).is_err(), "{name}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(check_continuation(empty.path(), &key().public(), newest).is_err());
    });
}
