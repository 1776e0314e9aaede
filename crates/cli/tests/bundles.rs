//! Bundles: checked without a server, applied to one, refused with file and line.

mod support;

use support::{Cli, Server, bundle_dir, steady};

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_bundle_is_said_to_be_sound() {
    let dir = bundle_dir();
    let checked = Cli::new().arg("policy").arg("check").arg(dir.path()).run("--output json").await.json();
    insta::assert_snapshot!(steady(&checked.to_string()), @r#"{"ok":true,"version":"<digest>","policies":2,"chains":1,"targets":1,"classes":[]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_bundle_is_refused_with_file_and_line() {
    let dir = bundle_dir();
    std::fs::write(dir.path().join("broken.cedar"), "@id(\"x\")\npermit (principal, action, resourc);\n")
        .unwrap();
    std::fs::write(dir.path().join("chains.yaml"), "chains: {}\nmore: 1\n").unwrap();
    let check = || Cli::new().arg("policy").arg("check").arg(dir.path());
    let checked = check().run("").await;
    assert_eq!(checked.exit(), 5);
    let faults = checked.stdout();
    assert!(faults.contains(&format!("{}:2:", dir.path().join("broken.cedar").display())), "{faults}");
    assert!(faults.contains(&format!("{}:2:", dir.path().join("chains.yaml").display())), "{faults}");
    assert!(checked.stderr().contains("CS0009"), "{}", checked.stderr());

    let json = check().run("--output json").await;
    assert_eq!(json.exit(), 5);
    let document: serde_json::Value = serde_json::from_str(&json.stdout()).unwrap();
    assert_eq!(document["ok"], false);
    assert!(document["faults"].as_array().unwrap().iter().any(|fault| fault["line"] == 2), "{document}");

    assert_eq!(Cli::new().run("policy check /nonexistent").await.exit(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_applied_whole_and_a_file_takes_its_place() {
    let server = Server::start().await;
    let before = server.control.bundles().current().unwrap().version.clone();
    let dir = bundle_dir();
    let more = "@id(\"never-drop\") forbid (principal, action == Action::\"sql:drop\", resource);";
    std::fs::write(dir.path().join("more.cedar"), more).unwrap();
    let apply = |path: &std::path::Path| server.operator().arg("apply").arg("-f").arg(path);

    let applied = apply(dir.path()).run("--output json").await.json();
    let current = server.control.bundles().current().unwrap();
    assert_eq!(applied["version"], current.version.to_string());
    assert_ne!(current.version, before);

    let file = dir.path().join("more.cedar");
    std::fs::write(&file, more.replace("never-drop", "no-drop")).unwrap();
    apply(&file).run("").await.ok();
    let files = server.control.bundles().current().unwrap().files.clone();
    assert_eq!(files.len(), 4);
    assert!(String::from_utf8_lossy(&files["more.cedar"]).contains("no-drop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_applied_meanwhile_is_not_undone() {
    let server = Server::start().await;
    let dir = bundle_dir();
    let apply = |words: &str| {
        let cli = server.operator().arg("apply").arg("-f").arg(dir.path());
        let words = words.to_owned();
        async move { cli.run(&words).await }
    };
    let current = || server.control.bundles().current().unwrap().version.to_string();
    let based_on = current();
    std::fs::write(dir.path().join("more.cedar"), "@id(\"a\") permit (principal, action, resource);")
        .unwrap();
    apply("").await.ok();
    let theirs = current();
    assert_ne!(theirs, based_on);

    std::fs::write(dir.path().join("more.cedar"), "@id(\"b\") permit (principal, action, resource);")
        .unwrap();
    for outdated in [based_on.as_str(), "none"] {
        let refused = apply(&format!("--if-version {outdated}")).await;
        assert_eq!(refused.exit(), 3, "{}", refused.stderr());
        assert!(refused.stderr().contains(&theirs), "{}", refused.stderr());
        let file = dir.path().join("more.cedar");
        let refused = server.operator().arg("apply").arg("-f").arg(&file);
        assert_eq!(refused.run(&format!("--if-version {outdated}")).await.exit(), 3);
    }
    assert_eq!(current(), theirs);
    apply(&format!("--if-version {theirs}")).await.ok();
    assert_ne!(current(), theirs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_bundle_is_not_applied_and_the_old_one_stays() {
    let server = Server::start().await;
    let before = server.control.bundles().current().unwrap().version.clone();
    let dir = bundle_dir();
    let file = dir.path().join("more.cedar");
    std::fs::write(&file, "\n@approval(\"nobody\") @id(\"x\") forbid (principal, action, resource);")
        .unwrap();
    for path in [dir.path(), file.as_path()] {
        let refused = server.operator().arg("apply").arg("-f").arg(path).run("").await;
        assert_eq!(refused.exit(), 5, "{}", refused.stderr());
        assert!(refused.stdout().contains("more.cedar:2:"), "{}", refused.stdout());
    }
    assert_eq!(server.control.bundles().current().unwrap().version, before);

    let not_admin = server.person("bob", &["dba"]).await.arg("apply").arg("-f").arg(dir.path()).run("").await;
    assert_eq!(not_admin.exit(), 3, "{}", not_admin.stderr());
}
