//! The binary format: a signature, then rows as in DataRow, then a trailer.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use super::FIELD_BYTES_MAX;
use crate::MaskError;
use crate::row::mask_value;
use crate::value::Operation;

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// State of a stream in the binary format.
#[derive(Debug)]
pub(super) struct Binary {
    operations: Arc<[Operation]>,
    stage: Stage,
    column: usize,
    /// The part of fixed length, or the masked value, as far as it has been read.
    held: Vec<u8>,
}

/// Kind of the next bytes in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Signature, flags and length of the extension: 19 bytes.
    Header,
    /// The number of fields, or -1 for the end: 2 bytes.
    Count,
    /// Length of a field: 4 bytes.
    Length,
    /// A value that is not masked.
    Passing { left: usize },
    /// A value that is buffered because its mask depends on it.
    Holding { length: usize },
    /// A value that is dropped.
    Skipping { left: usize },
    /// End of the stream.
    End,
}

impl Binary {
    pub(super) fn new(operations: &[Operation]) -> Self {
        Self { operations: operations.into(), stage: Stage::Header, column: 0, held: Vec::new() }
    }

    pub(super) fn is_between_rows(&self) -> bool {
        self.held.is_empty() && matches!(self.stage, Stage::Count | Stage::End)
    }

    pub(super) fn push(&mut self, mut chunk: &[u8], out: &mut BytesMut) -> Result<(), MaskError> {
        while !chunk.is_empty() {
            let wanted = match self.stage {
                Stage::Header => 19 - self.held.len(),
                Stage::Count => 2 - self.held.len(),
                Stage::Length => 4 - self.held.len(),
                Stage::Holding { length } => length - self.held.len(),
                Stage::Passing { left } | Stage::Skipping { left } => left,
                Stage::End => return Err(MaskError::Malformed { what: "copy: bytes after its end" }),
            };
            let (part, rest) = chunk.split_at(wanted.min(chunk.len()));
            chunk = rest;
            self.take(part, wanted - part.len(), out)?;
        }
        Ok(())
    }

    /// Takes a part of the expected bytes; `left` bytes are still missing.
    fn take(&mut self, part: &[u8], left: usize, out: &mut BytesMut) -> Result<(), MaskError> {
        match &mut self.stage {
            Stage::Passing { left: rest } => {
                out.extend_from_slice(part);
                *rest = left;
            }
            Stage::Skipping { left: rest } => *rest = left,
            Stage::Header | Stage::Count | Stage::Length | Stage::Holding { .. } | Stage::End => {
                self.held.extend_from_slice(part);
            }
        }
        if left > 0 {
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        let next = match self.stage {
            Stage::Header => header(&held, out),
            Stage::Count => self.count(&held, out),
            Stage::Length => self.length(&held, out),
            Stage::Holding { .. } => self.mask(&held, out),
            Stage::Passing { .. } | Stage::Skipping { .. } => Ok(self.next_field()),
            Stage::End => Ok(Stage::End),
        };
        self.held = reuse(held);
        self.stage = next?;
        Ok(())
    }

    fn count(&mut self, held: &[u8], out: &mut BytesMut) -> Result<Stage, MaskError> {
        let count = i16::from_be_bytes(held.try_into().map_err(|_| MALFORMED)?);
        out.put_i16(count);
        self.column = 0;
        match usize::try_from(count) {
            Err(_) if count == -1 => Ok(Stage::End),
            Ok(found) if found == self.operations.len() => {
                Ok(if found == 0 { Stage::Count } else { Stage::Length })
            }
            Ok(found) => Err(MaskError::FieldCount { expected: self.operations.len(), found }),
            Err(_) => Err(MALFORMED),
        }
    }

    fn length(&mut self, held: &[u8], out: &mut BytesMut) -> Result<Stage, MaskError> {
        let length = i32::from_be_bytes(held.try_into().map_err(|_| MALFORMED)?);
        if length == -1 {
            out.put_i32(-1);
            return Ok(self.next_field());
        }
        let left = usize::try_from(length).map_err(|_| MALFORMED)?;
        let operation = self.operations.get(self.column).ok_or(MALFORMED)?;
        let stage = if operation.passes() {
            out.put_i32(length);
            Stage::Passing { left }
        } else if operation.needs_value() {
            if left > FIELD_BYTES_MAX {
                return Err(MaskError::TooLarge { max: FIELD_BYTES_MAX });
            }
            if left == 0 {
                return self.mask(&[], out);
            }
            Stage::Holding { length: left }
        } else {
            mask_value(operation, &[], out)?;
            Stage::Skipping { left }
        };
        Ok(if left == 0 { self.next_field() } else { stage })
    }

    fn mask(&mut self, value: &[u8], out: &mut BytesMut) -> Result<Stage, MaskError> {
        let operation = self.operations.get(self.column).ok_or(MALFORMED)?;
        mask_value(operation, value, out)?;
        Ok(self.next_field())
    }

    fn next_field(&mut self) -> Stage {
        self.column += 1;
        if self.column == self.operations.len() { Stage::Count } else { Stage::Length }
    }
}

const MALFORMED: MaskError = MaskError::Malformed { what: "binary copy" };

/// Accepts only the header that every server since 7.1 writes: no flags, no extension.
fn header(held: &[u8], out: &mut BytesMut) -> Result<Stage, MaskError> {
    let (signature, rest) = held.split_at_checked(SIGNATURE.len()).ok_or(MALFORMED)?;
    if signature != SIGNATURE || rest != [0; 8] {
        return Err(MALFORMED);
    }
    out.extend_from_slice(held);
    Ok(Stage::Count)
}

fn reuse(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer
}
