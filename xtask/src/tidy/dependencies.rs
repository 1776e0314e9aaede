//! Every dependency that a crate of the workspace names is used in its source.
//!
//! A dependency counts as used if its library name stands as a word in a Rust file of the crate. Build scripts count for
//! build dependencies. Dependencies that are named only to choose a feature or a linked library give their reason in a
//! comment `# unused:` on the line before.

use std::path::Path;

use anyhow::Result;

use super::Source;

/// Packages whose library has another name.
const LIBRARIES: [(&str, &str); 2] = [("md-5", "md5"), ("rustls-webpki", "webpki")];

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let manifests =
        sources.iter().filter(|source| source.path.file_name().is_some_and(|name| name == "Cargo.toml"));
    for manifest in manifests {
        let Some(folder) = manifest.path.parent() else { continue };
        let texts = rust_of(sources, folder);
        for name in dependencies(&manifest.text) {
            let renamed = LIBRARIES.iter().find(|(package, _)| *package == name);
            let library =
                renamed.map_or_else(|| name.replace('-', "_"), |(_, library)| (*library).to_owned());
            if !texts.iter().any(|text| has_word(text, &library)) {
                faults.push(format!("{}: `{name}` is not used", manifest.path.display()));
            }
        }
    }
    Ok(faults)
}

/// The Rust files of the crate in this folder, those of crates inside of it left out.
fn rust_of<'s>(sources: &'s [Source], folder: &Path) -> Vec<&'s str> {
    let nested = |path: &Path| {
        let mut above = path.ancestors().skip(1).take_while(|above| *above != folder);
        above.any(|above| sources.iter().any(|other| other.path == above.join("Cargo.toml")))
    };
    let ours = sources.iter().filter(|source| {
        source.has_extension("rs") && source.path.starts_with(folder) && !nested(&source.path)
    });
    ours.map(|source| source.text.as_str()).collect()
}

/// The names of the dependencies in a manifest, in order.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut inside = false;
    let mut excused = false;
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.ends_with("dependencies]") && !section.starts_with("workspace");
            continue;
        }
        if inside
            && !excused
            && let Some(end) = line.find(['.', ' ', '='])
        {
            let name = line.get(..end).unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                names.push(name);
            }
        }
        excused = line.starts_with("# unused: ");
    }
    names
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_no_file_names_is_found() {
        let manifest = "[package]\nname = \"a\"\n\n[dependencies]\nserde_json.workspace = true\nmd-5 = \"1\"\n\
                        # unused: chooses the allocator\nother = { version = \"1\" }\n\n[dev-dependencies]\nhex.workspace = true\n";
        let sources = [
            Source::new("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n"),
            Source::new("crates/a/Cargo.toml", manifest),
            Source::new("crates/a/src/lib.rs", "use md5::Digest;\nlet serde_json_like = 1;\n"),
            Source::new("crates/a/b/Cargo.toml", "[dependencies]\n"),
            Source::new("crates/a/b/src/lib.rs", "use serde_json::Value;\n"),
            Source::new("crates/a/tests/t.rs", "let text = hex::encode(b\"\");\n"),
        ];
        assert_eq!(check(&sources).unwrap(), ["crates/a/Cargo.toml: `serde_json` is not used"]);
    }
}
