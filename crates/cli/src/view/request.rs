//! Requests for people's agreement, as they are shown, and the check that what is shown is what is asked.

use std::fmt::Write as _;

use countersign_api::{BadField, parsed, required, timestamp, v1};
use countersign_common::approval::{Approval, Outcome, State, Vote};
use countersign_common::command::{self, Command, Context};
use countersign_common::facts_basis::FactsBasis;
use countersign_common::id::{ApprovalId, BundleVersion, SessionId, TargetName};
use countersign_common::rendering::{self, Rendering};
use countersign_common::{Digest, Facts, Principal, Timestamp};
use serde::Serialize;

use super::{line, relative, who};
use crate::error::{CliError, Exit};
use crate::output::table;

/// A request, as lists show it.
#[derive(Debug, Serialize)]
pub(crate) struct RequestView {
    id: ApprovalId,
    state: &'static str,
    /// What belongs to the state: who revoked it, why it is void, how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_detail: Option<String>,
    /// Who has to agree now: `0 of 2 (dba)`.
    need: String,
    requester: Principal,
    target: TargetName,
    session: SessionId,
    chains: Vec<String>,
    policies: Vec<String>,
    reason: String,
    created_at: String,
    expires_at: String,
    changed_at: String,
    decisions: Vec<DecisionView>,
    /// A request that the same session had denied shortly before: a rephrasing, maybe.
    #[serde(skip_serializing_if = "Option::is_none")]
    after_denial: Option<String>,
    digest: Digest,
    rendering_digest: Digest,
    /// Whether it is in the archive.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    archived: bool,
    #[serde(skip)]
    approval: Approval,
}

/// What one person said.
#[derive(Debug, Serialize)]
struct DecisionView {
    approver: String,
    stage: usize,
    vote: Vote,
    reason: Option<String>,
    method: String,
    at: String,
}

impl RequestView {
    pub(crate) fn read(wire: v1::ApprovalEntry) -> Result<Self, BadField> {
        let approval: Approval = required(wire.approval, "entry.approval")?.try_into()?;
        let decisions = approval.decisions.iter().map(|decision| DecisionView {
            approver: decision.approver.to_string(),
            stage: decision.stage,
            vote: decision.vote,
            reason: decision.reason.clone(),
            method: decision.method.clone(),
            at: decision.at.to_string(),
        });
        Ok(Self {
            id: approval.id,
            state: approval.state.as_str(),
            state_detail: state_detail(&approval.state),
            need: wire.need,
            requester: approval.requester.clone(),
            target: approval.target.clone(),
            session: approval.session,
            chains: approval.terms.chains.iter().map(ToString::to_string).collect(),
            policies: approval.terms.policies.iter().map(ToString::to_string).collect(),
            reason: approval.terms.reason.clone(),
            created_at: approval.created_at.to_string(),
            expires_at: approval.expires_at.to_string(),
            changed_at: timestamp(wire.change_time, "entry.change_time")?.to_string(),
            decisions: decisions.collect(),
            after_denial: wire.after_denial,
            digest: approval.digest,
            rendering_digest: approval.rendering,
            archived: wire.archived,
            approval,
        })
    }

    pub(crate) const fn approval(&self) -> &Approval {
        &self.approval
    }

    /// One line for a watcher.
    pub(crate) fn event_line(&self) -> String {
        let detail = self.state_detail.as_ref().map(|text| format!(": {}", line(text))).unwrap_or_default();
        format!(
            "{}  {}  {}{detail}  {}  on {}",
            self.changed_at,
            self.id,
            self.standing(),
            who(&self.requester),
            line(self.target.as_str())
        )
    }

    /// Where it stands, in a few words.
    fn standing(&self) -> String {
        match self.approval.state {
            State::Pending { .. } => format!("needs {}", line(&self.need)),
            _ => self.state.replace('_', " "),
        }
    }

    /// What is known of it besides the command.
    fn text(&self, now: Timestamp) -> String {
        let mut text = format!("{} {}", self.id, self.standing());
        if let Some(detail) = &self.state_detail {
            let _ = write!(text, ": {}", line(detail));
        }
        if self.archived {
            text.push_str(" (archived)");
        }
        let _ = writeln!(text, "\nwhy      {}", line(&self.reason));
        let _ = writeln!(
            text,
            "rules    {} (chain {})",
            line(&self.policies.join(", ")),
            line(&self.chains.join(", "))
        );
        let _ = writeln!(text, "session  {}", self.session);
        let _ = writeln!(text, "asked    {} ({})", self.created_at, relative(self.approval.created_at, now));
        let _ = writeln!(text, "ends     {} ({})", self.expires_at, relative(self.approval.expires_at, now));
        if let Some(denied) = &self.after_denial {
            let _ = writeln!(
                text,
                "CAREFUL  {denied} of the same session was denied shortly before; this may be a rephrasing"
            );
        }
        for one in &self.decisions {
            let said = match one.vote {
                Vote::Approve => "approved",
                Vote::Deny => "denied",
            };
            let why = one.reason.as_ref().map(|why| format!(": {}", line(why))).unwrap_or_default();
            let _ = writeln!(text, "{said:<8} by {} at {}{why}", line(&one.approver), one.at);
        }
        text
    }
}

