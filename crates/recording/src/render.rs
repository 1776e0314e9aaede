//! Records as people read them: when, who, what, what was decided and by whom, what came of it.

use std::fmt::Write as _;

use countersign_common::approval::Vote;
use countersign_common::command::Parameter;

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
        Record::Output(output) => answer(output.rows, output.bytes, &output.answer),
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

/// The text with everything that does not print as itself made visible: control characters,
/// bidirectional controls, zero-width characters as `\u{202E}`. Line feeds and tabs too: what is one
/// line here was one line there.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if hides(character) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{{{:04X}}}", character as u32);
            }
            _ => out.push(character),
        }
    }
    out
}

/// Characters that a terminal obeys, reorders by, or does not show (Unicode's Cc, Cf, Zl, Zp and other
/// default-ignorable characters).
fn hides(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00AD}' | '\u{034F}' | '\u{0600}'..='\u{0605}' | '\u{061C}' | '\u{06DD}' | '\u{070F}'
            | '\u{0890}'..='\u{0891}' | '\u{08E2}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}' | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1343F}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
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
        let cells: Vec<_> = line.split('\t').map(visible).collect();
        let _ = write!(out, "\n    | {}", cells.join(" | "));
    }
    if answer.cut {
        out.push_str("\n    (cut here; the digest is over all of it)");
    }
    out
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
        assert_eq!(visible(text), "DELETE\\u{202E}\\u{001B}[2K FROM t\\n-- \\u{200B}x");
        assert_eq!(visible("größer €"), "größer €");
    }
}
