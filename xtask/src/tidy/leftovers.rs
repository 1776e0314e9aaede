//! No notes to ourselves in the source: what is to be done is an issue, what is not done is not there.

use anyhow::Result;

use super::Source;

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    // Put together here, so that this file does not find itself.
    let words =
        [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"], ["HA", "CK:"], ["to", "do!("], ["unimple", "mented!("]];
    let words = words.map(|halves| halves.concat());
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| is_code(source)) {
        for (index, line) in source.text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| stands_alone(line, word)) {
                faults.push(format!("{}:{} has a `{word}`", source.path.display(), index + 1));
            }
        }
    }
    Ok(faults)
}

fn is_code(source: &Source) -> bool {
    ["rs", "py", "mjs", "ts", "java", "proto", "sql", "sh", "yaml", "yml", "cedar"]
        .iter()
        .any(|extension| source.has_extension(extension))
}

/// Whether `word` is in `line` and not only the end of a longer one.
fn stands_alone(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_to_ourselves_is_found() {
        let note = format!("fn a() {{}}\n// {}{}: later\n", "TO", "DO");
        let faults = check(&[Source::new("a.rs", &note), Source::new("b.rs", "// MASTODON\n")]).unwrap();
        assert_eq!(faults.len(), 1);
        assert!(faults.concat().starts_with("a.rs:2"));
    }
}
