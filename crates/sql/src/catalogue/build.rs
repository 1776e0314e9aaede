//! The next snapshot: objects are made from the rows of a draft and take the place of the former ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::definition_query::DefinitionId;
use super::function::{Cast, Function, FunctionDetails, Operator, Type, TypeKind};
use super::object::{Definition, Object, ObjectClass, ObjectId};
use super::refresh::{Draft, Plan};
use super::relation::{
    Column, ColumnExpression, ForeignKey, ReferentialAction, Relation, RelationKind, Rule, RuleEvent, Trigger,
};
use super::row::{Row, Rows};
use super::table::{Dependants, Table};
use super::{Catalogue, CatalogueError, VIEW_RULE};
use crate::name::Name;

impl Catalogue {
    /// A snapshot made from a whole reading: the results of a full [`Plan::queries`] and, as the last, the definitions
    /// (a letter for the kind, an oid, the text).
    ///
    /// # Errors
    /// When they are not such results; a part of a catalogue is not accepted.
    pub fn from_rows(results: &[Rows]) -> Result<Self, CatalogueError> {
        let Some((definitions, results)) = results.split_last() else {
            return Err(CatalogueError::Results { expected: super::queries::ROWS.len() + 1, got: 0 });
        };
        let plan = Plan {
            complete: true,
            everything: true,
            versions: std::collections::BTreeMap::new(),
            objects: BTreeSet::new(),
        };
        let mut draft = Draft::new(plan, results.to_vec())?;
        for (row, cells) in definitions.iter().enumerate() {
            let cells = Row(cells);
            let definition =
                cells.text(0).zip(cells.number(1)).and_then(|(letter, oid)| DefinitionId::parse(letter, oid));
            let (definition, text) =
                definition.zip(cells.text(2)).ok_or(CatalogueError::Row { query: results.len(), row })?;
            draft.define_by_id(definition, text.to_owned());
        }
        Self::empty().with(&draft)
    }

    /// The next snapshot, with the objects of a draft in place of the former ones.
    ///
    /// # Errors
    /// When a row is not as its query makes it; this snapshot stays as it is then.
    pub fn with(&self, draft: &Draft) -> Result<Self, CatalogueError> {
        let parts = Parts::of(draft)?;
        let mut next = self.clone();
        next.loaded |= draft.plan.complete;
        let changed = next.take_relations(self, draft, &parts)?;
        let functions = draft.rows(2, |row| function(row, draft, &parts, self))?;
        replace(&mut next.functions, &mut next.dependants, draft, functions);
        let operators = draft.rows(3, |row| operator(row, &parts))?;
        replace(&mut next.operators, &mut next.dependants, draft, operators);
        let types = draft.rows(4, |row| data_type(row, draft, &parts))?;
        replace(&mut next.types, &mut next.dependants, draft, types);
        let casts = draft.rows(6, |row| cast(row, &parts))?;
        replace(&mut next.casts, &mut next.dependants, draft, casts);
        next.settle_families(self, &changed);
        next.settle_versions(draft);
        Ok(next)
    }

    fn take_relations(
        &mut self,
        before: &Self,
        draft: &Draft,
        parts: &Parts,
    ) -> Result<Vec<u32>, CatalogueError> {
        let relations = draft.rows(0, |row| relation(row, draft, parts, before))?;
        let planned = draft.plan.objects.iter().filter(|one| one.class == ObjectClass::Relation);
        let mut changed: BTreeSet<u32> = planned.map(|one| one.oid).collect();
        changed.extend(relations.iter().map(|one| one.oid).filter(|oid| draft.has(ObjectId::relation(*oid))));
        replace(&mut self.relations, &mut self.dependants, draft, relations);
        Ok(changed.into_iter().collect())
    }

    fn settle_versions(&mut self, draft: &Draft) {
        let incomplete = draft.incomplete();
        let mut unread: BTreeSet<ObjectId> =
            self.unread.iter().filter(|one| !draft.has(**one)).copied().collect();
        for object in &draft.plan.objects {
            match draft.plan.versions.get(object) {
                Some(version) => self.versions.insert(*object, *version),
                None => {
                    self.versions.remove(object);
                }
            }
        }
        unread.extend(incomplete);
        self.unread = Arc::new(unread);
    }
}

