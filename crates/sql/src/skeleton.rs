//! A text with its plainest literals taken out, in one pass over its bytes: whole numbers that stand alone, and
//! strings without anything that could be an escape. It saves the scan for texts whose like was scanned before; it
//! decides nothing by itself: a reading is kept under a skeleton only when the server's own scanner gave its shape.
//!
//! Two texts with one skeleton have one [shape](crate::shape): outside of these literals they are the same bytes,
//! and wherever a byte could begin or end a token in a way that depends on more (comments, dollar quotes, prefixed
//! strings, backslashes, anything beyond ASCII) there is no skeleton at all.

/// Beyond this many digits a whole number is another kind of token.
const DIGITS_MAX: usize = 9;

/// What stands for a number, and for a string. Neither byte may stand in a text that has a skeleton.
const NUMBER: u8 = 1;
const STRING: u8 = 2;

/// The skeleton of a text; `None` when it has none, or nothing to take out.
pub(crate) fn of(text: &[u8]) -> Option<Box<[u8]>> {
    let mut out = Vec::with_capacity(text.len());
    let (mut rest, mut before, mut literals) = (text, b' ', 0_usize);
    while let Some((&byte, behind)) = rest.split_first() {
        let literal = if may_begin(before) { literal(rest) } else { None };
        if let Some((mark, length)) = literal {
            out.push(mark);
            literals += 1;
            before = mark;
            rest = rest.get(length..)?;
            continue;
        }
        if !is_plain(byte, behind.first().copied()) {
            return None;
        }
        out.push(byte);
        before = byte;
        rest = behind;
    }
    (literals > 0).then(|| out.into_boxed_slice())
}

/// Whether a literal may begin behind this byte: not behind one that it would be one token with.
const fn may_begin(before: u8) -> bool {
    matches!(before, b' ' | b'\t' | b'\n' | b'\r' | b',' | b'(' | b'=' | b'<' | b'>')
}

/// Whether a literal may end before this byte; the end of the text is an end too.
const fn may_end(next: Option<&u8>) -> bool {
    matches!(next, None | Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b')' | b';' | b'=' | b'<' | b'>' | b':'))
}

/// The literal at the front of a text: what stands for it, and how many bytes it has.
fn literal(text: &[u8]) -> Option<(u8, usize)> {
    let (mark, length) = match text.first()? {
        b'0'..=b'9' => (NUMBER, text.iter().take_while(|byte| byte.is_ascii_digit()).count()),
        b'\'' => {
            let within = text.get(1..)?.iter().take_while(|&&byte| is_string_byte(byte)).count();
            (text.get(within + 1) == Some(&b'\'')).then_some((STRING, within + 2))?
        }
        _ => return None,
    };
    let fits = mark == STRING || length <= DIGITS_MAX;
    (fits && may_end(text.get(length))).then_some((mark, length))
}

/// What a plain string may hold: all of printable ASCII but its own end and what might escape it.
const fn is_string_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'\\')
}

