//! `countersign dev` as a user starts it: the built binary, its command line, its JSON. Nothing of the
//! product is linked in here, so that a test through this sees what a user sees.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::wait::eventually;
use crate::{Account, Dsn, Folder, Process, Signal, build_folder, product};

/// How to start `countersign dev`.
#[derive(Debug, Clone, Default)]
pub struct DevOptions {
    /// The bundle's folder.
    pub config: PathBuf,
    /// Targets besides those of the bundle: name and URL.
    pub targets: Vec<(String, String)>,
    /// The environment of the process besides ours; credentials that the bundle refers to.
    pub environment: Vec<(String, String)>,
    /// Certificate chain and key of its PostgreSQL listener.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where it keeps its data; `None`: a temporary folder that goes away with it.
    pub data: Option<PathBuf>,
    /// More of the command line, such as `--listen-ops`.
    pub arguments: Vec<String>,
}

/// What is logged when a gateway states something that the control plane finds to be otherwise.
const ALARM: &str = "a gateway stated something about a command that is not so";

/// A running `countersign dev`, with a person who may approve.
#[derive(Debug)]
pub struct Countersign {
    // Dropped before the folder it works in.
    process: Process,
    folder: Folder,
    options: DevOptions,
    role: Role,
    postgres: String,
    api: String,
    ops: Option<String>,
    data: PathBuf,
    approver: String,
}

/// What the process is.
#[derive(Debug, Clone, Copy)]
enum Role {
    /// Gateway and control plane in one.
    Dev,
    /// The control plane of a fleet.
    ControlPlane {
        /// Where it listens for gateways.
        fleet_port: u16,
    },
}

/// The person who decides in tests unless a test names another: human, of group `dba`.
const APPROVER: &str = "dora";

/// An honest gateway raises no alarm: every test that has one is a test of that.
#[allow(clippy::panic, reason = "a test fails by panicking")]
impl Drop for Countersign {
    fn drop(&mut self) {
        let log = self.log();
        let alarm = log.lines().find(|line| line.contains(ALARM));
        if let (Some(alarm), false) = (alarm, std::thread::panicking()) {
            panic!("an honest gateway raised the alarm: {alarm}");
        }
    }
}

impl Countersign {
    /// Starts one on free ports of loopback; it is ready when this returns.
    ///
    /// # Errors
    /// The binary is not built, or does not get ready; the error has what it said.
    pub fn start(options: DevOptions) -> Result<Self> {
        Self::start_as(options, Role::Dev)
    }

