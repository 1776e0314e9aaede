//! Sealed segments are archived once, unchanged, and are read from the archive like from any other location.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_recording::*;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as Outcome,
};
use support::*;

/// A control-plane node with its archive.
struct Node {
    dir: tempfile::TempDir,
    journal: Arc<LocalJournal>,
    ledger: Arc<Ledger>,
}

impl Node {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let journal = keeping(dir.path());
        let ledger = Ledger::resume(Arc::clone(&journal));
        Self { dir, journal, ledger }
    }

    fn archiver(&self, archive: &ArchiveStore, keep_local: Duration) -> Archiver {
        Archiver::new(archive.clone(), Arc::clone(&self.journal), keep_local).unwrap()
    }

    fn segments(&self) -> usize {
        segments(self.dir.path()).len()
    }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().contains("segment-"));
    paths.sort();
    paths
}

const FOREVER: Duration = Duration::from_secs(1 << 30);

fn report(dirs: &[&Path]) -> Report {
    let dirs: Vec<_> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
    Verifier::new(&key().public()).verify_all(&Log::find(&dirs).unwrap()).unwrap()
}

fn replayed(dirs: &[&Path]) -> Vec<Vec<u8>> {
    let dirs: Vec<_> = dirs.iter().map(|dir| dir.to_path_buf()).collect();
    let lines = SessionLines::open(&Log::find(&dirs).unwrap(), SESSION).unwrap();
    lines.map(|line| line.unwrap().text).collect()
}

fn texts(lines: &[Sent]) -> Vec<Vec<u8>> {
    lines.iter().map(|(_, _, text)| text.clone()).collect()
}

#[tokio::test]
async fn what_was_recorded_is_read_from_the_archive_when_it_is_no_longer_here() {
    let root = tempfile::tempdir().unwrap();
    let archive = ArchiveStore::folder(root.path()).unwrap();
    let node = Node::start();
    let lines = Outbox::of_reads(9);
    let link = node.ledger.link(GATEWAY);
    send(&link, &lines[..20]);
    let mut archiver = node.archiver(&archive, Duration::ZERO);
    let round = archiver.round().await.unwrap();
    assert!(!round.archived.is_empty() && round.archived == round.removed, "{round:?}");
    assert_eq!(node.segments(), 1, "the one that is written");
    send(&link, &lines[20..]);
    node.journal.flush().unwrap();
    // Sealed segments are in the archive, the others are local.
    assert_eq!(replayed(&[root.path()]), texts(&lines[..20]));
    assert_eq!(replayed(&[node.dir.path(), root.path()]), texts(&lines));
    assert_eq!(replayed(&[root.path(), node.dir.path()]), texts(&lines));

    archiver.round().await.unwrap();
    assert_eq!(archiver.round().await.unwrap(), Round::default(), "nothing to seal, nothing to archive");
    node.journal.close().unwrap();
    archiver.last_round().await.unwrap();
    for places in [vec![root.path()], vec![node.dir.path(), root.path()]] {
        let report = report(&places);
        assert_eq!(report.faults, vec![]);
        assert_eq!((report.records, report.logs, report.sealed), (lines.len() as u64, 1, true));
    }
}

#[tokio::test]
async fn a_node_that_restarts_archives_nothing_twice_and_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let archive = ArchiveStore::folder(root.path()).unwrap();
    let node = Node::start();
    let lines = Outbox::of_reads(6);
    let link = node.ledger.link(GATEWAY);
    send(&link, &lines[..10]);
    // Two archivers at the same time: each segment is put once, and both succeed.
    let (mut one, mut other) = (node.archiver(&archive, FOREVER), node.archiver(&archive, FOREVER));
    other.last_round().await.unwrap();
    let first = one.round().await.unwrap().archived;
    assert_eq!(other.last_round().await.unwrap().archived, first);
    send(&link, &lines[10..]);
    let mut after = node.archiver(&archive, FOREVER);
    let second = after.round().await.unwrap().archived;
    assert!(!second.is_empty() && second.iter().all(|number| !first.contains(number)));
    assert_eq!(replayed(&[root.path()]), texts(&lines));
    assert_eq!(report(&[root.path()]).faults, vec![]);
}

