//! Dumps and restores: with several connections that share a snapshot, and of a schema with some hundred relations.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use countersign_testkit::{Account, Dsn, Folder};

use crate::stage::Stage;

const TOOLS: &str = "/usr/lib/postgresql/15/bin";

/// Relations of the schema that is restored.
const RELATIONS: usize = 300;

fn tool(name: &str, dsn: &Dsn, arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(TOOLS).join(name));
    command
        .args(["-h", &dsn.host, "-p", &dsn.port.to_string(), "-U", &dsn.user, "-d", &dsn.database])
        .args(arguments)
        .env("PGPASSWORD", &dsn.password);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// A dump by four connections that share a snapshot, as the script that would restore it.
fn parallel_dump(dsn: &Dsn) -> String {
    let folder = Folder::new(Account::Own).unwrap();
    let target = folder.path().join("dump");
    let target = target.to_str().unwrap();
    succeeded(&tool("pg_dump", dsn, &["-Fd", "-j", "4", "-f", target]).output().unwrap());
    let script =
        Command::new(Path::new(TOOLS).join("pg_restore")).args(["-f", "-", target]).output().unwrap();
    // Each dump has a key of its own, where the version has them.
    let lines = succeeded(&script);
    lines.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict")).fold(
        String::new(),
        |mut all, line| {
            let _ = writeln!(all, "{line}");
            all
        },
    )
}

#[test]
fn a_parallel_dump_is_the_same_as_directly() {
    let stage = Stage::allow_all();
    let direct = parallel_dump(&stage.server.dsn());
    assert!(direct.contains("COPY public.customers"), "{direct}");
    assert_eq!(parallel_dump(&stage.agent), direct);
}

/// Tables with keys, references, indices and comments, and views over them.
fn schema() -> String {
    let mut sql = "CREATE SCHEMA many;\n".to_owned();
    for number in 0..RELATIONS {
        let _ = match number % 3 {
            0 => write!(
                sql,
                "CREATE TABLE many.t{number} (id int PRIMARY KEY, of int, what text DEFAULT 'x');
                 CREATE INDEX ON many.t{number} (what);
                 COMMENT ON TABLE many.t{number} IS 'number {number}';"
            ),
            1 => write!(
                sql,
                "CREATE TABLE many.t{number} (id serial PRIMARY KEY, of int REFERENCES many.t{});",
                number - 1
            ),
            _ => write!(
                sql,
                "CREATE VIEW many.t{number} AS SELECT a.id, b.of FROM many.t{} a JOIN many.t{} b ON a.id = b.of;",
                number - 2,
                number - 1
            ),
        };
        let _ = writeln!(sql, "INSERT INTO many.t{} (id, of) VALUES ({number}, NULL);", number - number % 3);
    }
    sql
}

#[test]
fn a_schema_of_some_hundred_relations_is_restored_as_directly() {
    let stage = Stage::allow_all();
    stage.server.sql("GRANT CREATE ON DATABASE shop TO shop_app").unwrap();
    let folder = Folder::new(Account::Own).unwrap();
    let file = folder.write("schema.sql", schema()).unwrap();
    let script = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file.to_str().unwrap()];
    succeeded(&tool("psql", &stage.server.dsn(), &script).output().unwrap());
    let archive = folder.path().join("many.dump");
    let archive = archive.to_str().unwrap();
    let dump = ["-n", "many", "-Fc", "-f", archive];
    succeeded(&tool("pg_dump", &stage.server.dsn(), &dump).output().unwrap());
    let content = || {
        let listed = tool("pg_dump", &stage.server.dsn(), &["-n", "many"]).output().unwrap();
        let lines = succeeded(&listed);
        let kept = |line: &&str| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict");
        lines.lines().filter(kept).map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = content();
    stage.server.sql("DROP SCHEMA many CASCADE").unwrap();
    let restored = tool("pg_restore", &stage.agent, &["-e", archive]).output().unwrap();
    succeeded(&restored);
    assert_eq!(content(), expected);
}
