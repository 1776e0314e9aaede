//! Real client programs, one for each driver, that do what a test tells them (`tests/clients/README.md`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{Process, Signal, build_folder};

/// A driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// psycopg 3, on libpq.
    Psycopg,
    /// asyncpg.
    Asyncpg,
    /// node-postgres.
    Node,
    /// The JDBC driver.
    Jdbc,
}

impl ClientKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Psycopg, Self::Asyncpg, Self::Node, Self::Jdbc];

    fn command(self) -> Result<Command> {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients");
        let python = build_folder()?.join("clients/venv/bin/python");
        let modules = clients.join("node/node_modules");
        let jars = Path::new("/usr/share/java");
        let (program, needs, arguments): (PathBuf, PathBuf, Vec<PathBuf>) = match self {
            Self::Psycopg => (python.clone(), python, vec![clients.join("python/psycopg_client.py")]),
            Self::Asyncpg => (python.clone(), python, vec![clients.join("python/asyncpg_client.py")]),
            Self::Node => ("node".into(), modules, vec![clients.join("node/client.mjs")]),
            Self::Jdbc => {
                let (driver, gson) = (jars.join("postgresql.jar"), jars.join("gson.jar"));
                let path = format!("{}:{}", driver.display(), gson.display());
                // Short-lived: the second compiler takes longer to start than it saves.
                let quick = ["-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp"].map(PathBuf::from);
                let rest = [path.into(), clients.join("java/Client.java")];
                ("java".into(), driver, quick.into_iter().chain(rest).collect())
            }
        };
        ensure!(needs.exists(), "no `{}`; run `cargo xtask setup` once", needs.display());
        let mut command = Command::new(program);
        command.args(arguments).env("NODE_NO_WARNINGS", "1");
        Ok(command)
    }
}

/// Where a client connects, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dsn {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password, or token.
    pub password: String,
    /// Database.
    pub database: String,
}

impl Dsn {
    pub(crate) fn json(&self) -> String {
        let Self { host, port, user, password, database } = self;
        json!({"host": host, "port": port, "user": user, "password": password, "database": database})
            .to_string()
    }
}

/// A client program that has started.
#[derive(Debug)]
pub struct Client {
    process: Process,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// The notices that have come so far, oldest first.
    pub notices: Vec<Value>,
}

/// How long an operation may take that waits for nobody.
const PATIENCE: Duration = Duration::from_secs(30);

impl Client {
    /// Starts one and connects it.
    ///
    /// # Errors
    /// The program is not installed, or the server did not let it in; the error has the server's words.
    pub fn start(kind: ClientKind, dsn: &Dsn) -> Result<Self> {
        let mut command = kind.command()?;
        command.arg(dsn.json()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(&format!("the {kind:?} client"), &mut command, Signal::Terminate)?;
        let input = process.child().stdin.take();
        let output = process.child().stdout.take().context("no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut client = Self { process, input, lines, notices: Vec::new() };
        let greeting = client.line(Instant::now() + PATIENCE)?.context("the client says nothing")?;
        ensure!(greeting.get("connected") == Some(&Value::Bool(true)), "not connected: {greeting}");
        Ok(client)
    }

    /// Tells it what to do, without waiting for the answer.
    ///
    /// # Errors
    /// It has ended.
    pub fn tell(&mut self, op: &Value) -> Result<()> {
        let input = self.input.as_mut().context("the client's input is closed")?;
        writeln!(input, "{op}").and_then(|()| input.flush()).context("the client has ended")
    }

    /// Its answer to what it was told; `None` when there is none yet after `limit`.
    ///
    /// # Errors
    /// It has ended, or does not speak JSON.
    pub fn answer_within(&mut self, limit: Duration) -> Result<Option<Value>> {
        let until = Instant::now() + limit;
        while let Some(mut line) = self.line(until)? {
            if let Some(notice) = line.get_mut("notice") {
                self.notices.push(notice.take());
            } else if let Some(answer) = line.get_mut("answer") {
                return Ok(Some(answer.take()));
            } else {
                bail!("the client says {line}");
            }
        }
        Ok(None)
    }

    /// Tells it what to do and waits for the answer.
    ///
    /// # Errors
    /// It has ended, or gives no answer for half a minute.
    pub fn ask(&mut self, op: &Value) -> Result<Value> {
        self.tell(op)?;
        self.answer_within(PATIENCE)?.with_context(|| format!("no answer to {op} within {PATIENCE:?}"))
    }

    /// Ends it as a crash would: the connection breaks off, without a farewell.
    ///
    /// # Errors
    /// The system does not tell that it has ended.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    fn line(&mut self, until: Instant) -> Result<Option<Value>> {
        match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => serde_json::from_str(&line).map(Some).with_context(|| format!("not JSON: {line}")),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("the client has ended"),
        }
    }
}
