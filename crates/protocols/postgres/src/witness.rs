//! Asks a target whether a command in doubt ran, by the number of the transaction that it ran in.

use std::sync::Arc;

use async_trait::async_trait;
use countersign_common::Target;
use countersign_common::command::Context;
use countersign_common::error::Report;
use countersign_common::target::Role;
use countersign_lifecycle::ports::{Said, Witness};

use crate::codec::startup::Protocol;
use crate::gate::Gate;
use crate::parameters::StartupParameters;
use crate::upstream::{Opening, Row, UpstreamError};

/// What evidence of ours begins with; the number of a transaction follows, as `pg_current_xact_id` says it.
pub(crate) const EVIDENCE: &str = "xid:";

#[async_trait]
impl Witness for Gate {
    async fn testify(&self, context: &Context, evidence: &str) -> Said {
        // A number, and nothing else, becomes part of the question.
        let Some(number) = evidence.strip_prefix(EVIDENCE).and_then(|number| number.parse::<u64>().ok())
        else {
            return Said::CannotTell("the evidence is not a transaction of PostgreSQL".into());
        };
        let (target, role) = match self.asked_of(context) {
            Ok(asked) => asked,
            Err(why) => return Said::CannotTell(why.into()),
        };
        match self.ask(&target, &role, &context.database, number).await {
            Ok(rows) => said(number, &rows),
            Err(error) => {
                tracing::warn!(target = %target.name, %error, "a target did not testify");
                Said::CannotTell(error.client_text().into_owned())
            }
        }
    }
}

impl Gate {
    fn asked_of(&self, context: &Context) -> Result<(Arc<Target>, Role), &'static str> {
        let target = self.ports.directory.target(&context.target);
        let target = target.filter(|target| target.protocol == "postgres");
        let target = target.ok_or("the target is no longer in the bundle")?;
        // Under the same name another server may be meant by now, and it has transactions of the same number.
        if target.generation != context.generation {
            return Err("the target was changed in the bundle since");
        }
        let role = target.roles.get(&context.role).cloned().ok_or("the role is no longer in the bundle")?;
        Ok((target, role))
    }

    /// Asks on a connection of our own.
    async fn ask(
        &self,
        target: &Target,
        role: &Role,
        database: &str,
        number: u64,
    ) -> Result<Vec<Row>, UpstreamError> {
        let mut parameters = StartupParameters::default();
        parameters.push("application_name", "countersign witness");
        let opening = Opening { role, database, parameters: &parameters, protocol: Protocol::V3_0 };
        let mut upstream = self.connector(target)?.connect(&opening).await?;
        upstream
            .simple_query(&format!(
                "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_xact_status('{number}'::pg_catalog.xid8)"
            ))
            .await
    }
}

/// What the answer means. Anything else than a clear word of a primary leaves it open.
fn said(number: u64, rows: &[Row]) -> Said {
    let [row] = rows else { return Said::CannotTell("the target did not answer the question".into()) };
    match row.as_slice() {
        // A replica may not have heard of the end yet.
        [Some(recovering), _] if recovering != "f" => {
            Said::CannotTell("the target is a replica at the moment".into())
        }
        [Some(_), Some(status)] => match status.as_str() {
            "committed" => Said::Ran(format!("the target says that transaction {number} was committed")),
            "aborted" => {
                Said::DidNotRun(format!("the target says that transaction {number} was rolled back"))
            }
            _ => Said::CannotTell(format!("transaction {number} is still in progress")),
        },
        _ => Said::CannotTell(format!("transaction {number} is older than what the target remembers")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(recovering: &str, status: Option<&str>) -> Vec<Row> {
        vec![vec![Some(recovering.into()), status.map(Into::into)]]
    }

    #[test]
    fn only_a_clear_word_of_a_primary_settles_it() {
        assert!(matches!(said(7, &row("f", Some("committed"))), Said::Ran(_)));
        assert!(matches!(said(7, &row("f", Some("aborted"))), Said::DidNotRun(_)));
        for unclear in [
            row("t", Some("committed")),
            row("t", Some("aborted")),
            row("f", Some("in progress")),
            row("f", None),
            Vec::new(),
        ] {
            assert!(matches!(said(7, &unclear), Said::CannotTell(_)), "{unclear:?}");
        }
    }
}
