//! An HAProxy of our own before several gateways, configured as one does in production: TCP, health checks,
//! the client's address by the PROXY protocol.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wait::{eventually, lasting_port};
use crate::{Account, Folder, Place, Process, RawClient, Signal};

/// A server that HAProxy spreads connections over.
#[derive(Debug, Clone)]
pub struct Backend {
    /// Its name, in logs.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// Where `GET /readyz` says whether it takes connections; `None`: whoever accepts them does.
    pub ready: Option<SocketAddr>,
}

/// How it is set.
#[derive(Debug, Clone, Default)]
pub struct HaProxyOptions {
    /// The servers.
    pub backends: Vec<Backend>,
    /// Whether the client's address goes before its first bytes (PROXY protocol, version 2).
    pub proxy_protocol: bool,
    /// Where it stands.
    pub place: Place,
}

/// A running HAProxy.
#[derive(Debug)]
pub struct HaProxy {
    // Dropped before the folder it works in.
    process: Process,
    folder: Folder,
    account: Account,
    place: Place,
    address: SocketAddr,
}

impl HaProxy {
    /// Starts one, ready to take connections when this returns.
    ///
    /// # Errors
    /// HAProxy is not installed, or does not start; the error has its log.
    pub fn start(options: &HaProxyOptions) -> Result<Self> {
        let account = Account::for_servers()?;
        let folder = Folder::new(account)?;
        let mut last = None;
        for _ in 0..5 {
            let place = options.place.clone();
            let address = place.at(lasting_port()?);
            folder.write(CONFIG, config(options, address))?;
            match run(account, &folder, &place, address) {
                Ok(process) => return Ok(Self { process, folder, account, place, address }),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no port")))
    }

    /// Where clients connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Kills it, with all connections through it.
    ///
    /// # Errors
    /// The system does not tell that it has ended.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Starts it again after [`Self::kill`], at the same address.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_again(&mut self) -> Result<()> {
        self.process = run(self.account, &self.folder, &self.place, self.address)?;
        Ok(())
    }
}

const CONFIG: &str = "haproxy.cfg";

/// Its configuration. A command may wait for a person for many minutes without a byte, so connections do not
/// time out here; a gateway that drains is not ready, and keeps the connections that it has.
fn config(options: &HaProxyOptions, address: SocketAddr) -> String {
    let mut text = format!(
        "global\n  maxconn 4000\n  log stderr format raw daemon\n\
         defaults\n  mode tcp\n  log global\n  option tcplog\n  option clitcpka\n  option srvtcpka\n  \
         option redispatch\n  retries 3\n  timeout connect 2s\n  timeout client 24h\n  timeout server 24h\n  \
         timeout check 2s\n\
         frontend postgres\n  bind {address}\n  default_backend gateways\n\
         backend gateways\n  balance leastconn\n  default-server inter 500ms fall 2 rise 1\n"
    );
    if options.backends.iter().any(|backend| backend.ready.is_some()) {
        text.push_str("  option httpchk GET /readyz\n");
    }
    for backend in &options.backends {
        let Backend { name, address, ready } = backend;
        let check = match ready {
            Some(ready) => format!("check addr {} port {}", ready.ip(), ready.port()),
            None => "check".into(),
        };
        let proxy = if options.proxy_protocol { " send-proxy-v2" } else { "" };
        // Writing into a string does not fail.
        let _ = writeln!(text, "  server {name} {address} {check}{proxy}");
    }
    text
}

fn run(account: Account, folder: &Folder, place: &Place, address: SocketAddr) -> Result<Process> {
    let log_path = folder.path().join("log");
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&log_path)?;
    account.own(&log_path)?;
    let mut command = place.command(program()?, account);
    // In the foreground, as one process that a signal hits.
    command.args(["-db", "-f"]).arg(folder.path().join(CONFIG)).current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut process = Process::spawn("haproxy", &mut command, Signal::Terminate)?;
    eventually("HAProxy to take connections", Duration::from_secs(10), || {
        if let Some(status) = process.ended()? {
            bail!("HAProxy ended ({status}): {}", std::fs::read_to_string(&log_path).unwrap_or_default());
        }
        Ok(RawClient::connect(&address.ip().to_string(), address.port()).ok())
    })?;
    Ok(process)
}

fn program() -> Result<PathBuf> {
    let known = ["/usr/sbin/haproxy", "/usr/bin/haproxy"].into_iter().map(Path::new);
    let found = known.filter(|program| program.is_file()).map(Path::to_path_buf).next();
    found.context("no haproxy on this machine; install haproxy")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Auth, Dsn, Postgres, PostgresOptions};

    fn backend(name: &str, port: u16) -> Backend {
        Backend { name: name.into(), address: ([127, 0, 0, 1], port).into(), ready: None }
    }

    fn server() -> Postgres {
        Postgres::start(PostgresOptions { auth: Auth::Password, ..Default::default() }).unwrap()
    }

    #[test]
    fn clients_reach_another_server_when_one_is_gone() {
        let servers = [server(), server()];
        let backends = servers.iter().enumerate().map(|(n, server)| backend(&format!("s{n}"), server.port()));
        let options = HaProxyOptions { backends: backends.collect(), ..HaProxyOptions::default() };
        let mut proxy = HaProxy::start(&options).unwrap();
        let [first, second] = servers;
        let dsn = Dsn { port: proxy.address().port(), ..first.dsn() };
        RawClient::login(&dsn).unwrap();
        drop(first);
        eventually("the other server", Duration::from_secs(10), || Ok(RawClient::login(&dsn).ok())).unwrap();
        proxy.kill().unwrap();
        assert!(RawClient::login(&dsn).is_err());
        proxy.start_again().unwrap();
        eventually("HAProxy's return", Duration::from_secs(10), || Ok(RawClient::login(&dsn).ok())).unwrap();
        drop(second);
    }

    #[test]
    fn the_clients_address_goes_ahead_when_asked_for() {
        use std::io::Read as _;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let options = HaProxyOptions {
            backends: vec![backend("one", port)],
            proxy_protocol: true,
            ..Default::default()
        };
        let proxy = HaProxy::start(&options).unwrap();
        let mut client = RawClient::connect("127.0.0.1", proxy.address().port()).unwrap();
        client.send(b"then the client").unwrap();
        // Health checks, and whoever waited for HAProxy itself, hang up without a word of their own.
        let heard = loop {
            let mut bytes = [0; 16 + 12 + 15];
            if listener.accept().unwrap().0.read_exact(&mut bytes).is_ok() {
                break bytes;
            }
        };
        assert_eq!(&heard[..12], b"\r\n\r\n\0\r\nQUIT\n");
        assert_eq!(heard[12], 0x21, "a proxied connection, not a check");
        assert!(heard.ends_with(b"then the client"));
    }
}
