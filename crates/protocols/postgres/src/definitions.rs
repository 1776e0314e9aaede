//! The definitions that a command rests on, with a fingerprint of each, as the target has them now: what its names stand
//! for, and behind that views and their bases, rules, triggers, policies, defaults, constraints, partitions, functions and
//! what those name, types, operators and casts.
//!
//! One query answers, over a connection of our own: it takes no lock on a user's table, takes no snapshot in a client's
//! transaction, and sees what others have committed whatever the isolation of that transaction is. Fingerprints are over
//! the content of the rows and not their `xmin`: TRUNCATE, VACUUM FULL, GRANT and statistics rewrite rows and change
//! nothing that a command does.

mod reader;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use countersign_common::Digest;
use countersign_common::digest::DigestBuilder;
use countersign_sql::Reach;

pub(crate) use self::reader::DefinitionReader;
use crate::upstream::Row;

/// The most changes that are told in words.
const CHANGES_TOLD_MAX: usize = 4;

/// The oid of an object's system catalog, and its own.
type ObjectKey = (u32, u32);

/// The objects that a command names.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Roots {
    /// The effective search path; `None` when it is not known: names then stand for all that they could.
    pub(crate) path: Option<Vec<String>>,
    /// Names with their kind, as written.
    pub(crate) names: BTreeSet<WrittenName>,
    /// Objects that are known by oid.
    pub(crate) objects: BTreeSet<ObjectKey>,
    /// Texts that may be names of anything, in the path's schemas and in those that are among the texts.
    pub(crate) texts: BTreeSet<String>,
    /// Schemas of which everything is meant.
    pub(crate) whole_schemas: BTreeSet<String>,
    /// The roles that the command runs as: the current user and the session's.
    pub(crate) roles: BTreeSet<String>,
    /// How far it goes beyond what it names.
    pub(crate) reach: Reach,
    /// The command changes definitions, so that event triggers may run.
    pub(crate) defines: bool,
}

/// A name in a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WrittenName {
    pub(crate) kind: NameKind,
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

/// The kind of object that a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NameKind {
    Relation,
    Function,
    Operator,
    Type,
}

impl NameKind {
    const ALL: [Self; 4] = [Self::Relation, Self::Function, Self::Operator, Self::Type];

    /// The letter for it in the query.
    const fn letter(self) -> &'static str {
        match self {
            Self::Relation => "r",
            Self::Function => "f",
            Self::Operator => "o",
            Self::Type => "t",
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Relation => "relation",
            Self::Function => "function",
            Self::Operator => "operator",
            Self::Type => "type",
        }
    }
}

impl fmt::Display for WrittenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.as_str())?;
        if let Some(schema) = &self.schema {
            write!(f, "{}.", quoted(schema))?;
        }
        match self.kind {
            NameKind::Operator => f.write_str(&self.name),
            NameKind::Relation | NameKind::Function | NameKind::Type => f.write_str(&quoted(&self.name)),
        }
    }
}

/// A part of a name in quotes where it needs them, so that `a."b.c"` and `"a.b".c` stay apart.
fn quoted(part: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let inside = |byte: u8| plain(byte) || byte.is_ascii_digit() || byte == b'$';
    if part.bytes().next().is_some_and(plain) && part.bytes().all(inside) {
        return Cow::Borrowed(part);
    }
    Cow::Owned(format!("\"{}\"", part.replace('"', "\"\"")))
}

/// The definitions that a command rests on.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Definitions {
    /// The objects that each name stands for, with their names.
    meanings: BTreeMap<WrittenName, BTreeMap<ObjectKey, String>>,
    /// Everything that is behind them.
    objects: BTreeMap<ObjectKey, Described>,
    /// Code in SQL or in a procedural language is among it.
    pub(crate) code: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Described {
    fingerprint: String,
    label: String,
}

