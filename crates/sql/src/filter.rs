//! How far the condition of an UPDATE, DELETE or MERGE narrows the rows that it changes.
//!
//! A condition is taken apart, and tried on sample rows: values between, on and beside the constants that it names. One
//! that is true for all of them is no condition (`id = id`, `1 = 1`, `id > 5 OR id < 10`); one that is decided by
//! something other than a column of the relation (a parameter, the time, a subquery of its own) may be none. Constants,
//! boolean algebra, comparisons and common functions are computed; all else is known by what it is made of.

mod condition;
mod evaluate;
mod evidence;
mod key;
mod linear;
mod lower;
mod own_rows;
mod pattern;
mod scope;
mod strength;
mod sublink;
mod value;

use std::cell::Cell;
use std::collections::BTreeSet;

use countersign_common::facts::Flag;
use pg_query::protobuf::{Node, SelectStmt};

use self::condition::{Condition, Term, World};
use self::evidence::Evidence;
pub(crate) use self::evidence::Needs;
use self::lower::Lowering;
pub(crate) use self::scope::{Cte, Scope};
use self::value::{EQUAL, TRUE, Value, as_number};
use crate::name::Name;

/// Rows of samples that are tried for one group of conditions. Beyond it the condition is in doubt.
const SAMPLES_MAX: usize = 20_000;
/// Parts of conditions that are evaluated for one of them, over all samples. Beyond it the condition is in doubt.
const TRIALS_MAX: usize = 2_000_000;
/// Constants that samples are made from, for one group of conditions.
const CONSTANTS_MAX: usize = 64;

/// How many rows a condition lets pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Some: it compares the relation with something.
    Some,
    /// Some, if the catalogue says so.
    SomeIf(Needs),
    /// All rows in which these columns are not NULL.
    NotNull(BTreeSet<Box<str>>),
    /// Perhaps all.
    Doubtful,
    /// All rows, or all in which no column is NULL.
    All,
}

impl Reach {
    /// The flag for it. `not_null` says whether a column cannot be NULL, or that nobody knows; `holds`, whether something
    /// is known to hold.
    pub(crate) fn flag(
        &self,
        not_null: impl Fn(&str) -> Option<bool>,
        holds: impl Fn(&Needs) -> bool,
    ) -> Option<Flag> {
        match self {
            Self::Some => None,
            Self::SomeIf(needs) => (!holds(needs)).then_some(Flag::WeakWhere),
            Self::Doubtful => Some(Flag::WeakWhere),
            Self::All => Some(Flag::MissingWhere),
            Self::NotNull(columns) => {
                let known: Option<Vec<bool>> = columns.iter().map(|column| not_null(column)).collect();
                match known {
                    None => Some(Flag::WeakWhere),
                    Some(known) => known.into_iter().all(|one| one).then_some(Flag::MissingWhere),
                }
            }
        }
    }
}

/// How many rows of a relation a statement changes, as far as its text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) relation: Name,
    pub(crate) reach: Reach,
    /// The same, if the names below belong to other relations.
    pub(crate) elsewhere: Reach,
    /// Names without a qualifier that may belong to another relation.
    pub(crate) bare: BTreeSet<Box<str>>,
}

/// A filter, and whether it depends on the values of literals.
pub(crate) struct Read {
    pub(crate) filter: Filter,
    pub(crate) inert: bool,
}

/// Reads the condition of a statement; no condition is true for every row.
pub(crate) fn read(condition: Option<&Node>, scope: &Scope) -> Read {
    let relation = scope.relation().clone();
    let Some(condition) = condition else {
        let filter = Filter { relation, reach: Reach::All, elsewhere: Reach::All, bare: BTreeSet::new() };
        return Read { filter, inert: true };
    };
    let mut variants = vec![scope.clone()];
    if scope.has_twins() {
        variants.push(scope.clone().merged());
    }
    let strictest = |bare_is_target: bool| {
        let reaches =
            variants.iter().map(|variant| reach_in(condition, &variant.clone().with_bare(bare_is_target)));
        reaches.max().unwrap_or(Reach::Doubtful)
    };
    let reach = strictest(true);
    let mut lowering = Lowering::new(scope);
    let lowered = lowering.condition(condition);
    let inert = !lowering.literals || is_some_for_any_literal(&lowered, &lowering.terms);
    let bare = if scope.is_alone() { BTreeSet::new() } else { lowering.bare };
    let elsewhere = if bare.is_empty() { reach.clone() } else { strictest(false) };
    Read { filter: Filter { relation, reach, elsewhere, bare }, inert }
}

