//! Packages of Debian. The services that some of them would start are kept from starting: our servers
//! are private ones, on free ports.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run::{find, quiet};

/// Something that Debian's packages bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    /// C and C++ compilers, for the libraries that are written in them.
    Compiler,
    /// libclang, which reads the headers of PostgreSQL's grammar.
    Clang,
    /// PostgreSQL 15, server and clients.
    Postgres,
    /// PgBouncer, the peer in benchmarks.
    PgBouncer,
    /// The compiler of protobuf files and its well-known ones, for the build of the etcd client.
    Protoc,
    /// etcd, server and client.
    Etcd,
    /// HAProxy, before the gateways of a fleet.
    HaProxy,
    /// Prometheus, for its `promtool`.
    Prometheus,
    /// Redis, server and sentinel.
    Redis,
    /// Python with virtual environments.
    Python,
    /// Node.js with npm.
    Node,
    /// Chromium, to look at the approver's page, and a font for it.
    Chromium,
    /// A Java compiler, the JDBC driver and a JSON library.
    Java,
}

impl Package {
    pub(crate) const ALL: &[Self] = &[
        Self::Compiler,
        Self::Clang,
        Self::Protoc,
        Self::Postgres,
        Self::PgBouncer,
        Self::Etcd,
        Self::HaProxy,
        Self::Prometheus,
        Self::Redis,
        Self::Python,
        Self::Node,
        Self::Chromium,
        Self::Java,
    ];

    /// What `apt-get` calls it.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Compiler => &["gcc", "g++", "libc6-dev", "make"],
            Self::Clang => &["libclang-dev"],
            Self::Postgres => &["postgresql-15", "postgresql-client-15"],
            Self::PgBouncer => &["pgbouncer"],
            Self::Protoc => &["protobuf-compiler", "libprotobuf-dev"],
            Self::Etcd => &["etcd-server", "etcd-client"],
            Self::HaProxy => &["haproxy"],
            Self::Prometheus => &["prometheus"],
            Self::Redis => &["redis-server"],
            Self::Python => &["python3", "python3-venv"],
            Self::Node => &["nodejs", "npm"],
            Self::Chromium => &["chromium", "fonts-dejavu-core"],
            Self::Java => &["default-jdk-headless", "libpostgresql-jdbc-java", "libgoogle-gson-java"],
        }
    }

    fn is_there(self) -> bool {
        let sbin = [PathBuf::from("/usr/sbin")];
        match self {
            Self::Compiler => ["cc", "c++"].iter().all(|program| find(program, &[]).is_some()),
            Self::Clang => has_libclang(),
            Self::Postgres => ["postgres", "psql", "pgbench"]
                .iter()
                .all(|program| Path::new("/usr/lib/postgresql/15/bin").join(program).is_file()),
            Self::PgBouncer => find("pgbouncer", &sbin).is_some(),
            Self::Protoc => {
                let well_known = Path::new("/usr/include/google/protobuf/empty.proto");
                std::env::var_os("PROTOC").is_some()
                    || (find("protoc", &[]).is_some() && well_known.is_file())
            }
            Self::Etcd => ["etcd", "etcdctl"].iter().all(|program| find(program, &[]).is_some()),
            Self::HaProxy => find("haproxy", &sbin).is_some(),
            Self::Prometheus => find("promtool", &[]).is_some(),
            Self::Redis => find("redis-server", &[]).is_some(),
            Self::Python => quiet(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_ok(),
            Self::Node => ["node", "npm"].iter().all(|program| find(program, &[]).is_some()),
            Self::Chromium => find("chromium", &[]).is_some(),
            Self::Java => {
                let jars = ["/usr/share/java/postgresql.jar", "/usr/share/java/gson.jar"];
                find("javac", &[]).is_some() && jars.iter().all(|jar| Path::new(jar).is_file())
            }
        }
    }
}

fn has_libclang() -> bool {
    if std::env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let Ok(entries) = std::fs::read_dir("/usr/lib") else { return false };
    entries.flatten().any(|entry| {
        entry.file_name().to_string_lossy().starts_with("llvm-")
            && entry.path().join("lib/libclang.so").exists()
    })
}

/// Installs those of `packages` that are missing.
pub(super) fn install(packages: &[Package]) -> Result<()> {
    let missing: Vec<Package> = packages.iter().copied().filter(|package| !package.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().flat_map(|package| package.names()).copied().collect();
    println!("Installing {} with apt-get; this may take a few minutes.", names.join(", "));
    let root = Root::find(&names)?;
    // Lists that are not there, or too old to fetch by, are the usual reasons for a failure.
    root.run(&["apt-get", "update", "-qq"])?;
    let quiet_services = QuietServices::begin(&root)?;
    let mut command = vec!["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-qq", "-y"];
    command.push("--no-install-recommends");
    command.extend(&names);
    let installed = root.run(&command);
    quiet_services.end(&root);
    installed?;
    match missing.into_iter().find(|package| !package.is_there()) {
        Some(package) => {
            bail!("{package:?} is still missing after installing {}", package.names().join(", "))
        }
        None => Ok(()),
    }
}

/// How this user becomes root.
struct Root {
    sudo: bool,
}

impl Root {
    fn find(names: &[&str]) -> Result<Self> {
        let ask = || format!("as root: apt-get install {}", names.join(" "));
        if find("apt-get", &[]).is_none() {
            bail!(
                "this machine has no apt-get; install what these packages of Debian bring: {}",
                names.join(", ")
            );
        }
        let id = quiet(Command::new("id").arg("-u")).context("cannot tell who we are")?;
        if id.trim() == "0" {
            return Ok(Self { sudo: false });
        }
        if quiet(Command::new("sudo").args(["-n", "true"])).is_ok() {
            return Ok(Self { sudo: true });
        }
        bail!("installing needs root, and sudo is not to be had without a password; run {}", ask())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut words = words.to_vec();
        if self.sudo {
            words.insert(0, "sudo");
        }
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or("true"));
        command.args(words);
        command
    }

    /// Runs it; what it says is shown only when it fails.
    fn run(&self, words: &[&str]) -> Result<()> {
        quiet(&mut self.command(words)).map(drop)
    }
}

/// While it lasts, packages start no services and PostgreSQL makes no cluster of its own.
struct QuietServices {
    made: Vec<&'static str>,
}

impl QuietServices {
    const POLICY: &str = "/usr/sbin/policy-rc.d";
    const CLUSTER: &str = "/etc/postgresql-common/createcluster.d/countersign-setup.conf";

    fn begin(root: &Root) -> Result<Self> {
        let mut made = Vec::new();
        // Somebody else's policy stays as it is.
        if !Path::new(Self::POLICY).exists() {
            made.push(Self::POLICY);
            let script = format!("printf '#!/bin/sh\\nexit 101\\n' > {0} && chmod 755 {0}", Self::POLICY);
            root.run(&["sh", "-c", &script])?;
        }
        if !Path::new(Self::CLUSTER).exists() {
            made.push(Self::CLUSTER);
            let script =
                format!("mkdir -p $(dirname {0}) && echo 'create_main_cluster = false' > {0}", Self::CLUSTER);
            root.run(&["sh", "-c", &script])?;
        }
        Ok(Self { made })
    }

    fn end(self, root: &Root) {
        for file in self.made {
            if let Err(error) = root.run(&["rm", "-f", file]) {
                eprintln!("{error:#}");
            }
        }
    }
}
