//! The changelog has an Unreleased section, above all releases.

use anyhow::Result;

use super::Source;

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let Some(changelog) = sources.iter().find(|source| source.path.as_os_str() == "CHANGELOG.md") else {
        return Ok(vec!["CHANGELOG.md is missing".into()]);
    };
    let first = changelog.text.lines().find_map(|line| line.strip_prefix("## "));
    let fine = first.is_some_and(|title| title.trim_matches(['[', ']', ' ']) == "Unreleased");
    Ok(if fine { Vec::new() } else { vec!["CHANGELOG.md does not begin with `## Unreleased`".into()] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_that_begins_with_a_release_is_found() {
        let check = |text: &str| check(&[Source::new("CHANGELOG.md", text)]).unwrap();
        assert!(check("# Changes\n\n## Unreleased\n\n## 0.1\n").is_empty());
        assert_eq!(check("# Changes\n\n## 0.1\n\n## Unreleased\n").len(), 1);
    }
}
