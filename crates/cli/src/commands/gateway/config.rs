//! The gateway's configuration file. `docs/cli.md` has its keys.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_common::Secret;
use countersign_common::id::TargetName;
use countersign_gateway::identity::JoinToken;
use countersign_gateway::{ListenerConfig, Proxies};
use countersign_runtime::certificate::{self, Shown};
use countersign_runtime::tls;
use ipnet::IpNet;
use serde::Deserialize;

use crate::error::{CliError, Exit};
use crate::node::config::Document;
use crate::node::hostname::hostname;
use crate::node::listen_ops::ListenOps;
use crate::node::share::Share;

/// The environment variable that a join token may be in.
const TOKEN_VARIABLE: &str = "COUNTERSIGN_JOIN_TOKEN";

/// What it is called when neither the configuration nor the machine says.
const NAME_DEFAULT: &str = "gateway";

/// Client connections at once when the configuration does not say.
const CONNECTIONS_MAX: usize = 10_000;

/// Bytes of large messages at once when the configuration does not say: 512 MiB.
const LARGE_MESSAGE_BYTES_MAX: usize = 512 << 20;

/// With less than this, 1 MiB, ordinary messages of a few connections would wait for each other.
const LARGE_MESSAGE_BYTES_LEAST: usize = 1 << 20;

/// How long connections may finish what they run when the configuration does not say, in seconds.
const DRAIN_SECONDS: u64 = 20;

/// The configuration.
#[derive(Debug)]
pub(super) struct Config {
    /// `control_planes`: where control-plane nodes listen for gateways.
    pub(super) control_planes: Vec<String>,
    /// `state`: the directory of key and certificate.
    pub(super) state: PathBuf,
    /// `name`: for people. Default: the machine's name.
    pub(super) name: String,
    /// `join_token_file`.
    join_token_file: Option<PathBuf>,
    /// `listeners`.
    listeners: Vec<Listener>,
    /// `connections_max`.
    pub(super) connections_max: usize,
    /// `large_message_bytes_max`.
    pub(super) large_message_bytes_max: usize,
    /// `hash_key_file`.
    pub(super) hash_key_file: PathBuf,
    /// `drain_seconds`.
    pub(super) drain: Duration,
    /// `url`: where the approver's page is; clients that wait are shown the place of their request in it.
    pub(super) url: Option<String>,
    /// `listen_ops`: where operators look; none without it.
    pub(super) listen_ops: Option<SocketAddr>,
    /// `otlp`: where traces go.
    pub(super) otlp: Option<String>,
    /// `trace_share`: which share of the commands is traced, from 0 to 1. Those that wait for people always are. Default 1.
    pub(super) trace_share: Share,
}

/// `host:port`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Address(String);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
        match port.and_then(|port| port.parse::<u16>().ok()) {
            Some(port) if port > 0 && !text.contains('/') => Ok(Self(text)),
            _ => Err(format!("`{text}` is not like `control.example:7444`")),
        }
    }
}

/// One of `listeners`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
struct Listener {
    address: SocketAddr,
    tls: Option<TlsFiles>,
    target: Option<TargetName>,
    server_names: BTreeMap<String, TargetName>,
    proxies: Vec<IpNet>,
}

/// The same, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    protocol: Protocol,
    address: SocketAddr,
    tls: Option<TlsFiles>,
    target: Option<TargetName>,
    #[serde(default)]
    server_names: BTreeMap<String, TargetName>,
    #[serde(default)]
    proxies: Vec<IpNet>,
}

/// The protocols of listeners.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    /// PostgreSQL.
    Postgres,
}

/// `tls`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFiles {
    /// Certificate chain, PEM.
    certificate_file: PathBuf,
    /// Its key, PEM.
    key_file: PathBuf,
}

