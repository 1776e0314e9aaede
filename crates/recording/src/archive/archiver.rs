//! Uploads the sealed segments of one journal to the archive, and deletes local copies after the retention time.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path as Key;

use super::{ArchiveStore, ArchiveStoreError, Put, blocking};
use crate::checkpoint::{Checkpoint, is_tips};
use crate::checkpoint_files::{self, piece_offset};
use crate::local::LocalJournal;
use crate::log::{COMPRESSED, ID_FILE, ensure_id, number_of, read_line};
use crate::segment;

/// zstd's own default: 3 to 10 times smaller at 200 MB/s and more.
const COMPRESSION_LEVEL: i32 = 3;

/// Uploads the sealed segments of one journal to the archive.
#[derive(Debug)]
pub struct Archiver {
    archive: ArchiveStore,
    journal: Arc<LocalJournal>,
    /// Minimum time a segment stays here after it was written.
    keep_local: Duration,
    log: String,
    /// Segments that the archive is known to have.
    archived: BTreeSet<u64>,
    /// Length of the archived checkpoints, in bytes.
    archived_checkpoints: u64,
    listed: bool,
}

/// Result of one archiving round.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Round {
    /// Segments that were uploaded to the archive.
    pub archived: Vec<u64>,
    /// Segments that were deleted locally.
    pub removed: Vec<u64>,
}

impl Archiver {
    /// Creates the archiver of a journal. A segment stays in the journal's folder until it is archived, and for at
    /// least `keep_local` after it was written.
    ///
    /// # Errors
    /// Any error of writing to the journal's folder.
    pub fn new(archive: ArchiveStore, journal: Arc<LocalJournal>, keep_local: Duration) -> io::Result<Self> {
        let log = ensure_id(journal.dir())?;
        let (archived, listed) = (BTreeSet::new(), false);
        Ok(Self { archive, journal, keep_local, log, archived, archived_checkpoints: 0, listed })
    }

    /// Identifier of the log: the name of its folder in the archive.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }

    /// Seals the records so far, archives all sealed segments and their checkpoints, and deletes archived segments
    /// after the retention time. Call it periodically: a record is visible in the archive one period and an upload
    /// after it was written. After a failure, the next call resumes.
    ///
    /// # Errors
    /// Fails if the journal has stopped or the archive does not answer.
    ///
    /// # Cancel safety
    /// Cancel safe: every step is atomic, and the next call finds its result.
    pub async fn round(&mut self) -> Result<Round, ArchiveStoreError> {
        let journal = Arc::clone(&self.journal);
        let sealed = blocking(move || journal.seal_and_sync().map_err(io::Error::other)).await?;
        self.archive_sealed(sealed).await
    }

    /// Like [`Self::round`] without sealing, for a journal that was closed.
    ///
    /// # Errors
    /// Fails if the archive does not answer.
    pub async fn last_round(&mut self) -> Result<Round, ArchiveStoreError> {
        self.archive_sealed(self.journal.sealed()).await
    }

    async fn archive_sealed(&mut self, sealed: u64) -> Result<Round, ArchiveStoreError> {
        self.list().await?;
        let mut round = Round::default();
        let dir = self.journal.dir().to_owned();
        let local = blocking(move || segment::list(&dir)).await?;
        for &number in local.iter().filter(|&&number| number < sealed) {
            if !self.archived.contains(&number) {
                self.segment(number).await?;
                round.archived.push(number);
            }
        }
        self.checkpoints(sealed).await?;
        for number in local.into_iter().filter(|&number| number < sealed) {
            if self.is_old(number).await? {
                self.remove(number).await?;
                round.removed.push(number);
            }
        }
        Ok(round)
    }

    /// Lists, once, what an earlier process has archived.
    async fn list(&mut self) -> Result<(), ArchiveStoreError> {
        if self.listed {
            return Ok(());
        }
        self.put_same(&self.key(ID_FILE), format!("{}\n", self.log).into()).await?;
        let folder = Key::from(self.log.as_str());
        let objects: Vec<_> = self.archive.store().await?.list(Some(&folder)).try_collect().await?;
        for object in objects {
            let name = object.location.filename().unwrap_or_default();
            self.archived.extend(number_of(name));
            if let Some(offset) = piece_offset(name) {
                self.archived_checkpoints = self.archived_checkpoints.max(offset + object.size);
            }
        }
        self.listed = true;
        Ok(())
    }

    async fn segment(&mut self, number: u64) -> Result<(), ArchiveStoreError> {
        let path = segment::path(self.journal.dir(), number);
        let content =
            blocking(move || zstd::stream::encode_all(File::open(path)?, COMPRESSION_LEVEL)).await?;
        match self.archive.put(&self.segment_key(number), content.into()).await? {
            Put::Done => {}
            // By an earlier attempt whose answer was lost, or by another writer.
            Put::Taken => self.compare(number).await?,
        }
        self.archived.insert(number);
        tracing::info!(segment = number, log = self.log, "archived");
        Ok(())
    }

    /// Checks that the archived segment is identical to the local one.
    async fn compare(&self, number: u64) -> Result<(), ArchiveStoreError> {
        let key = self.segment_key(number);
        let archived = self.archive.get(&key).await?;
        let path = segment::path(self.journal.dir(), number);
        let same = blocking(move || {
            let mut archived = zstd::stream::read::Decoder::new(&*archived)?;
            same_content(&mut archived, &mut File::open(path)?)
        });
        if same.await? { Ok(()) } else { Err(ArchiveStoreError::Conflict { key: key.to_string() }) }
    }

