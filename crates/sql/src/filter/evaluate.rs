//! The value of a condition for one sample row.

use super::condition::{Condition, Known, NullInConcat, Operator, Type};
use super::pattern;
use super::value::{
    ANYTHING, EQUAL, FALSE, GREATER, LESS, Mask, NULL, TRUE, Value, WITH_NULL, as_bool, of_bool, order,
};

/// The values of all terms.
pub(super) type Sample = [Value];

/// The results that a condition can have; `0`: the server refuses it for this row.
pub(super) fn truth(condition: &Condition, sample: &Sample) -> Mask {
    match condition {
        Condition::Not(inner) => {
            let mask = truth(inner, sample);
            ((mask & TRUE) << 1) | ((mask & FALSE) >> 1) | (mask & NULL)
        }
        Condition::And(parts) => joined(parts, sample, FALSE),
        Condition::Or(parts) => joined(parts, sample, TRUE),
        Condition::Compare(wanted, left, right) => {
            let found = order(&value(left, sample), &value(right, sample));
            let null = if found & WITH_NULL == 0 { 0 } else { NULL };
            let hit = if found & wanted & !WITH_NULL == 0 { 0 } else { TRUE };
            let miss = if found & !wanted & !WITH_NULL == 0 { 0 } else { FALSE };
            null | hit | miss
        }
        Condition::Distinct(left, right) => distinct(&value(left, sample), &value(right, sample)),
        Condition::IsNull(inner) => match inner.as_ref() {
            // A condition can be NULL, too.
            Condition::And(_) | Condition::Or(_) | Condition::Not(_) | Condition::Compare(..) => {
                is_among(NULL, truth(inner, sample))
            }
            other => value(other, sample).is_null(),
        },
        Condition::Is(wanted, inner) => is_among(*wanted, truth(inner, sample)),
        Condition::Like { text, pattern, ignore_case } => {
            like(&value(text, sample), &value(pattern, sample), *ignore_case)
        }
        other => value(other, sample).truth(),
    }
}

const fn is_among(wanted: Mask, found: Mask) -> Mask {
    let hit = if found & wanted == 0 { 0 } else { TRUE };
    let miss = if found & !wanted == 0 { 0 } else { FALSE };
    hit | miss
}

/// AND (`decides` is FALSE) or OR (TRUE).
fn joined(parts: &[Condition], sample: &Sample, decides: Mask) -> Mask {
    let mut all = decides ^ (TRUE | FALSE);
    let mut refused = false;
    for part in parts {
        let mask = truth(part, sample);
        if mask == decides {
            return decides;
        }
        refused |= mask == 0;
        let mut next = (all | mask) & decides;
        // NULL when one is and none decides; the other result when all have it.
        if (all | mask) & NULL != 0 {
            next |= NULL;
        }
        next |= all & mask & (decides ^ (TRUE | FALSE));
        all = next;
    }
    if refused { 0 } else { all }
}

fn distinct(left: &Value, right: &Value) -> Mask {
    match (left.is_null(), right.is_null()) {
        (TRUE, TRUE) => FALSE,
        (TRUE, FALSE) | (FALSE, TRUE) => TRUE,
        (FALSE, FALSE) => {
            let found = order(left, right) & !WITH_NULL;
            let same = if found & EQUAL == 0 { 0 } else { FALSE };
            let other = if found & !EQUAL == 0 { 0 } else { TRUE };
            same | other
        }
        _ => TRUE | FALSE,
    }
}

fn like(text: &Value, pattern: &Value, ignore_case: bool) -> Mask {
    match (text, pattern) {
        (Value::Null, _) | (_, Value::Null) => NULL,
        (_, Value::Text(pattern)) if !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'%') => {
            if text.is_null() & TRUE == 0 {
                TRUE
            } else {
                TRUE | NULL
            }
        }
        (Value::High(a) | Value::Low(a), Value::High(b) | Value::Low(b)) if a == b => TRUE,
        (Value::High(_) | Value::Low(_), Value::Text(pattern)) if !pattern.contains(['%', '_']) => FALSE,
        _ => match (text.text(), pattern.text()) {
            (Some(text), Some(pattern)) => of_bool(pattern::like(&text, &pattern, ignore_case)),
            _ => ANYTHING,
        },
    }
}

