//! A PgBouncer of our own in front of a PostgreSQL: the peer in benchmarks.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::wait::{eventually, free_port};
use crate::{Account, Dsn, Folder, Postgres, Process, RawClient, Signal, shop};

/// How PgBouncer is set.
#[derive(Debug, Clone, Default)]
pub struct PgBouncerOptions {
    /// `pkt_buf`, in bytes; `None`: its default of 4096.
    pub packet_buffer_bytes: Option<u32>,
}

/// A running PgBouncer in session mode.
#[derive(Debug)]
pub struct PgBouncer {
    // Dropped before the folder it works in.
    process: Process,
    _folder: Folder,
    dsn: Dsn,
}

impl PgBouncer {
    /// Starts one in front of the databases of `server`.
    ///
    /// # Errors
    /// PgBouncer is not installed, or does not start; the error has its log.
    pub fn start(server: &Postgres, options: &PgBouncerOptions) -> Result<Self> {
        let account = Account::for_servers()?;
        let folder = Folder::new(account)?;
        let (role, password) = (shop::ROLE, shop::PASSWORD);
        let users = folder.write("users.txt", format!("\"{role}\" \"{password}\"\n"))?;
        let mut last = None;
        for _ in 0..5 {
            let port = free_port()?;
            let mut settings = format!(
                "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {port}\nauth_type = plain\nauth_file = {}\npool_mode = session\n\
                 max_client_conn = 5000\ndefault_pool_size = 400\nunix_socket_dir =\n\
                 ignore_startup_parameters = extra_float_digits\nlog_connections = 0\nlog_disconnections = 0\n",
                server.port(),
                users.display(),
            );
            if let Some(bytes) = options.packet_buffer_bytes {
                settings.push_str(&format!("pkt_buf = {bytes}\n"));
            }
            let dsn = Dsn { port, ..server.dsn() };
            match run(account, &folder, &settings, port) {
                Ok(process) => return Ok(Self { process, _folder: folder, dsn }),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no port")))
    }

    /// Where a client connects as the shop's role.
    #[must_use]
    pub const fn dsn(&self) -> &Dsn {
        &self.dsn
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

fn run(account: Account, folder: &Folder, settings: &str, port: u16) -> Result<Process> {
    let config = folder.write("pgbouncer.ini", settings)?;
    let log_path = folder.path().join("log");
    let log = std::fs::File::create(&log_path)?;
    let program =
        ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().find(|p| std::path::Path::new(p).is_file());
    let mut command = Command::new(program.context("no pgbouncer on this machine; install pgbouncer")?);
    command.arg(config).current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    account.apply(&mut command);
    // SIGINT would wait for its clients, SIGTERM ends it at once.
    let mut process = Process::spawn("pgbouncer", &mut command, Signal::Terminate)?;
    eventually("PgBouncer to take connections", Duration::from_secs(10), || {
        if let Some(status) = process.ended()? {
            bail!("PgBouncer ended ({status}): {}", std::fs::read_to_string(&log_path).unwrap_or_default());
        }
        Ok(RawClient::connect("127.0.0.1", port).ok())
    })?;
    Ok(process)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PostgresOptions;

    #[test]
    fn a_client_reaches_the_shop_through_it() {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bouncer = PgBouncer::start(&server, &PgBouncerOptions::default()).unwrap();
        let dsn = bouncer.dsn();
        let output = Command::new("psql")
            .args(["-X", "-A", "-t", "-h", &dsn.host, "-p", &dsn.port.to_string(), "-U", &dsn.user])
            .args(["-d", &dsn.database, "-c", "SELECT count(*) FROM orders"])
            .env("PGPASSWORD", &dsn.password)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "900", "{output:?}");
    }
}
