//! Errors of a bundle: all faults together, each with its file, line and column.

use std::borrow::Cow;
use std::fmt;

use countersign_common::error::{Code, Origin, Report, Retry, code};

/// One fault of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file, relative to the bundle; empty if the fault is not in one file.
    pub file: String,
    /// Position in the file; `None` for the file as a whole.
    pub at: Option<Position>,
    /// Description of the fault, a sentence without a period.
    pub reason: String,
}

/// A position in a file. Both numbers start at 1; columns are counted in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the line, from 1.
    pub line: usize,
    /// Number of the column, from 1.
    pub column: usize,
}

/// Offsets of the lines of a text, so that a position is found without reading the text from its start each time.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    begin_at: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, begin_at: std::iter::once(0).chain(after_newlines).collect() }
    }

    /// Returns the position of a byte of the text; the end of the text if the byte is after it.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let offset = if self.text.is_char_boundary(offset) { offset } else { self.text.len() };
        let line = self.begin_at.partition_point(|begin| *begin <= offset);
        let begin =
            line.checked_sub(1).and_then(|before| self.begin_at.get(before)).copied().unwrap_or_default();
        Position { line, column: self.text.get(begin..offset).unwrap_or_default().chars().count() + 1 }
    }
}

impl Fault {
    /// Creates a fault of a file as a whole.
    pub(crate) fn of_file(file: &str, reason: impl Into<String>) -> Self {
        Self { file: file.into(), at: None, reason: reason.into() }
    }

    /// Creates a fault at a position.
    pub(crate) fn at(file: &str, at: Position, reason: impl Into<String>) -> Self {
        Self { file: file.into(), at: Some(at), reason: reason.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file.is_empty(), self.at) {
            (true, _) => f.write_str(&self.reason),
            (false, None) => write!(f, "{}: {}", self.file, self.reason),
            (false, Some(at)) => write!(f, "{}:{}:{}: {}", self.file, at.line, at.column, self.reason),
        }
    }
}

/// Maximum number of listed faults; a file of another kind would have one in each line.
pub(crate) const FAULTS_MAX: usize = 200;

/// All faults of a bundle; never empty. The text has one line for each fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleErrors(Vec<Fault>);

impl BundleErrors {
    /// The faults, by file and position.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }

    /// Returns an error if there are faults.
    pub(crate) fn check(mut faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() {
            return Ok(());
        }
        faults.sort();
        faults.dedup();
        if faults.len() > FAULTS_MAX {
            let more = faults.split_off(FAULTS_MAX).len();
            faults.push(Fault::of_file("", format!("and {more} more faults")));
        }
        Err(Self(faults))
    }
}

impl From<Fault> for BundleErrors {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for BundleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bundle does not validate:")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl std::error::Error for BundleErrors {}

impl Report for BundleErrors {
    fn origin(&self) -> Origin {
        Origin::Policy
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn code(&self) -> Code {
        code::BUNDLE_INVALID
    }

    fn client_text(&self) -> Cow<'_, str> {
        "the bundle does not validate; the one before it stays in force".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        assert_eq!(Lines::of("ä\nöx").position(5), Position { line: 2, column: 2 });
        assert_eq!(Lines::of("").position(0), Position { line: 1, column: 1 });
        assert_eq!(Lines::of("a\n").position(99), Position { line: 2, column: 1 });
    }
}