#[tokio::test]
async fn what_stands_in_the_archive_under_a_segments_name_is_never_overwritten_and_nothing_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let archive = ArchiveStore::folder(root.path()).unwrap();
    let node = Node::start();
    send(&node.ledger.link(GATEWAY), &Outbox::of_reads(1));
    let mut looked = node.archiver(&archive, FOREVER);
    looked.last_round().await.unwrap();
    let name = root.path().join(looked.log()).join("segment-00000000.jsonl.zst");
    fs::create_dir_all(name.parent().unwrap()).unwrap();
    let other = zstd_of(b"another\n");
    fs::write(&name, &other).unwrap();
    // Detected on the put; and by an archiver that lists only now, before the local segment would be deleted.
    for mut archiver in [looked, node.archiver(&archive, Duration::ZERO)] {
        let conflict = archiver.round().await;
        assert!(matches!(conflict, Err(ArchiveStoreError::Conflict { .. })), "{conflict:?}");
    }
    assert_eq!(fs::read(&name).unwrap(), other);
    assert_eq!(node.segments(), 2, "it is still here");
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 0).unwrap()
}

#[tokio::test]
async fn i12_complete_what_is_changed_or_missing_in_the_archive_is_found() {
    let root = tempfile::tempdir().unwrap();
    let archive = ArchiveStore::folder(root.path()).unwrap();
    let node = Node::start();
    send(&node.ledger.link(GATEWAY), &Outbox::of_reads(6));
    let mut archiver = node.archiver(&archive, FOREVER);
    archiver.round().await.unwrap();
    node.journal.close().unwrap();
    archiver.last_round().await.unwrap();
    let folder = root.path().join(archiver.log());
    assert_eq!(report(&[root.path()]).faults, vec![]);
    for path in segments(&folder) {
        let original = fs::read(&path).unwrap();
        let mut text = zstd::stream::decode_all(&*original).unwrap();
        let middle = text.len() / 2;
        text[middle] ^= 1;
        fs::write(&path, zstd_of(&text)).unwrap();
        assert!(!report(&[root.path()]).is_sound(), "{} changed", path.display());
        fs::remove_file(&path).unwrap();
        assert!(!report(&[root.path()]).is_sound(), "{} removed", path.display());
        fs::write(&path, original).unwrap();
    }
    assert_eq!(report(&[root.path()]).faults, vec![]);
}

#[tokio::test]
async fn an_archive_in_an_object_store_is_read_through_its_copy() {
    let cache = tempfile::tempdir().unwrap();
    let archive = ArchiveStore::of(Arc::new(InMemory::new()), cache.path().to_owned());
    let nodes = [Node::start(), Node::start()];
    let lines = Outbox::of_reads(5);
    // Failed over from one node to the other.
    send(&nodes[0].ledger.link(GATEWAY), &lines[..9]);
    send(&nodes[1].ledger.link(GATEWAY), &lines[7..]);
    for node in &nodes {
        let mut archiver = node.archiver(&archive, Duration::ZERO);
        archiver.round().await.unwrap();
        node.journal.close().unwrap();
        archiver.last_round().await.unwrap();
    }
    let folder = archive.refresh().await.unwrap();
    assert_eq!(replayed(&[&folder]), texts(&lines));
    let report = report(&[&folder]);
    assert_eq!((report.faults, report.logs, report.repeated), (vec![], 2, 2));
}

/// An object store that always overwrites.
#[derive(Debug)]
struct Overwriting(InMemory);

impl std::fmt::Display for Overwriting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Overwriting {
    async fn put_opts(&self, key: &Key, content: PutPayload, _: PutOptions) -> Outcome<PutResult> {
        self.0.put(key, content).await
    }

    async fn put_multipart_opts(
        &self,
        key: &Key,
        options: PutMultipartOptions,
    ) -> Outcome<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(key, options).await
    }

    async fn get_opts(&self, key: &Key, options: GetOptions) -> Outcome<GetResult> {
        self.0.get_opts(key, options).await
    }

    fn delete_stream(&self, keys: BoxStream<'static, Outcome<Key>>) -> BoxStream<'static, Outcome<Key>> {
        self.0.delete_stream(keys)
    }

    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, Outcome<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> Outcome<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> Outcome<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_store_that_would_overwrite_is_no_archive() {
    let cache = tempfile::tempdir().unwrap();
    let archive = ArchiveStore::of(Arc::new(Overwriting(InMemory::new())), cache.path().to_owned());
    let node = Node::start();
    send(&node.ledger.link(GATEWAY), &Outbox::of_reads(1));
    let refused = node.archiver(&archive, Duration::ZERO).round().await;
    assert!(matches!(refused, Err(ArchiveStoreError::Overwrites)), "{refused:?}");
    assert!(!refused.unwrap_err().is_away());
    assert_eq!(node.segments(), 2, "it is still here");
}

#[tokio::test]
async fn a_copy_that_was_cut_by_a_loss_of_power_is_made_anew() {
    let cache = tempfile::tempdir().unwrap();
    let archive = ArchiveStore::of(Arc::new(InMemory::new()), cache.path().to_owned());
    let node = Node::start();
    let lines = Outbox::of_reads(5);
    send(&node.ledger.link(GATEWAY), &lines);
    let mut archiver = node.archiver(&archive, FOREVER);
    archiver.round().await.unwrap();
    let folder = archive.refresh().await.unwrap();
    let copied = segments(&folder.join(archiver.log()));
    for path in &copied {
        fs::write(path, b"").unwrap();
    }
    // Concurrent refreshes do not disturb each other.
    let looks = (0..4).map(|_| archive.refresh());
    futures::future::try_join_all(looks).await.unwrap();
    assert_eq!(replayed(&[&folder]), texts(&lines));
    assert_eq!(report(&[&folder]).faults, vec![]);
}

#[test]
fn a_recording_that_was_made_before_logs_had_an_id_is_read_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    small_recording(dir.path());
    fs::remove_file(dir.path().join("id")).unwrap();
    let report = report(&[dir.path()]);
    assert_eq!((report.faults, report.records), (vec![], 19));
}

