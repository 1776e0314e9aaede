//! Reads `targets.yaml`, the targets and their addresses. An entry has either `url` or `host` and the keys that
//! belong to it. Missing keys have the defaults of `countersign_common::target`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::Target;
use countersign_common::id::{EnvironmentName, RoleName, TargetName};
use countersign_common::target::{
    JUDGED_BYTES_MAX_DEFAULT, Notifications, OnDisconnect, RecordingTerms, Role, SecretRef, Tls, TlsMode,
    UnmatchedRules, Waiting,
};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Document, Span};
use crate::error::Fault;
use crate::files::Files;
use crate::url::{DEFAULT_PORT, PROTOCOL, PostgresUrl, generation, is_loopback};

/// Maximum length of the name of a database, in bytes (`NAMEDATALEN` of the server minus its zero byte).
const DATABASE_BYTES_MAX: usize = 63;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Targets {
    targets: Option<BTreeMap<TargetName, Spanned<Entry>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    environment: EnvironmentName,
    #[serde(default = "postgres")]
    protocol: Spanned<String>,
    url: Option<Spanned<String>>,
    host: Option<String>,
    port: Option<u16>,
    database: Option<String>,
    #[serde(default)]
    databases: Vec<Spanned<String>>,
    credential: Option<SecretRef>,
    #[serde(default)]
    roles: BTreeMap<RoleName, RoleEntry>,
    default_role: Option<Spanned<RoleName>>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    tls: Option<TlsEntry>,
    #[serde(default)]
    waiting: WaitingEntry,
    #[serde(default)]
    recording: RecordingEntry,
    #[serde(default)]
    safe_functions: BTreeSet<String>,
    judged_bytes_max: Option<Spanned<usize>>,
    reads_when_isolated: Option<Span>,
    #[serde(default)]
    unmatched_rules: UnmatchedRules,
    #[serde(default)]
    notifications: Notifications,
}

