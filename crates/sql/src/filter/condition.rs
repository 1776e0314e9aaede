//! A condition in the form in which it is evaluated for sample rows.

use super::evidence::Needs;
use super::value::{EQUAL, GREATER, LESS, Mask, Value};

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    Value(Value),
    /// Something with one value for each row; an index into the terms.
    Term(usize),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    /// True when the results of comparing the two are among those given.
    Compare(Mask, Box<Condition>, Box<Condition>),
    /// IS DISTINCT FROM.
    Distinct(Box<Condition>, Box<Condition>),
    IsNull(Box<Condition>),
    /// IS TRUE, IS FALSE, IS UNKNOWN: whether the results of the condition are among those given.
    Is(Mask, Box<Condition>),
    Like {
        text: Box<Condition>,
        pattern: Box<Condition>,
        ignore_case: bool,
    },
    /// Condition and result, and the result of ELSE.
    Case(Vec<(Condition, Condition)>, Box<Condition>),
    Coalesce(Vec<Condition>),
    NullIf(Box<Condition>, Box<Condition>),
    /// GREATEST (true) or LEAST.
    Extreme(bool, Vec<Condition>),
    Arithmetic(Operator, Box<Condition>, Box<Condition>),
    Concat(Vec<Condition>, NullInConcat),
    Call(Known, Box<Condition>),
    Cast(Type, Box<Condition>),
    Row(Vec<Condition>),
}

/// Operators on numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    BitAnd,
    BitOr,
    BitXor,
}

/// What concatenation makes of NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NullInConcat {
    /// `||`: NULL.
    Spreads,
    /// `concat`: nothing.
    Vanishes,
}

/// Functions whose results are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Length,
    Lower,
    Upper,
    Trim,
    Abs,
    Sign,
    Floor,
    Ceiling,
    Round,
    Negative,
}

/// Types that a cast changes values for; under any other a value stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Boolean,
    Integer,
    Number,
    Text,
}

/// Something with one value for each row.
#[derive(Debug, Clone)]
pub(super) struct Term {
    /// Equal for terms that have the same value.
    pub(super) key: String,
    /// It depends on a row of the target; all others are parameters, other relations and the like.
    pub(super) of_target: bool,
    /// The name, if it is a column by itself.
    pub(super) column: Option<Box<str>>,
    pub(super) hints: Hints,
    /// How well it narrows when something is compared with it.
    pub(super) strength: Strength,
    /// What has to hold for that.
    pub(super) needs: Needs,
    /// As a condition it is never true.
    pub(super) never: bool,
}

/// How well a comparison with a term narrows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    /// Whatever the comparison is.
    Strong,
    /// If it is for equality.
    Equal,
    /// Not known.
    Weak,
}

/// What a term is compared with, which tells its type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hints {
    pub(super) boolean: bool,
    pub(super) number: bool,
    pub(super) text: bool,
    /// Texts that are also spellings of booleans.
    pub(super) boolean_text: bool,
}

impl Hints {
    pub(super) const fn union(self, other: Self) -> Self {
        Self {
            boolean: self.boolean || other.boolean,
            number: self.number || other.number,
            text: self.text || other.text,
            boolean_text: self.boolean_text || other.boolean_text,
        }
    }

    pub(super) const fn world(self) -> World {
        if self.boolean {
            World::Boolean
        } else if self.text {
            World::Text
        } else if self.boolean_text && !self.number {
            World::BooleanText
        } else {
            World::Number
        }
    }
}

/// The values that a term is tried with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum World {
    Number,
    Text,
    Boolean,
    /// Perhaps a boolean, perhaps a text of one letter.
    BooleanText,
}

impl Condition {
    pub(super) fn not(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            Self::And(parts) => Self::Or(parts.into_iter().map(Self::not).collect()),
            Self::Or(parts) => Self::And(parts.into_iter().map(Self::not).collect()),
            Self::Compare(mask, left, right) => Self::Compare(mask ^ (LESS | EQUAL | GREATER), left, right),
            other => Self::Not(Box::new(other)),
        }
    }

    pub(super) fn compare(mask: Mask, left: Self, right: Self) -> Self {
        match (mask, left, right) {
            (EQUAL, Self::Row(a), Self::Row(b)) if a.len() == b.len() => {
                Self::And(a.into_iter().zip(b).map(|(a, b)| Self::compare(EQUAL, a, b)).collect())
            }
            (_, left, right) => Self::Compare(mask, Box::new(left), Box::new(right)),
        }
    }

    pub(super) const fn of_bool(value: bool) -> Self {
        Self::Value(Value::Bool(value))
    }

    /// Calls `see` for this and everything in it.
    pub(super) fn each(&self, see: &mut dyn FnMut(&Self)) {
        see(self);
        match self {
            Self::Value(_) | Self::Term(_) => {}
            Self::Not(inner)
            | Self::IsNull(inner)
            | Self::Is(_, inner)
            | Self::Call(_, inner)
            | Self::Cast(_, inner) => inner.each(see),
            Self::And(parts)
            | Self::Or(parts)
            | Self::Coalesce(parts)
            | Self::Extreme(_, parts)
            | Self::Concat(parts, _)
            | Self::Row(parts) => parts.iter().for_each(|part| part.each(see)),
            Self::Compare(_, left, right)
            | Self::Distinct(left, right)
            | Self::NullIf(left, right)
            | Self::Arithmetic(_, left, right)
            | Self::Like { text: left, pattern: right, .. } => {
                left.each(see);
                right.each(see);
            }
            Self::Case(whens, otherwise) => {
                for (condition, result) in whens {
                    condition.each(see);
                    result.each(see);
                }
                otherwise.each(see);
            }
        }
    }
}
