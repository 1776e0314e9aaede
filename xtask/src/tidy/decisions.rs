//! A decision page has a number and says context, choice, what was not chosen, what would reverse it.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Source;

const SECTIONS: [&str; 4] = ["Context", "Choice", "Not chosen", "What would reverse it"];

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut numbers: BTreeMap<String, String> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.path.starts_with("docs/decisions")) {
        let name = source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "README.md" || !source.has_extension("md") {
            continue;
        }
        for section in SECTIONS {
            if !source.text.lines().any(|line| opens(line, section)) {
                faults.push(format!("{} has no section `{section}`", source.path.display()));
            }
        }
        match name.split_once('-') {
            Some((number, _)) if number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()) => {
                if let Some(other) = numbers.insert(number.to_owned(), name.clone()) {
                    faults.push(format!("{other} and {name} have the same number"));
                }
            }
            _ => faults.push(format!("{name} is not named NNNN-what.md")),
        }
    }
    Ok(faults)
}

/// A heading, or a bold word and a full stop at the beginning of a paragraph.
fn opens(line: &str, section: &str) -> bool {
    line.strip_prefix("## ").is_some_and(|title| title.trim_end() == section)
        || line.strip_prefix("**").is_some_and(|rest| rest.starts_with(&format!("{section}.**")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_without_its_reversal_is_found() {
        let text = "# One\n\n**Context.** So.\n\n## Choice\n\n## Not chosen\n";
        let faults = check(&[Source::new("docs/decisions/0001-one.md", text)]).unwrap();
        assert_eq!(faults, ["docs/decisions/0001-one.md has no section `What would reverse it`"]);
    }

    #[test]
    fn two_decisions_with_one_number_are_found() {
        let text = SECTIONS.map(|section| format!("## {section}\n")).concat();
        let sources = ["docs/decisions/0001-one.md", "docs/decisions/0001-two.md"];
        let faults = check(&sources.map(|path| Source::new(path, &text))).unwrap();
        assert_eq!(faults, ["0001-one.md and 0001-two.md have the same number"]);
    }
}
