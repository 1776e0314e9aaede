//! The command line of `dev`, and the targets it names. A password in a target's URL is put into a file
//! for its owner alone, and from there on only referred to (I11).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use countersign_common::id::{EnvironmentName, Subject, TargetName};
use countersign_common::target::SecretRef;
use countersign_common::{Secret, Target};
use countersign_controlplane::journal::AnchorPlace;
use countersign_policy::{target_from_url, target_generation};
use countersign_runtime::certificate::{self, Shown};

use crate::data::{DataDir, write_private};
use crate::error::{CliError, Exit};
use crate::node::anchor;
use crate::node::recordings::AcceptLoss;
use crate::node::share::Share;

/// The environment of targets that the command line names.
const ENVIRONMENT: &str = "dev";

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// How `dev` runs. The data directory is the global `--data`.
#[derive(Debug, Args)]
pub(crate) struct DevOptions {
    /// Folder of the bundle; read again when it changes. Without it a built-in bundle: people and agents
    /// read, writes and schema changes wait for the group `approvers`, everything else is blocked.
    #[arg(long, value_name = "DIR")]
    pub(super) config: Option<PathBuf>,
    /// A target besides those of the bundle, such as `shop=postgres://app@127.0.0.1:5432/shop`; may be
    /// given several times. A password in the URL is visible to other users of this machine: for
    /// anything but a scratch database name its `credential` in the bundle's targets.yaml.
    #[arg(long = "target", value_name = "NAME=URL")]
    targets: Vec<NamedUrl>,
    /// Where PostgreSQL clients connect; port 0: any that is free.
    #[arg(long, value_name = "ADDR", default_value_t = loopback(15432))]
    pub(super) listen_postgres: SocketAddr,
    /// Certificate chain of the PostgreSQL listener, PEM. With it clients connect over TLS (and, where the
    /// address is not on loopback, only so).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Key of that certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Where the commands connect (gRPC); on loopback only; port 0: any that is free.
    #[arg(long, value_name = "ADDR", default_value_t = loopback(7443))]
    pub(super) listen_api: SocketAddr,
    /// Where operators look: /livez, /readyz and Prometheus' /metrics, over plain HTTP; port 0: any that is free. Off
    /// unless given.
    #[arg(long, value_name = "ADDR")]
    pub(super) listen_ops: Option<SocketAddr>,
    /// A service of the group `admin` that is trusted to administer: to issue tokens, apply bundles, read recordings. May
    /// be given several times. People of the group may without being named, agents never.
    #[arg(long = "administrator-service", value_name = "SUBJECT")]
    pub(super) administrator_services: Vec<Subject>,
    /// Where checkpoints of the recordings go as they are signed, outside of the data directory: a file that they are appended
    /// to, or an http(s) URL that they are posted to.
    #[arg(long, value_name = "FILE|URL", value_parser = anchor::of_text)]
    pub(super) anchor: Option<AnchorPlace>,
    #[command(flatten)]
    pub(super) accept_loss: AcceptLoss,
    /// Where traces go: an OTLP receiver (gRPC, no TLS), such as http://127.0.0.1:4317. Off unless given, here or in
    /// OTEL_EXPORTER_OTLP_ENDPOINT.
    #[arg(long, value_name = "URL")]
    pub(super) otlp: Option<String>,
    /// Which share of the commands is traced, from 0 to 1. Those that wait for people always are.
    #[arg(long, value_name = "SHARE", default_value_t)]
    pub(super) trace_share: Share,
}

impl DevOptions {
    /// The TLS of the PostgreSQL listener. Without it a listener beyond loopback would take no token.
    pub(super) fn tls(&self) -> Result<Option<Arc<rustls::ServerConfig>>, CliError> {
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else {
            if self.listen_postgres.ip().to_canonical().is_loopback() {
                return Ok(None);
            }
            return Err(CliError::new(
                Exit::Usage,
                "a listener beyond loopback needs TLS: a token would travel unprotected",
            )
            .help("give --tls-certificate and --tls-key, or listen on 127.0.0.1"));
        };
        certificate::one_ends(Shown::Listener, certificate);
        let config = countersign_runtime::tls::listener_config(
            certificate,
            key,
            &[countersign_gateway::POSTGRES_ALPN],
        );
        config.map(Some).map_err(|error| {
            CliError::because(Exit::Usage, "the PostgreSQL listener's certificate cannot be used", &error)
        })
    }

