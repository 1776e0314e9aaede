//! Folders of recordings that are read without a control plane, and the keys that they are verified with.

use std::path::{Path, PathBuf};

use countersign_controlplane::journal::fetch_anchor;
use countersign_recording::history::{FoundChapter, verify_folder};
use countersign_recording::{PublicKey, SignedCheckpoint, Verifier};

use super::Surroundings;
use crate::data::{DataDir, recordings_in};
use crate::error::{CliError, Exit};

/// Where recordings and their keys lie.
pub(super) struct Places {
    pub(super) recordings: Vec<PathBuf>,
    /// Where keys are looked for, when none is named.
    keys: Vec<PathBuf>,
}

impl Places {
    pub(super) fn of(dirs: &[&Path], around: &Surroundings) -> Result<Self, CliError> {
        let mut places = Self { recordings: Vec::new(), keys: Vec::new() };
        if dirs.is_empty() {
            let data = around.data();
            places.recordings.push(data.recordings());
            places.recordings.extend(Some(data.drained()).filter(|dir| dir.is_dir()));
            places.keys.push(data.checkpoint_public_key());
        }
        for dir in dirs {
            places.add(dir)?;
        }
        Ok(places)
    }

    fn add(&mut self, dir: &Path) -> Result<(), CliError> {
        if !dir.is_dir() {
            let what = format!("`{}` is neither a session's id nor a folder", dir.display());
            return Err(
                CliError::new(Exit::NotFound, what).help("`countersign sessions ls --all` lists sessions")
            );
        }
        let recordings = recordings_in(dir);
        // What a node has drained from Redis is a log of its own.
        let drained = DataDir::of(Some(dir)).drained();
        self.recordings.extend(Some(drained).filter(|drained| recordings != dir && drained.is_dir()));
        self.keys.push(match recordings == dir {
            true => dir.join("..").join("keys").join("checkpoint.pub"),
            false => DataDir::of(Some(dir)).checkpoint_public_key(),
        });
        self.recordings.push(recordings);
        Ok(())
    }

    pub(super) fn names(&self) -> String {
        self.recordings.iter().map(|dir| format!("`{}`", dir.display())).collect::<Vec<_>>().join(", ")
    }

    /// Who checks: with the keys that were named, or else with those beside the recordings. An archive has none
    /// beside it; with others named it needs none.
    pub(super) fn keys(&self, named: &[String]) -> Result<Vec<PublicKey>, CliError> {
        match named.is_empty() {
            false => named.iter().map(|named| key(named)).collect(),
            true => {
                let beside = self.keys.iter().filter(|file| self.keys.len() == 1 || file.is_file());
                beside.map(|file| key_in(file)).collect()
            }
        }
    }

    pub(super) fn verifier(&self, keys: &[PublicKey]) -> Result<Verifier, CliError> {
        let (first, others) = keys.split_first().ok_or_else(|| {
            CliError::failed(format!("there is no public key beside {}", self.names()))
                .help("name the keys that sign the checkpoints with --key")
        })?;
        Ok(others.iter().fold(Verifier::new(first), Verifier::or))
    }

    /// What has ended, in those that are archives.
    pub(super) fn history(&self, keys: &[PublicKey]) -> std::io::Result<Vec<FoundChapter>> {
        let mut found = Vec::new();
        for place in &self.recordings {
            found.extend(verify_folder(place, keys)?);
        }
        Ok(found)
    }
}

fn key(named: &str) -> Result<PublicKey, CliError> {
    named.parse().or_else(|_| key_in(Path::new(named)))
}

fn key_in(file: &Path) -> Result<PublicKey, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        CliError::failed(format!("cannot read the public key `{}`: {error}", file.display()))
            .help("name the key that signs the checkpoints with --key")
    })?;
    text.parse()
        .map_err(|error| CliError::failed(format!("`{}` holds no public key: {error}", file.display())))
}

/// Checkpoints that were kept elsewhere: in a file, or behind a URL.
pub(super) async fn anchors(
    from: &[String],
    verifier: &Verifier,
    around: &Surroundings,
) -> Result<Vec<SignedCheckpoint>, CliError> {
    let mut found = Vec::new();
    for place in from {
        let text = match place.starts_with("http://") || place.starts_with("https://") {
            true => fetch_anchor(place, around.global.ca_file.as_deref()).await.map_err(|error| {
                CliError::because(Exit::Unreachable, format!("the anchor `{place}` cannot be read"), &error)
            })?,
            false => std::fs::read(place)
                .map_err(|error| CliError::failed(format!("cannot read `{place}`: {error}")))?,
        };
        let anchors = verifier.anchors_in(&text).map_err(|error| {
            CliError::new(
                Exit::Unsound,
                format!("`{place}` holds what is no checkpoint by this key: {error}"),
            )
        })?;
        if anchors.is_empty() {
            return Err(CliError::new(Exit::Unsound, format!("`{place}` holds no checkpoint")));
        }
        found.extend(anchors);
    }
    Ok(found)
}
