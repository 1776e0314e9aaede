//! The trace that a client sends along in a comment behind its statement, as instrumented drivers and object mappers do:
//! `SELECT 1 /*traceparent='00-…-…-01'*/`. Only spans are made from it: it is looked for where a command is traced, the
//! statement goes as it came, and no verdict, digest or record depends on it.
//!
//! # Source
//! sqlcommenter, "Specification".

use countersign_common::trace::{PARENT_BYTES, TraceParent};
use countersign_lifecycle::trace;
use tracing::Span;

use crate::statements::{Known, Portal};

/// What the protocol is called in traces (`db.system.name`).
pub(crate) const SYSTEM: &str = "postgresql";

/// The largest comment that is looked through, in bytes.
const COMMENT_BYTES_MAX: usize = 512;

const OPENING: &[u8] = b"/*";
const KEY: &[u8] = b"traceparent='";

/// The span of a command, if it is traced from its beginning.
pub(crate) fn command(sent: impl FnOnce() -> Option<TraceParent>) -> Span {
    trace::command(SYSTEM, sent)
}

/// The trace that is named in a comment at the very end.
pub(crate) fn sent_in(text: &[u8]) -> Option<TraceParent> {
    let text = text.strip_suffix(b"\0").unwrap_or(text).trim_ascii_end();
    let text = text.strip_suffix(b";").unwrap_or(text).trim_ascii_end();
    let text = text.strip_suffix(b"*/")?;
    let end = text.get(text.len().saturating_sub(COMMENT_BYTES_MAX)..)?;
    let comment = end.get(last(end, OPENING)? + OPENING.len()..)?;
    let value = comment.get(last(comment, KEY)? + KEY.len()..)?;
    let value = value.get(..PARENT_BYTES).filter(|_| value.get(PARENT_BYTES) == Some(&b'\''))?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The trace that was sent along with the statement of a portal, as far as that is known already.
pub(crate) fn sent_with(portal: &Known<Portal>) -> Option<TraceParent> {
    match portal {
        Known::As(portal) => sent_in(&portal.statement.text),
        Known::Unseen | Known::Unsettled => None,
    }
}

/// Where the last such part begins.
fn last(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).rposition(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_comment_of_an_instrumented_driver_is_read() {
        let all = format!("SELECT 1 /*action='list',traceparent='{PARENT}',tracestate='a%3Db'*/");
        for text in
            [format!("SELECT 1 /*traceparent='{PARENT}'*/"), all, format!("/*traceparent='{PARENT}'*/;\n\0")]
        {
            assert_eq!(
                sent_in(text.as_bytes()).map(|parent| parent.to_string()).as_deref(),
                Some(PARENT),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_names_no_trace() {
        let long = " ".repeat(COMMENT_BYTES_MAX);
        let texts = [
            "SELECT 1".to_owned(),
            format!("SELECT 1 /*traceparent='{PARENT}'"),
            format!("SELECT 1 /*traceparent='{PARENT}*/"),
            format!("SELECT '/*traceparent=''{PARENT}''*/'"),
            format!("/*traceparent='{PARENT}'*/ SELECT 1"),
            format!("SELECT 1 /*traceparent='{PARENT}'{long}*/"),
            "SELECT 1 /*traceparent='00-\u{e9}'*/".to_owned(),
            "*/".to_owned(),
            "/*/".to_owned(),
        ];
        for text in texts {
            assert_eq!(sent_in(text.as_bytes()), None, "{text}");
        }
    }
}
