//! Rules and plans for the tests.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses its own part of this")]

use std::collections::BTreeSet;

use bytes::BytesMut;
use countersign_common::Secret;
use countersign_common::verdict::{ColumnRule, DataClass, MaskAction};
use countersign_masking::*;

pub const RELATION: &str = "public.customers";

pub fn class(name: &str) -> DataClass {
    DataClass(name.into())
}

pub fn rule(column: &str, action: MaskAction) -> ColumnRule {
    ColumnRule { relation: RELATION.into(), column: column.into(), class: class(column), action }
}

pub fn rules() -> Rules {
    Rules::new([
        rule("email", MaskAction::Redact),
        rule("card", MaskAction::Partial { keep: 4 }),
        rule("phone", MaskAction::Hash),
        rule("notes", MaskAction::Null),
    ])
}

pub fn key() -> HashKey {
    HashKey::new(&Secret::new(vec![1; 32]))
}

pub fn column(name: &str) -> Column {
    let source = Source::Column { relation: RELATION.into(), column: name.into() };
    Column { source, text_like: true, binary: false }
}

pub fn plan(columns: &[Column]) -> Plan {
    Plan::for_columns(columns, &rules(), &BTreeSet::new(), &key())
}

/// Creates a plan for columns with these names; `id` has no rule.
pub fn plan_of(names: &[&str]) -> Plan {
    plan(&names.iter().map(|name| column(name)).collect::<Vec<_>>())
}

/// Builds the body of a DataRow message.
pub fn row(fields: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = u16::try_from(fields.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    for field in fields {
        match field {
            None => body.extend((-1i32).to_be_bytes()),
            Some(value) => {
                body.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
                body.extend_from_slice(value);
            }
        }
    }
    body
}

/// Adds type and length to a body.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes();
    [&[tag], length.as_slice(), body].concat()
}

pub fn masked_row(plan: &Plan, body: &[u8]) -> Result<Vec<u8>, MaskError> {
    let mut out = Masked::<BytesMut>::empty();
    plan.mask_data_row(body, &mut out)?;
    Ok(out.into_inner().to_vec())
}

pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