/// A node that writes each checkpoint to a separate piece.
fn in_pieces(dir: &Path) -> Arc<LocalJournal> {
    let sink = CheckpointFile::open(dir, key()).unwrap().in_pieces_of(1);
    let options = Options { left_open: LeftOpen::Keep, ..Options::default() };
    Arc::new(LocalJournal::open(dir, options, clock(), Box::new(sink)).unwrap())
}

fn checkpoints(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().contains("checkpoints"));
    paths.sort();
    paths
}

#[tokio::test]
async fn checkpoints_that_the_archive_has_need_not_stay_and_verify_as_ever() {
    let (root, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let archive = ArchiveStore::folder(root.path()).unwrap();
    let lines = Outbox::of_reads(12);
    let (mut sent, mut most) = (0, 0);
    // Each round is a separate process: the next one continues at the end of the previous one.
    for chunk in lines.chunks(5) {
        let journal = in_pieces(dir.path());
        let ledger = Ledger::resume(Arc::clone(&journal));
        send(&ledger.link(GATEWAY), chunk);
        sent += chunk.len();
        let mut archiver = Archiver::new(archive.clone(), Arc::clone(&journal), FOREVER).unwrap();
        archiver.round().await.unwrap();
        drop(ledger);
        journal.close().unwrap();
        archiver.last_round().await.unwrap();
        most = most.max(checkpoints(dir.path()).len());
        for places in [vec![root.path()], vec![dir.path(), root.path()]] {
            let report = report(&places);
            assert_eq!((report.faults, report.records), (vec![], sent as u64), "{places:?}");
        }
    }
    let mut inside = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().path());
    let folder = inside.find(|path| path.is_dir()).unwrap();
    let archived = checkpoints(&folder);
    let bytes: u64 = archived.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let here: u64 = checkpoints(dir.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(archived.len() > 3 && most <= 4 && here < bytes / 2, "{archived:?} {most} {here} {bytes}");
    // The local files continue where the archive's pieces end, regardless of their boundaries.
    let count = report(&[root.path()]).checkpoints;
    assert_eq!(report(&[dir.path(), root.path()]).checkpoints, count);
    for path in &archived[..archived.len() - 1] {
        let original = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        assert!(!report(&[root.path()]).is_sound(), "{} removed", path.display());
        let mut changed = original.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(path, changed).unwrap();
        assert!(!report(&[root.path()]).is_sound(), "{} changed", path.display());
        fs::write(path, original).unwrap();
    }
    assert_eq!(report(&[root.path()]).faults, vec![]);
}

#[test]
fn checkpoints_in_pieces_are_read_as_one_and_a_torn_line_is_cut_from_the_last() {
    use std::io::Write as _;

    let dir = tempfile::tempdir().unwrap();
    for _ in 0..4 {
        let journal = in_pieces(dir.path());
        drop(stream(&journal, SESSION));
        journal.close().unwrap();
    }
    assert!(checkpoints(dir.path()).len() > 3);
    let before = report(&[dir.path()]);
    assert_eq!(before.faults, vec![]);
    let active = dir.path().join("checkpoints.jsonl");
    fs::File::options().append(true).open(&active).unwrap().write_all(b"{\"v\":1,\"seq\"").unwrap();
    assert_eq!(report(&[dir.path()]).faults, vec![]);
    // A crash between splitting off a piece and starting the next file.
    fs::rename(&active, dir.path().join("aside")).unwrap();
    let cut = report(&[dir.path()]);
    assert!(cut.checkpoints < before.checkpoints);
    fs::rename(dir.path().join("aside"), &active).unwrap();
    let journal = in_pieces(dir.path());
    journal.close().unwrap();
    let after = report(&[dir.path()]);
    assert_eq!(after.faults, vec![]);
    assert!(after.checkpoints > before.checkpoints);
}
