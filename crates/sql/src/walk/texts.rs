//! Every text in the parse tree of a statement: whatever it names is among them, in whichever field it stands.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use pg_query::NodeEnum;

/// The server cuts longer names off, and so does the parser: a longer text is no name.
const NAME_MAX: usize = 63;

/// The texts of a statement that may be names.
///
/// They are taken from the tree as it is printed, since that leaves out no field of any kind of node.
pub(super) fn texts(statement: &NodeEnum) -> BTreeSet<Box<str>> {
    let mut sink = Sink::default();
    // A sink never fails.
    let _ = write!(sink, "{statement:?}");
    sink.found
}

/// Takes the quoted texts out of what is printed.
#[derive(Default)]
struct Sink {
    found: BTreeSet<Box<str>>,
    text: String,
    state: State,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Outside,
    Inside,
    /// Behind a backslash.
    Escape,
    /// In `\u{…}`, with its digits so far.
    Digits(u32),
}

impl std::fmt::Write for Sink {
    fn write_str(&mut self, printed: &str) -> std::fmt::Result {
        printed.chars().for_each(|c| self.take(c));
        Ok(())
    }
}

impl Sink {
    fn take(&mut self, c: char) {
        self.state = match (self.state, c) {
            (State::Outside, '"') => State::Inside,
            (State::Outside, _) => State::Outside,
            (State::Inside, '"') => {
                let text = std::mem::take(&mut self.text);
                if !text.is_empty() && text.len() <= NAME_MAX {
                    self.found.insert(text.into());
                }
                State::Outside
            }
            (State::Inside, '\\') => State::Escape,
            (State::Escape, 'u') => State::Digits(0),
            (State::Digits(number), '}') => {
                self.text.push(char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER));
                State::Inside
            }
            (State::Digits(number), c) => State::Digits(match c.to_digit(16) {
                Some(digit) => number.wrapping_mul(16).wrapping_add(digit),
                None => number,
            }),
            (State::Escape, c) => {
                self.text.push(match c {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    '0' => '\0',
                    other => other,
                });
                State::Inside
            }
            (State::Inside, c) => {
                self.text.push(c);
                State::Inside
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::grammar;

    fn texts(text: &str) -> Vec<String> {
        let parsed = grammar::parse(text).unwrap();
        let statement = parsed.stmts[0].stmt.as_ref().unwrap().node.as_ref().unwrap();
        super::texts(statement).into_iter().map(String::from).collect()
    }

    #[test]
    fn i2_same_every_name_of_a_definition_is_among_its_texts() {
        for text in [
            "CREATE TABLE t (a one.two)",
            "ALTER TABLE t ADD COLUMN a one.two",
            "CREATE FUNCTION f(one.two) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE TABLE t (a int REFERENCES one.two)",
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES one.two ON DELETE CASCADE",
            "CREATE TABLE t () INHERITS (one.two)",
            "CREATE TABLE t (LIKE one.two INCLUDING ALL)",
            "ALTER TABLE t ATTACH PARTITION one.two DEFAULT",
            "CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION one.two()",
            "CREATE AGGREGATE g(int) (sfunc = one.two, stype = int)",
            "GRANT one TO two",
            "GRANT SELECT ON t TO one, two",
            "ALTER TABLE one OWNER TO two",
            "DROP OWNED BY one, two CASCADE",
            "CREATE DOMAIN d AS text COLLATE one.two",
        ] {
            let found = texts(text);
            assert!(
                found.iter().any(|one| one == "one") && found.iter().any(|one| one == "two"),
                "{text}: {found:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn i2_same_a_name_of_any_characters_is_found(name in "\\PC{1,15}", folded in "[a-zA-Z]{1,9}x") {
            let quoted = name.replace('"', "\"\"");
            let found = texts(&format!("DROP TABLE \"{quoted}\", {folded}"));
            prop_assert!(found.contains(&name), "{found:?}");
            prop_assert!(found.contains(&folded.to_ascii_lowercase()), "{found:?}");
        }
    }
}
