//! What becomes of the columns of one result, decided once: when it is described.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use bytes::BytesMut;
use countersign_common::verdict::{DataClass, MaskAction};

use crate::rules::{Rules, strictness};
use crate::value::{HashKey, Operation};
use crate::{MaskError, Masked};

/// Where the values of a column come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// They are this column's, unchanged, whatever the result calls it. Only for tables whose rows are
    /// stored: a view's column is an [`Source::Expression`] unless a rule names the view itself.
    Column {
        /// The relation, `schema.name`.
        relation: String,
        /// The column.
        column: String,
    },
    /// They are computed, and these columns may be in them: in doubt, all of every relation read.
    Expression {
        /// Relation and column.
        may_carry: Vec<(String, String)>,
    },
    /// Nobody knows.
    Unresolved,
    /// Any of these, or all: the strictest of what becomes of them is what becomes of it.
    AnyOf(Vec<Source>),
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Where its values come from.
    pub source: Source,
    /// Whether its type takes any text (`text`, `varchar`, `char(n)`, `name`, `citext`). JSON, XML, arrays,
    /// enumerations, numbers and times do not: there a masked value is NULL.
    pub text_like: bool,
    /// Whether its values come in the type's binary format. For types that take any text the two formats
    /// are the same bytes; for all others a masked value is NULL in both.
    pub binary: bool,
}

/// What becomes of the columns of one result.
#[derive(Debug, Clone)]
pub struct Plan {
    /// `None`: nothing is done, and nothing is looked at.
    operations: Option<Arc<[Operation]>>,
}

impl Plan {
    /// The plan for a result that has nothing to mask, or none at all. Costs nothing per row.
    #[must_use]
    pub const fn clear() -> Self {
        Self { operations: None }
    }

    /// The plan for these columns, for a principal who may see the classes in `unmask`.
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

    /// Whether nothing is done.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        self.operations.is_none()
    }

    /// How many columns it masks.
    #[must_use]
    pub fn masked_columns(&self) -> usize {
        self.operations().map_or(0, |all| all.iter().filter(|operation| !operation.passes()).count())
    }

    pub(crate) fn operations(&self) -> Option<&[Operation]> {
        self.operations.as_deref()
    }

    /// Lets rows pass as they came, many at once and uncopied; only when the plan is clear.
    ///
    /// # Errors
    /// [`MaskError::NotClear`].
    pub fn pass(&self, rows: Bytes) -> Result<Masked<Bytes>, MaskError> {
        // INVARIANT: I6 - the plan says that none of the columns hides anything.
        if self.is_clear() { Ok(Masked::new(rows)) } else { Err(MaskError::NotClear) }
    }

    /// The same, copied behind what has gathered.
    ///
    /// # Errors
    /// [`MaskError::NotClear`].
    pub fn pass_into(&self, rows: &[u8], out: &mut Masked<BytesMut>) -> Result<(), MaskError> {
        // INVARIANT: I6 - as above.
        if !self.is_clear() {
            return Err(MaskError::NotClear);
        }
        out.buffer().extend_from_slice(rows);
        Ok(())
    }
}

/// Whether a hidden column may be in a value in another way than as it is.
fn is_computed(source: &Source, rules: &Rules, unmask: &BTreeSet<DataClass>) -> bool {
    match source {
        Source::Column { .. } => false,
        Source::Expression { .. } | Source::Unresolved => action(source, rules, unmask).is_some(),
        Source::AnyOf(sources) => sources.iter().any(|source| is_computed(source, rules, unmask)),
    }
}

/// INVARIANT: I6 - where a value comes from decides, not what it is called.
fn action(source: &Source, rules: &Rules, unmask: &BTreeSet<DataClass>) -> Option<MaskAction> {
    match source {
        Source::Column { relation, column } => rules.action(relation, column, unmask),
        Source::Expression { may_carry } => {
            let carried = may_carry.iter().filter_map(|(r, c)| rules.action(r, c, unmask));
            // The end of a computed value, or its hash, may be the whole of a masked one; so what would
            // leave something of the column leaves nothing of the expression.
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
