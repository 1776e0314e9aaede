//! The configuration files of a fleet's processes.

use std::net::SocketAddr;
use std::path::Path;

/// The key of hashed values, for tests only.
pub(super) const HASH_KEY: &[u8; 32] = b"a key of tests, nobody's secret.";

/// After what time a silent node is lost: a third of what is usual, for tests have no patience.
const NODE_LEASE_SECONDS: u32 = 10;

/// How long a gateway judges without the control plane: a third of what is usual.
const BUNDLE_LEASE_SECONDS: u32 = 5;

/// How often records are archived: what a lost gateway left open is ended when every node has.
const ARCHIVE_SECONDS: u32 = 1;

/// Where control-plane nodes keep records until they are archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Journal {
    /// In their own files.
    #[default]
    Local,
    /// In Redis, and in their own files, which say what is synced.
    Redis,
    /// In Redis, which says what is synced.
    RedisFsync,
}

impl Journal {
    const fn lines(self) -> &'static str {
        match self {
            Self::Local => "journal: local\n",
            Self::Redis => "journal: redis\n",
            Self::RedisFsync => "journal: redis\njournal_synced_by: redis_fsync\n",
        }
    }
}

/// What stands in a control-plane node's file.
pub(super) struct ControlText<'a> {
    pub(super) name: &'a str,
    pub(super) api: SocketAddr,
    pub(super) fleet: SocketAddr,
    pub(super) data: &'a Path,
    pub(super) authority: &'a Path,
    /// One for all nodes.
    pub(super) archive: &'a Path,
    pub(super) stores: &'a [String],
    /// Redis as it reaches it, where there is one.
    pub(super) redis: Option<SocketAddr>,
    pub(super) journal: Journal,
    pub(super) certificate_hours: f64,
}

pub(super) fn control(text: &ControlText<'_>) -> String {
    let ControlText { name, api, fleet, data, authority, archive, stores, redis, journal, certificate_hours } =
        text;
    let (data, archive, stores) = (data.display(), archive.display(), stores.join(", "));
    let redis = redis.map(|redis| format!("redis: {{ url: 'redis://{redis}' }}\n")).unwrap_or_default();
    let authority = (authority.join("fleet-ca.pem"), authority.join("fleet-ca.key"));
    let (certificate, key) = (authority.0.display(), authority.1.display());
    let journal = journal.lines();
    format!(
        "name: {name}
listen: {api}
listen_fleet: {fleet}
names: [127.0.0.1]
data: {data}
fleet_ca: {{ certificate_file: {certificate}, key_file: {key} }}
store: {{ etcd: {{ endpoints: [{stores}] }} }}
{redis}archive: {archive}
archive_seconds: {ARCHIVE_SECONDS}
{journal}listen_ops: 'off'
node_lease_seconds: {NODE_LEASE_SECONDS}
bundle_lease_seconds: {BUNDLE_LEASE_SECONDS}
certificate_hours: {certificate_hours}
"
    )
}

/// What stands in a gateway's file.
pub(super) struct GatewayText<'a> {
    pub(super) name: &'a str,
    pub(super) address: SocketAddr,
    pub(super) ops: SocketAddr,
    pub(super) token: &'a Path,
    pub(super) state: &'a Path,
    pub(super) hash_key: &'a Path,
    pub(super) links: &'a [SocketAddr],
    /// From where a balancer comes that says who clients are; `None`: they come by themselves.
    pub(super) proxies: Option<&'a str>,
}

pub(super) fn gateway(text: &GatewayText<'_>) -> String {
    let GatewayText { name, address, ops, token, state, hash_key, links, proxies } = text;
    let proxies = proxies.map(|from| format!(", proxies: [{from}]")).unwrap_or_default();
    let (token, state, hash_key) = (token.display(), state.display(), hash_key.display());
    let links: Vec<String> = links.iter().map(ToString::to_string).collect();
    let links = links.join(", ");
    format!(
        "name: {name}
control_planes: [{links}]
join_token_file: {token}
state: {state}
hash_key_file: {hash_key}
listeners:
  - {{ protocol: postgres, address: {address}{proxies} }}
listen_ops: {ops}
drain_seconds: 5
"
    )
}
