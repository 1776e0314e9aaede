//! pgbench: many clients, every query mode, and pipelines.

use std::process::Command;

use countersign_testkit::{Account, Dsn, Folder};

use crate::stage::Stage;

fn pgbench(dsn: &Dsn, arguments: &[&str]) -> String {
    let output = Command::new("/usr/lib/postgresql/15/bin/pgbench")
        .args(["-h", &dsn.host, "-p", &dsn.port.to_string(), "-U", &dsn.user])
        .args(arguments)
        .arg(&dsn.database)
        .env("PGPASSWORD", &dsn.password)
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn every_query_mode_runs_through_an_allowing_gateway() {
    let stage = Stage::allow_all();
    pgbench(&stage.server.dsn(), &["-i", "-q", "-s", "1"]);
    for mode in ["simple", "extended", "prepared"] {
        let said = pgbench(&stage.agent, &["-n", "-M", mode, "-c", "8", "-j", "2", "-t", "50"]);
        assert!(said.contains("400/400"), "{mode}: {said}");
    }
    // Every transaction adds one line to the history, and none twice.
    assert_eq!(stage.server.sql("SELECT count(*) FROM pgbench_history").unwrap(), "1200");
}

#[test]
fn pipelines_run_through_an_allowing_gateway() {
    let stage = Stage::allow_all();
    pgbench(&stage.server.dsn(), &["-i", "-q", "-s", "1"]);
    let folder = Folder::new(Account::Own).unwrap();
    let select = "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n".repeat(10);
    let script = format!("\\set aid random(1, 100000)\n\\startpipeline\n{select}\\endpipeline\n");
    let file = folder.write("pipeline.sql", script).unwrap();
    for mode in ["extended", "prepared"] {
        let said =
            pgbench(&stage.agent, &["-n", "-M", mode, "-c", "4", "-t", "50", "-f", file.to_str().unwrap()]);
        assert!(said.contains("200/200"), "{mode}: {said}");
    }
}
