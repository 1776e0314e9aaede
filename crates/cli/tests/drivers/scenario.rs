//! What an agent lives through, whatever its driver.

use std::time::Duration;

use countersign_testkit::{Client, ClientKind, Dsn, Terms, eventually};
use serde_json::{Value, json};

use crate::stage::{Stage, refusal};

const SOON: Duration = Duration::from_secs(15);

fn answer(client: &mut Client) -> Value {
    client.answer_within(SOON).unwrap().expect("no answer")
}

/// The e-mail address, phone and card of customer 1, which the agent never sees.
fn secrets(stage: &Stage) -> Vec<String> {
    let row = stage.server.sql("SELECT email, phone, card FROM customers WHERE id = 1").unwrap();
    row.split('|').map(str::to_owned).collect()
}

fn assert_none_of(secrets: &[String], answer: &Value) {
    let text = answer.to_string();
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "`{secret}` came through: {text}");
    }
}

pub(crate) fn reads_run_at_once_and_come_back_masked(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let secrets = secrets(&stage);
    let mut client = stage.client(kind);
    let sql = "SELECT name, email AS contact, phone, card FROM customers WHERE id = $1";
    for op in ["params", "binary"] {
        let answer = client.ask(&json!({"op": op, "sql": sql, "params": [1]})).unwrap();
        assert!(answer.to_string().contains("Ada Adler"), "{answer}");
        assert!(answer.to_string().contains("[redacted]"), "{answer}");
        assert_none_of(&secrets, &answer);
        let phone_end = &secrets[1][secrets[1].len() - 4..];
        assert!(answer.to_string().contains(&format!("*{phone_end}")), "{answer}");
    }
    assert!(stage.gateway.pending().unwrap().is_empty());
}

pub(crate) fn i6_masked_values_leave_by_no_other_way(kind: ClientKind) {
    // Some of them are held, because whether they fail tells of a value.
    let stage = Stage::example(&Terms { hold: "1s", ..Terms::default() });
    let secrets = secrets(&stage);
    let mut client = stage.client(kind);
    for sql in [
        "SELECT * FROM customers WHERE id = $1",
        "SELECT c FROM customers c WHERE id = $1",
        "SELECT to_jsonb(c)::text FROM customers c WHERE id = $1",
        "SELECT upper(email), lower(card), phone || '' FROM customers WHERE id = $1",
        "SELECT x.e FROM (SELECT email AS e FROM customers WHERE id = $1) AS x",
        "WITH c AS (SELECT card AS k, id FROM customers) SELECT k FROM c WHERE id = $1",
        "SELECT string_agg(email, ',') FROM customers WHERE id = $1",
        "SELECT email::int FROM customers WHERE id = $1",
        "SELECT card FROM customers WHERE id = $1 UNION SELECT 'x'",
    ] {
        let answer = client.ask(&json!({"op": "params", "sql": sql, "params": [1]})).unwrap();
        assert_none_of(&secrets, &answer);
        assert_none_of(&[secrets[0].to_uppercase()], &answer);
    }
    let copied = client
        .ask(&json!({"op": "copy_out", "query": "SELECT email, phone, card FROM customers WHERE id = 1"}))
        .unwrap();
    assert_none_of(&secrets, &copied);
    for notice in &client.notices {
        assert_none_of(&secrets, notice);
    }
}

pub(crate) fn a_blocked_statement_is_refused_and_not_run(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let mut client = stage.client(kind);
    for sql in ["DROP TABLE payments", "DROP/**/TABLE payments", "SELECT 1; DROP TABLE payments"] {
        let answer = client.ask(&json!({"op": "query", "sql": sql})).unwrap();
        let (sqlstate, detail) = refusal(&answer);
        assert_eq!((sqlstate.as_str(), &detail["state"]), ("42G02", &json!("blocked")), "{sql}: {detail}");
        assert_eq!(detail["reason"], "drop is done by migration only");
    }
    assert_eq!(stage.server.sql("SELECT count(*) FROM payments").unwrap(), "720");
    // The connection is as good as before.
    let answer = client.ask(&json!({"op": "params", "sql": "SELECT 40 + $1::int4", "params": [2]})).unwrap();
    assert!(answer.to_string().contains("42"), "{answer}");
}

