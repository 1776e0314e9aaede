//! What runs commands: a target, how it is reached, and the terms on which commands wait and are
//! recorded there. Targets come from the bundle; a credential is only ever referred to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::id::{EnvironmentName, RoleName, TargetName};

/// A system that runs commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its name; what a client gives as user name.
    pub name: TargetName,
    /// The protocol it speaks, such as `postgres`: the key of the gateway's registry.
    pub protocol: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The environment it belongs to; policies select by it.
    pub environment: EnvironmentName,
    /// Free labels that policies may read.
    pub labels: BTreeMap<String, String>,
    /// How the connection to it is protected.
    pub tls: Tls,
    /// The roles it offers, each with its own credential. Never empty.
    pub roles: BTreeMap<RoleName, Role>,
    /// The role used when the client names none.
    pub default_role: RoleName,
    /// The database used when the client names none; `None`: the one with the name of the role's user.
    pub default_database: Option<String>,
    /// The databases that clients may name besides the default one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub databases: BTreeSet<String>,
    /// How long commands wait for people here.
    pub waiting: Waiting,
    /// How thoroughly commands are recorded here.
    pub recording: RecordingTerms,
    /// Functions declared free of side effects, as `schema.name`; they make no read a write.
    pub safe_functions: BTreeSet<String>,
    /// The largest message that is read whole in order to be judged, in bytes; above it: refused.
    pub judged_bytes_max: usize,
    /// Whether plain reads may go on without a control plane, and for how long. `None`: refused (I8).
    pub reads_when_isolated: Option<Duration>,
    /// What happens when a masking rule matches nothing in the target's catalogue.
    #[serde(default)]
    pub unmatched_rules: UnmatchedRules,
    /// What becomes of notification payloads for a principal who may not see all classes of data.
    #[serde(default, skip_serializing_if = "Notifications::is_redact")]
    pub notifications: Notifications,
    /// Digest over this entry of the bundle: approvals are bound to it.
    pub generation: Digest,
}

/// What happens when a masking rule matches nothing in the target's catalogue, as after a column was renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnmatchedRules {
    /// It is logged and counted.
    #[default]
    Alarm,
    /// Besides, the relation is closed to those who may not see the class; where the relation itself is gone, the target.
    Block,
}

impl Target {
    /// The database that a client of this role gets when it names none.
    #[must_use]
    pub fn default_database_of<'a>(&'a self, role: &'a Role) -> &'a str {
        self.default_database.as_deref().unwrap_or(&role.user)
    }

    /// The databases that clients of this role may name.
    #[must_use]
    pub fn databases_of<'a>(&'a self, role: &'a Role) -> BTreeSet<&'a str> {
        self.databases.iter().map(String::as_str).chain([self.default_database_of(role)]).collect()
    }
}

/// A role that a target offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// The user name on the target.
    pub user: String,
    /// Where its credential is found. `None`: the target asks for none (trust, peer, certificate).
    pub credential: Option<SecretRef>,
}

/// Where a secret is found; never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretRef {
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable of the gateway.
    Env(String),
}

/// How a connection to a target is protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// What is demanded of the connection.
    pub mode: TlsMode,
    /// Certificate authorities, PEM; `None`: those of the system.
    pub ca_file: Option<PathBuf>,
    /// Client certificate chain, PEM.
    pub certificate_file: Option<PathBuf>,
    /// Key of the client certificate, PEM.
    pub key_file: Option<PathBuf>,
}

/// What is demanded of a connection, in libpq's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// No TLS; for loopback and sockets.
    Disable,
    /// TLS, the certificate unchecked.
    Require,
    /// TLS, the certificate signed by a known authority.
    VerifyCa,
    /// TLS, signed by a known authority for this very host.
    #[default]
    VerifyFull,
}

/// How long commands wait for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// How long a hold blocks the connection before it degrades to a ticket.
    pub hold: Duration,
    /// The same inside an open transaction, which keeps locks.
    pub hold_in_transaction: Duration,
    /// How often the client is told that someone is still being asked.
    pub notice_every: Duration,
    /// What becomes of the approval when the client leaves while it waits.
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

/// What becomes of an approval when the client leaves while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDisconnect {
    /// It goes on; the client may come back and join it.
    #[default]
    Keep,
    /// It is withdrawn.
    Withdraw,
}

/// What becomes of the payloads of notifications for a principal to whom the target's masking rules hide a class. Without
/// such rules payloads always pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notifications {
    /// The payload is replaced: a trigger or another session may have put any value into it.
    #[default]
    Redact,
    /// The payload passes. The operator vouches that no masked value is ever put into one.
    Pass,
}

impl Notifications {
    fn is_redact(&self) -> bool {
        *self == Self::Redact
    }
}

/// How thoroughly commands are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingTerms {
    /// Whether even a plain read waits until its begin record is synced, not only accepted (I5).
    pub reads_synced: bool,
    /// How many bytes of an answer are kept in the record; beyond that it is cut, and says so.
    pub output_bytes_max: usize,
}

impl Default for RecordingTerms {
    fn default() -> Self {
        Self { reads_synced: false, output_bytes_max: 4096 }
    }
}

/// The default of [`Target::judged_bytes_max`]: 1 MiB.
pub const JUDGED_BYTES_MAX_DEFAULT: usize = 1 << 20;
