//! Offline verification of a history: the pages in a folder, checked with the public keys that sealed them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use countersign_common::Digest;
use serde::Serialize;

use super::seal::{self, Seal};
use super::{Chapter, Day, HISTORY, Page, SUFFIX, read_page};
use crate::archive::ArchiveStoreError;
use crate::signing::PublicKey;

/// Result of verifying one chapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundChapter {
    /// Identifier of the control plane's store.
    pub installation: String,
    /// Kind of the entries: `approvals`, `audit`.
    pub chapter: String,
    /// Number of pages that were found.
    pub pages: u64,
    /// Number of entries in these pages.
    pub entries: u64,
    /// `true` if the newest page is not sealed yet, so that only its own contents protect it. The node that put it
    /// died before sealing.
    pub is_unsealed: bool,
    /// Faults with their place; empty if there are none.
    pub faults: Vec<String>,
}

/// Reads all pages of the archive in this folder. Checks that they form a chain from the first page on without gaps,
/// and that each was sealed by one of these keys. The removal of the newest pages together with their seals cannot be
/// detected here; a control plane whose store names them detects it.
///
/// # Errors
/// Any error of reading a file. Faults in the contents are reported in the result.
pub fn verify_folder(archive: &Path, keys: &[PublicKey]) -> io::Result<Vec<FoundChapter>> {
    let mut found = Vec::new();
    for (installation, folder) in folders(&archive.join(HISTORY))? {
        for (name, folder) in folders(&folder)? {
            let chapter = Chapter { installation: installation.clone(), name };
            found.push(Reading { chapter, keys }.read(&Places::of(&folder)?)?);
        }
    }
    Ok(found)
}

/// Files of a chapter, by the number of their page.
#[derive(Default)]
struct Places {
    pages: BTreeMap<u64, Vec<(Day, PathBuf)>>,
    seals: BTreeMap<u64, Vec<PathBuf>>,
}

impl Places {
    fn of(chapter: &Path) -> io::Result<Self> {
        let mut places = Self::default();
        for (day, folder) in folders(chapter)? {
            let Ok(day) = day.parse::<Day>() else { continue };
            for (name, file) in entries(&folder)? {
                let number = |suffix| name.strip_suffix(suffix)?.parse::<u64>().ok();
                if let Some(number) = number(SUFFIX) {
                    places.pages.entry(number).or_default().push((day.clone(), file));
                } else if let Some(number) = number(seal::SUFFIX) {
                    places.seals.entry(number).or_default().push(file);
                }
            }
        }
        Ok(places)
    }

    /// Number after the newest page or seal.
    fn end(&self) -> u64 {
        let newest = [self.pages.keys().next_back(), self.seals.keys().next_back()];
        newest.into_iter().flatten().max().map_or(0, |number| number.saturating_add(1))
    }
}

struct Reading<'a> {
    chapter: Chapter,
    keys: &'a [PublicKey],
}

impl Reading<'_> {
    fn read(&self, places: &Places) -> io::Result<FoundChapter> {
        let Chapter { installation, name } = self.chapter.clone();
        let mut found = FoundChapter {
            installation,
            chapter: name,
            pages: 0,
            entries: 0,
            is_unsealed: false,
            faults: Vec::new(),
        };
        // `None` if the previous page could not be read, which is already reported.
        let mut prev = Some(Page::NO_PREVIOUS);
        let end = places.end();
        // Iterates over existing pages only, so that a forged high number costs nothing.
        for (&number, pages) in &places.pages {
            match number.saturating_sub(found.pages) {
                0 => {}
                gap => {
                    let more =
                        if gap > 1 { format!("and {} more behind it are", gap - 1) } else { "is".into() };
                    found.faults.push(self.fault(found.pages, &format!("{more} missing")));
                    prev = None;
                }
            }
            found.pages = number.saturating_add(1);
            prev = match self.page(number, pages, prev)? {
                Ok((entries, digest)) => {
                    found.entries += entries;
                    self.sealed(number, end, digest, places, &mut found)?;
                    Some(digest)
                }
                Err(why) => {
                    found.faults.push(self.fault(number, &why));
                    None
                }
            };
        }
        if found.pages < end {
            found.faults.push(self.fault(end.saturating_sub(1), "is missing, its seal is there"));
        }
        Ok(found)
    }

    /// Returns the number of entries and the digest of a page if it follows the previous one, else the fault.
    fn page(
        &self,
        number: u64,
        pages: &[(Day, PathBuf)],
        prev: Option<Digest>,
    ) -> io::Result<Result<(u64, Digest), String>> {
        let [(day, file)] = pages else { return Ok(Err("is there more than once".into())) };
        let read = read_page(&std::fs::read(file)?, &self.chapter, day, number)
            .and_then(|page| Ok((page.digest(&self.chapter)?, page)));
        Ok(match read {
            Ok((_, page)) if prev.is_some_and(|prev| prev != page.prev) => {
                Err("does not follow the page before it: that one was changed, or this one".into())
            }
            Ok((digest, page)) => Ok((page.entries.len() as u64, digest)),
            Err(ArchiveStoreError::Malformed(why)) => Err(format!("cannot be read: {why}")),
            Err(error) => Err(format!("cannot be read: {error}")),
        })
    }

    fn sealed(
        &self,
        number: u64,
        end: u64,
        digest: Digest,
        places: &Places,
        found: &mut FoundChapter,
    ) -> io::Result<()> {
        let seal = Seal::of(&self.chapter, number, digest);
        match places.seals.get(&number).map(Vec::as_slice) {
            None if number.saturating_add(1) == end => found.is_unsealed = true,
            None => found.faults.push(self.fault(number, "has lost its seal")),
            Some([file]) if seal.is_in(&std::fs::read(file)?, self.keys) => {}
            Some(_) => {
                found.faults.push(self.fault(number, "is not the one that was sealed by one of these keys"))
            }
        }
        Ok(())
    }

    fn fault(&self, number: u64, why: &str) -> String {
        format!("history of {}: page {number} {why}", self.chapter.name)
    }
}

/// Lists the entries of a folder by name; a missing folder has none.
fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let named = entries.map(|entry| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
    });
    let mut named: Vec<_> = named.collect::<io::Result<_>>()?;
    named.sort();
    Ok(named)
}

fn folders(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut entries = entries(folder)?;
    entries.retain(|(_, path)| path.is_dir());
    Ok(entries)
}
