//! etcd of our own: one member or several, whose members can be killed, stopped, continued and started
//! again on what they had, with TLS and with authentication.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::wait::{eventually, lasting_port};
use crate::{Account, Certificates, Folder, Place, Process, Signal};

/// How long members may take to agree on a leader.
const PATIENCE: Duration = Duration::from_secs(60);

/// How etcd is set.
#[derive(Debug, Clone, Default)]
pub struct EtcdOptions {
    /// Server certificates, and client certificates demanded: the paths of the certificates.
    pub tls: Option<EtcdCertificates>,
    /// A root user with this password, and authentication switched on.
    pub root_password: Option<String>,
    /// What is given to every member besides, such as `--quota-backend-bytes=…`.
    pub more: Vec<String>,
    /// Where the members stand, in their order; those for whom there is none at 127.0.0.1.
    pub places: Vec<Place>,
}

/// The files of [`EtcdOptions::tls`].
#[derive(Debug, Clone)]
pub struct EtcdCertificates {
    /// The authority.
    pub ca: PathBuf,
    /// The members' certificate and key.
    pub server: (PathBuf, PathBuf),
    /// A client's certificate and key.
    pub client: (PathBuf, PathBuf),
}

impl From<&Certificates> for EtcdCertificates {
    fn from(made: &Certificates) -> Self {
        Self {
            ca: made.ca(),
            server: (made.server(), made.server_key()),
            client: (made.client(), made.client_key()),
        }
    }
}

/// One member.
#[derive(Debug)]
pub struct Etcd(EtcdCluster);

impl Etcd {
    /// Starts one that everybody may use.
    ///
    /// # Errors
    /// etcd is not installed, or does not start; the error has its log.
    pub fn start() -> Result<Self> {
        Self::start_with(EtcdOptions::default())
    }

    /// The same with TLS or authentication.
    ///
    /// # Errors
    /// As [`Etcd::start`].
    pub fn start_with(options: EtcdOptions) -> Result<Self> {
        Ok(Self(EtcdCluster::start_with(1, options)?))
    }

    /// Where clients connect: `http://127.0.0.1:…`, or `https` with TLS.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.0.endpoints().remove(0)
    }

    /// The cluster of one that it is.
    #[must_use]
    pub fn cluster(&mut self) -> &mut EtcdCluster {
        &mut self.0
    }
}

/// Several members. Each works in a temporary folder that outlives its process.
#[derive(Debug)]
pub struct EtcdCluster {
    members: Vec<Member>,
    options: EtcdOptions,
    // Dropped after the processes that work in it.
    folder: Folder,
}

#[derive(Debug)]
struct Member {
    name: String,
    place: Place,
    client_port: u16,
    peer_port: u16,
    process: Option<Process>,
}

impl Member {
    fn client(&self) -> SocketAddr {
        self.place.at(self.client_port)
    }

    fn peer(&self) -> SocketAddr {
        self.place.at(self.peer_port)
    }
}

impl EtcdCluster {
    /// Starts `count` members that everybody may use, and waits until they have agreed on a leader.
    ///
    /// # Errors
    /// etcd is not installed, or does not start; the error has the log of a member.
    pub fn start(count: usize) -> Result<Self> {
        Self::start_with(count, EtcdOptions::default())
    }

    /// The same with TLS or authentication.
    ///
    /// # Errors
    /// As [`EtcdCluster::start`].
    pub fn start_with(count: usize, options: EtcdOptions) -> Result<Self> {
        let mut last = None;
        // Another process may take a port between its choice and its use.
        for _ in 0..3 {
            match Self::try_start(count, options.clone()) {
                Ok(cluster) => return Ok(cluster),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no attempt")))
    }

    fn try_start(count: usize, options: EtcdOptions) -> Result<Self> {
        let folder = Folder::new(Account::Own)?;
        let mut members = Vec::new();
        for index in 0..count {
            let (client_port, peer_port) = (lasting_port()?, lasting_port()?);
            let place = options.places.get(index).cloned().unwrap_or_default();
            members.push(Member { name: format!("m{index}"), place, client_port, peer_port, process: None });
        }
        let mut cluster = Self { members, options, folder };
        for index in 0..count {
            cluster.spawn(index)?;
        }
        for index in 0..count {
            cluster.wait_for(index)?;
        }
        cluster.switch_authentication_on()?;
        Ok(cluster)
    }

    /// Where clients connect, one address a member.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        let scheme = self.scheme();
        self.members.iter().map(|member| format!("{scheme}://{}", member.client())).collect()
    }

    /// The leader, as the members that answer see it.
    ///
    /// # Errors
    /// No member answers, or there is no leader.
    pub fn leader(&self) -> Result<usize> {
        eventually("a leader", PATIENCE, || {
            for index in 0..self.members.len() {
                let Ok(status) = self.control(index, &["endpoint", "status", "-w", "fields"]) else {
                    continue;
                };
                let field = |name: &str| {
                    status
                        .lines()
                        .find_map(|line| line.strip_prefix(name)?.trim_start_matches([' ', ':']).parse().ok())
                };
                let (member, leader): (Option<u64>, Option<u64>) =
                    (field("\"MemberID\""), field("\"Leader\""));
                if member.is_some() && member == leader {
                    return Ok(Some(index));
                }
            }
            Ok(None)
        })
    }

    /// Kills a member, as a power cut would.
    ///
    /// # Errors
    /// The system does not tell how it ended.
    pub fn kill(&mut self, index: usize) -> Result<()> {
        if let Some(mut process) = self.member(index)?.process.take() {
            process.kill()?;
        }
        Ok(())
    }

    /// Lets a member stand still, or go on: [`Signal::Stop`] and [`Signal::Continue`].
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&mut self, index: usize, signal: Signal) -> Result<()> {
        self.member(index)?.process.as_mut().context("the member does not run")?.signal(signal)
    }

