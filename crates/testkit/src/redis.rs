//! A Redis of our own: with an append-only file or without, open or behind an ACL user and TLS, alone, as a replica, or
//! watched by three sentinels.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::wait::{eventually, free_port, lasting_port};
use crate::{Account, Certificates, Folder, Place, Process, Signal};

/// How Redis is set.
#[derive(Debug, Default)]
pub struct RedisOptions<'a> {
    /// Keeps an append-only file that is synced at every write.
    pub synced: bool,
    /// The only user and its password; `None`: everybody.
    pub user: Option<(&'a str, &'a str)>,
    /// Takes TLS alone, with the server's certificate of these.
    pub tls: Option<&'a Certificates>,
    /// Follows the server on this port.
    pub replica_of: Option<u16>,
    /// Is a node of a Redis Cluster, whose others reach it on this port; see [`Redis::meet`].
    pub cluster_port: Option<u16>,
    /// Where it stands.
    pub place: Place,
}

/// A running Redis.
#[derive(Debug)]
pub struct Redis {
    // Dropped before the folder it works in.
    process: Process,
    server: Server,
}

#[derive(Debug)]
struct Server {
    folder: Folder,
    account: Account,
    arguments: Vec<String>,
    place: Place,
    port: u16,
}

impl Redis {
    /// Starts one.
    ///
    /// # Errors
    /// Redis is not installed, or does not start; the error has its log.
    pub fn start(options: &RedisOptions<'_>) -> Result<Self> {
        let account = Account::Own;
        let mut last = None;
        for _ in 0..5 {
            let port = lasting_port()?;
            let folder = Folder::new(account)?;
            let arguments = arguments(options, &folder, port)?;
            let server = Server { folder, account, arguments, place: options.place.clone(), port };
            match server.run() {
                Ok(process) => return Ok(Self { process, server }),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no port")))
    }

    /// Makes it and another one nodes of one Redis Cluster; `cluster_port` is the other one's.
    ///
    /// # Errors
    /// `redis-cli` is not installed, or says no.
    pub fn meet(&self, other: &Self, cluster_port: u16) -> Result<()> {
        let mut command = Command::new(program("redis-cli")?);
        command.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.server.port.to_string(),
            "cluster",
            "meet",
            "127.0.0.1",
        ]);
        let said = command.args([other.server.port.to_string(), cluster_port.to_string()]).output()?;
        let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        ensure!(said == "OK", "the nodes did not meet: {said}");
        Ok(())
    }

    /// `host:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("localhost:{}", self.server.port)
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.server.port
    }

    /// What it has logged since it was started last.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.server.folder.path().join("log")).unwrap_or_default()
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.place.at(self.server.port)
    }

    /// Kills it: it has no chance to say or write anything.
    ///
    /// # Errors
    /// The system does not tell how it ended.
    pub fn kill(&mut self) -> Result<()> {
        if self.process.ended()?.is_none() {
            self.process.signal(Signal::Kill)?;
            eventually("Redis to end", Duration::from_secs(10), || self.process.ended())?;
        }
        Ok(())
    }

    /// Kills it, and takes away what it had kept: started again it is empty.
    ///
    /// # Errors
    /// As [`Self::kill`], or its files cannot be removed.
    pub fn empty(&mut self) -> Result<()> {
        self.kill()?;
        match std::fs::remove_dir_all(self.server.folder.path().join("appendonlydir")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("the append-only file cannot be removed")
            }
            _ => Ok(()),
        }
    }

    /// Stands still, or goes on.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Starts it again after [`Self::kill`], on the same port, with what it had kept.
    ///
    /// # Errors
    /// It does not start; the error has its log.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.process = self.server.run()?;
        Ok(())
    }
}

impl Server {
    fn run(&self) -> Result<Process> {
        let log_path = self.folder.path().join("log");
        let log = std::fs::File::create(&log_path)?;
        let mut command = self.place.command(program("redis-server")?, self.account);
        command.args(&self.arguments).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut process = Process::spawn("redis", &mut command, Signal::Terminate)?;
        eventually("Redis to take connections", Duration::from_secs(10), || {
            let said = std::fs::read_to_string(&log_path).unwrap_or_default();
            if let Some(status) = process.ended()? {
                bail!("Redis ended ({status}): {said}");
            }
            let ready = said.contains("Ready to accept connections") || said.contains("monitor master");
            Ok(ready.then_some(()))
        })?;
        Ok(process)
    }
}

fn arguments(options: &RedisOptions<'_>, folder: &Folder, port: u16) -> Result<Vec<String>> {
    // Neighbours come from other addresses than 127.0.0.1, the only one that Redis takes for its own.
    let mut words = format!(
        "--protected-mode no --bind {} --save  --dir {}",
        options.place.address(),
        folder.path().display()
    );
    match options.tls {
        None => words.push_str(&format!(" --port {port}")),
        Some(tls) => words.push_str(&format!(
            " --port 0 --tls-port {port} --tls-auth-clients no --tls-cert-file {} --tls-key-file {} --tls-ca-cert-file {}",
            tls.server().display(),
            tls.server_key().display(),
            tls.ca().display()
        )),
    }
    if options.synced {
        words.push_str(" --appendonly yes --appendfsync always");
    }
    if let Some(port) = options.replica_of {
        words.push_str(&format!(" --replicaof 127.0.0.1 {port} --repl-diskless-sync-delay 0"));
    }
    if let Some(port) = options.cluster_port {
        words.push_str(&format!(" --cluster-enabled yes --cluster-port {port}"));
    }
    if let Some((user, password)) = options.user {
        let acl = folder
            .write("users.acl", format!("user default off\nuser {user} on >{password} ~* &* +@all\n"))?;
        words.push_str(&format!(" --aclfile {}", acl.display()));
    }
    // Two spaces stand around an empty word: `--save ""` turns snapshots off.
    Ok(words.split(' ').map(str::to_owned).collect())
}

/// Three sentinels that watch a master, and make a replica the master when it is gone.
#[derive(Debug)]
pub struct Sentinels {
    sentinels: Vec<Redis>,
}

impl Sentinels {
    /// The name that they know the master by.
    pub const MASTER: &'static str = "countersign";

    /// Starts them.
    ///
    /// # Errors
    /// Redis is not installed, or they do not start.
    pub fn start(master: &Redis) -> Result<Self> {
        let name = Self::MASTER;
        let config = format!(
            "sentinel monitor {name} 127.0.0.1 {} 2\nsentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 3000\n",
            master.port()
        );
        let sentinels = (0..3).map(|_| sentinel(&config)).collect::<Result<_>>()?;
        Ok(Self { sentinels })
    }

    /// Their endpoints.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        self.sentinels.iter().map(Redis::endpoint).collect()
    }
}

fn sentinel(config: &str) -> Result<Redis> {
    let account = Account::Own;
    let mut last = None;
    for _ in 0..5 {
        let port = free_port()?;
        let folder = Folder::new(account)?;
        let file = folder.write("sentinel.conf", format!("port {port}\nbind 127.0.0.1\n{config}"))?;
        let arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        let server = Server { folder, account, arguments, place: Place::default(), port };
        match server.run() {
            Ok(process) => return Ok(Redis { process, server }),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("no port")))
}

fn program(name: &str) -> Result<PathBuf> {
    let places = ["/usr/bin", "/usr/local/bin"].map(|folder| PathBuf::from(folder).join(name));
    places
        .into_iter()
        .find(|path| path.is_file())
        .with_context(|| format!("no {name} on this machine; install redis-server"))
}
