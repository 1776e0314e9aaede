//! What the story needs: the shop, Countersign before it, an agent, a person who may approve.

use anyhow::Result;
use countersign_testkit::{Bundle, Countersign, Dsn, Postgres, PostgresOptions, Terms, binary, shop};

/// Everything on stage.
pub(super) struct Stage {
    // In the order in which they have to end.
    pub(super) gateway: Countersign,
    pub(super) server: Postgres,
    pub(super) agent: Dsn,
    _bundle: Bundle,
}

impl Stage {
    /// Starts everything.
    pub(super) fn set() -> Result<Self> {
        println!("Starting a scratch PostgreSQL with a small shop, and `countersign dev` before it.");
        let server = Postgres::start(PostgresOptions::default())?;
        let terms =
            Terms { hold: "15m", hold_in_transaction: "60s", notice_every: "20s", ..Terms::default() };
        let bundle = Bundle::example(&server, &terms)?;
        let gateway = Countersign::start(bundle.dev())?;
        let token = gateway.token("support-agent", "agent", &["agents"])?;
        let agent = gateway.dsn("shop", &token, shop::DATABASE);
        Ok(Self { gateway, server, agent, _bundle: bundle })
    }

    /// The lines to try.
    pub(super) fn invitation(&self) -> Result<String> {
        let Dsn { host, port, user, password, database } = &self.agent;
        let (api, dora) = (self.gateway.api(), self.gateway.approver());
        let program = binary()?;
        let program = program.display();
        Ok(format!(
            "
Try it. As an agent, with any PostgreSQL client:

    PGPASSWORD={password} psql -h {host} -p {port} -U {user} {database}

        SELECT name, email, phone, card FROM customers LIMIT 3;            runs at once, masked
        DROP TABLE payments;                                               is blocked
        UPDATE customers SET credit_cents = 0 WHERE id = 7;                waits for a countersign

In a second terminal, as Dora, who is a dba:

    export COUNTERSIGN_API={api} COUNTERSIGN_TOKEN={dora}
    {program} requests ls
    {program} approve ID --reason 'looks right'

Or in a browser, at {api}
    with Dora's token, {dora}

Everything that happened:

    export COUNTERSIGN_DATA={data}; unset COUNTERSIGN_API COUNTERSIGN_TOKEN
    {program} sessions ls
    {program} replay SESSION
    {program} audit verify

Press Enter to end it all; nothing is left behind.
",
            data = self.gateway.data().display(),
        ))
    }
}
