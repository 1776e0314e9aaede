//! The processes: ready, serving, draining on a signal, refusing what is not sound.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, where these are allowed")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};

use countersign_api::v1;
use countersign_api::v1::bundle_service_client::BundleServiceClient;
use support::{Cli, bundle, bundle_dir, until};

/// A process of ours, ended when dropped.
struct Process {
    child: Child,
    ready: serde_json::Value,
}

impl Process {
    /// Starts it and waits for its ready line.
    fn start(mut command: Command) -> Self {
        let mut child = command.stderr(std::process::Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no ready line but `{line}`"));
        Self { child, ready }
    }

    /// SIGTERM; how it then exits.
    fn terminate(mut self) -> i32 {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_serves_until_it_is_told_to_end_and_keeps_what_it_knew() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("control.yaml");
    let data = dir.path().join("data");
    std::fs::write(&config, format!("listen: 127.0.0.1:0\ndata: {}\n", data.display())).unwrap();
    let start = || {
        let process = Cli::new().arg("controlplane").arg("--config").arg(&config);
        Process::start(process.command("--output json"))
    };
    let operator = Cli::new().arg("--data").arg(&data);

    let process = start();
    assert_eq!(process.ready["event"], "ready");
    let files = bundle_dir();
    operator.clone().arg("apply").arg("-f").arg(files.path()).run("").await.ok();
    let token = operator.run("token issue --subject bob --kind human --group dba").await.ok();
    assert_eq!(process.terminate(), 0);
    assert!(!data.join("api").exists());
    assert_eq!(operator.run("requests").await.exit(), 6);

    let process = start();
    let bob = operator.clone().env("COUNTERSIGN_TOKEN", token.trim());
    bob.run("requests").await.ok();
    assert_eq!(process.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_with_faults_is_refused_with_all_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("control.yaml");
    std::fs::write(&config, "listen: everywhere\ntls: { certificate: x }\nporch: 1\n").unwrap();
    let refused = Cli::new().arg("controlplane").arg("--config").arg(&config).run("").await;
    assert_eq!(refused.exit(), 5);
    let said = refused.stderr();
    for fault in ["`data` is missing", ":1: `listen`", ":2: `tls`", ":3: `porch` is not known", "CS0014"] {
        assert!(said.contains(fault), "{fault}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_a_control_plane_is_reached_by_those_who_know_its_authority() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (config, data) = (dir.path().join("control.yaml"), dir.path().join("data"));
    let text = format!(
        "listen: 127.0.0.1:0\ndata: {}\ntls: {{ certificate_file: {}, key_file: {} }}\n",
        data.display(),
        certificate.display(),
        key.display()
    );
    std::fs::write(&config, text).unwrap();
    let process = Cli::new().arg("controlplane").arg("--config").arg(&config);
    let process = Process::start(process.command("--output json"));
    assert!(process.ready["api"].as_str().unwrap().starts_with("https://"));

    let operator = Cli::new().arg("--data").arg(&data);
    operator.clone().arg("--ca-file").arg(&certificate).run("requests").await.ok();
    let unknown = operator.run("requests").await;
    assert_ne!(unknown.exit(), 0, "{}", unknown.stdout());
    assert_eq!(process.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_a_control_plane_listens_on_loopback_only() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("control.yaml");
    let text = format!("listen: 0.0.0.0:0\ndata: {}\n", dir.path().join("data").display());
    std::fs::write(&config, text).unwrap();
    let refused = Cli::new().arg("controlplane").arg("--config").arg(&config).run("").await;
    assert_eq!(refused.exit(), 1);
    assert!(refused.stderr().contains("without TLS"), "{}", refused.stderr());
}

/// How many files the bundle in force has.
async fn in_force(api: &str, data: &std::path::Path) -> usize {
    let token = std::fs::read_to_string(data.join("operator.token")).unwrap();
    let mut client = BundleServiceClient::connect(api.to_owned()).await.unwrap();
    let mut request = tonic::Request::new(v1::GetBundleRequest {});
    let header = format!("Bearer {}", token.trim()).parse().unwrap();
    request.metadata_mut().insert("authorization", header);
    client.get_bundle(request).await.unwrap().into_inner().bundle.unwrap().files.len()
}

fn dev(data: &std::path::Path) -> Cli {
    Cli::new()
        .arg("dev")
        .arg("--data")
        .arg(data)
        .arg("--listen-api=127.0.0.1:0")
        .arg("--listen-postgres=127.0.0.1:0")
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_takes_a_changed_bundle_and_keeps_the_old_one_when_it_breaks() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let files = bundle_dir();
    let process = Process::start(dev(&data).arg("--config").arg(files.path()).command("--output json"));
    assert_eq!(process.ready["data"], data.display().to_string());
    let api = process.ready["api"].as_str().unwrap();
    assert_eq!(in_force(api, &data).await, bundle().len());

    let more = files.path().join("more.cedar");
    std::fs::write(&more, "@id(\"more\") permit (principal, action, resource);").unwrap();
    let mut waited = 0;
    while in_force(api, &data).await != bundle().len() + 1 {
        waited += 1;
        assert!(waited < 200, "the changed folder did not come into force");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    // A broken file among sound ones: when the next change has come into force, it has been looked at.
    std::fs::write(&more, "broken").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(in_force(api, &data).await, bundle().len() + 1);
    std::fs::remove_file(&more).unwrap();
    while in_force(api, &data).await != bundle().len() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(process.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_with_a_target_alone_starts_again_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let target = |name: &str| format!("--target={name}=postgres://app:hunter2@127.0.0.1:1/shop");
    let process = Process::start(dev(&data).arg(target("shop")).command("--output json"));
    let api = process.ready["api"].as_str().unwrap().to_owned();
    assert!(api.starts_with("http://127.0.0.1:"), "{api}");
    assert_eq!(std::fs::read_to_string(data.join("credentials/shop")).unwrap(), "hunter2");

    let second = dev(&data).arg(target("shop")).run("").await;
    assert_eq!(second.exit(), 1);
    assert!(second.stderr().contains("choose another with --data"), "{}", second.stderr());
    assert_eq!(process.terminate(), 0);
    // The recording of a process that ended in order verifies offline.
    until("the end", || !data.join("api").exists()).await;
    let text = std::fs::read_to_string(data.join("recordings/checkpoints.jsonl")).unwrap();
    let anchor = dir.path().join("anchor");
    std::fs::write(&anchor, text.lines().last().unwrap()).unwrap();
    let line = format!("audit verify --offline --anchor {}", anchor.display());
    Cli::new().arg("--data").arg(&data).run(&line).await.ok();

    let again = Process::start(dev(&data).arg(target("other")).command("--output json"));
    assert_eq!(again.terminate(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_complete_a_start_on_recordings_that_were_changed_is_refused_and_signs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (data, anchor) = (dir.path().join("data"), dir.path().join("anchor.jsonl"));
    let (recordings, checkpoints) = (data.join("recordings"), data.join("recordings/checkpoints.jsonl"));
    let target = "--target=shop=postgres://app:hunter2@127.0.0.1:1/shop";
    let started = dev(&data).arg(target).arg("--anchor").arg(&anchor);
    let once = |more: &str| started.command(&format!("--output json {more}"));
    for _ in 0..2 {
        assert_eq!(Process::start(once("")).terminate(), 0);
    }
    let verify = async |more: &str| {
        Cli::new().arg("--data").arg(&data).run(&format!("audit verify --offline {more}")).await
    };
    let anchored = format!("--anchor {}", anchor.display());
    assert_eq!((verify(&anchored).await.exit(), verify("").await.exit()), (0, 7));

    // What an attacker leaves who drops the later checkpoints, and what they speak of.
    let aside = dir.path().join("aside");
    copy(&recordings, &aside);
    let lines = |text: &str, count: usize| {
        text.lines().take(count).map(|line| format!("{line}\n")).collect::<String>()
    };
    let text = std::fs::read_to_string(&checkpoints).unwrap();
    std::fs::write(&checkpoints, lines(&text, 1)).unwrap();
    let first = recordings.join("segment-00000000.jsonl");
    let header = std::fs::read_to_string(&first).unwrap();
    std::fs::write(&first, lines(&header, 1)).unwrap();
    std::fs::remove_file(recordings.join("segment-00000001.jsonl")).unwrap();
    assert_eq!((verify(&anchored).await.exit(), verify("").await.exit()), (5, 7));
    let refused = |done: std::process::Output| {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(5), "{said}");
        assert!(said.contains("the start is refused") && said.contains("--accept-loss"), "{said}");
        said
    };
    refused(once("").output().unwrap());
    assert_eq!(std::fs::read_to_string(&checkpoints).unwrap(), lines(&text, 1), "something was signed");
    // Everything gone.
    std::fs::remove_dir_all(&recordings).unwrap();
    std::fs::create_dir(&recordings).unwrap();
    let said = refused(once("").output().unwrap());
    assert_eq!(std::fs::read_dir(&recordings).unwrap().count(), 0, "something was begun");
    // Put back, it goes on.
    std::fs::remove_dir(&recordings).unwrap();
    copy(&aside, &recordings);
    assert_eq!(Process::start(once("")).terminate(), 0);
    assert_eq!(verify(&anchored).await.exit(), 0);

    // Lost for good: that goes on record, and shows from then on.
    std::fs::remove_dir_all(&recordings).unwrap();
    let log = said.split("--accept-loss ").nth(1).unwrap().split('=').next().unwrap().to_owned();
    let mut wrong = once("");
    wrong.arg("--accept-loss").arg(format!("{}=another log", "0".repeat(32)));
    assert_eq!(wrong.output().unwrap().status.code(), Some(1));
    let mut accepted = once("");
    accepted.arg("--accept-loss").arg(format!("{log}=the disk broke"));
    let process = Process::start(accepted);
    let verified = Cli::new().arg("--data").arg(&data).run("audit verify").await;
    assert_eq!(verified.exit(), 7, "{}", verified.stdout());
    assert!(verified.stdout().contains("the disk broke"), "{}", verified.stdout());
    assert_eq!(process.terminate(), 0);
    assert_eq!(Process::start(once("")).terminate(), 0);
    assert_eq!(verify(&anchored).await.exit(), 5, "the anchor knows what was lost");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dev_says_when_it_is_ready_names_the_rules_and_what_to_try() {
    use std::io::Read as _;

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let target = "--target=shop=postgres://app@127.0.0.1:1/shop";
    let mut child = dev(&data).arg(target).command("").spawn().unwrap();
    let announced = data.join("api");
    until("the announcement", || announced.exists()).await;
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    for part in
        ["writes and schema changes wait", "group `approvers`", "token issue --subject", "approve apr_"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_filter_that_cannot_be_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = dev(&dir.path().join("data")).env("COUNTERSIGN_LOG", "info=loud").run("").await;
    assert_eq!(refused.exit(), 2);
    assert!(refused.stderr().contains("COUNTERSIGN_LOG cannot be read"), "{}", refused.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_without_anything_to_protect_or_with_a_broken_bundle_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let nothing = dev(&data).run("").await;
    assert_eq!(nothing.exit(), 2);
    assert!(nothing.stderr().contains("--target shop=postgres://"), "{}", nothing.stderr());
    std::fs::write(dir.path().join("a.cedar"), "broken").unwrap();
    let broken = dev(&data).arg("--config").arg(dir.path()).run("").await;
    assert_eq!(broken.exit(), 5, "{}", broken.stderr());
}
