//! Code that can fail, or return more or fewer rows, because of its arguments: each of its uses over a masked value is a
//! question about that value.

use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Resolution;
use super::value::Value;
use crate::catalogue::Function;
use crate::functions;
use crate::lineage::flows::Sources;
use crate::name::Name;

/// Built-in functions that never fail; with a number, whatever the value of that argument alone is.
static TOTAL: LazyLock<FxHashMap<&'static str, Option<usize>>> = LazyLock::new(|| {
    let entry = |line: &'static str| match line.split_once(' ') {
        None => Some((line, None)),
        Some((name, position)) => Some((name, Some(position.parse().ok()?))),
    };
    lines(include_str!("../../../data/total_functions.txt")).filter_map(entry).collect()
});

/// Built-in functions that return sets.
static SET_RETURNING: LazyLock<FxHashSet<&'static str>> =
    LazyLock::new(|| lines(include_str!("../../../data/set_returning.txt")).collect());

/// Built-in operators that never fail. LIKE is none of them: a pattern that ends with a backslash fails for what matches
/// so far. IN and BETWEEN are not: they compute their operands one after the other.
const TOTAL_OPERATORS: [&str; 19] = [
    "=", "<>", "!=", "<", "<=", ">", ">=", "||", "->", "->>", "#>", "#>>", "@>", "<@", "?", "?|", "?&", "&&",
    "^@",
];

/// Operators that fail only by their right operand: patterns.
const MATCHING_OPERATORS: [&str; 4] = ["~", "~*", "!~", "!~*"];

fn lines(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

impl<'a> Resolution<'a> {
    /// Notes that a call can fail, or return another number of rows, by what it is given.
    // INVARIANT: I6. What is on no list of reviewed functions may do both.
    pub(super) fn judge_call(&mut self, name: &Name, arguments: &[Value], added: &[&'a Function]) {
        let given = Value::computed(arguments).sources;
        let decides = returns_set(name, added) || !is_total(name, arguments, added);
        if decides && !given.is_empty() {
            self.predicate(&given, false);
        }
    }

    /// Notes that an operator can fail by its operands.
    pub(super) fn judge_operator(&mut self, name: &str, operands: &[Value]) {
        let is_total = if MATCHING_OPERATORS.contains(&name) {
            is_only(operands, 0)
        } else {
            TOTAL_OPERATORS.contains(&name)
        };
        // Rows are compared field by field, and what is behind a difference is not computed.
        if !is_total || operands.iter().any(|operand| operand.row.is_some()) {
            self.judge_evaluation(operands);
        }
    }

    /// Notes that something is computed, or not, by these values.
    pub(super) fn judge_evaluation(&mut self, values: &[Value]) {
        let sources = Value::computed(values).sources;
        self.predicate(&sources, false);
    }

    /// Notes which alternatives are computed: one after the other, while those before are NULL.
    pub(super) fn judge_alternatives(&mut self, values: &[Value]) {
        let Some((_, before)) = values.split_last() else { return };
        for value in before.iter().filter(|value| !value.plain) {
            let sources: Sources = value.sources.clone();
            self.predicate(&sources, false);
        }
    }
}

/// Whether a call may return a set: unless all that it can mean is known not to.
fn returns_set(name: &Name, added: &[&Function]) -> bool {
    let is_set = |function: &&Function| function.details().is_none_or(|details| details.returns_set);
    if added.iter().any(is_set) {
        return true;
    }
    let builtin = builtin_name(name);
    SET_RETURNING.contains(builtin.as_str())
        || added.is_empty() && functions::builtin(&builtin).is_none() && !TOTAL.contains_key(builtin.as_str())
}

/// Whether no argument that depends on watched columns can make a call fail.
fn is_total(name: &Name, arguments: &[Value], added: &[&Function]) -> bool {
    if !added.is_empty() {
        return false;
    }
    match TOTAL.get(builtin_name(name).as_str()) {
        None => false,
        Some(None) => true,
        Some(Some(position)) => is_only(arguments, *position),
    }
}

/// Whether no value but that at this position has sources, and that is a column as it is stored.
fn is_only(values: &[Value], position: usize) -> bool {
    values
        .iter()
        .enumerate()
        .all(|(index, value)| value.sources.is_empty() || index == position && value.plain)
}

/// A name as the lists of built-in functions have it.
fn builtin_name(name: &Name) -> String {
    match name.schema.as_deref() {
        None | Some("pg_catalog") => name.name.to_string(),
        Some(_) => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_total_is_no_set_and_changes_nothing() {
        let syntax = ["json_array", "json_scalar", "json_arrayagg", "any_value"];
        for name in TOTAL.keys().filter(|name| !syntax.contains(name)) {
            assert_eq!(functions::builtin(name), Some(functions::Call::Safe), "{name}");
            assert!(!SET_RETURNING.contains(name), "{name}");
        }
        assert!(SET_RETURNING.contains("jsonb_path_query_tz"));
        assert!(SET_RETURNING.contains("information_schema._pg_expandarray"));
    }
}
