//! What was approved is what runs, whatever the statement names and in whichever place of it: each case lets a statement
//! wait, changes one thing that decides what its bytes do, and lets a person agree.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

use countersign_testkit::{Bundle, Countersign, Dsn, Postgres, PostgresOptions, RawClient, Terms, tagged};

/// Everything may be done, and a person agrees to each command.
const POLICIES: &str = r#"
@id("all")
permit (principal, action, resource);
@id("commands-need-dba")
@approval("prod-dba")
@reason("commands need a dba")
forbid (principal, action in Action::"command", resource) unless { action in Action::"session" };
"#;

struct Shop {
    // Dropped in this order.
    gateway: Countersign,
    _bundle: Bundle,
    server: Postgres,
    dsn: Dsn,
}

impl Shop {
    fn new(setup: &str) -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        server
            .sql(
                "GRANT ALL ON SCHEMA public TO shop_app; SET ROLE shop_app; CREATE TABLE t (id int, v text); \
                 INSERT INTO t SELECT i, 'x' FROM generate_series(1, 10) i",
            )
            .unwrap();
        server.sql(setup).unwrap();
        let bundle = Bundle::example(&server, &Terms::default()).unwrap();
        bundle.replace("policies.cedar", POLICIES).unwrap();
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("mallory", "agent", &["agents"]).unwrap();
        let dsn = gateway.dsn("shop", &token, "shop");
        Self { gateway, _bundle: bundle, server, dsn }
    }

    /// The answer to a statement that waits while somebody makes a change.
    fn answer(&self, statement: &str, changes: &[&str]) -> String {
        let (mut client, _) = RawClient::login(&self.dsn).unwrap();
        client.send(&tagged(b'Q', &[statement.as_bytes(), b"\0"].concat())).unwrap();
        client.until(b'N').unwrap();
        let id = self.gateway.pending_one().unwrap();
        for change in changes {
            self.server.sql(change).unwrap();
        }
        self.gateway.approve(&id).unwrap();
        client.until_ready().unwrap().iter().map(|frame| format!("{frame:?} ")).collect()
    }

    /// The statement does not run after the change.
    fn is_voided(&self, statement: &str, change: &str) {
        let answer = self.answer(statement, &[change]);
        for part in ["42G03", "countersign: voided", "executed\\\":false"] {
            assert!(
                answer.contains(part),
                "{statement}\n{change}\nno `{part}`: {answer}\n{}",
                self.gateway.log()
            );
        }
    }

    /// Each change is a command of its own: some can be in no transaction.
    fn runs(&self, statement: &str, changes: &str) {
        let answer = self.answer(statement, &changes.split("; ").collect::<Vec<_>>());
        assert!(!answer.contains("SERROR"), "{statement}\n{changes}\n{answer}\n{}", self.gateway.log());
    }
}