/// How many rows a condition lets pass, with names as they are in a scope.
fn reach_in(condition: &Node, scope: &Scope) -> Reach {
    let mut lowering = Lowering::new(scope);
    let lowered = lowering.condition(condition);
    lowering.settle(&lowered);
    let Lowering { terms, doubtful, tests_null, .. } = lowering;
    let evidence = Evidence::new(&terms);
    let trials = Cell::new(TRIALS_MAX);
    Tried { terms: &terms, evidence, tests_null, trials }.reach(&lowered, doubtful)
}

/// How many rows INSERT … SELECT … ON CONFLICT DO UPDATE changes of the relation that it inserts into.
pub(crate) fn read_source(select: &SelectStmt, scope: &Scope) -> Read {
    let relation = scope.relation().clone();
    let reach = match scope.rows_of(select) {
        Some(needs) if needs.is_empty() => Reach::Some,
        Some(needs) => Reach::SomeIf(needs),
        None => Reach::Doubtful,
    };
    let filter = Filter { relation, elsewhere: reach.clone(), reach, bare: BTreeSet::new() };
    Read { filter, inert: false }
}

/// Whether a condition lets only some rows pass whatever the values of its literals are.
fn is_some_for_any_literal(condition: &Condition, terms: &[Term]) -> bool {
    let column = |side: &Condition| match side {
        Condition::Term(term) => terms.get(*term).is_some_and(|term| term.column.is_some()),
        _ => false,
    };
    let number = |side: &Condition| matches!(side, Condition::Value(Value::Number(_)));
    let literal = |side: &Condition| matches!(side, Condition::Value(Value::Number(_) | Value::Text(_)));
    let equals_number = |part: &Condition| match part {
        Condition::Compare(EQUAL, left, right) => column(left) && number(right),
        _ => false,
    };
    match condition {
        Condition::Compare(mask, left, right) => {
            column(left) && (number(right) || *mask == EQUAL && literal(right))
        }
        Condition::And(parts) => parts.iter().any(|part| is_some_for_any_literal(part, terms)),
        Condition::Or(parts) if parts.len() == 1 => {
            parts.iter().all(|part| is_some_for_any_literal(part, terms))
        }
        Condition::Or(parts) => parts.iter().all(equals_number),
        _ => false,
    }
}

/// A condition that is tried on samples.
struct Tried<'t> {
    terms: &'t [Term],
    evidence: Evidence<'t>,
    tests_null: bool,
    /// Evaluations of a part of the condition that are left.
    trials: Cell<usize>,
}

