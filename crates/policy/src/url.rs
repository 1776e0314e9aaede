//! Parses `postgres://user@host:port/database?sslmode=…`, the short form of a target: in bundles without a password,
//! on a command line with one.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use countersign_common::digest::DigestBuilder;
use countersign_common::id::{EnvironmentName, RoleName, TargetName};
use countersign_common::target::{JUDGED_BYTES_MAX_DEFAULT, RecordingTerms, Role, Tls, TlsMode, Waiting};
use countersign_common::{Digest, Secret, Target};

/// Key of the protocol in the gateway's registry.
pub(crate) const PROTOCOL: &str = "postgres";

/// Default port of PostgreSQL.
pub(crate) const DEFAULT_PORT: u16 = 5432;

/// Reason why a URL is not valid for a target. It never shows the URL, which may contain a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// The URL has another scheme, or none.
    #[error("the URL does not begin with `postgres://` or `postgresql://`")]
    Scheme,
    /// The URL has no user.
    #[error("the URL names no user; write it like `postgres://user@host:5432/database`")]
    NoUser,
    /// The URL has no host.
    #[error("the URL names no host; write it like `postgres://user@host:5432/database`")]
    NoHost,
    /// The port is not a number from 1 to 65535.
    #[error("the URL's port is not a number from 1 to 65535")]
    Port,
    /// A `%` without two hex digits after it, or text that is not UTF-8.
    #[error("the URL has a malformed %-escape in it")]
    Escape,
    /// An sslmode that may fall back to a connection without TLS.
    #[error("sslmode `{0}` may fall back to no TLS; use disable, require, verify-ca or verify-full")]
    Opportunistic(String),
    /// The sslmode is not known.
    #[error("sslmode `{0}` is not known; use disable, require, verify-ca or verify-full")]
    SslMode(String),
    /// The name of a parameter is not known.
    #[error("parameter `{0}` is not known; known are sslmode, sslrootcert, sslcert and sslkey")]
    Parameter(String),
    /// The user is not a valid name of a role.
    #[error(transparent)]
    Role(#[from] countersign_common::id::InvalidId),
}

/// Returns the target for a URL, with defaults for everything else, and the password of the URL, which a target never
/// contains. The only role of the target has the URL's user and no credential.
///
/// # Errors
/// The URL is not a PostgreSQL URL, or a part of it is not known.
pub fn target_from_url(
    name: TargetName,
    environment: EnvironmentName,
    url: &str,
) -> Result<(Target, Option<Secret<String>>), InvalidUrl> {
    let url = PostgresUrl::parse(url)?;
    let role = RoleName::new(&url.user)?;
    let mode = if is_loopback(&url.host) { TlsMode::Disable } else { TlsMode::VerifyFull };
    let plain = Tls { mode, ca_file: None, certificate_file: None, key_file: None };
    let mut target = Target {
        name,
        protocol: PROTOCOL.into(),
        host: url.host,
        port: url.port,
        environment,
        labels: BTreeMap::new(),
        tls: url.tls.unwrap_or(plain),
        roles: BTreeMap::from([(role.clone(), Role { user: url.user, credential: None })]),
        default_role: role,
        default_database: url.database,
        databases: BTreeSet::new(),
        waiting: Waiting::default(),
        recording: RecordingTerms::default(),
        safe_functions: BTreeSet::new(),
        judged_bytes_max: JUDGED_BYTES_MAX_DEFAULT,
        reads_when_isolated: None,
        unmatched_rules: Default::default(),
        notifications: countersign_common::target::Notifications::default(),
        generation: Digest::from_bytes([0; 32]),
    };
    target.generation = generation(&target);
    Ok((target, url.password))
}

/// Computes the digest over a target, except its generation. After a change to a target, set [`Target::generation`]
/// to this value.
#[must_use]
pub fn generation(target: &Target) -> Digest {
    let mut digest = DigestBuilder::new("countersign.target.v1");
    let unsigned = Target { generation: Digest::from_bytes([0; 32]), ..target.clone() };
    // Maps are ordered and their keys are texts, so this neither fails nor varies.
    digest.bytes(&serde_json::to_vec(&unsigned).unwrap_or_default());
    digest.finish()
}

/// Returns `true` if a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The parts of a URL.
#[derive(Debug)]
pub(crate) struct PostgresUrl {
    pub(crate) user: String,
    pub(crate) password: Option<Secret<String>>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: Option<String>,
    /// `None` if the URL has no parameters for TLS.
    pub(crate) tls: Option<Tls>,
}

impl PostgresUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        let rest = rest.ok_or(InvalidUrl::Scheme)?;
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, address) = authority.rsplit_once('@').ok_or(InvalidUrl::NoUser)?;
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(Secret::new(unescape(password)?))),
            None => (login, None),
        };
        if user.is_empty() {
            return Err(InvalidUrl::NoUser);
        }
        let (host, port) = host_and_port(address)?;
        Ok(Self {
            user: unescape(user)?,
            password: password.filter(|password| !password.expose().is_empty()),
            host,
            port,
            database: Some(unescape(database)?).filter(|name| !name.is_empty()),
            tls: tls(parameters)?,
        })
    }
}

