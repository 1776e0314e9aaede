//! Proof that a condition narrows: what a comparison rests on, and where none is known, doubt.
//!
//! Samples show that a condition is not true for all rows that can be thought of. They do not show that it spares rows that
//! there are: every row has an id below the largest number of its type, and `starts_with(name, '')` is true whatever the
//! function does elsewhere. A condition counts as one only if it compares a column with something, in a way that is listed here.

use std::collections::{BTreeMap, BTreeSet};

use super::condition::{Condition, Known, Strength, Term, Type};
use super::evaluate::{self, Sample};
use super::value::{EQUAL, FALSE, GREATER, LESS, Mask, TRUE, Value, is_bound};
use crate::name::Name;

/// What has to hold for a condition to narrow, beyond its text: the catalogue tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Needs {
    /// Columns whose type must have more bytes than this, if it is a whole number.
    pub(crate) wider: BTreeMap<Box<str>, u8>,
    /// Columns that must not be of an added type: an enumeration may have no other values.
    pub(crate) built_in: BTreeSet<Box<str>>,
    /// Relations that must not show rows of the one that is changed.
    pub(crate) apart: BTreeSet<Name>,
    /// Columns, of which one of the relations must have each: else it is a column of the one that is changed.
    pub(crate) inner: BTreeSet<(Box<str>, Vec<Name>)>,
}

impl Needs {
    pub(crate) fn is_empty(&self) -> bool {
        self.wider.is_empty() && self.built_in.is_empty() && self.apart.is_empty() && self.inner.is_empty()
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        for (column, bytes) in other.wider {
            let known = self.wider.entry(column).or_default();
            *known = bytes.max(*known);
        }
        self.built_in.extend(other.built_in);
        self.apart.extend(other.apart);
        self.inner.extend(other.inner);
        self
    }
}

/// The terms of a condition.
pub(super) struct Evidence<'t> {
    terms: &'t [Term],
    blank: Vec<Value>,
}

impl<'t> Evidence<'t> {
    pub(super) fn new(terms: &'t [Term]) -> Self {
        let value = |term: &Term| if term.of_target { Value::Unknown } else { Value::Outer };
        Self { terms, blank: terms.iter().map(value).collect() }
    }

    fn sample(&self) -> &Sample {
        &self.blank
    }

    /// What has to hold for a condition to narrow; `None`: it is not known to.
    pub(super) fn of(&self, condition: &Condition) -> Option<Needs> {
        let never = evaluate::truth(condition, self.sample()) & TRUE == 0;
        if never && !matches!(condition, Condition::And(_)) {
            return Some(Needs::default());
        }
        match condition {
            Condition::Term(at) => self.strong(*at),
            Condition::And(parts) => {
                let mut found: Vec<Needs> = parts.iter().filter_map(|part| self.of(part)).collect();
                found.sort_by_key(|needs| !needs.is_empty());
                found.into_iter().next()
            }
            Condition::Or(parts) => {
                let mut needs = self.every(parts)?;
                needs.built_in.extend(self.listed(parts));
                Some(needs)
            }
            Condition::Not(inner) => match inner.as_ref() {
                Condition::Term(at) => self.strong(*at).filter(|_| self.may_be_true(*at)),
                Condition::Like { text, pattern, .. } => self.like(text, pattern),
                Condition::Distinct(left, right) => self.compare(EQUAL, left, right),
                other => self.sound(other),
            },
            Condition::Compare(mask, left, right) => self.compare(*mask, left, right),
            Condition::Distinct(left, right) => self.compare(LESS | GREATER, left, right),
            Condition::IsNull(inner) => self.plain(inner),
            Condition::Is(mask, inner) => match (mask, inner.as_ref()) {
                (_, Condition::Term(at)) => self.strong(*at),
                (&TRUE, inner) => self.of(inner),
                (&FALSE, inner) => self.of(&inner.clone().not()),
                (_, inner) => self.sound(inner),
            },
            Condition::Like { text, pattern, .. } => self.like(text, pattern),
            Condition::Case(..) | Condition::Coalesce(_) => self.sound(condition),
            _ => None,
        }
    }

