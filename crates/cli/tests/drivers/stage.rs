//! The stage of a scenario: a shop, a gateway before it, an agent with a token.

use countersign_testkit::{
    Bundle, Client, ClientKind, Countersign, Dsn, Postgres, PostgresOptions, Terms, shop,
};
use serde_json::{Value, json};

/// A shop with `countersign dev` before it.
pub(crate) struct Stage {
    // In the order in which they have to end.
    pub(crate) gateway: Countersign,
    pub(crate) server: Postgres,
    _bundle: Bundle,
    pub(crate) agent: Dsn,
}

impl Stage {
    /// With `examples/bundle`: agents read masked, write when a dba agrees, and never drop.
    pub(crate) fn example(terms: &Terms) -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::example(&server, terms).unwrap();
        Self::with(server, bundle)
    }

    /// With `examples/allow-all`.
    pub(crate) fn allow_all() -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        let bundle = Bundle::allow_all(&server).unwrap();
        Self::with(server, bundle)
    }

    fn with(server: Postgres, bundle: Bundle) -> Self {
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("agent-7", "agent", &["agents"]).unwrap();
        let agent = gateway.dsn("shop", &token, shop::DATABASE);
        Self { gateway, server, _bundle: bundle, agent }
    }

    /// The agent's client.
    pub(crate) fn client(&self, kind: ClientKind) -> Client {
        Client::start(kind, &self.agent).unwrap()
    }

    /// The credit of customer 1, as the server itself says.
    pub(crate) fn credit(&self) -> i64 {
        self.server.sql("SELECT credit_cents FROM customers WHERE id = 1").unwrap().parse().unwrap()
    }

    /// A write that needs a dba: adds to the credit of customer 1.
    pub(crate) fn add_credit(cents: i64) -> Value {
        json!({"op": "params", "sql": "UPDATE customers SET credit_cents = credit_cents + $1 WHERE id = 1",
               "params": [cents]})
    }
}

/// The refusal in an answer: SQLSTATE, and the JSON in DETAIL after the checks that hold for all.
pub(crate) fn refusal(answer: &Value) -> (String, Value) {
    let error = answer.get("error").unwrap_or_else(|| panic!("not refused: {answer}"));
    let detail = error["detail"].as_str().unwrap_or_else(|| panic!("no detail: {error}"));
    let detail: Value = serde_json::from_str(detail).unwrap();
    // psql and many log lines show the message only: the state stands there too.
    let state = detail["state"].as_str().unwrap().replace('_', " ");
    assert!(error["message"].as_str().unwrap().contains(&state), "{error}");
    assert_eq!(detail["executed"], false, "{detail}");
    assert!(error["hint"].as_str().unwrap().starts_with("Not executed"), "{error}");
    (error["sqlstate"].as_str().unwrap().to_owned(), detail)
}
