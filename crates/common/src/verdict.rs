//! Verdicts on commands, and the masking rules that oblige the gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::approval::Terms;
use crate::id::PolicyId;

/// Decision of the policies on a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The command runs without approval, under these obligations.
    Allow(Duties),
    /// The command does not run, regardless of approvals.
    Block(Reason),
    /// The command runs if it is approved on these terms, under these obligations.
    Hold(Arc<Terms>, Duties),
}

impl Verdict {
    /// Name of the verdict in records and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Block(_) => "block",
            Self::Hold(..) => "hold",
        }
    }
}

/// Obligations of the gateway for an allowed command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Duties {
    /// Data classes that this principal may see unmasked. Values of every other class that a rule of the bundle names
    /// are masked.
    pub unmask: Arc<BTreeSet<DataClass>>,
    /// For each class that may be looked up by equality: the number of comparisons that one session may make with
    /// values it may not see. A class that is not listed has no limit.
    pub lookups_max: Arc<BTreeMap<DataClass, u64>>,
}

impl Duties {
    /// Returns `true` if the principal may not see values of this class.
    #[must_use]
    pub fn hides(&self, class: &DataClass) -> bool {
        !self.unmask.contains(class)
    }
}

/// Reason why a command is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Policies that decided. Empty if no policy permits the command.
    pub policies: Vec<PolicyId>,
    /// One sentence for the client; from the policy's `@reason` where present.
    pub text: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A class of data, such as `email`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DataClass(pub Arc<str>);

/// A masking rule of a bundle: the class of a column, and the treatment of its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnRule {
    /// Name of the relation, `schema.name`.
    pub relation: String,
    /// Name of the column.
    pub column: String,
    /// Class of the column's values.
    pub class: DataClass,
    /// Treatment of the values for a principal that may not see the class.
    pub action: MaskAction,
}

/// Treatment of a value that the principal may not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskAction {
    /// A fixed text in place of text; NULL if the column's type cannot hold it.
    Redact,
    /// The last `keep` characters stay, the others become `*`. NULL if the type is not text.
    Partial {
        /// Number of characters that stay; at most half of the value's length.
        keep: usize,
    },
    /// NULL in place of any value.
    Null,
    /// A keyed hash: equal values stay equal under one key. NULL if the type is not text.
    Hash,
}
