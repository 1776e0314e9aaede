//! What is left when all is quiet. Rows are read from the database past the gateway, approvals as the control plane shows
//! them to people; what was recorded [`crate::recordings`] reads.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use countersign_api::v1;
use countersign_testkit::Postgres;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tonic::Code;

use crate::api::Api;
use crate::command::Effect;
use crate::history::Entry;
use crate::recordings::Record;
use crate::remains::Remains;

/// How many approvals are asked for at once.
const ASKED_AT_ONCE: usize = 8;

/// Everything that the checker looks at. Kept as JSON when it finds something.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Aftermath {
    /// What clients and approvers did and were told.
    pub history: Vec<Entry>,
    /// What the database has.
    pub rows: Vec<Row>,
    /// How every approval stands.
    pub approvals: Vec<Approval>,
    /// What was recorded of commands.
    pub records: Vec<Record>,
    /// The streams of recordings that were ended because their gateway was lost.
    #[serde(default)]
    pub lost: BTreeSet<String>,
    /// What the verifier says is wrong with the recordings.
    pub faults: Vec<String>,
    /// How many certificates of gateways were renewed.
    #[serde(default)]
    pub renewed: usize,
    /// What the store has, where it can be read.
    pub store: Option<Remains>,
}

/// A row that somebody inserted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub effect: Effect,
    /// The transaction that inserted it.
    pub xid: String,
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: String,
    /// The row that its command would insert.
    pub effect: Option<Effect>,
    /// Where it stands.
    pub state: State,
    /// Who said what: name, and yes or no.
    pub decisions: Vec<(String, bool)>,
    /// The transaction that was presented as evidence.
    pub xid: Option<String>,
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words of the protocol")]
pub enum State {
    Pending,
    Approved,
    Redeemed,
    Done,
    /// The target answered with an error.
    Failed,
    InDoubt,
    NotRun,
    Denied,
    Expired,
    Withdrawn,
    Voided,
    Revoked,
}

impl State {
    /// Whether it never had and never gets an effect.
    #[must_use]
    pub const fn is_a_no(self) -> bool {
        matches!(self, Self::Denied | Self::Expired | Self::Withdrawn | Self::Voided | Self::Revoked)
    }

    /// The word for it in the store.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Redeemed => "redeemed",
            Self::Done | Self::Failed => "done",
            Self::InDoubt => "in_doubt",
            Self::NotRun => "not_run",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Voided => "voided",
            Self::Revoked => "revoked",
        }
    }

    /// Whether it has not ended, and nobody is told that it is in doubt.
    #[must_use]
    pub const fn goes_on(self) -> bool {
        matches!(self, Self::Pending | Self::Approved | Self::Redeemed)
    }

    fn of(status: &v1::ApprovalStatus) -> Option<Self> {
        use v1::ApprovalState as Wire;
        let failed = status.outcome.as_ref().is_some_and(|outcome| outcome.error_code.is_some());
        Some(match status.state() {
            Wire::Unspecified => return None,
            Wire::Pending => Self::Pending,
            Wire::Approved => Self::Approved,
            Wire::Redeemed => Self::Redeemed,
            Wire::Done if failed => Self::Failed,
            Wire::Done => Self::Done,
            Wire::InDoubt => Self::InDoubt,
            Wire::NotRun => Self::NotRun,
            Wire::Denied => Self::Denied,
            Wire::Expired => Self::Expired,
            Wire::Withdrawn => Self::Withdrawn,
            Wire::Voided => Self::Voided,
            Wire::Revoked => Self::Revoked,
        })
    }
}

/// The rows, as the database's superuser sees them.
///
/// # Errors
/// The database does not answer.
pub fn rows(server: &Postgres) -> Result<Vec<Row>> {
    let listed = server.sql("SELECT id, xmin FROM effects ORDER BY id")?;
    let row = |line: &str| {
        let (effect, xid) = line.split_once('|').with_context(|| format!("not a row: {line}"))?;
        let effect = Effect::within(effect).with_context(|| format!("nobody's row: {line}"))?;
        Ok(Row { effect, xid: xid.to_owned() })
    };
    listed.lines().map(row).collect()
}

/// The approvals that these agents asked for, as lists show them.
///
/// # Errors
/// The control plane does not answer.
pub async fn asked_for(api: &Api, agents: &[String]) -> Result<BTreeSet<String>> {
    let every: Vec<v1::ApprovalState> =
        (1..=11).filter_map(|state| v1::ApprovalState::try_from(state).ok()).collect();
    let mut found = BTreeSet::new();
    for agent in agents {
        let listed = api.approvals(&every, Some(agent)).await.context("no list of approvals")?;
        ensure!(listed.len() < 1000, "{agent} has more approvals than one list shows");
        found.extend(listed.into_iter().map(|approval| approval.id));
    }
    Ok(found)
}

/// These approvals, as the control plane shows each; without those that it says it does not have.
///
/// # Errors
/// The control plane does not answer.
pub async fn approvals(api: &Api, ids: &BTreeSet<String>) -> Result<Vec<Approval>> {
    let asked = ids.iter().map(async |id| match api.approval(id).await {
        Ok((approval, details)) => read(approval, &details).map(Some),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(status).with_context(|| format!("{id} is not shown")),
    });
    let shown: Vec<Option<Approval>> = stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await?;
    Ok(shown.into_iter().flatten().collect())
}

fn read(approval: v1::Approval, details: &v1::ApprovalDetails) -> Result<Approval> {
    let status = approval.status.as_ref();
    let state = status.and_then(State::of).with_context(|| format!("{} has no state", approval.id))?;
    let text = details.command.as_ref().map(|command| String::from_utf8_lossy(&command.text).into_owned());
    let presented = approval.evidence.map(|evidence| evidence.presented);
    Ok(Approval {
        effect: text.as_deref().and_then(Effect::within),
        state,
        decisions: approval
            .decisions
            .iter()
            .map(|decision| (decision.approver.clone(), decision.vote() == v1::Vote::Approve))
            .collect(),
        xid: presented.and_then(|evidence| evidence.strip_prefix("xid:").map(str::to_owned)),
        id: approval.id,
    })
}

/// The approvals that go on still, with those in doubt about which the target can be asked.
///
/// # Errors
/// The control plane does not answer.
pub async fn going_on(api: &Api) -> Result<Vec<String>> {
    use v1::ApprovalState::{Approved, InDoubt, Pending, Redeemed};
    let listed = api.approvals(&[Pending, Approved, Redeemed, InDoubt], None).await;
    let presented = |approval: &v1::Approval| approval.evidence.is_some();
    let in_doubt =
        |approval: &v1::Approval| approval.status.as_ref().is_some_and(|status| status.state() == InDoubt);
    let open =
        listed.context("no list of approvals")?.into_iter().filter(|one| !in_doubt(one) || presented(one));
    Ok(open.map(|approval| approval.id).collect())
}