impl Tried<'_> {
    fn reach(&self, condition: &Condition, doubtful: bool) -> Reach {
        match condition {
            Condition::And(parts) => self.all_of(parts, doubtful),
            Condition::Or(parts) => self.any_of(parts, doubtful),
            other => self.alone(other, doubtful),
        }
    }

    /// AND narrows as far as one of its parts does.
    fn all_of(&self, parts: &[Condition], doubtful: bool) -> Reach {
        let mut reach = Reach::All;
        for part in parts {
            reach = match (reach, self.reach(part, doubtful)) {
                (Reach::Some, _) | (_, Reach::Some) => return Reach::Some,
                (Reach::SomeIf(needs), _) | (_, Reach::SomeIf(needs)) => Reach::SomeIf(needs),
                (Reach::NotNull(one), Reach::NotNull(other)) => {
                    Reach::NotNull(one.into_iter().chain(other).collect())
                }
                (one, other) => one.min(other),
            };
        }
        reach
    }

    /// OR reaches as far as one of its parts; parts that share a term are one.
    fn any_of(&self, parts: &[Condition], doubtful: bool) -> Reach {
        let groups = groups(parts);
        if groups.len() == 1 {
            return self.alone(&Condition::Or(parts.to_vec()), doubtful);
        }
        let mut reach = Reach::Some;
        for group in groups {
            let group: Vec<Condition> = group.into_iter().filter_map(|at| parts.get(at).cloned()).collect();
            let one = match <[Condition; 1]>::try_from(group) {
                Ok([single]) => self.reach(&single, doubtful),
                Err(several) => self.alone(&Condition::Or(several), doubtful),
            };
            reach = match (reach, one) {
                (Reach::SomeIf(one), Reach::SomeIf(other)) => Reach::SomeIf(one.and(other)),
                (Reach::SomeIf(_), Reach::NotNull(_)) | (Reach::NotNull(_), Reach::SomeIf(_)) => {
                    Reach::Doubtful
                }
                (one, other) => one.max(other),
            };
        }
        reach
    }

    /// The reach of a condition that was seen to be no tautology.
    fn proven(&self, condition: &Condition) -> Reach {
        match self.evidence.of(condition) {
            Some(needs) if needs.is_empty() => Reach::Some,
            Some(needs) => Reach::SomeIf(needs),
            None => Reach::Doubtful,
        }
    }

    /// Tries a condition on samples.
    fn alone(&self, condition: &Condition, doubtful: bool) -> Reach {
        if self.fails_beyond_all(condition) {
            return self.proven(condition);
        }
        let used = used_terms(condition);
        let constants = Constants::of(condition);
        let whole = self.hits(condition, &used, &constants.whole, false);
        match whole {
            Hits::NotAll => return self.proven(condition),
            Hits::ForSomeOuter | Hits::Unknown => return Reach::Doubtful,
            Hits::All => {}
        }
        if doubtful || constants.cut || self.hits(condition, &used, &constants.between, false) != Hits::All {
            return Reach::Doubtful;
        }
        if !self.tests_null || self.hits(condition, &used, &constants.between, true) == Hits::All {
            return Reach::All;
        }
        let mut columns = BTreeSet::new();
        for term in used.iter().filter_map(|at| self.terms.get(*at)) {
            match &term.column {
                Some(column) => columns.insert(column.clone()),
                None => return Reach::Doubtful,
            };
        }
        Reach::NotNull(columns)
    }

    /// Whether it is not true where all columns lie above, or below, everything that they are compared with.
    fn fails_beyond_all(&self, condition: &Condition) -> bool {
        let sample = |high: bool| -> Vec<Value> {
            let value = |(at, term): (usize, &Term)| match (term.of_target, term.hints.world()) {
                (false, _) => Value::Outer,
                (true, World::Boolean | World::BooleanText) => Value::Bool(high),
                (true, World::Number | World::Text) if high => Value::High(at),
                (true, World::Number) => Value::Low(at),
                // No text is below the empty one.
                (true, World::Text) => Value::Text("".into()),
            };
            self.terms.iter().enumerate().map(value).collect()
        };
        [true, false].into_iter().any(|high| {
            let found = evaluate::truth(condition, &sample(high));
            found != 0 && found & TRUE == 0
        })
    }

    /// Tries all samples: those of parameters and the like outside, those of columns inside.
    fn hits(&self, condition: &Condition, used: &[usize], constants: &Samples, with_null: bool) -> Hits {
        let (inner, outer): (Vec<usize>, Vec<usize>) =
            used.iter().copied().partition(|at| self.terms.get(*at).is_some_and(|term| term.of_target));
        let values = |at: &usize, null: bool| {
            let world = self.terms.get(*at).map_or(World::Number, |term| term.hints.world());
            let mut values = constants.of(world);
            if null {
                values.push(Value::Null);
            }
            (*at, values)
        };
        let outer: Vec<_> = outer.iter().map(|at| values(at, true)).collect();
        let inner: Vec<_> = inner.iter().map(|at| values(at, with_null)).collect();
        let rows =
            outer.iter().chain(&inner).map(|(_, values)| values.len()).try_fold(1_usize, |product, next| {
                product.checked_mul(next).filter(|product| *product <= SAMPLES_MAX)
            });
        let mut parts = 0;
        condition.each(&mut |_| parts += 1);
        let trials = rows.and_then(|rows| rows.checked_mul(parts));
        let Some(left) = trials.and_then(|trials| self.trials.get().checked_sub(trials)) else {
            return Hits::Unknown;
        };
        self.trials.set(left);
        let mut sample = vec![Value::Unknown; self.terms.len()];
        let (mut some, mut all, mut any) = (false, true, false);
        each_row(&outer, &mut sample, &mut |sample| {
            let mut hit = true;
            let mut feasible = false;
            each_row(&inner, sample, &mut |sample| {
                let found = evaluate::truth(condition, sample);
                feasible |= found != 0;
                hit &= found == TRUE || found == 0;
                hit
            });
            if feasible {
                any = true;
                some |= hit;
                all &= hit;
            }
            true
        });
        match (any, all, some) {
            (false, ..) => Hits::Unknown,
            (true, true, _) => Hits::All,
            (true, false, true) => Hits::ForSomeOuter,
            (true, false, false) => Hits::NotAll,
        }
    }
}

