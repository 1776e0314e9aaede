//! Which settings a client may give when it logs in. They are applied before any statement could be
//! judged, so only those are forwarded that neither widen access nor change who the session is.

use crate::parameters::StartupParameters;

/// Settings that are forwarded. What they change in the meaning of statements is asked of the server
/// before the first one is judged.
const FORWARDED: [&str; 17] = [
    "application_name",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "extra_float_digits",
    "fallback_application_name",
    "geqo",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "options",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
    "work_mem",
];

/// The first setting among `parameters` that is not forwarded.
pub(crate) fn refused(parameters: &StartupParameters) -> Option<String> {
    parameters.iter().find_map(|(name, value)| {
        if !is_forwarded(name) {
            return Some(name.to_owned());
        }
        if name == "options" { refused_option(value) } else { None }
    })
}

fn is_forwarded(name: &str) -> bool {
    FORWARDED.contains(&name.to_ascii_lowercase().as_str())
}

/// `options` is a command line: `-c name=value` and `--name=value` are looked into, everything else is refused.
fn refused_option(options: &str) -> Option<String> {
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let setting = if let Some(long) = word.strip_prefix("--") {
            long.to_owned()
        } else if word == "-c" {
            words.next().unwrap_or_default()
        } else if let Some(glued) = word.strip_prefix("-c") {
            glued.to_owned()
        } else {
            return Some(word);
        };
        let name = setting.split_once('=').map_or(setting.as_str(), |(name, _)| name).replace('-', "_");
        if name.eq_ignore_ascii_case("options") || !is_forwarded(&name) {
            return Some(name);
        }
    }
    None
}

/// The names of all settings that a client gave, in lower case, also those in `options`.
pub(crate) fn names(parameters: &StartupParameters) -> Vec<String> {
    let mut names = Vec::new();
    for (name, value) in parameters.iter() {
        if name != "options" {
            names.push(name.to_ascii_lowercase());
            continue;
        }
        let mut words = words(value).into_iter();
        while let Some(word) = words.next() {
            let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
                Some("") => words.next().unwrap_or_default(),
                Some(setting) => setting.to_owned(),
                None => word,
            };
            let name = setting.split_once('=').map_or(setting.as_str(), |(name, _)| name);
            names.push(name.replace('-', "_").to_ascii_lowercase());
        }
    }
    names
}

/// Splits as the server does: at white space, a backslash keeps the character behind it.
fn words(options: &str) -> Vec<String> {
    let (mut words, mut word, mut inside) = (Vec::new(), String::new(), false);
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        if character.is_ascii_whitespace() || character == '\u{b}' {
            if std::mem::take(&mut inside) {
                words.push(std::mem::take(&mut word));
            }
            continue;
        }
        inside = true;
        let kept = if character == '\\' { characters.next() } else { Some(character) };
        word.extend(kept);
    }
    if inside {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_of(name: &str, value: &str) -> Option<String> {
        let mut parameters = StartupParameters::default();
        parameters.push(name, value);
        refused(&parameters)
    }

    #[test]
    fn what_drivers_send_is_forwarded() {
        for (name, value) in [
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("options", "-c search_path=a,b --statement-timeout=5s -cgeqo=off"),
            ("options", "-c application_name=my\\ app"),
        ] {
            assert_eq!(refused_of(name, value), None, "{name}={value}");
        }
    }

    #[test]
    fn what_changes_who_the_session_is_or_what_it_may_is_refused() {
        for (name, value) in [
            ("role", "postgres"),
            ("session_authorization", "postgres"),
            ("session_replication_role", "replica"),
            ("options", "-c role=postgres"),
            ("options", "-c\\ role=postgres"),
            ("options", "--role=postgres"),
            ("options", "-crole=postgres"),
            ("options", "-c ROLE=postgres"),
            ("options", "-r /tmp/x"),
            ("options", "-c options=-crole=postgres"),
        ] {
            assert!(refused_of(name, value).is_some(), "{name}={value}");
        }
    }
}
