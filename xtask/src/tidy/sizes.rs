//! No function over 80 lines, unless a `// long:` comment gives the reason. Files are split by noun, not by their length.
//!
//! Functions are found by their indentation, which rustfmt guarantees: a function ends at the first line
//! that is a closing brace under its `fn`. Braces in the middle of literals so do not matter.

use anyhow::Result;

use super::Source;

const FUNCTION_LINES_MAX: usize = 80;

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.has_extension("rs")) {
        let path = source.path.display();
        let lines: Vec<&str> = source.text.lines().collect();
        for function in functions(&lines) {
            if function.count > FUNCTION_LINES_MAX && !function.has_reason {
                faults.push(format!(
                    "{path}:{} `{}` has {} lines",
                    function.line, function.name, function.count
                ));
            }
        }
    }
    Ok(faults)
}

fn gives_reason(line: &str) -> bool {
    line.trim_start().strip_prefix("// long:").is_some_and(|reason| reason.trim().len() > 10)
}

struct Function {
    name: String,
    line: usize,
    count: usize,
    has_reason: bool,
}

fn functions(lines: &[&str]) -> Vec<Function> {
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let rest = lines.get(index..).unwrap_or_default();
        // A declaration without a body ends with a semicolon before any body begins.
        let Some(end) = rest.iter().position(|line| ends(line, indent)) else { continue };
        let before = lines.get(index.saturating_sub(12)..index).unwrap_or_default();
        let doc = before.iter().rev().take_while(|line| is_comment_or_attribute(line));
        let body = rest.get(..=end).unwrap_or_default();
        let has_reason = doc.chain(body.iter().take(4)).any(|line| gives_reason(line));
        found.push(Function { name, line: index + 1, count: end + 1, has_reason });
    }
    found
}

fn ends(line: &str, indent: usize) -> bool {
    let inner = line.trim_start();
    let same_column = line.len() - inner.len() == indent;
    same_column
        && (inner.starts_with('}') || inner.ends_with(';') || inner.ends_with("{}") || inner.ends_with(" }"))
}

fn is_comment_or_attribute(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//") || line.starts_with("#[")
}

/// The name, when a function begins on this line.
fn function_name(line: &str) -> Option<String> {
    let mut words = line.trim_start().split(' ');
    loop {
        match words.next()? {
            "fn" => {
                let name: String =
                    words.next()?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                return Some(name);
            }
            "pub" | "pub(crate)" | "pub(super)" | "const" | "async" | "unsafe" | "extern" | "\"C\"" => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(lines: usize, comment: &str) -> String {
        let body = "    let _ = \"}\";\n".repeat(lines - 2);
        format!("//! Opening.\n\nfn short() {{}}\n\n{comment}pub(crate) async fn long(\n{body}}}\n")
    }

    fn faults(text: &str) -> Vec<String> {
        check(&[Source::new("a.rs", text)]).unwrap()
    }

    #[test]
    fn a_long_function_is_found_unless_it_gives_its_reason() {
        assert_eq!(faults(&function(81, "")), ["a.rs:5 `long` has 81 lines"]);
        assert!(faults(&function(80, "")).is_empty());
        assert!(faults(&function(81, "// long: one arm for each message of the protocol\n")).is_empty());
        assert_eq!(faults(&function(81, "// long: no\n")).len(), 1);
    }
}