/// For which samples a condition was true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hits {
    All,
    /// For all rows, with some values of what does not belong to the row.
    ForSomeOuter,
    NotAll,
    /// There were too many, or none that the server would not refuse.
    Unknown,
}

/// Calls `see` for every combination; stops when it answers false.
fn each_row(
    columns: &[(usize, Vec<Value>)],
    sample: &mut Vec<Value>,
    see: &mut dyn FnMut(&mut Vec<Value>) -> bool,
) -> bool {
    let Some(((at, values), rest)) = columns.split_first() else { return see(sample) };
    for value in values {
        if let Some(place) = sample.get_mut(*at) {
            *place = value.clone();
        }
        if !each_row(rest, sample, see) {
            return false;
        }
    }
    true
}

/// The parts of an OR that share terms, by their indexes.
fn groups(parts: &[Condition]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(BTreeSet<usize>, Vec<usize>)> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let mut terms: BTreeSet<usize> = used_terms(part).into_iter().collect();
        let mut members = vec![at];
        let (touching, apart): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(other, _)| !other.is_disjoint(&terms));
        groups = apart;
        for (other, more) in touching {
            terms.extend(other);
            members.extend(more);
        }
        groups.push((terms, members));
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

fn used_terms(condition: &Condition) -> Vec<usize> {
    let mut terms = BTreeSet::new();
    condition.each(&mut |part| {
        if let Condition::Term(term) = part {
            terms.insert(*term);
        }
    });
    terms.into_iter().collect()
}

/// Values to try.
#[derive(Debug, Default)]
struct Samples {
    numbers: Vec<f64>,
    texts: Vec<Box<str>>,
}

impl Samples {
    fn of(&self, world: World) -> Vec<Value> {
        match world {
            World::Number => self.numbers.iter().map(|number| Value::Number(*number)).collect(),
            World::Text => self.texts.iter().map(|text| Value::Text(text.clone())).collect(),
            World::Boolean | World::BooleanText => vec![Value::Bool(true), Value::Bool(false)],
        }
    }
}

/// The samples that the constants of a condition make necessary.
struct Constants {
    /// Whole numbers, on and beside the constants.
    whole: Samples,
    /// Also between them.
    between: Samples,
    /// There were more constants than are tried.
    cut: bool,
}

impl Constants {
    fn of(condition: &Condition) -> Self {
        let (mut numbers, mut texts) = (Vec::new(), BTreeSet::new());
        condition.each(&mut |part| match part {
            Condition::Value(Value::Number(number)) => numbers.push(*number),
            Condition::Value(Value::Text(text)) => {
                numbers.extend(as_number(text));
                texts.insert(text.clone());
            }
            _ => {}
        });
        numbers.sort_by(f64::total_cmp);
        numbers.dedup();
        let cut = numbers.len() > CONSTANTS_MAX || texts.len() > CONSTANTS_MAX;
        numbers.truncate(CONSTANTS_MAX);
        let texts: Vec<Box<str>> = texts.into_iter().take(CONSTANTS_MAX).collect();
        // Of `abs` and the like the negative ones count, too.
        let beside = |number: &f64| [*number, -number].map(|number| [number - 1.0, number, number + 1.0]);
        let mut whole: Vec<f64> = numbers.iter().flat_map(beside).flatten().collect();
        // Far out as well, for what is computed from them.
        whole.extend([-1_000_003.0, 0.0, 1.0, 1_000_003.0]);
        let mut between = whole.clone();
        between.extend(numbers.windows(2).filter_map(|pair| match pair {
            [one, other] => Some(f64::midpoint(*one, *other)),
            _ => None,
        }));
        let texts = text_samples(&texts, &numbers);
        Self {
            whole: Samples { numbers: distinct(whole), texts: texts.clone() },
            between: Samples { numbers: distinct(between), texts },
            cut,
        }
    }
}

