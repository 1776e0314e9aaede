//! Brings what one journal has sealed to the archive, and takes away what has been there for long enough.

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

/// Brings what one journal has sealed to the archive.
#[derive(Debug)]
pub struct Archiver {
    archive: ArchiveStore,
    journal: Arc<LocalJournal>,
    /// How long a segment stays here after it was archived.
    keep_local: Duration,
    log: String,
    /// What the archive is known to have.
    archived: BTreeSet<u64>,
    /// Of the checkpoints, in bytes.
    archived_checkpoints: u64,
    listed: bool,
}

/// What one round did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Round {
    /// Segments that were put into the archive.
    pub archived: Vec<u64>,
    /// Segments that were taken away here.
    pub removed: Vec<u64>,
}

impl Archiver {
    /// For this journal. A segment stays beside it for `keep_local` after it was written, and until it is in the
    /// archive.
    ///
    /// # Errors
    /// When the journal's folder cannot be written.
    pub fn new(archive: ArchiveStore, journal: Arc<LocalJournal>, keep_local: Duration) -> io::Result<Self> {
        let log = ensure_id(journal.dir())?;
        let (archived, listed) = (BTreeSet::new(), false);
        Ok(Self { archive, journal, keep_local, log, archived, archived_checkpoints: 0, listed })
    }

    /// The log's id: the name of its folder in the archive.
    #[must_use]
    pub fn log(&self) -> &str {
        &self.log
    }

    /// Seals what was recorded until now, archives all that is sealed and the checkpoints so far, and takes away
    /// what is archived and old. Call it by a period: what was recorded is seen in the archive one period and an
    /// upload later. When it fails, the next call goes on.
    ///
    /// # Errors
    /// When the journal has stopped, or the archive does not answer.
    ///
    /// # Cancel safety
    /// Safe: every step is whole or did not happen, and is found by the next call.
    pub async fn round(&mut self) -> Result<Round, ArchiveStoreError> {
        let journal = Arc::clone(&self.journal);
        let sealed = blocking(move || journal.seal_and_sync().map_err(io::Error::other)).await?;
        self.archive_sealed(sealed).await
    }

    /// The same without sealing: for a journal that was closed.
    ///
    /// # Errors
    /// When the archive does not answer.
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

    /// Looks, once, what an earlier start has archived.
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
            // An earlier attempt whose answer was lost, or another's object.
            Put::Taken => self.compare(number).await?,
        }
        self.archived.insert(number);
        tracing::info!(segment = number, log = self.log, "archived");
        Ok(())
    }

    /// The archive's segment has to be the one that is here.
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

    /// Those checkpoints that the archive has not, and that speak of segments that it has.
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

    /// Takes away here what the archive has of the checkpoints, in whole pieces but the newest, after a last look that
    /// it has them byte for byte.
    async fn remove_pieces(&self) -> Result<(), ArchiveStoreError> {
        let dir = self.journal.dir().to_owned();
        let mut local = blocking(move || checkpoint_files::ranges(&dir)).await?;
        // The newest piece, and what is written now.
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

    /// These bytes of all checkpoints, as the archive has them.
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
        // A clock that was set back makes nothing old.
        Ok(SystemTime::now().duration_since(written).is_ok_and(|age| age >= self.keep_local))
    }

    /// Takes a segment away here, after a last look that the archive has it, byte for byte.
    async fn remove(&self, number: u64) -> Result<(), ArchiveStoreError> {
        self.compare(number).await?;
        let path = segment::path(self.journal.dir(), number);
        blocking(move || std::fs::remove_file(path)).await
    }

    /// Puts an object, or finds that it is there.
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

/// The checkpoints from this byte on that speak of segments below `sealed`. The file is synced first: what the
/// archive has, the power must not take from here.
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
        // Tips go with the checkpoint behind them.
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
