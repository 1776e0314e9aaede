//! What happens to rows when they are written, besides what the statement says: defaults, rules, triggers, foreign keys.

use std::collections::BTreeSet;

use super::Resolution;
use super::modification::Stored;
use super::relation::{base_of, generated};
use super::scope::{Entry, Scope};
use super::value::{Table, Value};
use crate::catalogue::{
    FIRST_ADDED_OID, ObjectClass, ObjectId, ReferentialAction, Relation, RuleEvent, Trigger,
};
use crate::lineage::flows::{Place, SideChannelKind, Sources};
use crate::lineage::query::{Modification, StatementKind};
use crate::name::Name;
use crate::reading::Reading;

/// Foreign keys, domains and views are followed this far.
const STEPS_MAX: usize = 16;

/// `suppress_redundant_updates_trigger`.
const SUPPRESSES_UPDATES: u32 = 1291;

/// Extensions whose triggers put no values of other relations into a row.
const HARMLESS_EXTENSIONS: [&str; 3] = ["moddatetime", "insert_username", "lo"];

impl<'a> Resolution<'a> {
    /// Adds the defaults of all columns of a relation that are not listed.
    pub(super) fn store_defaults(
        &mut self,
        relation: &'a Relation,
        listed: &BTreeSet<Box<str>>,
        stored: &mut Stored,
    ) {
        self.store_defaults_of(relation, listed, stored, 0);
    }

    fn store_defaults_of(
        &mut self,
        relation: &'a Relation,
        listed: &BTreeSet<Box<str>>,
        stored: &mut Stored,
        steps: usize,
    ) {
        for (_, name, _) in relation.column_types() {
            if !listed.contains(name) {
                let sources = self.default_of(relation, name);
                add_stored(stored, name, &sources);
            }
        }
        // Behind a view the row is a row of the view's relation, with the defaults of that.
        let base = base_of(relation).filter(|_| steps < STEPS_MAX);
        let Some(base) = base.and_then(|name| self.relation_behind(name)) else { return };
        let behind = |view: &str| self.column_behind(relation, view).map(|(_, column)| column);
        let pairs: Vec<(Box<str>, String)> = relation
            .column_types()
            .into_iter()
            .filter_map(|(_, view, _)| Some((view.into(), behind(view)?)))
            .collect();
        let known = pairs.iter().filter(|(view, _)| listed.contains(view));
        let known: BTreeSet<Box<str>> = known.map(|(_, column)| column.as_str().into()).collect();
        let mut below = Stored::new();
        self.store_defaults_of(base, &known, &mut below, steps + 1);
        self.store(&[base], &below);
        for (view, column) in &pairs {
            if let Some(sources) = below.get(column.as_str()) {
                add_stored(stored, view, sources);
            }
        }
    }

    /// The sources of what a column holds where no value is given.
    pub(super) fn default_of(&mut self, relation: &'a Relation, column: &str) -> Sources {
        let mut own = relation.expressions().iter().filter(|one| !one.generated);
        if let Some(default) = own.find(|one| relation.column(one.column) == Some(column)) {
            return self.definition(&default.definition, &Scope::default()).sources();
        }
        let types = relation.column_types();
        let data_type = types.into_iter().find(|(_, name, _)| *name == column).map(|(.., oid)| oid);
        data_type.map(|oid| self.default_of_type(oid, 0)).unwrap_or_default()
    }

    /// The sources of a domain's default: all functions that the domain uses, since its default is not told apart.
    pub(super) fn default_of_type(&mut self, oid: u32, steps: usize) -> Sources {
        let mut sources = Sources::none();
        if oid < FIRST_ADDED_OID {
            return sources;
        }
        let Some(found) = self.session.catalogue.type_by_oid(oid).filter(|_| steps < STEPS_MAX) else {
            return Sources::unknown();
        };
        if !found.domain {
            return sources;
        }
        let in_definition = std::mem::replace(&mut self.in_definition, true);
        for required in found.requires.iter() {
            match required.class {
                ObjectClass::Function => sources.add(&self.result_of(*required)),
                ObjectClass::Type => sources.add(&self.default_of_type(required.oid, steps + 1)),
                _ => {}
            }
        }
        self.in_definition = in_definition;
        sources
    }

    fn result_of(&mut self, function: ObjectId) -> Sources {
        if function.oid < FIRST_ADDED_OID {
            return Sources::none();
        }
        match self.session.catalogue.function_by_oid(function.oid) {
            Some(function) => self.added_function(function, &Sources::none()),
            None => Sources::unknown(),
        }
    }

