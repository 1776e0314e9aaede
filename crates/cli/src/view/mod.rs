//! What commands show, as values: JSON for programs, text for people. The fields of these types are the
//! JSON that `docs/cli.md` promises; times are RFC 3339 in UTC.

pub(crate) mod fault;
pub(crate) mod request;
pub(crate) mod session;

use std::time::Duration;

use countersign_api::{BadField, v1};
use countersign_common::rendering::visible;
use countersign_common::{Principal, Timestamp};

/// Who, for people: `agent agent-7 (agents) for alice`.
pub(crate) fn who(principal: &Principal) -> String {
    let mut text = format!("{} {}", principal.kind.as_str(), line(principal.subject.as_str()));
    for other in &principal.on_behalf_of {
        text.push_str(" for ");
        text.push_str(&line(other.as_str()));
    }
    text
}

/// One line of a table, in which nothing hides and nothing breaks the line.
pub(crate) fn line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

/// A time-span for people, in its two largest units: `1h 30m`.
pub(crate) fn span(duration: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// How long ago, or until when, seen from `now`.
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    if at > now { format!("in {}", span(now.until(at))) } else { format!("{} ago", span(at.until(now))) }
}

/// The principal of an answer.
pub(crate) fn principal(wire: Option<v1::Principal>, field: &'static str) -> Result<Principal, BadField> {
    countersign_api::required(wire, field)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_table_breaks_its_line() {
        assert_eq!(line("a\nb\u{202e}c"), "a\\nb\\u{202e}c");
    }

    #[test]
    fn time_spans_are_said_in_two_units() {
        assert_eq!(span(Duration::from_secs(3 * 3600 + 62)), "3h 1m");
        assert_eq!(span(Duration::from_millis(300)), "0s");
    }
}
