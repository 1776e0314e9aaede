//! Processes of the product as users start them: what they say when they are ready, their logs, how they end and
//! come back. And the command line, with its JSON.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::wait::eventually;
use crate::{Account, Place, Process, Signal, binary};

/// Within what time a process has to be ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A process of the product that can be ended in every way and started again as it was.
#[derive(Debug)]
pub(crate) struct Product {
    name: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    place: Place,
    log: PathBuf,
    process: Option<Process>,
}

impl Product {
    /// `countersign ARGUMENTS`, not started yet; it logs to `log`.
    pub(crate) fn new(
        name: &str,
        arguments: &[&str],
        environment: &[(String, String)],
        place: Place,
        log: PathBuf,
    ) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (name, environment) = (name.to_owned(), environment.to_vec());
        Self { name, arguments, environment, place, log, process: None }
    }

    /// Starts it, ready when this returns.
    ///
    /// # Errors
    /// It does not get ready; the error has what it logged.
    pub(crate) fn start(&mut self) -> Result<()> {
        let mut command = self.place.command(binary()?, Account::Own);
        command.args(&self.arguments).args(["--output", "json"]).envs(self.environment.iter().cloned());
        self.process = Some(launch(&self.name, &mut command, &self.log)?.0);
        Ok(())
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where it logs.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Its process id, while it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It does not run.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process()?.signal(signal)
    }

    /// Kills it, as a power cut would.
    ///
    /// # Errors
    /// It does not run.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process()?.kill()?;
        self.process = None;
        Ok(())
    }

    /// Asks it to end in good order and waits until it has.
    ///
    /// # Errors
    /// It does not run, or ended with an error code.
    pub(crate) fn stop(&mut self, patience: Duration) -> Result<()> {
        let status = self.process()?.stop(patience)?;
        self.process = None;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        ensure!(status.success(), "{} ended with {status}: {log}", self.name);
        Ok(())
    }

    /// Whether it runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.ended().is_ok_and(|ended| ended.is_none()))
    }

    fn process(&mut self) -> Result<&mut Process> {
        let name = &self.name;
        self.process.as_mut().with_context(|| format!("{name} does not run"))
    }
}

/// Starts a process and waits for the line of JSON in which it says that it is ready.
///
/// # Errors
/// It ends, or does not get ready; the error has what it logged.
pub(crate) fn launch(name: &str, command: &mut Command, log: &Path) -> Result<(Process, Value)> {
    let to = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(to);
    let mut process = Process::spawn(name, command, Signal::Terminate)?;
    let output = process.child().stdout.take().context("no output")?;
    let (sender, lines) = channel();
    // Goes on reading, so that a full pipe never holds the process up.
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let said = || std::fs::read_to_string(log).unwrap_or_default();
    let ready = eventually(&format!("{name} to get ready"), READY_LIMIT, || {
        let mut values = lines.try_iter().filter_map(|line| serde_json::from_str(&line).ok());
        if let Some(ready) = values.find(is_ready) {
            return Ok(Some(ready));
        }
        match process.ended()? {
            Some(status) => bail!("{name} ended ({status}): {}", said()),
            None => Ok(None),
        }
    });
    Ok((process, ready.with_context(said)?))
}

fn is_ready(line: &Value) -> bool {
    line.get("event").is_some_and(|event| event == "ready")
}

/// Runs a command of the command line; its JSON, or null when it prints none.
///
/// # Errors
/// What the command says on its standard error.
pub(crate) fn json(command: &mut Command) -> Result<Value> {
    let output = command.output().context("cannot run countersign")?;
    let error = String::from_utf8_lossy(&output.stderr);
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    ensure!(output.status.success(), "countersign {}: {}", words.join(" "), error.trim());
    let printed = String::from_utf8_lossy(&output.stdout);
    if printed.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&printed).with_context(|| format!("not JSON: {printed}"))
}
