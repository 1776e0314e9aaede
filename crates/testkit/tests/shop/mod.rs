//! A target, a gateway before it where a person agrees to what writes or calls code, and agents that come to it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]
#![allow(dead_code, reason = "each file of tests uses some of it")]

use std::time::Duration;

use countersign_testkit::{
    Bundle, Countersign, Dsn, Postgres, PostgresOptions, RawClient, Terms, eventually, tagged,
};

/// Everything may be done, and a person agrees to what writes or calls code.
const POLICIES: &str = r#"
@id("all")
permit (principal, action, resource);
@id("writes-need-dba")
@approval("prod-dba")
@reason("writes need a dba")
forbid (principal, action in Action::"write", resource);
@id("calls-need-dba")
@approval("prod-dba")
@reason("calls need a dba")
forbid (principal, action == Action::"sql:call", resource);
@id("unknown-needs-dba")
@approval("prod-dba")
@reason("what is not known needs a dba")
forbid (principal, action == Action::"unknown", resource);
"#;

/// A target with payments that nobody may lose, and a gateway before it.
pub(crate) struct Shop {
    // Dropped in this order.
    pub(crate) gateway: Countersign,
    _bundle: Bundle,
    pub(crate) server: Postgres,
    dsn: Dsn,
    pub(crate) payments: String,
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::with(PostgresOptions::default(), &Terms::default())
    }

    /// Statements wait a second on their connections, and then go on waiting without.
    pub(crate) fn with_tickets() -> Self {
        Self::with(
            PostgresOptions::default(),
            &Terms { hold: "1s", hold_in_transaction: "1s", ..Terms::default() },
        )
    }

    pub(crate) fn with(options: PostgresOptions, terms: &Terms) -> Self {
        let server = Postgres::start(options).unwrap();
        server
            .sql(
                "SET ROLE shop_app; CREATE TABLE junk (id int, note text); INSERT INTO junk SELECT i, 'x' FROM \
                 generate_series(1, 10) i",
            )
            .unwrap();
        let bundle = Bundle::example(&server, terms).unwrap();
        bundle.replace("policies.cedar", POLICIES).unwrap();
        let gateway = Countersign::start(bundle.dev()).unwrap();
        let token = gateway.token("mallory", "agent", &["agents"]).unwrap();
        let dsn = gateway.dsn("shop", &token, "shop");
        let payments = server.sql("SELECT count(*) FROM payments").unwrap();
        Self { gateway, _bundle: bundle, server, dsn, payments }
    }

    pub(crate) fn agent(&self) -> Agent<'_> {
        Agent { client: RawClient::login(&self.dsn).unwrap().0, shop: self }
    }

    pub(crate) fn owner(&self, sql: &str) {
        self.server.sql(&format!("SET ROLE shop_app; {sql}")).unwrap();
    }

    pub(crate) fn state(&self, id: &str) -> String {
        self.gateway.request(id).unwrap()["state"].to_string()
    }

    /// The text that people are shown.
    pub(crate) fn rendering(&self, id: &str) -> String {
        self.gateway.request(id).unwrap()["rendering"].as_str().unwrap().to_owned()
    }

    pub(crate) fn nothing_was_paid_back(&self) {
        let left = self.server.sql("SELECT count(*) FROM payments").unwrap();
        assert_eq!(left, self.payments, "payments are gone\n{}", self.gateway.log());
    }

    /// Waits until so many requests are pending, oldest first.
    pub(crate) fn pending(&self, count: usize) -> Vec<String> {
        let what = format!("{count} pending requests");
        eventually(&what, Duration::from_secs(10), || {
            let pending = self.gateway.pending()?;
            Ok((pending.len() == count).then_some(pending))
        })
        .unwrap()
    }
}

/// A client with a token of its own.
pub(crate) struct Agent<'s> {
    pub(crate) client: RawClient,
    pub(crate) shop: &'s Shop,
}

impl Agent<'_> {
    pub(crate) fn send(&mut self, frames: &[u8]) {
        self.client.send(frames).unwrap();
    }

    pub(crate) fn answer(&mut self) -> String {
        self.client.until_ready().unwrap().iter().map(|frame| format!("{frame:?} ")).collect()
    }

    /// Runs what nobody is asked about.
    pub(crate) fn run(&mut self, sql: &str) -> String {
        self.send(&query(sql));
        let answer = self.answer();
        assert!(!answer.contains("SERROR"), "{sql}: {answer}");
        answer
    }

    /// Sends a statement that waits, and gives its request.
    pub(crate) fn hold(&mut self, sql: &str) -> String {
        self.send(&query(sql));
        self.held()
    }

    pub(crate) fn held(&mut self) -> String {
        self.client.until(b'N').unwrap();
        self.shop.gateway.pending_one().unwrap()
    }

    /// The same until it is given its ticket; then a person agrees.
    pub(crate) fn approved_ticket(&mut self, sql: &str) -> String {
        let id = self.hold(sql);
        let answer = self.answer();
        assert!(answer.contains("55G01"), "{answer}");
        self.shop.gateway.approve(&id).unwrap();
        id
    }

    /// Sends a statement for which there is an approval of the same bytes: it is asked about anew.
    pub(crate) fn is_asked_anew(&mut self, sql: &str) -> String {
        let id = self.hold(sql);
        let answer = self.answer();
        assert!(answer.contains("55G01") && answer.contains("executed\\\":false"), "{answer}");
        id
    }

    pub(crate) fn approve(&mut self, id: &str) -> String {
        self.shop.gateway.approve(id).unwrap();
        self.answer()
    }

    /// People agree, and it does not run: its approval is voided.
    pub(crate) fn is_voided(&mut self, id: &str, because: &str) {
        let answer = self.approve(id);
        for part in ["42G03", "countersign: voided", "executed\\\":false", because] {
            assert!(answer.contains(part), "no `{part}`: {answer}\n{}", self.shop.gateway.log());
        }
        assert_eq!(self.shop.state(id), "\"voided\"");
    }

    pub(crate) fn runs(&mut self, id: &str) {
        let answer = self.approve(id);
        assert!(!answer.contains("SERROR"), "{answer}\n{}", self.shop.gateway.log());
        assert_eq!(self.shop.state(id), "\"done\"");
    }
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

pub(crate) fn query(sql: &str) -> Vec<u8> {
    tagged(b'Q', &text(sql))
}

pub(crate) fn extended(sql: &str) -> Vec<u8> {
    let parse = tagged(b'P', &[text(""), text(sql), vec![0, 0]].concat());
    let bind = tagged(b'B', &[text(""), text(""), vec![0; 6]].concat());
    let execute = tagged(b'E', &[text(""), vec![0; 4]].concat());
    [parse, bind, execute].concat()
}

pub(crate) fn sync() -> Vec<u8> {
    tagged(b'S', b"")
}
