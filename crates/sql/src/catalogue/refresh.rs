//! Reading a catalogue again as far as it has changed.
//!
//! The owner of a connection runs [`setup`] once on it. Then, each time:
//! 1. the summary ([`SUMMARY_BUCKETS`], [`summary_query`]), which says in which buckets anything has changed;
//! 2. the versions of the objects in a [`Scope`] ([`Scope::versions_query`]); [`Catalogue::plan`] compares them with
//!    what is known and adds what depends on what has changed;
//! 3. the rows of these objects ([`Plan::queries`]), which make a [`Draft`];
//! 4. the definitions that the draft lists, one by one; one that cannot be read is left out.
//!
//! [`Catalogue::with`] then makes the next snapshot. Versions are read before what they stand for: what changes in
//! between has another version at the next reading and is read once more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rustc_hash::FxHashMap;

use super::definition_query::{DefinitionId, DefinitionQuery};
use super::object::{ObjectClass, ObjectId};
use super::queries::{self, ROWS, SETUP, VERSIONS};
use super::row::{Row, Rows};
use super::{Catalogue, CatalogueError};

/// Objects of a class are spread over this many buckets, by oid.
const SUMMARY_BUCKETS: u32 = 64;

/// The statements that prepare a connection, to be run once and in this order.
#[must_use]
pub fn setup() -> Vec<String> {
    let parameters = "(oid[], oid[], oid[], oid[], oid[], oid[])";
    let mut statements = vec![SETUP.to_owned(), "SET plan_cache_mode = force_generic_plan".to_owned()];
    for (at, text) in ROWS.iter().chain([&VERSIONS]).enumerate() {
        statements.push(format!("PREPARE countersign_{at} {parameters} AS {}", queries::of_some(text)));
    }
    let parameters = "(oid[], oid[], oid[], oid[], oid[], oid[], name[])";
    statements.push(format!("PREPARE countersign_named {parameters} AS {}", queries::of_named(VERSIONS)));
    statements
}

/// Asks for a hash over the versions of all objects in a bucket.
#[must_use]
pub fn summary_query() -> String {
    format!(
        "SELECT v.class, v.oid::pg_catalog.int8 % {SUMMARY_BUCKETS}, sum(v.sum) FROM ({}) v GROUP BY 1, 2",
        queries::of_all(VERSIONS)
    )
}

/// Asks for the versions of some objects, and of relations, functions and types by their names, with what belongs to
/// them. [`Catalogue::plan_named`] takes the result.
#[must_use]
pub fn named_query<'a>(names: impl IntoIterator<Item = &'a str>, known: &BTreeSet<ObjectId>) -> String {
    let mut list = String::new();
    for name in names {
        list.push_str(if list.is_empty() { "\"" } else { ",\"" });
        for character in name.chars().filter(|character| *character != '\0') {
            if matches!(character, '"' | '\\') {
                list.push('\\');
            }
            list.push(character);
        }
        list.push('"');
    }
    let list = list.replace('\\', "\\\\").replace('\'', "\\'");
    format!("EXECUTE countersign_named({}, E'{{{list}}}')", queries::arguments(known.iter()))
}

/// The hashes of all buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    buckets: BTreeMap<(ObjectClass, u32), i128>,
}

impl Summary {
    /// Takes in the result of [`summary_query`].
    ///
    /// # Errors
    /// When a row is not as the query makes it.
    pub fn from_rows(rows: &Rows) -> Result<Self, CatalogueError> {
        let mut buckets = BTreeMap::new();
        for (row, cells) in rows.iter().enumerate() {
            let (bucket, hash) = versioned(cells).ok_or(CatalogueError::Versions { row })?;
            buckets.insert((bucket.class, bucket.oid), hash);
        }
        Ok(Self { buckets })
    }

    /// The buckets that differ; `None` when none does.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Option<Scope> {
        let differs = |bucket: &&(ObjectClass, u32)| self.buckets.get(bucket) != other.buckets.get(bucket);
        let buckets: BTreeSet<_> =
            self.buckets.keys().chain(other.buckets.keys()).filter(differs).copied().collect();
        (!buckets.is_empty()).then_some(Scope::Buckets(buckets))
    }
}

