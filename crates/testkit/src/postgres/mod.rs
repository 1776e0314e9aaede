//! A PostgreSQL server of our own: on a free loopback port, in a temporary folder, with the shop in it.

pub mod shop;
mod template;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wait::{eventually, free_port};
use crate::{Account, Certificates, Dsn, Folder, Place, Process, Signal};

/// How the server asks clients on TCP who they are. The superuser on the socket is never asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Auth {
    /// Not at all.
    Trust,
    /// For the password, as it is.
    Password,
    /// MD5 challenge.
    Md5,
    /// SCRAM-SHA-256; over TLS also -PLUS.
    #[default]
    Scram,
    /// For a certificate whose common name is the role; needs TLS.
    Certificate,
}

impl Auth {
    const fn method(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Password => "password",
            Self::Md5 => "md5",
            Self::Scram => "scram-sha-256",
            Self::Certificate => "cert",
        }
    }

    const fn password_encryption(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            _ => "scram-sha-256",
        }
    }
}

/// What kind of server to start.
#[derive(Debug, Default)]
pub struct PostgresOptions {
    /// How it asks who a client is.
    pub auth: Auth,
    /// Its certificates. With them it refuses connections without TLS.
    pub tls: Option<Certificates>,
    /// More settings, such as `("log_statement", "all")`.
    pub settings: Vec<(String, String)>,
    /// Where it stands.
    pub place: Place,
}

impl PostgresOptions {
    /// With one more setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }
}

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    // Dropped before the folder it works in.
    process: Process,
    folder: Folder,
    account: Account,
    place: Place,
    port: u16,
    tls: Option<Certificates>,
}

/// What every server of ours is set to: quick to start, nothing kept over a crash of the machine.
const SETTINGS: &str = "max_connections = 200
shared_buffers = 128MB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
wal_level = minimal
max_wal_senders = 0
min_wal_size = 2MB
log_min_messages = warning
log_min_error_statement = panic
timezone = 'UTC'
lc_messages = 'C'
";