    /// Whether the command line names a target.
    pub(super) fn names_targets(&self) -> bool {
        !self.targets.is_empty()
    }

    /// The first target that it names.
    pub(super) fn first_target(&self) -> Option<TargetName> {
        self.targets.first().map(|named| named.name.clone())
    }

    /// The targets that it names, their passwords put away in `data`.
    pub(super) fn targets(&self, data: &DataDir) -> Result<Vec<Target>, CliError> {
        self.targets.iter().map(|named| named.target(data)).collect()
    }
}

/// `NAME=URL`. Not printed: the URL may have a password in it.
#[derive(Clone)]
struct NamedUrl {
    name: TargetName,
    url: Secret<String>,
}

impl std::fmt::Debug for NamedUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

impl FromStr for NamedUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, url) = text
            .split_once('=')
            .filter(|(name, _)| !name.contains("://"))
            .ok_or("write it like `shop=postgres://app@127.0.0.1:5432/shop`")?;
        let name = TargetName::new(name).map_err(|error| error.to_string())?;
        Ok(Self { name, url: Secret::new(url.to_owned()) })
    }
}

impl NamedUrl {
    fn target(&self, data: &DataDir) -> Result<Target, CliError> {
        let wrong = |error: &dyn std::error::Error| {
            CliError::because(Exit::Usage, format!("--target {}", self.name), error)
        };
        let environment = EnvironmentName::new(ENVIRONMENT).map_err(|error| wrong(&error))?;
        let (mut target, password) = target_from_url(self.name.clone(), environment, self.url.expose())
            .map_err(|error| wrong(&error))?;
        if let Some(password) = password {
            let file = self.put_away(&password, data)?;
            for role in target.roles.values_mut() {
                role.credential = Some(SecretRef::File(file.clone()));
            }
            target.generation = target_generation(&target);
        }
        Ok(target)
    }

    /// INVARIANT: I11. The password is in this file and nowhere else of ours.
    fn put_away(&self, password: &Secret<String>, data: &DataDir) -> Result<PathBuf, CliError> {
        let failed = |error: std::io::Error| {
            CliError::failed(format!("the password of target `{}` cannot be put away: {error}", self.name))
        };
        if password.expose().contains('\n') {
            return Err(CliError::new(
                Exit::Usage,
                format!("the password of target `{}` has a line feed in it", self.name),
            ));
        }
        // A target's name may have any printable character; a file's name may not have a slash.
        let name: String = self.name.as_str().bytes().map(file_name_part).collect();
        let path = std::path::absolute(data.credentials().join(name)).map_err(failed)?;
        write_private(&path, password.expose().as_bytes()).map_err(failed)?;
        Ok(path)
    }
}

/// A byte of a target's name in a file's name: different names give different files.
fn file_name_part(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02x}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn i11_no_credentials_a_password_is_in_its_file_only() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::of(Some(dir.path()));
        data.create().unwrap();
        let named: NamedUrl = "a/b=postgres://app:hunter2@127.0.0.1:5432/shop".parse().unwrap();
        let target = named.target(&data).unwrap();
        assert!(!format!("{named:?} {target:?}").contains("hunter2"));
        let Some(SecretRef::File(file)) = &target.roles[&target.default_role].credential else { panic!() };
        assert_eq!(std::fs::read_to_string(file).unwrap(), "hunter2");
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(file.parent().unwrap(), data.credentials());
        assert_eq!(target.generation, target_generation(&target));
    }

    #[test]
    fn a_target_is_a_name_and_a_url() {
        for wrong in ["postgres://app@127.0.0.1/shop", "shop", "=postgres://app@x/y", "postgres://a@b/c?d=e"]
        {
            assert!(wrong.parse::<NamedUrl>().is_err(), "{wrong}");
        }
    }
}
