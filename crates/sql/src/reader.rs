//! Bytes to readings, with bounded caches: by exact text, and by shape where the literals are inert. What has plain
//! literals is looked for by its skeleton first, which is found without a scan.

use std::sync::Arc;

use countersign_common::facts::Flag;
use moka::sync::Cache;

use crate::reading::Reading;
use crate::{grammar, shape, skeleton, walk};

/// Memory that each of the caches may hold, in bytes (roughly; see [`Reading`]).
const CACHE_BYTES_MAX: u64 = 32 << 20;
/// Longer texts are read anew each time: they are rare, and a few would drive out everything else.
const CACHED_TEXT_BYTES_MAX: usize = 16 * 1024;

/// The settings of a session that change where its strings end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexing {
    /// `standard_conforming_strings` is on.
    pub standard_conforming_strings: bool,
    /// The client encoding is UTF-8 or another in which no byte of a multi-byte character is ASCII.
    pub safe_encoding: bool,
    /// The database keeps names in UTF-8, as they are read here. In other encodings the server folds letters beyond ASCII to
    /// lower case where it thinks that it can, and cuts long names elsewhere: there such a name is not read at all.
    pub utf8_names: bool,
}

impl Lexing {
    /// What nearly every session has; the only lexing under which everything is read that can be.
    pub const STANDARD: Self =
        Self { standard_conforming_strings: true, safe_encoding: true, utf8_names: true };
    /// Nothing is known of them: nothing is read.
    pub const UNKNOWN: Self =
        Self { standard_conforming_strings: false, safe_encoding: false, utf8_names: false };
}

impl Default for Lexing {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Reads statements. One per process, shared; clones share the caches.
#[derive(Debug, Clone)]
pub struct Reader {
    exact: Cache<Box<[u8]>, Arc<Reading>>,
    shapes: Cache<Box<[u8]>, Arc<Reading>>,
    skeletons: Cache<Box<[u8]>, Arc<Reading>>,
    odd: Arc<Reading>,
    unparsed: Arc<Reading>,
    too_large: Arc<Reading>,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader with empty caches, of at most 32 MiB each.
    #[must_use]
    pub fn new() -> Self {
        Self {
            exact: cache(),
            shapes: cache(),
            skeletons: cache(),
            odd: Arc::new(Reading::unread(Flag::OddLexing)),
            unparsed: Arc::new(Reading::unread(Flag::Unparsed)),
            too_large: Arc::new(Reading::unread(Flag::TooLarge)),
        }
    }

    /// Reads a text. What cannot be read is a reading all the same, with facts that are `unknown`.
    #[must_use]
    pub fn read(&self, text: &[u8], lexing: Lexing) -> Arc<Reading> {
        // INVARIANT: I7. Under any other lexing a string may end elsewhere than we think.
        if (Lexing { utf8_names: true, ..lexing }) != Lexing::STANDARD {
            return Arc::clone(&self.odd);
        }
        if !lexing.utf8_names && !shape::has_plain_names(text) {
            return Arc::clone(&self.odd);
        }
        if text.len() > CACHED_TEXT_BYTES_MAX {
            return self.read_by_shape(text).into_reading();
        }
        let skeleton = skeleton::of(text);
        if let Some(reading) = skeleton.as_ref().and_then(|skeleton| self.skeletons.get(skeleton)) {
            return reading;
        }
        if let Some(reading) = self.exact.get(text) {
            return reading;
        }
        match self.read_by_shape(text) {
            // A client that writes its literals into the text would fill the cache with texts that never come
            // again. INVARIANT: I7. By skeleton only what the server's scanner and the walk found to depend on no
            // literal.
            Read::ByShape(reading) => {
                if let Some(skeleton) = skeleton {
                    self.skeletons.insert(skeleton, Arc::clone(&reading));
                }
                reading
            }
            Read::Anew(reading) => {
                self.exact.insert(text.into(), Arc::clone(&reading));
                reading
            }
        }
    }

    fn read_by_shape(&self, text: &[u8]) -> Read {
        if text.len() > grammar::TEXT_BYTES_MAX {
            return Read::Anew(Arc::clone(&self.too_large));
        }
        let Some(text) = std::str::from_utf8(text).ok().filter(|text| !text.contains('\0')) else {
            return Read::Anew(Arc::clone(&self.unparsed));
        };
        let shape = match shape::of(text) {
            Ok(shape) => shape,
            Err(why) => return Read::Anew(self.unread(why)),
        };
        if shape.cacheable
            && let Some(reading) = self.shapes.get(&shape.key)
        {
            return Read::ByShape(reading);
        }
        let reading = Arc::new(read_anew(text));
        if shape.cacheable && reading.inert && shape.key.len() <= CACHED_TEXT_BYTES_MAX {
            self.shapes.insert(shape.key, Arc::clone(&reading));
        }
        Read::Anew(reading)
    }

    fn unread(&self, why: Flag) -> Arc<Reading> {
        match why {
            Flag::OddLexing => Arc::clone(&self.odd),
            Flag::TooLarge => Arc::clone(&self.too_large),
            Flag::Unparsed => Arc::clone(&self.unparsed),
            other => Arc::new(Reading::unread(other)),
        }
    }
}

/// Where a reading came from.
enum Read {
    ByShape(Arc<Reading>),
    Anew(Arc<Reading>),
}

impl Read {
    fn into_reading(self) -> Arc<Reading> {
        match self {
            Self::ByShape(reading) | Self::Anew(reading) => reading,
        }
    }
}

/// Reads a text without any cache.
pub(crate) fn read_anew(text: &str) -> Reading {
    match grammar::parse(text) {
        Ok(parsed) => {
            let mut reading = walk::walk(&parsed, text);
            reading.fingerprint = shape::fingerprint(text);
            reading
        }
        Err(why) => Reading::unread(why),
    }
}

fn cache() -> Cache<Box<[u8]>, Arc<Reading>> {
    Cache::builder().max_capacity(CACHE_BYTES_MAX).weigher(weight).build()
}

#[allow(clippy::borrowed_box, reason = "the cache hands its keys so")]
fn weight(key: &Box<[u8]>, reading: &Arc<Reading>) -> u32 {
    u32::try_from(key.len() + reading.weight()).unwrap_or(u32::MAX)
}
