//! The configuration file of a control plane.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_common::id::Subject;
use countersign_controlplane::fleet::CERTIFICATE_TTL_MAX;
use countersign_controlplane::fleet::authority::AuthorityFiles;
use countersign_controlplane::grpc::PublicUrl;
use countersign_controlplane::history::{APPROVALS_KEPT, APPROVALS_KEPT_MIN};
use countersign_controlplane::journal::AnchorPlace;
use countersign_controlplane::redis::RedisOptions;
use countersign_controlplane::sessions::Administrators;
use countersign_controlplane::store::etcd::EtcdConfig;
use countersign_runtime::certificate::{self, Shown};
use countersign_runtime::tls;
use rustls::ServerConfig;
use serde::Deserialize;

use super::LISTEN_DEFAULT;
use super::records::RecordsConfig;
use super::redis::RedisConfig;
use crate::data::DataDir;
use crate::error::{CliError, Exit};
use crate::node::anchor;
use crate::node::config::Document;
use crate::node::hostname::hostname;
use crate::node::listen_ops::ListenOps;

/// What this node is called when neither the configuration nor the machine says.
const NAME_DEFAULT: &str = "control-plane";

/// The shortest life of a gateway's certificate: room to try several times to renew it.
const CERTIFICATE_TTL_MIN: Duration = Duration::from_secs(72);

/// The configuration file.
#[derive(Debug)]
pub(super) struct Config {
    /// `listen`: address of the gRPC API. Default 127.0.0.1:7443. Without `tls` on loopback only.
    pub(super) listen: SocketAddr,
    /// `tls`: certificate and key of the API.
    tls: Option<CertificateFiles>,
    /// `public_url`: the address under which people reach the page through a proxy, such as
    /// `https://countersign.example`. Default none: they reach it at `listen`.
    pub(super) public_url: Option<PublicUrl>,
    /// `data`: the data directory.
    pub(super) data: DataDir,
    /// `store`: where state lasts. Default `embedded`, in the data directory.
    pub(super) store: StoreConfig,
    /// The fleet; `None` without `listen_fleet`.
    pub(super) fleet: Option<FleetConfig>,
    /// `redis`: hints between nodes, and the journal where it is `redis`. Default none: nothing hangs on it.
    pub(super) redis: Option<RedisOptions>,
    /// `anchor`: where checkpoints go as they are signed, outside of the control plane. Default none.
    pub(super) anchor: Option<AnchorPlace>,
    /// `journal`, `journal_synced_by`, `archive`, `archive_seconds`.
    pub(super) records: RecordsConfig,
    /// `approvals.keep`: how long approvals stay in the store after they have ended; with `archive` they go there then.
    /// Default 30 days, at least an hour.
    pub(super) approvals_kept: Duration,
    /// `administrators.services`: the services of the group `admin` that may administer. Default none: only people of the
    /// group may, and never an agent.
    pub(super) administrators: Administrators,
    /// `listen_ops`: address of `/livez`, `/readyz` and `/metrics`, plain HTTP. Default 127.0.0.1:9443; `off`: none.
    pub(super) listen_ops: Option<ListenOps>,
    /// `otlp`: the OTLP receiver of traces (gRPC, no TLS). Default: that of `OTEL_EXPORTER_OTLP_ENDPOINT`, else none.
    pub(super) otlp: Option<String>,
}

/// `store`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum StoreConfig {
    /// In the data directory: one control-plane node.
    Embedded,
    /// In etcd: as many as there shall be.
    Etcd(EtcdConfig),
}

/// `approvals`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovalsConfig {
    keep: Option<String>,
}

/// `administrators`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdministratorsConfig {
    #[serde(default)]
    services: BTreeSet<Subject>,
}

