//! An S3 server of our own: SeaweedFS, which checks signatures and puts conditionally as S3 does; open or behind TLS. It can be
//! killed, stopped, continued, and started again on what it had.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::wait::{eventually, lasting_port};
use crate::{Account, Certificates, Folder, Process, Signal, build_folder};

/// How long it may take to get ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// How S3 is set.
#[derive(Debug, Default)]
pub struct S3Options<'a> {
    /// Takes TLS alone, with the server's certificate of these.
    pub tls: Option<&'a Certificates>,
}

/// A running S3 server with one bucket.
#[derive(Debug)]
pub struct S3 {
    // Dropped before the folder it works in.
    process: Process,
    server: Server,
}

#[derive(Debug)]
struct Server {
    folder: Folder,
    arguments: Vec<String>,
    port: u16,
    is_tls: bool,
}

impl S3 {
    /// The bucket that is there.
    pub const BUCKET: &'static str = "recordings";
    /// The access key that may read, write and list in the bucket.
    pub const KEY: &'static str = "COUNTERSIGNKEY";
    /// Its secret.
    pub const SECRET: &'static str = "countersign+secret/of=tests";
    /// An access key that may only read there.
    pub const READER: &'static str = "READERKEY";
    /// An access key that may do everything everywhere. All have the same secret.
    pub const ROOT: &'static str = "ROOTKEY";

    /// Starts one.
    ///
    /// # Errors
    /// SeaweedFS is not installed, or does not start; the error has its log.
    pub fn start(options: &S3Options<'_>) -> Result<Self> {
        let mut last = None;
        // Another process may take a port between its choice and its use.
        for _ in 0..3 {
            match Self::try_start(options) {
                Ok(started) => return Ok(started),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no attempt")))
    }

    fn try_start(options: &S3Options<'_>) -> Result<Self> {
        let folder = Folder::new(Account::Own)?;
        let ports = Ports::choose()?;
        let arguments = arguments(options, &folder, &ports)?;
        let port = if options.tls.is_some() { ports.https } else { ports.s3 };
        let server = Server { folder, arguments, port, is_tls: options.tls.is_some() };
        let process = server.run()?;
        make_bucket(&ports)?;
        Ok(Self { process, server })
    }

    /// `http://127.0.0.1:…`, or `https` with TLS.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let scheme = if self.server.is_tls { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.server.port)
    }

    /// Writes a file with a key as the AWS tools have it; where it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn credentials(&self, key: &str, secret: &str) -> Result<PathBuf> {
        let text = format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
        self.server.folder.write(&format!("credentials-{key}-{}", secret.len()), text)
    }

    /// What it has logged since it was started last.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Stands still, or goes on.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Kills it: it has no chance to say or write anything.
    ///
    /// # Errors
    /// The system does not tell how it ended.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill().map(drop)
    }

    /// Starts it again after [`Self::kill`], at the same address, with what it had.
    ///
    /// # Errors
    /// It does not start; the error has its log.
    pub fn restart(&mut self) -> Result<()> {
        self.process = self.server.run()?;
        Ok(())
    }
}

impl Server {
    fn run(&self) -> Result<Process> {
        let log = std::fs::File::create(self.folder.path().join("log"))?;
        let mut command = Command::new(program()?);
        command.args(&self.arguments).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // It takes its time to end in good order, and nobody wants what it has.
        let mut process = Process::spawn("SeaweedFS", &mut command, Signal::Kill)?;
        eventually("SeaweedFS to answer", PATIENCE, || {
            if let Some(status) = process.ended()? {
                bail!("SeaweedFS ended ({status}): {}", self.log());
            }
            // The volume server joins last: before it does nothing can be written.
            let log = self.log();
            let ready = log.contains("added volume server") && log.contains("Start Seaweed S3 API Server");
            let listens = std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            Ok((ready && listens).then_some(()))
        })
        .with_context(|| self.log())?;
        Ok(process)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Each of its parts has one for HTTP and one for gRPC.
struct Ports {
    master: [u16; 2],
    volume: [u16; 2],
    filer: [u16; 2],
    s3: u16,
    s3_grpc: u16,
    https: u16,
}

impl Ports {
    fn choose() -> Result<Self> {
        let two = || Ok::<_, anyhow::Error>([lasting_port()?, lasting_port()?]);
        Ok(Self {
            master: two()?,
            volume: two()?,
            filer: two()?,
            s3: lasting_port()?,
            s3_grpc: lasting_port()?,
            https: lasting_port()?,
        })
    }
}

fn arguments(options: &S3Options<'_>, folder: &Folder, ports: &Ports) -> Result<Vec<String>> {
    let (data, identities) = (folder.make("data")?, folder.write("identities.json", identities())?);
    let mut arguments: Vec<String> = ["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
        .into_iter()
        .chain(["-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"])
        .chain(["-master.volumeSizeLimitMB=64", "-volume.max=16", "-volume.preStopSeconds=0"])
        .map(str::to_owned)
        .collect();
    arguments.push(format!("-dir={}", data.display()));
    arguments.push(format!("-s3.config={}", identities.display()));
    arguments.push(format!("-s3.localSocket={}", folder.path().join("s3.sock").display()));
    arguments.push(format!("-filer.localSocket={}", folder.path().join("filer.sock").display()));
    for (part, [http, grpc]) in [("master", ports.master), ("volume", ports.volume), ("filer", ports.filer)] {
        arguments.push(format!("-{part}.port={http}"));
        arguments.push(format!("-{part}.port.grpc={grpc}"));
    }
    arguments.push(format!("-s3.port={}", ports.s3));
    arguments.push(format!("-s3.port.grpc={}", ports.s3_grpc));
    if let Some(tls) = options.tls {
        arguments.push(format!("-s3.port.https={}", ports.https));
        arguments.push(format!("-s3.cert.file={}", tls.server().display()));
        arguments.push(format!("-s3.key.file={}", tls.server_key().display()));
    }
    Ok(arguments)
}

fn identities() -> String {
    let identity = |name: &str, key: &str, actions: &[&str]| {
        let actions: Vec<String> = actions.iter().map(|action| format!("{action}:{}", S3::BUCKET)).collect();
        serde_json::json!({
            "name": name,
            "credentials": [{ "accessKey": key, "secretKey": S3::SECRET }],
            "actions": actions,
        })
    };
    let writer = identity("countersign", S3::KEY, &["Read", "List", "Write"]);
    let reader = identity("reader", S3::READER, &["Read", "List"]);
    let root = serde_json::json!({
        "name": "root",
        "credentials": [{ "accessKey": S3::ROOT, "secretKey": S3::SECRET }],
        "actions": ["Admin", "Read", "List", "Write"],
    });
    serde_json::json!({ "identities": [writer, reader, root] }).to_string()
}

fn make_bucket(ports: &Ports) -> Result<()> {
    let [http, grpc] = ports.master;
    let mut command = Command::new(program()?);
    command.arg("shell").arg(format!("-master=127.0.0.1:{http}.{grpc}"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut shell = command.spawn()?;
    let mut commands = shell.stdin.take().context("no input")?;
    writeln!(commands, "s3.bucket.create -name {}", S3::BUCKET)?;
    drop(commands);
    let said = shell.wait_with_output()?;
    let said = String::from_utf8_lossy(&said.stdout);
    ensure!(said.contains("created bucket"), "the bucket was not made: {said}");
    Ok(())
}

fn program() -> Result<PathBuf> {
    let installed = build_folder()?.join("tools/s3/bin/weed");
    ensure!(installed.is_file(), "no SeaweedFS in the build folder; `cargo xtask setup` installs it");
    Ok(installed)
}
