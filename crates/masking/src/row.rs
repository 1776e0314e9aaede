//! Rows in the format of PostgreSQL's DataRow: the number of fields (16 bits), then each field as its length (32
//! bits, -1 for NULL) and its bytes; all big-endian.
//!
//! # Source
//! PostgreSQL documentation, "Message Formats", DataRow.

use bytes::{BufMut, BytesMut};

use crate::plan::Plan;
use crate::value::{Operation, Outcome};
use crate::{MaskError, Masked};

const DATA_ROW: u8 = b'D';
const NULL: i32 = -1;

impl Plan {
    /// Masks one row, given as the body of its DataRow message, and adds it as a whole message.
    ///
    /// # Errors
    /// The row does not match its description; nothing is added then.
    pub fn mask_data_row(&self, body: &[u8], out: &mut Masked<BytesMut>) -> Result<(), MaskError> {
        let out = out.buffer();
        let start = out.len();
        out.put_u8(DATA_ROW);
        out.put_i32(0);
        let written = match self.operations() {
            None => {
                out.extend_from_slice(body);
                Ok(())
            }
            Some(operations) => mask_fields(operations, body, out),
        };
        // INVARIANT: I6 - nothing of a row that cannot be parsed is sent.
        written.and_then(|()| patch_length(out, start)).inspect_err(|_| out.truncate(start))
    }
}

/// Writes the length of the message that begins at `start` after its type byte.
pub(crate) fn patch_length(out: &mut BytesMut, start: usize) -> Result<(), MaskError> {
    let too_large = MaskError::TooLarge { max: i32::MAX as usize };
    let length = i32::try_from(out.len() - start - 1).map_err(|_| too_large)?;
    let place = out.get_mut(start + 1..start + 5).ok_or(MaskError::Malformed { what: "message" })?;
    place.copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn mask_fields(operations: &[Operation], body: &[u8], out: &mut BytesMut) -> Result<(), MaskError> {
    let malformed = MaskError::Malformed { what: "row" };
    let (count, mut rest) = body.split_first_chunk().ok_or(malformed)?;
    let found = usize::from(u16::from_be_bytes(*count));
    if found != operations.len() {
        return Err(MaskError::FieldCount { expected: operations.len(), found });
    }
    // Unmasked fields are copied together, from this offset up to the next masked field.
    let mut passing = body;
    for operation in operations {
        let (length, fields) = rest.split_first_chunk().ok_or(malformed)?;
        let length = i32::from_be_bytes(*length);
        if length == NULL {
            if operation.replaces_null() {
                let before = passing.len().checked_sub(rest.len()).and_then(|end| passing.get(..end));
                out.extend_from_slice(before.ok_or(malformed)?);
                mask_value(operation, &[], out)?;
                passing = fields;
            }
            rest = fields;
            continue;
        }
        let length = usize::try_from(length).map_err(|_| malformed)?;
        let (value, behind) = fields.split_at_checked(length).ok_or(malformed)?;
        if !operation.passes() {
            // INVARIANT: I6 - only up to the length of the masked field.
            let before = passing.len().checked_sub(rest.len()).and_then(|end| passing.get(..end));
            out.extend_from_slice(before.ok_or(malformed)?);
            mask_value(operation, value, out)?;
            passing = behind;
        }
        rest = behind;
    }
    if !rest.is_empty() {
        return Err(malformed);
    }
    out.extend_from_slice(passing);
    Ok(())
}

/// Masks one value and writes it with its length.
pub(crate) fn mask_value(operation: &Operation, value: &[u8], out: &mut BytesMut) -> Result<(), MaskError> {
    let start = out.len();
    out.put_i32(NULL);
    if operation.apply(value, out) == Outcome::Null {
        return Ok(());
    }
    let too_large = MaskError::TooLarge { max: i32::MAX as usize };
    let length = i32::try_from(out.len() - start - 4).map_err(|_| too_large)?;
    let place = out.get_mut(start..start + 4).ok_or(MaskError::Malformed { what: "row" })?;
    place.copy_from_slice(&length.to_be_bytes());
    Ok(())
}
