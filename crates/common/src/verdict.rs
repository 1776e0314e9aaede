//! What is decided about a command.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::approval::Terms;
use crate::id::PolicyId;

/// What is decided about a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It runs by itself, with these duties.
    Allow(Duties),
    /// It does not run, whoever agrees.
    Block(Reason),
    /// It runs when people agree on these terms.
    Hold(Arc<Terms>, Duties),
}

impl Verdict {
    /// The word for it in records and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Block(_) => "block",
            Self::Hold(..) => "hold",
        }
    }
}

/// What an allowed command obliges the gateway to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Duties {
    /// The classes of data that this principal may see in the clear here. Everything else that a rule
    /// of the bundle puts into a class is masked.
    pub unmask: Arc<BTreeSet<DataClass>>,
    /// For each class that may be looked up by equality: how many comparisons one session may make with values that it
    /// may not see. A class that is not listed has no limit.
    pub lookups_max: Arc<BTreeMap<DataClass, u64>>,
}

impl Duties {
    /// Whether the principal may not see values of this class.
    #[must_use]
    pub fn hides(&self, class: &DataClass) -> bool {
        !self.unmask.contains(class)
    }
}

/// Why a command is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The policies that decided. Empty: no policy permits it.
    pub policies: Vec<PolicyId>,
    /// One sentence for the client; from the policy's `@reason` where it has one.
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

/// A masking rule of a bundle: these columns hold this class of data and leave like this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnRule {
    /// The relation, `schema.name`.
    pub relation: String,
    /// The column.
    pub column: String,
    /// What the values are.
    pub class: DataClass,
    /// What becomes of them for a principal that may not see the class.
    pub action: MaskAction,
}

/// What becomes of a value that may not be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskAction {
    /// A fixed text in place of text; NULL where the column's type has no room for it.
    Redact,
    /// The last `keep` characters stay, the others become `*`. NULL where the type is not text.
    Partial {
        /// How many characters stay; at most half of the value's length does.
        keep: usize,
    },
    /// NULL.
    Null,
    /// A keyed hash: equal values stay equal, within one key. NULL where the type is not text.
    Hash,
}
