//! Links between pages lead to files that are there, and to headings that are in them. Links to other
//! sites are not followed.

use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use super::Source;
use crate::repo;

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    // Pictures are no text, and so no sources.
    let files = repo::files()?;
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.has_extension("md")) {
        for link in links(&source.text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            if !leads_somewhere(sources, &files, &source.path, link) {
                faults.push(format!("{} links to `{link}`, which is not there", source.path.display()));
            }
        }
    }
    Ok(faults)
}

/// The targets of `[text](target)` outside code.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second part between backticks is code.
        for part in line.split('`').step_by(2) {
            let targets = part.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            found.extend(targets.map(|(target, _)| target));
        }
    }
    found
}

fn leads_somewhere(sources: &[Source], files: &[PathBuf], from: &Path, link: &str) -> bool {
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let path = if file.is_empty() {
        from.to_path_buf()
    } else {
        resolve(from.parent().unwrap_or(Path::new("")), file)
    };
    let Some(found) = sources.iter().find(|source| source.path == path) else {
        // A folder is as good as a file.
        let is_there = files.contains(&path) || sources.iter().any(|source| source.path.starts_with(&path));
        return heading.is_none() && is_there;
    };
    heading.is_none_or(|heading| found.text.lines().any(|line| anchor(line).as_deref() == Some(heading)))
}

/// `folder/file` without `.` and `..`.
fn resolve(folder: &Path, file: &str) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in folder.join(file).components() {
        match part {
            Component::ParentDir => {
                resolved.pop();
            }
            Component::Normal(name) => resolved.push(name),
            _ => {}
        }
    }
    resolved
}

/// The anchor that pages give a heading: lower case, dashes for spaces, the rest dropped.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = title
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .collect::<String>();
    Some(kept.replace(' ', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let other = Source::new("docs/errors/CS0001.md", "# CS0001\n\n## What to do\n");
        check(&[Source::new("docs/guide.md", text), other]).unwrap()
    }

    #[test]
    fn a_link_to_nowhere_is_found() {
        assert_eq!(faults("see [it](errors/nowhere.md)").len(), 1);
        assert_eq!(faults("see [it](errors/CS0001.md#why)").len(), 1);
        assert!(
            faults("see [it](errors/CS0001.md#what-to-do), [all](../docs/errors), [site](https://x.example)")
                .is_empty()
        );
    }

    #[test]
    fn what_stands_in_code_is_no_link() {
        assert!(faults("`[a](b)`\n```\n[a](b)\n```\n").is_empty());
    }
}
