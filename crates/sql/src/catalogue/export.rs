//! A snapshot as rows, in a fixed order: the inverse of [`Catalogue::from_rows`]. Two snapshots of the same definitions
//! give the same rows, whichever way they came about.

use super::Catalogue;
use super::function::{Cast, Function, FunctionDetails, Operator, Type, TypeKind};
use super::object::{Definition, Object, ObjectClass, ObjectId};
use super::queries::ROWS;
use super::relation::{
    ColumnExpression, ForeignKey, ReferentialAction, Relation, RelationKind, Rule, RuleEvent, Trigger,
};
use super::row::Rows;
use super::table::Table;

type Cells = Vec<Option<String>>;

macro_rules! cells {
    ($($cell:expr),* $(,)?) => { vec![$(Cell::cell(&$cell)),*] };
}

impl Catalogue {
    /// The rows that [`Self::from_rows`] makes an equal snapshot from.
    #[must_use]
    pub fn to_rows(&self) -> Vec<Rows> {
        let mut export = Export { results: vec![Rows::new(); ROWS.len()], definitions: Rows::new() };
        for relation in sorted(&self.relations) {
            export.relation(relation);
        }
        for function in sorted(&self.functions) {
            export.function(function);
        }
        for operator in sorted(&self.operators) {
            export.operator(operator);
        }
        for data_type in sorted(&self.types) {
            export.data_type(data_type);
        }
        for cast in sorted(&self.casts) {
            export.cast(cast);
        }
        let mut results = export.results;
        results.push(export.definitions);
        results
    }
}

fn sorted<T: Object>(table: &Table<T>) -> Vec<&T> {
    let mut all: Vec<&T> = table.iter().map(AsRef::as_ref).collect();
    all.sort_unstable_by_key(|one| one.oid());
    all
}

struct Export {
    results: Vec<Rows>,
    definitions: Rows,
}

impl Export {
    fn add(&mut self, query: usize, row: Cells) {
        if let Some(rows) = self.results.get_mut(query) {
            rows.push(row);
        }
    }

    fn define(&mut self, letter: &str, oid: u32, text: Option<&str>) {
        if let Some(text) = text {
            self.definitions.push(cells![letter, oid, text]);
        }
    }

    fn requires(&mut self, object: ObjectId, requires: &[ObjectId]) {
        for required in requires {
            let row = cells![object.class.letter(), object.oid, required.class.letter(), required.oid];
            self.add(13, row);
        }
    }

    fn relation(&mut self, one: &Relation) {
        let Relation { oid, namespace, schema, name, kind, xmin, .. } = one;
        let persistence = if one.temporary { "t" } else { "p" };
        let (secured, extension) = (!one.policies.is_empty(), &one.extension);
        let kind = relkind(*kind);
        self.add(0, cells![oid, schema, name, kind, xmin, namespace, persistence, secured, extension]);
        let mut columns: Vec<_> = one.columns.iter().collect();
        columns.sort_unstable_by_key(|(number, _)| **number);
        for (number, column) in columns {
            self.add(
                1,
                cells![oid, number, column.name, column.added_type, column.data_type, column.not_null],
            );
        }
        self.define("v", *oid, one.view().and_then(Definition::text));
        for (policy, definition) in one.policy_oids.iter().zip(&one.policies) {
            self.add(7, cells![oid, policy]);
            self.define("p", *policy, expression(definition));
        }
        for parent in one.parents.iter() {
            self.add(8, cells![oid, parent]);
        }
        for rule in one.rules.iter() {
            let Rule { oid: rule_oid, name, event, instead, enabled, xmin, definition } = rule;
            let row = cells![oid, rule_oid, name, ev_type(*event), instead, origin(*enabled), xmin];
            self.add(9, row);
            self.define("r", *rule_oid, definition.as_ref().and_then(|one| one.text()));
        }
        for trigger in one.triggers.iter() {
            let Trigger { oid: trigger_oid, name, events, function, enabled, conditional, xmin } = trigger;
            let row = cells![oid, trigger_oid, name, events, origin(*enabled), function, conditional, xmin];
            self.add(10, row);
        }
        for found in one.expressions.iter() {
            let ColumnExpression { column, generated, oid: default_oid, definition } = found;
            self.add(11, cells![oid, column, default_oid, if *generated { "s" } else { "" }]);
            self.define("e", *default_oid, expression(definition));
        }
        for key in one.foreign_keys.iter() {
            let ForeignKey { oid: key_oid, name, referenced, on_delete, on_update, .. } = key;
            let (columns, others) = (numbers(&key.columns), numbers(&key.referenced_columns));
            let (on_delete, on_update) = (action(*on_delete), action(*on_update));
            self.add(12, cells![oid, key_oid, referenced, name, on_delete, on_update, columns, others]);
        }
        self.requires(ObjectId::relation(*oid), &one.requires);
    }