/// Puts objects of one class in the place of those that the draft is about.
fn replace<T: Object>(table: &mut Table<T>, dependants: &mut Dependants, draft: &Draft, objects: Vec<T>) {
    for object in draft.plan.objects.iter().filter(|object| object.class == T::CLASS) {
        if let Some(gone) = table.remove(object.oid) {
            dependants.remove(*object, gone.requires());
        }
    }
    for object in objects {
        let id = ObjectId { class: T::CLASS, oid: object.oid() };
        if draft.has(id) {
            dependants.add(id, object.requires());
            table.put(Arc::new(object));
        }
    }
}

/// The rows that belong to objects, by object.
struct Parts {
    columns: FxHashMap<u32, FxHashMap<i16, Column>>,
    types: FxHashMap<u32, Vec<u32>>,
    policies: FxHashMap<u32, Vec<(u32, Arc<Definition>)>>,
    parents: FxHashMap<u32, Vec<u32>>,
    rules: FxHashMap<u32, Vec<Rule>>,
    triggers: FxHashMap<u32, Vec<Trigger>>,
    expressions: FxHashMap<u32, Vec<ColumnExpression>>,
    foreign_keys: FxHashMap<u32, Vec<ForeignKey>>,
    checks: FxHashMap<u32, Vec<u32>>,
    requires: FxHashMap<ObjectId, Vec<ObjectId>>,
}

impl Parts {
    fn of(draft: &Draft) -> Result<Self, CatalogueError> {
        let mut columns: FxHashMap<u32, FxHashMap<i16, Column>> = FxHashMap::default();
        let mut types: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
        for (relation, number, column, added) in draft.rows(1, column)? {
            columns.entry(relation).or_default().insert(number, column);
            let types = types.entry(relation).or_default();
            if added != 0 && !types.contains(&added) {
                types.push(added);
            }
        }
        Ok(Self {
            columns,
            types,
            policies: grouped(draft.rows(7, |row| {
                let policy = row.number(1)?;
                let text = draft.text(DefinitionId::Policy(policy)).map(|text| format!("SELECT {text}"));
                Some((row.number(0)?, (policy, Arc::new(Definition::new(text)))))
            })?),
            parents: grouped(draft.rows(8, |row| Some((row.number(0)?, row.number(1)?)))?),
            rules: grouped(draft.rows(9, |row| rule(row, draft))?),
            triggers: grouped(draft.rows(10, trigger)?),
            expressions: grouped(draft.rows(11, |row| column_expression(row, draft))?),
            foreign_keys: grouped(draft.rows(12, foreign_key)?),
            checks: grouped(draft.rows(5, |row| Some((row.number(0)?, row.number(1)?)))?),
            requires: grouped(draft.rows(13, |row| Some((row.object(0)?, row.object(2)?)))?),
        })
    }

    /// What an object requires: by `pg_depend`, and by what it refers to.
    fn required(&self, object: ObjectId, more: impl IntoIterator<Item = ObjectId>) -> Arc<Vec<ObjectId>> {
        let listed = self.requires.get(&object).into_iter().flatten().copied();
        let all: BTreeSet<ObjectId> = listed.chain(more).filter(|one| *one != object).collect();
        Arc::new(all.into_iter().collect())
    }
}

fn grouped<K: std::hash::Hash + Eq, V>(pairs: Vec<(K, V)>) -> FxHashMap<K, Vec<V>> {
    let mut groups: FxHashMap<K, Vec<V>> = FxHashMap::default();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}

/// The group of a key, shared.
fn shared<V: Clone + Default>(groups: &FxHashMap<u32, V>, key: u32) -> Arc<V> {
    groups.get(&key).cloned().map(Arc::new).unwrap_or_default()
}

fn column(row: &Row<'_>) -> Option<(u32, i16, Column, u32)> {
    let added_type = row.number(3)?;
    let column = Column {
        name: row.owned(2)?,
        data_type: row.number(4)?,
        added_type,
        not_null: row.text(5).map(|text| text == "t"),
    };
    Some((row.number(0)?, row.number(1)?, column, added_type))
}