    fn every(&self, parts: &[Condition]) -> Option<Needs> {
        parts.iter().map(|part| self.of(part)).try_fold(Needs::default(), |all, one| Some(all.and(one?)))
    }

    /// Columns that are compared with several texts: there may be no others.
    fn listed(&self, parts: &[Condition]) -> BTreeSet<Box<str>> {
        let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
        for part in parts {
            if let Condition::Compare(EQUAL, left, right) = part
                && let (Condition::Term(at), Condition::Value(Value::Text(_))) =
                    (left.as_ref(), right.as_ref())
            {
                *seen.entry(*at).or_default() += 1;
            }
        }
        let several = seen.into_iter().filter(|(_, times)| *times > 1);
        several.filter_map(|(at, _)| self.terms.get(at)?.column.clone()).collect()
    }

    fn term(&self, at: usize) -> Option<&Term> {
        self.terms.get(at)
    }

    /// A term that narrows as it is: a boolean, or something that is looked for.
    fn strong(&self, at: usize) -> Option<Needs> {
        let term = self.term(at)?;
        (term.of_target && term.strength == Strength::Strong).then(|| term.needs.clone())
    }

    fn may_be_true(&self, at: usize) -> bool {
        self.term(at).is_some_and(|term| !term.never)
    }

    /// An expression in which each comparison narrows, and so does its opposite.
    fn sound(&self, condition: &Condition) -> Option<Needs> {
        match condition {
            Condition::Value(_) => Some(Needs::default()),
            Condition::Term(at) => self.strong(*at),
            Condition::Not(inner) | Condition::Is(_, inner) => self.sound(inner),
            Condition::And(parts) | Condition::Or(parts) | Condition::Coalesce(parts) => {
                let parts = parts.iter().map(|part| self.sound(part));
                parts.into_iter().try_fold(Needs::default(), |all, one| Some(all.and(one?)))
            }
            Condition::Compare(mask, left, right) => {
                let opposite = mask ^ (LESS | EQUAL | GREATER);
                Some(self.compare(*mask, left, right)?.and(self.compare(opposite, left, right)?))
            }
            Condition::Distinct(left, right) => {
                Some(self.compare(EQUAL, left, right)?.and(self.compare(LESS | GREATER, left, right)?))
            }
            Condition::IsNull(inner) => self.plain(inner),
            Condition::Like { text, pattern, .. } => self.like(text, pattern),
            Condition::Case(whens, otherwise) => {
                let parts = whens.iter().flat_map(|(condition, result)| [condition, result]);
                let mut parts = parts.chain([otherwise.as_ref()]).map(|part| self.sound(part));
                parts.try_fold(Needs::default(), |all, one| Some(all.and(one?)))
            }
            _ => None,
        }
    }

    fn like(&self, text: &Condition, pattern: &Condition) -> Option<Needs> {
        match pattern {
            Condition::Value(Value::Text(pattern)) if pattern.contains(|one| !matches!(one, '%' | '_')) => {
                self.plain(text)
            }
            _ => None,
        }
    }

    fn compare(&self, mask: Mask, left: &Condition, right: &Condition) -> Option<Needs> {
        let (ours, theirs) = (self.ours(left), self.ours(right));
        match (ours.is_empty(), theirs.is_empty()) {
            (true, true) => None,
            (false, false) => {
                // Of a term that is the same on both sides nothing is unequal; all else was computed for the samples.
                let same = matches!((left, right), (Condition::Term(a), Condition::Term(b)) if a == b);
                if same {
                    return (mask & EQUAL == 0).then(Needs::default);
                }
                Some(self.plain(left)?.and(self.plain(right)?))
            }
            (false, true) => self.with(mask, left, right),
            (true, false) => self.with(turned(mask), right, left),
        }
    }

    /// The terms of the relation in an expression.
    fn ours(&self, condition: &Condition) -> BTreeSet<usize> {
        let mut ours = BTreeSet::new();
        condition.each(&mut |part| {
            if let Condition::Term(at) = part
                && self.term(*at).is_some_and(|term| term.of_target)
            {
                ours.insert(*at);
            }
        });
        ours
    }

