//! The history: ended records that have left the control plane's store, in pages of JSON lines. A page is put once and
//! names the digest of the previous one, so that no page can be changed, dropped or inserted unnoticed.
//!
//! ```text
//! history/<installation>/<chapter>/<day>/<number>.jsonl.zst
//! history/<installation>/<chapter>/<day>/<number>.seal.json
//! ```
//! The first line of a page is its header, every other line is an entry. The digest of a page is the SHA-256 of its
//! lines, line feeds included, before they are compressed. Pages are numbered from 0 through a whole chapter; the day
//! is the one on which all its entries began. Each page has a seal: its digest, signed by the node that put it, so that
//! the newest page, which no other page names, cannot be changed either ([`verify_folder`]).

mod folder;
mod seal;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::str::FromStr;

use countersign_common::{Digest, Timestamp};
use futures::TryStreamExt as _;
use object_store::ListResult;
use object_store::path::Path as Key;
use serde::{Deserialize, Serialize};

pub use self::folder::{FoundChapter, verify_folder};

use super::{ArchiveStore, ArchiveStoreError, Put};
use crate::line::{MalformedLine, NO_PREVIOUS, VERSION};

/// Folder of all histories in the archive.
const HISTORY: &str = "history";

/// File name suffix of a page.
const SUFFIX: &str = ".jsonl.zst";

/// zstd's own default compression level.
const COMPRESSION_LEVEL: i32 = 3;

/// Largest page that is read, in bytes before compression. Larger pages are never written.
const PAGE_BYTES_MAX: u64 = 256 << 20;

/// A day in UTC: `2026-11-22`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(String);

impl Day {
    /// Returns the day of a timestamp.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        at.to_string().get(..10).and_then(|day| day.parse().ok()).unwrap_or_else(|| Self("9999-12-31".into()))
    }
}

impl FromStr for Day {
    type Err = MalformedLine;

    fn from_str(text: &str) -> Result<Self, MalformedLine> {
        let fits = |(index, byte): (usize, u8)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        };
        match text.len() == 10 && text.bytes().enumerate().all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(MalformedLine("a day is written as 2026-11-22".into())),
        }
    }
}

impl TryFrom<String> for Day {
    type Error = MalformedLine;

    fn try_from(text: String) -> Result<Self, MalformedLine> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.0
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Entries of one kind from one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// Identifier of the installation: 32 hex digits, generated once per store.
    pub installation: String,
    /// Kind of the entries: `approvals`.
    pub name: String,
}

impl Chapter {
    fn folder(&self) -> Key {
        Key::from_iter([HISTORY, &self.installation, &self.name])
    }

    fn of_day(&self, day: &Day) -> Key {
        self.folder().join(day.0.as_str())
    }

    fn key(&self, day: &Day, number: u64) -> Key {
        self.of_day(day).join(format!("{number:010}{SUFFIX}"))
    }
}

/// The first line of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    v: u32,
    installation: String,
    chapter: String,
    page: u64,
    day: Day,
    prev: Digest,
    entries: usize,
}

/// A page of a chapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Number of the page in its chapter, from 0.
    pub number: u64,
    /// Day on which its entries began.
    pub day: Day,
    /// Digest of the previous page; zeros in the first.
    pub prev: Digest,
    /// JSON entries, one line each, without the line feed.
    pub entries: Vec<Vec<u8>>,
}

impl Page {
    /// Value of `prev` in the first page.
    pub const NO_PREVIOUS: Digest = NO_PREVIOUS;

    /// Computes the digest of the page, by which the next page names it.
    ///
    /// # Errors
    /// [`MalformedLine`] if an entry contains a line feed.
    pub fn digest(&self, chapter: &Chapter) -> Result<Digest, MalformedLine> {
        Ok(Digest::of(&self.encode(chapter)?))
    }

    fn encode(&self, chapter: &Chapter) -> Result<Vec<u8>, MalformedLine> {
        let header = Header {
            v: VERSION,
            installation: chapter.installation.clone(),
            chapter: chapter.name.clone(),
            page: self.number,
            day: self.day.clone(),
            prev: self.prev,
            entries: self.entries.len(),
        };
        let mut bytes = serde_json::to_vec(&header).map_err(|error| malformed(&error))?;
        bytes.push(b'\n');
        for entry in &self.entries {
            if entry.contains(&b'\n') {
                return Err(malformed(&"an entry has more than one line"));
            }
            bytes.extend_from_slice(entry);
            bytes.push(b'\n');
        }
        Ok(bytes)
    }

    /// Decodes the page of this chapter, day and number. A page that names another place, or lacks entries, is
    /// malformed.
    fn decode(bytes: &[u8], chapter: &Chapter, day: &Day, number: u64) -> Result<Self, MalformedLine> {
        let whole = bytes.strip_suffix(b"\n").ok_or_else(|| malformed(&"its last line is cut"))?;
        let mut lines = whole.split(|byte| *byte == b'\n');
        let header: Header =
            serde_json::from_slice(lines.next().unwrap_or_default()).map_err(|error| malformed(&error))?;
        let entries: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
        let belongs = header.v == VERSION
            && (header.installation.as_str(), header.chapter.as_str())
                == (&chapter.installation, &chapter.name)
            && (header.page, &header.day, header.entries) == (number, day, entries.len());
        match belongs {
            true => Ok(Self { number, day: header.day, prev: header.prev, entries }),
            false => Err(malformed(&"it is not the page that its name says")),
        }
    }
}

fn malformed(why: &dyn fmt::Display) -> MalformedLine {
    MalformedLine(format!("page of the history: {why}"))
}

/// Result of verifying a chapter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChapterReport {
    /// Number of pages that were verified.
    pub pages: u64,
    /// Number of entries in these pages.
    pub entries: u64,
    /// Faults with their place; empty if there are none.
    pub faults: Vec<String>,
}