/// What concerns gateways.
#[derive(Debug)]
pub(super) struct FleetConfig {
    /// `listen_fleet`: the address for gateways. TLS by the fleet's authority, always.
    pub(super) listen: SocketAddr,
    /// `fleet_ca`: the authority's files. Default `fleet-ca.pem` and `fleet-ca.key` in the data directory, made when
    /// they are not there; with `store: etcd` to be given, the same on every node.
    pub(super) authority: AuthorityFiles,
    /// Whether a missing authority is made.
    pub(super) make_authority: bool,
    /// `names`: names and addresses under which this node is reached. Default none.
    pub(super) names: Vec<String>,
    /// `name`: what this node is called in lists. Default: the machine's name.
    pub(super) name: String,
    /// `node_lease_seconds`: how long a node that nobody hears of is alive. Default 30, at least 5.
    pub(super) node_ttl: Duration,
    /// `bundle_lease_seconds`: how long a gateway may judge by what it last heard from the control plane. Default 15,
    /// at least 3, at most three quarters of `node_lease_seconds`.
    pub(super) bundle_lease: Duration,
    /// `certificate_hours`: how long a gateway's certificate is valid. May be a fraction. Default 24, at least 0.02, at most
    /// 8784.
    pub(super) certificate_ttl: Duration,
    /// `sample_one_in`: one in so many commands that gateways decided by themselves is judged again; 0: none.
    /// Default 100.
    pub(super) sample_one_in: u32,
}

/// `tls` and `fleet_ca`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CertificateFiles {
    /// Certificate chain, PEM.
    certificate_file: PathBuf,
    /// Its key, PEM.
    key_file: PathBuf,
}

impl Config {
    pub(super) fn read(file: &Path) -> Result<Self, CliError> {
        let mut document = Document::read(file)?;
        let listen = document.optional("listen").unwrap_or(LISTEN_DEFAULT);
        let tls = document.optional("tls");
        let public_url = public_url(&mut document);
        let listen_ops = document.optional("listen_ops");
        let otlp = document.optional("otlp");
        let data: Option<PathBuf> = document.required("data");
        let store = document.optional("store").unwrap_or(StoreConfig::Embedded);
        let redis: Option<RedisConfig> = document.optional("redis");
        let records = RecordsConfig::read(&mut document, redis.as_ref().map(RedisConfig::is_cluster));
        if matches!(store, StoreConfig::Etcd(_)) && !records.has_archive() {
            document.fault(
                "`store: etcd` needs `archive`: each node has only its part of the recordings without it",
            );
        }
        let anchor = anchor(&mut document);
        let approvals_kept = approvals_kept(&mut document);
        let administrators: AdministratorsConfig = document.optional("administrators").unwrap_or_default();
        let redis = redis.and_then(|redis| redis.options(&mut document));
        // Missing only with a fault, which `finish` returns.
        let data = DataDir::of(data.as_deref());
        let fleet = FleetConfig::read(&mut document, &store, &data);
        document.finish()?;
        Ok(Self {
            listen,
            tls,
            public_url,
            data,
            store,
            fleet,
            redis,
            anchor,
            records,
            approvals_kept,
            administrators: Administrators { services: administrators.services },
            listen_ops,
            otlp,
        })
    }

    pub(super) fn tls(&self) -> Result<Option<Arc<ServerConfig>>, CliError> {
        let Some(files) = &self.tls else { return Ok(None) };
        certificate::one_ends(Shown::Api, &files.certificate_file);
        let config = tls::listener_config(&files.certificate_file, &files.key_file, &[b"h2"]);
        config.map(Some).map_err(|error| CliError::report(Exit::Unsound, "`tls`", &error))
    }
}

fn public_url(document: &mut Document) -> Option<PublicUrl> {
    let text: String = document.optional("public_url")?;
    let parsed = text.parse();
    parsed.inspect_err(|error| document.fault(format!("`public_url`: {error}"))).ok()
}

fn anchor(document: &mut Document) -> Option<AnchorPlace> {
    let read = anchor::place(document.optional("anchor")?);
    read.map_err(|reason| document.fault(format!("`anchor`: {reason}"))).ok()
}