fn state_detail(state: &State) -> Option<String> {
    match state {
        State::NotRun { reason } | State::Voided { reason } => Some(reason.clone()),
        State::Revoked { by } => Some(format!("by {by}")),
        State::Done { outcome: Outcome::Failed { code } } => {
            Some(format!("the target failed it with {code}"))
        }
        State::Redeemed { owner, .. } | State::InDoubt { owner, .. } => Some(format!("by {owner}")),
        State::Pending { .. }
        | State::Approved
        | State::Done { outcome: Outcome::Completed }
        | State::Denied
        | State::Expired
        | State::Withdrawn => None,
    }
}

/// A request with all that an approver has to see.
#[derive(Debug, Serialize)]
pub(crate) struct RequestDetails {
    #[serde(flatten)]
    pub(crate) request: RequestView,
    command: Command,
    context: Context,
    facts: Facts,
    /// What `facts` rest on.
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<FactsBasis>,
    /// What the gateway stated, where that is not the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    stated: Option<Facts>,
    bundle: BundleVersion,
    locks_held: Vec<String>,
    /// The command as text in which nothing hides.
    rendering: String,
}

impl RequestDetails {
    /// Reads an answer and makes sure that what it shows is what is asked.
    ///
    /// INVARIANT: I2. Both digests are computed here, from the command itself: a control plane that
    /// shows one command and asks about another is found out before anybody decides.
    pub(crate) fn read(wire: v1::GetApprovalResponse) -> Result<Self, CliError> {
        let request = RequestView::read(required(wire.approval, "response.approval")?)?;
        let details = required(wire.details, "response.details")?;
        let read = Self {
            request,
            command: required(details.command, "details.command")?.try_into()?,
            context: required(details.context, "details.context")?.try_into()?,
            facts: required(details.facts, "details.facts")?.try_into()?,
            basis: details.facts_basis.map(TryInto::try_into).transpose()?,
            stated: details.stated_facts.map(TryInto::try_into).transpose()?,
            bundle: parsed::<String>(&details.bundle_version, "details.bundle_version")?.as_str().into(),
            locks_held: details.locks_held,
            rendering: details.rendering,
        };
        if read.is_what_is_asked() {
            return Ok(read);
        }
        Err(CliError::new(
            Exit::Unsound,
            "what the control plane shows is not what it asks about; nothing was decided",
        )
        .help("do not approve it elsewhere either: tell whoever runs the control plane"))
    }

    fn is_what_is_asked(&self) -> bool {
        let approval = &self.request.approval;
        let ours = Rendering::of(&self.command, &self.context, &approval.requester, self.basis);
        let digest = command::digest(&self.command, &self.context, &approval.requester, approval.session);
        ours.text == self.rendering
            && self.rendering_digest() == approval.rendering
            && digest == approval.digest
            && self.context.target == approval.target
    }

    /// The digest of the text that is shown, computed from that text.
    pub(crate) fn rendering_digest(&self) -> Digest {
        rendering::digest(&self.rendering)
    }

    /// All of it, for people: first what is known, then the command, whole.
    pub(crate) fn text(&self, now: Timestamp) -> String {
        let mut text = self.request.text(now);
        let _ = writeln!(text, "does     {}", line(&does(&self.facts)));
        let flags: Vec<_> =
            self.facts.operations.iter().flat_map(|one| &one.flags).map(|flag| flag.as_str()).collect();
        if !flags.is_empty() {
            let _ = writeln!(text, "notable  {}", flags.join(", "));
        }
        if let Some(basis) = self.basis {
            let _ = writeln!(text, "basis    {}", basis.sentences().join("; "));
        }
        if let Some(stated) = &self.stated {
            let _ = writeln!(text, "stated   {} (by the gateway)", line(&does(stated)));
        }
        for lock in &self.locks_held {
            let _ = writeln!(text, "locked   {}", line(lock));
        }
        // A statement may have lines in it that look like parameters: say how many there are.
        let _ = writeln!(text, "bound    {} parameters", self.command.parameters.len());
        // The rendering escapes control characters, so no line of it can look like one of ours: each
        // is indented.
        text.push_str("\nWhat would run:\n");
        for one in self.rendering.lines() {
            let _ = writeln!(text, "  {one}");
        }
        text
    }
}

