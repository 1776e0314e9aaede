//! How the settings that an approval is bound to have texts read and names resolved: the same for the gateway, which asked
//! the server for them, and for the control plane, which has them from the gateway.

use std::collections::BTreeMap;

use countersign_sql::Lexing;

/// Set among the settings of a command when they were not known.
pub(crate) const UNKNOWN: &str = "unknown";

/// How texts are read and names resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The schemas that unqualified names are looked up in, in order; `None` when they are not known: names then mean all
    /// that they could.
    pub(crate) schemas: Option<Vec<String>>,
    /// How statements are taken apart, and whether the client writes UTF-8, as names are read here; `None`: not known.
    known: Option<(Lexing, bool)>,
}

impl Names {
    /// By these settings.
    pub(crate) fn of(settings: &BTreeMap<String, String>) -> Self {
        Self::by(settings).unwrap_or(Self { schemas: None, known: None })
    }

    fn by(settings: &BTreeMap<String, String>) -> Option<Self> {
        let get = |name: &str| settings.get(name).map(String::as_str);
        if settings.contains_key(UNKNOWN) {
            return None;
        }
        let (schemas, search_path) = (get("schemas")?, get("search_path")?);
        let server_encoding = get("server_encoding")?;
        let (strings, encoding) = (get("standard_conforming_strings")?, get("client_encoding")?);
        let is_readable = is_readable(search_path, server_encoding == "UTF8");
        Some(Self {
            schemas: is_readable.then(|| read_schemas(schemas)).flatten(),
            known: Some((lexing(strings, encoding, server_encoding), encoding == "UTF8")),
        })
    }

    /// How a text is taken apart.
    pub(crate) fn lexing(&self, text: &[u8]) -> Lexing {
        lexing_of(self.known, text)
    }
}

/// How a text is taken apart under a lexing, and whether the client writes UTF-8; `None`: under settings that are not
/// known.
// INVARIANT: I7. Under settings that are not known, where a string ends is not known either.
pub(crate) fn lexing_of(known: Option<(Lexing, bool)>, text: &[u8]) -> Lexing {
    match known {
        Some((lexing, utf8)) if utf8 || text.is_ascii() => lexing,
        None if lexes_alike(text) => Lexing::STANDARD,
        Some(_) | None => Lexing::UNKNOWN,
    }
}

/// Whether a text is taken apart in the same way under every setting: strings end elsewhere only where a backslash stands in
/// them, or a byte of a character beyond ASCII that looks like one.
// INVARIANT: I7.
pub(crate) fn lexes_alike(text: &[u8]) -> bool {
    text.is_ascii() && !text.contains(&b'\\')
}

/// How statements are taken apart under these settings.
pub(crate) fn lexing(strings: &str, encoding: &str, server_encoding: &str) -> Lexing {
    Lexing {
        standard_conforming_strings: strings == "on",
        safe_encoding: matches!(encoding, "UTF8" | "SQL_ASCII" | "LATIN1"),
        utf8_names: server_encoding == "UTF8",
    }
}

/// Whether a search path is taken apart here as by every version of the server.
// INVARIANT: I7. A vertical tab parts names from PostgreSQL 16 on, and letters beyond ASCII are folded to lower case in
// some encodings.
pub(crate) fn is_readable(search_path: &str, utf8_names: bool) -> bool {
    !search_path.contains('\u{b}') && (utf8_names || search_path.is_ascii())
}

/// The effective search path as one text. Names with a comma or a quote in them are quoted, so that it is read in one way.
pub(crate) fn write_schemas<'n>(schemas: impl Iterator<Item = &'n str>) -> String {
    let quoted = |name: &str| match name.contains([',', '"']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_owned(),
    };
    schemas.map(quoted).collect::<Vec<_>>().join(",")
}

/// The inverse; `None`: it is nothing that was written so.
pub(crate) fn read_schemas(text: &str) -> Option<Vec<String>> {
    let mut schemas = Vec::new();
    let mut left = text;
    while !left.is_empty() {
        let (name, rest) = match left.strip_prefix('"') {
            Some(quoted) => read_quoted(quoted)?,
            None => {
                let end = left.find(',').unwrap_or(left.len());
                let (name, rest) = left.split_at(end);
                (name.to_owned(), rest)
            }
        };
        if name.is_empty() {
            return None;
        }
        schemas.push(name);
        left = match rest.strip_prefix(',') {
            // What ends with a comma has no name behind it.
            Some("") => return None,
            Some(more) => more,
            None if rest.is_empty() => "",
            None => return None,
        };
    }
    Some(schemas)
}

fn read_quoted(text: &str) -> Option<(String, &str)> {
    let (mut name, mut left) = (String::new(), text);
    loop {
        let (part, rest) = left.split_once('"')?;
        name.push_str(part);
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                left = more;
            }
            None => return Some((name, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn i7_unknown_a_search_path_that_versions_read_differently_is_not_read() {
        assert!(is_readable("\"$user\", public", true));
        assert!(is_readable("public, \u{e9}cole", true));
        assert!(!is_readable("public, \u{e9}cole", false));
        assert!(!is_readable("evil\u{b}public", true));
    }

    #[test]
    fn a_path_that_nobody_wrote_is_not_known() {
        for text in ["a,,b", ",a", "a,", "\"a", "\"a\"b", "\"\""] {
            assert_eq!(read_schemas(text), None, "{text}");
        }
        assert_eq!(read_schemas(""), Some(Vec::new()));
        assert_eq!(write_schemas(["pg_catalog", "public"].into_iter()), "pg_catalog,public");
    }

    proptest! {
        #[test]
        fn a_path_is_read_as_it_was_written(schemas in prop::collection::vec("[a-c,\" é]{1,6}", 0..5)) {
            let text = write_schemas(schemas.iter().map(String::as_str));
            prop_assert_eq!(read_schemas(&text), Some(schemas));
        }
    }
}
