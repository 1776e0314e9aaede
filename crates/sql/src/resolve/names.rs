//! Each name against the search path and the catalogue; views and policies are followed.

use std::collections::BTreeSet;

use countersign_common::facts::{Action, Flag};
use rustc_hash::FxHashSet;

use super::Session;
use super::touched::Change;
use crate::catalogue::{
    Cast, Definition, FIRST_ADDED_OID, Function, Operands, Relation, RelationKind, Type, TypeKind,
};
use crate::filter::{Filter, Needs};
use crate::functions::{self, Call};
use crate::name::Name;
use crate::reading::{Kind, Part, Reading};

/// System views that show files of the server.
const FILE_VIEWS: [&str; 3] =
    ["pg_catalog.pg_file_settings", "pg_catalog.pg_hba_file_rules", "pg_catalog.pg_ident_file_mappings"];

/// What was found out about a part.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) reads: BTreeSet<String>,
    pub(super) writes: BTreeSet<String>,
    pub(super) functions: BTreeSet<String>,
    pub(super) flags: BTreeSet<Flag>,
    /// What it does besides the action of its statement.
    pub(super) acts: BTreeSet<Action>,
    /// An operator or cast runs code that nobody has reviewed, even if it was declared free of side effects: it may
    /// read anything.
    pub(super) added_syntax: bool,
}

