//! psql, as a person or an agent at a shell uses it.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use countersign_testkit::{Dsn, Terms, eventually};

use crate::stage::Stage;

/// psql with these commands, one `-c` each.
fn psql(dsn: &Dsn, commands: &[&str]) -> Command {
    let mut command = Command::new("psql");
    command
        .args(["-X", "-A", "-t", "-v", "VERBOSITY=verbose", "-h", &dsn.host, "-p", &dsn.port.to_string()])
        .args(["-U", &dsn.user, "-d", &dsn.database])
        .args(commands.iter().flat_map(|sql| ["-c", sql]))
        .env("PGPASSWORD", &dsn.password)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

const ADD: &str = "UPDATE customers SET credit_cents = credit_cents + 100 WHERE id = 1";

fn signal(child: &Child, name: &str) {
    let status =
        Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

#[test]
fn a_held_update_waits_tells_why_and_runs_when_approved() {
    let stage = Stage::example(&Terms::default());
    let before = stage.credit();
    let child = psql(&stage.agent, &[ADD]).spawn().unwrap();
    let id = stage.gateway.pending_one().unwrap();
    stage.gateway.approve(&id).unwrap();
    let (out, error) = said(&child.wait_with_output().unwrap());
    assert_eq!(out.trim(), "UPDATE 1", "{error}");
    assert!(error.contains("NOTICE") && error.contains("dba") && error.contains(&id), "{error}");
    assert_eq!(stage.credit(), before + 100);
}

#[test]
fn a_refusal_is_readable_where_psql_shows_only_the_message() {
    let stage = Stage::example(&Terms::default());
    let mut command = psql(&stage.agent, &["DROP TABLE payments"]);
    let (_, error) = said(&command.args(["-v", "VERBOSITY=terse"]).output().unwrap());
    assert!(error.contains("blocked") && error.contains("drop is done by migration only"), "{error}");
}

#[test]
fn ctrl_c_while_held_withdraws_the_request() {
    let stage = Stage::example(&Terms::default());
    let before = stage.credit();
    let mut child = psql(&stage.agent, &[ADD]).spawn().unwrap();
    let id = stage.gateway.pending_one().unwrap();
    signal(&child, "INT");
    let withdrawn = || Ok((stage.gateway.request(&id)?["state"] == "withdrawn").then_some(()));
    eventually("the withdrawal", Duration::from_secs(10), withdrawn).unwrap();
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(stage.credit(), before, "{error}");
}

#[test]
fn a_hold_does_not_outlast_the_clients_statement_timeout() {
    let stage = Stage::example(&Terms::default());
    let output = psql(&stage.agent, &["SET statement_timeout = '1s'", ADD]).output().unwrap();
    let (_, error) = said(&output);
    assert!(error.contains("55G01") || error.contains("57014"), "{error}");
}

#[test]
fn a_multi_statement_text_with_one_write_in_it_waits_as_a_whole() {
    let stage = Stage::example(&Terms::default());
    let before = stage.credit();
    let child = psql(&stage.agent, &[&format!("SELECT 1; {ADD}; SELECT 2")]).spawn().unwrap();
    let id = stage.gateway.pending_one().unwrap();
    stage.gateway.deny(&id, "no").unwrap();
    let (out, error) = said(&child.wait_with_output().unwrap());
    assert!(error.contains("42G01"), "{error}");
    assert!(!out.contains('1'), "a part of it ran: {out}");
    assert_eq!(stage.credit(), before);
}

/// Runs a script under `ON_ERROR_ROLLBACK`, which puts a savepoint before each statement of a transaction; the output and
/// the errors of psql.
fn rolls_errors_back(dsn: &Dsn, script: &str) -> (String, String) {
    let mut command = psql(dsn, &[]);
    let mut child = command
        .args(["-v", "ON_ERROR_ROLLBACK=on", "-v", "VERBOSITY=default", "-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    said(&child.wait_with_output().unwrap())
}

const ROLLED_BACK_READS: &str = "BEGIN;
SELECT id, name FROM customers WHERE id < 3 ORDER BY id;
SELECT 1/0;
SELECT * FROM nowhere;
SELECT count(*) FROM orders;
SAVEPOINT own;
SELECT name FROM products ORDER BY id LIMIT 1;
ROLLBACK TO own;
SELECT city FROM customers WHERE id = 1;
COMMIT;
SELECT 'behind it';
";

const ROLLED_BACK_WRITES: &str = "BEGIN;
CREATE TABLE scratch (id int PRIMARY KEY);
INSERT INTO scratch VALUES (1), (2);
INSERT INTO scratch VALUES (2);
INSERT INTO scratch VALUES (3);
UPDATE scratch SET nonsense = 1;
SELECT * FROM scratch ORDER BY id;
COMMIT;
SELECT count(*) FROM scratch;
";

#[test]
fn on_error_rollback_goes_on_behind_errors_as_directly() {
    let stage = Stage::allow_all();
    for script in [ROLLED_BACK_READS, ROLLED_BACK_WRITES] {
        let direct = rolls_errors_back(&stage.server.dsn(), script);
        assert!(direct.1.contains("ERROR"), "{}", direct.1);
        stage.server.sql("DROP TABLE IF EXISTS scratch").unwrap();
        assert_eq!(rolls_errors_back(&stage.agent, script), direct);
    }
}

#[test]
fn on_error_rollback_goes_on_behind_errors_for_a_reader() {
    let stage = Stage::example(&Terms::default());
    let direct = rolls_errors_back(&stage.server.dsn(), ROLLED_BACK_READS);
    assert_eq!(rolls_errors_back(&stage.agent, ROLLED_BACK_READS), direct);
}

#[test]
fn the_usual_backslash_commands_work() {
    let stage = Stage::allow_all();
    let output =
        psql(&stage.agent, &["\\d customers", "\\dt", "\\df", "\\l", "\\du", "\\conninfo"]).output().unwrap();
    let (out, error) = said(&output);
    assert!(output.status.success(), "{error}");
    assert!(out.contains("credit_cents") && out.contains("payments"), "{out}");
}

#[test]
fn the_targets_credential_is_nowhere_to_be_seen() {
    let stage = Stage::example(&Terms::default());
    let password = countersign_testkit::shop::PASSWORD;
    let output = psql(&stage.agent, &["SELECT 1", "SELECT nonsense", "\\conninfo"]).output().unwrap();
    let (out, error) = said(&output);
    assert!(!format!("{out}{error}").contains(password));
    assert!(!stage.gateway.log().contains(password));
    let kept =
        Command::new("grep").args(["-r", "-a", "-l", password]).arg(stage.gateway.data()).output().unwrap();
    assert!(kept.stdout.is_empty(), "{}", String::from_utf8_lossy(&kept.stdout));
}
