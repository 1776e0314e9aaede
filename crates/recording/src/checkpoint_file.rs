//! Writes signed checkpoints to `checkpoints.jsonl` beside the segments, and splits the file into pieces, so that
//! archived pieces can be deleted.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use crate::checkpoint::{Checkpoint, CheckpointSink, Signed, SignedCheckpoint, Tips, is_tips};
use crate::checkpoint_files;
use crate::line::NO_PREVIOUS;
use crate::signing::SigningKey;

/// Size at which the active file becomes a piece. Some hours of work.
const PIECE_BYTES: u64 = 16 << 20;

/// Watch of the newest checkpoint of a log.
pub type Newest = watch::Receiver<Option<Arc<SignedCheckpoint>>>;

/// The active file of checkpoints.
#[derive(Debug)]
pub struct CheckpointFile {
    dir: PathBuf,
    log: String,
    file: File,
    /// Offset of the file in the text of all checkpoints, and its length in bytes.
    begin: u64,
    bytes: u64,
    piece_bytes: u64,
    key: SigningKey,
    newest: watch::Sender<Option<Arc<SignedCheckpoint>>>,
}

impl CheckpointFile {
    /// Opens or creates the file in `dir`. A partially written end is truncated.
    ///
    /// # Errors
    /// Fails if the file cannot be read or written, or its newest checkpoint was not signed by this key: a log has
    /// one key.
    pub fn open(dir: &Path, key: SigningKey) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let log = crate::log::ensure_id(dir)?;
        let mut file = open_active(dir)?;
        let newest = checkpoint_files::pieces(dir)?.pop();
        let (mut last, mut begin) = (None, 0);
        if let Some(offset) = newest {
            let end = End::of(&File::open(dir.join(checkpoint_files::piece_name(offset)))?)?;
            (last, begin) = (end.last, offset + end.bytes);
        }
        let end = End::of(&file)?;
        file.set_len(end.bytes)?;
        file.seek(SeekFrom::End(0))?;
        let last = end.last.or(last).map(|line| own(&line, &key, dir)).transpose()?;
        let (newest, _) = watch::channel(last.map(Arc::new));
        let (dir, bytes) = (dir.to_owned(), end.bytes);
        Ok(Self { dir, log, file, begin, bytes, piece_bytes: PIECE_BYTES, key, newest })
    }

    /// Sets another piece size, in bytes.
    #[must_use]
    pub fn in_pieces_of(self, piece_bytes: u64) -> Self {
        Self { piece_bytes, ..self }
    }

    /// Watches the newest checkpoint. It is durable only after [`sync_checkpoints`].
    #[must_use]
    pub fn newest(&self) -> Newest {
        self.newest.subscribe()
    }

    /// Turns the active file into a piece and starts a new one. A crash in between leaves either state intact.
    fn cut(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let piece = self.dir.join(checkpoint_files::piece_name(self.begin));
        std::fs::rename(self.dir.join(checkpoint_files::ACTIVE), piece)?;
        self.file = open_active(&self.dir)?;
        File::open(&self.dir)?.sync_all()?;
        self.begin += self.bytes;
        self.bytes = 0;
        Ok(())
    }
}

impl CheckpointSink for CheckpointFile {
    fn keep(&mut self, tips: &Tips) -> io::Result<()> {
        let before = self.newest.borrow().clone();
        let (seq, prev) = before.map_or((0, NO_PREVIOUS), |one| (one.checkpoint.seq + 1, one.hash));
        let (checkpoint, moved) = Checkpoint::new(&self.log, seq, prev, tips)?;
        let signed = checkpoint.sign(&self.key)?;
        let mut lines = moved.map_or_else(Vec::new, |line| [&line[..], b"\n"].concat());
        lines.extend_from_slice(&signed.line);
        lines.push(b'\n');
        if self.bytes >= self.piece_bytes {
            self.cut()?;
        }
        self.file.write_all(&lines)?;
        self.bytes += lines.len() as u64;
        // Segments are synced before a checkpoint covers them, never after. Losing checkpoints in a power cut
        // therefore shortens the covered part but makes nothing untrue. The ends of segments must be covered, though,
        // and a checkpoint is published only after it is durable here.
        if tips.closed || tips.lasting {
            self.file.sync_data()?;
        }
        self.newest.send_replace(Some(Arc::new(signed)));
        Ok(())
    }

