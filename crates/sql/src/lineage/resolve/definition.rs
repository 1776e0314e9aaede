//! Definitions that change: values are found under other names, or behind definitions that no longer tell of them.

use std::collections::{BTreeMap, BTreeSet};

use super::Resolution;
use super::scope::{Entry, Scope};
use super::value::{Column, Table, Value};
use crate::catalogue::{Function, ObjectClass, ObjectId, Relation, RelationKind};
use crate::lineage::flows::{Place, Sources};
use crate::lineage::query::{Expression, StatementKind};
use crate::name::Name;
use crate::resolve::visible;

/// More objects than these behind a stored relation count as all that there are.
const BEHIND_MAX: usize = 10_000;

/// Definitions that are others from now on.
struct Replaced<'n> {
    objects: BTreeSet<ObjectId>,
    /// A name that may mean something new.
    name: Option<&'n str>,
}

impl<'a> Resolution<'a> {
    /// A statement that defines something, and moves values by it.
    pub(super) fn define(&mut self, kind: &'a StatementKind) {
        match kind {
            StatementKind::CreateFunction(name) => {
                let replaced = self.added_functions(name).into_iter().map(|one| ObjectId::function(one.oid));
                self.replaced(&Replaced { objects: replaced.collect(), name: Some(&name.name) }, None);
            }
            StatementKind::CreateTable { relation, defaults } => {
                self.created_table(relation, defaults);
                self.named_anew(&relation.name);
            }
            StatementKind::RenameSchema { from, to } => self.all_moved(to, |one| one.schema() == &**from),
            StatementKind::MoveExtension { extension, to } => {
                self.all_moved(to, |one| one.extension() == Some(extension));
            }
            StatementKind::Drop(names) => {
                let dropped = names.iter().flat_map(|name| self.relations_called(name));
                let children: Vec<_> = dropped.filter(|one| one.family().is_some()).collect();
                self.forgotten(&children);
            }
            StatementKind::CheckDomain(name) => self.checked_domain(name),
            _ => {}
        }
    }

    /// All relations of a kind are found in another schema.
    fn all_moved(&mut self, schema: &str, moves: impl Fn(&Relation) -> bool) {
        let catalogue = self.session.catalogue;
        if !catalogue.is_loaded() {
            self.copies(Place::Unknown, &Sources::unknown());
        }
        for relation in catalogue.relations().filter(|one| moves(one)) {
            self.moved(relation, &Name::qualified(schema, relation.name()).to_string(), None);
        }
    }

    /// What the columns of a new table will hold by default.
    fn created_table(&mut self, name: &Name, defaults: &'a [(Box<str>, Expression)]) {
        // What a column is generated from stands in the row itself.
        let own = |(name, _): &(Box<str>, Expression)| Column {
            name: Some(name.clone()),
            value: Value::constant(),
        };
        let row = Table::closed(defaults.iter().map(own).collect());
        let scope = Scope {
            entries: vec![Entry { alias: name.name.clone(), schema: None, table: row }],
            ..Scope::default()
        };
        for (column, default) in defaults {
            let sources = self.value(default, &scope).sources;
            let place = self.created(name).map_or(Place::Unknown, |relation| Place::Column {
                relation,
                column: column.to_string(),
                read_back: BTreeSet::new(),
            });
            self.copies(place, &sources);
        }
    }

    /// A new column: all rows hold its default, or what it is generated from.
    pub(super) fn added_column(
        &mut self,
        relations: &[&'a Relation],
        column: &str,
        value: &'a Expression,
        data_type: Option<&Name>,
        scope: &Scope<'_>,
    ) {
        let mut sources = self.value(value, scope).sources;
        for one in data_type.map(|name| self.types_called(name)).unwrap_or_default() {
            sources.add(&self.default_of_type(one.oid, 0));
        }
        for relation in self.kin_of(relations) {
            self.store(&[relation], &BTreeMap::from([(column.into(), sources.clone())]));
        }
        if relations.is_empty() {
            self.copies(Place::Unknown, &sources);
        }
    }

    /// The added types that a name can mean.
    fn types_called(&self, name: &Name) -> Vec<ObjectId> {
        let types = self.session.catalogue.types_named(&name.name).iter();
        let visible = types.filter(|one| visible(&one.schema, name, self.path.as_deref()));
        visible.map(|one| ObjectId::data_type(one.oid)).collect()
    }

    /// All values of a domain are checked: whether they pass says something of them.
    fn checked_domain(&mut self, name: &Name) {
        let catalogue = self.session.catalogue;
        let found = self.types_called(name);
        if found.is_empty() {
            return self.predicate(&Sources::unknown(), false);
        }
        for object in catalogue.dependants_closure(found, BEHIND_MAX) {
            let relation = catalogue.relation_by_oid(object.oid);
            if let Some(relation) = relation.filter(|_| object.class == ObjectClass::Relation) {
                let sources = self.relation(relation).sources();
                self.predicate(&sources, false);
            }
        }
    }

    /// The tables whose rows are of a composite type.
    pub(super) fn of_type(&self, relation: &Relation) -> Vec<&'a Relation> {
        if relation.kind() != RelationKind::Composite {
            return Vec::new();
        }
        let catalogue = self.session.catalogue;
        let row_types = catalogue.dependants(ObjectId::relation(relation.oid())).iter();
        let row_types = row_types.filter(|one| one.class == ObjectClass::Type);
        let tables = row_types.flat_map(|one| catalogue.dependants(*one));
        let tables = tables.filter(|one| one.class == ObjectClass::Relation);
        tables.filter_map(|one| catalogue.relation_by_oid(one.oid)).collect()
    }

