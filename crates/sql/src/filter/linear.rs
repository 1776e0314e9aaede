//! Sums and multiples of terms: `id + 0` is `id`, and `id - 3 < 2` is `id < 5`.

use std::collections::BTreeMap;

use super::condition::{Condition, Known, Operator};
use super::value::{GREATER, LESS, Mask, Value};

/// A sum of multiples of terms, and a constant.
#[derive(Debug, Default)]
struct Linear {
    terms: BTreeMap<usize, f64>,
    constant: f64,
}

impl Linear {
    fn of(condition: &Condition) -> Option<Self> {
        match condition {
            Condition::Value(value) => Some(Self { constant: value.number()?, ..Self::default() }),
            Condition::Term(term) => Some(Self { terms: BTreeMap::from([(*term, 1.0)]), constant: 0.0 }),
            Condition::Call(Known::Negative, inner) => Some(Self::of(inner)?.times(-1.0)),
            Condition::Arithmetic(Operator::Add, left, right) => Some(Self::of(left)?.plus(Self::of(right)?)),
            Condition::Arithmetic(Operator::Subtract, left, right) => {
                Some(Self::of(left)?.plus(Self::of(right)?.times(-1.0)))
            }
            Condition::Arithmetic(Operator::Multiply, left, right) => {
                let (left, right) = (Self::of(left)?, Self::of(right)?);
                if right.terms.is_empty() {
                    Some(left.times(right.constant))
                } else if left.terms.is_empty() {
                    Some(right.times(left.constant))
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    fn plus(mut self, other: Self) -> Self {
        self.constant += other.constant;
        for (term, factor) in other.terms {
            *self.terms.entry(term).or_default() += factor;
        }
        self.terms.retain(|_, factor| *factor != 0.0);
        self
    }

    fn times(mut self, factor: f64) -> Self {
        self.constant *= factor;
        self.terms.values_mut().for_each(|one| *one *= factor);
        self.terms.retain(|_, factor| *factor != 0.0);
        self
    }
}

/// A comparison of sums as one of a single term with a constant, or of two constants, where that is all it is. Such a
/// comparison is the same for all rows in which no term is NULL.
pub(super) fn solved(
    mask: Mask,
    left: &Condition,
    right: &Condition,
) -> Option<(Mask, Condition, Condition)> {
    let computes =
        |side: &Condition| matches!(side, Condition::Arithmetic(..) | Condition::Call(Known::Negative, _));
    if !computes(left) && !computes(right) {
        return None;
    }
    let difference = Linear::of(left)?.plus(Linear::of(right)?.times(-1.0));
    let number = |number: f64| Condition::Value(Value::Number(number));
    let mut terms = difference.terms.iter();
    match (terms.next(), terms.next()) {
        (None, _) => Some((mask, number(difference.constant), number(0.0))),
        (Some((term, factor)), None) => {
            let mask = if *factor < 0.0 { turned(mask) } else { mask };
            Some((mask, Condition::Term(*term), number(-difference.constant / factor)))
        }
        _ => None,
    }
}

const fn turned(mask: Mask) -> Mask {
    let swapped = ((mask & LESS) << 2) | ((mask & GREATER) >> 2);
    swapped | (mask & !(LESS | GREATER))
}