    /// Uploads the checkpoints that the archive lacks and whose segments it has.
    async fn checkpoints(&mut self, sealed: u64) -> Result<(), ArchiveStoreError> {
        let dir = self.journal.dir().to_owned();
        let from = self.archived_checkpoints;
        let new = blocking(move || checkpoints_from(&dir, from, sealed)).await?;
        if !new.is_empty() {
            let bytes = new.len() as u64;
            self.put_same(&self.key(&checkpoint_files::piece_name(from)), new.into()).await?;
            self.archived_checkpoints += bytes;
        }
        self.remove_pieces().await
    }

    /// Deletes archived checkpoint pieces locally, except the newest, after a check that the archive has them byte
    /// for byte.
    async fn remove_pieces(&self) -> Result<(), ArchiveStoreError> {
        let dir = self.journal.dir().to_owned();
        let mut local = blocking(move || checkpoint_files::ranges(&dir)).await?;
        // Keeps the newest piece and the active file.
        local.truncate(local.len().saturating_sub(2));
        for piece in local.into_iter().take_while(|piece| piece.end <= self.archived_checkpoints) {
            let archived = self.archived_range(piece.begin, piece.end).await?;
            let path = piece.path.clone();
            let here = blocking(move || {
                let mut here = Vec::new();
                let begin = piece.begin;
                piece.from(begin)?.read_to_end(&mut here)?;
                Ok(here)
            });
            if here.await? != archived {
                return Err(ArchiveStoreError::Conflict {
                    key: self.key(checkpoint_files::ACTIVE).to_string(),
                });
            }
            blocking(move || std::fs::remove_file(path)).await?;
        }
        Ok(())
    }

    /// Reads this byte range of all checkpoints from the archive.
    async fn archived_range(&self, begin: u64, end: u64) -> Result<Vec<u8>, ArchiveStoreError> {
        let folder = Key::from(self.log.as_str());
        let objects: Vec<_> = self.archive.store().await?.list(Some(&folder)).try_collect().await?;
        let mut pieces: Vec<(u64, Key)> = objects
            .into_iter()
            .filter_map(|object| Some((piece_offset(object.location.filename()?)?, object)))
            .filter(|(offset, object)| *offset < end && offset + object.size > begin)
            .map(|(offset, object)| (offset, object.location))
            .collect();
        pieces.sort();
        let mut found = Vec::new();
        for (offset, key) in pieces {
            let piece = self.archive.get(&key).await?;
            let at = |place: u64| {
                usize::try_from(place.saturating_sub(offset)).unwrap_or(usize::MAX).min(piece.len())
            };
            found.extend_from_slice(piece.get(at(begin)..at(end)).unwrap_or_default());
        }
        Ok(found)
    }

    async fn is_old(&self, number: u64) -> Result<bool, ArchiveStoreError> {
        let path = segment::path(self.journal.dir(), number);
        let written = blocking(move || std::fs::metadata(path)?.modified()).await?;
        // A clock that was set back makes no segment old.
        Ok(SystemTime::now().duration_since(written).is_ok_and(|age| age >= self.keep_local))
    }

    /// Deletes a segment locally, after a check that the archive has it byte for byte.
    async fn remove(&self, number: u64) -> Result<(), ArchiveStoreError> {
        self.compare(number).await?;
        let path = segment::path(self.journal.dir(), number);
        blocking(move || std::fs::remove_file(path)).await
    }

    /// Puts an object, or checks that it is already there.
    async fn put_same(&self, key: &Key, content: Bytes) -> Result<(), ArchiveStoreError> {
        match self.archive.put(key, content.clone()).await? {
            Put::Done => Ok(()),
            Put::Taken if self.archive.get(key).await? == content => Ok(()),
            Put::Taken => Err(ArchiveStoreError::Conflict { key: key.to_string() }),
        }
    }

    fn key(&self, name: &str) -> Key {
        Key::from(format!("{}/{name}", self.log))
    }

    fn segment_key(&self, number: u64) -> Key {
        let path: PathBuf = segment::path(Path::new(""), number);
        self.key(&format!("{}{COMPRESSED}", path.display()))
    }
}

fn same_content(one: &mut impl io::Read, other: &mut impl io::Read) -> io::Result<bool> {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    one.read_to_end(&mut left)?;
    other.read_to_end(&mut right)?;
    Ok(left == right)
}

/// Reads the checkpoints from this byte on whose segments are below `sealed`. The files are synced first: a loss of
/// power must not remove locally what the archive has.
fn checkpoints_from(dir: &Path, from: u64, sealed: u64) -> io::Result<Vec<u8>> {
    let mut rest: Box<dyn io::Read> = Box::new(io::empty());
    for range in checkpoint_files::ranges(dir)?.into_iter().filter(|range| range.end > from) {
        range.sync()?;
        rest = Box::new(io::Read::chain(rest, range.from(from)?));
    }
    let mut reader = BufReader::new(rest);
    let (mut new, mut whole, mut line) = (Vec::new(), 0, Vec::new());
    while read_line(&mut reader, &mut line)? > 0 {
        let Some(text) = line.strip_suffix(b"\n") else { break };
        // Tips belong to the checkpoint on the following line.
        let is_checkpoint = !is_tips(text);
        if is_checkpoint && Checkpoint::skim(text).map_err(io::Error::other)?.point.segment >= sealed {
            break;
        }
        new.append(&mut line);
        if is_checkpoint {
            whole = new.len();
        }
    }
    new.truncate(whole);
    Ok(new)
}
