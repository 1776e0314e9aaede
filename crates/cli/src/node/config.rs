//! A process's configuration file: YAML, one level of keys. All faults are found in one go, each with its
//! key and line: unknown keys, missing keys, values of the wrong kind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign_common::error::code;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::error::{CliError, Exit};

/// A configuration file while it is read. Take each key that there is, then [`Document::finish`].
#[derive(Debug)]
pub(crate) struct Document {
    file: PathBuf,
    entries: BTreeMap<String, Spanned<Value>>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

/// What is wrong, at which line; zero: the whole file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    line: u64,
    reason: String,
}

/// Stack of the thread that parses. The parser bounds the depth of nesting, but a caller's thread may be too small even for that.
const PARSER_STACK_BYTES: usize = 16 << 20;

type Entries = Option<BTreeMap<String, Spanned<Value>>>;

/// Parses on a thread of its own.
///
/// # Errors
/// The outer one if the thread cannot be started or panicked; the inner one if the text is not such a map.
fn parse(text: &str) -> std::io::Result<Result<Entries, serde_saphyr::Error>> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(PARSER_STACK_BYTES);
        let parsing = thread.spawn_scoped(scope, || serde_saphyr::from_str(text))?;
        parsing.join().map_err(|_| std::io::Error::other("the parser failed"))
    })
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not a YAML map.
    pub(crate) fn read(file: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            CliError::failed(format!("cannot read the configuration `{}`: {error}", file.display()))
        })?;
        let parsed = parse(&text).map_err(|error| {
            CliError::failed(format!("cannot read the configuration `{}`: {error}", file.display()))
        })?;
        let mut document =
            Self { file: file.to_owned(), entries: BTreeMap::new(), known: Vec::new(), faults: Vec::new() };
        match parsed {
            Ok(entries) => document.entries = entries.unwrap_or_default(),
            Err(error) => {
                let line = error.location().map_or(0, |location| location.line());
                let text = error.without_snippet().to_string();
                let reason = text.lines().next().unwrap_or_default().to_owned();
                document.faults.push(Fault { line, reason });
                return Err(document.refused());
            }
        }
        Ok(document)
    }

    /// Whether there is such a key that nobody has taken yet.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The value of a key that may be missing.
    pub(crate) fn optional<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        self.known.push(key);
        let entry = self.entries.remove(key)?;
        match serde_json::from_value(entry.value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.faults
                    .push(Fault { line: entry.referenced.line(), reason: format!("`{key}`: {error}") });
                None
            }
        }
    }

    /// The value of a key that has to be there.
    pub(crate) fn required<T: DeserializeOwned>(&mut self, key: &'static str) -> Option<T> {
        if !self.entries.contains_key(key) {
            self.known.push(key);
            self.faults.push(Fault { line: 0, reason: format!("`{key}` is missing") });
            return None;
        }
        self.optional(key)
    }

    /// Something is wrong with several keys together, or with a value that could be read.
    pub(crate) fn fault(&mut self, reason: impl Into<String>) {
        self.faults.push(Fault { line: 0, reason: reason.into() });
    }

    /// Refuses what is left over, and everything that was found wrong.
    ///
    /// # Errors
    /// All faults together.
    pub(crate) fn finish(mut self) -> Result<(), CliError> {
        for (key, entry) in std::mem::take(&mut self.entries) {
            let reason = format!("`{key}` is not known; known are {}", self.known.join(", "));
            self.faults.push(Fault { line: entry.referenced.line(), reason });
        }
        if self.faults.is_empty() { Ok(()) } else { Err(self.refused()) }
    }

    fn refused(mut self) -> CliError {
        self.faults.sort();
        let file = self.file.display();
        let mut text = format!("the configuration `{file}` cannot be used:");
        for Fault { line, reason } in &self.faults {
            match line {
                0 => text.push_str(&format!("\n{file}: {reason}")),
                line => text.push_str(&format!("\n{file}:{line}: {reason}")),
            }
        }
        CliError::new(Exit::Unsound, text).code(code::CONFIG_INVALID).help("docs/cli.md has every key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Document, CliError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.yaml");
        std::fs::write(&file, text).unwrap();
        Document::read(&file)
    }

    #[test]
    fn all_faults_of_a_file_are_reported_together_with_their_lines() {
        let mut document = read("listen: nowhere\nport: 5\ndata: /x\nlimit: many\n").unwrap();
        assert_eq!(document.optional::<std::net::SocketAddr>("listen"), None);
        assert_eq!(document.required::<PathBuf>("data"), Some(PathBuf::from("/x")));
        assert_eq!(document.optional::<u32>("limit"), None);
        assert_eq!(document.required::<String>("name"), None);
        let error = document.finish().unwrap_err();
        let text = error.to_string();
        let faults: Vec<_> = text.lines().skip(1).filter_map(|line| line.split_once("c.yaml")).collect();
        let faults: Vec<_> = faults.iter().map(|(_, fault)| *fault).collect();
        assert_eq!(
            faults,
            [
                ": `name` is missing",
                ":1: `listen`: invalid socket address syntax",
                ":2: `port` is not known; known are listen, data, limit, name",
                ":4: `limit`: invalid type: string \"many\", expected u32",
            ]
        );
        assert_eq!(error.exit(), Exit::Unsound);
    }

    #[test]
    fn a_file_that_is_nested_without_end_is_refused_on_a_small_stack() {
        for text in [
            "[".repeat(20_000),
            format!("a: {}1{}", "{b: ".repeat(20_000), "}".repeat(20_000)),
            "- ".repeat(20_000),
        ] {
            let thread =
                std::thread::Builder::new().stack_size(512 << 10).spawn(move || read(&text).is_err());
            assert!(thread.unwrap().join().unwrap());
        }
    }

    #[test]
    fn a_file_that_is_no_map_is_refused_with_its_line() {
        assert!(read("- a\n- b\n").unwrap_err().to_string().contains("c.yaml:1:"));
        assert!(read("a: 1\na: 2\n").unwrap_err().to_string().contains("c.yaml:2:"));
    }
}