    fn function(&mut self, one: &Function) {
        let Some(details) = one.details() else { return };
        let FunctionDetails { xmin, kind, volatility, security_definer, language, returns, .. } = details;
        let body = details.body.as_ref().and_then(|body| body.text());
        let source = if details.atomic { Some("") } else { body };
        let mut row = cells![one.schema, one.name, one.reviewed, one.oid, xmin, one.namespace];
        row.extend(cells![kind, volatility, security_definer, language, returns, details.returns_set]);
        row.extend(cells![numbers(&details.arguments), source, details.settings, details.extension]);
        self.add(2, row);
        if details.atomic {
            let text = body.map(|body| format!("BEGIN ATOMIC\n{body}\nEND"));
            self.define("b", one.oid, text.as_deref());
        }
        self.requires(ObjectId::function(one.oid), &one.requires);
    }

    fn operator(&mut self, one: &Operator) {
        let [left, right] = one.operands.types;
        let Function { schema, name, reviewed, oid: function, .. } = &one.function;
        let mut row = cells![one.schema, one.name(), left, right, one.operands.row, schema, name, reviewed];
        row.extend(cells![one.oid, one.namespace, function]);
        self.add(3, row);
        self.requires(ObjectId { class: ObjectClass::Operator, oid: one.oid }, &one.requires);
    }

    fn data_type(&mut self, one: &Type) {
        let kind = if matches!(one.kind, TypeKind::Opaque) { "opaque" } else { "plain" };
        // The objects that it is made of are among those that it requires.
        let class = if one.domain { "d" } else { "b" };
        let mut row = cells![one.oid, one.schema, one.name(), kind, one.xmin, one.namespace, 0_u32, 0_u32];
        row.extend(cells![class]);
        self.add(4, row);
        for (check, text) in &one.checks {
            self.add(5, cells![one.oid, check]);
            self.define("c", *check, text.as_deref());
        }
        self.requires(ObjectId::data_type(one.oid), &one.requires);
    }

    fn cast(&mut self, one: &Cast) {
        let [source, target] = one.operands.types;
        let Function { schema, name, reviewed, oid: function, .. } = &one.function;
        let [between_source, between_target] = one.between;
        let context = if one.explicit { "e" } else { "i" };
        let mut row = cells![source, target, one.operands.row, schema, name, reviewed, one.oid, function];
        row.extend(cells![0_u32, context, between_source, between_target]);
        self.add(6, row);
        self.requires(ObjectId { class: ObjectClass::Cast, oid: one.oid }, &one.requires);
    }
}

/// The expression behind the SELECT that makes it a statement.
fn expression(definition: &Definition) -> Option<&str> {
    let text = definition.text()?;
    Some(text.strip_prefix("SELECT ").unwrap_or(text))
}

fn numbers<N: ToString>(numbers: &[N]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

const fn relkind(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Table => "r",
        RelationKind::Partitioned => "p",
        RelationKind::View => "v",
        RelationKind::MaterializedView => "m",
        RelationKind::Foreign => "f",
        RelationKind::Sequence => "S",
        RelationKind::Composite => "c",
    }
}

const fn ev_type(event: RuleEvent) -> &'static str {
    match event {
        RuleEvent::Select => "1",
        RuleEvent::Update => "2",
        RuleEvent::Insert => "3",
        RuleEvent::Delete => "4",
    }
}

const fn action(action: ReferentialAction) -> &'static str {
    match action {
        ReferentialAction::Refuse => "a",
        ReferentialAction::Cascade => "c",
        ReferentialAction::SetNull => "n",
        ReferentialAction::SetDefault => "d",
    }
}

const fn origin(enabled: bool) -> &'static str {
    if enabled { "O" } else { "D" }
}

/// A value as text.
trait Cell {
    fn cell(&self) -> Option<String>;
}

impl Cell for bool {
    fn cell(&self) -> Option<String> {
        Some(if *self { "t" } else { "f" }.to_owned())
    }
}

impl<T: Cell> Cell for Option<T> {
    fn cell(&self) -> Option<String> {
        self.as_ref().and_then(Cell::cell)
    }
}

impl<T: Cell + ?Sized> Cell for &T {
    fn cell(&self) -> Option<String> {
        (**self).cell()
    }
}

macro_rules! as_text {
    ($($type:ty),*) => { $(impl Cell for $type {
        fn cell(&self) -> Option<String> {
            Some(self.to_string())
        }
    })* };
}

as_text!(u32, i16, char, str, String, Box<str>);
