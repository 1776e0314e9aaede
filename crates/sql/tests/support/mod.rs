//! The shop of `fixture/shop.sql`, as a session sees it.

#![allow(dead_code, reason = "each test binary uses some of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken fixture is to stop the test")]

pub(crate) mod served;

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_common::Facts;
use countersign_sql::catalogue::Rows;
use countersign_sql::{Catalogue, Lexing, Reader, Reading, Session};

type Prepared = Box<dyn Fn(&str) -> Option<Arc<Reading>>>;

/// A catalogue, a path, prepared statements `look` and `wipe`, and one function that was declared safe.
pub(crate) struct Shop {
    pub(crate) catalogue: Catalogue,
    pub(crate) path: Vec<String>,
    pub(crate) safe: BTreeSet<String>,
    pub(crate) prepared: Prepared,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let look = read("SELECT * FROM orders WHERE id = $1");
        let wipe = read("DELETE FROM orders");
        Self {
            catalogue: Catalogue::from_rows(&rows()).unwrap(),
            path: vec!["pg_catalog".into(), "public".into()],
            safe: BTreeSet::from(["public.vat".into()]),
            prepared: Box::new(move |name| match name {
                "look" => Some(Arc::clone(&look)),
                "wipe" => Some(Arc::clone(&wipe)),
                _ => None,
            }),
        }
    }

    pub(crate) fn session(&self) -> Session<'_> {
        Session {
            catalogue: &self.catalogue,
            schemas: Some(&self.path),
            safe_functions: &self.safe,
            prepared: &*self.prepared,
        }
    }

    pub(crate) fn facts(&self, text: &str) -> Facts {
        read(text).facts(&self.session())
    }

    /// The oid of a relation of the fixture.
    pub(crate) fn oid(&self, qualified: &str) -> u32 {
        let row = rows().swap_remove(0).into_iter().find(|row| {
            format!("{}.{}", row[1].as_deref().unwrap(), row[2].as_deref().unwrap()) == qualified
        });
        row.unwrap()[0].as_deref().unwrap().parse().unwrap()
    }
}

pub(crate) fn read(text: &str) -> Arc<Reading> {
    Reader::new().read(text.as_bytes(), Lexing::STANDARD)
}

pub(crate) fn rows() -> Vec<Rows> {
    let mut results: Vec<Rows> = Vec::new();
    for line in include_str!("../fixture/catalogue.tsv").lines() {
        if line.starts_with("# ") {
            results.push(Vec::new());
        } else {
            results.last_mut().unwrap().push(line.split('\t').map(cell).collect());
        }
    }
    results
}

/// A value as COPY writes it.
pub(crate) fn cell(text: &str) -> Option<String> {
    (text != "\\N").then(|| text.replace("\\n", "\n").replace("\\\\", "\\"))
}

/// One line for each operation.
pub(crate) fn render(facts: &Facts) -> String {
    let names = |label: &str, set: &BTreeSet<String>| {
        if set.is_empty() { String::new() } else { format!(" {label}={}", join(set.iter())) }
    };
    let mut lines: Vec<String> = facts
        .operations
        .iter()
        .map(|operation| {
            let flags = join(operation.flags.iter());
            format!(
                "    {}{}{}{}{}",
                operation.action,
                names("reads", &operation.reads),
                names("writes", &operation.writes),
                names("calls", &operation.functions),
                if flags.is_empty() { flags } else { format!(" [{flags}]") },
            )
        })
        .collect();
    if lines.is_empty() {
        lines.push("    nothing".to_owned());
    }
    lines.join("\n")
}

fn join<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}