    fn signed(&self) -> Signed {
        self.newest.borrow().as_ref().map_or(Signed::Nothing, |one| Signed::UpTo(one.checkpoint.point))
    }
}

/// Makes the checkpoints in `dir` survive a loss of power.
///
/// # Errors
/// Any error of the sync.
pub fn sync_checkpoints(dir: &Path) -> io::Result<()> {
    // Pieces were synced when they were split off.
    File::open(dir.join(checkpoint_files::ACTIVE))?.sync_data()
}

fn open_active(dir: &Path) -> io::Result<File> {
    let path = dir.join(checkpoint_files::ACTIVE);
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn own(line: &[u8], key: &SigningKey, dir: &Path) -> io::Result<SignedCheckpoint> {
    SignedCheckpoint::parse(line, &key.public()).map_err(|error| {
        let dir = dir.display();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the newest checkpoint in `{dir}` was not signed by the key of this node: {error}"),
        )
    })
}

/// End of the complete checkpoints in a file.
struct End {
    /// Line of the last checkpoint.
    last: Option<Vec<u8>>,
    /// Offset of its end, in bytes.
    bytes: u64,
}

impl End {
    fn of(file: &File) -> io::Result<Self> {
        let mut end = Self { last: None, bytes: 0 };
        let mut reader = BufReader::new(file);
        let (mut line, mut read) = (Vec::new(), 0);
        while reader.read_until(b'\n', &mut line)? > 0 {
            read += line.len() as u64;
            let Some(text) = line.strip_suffix(b"\n") else { break };
            // Tips without their checkpoint are truncated as well.
            if !is_tips(text) {
                end.last = Some(text.to_vec());
                end.bytes = read;
            }
            line.clear();
        }
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use countersign_common::id::StreamId;
    use countersign_common::{Digest, Timestamp};

    use super::*;
    use crate::checkpoint::Tip;
    use crate::segment::SegmentPoint;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32]).unwrap()
    }

    fn tips(streams: u128) -> Tips {
        let tip = |stream| {
            let stream = StreamId::from_u128(stream);
            Tip { stream, count: 1, hash: Digest::of(b"a record"), closed: false }
        };
        Tips {
            at: Timestamp::from_micros(5),
            point: SegmentPoint { segment: 0, lines: 3, digest: Digest::of(b"lines") },
            changed: (0..streams).map(tip).collect(),
            closed: false,
            lasting: false,
        }
    }

    #[test]
    fn a_checkpoint_is_small_however_many_streams_moved() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = CheckpointFile::open(dir.path(), key()).unwrap();
        file.keep(&tips(10_000)).unwrap();
        let newest = file.newest().borrow().clone().unwrap();
        assert!(newest.line.len() < 800, "{}", newest.line.len());
        assert_eq!(SignedCheckpoint::skim(&newest.line).unwrap(), *newest);
    }

    #[test]
    fn checkpoints_go_on_behind_the_last_whole_one_and_only_with_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = CheckpointFile::open(dir.path(), key()).unwrap();
        file.keep(&tips(1)).unwrap();
        let first = file.newest().borrow().clone().unwrap();
        file.keep(&tips(2)).unwrap();
        drop(file);
        let path = dir.path().join(checkpoint_files::ACTIVE);
        let whole = std::fs::read(&path).unwrap();
        let one = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1;
        for end in one..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            let mut file = CheckpointFile::open(dir.path(), key()).unwrap();
            assert_eq!(file.newest().borrow().as_deref(), Some(&*first), "cut at {end}");
            file.keep(&tips(2)).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {end}");
        }
        let other = SigningKey::from_seed(&[8; 32]).unwrap();
        assert!(CheckpointFile::open(dir.path(), other).is_err());
    }
}
