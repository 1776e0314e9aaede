//! Limits the size and the nesting of Cedar text before Cedar parses it. Cedar builds, walks and frees its trees by
//! recursion: a file of 20,000 parentheses would overflow the stack and end the process.
//!
//! The computed depth is never less than the depth of a tree that Cedar builds from the text: each bracket adds a
//! level, and each operator in a row moves the previous ones a level deeper. The computed depth may be greater.

/// Maximum depth of a tree, in levels. Sequences of `||` with a few hundred clauses are allowed.
pub(crate) const DEPTH_MAX: usize = 512;

/// Maximum size of all Cedar text in a bundle, in bytes: 1 MiB.
pub(crate) const TEXT_BYTES_MAX: usize = 1 << 20;

/// Maximum number of policies in a bundle.
pub(crate) const POLICIES_MAX: usize = 4096;

/// A policy that is nested too deeply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooDeep {
    /// Start of the policy, in bytes.
    pub(crate) offset: usize,
}

/// Checks a text and returns the number of policies in it.
///
/// # Errors
/// The first policy with a tree that could be deeper than [`DEPTH_MAX`].
pub(crate) fn check(text: &str) -> Result<usize, TooDeep> {
    let mut policies = 0;
    let mut nesting = Nesting::default();
    let mut begins_at = None;
    for (offset, token) in (Tokens { text, at: 0 }) {
        let begin = *begins_at.get_or_insert(offset);
        match token {
            Token::Open => nesting.open(),
            Token::Close => nesting.close(),
            Token::Next => nesting.current.next_item(),
            Token::Loose => nesting.current.loose(),
            Token::Tight => nesting.current.tight += 1,
            Token::Other | Token::End => {}
        }
        if nesting.outer.len() > DEPTH_MAX || (token == Token::End && nesting.depth() > DEPTH_MAX) {
            return Err(TooDeep { offset: begin });
        }
        // Text with open brackets is not a policy, but its tree counts as well.
        if token == Token::End && nesting.outer.is_empty() {
            nesting.current = Level::default();
            begins_at = None;
            policies += 1;
        }
    }
    if nesting.depth() > DEPTH_MAX {
        return Err(TooDeep { offset: begins_at.unwrap_or_default() });
    }
    Ok(policies)
}

/// State of the open brackets.
#[derive(Debug, Default)]
struct Nesting {
    outer: Vec<Level>,
    current: Level,
}

impl Nesting {
    fn open(&mut self) {
        self.outer.push(std::mem::take(&mut self.current));
    }

    /// Ignores a closing bracket without an opening one.
    fn close(&mut self) {
        if let Some(outer) = self.outer.pop() {
            let closed = std::mem::replace(&mut self.current, outer);
            self.current.inner = self.current.inner.max(closed.depth() + 1);
            // A called or indexed expression is a level deeper than the brackets after it.
            self.current.tight += 1;
        }
    }

    /// Returns the depth of the text since the last policy.
    fn depth(&self) -> usize {
        let innermost = self.current.depth();
        self.outer
            .iter()
            .rev()
            .fold(innermost, |inner, level| level.depth().max(level.loose + level.tight + inner + 1))
    }
}

/// State of the text inside one pair of brackets.
#[derive(Debug, Default)]
struct Level {
    /// Number of operators that may have everything before them as an operand: `&&`, `||`, `if`.
    loose: usize,
    /// Number of other operators since the last of those.
    tight: usize,
    /// Depth of the deepest brackets since the last of those.
    inner: usize,
    /// Depth of the deepest earlier operand.
    operand: usize,
    /// Depth of the deepest earlier item in a list with commas.
    item: usize,
}

impl Level {
    fn loose(&mut self) {
        self.operand = self.operand.max(self.tight + self.inner);
        (self.tight, self.inner) = (0, 0);
        self.loose += 1;
    }

    fn next_item(&mut self) {
        *self = Self { item: self.depth(), ..Self::default() };
    }

