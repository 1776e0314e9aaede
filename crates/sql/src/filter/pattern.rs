//! Patterns of LIKE and of regular expressions, as far as it matters whether they match everything.

/// Whether a text matches a LIKE pattern with the usual escape character.
pub(super) fn like(text: &str, pattern: &str, ignore_case: bool) -> bool {
    let fold = |text: &str| if ignore_case { text.to_lowercase() } else { text.to_owned() };
    let (text, pattern) = (fold(text), fold(pattern));
    let text: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '%' => Token::Rest,
            '_' => Token::One,
            '\\' => Token::Char(characters.next().unwrap_or('\\')),
            other => Token::Char(other),
        });
    }
    // Row by row over the pattern: `reach[i]` says whether the pattern so far matches the first `i` characters.
    let mut reach = vec![false; text.len() + 1];
    if let Some(first) = reach.first_mut() {
        *first = true;
    }
    for token in tokens {
        reach = match token {
            Token::Rest => {
                let mut seen = false;
                reach
                    .iter()
                    .map(|here| {
                        seen |= *here;
                        seen
                    })
                    .collect()
            }
            Token::One => shifted(&reach, |_| true, &text),
            Token::Char(wanted) => shifted(&reach, |found| found == wanted, &text),
        };
    }
    reach.last().copied().unwrap_or(false)
}

enum Token {
    Rest,
    One,
    Char(char),
}

fn shifted(reach: &[bool], fits: impl Fn(char) -> bool, text: &[char]) -> Vec<bool> {
    let mut next = vec![false];
    next.extend(reach.iter().zip(text).map(|(here, found)| *here && fits(*found)));
    next
}

/// Whether a LIKE pattern has nothing but wildcards.
pub(super) fn is_only_wildcards(pattern: &str) -> bool {
    pattern.chars().all(|character| matches!(character, '%' | '_'))
}

/// What a regular expression matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Regex {
    /// Every text.
    Everything,
    /// It may be that every text, or nearly every one, matches.
    Doubtful,
    /// Some texts.
    Some,
}

/// What a regular expression that is not anchored by more than its own anchors matches: everything, if it matches the
/// empty text anywhere.
pub(super) fn regex(pattern: &str) -> Regex {
    if pattern.contains("(?") || pattern.starts_with("***") {
        return Regex::Doubtful;
    }
    let characters: Vec<char> = pattern.chars().collect();
    let mut reader = RegexReader { characters: &characters, at: 0, literal: false };
    let empty = reader.alternatives();
    let anchored = pattern.contains(['^', '$']);
    let whole = matches!(pattern, "^" | "$" | "^.*" | ".*$" | "^.*$" | "^.*?$");
    match (empty, reader.literal) {
        (true, _) if !anchored || whole => Regex::Everything,
        (true, false) | (false, false) => Regex::Doubtful,
        // `^a*` matches the empty text in front of every text; `^a*$` does not.
        (true, true) if !pattern.contains('$') || !pattern.contains('^') => Regex::Everything,
        _ => Regex::Some,
    }
}

/// Reads a regular expression far enough to say whether it matches the empty text.
struct RegexReader<'a> {
    characters: &'a [char],
    at: usize,
    /// Something in it asks for certain characters.
    literal: bool,
}

impl RegexReader<'_> {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    /// Branches up to a closing bracket or the end; true when one of them matches the empty text.
    fn alternatives(&mut self) -> bool {
        let mut any = false;
        loop {
            any |= self.branch();
            if self.peek() != Some('|') {
                return any;
            }
            self.at += 1;
        }
    }

    fn branch(&mut self) -> bool {
        let mut empty = true;
        while let Some(character) = self.peek().filter(|character| !matches!(character, '|' | ')')) {
            self.at += 1;
            let atom = match character {
                '^' | '$' => true,
                '(' => {
                    let inner = self.alternatives();
                    self.at += 1;
                    inner
                }
                '[' => self.class(),
                '\\' => self.escape(),
                '.' => false,
                _ => {
                    self.literal = true;
                    false
                }
            };
            empty &= self.repeated() || atom;
        }
        empty
    }

    fn class(&mut self) -> bool {
        self.literal = true;
        let mut first = true;
        while let Some(character) = self.next() {
            // `[:alnum:]` and its kin have a bracket of their own.
            if character == '[' && self.peek().is_some_and(|next| matches!(next, ':' | '.' | '=')) {
                while self.next().is_some_and(|inner| inner != ']') {}
                first = false;
                continue;
            }
            if character == ']' && !first {
                break;
            }
            first = first && character == '^';
        }
        false
    }

    fn escape(&mut self) -> bool {
        // Borders of words have no width, but not every text has one.
        self.literal |= !matches!(self.next(), Some('m' | 'M' | 'y' | 'Y' | 'A' | 'Z'));
        false
    }

    /// Whether what follows an atom lets it be left out.
    fn repeated(&mut self) -> bool {
        let optional = match self.peek() {
            Some('*' | '?') => true,
            Some('+') => false,
            Some('{') => self.characters.get(self.at + 1) == Some(&'0'),
            _ => return false,
        };
        if self.next() == Some('{') {
            while self.next().is_some_and(|character| character != '}') {}
        }
        if self.peek() == Some('?') {
            self.at += 1;
        }
        optional
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_matches_as_the_server_does() {
        for (text, pattern, matches) in [
            ("", "%", true),
            ("abc", "%", true),
            ("abc", "%%", true),
            ("", "_%", false),
            ("abc", "a%c", true),
            ("abc", "a_c", true),
            ("abc", "a\\%c", false),
            ("a%c", "a\\%c", true),
            ("abc", "ab", false),
        ] {
            assert_eq!(like(text, pattern, false), matches, "{text} LIKE {pattern}");
        }
        assert!(like("ABC", "a%", true));
    }

    #[test]
    fn a_regular_expression_that_matches_the_empty_text_matches_everything() {
        for pattern in
            ["", ".*", "^", "$", "^.*$", "a*", "x?", "(a|b)*", "a|", "(abc){0,3}", "a*$", "[[:alnum:]]*"]
        {
            assert_eq!(regex(pattern), Regex::Everything, "{pattern}");
        }
        for pattern in [".", ".+", "^.+$", "(?i).*", "^.?$", "\\m"] {
            assert_eq!(regex(pattern), Regex::Doubtful, "{pattern}");
        }
        for pattern in ["a", "^a.*b$", "[0-9]+", "a+", "(a|b)c*", "^a*$", "\\d"] {
            assert_eq!(regex(pattern), Regex::Some, "{pattern}");
        }
    }
}
