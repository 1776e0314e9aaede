//! What is wrong with a bundle, as it is shown: `file:line:column: reason`, all of it together.

use std::path::Path;

use countersign_api::v1;
use countersign_policy::BundleErrors;
use serde::Serialize;

use crate::error::{CliError, Exit};
use crate::output::Output;

/// One fault.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FaultView {
    /// The file; empty: the bundle as a whole.
    file: String,
    /// From one; missing: the whole file.
    line: Option<u32>,
    /// From one; missing: the whole line.
    column: Option<u32>,
    reason: String,
}

impl FaultView {
    fn text(&self) -> String {
        let Self { file, line, column, reason } = self;
        match (file.is_empty(), line, column) {
            (true, ..) => reason.clone(),
            (false, Some(line), Some(column)) => format!("{file}:{line}:{column}: {reason}"),
            (false, Some(line), None) => format!("{file}:{line}: {reason}"),
            (false, None, _) => format!("{file}: {reason}"),
        }
    }
}

impl From<v1::BundleFault> for FaultView {
    fn from(fault: v1::BundleFault) -> Self {
        let given = |number: u32| (number > 0).then_some(number);
        Self { file: fault.file, line: given(fault.line), column: given(fault.column), reason: fault.reason }
    }
}

/// The faults of a bundle in `dir`, with file names that an editor opens.
pub(crate) fn of_dir(errors: &BundleErrors, dir: &Path) -> Vec<FaultView> {
    let number = |number: usize| u32::try_from(number).ok();
    let of_fault = |fault: &countersign_policy::Fault| FaultView {
        file: if fault.file.is_empty() { String::new() } else { dir.join(&fault.file).display().to_string() },
        line: fault.at.and_then(|at| number(at.line)),
        column: fault.at.and_then(|at| number(at.column)),
        reason: fault.reason.clone(),
    };
    errors.faults().iter().map(of_fault).collect()
}

/// The JSON of a bundle with faults.
#[derive(Debug, Serialize)]
struct Unsound<'a> {
    ok: bool,
    faults: &'a [FaultView],
}

/// Prints the faults as the result; the error that then ends the command.
pub(crate) fn refuse(faults: &[FaultView], output: Output) -> CliError {
    let text = || faults.iter().map(|fault| format!("{}\n", fault.text())).collect();
    if let Err(error) = output.result(&Unsound { ok: false, faults }, text) {
        return error;
    }
    let count = faults.len();
    let faults = if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") };
    CliError::new(Exit::Unsound, format!("the bundle does not validate: {faults}"))
        .code(countersign_common::error::code::BUNDLE_INVALID)
        .help("`docs/policy.md` says what a bundle may hold; nothing was changed")
}
