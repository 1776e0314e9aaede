//! Reads the YAML files of a bundle. Serde fills one struct for each file and refuses unknown keys. Further checks
//! follow, and all faults are reported together.

pub(crate) mod chains;
pub(crate) mod limits;
pub(crate) mod masking;
pub(crate) mod targets;

use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{Location, Spanned};

use crate::error::{Fault, Position};
use crate::files::Files;

/// A YAML file that was read.
pub(crate) struct Document<'a, T> {
    pub(crate) file: &'a str,
    pub(crate) content: T,
}

impl<T> Document<'_, T> {
    /// Creates a fault at a value of this file.
    pub(crate) fn fault<V>(&self, value: &Spanned<V>, reason: impl Into<String>) -> Fault {
        fault(self.file, value.referenced, reason)
    }

    /// Returns the position of a value in this file, if the parser has it.
    pub(crate) fn position<V>(&self, value: &Spanned<V>) -> Option<Position> {
        position(value.referenced)
    }
}

/// Reads the file with this stem. Returns `None` if there is none, or if it cannot be parsed.
pub(crate) fn read<'a, T: DeserializeOwned>(
    files: &'a Files,
    stem: &str,
    faults: &mut Vec<Fault>,
) -> Option<Document<'a, T>> {
    let (file, bytes) = files.yaml(stem)?;
    let Ok(text) = std::str::from_utf8(bytes) else {
        faults.push(Fault::of_file(file, "is not UTF-8"));
        return None;
    };
    match serde_saphyr::from_str(text) {
        Ok(content) => Some(Document { file, content }),
        Err(error) => {
            faults.push(refused(file, &error));
            None
        }
    }
}

fn refused(file: &str, error: &serde_saphyr::Error) -> Fault {
    let error = error.without_snippet();
    let text = error.to_string();
    // The position has its own field in a fault, and the text is one line.
    let text = text.lines().next().unwrap_or_default();
    let text = text.rsplit_once(" at line ").map_or(text, |(reason, _)| reason);
    // This advice is for programmers, not for authors of bundles.
    let text = text.split(", set DuplicateKeyPolicy").next().unwrap_or(text);
    match error.location() {
        Some(location) => fault(file, location, text),
        None => Fault::of_file(file, text),
    }
}

fn fault(file: &str, location: Location, reason: impl Into<String>) -> Fault {
    match position(location) {
        None => Fault::of_file(file, reason),
        Some(at) => Fault::at(file, at, reason),
    }
}

fn position(location: Location) -> Option<Position> {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let (line, column) = (number(location.line()), number(location.column()));
    (line > 0).then_some(Position { line, column })
}

/// A duration with its unit, such as `15m` or `1h 30m`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span(pub(crate) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let unreadable = || {
            D::Error::custom(format!(
                "`{text}` is not a duration; write a number with its unit, such as `15m` or `60s`"
            ))
        };
        let duration = humantime::parse_duration(&text).map_err(|_| unreadable())?;
        if duration.is_zero() {
            Err(D::Error::custom(format!("`{text}` is no time at all")))
        } else {
            Ok(Self(duration))
        }
    }
}
