//! The masking of the columns of one result, decided once: at its description.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use bytes::BytesMut;
use countersign_common::verdict::{DataClass, MaskAction};

use crate::rules::{Rules, strictness};
use crate::value::{HashKey, Operation};
use crate::{MaskError, Masked};

/// Source of the values of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The values are those of this column, unchanged; the name in the result has no effect. Only for tables with
    /// stored rows: a column of a view is an [`Source::Expression`] unless a rule names the view itself.
    Column {
        /// Name of the relation, `schema.name`.
        relation: String,
        /// Name of the column in the relation.
        column: String,
    },
    /// The values are computed and may contain values of these columns: in doubt, of all columns of every relation
    /// that is read.
    Expression {
        /// Relation and column of each.
        may_carry: Vec<(String, String)>,
    },
    /// The source is not known.
    Unresolved,
    /// The values come from any or all of these sources; the strictest action of all applies.
    AnyOf(Vec<Source>),
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Source of its values.
    pub source: Source,
    /// `true` if its type accepts any text (`text`, `varchar`, `char(n)`, `name`, `citext`). JSON, XML, arrays,
    /// enumerations, numbers and times do not: their masked values are NULL.
    pub text_like: bool,
    /// `true` if its values come in the type's binary format. For types that accept any text the two formats are the
    /// same bytes; for all others a masked value is NULL in both.
    pub binary: bool,
}

/// The masking of the columns of one result.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `None` if nothing is masked; rows are not parsed then.
    operations: Option<Arc<[Operation]>>,
}

impl Plan {
    /// The plan for a result without masked columns, or without columns. It costs nothing per row.
    #[must_use]
    pub const fn clear() -> Self {
        Self { operations: None }
    }

    /// Creates the plan for these columns and for a principal who may see the classes in `unmask`.
    #[must_use]
    pub fn for_columns(
        columns: &[Column],
        rules: &Rules,
        unmask: &BTreeSet<DataClass>,
        key: &HashKey,
    ) -> Self {
        let operation = |column: &Column| match action(&column.source, rules, unmask) {
            None => Operation::Pass,
            // INVARIANT: I6. A computed value can be NULL for some values of its sources only.
            Some(action) if is_computed(&column.source, rules, unmask) => {
                Operation::of_computed(action, column.text_like, key)
            }
            Some(action) => Operation::of(action, column.text_like, key),
        };
        let operations: Arc<[_]> = columns.iter().map(operation).collect();
        if operations.iter().all(Operation::passes) {
            Self::clear()
        } else {
            Self { operations: Some(operations) }
        }
    }

    /// Returns `true` if nothing is masked.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        self.operations.is_none()
    }

    /// Number of columns that it masks.
    #[must_use]
    pub fn masked_columns(&self) -> usize {
        self.operations().map_or(0, |all| all.iter().filter(|operation| !operation.passes()).count())
    }

    pub(crate) fn operations(&self) -> Option<&[Operation]> {
        self.operations.as_deref()
    }

    /// Lets many rows pass unchanged and without a copy, if the plan is clear.
    ///
    /// # Errors
    /// [`MaskError::NotClear`] if the plan masks columns.
    pub fn pass(&self, rows: Bytes) -> Result<Masked<Bytes>, MaskError> {
        // INVARIANT: I6 - according to the plan none of the columns is masked.
        if self.is_clear() { Ok(Masked::new(rows)) } else { Err(MaskError::NotClear) }
    }

    /// Appends many rows unchanged to `out`, if the plan is clear.
    ///
    /// # Errors
    /// [`MaskError::NotClear`] if the plan masks columns.
    pub fn pass_into(&self, rows: &[u8], out: &mut Masked<BytesMut>) -> Result<(), MaskError> {
        // INVARIANT: I6 - according to the plan none of the columns is masked.
        if !self.is_clear() {
            return Err(MaskError::NotClear);
        }
        out.buffer().extend_from_slice(rows);
        Ok(())
    }
}

/// Returns `true` if a hidden column may contribute to a value other than as the plain column.
fn is_computed(source: &Source, rules: &Rules, unmask: &BTreeSet<DataClass>) -> bool {
    match source {
        Source::Column { .. } => false,
        Source::Expression { .. } | Source::Unresolved => action(source, rules, unmask).is_some(),
        Source::AnyOf(sources) => sources.iter().any(|source| is_computed(source, rules, unmask)),
    }
}

/// INVARIANT: I6 - the source of a value decides, not the name of its column.
fn action(source: &Source, rules: &Rules, unmask: &BTreeSet<DataClass>) -> Option<MaskAction> {
    match source {
        Source::Column { relation, column } => rules.action(relation, column, unmask),
        Source::Expression { may_carry } => {
            let carried = may_carry.iter().filter_map(|(r, c)| rules.action(r, c, unmask));
            // The end of a computed value, or its hash, may be the whole of a masked value. So an action that keeps a
            // part of a column keeps nothing of the expression.
            carried.fold(None, |strictest, action| match (strictest, action) {
                (Some(MaskAction::Null), _) | (_, MaskAction::Null) => Some(MaskAction::Null),
                _ => Some(MaskAction::Redact),
            })
        }
        Source::Unresolved => rules.unresolved(unmask),
        Source::AnyOf(sources) => {
            let actions = sources.iter().filter_map(|source| action(source, rules, unmask));
            actions.max_by_key(|action| strictness(*action))
        }
    }
}
