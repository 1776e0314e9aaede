//! The text and CSV formats: rows of fields with delimiters between them.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use super::{CopyFormat, FIELD_BYTES_MAX};
use crate::MaskError;
use crate::value::{Operation, Outcome};

/// State of a stream in the text or the CSV format.
#[derive(Debug)]
pub(super) struct Delimited {
    operations: Arc<[Operation]>,
    dialect: Dialect,
    null: Vec<u8>,
    /// `true` if this row holds the names of the columns.
    in_header: bool,
    column: usize,
    /// `true` if a byte of the row was read.
    row_begun: bool,
    /// The masked field, in the encoding of the stream, as far as it has been read and is needed.
    field: Vec<u8>,
}

/// Syntax of fields and rows, with the state of the reader.
#[derive(Debug)]
enum Dialect {
    Text { delimiter: u8, escaped: bool },
    Csv { delimiter: u8, quote: u8, escape: u8, quoted: bool, escaped: bool },
}

/// Meaning of one byte.
enum Step {
    Inside,
    FieldEnd,
    RowEnd,
}

impl Delimited {
    pub(super) fn new(operations: &[Operation], format: CopyFormat) -> Self {
        let (dialect, null, in_header) = match format {
            CopyFormat::Csv { delimiter, quote, escape, null, header } => {
                (Dialect::Csv { delimiter, quote, escape, quoted: false, escaped: false }, null, header)
            }
            CopyFormat::Text { delimiter, null, header } => {
                (Dialect::Text { delimiter, escaped: false }, null, header)
            }
            // Not reachable: binary streams have their own reader. If read as text, all of it would be malformed.
            CopyFormat::Binary => (Dialect::Text { delimiter: b'\t', escaped: false }, Vec::new(), false),
        };
        let operations = operations.into();
        Self { operations, dialect, null, in_header, column: 0, row_begun: false, field: Vec::new() }
    }

    pub(super) const fn is_between_rows(&self) -> bool {
        !self.row_begun
    }

