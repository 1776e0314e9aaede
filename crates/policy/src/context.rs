//! The context of a Cedar request: its attributes, the attributes that a policy reads, and their values for a
//! question. Attributes that no policy reads are neither built nor part of the key of a cached verdict.

use std::collections::BTreeSet;

use cedar_policy::{Context, RestrictedExpression};
use countersign_common::Timestamp;
use countersign_common::facts::{Granularity, Operation};
use countersign_common::verdict::DataClass;

use crate::question::Question;

/// An attribute of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    Reads,
    Writes,
    Functions,
    Flags,
    CopiedClasses,
    PredicateClasses,
    EqualityClasses,
    Stream,
    InTransaction,
    Role,
    Database,
    OnBehalfOf,
    Time,
    Hour,
    Weekday,
    Target,
    Environment,
}

impl Attribute {
    pub(crate) const ALL: [Self; 17] = [
        Self::Reads,
        Self::Writes,
        Self::Functions,
        Self::Flags,
        Self::CopiedClasses,
        Self::PredicateClasses,
        Self::EqualityClasses,
        Self::Stream,
        Self::InTransaction,
        Self::Role,
        Self::Database,
        Self::OnBehalfOf,
        Self::Time,
        Self::Hour,
        Self::Weekday,
        Self::Target,
        Self::Environment,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Functions => "functions",
            Self::Flags => "flags",
            Self::CopiedClasses => "copied_classes",
            Self::PredicateClasses => "predicate_classes",
            Self::EqualityClasses => "equality_classes",
            Self::Stream => "stream",
            Self::InTransaction => "in_transaction",
            Self::Role => "role",
            Self::Database => "database",
            Self::OnBehalfOf => "on_behalf_of",
            Self::Time => "time",
            Self::Hour => "hour",
            Self::Weekday => "weekday",
            Self::Target => "target",
            Self::Environment => "environment",
        }
    }

    pub(crate) const fn cedar_type(self) -> &'static str {
        match self {
            Self::Reads
            | Self::Writes
            | Self::Functions
            | Self::Flags
            | Self::CopiedClasses
            | Self::PredicateClasses
            | Self::EqualityClasses
            | Self::OnBehalfOf => "Set<String>",
            Self::Stream | Self::InTransaction => "Bool",
            Self::Role | Self::Database | Self::Weekday | Self::Target | Self::Environment => "String",
            Self::Time => "datetime",
            Self::Hour => "Long",
        }
    }

    /// Returns `true` if the context of a command has the attribute.
    pub(crate) const fn in_command(self) -> bool {
        !matches!(self, Self::Target | Self::Environment)
    }

    /// Returns `true` if the context of `unmask` has the attribute. Attributes of a command are not in it: the
    /// command must not decide if a class may be seen.
    pub(crate) const fn in_unmask(self) -> bool {
        !matches!(
            self,
            Self::Reads
                | Self::Writes
                | Self::Functions
                | Self::Flags
                | Self::CopiedClasses
                | Self::PredicateClasses
                | Self::EqualityClasses
                | Self::Stream
                | Self::InTransaction
        )
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Set of attributes that some policies read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Attributes(u32);

impl Attributes {
    pub(crate) const EVERY: Self = Self(u32::MAX);

    pub(crate) const fn has(self, attribute: Attribute) -> bool {
        self.0 & attribute.bit() != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns `true` if the set has an attribute that depends on the classes of data that an operation uses
    /// ([`MaskedUses`]).
    ///
    /// [`MaskedUses`]: countersign_common::facts::MaskedUses
    pub(crate) const fn has_masked_uses(self) -> bool {
        self.has(Attribute::Flags)
            || self.has(Attribute::CopiedClasses)
            || self.has(Attribute::PredicateClasses)
            || self.has(Attribute::EqualityClasses)
    }

    const fn of(attribute: Attribute) -> Self {
        Self(attribute.bit())
    }

    #[cfg(test)]
    pub(crate) const fn without(self, attribute: Attribute) -> Self {
        Self(self.0 & !attribute.bit())
    }

    /// Returns the attributes that a policy reads, from its JSON form (Cedar's "EST"). An expression that uses
    /// `context` in another way than `context.name` or `context has name` reads all attributes.
    pub(crate) fn read_by(policy: &serde_json::Value) -> Self {
        match policy {
            serde_json::Value::Object(object) => {
                if object.get("Var").is_some_and(|var| var == "context") {
                    return Self::EVERY;
                }
                object.iter().fold(Self::default(), |all, (operator, operand)| {
                    let read = match operator.as_str() {
                        "." | "has" => Self::accessed(operand),
                        _ => None,
                    };
                    all.and(read.unwrap_or_else(|| Self::read_by(operand)))
                })
            }
            serde_json::Value::Array(items) => {
                items.iter().fold(Self::default(), |all, item| all.and(Self::read_by(item)))
            }
            _ => Self::default(),
        }
    }

    /// Returns the attribute that `context.name` reads, or `None` for any other access.
    fn accessed(operand: &serde_json::Value) -> Option<Self> {
        let of_context = operand.get("left")?.get("Var")? == "context";
        let name = operand.get("attr")?.as_str()?;
        let attribute = Attribute::ALL.into_iter().find(|attribute| attribute.name() == name)?;
        of_context.then_some(Self::of(attribute))
    }
}

/// Builds the context of a question with only the `wanted` attributes: those of `operation`, or of `unmask` if it is
/// `None`. The error is Cedar's text, for explanations.
pub(crate) fn build(
    question: &Question<'_>,
    operation: Option<&Operation>,
    wanted: Attributes,
) -> Result<Context, String> {
    let pairs =
        Attribute::ALL.into_iter().filter(|attribute| wanted.has(*attribute)).filter_map(|attribute| {
            let value = match operation {
                Some(operation) => {
                    of_operation(attribute, operation, question).or_else(|| of_question(attribute, question))
                }
                None => of_unmask(attribute, question).or_else(|| of_question(attribute, question)),
            };
            value.map(|value| (attribute.name().to_owned(), value))
        });
    Context::from_pairs(pairs).map_err(|error| error.to_string())
}

fn of_operation(
    attribute: Attribute,
    operation: &Operation,
    question: &Question<'_>,
) -> Option<RestrictedExpression> {
    Some(match attribute {
        Attribute::Reads => strings(operation.reads.iter()),
        Attribute::Writes => strings(operation.writes.iter()),
        Attribute::Functions => strings(operation.functions.iter()),
        Attribute::Flags => strings(operation.flags.iter().map(|flag| flag.as_str())),
        Attribute::CopiedClasses => classes(&operation.masked.copies),
        Attribute::PredicateClasses => classes(&operation.masked.predicates),
        Attribute::EqualityClasses => classes(&operation.masked.equalities),
        Attribute::Stream => {
            RestrictedExpression::new_bool(question.facts.granularity == Granularity::Stream)
        }
        Attribute::InTransaction => RestrictedExpression::new_bool(question.in_transaction),
        _ => return None,
    })
}

fn of_unmask(attribute: Attribute, question: &Question<'_>) -> Option<RestrictedExpression> {
    Some(match attribute {
        Attribute::Target => string(question.target.name.as_str()),
        Attribute::Environment => string(question.target.environment.as_str()),
        _ => return None,
    })
}

fn of_question(attribute: Attribute, question: &Question<'_>) -> Option<RestrictedExpression> {
    Some(match attribute {
        Attribute::Role => string(question.role.as_str()),
        Attribute::Database => string(question.database),
        Attribute::OnBehalfOf => strings(question.principal.on_behalf_of.iter().map(|s| s.as_str())),
        Attribute::Time => RestrictedExpression::new_datetime(datetime(question.now)),
        Attribute::Hour => RestrictedExpression::new_long(hour_of_day(question.now)),
        Attribute::Weekday => string(weekday(question.now)),
        _ => return None,
    })
}

fn classes(classes: &BTreeSet<DataClass>) -> RestrictedExpression {
    strings(classes.iter().map(|class| &*class.0))
}

fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn strings(texts: impl Iterator<Item = impl Into<String>>) -> RestrictedExpression {
    RestrictedExpression::new_set(texts.map(|text| RestrictedExpression::new_string(text.into())))
}

const MICROS_PER_HOUR: u64 = 3_600_000_000;

/// Hours since the Unix epoch: `hour` and `weekday` change only when this number changes.
pub(crate) const fn epoch_hour(now: Timestamp) -> u64 {
    now.as_micros() / MICROS_PER_HOUR
}

/// Hour of the day in UTC, 0 to 23.
fn hour_of_day(now: Timestamp) -> i64 {
    i64::try_from(epoch_hour(now) % 24).unwrap_or_default()
}

/// Day of the week in UTC. 1 January 1970 was a Thursday.
fn weekday(now: Timestamp) -> &'static str {
    match (epoch_hour(now) / 24 + 3) % 7 {
        0 => "monday",
        1 => "tuesday",
        2 => "wednesday",
        3 => "thursday",
        4 => "friday",
        5 => "saturday",
        _ => "sunday",
    }
}

/// Formats a time for Cedar: UTC with milliseconds.
fn datetime(now: Timestamp) -> String {
    let text = now.to_string();
    text.get(..23).map_or_else(|| text.clone(), |seconds| format!("{seconds}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(condition: &str) -> Attributes {
        let policy = format!("permit(principal, action, resource) when {{ {condition} }};");
        Attributes::read_by(&cedar_policy::Policy::parse(None, policy).unwrap().to_json().unwrap())
    }

    #[test]
    fn a_policy_reads_what_it_names() {
        assert_eq!(read("true"), Attributes::default());
        assert_eq!(read("resource.hour == 3"), Attributes::default());
        assert_eq!(read("context.hour == 3"), Attributes::of(Attribute::Hour));
        assert_eq!(read("context has hour"), Attributes::of(Attribute::Hour));
        assert_eq!(read(r#"context["hour"] == 3"#), Attributes::of(Attribute::Hour));
        assert_eq!(
            read(r#"if context.flags.contains("x") then context.role == "a" else false"#),
            Attributes::of(Attribute::Flags).and(Attributes::of(Attribute::Role))
        );
    }

    #[test]
    fn a_policy_that_uses_the_context_as_a_whole_reads_everything() {
        for condition in ["context == context", "[context].contains({hour: 3})", "{a: context}.a.hour == 3"] {
            assert_eq!(read(condition), Attributes::EVERY, "{condition}");
        }
        assert_eq!(read("context.surprise"), Attributes::EVERY);
    }

    #[test]
    fn hour_and_weekday_are_those_of_utc() {
        // 2026-11-22 15:53:23, a Sunday.
        let now = Timestamp::from_micros(1_795_362_803_000_000);
        assert_eq!((hour_of_day(now), weekday(now)), (15, "sunday"));
        assert_eq!(datetime(now), "2026-11-22T15:53:23.000Z");
        assert_eq!(weekday(Timestamp::from_micros(0)), "thursday");
    }
}
