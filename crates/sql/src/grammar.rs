//! The one door to the parser: limits before it, and whatever goes wrong inside becomes a flag.
//!
//! Tried with libpg_query 18.1 on a thread of 2 MiB, debug and release: 150,000-fold nesting of parentheses,
//! CASE, subselects, arrays, calls, WITH, prefix operators, casts, joins, UNIONs. It answers "memory exhausted",
//! "stack depth limit exceeded" or "nested too deeply" and does not crash, since it measures the stack that is
//! left; the limits here keep memory and time bounded and do not rely on that alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use countersign_common::facts::Flag;
use pg_query::protobuf::ParseResult;

/// Beyond this many bytes a text is not parsed, whatever the target's own limit says.
pub(crate) const TEXT_BYTES_MAX: usize = 4 << 20;

/// Parses a whole string of statements.
///
/// # Errors
/// `TooLarge` when the tree is too deep or the text too long, `Unparsed` for everything else.
pub(crate) fn parse(text: &str) -> Result<ParseResult, Flag> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Flag::TooLarge);
    }
    // The binding reaches into C and decodes what comes back: a panic in there must not take the gateway along.
    match catch_unwind(AssertUnwindSafe(|| pg_query::parse(text, 0))) {
        Ok(Ok(parsed)) => Ok(parsed.protobuf),
        Ok(Err(error)) => Err(why(&error)),
        Err(_) => Err(Flag::Unparsed),
    }
}

fn why(error: &pg_query::Error) -> Flag {
    match error {
        pg_query::Error::Decode(_) => Flag::TooLarge,
        pg_query::Error::Parse(message)
            if message.contains("memory exhausted")
                || message.contains("stack depth")
                || message.contains("too deeply") =>
        {
            Flag::TooLarge
        }
        pg_query::Error::Conversion(_)
        | pg_query::Error::Parse(_)
        | pg_query::Error::InvalidJson(_)
        | pg_query::Error::InvalidPointer
        | pg_query::Error::Scan(_)
        | pg_query::Error::IsUtility(_)
        | pg_query::Error::Split(_) => Flag::Unparsed,
    }
}