    /// A comparison with something that does not belong to the row.
    fn with(&self, mask: Mask, ours: &Condition, other: &Condition) -> Option<Needs> {
        let mut needs = match ours {
            Condition::Term(at) if self.term(*at)?.strength == Strength::Equal => {
                (mask == EQUAL).then(|| self.term(*at).map(|term| term.needs.clone()))??
            }
            _ => self.plain(ours)?,
        };
        let orders = mask != EQUAL && mask != LESS | GREATER;
        match other {
            Condition::Value(value) if orders && value.number().is_some() => {
                let number = value.number().unwrap_or_default();
                let bytes = match number.abs() {
                    small if small < 32_767.0 => 0,
                    medium if medium < 2_147_483_647.0 => 2,
                    large if large < 9.2e18 => 4,
                    _ => 8,
                };
                if bytes > 0 {
                    needs.wider.extend(self.columns(ours).map(|column| (column, bytes)));
                }
            }
            Condition::Value(Value::Text(text)) if orders => {
                if is_bound(text, mask & GREATER != 0) {
                    return None;
                }
                needs.built_in.extend(self.columns(ours));
            }
            Condition::Cast(_, inner) if orders => {
                if let Condition::Value(Value::Text(text)) = inner.as_ref()
                    && is_bound(text, mask & GREATER != 0)
                {
                    return None;
                }
            }
            _ => {}
        }
        let mut weak = false;
        other.each(&mut |part| {
            if let Condition::Term(at) = part
                && let Some(term) = self.term(*at)
            {
                weak |= term.strength == Strength::Weak || term.strength == Strength::Equal && mask != EQUAL;
                needs = std::mem::take(&mut needs).and(term.needs.clone());
            }
        });
        (!weak).then_some(needs)
    }

    fn columns(&self, condition: &Condition) -> impl Iterator<Item = Box<str>> {
        self.ours(condition).into_iter().filter_map(|at| self.term(at)?.column.clone())
    }

    /// What has to hold for a test for equality with an expression to narrow.
    pub(super) fn equal_needs(&self, condition: &Condition) -> Option<Needs> {
        match condition {
            Condition::Term(at) if self.term(*at)?.strength == Strength::Equal => {
                Some(self.term(*at)?.needs.clone())
            }
            other => self.plain(other),
        }
    }

    /// A column, or something computed from one that has as many values.
    fn plain(&self, condition: &Condition) -> Option<Needs> {
        match condition {
            Condition::Value(_) => Some(Needs::default()),
            Condition::Term(at) => {
                let term = self.term(*at)?;
                (term.strength == Strength::Strong).then(|| term.needs.clone())
            }
            // Texts of other types have one length.
            Condition::Call(Known::Length, inner) if matches!(inner.as_ref(), Condition::Cast(..)) => None,
            Condition::Call(
                Known::Lower
                | Known::Upper
                | Known::Trim
                | Known::Length
                | Known::Abs
                | Known::Negative
                | Known::Floor
                | Known::Ceiling
                | Known::Round,
                inner,
            ) => self.plain(inner),
            // Texts of other types have something in common.
            Condition::Cast(Type::Text, inner) => match inner.as_ref() {
                Condition::Term(_) => self.plain(inner),
                _ => None,
            },
            Condition::Cast(_, inner) => self.plain(inner),
            Condition::Arithmetic(_, left, right) => Some(self.plain(left)?.and(self.plain(right)?)),
            Condition::Coalesce(parts) | Condition::Row(parts) | Condition::Extreme(_, parts) => {
                let mut parts = parts.iter().map(|part| self.plain(part));
                parts.try_fold(Needs::default(), |all, one| Some(all.and(one?)))
            }
            Condition::Case(..) => self.sound(condition),
            _ => None,
        }
    }
}

const fn turned(mask: Mask) -> Mask {
    let swapped = ((mask & LESS) << 2) | ((mask & GREATER) >> 2);
    swapped | (mask & !(LESS | GREATER))
}
