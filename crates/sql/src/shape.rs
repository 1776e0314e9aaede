//! The shape of a statement: its tokens, by the server's own scanner, with the literals taken out.
//!
//! The key holds kind and text of every token that is no literal, and the kind alone of every literal, each with
//! its length: two texts with one key differ in nothing but the values of their literals, and in white space and
//! comments. Whether *that* can change what the text does is for the walk to say
//! ([`Reading`](crate::Reading) is kept by shape only when all its literals are inert).

use std::panic::{AssertUnwindSafe, catch_unwind};

use countersign_common::facts::Flag;
use pg_query::protobuf::{ScanToken, Token};

/// Beyond this many tokens a text is not parsed.
pub(crate) const TOKENS_MAX: usize = 400_000;
/// Beyond this depth of brackets a text is not parsed. The binding gives up at about 48 levels of expressions
/// (its decoder stops at 100 messages); brackets alone cost nothing there, so there is some room above.
pub(crate) const BRACKETS_MAX: usize = 200;
/// Beyond this many bytes a shape has no fingerprint.
const FINGERPRINT_BYTES_MAX: usize = 16 * 1024;

/// The tokens of a text without the values of its literals.
pub(crate) struct Shape {
    /// Equal for texts that differ in literals, white space and comments only.
    pub(crate) key: Box<[u8]>,
    /// Whether the tokens allow keeping the reading by shape at all.
    pub(crate) cacheable: bool,
}

/// Scans a text.
///
/// # Errors
/// `Unparsed` for what the scanner refuses, `TooLarge` above the limits, `OddLexing` for number literals which
/// servers before and after PostgreSQL 16 cut at different places (`0x1F`, `1_000`).
pub(crate) fn of(text: &str) -> Result<Shape, Flag> {
    let tokens = tokens(text)?;
    if tokens.len() > TOKENS_MAX {
        return Err(Flag::TooLarge);
    }
    let mut key = Vec::with_capacity(text.len() + tokens.len() * 8);
    let mut cacheable = true;
    let mut brackets = 0_usize;
    for token in &tokens {
        let written = written(text, token.start, token.end).ok_or(Flag::Unparsed)?;
        let kind = token.token;
        match Token::try_from(kind) {
            Err(_) => return Err(Flag::Unparsed),
            Ok(Token::SqlComment | Token::CComment) => continue,
            Ok(Token::Ascii40 | Token::Ascii91) => brackets += 1,
            Ok(Token::Ascii41 | Token::Ascii93) => brackets = brackets.saturating_sub(1),
            Ok(Token::Iconst | Token::Fconst) if differs_by_version(written) => return Err(Flag::OddLexing),
            // The escape character after UESCAPE is a literal that changes an identifier.
            Ok(Token::Uident | Token::Usconst | Token::Uescape) => cacheable = false,
            Ok(_) => {}
        }
        if brackets > BRACKETS_MAX {
            return Err(Flag::TooLarge);
        }
        push(&mut key, kind, (!is_literal(kind)).then_some(written));
    }
    Ok(Shape { key: key.into_boxed_slice(), cacheable })
}

/// Whether all names in a text are ASCII, as they are written and as they are meant: they are the same in every encoding
/// of a database. Not what cannot be scanned.
pub(crate) fn has_plain_names(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let escaped = |text: &str| text.as_bytes().windows(2).any(|two| two.eq_ignore_ascii_case(b"U&"));
    if text.is_ascii() && !escaped(text) {
        return true;
    }
    let plain = |token: &ScanToken| match Token::try_from(token.token) {
        Ok(Token::Uident) => false,
        // What is written in them is a value, whatever the encoding.
        Ok(Token::Sconst | Token::Usconst | Token::SqlComment | Token::CComment) => true,
        _ => written(text, token.start, token.end).is_some_and(str::is_ascii),
    };
    !text.contains('\0') && tokens(text).is_ok_and(|tokens| tokens.iter().all(plain))
}

/// The text with one space between tokens, keywords in lower case and `?` for each literal.
pub(crate) fn fingerprint(text: &str) -> Option<String> {
    let tokens = tokens(text).ok()?;
    let mut out = String::with_capacity(text.len().min(FINGERPRINT_BYTES_MAX));
    for token in &tokens {
        if matches!(Token::try_from(token.token), Ok(Token::SqlComment | Token::CComment)) {
            continue;
        }
        let written = written(text, token.start, token.end)?;
        if !out.is_empty() {
            out.push(' ');
        }
        if is_literal(token.token) {
            out.push('?');
        } else if token.keyword_kind == 0 {
            out.push_str(written);
        } else {
            out.push_str(&written.to_ascii_lowercase());
        }
        if out.len() > FINGERPRINT_BYTES_MAX {
            return None;
        }
    }
    Some(out)
}

/// The server's tokens. The binding makes a slice from a null pointer when there are none (libpg_query 18.1), so
/// texts of nothing but what the scanner takes for white space are not shown to it.
fn tokens(text: &str) -> Result<Vec<ScanToken>, Flag> {
    if text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)) {
        return Ok(Vec::new());
    }
    catch_unwind(AssertUnwindSafe(|| pg_query::scan_tokens(text)))
        .map_err(|_| Flag::Unparsed)?
        .map_err(|_| Flag::Unparsed)
}

fn written(text: &str, start: i32, end: i32) -> Option<&str> {
    text.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

fn push(key: &mut Vec<u8>, kind: i32, written: Option<&str>) {
    key.extend_from_slice(&kind.to_le_bytes());
    let length = written.map_or(u32::MAX, |text| u32::try_from(text.len()).unwrap_or(u32::MAX - 1));
    key.extend_from_slice(&length.to_le_bytes());
    key.extend_from_slice(written.unwrap_or_default().as_bytes());
}

fn is_literal(kind: i32) -> bool {
    matches!(
        Token::try_from(kind),
        Ok(Token::Iconst | Token::Fconst | Token::Sconst | Token::Usconst | Token::Bconst | Token::Xconst)
    )
}

/// Radix prefixes and underscores in numbers came with PostgreSQL 16; before, the number ended there and an
/// identifier began.
fn differs_by_version(number: &str) -> bool {
    let bytes = number.as_bytes();
    bytes.contains(&b'_') || matches!(bytes, [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..])
}
