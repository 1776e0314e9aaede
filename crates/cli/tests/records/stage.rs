//! Two control-plane nodes on one etcd with one archive, in a folder or on an S3 server, a gateway, PostgreSQL behind it; each its own process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use countersign_recording::{Log, PublicKey, Report, SessionLines, Verifier};
use countersign_testkit::{
    Account, Bundle, Etcd, Folder, Postgres, PostgresOptions, Process, Redis, RedisOptions, S3, S3Options,
    Signal, Terms, binary, eventually, free_port, shop,
};
use serde_json::Value;

pub(crate) struct Stage {
    // In the order in which they have to end.
    gateway: Mutex<Process>,
    controls: Vec<Node>,
    s3: Option<Mutex<S3>>,
    _etcd: Etcd,
    _redis: Option<Redis>,
    _server: Postgres,
    _bundle: Bundle,
    folder: Folder,
    gateway_port: u16,
    pub(crate) token: String,
}

struct Node {
    process: Mutex<Process>,
    config: PathBuf,
    log: PathBuf,
    data: PathBuf,
    api: String,
}

impl Stage {
    /// With an archive in a folder, brought up to date every second.
    pub(crate) fn new(journal: &str) -> Self {
        Self::start(journal, None)
    }

    /// With an archive on an S3 server, to which nothing comes by itself.
    pub(crate) fn on_s3() -> Self {
        Self::start("local", Some(S3::start(&S3Options::default()).unwrap()))
    }

