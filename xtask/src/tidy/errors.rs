//! Every error code has a page that says what happened and what to do, and every page has its code.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::Source;

const CODES: &str = "crates/common/src/error.rs";
const PAGES: &str = "docs/errors";

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let codes = sources.iter().find(|source| source.path.ends_with(CODES));
    let codes = codes_in(&codes.with_context(|| format!("no {CODES}"))?.text);
    let mut faults = Vec::new();
    let mut pages = BTreeSet::new();
    for source in sources.iter().filter(|source| source.path.starts_with(PAGES)) {
        let name = source.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("CS") {
            continue;
        }
        if !source.text.starts_with(&format!("# {name}")) {
            faults.push(format!("{} does not begin with `# {name}`", source.path.display()));
        }
        if !source.text.to_lowercase().contains("what to do") {
            faults.push(format!("{} does not say what to do", source.path.display()));
        }
        pages.insert(name);
    }
    faults.extend(codes.difference(&pages).map(|code| format!("{PAGES}/{code}.md is missing")));
    faults.extend(pages.difference(&codes).map(|page| format!("{PAGES}/{page}.md is of no code")));
    Ok(faults)
}

/// The codes that `Code(7)` stands for.
fn codes_in(text: &str) -> BTreeSet<String> {
    let numbers =
        text.split("= Code(").skip(1).filter_map(|rest| rest.split(')').next()?.parse::<u16>().ok());
    numbers.map(|number| format!("CS{number:04}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_found() {
        let sources = [
            Source::new(CODES, "pub const A: Code = Code(1);\npub const B: Code = Code(2);\n"),
            Source::new("docs/errors/CS0001.md", "# CS0001: no token\n\n## What to do\nAsk.\n"),
            Source::new("docs/errors/CS0003.md", "# CS0003: gone\n"),
        ];
        let faults = check(&sources).unwrap().join("\n");
        assert!(faults.contains("CS0002.md is missing"), "{faults}");
        assert!(faults.contains("CS0003.md is of no code"), "{faults}");
        assert!(faults.contains("CS0003.md does not say what to do"), "{faults}");
        assert!(!faults.contains("CS0001"), "{faults}");
    }
}