fn approvals_kept(document: &mut Document) -> Duration {
    let keep = document.optional::<ApprovalsConfig>("approvals").and_then(|approvals| approvals.keep);
    let Some(text) = keep else { return APPROVALS_KEPT };
    match humantime::parse_duration(&text) {
        Ok(kept) if kept >= APPROVALS_KEPT_MIN => return kept,
        Ok(_) => document.fault("`approvals.keep`: at least 1h"),
        Err(error) => document.fault(format!("`approvals.keep`: {error}; write it like `30d`")),
    }
    APPROVALS_KEPT
}

fn certificate_ttl(document: &mut Document) -> Duration {
    let hours: f64 = document.optional("certificate_hours").unwrap_or(24.0);
    let ttl = Duration::try_from_secs_f64(hours * 3600.0).unwrap_or_default();
    if !(CERTIFICATE_TTL_MIN..=CERTIFICATE_TTL_MAX).contains(&ttl) {
        document.fault("`certificate_hours`: at least 0.02, at most 8784");
    }
    ttl
}

impl FleetConfig {
    fn read(document: &mut Document, store: &StoreConfig, data: &DataDir) -> Option<Self> {
        let listen = document.optional("listen_fleet");
        let authority: Option<CertificateFiles> = document.optional("fleet_ca");
        let in_cluster = matches!(store, StoreConfig::Etcd(_));
        if listen.is_some() && in_cluster && authority.is_none() {
            document.fault(
                "`fleet_ca` is missing: with `store: etcd` every node needs the same; \
                `countersign fleet init DIR` makes it",
            );
        }
        let make_authority = authority.is_none();
        let authority = authority.map_or_else(
            || AuthorityFiles::in_directory(data.path()),
            |files| AuthorityFiles { certificate: files.certificate_file, key: files.key_file },
        );
        let names = document.optional("names").unwrap_or_default();
        let name = document.optional("name").or_else(hostname).unwrap_or_else(|| NAME_DEFAULT.to_owned());
        let mut at_least = |key, least: u32, default: u32| -> u32 {
            let value = document.optional(key).unwrap_or(default);
            if value < least {
                document.fault(format!("`{key}`: at least {least}"));
            }
            value
        };
        let seconds = |value: u32| Duration::from_secs(value.into());
        let node_ttl = at_least("node_lease_seconds", 5, 30);
        let longest = node_ttl / 4 * 3;
        let bundle_lease = at_least("bundle_lease_seconds", 3, longest.clamp(3, 15));
        let sample_one_in = at_least("sample_one_in", 0, 100);
        let certificate_ttl = certificate_ttl(document);
        // INVARIANT: I8. Who may be called lost has stopped judging before.
        if bundle_lease > longest {
            document.fault("`bundle_lease_seconds`: at most three quarters of `node_lease_seconds`");
        }
        let (node_ttl, bundle_lease) = (seconds(node_ttl), seconds(bundle_lease));
        Some(Self {
            listen: listen?,
            authority,
            make_authority,
            names,
            name,
            node_ttl,
            bundle_lease,
            certificate_ttl,
            sample_one_in,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, CliError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.yaml");
        std::fs::write(&file, text).unwrap();
        Config::read(&file)
    }

    #[test]
    fn one_node_needs_nothing_but_its_data() {
        let config = read("data: /x\n").unwrap();
        assert!(matches!(config.store, StoreConfig::Embedded));
        assert!(config.fleet.is_none());
        let fleet = read("data: /x\nlisten_fleet: 127.0.0.1:7444\n").unwrap().fleet.unwrap();
        assert!(fleet.make_authority);
        assert_eq!(config.approvals_kept, Duration::from_secs(30 * 86_400));
        let shorter = read("data: /x\napprovals: { keep: 7d }\n").unwrap();
        assert_eq!(shorter.approvals_kept, Duration::from_secs(7 * 86_400));
        assert_eq!(fleet.authority, AuthorityFiles::in_directory(Path::new("/x")));
        assert_eq!(
            (fleet.node_ttl.as_secs(), fleet.bundle_lease.as_secs(), fleet.sample_one_in),
            (30, 15, 100)
        );
    }

    #[test]
    fn operators_look_at_an_address_or_nowhere() {
        for off in ["off", "'off'", "Off", "no", "false"] {
            let config = read(&format!("data: /x\nlisten_ops: {off}\n")).unwrap();
            assert_eq!(config.listen_ops, Some(ListenOps::Off), "{off}");
        }
        let on = read("data: /x\nlisten_ops: 127.0.0.1:1\n").unwrap().listen_ops;
        assert_eq!(on, Some(ListenOps::On("127.0.0.1:1".parse().unwrap())));
        for wrong in ["on", "true", "9443", "'no'"] {
            let error = read(&format!("data: /x\nlisten_ops: {wrong}\n")).unwrap_err().to_string();
            assert!(error.contains("an address such as 127.0.0.1:9443, or off"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_cluster_needs_one_authority_and_one_archive_for_all() {
        let cluster = "data: /x\nlisten_fleet: 127.0.0.1:7444\nstore:\n  etcd:\n    endpoints: [http://127.0.0.1:2379]\n";
        let error = read(cluster).unwrap_err();
        assert!(error.to_string().contains("`fleet_ca` is missing"), "{error}");
        assert!(error.to_string().contains("`store: etcd` needs `archive`"), "{error}");
        let given =
            format!("{cluster}archive: /a\nfleet_ca: {{certificate_file: /ca.pem, key_file: /ca.key}}\n");
        let config = read(&given).unwrap();
        assert!(!config.fleet.unwrap().make_authority);
        let StoreConfig::Etcd(etcd) = config.store else { panic!("not etcd") };
        assert_eq!(etcd.endpoints, ["http://127.0.0.1:2379"]);
    }

    #[test]
    fn records_go_to_redis_only_where_they_can_be_drained() {
        let error = read("data: /x\njournal: redis\n").unwrap_err().to_string();
        for fault in ["`journal: redis` needs `redis`", "`journal: redis` needs `archive`"] {
            assert!(error.contains(fault), "{fault}: {error}");
        }
        let whole = "data: /x\njournal: redis\narchive: /a\nredis: {url: 'redis://h:1'}\n";
        assert_eq!(read(whole).unwrap().redis.unwrap().endpoints, ["h:1"]);
        let cluster = whole.replace("h:1'", "h:1', cluster: true");
        assert!(read(&cluster).unwrap_err().to_string().contains("no cluster"));
    }

    #[test]
    fn all_faults_are_told_together() {
        let text = "listen_fleet: here\nstore: cloud\nnode_lease_seconds: 1\npublic_url: http://a\n\
                    approvals: {keep: 5m}\n";
        let error = read(text).unwrap_err().to_string();
        for fault in [
            "`data` is missing",
            "`listen_fleet`",
            "`store`",
            "`node_lease_seconds`: at least 5",
            "`public_url`",
            "`approvals.keep`: at least 1h",
        ] {
            assert!(error.contains(fault), "{fault}: {error}");
        }
    }

    #[test]
    fn certificates_may_live_for_minutes_but_not_for_seconds_and_not_for_ever() {
        let read =
            |hours: &str| read(&format!("data: /x\nlisten_fleet: 127.0.0.1:0\ncertificate_hours: {hours}\n"));
        let life = |hours: &str| read(hours).unwrap().fleet.unwrap().certificate_ttl.as_secs();
        assert_eq!((life("24"), life("0.25"), life("0.02")), (86_400, 900, 72));
        for wrong in ["0", "0.01", "-1", "8785"] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("`certificate_hours`"), "{wrong}: {error}");
        }
    }

    #[test]
    fn i8_a_gateway_stops_judging_before_it_may_be_called_lost() {
        let read = |leases: &str| read(&format!("data: /x\nlisten_fleet: 127.0.0.1:0\n{leases}"));
        let error = read("node_lease_seconds: 20\nbundle_lease_seconds: 16\n").unwrap_err().to_string();
        assert!(error.contains("three quarters of `node_lease_seconds`"), "{error}");
        assert!(read("node_lease_seconds: 20\nbundle_lease_seconds: 15\n").is_ok());
        let short = read("node_lease_seconds: 8\n").unwrap().fleet.unwrap();
        assert_eq!(short.bundle_lease, Duration::from_secs(6));
    }
}