/// What may stand outside of plain literals.
const fn is_plain(byte: u8, next: Option<u8>) -> bool {
    match byte {
        b'-' => !matches!(next, Some(b'-')),
        b'/' => !matches!(next, Some(b'*')),
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b' ' | b'\t' | b'\n' | b'\r' => true,
        b',' | b'.' | b';' | b':' | b'(' | b')' | b'[' | b']' => true,
        b'=' | b'<' | b'>' | b'+' | b'*' | b'%' | b'|' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use pg_query::protobuf::{ScanToken, Token};
    use proptest::prelude::*;
    use proptest::test_runner::TestCaseError;

    use super::*;
    use crate::shape;

    fn skeleton(text: &str) -> Option<String> {
        of(text.as_bytes()).map(|skeleton| String::from_utf8(skeleton.into_vec()).unwrap())
    }

    #[test]
    fn plain_literals_are_taken_out_and_nothing_else() {
        let cases = [
            ("SELECT 1", Some("SELECT \u{1}")),
            ("SELECT a1 FROM t WHERE b=23 AND c='x y'", Some("SELECT a1 FROM t WHERE b=\u{1} AND c=\u{2}")),
            ("f(1,'a'::text);", Some("f(\u{1},\u{2}::text);")),
            ("SELECT 1.5, 2", Some("SELECT 1.5, \u{1}")),
            ("SELECT 1e5, 0x1F, 1_000, 2", Some("SELECT 1e5, 0x1F, 1_000, \u{1}")),
            ("SELECT 1234567890, 1", Some("SELECT 1234567890, \u{1}")),
            ("SELECT t", None),
        ];
        for (text, expected) in cases {
            assert_eq!(skeleton(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn i7_unknown_what_might_lex_otherwise_has_no_skeleton() {
        for text in [
            "SELECT 1 -- x",
            "SELECT 1 /* x */",
            "SELECT $1, 1",
            "SELECT $$a$$, 1",
            "SELECT E'a', 1",
            "SELECT 'a''b'",
            "SELECT 'a\\b'",
            "SELECT U&'a'",
            "SELECT \"a\", 1",
            "SELECT 'ä'",
            "SELECT 'a",
            "SELECT 'a\nb'",
            "SELECT 1\0",
            "SELECT 'a'b",
            "SELECT \u{1}, 1",
            "SELECT 1 @ 2",
            "SELECT `1`",
            "SELECT x'1F', 1",
            "SELECT n'a', 1",
        ] {
            assert_eq!(skeleton(text), None, "{text}");
        }
    }

    /// Pieces that touch each other in every way; each literal in two versions.
    const PIECES: [(&str, &str); 34] = [
        ("1", "22"),
        ("0", "999999999"),
        ("'a'", "'b c'"),
        ("'a'", "''"),
        ("'--'", "'/*'"),
        ("'$$'", "'\"'"),
        ("12345678901", "5"),
        ("'a''b'", "'c'"),
        ("'\\'", "'d'"),
        ("'ä'", "'e'"),
        ("1.5", "2"),
        ("1e5", "3"),
        ("0x1F", "4"),
        ("1_000", "6"),
        (" ", " "),
        ("\n", "\n"),
        ("", ""),
        ("(", "("),
        (")", ")"),
        (",", ","),
        ("=", "="),
        ("-", "-"),
        ("/", "/"),
        ("*", "*"),
        ("e", "e"),
        ("U&", "U&"),
        ("x", "x"),
        ("select", "select"),
        ("$", "$"),
        ("\"", "\""),
        ("::", "::"),
        (";", ";"),
        ("'", "'"),
        (".", "."),
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn i7_unknown_texts_with_one_skeleton_have_one_shape(
            picks in prop::collection::vec((0..PIECES.len(), any::<bool>(), any::<bool>()), 1..12),
        ) {
            let text = |second: fn(&(usize, bool, bool)) -> bool| -> String {
                picks.iter().map(|pick| if second(pick) { PIECES[pick.0].1 } else { PIECES[pick.0].0 }).collect()
            };
            let (one, two) = (text(|pick| pick.1), text(|pick| pick.2));
            if let (Some(a), Some(b)) = (of(one.as_bytes()), of(two.as_bytes())) && a == b {
                let shape = |text: &str| shape::of(text).map(|shape| (shape.key, shape.cacheable));
                prop_assert_eq!(shape(&one), shape(&two), "{} | {}", one, two);
            }
        }
    }

    /// Where the literals of a text are that its skeleton has marks for.
    fn literals(text: &[u8], skeleton: &[u8]) -> Vec<(usize, usize)> {
        let mut at = 0;
        let mut found = Vec::new();
        for mark in skeleton {
            let rest = &text[at..];
            let length = match *mark {
                NUMBER => rest.iter().take_while(|byte| byte.is_ascii_digit()).count(),
                STRING => 2 + rest[1..].iter().take_while(|byte| **byte != b'\'').count(),
                _ => 1,
            };
            if matches!(*mark, NUMBER | STRING) {
                found.push((at, at + length));
            }
            at += length;
        }
        assert_eq!(at, text.len());
        found
    }

    /// The same text with other literals.
    fn twin(skeleton: &[u8]) -> String {
        let mut out = String::new();
        for mark in skeleton {
            match *mark {
                NUMBER => out.push_str("907"),
                STRING => out.push_str("'; DROP \"x\" -- $$ /*'"),
                byte => out.push(char::from(byte)),
            }
        }
        out
    }

    /// Whether the server's scanner sees a text as its skeleton does, if it has one: each literal taken out is a token of
    /// its kind, no byte more or less (or part of a string that goes on in another line), and with other literals in
    /// their place all else stays what it is.
    fn agrees_with_the_server(bytes: &[u8]) -> Result<(), TestCaseError> {
        let Some(skeleton) = of(bytes) else { return Ok(()) };
        let text = std::str::from_utf8(bytes).unwrap();
        let twin = twin(&skeleton);
        prop_assert_eq!(of(twin.as_bytes()), Some(skeleton.clone()), "{}", twin);
        let shape = |text: &str| shape::of(text).map(|shape| (shape.key, shape.cacheable));
        prop_assert_eq!(shape(text), shape(&twin), "{:?} | {:?}", text, twin);
        let Ok(scanned) = pg_query::scan_tokens(text) else { return Ok(()) };
        for (start, end) in literals(bytes, &skeleton) {
            let kind = if bytes[start] == b'\'' { Token::Sconst } else { Token::Iconst };
            let is_it = |token: &ScanToken| {
                let whole = (token.start as usize, token.end as usize) == (start, end);
                let part = (token.start as usize) <= start && end <= token.end as usize;
                let goes_on = kind == Token::Sconst
                    && part
                    && text[token.start as usize..token.end as usize].contains(['\n', '\r']);
                token.token == kind as i32 && (whole || goes_on)
            };
            prop_assert!(scanned.iter().any(is_it), "{:?} at {}..{}", text, start, end);
        }
        Ok(())
    }

    /// What decides where tokens begin and end, in the server's grammar and in ours.
    const TRICKS: &str = r#"' '' 'a' E' e'\'' U&' U&'\0027' u&" UESCAPE '!' B'1' X'1F' x' N'a' \ '\' '\'' $$ $a$ $a $1
        $1a a$1 $ -- - /* */ / * 1 0 007 1. .1 1..2 1.2.3 1e 1e5 1e+5 1E- 0x1F 0x 0b1 0o7 1_000 1_ 1a 999999999 9999999999
        2147483648 " "a" "a""b" :: := => <= <> != -> ->> @> ~* || +- =- ä é select E x _ , ( ) ; = < > : . [ ]"#;

    /// The same of more than one word, and what no text should have.
    const SPACED: [&str; 17] = [
        "'a' 'b'",
        "'a'\n'b'",
        "'a' \r 'b'",
        "'a' -- c\n'b'",
        "'a' -- c\r'b'",
        "E 'a'",
        "b '1'",
        "n 'a'",
        "-- c\n",
        "-- c\r",
        "/* /* */ */",
        "\0",
        "\u{b}",
        "\u{c}",
        "\u{3000}",
        "\r\n",
        "\t",
    ];

    /// What has skeletons, so that most texts have one.
    const PLAIN: [&str; 10] = [" ", "\n", " 1 ", "'x'", " 'a b' ", " 23 ", "=4", ", 'c'", "('", " a"];

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let word = prop::sample::select(TRICKS.split_whitespace().collect::<Vec<_>>());
        let spaced = prop::sample::select(SPACED.to_vec());
        let plain = prop::sample::select(PLAIN.to_vec());
        prop_oneof![
            2 => word.prop_map(|text| text.as_bytes().to_vec()),
            1 => spaced.prop_map(|text| text.as_bytes().to_vec()),
            4 => plain.prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..3),
        ]
    }

    /// The bytes that may stand in a text with a skeleton, and some that may not; those that decide more often.
    const BYTES: &[u8] = br#"''''''00123459   ,.;:()[]=<>+*%|-/eExXbBuUnN_a\$"&"#;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6000))]
        #[test]
        fn i7_unknown_a_skeleton_sees_the_literals_that_the_server_sees(
            pieces in prop::collection::vec(piece(), 1..14),
        ) {
            agrees_with_the_server(&pieces.concat())?;
        }

        #[test]
        fn i7_unknown_so_it_does_in_any_row_of_the_bytes_that_it_lets_pass(
            bytes in prop::collection::vec(prop::sample::select([BYTES, b"\n\r\t"].concat()), 1..24),
        ) {
            agrees_with_the_server(&bytes)?;
        }
    }

    #[test]
    fn a_very_long_text_has_the_literals_that_the_server_sees() {
        let text = format!("SELECT '{}', 1{}", "x".repeat(200_000), ", 'y', 22".repeat(2_000));
        agrees_with_the_server(text.as_bytes()).unwrap();
        assert!(of(text.as_bytes()).is_some());
    }
}
