//! Records as people read them: when, who, what, what was decided and by whom, what came of it.

use std::fmt::Write as _;

use countersign_common::approval::Vote;
use countersign_common::command::Parameter;

use crate::capture;
use crate::line::Envelope;
use crate::record::{
    Answer, Begin, Decided, Ended, Ending, Opened, Record, TransactionEnded, TransactionOutcome,
};

/// One record as text: a line with its time, and indented lines for a statement's parameters and sample.
#[must_use]
pub fn render_text(envelope: &Envelope) -> String {
    let body = match &envelope.record {
        Record::Opened(opened) => opening(opened, envelope),
        Record::Begin(begin) => beginning(begin),
        Record::Hold(held) => format!(
            "hold      {} waits for {}, until {}",
            held.approval,
            visible(&held.need),
            held.expires_at
        ),
        Record::Decision(decided) => decision(decided),
        Record::Redeemed(redeemed) => {
            format!("redeemed  {} used up, fence {}", redeemed.approval, redeemed.fence)
        }
        Record::End(ended) => match &ended.answer {
            Some(given) => {
                let answered = answer(ended.rows, ended.bytes, given);
                format!("{answered}\n{}  {}", envelope.at, ending(ended))
            }
            None => ending(ended),
        },
        Record::Transaction(ended) => transaction(ended),
        Record::Closed(closed) => {
            format!("closed    {} ({} records)", visible(&closed.reason), closed.count)
        }
    };
    format!("{}  {body}\n", envelope.at)
}

/// The text on one line, with everything written out that a reader cannot see or could take for something else.
#[must_use]
pub fn visible(text: &str) -> String {
    countersign_common::visible::visible(text).replace('\n', "\\n")
}

fn opening(opened: &Opened, envelope: &Envelope) -> String {
    let principal = &opened.principal;
    let mut who = format!("{} ({}", visible(principal.subject.as_str()), principal.kind.as_str());
    for behalf in &principal.on_behalf_of {
        let _ = write!(who, ", for {}", visible(behalf.as_str()));
    }
    format!(
        "opened    {who}) to {} as {}, database {}, from {}\n    {} {} on {}, bundle {}",
        visible(opened.target.as_str()),
        visible(opened.role.as_str()),
        visible(&opened.database),
        visible(&opened.client),
        opened.session,
        envelope.stream,
        opened.node,
        opened.bundle
    )
}

fn beginning(begin: &Begin<'_>) -> String {
    let mut out = format!("command   {}", visible(&begin.command.text_lossy()));
    for (index, parameter) in begin.command.parameters.iter().enumerate() {
        let _ = write!(out, "\n    ${} = {}", index + 1, value(parameter));
    }
    let policies: Vec<_> = begin.policies.iter().map(|policy| visible(policy.as_str())).collect();
    let by = if policies.is_empty() { "no policy".into() } else { policies.join(", ") };
    let _ = write!(out, "\n    {} by {by}, bundle {}, {}", begin.verdict.as_str(), begin.bundle, begin.id);
    if let Some(trace) = begin.trace {
        let _ = write!(out, ", trace {trace}");
    }
    out
}

fn value(parameter: &Parameter) -> String {
    if let Some(omitted) = &parameter.omitted {
        return format!("{omitted}");
    }
    match &parameter.value {
        None => "NULL".into(),
        Some(bytes) if parameter.binary => {
            format!("\\x{} (binary, type {})", hex::encode(bytes), parameter.type_name)
        }
        Some(bytes) => format!("'{}'", visible(&String::from_utf8_lossy(bytes))),
    }
}

fn decision(decided: &Decided) -> String {
    let said = match decided.vote {
        Vote::Approve => "approves",
        Vote::Deny => "denies",
    };
    let mut out = format!(
        "decision  {} {said} {} (by {})",
        visible(decided.approver.as_str()),
        decided.approval,
        visible(&decided.method)
    );
    if let Some(reason) = &decided.reason {
        let _ = write!(out, ": {}", visible(reason));
    }
    out
}

fn answer(rows: u64, bytes: u64, answer: &Answer) -> String {
    let mut out = format!("output    {rows} rows, {bytes} bytes, digest {}", answer.digest);
    for line in answer.sample.lines() {
        let cells: Vec<_> = line.split('\t').map(shown_cell).collect();
        let _ = write!(out, "\n    | {}", cells.join(" | "));
    }
    if answer.cut {
        out.push_str("\n    (cut here; the digest is over all of it)");
    }
    out
}

/// NULL is shown as `\N`, which no value is: a backslash in a value is shown twice.
fn shown_cell(written: &str) -> String {
    let Some(bytes) = capture::cell(written) else { return "\\N".into() };
    countersign_common::visible::visible_bytes(&bytes).replace('\n', "\\n")
}

fn ending(ended: &Ended) -> String {
    match &ended.outcome {
        Ending::Completed(tag) => format!("end       completed: {}", visible(tag)),
        Ending::Failed(code) => format!("end       failed: {}", visible(code)),
        Ending::Refused(state) => format!("end       not executed: {}", state.as_str()),
        Ending::Lost => "end       lost: nobody knows whether it ran".into(),
    }
}

fn transaction(ended: &TransactionEnded) -> String {
    let outcome = match ended.outcome {
        TransactionOutcome::Committed => "committed: what ran in it lasts",
        TransactionOutcome::RolledBack => "rolled back: nothing that ran in it lasts",
        TransactionOutcome::Prepared => "prepared: COMMIT PREPARED or ROLLBACK PREPARED decides",
        TransactionOutcome::Lost => "lost: nobody knows whether it was committed",
    };
    format!("transact. {outcome} (since {})", ended.since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_in_a_statement() {
        let text = "DELETE\u{202E}\x1b[2K FROM t\n-- \u{200B}x";
        assert_eq!(visible(text), "DELETE\\u{202e}\\u{1b}[2K FROM t\\n-- \\u{200b}x");
        assert_eq!(visible("größer €"), "größer €");
    }

    /// `ui/test/visible.json` holds the page to the same.
    #[test]
    fn recordings_show_characters_as_the_page_does() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ui/test/visible.json");
        let vectors: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let texts: Vec<[String; 2]> = serde_json::from_value(vectors["texts"].clone()).unwrap();
        assert!(texts.len() > 100);
        for [text, shown] in texts {
            assert_eq!(visible(&text), shown.replace('\n', "\\n"));
        }
    }
}
