//! The identity of objects, and what all of them have in common.

use std::sync::OnceLock;

use countersign_common::facts::Flag;

use crate::reader::read_anew;
use crate::reading::Reading;

/// The kind of an object: the system catalog that its oid is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectClass {
    /// A schema (`pg_namespace`).
    Namespace,
    /// A relation (`pg_class`).
    Relation,
    /// A function, procedure or aggregate (`pg_proc`).
    Function,
    /// An operator (`pg_operator`).
    Operator,
    /// A type (`pg_type`).
    Type,
    /// A cast (`pg_cast`).
    Cast,
}

impl ObjectClass {
    /// The letter that queries use for it.
    pub(super) const fn letter(self) -> &'static str {
        match self {
            Self::Namespace => "n",
            Self::Relation => "r",
            Self::Function => "f",
            Self::Operator => "o",
            Self::Type => "t",
            Self::Cast => "c",
        }
    }

    pub(super) fn of_letter(letter: &str) -> Option<Self> {
        let all = [Self::Namespace, Self::Relation, Self::Function, Self::Operator, Self::Type, Self::Cast];
        all.into_iter().find(|class| class.letter() == letter)
    }
}

/// The identity of an object in one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The system catalog.
    pub class: ObjectClass,
    /// The oid in that catalog.
    pub oid: u32,
}

impl ObjectId {
    /// A relation.
    #[must_use]
    pub const fn relation(oid: u32) -> Self {
        Self { class: ObjectClass::Relation, oid }
    }

    /// A function.
    #[must_use]
    pub const fn function(oid: u32) -> Self {
        Self { class: ObjectClass::Function, oid }
    }

    /// A type.
    #[must_use]
    pub const fn data_type(oid: u32) -> Self {
        Self { class: ObjectClass::Type, oid }
    }
}

/// A query or expression that the server keeps, parsed when it is first needed.
#[derive(Debug)]
pub struct Definition {
    /// `None`: the server could not say it when it was asked.
    text: Option<String>,
    reading: OnceLock<Reading>,
}

impl Definition {
    pub(super) fn new(text: Option<String>) -> Self {
        Self { text, reading: OnceLock::new() }
    }

    /// The text; `None` when the server could not say it, for example because somebody has locked a table in it.
    /// Whatever uses the object counts as unresolved then.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    // INVARIANT: I7. An unknown definition reads as a failure, which every user of a reading takes for the worst.
    pub(crate) fn reading(&self) -> &Reading {
        self.reading.get_or_init(|| match &self.text {
            Some(text) => read_anew(text),
            None => Reading::unread(Flag::Unresolved),
        })
    }
}

/// An object that tables hold.
pub(super) trait Object {
    const CLASS: ObjectClass;
    fn oid(&self) -> u32;
    /// The name that it is found by; empty for objects without a name.
    fn name(&self) -> &str;
    fn requires(&self) -> &[ObjectId];
}

macro_rules! object {
    ($type:ty, $class:ident, $name:expr) => {
        impl $crate::catalogue::object::Object for $type {
            const CLASS: $crate::catalogue::object::ObjectClass =
                $crate::catalogue::object::ObjectClass::$class;

            fn oid(&self) -> u32 {
                self.oid
            }

            fn name(&self) -> &str {
                let name: fn(&Self) -> &str = $name;
                name(self)
            }

            fn requires(&self) -> &[$crate::catalogue::object::ObjectId] {
                &self.requires
            }
        }
    };
}

pub(super) use object;
