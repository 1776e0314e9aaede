//! The history in an archive is verified offline: every changed, dropped, duplicated or moved page is detected.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use countersign_recording::history::{Chapter, Day, FoundChapter, Page, verify_folder};
use countersign_recording::*;
use support::key;

const PAGES: u64 = 3;

fn chapter() -> Chapter {
    Chapter { installation: "ab".repeat(16), name: "approvals".into() }
}

/// Writes three sealed pages of two days; the newest stays unsealed if `all` is false.
async fn written(root: &Path, all: bool) -> Vec<PathBuf> {
    let (archive, chapter) = (ArchiveStore::folder(root).unwrap(), chapter());
    let mut prev = Page::NO_PREVIOUS;
    for number in 0..PAGES {
        let day: Day = format!("2026-11-2{}", number / 2).parse().unwrap();
        let entries = (0..=number).map(|entry| format!("{{\"entry\":{entry}}}").into_bytes()).collect();
        let page = Page { number, day, prev, entries };
        archive.put_page(&chapter, &page).await.unwrap();
        if all || number + 1 < PAGES {
            archive.seal_page(&chapter, &page, &key()).await.unwrap();
            // Another node continues: the first seal stays.
            let other = SigningKey::from_seed(&[8; 32]).unwrap();
            archive.seal_page(&chapter, &page, &other).await.unwrap();
        }
        prev = page.digest(&chapter).unwrap();
    }
    let mut files = files_in(&root.join("history"));
    files.sort_by_key(|file| file.file_name().unwrap().to_owned());
    files
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

fn found(root: &Path) -> FoundChapter {
    let strange = SigningKey::from_seed(&[9; 32]).unwrap().public();
    let mut all = verify_folder(root, &[key().public(), strange]).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn is_page(file: &Path) -> bool {
    file.to_string_lossy().ends_with(".jsonl.zst")
}

#[tokio::test]
async fn a_whole_history_verifies_and_an_archive_without_one_does_too() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(verify_folder(root.path(), &[key().public()]).unwrap(), []);
    written(root.path(), true).await;
    let all = found(root.path());
    assert_eq!((all.pages, all.entries, all.is_unsealed, all.faults), (PAGES, 6, false, vec![]));
}

#[tokio::test]
async fn i12_complete_every_changed_byte_of_pages_and_seals_is_found() {
    let root = tempfile::tempdir().unwrap();
    let files = written(root.path(), true).await;
    for file in &files {
        let original = fs::read(file).unwrap();
        let plain = match is_page(file) {
            true => zstd::stream::decode_all(&*original).unwrap(),
            false => original.clone(),
        };
        for at in 0..plain.len() {
            let mut changed = plain.clone();
            changed[at] ^= 1;
            let changed =
                if is_page(file) { zstd::stream::encode_all(&*changed, 3).unwrap() } else { changed };
            fs::write(file, changed).unwrap();
            assert!(!found(root.path()).faults.is_empty(), "byte {at} of {}", file.display());
        }
        // Also in the compressed form, unless it decompresses to the same contents.
        for at in 0..if is_page(file) { original.len() } else { 0 } {
            let mut changed = original.clone();
            changed[at] ^= 0x10;
            let same = zstd::stream::decode_all(&*changed).is_ok_and(|read| read == plain);
            fs::write(file, changed).unwrap();
            assert_eq!(found(root.path()).faults.is_empty(), same, "byte {at} of {}", file.display());
        }
        fs::write(file, original).unwrap();
    }
    assert_eq!(found(root.path()).faults, [""; 0]);
}

#[tokio::test]
async fn i12_complete_a_page_or_seal_that_is_dropped_doubled_or_moved_is_found() {
    let root = tempfile::tempdir().unwrap();
    let files = written(root.path(), true).await;
    for file in &files {
        let original = fs::read(file).unwrap();
        fs::remove_file(file).unwrap();
        let without = found(root.path());
        // A newest page without a seal is reported, and is not a fault.
        let newest_seal = file == files.iter().rfind(|file| !is_page(file)).unwrap();
        assert_eq!(
            (without.is_unsealed, without.faults.is_empty()),
            (newest_seal, newest_seal),
            "{}",
            file.display()
        );
        fs::write(file, &original).unwrap();
        let moved = file.parent().unwrap().with_file_name("2026-11-25");
        fs::create_dir_all(&moved).unwrap();
        fs::write(moved.join(file.file_name().unwrap()), &original).unwrap();
        assert!(!found(root.path()).faults.is_empty(), "{} twice", file.display());
        if is_page(file) {
            fs::remove_file(file).unwrap();
            assert!(!found(root.path()).faults.is_empty(), "{} of another day", file.display());
            fs::write(file, &original).unwrap();
        }
        fs::remove_dir_all(moved).unwrap();
    }
    assert_eq!(found(root.path()).faults, [""; 0]);
}

#[tokio::test]
async fn i12_complete_a_history_that_was_written_anew_by_somebody_without_the_key_is_found() {
    let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    written(root.path(), true).await;
    written(other.path(), false).await;
    let strange = [SigningKey::from_seed(&[9; 32]).unwrap().public()];
    let faults = verify_folder(root.path(), &strange).unwrap().remove(0).faults;
    assert_eq!(faults.len() as u64, PAGES, "{faults:?}");
    let unsealed = found(other.path());
    assert_eq!((unsealed.is_unsealed, unsealed.faults), (true, vec![]));
    // At most one page can be unsealed.
    for file in files_in(&other.path().join("history")) {
        if !is_page(&file) {
            fs::remove_file(file).unwrap();
        }
    }
    assert_eq!(found(other.path()).faults.len() as u64, PAGES - 1);
}
