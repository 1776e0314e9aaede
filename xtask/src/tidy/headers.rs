//! Every Rust file opens with `//!`: what it is responsible for.

use anyhow::Result;

use super::Source;

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let missing =
        sources.iter().filter(|source| source.has_extension("rs") && !opens_with_docs(&source.text));
    Ok(missing.map(|source| format!("{} does not open with `//!`", source.path.display())).collect())
}

fn opens_with_docs(text: &str) -> bool {
    // `//!!` and an empty comment say nothing.
    text.lines().next().and_then(|line| line.strip_prefix("//! ")).is_some_and(|said| said.trim().len() > 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_opening_is_found() {
        let sources = [
            Source::new("a.rs", "use std::fmt;\n"),
            Source::new("b.rs", "//! The noun of this file.\n"),
            Source::new("c.rs", "//! x\n"),
            Source::new("d.md", "# no Rust\n"),
        ];
        let faults = check(&sources).unwrap();
        assert_eq!(faults, ["a.rs does not open with `//!`", "c.rs does not open with `//!`"]);
    }
}
