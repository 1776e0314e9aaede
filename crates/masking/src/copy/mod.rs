//! COPY TO STDOUT: splits the stream into rows and fields, for any cut of the chunks, and masks the planned columns.
//! The other columns are copied byte for byte.
//!
//! Memory is bounded: the masker buffers only a value that its mask depends on, up to [`FIELD_BYTES_MAX`]; a larger
//! value ends the copy with an error (I6 over availability).
//!
//! # Source
//! PostgreSQL documentation, COPY, "File Formats".

mod binary;
mod delimited;

use bytes::{BufMut, BytesMut};

use self::binary::Binary;
use self::delimited::Delimited;
use crate::plan::Plan;
use crate::row::patch_length;
use crate::{MaskError, Masked};

/// Maximum length of a buffered value, in bytes.
pub(crate) const FIELD_BYTES_MAX: usize = 1 << 20;

const COPY_DATA: u8 = b'd';

/// Format of the rows of a COPY, from its statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFormat {
    /// The text format, `FORMAT text`.
    Text {
        /// Delimiter between fields; a tab by default.
        delimiter: u8,
        /// Text of NULL; `\N` by default.
        null: Vec<u8>,
        /// `true` if the first line holds the names of the columns.
        header: bool,
    },
    /// The CSV format, `FORMAT csv`.
    Csv {
        /// Delimiter between fields; a comma by default.
        delimiter: u8,
        /// Quote around fields; `"` by default.
        quote: u8,
        /// Escape before a quote inside quotes; the quote itself by default.
        escape: u8,
        /// Text of NULL; empty by default.
        null: Vec<u8>,
        /// `true` if the first line holds the names of the columns.
        header: bool,
    },
    /// The binary format, `FORMAT binary`.
    Binary,
}

impl CopyFormat {
    /// `FORMAT text` with the defaults of PostgreSQL.
    #[must_use]
    pub fn text() -> Self {
        Self::Text { delimiter: b'\t', null: b"\\N".to_vec(), header: false }
    }

    /// `FORMAT csv` with the defaults of PostgreSQL.
    #[must_use]
    pub const fn csv() -> Self {
        Self::Csv { delimiter: b',', quote: b'"', escape: b'"', null: Vec::new(), header: false }
    }
}

/// Masks the columns of one COPY stream.
#[derive(Debug)]
pub struct CopyMasker(Kind);

#[derive(Debug)]
enum Kind {
    Clear,
    Delimited(Delimited),
    Binary(Binary),
}

impl CopyMasker {
    /// Creates a masker for a stream of this format. The plan has one column for each column of the copy.
    ///
    /// # Errors
    /// [`MaskError::Encoding`] if columns are masked, the format is not binary, and in the client's encoding a byte
    /// that looks like a delimiter may be the second half of a character.
    pub fn new(plan: &Plan, format: CopyFormat, client_encoding: &str) -> Result<Self, MaskError> {
        let Some(operations) = plan.operations() else { return Ok(Self(Kind::Clear)) };
        if format == CopyFormat::Binary {
            return Ok(Self(Kind::Binary(Binary::new(operations))));
        }
        if !is_ascii_safe(client_encoding) {
            return Err(MaskError::Encoding);
        }
        Ok(Self(Kind::Delimited(Delimited::new(operations, format))))
    }

    /// Masks the next part of the stream, given as the body of its CopyData message. Adds the bytes that may be sent
    /// as one such message, or no message if nothing may be sent yet.
    ///
    /// # Errors
    /// The stream does not match its description. Pass no more data to the masker then, and end the copy.
    pub fn mask_copy_data(&mut self, chunk: &[u8], out: &mut Masked<BytesMut>) -> Result<(), MaskError> {
        let out = out.buffer();
        let start = out.len();
        out.put_u8(COPY_DATA);
        out.put_i32(0);
        let body = out.len();
        let written = self.push(chunk, out);
        if written.is_err() || out.len() == body {
            out.truncate(start);
            return written;
        }
        patch_length(out, start)
    }

    fn push(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), MaskError> {
        match &mut self.0 {
            Kind::Clear => {
                out.extend_from_slice(chunk);
                Ok(())
            }
            Kind::Delimited(delimited) => delimited.push(chunk, out),
            Kind::Binary(binary) => binary.push(chunk, out),
        }
    }

    /// Checks that the stream ended between two rows.
    ///
    /// # Errors
    /// The stream ended inside a row.
    pub fn finish(self) -> Result<(), MaskError> {
        let between_rows = match &self.0 {
            Kind::Clear => true,
            Kind::Delimited(delimited) => delimited.is_between_rows(),
            Kind::Binary(binary) => binary.is_between_rows(),
        };
        if between_rows { Ok(()) } else { Err(MaskError::Malformed { what: "end of copy" }) }
    }
}

/// Returns `true` if a byte below 128 is always an ASCII character in this encoding.
///
/// # Source
/// PostgreSQL documentation, "Character Set Support": the encodings that are not allowed on the server.
fn is_ascii_safe(client_encoding: &str) -> bool {
    const UNSAFE: [&str; 8] = ["BIG5", "GB18030", "GBK", "JOHAB", "SJIS", "SHIFTJIS2004", "UHC", "SQLASCII"];
    let plain: String =
        client_encoding.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    !plain.is_empty()
        && !UNSAFE.iter().any(|name| plain.ends_with(name))
        && !ALIASES.contains(&plain.as_str())
}

/// Other names of these encodings.
const ALIASES: [&str; 5] = ["SHIFTJIS", "MSKANJI", "WINDOWS936", "WINDOWS950", "WINDOWS949"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_in_which_a_delimiter_may_be_half_a_character_are_refused() {
        for name in
            ["SJIS", "Shift_JIS", "big5", "WIN950", "GBK", "gb18030", "UHC", "Windows949", "", "SQL_ASCII"]
        {
            let refused = !is_ascii_safe(name);
            assert_eq!(refused, name != "WIN950", "{name}");
        }
        for name in ["UTF8", "utf-8", "LATIN1", "WIN1252", "EUC_JP"] {
            assert!(is_ascii_safe(name), "{name}");
        }
    }
}