fn host_and_port(address: &str) -> Result<(String, u16), InvalidUrl> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(InvalidUrl::NoHost)?;
            (
                host.to_owned(),
                if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(InvalidUrl::Port)?) },
            )
        }
        None => match address.split_once(':') {
            Some((host, port)) => (unescape(host)?, Some(port)),
            None => (unescape(address)?, None),
        },
    };
    if host.is_empty() {
        return Err(InvalidUrl::NoHost);
    }
    let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse().map_err(|_| InvalidUrl::Port))?;
    if port == 0 { Err(InvalidUrl::Port) } else { Ok((host, port)) }
}

fn tls(parameters: &str) -> Result<Option<Tls>, InvalidUrl> {
    if parameters.is_empty() {
        return Ok(None);
    }
    let mut tls = Tls { mode: TlsMode::default(), ca_file: None, certificate_file: None, key_file: None };
    for parameter in parameters.split('&') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = unescape(value)?;
        match name {
            "sslmode" => tls.mode = tls_mode(value)?,
            "sslrootcert" => tls.ca_file = Some(PathBuf::from(value)),
            "sslcert" => tls.certificate_file = Some(PathBuf::from(value)),
            "sslkey" => tls.key_file = Some(PathBuf::from(value)),
            _ => return Err(InvalidUrl::Parameter(name.chars().take(64).collect())),
        }
    }
    Ok(Some(tls))
}

fn tls_mode(text: String) -> Result<TlsMode, InvalidUrl> {
    match text.as_str() {
        "disable" => Ok(TlsMode::Disable),
        "require" => Ok(TlsMode::Require),
        "verify-ca" => Ok(TlsMode::VerifyCa),
        "verify-full" => Ok(TlsMode::VerifyFull),
        "allow" | "prefer" => Err(InvalidUrl::Opportunistic(text)),
        _ => Err(InvalidUrl::SslMode(text.chars().take(64).collect())),
    }
}

/// Decodes %-escapes.
fn unescape(text: &str) -> Result<String, InvalidUrl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit().ok_or(InvalidUrl::Escape)?, digit().ok_or(InvalidUrl::Escape)?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| InvalidUrl::Escape)?);
    }
    String::from_utf8(bytes).map_err(|_| InvalidUrl::Escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<(Target, Option<Secret<String>>), InvalidUrl> {
        target_from_url(TargetName::new("shop").unwrap(), EnvironmentName::new("dev").unwrap(), url)
    }

    #[test]
    fn a_url_names_host_port_user_and_database() {
        let (target, password) = parse("postgres://app:p%40ss@db.example:6000/my%20shop").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("db.example", 6000));
        assert_eq!(target.default_database.as_deref(), Some("my shop"));
        assert_eq!(target.roles[&target.default_role].user, "app");
        assert_eq!(password.unwrap().expose(), "p@ss");
    }

    #[test]
    fn i11_no_credentials_the_password_of_a_url_is_not_in_the_target() {
        let (target, _) = parse("postgres://app:hunter2@db/shop").unwrap();
        assert!(!format!("{target:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&target).unwrap().contains("hunter2"));
        for broken in
            ["postgres://app:hunter2@db:x/shop", "postgres://app:hunter2@db/?a=b", "pg://app:hunter2@db"]
        {
            assert!(!parse(broken).unwrap_err().to_string().contains("hunter2"));
        }
    }

    #[test]
    fn tls_is_verify_full_by_default_and_off_on_loopback() {
        let mode = |url: &str| parse(url).unwrap().0.tls.mode;
        assert_eq!(mode("postgres://app@db/shop"), TlsMode::VerifyFull);
        assert_eq!(mode("postgres://app@db/shop?sslrootcert=/ca.pem"), TlsMode::VerifyFull);
        for host in ["127.0.0.1", "localhost", "[::1]:5433"] {
            assert_eq!(mode(&format!("postgres://app@{host}/shop")), TlsMode::Disable);
        }
        assert_eq!(mode("postgres://app@localhost/shop?sslmode=verify-ca"), TlsMode::VerifyCa);
    }

    #[test]
    fn what_is_not_understood_in_a_url_is_refused() {
        let refused = |url: &str| parse(url).unwrap_err();
        assert_eq!(refused("mysql://app@db"), InvalidUrl::Scheme);
        assert_eq!(refused("postgres://db/shop"), InvalidUrl::NoUser);
        assert_eq!(refused("postgres://app@/shop"), InvalidUrl::NoHost);
        assert_eq!(refused("postgres://app@db:99999/shop"), InvalidUrl::Port);
        assert_eq!(refused("postgres://app@db:0/shop"), InvalidUrl::Port);
        assert_eq!(refused("postgres://app@db/%zz"), InvalidUrl::Escape);
        assert_eq!(refused("postgres://app@db/x?sslmode=prefer"), InvalidUrl::Opportunistic("prefer".into()));
        assert_eq!(refused("postgres://app@db/x?sslmode=on"), InvalidUrl::SslMode("on".into()));
        assert_eq!(refused("postgres://app@db/x?options=-c"), InvalidUrl::Parameter("options".into()));
    }

    #[test]
    fn the_generation_changes_with_the_entry() {
        let generation = |url: &str| parse(url).unwrap().0.generation;
        assert_eq!(generation("postgres://app@db/shop"), generation("postgresql://app@db:5432/shop"));
        assert_ne!(generation("postgres://app@db/shop"), generation("postgres://app@db2/shop"));
    }
}
