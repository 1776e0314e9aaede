//! Where etcd is and how we get in: the configuration, and the secrets read from the files it names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_common::Secret;
use serde::Deserialize;

use crate::store::StoreError;

/// Where etcd is and how we get in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdConfig {
    /// The client addresses of all members: `https://host:2379`, or `http://…` without TLS. Not
    /// reloadable.
    pub endpoints: Vec<String>,
    /// What all keys begin with, before `/cs/`: for several installations on one etcd. Empty by default;
    /// not reloadable.
    #[serde(default)]
    pub prefix: String,
    /// How the members prove who they are, and we to them; only for `https`. The files are read again for
    /// every connection.
    #[serde(default)]
    pub tls: Option<EtcdTls>,
    /// The user, where etcd has authentication switched on.
    #[serde(default)]
    pub user: Option<EtcdUser>,
    /// How long one call may take in all, with every attempt at every member, in seconds; 8 by default. A
    /// change of the leader takes a second or two.
    #[serde(default = "call_seconds")]
    pub call_seconds: u32,
}

/// How members of etcd and we prove who we are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdTls {
    /// The authority that signed the members' certificates, PEM.
    pub ca: PathBuf,
    /// Our certificate, PEM; with `key`.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The name in the members' certificates, where it is not the host of the endpoint.
    #[serde(default)]
    pub server_name: Option<String>,
}

/// A user of etcd.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdUser {
    /// Its name.
    pub name: String,
    /// The file that holds its password, and nothing else; white space around it is left out.
    pub password_file: PathBuf,
}

fn call_seconds() -> u32 {
    8
}

impl EtcdConfig {
    /// These members, without TLS or a user.
    #[must_use]
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            prefix: String::new(),
            tls: None,
            user: None,
            call_seconds: call_seconds(),
        }
    }

    /// Refuses what cannot work before anything is tried.
    ///
    /// # Errors
    /// [`StoreError::Misconfigured`] with what is wrong.
    pub fn check(&self) -> Result<(), StoreError> {
        let wrong = |detail: String| Err(StoreError::Misconfigured { detail });
        if self.endpoints.is_empty() {
            return wrong("no `endpoints`".into());
        }
        for endpoint in &self.endpoints {
            if endpoint.contains('@') {
                // Not quoted: it holds a password, and endpoints stand in messages.
                return wrong("an endpoint holds a user; that belongs into `user`".into());
            }
            let secure = endpoint.starts_with("https://");
            if !secure && !endpoint.starts_with("http://") {
                return wrong(format!("the endpoint `{endpoint}` begins with neither http:// nor https://"));
            }
            if secure != self.tls.is_some() {
                return wrong(format!("the endpoint `{endpoint}`: `tls` and https:// need each other"));
            }
        }
        if let Some(tls) = &self.tls
            && tls.certificate.is_some() != tls.key.is_some()
        {
            return wrong("`certificate` and `key` need each other".into());
        }
        if self.call_seconds == 0 {
            return wrong("`call_seconds` is 0".into());
        }
        Ok(())
    }

    /// How long one call may take in all.
    #[must_use]
    pub fn call_timeout(&self) -> Duration {
        Duration::from_secs(self.call_seconds.into())
    }
}

/// What the files hold.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) tls: Option<Tls>,
    pub(super) user: Option<(String, Secret<String>)>,
}

/// Certificates, PEM.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) ca: Vec<u8>,
    pub(super) identity: Option<(Vec<u8>, Secret<Vec<u8>>)>,
    pub(super) server_name: Option<String>,
}

impl Credentials {
    /// Reads the files that the configuration names.
    pub(super) async fn read(config: &EtcdConfig) -> Result<Self, StoreError> {
        let tls = match &config.tls {
            Some(tls) => Some(Tls::read(tls).await?),
            None => None,
        };
        let user = match &config.user {
            Some(user) => {
                let password = Secret::new(read(&user.password_file).await?);
                let text = std::str::from_utf8(password.expose());
                let text = text.map_err(|_| unreadable(&user.password_file, &"it is not UTF-8"))?;
                Some((user.name.clone(), Secret::new(text.trim().to_owned())))
            }
            None => None,
        };
        Ok(Self { tls, user })
    }
}

impl Tls {
    async fn read(tls: &EtcdTls) -> Result<Self, StoreError> {
        let identity = match (&tls.certificate, &tls.key) {
            (Some(certificate), Some(key)) => Some((read(certificate).await?, Secret::new(read(key).await?))),
            _ => None,
        };
        Ok(Self { ca: read(&tls.ca).await?, identity, server_name: tls.server_name.clone() })
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    tokio::fs::read(path).await.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Misconfigured { detail: format!("`{}` cannot be read: {why}", path.display()) }
}