pub(super) struct Resolver<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) found: Found,
    /// Definitions that were followed already: a view that is read twice, or by itself.
    pub(super) followed: FxHashSet<*const Definition>,
    /// Changes to relations that were followed already.
    pub(super) changed: FxHashSet<(u32, Change)>,
    /// Added types whose values occur.
    pub(super) types: FxHashSet<u32>,
    /// Row types of the relations that occur.
    rows: FxHashSet<u32>,
    /// Types that are named, to be cast to; `0` for built-in ones.
    named: FxHashSet<u32>,
    /// Values of the types that occur are made from text or JSON.
    populates: bool,
    /// A function that was added and not reviewed is called: it may return a row of any relation.
    added_code: bool,
    /// Every operator that is used, here and in what is followed: judged last, when all types are known.
    operators: BTreeSet<(Option<Vec<String>>, Name)>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(session: &'a Session<'a>) -> Self {
        Self {
            session,
            found: Found::default(),
            followed: FxHashSet::default(),
            changed: FxHashSet::default(),
            types: FxHashSet::default(),
            rows: FxHashSet::default(),
            named: FxHashSet::default(),
            populates: false,
            added_code: false,
            operators: BTreeSet::new(),
        }
    }

    pub(super) fn part(&mut self, part: &Part) {
        self.names(part, self.session.schemas);
        self.written(part, self.session.schemas);
        for name in &part.creates {
            let created = self.created(name);
            self.found.writes.insert(created);
        }
        self.found.writes.extend(part.objects.iter().cloned());
        self.objects(part);
        for filter in &part.filters {
            let flag = self.reach(filter);
            self.found.flags.extend(flag);
        }
    }

    /// Objects that are no relations, by their whole names.
    fn objects(&mut self, part: &Part) {
        for (kind, name) in &part.altered {
            let altered = self.qualified(*kind, name);
            self.found.writes.extend(altered);
        }
        for name in &part.mentioned {
            let mentioned = self.qualified(Kind::Function, name);
            self.found.functions.extend(mentioned);
        }
        for (relation, name) in &part.attached {
            let known = relations(self.session, relation, self.session.schemas);
            let attached = known.iter().map(|relation| format!("{}.{name}", relation.qualified));
            self.found.writes.extend(attached);
        }
    }

    fn qualified(&self, kind: Kind, name: &Name) -> Vec<String> {
        let (session, path) = (self.session, self.session.schemas);
        let known: Vec<String> = match kind {
            Kind::Function => session
                .catalogue
                .functions_named(&name.name)
                .iter()
                .filter(|one| visible(&one.schema, name, path))
                .map(|one| one.qualified.clone())
                .collect(),
            Kind::Type => session
                .catalogue
                .types_named(&name.name)
                .iter()
                .filter(|one| visible(&one.schema, name, path))
                .map(|one| one.qualified.clone())
                .collect(),
        };
        if known.is_empty() { candidates(name, path) } else { known }
    }

    /// How far a condition narrows what is changed, now that the columns are known. In doubt it reaches further.
    fn reach(&self, filter: &Filter) -> Option<Flag> {
        let known = relations(self.session, &filter.relation, self.session.schemas);
        let [relation] = known.as_slice() else {
            return (&filter.reach).max(&filter.elsewhere).flag(|_| None, |_| false);
        };
        let theirs = filter.bare.iter().any(|name| !relation.has_column(name));
        let reach = if theirs { (&filter.reach).max(&filter.elsewhere) } else { &filter.reach };
        // The columns of a view can be NULL as far as its definition goes.
        let stored = relation.kind != RelationKind::View;
        let not_null = |column: &str| relation.is_not_null(column).filter(|not_null| *not_null || stored);
        reach.flag(not_null, |needs| self.holds(needs, relation))
    }

    fn holds(&self, needs: &Needs, relation: &Relation) -> bool {
        let wide = needs.wider.iter().all(|(column, bytes)| match relation.data_type(column) {
            // smallint, integer, bigint.
            Some(21) => *bytes < 2,
            Some(23) => *bytes < 4,
            Some(20) => *bytes < 8,
            Some(_) => true,
            None => false,
        });
        let built_in = needs
            .built_in
            .iter()
            .all(|column| relation.data_type(column).is_some_and(|one| one < FIRST_ADDED_OID));
        let named = |name: &Name| relations(self.session, name, self.session.schemas);
        let apart = needs.apart.iter().all(|name| {
            let others = named(name);
            !others.is_empty() && others.into_iter().all(|other| self.is_apart(other, relation))
        });
        let inner = needs
            .inner
            .iter()
            .all(|(column, names)| names.iter().flat_map(named).any(|relation| relation.has_column(column)));
        wide && built_in && apart && inner
    }

    /// Whether a relation shows none of the rows of another.
    fn is_apart(&self, other: &'a Relation, relation: &Relation) -> bool {
        if other.oid == relation.oid || other.family.is_some() && other.family == relation.family {
            return false;
        }
        let (Some(query), true) =
            (&other.view, other.kind != RelationKind::MaterializedView || !other.stored)
        else {
            return other.kind != RelationKind::MaterializedView && !other.foreign;
        };
        let mut inner = Self::new(self.session);
        inner.follow(query);
        inner.kin_read(other, false);
        let family = |name: &String| {
            let (schema, name) = name.split_once('.').unwrap_or_default();
            let found = relations(self.session, &Name::qualified(schema, name), None);
            found
                .iter()
                .any(|one| one.oid == relation.oid || one.family.is_some() && one.family == relation.family)
        };
        !inner.found.reads.iter().any(family)
    }

    /// Everything that reading evaluates, with the names as they are under `path`.
    pub(super) fn names(&mut self, part: &Part, path: Option<&[String]>) {
        for name in &part.reads {
            self.reads(name, path, part.with_kin.contains(name));
        }
        for name in &part.types {
            self.type_name(name, path);
        }
        for name in &part.calls {
            self.call(name, part, path);
        }
        for keyword in &part.keyword_calls {
            self.added(&Name::bare(keyword), path);
        }
        for (qualifier, name) in &part.attributes {
            if !self.is_column(part, qualifier.as_deref(), name, path) {
                self.attribute(name, path);
            }
        }
        for name in &part.operators {
            self.operators.insert((path.map(<[String]>::to_vec), name.clone()));
        }
    }

    fn act(&mut self, action: Action, flag: Option<Flag>) {
        self.found.acts.insert(action);
        self.found.flags.extend(flag);
    }

    /// INVARIANT: I7. A name that the catalogue does not have may be anything by now.
    fn unresolved(&mut self) {
        self.found.flags.insert(Flag::Unresolved);
        self.found.acts.insert(Action::Unknown);
    }

    fn reads(&mut self, name: &Name, path: Option<&[String]>, with_children: bool) {
        let session = self.session;
        let known = relations(session, name, path);
        if path.is_none() && name.schema.is_none() {
            self.found.flags.insert(Flag::Unresolved);
        }
        if known.is_empty() {
            self.found.reads.extend(candidates(name, path));
            self.unresolved();
        }
        for relation in known {
            self.relation(relation);
            self.kin_read(relation, with_children);
        }
    }

    fn relation(&mut self, relation: &'a Relation) {
        self.found.reads.insert(relation.qualified.clone());
        self.types.extend(relation.types.iter());
        self.row_of(relation);
        if relation.foreign {
            // Nobody here knows what the other server runs for it, unless the target vouches for it.
            self.found.flags.insert(Flag::Network);
            if !self.session.safe_functions.contains(&relation.qualified) {
                self.found.acts.insert(Action::Outside);
            }
        }
        if FILE_VIEWS.contains(&relation.qualified.as_str()) {
            self.act(Action::Outside, Some(Flag::ServerFile));
        }
        for definition in relation.view.iter().filter(|_| !relation.stored).chain(&relation.policies) {
            self.follow(definition);
        }
    }

    /// What the server keeps is kept under a path of `pg_catalog` alone.
    pub(super) fn follow(&mut self, definition: &'a Definition) {
        if !self.followed.insert(std::ptr::from_ref(definition)) {
            return;
        }
        let reading: &Reading = definition.reading();
        if let Some(why) = reading.failure() {
            return self.act(Action::Unknown, Some(why));
        }
        let path = [String::from("pg_catalog")];
        for part in &reading.parts {
            self.found.flags.extend(
                part.flags.iter().filter(|flag| !matches!(flag, Flag::MissingWhere | Flag::WeakWhere)),
            );
            self.found.acts.extend(&part.more);
            // Whoever reads a view does not know that it sets something, and would not ask for the settings again.
            if part.sets_config {
                self.act(Action::Call, Some(Flag::RiskySetting));
            }
            self.names(part, Some(&path));
        }
    }

    fn created(&mut self, name: &Name) -> String {
        if name.schema.is_some() {
            return name.to_string();
        }
        let first = self.session.schemas.and_then(|path| {
            path.iter().find(|schema| schema.as_str() != "pg_catalog" && !schema.starts_with("pg_temp"))
        });
        match first {
            Some(schema) => Name::qualified(schema, &name.name).to_string(),
            None => {
                self.found.flags.insert(Flag::Unresolved);
                name.to_string()
            }
        }
    }

    fn call(&mut self, name: &Name, part: &Part, path: Option<&[String]>) {
        let added = self.added(name, path);
        let builtin = match name.schema.as_deref() {
            None | Some("pg_catalog") => functions::builtin(&name.name),
            Some("information_schema") => functions::builtin(&name.to_string()),
            Some(_) => None,
        };
        match builtin {
            Some(_) if added && functions::is_of_extension(&name.name) => {}
            Some(call) => self.builtin(name, call),
            None if added => {}
            None if !part.no_casts.contains(name) && self.is_cast(name, path) => {}
            None => {
                self.found.functions.insert(name.to_string());
                self.found.flags.insert(Flag::Unresolved);
                self.act(Action::Call, Some(Flag::UnlistedFunction));
            }
        }
    }

    fn builtin(&mut self, name: &Name, call: Call) {
        let schema = name.schema.as_deref().unwrap_or("pg_catalog");
        self.found.functions.insert(Name::qualified(schema, &name.name).to_string());
        self.populates |= functions::is_populating(&name.name);
        if let Call::Acts(action, flag) = call {
            self.act(action, flag);
        }
        if name.schema.is_none() && !self.session.catalogue.is_loaded() {
            self.unresolved();
        }
    }

    /// `order_status('new')` is a cast when no function has that name. The name of a relation is more likely that of a
    /// function that is not known yet than that of its row type.
    fn is_cast(&mut self, name: &Name, path: Option<&[String]>) -> bool {
        let known = functions::is_builtin_type(&name.name) || {
            let types = self.session.catalogue.types_named(&name.name);
            types.iter().any(|one| visible(&one.schema, name, path) && !self.is_row_type(one))
        };
        if known {
            self.type_name(name, path);
        }
        known
    }

    /// Whether a type is that of the rows of a relation.
    fn is_row_type(&self, found: &Type) -> bool {
        let (_, name) = found.qualified.split_at(found.schema.len() + 1);
        let mut named = self.session.catalogue.relations_named(name);
        named.any(|relation| relation.schema == found.schema && relation.kind != RelationKind::Composite)
    }

    /// Notes that rows of a relation occur.
    pub(super) fn row_of(&mut self, relation: &Relation) {
        let (_, name) = relation.qualified.split_at(relation.schema.len() + 1);
        let types = self.session.catalogue.types_named(name);
        self.rows.extend(types.iter().filter(|one| one.schema == relation.schema).map(|one| one.oid));
    }

    /// Functions that somebody added and that the name can mean, also by overloading a built-in. True if any.
    fn added(&mut self, name: &Name, path: Option<&[String]>) -> bool {
        let session = self.session;
        let mut any = false;
        for function in session.catalogue.functions_named(&name.name) {
            if visible(&function.schema, name, path) {
                any = true;
                self.added_function(function, &name.name);
            }
        }
        any
    }

    fn added_function(&mut self, function: &Function, name: &str) {
        // Behind an operator or a cast (no name) a reviewed function is not worth showing.
        if !function.reviewed || !name.is_empty() {
            self.found.functions.insert(function.qualified.clone());
        }
        if function.reviewed {
            return;
        }
        self.found.added_syntax |= name.is_empty();
        self.added_code = true;
        if self.session.safe_functions.contains(&function.qualified) {
            return;
        }
        self.body(function);
        // dblink and its like are known by name, wherever they were installed.
        match functions::builtin(name) {
            Some(Call::Acts(action, flag)) if action != Action::Call => {
                self.act(action, flag);
                self.found.flags.insert(Flag::UnlistedFunction);
            }
            _ => self.act(Action::Call, Some(Flag::UnlistedFunction)),
        }
    }

    /// Whether `qualifier.name` surely is a column.
    fn is_column(&self, part: &Part, qualifier: Option<&str>, name: &str, path: Option<&[String]>) -> bool {
        let Some(meant) = qualifier.and_then(|qualifier| part.aliases.get(qualifier)) else { return false };
        meant.iter().all(|relation| {
            relation.as_ref().is_some_and(|relation| {
                let known = relations(self.session, relation, path);
                !known.is_empty() && known.iter().all(|relation| relation.has_column(name))
            })
        })
    }

    /// `x.name` that may be the call `name(x)`.
    fn attribute(&mut self, name: &str, path: Option<&[String]>) {
        let bare = Name::bare(name);
        self.added(&bare, path);
        // `x.text` may be the cast `text(x)`.
        self.names_type(&bare, path);
        if let Some(call @ Call::Acts(..)) = functions::builtin(name) {
            self.builtin(&bare, call);
        }
    }

    /// Notes that values may be cast to what has this name.
    fn names_type(&mut self, name: &Name, path: Option<&[String]>) {
        if functions::is_builtin_type(&name.name) {
            self.named.insert(0);
        }
        let types = self.session.catalogue.types_named(&name.name);
        self.named.extend(types.iter().filter(|one| visible(&one.schema, name, path)).map(|one| one.oid));
    }

    fn type_name(&mut self, name: &Name, path: Option<&[String]>) {
        let session = self.session;
        self.names_type(name, path);
        let mut known = matches!(name.schema.as_deref(), None | Some("pg_catalog"))
            && functions::is_builtin_type(&name.name);
        for found in session.catalogue.types_named(&name.name) {
            if !visible(&found.schema, name, path) {
                continue;
            }
            known = true;
            self.value_of(found);
        }
        let anyones = name.schema.is_none() && !session.catalogue.is_loaded();
        if anyones || !known && name.to_string() != "pg_catalog.any" && !is_pseudo(&name.name) {
            self.unresolved();
        }
    }

    /// A value of an added type comes into being.
    fn value_of(&mut self, found: &'a Type) {
        self.types.insert(found.oid);
        match &found.kind {
            TypeKind::Plain => {}
            TypeKind::Checked(check) => self.follow(check),
            TypeKind::Opaque if self.session.safe_functions.contains(&found.qualified) => {}
            TypeKind::Opaque => {
                self.found.functions.insert(found.qualified.clone());
                self.act(Action::Call, Some(Flag::UnlistedFunction));
            }
        }
    }

    /// Parameters are made from what the client sends, by their types' own code.
    pub(super) fn parameters(&mut self, types: &[u32]) {
        let session = self.session;
        for oid in types.iter().filter(|oid| **oid >= FIRST_ADDED_OID) {
            match session.catalogue.type_by_oid(*oid) {
                Some(found) => self.value_of(found),
                None => self.unresolved(),
            }
        }
    }

    /// Operators and implicit casts, once all types that occur are known.
    pub(super) fn finish(&mut self, part: &Part) {
        let session = self.session;
        // A literal beside a column becomes a value of the column's type.
        for oid in self.types.clone() {
            if let Some(found) = session.catalogue.type_by_oid(oid)
                && (self.populates || matches!(found.kind, TypeKind::Opaque))
            {
                self.value_of(found);
            }
        }
        for (path, name) in std::mem::take(&mut self.operators) {
            if name.schema.is_none() && !session.catalogue.is_loaded() {
                self.unresolved();
            }
            for operator in session.catalogue.operators_named(&name.name) {
                if visible(&operator.schema, &name, path.as_deref()) && self.can_occur(&operator.operands) {
                    self.added_function(&operator.function, "");
                }
            }
        }
        let evaluates = !(part.reads.is_empty()
            && part.writes.is_empty()
            && part.calls.is_empty()
            && part.operators.is_empty()
            && part.types.is_empty());
        if evaluates {
            for cast in session.catalogue.casts() {
                if self.can_be_cast(cast) {
                    self.added_function(&cast.function, "");
                }
            }
        }
    }

    /// Whether values of the types of an operator or cast can occur.
    fn can_occur(&self, operands: &Operands) -> bool {
        let returned = operands.row && self.added_code;
        returned
            || operands.types == [0, 0]
            || operands.types.iter().any(|oid| self.types.contains(oid) || self.rows.contains(oid))
    }

    /// Whether a cast can run: one that is explicit only where its target is named.
    fn can_be_cast(&self, cast: &Cast) -> bool {
        let [_, target] = cast.operands.types;
        (!cast.explicit || self.named.contains(&target)) && self.can_occur(&cast.operands)
    }
}