    /// Starts a killed member again on what it had, and waits until it takes part.
    ///
    /// # Errors
    /// It does not start; the error has its log.
    pub fn restart(&mut self, index: usize) -> Result<()> {
        self.restart_without_waiting(index)?;
        self.wait_for(index)
    }

    /// The same without waiting, for when there is no majority yet.
    ///
    /// # Errors
    /// The program does not start.
    pub fn restart_without_waiting(&mut self, index: usize) -> Result<()> {
        self.kill(index)?;
        self.spawn(index)
    }

    /// Runs `etcdctl` against one member, as root where there is one; what it printed.
    ///
    /// # Errors
    /// It fails; the error has what it said.
    pub fn control(&self, index: usize, words: &[&str]) -> Result<String> {
        let member = self.members.get(index).context("no such member")?;
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").arg("--command-timeout=5s").arg("--endpoints");
        command.arg(format!("{}://{}", self.scheme(), member.client()));
        if let Some(tls) = &self.options.tls {
            command.arg("--cacert").arg(&tls.ca);
            command.arg("--cert").arg(&tls.client.0).arg("--key").arg(&tls.client.1);
        }
        if let Some(password) = &self.options.root_password
            && self.folder.path().join("authenticated").is_file()
        {
            command.arg("--user").arg(format!("root:{password}"));
        }
        let output = command.args(words).output().context("cannot run etcdctl; install etcd-client")?;
        ensure!(
            output.status.success(),
            "etcdctl {words:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Forgets the history before the newest revision.
    ///
    /// # Errors
    /// etcd does not.
    pub fn compact(&self, index: usize) -> Result<()> {
        let status = self.control(index, &["endpoint", "status", "-w", "fields"])?;
        let revision = status.lines().find_map(|line| line.strip_prefix("\"Revision\" : "));
        self.control(index, &["compact", revision.context("no revision in the status")?.trim()]).map(drop)
    }

    fn scheme(&self) -> &'static str {
        if self.options.tls.is_some() { "https" } else { "http" }
    }

    fn member(&mut self, index: usize) -> Result<&mut Member> {
        self.members.get_mut(index).context("no such member")
    }

    fn spawn(&mut self, index: usize) -> Result<()> {
        let peers: Vec<_> =
            self.members.iter().map(|member| format!("{}=http://{}", member.name, member.peer())).collect();
        let scheme = self.scheme();
        let member = self.members.get(index).context("no such member")?;
        let client = format!("{scheme}://{}", member.client());
        let peer = format!("http://{}", member.peer());
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log(index))?;
        let mut command = member.place.command("etcd", Account::Own);
        command
            .args(["--name", &member.name, "--log-level=warn", "--logger=zap"])
            .arg("--data-dir")
            .arg(self.folder.path().join(&member.name))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &peers.join(",")])
            .args(&self.options.more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(tls) = &self.options.tls {
            command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(&tls.ca);
            command.arg("--cert-file").arg(&tls.server.0).arg("--key-file").arg(&tls.server.1);
        }
        let process = Process::spawn("etcd", &mut command, Signal::Terminate)
            .context("is etcd installed? install etcd-server")?;
        self.member(index)?.process = Some(process);
        Ok(())
    }

    fn log(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("m{index}.log"))
    }

    /// Waits until a member answers a read that a majority has agreed on.
    fn wait_for(&mut self, index: usize) -> Result<()> {
        let log = self.log(index);
        eventually("an etcd member to take part", PATIENCE, || {
            let process = self.member(index)?.process.as_mut().context("the member was not started")?;
            if let Some(status) = process.ended()? {
                bail!("etcd ended ({status}): {}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            Ok(self.control(index, &["get", "/ready"]).ok())
        })
        .map(drop)
    }

    fn switch_authentication_on(&mut self) -> Result<()> {
        let Some(password) = self.options.root_password.clone() else { return Ok(()) };
        self.control(0, &["user", "add", &format!("root:{password}")])?;
        self.control(0, &["user", "grant-role", "root", "root"])?;
        self.control(0, &["auth", "enable"])?;
        std::fs::write(self.folder.path().join("authenticated"), "")?;
        Ok(())
    }
}

impl Drop for EtcdCluster {
    fn drop(&mut self) {
        // What they have is thrown away, so there is nothing to end in good order for.
        for member in &mut self.members {
            if let Some(mut process) = member.process.take()
                && let Err(error) = process.kill()
            {
                eprintln!("{error:#}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_goes_on_without_one_member_and_takes_it_back() {
        let mut cluster = EtcdCluster::start(3).unwrap();
        cluster.control(0, &["put", "/x", "1"]).unwrap();
        let leader = cluster.leader().unwrap();
        cluster.kill(leader).unwrap();
        let next = cluster.leader().unwrap();
        assert_ne!(next, leader);
        assert_eq!(cluster.control(next, &["get", "/x", "--print-value-only"]).unwrap().trim(), "1");
        cluster.restart(leader).unwrap();
        assert_eq!(cluster.control(leader, &["get", "/x", "--print-value-only"]).unwrap().trim(), "1");
    }
}