    fn depth(&self) -> usize {
        self.item.max(self.loose + self.operand.max(self.tight + self.inner))
    }
}

/// Effect of a token on the depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    /// A comma.
    Next,
    /// A semicolon.
    End,
    Loose,
    Tight,
    Other,
}

/// Splits a text into tokens like Cedar, as far as the depth depends on it.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = (usize, Token);

    fn next(&mut self) -> Option<(usize, Token)> {
        loop {
            let rest = self.text.get(self.at..)?;
            let first = rest.chars().next()?;
            let begin = self.at;
            let (length, token) = match first {
                c if c.is_whitespace() => (c.len_utf8(), None),
                '/' if rest.starts_with("//") => (rest.find(['\n', '\r']).unwrap_or(rest.len()), None),
                '"' => (string(rest), Some(Token::Other)),
                '(' | '[' | '{' => (1, Some(Token::Open)),
                ')' | ']' | '}' => (1, Some(Token::Close)),
                ',' => (1, Some(Token::Next)),
                ';' => (1, Some(Token::End)),
                '&' | '|' if rest.starts_with("&&") || rest.starts_with("||") => (2, Some(Token::Loose)),
                '<' | '>' | '=' | '!' if rest.get(1..2) == Some("=") => (2, Some(Token::Tight)),
                '.' | '!' | '-' | '+' | '*' | '/' | '%' | '<' | '>' | '=' => (1, Some(Token::Tight)),
                c if c.is_alphanumeric() || c == '_' => {
                    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                    (end, Some(word(rest.get(..end).unwrap_or_default())))
                }
                c => (c.len_utf8(), Some(Token::Other)),
            };
            self.at += length;
            if let Some(token) = token {
                return Some((begin, token));
            }
        }
    }
}

fn word(word: &str) -> Token {
    match word {
        "if" | "then" | "else" | "when" | "unless" => Token::Loose,
        "in" | "has" | "like" | "is" => Token::Tight,
        _ => Token::Other,
    }
}

/// Returns the length of the string literal at the start of the text.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(expression: &str) -> String {
        format!("@id(\"a\")\npermit (principal, action, resource) when {{ {expression} }};\n")
    }

    #[test]
    fn an_ordinary_policy_is_shallow_and_counted() {
        let text = policy("context.writes.contains(\"a;(\") || true // (((((((((\n").repeat(3);
        assert_eq!(check(&text), Ok(3));
    }

    #[test]
    fn every_way_of_nesting_is_found_and_told_with_its_place() {
        let many = DEPTH_MAX + 1;
        for (before, inside, after) in [
            ("(", "true", ")"),
            ("[", "1", "]"),
            ("{a: ", "1", "}"),
            ("if true then ", "true", " else false"),
            ("!", "true", ""),
            ("-", "1", ""),
            ("true && ", "true", ""),
            ("1 + ", "1", ""),
            ("", "context", ".a"),
            ("", "context", "[\"a\"]"),
            ("[1].contains(", "1", ")"),
        ] {
            let deep = format!("{}{inside}{}", before.repeat(many), after.repeat(many));
            let text = policy("true") + &policy(&deep);
            assert_eq!(
                check(&text),
                Err(TooDeep { offset: policy("true").len() }),
                "{before}{inside}{after}"
            );
        }
        // Unbalanced brackets, and text without an end.
        assert!(check(&"(".repeat(20_000)).is_err());
        assert!(check(&"(;".repeat(20_000)).is_err());
        assert_eq!(check(&")".repeat(20_000)), Ok(0));
    }

    #[test]
    fn what_stands_beside_each_other_is_not_nested() {
        let list = vec!["Group::\"a\""; 5000].join(", ");
        assert_eq!(check(&policy(&format!("principal in [{list}]"))), Ok(1));
        let clauses = vec!["context.a == 1"; DEPTH_MAX - 10].join(" || ");
        assert_eq!(check(&policy(&clauses)), Ok(1));
    }
}
