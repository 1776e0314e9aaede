//! The story: an agent reads, is blocked, waits, is approved, asks again, is denied; then everything is
//! replayed and verified, and one changed byte is found.

use std::time::Duration;

use anyhow::{Context, Result};

use super::audit;
use super::psql::Psql;
use super::stage::Stage;
use super::teller::Teller;

const REFUND: &str = "UPDATE customers SET credit_cents = credit_cents + 2500 WHERE id = 7";

/// Plays it all.
pub(super) fn play(stage: Stage) -> Result<()> {
    let mut teller = Teller::default();
    masked_read(&stage, &mut teller)?;
    blocked_drop(&stage, &mut teller)?;
    approved_write(&stage, &mut teller)?;
    denied_write(&stage, &mut teller)?;
    audit::replay(&stage, &mut teller)?;
    audit::verify(&stage, &mut teller)?;
    audit::tamper(stage, &mut teller)?;
    println!("\nAll {} steps were as told.", teller.steps());
    Ok(())
}

fn masked_read(stage: &Stage, teller: &mut Teller) -> Result<()> {
    teller.step("A support agent reads customers. Nobody has to be asked.");
    let sql = "SELECT name, email, phone, card FROM customers WHERE id IN (7, 8) ORDER BY id";
    teller.typed("agent", sql);
    let said = Psql::run(&stage.agent, sql)?;
    teller.seen(&said.all());
    teller.shows("it ran at once", said.success && said.out.contains("Greta Adler"))?;
    let secrets = stage.server.sql("SELECT email, phone, card FROM customers WHERE id IN (7, 8)")?;
    let leaks = secrets.split(['|', '\n']).any(|secret| said.all().contains(secret));
    teller.shows("e-mail, phone and card are masked", !leaks && said.out.contains("[redacted]"))
}

fn blocked_drop(stage: &Stage, teller: &mut Teller) -> Result<()> {
    teller.step("The agent tries to drop a table. Policy says no, whoever agrees.");
    let sql = "DROP TABLE payments";
    teller.typed("agent", sql);
    let said = Psql::run(&stage.agent, sql)?;
    teller.seen(&said.all());
    teller.shows("it was blocked (42G02) and says so", said.error.contains("42G02"))?;
    teller.shows("it says that nothing was executed", said.error.contains(r#""executed":false"#))?;
    let rows = stage.server.sql("SELECT count(*) FROM payments")?;
    teller.shows("the table is still there", rows == "720")
}

fn credit(stage: &Stage) -> Result<i64> {
    let credit = stage.server.sql("SELECT credit_cents FROM customers WHERE id = 7")?;
    credit.parse().context("the credit is no number")
}

fn approved_write(stage: &Stage, teller: &mut Teller) -> Result<()> {
    teller.step("The agent changes a customer's credit. It waits in its own connection.");
    let before = credit(stage)?;
    teller.typed("agent", REFUND);
    let mut waiting = Psql::start(&stage.agent, REFUND)?;
    let id = stage.gateway.pending_one()?;
    std::thread::sleep(Duration::from_millis(500));
    teller
        .shows("psql waits, and the credit is what it was", waiting.waits()? && credit(stage)? == before)?;

    teller.step("Dora, a dba, looks at the request and countersigns.");
    let shown = dora(stage, teller, &["requests", "show", &id])?;
    teller.shows(
        "she sees who asks and exactly what",
        shown.contains("support-agent") && shown.contains(REFUND),
    )?;
    dora(stage, teller, &["approve", &id, "--reason", "looks right"])?;
    let said = waiting.end()?;
    teller.seen(&said.all());
    teller
        .shows("the same psql went on and reports one row", said.success && said.out.contains("UPDATE 1"))?;
    teller.shows("it had been told who has to agree", said.error.contains("dba"))?;
    teller.shows("it ran once", credit(stage)? == before + 2500)
}

/// Dora runs a command, and what she sees.
fn dora(stage: &Stage, teller: &mut Teller, arguments: &[&str]) -> Result<String> {
    let quoted =
        arguments.iter().map(|word| if word.contains(' ') { format!("'{word}'") } else { (*word).into() });
    teller.typed("dora", &format!("countersign {}", quoted.collect::<Vec<String>>().join(" ")));
    let output = stage.gateway.command_for_people(stage.gateway.approver(), arguments)?.output()?;
    let text = audit::printed(&output);
    teller.seen(&text);
    teller.shows("the command succeeds", output.status.success())?;
    Ok(text)
}

fn denied_write(stage: &Stage, teller: &mut Teller) -> Result<()> {
    teller.step("The agent sends the very same bytes again. An approval is used up; it asks anew.");
    let before = credit(stage)?;
    teller.typed("agent", REFUND);
    let mut waiting = Psql::start(&stage.agent, REFUND)?;
    let id = stage.gateway.pending_one()?;
    teller.shows("it waits for a new countersign", waiting.waits()?)?;

    teller.step("This time Dora says no.");
    dora(stage, teller, &["deny", &id, "--reason", "one refund is enough"])?;
    let said = waiting.end()?;
    teller.seen(&said.all());
    teller.shows(
        "the agent is told so (42G01), and why",
        said.error.contains("42G01") && said.error.contains("one refund"),
    )?;
    teller.shows("nothing was changed", credit(stage)? == before)
}
