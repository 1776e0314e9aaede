//! Confusable names: the skeletons of a name as in UTS 39. They ensure that two people cannot have names that a
//! reader mistakes for each other, and that one person cannot count as two.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

/// The two forms by which names are compared. Names that share either form pass for each other.
///
/// There are two because folding case and mapping confusables do not commute: `I` is the upper case of `i` and looks
/// like `l`. With a single form, `ian` and `lan`, which are not confusable, could not both exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skeletons {
    /// Equal for names that look alike: `alice` and `аlice` with a Cyrillic letter, `Ian` and `lan`.
    pub looks: Skeleton,
    /// Equal for names that differ only in case, or look alike if case is ignored: `Alice` and `alice`.
    pub folded: Skeleton,
}

/// A name with every character replaced by its confusable prototype. For comparison only; it is not a name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Skeleton(String);

impl Skeleton {
    /// Returns the skeleton as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Skeleton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl Skeletons {
    /// Computes both skeletons of a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let name: String = name.nfkc().collect();
        let looks = fold_case(&unicode_security::skeleton(&name).collect::<String>());
        let folded = unicode_security::skeleton(&fold_case(&name)).collect();
        Self { looks: Skeleton(looks), folded: Skeleton(folded) }
    }

    /// Returns `true` if names with these skeletons pass for each other.
    #[must_use]
    pub fn meet(&self, other: &Self) -> bool {
        self.looks == other.looks || self.folded == other.folded
    }
}

/// Returns `true` if two names pass for each other: they are equal, or differ only in case, compatibility forms, or
/// characters that look alike.
#[must_use]
pub fn pass_for_each_other(one: &str, other: &str) -> bool {
    one == other || Skeletons::of(one).meet(&Skeletons::of(other))
}

/// Folds case through upper case, because letters such as `ß`, `ς` and `ı` have no single lower case.
fn fold_case(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_a_reader_takes_for_one_pass_for_each_other() {
        for (one, other) in [
            ("alice", "Alice"),
            ("alice", "\u{430}lice"),
            ("alice", "\u{ff41}lice"),
            ("alice", "a1ice"),
            ("Ian", "lan"),
            ("Ian", "ian"),
            ("bob", "b\u{3bf}b"),
            ("straße", "STRASSE"),
            ("dba", "d\u{184}a"),
            ("rn-ops", "m-ops"),
            ("caf\u{e9}", "cafe\u{301}"),
        ] {
            assert!(pass_for_each_other(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn names_that_differ_do_not() {
        for (one, other) in
            [("ian", "lan"), ("alice", "alicia"), ("bob", "b\u{f6}b"), ("dba", "dbas"), ("a", "b")]
        {
            assert!(!pass_for_each_other(one, other), "{one} and {other}");
        }
    }

    /// All characters whose prototype, after normalisation, is an ASCII character.
    fn lookalikes() -> &'static [(char, char)] {
        static ALL: std::sync::OnceLock<Vec<(char, char)>> = std::sync::OnceLock::new();
        ALL.get_or_init(|| {
            let prototype = |c: char| {
                let normal: String = [c].into_iter().nfkc().collect();
                let mut skeleton = unicode_security::skeleton(&normal);
                let first = skeleton.next().filter(char::is_ascii)?;
                skeleton.next().is_none().then_some((c, first))
            };
            ('\u{80}'..='\u{1ffff}').filter_map(prototype).collect()
        })
    }

    proptest! {
        /// One substitution of a confusable character, or of case, is always detected.
        #[test]
        fn a_name_meets_each_of_its_variants(before in "[a-z0-9._-]{0,8}", pick: prop::sample::Index, after in "[a-z]{0,4}") {
            let (variant, prototype) = *pick.get(lookalikes());
            let (name, variant) = (format!("{before}{prototype}{after}"), format!("{before}{variant}{after}"));
            prop_assert!(pass_for_each_other(&name, &variant), "{name} {variant}");
            prop_assert!(pass_for_each_other(&name, &name.to_lowercase()));
        }

        #[test]
        fn it_holds_both_ways(one in ".{1,8}", other in ".{1,8}") {
            prop_assert!(pass_for_each_other(&one, &one));
            prop_assert_eq!(pass_for_each_other(&one, &other), pass_for_each_other(&other, &one));
        }
    }
}
