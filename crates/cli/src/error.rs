//! How a command fails: what happened, what to do next, and the exit code that scripts branch on.

use std::fmt;
use std::process::ExitCode;

use countersign_api::BadField;
use countersign_common::error::Report;
use tonic::Code;

/// The exit codes. `docs/cli.md` promises them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Anything that has no code of its own.
    Failed = 1,
    /// The command line cannot be understood. Clap uses the same.
    Usage = 2,
    /// The token, policy, the approval's own rules, or the one who was asked said no.
    Refused = 3,
    /// There is no such request, session, recording; or this token may not see it.
    NotFound = 4,
    /// What was checked is not sound: a bundle, a recording, a configuration.
    Unsound = 5,
    /// The control plane was not reached, or could not serve; trying again is sensible.
    Unreachable = 6,
    /// A recording was checked, nothing is wrong with it, and nothing from elsewhere says that it is all.
    Unanchored = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct CliError {
    exit: Exit,
    message: String,
    /// What to do next.
    help: Option<String>,
    /// The code with a page in `docs/errors`, such as `CS0014`.
    code: Option<String>,
}

impl CliError {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None, code: None }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The message of an error with those of its causes.
    pub(crate) fn because(exit: Exit, what: impl fmt::Display, error: &dyn std::error::Error) -> Self {
        Self::new(exit, format!("{what}: {}", chain(error)))
    }

    /// The same with the error's own code.
    pub(crate) fn report(exit: Exit, what: impl fmt::Display, error: &impl Report) -> Self {
        Self::because(exit, what, error).code(error.code())
    }

    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub(crate) fn code(mut self, code: countersign_common::error::Code) -> Self {
        self.code = Some(code.to_string());
        self
    }

    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": {
            "message": self.message,
            "help": self.help,
            "code": self.code,
            "exit": self.exit as u8,
        }})
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

impl miette::Diagnostic for CliError {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.code.as_ref().map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }
}

impl From<tonic::Status> for CliError {
    fn from(status: tonic::Status) -> Self {
        let (exit, help) = match status.code() {
            Code::Unauthenticated => (
                Exit::Refused,
                Some(
                    "give a token that is accepted, with --token-file or COUNTERSIGN_TOKEN; an \
                     administrator issues one with `countersign token issue`",
                ),
            ),
            Code::NotFound => (
                Exit::NotFound,
                Some("lists show only what your token may see; check the id, or use another token"),
            ),
            Code::PermissionDenied | Code::FailedPrecondition => (Exit::Refused, None),
            Code::InvalidArgument => (Exit::Usage, None),
            Code::Unavailable | Code::DeadlineExceeded => {
                (Exit::Unreachable, Some("nothing is known to have changed; try again"))
            }
            Code::DataLoss => (
                Exit::Unsound,
                Some("keep the files as they are, and compare them with a copy that verifies"),
            ),
            Code::Aborted => {
                (Exit::Failed, Some("somebody else was at it at the same time; look again and retry"))
            }
            _ => (Exit::Failed, None),
        };
        let message = match status.message() {
            "" => format!("the control plane answered: {}", status.code().description()),
            message => message.to_owned(),
        };
        let code = status.metadata().get("countersign-code").and_then(|code| code.to_str().ok());
        // The text ends in the code too, for those who see the text alone.
        let message = match code {
            Some(code) => message.strip_suffix(&format!(" ({code})")).unwrap_or(&message).to_owned(),
            None => message,
        };
        Self { exit, message, help: help.map(Into::into), code: code.map(Into::into) }
    }
}

impl From<BadField> for CliError {
    fn from(error: BadField) -> Self {
        Self::failed(format!("the control plane's answer cannot be read: {error}"))
            .help("use a `countersign` of the same version as the control plane's")
    }
}

/// The message of an error and those of its causes, but for a cause that its error has quoted already.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_its_exit_code_and_its_code_is_said_once() {
        let mut status = tonic::Status::permission_denied("not yours (CS0011)");
        status.metadata_mut().insert("countersign-code", "CS0011".parse().unwrap());
        let error = CliError::from(status);
        assert_eq!((error.exit, error.message.as_str()), (Exit::Refused, "not yours"));
        assert_eq!(error.code.as_deref(), Some("CS0011"));
    }

    #[test]
    fn a_cause_is_said_once() {
        let inner = std::io::Error::other("disk full");
        #[derive(Debug, thiserror::Error)]
        #[error("cannot write")]
        struct Outer(#[source] std::io::Error);
        assert_eq!(chain(&Outer(inner)), "cannot write: disk full");
    }
}