pub(crate) fn i1_once_an_approved_write_runs_once_and_the_next_one_asks_again(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let before = stage.credit();
    let mut client = stage.client(kind);
    client.tell(&Stage::add_credit(100)).unwrap();
    let first = stage.gateway.pending_one().unwrap();
    assert!(client.answer_within(Duration::from_millis(300)).unwrap().is_none(), "it did not wait");
    assert_eq!(stage.credit(), before);
    let shown = stage.gateway.request(&first).unwrap().to_string();
    assert!(shown.contains("credit_cents + $1") && shown.contains("agent-7"), "{shown}");
    stage.gateway.approve(&first).unwrap();
    let done = answer(&mut client);
    assert!(done.get("error").is_none(), "{done}");
    assert_eq!(stage.credit(), before + 100);
    assert!(client.notices.iter().any(|notice| notice.to_string().contains("dba")), "{:?}", client.notices);

    client.tell(&Stage::add_credit(100)).unwrap();
    let second = stage.gateway.pending_one().unwrap();
    assert_ne!(first, second);
    stage.gateway.approve(&second).unwrap();
    assert!(answer(&mut client).get("error").is_none());
    assert_eq!(stage.credit(), before + 200);
}

pub(crate) fn i3_no_means_no_for_a_denied_write(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let before = stage.credit();
    let mut client = stage.client(kind);
    client.tell(&Stage::add_credit(100)).unwrap();
    let id = stage.gateway.pending_one().unwrap();
    stage.gateway.deny(&id, "not on a Friday").unwrap();
    let (sqlstate, detail) = refusal(&answer(&mut client));
    assert_eq!((sqlstate.as_str(), &detail["state"]), ("42G01", &json!("denied")));
    assert_eq!(detail["ticket"], id.as_str());
    assert!(detail["reason"].as_str().unwrap().contains("not on a Friday"), "{detail}");
    // A denial is remembered: nobody is asked the same again.
    let (sqlstate, _) = refusal(&client.ask(&Stage::add_credit(100)).unwrap());
    assert_eq!(sqlstate, "42G01");
    assert!(stage.gateway.pending().unwrap().is_empty());
    assert!(stage.gateway.approve(&id).is_err());
    assert_eq!(stage.credit(), before);
}

pub(crate) fn i3_no_means_no_for_an_expired_write(kind: ClientKind) {
    let stage = Stage::example(&Terms { timeout: "2s", ..Terms::default() });
    let before = stage.credit();
    let mut client = stage.client(kind);
    client.tell(&Stage::add_credit(100)).unwrap();
    let id = stage.gateway.pending_one().unwrap();
    let (sqlstate, detail) = refusal(&answer(&mut client));
    assert_eq!((sqlstate.as_str(), &detail["state"]), ("55G03", &json!("expired")));
    assert!(stage.gateway.approve(&id).is_err());
    assert_eq!(stage.credit(), before);
}

pub(crate) fn a_long_wait_becomes_a_ticket_and_the_same_bytes_redeem_it(kind: ClientKind) {
    let stage = Stage::example(&Terms { hold: "1s", hold_in_transaction: "1s", ..Terms::default() });
    let before = stage.credit();
    let mut client = stage.client(kind);
    let (sqlstate, detail) = refusal(&client.ask(&Stage::add_credit(100)).unwrap());
    assert_eq!((sqlstate.as_str(), &detail["state"]), ("55G01", &json!("pending")));
    let ticket = detail["ticket"].as_str().unwrap().to_owned();
    assert_eq!(stage.gateway.pending().unwrap(), std::slice::from_ref(&ticket));
    // Asking again joins the same request.
    let (_, again) = refusal(&client.ask(&Stage::add_credit(100)).unwrap());
    assert_eq!(again["ticket"], ticket.as_str());
    stage.gateway.approve(&ticket).unwrap();
    client.ask(&json!({"op": "reconnect"})).unwrap();
    let done = client.ask(&Stage::add_credit(100)).unwrap();
    assert!(done.get("error").is_none(), "{done}");
    assert_eq!(stage.credit(), before + 100);
    // Used up.
    let (sqlstate, detail) = refusal(&client.ask(&Stage::add_credit(100)).unwrap());
    assert_eq!(sqlstate, "55G01");
    assert_ne!(detail["ticket"], ticket.as_str());
    assert_eq!(stage.credit(), before + 100);
}

