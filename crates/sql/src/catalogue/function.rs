//! Added code: functions, and the operators, casts and types that run them.

use std::sync::Arc;

use super::object::{Definition, ObjectClass, ObjectId, object};

/// An added function, procedure or aggregate.
#[derive(Debug)]
pub struct Function {
    pub(crate) oid: u32,
    pub(super) namespace: u32,
    pub(crate) schema: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) qualified: String,
    /// Part of an extension that has been reviewed.
    pub(crate) reviewed: bool,
    /// The rest; `None` where only the name is known (the function behind an operator or cast).
    pub(crate) details: Option<Box<FunctionDetails>>,
    pub(super) requires: Arc<Vec<ObjectId>>,
}

/// The properties of a function.
#[derive(Debug)]
pub struct FunctionDetails {
    /// The transaction that wrote its row in `pg_proc`.
    pub xmin: u32,
    /// `pg_proc.prokind`: `f`, `p`, `a` or `w`.
    pub kind: char,
    /// Immutable, stable or volatile: `i`, `s` or `v`.
    pub volatility: char,
    /// SECURITY DEFINER.
    pub security_definer: bool,
    /// The name of the language.
    pub language: Box<str>,
    /// The oid of the return type.
    pub returns: u32,
    /// Whether it returns a set.
    pub returns_set: bool,
    /// The oids of the types of its input arguments.
    pub arguments: Vec<u32>,
    /// Settings that it brings along (`SET name = value`), joined by commas.
    pub settings: Option<Box<str>>,
    /// The extension that it belongs to.
    pub extension: Option<Box<str>>,
    /// The server keeps the body parsed (BEGIN ATOMIC, RETURN): its names are meant as they are written, under a path
    /// of `pg_catalog` alone. Else they are looked up under the path of the caller, or that of [`Self::settings`].
    pub atomic: bool,
    /// The statements of a function in SQL, as text or from BEGIN ATOMIC; `None` for other languages.
    pub body: Option<Arc<Definition>>,
}

impl Function {
    /// The oid in `pg_proc`.
    #[must_use]
    pub const fn oid(&self) -> u32 {
        self.oid
    }

    /// The schema's name.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The name without the schema.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `schema.name`, without arguments.
    #[must_use]
    pub fn qualified(&self) -> &str {
        &self.qualified
    }

    /// Its properties. Every function that a catalogue lists has them.
    #[must_use]
    pub fn details(&self) -> Option<&FunctionDetails> {
        self.details.as_deref()
    }

    /// The objects that its definition depends on (`pg_depend`), in order. What is named in the text of a body is not
    /// among them.
    #[must_use]
    pub fn requires(&self) -> &[ObjectId] {
        &self.requires
    }
}

/// The operands of an added operator or cast: added types, `0` for built-in ones.
#[derive(Debug)]
pub(crate) struct Operands {
    pub(crate) types: [u32; 2],
    /// One of them is the row type of a relation.
    pub(crate) row: bool,
}

/// An added operator.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) oid: u32,
    pub(super) namespace: u32,
    pub(crate) schema: Box<str>,
    pub(super) name: Box<str>,
    pub(crate) operands: Operands,
    pub(crate) function: Function,
    pub(super) requires: Arc<Vec<ObjectId>>,
}

/// An added cast with a function.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) oid: u32,
    pub(crate) operands: Operands,
    pub(crate) function: Function,
    /// Runs only where the target type is named.
    pub(crate) explicit: bool,
    /// The oids of both types, built-in ones too.
    #[allow(dead_code, reason = "for the judgement of casts, which does not use it yet")]
    pub(crate) between: [u32; 2],
    pub(super) requires: Arc<Vec<ObjectId>>,
}

/// An added type.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) oid: u32,
    pub(super) namespace: u32,
    pub(crate) schema: Box<str>,
    pub(super) name: Box<str>,
    pub(crate) qualified: String,
    pub(crate) kind: TypeKind,
    /// The checks of a domain, by `pg_constraint`; `None` when the server could not say one.
    pub(super) checks: Vec<(u32, Option<Box<str>>)>,
    pub(super) xmin: u32,
    pub(super) requires: Arc<Vec<ObjectId>>,
}

impl Type {
    /// The texts of a domain's checks; `None` for one that the server could not say.
    pub(crate) fn check_texts(&self) -> impl Iterator<Item = Option<&str>> {
        self.checks.iter().map(|(_, text)| text.as_deref())
    }

    /// The types that it is made from.
    pub(crate) fn required_types(&self) -> impl Iterator<Item = u32> {
        self.requires.iter().filter(|object| object.class == ObjectClass::Type).map(|object| object.oid)
    }
}

/// The code that casting to a type runs.
#[derive(Debug)]
pub(crate) enum TypeKind {
    /// Built-in code only.
    Plain,
    /// The checks of a domain.
    Checked(Arc<Definition>),
    /// Code of its own.
    Opaque,
}

object!(Function, Function, |one| &one.name);
object!(Operator, Operator, |one| &one.name);
object!(Type, Type, |one| &one.name);
object!(Cast, Cast, |_| "");