fn postgres() -> Spanned<String> {
    Spanned::new(PROTOCOL.into(), serde_saphyr::Location::UNKNOWN, serde_saphyr::Location::UNKNOWN)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleEntry {
    user: String,
    credential: Option<SecretRef>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsEntry {
    mode: Option<TlsMode>,
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitingEntry {
    hold: Option<Span>,
    hold_in_transaction: Option<Span>,
    notice_every: Option<Span>,
    on_disconnect: Option<OnDisconnect>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordingEntry {
    reads_synced: Option<bool>,
    output_bytes_max: Option<usize>,
}

/// A target of a bundle.
pub(crate) struct Listed {
    pub(crate) target: Arc<Target>,
    /// `true` if it does not come from the bundle's files.
    pub(crate) extra: bool,
}

/// Reads the targets, by name.
pub(crate) fn read(files: &Files, faults: &mut Vec<Fault>) -> BTreeMap<TargetName, Listed> {
    let Some(document) = super::read::<Targets>(files, "targets", faults) else { return BTreeMap::new() };
    let mut listed = BTreeMap::new();
    for (name, entry) in document.content.targets.iter().flatten() {
        let mut reader = Reader { document: &document, name, entry, faults };
        if let Some(target) = reader.target() {
            listed.insert(name.clone(), Listed { target: Arc::new(target), extra: false });
        }
    }
    listed
}

/// Address of a target, and its user if no roles are listed.
struct Endpoint {
    host: String,
    port: u16,
    user: Option<String>,
    database: Option<String>,
    tls: Option<Tls>,
}

/// Creates a target from one entry.
struct Reader<'a> {
    document: &'a Document<'a, Targets>,
    name: &'a TargetName,
    entry: &'a Spanned<Entry>,
    faults: &'a mut Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, reason: impl std::fmt::Display) {
        self.faults.push(self.document.fault(self.entry, format!("target `{}`: {reason}", self.name)));
    }

    /// Returns the target, or `None` if it has a fault.
    fn target(&mut self) -> Option<Target> {
        let before = self.faults.len();
        let entry = &self.entry.value;
        if entry.protocol.value != PROTOCOL {
            let reason = format!(
                "target `{}`: protocol `{}` is not known; known is `{PROTOCOL}`",
                self.name, entry.protocol.value
            );
            self.faults.push(self.document.fault(&entry.protocol, reason));
        }
        if let Some(bytes) = entry.judged_bytes_max.as_ref().filter(|bytes| bytes.value == 0) {
            let reason = format!("target `{}`: judged_bytes_max 0 would refuse every command", self.name);
            self.faults.push(self.document.fault(bytes, reason));
        }
        self.check_databases();
        let endpoint = self.endpoint();
        let roles = self.roles(endpoint.as_ref().and_then(|endpoint| endpoint.user.clone()));
        let default_role = self.default_role(&roles);
        let endpoint = endpoint?;
        let tls = self.tls(&endpoint);
        let default_role = default_role.filter(|_| self.faults.len() == before)?;
        let mut target = Target {
            name: self.name.clone(),
            protocol: PROTOCOL.into(),
            host: endpoint.host,
            port: endpoint.port,
            environment: entry.environment.clone(),
            labels: entry.labels.clone(),
            tls,
            roles,
            default_role,
            default_database: entry.database.clone().or(endpoint.database),
            databases: entry.databases.iter().map(|name| name.value.clone()).collect(),
            waiting: waiting(&entry.waiting),
            recording: recording(&entry.recording),
            safe_functions: entry.safe_functions.clone(),
            judged_bytes_max: entry
                .judged_bytes_max
                .as_ref()
                .map_or(JUDGED_BYTES_MAX_DEFAULT, |bytes| bytes.value),
            reads_when_isolated: entry.reads_when_isolated.map(|span| span.0),
            unmatched_rules: entry.unmatched_rules,
            notifications: entry.notifications,
            generation: countersign_common::Digest::from_bytes([0; 32]),
        };
        target.generation = generation(&target);
        Some(target)
    }

    /// Refuses a name that no database can have, such as a pattern.
    fn check_databases(&mut self) {
        for name in &self.entry.value.databases {
            let fits = !name.value.is_empty()
                && name.value.len() <= DATABASE_BYTES_MAX
                && !name.value.contains(['*', '\0']);
            if !fits {
                let reason = format!(
                    "target `{}`: `databases` lists exact names of 1 to {DATABASE_BYTES_MAX} bytes, without patterns",
                    self.name
                );
                self.faults.push(self.document.fault(name, reason));
            }
        }
    }

    fn endpoint(&mut self) -> Option<Endpoint> {
        let entry = &self.entry.value;
        let Some(url) = &entry.url else {
            let Some(host) = entry.host.clone() else {
                self.fault("give either `url` or `host`");
                return None;
            };
            let port = entry.port.unwrap_or(DEFAULT_PORT);
            return Some(Endpoint { host, port, user: None, database: None, tls: None });
        };
        if entry.host.is_some() || entry.port.is_some() {
            self.fault("`url` says host and port; leave out `host` and `port`");
        }
        match PostgresUrl::parse(&url.value) {
            Ok(parsed) if parsed.password.is_some() => {
                let reason = "a password does not belong in a bundle; leave it out of the URL and say where it is found with `credential:`, such as `credential: { env: SHOP_PASSWORD }`";
                self.faults.push(self.document.fault(url, format!("target `{}`: {reason}", self.name)));
                None
            }
            Ok(parsed) => {
                let tls = parsed.tls;
                Some(Endpoint {
                    host: parsed.host,
                    port: parsed.port,
                    user: Some(parsed.user),
                    database: parsed.database,
                    tls,
                })
            }
            Err(error) => {
                self.faults.push(self.document.fault(url, format!("target `{}`: {error}", self.name)));
                None
            }
        }
    }

    /// Returns the listed roles, or else the role of the URL with the entry's credential.
    fn roles(&mut self, url_user: Option<String>) -> BTreeMap<RoleName, Role> {
        let entry = &self.entry.value;
        if !entry.roles.is_empty() {
            if entry.credential.is_some() {
                self.fault("`credential` stands beside `roles`; give each role its own");
            }
            let role =
                |entry: &RoleEntry| Role { user: entry.user.clone(), credential: entry.credential.clone() };
            return entry.roles.iter().map(|(name, entry)| (name.clone(), role(entry))).collect();
        }
        match url_user.map(|user| (RoleName::new(&user), user)) {
            Some((Ok(name), user)) => {
                BTreeMap::from([(name, Role { user, credential: entry.credential.clone() })])
            }
            Some((Err(error), _)) => {
                self.fault(error);
                BTreeMap::new()
            }
            None => {
                if entry.url.is_none() {
                    self.fault("it offers no role; list `roles`, or give a `url` with a user");
                }
                BTreeMap::new()
            }
        }
    }

    /// Returns the named role, or else the only role.
    fn default_role(&mut self, roles: &BTreeMap<RoleName, Role>) -> Option<RoleName> {
        match &self.entry.value.default_role {
            Some(role) if roles.contains_key(&role.value) => Some(role.value.clone()),
            Some(role) => {
                let reason =
                    format!("target `{}`: default_role `{}` is not among its roles", self.name, role.value);
                self.faults.push(self.document.fault(role, reason));
                None
            }
            None if roles.len() > 1 => {
                self.fault("it offers several roles; say with `default_role` which one is used when the client names none");
                None
            }
            None => roles.keys().next().cloned(),
        }
    }

    fn tls(&mut self, endpoint: &Endpoint) -> Tls {
        let given = self.entry.value.tls.as_ref();
        if given.is_some() && endpoint.tls.is_some() {
            self.fault("TLS is set twice: by `tls` and by the URL's sslmode");
        }
        let by_host = if is_loopback(&endpoint.host) { TlsMode::Disable } else { TlsMode::VerifyFull };
        match (given, &endpoint.tls) {
            (None, Some(tls)) => tls.clone(),
            (None, None) => Tls { mode: by_host, ca_file: None, certificate_file: None, key_file: None },
            (Some(given), _) => Tls {
                // An entry that sets anything about TLS uses it, also on loopback.
                mode: given.mode.unwrap_or_default(),
                ca_file: given.ca_file.clone(),
                certificate_file: given.certificate_file.clone(),
                key_file: given.key_file.clone(),
            },
        }
    }
}

fn waiting(entry: &WaitingEntry) -> Waiting {
    let or = |span: Option<Span>, default: Duration| span.map_or(default, |span| span.0);
    let default = Waiting::default();
    Waiting {
        hold: or(entry.hold, default.hold),
        hold_in_transaction: or(entry.hold_in_transaction, default.hold_in_transaction),
        notice_every: or(entry.notice_every, default.notice_every),
        on_disconnect: entry.on_disconnect.unwrap_or(default.on_disconnect),
    }
}

fn recording(entry: &RecordingEntry) -> RecordingTerms {
    let default = RecordingTerms::default();
    RecordingTerms {
        reads_synced: entry.reads_synced.unwrap_or(default.reads_synced),
        output_bytes_max: entry.output_bytes_max.unwrap_or(default.output_bytes_max),
    }
}
