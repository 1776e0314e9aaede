//! A real PostgreSQL server for a test: own folder, free port, ended with its value.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where Debian keeps the programs of PostgreSQL 15.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// The password of every user of the servers here.
pub const PASSWORD: &str = "s3cret-of-the-target";

/// A running server.
pub struct Postgres {
    server: Child,
    folder: tempfile::TempDir,
    pub port: u16,
}

impl Postgres {
    /// Starts one; `hba` is its pg_hba.conf, `certificate` its certificate, key and client authority.
    pub fn start(hba: &str, certificate: Option<(&Path, &Path, &Path)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        open_to_postgres(folder.path());
        let data = folder.path().join("data");
        let made = program("initdb")
            .args(["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success(), "initdb failed");
        write(&data.join("pg_hba.conf"), hba.as_bytes());

        let port = free_port();
        let mut server = program("postgres");
        server.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k"]).arg(folder.path());
        for setting in ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=20"] {
            server.args(["-c", setting]);
        }
        if let Some((certificate, key, authority)) = certificate {
            server.args(["-c", "ssl=on"]);
            for (setting, file) in
                [("ssl_cert_file", certificate), ("ssl_key_file", key), ("ssl_ca_file", authority)]
            {
                let copy = data.join(setting);
                write(&copy, &std::fs::read(file).unwrap());
                server.args(["-c", &format!("{setting}={}", copy.display())]);
            }
        }
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Self { server, folder, port };
        started.wait_until_ready();
        started
    }

    /// Runs SQL as superuser over the socket, which trusts.
    pub fn sql(&self, sql: &str) {
        let done = program("psql")
            .args(["-qX", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-p", &self.port.to_string(), "-h"])
            .arg(self.folder.path())
            .args(["-c", sql, "postgres"])
            .stdout(Stdio::null())
            .status();
        assert!(done.unwrap().success(), "{sql}");
    }

    fn wait_until_ready(&self) {
        let patience = Instant::now() + Duration::from_secs(30);
        while !program("pg_isready")
            .args(["-q", "-p", &self.port.to_string(), "-h"])
            .arg(self.folder.path())
            .status()
            .unwrap()
            .success()
        {
            assert!(Instant::now() < patience, "the server does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Killed at once: nobody wants its data, and its children notice.
        let _ended = self.server.kill();
        let _waited = self.server.wait();
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}

/// A program of PostgreSQL's; as the user `postgres` when we are root, which it refuses to be.
fn program(name: &str) -> Command {
    let path = PathBuf::from(PROGRAMS).join(name);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(path);
    command
}

fn chown(path: &Path) {
    if is_root() {
        let done = Command::new("chown").arg("postgres:postgres").arg(path).status();
        assert!(done.unwrap().success());
    }
}

fn open_to_postgres(folder: &Path) {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    chown(folder);
}

fn write(path: &Path, content: &[u8]) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    chown(path);
}

fn free_port() -> u16 {
    let bound =
        || -> io::Result<u16> { Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()) };
    bound().unwrap()
}