/// The value of an expression.
pub(super) fn value(condition: &Condition, sample: &Sample) -> Value {
    match condition {
        Condition::Value(value) => value.clone(),
        Condition::Term(term) => sample.get(*term).cloned().unwrap_or(Value::Unknown),
        Condition::Case(whens, otherwise) => case(whens, otherwise, sample),
        Condition::Coalesce(parts) => coalesce(parts, sample),
        Condition::NullIf(left, right) => {
            let (left, right) = (value(left, sample), value(right, sample));
            match order(&left, &right) {
                EQUAL => Value::Null,
                found if found & EQUAL == 0 => left,
                _ => Value::Unknown,
            }
        }
        Condition::Extreme(greatest, parts) => extreme(*greatest, parts, sample),
        Condition::Arithmetic(operator, left, right) => {
            arithmetic(*operator, &value(left, sample), &value(right, sample))
        }
        Condition::Concat(parts, nulls) => concat(parts, *nulls, sample),
        Condition::Call(known, argument) => call(*known, &value(argument, sample)),
        Condition::Cast(to, argument) => cast(*to, value(argument, sample)),
        Condition::Row(parts) => Value::Row(parts.iter().map(|part| value(part, sample)).collect()),
        other => Value::of_truth(truth(other, sample)),
    }
}

fn case(whens: &[(Condition, Condition)], otherwise: &Condition, sample: &Sample) -> Value {
    for (condition, result) in whens {
        match truth(condition, sample) {
            TRUE => return value(result, sample),
            mask if mask & TRUE == 0 => {}
            _ => return Value::Unknown,
        }
    }
    value(otherwise, sample)
}

fn coalesce(parts: &[Condition], sample: &Sample) -> Value {
    for part in parts {
        let found = value(part, sample);
        match found.is_null() {
            TRUE => {}
            FALSE => return found,
            _ => return Value::Unknown,
        }
    }
    Value::Null
}