fn relation(row: &Row<'_>, draft: &Draft, parts: &Parts, before: &Catalogue) -> Option<Relation> {
    let oid: u32 = row.number(0)?;
    let (schema, name) = (row.text(1)?, row.text(2)?);
    let kind = RelationKind::of_relkind(row.text(3)?)?;
    let columns = shared(&parts.columns, oid);
    let parents = shared(&parts.parents, oid);
    let foreign_keys = shared(&parts.foreign_keys, oid);
    let triggers = shared(&parts.triggers, oid);
    let more = parents.iter().chain(foreign_keys.iter().map(|key| &key.referenced));
    let more = more.map(|oid| ObjectId::relation(*oid));
    let requires = parts.required(
        ObjectId::relation(oid),
        more.chain(triggers.iter().map(|one| ObjectId::function(one.function))),
    );
    let is_view =
        matches!(kind, RelationKind::View | RelationKind::MaterializedView) && oid >= super::FIRST_ADDED_OID;
    let old = before.relation_by_oid(oid).and_then(|old| old.view.as_ref());
    let view = is_view.then(|| kept(old, draft.text(DefinitionId::View(oid)).map(str::to_owned)));
    let (policy_oids, policies) = parts.policies.get(&oid).into_iter().flatten().cloned().unzip();
    Some(Relation {
        oid,
        namespace: row.number(5)?,
        schema: schema.into(),
        name: name.into(),
        qualified: Name::qualified(schema, name).to_string(),
        kind,
        temporary: row.text(6)? == "t",
        xmin: row.number(4)?,
        extension: row.owned(8),
        foreign: kind == RelationKind::Foreign,
        stored: kind == RelationKind::MaterializedView,
        family: None,
        names: Arc::new(columns.values().map(|column| column.name.clone()).collect::<FxHashSet<_>>()),
        columns,
        types: shared(&parts.types, oid),
        view,
        policies,
        policy_oids,
        rules: shared(&parts.rules, oid),
        triggers,
        expressions: shared(&parts.expressions, oid),
        foreign_keys,
        parents,
        requires,
    })
}

/// The former definition if its text is the same: it may have been parsed already.
fn kept(old: Option<&Arc<Definition>>, text: Option<String>) -> Arc<Definition> {
    match old.filter(|old| old.text() == text.as_deref()) {
        Some(old) => Arc::clone(old),
        None => Arc::new(Definition::new(text)),
    }
}

fn rule(row: &Row<'_>, draft: &Draft) -> Option<(u32, Rule)> {
    let (oid, name) = (row.number(1)?, row.text(2)?);
    let definition = (name != VIEW_RULE).then(|| {
        let text = draft.text(DefinitionId::Rule(oid)).map(str::to_owned);
        Arc::new(Definition::new(text))
    });
    let rule = Rule {
        oid,
        name: name.into(),
        event: RuleEvent::of_ev_type(row.text(3)?)?,
        instead: row.truth(4)?,
        enabled: fires(row.text(5)?),
        xmin: row.number(6)?,
        definition,
    };
    Some((row.number(0)?, rule))
}

/// Whether a rule or trigger fires in ordinary sessions: `O` (origin) and `A` (always).
fn fires(enabled: &str) -> bool {
    matches!(enabled, "O" | "A")
}

fn trigger(row: &Row<'_>) -> Option<(u32, Trigger)> {
    let trigger = Trigger {
        oid: row.number(1)?,
        name: row.owned(2)?,
        events: row.number(3)?,
        enabled: fires(row.text(4)?),
        function: row.number(5)?,
        conditional: row.truth(6)?,
        xmin: row.number(7)?,
    };
    Some((row.number(0)?, trigger))
}

fn column_expression(row: &Row<'_>, draft: &Draft) -> Option<(u32, ColumnExpression)> {
    let oid = row.number(2)?;
    let text = draft.text(DefinitionId::ColumnExpression(oid));
    let expression = ColumnExpression {
        column: row.number(1)?,
        generated: !row.text(3)?.is_empty(),
        oid,
        definition: Arc::new(Definition::new(text.map(|text| format!("SELECT {text}")))),
    };
    Some((row.number(0)?, expression))
}

fn foreign_key(row: &Row<'_>) -> Option<(u32, ForeignKey)> {
    let key = ForeignKey {
        oid: row.number(1)?,
        referenced: row.number(2)?,
        name: row.owned(3)?,
        on_delete: ReferentialAction::of_letter(row.text(4)?)?,
        on_update: ReferentialAction::of_letter(row.text(5)?)?,
        columns: row.numbers(6)?,
        referenced_columns: row.numbers(7)?,
    };
    Some((row.number(0)?, key))
}