/// The objects whose versions are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// Those in some buckets of a [`Summary`].
    Buckets(BTreeSet<(ObjectClass, u32)>),
    /// These.
    Objects(BTreeSet<ObjectId>),
}

impl Scope {
    /// Asks for the versions of the objects in the scope.
    #[must_use]
    pub fn versions_query(&self) -> String {
        match self {
            Self::All => queries::of_all(VERSIONS),
            Self::Buckets(buckets) => {
                let mut list = String::new();
                for (class, bucket) in buckets {
                    // Writing to a string cannot fail.
                    let _ = write!(list, "{}('{}', {bucket})", comma(&list), class.letter());
                }
                format!(
                    "SELECT v.* FROM ({}) v WHERE (v.class, v.oid::pg_catalog.int8 % {SUMMARY_BUCKETS}) IN ({list})",
                    queries::of_all(VERSIONS)
                )
            }
            Self::Objects(objects) => {
                format!("EXECUTE countersign_{}({})", ROWS.len(), queries::arguments(objects.iter()))
            }
        }
    }

    pub(super) fn contains(&self, object: ObjectId) -> bool {
        match self {
            Self::All => true,
            Self::Buckets(buckets) => buckets.contains(&(object.class, object.oid % SUMMARY_BUCKETS)),
            Self::Objects(objects) => objects.contains(&object),
        }
    }
}

/// The objects that have to be read again.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Every object was looked at.
    pub(super) complete: bool,
    pub(super) everything: bool,
    /// The versions that were seen, of the objects to read.
    pub(super) versions: BTreeMap<ObjectId, i128>,
    pub(super) objects: BTreeSet<ObjectId>,
}

impl Plan {
    /// The number of objects to read again.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.objects.len()
    }

    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && !self.complete
    }

    /// Asks for the rows of these objects. The results belong to [`Draft::new`], in the same order.
    #[must_use]
    pub fn queries(&self) -> Vec<String> {
        if self.everything {
            return ROWS.iter().map(|text| queries::of_all(text)).collect();
        }
        let arguments = queries::arguments(self.objects.iter());
        let is_planned =
            |classes: &[ObjectClass]| self.objects.iter().any(|one| classes.contains(&one.class));
        let query = |(at, classes): (usize, &&[ObjectClass])| {
            if is_planned(classes) {
                format!("EXECUTE countersign_{at}({arguments})")
            } else {
                "SELECT WHERE false".to_owned()
            }
        };
        queries::ROW_CLASSES.iter().enumerate().map(query).collect()
    }
}

/// Rows of changed objects, and the definitions that are still to be read.
#[derive(Debug)]
pub struct Draft {
    pub(super) plan: Plan,
    pub(super) results: Vec<Rows>,
    wanted: Vec<DefinitionQuery>,
    texts: FxHashMap<DefinitionId, String>,
}

impl Draft {
    /// Takes in the results of [`Plan::queries`].
    ///
    /// # Errors
    /// When there are not as many results as queries, or a row is not as its query makes it.
    pub fn new(plan: Plan, results: Vec<Rows>) -> Result<Self, CatalogueError> {
        if results.len() != ROWS.len() {
            return Err(CatalogueError::Results { expected: ROWS.len(), got: results.len() });
        }
        let mut draft = Self { plan, results, wanted: Vec::new(), texts: FxHashMap::default() };
        draft.wanted = draft.find_wanted()?;
        Ok(draft)
    }

    /// The definitions to ask for, in any order.
    #[must_use]
    pub fn definitions(&self) -> &[DefinitionQuery] {
        &self.wanted
    }

    /// Takes in a definition. One that is left out makes its object unresolved until it is read.
    pub fn define(&mut self, query: &DefinitionQuery, text: String) {
        self.texts.insert(query.definition, text);
    }

