//! The terms of a class of data for principals who may not see it: they decide about a command that copies its
//! values, or selects rows by them. They are applied as built-in policies, so that verdicts, explanations and caches
//! treat them like the policies of the bundle.

use std::fmt;

use cedar_policy::Policy;
use countersign_common::id::{ChainName, PolicyId};
use countersign_common::verdict::DataClass;
use serde::{Deserialize, Serialize};

use crate::context::{Attribute, Attributes};
use crate::error::{Fault, Position};
use crate::rules::Rule;

/// Decision about a command that uses values of a class that its principal may not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// The built-in policies do not forbid the command.
    Allow,
    /// The command waits for the chain that `masking.yaml` names.
    Hold,
    /// The command is blocked.
    Block,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Block => "block",
        })
    }
}

/// The terms of one class of data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassTerms {
    /// Class of data for these terms.
    pub class: DataClass,
    /// For writes that may copy values to a place without a masking rule of the class.
    pub copies: Use,
    /// For predicates, join conditions, orderings and groupings over its columns.
    pub predicates: Use,
    /// For comparisons of a bare column with a constant or a parameter for equality.
    pub equality: Use,
    /// Maximum number of such comparisons in one session. `None` if there is no limit, or if they are not allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookups_max: Option<u64>,
    /// The chain that decides about held commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<ChainName>,
    /// File that defines the class.
    #[serde(skip)]
    pub(crate) file: String,
    /// Position of the class in that file.
    #[serde(skip)]
    pub(crate) at: Option<Position>,
}

impl ClassTerms {
    /// Creates the built-in policies for these terms.
    pub(crate) fn policies(&self) -> Result<Vec<Rule>, Fault> {
        let class = &*self.class.0;
        let copies = format!("it may copy values of class `{class}` to a place where they are not masked");
        let predicates = format!(
            "it selects, joins, orders or groups rows by values of class `{class}`, which are masked"
        );
        let equality = format!("it looks rows up by values of class `{class}`, which are masked");
        let rules = [
            self.policy("copies", Attribute::CopiedClasses, self.copies, copies),
            self.policy("predicates", Attribute::PredicateClasses, self.predicates, predicates),
            self.policy("equality", Attribute::EqualityClasses, self.equality, equality),
        ];
        rules.into_iter().filter_map(Result::transpose).collect()
    }

    fn policy(&self, kind: &str, of: Attribute, terms: Use, reason: String) -> Result<Option<Rule>, Fault> {
        let approval = match terms {
            Use::Allow => return Ok(None),
            Use::Hold => self.chain.clone(),
            Use::Block => None,
        };
        let at = self.at.unwrap_or(Position { line: 1, column: 1 });
        let refused = |error: &dyn std::fmt::Display| Fault::at(&self.file, at, error.to_string());
        let id =
            PolicyId::new(format!("masking:{kind}:{}", self.class.0)).map_err(|error| refused(&error))?;
        let text = format!(
            "forbid (principal, action in Action::\"command\", resource) when {{ context.{}.contains({}) }};",
            of.name(),
            literal(&self.class.0),
        );
        let policy = Policy::parse(Some(cedar_policy::PolicyId::new(id.as_str())), text);
        let policy = policy.map_err(|error| refused(&error))?;
        let est = policy.to_json().map_err(|error| refused(&error))?;
        Ok(Some(Rule {
            file: self.file.clone(),
            at,
            approval,
            reason: Some(reason),
            description: Some(format!("built in: terms of class `{}` in masking.yaml", self.class.0)),
            reads: Attributes::read_by(&est),
            policy,
            built_in: true,
            id,
        }))
    }
}

/// Writes a text as a string literal of Cedar.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal.push('"');
    literal
}