/// Pseudo-types that can be written in a cast and have no code of their own.
fn is_pseudo(name: &str) -> bool {
    matches!(name, "record" | "void" | "unknown" | "cstring")
}

/// Whether something in `schema` can be meant by the name under the path.
pub(crate) fn visible(schema: &str, name: &Name, path: Option<&[String]>) -> bool {
    match (name.schema.as_deref(), path) {
        (Some("pg_temp"), _) => schema.starts_with("pg_temp"),
        (Some(written), _) => written == schema,
        (None, Some(path)) => path.iter().any(|one| one == schema),
        (None, None) => true,
    }
}

/// The relations that a name can mean: the first on the path, or all when the path is not known.
pub(crate) fn relations<'a>(
    session: &Session<'a>,
    name: &Name,
    path: Option<&[String]>,
) -> Vec<&'a Relation> {
    let mut named: Vec<&Relation> = session
        .catalogue
        .relations_named(&name.name)
        .filter(|relation| visible(&relation.schema, name, path))
        .collect();
    if let (None, Some(path)) = (&name.schema, path) {
        let place = |relation: &&Relation| path.iter().position(|one| *one == *relation.schema);
        named.sort_by_key(place);
        named.truncate(1);
    }
    named
}

/// What an unknown name could be called.
pub(super) fn candidates(name: &Name, path: Option<&[String]>) -> Vec<String> {
    match (&name.schema, path) {
        (None, Some(path)) => path
            .iter()
            .filter(|schema| schema.as_str() != "pg_catalog")
            .map(|schema| Name::qualified(schema, &name.name).to_string())
            .collect(),
        _ => vec![name.to_string()],
    }
}
