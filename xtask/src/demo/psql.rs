//! The agent's client: a real psql.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use countersign_testkit::Dsn;

/// What psql said and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) out: String,
    pub(super) error: String,
    pub(super) success: bool,
}

impl Said {
    /// Both, as one would see them.
    pub(super) fn all(&self) -> String {
        format!("{}\n{}", self.error.trim_end(), self.out.trim_end())
    }
}

/// A psql that is still running.
#[derive(Debug)]
pub(super) struct Psql(Child);

impl Psql {
    /// Starts one with this statement.
    pub(super) fn start(dsn: &Dsn, sql: &str) -> Result<Self> {
        let child = Command::new("psql")
            .args(["-X", "-A", "-t", "-F", " | ", "-v", "VERBOSITY=verbose"])
            .args([
                "-h",
                &dsn.host,
                "-p",
                &dsn.port.to_string(),
                "-U",
                &dsn.user,
                "-d",
                &dsn.database,
                "-c",
                sql,
            ])
            .env("PGPASSWORD", &dsn.password)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Ok(Self(child.context("cannot run psql")?))
    }

    /// Whether it still waits.
    pub(super) fn waits(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// Waits for its end.
    pub(super) fn end(self) -> Result<Said> {
        let output = self.0.wait_with_output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said { out: text(&output.stdout), error: text(&output.stderr), success: output.status.success() })
    }

    /// Runs one to its end.
    pub(super) fn run(dsn: &Dsn, sql: &str) -> Result<Said> {
        Self::start(dsn, sql)?.end()
    }
}