    /// The server has no such definition. The object was dropped in the meantime, which the next comparison finds; a
    /// function in SQL may have an empty body.
    pub fn define_nothing(&mut self, query: &DefinitionQuery) {
        if matches!(query.definition, DefinitionId::Body(_)) {
            self.texts.insert(query.definition, String::new());
        }
    }

    pub(super) fn define_by_id(&mut self, definition: DefinitionId, text: String) {
        self.texts.insert(definition, text);
    }

    pub(super) fn text(&self, definition: DefinitionId) -> Option<&str> {
        self.texts.get(&definition).map(String::as_str)
    }

    /// Objects of which a definition is missing.
    pub(super) fn incomplete(&self) -> BTreeSet<ObjectId> {
        let missing = self.wanted.iter().filter(|one| !self.texts.contains_key(&one.definition));
        missing.map(|one| one.object).collect()
    }

    /// Whether it brings nothing but what could not be read before either.
    #[must_use]
    pub fn is_futile(&self, before: &Catalogue) -> bool {
        let incomplete = self.incomplete();
        let same_version = |object: &ObjectId| before.versions.get(object) == self.plan.versions.get(object);
        !self.plan.complete
            && self.plan.objects.iter().all(|object| {
                before.unread.contains(object) && incomplete.contains(object) && same_version(object)
            })
    }

    pub(super) fn has(&self, object: ObjectId) -> bool {
        self.plan.everything && self.plan.complete || self.plan.objects.contains(&object)
    }

    fn find_wanted(&self) -> Result<Vec<DefinitionQuery>, CatalogueError> {
        let mut relations: FxHashMap<ObjectId, Vec<u32>> = FxHashMap::default();
        for (object, required) in self.rows(13, |row| Some((row.object(0)?, row.object(2)?)))? {
            if required.class == ObjectClass::Relation {
                relations.entry(object).or_default().push(required.oid);
            }
        }
        let mut wanted = Vec::new();
        let mut want = |found: Vec<Option<(DefinitionId, ObjectId)>>| {
            for (definition, object) in found.into_iter().flatten().filter(|(_, object)| self.has(*object)) {
                let mut needs = relations.get(&object).cloned().unwrap_or_default();
                if object.class == ObjectClass::Relation {
                    needs.push(object.oid);
                }
                wanted.push(DefinitionQuery { definition, object, relations: needs });
            }
        };
        let of_relation = |row: &Row<'_>| row.number(0).map(ObjectId::relation);
        want(self.rows(0, |row| {
            let oid = row.number(0)?;
            let is_view = matches!(row.text(3)?, "v" | "m") && oid >= super::FIRST_ADDED_OID;
            Some(is_view.then_some((DefinitionId::View(oid), ObjectId::relation(oid))))
        })?);
        want(self.rows(2, |row| {
            let oid = row.number(3)?;
            let atomic = row.text(13).is_some_and(str::is_empty) && row.text(9)? == "sql";
            Some(atomic.then_some((DefinitionId::Body(oid), ObjectId::function(oid))))
        })?);
        want(self.rows(5, |row| {
            Some(Some((DefinitionId::Check(row.number(1)?), ObjectId::data_type(row.number(0)?))))
        })?);
        want(self.rows(7, |row| Some(Some((DefinitionId::Policy(row.number(1)?), of_relation(row)?))))?);
        want(self.rows(9, |row| {
            let own = row.text(2)? != super::VIEW_RULE;
            Some(own.then_some((DefinitionId::Rule(row.number(1)?), of_relation(row)?)))
        })?);
        want(self.rows(11, |row| {
            Some(Some((DefinitionId::ColumnExpression(row.number(2)?), of_relation(row)?)))
        })?);
        Ok(wanted)
    }