fn distinct(mut numbers: Vec<f64>) -> Vec<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    numbers
}

fn text_samples(constants: &[Box<str>], numbers: &[f64]) -> Vec<Box<str>> {
    let mut texts: BTreeSet<Box<str>> =
        BTreeSet::from(["".into(), "m".into(), "M".into(), " m ".into(), "~".into()]);
    for text in constants {
        texts.insert(text.clone());
        texts.insert(format!("{text}a").into());
    }
    texts.extend(numbers.iter().map(|number| number.to_string().into()));
    // Of every length that is asked for.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "cut to a small range before"
    )]
    texts.extend(numbers.iter().map(|number| "m".repeat(number.clamp(0.0, 64.0) as usize).into()));
    texts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pg_query::NodeEnum;

    fn reach(condition: &str) -> Reach {
        let parsed = crate::grammar::parse(&format!("DELETE FROM t WHERE {condition}")).unwrap();
        let Some(NodeEnum::DeleteStmt(delete)) = parsed.stmts[0].stmt.as_ref().unwrap().node.as_ref() else {
            panic!("{condition}")
        };
        let read = read(delete.where_clause.as_deref(), &Scope::of(delete.relation.as_ref().unwrap()));
        read.filter.reach
    }

    #[test]
    // long: one line for each condition
    fn conditions_that_are_always_true_reach_all_rows() {
        for condition in [
            "1 = 1",
            "'a' = 'a'",
            "NOT FALSE",
            "true",
            "true OR id = 1",
            "id = 1 OR true",
            "id = id",
            "t.id = id",
            "id IS NOT DISTINCT FROM id",
            "id IS NULL OR id IS NOT NULL",
            "1 IN (1, 2)",
            "id IN (id)",
            "id IN (id, 5)",
            "CASE WHEN true THEN true ELSE false END",
            "CASE id WHEN id THEN true END",
            "COALESCE(NULL, true)",
            "'t'::bool",
            "CAST('yes' AS boolean)",
            "bool 'on'",
            "1::bool",
            "name LIKE '%'",
            "name LIKE '%%'",
            "name ILIKE '%'",
            "name || '' LIKE '%'",
            "EXISTS (SELECT 1)",
            "EXISTS (SELECT)",
            "EXISTS (SELECT 1 WHERE true)",
            "NOT EXISTS (SELECT 1 WHERE false)",
            "id BETWEEN id AND id",
            "id >= id",
            "length(name) >= 0",
            "abs(id) >= 0",
            "id > 5 OR id <= 5",
            "id > 5 OR id < 10",
            "id <> 1 OR id <> 2",
            "NOT (id = 1 AND id = 2)",
            "NOT (id = 1 AND id <> 1)",
            "id = 1 OR id <> 1",
            "(id = 1) = (id = 1)",
            "(id, name) = (id, name)",
            "ROW(id) = ROW(id)",
            "id + 0 = id",
            "id * 0 = 0",
            "id - id = 0",
            "name || '' = name",
            "name = name COLLATE \"C\"",
            "active OR NOT active",
            "active IN (true, false)",
            "active = true OR active = false",
            "active IS TRUE OR active IS NOT TRUE",
            "NOT (id <> id)",
            "id = ANY(ARRAY[id])",
            "id <> ALL('{}')",
            "1 = ANY('{1,2}')",
            "id NOT IN (SELECT 1 WHERE false)",
            "id IN (SELECT id FROM t)",
            "id IN (SELECT x.id FROM t x WHERE true)",
            "greatest(id, 5) >= 5",
            "nullif(1, 2) = 1",
            "coalesce(id, 0) = coalesce(id, 0)",
            "(SELECT true)",
            "(SELECT 1) = 1",
            "2 > 1 AND 'x' = 'x'",
            "id = id AND name = name",
            "false IS NOT TRUE",
            "NULL IS NULL",
            "id IS DISTINCT FROM NULL OR id IS NULL",
            "name ~ ''",
            "name ~ '.*'",
            "name ~* '^'",
            "name SIMILAR TO '%'",
            "'abc' LIKE 'a%'",
            "1 < 2",
            "1 BETWEEN 0 AND 2",
            "NOT NOT true",
            "true IS TRUE",
            "id NOT BETWEEN 10 AND 5",
            "lower(name) = lower(t.name)",
            "name >= ''",
        ] {
            assert_eq!(reach(condition), Reach::All, "{condition}");
        }
    }

    #[test]
    fn conditions_that_something_else_decides_are_in_doubt() {
        for condition in [
            "$1",
            "$1 = 1",
            "$1::bool",
            "NOT $1",
            "id = 1 OR $1",
            "$1 IS NULL OR id = $1",
            "COALESCE($1, id) = id",
            "name LIKE $1",
            "id <> ALL($1)",
            "now() > '2020-01-01'",
            "random() < 0.5",
            "current_user = 'app'",
            "EXISTS (SELECT 1 FROM other)",
            "EXISTS (SELECT 1 FROM other WHERE other.x = 1)",
            "EXISTS (SELECT count(*) FROM other WHERE other.id = t.id)",
            "EXISTS (SELECT 1 FROM other WHERE t.id = t.id)",
            "EXISTS (SELECT 1 FROM t x WHERE x.id = t.id)",
            "(SELECT count(*) FROM other) > 0",
            "name LIKE '_%'",
            "name ~ '.'",
            "at <= 'infinity'",
            "id <= 5 OR id >= 6",
            "int4eq(id, id)",
            "id::text = id::text",
            "id::text <> ''",
            "tags @> tags",
            "pg_sleep(0) IS NOT NULL",
            "tableoid = 't'::regclass",
            "flag = 'y' OR flag = 'n'",
            "id <> ANY($1)",
            "f(id) = 7",
            "is_old(id)",
        ] {
            assert_eq!(reach(condition), Reach::Doubtful, "{condition}");
        }
    }

    #[test]
    fn conditions_that_compare_a_column_with_something_reach_some_rows() {
        for condition in [
            "id = 1",
            "id = $1",
            "id = $1 AND name = $2",
            "id IN (1, 2, 3)",
            "id = ANY($1)",
            "id <> 5",
            "id > 5",
            "id >= $1",
            "id BETWEEN 1 AND 10",
            "id NOT IN (1, 2)",
            "name = 'x'",
            "name LIKE 'a%'",
            "name LIKE '%a%'",
            "name ~ '^a.*b$'",
            "lower(name) = 'x'",
            "length(name) > 3",
            "email IS NULL",
            "active",
            "NOT active",
            "status IN ('new', 'paid')",
            "status = 'a' OR status = 'b'",
            "id = 1 OR name = 'x'",
            "id = 1 AND true",
            "created_at < now() - interval '30 days'",
            "created_at < '2024-01-01'",
            "id = (SELECT max(id) FROM t)",
            "id IN (SELECT customer_id FROM orders WHERE x = 1)",
            "id IN (SELECT id FROM t WHERE name = 'x')",
            "id IN (SELECT id FROM t LIMIT 10)",
            "ctid = ANY(ARRAY(SELECT ctid FROM t LIMIT 5))",
            "EXISTS (SELECT 1 FROM other o WHERE o.tid = t.id)",
            "NOT EXISTS (SELECT 1 FROM other o WHERE o.tid = t.id AND o.x > 3)",
            "note ->> 'a' = 'b'",
            "note @> '{\"a\": 1}'",
            "(id, name) IN ((1, 'a'), (2, 'b'))",
            "(id, x) IN (($1, $2), ($3, $4), ($5, $6))",
            "id % 10 = 3",
            "false",
            "1 = 2",
            "amount * 2 > 100",
            "price + tax > 100",
            "a = 1 AND b = 2 AND c = 3 AND d = 4 AND e = 5 AND f = 6",
            "a = b",
            "id = 3 AND (name = 'x' OR name <> 'x')",
            "coalesce(name, '') = ''",
            "date_trunc('day', at) = '2024-01-01'",
            "extract(year FROM at) = 2020",
        ] {
            assert!(matches!(reach(condition), Reach::Some | Reach::SomeIf(_)), "{condition}");
        }
    }

    #[test]
    fn a_test_for_null_depends_on_the_column() {
        for condition in
            ["id IS NOT NULL", "NOT id IS NULL", "(id = 1) IS NOT NULL", "id IS DISTINCT FROM NULL"]
        {
            assert_eq!(reach(condition), Reach::NotNull(BTreeSet::from(["id".into()])), "{condition}");
        }
    }
}