    fn start(journal: &str, s3: Option<S3>) -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        let (etcd, folder) = (Etcd::start().unwrap(), Folder::new(Account::Own).unwrap());
        let redis = (journal == "redis").then(|| Redis::start(&RedisOptions::default()).unwrap());
        let redis_line =
            redis.as_ref().map(|redis| format!("redis: {{ url: 'redis://{}' }}\n", redis.endpoint()));
        let archive = match &s3 {
            None => format!("archive: {}/archive\narchive_seconds: 1\n", folder.path().display()),
            Some(s3) => format!(
                "archive: {{ s3: {{ bucket: {}, prefix: fleet, endpoint: '{}', credentials: {{ file: {} }} }} }}\n\
                 archive_seconds: 3600\n",
                S3::BUCKET,
                s3.endpoint(),
                s3.credentials(S3::KEY, S3::SECRET).unwrap().display(),
            ),
        };
        let ca = folder.path().join("authority");
        json(Command::new(binary().unwrap()).args(["fleet", "init", "--output", "json"]).arg(&ca));
        let mut fleet_ports = Vec::new();
        let controls: Vec<Node> = (0..2)
            .map(|number| {
                let (fleet, ca) = (free_port().unwrap(), ca.display());
                fleet_ports.push(fleet);
                let api = free_port().unwrap();
                let data = folder.path().join(format!("control-{number}"));
                let text = format!(
                    "name: control-{number}\nlisten: 127.0.0.1:{api}\nlisten_fleet: 127.0.0.1:{fleet}\n\
                     listen_ops: 'off'\nnames: [127.0.0.1]\ndata: {}\n{archive}\
                     fleet_ca: {{ certificate_file: {ca}/fleet-ca.pem, key_file: {ca}/fleet-ca.key }}\n\
                     store: {{ etcd: {{ endpoints: ['{}'] }} }}\nnode_lease_seconds: 5\nbundle_lease_seconds: 3\n\
                     journal: {journal}\n{}",
                    data.display(),
                    etcd.endpoint(),
                    redis_line.as_deref().unwrap_or_default(),
                );
                let config = folder.write(&format!("control-{number}.yaml"), text).unwrap();
                let log = folder.path().join(format!("control-{number}.log"));
                let process = start("controlplane", &config, &log, &[]);
                Node { process: Mutex::new(process), config, log, data, api: format!("http://127.0.0.1:{api}") }
            })
            .collect();
        let cli = |arguments: &[&str]| cli(&controls[0], arguments);
        cli(&["apply", "-f", &bundle.path().display().to_string()]);
        let join = cli(&["fleet", "token"])["token"].as_str().unwrap().to_owned();
        let arguments =
            ["token", "issue", "--subject", "agent-7", "--kind", "agent", "--ttl", "1h", "--group", "agents"];
        let token = cli(&arguments)["token"].as_str().unwrap().to_owned();
        let gateway_port = free_port().unwrap();
        folder.write("hash.key", [7; 32]).unwrap();
        folder.write("join", join).unwrap();
        let dir = folder.path().display();
        let text = format!(
            "control_planes: ['127.0.0.1:{}', '127.0.0.1:{}']\nstate: {dir}/gateway\nname: gateway\n\
             join_token_file: {dir}/join\nhash_key_file: {dir}/hash.key\n\
             listeners: [{{protocol: postgres, address: '127.0.0.1:{gateway_port}'}}]\n",
            fleet_ports[0], fleet_ports[1],
        );
        let config = folder.write("gateway.yaml", text).unwrap();
        let log = folder.path().join("gateway.log");
        let gateway = start("gateway", &config, &log, &bundle.dev().environment);
        Self {
            gateway: Mutex::new(gateway),
            controls,
            s3: s3.map(Mutex::new),
            _etcd: etcd,
            _redis: redis,
            _server: server,
            _bundle: bundle,
            folder,
            gateway_port,
            token,
        }
    }

    /// The node that has the gateway's link.
    pub(crate) fn linked(&self) -> usize {
        let opened = |log: &Path| std::fs::read_to_string(log).unwrap().matches("opened a link").count();
        usize::from(opened(&self.controls[0].log) < opened(&self.controls[1].log))
    }

    /// Kills a node, as a power cut would.
    pub(crate) fn kill(&self, node: usize) {
        self.controls[node].process.lock().unwrap().kill().unwrap();
    }

    pub(crate) fn start_again(&self, node: usize) {
        let Node { config, log, .. } = &self.controls[node];
        *self.controls[node].process.lock().unwrap() = start("controlplane", config, log, &[]);
    }

    /// Kills the gateway.
    pub(crate) fn kill_gateway(&self) {
        self.gateway.lock().unwrap().kill().unwrap();
    }

    /// Kills the S3 server.
    pub(crate) fn kill_s3(&self) {
        self.s3.as_ref().unwrap().lock().unwrap().kill().unwrap();
    }

    pub(crate) fn start_s3_again(&self) {
        self.s3.as_ref().unwrap().lock().unwrap().restart().unwrap();
    }

    /// What a node shows of all that was recorded, session by session.
    pub(crate) fn replayed(&self, node: usize) -> String {
        let listed = self.cli(node, &["sessions", "ls", "--all"]);
        let sessions = listed["sessions"].as_array().unwrap();
        let replay = |session: &Value| {
            let arguments = ["replay", session["id"].as_str().unwrap(), "--format", "jsonl"];
            let output = command(&self.controls[node], &arguments).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        sessions.iter().map(replay).collect()
    }

    /// What a node has copied of the archive.
    pub(crate) fn copy(&self, node: usize) -> PathBuf {
        self.controls[node].data.join("archive-copy")
    }

    /// Asks a node in its own words.
    pub(crate) fn cli(&self, node: usize, arguments: &[&str]) -> Value {
        cli(&self.controls[node], arguments)
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    pub(crate) fn recordings(&self, node: usize) -> PathBuf {
        self.controls[node].data.join("recordings")
    }

    /// A write, which waits for a person.
    pub(crate) fn asks(&self) -> std::process::Child {
        let write = "UPDATE customers SET credit_cents = 0 WHERE id = 1";
        self.psql(write).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// A read with a mark in its text; whether it was answered.
    pub(crate) fn reads(&self, mark: &str) -> bool {
        let output = self.psql(&format!("SELECT count(*) FROM customers /* {mark} */")).output().unwrap();
        output.status.success() && output.stdout == b"300\n"
    }

    fn psql(&self, sql: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .args(["-X", "-A", "-t", "-h", "127.0.0.1", "-p", &self.gateway_port.to_string(), "-U", "shop"])
            .args(["-d", shop::DATABASE, "-c", sql])
            .env("PGPASSWORD", &self.token)
            .stdin(Stdio::null());
        command
    }

    /// What stands in these places, as one.
    pub(crate) fn found(&self, places: &[PathBuf]) -> (String, Report) {
        let logs = Log::find(places).unwrap();
        let keys: Vec<PublicKey> = self
            .controls
            .iter()
            .map(|node| {
                std::fs::read_to_string(node.data.join("keys/checkpoint.pub"))
                    .unwrap()
                    .trim()
                    .parse()
                    .unwrap()
            })
            .collect();
        let lines =
            SessionLines::all(&logs).unwrap().map(|line| String::from_utf8(line.unwrap().text).unwrap());
        (lines.collect(), Verifier::new(&keys[0]).or(&keys[1]).verify_all(&logs).unwrap())
    }
}

fn cli(node: &Node, arguments: &[&str]) -> Value {
    json(command(node, arguments).args(["--output", "json"]))
}

fn command(node: &Node, arguments: &[&str]) -> Command {
    let operator = std::fs::read_to_string(node.data.join("operator.token")).unwrap();
    let mut command = Command::new(binary().unwrap());
    command.args(arguments);
    command.env("COUNTERSIGN_API", &node.api).env("COUNTERSIGN_TOKEN", operator.trim());
    command
}

fn json(command: &mut Command) -> Value {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| match output.status.success() {
        true => Value::Null,
        false => panic!("{command:?}: {error}"),
    })
}

fn start(what: &str, config: &Path, log: &Path, environment: &[(String, String)]) -> Process {
    let said = log.with_extension("said");
    let errors = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
    let mut command = Command::new(binary().unwrap());
    command.args([what, "--output", "json", "--config"]).arg(config);
    command.envs(environment.iter().cloned());
    command.stdin(Stdio::null()).stdout(std::fs::File::create(&said).unwrap()).stderr(errors);
    let mut process = Process::spawn(what, &mut command, Signal::Terminate).unwrap();
    eventually("a process to get ready", Duration::from_secs(60), || {
        if let Some(status) = process.ended()? {
            panic!("{what} ended ({status}): {}", std::fs::read_to_string(log)?);
        }
        Ok(std::fs::read_to_string(&said)?.contains("\"ready\"").then_some(()))
    })
    .unwrap();
    process
}