    pub(super) fn push(&mut self, chunk: &[u8], out: &mut BytesMut) -> Result<(), MaskError> {
        let mut rest = chunk;
        while !rest.is_empty() {
            let end = rest.iter().enumerate().find_map(|(at, &byte)| match self.dialect.step(byte) {
                Step::Inside => None,
                end => Some((at, byte, end)),
            });
            let Some((at, byte, end)) = end else {
                self.row_begun = true;
                return self.take(rest, out);
            };
            self.take(rest.get(..at).unwrap_or_default(), out)?;
            self.end_field(out)?;
            match end {
                Step::RowEnd => self.end_row()?,
                Step::FieldEnd | Step::Inside => self.next_column()?,
            }
            out.put_u8(byte);
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        Ok(())
    }

    /// Returns the operation of this column, or `None` if the column is not masked.
    fn operation(&self) -> Result<Option<&Operation>, MaskError> {
        let (expected, found) = (self.operations.len(), self.column + 1);
        let operation = self.operations.get(self.column).ok_or(MaskError::FieldCount { expected, found })?;
        Ok((!self.in_header && !operation.passes()).then_some(operation))
    }

    /// Takes more of a field. A column without a mask is copied to `out`; a masked field is buffered as far as it is
    /// needed.
    fn take(&mut self, part: &[u8], out: &mut BytesMut) -> Result<(), MaskError> {
        let Some(operation) = self.operation()? else {
            out.extend_from_slice(part);
            return Ok(());
        };
        if operation.needs_value() {
            if self.field.len() + part.len() > FIELD_BYTES_MAX {
                return Err(MaskError::TooLarge { max: FIELD_BYTES_MAX });
            }
            self.field.extend_from_slice(part);
        } else {
            // Enough bytes to decide if the field is NULL.
            let wanted = (self.null.len() + 1).saturating_sub(self.field.len());
            self.field.extend(part.iter().take(wanted));
        }
        Ok(())
    }

    fn end_field(&mut self, out: &mut BytesMut) -> Result<(), MaskError> {
        let Some(operation) = self.operation()? else { return Ok(()) };
        if self.field == self.null && !operation.replaces_null() {
            out.extend_from_slice(&self.null);
        } else {
            let mut value = BytesMut::new();
            match operation.apply(&self.dialect.decode(&self.field), &mut value) {
                Outcome::Null => out.extend_from_slice(&self.null),
                Outcome::Text => self.dialect.encode(&value, out),
            }
        }
        self.field.clear();
        Ok(())
    }

    fn next_column(&mut self) -> Result<(), MaskError> {
        self.column += 1;
        self.row_begun = true;
        self.operation().map(|_| ())
    }

    fn end_row(&mut self) -> Result<(), MaskError> {
        let (expected, found) = (self.operations.len(), self.column + 1);
        if expected != found {
            return Err(MaskError::FieldCount { expected, found });
        }
        self.column = 0;
        self.row_begun = false;
        self.in_header = false;
        Ok(())
    }
}

impl Dialect {
    fn step(&mut self, byte: u8) -> Step {
        match self {
            Self::Text { escaped, .. } if *escaped => *escaped = false,
            Self::Text { escaped, .. } if byte == b'\\' => *escaped = true,
            Self::Text { delimiter, .. } | Self::Csv { delimiter, quoted: false, .. }
                if byte == *delimiter =>
            {
                return Step::FieldEnd;
            }
            Self::Text { .. } | Self::Csv { quoted: false, .. } if byte == b'\n' => return Step::RowEnd,
            Self::Text { .. } => {}
            Self::Csv { quote, escape, quoted, escaped, .. } => {
                let literal = std::mem::take(escaped) && (byte == *quote || byte == *escape);
                if literal {
                } else if *quoted && byte == *escape && escape != quote {
                    *escaped = true;
                } else if byte == *quote {
                    // A doubled quote leaves the quotes and enters them again, which has the same effect.
                    *quoted = !*quoted;
                }
            }
        }
        Step::Inside
    }

    /// Decodes a field of the stream to its value.
    fn decode(&self, field: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(field.len());
        let mut bytes = field.iter().copied().peekable();
        let mut inside = false;
        while let Some(byte) = bytes.next() {
            match self {
                Self::Text { .. } if byte == b'\\' => value.extend(bytes.next().map(unescape)),
                Self::Text { .. } => value.push(byte),
                Self::Csv { quote, escape, .. } => {
                    let escapes = bytes.peek().is_some_and(|next| next == quote || next == escape);
                    if inside && byte == *escape && escapes {
                        value.extend(bytes.next());
                    } else if byte == *quote {
                        inside = !inside;
                    } else {
                        value.push(byte);
                    }
                }
            }
        }
        value
    }

    /// Writes a masked value so that it decodes to the same value.
    fn encode(&self, value: &[u8], out: &mut BytesMut) {
        match self {
            Self::Text { delimiter, .. } => {
                for &byte in value {
                    if let Some(letter) = escape_letter(byte) {
                        out.extend_from_slice(&[b'\\', letter]);
                    } else if byte == *delimiter {
                        out.extend_from_slice(&[b'\\', byte]);
                    } else {
                        out.put_u8(byte);
                    }
                }
            }
            Self::Csv { quote, escape, .. } => {
                out.put_u8(*quote);
                for &byte in value {
                    if byte == *quote || byte == *escape {
                        out.put_u8(*escape);
                    }
                    out.put_u8(byte);
                }
                out.put_u8(*quote);
            }
        }
    }
}

const fn unescape(letter: u8) -> u8 {
    match letter {
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        other => other,
    }
}

const fn escape_letter(byte: u8) -> Option<u8> {
    match byte {
        8 => Some(b'b'),
        12 => Some(b'f'),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        11 => Some(b'v'),
        b'\\' => Some(b'\\'),
        _ => None,
    }
}