fn extreme(greatest: bool, parts: &[Condition], sample: &Sample) -> Value {
    let wanted = if greatest { GREATER } else { LESS };
    let mut best = Value::Null;
    for part in parts {
        let next = value(part, sample);
        // GREATEST and LEAST leave NULL out.
        best = match (best, next) {
            (Value::Null, next) => next,
            (best, Value::Null) => best,
            (best, next) => match order(&next, &best) {
                found if found == wanted => next,
                found if found & wanted == 0 && found & WITH_NULL == 0 => best,
                _ => return Value::Unknown,
            },
        };
    }
    best
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Value {
    if matches!(left, Value::Null) || matches!(right, Value::Null) {
        return Value::Null;
    }
    if operator == Operator::Multiply
        && [left, right].iter().any(|side| side.number() == Some(0.0))
        && [left, right].iter().all(|side| side.is_null() == FALSE)
    {
        return Value::Number(0.0);
    }
    if let (Value::High(a), Value::High(b)) | (Value::Low(a), Value::Low(b)) = (left, right)
        && a == b
        && operator == Operator::Subtract
    {
        return Value::Number(0.0);
    }
    match (left.number(), right.number()) {
        (Some(a), Some(b)) => computed(operator, a, b).map_or(Value::Unknown, Value::Number),
        _ if matches!((left, right), (Value::Outer, _) | (_, Value::Outer))
            && !is_of_row(left)
            && !is_of_row(right) =>
        {
            Value::Outer
        }
        _ => Value::Unknown,
    }
}

const fn is_of_row(value: &Value) -> bool {
    matches!(value, Value::High(_) | Value::Low(_) | Value::Unknown)
}

fn computed(operator: Operator, a: f64, b: f64) -> Option<f64> {
    #[allow(clippy::cast_possible_truncation, reason = "bits are asked for of small whole numbers only")]
    let bits = |a: f64| (a.fract() == 0.0 && a.abs() < 1e15).then_some(a as i64);
    #[allow(clippy::cast_precision_loss, reason = "of small whole numbers")]
    let of_bits = |combined: i64| combined as f64;
    match operator {
        Operator::Add => Some(a + b),
        Operator::Subtract => Some(a - b),
        Operator::Multiply => Some(a * b),
        Operator::Divide if b != 0.0 => Some(a / b),
        Operator::Remainder if b != 0.0 => Some(a % b),
        Operator::Power => Some(a.powf(b)),
        Operator::Divide | Operator::Remainder => None,
        Operator::BitAnd => Some(of_bits(bits(a)? & bits(b)?)),
        Operator::BitOr => Some(of_bits(bits(a)? | bits(b)?)),
        Operator::BitXor => Some(of_bits(bits(a)? ^ bits(b)?)),
    }
    .filter(|number| number.is_finite())
}

fn concat(parts: &[Condition], nulls: NullInConcat, sample: &Sample) -> Value {
    let mut text = String::new();
    let mut unknown = None;
    for part in parts {
        match value(part, sample) {
            Value::Null if nulls == NullInConcat::Spreads => return Value::Null,
            Value::Null => {}
            // `x || ''` is x.
            same @ (Value::High(_) | Value::Low(_) | Value::Outer) if unknown.is_none() => {
                unknown = Some(same)
            }
            other => match other.text() {
                Some(part) => text.push_str(&part),
                None => return Value::Unknown,
            },
        }
    }
    match unknown {
        None => Value::Text(text.into()),
        Some(same) if text.is_empty() => same,
        Some(_) => Value::Unknown,
    }
}

fn call(known: Known, argument: &Value) -> Value {
    match argument {
        Value::Null => return Value::Null,
        Value::High(_) | Value::Low(_) | Value::Outer | Value::Unknown | Value::Row(_) => {
            return Value::Unknown;
        }
        Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
    let number = |compute: fn(f64) -> f64| {
        argument.number().map_or(Value::Unknown, |number| Value::Number(compute(number)))
    };
    let text = |compute: fn(String) -> String| {
        argument.text().map_or(Value::Unknown, |text| Value::Text(compute(text).into()))
    };
    match known {
        #[allow(clippy::cast_precision_loss, reason = "texts are short")]
        Known::Length => {
            argument.text().map_or(Value::Unknown, |text| Value::Number(text.chars().count() as f64))
        }
        Known::Lower => text(|text| text.to_lowercase()),
        Known::Upper => text(|text| text.to_uppercase()),
        Known::Trim => text(|text| text.trim_matches(' ').to_owned()),
        Known::Abs => number(f64::abs),
        Known::Sign => number(|number| if number == 0.0 { 0.0 } else { number.signum() }),
        Known::Floor => number(f64::floor),
        Known::Ceiling => number(f64::ceil),
        Known::Round => number(f64::round),
        Known::Negative => number(|number| -number),
    }
}

fn cast(to: Type, argument: Value) -> Value {
    match (to, &argument) {
        (_, Value::Null) => Value::Null,
        (Type::Boolean, Value::Text(text)) => as_bool(text).map_or(Value::Unknown, Value::Bool),
        (Type::Boolean, Value::Number(number)) => Value::Bool(*number != 0.0),
        (Type::Integer, Value::Bool(value)) => Value::Number(f64::from(u8::from(*value))),
        (Type::Integer, Value::Number(number)) => Value::Number(number.round()),
        (Type::Integer | Type::Number, Value::Text(_)) => {
            argument.number().map_or(Value::Unknown, Value::Number)
        }
        (Type::Text, Value::Number(_) | Value::Bool(_)) => {
            argument.text().map_or(Value::Unknown, |text| Value::Text(text.into()))
        }
        _ => argument,
    }
}