    /// A value that is stored in a column goes on into columns that refer to it.
    pub(super) fn cascade(&mut self, relations: &[&'a Relation], stored: &Stored, steps: usize) {
        if steps >= STEPS_MAX || stored.values().all(Sources::is_empty) {
            return;
        }
        for relation in self.kin_of(relations) {
            for (child, key) in self.session.catalogue.referring(relation.oid()) {
                if !matches!(key.on_update, ReferentialAction::Cascade) {
                    continue;
                }
                let mut below = Stored::new();
                for (from, to) in key.referenced_columns.iter().zip(&key.columns) {
                    let (Some(from), Some(to)) = (relation.column(*from), child.column(*to)) else {
                        continue;
                    };
                    for sources in [stored.get(from), stored.get("")].into_iter().flatten() {
                        add_stored(&mut below, to, sources);
                    }
                }
                self.store(&[child], &below);
                self.cascade(&[child], &below, steps + 1);
            }
        }
    }

    /// Writing to the server's own catalogs changes what any name means; writing to `pg_settings` changes settings.
    pub(super) fn catalogs_written(&mut self, name: &Name, relations: &[&'a Relation], stored: &Stored) {
        let own = relations.is_empty() && name.name.starts_with("pg_")
            || relations.iter().any(|one| one.oid() < FIRST_ADDED_OID && one.schema() == "pg_catalog");
        if !own {
            return;
        }
        self.copies(Place::Unknown, &Sources::unknown());
        for sources in stored.values() {
            self.side_channel(SideChannelKind::Setting, sources);
        }
    }

    /// These relations, and those behind views that a write to them reaches.
    pub(super) fn rewritten(&self, relations: &[&'a Relation]) -> Vec<&'a Relation> {
        let mut all: Vec<&'a Relation> = relations.to_vec();
        let mut index = 0;
        while let Some(relation) = all.get(index).copied() {
            let base = base_of(relation).and_then(|name| self.relation_behind(name));
            all.extend(base.filter(|base| !all.iter().any(|one| one.oid() == base.oid())));
            index += 1;
        }
        all
    }

    /// These relations, and all that share their rows.
    pub(super) fn kin_of(&self, relations: &[&'a Relation]) -> Vec<&'a Relation> {
        let catalogue = self.session.catalogue;
        let mut all: Vec<&'a Relation> = relations.to_vec();
        let mut seen: BTreeSet<u32> = all.iter().map(|one| one.oid()).collect();
        let mut index = 0;
        while let Some(relation) = all.get(index).copied() {
            index += 1;
            if relation.family().is_none() {
                continue;
            }
            let parents = relation.parents().iter().filter_map(|oid| catalogue.relation_by_oid(*oid));
            let kin = parents.chain(catalogue.children(relation.oid()));
            all.extend(kin.filter(|one| seen.insert(one.oid())));
        }
        all
    }

    /// Rules of the target run other statements, with the rows that are written. Returns what these return: the server
    /// sends it to the client also where nothing else is returned.
    pub(super) fn run_rules(
        &mut self,
        one: &Modification,
        relations: &[&'a Relation],
        written: &Table,
        old: &Table,
    ) -> Sources {
        let mut returned = Sources::none();
        for relation in self.rewritten(relations) {
            let is_target = relations.iter().any(|one| one.oid() == relation.oid());
            for rule in relation.rules().iter().filter(|rule| rule.enabled && fires(one, rule.event)) {
                let Some(definition) = &rule.definition else { continue };
                if is_target {
                    returned.add(&self.rule(definition.reading(), written, old));
                } else {
                    let old = self.relation(relation);
                    let new = with_everywhere(&old, &written.sources());
                    returned.add(&self.rule(definition.reading(), &new, &old));
                }
            }
        }
        returned
    }

    fn rule(&mut self, reading: &'a Reading, written: &Table, old: &Table) -> Sources {
        let entry =
            |alias: &str, table: &Table| Entry { alias: alias.into(), schema: None, table: table.clone() };
        let scope = Scope { entries: vec![entry("new", written), entry("old", old)], ..Scope::default() };
        let statement = match reading.lineage.as_slice() {
            [statement] => Some(&statement.kind),
            _ => None,
        };
        let Some(StatementKind::CreateRule { conditions, actions, .. }) = statement else {
            return self.unread_code();
        };
        if self.depth >= super::DEPTH_MAX {
            return self.unread_code();
        }
        let path = self.path.replace(vec![super::DEFINITION_PATH.to_owned()]);
        let in_definition = std::mem::replace(&mut self.in_definition, true);
        let common = std::mem::take(&mut self.common);
        self.depth += 1;
        let mut returned = Sources::none();
        for condition in conditions {
            self.condition(condition, &scope);
        }
        for action in actions {
            returned.add(&self.inner_statement(action, &scope).sources());
        }
        self.depth -= 1;
        self.common = common;
        self.in_definition = in_definition;
        self.path = path;
        returned
    }

    /// Code of triggers is not read: what it says in errors and notices may be anything.
    pub(super) fn run_triggers(&mut self, relations: &[&'a Relation]) {
        let reached = self.kin_of(&self.rewritten(relations));
        let catalogue = self.session.catalogue;
        let referring = reached.iter().flat_map(|one| catalogue.referring(one.oid())).map(|(child, _)| child);
        let mut all = reached.iter().copied().chain(referring);
        if all.any(|relation| relation.triggers().iter().any(|trigger| trigger.enabled)) {
            self.touch(&Sources::unknown());
        }
    }

    /// Whether a trigger may put anything into the rows that are written, so that RETURNING shows it.
    pub(super) fn triggers_write(&self, one: &Modification, relations: &[&'a Relation]) -> bool {
        let writes = !one.inserts.is_empty()
            || !one.updates.is_empty()
            || one.conflict.as_ref().is_some_and(|conflict| !conflict.updates.is_empty());
        let reached = self.kin_of(&self.rewritten(relations));
        let mut triggers = reached.iter().flat_map(|relation| relation.triggers());
        writes && triggers.any(|trigger| changes_rows(trigger) && !self.is_harmless(trigger))
    }

    fn is_harmless(&self, trigger: &Trigger) -> bool {
        if trigger.function == SUPPRESSES_UPDATES {
            return true;
        }
        let Some(function) = self.session.catalogue.function_by_oid(trigger.function) else { return false };
        let extension = function.details().and_then(|details| details.extension.as_deref());
        extension.is_some_and(|name| HARMLESS_EXTENSIONS.contains(&name))
            || self.session.safe_functions.contains(function.qualified())
    }

    /// The target's columns with what they hold after the write as well.
    pub(super) fn with_stored(&self, relations: &[&'a Relation], table: &Table, stored: &Stored) -> Table {
        let anywhere = stored.get("").cloned().unwrap_or_default();
        let mut everything = Sources::none();
        stored.values().for_each(|sources| everything.add(sources));
        let mut columns = table.columns.to_vec();
        let computes = |relation: &&Relation, name: &str| generated(relation).any(|(one, _)| one == name);
        let behind = self.rewritten(relations);
        let behind = behind.iter().filter(|one| !relations.iter().any(|target| target.oid() == one.oid()));
        let computed_behind = behind.into_iter().any(|one| generated(one).next().is_some());
        for column in &mut columns {
            let name = column.name.as_deref().unwrap_or_default();
            let own = stored.get(name);
            let is_computed = computed_behind || relations.iter().any(|one| computes(one, name));
            let computed = is_computed.then_some(&everything);
            let all = own.into_iter().chain([&anywhere]).chain(computed);
            for sources in all.filter(|sources| !sources.is_empty()) {
                column.value.sources.add(sources);
                column.value.plain = false;
            }
        }
        let mut open = table.open.clone();
        if let Some(open) = &mut open {
            open.sources.add(&everything);
        }
        Table { columns: columns.into(), open }
    }
}

pub(super) fn add_stored(stored: &mut Stored, column: &str, sources: &Sources) {
    if !sources.is_empty() {
        stored.entry(column.into()).or_default().add(sources);
    }
}

/// The same columns, each with more sources.
pub(super) fn with_everywhere(table: &Table, sources: &Sources) -> Table {
    if sources.is_empty() {
        return table.clone();
    }
    let mut columns = table.columns.to_vec();
    let mut open = table.open.clone();
    for value in columns.iter_mut().map(|column| &mut column.value).chain(&mut open) {
        *value = Value { sources: value.sources.clone(), plain: false, row: None };
        value.sources.add(sources);
    }
    Table { columns: columns.into(), open }
}

fn fires(one: &Modification, event: RuleEvent) -> bool {
    match event {
        RuleEvent::Select => false,
        RuleEvent::Insert => !one.inserts.is_empty(),
        RuleEvent::Update => {
            !one.updates.is_empty()
                || one.conflict.as_ref().is_some_and(|conflict| !conflict.updates.is_empty())
        }
        // MERGE may delete, and does not run on relations with rules.
        RuleEvent::Delete => one.inserts.is_empty() && one.updates.is_empty(),
    }
}

/// Whether a trigger runs for each row before it is written, or in place of that.
fn changes_rows(trigger: &Trigger) -> bool {
    trigger.enabled
        && (trigger.is_for_each_row() && trigger.is_before() || trigger.is_instead())
        && (trigger.fires_on_insert() || trigger.fires_on_update())
}
