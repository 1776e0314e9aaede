//! What a client was told about a command, as far as it matters whether the command ran.

use countersign_testkit::Frame;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done.
    Ran,
    /// It was done, and undone with its transaction.
    RolledBack,
    /// Countersign refused it.
    Refused(Refusal),
    /// An error without a refusal in it, as a database gives it.
    Failed {
        /// The SQLSTATE.
        sqlstate: String,
        /// The primary message.
        message: String,
    },
    /// The connection ended, or was never made, before an answer came.
    Broken {
        /// Whether a byte of the command was sent.
        sent: bool,
        /// How it showed.
        why: String,
    },
    /// The client did not wait for the answer.
    Left,
}

/// The refusal that stands in an error's DETAIL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The SQLSTATE.
    pub sqlstate: String,
    /// The state's word: `pending`, `denied`, `in_doubt`.
    pub state: String,
    /// Whether it was run; `None`: not known.
    pub executed: Option<bool>,
    /// The approval.
    pub ticket: Option<String>,
}

impl Answer {
    /// Whether a client that was told this must believe that the command had no effect.
    #[must_use]
    pub fn says_not_run(&self) -> bool {
        match self {
            Self::Ran | Self::Left => false,
            Self::RolledBack => true,
            Self::Refused(refusal) => refusal.executed == Some(false),
            Self::Broken { sent, .. } => !sent,
            // A connection that fails (08), a server that goes down (57P): nobody can tell from that alone.
            Self::Failed { sqlstate, message } => {
                message.ends_with("nothing was run")
                    || !(sqlstate.starts_with("08") || sqlstate.starts_with("57P"))
            }
        }
    }

    /// The error that a frame carries.
    #[must_use]
    pub fn of_error(frame: &Frame) -> Self {
        let field = |wanted: u8| {
            let mut fields = frame.body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
            let found = fields.find_map(|field| field.strip_prefix(&[wanted])).unwrap_or_default();
            String::from_utf8_lossy(found).into_owned()
        };
        let sqlstate = field(b'C');
        match serde_json::from_str::<Value>(&field(b'D')).ok().and_then(|detail| refusal(&sqlstate, &detail))
        {
            Some(refusal) => Self::Refused(refusal),
            None => Self::Failed { sqlstate, message: field(b'M') },
        }
    }
}

/// The refusal in a DETAIL; `None` when it is another's.
fn refusal(sqlstate: &str, detail: &Value) -> Option<Refusal> {
    let text = |name: &str| detail.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Refusal {
        sqlstate: sqlstate.to_owned(),
        state: text("state")?,
        executed: detail.get("executed")?.as_bool(),
        ticket: text("ticket"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(fields: &[&str]) -> Frame {
        Frame { tag: b'E', body: format!("{}\0\0", fields.join("\0")).into_bytes() }
    }

    #[test]
    fn a_refusal_is_told_from_an_error_of_the_database() {
        let detail =
            r#"D{"state":"in_doubt","executed":null,"ticket":"apr_1","next_action":"stop","reason":"x"}"#;
        let Answer::Refused(refusal) = Answer::of_error(&error(&["SERROR", "C55G04", "Min doubt", detail]))
        else {
            panic!("no refusal")
        };
        assert_eq!((refusal.executed, refusal.state.as_str()), (None, "in_doubt"));
        assert_eq!(refusal.ticket.as_deref(), Some("apr_1"));
        let failed = Answer::of_error(&error(&["SERROR", "C23505", "Mtwice", "DKey (id)=(1) exists"]));
        assert_eq!(failed, Answer::Failed { sqlstate: "23505".into(), message: "twice".into() });
    }

    #[test]
    fn only_a_plain_no_says_that_nothing_ran() {
        let refused = |executed| {
            Answer::Refused(Refusal {
                sqlstate: "55G01".into(),
                state: "pending".into(),
                executed,
                ticket: None,
            })
        };
        let said = |sqlstate: &str, message: &str| Answer::Failed {
            sqlstate: sqlstate.into(),
            message: message.into(),
        };
        let failed = |sqlstate: &str| said(sqlstate, "");
        let broken = |sent| Answer::Broken { sent, why: String::new() };
        let unreached = said("08006", "the target cannot be reached; nothing was run");
        for answer in [refused(Some(false)), unreached, failed("23505"), broken(false), Answer::RolledBack] {
            assert!(answer.says_not_run(), "{answer:?}");
        }
        for answer in [
            refused(None),
            failed("08006"),
            failed("08007"),
            failed("57P01"),
            broken(true),
            Answer::Ran,
            Answer::Left,
        ] {
            assert!(!answer.says_not_run(), "{answer:?}");
        }
    }
}