pub(crate) fn i2_same_a_ticket_does_not_redeem_other_bytes(kind: ClientKind) {
    let stage = Stage::example(&Terms { hold: "1s", hold_in_transaction: "1s", ..Terms::default() });
    let before = stage.credit();
    let mut client = stage.client(kind);
    let (_, detail) = refusal(&client.ask(&Stage::add_credit(100)).unwrap());
    stage.gateway.approve(detail["ticket"].as_str().unwrap()).unwrap();
    // The same text with another parameter is another command.
    let (sqlstate, other) = refusal(&client.ask(&Stage::add_credit(1_000_000)).unwrap());
    assert_eq!(sqlstate, "55G01");
    assert_ne!(other["ticket"], detail["ticket"]);
    assert_eq!(stage.credit(), before);
}

pub(crate) fn a_cancel_while_held_withdraws_the_request(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let before = stage.credit();
    let mut client = stage.client(kind);
    let sql = "UPDATE customers SET credit_cents = 7 WHERE id = 1";
    client.tell(&json!({"op": "cancel", "sql": sql, "after_ms": 1500})).unwrap();
    let id = stage.gateway.pending_one().unwrap();
    let cancelled = answer(&mut client);
    assert_eq!(cancelled["error"]["sqlstate"], "57014", "{cancelled}");
    eventually("the withdrawal", SOON, || Ok(stage.gateway.pending()?.is_empty().then_some(()))).unwrap();
    assert_eq!(stage.gateway.request(&id).unwrap()["state"], "withdrawn");
    assert!(stage.gateway.approve(&id).is_err());
    assert_eq!(stage.credit(), before);
    let answer =
        client.ask(&json!({"op": "params", "sql": "SELECT $1::text", "params": ["still here"]})).unwrap();
    assert!(answer.to_string().contains("still here"), "{answer}");
}

pub(crate) fn a_client_that_leaves_while_held_keeps_its_approval(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let before = stage.credit();
    let mut client = stage.client(kind);
    client.tell(&Stage::add_credit(100)).unwrap();
    let id = stage.gateway.pending_one().unwrap();
    client.kill().unwrap();
    assert_eq!(stage.gateway.pending().unwrap(), std::slice::from_ref(&id));
    stage.gateway.approve(&id).unwrap();
    assert_eq!(stage.credit(), before, "it ran without its client");
    let done = stage.client(kind).ask(&Stage::add_credit(100)).unwrap();
    assert!(done.get("error").is_none(), "{done}");
    assert_eq!(stage.credit(), before + 100);
}

pub(crate) fn a_held_copy_in_runs_when_approved(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let mut client = stage.client(kind);
    let count = || stage.server.sql("SELECT count(*) FROM products").unwrap();
    let data = "901\tA door\t100\n902\tA window\t200\n";
    client.tell(&json!({"op": "copy_in", "table": "products", "data": data})).unwrap();
    let id = stage.gateway.pending_one().unwrap();
    assert_eq!(count(), "40");
    stage.gateway.approve(&id).unwrap();
    let done = answer(&mut client);
    assert!(done.get("error").is_none(), "{done}");
    assert_eq!(count(), "42");
}