impl Definitions {
    /// The answer of the query; `None` when it is not that.
    fn of_rows(rows: Vec<Row>) -> Option<Self> {
        let mut all = Self::default();
        for row in rows {
            let [tag, one, two, three, four, five, six] = <[Option<String>; 7]>::try_from(row).ok()?;
            if tag? == "name" {
                let kind = NameKind::ALL.into_iter().find(|kind| Some(kind.letter()) == one.as_deref())?;
                let name = WrittenName { kind, schema: two, name: three? };
                let object = (four?.parse().ok()?, five?.parse().ok()?);
                all.meanings.entry(name).or_default().insert(object, six.unwrap_or_default());
            } else {
                let object = (one?.parse().ok()?, two?.parse().ok()?);
                all.code |= five.as_deref() == Some("true");
                let described = Described { fingerprint: three?, label: four.unwrap_or_default() };
                all.objects.insert(object, described);
            }
        }
        Some(all)
    }

    /// How many objects are bound.
    pub(crate) fn count(&self) -> usize {
        self.objects.len()
    }

    /// Whether one of the names stands for a temporary object.
    pub(crate) fn is_temporary(&self) -> bool {
        self.meanings.values().flat_map(BTreeMap::values).any(|name| name.starts_with("pg_temp"))
    }

    /// The digest over all of it.
    pub(crate) fn digest(&self) -> Digest {
        let mut digest = DigestBuilder::new("countersign.definitions.v1");
        digest.number(self.meanings.len() as u64);
        for (written, objects) in &self.meanings {
            digest.text(written.kind.letter());
            digest.optional(written.schema.as_deref().map(str::as_bytes)).text(&written.name);
            digest.number(objects.len() as u64);
            for (class, oid) in objects.keys() {
                digest.number(u64::from(*class)).number(u64::from(*oid));
            }
        }
        digest.number(self.objects.len() as u64);
        for ((class, oid), described) in &self.objects {
            digest.number(u64::from(*class)).number(u64::from(*oid)).text(&described.fingerprint);
        }
        digest.finish()
    }

    /// The relations and functions that names stand for, for approvers: `relation t` is `public.t, oid 16385`.
    pub(crate) fn meanings(&self) -> impl Iterator<Item = (String, String)> {
        self.meanings.iter().filter_map(|(written, objects)| {
            if !matches!(written.kind, NameKind::Relation | NameKind::Function) {
                return None;
            }
            let each = objects.iter().map(|((_, oid), name)| format!("{name}, oid {oid}"));
            Some((written.to_string(), each.collect::<Vec<_>>().join("; ")))
        })
    }

    /// The changes since `before`, in words; `None`: nothing has changed.
    pub(crate) fn drift_since(&self, before: &Self) -> Option<String> {
        let mut changes = self.renamed_since(before);
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        let objects: BTreeSet<_> = self.objects.keys().chain(before.objects.keys()).collect();
        for object in objects {
            match (self.objects.get(object), before.objects.get(object)) {
                (Some(now), Some(then)) if now.fingerprint == then.fingerprint => {}
                (Some(now), Some(_)) => changes.push(format!("the definition of {} has changed", now.label)),
                (Some(now), None) => new.push((rank(*object), format!("{} has come to it", now.label))),
                (None, Some(then)) => {
                    gone.push((rank(*object), format!("{} belongs to it no more", then.label)));
                }
                (None, None) => {}
            }
        }
        // What was changed explains what has come and gone.
        new.sort();
        gone.sort();
        changes.extend(new.into_iter().chain(gone).map(|(_, change)| change));
        if changes.is_empty() {
            return None;
        }
        let more = changes.len().saturating_sub(CHANGES_TOLD_MAX);
        changes.truncate(CHANGES_TOLD_MAX);
        let mut told = changes.join("; ");
        if more > 0 {
            let _ = write!(told, "; and {more} more");
        }
        Some(told)
    }

    fn renamed_since(&self, before: &Self) -> Vec<String> {
        let names: BTreeSet<&WrittenName> = self.meanings.keys().chain(before.meanings.keys()).collect();
        let empty = BTreeMap::new();
        let mut changes = Vec::new();
        for name in names {
            let now = self.meanings.get(name).unwrap_or(&empty);
            let then = before.meanings.get(name).unwrap_or(&empty);
            if !now.keys().eq(then.keys()) {
                changes.push(format!("{name} stands for {} now, not for {}", listed(now), listed(then)));
            }
        }
        changes
    }
}

