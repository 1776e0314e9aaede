//! Printing: for people or as JSON, results on stdout, errors and prompts on stderr. A pipe that was
//! closed by its reader is no error.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde::Serialize;

use crate::error::CliError;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people; may change between versions.
    #[default]
    Text,
    /// For programs: one document, or one line per event.
    Json,
}

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output(Format);

impl Output {
    pub(crate) const fn new(format: Format) -> Self {
        Self(format)
    }

    pub(crate) const fn is_json(self) -> bool {
        matches!(self.0, Format::Json)
    }

    /// A result: `text` writes it for people, `value` is the document.
    pub(crate) fn result<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), CliError> {
        match self.0 {
            Format::Text => print(&text()),
            Format::Json => print(&json(serde_json::to_string_pretty(value))?),
        }
    }

    /// One of many events.
    pub(crate) fn event<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), CliError> {
        match self.0 {
            Format::Text => print(&text()),
            Format::Json => print(&json(serde_json::to_string(value))?),
        }
    }

    /// Text for people only; in JSON it is part of the document instead.
    pub(crate) fn people(self, text: &str) -> Result<(), CliError> {
        if self.is_json() { Ok(()) } else { print(text) }
    }

    /// Something to know about what is printed, on stderr.
    pub(crate) fn notice(self, text: &str) {
        let text = match self.0 {
            Format::Json => serde_json::json!({ "notice": text }).to_string(),
            Format::Text => format!("Note: {text}"),
        };
        // Nobody is left to be told when stderr is closed.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Why the command failed, on stderr.
    pub(crate) fn error(self, error: &CliError) {
        let text = match self.0 {
            Format::Json => error.to_json().to_string(),
            Format::Text => {
                let mut text = String::new();
                // Ids and paths stay whole: they are there to be copied.
                let handler = miette::GraphicalReportHandler::new_themed(theme()).with_wrap_lines(false);
                if handler.render_report(&mut text, error).is_err() {
                    text = error.to_string();
                }
                text
            }
        };
        // Nobody is left to be told when stderr is closed.
        let _ = writeln!(io::stderr(), "{}", text.trim_end());
    }
}

/// Colours and lines on a terminal that can show them, plain text elsewhere.
fn theme() -> miette::GraphicalTheme {
    if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        miette::GraphicalTheme::unicode()
    } else {
        miette::GraphicalTheme::none()
    }
}

fn json(text: serde_json::Result<String>) -> Result<String, CliError> {
    text.map_err(|error| CliError::failed(format!("the result cannot be written as JSON: {error}")))
}

/// Prints a text on stdout, with a line feed at its end.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    let end: &[u8] = if text.is_empty() || text.ends_with('\n') { b"" } else { b"\n" };
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(end));
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CliError::failed(format!("cannot write to stdout: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// A table for people.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    table.lines().map(|line| format!("{}\n", line.trim())).collect()
}