    /// A view gets another query. Where it no longer shows what it showed, copies of that stay behind.
    pub(super) fn replace_view(&mut self, name: &Name, new: &Table) {
        let sources = new.sources();
        let objects = self.relations_called(name).into_iter().map(|one| ObjectId::relation(one.oid()));
        let replaced = Replaced { objects: objects.collect(), name: Some(&name.name) };
        self.replaced(&replaced, Some(&sources));
    }

    /// A name means something else from now on: texts of functions that have it do, too.
    pub(super) fn named_anew(&mut self, name: &str) {
        self.replaced(&Replaced { objects: BTreeSet::new(), name: Some(name) }, None);
    }

    /// These relations no longer belong to those that share their rows.
    pub(super) fn forgotten(&mut self, relations: &[&'a Relation]) {
        if !relations.is_empty() {
            let kin = self.kin_of(relations).into_iter().map(|one| ObjectId::relation(one.oid()));
            self.replaced(&Replaced { objects: kin.collect(), name: None }, None);
        }
    }

    /// These definitions change. Stored results of them (materialized views, generated columns) keep the values that
    /// they have, and nothing says any more where those came from. A new definition with all of `kept` loses none.
    fn replaced(&mut self, replaced: &Replaced<'_>, kept: Option<&Sources>) {
        for relation in self.session.catalogue.relations() {
            let computes = relation.expressions().iter().any(|one| one.generated);
            let is_itself = replaced.objects.contains(&ObjectId::relation(relation.oid()));
            if is_itself || !relation.stored && !computes {
                continue;
            }
            let table = self.relation(relation);
            let sources = table.sources();
            let is_kept = kept.is_some_and(|kept| kept.covers(&sources));
            if !sources.is_empty() && !is_kept && self.rests_on(relation, replaced) {
                self.kept_as_is(relation, &table);
            }
        }
    }

    /// Stored columns of which only a rule of their own tells what they hold.
    fn kept_as_is(&mut self, relation: &Relation, table: &Table) {
        let generated: BTreeSet<&str> = super::relation::generated(relation).map(|(name, _)| name).collect();
        for column in table.columns.iter() {
            let name = column.name.as_deref().unwrap_or_default();
            if relation.stored || generated.contains(name) {
                let place = Place::Column {
                    relation: relation.qualified().to_owned(),
                    column: name.to_owned(),
                    read_back: BTreeSet::new(),
                };
                self.copies(place, &column.value.sources);
            }
        }
    }

    /// Whether what a relation shows depends on one of these objects.
    fn rests_on(&self, relation: &Relation, replaced: &Replaced<'_>) -> bool {
        let mut seen = BTreeSet::from([ObjectId::relation(relation.oid())]);
        let mut left: Vec<ObjectId> = seen.iter().copied().collect();
        while let Some(object) = left.pop() {
            if replaced.objects.contains(&object) || self.names(object, replaced) || seen.len() > BEHIND_MAX {
                return true;
            }
            left.extend(self.behind(object).into_iter().filter(|one| seen.insert(*one)));
        }
        false
    }

    /// Whether the text of a function has the name that is given anew.
    fn names(&self, object: ObjectId, replaced: &Replaced<'_>) -> bool {
        let function = self.session.catalogue.function_by_oid(object.oid);
        let function = function.filter(|_| object.class == ObjectClass::Function);
        function.is_some_and(|function| mentioned(function).any(|name| Some(name) == replaced.name))
    }

    /// The objects that an object is made of, those that the text of a function names included.
    fn behind(&self, object: ObjectId) -> Vec<ObjectId> {
        let catalogue = self.session.catalogue;
        match object.class {
            ObjectClass::Relation => {
                catalogue.relation_by_oid(object.oid).map(|one| one.requires().to_vec()).unwrap_or_default()
            }
            ObjectClass::Function => {
                let Some(function) = catalogue.function_by_oid(object.oid) else { return Vec::new() };
                let named = mentioned(function).flat_map(|name| catalogue.named(name));
                function.requires().iter().copied().chain(named).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The names of objects in the text of a function.
fn mentioned(function: &Function) -> impl Iterator<Item = &str> {
    let body = function.details().and_then(|details| details.body.as_deref());
    body.into_iter().flat_map(|body| body.reading().mentioned_objects())
}