    /// The rows of a query, each taken in by `take`.
    pub(super) fn rows<T>(
        &self,
        query: usize,
        take: impl Fn(&Row<'_>) -> Option<T>,
    ) -> Result<Vec<T>, CatalogueError> {
        let rows = self.results.get(query).map(Vec::as_slice).unwrap_or_default();
        let taken = rows.iter().enumerate();
        taken.map(|(row, cells)| take(&Row(cells)).ok_or(CatalogueError::Row { query, row })).collect()
    }
}

impl Catalogue {
    /// Compares the versions of the objects in a scope with those of this snapshot, and adds the members of changed
    /// schemas and what depends on a changed object: its definition quotes names that may be others now.
    ///
    /// # Errors
    /// When a row is not as [`Scope::versions_query`] makes it.
    pub fn plan(&self, scope: &Scope, rows: &Rows) -> Result<Plan, CatalogueError> {
        let mut seen = BTreeMap::new();
        for (row, cells) in rows.iter().enumerate() {
            let (object, version) = versioned(cells).ok_or(CatalogueError::Versions { row })?;
            seen.insert(object, version);
        }
        let changed = |object: &&ObjectId| self.versions.get(*object) != seen.get(*object);
        let mut objects: BTreeSet<ObjectId> = seen.keys().filter(changed).copied().collect();
        match scope {
            Scope::Objects(listed) => objects.extend(listed.iter().filter(changed)),
            Scope::All | Scope::Buckets(_) => {
                let known = self.versions.iter().map(|(object, _)| object);
                objects.extend(known.filter(|object| scope.contains(**object)).filter(changed));
            }
        }
        self.add_members(&mut objects);
        let dependants: Vec<ObjectId> =
            objects.iter().flat_map(|object| self.dependants.of(*object)).copied().collect();
        objects.extend(dependants);
        objects.extend(self.unread.iter().filter(|object| scope.contains(**object)));
        let complete = *scope == Scope::All;
        let everything = complete && !self.loaded;
        seen.retain(|object, _| objects.contains(object));
        // Of what was not compared the version stays the one that is known: should it be outdated, it differs next time.
        for object in objects.iter().filter(|object| !scope.contains(**object)) {
            if let Some(version) = self.versions.get(object) {
                seen.insert(*object, *version);
            }
        }
        Ok(Plan { complete, everything, versions: seen, objects })
    }

    /// As [`Self::plan`] for the result of a [`named_query`] with these known objects; `None` when there are event
    /// triggers, which may have changed others as well.
    ///
    /// # Errors
    /// When a row is not as the query makes it.
    pub fn plan_named(&self, known: BTreeSet<ObjectId>, rows: &Rows) -> Result<Option<Plan>, CatalogueError> {
        let mut scope = known;
        for (row, cells) in rows.iter().enumerate() {
            if Row(cells).text(0) == Some("!") {
                return Ok(None);
            }
            scope.insert(Row(cells).object(0).ok_or(CatalogueError::Versions { row })?);
        }
        self.plan(&Scope::Objects(scope), rows).map(Some)
    }

    /// Adds the members of the schemas among these objects.
    fn add_members(&self, objects: &mut BTreeSet<ObjectId>) {
        let schemas: BTreeSet<u32> =
            objects.iter().filter(|one| one.class == ObjectClass::Namespace).map(|one| one.oid).collect();
        if schemas.is_empty() {
            return;
        }
        let inside = |namespace: u32| schemas.contains(&namespace);
        let of = |class| move |oid| ObjectId { class, oid };
        let relations = self.relations.iter().filter(|one| inside(one.namespace)).map(|one| one.oid);
        let functions = self.functions.iter().filter(|one| inside(one.namespace)).map(|one| one.oid);
        let operators = self.operators.iter().filter(|one| inside(one.namespace)).map(|one| one.oid);
        let types = self.types.iter().filter(|one| inside(one.namespace)).map(|one| one.oid);
        objects.extend(relations.map(of(ObjectClass::Relation)));
        objects.extend(functions.map(of(ObjectClass::Function)));
        objects.extend(operators.map(of(ObjectClass::Operator)));
        objects.extend(types.map(of(ObjectClass::Type)));
    }
}

/// A class, an oid or bucket, and a hash.
fn versioned(cells: &[Option<String>]) -> Option<(ObjectId, i128)> {
    let row = Row(cells);
    Some((row.object(0)?, row.number(2)?))
}

const fn comma(list: &str) -> &'static str {
    if list.is_empty() { "" } else { ", " }
}