fn function(row: &Row<'_>, draft: &Draft, parts: &Parts, before: &Catalogue) -> Option<Function> {
    let oid: u32 = row.number(3)?;
    let old = before.function_by_oid(oid).and_then(Function::details).and_then(|old| old.body.as_ref());
    let body = match (row.text(9)?, row.text(13)) {
        ("sql", Some("")) => {
            let text = draft.text(DefinitionId::Body(oid)).map(atomic_statements);
            Some(kept(old, text))
        }
        ("sql", text) => Some(kept(old, text.map(str::to_owned))),
        _ => None,
    };
    let details = FunctionDetails {
        xmin: row.number(4)?,
        kind: row.letter(6)?,
        volatility: row.letter(7)?,
        security_definer: row.truth(8)?,
        language: row.owned(9)?,
        returns: row.number(10)?,
        returns_set: row.truth(11)?,
        arguments: row.numbers(12)?,
        settings: row.owned(14),
        extension: row.owned(15),
        atomic: row.text(9)? == "sql" && row.text(13) == Some(""),
        body,
    };
    Some(Function {
        namespace: row.number(5)?,
        details: Some(Box::new(details)),
        requires: parts.required(ObjectId::function(oid), []),
        ..row.function(0, 3)?
    })
}

/// The statements of `BEGIN ATOMIC … END` or `RETURN …`, as a string of statements.
fn atomic_statements(body: &str) -> String {
    let body = body.trim();
    if let Some(expression) = body.strip_prefix("RETURN ") {
        return format!("SELECT {expression}");
    }
    let inner = body.strip_prefix("BEGIN ATOMIC").and_then(|inner| inner.strip_suffix("END"));
    inner.unwrap_or(body).trim().to_owned()
}

fn operator(row: &Row<'_>, parts: &Parts) -> Option<Operator> {
    let oid = row.number(8)?;
    let function = row.function(5, 10)?;
    let requires = [ObjectId::function(function.oid)];
    Some(Operator {
        oid,
        namespace: row.number(9)?,
        schema: row.owned(0)?,
        name: row.owned(1)?,
        operands: row.operands(2)?,
        requires: parts.required(ObjectId { class: ObjectClass::Operator, oid }, requires),
        function,
    })
}

fn data_type(row: &Row<'_>, draft: &Draft, parts: &Parts) -> Option<Type> {
    let oid: u32 = row.number(0)?;
    let (schema, name) = (row.text(1)?, row.text(2)?);
    let checks: Vec<(u32, Option<Box<str>>)> = parts
        .checks
        .get(&oid)
        .into_iter()
        .flatten()
        .map(|check| (*check, draft.text(DefinitionId::Check(*check)).map(Box::from)))
        .collect();
    let kind = match row.text(3)? {
        "plain" if checks.is_empty() => TypeKind::Plain,
        "plain" => TypeKind::Checked(Arc::new(Definition::new(all_checks(&checks)))),
        _ => TypeKind::Opaque,
    };
    let made_of = [row.number(6).map(ObjectId::relation), row.number(7).map(ObjectId::data_type)];
    let made_of = made_of.into_iter().flatten().filter(|one| one.oid >= super::FIRST_ADDED_OID);
    Some(Type {
        oid,
        namespace: row.number(5)?,
        schema: schema.into(),
        name: name.into(),
        qualified: Name::qualified(schema, name).to_string(),
        kind,
        checks,
        xmin: row.number(4)?,
        requires: parts.required(ObjectId::data_type(oid), made_of),
    })
}

/// One statement that evaluates all checks; `None` when one of them could not be read.
fn all_checks(checks: &[(u32, Option<Box<str>>)]) -> Option<String> {
    let texts: Option<Vec<String>> =
        checks.iter().map(|(_, text)| text.as_ref().map(|text| format!("({text})"))).collect();
    Some(format!("SELECT {}", texts?.join(" AND ")))
}

fn cast(row: &Row<'_>, parts: &Parts) -> Option<Cast> {
    let oid = row.number(6)?;
    let function = row.function(3, 7)?;
    let requires = [ObjectId::function(function.oid)];
    Some(Cast {
        oid,
        operands: row.operands(0)?,
        explicit: row.text(9)? == "e",
        between: [row.number(10)?, row.number(11)?],
        requires: parts.required(ObjectId { class: ObjectClass::Cast, oid }, requires),
        function,
    })
}