/// What a command does, in a line: `sql:update public.orders`.
fn does(facts: &Facts) -> String {
    let parts = facts.operations.iter().map(|operation| {
        let mut part = operation.action.to_string();
        if !operation.writes.is_empty() {
            let _ = write!(part, " {}", list_of(operation.writes.iter()));
        }
        if !operation.reads.is_empty() {
            let _ = write!(part, " reading {}", list_of(operation.reads.iter()));
        }
        if !operation.functions.is_empty() {
            let _ = write!(part, " calling {}", list_of(operation.functions.iter()));
        }
        part
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn list_of<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Requests as a table.
pub(crate) fn list(requests: &[RequestView], now: Timestamp) -> String {
    if requests.is_empty() {
        return "No requests.\n".into();
    }
    let rows = requests.iter().map(|request| {
        vec![
            request.id.to_string(),
            request.standing(),
            who(&request.requester),
            line(request.target.as_str()),
            relative(request.approval.created_at, now),
            relative(request.approval.expires_at, now),
        ]
    });
    table(&["REQUEST", "STANDING", "WHO", "TARGET", "ASKED", "ENDS"], rows)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use countersign_api::timestamp_to_wire;
    use countersign_common::approval::{Stage, Terms};
    use countersign_common::facts::{Action, Operation};
    use countersign_common::facts_basis::CatalogueStanding;
    use countersign_common::id::{RoleName, Subject};
    use countersign_common::principal::Kind;

    use super::*;

    /// What an honest control plane answers.
    fn honest() -> v1::GetApprovalResponse {
        let requester = Principal {
            subject: Subject::new("agent-7").unwrap(),
            kind: Kind::Agent,
            groups: BTreeSet::new(),
            on_behalf_of: Vec::new(),
        };
        let command = Command { form: "query".into(), text: "DELETE FROM t".into(), parameters: Vec::new() };
        let context = Context {
            target: TargetName::new("shop").unwrap(),
            generation: Digest::of(b"1"),
            role: RoleName::new("app").unwrap(),
            database: "shop".into(),
            settings: BTreeMap::new(),
            transaction: None,
            texts: Vec::new(),
        };
        let session = SessionId::from_u128(1);
        let basis = FactsBasis { catalogue: CatalogueStanding::Claimed, understated: false };
        let rendering = Rendering::of(&command, &context, &requester, Some(basis));
        let approval = Approval {
            id: ApprovalId::from_u128(2),
            revision: 1,
            digest: command::digest(&command, &context, &requester, session),
            rendering: rendering.digest,
            session,
            target: context.target.clone(),
            requester,
            terms: Terms {
                chains: vec!["default".parse().unwrap()],
                stages: vec![Stage { groups: ["dba".parse().unwrap()].into(), quorum: 1 }],
                timeout: Duration::from_secs(60),
                policies: Vec::new(),
                reason: "because".into(),
            },
            created_at: Timestamp::from_micros(1_000_000),
            expires_at: Timestamp::from_micros(61_000_000),
            decisions: Vec::new(),
            state: State::Pending { stage: 0 },
            evidence: Default::default(),
        };
        let facts = Facts { operations: vec![Operation::new(Action::Delete)], ..Facts::nothing() };
        v1::GetApprovalResponse {
            approval: Some(v1::ApprovalEntry {
                approval: Some((&approval).into()),
                change_time: Some(timestamp_to_wire(approval.created_at)),
                need: approval.need(),
                after_denial: None,
                details_bytes: 0,
                cannot_decide: None,
                environment: None,
                does: String::new(),
                archived: false,
            }),
            details: Some(v1::ApprovalDetails {
                command: Some((&command).into()),
                context: Some((&context).into()),
                facts: Some((&facts).into()),
                bundle_version: "0123456789abcdef".into(),
                locks_held: Vec::new(),
                rendering: rendering.text,
                facts_basis: Some(basis.into()),
                stated_facts: None,
            }),
        }
    }

    #[test]
    fn i2_same_a_control_plane_that_shows_one_command_and_asks_about_another_is_found_out() {
        assert!(RequestDetails::read(honest()).is_ok());
        let lies: [fn(&mut v1::ApprovalDetails); 6] = [
            |details| details.facts_basis = None,
            |details| {
                details.facts_basis.as_mut().unwrap().catalogue = v1::CatalogueStanding::Agreed.into();
            },
            |details| details.rendering = details.rendering.replace("DELETE", "SELECT"),
            |details| details.command.as_mut().unwrap().text = b"SELECT 1".to_vec(),
            |details| details.context.as_mut().unwrap().role = "reader".into(),
            |details| {
                // The text fits the command, but neither is what is asked about.
                details.command.as_mut().unwrap().text = b"SELECT 1".to_vec();
                details.rendering = details.rendering.replace("DELETE FROM t", "SELECT 1");
            },
        ];
        for (number, lie) in lies.into_iter().enumerate() {
            let mut answer = honest();
            lie(answer.details.as_mut().unwrap());
            let found = RequestDetails::read(answer).expect_err(&format!("lie {number}"));
            assert_eq!(found.exit(), Exit::Unsound);
        }
        let mut answer = honest();
        let approval = answer.approval.as_mut().unwrap().approval.as_mut().unwrap();
        approval.target = "staging".into();
        assert!(RequestDetails::read(answer).is_err());
    }
}
