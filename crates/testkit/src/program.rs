//! Programs that play a piece of ordinary work once, with a framework or a mode of a driver, and print what they found
//! (`tests/clients/README.md`).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{Dsn, build_folder};

/// A program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Django, with psycopg.
    Django,
    /// SQLAlchemy, with psycopg.
    SqlAlchemy,
    /// The JDBC driver with `autosave=always`.
    JdbcAutosave,
}

impl Program {
    fn command(self) -> Result<Command> {
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients");
        let python = build_folder()?.join("clients/venv/bin/python");
        let jars = Path::new("/usr/share/java");
        let (program, needs, arguments): (PathBuf, PathBuf, Vec<PathBuf>) = match self {
            Self::Django => (python.clone(), python, vec![clients.join("python/django_work.py")]),
            Self::SqlAlchemy => (python.clone(), python, vec![clients.join("python/sqlalchemy_work.py")]),
            Self::JdbcAutosave => {
                let (driver, gson) = (jars.join("postgresql.jar"), jars.join("gson.jar"));
                let path = format!("{}:{}", driver.display(), gson.display());
                let quick = ["-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp"].map(PathBuf::from);
                let rest = [path.into(), clients.join("java/Autosave.java")];
                ("java".into(), driver, quick.into_iter().chain(rest).collect())
            }
        };
        ensure!(needs.exists(), "no `{}`; run `cargo xtask setup` once", needs.display());
        let mut command = Command::new(program);
        command.args(arguments);
        Ok(command)
    }

    /// Plays its `reads` or its `writes`; what it found, one line each, in its order.
    ///
    /// # Errors
    /// The program is not installed, or ended with an error; the error has its words and how far it came.
    pub fn play(self, dsn: &Dsn, part: &str) -> Result<Vec<Value>> {
        let output = self.command()?.arg(dsn.json()).arg(part).output().context("cannot start it")?;
        let (said, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{self:?}, {part}: it ended with an error behind\n{said}\n{error}");
        said.lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
            .collect()
    }
}