#[test]
fn i2_same_every_name_of_a_definition_is_bound() {
    let shop = Shop::new(
        "CREATE DOMAIN mm AS int; CREATE SCHEMA s2; CREATE DOMAIN s2.mm AS int; GRANT ALL ON SCHEMA s2 TO shop_app; \
         CREATE ROLE ra; CREATE ROLE rb; GRANT ra, rb TO shop_app; SET ROLE shop_app; \
         CREATE TABLE ref1 (id int PRIMARY KEY); CREATE TABLE ref2 (id int PRIMARY KEY); \
         CREATE TABLE par (id int) PARTITION BY LIST (id); CREATE TABLE part1 (id int); CREATE TABLE part2 (id int); \
         CREATE FUNCTION trf() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end'; \
         CREATE FUNCTION step(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    );
    let domain = "DROP DOMAIN mm; CREATE DOMAIN mm AS text DEFAULT 'evil'";
    let table =
        "ALTER TABLE ref1 RENAME TO ref0; ALTER TABLE ref2 RENAME TO ref1; ALTER TABLE ref0 RENAME TO ref2";
    let part = "ALTER TABLE part1 RENAME TO part0; ALTER TABLE part2 RENAME TO part1; ALTER TABLE part0 RENAME TO part2";
    let role = "ALTER ROLE ra RENAME TO rc; ALTER ROLE rb RENAME TO ra; ALTER ROLE rc RENAME TO rb";
    for (statement, change) in [
        ("CREATE TABLE n1 (x mm)", domain),
        ("CREATE TABLE n1 (x s2.mm)", "DROP DOMAIN s2.mm; CREATE DOMAIN s2.mm AS text"),
        ("ALTER TABLE t ADD COLUMN x mm", domain),
        ("CREATE FUNCTION gg(a mm) RETURNS int LANGUAGE sql AS 'SELECT 1'", domain),
        ("CREATE TYPE ct AS (a mm)", domain),
        ("CREATE TABLE n1 (x int REFERENCES ref1 ON DELETE CASCADE)", table),
        ("ALTER TABLE t ADD FOREIGN KEY (id) REFERENCES ref1 ON DELETE CASCADE", table),
        ("CREATE TABLE n1 () INHERITS (ref1)", table),
        ("CREATE TABLE n1 (LIKE ref1)", table),
        ("ALTER TABLE par ATTACH PARTITION part1 DEFAULT", part),
        (
            "CREATE TRIGGER tg BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION trf()",
            "CREATE OR REPLACE FUNCTION trf() RETURNS trigger LANGUAGE plpgsql AS 'begin delete from t; return old; end'",
        ),
        (
            "CREATE AGGREGATE ag(int) (sfunc = step, stype = int)",
            "CREATE OR REPLACE FUNCTION step(int, int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
        ),
        ("GRANT SELECT ON t TO ra", role),
        ("GRANT ra TO shop_app", role),
        ("ALTER TABLE t OWNER TO ra", role),
        (
            "CREATE TABLE n1 (x int)",
            "ALTER DEFAULT PRIVILEGES FOR ROLE shop_app GRANT ALL ON TABLES TO PUBLIC",
        ),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ra", role),
        ("DROP OWNED BY ra", role),
    ] {
        shop.is_voided(statement, change);
    }
}

#[test]
fn i2_same_definitions_of_every_class_are_bound() {
    let shop = Shop::new(
        "CREATE SEQUENCE sq; ALTER SEQUENCE sq OWNER TO shop_app; CREATE TYPE st AS ENUM ('a', 'b'); \
         CREATE TABLE te (id int, s st); ALTER TABLE te OWNER TO shop_app; \
         CREATE VIEW ve AS SELECT * FROM te WHERE s > 'a'; ALTER VIEW ve OWNER TO shop_app; \
         CREATE FUNCTION one(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'; \
         CREATE FUNCTION two(int, int) RETURNS int LANGUAGE sql AS 'SELECT 2'; \
         CREATE AGGREGATE ag(int) (sfunc = one, stype = int); CREATE COLLATION ci FROM \"C\"; \
         CREATE TEXT SEARCH DICTIONARY dict (template = simple); \
         CREATE TEXT SEARCH CONFIGURATION cfg (copy = english); \
         CREATE TABLE up (a int UNIQUE, b int); ALTER TABLE up OWNER TO shop_app",
    );
    for (statement, change) in [
        ("DELETE FROM ve", "ALTER TYPE st RENAME VALUE 'b' TO 'q'"),
        ("DELETE FROM te WHERE s > 'a'", "ALTER TYPE st ADD VALUE 'aa' BEFORE 'a'"),
        (
            "DELETE FROM t WHERE id = (SELECT ag(id) FROM t)",
            "CREATE OR REPLACE AGGREGATE ag(int) (sfunc = two, stype = int)",
        ),
        ("DELETE FROM t WHERE v COLLATE ci = 'X'", "DROP COLLATION ci; CREATE COLLATION ci FROM \"POSIX\""),
        (
            "DELETE FROM t WHERE to_tsvector('cfg', v) @@ to_tsquery('cfg', 'x')",
            "ALTER TEXT SEARCH CONFIGURATION cfg ALTER MAPPING FOR asciiword WITH dict",
        ),
        (
            "DELETE FROM t WHERE to_tsvector('cfg', v) @@ to_tsquery('cfg', 'y')",
            "ALTER TEXT SEARCH DICTIONARY dict (stopwords = english)",
        ),
        ("INSERT INTO up VALUES (1, 2) ON CONFLICT DO NOTHING", "CREATE UNIQUE INDEX ON up (b)"),
        ("UPDATE t SET id = nextval('sq')", "ALTER SEQUENCE sq INCREMENT 1000"),
    ] {
        shop.is_voided(statement, change);
    }
}

#[test]
fn i2_same_a_foreign_table_is_bound_with_its_columns_server_and_mapping() {
    let shop = Shop::new(
        "CREATE EXTENSION postgres_fdw; CREATE SERVER lo FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'shop'); \
         CREATE USER MAPPING FOR shop_app SERVER lo OPTIONS (user 'shop_app', password_required 'false'); \
         CREATE FOREIGN TABLE ft (a int, b int) SERVER lo OPTIONS (table_name 'src'); \
         ALTER TABLE ft OWNER TO shop_app",
    );
    // The role may not see what its mapping says: nobody is asked, and nothing runs.
    let (mut client, _) = RawClient::login(&shop.dsn).unwrap();
    client.send(&tagged(b'Q', b"DELETE FROM ft WHERE a = 9\0")).unwrap();
    let answer: String = client.until_ready().unwrap().iter().map(|frame| format!("{frame:?} ")).collect();
    assert!(answer.contains("GRANT USAGE ON FOREIGN SERVER"), "{answer}");
    shop.server.sql("GRANT USAGE ON FOREIGN SERVER lo TO shop_app").unwrap();
    for change in [
        "ALTER FOREIGN TABLE ft ALTER a OPTIONS (ADD column_name 'b')",
        "ALTER USER MAPPING FOR shop_app SERVER lo OPTIONS (SET user 'postgres')",
        "ALTER SERVER lo OPTIONS (SET dbname 'postgres')",
        "ALTER FOREIGN TABLE ft OPTIONS (SET table_name 't')",
    ] {
        shop.is_voided("DELETE FROM ft WHERE a = 9", change);
    }
}

#[test]
fn i2_same_the_rights_of_roles_that_decide_over_rows_are_bound() {
    let shop = Shop::new(
        "CREATE ROLE boss; CREATE ROLE pr; CREATE ROLE mid; CREATE TABLE rls (id int); \
         INSERT INTO rls SELECT generate_series(1, 10); ALTER TABLE rls OWNER TO boss; GRANT ALL ON rls TO shop_app; \
         ALTER TABLE rls ENABLE ROW LEVEL SECURITY; CREATE POLICY p1 ON rls USING (id = 1); \
         CREATE POLICY p2 ON rls TO pr USING (true); GRANT mid TO shop_app",
    );
    for change in [
        "ALTER ROLE shop_app BYPASSRLS",
        "ALTER ROLE shop_app NOBYPASSRLS; GRANT pr TO mid",
        "REVOKE pr FROM mid; GRANT boss TO shop_app",
        "ALTER ROLE shop_app NOINHERIT",
        "ALTER ROLE shop_app SUPERUSER",
    ] {
        shop.is_voided("DELETE FROM rls", change);
    }
    assert_eq!(shop.server.sql("SELECT count(*) FROM rls").unwrap(), "10");
}

#[test]
fn i2_same_what_a_statement_reaches_beyond_its_names_is_bound() {
    let shop = Shop::new(
        "CREATE ROLE ra; GRANT ra TO shop_app; CREATE SCHEMA ss AUTHORIZATION shop_app; SET ROLE shop_app; \
         CREATE TABLE ss.a (i int); CREATE TABLE k0 (id int PRIMARY KEY); CREATE TABLE other (id int); \
         CREATE TABLE k1 (id int PRIMARY KEY REFERENCES k0); CREATE TABLE k2 (id int); \
         CREATE FUNCTION trt() RETURNS trigger LANGUAGE plpgsql AS 'begin delete from t; return null; end'",
    );
    for (statement, change) in [
        ("GRANT SELECT ON ALL TABLES IN SCHEMA ss TO public", "ALTER TABLE other SET SCHEMA ss"),
        ("DROP SCHEMA ss CASCADE", "ALTER TABLE t SET SCHEMA ss"),
        ("DROP SCHEMA ss CASCADE", "CREATE VIEW vss AS SELECT * FROM ss.a"),
        ("DROP OWNED BY ra", "ALTER TABLE ss.t SET SCHEMA public; ALTER TABLE t OWNER TO ra"),
        ("DROP TABLE k2 CASCADE", "CREATE VIEW vdep AS SELECT * FROM k2"),
        ("DROP TABLE k2 CASCADE", "CREATE VIEW vdep2 AS SELECT * FROM vdep"),
        ("TRUNCATE k0 CASCADE", "ALTER TABLE k2 ADD FOREIGN KEY (id) REFERENCES k1"),
        (
            "TRUNCATE k0 CASCADE",
            "CREATE TRIGGER tt BEFORE TRUNCATE ON k1 FOR EACH STATEMENT EXECUTE FUNCTION trt()",
        ),
    ] {
        shop.is_voided(statement, change);
    }
    assert_eq!(shop.server.sql("SELECT count(*) FROM t").unwrap(), "10");
}

#[test]
fn i2_same_what_the_body_of_a_function_names_is_bound() {
    let shop = Shop::new(
        "CREATE FUNCTION no(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false'; \
         CREATE FUNCTION yes(text, text) RETURNS bool LANGUAGE sql AS 'SELECT true'; \
         CREATE OPERATOR === (leftarg = int, rightarg = int, function = no); \
         CREATE FUNCTION uses_operator() RETURNS void LANGUAGE plpgsql AS 'begin delete from t where id === 1; end'; \
         CREATE DOMAIN dm AS int; CREATE FUNCTION check_it(int) RETURNS bool LANGUAGE sql AS 'SELECT true'; \
         CREATE FUNCTION uses_domain() RETURNS void LANGUAGE plpgsql AS 'declare x dm; begin x := 5; end'; \
         CREATE TYPE st AS ENUM ('a', 'b'); CREATE COLLATION ci FROM \"C\"; \
         CREATE FUNCTION uses_enum() RETURNS void LANGUAGE plpgsql AS $$ begin if 'a'::st > 'b' then delete from t; end if; end $$; \
         CREATE FUNCTION uses_collation() RETURNS void LANGUAGE plpgsql AS $$ begin delete from t where v collate ci = 'X'; end $$; \
         CREATE TABLE \"my tab\" (id int); CREATE TABLE t2 (id int); \
         CREATE FUNCTION quotes() RETURNS void LANGUAGE plpgsql AS 'begin delete from \"my tab\"; end'",
    );
    for (statement, change) in [
        (
            "SELECT uses_operator()",
            "CREATE OR REPLACE FUNCTION no(int, int) RETURNS bool LANGUAGE sql AS 'SELECT true'",
        ),
        ("SELECT uses_operator()", "CREATE OPERATOR === (leftarg = text, rightarg = text, function = yes)"),
        ("SELECT uses_domain()", "ALTER DOMAIN dm ADD CHECK (check_it(value))"),
        (
            "SELECT uses_enum()",
            "ALTER TYPE st RENAME VALUE 'a' TO 'z'; ALTER TYPE st RENAME VALUE 'b' TO 'a'",
        ),
        ("SELECT uses_collation()", "DROP COLLATION ci; CREATE COLLATION ci FROM \"POSIX\""),
        ("SELECT quotes()", "ALTER TABLE \"my tab\" RENAME TO mt; ALTER TABLE t2 RENAME TO \"my tab\""),
    ] {
        shop.is_voided(statement, change);
    }
}

#[test]
fn changes_beside_a_statement_do_not_void_its_approval() {
    let shop = Shop::new(
        "CREATE ROLE ra; CREATE ROLE rb; GRANT ra TO shop_app; CREATE SCHEMA ss AUTHORIZATION shop_app; \
         CREATE SCHEMA s3 AUTHORIZATION shop_app; SET ROLE shop_app; \
         CREATE TABLE ss.a (i int); CREATE TABLE k0 (id int PRIMARY KEY); CREATE SEQUENCE sq; \
         CREATE TYPE st AS ENUM ('a'); CREATE TABLE k1 (id int REFERENCES k0); CREATE TABLE other (id int, s st)",
    );
    for (statement, change) in [
        ("DELETE FROM k1", "REINDEX TABLE CONCURRENTLY k0; REINDEX TABLE CONCURRENTLY k1"),
        ("DELETE FROM k0", "REINDEX TABLE CONCURRENTLY k0"),
        ("UPDATE t SET id = nextval('sq')", "SELECT nextval('sq'); ALTER TABLE other ADD x int"),
        (
            "DELETE FROM t WHERE id = 1",
            "ALTER ROLE shop_app CONNECTION LIMIT 50; GRANT rb TO ra WITH ADMIN OPTION; REVOKE rb FROM ra",
        ),
        (
            "DELETE FROM t WHERE id = 2",
            "CREATE ROLE rnew; GRANT rb TO rnew; VACUUM FULL t; GRANT SELECT ON t TO rnew",
        ),
        (
            "CREATE TABLE n1 (x st)",
            "CREATE TABLE s3.n1 (); CREATE INDEX ON other (id); CREATE VIEW s3.vw AS SELECT * FROM other",
        ),
        ("ALTER TABLE t ADD COLUMN x st", "CREATE TYPE s3.st AS ENUM ('z'); CREATE ROLE r3; VACUUM FULL t"),
        (
            "GRANT SELECT ON ALL TABLES IN SCHEMA ss TO ra",
            "CREATE TABLE s3.n2 (); INSERT INTO ss.a VALUES (1); VACUUM FULL ss.a",
        ),
        ("TRUNCATE k0 CASCADE", "CREATE VIEW vk AS SELECT * FROM k0; GRANT SELECT ON k0 TO ra"),
        ("DROP SCHEMA ss CASCADE", "CREATE TABLE public.a (); VACUUM FULL ss.a; GRANT SELECT ON ss.a TO ra"),
    ] {
        shop.runs(statement, change);
    }
}