    /// Starts the control plane of a fleet, which listens for gateways on this port, and nothing for clients. The bundle of
    /// `options` is applied.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) fn start_control_plane(options: DevOptions, fleet_port: u16) -> Result<Self> {
        let bundle = options.config.display().to_string();
        let started = Self::start_as(options, Role::ControlPlane { fleet_port })?;
        started.cli_as_operator(&["apply", "-f", &bundle])?;
        Ok(started)
    }

    fn start_as(options: DevOptions, role: Role) -> Result<Self> {
        let folder = Folder::new(Account::Own)?;
        let data = options.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let (process, ready) = launch(&options, role, &folder, &data)?;
        let mut started = Self {
            process,
            folder,
            options,
            role,
            postgres: text(&ready, "postgres").unwrap_or_default(),
            api: text(&ready, "api")?,
            ops: text(&ready, "ops").ok(),
            data,
            approver: String::new(),
        };
        started.approver = started.token(APPROVER, "human", &["dba"])?;
        Ok(started)
    }

    /// Starts it again after [`Self::kill`] or [`Self::stop`], on the same data and perhaps other ports.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_again(&mut self) -> Result<()> {
        let (process, ready) = launch(&self.options, self.role, &self.folder, &self.data)?;
        self.process = process;
        self.postgres = text(&ready, "postgres").unwrap_or_default();
        self.api = text(&ready, "api")?;
        self.ops = text(&ready, "ops").ok();
        Ok(())
    }

    /// Kills it, as a power cut would.
    ///
    /// # Errors
    /// The system does not tell that it has ended.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Asks it to end in good order and waits until it has.
    ///
    /// # Errors
    /// It ended with an error code.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.process.stop(Duration::from_secs(30))?;
        ensure!(status.success(), "countersign dev ended with {status}: {}", self.log());
        Ok(())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its PostgreSQL listener is, `127.0.0.1:PORT`.
    #[must_use]
    pub fn postgres(&self) -> &str {
        &self.postgres
    }

    /// Where its API is, as a URL.
    #[must_use]
    pub fn api(&self) -> &str {
        &self.api
    }

    /// Where operators look, as a URL: of a control plane always, of `dev` where it was started with `--listen-ops`.
    #[must_use]
    pub fn ops(&self) -> Option<&str> {
        self.ops.as_deref()
    }

    /// Where it keeps its data.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The token of the person who may approve.
    #[must_use]
    pub fn approver(&self) -> &str {
        &self.approver
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Where a client connects with `token` to reach `target`.
    #[must_use]
    pub fn dsn(&self, target: &str, token: &str, database: &str) -> Dsn {
        let port = self.postgres.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default();
        Dsn {
            host: "127.0.0.1".into(),
            port,
            user: target.into(),
            password: token.into(),
            database: database.into(),
        }
    }

    /// A new token for `subject`; `kind` is `human`, `agent` or `service`.
    ///
    /// # Errors
    /// What the command says.
    pub fn token(&self, subject: &str, kind: &str, groups: &[&str]) -> Result<String> {
        let mut arguments = vec!["token", "issue", "--subject", subject, "--kind", kind, "--ttl", "1h"];
        for group in groups {
            arguments.extend(["--group", group]);
        }
        text(&self.cli_as_operator(&arguments)?, "token")
    }

    /// The ids of the requests that wait for a person, oldest first; at most a thousand.
    ///
    /// # Errors
    /// What the command says.
    pub fn pending(&self) -> Result<Vec<String>> {
        let listed =
            self.cli_as(&self.approver, &["requests", "ls", "--state", "pending", "--limit", "1000"])?;
        let requests = listed.get("requests").and_then(Value::as_array);
        let requests = requests.with_context(|| format!("not a list of requests: {listed}"))?;
        requests.iter().rev().map(|request| text(request, "id")).collect()
    }

    /// Waits until exactly one request is pending, and returns its id.
    ///
    /// # Errors
    /// None within 10 s.
    pub fn pending_one(&self) -> Result<String> {
        eventually("a pending request", Duration::from_secs(10), || {
            let mut pending = self.pending()?;
            Ok(if pending.len() == 1 { pending.pop() } else { None })
        })
    }

    /// Approves, as the person who may.
    ///
    /// # Errors
    /// What the command says.
    pub fn approve(&self, id: &str) -> Result<()> {
        self.cli_as(&self.approver, &["approve", id, "--reason", "looks right"]).map(drop)
    }

    /// Denies, as the person who may.
    ///
    /// # Errors
    /// What the command says.
    pub fn deny(&self, id: &str, reason: &str) -> Result<()> {
        self.cli_as(&self.approver, &["deny", id, "--reason", reason]).map(drop)
    }

    /// A request with everything an approver sees.
    ///
    /// # Errors
    /// What the command says.
    pub fn request(&self, id: &str) -> Result<Value> {
        self.cli_as(&self.approver, &["requests", "show", id])
    }

    /// Runs a command with the token that `countersign dev` made for whoever owns its data.
    ///
    /// # Errors
    /// What the command says.
    pub fn cli_as_operator(&self, arguments: &[&str]) -> Result<Value> {
        self.cli_as(&self.operator()?, arguments)
    }

    /// The token of whoever owns the data.
    ///
    /// # Errors
    /// There is none.
    pub fn operator(&self) -> Result<String> {
        let token =
            std::fs::read_to_string(self.data.join("operator.token")).context("no operator's token")?;
        Ok(token.trim().to_owned())
    }

    /// Runs a command with a token; its JSON, or null when it prints none.
    ///
    /// # Errors
    /// What the command says on its standard error.
    pub fn cli_as(&self, token: &str, arguments: &[&str]) -> Result<Value> {
        product::json(&mut self.command(token, arguments)?)
    }

    /// The command line `countersign ARGUMENTS` against this instance.
    ///
    /// # Errors
    /// The binary is not built.
    pub fn command(&self, token: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = self.command_for_people(token, arguments)?;
        command.args(["--output", "json"]);
        Ok(command)
    }

    /// The same with the output that people read.
    ///
    /// # Errors
    /// The binary is not built.
    pub fn command_for_people(&self, token: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary()?);
        command
            .args(arguments)
            .env("COUNTERSIGN_API", &self.api)
            .env("COUNTERSIGN_TOKEN", token)
            .stdin(Stdio::null());
        Ok(command)
    }
}