pub(crate) fn a_hold_inside_a_transaction_keeps_the_transaction(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let before = stage.credit();
    let mut client = stage.client(kind);
    let update = "UPDATE customers SET credit_cents = credit_cents + 5 WHERE id = 1";
    let read = "SELECT credit_cents FROM customers WHERE id = 1";
    client.tell(&json!({"op": "transaction", "statements": [read, update, read]})).unwrap();
    stage.gateway.approve(&stage.gateway.pending_one().unwrap()).unwrap();
    let done = answer(&mut client);
    assert!(done.get("error").is_none(), "{done}");
    assert_eq!(stage.credit(), before + 5);
    // A denied one fails the transaction as a whole.
    let other = "UPDATE customers SET credit_cents = credit_cents + 9 WHERE id = 1";
    client.tell(&json!({"op": "transaction", "statements": [read, other, read]})).unwrap();
    stage.gateway.deny(&stage.gateway.pending_one().unwrap(), "no").unwrap();
    let (sqlstate, _) = refusal(&answer(&mut client));
    assert_eq!(sqlstate, "42G01");
    assert_eq!(stage.credit(), before + 5);
}

pub(crate) fn each_run_of_a_prepared_write_is_asked_for(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let before = stage.credit();
    let mut client = stage.client(kind);
    let sql = "UPDATE customers SET credit_cents = credit_cents + $1 WHERE id = 1 RETURNING id";
    client.tell(&json!({"op": "prepared", "sql": sql, "runs": [[10], [200]]})).unwrap();
    let first = stage.gateway.pending_one().unwrap();
    stage.gateway.approve(&first).unwrap();
    let second = eventually("the second request", SOON, || {
        Ok(stage.gateway.pending()?.into_iter().find(|id| *id != first))
    })
    .unwrap();
    assert_eq!(stage.credit(), before + 10);
    stage.gateway.approve(&second).unwrap();
    let done = answer(&mut client);
    assert!(done.get("error").is_none(), "{done}");
    assert_eq!(stage.credit(), before + 210);
}

pub(crate) fn a_batch_of_writes_is_asked_for_and_runs(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let before = stage.credit();
    let mut client = stage.client(kind);
    let sql = "UPDATE customers SET credit_cents = credit_cents + $1 WHERE id = 1";
    client.tell(&json!({"op": "pipeline", "sql": sql, "runs": [[1], [20], [300]]})).unwrap();
    let done = eventually("the batch's answer", Duration::from_secs(30), || {
        for id in stage.gateway.pending()? {
            stage.gateway.approve(&id)?;
        }
        client.answer_within(Duration::from_millis(50))
    })
    .unwrap();
    assert!(!done.to_string().contains("error"), "{done}");
    assert_eq!(stage.credit(), before + 321);
}

pub(crate) fn what_is_too_large_to_judge_is_refused_not_passed_on_unread(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let mut client = stage.client(kind);
    let large = json!({"repeat": "0123456789", "times": 900_000});
    let op = json!({"op": "params", "sql": "SELECT length($1::text)", "params": [large]});
    let refused = client.ask(&op).unwrap();
    let (sqlstate, detail) = refusal(&refused);
    assert_eq!((sqlstate.as_str(), &detail["state"]), ("42G02", &json!("blocked")));
    // A limit is no policy: what helps is another way to send it.
    let hint = refused["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("COPY") && !hint.contains("forbids"), "{hint}");
    assert!(detail["reason"].as_str().unwrap().contains("judged_bytes_max"), "{detail}");
    let after =
        client.ask(&json!({"op": "params", "sql": "SELECT $1::text", "params": ["still here"]})).unwrap();
    assert!(after.to_string().contains("still here"), "{after}");
}

pub(crate) fn a_wrong_token_is_refused(kind: ClientKind) {
    let stage = Stage::example(&Terms::default());
    let wrong = Dsn { password: "cst_wrong".into(), ..stage.agent.clone() };
    let error = Client::start(kind, &wrong).unwrap_err().to_string();
    // psycopg gives no code for a connection that was refused.
    assert!(error.contains("28P01") || error.contains("token not accepted"), "{error}");
}
