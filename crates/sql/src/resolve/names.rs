//! Each name against the search path and the catalogue; views and policies are followed.

use std::collections::BTreeSet;

use countersign_common::facts::{Action, Flag};
use rustc_hash::FxHashSet;

use super::Session;
use crate::catalogue::{Definition, FIRST_ADDED_OID, Function, Relation, Type, TypeKind};
use crate::functions::{self, Call};
use crate::name::Name;
use crate::reading::{Part, Reading};

/// System views that show files of the server.
const FILE_VIEWS: [&str; 3] =
    ["pg_catalog.pg_file_settings", "pg_catalog.pg_hba_file_rules", "pg_catalog.pg_ident_file_mappings"];

/// Definitions that use other definitions are followed this deep. A chain of views may be as long as anybody likes, and
/// each takes part of the stack.
const FOLLOWED_DEPTH_MAX: usize = 64;

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
    session: &'a Session<'a>,
    pub(super) found: Found,
    /// Definitions that were followed already: a view that is read twice, or by itself.
    followed: FxHashSet<*const Definition>,
    /// How many definitions are being followed, one inside of the other.
    depth: usize,
    /// Added types whose values occur.
    types: FxHashSet<u32>,
    /// Every operator that is used, here and in what is followed: judged last, when all types are known.
    operators: BTreeSet<(Option<Vec<String>>, Name)>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(session: &'a Session<'a>) -> Self {
        Self {
            session,
            found: Found::default(),
            followed: FxHashSet::default(),
            depth: 0,
            types: FxHashSet::default(),
            operators: BTreeSet::new(),
        }
    }

    pub(super) fn part(&mut self, part: &Part) {
        self.names(part, self.session.schemas);
        for name in &part.writes {
            self.writes(name);
        }
        for name in &part.creates {
            let created = self.created(name);
            self.found.writes.insert(created);
        }
        self.found.writes.extend(part.objects.iter().cloned());
    }

    /// Everything that reading evaluates, with the names as they are under `path`.
    fn names(&mut self, part: &Part, path: Option<&[String]>) {
        for name in &part.reads {
            self.reads(name, path);
        }
        for name in &part.types {
            self.type_name(name, path);
        }
        for name in &part.calls {
            self.call(name, path);
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

    fn reads(&mut self, name: &Name, path: Option<&[String]>) {
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
        }
    }

    fn relation(&mut self, relation: &'a Relation) {
        self.found.reads.insert(relation.qualified.clone());
        self.types.extend(relation.types.iter());
        if relation.foreign {
            self.act(Action::Outside, Some(Flag::Network));
        }
        if FILE_VIEWS.contains(&relation.qualified.as_str()) {
            self.act(Action::Outside, Some(Flag::ServerFile));
        }
        for definition in relation.view.iter().filter(|_| !relation.stored).chain(&relation.policies) {
            self.follow(definition);
        }
    }

    /// What the server keeps is kept under a path of `pg_catalog` alone.
    fn follow(&mut self, definition: &'a Definition) {
        if !self.followed.insert(std::ptr::from_ref(definition)) {
            return;
        }
        let reading: &Reading = definition.reading();
        if let Some(why) = reading.failure() {
            return self.act(Action::Unknown, Some(why));
        }
        // INVARIANT: I7. What is not followed may do anything.
        if self.depth >= FOLLOWED_DEPTH_MAX {
            return self.unresolved();
        }
        self.depth += 1;
        let path = [String::from("pg_catalog")];
        for part in &reading.parts {
            self.found.flags.extend(part.flags.iter().filter(|flag| **flag != Flag::MissingWhere));
            self.found.acts.extend(&part.more);
            // Whoever reads a view does not know that it sets something, and would not ask for the settings again.
            if part.sets_config {
                self.act(Action::Call, Some(Flag::RiskySetting));
            }
            self.names(part, Some(&path));
        }
        self.depth -= 1;
    }

    fn writes(&mut self, name: &Name) {
        let session = self.session;
        let known = relations(session, name, session.schemas);
        if known.is_empty() || (session.schemas.is_none() && name.schema.is_none()) {
            self.found.flags.insert(Flag::Unresolved);
        }
        if known.is_empty() {
            self.found.writes.extend(candidates(name, session.schemas));
        }
        for relation in known {
            self.found.writes.insert(relation.qualified.clone());
            self.types.extend(relation.types.iter());
            for policy in &relation.policies {
                self.follow(policy);
            }
            // A view that is written to is read and carried on to what it shows.
            if let Some(view) = &relation.view {
                self.follow(view);
            }
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

    fn call(&mut self, name: &Name, path: Option<&[String]>) {
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
            None if self.is_cast(name, path) => {}
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
        if let Call::Acts(action, flag) = call {
            self.act(action, flag);
        }
        if name.schema.is_none() && !self.session.catalogue.is_loaded() {
            self.unresolved();
        }
    }

    /// `order_status('new')` is a cast when no function has that name.
    fn is_cast(&mut self, name: &Name, path: Option<&[String]>) -> bool {
        let known = functions::is_builtin_type(&name.name) || {
            let types = self.session.catalogue.types_named(&name.name);
            types.iter().any(|one| visible(&one.schema, name, path))
        };
        if known {
            self.type_name(name, path);
        }
        known
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
        if self.session.safe_functions.contains(&function.qualified) {
            return;
        }
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
        if let Some(call @ Call::Acts(..)) = functions::builtin(name) {
            self.builtin(&bare, call);
        }
    }

    fn type_name(&mut self, name: &Name, path: Option<&[String]>) {
        let session = self.session;
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
                && matches!(found.kind, TypeKind::Opaque)
            {
                self.value_of(found);
            }
        }
        for (path, name) in std::mem::take(&mut self.operators) {
            if name.schema.is_none() && !session.catalogue.is_loaded() {
                self.unresolved();
            }
            for operator in session.catalogue.operators_named(&name.name) {
                if visible(&operator.schema, &name, path.as_deref())
                    && operator.operands.can_occur(&self.types)
                {
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
                if cast.operands.can_occur(&self.types) {
                    self.added_function(&cast.function, "");
                }
            }
        }
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
fn candidates(name: &Name, path: Option<&[String]>) -> Vec<String> {
    match (&name.schema, path) {
        (None, Some(path)) => path
            .iter()
            .filter(|schema| schema.as_str() != "pg_catalog")
            .map(|schema| Name::qualified(schema, &name.name).to_string())
            .collect(),
        _ => vec![name.to_string()],
    }
}