impl Postgres {
    /// Starts one, ready to answer when this returns. The first on a machine takes about two seconds
    /// longer: it makes the template that the others are copied from.
    ///
    /// # Errors
    /// PostgreSQL 15 or later is not installed, or the server does not start; the error has its log.
    pub fn start(options: PostgresOptions) -> Result<Self> {
        let account = Account::for_servers()?;
        let folder = Folder::new(account)?;
        template::copy_to(&folder)?;
        Self::configure(&folder, &options)?;
        // Between looking for a free port and binding it somebody else may take it.
        let mut last = None;
        for _ in 0..5 {
            let port = free_port()?;
            match run(account, folder.path(), &options.place, port) {
                Ok(process) => {
                    let (place, tls) = (options.place, options.tls);
                    let server = Self { process, folder, account, place, port, tls };
                    shop::set_password(&server, options.auth)?;
                    return Ok(server);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no port")))
    }

    fn configure(folder: &Folder, options: &PostgresOptions) -> Result<()> {
        let mut settings = format!("listen_addresses = '{}'\n{SETTINGS}", options.place.address());
        let mut host = "host";
        if let Some(certificates) = &options.tls {
            host = "hostssl";
            for (name, from) in
                [("server.pem", certificates.server()), ("server.key", certificates.server_key())]
            {
                folder.write(&format!("data/{name}"), std::fs::read(from)?)?;
            }
            folder.write("data/ca.pem", std::fs::read(certificates.ca())?)?;
            settings.push_str("ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n");
            settings.push_str("ssl_ca_file = 'ca.pem'\n");
        }
        for (name, value) in &options.settings {
            settings.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        folder.write("data/postgresql.conf", settings)?;
        let (method, from) = (options.auth.method(), options.place.neighbours());
        folder.write(
            "data/pg_hba.conf",
            format!("local all postgres trust\n{host} all all {from} {method}\n"),
        )?;
        Ok(())
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.place.at(self.port)
    }

    /// The process id of the postmaster.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its certificates, where it has some.
    #[must_use]
    pub const fn certificates(&self) -> Option<&Certificates> {
        self.tls.as_ref()
    }

    /// The folder of its socket, for the superuser `postgres`, who needs no password there.
    #[must_use]
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// `postgres://shop_app@ADDRESS/shop`, without the password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{}@{}/{}", shop::ROLE, self.address(), shop::DATABASE)
    }

    /// The same with the password.
    #[must_use]
    pub fn url_with_password(&self) -> String {
        let (role, password) = (shop::ROLE, shop::PASSWORD);
        format!("postgres://{role}:{password}@{}/{}", self.address(), shop::DATABASE)
    }

    /// Where a client connects as the shop's role.
    #[must_use]
    pub fn dsn(&self) -> Dsn {
        Dsn {
            host: self.place.address().to_string(),
            port: self.port,
            user: shop::ROLE.into(),
            password: shop::PASSWORD.into(),
            database: shop::DATABASE.into(),
        }
    }

    /// Runs SQL in the shop as superuser, past everything that is under test; the answer unaligned,
    /// columns parted by `|`.
    ///
    /// # Errors
    /// The server's error.
    pub fn sql(&self, sql: &str) -> Result<String> {
        self.sql_in(shop::DATABASE, sql)
    }

    /// The same in another database.
    ///
    /// # Errors
    /// The server's error.
    pub fn sql_in(&self, database: &str, sql: &str) -> Result<String> {
        psql(self.folder.path(), self.port, database, sql)
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it as a crash would: connections break off, nothing is written in order.
    ///
    /// # Errors
    /// It has ended already, or does not end.
    pub fn crash(&mut self) -> Result<()> {
        self.process.signal(Signal::Quit)?;
        eventually("the end of PostgreSQL", Duration::from_secs(10), || self.process.ended()).map(drop)
    }

    /// Starts it again after [`Self::crash`], on the same data and port.
    ///
    /// # Errors
    /// It does not start; the error has its log.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = run(self.account, self.folder.path(), &self.place, self.port)?;
        Ok(())
    }

    /// Sends a signal to the postmaster.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }
}

/// Runs SQL as superuser over the socket in `folder`.
fn psql(folder: &Path, port: u16, database: &str, sql: &str) -> Result<String> {
    let output = Command::new(program("psql")?)
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql])
        .env("PGHOST", folder)
        .env("PGPORT", port.to_string())
        .stdin(Stdio::null())
        .output()
        .context("cannot run psql")?;
    if !output.status.success() {
        bail!("psql: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Starts the server on the data in `folder` and waits until it takes connections.
fn run(account: Account, folder: &Path, place: &Place, port: u16) -> Result<Process> {
    let log_path = folder.join("log");
    let log = std::fs::File::create(&log_path).context("cannot write the server's log")?;
    let mut command = place.command(program("postgres")?, account);
    command
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-p", &port.to_string(), "-k"])
        .arg(folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let mut process = Process::spawn("postgres", &mut command, Signal::Interrupt)?;
    let pid_file = folder.join("data/postmaster.pid");
    eventually("PostgreSQL to take connections", Duration::from_secs(30), || {
        if let Some(status) = process.ended()? {
            let log = std::fs::read_to_string(&log_path).unwrap_or_default();
            bail!("PostgreSQL did not start ({status}): {log}");
        }
        // The last line of its pid file says where it stands.
        let text = std::fs::read_to_string(&pid_file).unwrap_or_default();
        let state = text.lines().nth(7).map(str::trim);
        Ok(matches!(state, Some("ready" | "standby")).then_some(()))
    })?;
    Ok(process)
}

/// A program of PostgreSQL: of the newest server version that Debian installed, or on the path.
fn program(name: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        for version in versions.flatten() {
            let number: Option<u32> = version.file_name().to_str().and_then(|name| name.parse().ok());
            let program = version.path().join("bin").join(name);
            if let Some(number) = number
                && program.is_file()
            {
                found.push((number, program));
            }
        }
    }
    if let Some((_, program)) = found.into_iter().max() {
        return Ok(program);
    }
    let on_path = std::env::var_os("PATH")
        .and_then(|path| std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file()));
    on_path.with_context(|| format!("no `{name}` on this machine; install postgresql-15"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connects as the shop's role over TCP, as a client would.
    fn connect(server: &Postgres, password: &str, more: &[(&str, &Path)]) -> Result<String> {
        let output = Command::new(program("psql")?)
            .args(["-X", "-A", "-t", "-d", &server.url(), "-c", "SELECT count(*) FROM customers"])
            .env("PGPASSWORD", password)
            .envs(more.iter().copied())
            .output()?;
        if output.status.success() {
            Ok(String::from_utf8(output.stdout)?.trim().to_owned())
        } else {
            bail!("{}", String::from_utf8_lossy(&output.stderr))
        }
    }

    #[test]
    fn each_password_method_lets_in_who_knows_the_password_and_nobody_else() {
        for auth in [Auth::Password, Auth::Md5, Auth::Scram] {
            let server = Postgres::start(PostgresOptions { auth, ..Default::default() }).unwrap();
            assert_eq!(connect(&server, shop::PASSWORD, &[]).unwrap(), "300", "{auth:?}");
            assert!(connect(&server, "wrong", &[]).unwrap_err().to_string().contains("password"), "{auth:?}");
            let verifier =
                server.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'shop_app'").unwrap();
            assert_eq!(verifier.starts_with("md5"), auth == Auth::Md5);
        }
    }

    #[test]
    #[cfg(feature = "certificates")]
    fn a_server_with_tls_takes_its_client_certificate_and_no_plain_connection() {
        let tls = Some(Certificates::make(shop::ROLE).unwrap());
        let options = PostgresOptions { auth: Auth::Certificate, tls, ..Default::default() };
        let server = Postgres::start(options).unwrap();
        let certificates = server.certificates().unwrap();
        let (ca, cert, key) = (certificates.ca(), certificates.client(), certificates.client_key());
        let verify: [(&str, &Path); 2] = [("PGSSLMODE", Path::new("verify-full")), ("PGSSLROOTCERT", &ca)];
        let identity: [(&str, &Path); 2] = [("PGSSLCERT", &cert), ("PGSSLKEY", &key)];
        let all = [verify, identity].concat();
        assert_eq!(connect(&server, "", &all).unwrap(), "300");
        assert!(connect(&server, "", &verify).is_err());
        assert!(connect(&server, "", &[("PGSSLMODE", Path::new("disable"))]).is_err());
    }

    #[test]
    fn a_server_that_crashed_comes_back_with_what_was_committed() {
        let options = PostgresOptions::default().with("synchronous_commit", "on");
        let mut server = Postgres::start(options).unwrap();
        server.sql("CREATE TABLE kept AS SELECT 7 AS n").unwrap();
        server.crash().unwrap();
        assert!(connect(&server, shop::PASSWORD, &[]).is_err());
        server.start_again().unwrap();
        assert_eq!(server.sql("SELECT n FROM kept").unwrap(), "7");
    }

    #[test]
    fn a_dropped_server_answers_no_more_and_leaves_nothing() {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let (folder, id) = (server.socket_folder().to_path_buf(), server.id());
        drop(server);
        assert!(!folder.exists());
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }
}
