//! The active segment: appends batches to it, seals it when it is full, and starts the next one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_common::{Digest, Timestamp};

use super::Written;
use super::gather::{Batch, Buffers, Wanted};
use crate::checkpoint::Tips;
use crate::segment::{self, Footer, Header, OpenStream, RunningDigest, SegmentPoint};

/// Writer of segments. It must not be used after an error, because a line may be partially written.
#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    segment: u64,
    pub(super) file: Arc<File>,
    written_bytes: usize,
    digest: RunningDigest,
    /// Sealed segments that were not passed to a sync yet.
    sealed: Vec<Arc<File>>,
    /// Ends of these segments, to be signed.
    seals: Vec<Tips>,
    /// `true` if the directory has an entry that is not synced.
    new_entry: bool,
    spare: Buffers,
}

impl Writer {
    /// Creates a segment with this header.
    pub(super) fn create(dir: &Path, header: &Header) -> io::Result<Self> {
        let mut writer = Self {
            dir: dir.to_owned(),
            segment: header.segment,
            file: Arc::new(create(dir, header.segment)?),
            written_bytes: 0,
            digest: RunningDigest::new(),
            sealed: Vec::new(),
            seals: Vec::new(),
            new_entry: true,
            spare: Buffers::default(),
        };
        writer.write_line(header.line()?)?;
        Ok(writer)
    }

    /// Size of the segment in bytes so far.
    pub(super) const fn written_bytes(&self) -> usize {
        self.written_bytes
    }

    /// Number of the active segment.
    pub(super) const fn segment(&self) -> u64 {
        self.segment
    }

    /// Extent of the active segment.
    pub(super) fn point(&self) -> SegmentPoint {
        self.digest.point(self.segment)
    }

    /// Syncs the segment and its directory entry, so that both survive a loss of power.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        File::open(&self.dir)?.sync_all()
    }

    /// Returns `true` if the segment has more than its header.
    pub(super) const fn has_records(&self) -> bool {
        self.digest.lines() > 1
    }

    /// Returns empty buffers for reuse.
    pub(super) fn spare(&mut self) -> Buffers {
        std::mem::take(&mut self.spare)
    }

    /// Writes a batch to the kernel. Seals the segment if the batch fills it, or if the journal closes.
    pub(super) fn write(&mut self, batch: Batch, wanted: Wanted, now: Timestamp) -> io::Result<Written> {
        self.file.as_ref().write_all(&batch.buffers.lines)?;
        self.written_bytes += batch.buffers.lines.len();
        crate::metrics::written(batch.buffers.lines.len());
        self.digest.push_all(&batch.buffers.hashes);
        match (wanted, batch.open) {
            (Wanted::Close, _) => self.seal(now)?,
            (_, Some(open)) => self.rotate(open, now)?,
            (_, None) => {}
        }
        self.keep_spare(batch.buffers);
        let tips = wanted.tips().then(|| Tips {
            at: now,
            point: self.digest.point(self.segment),
            changed: batch.changed,
            closed: wanted == Wanted::Close,
            lasting: false,
        });
        Ok(Written {
            position: batch.appended,
            segment: self.segment,
            seals: if wanted.syncs() { std::mem::take(&mut self.seals) } else { Vec::new() },
            files: if wanted.syncs() { self.unsynced() } else { Vec::new() },
            dir: self.unsynced_dir(wanted)?,
            tips,
        })
    }

    fn unsynced(&mut self) -> Vec<Arc<File>> {
        let mut files = std::mem::take(&mut self.sealed);
        files.push(Arc::clone(&self.file));
        files
    }

    fn unsynced_dir(&mut self, wanted: Wanted) -> io::Result<Option<Arc<File>>> {
        if !wanted.syncs() || !std::mem::take(&mut self.new_entry) {
            return Ok(None);
        }
        File::open(&self.dir).map(|dir| Some(Arc::new(dir)))
    }

    fn rotate(&mut self, open: Vec<OpenStream>, now: Timestamp) -> io::Result<()> {
        self.seal(now)?;
        let previous = self.digest.point(self.segment);
        self.seals.push(super::lasting(now, previous));
        let segment = self.segment + 1;
        let header = Header { segment, at: now, previous: Some(previous), recovered: None, open };
        let file = Arc::new(create(&self.dir, segment)?);
        self.sealed.push(std::mem::replace(&mut self.file, file));
        self.segment = segment;
        self.written_bytes = 0;
        self.digest = RunningDigest::new();
        self.new_entry = true;
        self.write_line(header.line()?)
    }

    fn seal(&mut self, now: Timestamp) -> io::Result<()> {
        let point = self.digest.point(self.segment);
        let footer = Footer { lines: point.lines, digest: point.digest, at: now };
        self.write_line(footer.line()?)
    }

    fn write_line(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        self.digest.push(&Digest::of(&line));
        line.push(b'\n');
        self.written_bytes += line.len();
        self.file.as_ref().write_all(&line)
    }

    fn keep_spare(&mut self, mut buffers: Buffers) {
        // Memory that one burst needed is not kept.
        const KEPT_BYTES_MAX: usize = 2 << 20;
        if buffers.lines.capacity() <= KEPT_BYTES_MAX {
            buffers.lines.clear();
            buffers.hashes.clear();
            self.spare = buffers;
        }
    }
}

fn create(dir: &Path, segment: u64) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(segment::path(dir, segment))
}
