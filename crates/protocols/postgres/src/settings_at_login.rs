//! Which settings a client may give when it logs in. They are applied before any statement could be
//! judged, so only those are forwarded that SET allows: they neither widen access nor change who the session is. What
//! they change in the meaning of statements is asked of the server before the first one is judged.

use countersign_sql::is_allowed_at_login;

use crate::parameters::StartupParameters;

/// The first setting among `parameters` that is not forwarded.
pub(crate) fn refused(parameters: &StartupParameters) -> Option<String> {
    parameters.iter().find_map(|(name, value)| {
        if name == "options" {
            return refused_option(value);
        }
        (!is_allowed_at_login(name, value)).then(|| name.to_owned())
    })
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
        let (name, value) = setting.split_once('=').unwrap_or((setting.as_str(), ""));
        let name = name.replace('-', "_");
        if !is_allowed_at_login(&name, value) {
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
            ("default_transaction_read_only", "on"),
            ("options", "-c default_transaction_read_only=on -c default_transaction_isolation=serializable"),
            ("options", "-c enable_seqscan=off --lc-messages=C -c idle_session_timeout=5min"),
            ("TimeZone", "UTC"),
        ] {
            assert_eq!(refused_of(name, value), None, "{name}={value}");
        }
    }

    #[test]
    fn what_changes_who_the_session_is_or_what_it_may_is_refused() {
        for (name, value) in [
            ("role", "postgres"),
            ("default_transaction_read_only", "off"),
            ("options", "-c default_transaction_read_only=off"),
            ("options", "-c default_transaction_read_only"),
            ("options", "-c row_security=off"),
            ("options", "-c app.tenant=7"),
            ("backslash_quote", "on"),
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
