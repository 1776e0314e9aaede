//! Text for people, in which invisible and confusable characters are written out as `\u{…}`.
//!
//! The classes come from the Unicode Character Database (general category, default-ignorable, white space, script
//! extensions, canonical combining class) and from the data of UTS 39 (confusables). The approver's page has the same
//! rules in `ui/src/shown/visible.ts` over a table that [`Table`] generates; `ui/test/visible.json` holds both to the
//! same results.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, WhiteSpace};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::Serialize;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical};
use unicode_security::mixed_script::AugmentedScriptSet;
use unicode_security::skeleton;

/// Assigned characters with a blank glyph. No Unicode property covers them. These are the characters whose names
/// contain BLANK, FILLER or NULL NOTEHEAD and that are neither default-ignorable nor white space.
const BLANK: [char; 5] = ['\u{2800}', '\u{13441}', '\u{13442}', '\u{16fe4}', '\u{1d159}'];

/// Maximum number of consecutive combining marks that are shown. No writing system in use needs more on one letter.
const MARKS_MAX: usize = 2;

/// Canonical combining class of marks drawn across their letter, such as a stroke through it.
const OVERLAY: u8 = 1;

/// Returns the text with all invisible and misleading characters written out:
///
/// * hidden characters (see [`hides`]) other than the line feed, and the backslash, which is doubled;
/// * a combining mark that is the third in a row, has no letter or digit before it, encloses its letter or strikes it
///   through;
/// * every non-ASCII character in a word that mixes scripts, as defined by UTS 39 for its level "highly restrictive",
///   or that reads as an ASCII word.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if is_of_word(first) {
            let end = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            push_word(&mut out, word);
            rest = after;
        } else {
            match first {
                '\n' => out.push(first),
                '\\' => out.push_str("\\\\"),
                c if hides(c) => write_out(&mut out, c),
                c => out.push(c),
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

/// Like [`visible`], on one line: a line feed appears as `\u{a}`.
#[must_use]
pub fn on_one_line(text: &str) -> String {
    visible(text).replace('\n', "\\u{a}")
}

/// Like [`visible`], for bytes: invalid UTF-8 appears as `\x..`.
#[must_use]
pub fn visible_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&visible(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Returns `true` if a reader cannot see the character, or cannot tell it from a plain one, in any position: control
/// and format characters, unassigned, private and default-ignorable ones, white space other than the space, blank
/// glyphs, and characters that are canonically equivalent to an ASCII character.
#[must_use]
pub fn hides(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    matches!(
        CodePointMapData::<GeneralCategory>::new().get(c),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Unassigned
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::SpaceSeparator
    ) || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || CodePointSetData::new::<WhiteSpace>().contains(c)
        || BLANK.contains(&c)
        || is_ascii_in_disguise(c)
}

/// Returns `true` for a character that is canonically equivalent to an ASCII one, such as U+037E, the Greek question
/// mark, to the semicolon.
fn is_ascii_in_disguise(c: char) -> bool {
    let mut ascii = true;
    decompose_canonical(c, |part| ascii &= part.is_ascii());
    ascii
}

/// Returns `true` if the text contains a hidden character (see [`hides`]) or a combining mark that [`visible`] writes
/// out. Names with such characters are refused.
#[must_use]
pub fn has_hidden(text: &str) -> bool {
    let mut marks = Marks::default();
    text.chars().any(|c| hides(c) || !marks.shows(c))
}

fn write_out(out: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
}

/// Returns `true` for letters, marks, digits and connectors that are not hidden: the characters of identifiers.
fn is_of_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    (is_letter(c) || is_mark(c) || is_connector(c)) && !hides(c)
}

/// Returns `true` for a letter or number.
fn is_letter(c: char) -> bool {
    matches!(
        CodePointMapData::<GeneralCategory>::new().get(c),
        GeneralCategory::UppercaseLetter
            | GeneralCategory::LowercaseLetter
            | GeneralCategory::TitlecaseLetter
            | GeneralCategory::ModifierLetter
            | GeneralCategory::OtherLetter
            | GeneralCategory::DecimalNumber
            | GeneralCategory::LetterNumber
            | GeneralCategory::OtherNumber
    )
}

fn is_mark(c: char) -> bool {
    matches!(
        CodePointMapData::<GeneralCategory>::new().get(c),
        GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark | GeneralCategory::EnclosingMark
    )
}

fn is_connector(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::ConnectorPunctuation
}

/// Returns `true` for a mark that encloses its letter or is drawn across it.
fn is_over_letter(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::EnclosingMark
        || canonical_combining_class(c) == OVERLAY
}

/// Counts the combining marks on the current letter.
#[derive(Debug, Default)]
struct Marks {
    /// Number of further marks that the letter may carry.
    left: usize,
}

impl Marks {
    /// Processes the next character. Returns `false` for a mark that must be written out.
    fn shows(&mut self, c: char) -> bool {
        if c.is_ascii() || !is_mark(c) {
            self.left = if is_letter(c) { MARKS_MAX } else { 0 };
            return true;
        }
        if self.left == 0 || is_over_letter(c) {
            // A written-out character carries no marks: they would appear on its closing brace.
            self.left = 0;
            return false;
        }
        self.left -= 1;
        true
    }
}

fn push_word(out: &mut String, word: &str) {
    if word.is_ascii() {
        out.push_str(word);
        return;
    }
    let misleads = mixes_scripts(word) || reads_as_ascii(word);
    let mut marks = Marks::default();
    for c in word.chars() {
        let shown = marks.shows(c) && (c.is_ascii() || !misleads);
        if shown { out.push(c) } else { write_out(out, c) }
    }
}

/// Returns `true` if no script contains all characters of the word. Latin mixed with Han, Japanese or Korean is usual
/// and allowed.
fn mixes_scripts(word: &str) -> bool {
    if !AugmentedScriptSet::for_str(word).is_empty() {
        return false;
    }
    let not_latin = word.chars().map(AugmentedScriptSet::for_char).filter(|scripts| !has_latin(scripts));
    let scripts = not_latin.fold(AugmentedScriptSet::default(), |mut all, one| {
        all.intersect_with(one);
        all
    });
    !(scripts.hanb || scripts.jpan || scripts.kore)
}

fn has_latin(scripts: &AugmentedScriptSet) -> bool {
    !scripts.is_all() && scripts.base.contains_script(unicode_script::Script::Latin)
}

/// Returns `true` if every non-ASCII character of the word is confusable with ASCII ones.
fn reads_as_ascii(word: &str) -> bool {
    word.chars().filter(|c| !c.is_ascii()).all(is_lookalike)
}

fn is_lookalike(c: char) -> bool {
    skeleton(c.encode_utf8(&mut [0; 4])).all(|prototype| prototype.is_ascii())
}

/// Classes of all non-ASCII characters, for the approver's page. Each list holds, alternating, the distance from the
/// end of the previous span and the length of the span. The list of scripts also holds the number of the span's
/// script set.
#[derive(Debug, Serialize)]
pub struct Table {
    hides: Vec<u32>,
    letters: Vec<u32>,
    marks: Vec<u32>,
    over_letter: Vec<u32>,
    connectors: Vec<u32>,
    lookalikes: Vec<u32>,
    script_sets: Vec<String>,
    scripts: Vec<u32>,
}

impl Table {
    /// Builds the table from the Unicode data of this build.
    #[must_use]
    pub fn generate() -> Self {
        let word = |class: fn(char) -> bool| move |c| !hides(c) && class(c);
        let (script_sets, scripts) = script_spans();
        Self {
            hides: deltas(spans(hides)),
            letters: deltas(spans(word(is_letter))),
            marks: deltas(spans(word(is_mark))),
            over_letter: deltas(spans(word(|c| is_mark(c) && is_over_letter(c)))),
            connectors: deltas(spans(word(is_connector))),
            lookalikes: deltas(spans(|c| is_of_word(c) && is_lookalike(c))),
            script_sets,
            scripts,
        }
    }
}

fn beyond_ascii() -> impl Iterator<Item = char> {
    '\u{80}'..=char::MAX
}

/// Spans of non-ASCII characters for which `class` holds.
fn spans(class: impl Fn(char) -> bool) -> Vec<RangeInclusive<u32>> {
    let mut spans: Vec<RangeInclusive<u32>> = Vec::new();
    for point in beyond_ascii().filter(|c| class(*c)).map(u32::from) {
        match spans.last_mut() {
            Some(last) if *last.end() + 1 == point => *last = *last.start()..=point,
            _ => spans.push(point..=point),
        }
    }
    spans
}

fn deltas(spans: Vec<RangeInclusive<u32>>) -> Vec<u32> {
    let mut end = 0;
    let mut out = Vec::with_capacity(spans.len() * 2);
    for span in spans {
        out.extend([span.start() - end, span.end() - span.start() + 1]);
        end = span.end() + 1;
    }
    out
}

/// Script sets of word characters, and the spans with the number of their set. Characters that go with every script
/// are left out.
fn script_spans() -> (Vec<String>, Vec<u32>) {
    let mut sets: Vec<String> = Vec::new();
    let mut spans: Vec<(RangeInclusive<u32>, usize)> = Vec::new();
    for c in beyond_ascii().filter(|c| is_of_word(*c)) {
        let scripts = AugmentedScriptSet::for_char(c);
        if scripts.is_all() {
            continue;
        }
        let name = names_of(&scripts);
        let number = sets.iter().position(|set| *set == name).unwrap_or_else(|| {
            sets.push(name);
            sets.len() - 1
        });
        let point = u32::from(c);
        match spans.last_mut() {
            Some((last, set)) if *set == number && *last.end() + 1 == point => *last = *last.start()..=point,
            _ => spans.push((point..=point, number)),
        }
    }
    let mut end = 0;
    let mut out = Vec::with_capacity(spans.len() * 3);
    for (span, number) in spans {
        out.extend([
            span.start() - end,
            span.end() - span.start() + 1,
            u32::try_from(number).unwrap_or(u32::MAX),
        ]);
        end = span.end() + 1;
    }
    (sets, out)
}

fn names_of(scripts: &AugmentedScriptSet) -> String {
    let writing = [(scripts.hanb, "Hanb"), (scripts.jpan, "Jpan"), (scripts.kore, "Kore")];
    let writing = writing.into_iter().filter_map(|(has, name)| has.then_some(name));
    let names: Vec<_> = writing.chain(scripts.base.iter().map(unicode_script::Script::short_name)).collect();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_hides_is_written_out() {
        assert_eq!(visible("a\u{2800}b\tc\u{a0}d"), "a\\u{2800}b\\u{9}c\\u{a0}d");
        assert_eq!(visible("\u{202e}\u{2066}\u{e0041}\u{fe0f}\u{115f}\u{1d159}"), {
            "\\u{202e}\\u{2066}\\u{e0041}\\u{fe0f}\\u{115f}\\u{1d159}"
        });
        assert_eq!(visible("a\u{37e} \u{212a}"), "a\\u{37e} \\u{212a}", "canonically a semicolon and a K");
        assert_eq!(visible("a\nb\\n"), "a\nb\\\\n");
    }

    #[test]
    fn a_letter_carries_two_marks_and_no_stroke() {
        assert_eq!(visible("e\u{301}"), "e\u{301}");
        assert_eq!(visible("e\u{301}\u{302}\u{303}\u{304}"), "e\u{301}\u{302}\\u{303}\\u{304}");
        assert_eq!(visible(&format!("x{}", "\u{336}".repeat(60))), format!("x{}", "\\u{336}".repeat(60)));
        assert_eq!(visible("a =\u{338} 1"), "a =\\u{338} 1", "not an unequal sign");
        assert_eq!(visible("\u{301}a _\u{301}"), "\\u{301}a _\\u{301}");
    }

    #[test]
    fn a_word_of_several_scripts_is_written_out_and_one_of_a_single_script_is_not() {
        assert_eq!(visible("p\u{430}yments"), "p\\u{430}yments");
        assert_eq!(visible("größer € ключ ключ_1 テーブルA 顧客 고객 café"), {
            "größer € ключ ключ_1 テーブルA 顧客 고객 café"
        });
        // Whole words that read as ASCII: Cyrillic, mathematical, full width.
        assert_eq!(visible("\u{440}\u{430}\u{443}"), "\\u{440}\\u{430}\\u{443}");
        assert_eq!(visible("\u{1d403}ROP"), "\\u{1d403}ROP");
    }

    /// Returns `true` if no character of the text can mislead by its Unicode properties. Words are not considered.
    fn plain_to_see(text: &str) -> bool {
        !has_hidden(&text.replace('\n', ""))
    }

    #[test]
    fn nothing_that_hides_is_left_of_any_character() {
        for c in '\0'..=char::MAX {
            if hides(c) && c != '\n' {
                assert_eq!(visible(c.encode_utf8(&mut [0; 4])), format!("\\u{{{:x}}}", u32::from(c)));
                continue;
            }
            let text = visible(&format!("{c}a{c}{c}{c}"));
            assert!(plain_to_see(&text), "U+{:04X} in {text:?}", u32::from(c));
        }
    }

    #[test]
    fn ascii_that_prints_is_shown_as_it_is_but_for_the_backslash() {
        for c in ' '..='~' {
            let shown = if c == '\\' { "\\\\".to_owned() } else { c.to_string() };
            assert_eq!(visible(&c.to_string()), shown);
        }
    }

    proptest! {
        /// Nothing in the result is hidden, and the result can be decoded: two different texts are never shown alike.
        #[test]
        fn a_text_is_shown_wholly_and_unambiguously(text in "\\PC{0,6}|(a|é|\u{301}|\u{336}|\u{430}|\\\\|\u{2800}|\t|\n|u|\\{|4|\\}){0,24}|.{0,24}") {
            let shown = visible(&text);
            prop_assert!(plain_to_see(&shown), "{shown:?}");
            prop_assert_eq!(undone(&shown), text);
        }

        #[test]
        fn on_one_line_there_is_no_line_feed(text in "(?s).{0,24}") {
            prop_assert!(!on_one_line(&text).contains('\n'));
        }
    }

    /// Decodes the result of `visible`.
    fn undone(shown: &str) -> String {
        let mut out = String::new();
        let mut rest = shown;
        while let Some(at) = rest.find('\\') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('\\') {
                out.push('\\');
                rest = after;
            } else {
                let (digits, after) = rest.strip_prefix("u{").unwrap().split_once('}').unwrap();
                out.push(char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap());
                rest = after;
            }
        }
        out + rest
    }
}
