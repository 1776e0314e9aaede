//! Values of sample rows: constants of the text, and placeholders for what can be anything.

use std::cmp::Ordering;

/// A set of results of a comparison or a condition, one bit each.
pub(super) type Mask = u8;

/// A condition that is true.
pub(super) const TRUE: Mask = 1;
/// A condition that is false.
pub(super) const FALSE: Mask = 2;
/// A condition that is NULL.
pub(super) const NULL: Mask = 4;
/// A condition of which nothing is known.
pub(super) const ANYTHING: Mask = TRUE | FALSE | NULL;

/// Results of comparing two values.
pub(super) const LESS: Mask = 1;
pub(super) const EQUAL: Mask = 2;
pub(super) const GREATER: Mask = 4;
/// One of the two is NULL.
pub(super) const WITH_NULL: Mask = 8;
const ORDERED: Mask = LESS | EQUAL | GREATER;

/// A value in a sample row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(Box<str>),
    Row(Vec<Value>),
    /// Above every value that is compared with the term of this number.
    High(usize),
    /// Below every value that is compared with the term of this number.
    Low(usize),
    /// Not of the row: a parameter, the result of an uncorrelated subquery.
    Outer,
    /// Computed from what is not known.
    Unknown,
}

impl Value {
    /// The condition that this value is, when it is used as one. `0`: the server refuses it.
    pub(super) fn truth(&self) -> Mask {
        match self {
            Self::Null => NULL,
            Self::Bool(value) => of_bool(*value),
            Self::Text(text) => as_bool(text).map_or(0, of_bool),
            Self::Number(_) | Self::Row(_) => 0,
            Self::High(_) | Self::Low(_) | Self::Outer | Self::Unknown => ANYTHING,
        }
    }

    /// The value of a condition.
    pub(super) const fn of_truth(mask: Mask) -> Self {
        match mask {
            TRUE => Self::Bool(true),
            FALSE => Self::Bool(false),
            NULL => Self::Null,
            _ => Self::Unknown,
        }
    }

    pub(super) fn is_null(&self) -> Mask {
        match self {
            Self::Null => TRUE,
            Self::Outer | Self::Unknown => TRUE | FALSE,
            _ => FALSE,
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => as_number(text),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.to_string()),
            Self::Number(number) => Some(number.to_string()),
            Self::Bool(value) => Some(value.to_string()),
            _ => None,
        }
    }
}

pub(super) const fn of_bool(value: bool) -> Mask {
    if value { TRUE } else { FALSE }
}

/// The results that a comparison of two values can have. `0`: the server refuses it.
pub(super) fn order(left: &Value, right: &Value) -> Mask {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => WITH_NULL,
        (Value::High(a), Value::High(b)) | (Value::Low(a), Value::Low(b)) => {
            if a == b {
                EQUAL
            } else {
                ORDERED
            }
        }
        (Value::High(_), Value::Unknown) | (Value::Low(_), Value::Unknown) => ORDERED | WITH_NULL,
        (Value::High(_), Value::Outer) => GREATER | WITH_NULL,
        (Value::Low(_), Value::Outer) => LESS | WITH_NULL,
        (Value::High(_), _) => GREATER,
        (Value::Low(_), _) => LESS,
        (_, Value::High(_) | Value::Low(_)) => reversed(order(right, left)),
        (Value::Outer | Value::Unknown, _) | (_, Value::Outer | Value::Unknown) => ORDERED | WITH_NULL,
        (Value::Number(_), _) | (_, Value::Number(_)) => match (left.number(), right.number()) {
            (Some(a), Some(b)) => a.partial_cmp(&b).map_or(0, of_ordering),
            _ => 0,
        },
        (Value::Bool(_), _) | (_, Value::Bool(_)) => match (boolean(left), boolean(right)) {
            (Some(a), Some(b)) => of_ordering(a.cmp(&b)),
            _ => 0,
        },
        (Value::Text(a), Value::Text(b)) => of_ordering(a.as_bytes().cmp(b.as_bytes())),
        (Value::Row(a), Value::Row(b)) => rows(a, b),
        (Value::Row(_), Value::Text(_)) | (Value::Text(_), Value::Row(_)) => ORDERED,
    }
}

fn rows(left: &[Value], right: &[Value]) -> Mask {
    if left.len() != right.len() {
        return 0;
    }
    for (a, b) in left.iter().zip(right) {
        match order(a, b) {
            EQUAL => {}
            definite if definite & EQUAL == 0 => return definite,
            _ => return ORDERED | WITH_NULL,
        }
    }
    EQUAL
}

const fn of_ordering(ordering: Ordering) -> Mask {
    match ordering {
        Ordering::Less => LESS,
        Ordering::Equal => EQUAL,
        Ordering::Greater => GREATER,
    }
}

const fn reversed(mask: Mask) -> Mask {
    let swapped = ((mask & LESS) << 2) | ((mask & GREATER) >> 2);
    swapped | (mask & (EQUAL | WITH_NULL))
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Text(text) => as_bool(text),
        _ => None,
    }
}

/// A text as the server reads a boolean.
pub(super) fn as_bool(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    if begins("true", 1) || begins("yes", 1) || text == "on" || text == "1" {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || text == "0" {
        Some(false)
    } else {
        None
    }
}

/// A text as the server reads a number. `infinity` and `nan` are none here: [`is_extreme`] is asked for them.
pub(super) fn as_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

/// Whether everything that one has lies above (`above`) or below a text: the first and last values of types, and dates of
/// other centuries.
pub(super) fn is_bound(text: &str, above: bool) -> bool {
    let text = text.trim();
    if matches!(text, "\\x" | "empty" | "(,)" | "[,]" | "{}" | "()") || is_extreme(text) {
        return true;
    }
    let bare: String = text.chars().filter(|one| one.is_ascii_alphanumeric()).collect();
    let first = !bare.is_empty() && bare.chars().all(|one| one == '0');
    let last = bare.len() > 8 && bare.chars().all(|one| matches!(one, 'f' | 'F'));
    // Beside numbers, which have no other signs: times, addresses, identifiers.
    if (first || last) && bare.len() != text.trim_start_matches(['+', '-']).len() {
        return true;
    }
    if text.starts_with("24:00") || text.starts_with("23:59") {
        return !above;
    }
    let year = text.split('-').next().filter(|year| year.len() >= 4 && text.contains('-'));
    match year.and_then(|year| year.parse::<u32>().ok()) {
        Some(year) if text.ends_with("BC") || year <= 1970 => above,
        Some(year) => year >= 2100 && !above,
        None => false,
    }
}

/// Whether a text is a value that lies above or below all others of its type.
pub(super) fn is_extreme(text: &str) -> bool {
    let text = text.trim().trim_start_matches(['+', '-']).to_ascii_lowercase();
    matches!(text.as_str(), "infinity" | "inf" | "nan")
}