impl ArchiveStore {
    /// Reads the page of this chapter, day and number; `None` if it does not exist yet.
    ///
    /// # Errors
    /// Fails if the archive does not answer or the object is not this page.
    pub async fn page(
        &self,
        chapter: &Chapter,
        day: &Day,
        number: u64,
    ) -> Result<Option<Page>, ArchiveStoreError> {
        let content = match self.get(&chapter.key(day, number)).await {
            Ok(content) => content,
            Err(ArchiveStoreError::Store(object_store::Error::NotFound { .. })) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (chapter, day) = (chapter.clone(), day.clone());
        let read = super::blocking(move || Ok(read_page(&content, &chapter, &day, number)));
        read.await?.map(Some)
    }

    /// Puts a page. A page that already exists must be identical.
    ///
    /// # Errors
    /// Fails if the archive does not answer or has another page there.
    ///
    /// # Cancel safety
    /// Cancel safe: the page is complete or absent, and may be put again.
    pub async fn put_page(&self, chapter: &Chapter, page: &Page) -> Result<(), ArchiveStoreError> {
        let plain = page.encode(chapter)?;
        let packed =
            super::blocking(move || zstd::stream::encode_all(plain.as_slice(), COMPRESSION_LEVEL)).await?;
        let key = chapter.key(&page.day, page.number);
        match self.put(&key, packed.into()).await? {
            Put::Done => Ok(()),
            // By an earlier attempt whose answer was lost, or by another node.
            Put::Taken => match self.page(chapter, &page.day, page.number).await? {
                Some(there) if there == *page => Ok(()),
                _ => Err(ArchiveStoreError::Conflict { key: key.to_string() }),
            },
        }
    }

    /// Lists the days that have pages of a chapter, newest first.
    ///
    /// # Errors
    /// Fails if the archive does not answer.
    pub async fn days(&self, chapter: &Chapter) -> Result<Vec<Day>, ArchiveStoreError> {
        let ListResult { common_prefixes, .. } =
            self.store().await?.list_with_delimiter(Some(&chapter.folder())).await?;
        let names = common_prefixes.iter().filter_map(|folder| folder.filename()?.parse().ok());
        let mut days: Vec<Day> = names.collect();
        days.sort_by(|one, other| other.cmp(one));
        Ok(days)
    }

    /// Lists the numbers of the pages of a day, highest first. Lists that day only.
    ///
    /// # Errors
    /// Fails if the archive does not answer.
    pub async fn pages_of(&self, chapter: &Chapter, day: &Day) -> Result<Vec<u64>, ArchiveStoreError> {
        let objects: Vec<_> = self.store().await?.list(Some(&chapter.of_day(day))).try_collect().await?;
        let mut numbers: Vec<u64> =
            objects.iter().filter_map(|object| number_of(object.location.filename()?)).collect();
        numbers.sort_by(|one, other| other.cmp(one));
        Ok(numbers)
    }

    /// Reads all pages of a chapter before page `next`, and checks that they form a chain without gaps. `tip` is the
    /// digest of the last of them.
    ///
    /// # Errors
    /// Fails if the archive does not answer. Faults in the pages are reported in the result.
    pub async fn verify_chapter(
        &self,
        chapter: &Chapter,
        next: u64,
        tip: Digest,
    ) -> Result<ChapterReport, ArchiveStoreError> {
        let mut places = BTreeMap::new();
        for day in self.days(chapter).await? {
            for number in self.pages_of(chapter, &day).await? {
                places.entry(number).or_insert_with(Vec::new).push(day.clone());
            }
        }
        let (mut report, mut prev) = (ChapterReport::default(), Page::NO_PREVIOUS);
        for number in 0..next {
            match self.follows(chapter, places.get(&number).map(Vec::as_slice), number, prev).await? {
                Ok((digest, entries)) => {
                    prev = digest;
                    report.pages += 1;
                    report.entries += entries;
                }
                Err(why) => {
                    report.faults.push(format!("history of {}: page {number} {why}", chapter.name));
                    return Ok(report);
                }
            }
        }
        if prev != tip {
            report.faults.push(format!("history of {}: its newest page was changed", chapter.name));
        }
        Ok(report)
    }

    /// Returns the digest and the number of entries of a page if it follows the previous one, else the fault.
    async fn follows(
        &self,
        chapter: &Chapter,
        days: Option<&[Day]>,
        number: u64,
        prev: Digest,
    ) -> Result<Result<(Digest, u64), String>, ArchiveStoreError> {
        let day = match days {
            Some([day]) => day,
            None => return Ok(Err("is missing".into())),
            Some(_) => return Ok(Err("is there more than once".into())),
        };
        let page = match self.page(chapter, day, number).await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(Err("is missing".into())),
            Err(ArchiveStoreError::Malformed(why)) => return Ok(Err(format!("cannot be read: {why}"))),
            Err(ArchiveStoreError::Io(why)) => return Ok(Err(format!("cannot be read: {why}"))),
            Err(error) => return Err(error),
        };
        if page.prev != prev {
            return Ok(Err("does not follow the page before it: that one was changed, or this one".into()));
        }
        Ok(Ok((page.digest(chapter)?, page.entries.len() as u64)))
    }
}

/// Decompresses and decodes the object of a page.
fn read_page(content: &[u8], chapter: &Chapter, day: &Day, number: u64) -> Result<Page, ArchiveStoreError> {
    Ok(Page::decode(&unpacked(content)?, chapter, day, number)?)
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}

fn unpacked(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    zstd::stream::read::Decoder::new(content)?.take(PAGE_BYTES_MAX).read_to_end(&mut plain)?;
    Ok(plain)
}
