//! Refusals: the answer to a client whose command was not run. Every protocol carries the same JSON, and one plain
//! sentence with instructions for an agent.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::ApprovalId;
use crate::time::Timestamp;

/// Refusal of a command, in the terms that every protocol shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// State of the command.
    pub state: State,
    /// `Some(false)` if the command was not run; `None` if that is unknown.
    pub executed: Option<bool>,
    /// The approval that the command waits for, or that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<ApprovalId>,
    /// Action that the client should take.
    pub next_action: NextAction,
    /// Delay before a retry, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// Time at which the approval expires, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Open quorum, such as `1 of 2 (dba)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need: Option<String>,
    /// Reason in one sentence.
    pub reason: String,
    /// URL of the request on the approver's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Replaces the sentence of the state where that does not fit: a limit of the gateway, for example, is not a
    /// policy.
    #[serde(skip)]
    pub advice: Option<Cow<'static, str>>,
}

/// State of a command that was not run, or perhaps not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The command waits for approval.
    Pending,
    /// An approver denied the command.
    Denied,
    /// A policy forbids the command.
    Blocked,
    /// The request or its approval expired.
    Expired,
    /// The command was released, and its outcome is unknown.
    InDoubt,
    /// The command or its context differs from what was approved.
    Mismatch,
    /// Countersign cannot judge or record at the moment.
    Unavailable,
    /// The same command is running on another connection.
    RunningElsewhere,
    /// The client withdrew the request.
    Withdrawn,
    /// A limit is reached, such as that of open requests; no approval was requested.
    Limited,
    /// The approval was voided: the effect of the command has changed since the request.
    Voided,
}

impl State {
    /// Word for the state in the primary message, because clients hide codes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Denied => "denied",
            Self::Blocked => "blocked",
            Self::Expired => "expired",
            Self::InDoubt => "in doubt",
            Self::Mismatch => "mismatch",
            Self::Unavailable => "unavailable",
            Self::RunningElsewhere => "running elsewhere",
            Self::Withdrawn => "withdrawn",
            Self::Limited => "limited",
            Self::Voided => "voided",
        }
    }
}

/// Action that the client should take after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NextAction {
    /// Wait, then send the same command again.
    Wait,
    /// Send exactly the same command again.
    RetrySame,
    /// Change the command before sending it.
    Edit,
    /// Do not send the command again.
    Stop,
}

impl Refusal {
    /// Creates a refusal that was not executed (unknown for `InDoubt`), with the action that fits the state.
    #[must_use]
    pub fn new(state: State, reason: impl Into<String>) -> Self {
        let (executed, next_action) = match state {
            State::Pending => (Some(false), NextAction::Wait),
            State::RunningElsewhere | State::Limited => (Some(false), NextAction::Wait),
            State::Expired | State::Unavailable | State::Voided => (Some(false), NextAction::RetrySame),
            State::Blocked | State::Mismatch => (Some(false), NextAction::Edit),
            State::Denied | State::Withdrawn => (Some(false), NextAction::Stop),
            State::InDoubt => (None, NextAction::Stop),
        };
        Self {
            state,
            executed,
            ticket: None,
            next_action,
            retry_after_s: None,
            expires_at: None,
            need: None,
            reason: reason.into(),
            url: None,
            advice: None,
        }
    }

    /// Replaces the sentence of the state. The text must first say that nothing was executed.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Adds the approval that the refusal belongs to.
    #[must_use]
    pub fn with_ticket(mut self, ticket: ApprovalId) -> Self {
        self.ticket = Some(ticket);
        self
    }

    /// Adds the time at which the approval expires.
    #[must_use]
    pub fn with_expiry(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at.to_string());
        self
    }

    /// Adds the delay after which a retry makes sense, at least one second.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after_s = Some(after.as_secs().max(1));
        self
    }

    /// Serialises the JSON that every protocol carries.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| String::from("{}"))
    }

    /// Returns the plain sentence with instructions for an agent.
    #[must_use]
    pub fn sentence(&self) -> Cow<'static, str> {
        if let Some(advice) = &self.advice {
            return advice.clone();
        }
        match self.state {
            State::Pending => {
                "Not executed. Do not rephrase or split it, do not report success. Send exactly the same \
                               statement again after approval."
            }
            State::RunningElsewhere => {
                "Not executed here: the same command is being executed on another connection. Do \
                                        not rephrase or split it; ask for its outcome."
            }
            State::Expired => {
                "Not executed: nobody decided in time. Do not report success. Send exactly the same \
                               statement again to ask again."
            }
            State::Unavailable => {
                "Not executed: it cannot be taken through at the moment. Do not report success. \
                                   Send exactly the same statement again later."
            }
            State::Blocked => {
                "Not executed, and nobody can approve it: policy forbids it. Do not rephrase or split it \
                               to get around the policy."
            }
            State::Mismatch => {
                "Not executed: what was sent is not what was approved. Send exactly what was approved, in \
                                the same session and outside another transaction."
            }
            State::Denied => {
                "Not executed: a person said no. Do not rephrase or split it, do not send it again. Report \
                              that it was denied."
            }
            State::Withdrawn => "Not executed: the request was withdrawn.",
            State::Limited => {
                "Not executed, and nobody was asked: a limit is reached, and the reason says which. Do not split or rephrase \
                 it, do not report success. If too many requests wait for approval, send exactly the same statement again \
                 once some of them are decided."
            }
            State::Voided => {
                "Not executed: the approval was voided, because what the statement would do has changed since. Do \
                              not report success. Send exactly the same statement again to ask anew."
            }
            State::InDoubt => {
                "It is not known whether this was executed. Do not send it again, do not report success or \
                               failure. A person has to find out."
            }
        }
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_in_doubt_leaves_open_whether_it_ran() {
        for state in [State::Pending, State::Denied, State::Blocked, State::Expired, State::Mismatch]
            .into_iter()
            .chain([State::Limited, State::Voided])
        {
            assert_eq!(Refusal::new(state, "why").executed, Some(false));
        }
        assert_eq!(Refusal::new(State::InDoubt, "why").executed, None);
    }

    #[test]
    fn a_limit_says_that_nothing_ran_and_when_to_come_back() {
        let refusal = Refusal::new(State::Limited, "why").with_retry_after(Duration::from_secs(30));
        insta::assert_snapshot!(refusal.json(), @r#"{"state":"limited","executed":false,"next_action":"wait","retry_after_s":30,"reason":"why"}"#);
    }

    #[test]
    fn the_json_is_the_documented_one() {
        let refusal = Refusal::new(State::Pending, "writes need a dba").with_ticket(ApprovalId::from_u128(7));
        insta::assert_snapshot!(refusal.json(), @r#"{"state":"pending","executed":false,"ticket":"apr_00000000000000000000000007","next_action":"wait","reason":"writes need a dba"}"#);
    }
}