impl TryFrom<Written> for Listener {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { protocol: Protocol::Postgres, address, tls, target, server_names, proxies } = written;
        if tls.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(format!(
                "{address} is beyond loopback: without `tls` tokens would travel unprotected"
            ));
        }
        if tls.is_none() && !server_names.is_empty() {
            return Err(format!("{address} has `server_names`, which come with `tls` only"));
        }
        let lower = |(name, target): (String, TargetName)| (name.to_lowercase(), target);
        let server_names = server_names.into_iter().map(lower).collect();
        Ok(Self { address, tls, target, server_names, proxies })
    }
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// All its faults together.
    pub(super) fn read(file: &Path) -> Result<Self, CliError> {
        let mut document = Document::read(file)?;
        let control_planes: Option<AtLeastOne<Address>> = document.required("control_planes");
        let state = document.required("state");
        let name: Option<String> = document.optional("name");
        let join_token_file = document.optional("join_token_file");
        let listeners: Option<AtLeastOne<Listener>> = document.required("listeners");
        let connections_max = document.optional("connections_max").unwrap_or(CONNECTIONS_MAX);
        let large_message_bytes_max =
            document.optional("large_message_bytes_max").unwrap_or(LARGE_MESSAGE_BYTES_MAX);
        if large_message_bytes_max < LARGE_MESSAGE_BYTES_LEAST {
            document
                .fault(format!("`large_message_bytes_max` is at least {LARGE_MESSAGE_BYTES_LEAST} (1 MiB)"));
        }
        let hash_key_file = document.required("hash_key_file");
        let drain = Duration::from_secs(document.optional("drain_seconds").unwrap_or(DRAIN_SECONDS));
        let url = document.optional("url");
        let listen_ops = match document.optional("listen_ops") {
            Some(ListenOps::On(address)) => Some(address),
            Some(ListenOps::Off) | None => None,
        };
        let otlp = document.optional("otlp");
        let trace_share = document.optional("trace_share").unwrap_or_default();
        document.finish()?;
        // Missing only with a fault, which `finish` has returned.
        let control_planes = control_planes.map(|all| all.0).unwrap_or_default();
        Ok(Self {
            control_planes: control_planes.into_iter().map(|address| address.0).collect(),
            state: state.unwrap_or_default(),
            name: name.or_else(hostname).unwrap_or_else(|| NAME_DEFAULT.to_owned()),
            join_token_file,
            listeners: listeners.map(|all| all.0).unwrap_or_default(),
            connections_max,
            large_message_bytes_max,
            hash_key_file: hash_key_file.unwrap_or_default(),
            drain,
            url,
            listen_ops,
            otlp,
            trace_share,
        })
    }

    /// The listeners, their certificates read.
    pub(super) fn listeners(&self) -> Result<Vec<ListenerConfig>, CliError> {
        self.listeners.iter().map(Listener::config).collect()
    }

    /// The join token, when there is one. Its file may be gone once it is used.
    pub(super) fn token(&self) -> Result<Option<JoinToken>, CliError> {
        let text = match &self.join_token_file {
            Some(path) => match std::fs::read_to_string(path) {
                Ok(text) => Secret::new(text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => {
                    return Err(CliError::failed(format!("cannot read `{}`: {error}", path.display())));
                }
            },
            None => match std::env::var(TOKEN_VARIABLE) {
                Ok(text) if !text.is_empty() => Secret::new(text),
                _ => return Ok(None),
            },
        };
        let token = text.expose().parse().map_err(|error| {
            CliError::because(Exit::Usage, "the join token", &error)
                .help("`countersign fleet token` issues one")
        });
        token.map(Some)
    }
}

impl Listener {
    fn config(&self) -> Result<ListenerConfig, CliError> {
        let tls = self.tls.as_ref().map(|files| {
            let alpn = [countersign_gateway::POSTGRES_ALPN];
            certificate::one_ends(Shown::Listener, &files.certificate_file);
            tls::listener_config(&files.certificate_file, &files.key_file, &alpn).map_err(|error| {
                CliError::report(Exit::Unsound, format!("`tls` of the listener {}", self.address), &error)
            })
        });
        Ok(ListenerConfig {
            target: self.target.clone(),
            server_names: self.server_names.clone(),
            proxies: (!self.proxies.is_empty()).then(|| Proxies { from: self.proxies.clone() }),
            ..ListenerConfig::new(self.address, tls.transpose()?)
        })
    }
}

/// At least one.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<T>", bound = "T: Deserialize<'de>")]
struct AtLeastOne<T>(Vec<T>);

impl<T> TryFrom<Vec<T>> for AtLeastOne<T> {
    type Error = &'static str;

    fn try_from(all: Vec<T>) -> Result<Self, &'static str> {
        if all.is_empty() { Err("at least one is needed") } else { Ok(Self(all)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, CliError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("g.yaml");
        std::fs::write(&file, text).unwrap();
        Config::read(&file)
    }

    #[test]
    fn a_gateway_is_configured_with_what_it_cannot_guess() {
        let config = read(
            "control_planes: [a.example:7444, '10.0.0.2:7444']\nstate: /s\nname: g1\nhash_key_file: /k\n\
             listen_ops: off\nlisteners: [{protocol: postgres, address: 127.0.0.1:5432, target: shop}]\n",
        )
        .unwrap();
        assert_eq!(config.control_planes, ["a.example:7444", "10.0.0.2:7444"]);
        assert_eq!((config.connections_max, config.drain), (10_000, Duration::from_secs(20)));
        let listeners = config.listeners().unwrap();
        assert_eq!(listeners[0].target, Some(TargetName::new("shop").unwrap()));
    }

    #[test]
    fn all_faults_are_reported_together_with_their_lines() {
        let error = read(
            "control_planes: [nowhere]\nname: g1\nlisteners:\n  - {protocol: postgres, address: 0.0.0.0:5432}\n\
             drain_seconds: soon\nport: 5\n",
        )
        .unwrap_err();
        let text = error.to_string();
        let expected = [
            ": `hash_key_file` is missing",
            ": `state` is missing",
            ":1: `control_planes`: `nowhere` is not like `control.example:7444`",
            ":4: `listeners`: 0.0.0.0:5432 is beyond loopback",
            ":5: `drain_seconds`: ",
            ":6: `port` is not known",
        ];
        for fault in expected {
            assert!(text.contains(fault), "{fault}\n{text}");
        }
    }
}
