//! Bundles for tests: the ones in `examples/`, with the shop of a running server as target and waiting
//! times that a test has patience for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{Account, DevOptions, Folder, Postgres, shop};

/// How long commands wait, in the words of a bundle.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How long a hold blocks the connection before it becomes a ticket.
    pub hold: &'static str,
    /// The same inside a transaction.
    pub hold_in_transaction: &'static str,
    /// How often the client is told that somebody is still being asked.
    pub notice_every: &'static str,
    /// How long a request stays open.
    pub timeout: &'static str,
    /// `keep` or `withdraw`: what becomes of a request whose client has left.
    pub on_disconnect: &'static str,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            hold: "30s",
            hold_in_transaction: "20s",
            notice_every: "1s",
            timeout: "1h",
            on_disconnect: "keep",
        }
    }
}

/// A bundle's folder. The target is `shop`, in production.
#[derive(Debug)]
pub struct Bundle {
    folder: Folder,
}

/// Where the bundle says the password of the shop's role is.
const PASSWORD_VARIABLE: &str = "SHOP_PASSWORD";

/// Room for the large values of tests, which are larger than what is judged whole by default.
const JUDGED_BYTES_MAX: u32 = 8 << 20;

impl Bundle {
    /// `examples/bundle`: agents read masked, write when a dba agrees, and never drop.
    ///
    /// # Errors
    /// The example is not where it should be.
    pub fn example(server: &Postgres, terms: &Terms) -> Result<Self> {
        Self::from("bundle", "production", &server.url(), terms)
    }

    /// The same with the target at another address, such as that of a proxy before the server.
    ///
    /// # Errors
    /// The example is not where it should be.
    pub fn example_at(address: SocketAddr, terms: &Terms) -> Result<Self> {
        let url = format!("postgres://{}@{address}/{}", shop::ROLE, shop::DATABASE);
        Self::from("bundle", "production", &url, terms)
    }

    /// `examples/allow-all`: everything runs, nothing is masked.
    ///
    /// # Errors
    /// The example is not where it should be.
    pub fn allow_all(server: &Postgres) -> Result<Self> {
        Self::from("allow-all", "test", &server.url(), &Terms::default())
    }

    fn from(example: &str, environment: &str, url: &str, terms: &Terms) -> Result<Self> {
        let folder = Folder::new(Account::Own)?;
        let example = examples().join(example);
        let entries = std::fs::read_dir(&example).with_context(|| format!("no `{}`", example.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path)?;
            match name.as_str() {
                "targets.yaml" => {}
                "chains.yaml" => {
                    folder
                        .write(&name, text.replace("timeout: 1h", &format!("timeout: {}", terms.timeout)))?;
                }
                _ => {
                    folder.write(&name, text)?;
                }
            }
        }
        folder.write("targets.yaml", target(environment, url, terms))?;
        Ok(Self { folder })
    }

    /// Puts another text in place of one of its files.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn replace(&self, name: &str, text: &str) -> Result<()> {
        self.folder.write(name, text).map(drop)
    }

    /// Lifts the limits on open requests, for tests with more of them than people would look at.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn without_limits(self) -> Result<Self> {
        let unlimited =
            "open_requests: { per_session: unlimited, per_subject: unlimited, per_target: unlimited }\n";
        self.replace("limits.yaml", unlimited)?;
        Ok(self)
    }

    /// Lets messages of up to so many bytes be judged.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn judge_up_to(&self, bytes: usize) -> Result<()> {
        let targets = std::fs::read_to_string(self.path().join("targets.yaml"))?;
        let (before, after) =
            (format!("judged_bytes_max: {JUDGED_BYTES_MAX}"), format!("judged_bytes_max: {bytes}"));
        anyhow::ensure!(targets.contains(&before), "the targets do not say `{before}`");
        self.replace("targets.yaml", &targets.replace(&before, &after))
    }

    /// Lets clients name these databases besides the shop's.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn offer(&self, databases: &[&str]) -> Result<()> {
        let targets = std::fs::read_to_string(self.path().join("targets.yaml"))?;
        self.replace("targets.yaml", &format!("{targets}    databases: [{}]\n", databases.join(", ")))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// How to start `countersign dev` with it.
    #[must_use]
    pub fn dev(&self) -> DevOptions {
        DevOptions {
            config: self.path().to_path_buf(),
            environment: vec![(PASSWORD_VARIABLE.into(), shop::PASSWORD.into())],
            ..DevOptions::default()
        }
    }
}

fn target(environment: &str, url: &str, terms: &Terms) -> String {
    let Terms { hold, hold_in_transaction, notice_every, on_disconnect, .. } = terms;
    format!(
        "targets:
  shop:
    url: {url}?sslmode=disable
    environment: {environment}
    credential: {{ env: {PASSWORD_VARIABLE} }}
    judged_bytes_max: {JUDGED_BYTES_MAX}
    waiting:
      hold: {hold}
      hold_in_transaction: {hold_in_transaction}
      notice_every: {notice_every}
      on_disconnect: {on_disconnect}
"
    )
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}
