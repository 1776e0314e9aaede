//! The stage: a fleet before a shop, an agent with a token, and a table whose rows tell which command made them.

use std::time::Duration;

use countersign_testkit::{
    Bundle, Cluster, ClusterOptions, Dsn, Part, Postgres, PostgresOptions, Terms, eventually, shop,
};
use serde_json::Value;

use crate::client::Client;

/// How long something may take that takes a moment.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A fleet before a shop.
pub(crate) struct Stage {
    // In the order in which they have to end.
    pub(crate) cluster: Cluster,
    pub(crate) server: Postgres,
    _bundle: Bundle,
    pub(crate) agent: Dsn,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let server = Postgres::start(PostgresOptions::default()).unwrap();
        server.sql("SET ROLE shop_app; CREATE TABLE effects (id text NOT NULL)").unwrap();
        let terms = Terms { hold: "5m", hold_in_transaction: "1m", ..Terms::default() };
        let bundle = Bundle::example(&server, &terms).unwrap().without_limits().unwrap();
        let cluster = Cluster::start(&bundle, &ClusterOptions::default()).unwrap();
        let token = cluster.token("agent-7", "agent", &["agents"]).unwrap();
        let agent = cluster.dsn("shop", &token, shop::DATABASE);
        Self { cluster, server, _bundle: bundle, agent }
    }

    /// A client of the agent's, through the balancer; tried until a gateway takes it.
    pub(crate) fn client(&self) -> Client {
        eventually("a gateway that takes clients", SOON, || Ok(Client::login(&self.agent).ok())).unwrap()
    }

    /// Waits until so many requests are pending; their ids.
    pub(crate) fn pending(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} pending requests"), SOON, || {
            let pending = self.cluster.pending()?;
            Ok((pending.len() == count).then_some(pending))
        })
        .unwrap()
    }

    /// The rows, past every gateway.
    pub(crate) fn rows(&self) -> Vec<String> {
        let listed = self.server.sql("SELECT id FROM effects ORDER BY id").unwrap();
        listed.lines().map(str::to_owned).collect()
    }

    /// An insert that needs a dba, agreed to: the whole way through.
    pub(crate) fn approved_insert(&self, id: &str) {
        let mut client = self.client();
        client.send_insert(id);
        let ticket = client.ticket();
        self.cluster.approve(&ticket).unwrap();
        client.expect_ran();
    }

    /// As the operator, who may do everything but approve.
    pub(crate) fn operator(&self, arguments: &[&str]) -> Value {
        self.cluster.cli_as(&self.cluster.operator().unwrap(), arguments).unwrap()
    }

    /// Leaves only one gateway.
    pub(crate) fn leave_one_gateway(&mut self) {
        for number in [1, 2] {
            self.cluster.stop(Part::Gateway(number)).unwrap();
        }
    }
}

/// The insert of one row.
pub(crate) fn insert(id: &str) -> String {
    format!("INSERT INTO effects (id) VALUES ('{id}')")
}
