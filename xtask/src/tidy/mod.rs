//! `cargo xtask tidy`: the rules of the house that the compiler does not know. Each rule is a file with
//! a test that shows that it finds what it looks for.

mod arrows;
mod banned;
mod changelog;
mod comments;
mod decisions;
mod dependencies;
mod errors;
mod headers;
mod leftovers;
mod links;
mod machine;
mod metrics;
mod sizes;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::repo;

/// One file of the repository, as text.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|found| found == extension)
    }

    #[cfg(test)]
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// A rule: given all text files, what is wrong.
type Rule = (&'static str, fn(&[Source]) -> Result<Vec<String>>);

const RULES: &[Rule] = &[
    ("crates import only what stands below them", arrows::check),
    ("banned crates are in nobody's tree", banned::check),
    ("every dependency is used", dependencies::check),
    ("every Rust file says what it is responsible for", headers::check),
    ("doc comments are sentences", comments::check),
    ("functions stay small", sizes::check),
    ("nothing is left to do in the source", leftovers::check),
    ("nothing names this or another machine", machine::check),
    ("every error code has its page", errors::check),
    ("every decision has its sections", decisions::check),
    ("alerts and dashboards name metrics that exist", metrics::check),
    ("the changelog has a place for what comes next", changelog::check),
    ("links lead somewhere", links::check),
];

pub(crate) fn run() -> Result<()> {
    let sources = sources()?;
    let mut count = 0;
    for (name, check) in RULES {
        let faults = check(&sources).with_context(|| format!("cannot check that {name}"))?;
        println!("{} {name}", if faults.is_empty() { "  ok  " } else { "broken" });
        for fault in &faults {
            println!("         {fault}");
        }
        count += faults.len();
    }
    println!("\nDoc comments of each crate:\n{}", comments::report(&sources));
    if count > 0 { bail!("{count} breaches of the rules of the house") } else { Ok(()) }
}

/// All files of the repository that are text.
fn sources() -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in repo::files()? {
        let bytes = std::fs::read(repo::root().join(&path))
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path, text });
        }
    }
    Ok(sources)
}
