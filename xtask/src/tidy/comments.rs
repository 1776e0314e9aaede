//! Doc comments are sentences: the share that begins with a question word and the share of very short ones, per crate.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Source;

/// Ceiling for doc comments that begin with a question word, in percent of all doc comments of a crate.
const QUESTIONS_MAX: f64 = 5.0;

/// Ceiling for doc comments of four words or fewer, in percent.
const SHORT_MAX: f64 = 6.0;

/// A doc comment of this many words or fewer is short.
const SHORT_WORDS_MAX: usize = 4;

/// Crates that are held to the ceilings. The others are only reported.
const CONVERTED: &[&str] = &[
    "crates/api",
    "crates/common",
    "crates/gateway",
    "crates/lifecycle",
    "crates/masking",
    "crates/policy",
    "crates/recording",
    "crates/runtime",
    "model",
];

const QUESTION_WORDS: &[&str] = &[
    "What", "Whether", "Who", "Whom", "Whose", "When", "Where", "Which", "Why", "How", "Whatever", "Whoever",
];

/// Two words that begin a question, such as "By what".
const QUESTION_PREPOSITIONS: &[&str] = &["By", "Of", "For", "From", "To", "In", "On", "At", "With", "Under"];

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for (name, counts) in measure(sources) {
        let (questions, short) = (counts.percent(counts.questions), counts.percent(counts.short));
        if !CONVERTED.contains(&name.as_str()) {
            continue;
        }
        if questions > QUESTIONS_MAX {
            faults.push(format!("{name}: {questions:.1} % of doc comments begin with a question word"));
        }
        if short > SHORT_MAX {
            faults
                .push(format!("{name}: {short:.1} % of doc comments have {SHORT_WORDS_MAX} words or fewer"));
        }
    }
    Ok(faults)
}

/// A table with the figures of all crates, for people.
pub(super) fn report(sources: &[Source]) -> String {
    let mut out = String::from("         doc comments  question  short  // per 1,000 lines\n");
    for (name, counts) in measure(sources) {
        let plain = 1000.0 * counts.plain as f64 / counts.lines.max(1) as f64;
        out.push_str(&format!(
            "         {:12}  {:6.1} %  {:3.0} %  {plain:5.1}  {name}\n",
            counts.docs,
            counts.percent(counts.questions),
            counts.percent(counts.short),
        ));
    }
    out
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    docs: usize,
    questions: usize,
    short: usize,
    /// Lines that hold nothing but a plain `//` comment.
    plain: usize,
    lines: usize,
}

impl Counts {
    fn percent(&self, part: usize) -> f64 {
        100.0 * part as f64 / self.docs.max(1) as f64
    }

    fn add(&mut self, comment: &str) {
        let words: Vec<&str> = comment.split_whitespace().collect();
        self.docs += 1;
        self.short += usize::from(words.len() <= SHORT_WORDS_MAX);
        self.questions += usize::from(begins_with_question(&words));
    }
}

fn begins_with_question(words: &[&str]) -> bool {
    let is = |word: Option<&&str>, of: &[&str]| {
        word.is_some_and(|word| of.contains(&word.trim_matches(|c: char| !c.is_alphabetic())))
    };
    let second = words.get(1).is_some_and(|word| {
        QUESTION_WORDS
            .iter()
            .any(|question| question.eq_ignore_ascii_case(word.trim_end_matches([',', '.', ':'])))
    });
    is(words.first(), QUESTION_WORDS) || (is(words.first(), QUESTION_PREPOSITIONS) && second)
}

/// The counts of each crate; a crate is named by the folder of its manifest.
fn measure(sources: &[Source]) -> BTreeMap<String, Counts> {
    let mut crates: BTreeMap<String, Counts> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.has_extension("rs")) {
        let Some(folder) = source
            .path
            .ancestors()
            .skip(1)
            .find(|above| sources.iter().any(|other| other.path == above.join("Cargo.toml")))
        else {
            continue;
        };
        let counts = crates.entry(folder.display().to_string()).or_default();
        let mut comment: Option<String> = None;
        for line in source.text.lines().map(str::trim_start) {
            counts.lines += 1;
            match line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) {
                Some(text) => {
                    let comment = comment.get_or_insert_default();
                    comment.push(' ');
                    comment.push_str(text);
                }
                None => {
                    counts.plain += usize::from(line.starts_with("//"));
                    if let Some(comment) = comment.take() {
                        counts.add(&comment);
                    }
                }
            }
        }
    }
    crates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_short_comments_are_counted() {
        let text = "//! Whether it works.\n\n/// The time of the last call, in seconds.\n/// More.\nfn a() {}\n\
                    /// By what it is known to the server at all.\nfn b() {}\n// plain\n/// When.\nfn c() {}\n";
        let sources = [Source::new("a/Cargo.toml", ""), Source::new("a/src/lib.rs", text)];
        let measured = measure(&sources);
        let expected = Counts { docs: 4, questions: 3, short: 2, plain: 1, lines: 10 };
        assert_eq!(measured.get("a"), Some(&expected));
    }
}