/// The binary that a chore has built on purpose, such as a release build.
static CHOSEN: OnceLock<PathBuf> = OnceLock::new();

/// Chooses the binary for all that follows in this process.
///
/// # Errors
/// One was chosen before.
pub fn use_binary(binary: PathBuf) -> Result<()> {
    CHOSEN.set(binary).map_err(|_| anyhow::anyhow!("a binary was chosen before"))
}

/// The built binary: the chosen one, the one that `COUNTERSIGN_BIN` names, or the one beside the running
/// executable.
///
/// # Errors
/// There is none.
pub fn binary() -> Result<PathBuf> {
    if let Some(chosen) = CHOSEN.get() {
        return Ok(chosen.clone());
    }
    if let Some(named) = std::env::var_os("COUNTERSIGN_BIN") {
        return Ok(named.into());
    }
    let executable = std::env::current_exe().context("cannot tell where this executable is")?;
    let build = build_folder()?;
    executable
        .ancestors()
        .skip(1)
        .take_while(|folder| folder.starts_with(&build))
        .map(|folder| folder.join("countersign"))
        .find(|file| file.is_file())
        .context("no `countersign` beside this test; build it with `cargo build -p countersign-cli`")
}

/// Starts the process and waits for the line in which it says that it is ready, and where.
fn launch(options: &DevOptions, role: Role, folder: &Folder, data: &Path) -> Result<(Process, Value)> {
    let mut command = Command::new(binary()?);
    match role {
        Role::Dev => dev(&mut command, options, data),
        Role::ControlPlane { fleet_port } => control_plane(&mut command, folder, data, fleet_port)?,
    }
    command.envs(options.environment.iter().cloned());
    product::launch("countersign", &mut command, &folder.path().join("log"))
}

fn dev(command: &mut Command, options: &DevOptions, data: &Path) {
    command
        .args(["dev", "--output", "json", "--listen-postgres", "127.0.0.1:0", "--listen-api", "127.0.0.1:0"])
        .arg("--config")
        .arg(&options.config)
        .arg("--data")
        .arg(data)
        .args(&options.arguments);
    for (name, url) in &options.targets {
        command.arg("--target").arg(format!("{name}={url}"));
    }
    if let Some((certificate, key)) = &options.tls {
        command.arg("--tls-certificate").arg(certificate).arg("--tls-key").arg(key);
    }
}

fn control_plane(command: &mut Command, folder: &Folder, data: &Path, fleet_port: u16) -> Result<()> {
    let config = format!(
        "data: {}\nlisten: 127.0.0.1:0\nlisten_fleet: 127.0.0.1:{fleet_port}\nlisten_ops: 127.0.0.1:0\n",
        data.display()
    );
    let config = folder.write("control.yaml", config)?;
    command.args(["controlplane", "--output", "json", "--config"]).arg(config);
    Ok(())
}

/// The text in a field of a JSON object.
pub(crate) fn text(object: &Value, field: &str) -> Result<String> {
    let found = object.get(field).and_then(Value::as_str);
    found.map(str::to_owned).with_context(|| format!("no `{field}` in {object}"))
}
