//! Targets: the systems that run commands, their connection parameters, and the terms for holding and recording
//! commands. Targets come from the bundle; a credential is only referenced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::id::{EnvironmentName, RoleName, TargetName};

/// A system that runs commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Name of the target. Clients give it as their user name.
    pub name: TargetName,
    /// Protocol of the target, such as `postgres`: the key of the gateway's registry.
    pub protocol: String,
    /// Host name or IP address.
    pub host: String,
    /// TCP port of the server.
    pub port: u16,
    /// Environment of the target; policies select by it.
    pub environment: EnvironmentName,
    /// Free labels that policies may read.
    pub labels: BTreeMap<String, String>,
    /// Protection of the upstream connection.
    pub tls: Tls,
    /// Login roles, each with its own credential. Never empty.
    pub roles: BTreeMap<RoleName, Role>,
    /// Role that is used if the client names none.
    pub default_role: RoleName,
    /// Database that is used if the client names none. `None` means the database named like the role's user.
    pub default_database: Option<String>,
    /// Databases that clients may name besides the default one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub databases: BTreeSet<String>,
    /// Limits on waiting for approval.
    pub waiting: Waiting,
    /// Thoroughness of the recording.
    pub recording: RecordingTerms,
    /// Functions declared free of side effects, as `schema.name`; a read that calls them stays a read.
    pub safe_functions: BTreeSet<String>,
    /// Largest message that is read in full in order to be judged, in bytes. Larger ones are refused.
    pub judged_bytes_max: usize,
    /// Time for which plain reads may continue without a control plane. `None` means they are refused (I8).
    pub reads_when_isolated: Option<Duration>,
    /// Reaction to a masking rule that matches nothing in the target's catalogue.
    #[serde(default)]
    pub unmatched_rules: UnmatchedRules,
    /// Treatment of notification payloads for a principal who may not see all data classes.
    #[serde(default, skip_serializing_if = "Notifications::is_redact")]
    pub notifications: Notifications,
    /// Digest of this entry of the bundle; approvals bind it.
    pub generation: Digest,
}

/// Reaction to a masking rule that matches nothing in the target's catalogue, e.g. after a column was renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnmatchedRules {
    /// The rule is logged and counted.
    #[default]
    Alarm,
    /// In addition, principals who may not see the class are refused access to the relation, or to the whole target
    /// if the relation is gone.
    Block,
}

impl Target {
    /// Returns the database for a client of this role that names none.
    #[must_use]
    pub fn default_database_of<'a>(&'a self, role: &'a Role) -> &'a str {
        self.default_database.as_deref().unwrap_or(&role.user)
    }

    /// Returns all databases that clients of this role may name.
    #[must_use]
    pub fn databases_of<'a>(&'a self, role: &'a Role) -> BTreeSet<&'a str> {
        self.databases.iter().map(String::as_str).chain([self.default_database_of(role)]).collect()
    }
}

/// A login role that a target offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// User name on the target.
    pub user: String,
    /// Reference to the credential. `None` if the target asks for none (trust, peer, certificate).
    pub credential: Option<SecretRef>,
}

/// Reference to a secret, never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretRef {
    /// The first line of this file.
    File(PathBuf),
    /// An environment variable of the gateway.
    Env(String),
}

/// TLS parameters of the connection to a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Required level of protection for the connection.
    pub mode: TlsMode,
    /// File with certificate authorities, PEM. `None` means those of the system.
    pub ca_file: Option<PathBuf>,
    /// File with the client certificate chain, PEM.
    pub certificate_file: Option<PathBuf>,
    /// File with the key of the client certificate, PEM.
    pub key_file: Option<PathBuf>,
}

/// Required level of protection, with libpq's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// No TLS; for loopback and sockets.
    Disable,
    /// TLS without a check of the certificate.
    Require,
    /// TLS with a certificate signed by a known authority.
    VerifyCa,
    /// TLS with a certificate signed by a known authority for this host name.
    #[default]
    VerifyFull,
}

/// Limits on waiting for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Time for which a hold blocks the connection; the client then receives a ticket.
    pub hold: Duration,
    /// Like `hold`, inside an open transaction, which keeps locks.
    pub hold_in_transaction: Duration,
    /// Interval between two notices to a waiting client.
    pub notice_every: Duration,
    /// Effect on the request if the client disconnects during the wait.
    pub on_disconnect: OnDisconnect,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(15 * 60),
            hold_in_transaction: Duration::from_secs(60),
            notice_every: Duration::from_secs(20),
            on_disconnect: OnDisconnect::Keep,
        }
    }
}

/// Effect on a request if the client disconnects during the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDisconnect {
    /// The request stays open; the client may reconnect and join it.
    #[default]
    Keep,
    /// The request is withdrawn.
    Withdraw,
}

/// Treatment of notification payloads for a principal to whom the target's masking rules hide a class. On a target
/// without such rules, payloads always pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notifications {
    /// The payload is replaced: a trigger or another session may have put any value into it.
    #[default]
    Redact,
    /// The payload passes. The operator asserts that payloads never contain masked values.
    Pass,
}

impl Notifications {
    fn is_redact(&self) -> bool {
        *self == Self::Redact
    }
}

/// Thoroughness of the recording of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingTerms {
    /// `true` if even a plain read waits until its begin record is synced, not only accepted (I5).
    pub reads_synced: bool,
    /// Number of bytes of an answer that the record keeps; a longer answer is truncated and marked as such.
    pub output_bytes_max: usize,
}

impl Default for RecordingTerms {
    fn default() -> Self {
        Self { reads_synced: false, output_bytes_max: 4096 }
    }
}

/// Default of [`Target::judged_bytes_max`]: 1 MiB.
pub const JUDGED_BYTES_MAX_DEFAULT: usize = 1 << 20;