/// What makes a difference comes before what follows from it: triggers, rules and policies; relations; functions; the rest.
const fn rank((class, _): ObjectKey) -> u8 {
    match class {
        2618 | 2620 | 3256 | 3466 => 0,
        1259 => 1,
        1255 => 2,
        _ => 3,
    }
}

fn listed(objects: &BTreeMap<ObjectKey, String>) -> String {
    if objects.is_empty() {
        return "nothing".into();
    }
    let each: Vec<String> = objects.iter().map(|((_, oid), name)| format!("{name} (oid {oid})")).collect();
    each.join(" and ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(cells: [&str; 7]) -> Row {
        cells.into_iter().map(|cell| (!cell.is_empty()).then(|| cell.to_owned())).collect()
    }

    fn example() -> Vec<Row> {
        vec![
            row(["name", "r", "", "vw1", "1259", "20000", "public.vw1"]),
            row(["name", "f", "app", "f1", "1255", "20001", "function app.f1()"]),
            row(["definition", "1259", "20000", "aa", "view vw1", "", ""]),
            row(["definition", "1255", "20001", "bb", "function app.f1()", "true", ""]),
        ]
    }

    fn read(rows: Vec<Row>) -> Definitions {
        Definitions::of_rows(rows).unwrap()
    }

    fn changed(row: usize, cells: &[(usize, &str)]) -> Definitions {
        let mut rows = example();
        for (cell, value) in cells {
            rows[row][*cell] = Some((*value).to_owned());
        }
        read(rows)
    }

    #[test]
    fn i2_same_names_with_dots_and_quotes_are_told_apart() {
        let name = |schema: Option<&str>, name: &str| WrittenName {
            kind: NameKind::Relation,
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        };
        for (written, shown) in [
            (name(Some("a"), "b.c"), "relation a.\"b.c\""),
            (name(Some("a.b"), "c"), "relation \"a.b\".c"),
            (name(None, "a.b.c"), "relation \"a.b.c\""),
            (name(None, "a\"b"), "relation \"a\"\"b\""),
            (name(Some("public"), "t_1"), "relation public.t_1"),
            (name(None, "T"), "relation \"T\""),
        ] {
            assert_eq!(written.to_string(), shown);
        }
    }

    #[test]
    fn drift_is_told_by_name() {
        let before = read(example());
        assert_eq!(before.drift_since(&before), None);
        let told = changed(2, &[(3, "cc")]).drift_since(&before);
        assert_eq!(told.as_deref(), Some("the definition of view vw1 has changed"));
        let told = changed(0, &[(5, "20009"), (6, "public.payments")]).drift_since(&before);
        let expected =
            "relation vw1 stands for public.payments (oid 20009) now, not for public.vw1 (oid 20000)";
        assert_eq!(told.as_deref(), Some(expected));
    }

    proptest! {
        #[test]
        fn i2_same_any_change_of_a_definition_or_a_meaning_changes_the_digest_and_is_told(
            which in 0..4usize,
            cell in 1..6usize,
            number in 30_000..40_000u32,
            word in "[a-z0-9]{1,6}",
        ) {
            let before = read(example());
            let value = match (which, cell) {
                (0 | 1, 1) => if which == 0 { "t".to_owned() } else { "o".to_owned() },
                (0 | 1, 2 | 3) => word,
                (0 | 1, _) | (_, 1 | 2) => number.to_string(),
                _ => word,
            };
            // Labels are for people, and whether there is code follows from the fingerprint.
            prop_assume!(which < 2 || cell < 4);
            let after = changed(which, &[(cell, &value)]);
            prop_assume!(after != before);
            prop_assert_ne!(after.digest(), before.digest());
            prop_assert!(after.drift_since(&before).is_some());
        }
    }
}
