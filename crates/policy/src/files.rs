//! The files of a bundle, from a folder or a message. This module checks the names and the size of the files; other
//! modules read their content.

use std::collections::BTreeMap;
use std::path::Path;

use countersign_common::Digest;
use countersign_common::digest::DigestBuilder;

use crate::error::{BundleErrors, Fault};
use crate::nesting;

/// Maximum number of files in a bundle.
pub const FILES_MAX: usize = 256;

/// Maximum total size of the files of a bundle, in bytes: 4 MiB.
pub const BYTES_MAX: usize = 4 << 20;

/// The files of a bundle, by relative name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files(BTreeMap<String, Vec<u8>>);

/// Names of the YAML files that a bundle may have, without extension.
const YAML_STEMS: [&str; 4] = ["targets", "chains", "masking", "limits"];

impl Files {
    /// Reads the files of a folder. It skips hidden files and does not read subfolders.
    ///
    /// # Errors
    /// The folder or a file in it cannot be read, a file is not of a kind that a bundle has, or the files are too
    /// many or too large. All faulty files are listed together.
    pub fn read_dir(dir: &Path) -> Result<Self, BundleErrors> {
        let unreadable = |error: std::io::Error| {
            Fault::of_file("", format!("cannot read folder `{}`: {error}", dir.display()))
        };
        let mut files = Self::default();
        let mut faults = Vec::new();
        let mut bytes_left = BYTES_MAX;
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if files.0.len() == FILES_MAX {
                return Err(too_many().into());
            }
            match read_file(&entry.path(), &name, bytes_left) {
                Ok(bytes) => {
                    bytes_left = bytes_left.saturating_sub(bytes.len());
                    files.0.insert(name, bytes);
                }
                Err(fault) => faults.push(fault),
            }
        }
        BundleErrors::check(faults)?;
        Ok(files)
    }

    /// The files, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Name and content of every `*.cedar` file, by name.
    pub(crate) fn cedar(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter().filter(|(name, _)| name.ends_with(".cedar"))
    }

    /// Returns the YAML file with this stem and either extension.
    pub(crate) fn yaml(&self, stem: &str) -> Option<(&str, &[u8])> {
        self.iter().find(|(name, _)| yaml_stem(name) == Some(stem))
    }

    /// Returns the faults in the names of the files: unknown kinds and duplicates.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<_> = self.0.keys().filter_map(|name| refuse_kind(name).err()).collect();
        for stem in YAML_STEMS {
            let both = self.0.keys().filter(|name| yaml_stem(name) == Some(stem)).count() > 1;
            if both {
                faults.push(Fault::of_file(
                    &format!("{stem}.yml"),
                    format!("`{stem}.yaml` is there too; keep one of them"),
                ));
            }
        }
        faults
    }

    /// Returns a fault for each limit on number or size that is exceeded.
    pub(crate) fn excess(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.0.len() > FILES_MAX {
            faults.push(too_many());
        }
        if self.0.values().map(Vec::len).sum::<usize>() > BYTES_MAX {
            faults.push(Fault::of_file("", too_large()));
        }
        if self.cedar().map(|(_, bytes)| bytes.len()).sum::<usize>() > nesting::TEXT_BYTES_MAX {
            let max = nesting::TEXT_BYTES_MAX;
            faults.push(Fault::of_file("", format!("the policies have more than {max} bytes together")));
        }
        faults
    }

    /// Adds the files to a digest: their number, then names and content in the order of names.
    pub(crate) fn digest_into(&self, digest: &mut DigestBuilder) {
        digest.number(self.0.len() as u64);
        for (name, bytes) in self.iter() {
            digest.text(name).bytes(bytes);
        }
    }

    /// Digest over the names and content of the files.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut digest = DigestBuilder::new("countersign.files.v1");
        self.digest_into(&mut digest);
        digest.finish()
    }
}

impl<N: Into<String>, B: Into<Vec<u8>>> FromIterator<(N, B)> for Files {
    fn from_iter<I: IntoIterator<Item = (N, B)>>(files: I) -> Self {
        Self(files.into_iter().map(|(name, bytes)| (name.into(), bytes.into())).collect())
    }
}

fn read_file(path: &Path, name: &str, bytes_left: usize) -> Result<Vec<u8>, Fault> {
    use std::io::Read;

    let unreadable = |error: std::io::Error| Fault::of_file(name, format!("cannot be read: {error}"));
    if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(Fault::of_file(name, "is a folder; a bundle has no folders in it"));
    }
    refuse_kind(name)?;
    let mut bytes = Vec::new();
    // Reads one byte more than allowed, to detect a file that is too large.
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(bytes_left as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > bytes_left { Err(Fault::of_file(name, too_large())) } else { Ok(bytes) }
}

fn refuse_kind(name: &str) -> Result<(), Fault> {
    let known = name.ends_with(".cedar") || yaml_stem(name).is_some_and(|stem| YAML_STEMS.contains(&stem));
    if known && !name.contains(['/', '\\']) {
        return Ok(());
    }
    Err(Fault::of_file(
        name,
        "not a file of a bundle; expected `*.cedar`, `targets.yaml`, `chains.yaml`, `masking.yaml` or `limits.yaml`",
    ))
}

fn yaml_stem(name: &str) -> Option<&str> {
    name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"))
}

fn too_many() -> Fault {
    Fault::of_file("", format!("more than {FILES_MAX} files"))
}

fn too_large() -> String {
    format!("the files of the bundle have more than {BYTES_MAX} bytes together")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_without_its_hidden_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.cedar"), "a").unwrap();
        std::fs::write(dir.path().join(".a.cedar.swp"), "b").unwrap();
        let files = Files::read_dir(dir.path()).unwrap();
        assert_eq!(files, Files::from_iter([("a.cedar", "a")]));
    }

    #[test]
    fn a_folder_with_foreign_files_is_refused_with_all_of_them() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("README.md"), "").unwrap();
        std::fs::write(dir.path().join("policy.yaml"), "").unwrap();
        std::fs::create_dir(dir.path().join("more")).unwrap();
        insta::assert_snapshot!(Files::read_dir(dir.path()).unwrap_err(), @r"
        the bundle does not validate:
          README.md: not a file of a bundle; expected `*.cedar`, `targets.yaml`, `chains.yaml`, `masking.yaml` or `limits.yaml`
          more: is a folder; a bundle has no folders in it
          policy.yaml: not a file of a bundle; expected `*.cedar`, `targets.yaml`, `chains.yaml`, `masking.yaml` or `limits.yaml`
        ");
    }

    #[test]
    fn a_folder_that_is_not_there_is_refused() {
        let error = Files::read_dir(Path::new("/nonexistent")).unwrap_err();
        assert!(error.to_string().contains("cannot read folder `/nonexistent`"));
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("a.cedar")).unwrap();
        file.set_len(1 << 40).unwrap();
        assert!(Files::read_dir(dir.path()).unwrap_err().to_string().contains("more than 4194304 bytes"));
    }

    #[test]
    fn the_digest_depends_on_names_and_bytes() {
        let digest = |name: &str, bytes: &str| Files::from_iter([(name, bytes)]).digest();
        assert_ne!(digest("a.cedar", "x"), digest("b.cedar", "x"));
        assert_ne!(digest("a.cedar", "x"), digest("a.cedar", "y"));
        assert_eq!(digest("a.cedar", "x"), digest("a.cedar", "x"));
    }
}
