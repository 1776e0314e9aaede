//! `ApprovalService`.

use std::sync::Arc;

use countersign_api::v1::approval_service_server::ApprovalService;
use countersign_api::{BadField, digest, optional, parsed, timestamp_to_wire, v1};
use countersign_common::approval::{Rejection, Vote};
use countersign_common::error::Report as _;
use countersign_common::id::{ApprovalId, GroupName, SessionId, Subject, TargetName};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status};

use super::auth::{caller, is_admin_of, may_look_back, may_see, may_settle};
use super::{commands, page_size, status, stopped};
use crate::approvals::{ApprovalChange, ApprovalError, Decide, Details, Snapshot};
use crate::sessions::Caller;
use crate::store::{Revision, StoreError};
use crate::{ControlPlane, Missing, SeenApproval};

/// The service.
#[derive(Debug)]
pub(super) struct Service {
    control: Arc<ControlPlane>,
    stop: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl ApprovalService for Service {
    async fn list_approvals(
        &self,
        request: Request<v1::ListApprovalsRequest>,
    ) -> Result<Response<v1::ListApprovalsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let wanted = Wanted::read(&request).map_err(status::bad_field)?;
        let wanted = |snapshot: &Snapshot| may_see(&caller, &snapshot.approval) && wanted.takes(snapshot);
        let limit = page_size(request.page_size);
        if request.archived {
            let found = self.control.history().approvals(limit, wanted).await;
            let found = found.map_err(|error| status::history(&error))?;
            let entry = |found: &Snapshot| archived_to_wire(&self.control, &caller, found);
            let approvals = found.iter().map(entry).collect();
            let (revision, missing) = (0, Vec::new());
            return Ok(Response::new(v1::ListApprovalsResponse { approvals, revision, missing }));
        }
        let (found, revision) = if request.states.is_empty() {
            let (going_on, revision) = self.control.approvals().list_going_on();
            let found = going_on.iter().rev().filter(|snapshot| wanted(snapshot)).take(limit);
            (found.map(|snapshot| to_wire(&self.control, &caller, snapshot)).collect(), revision)
        } else {
            let listed = self.control.approvals().list_all(limit, wanted).await;
            let (found, revision) = listed.map_err(|error| status::store(&error))?;
            (found.iter().map(|snapshot| to_wire(&self.control, &caller, snapshot)).collect(), revision)
        };
        let missing = missing(&self.control, &caller).await;
        Ok(Response::new(v1::ListApprovalsResponse { approvals: found, revision: revision.0, missing }))
    }

    async fn get_approval(
        &self,
        request: Request<v1::GetApprovalRequest>,
    ) -> Result<Response<v1::GetApprovalResponse>, Status> {
        let caller = caller(&request)?;
        let id = parsed(&request.into_inner().id, "id").map_err(status::bad_field)?;
        let (approval, details) = match self.at_hand(id, &caller).await {
            Err(ApprovalError::NotFound(_)) => self.archived(id, &caller).await?,
            found => found.map_err(|error| status::approval(&error))?,
        };
        let details = Some(details_to_wire(details));
        Ok(Response::new(v1::GetApprovalResponse { approval: Some(approval), details }))
    }

    type WatchApprovalsStream = BoxStream<'static, Result<v1::WatchApprovalsResponse, Status>>;

    async fn watch_approvals(
        &self,
        request: Request<v1::WatchApprovalsRequest>,
    ) -> Result<Response<Self::WatchApprovalsStream>, Status> {
        let caller = caller(&request)?;
        let approvals = self.control.approvals();
        let after = request.into_inner().after_revision;
        let after = after.map_or_else(|| approvals.list_going_on().1, Revision);
        let changes = approvals.watch_all(after).await.map_err(|error| status::store(&error))?;
        let control = Arc::clone(&self.control);
        let seen = changes.filter_map(move |change| {
            let answer = answer(&control, &caller, change);
            async move { answer }
        });
        // The first error is the last answer.
        let mut failed = false;
        let until_error = seen.take_while(move |answer| {
            let go_on = !failed;
            failed |= answer.is_err();
            async move { go_on }
        });
        Ok(Response::new(until_error.take_until(stopped(self.stop.clone())).boxed()))
    }

    async fn decide_approval(
        &self,
        request: Request<v1::DecideApprovalRequest>,
    ) -> Result<Response<v1::DecideApprovalResponse>, Status> {
        let caller = caller(&request)?;
        let decide = decision(request.into_inner(), &caller).map_err(status::bad_field)?;
        let id = self.visible_id(decide.id, &caller).await?.approval.id;
        self.control.approvals().decide(decide).await.map_err(|error| not_decided(&error, &caller))?;
        Ok(Response::new(v1::DecideApprovalResponse { approval: Some(self.after(id, &caller).await?) }))
    }

    async fn withdraw_approval(
        &self,
        request: Request<v1::WithdrawApprovalRequest>,
    ) -> Result<Response<v1::WithdrawApprovalResponse>, Status> {
        let caller = caller(&request)?;
        let approval = self.visible(&request.into_inner().id, &caller).await?.approval;
        if !approval.requester.involves(&caller.principal.subject) {
            return Err(Status::permission_denied(
                "only those who asked may withdraw a request; those who decide deny or revoke it",
            ));
        }
        let withdrawn = self.control.approvals().withdraw(approval.id, approval.session).await;
        withdrawn.map_err(|error| status::approval(&error))?;
        Ok(Response::new(v1::WithdrawApprovalResponse {
            approval: Some(self.after(approval.id, &caller).await?),
        }))
    }

    async fn revoke_approval(
        &self,
        request: Request<v1::RevokeApprovalRequest>,
    ) -> Result<Response<v1::RevokeApprovalResponse>, Status> {
        let caller = caller(&request)?;
        let id = self.to_settle(&request.into_inner().id, &caller).await?;
        let revoked = self.control.approvals().revoke(id, caller.principal.subject.clone()).await;
        revoked.map_err(|error| status::approval(&error))?;
        Ok(Response::new(v1::RevokeApprovalResponse { approval: Some(self.after(id, &caller).await?) }))
    }

    async fn list_earlier_commands(
        &self,
        request: Request<v1::ListEarlierCommandsRequest>,
    ) -> Result<Response<v1::ListEarlierCommandsResponse>, Status> {
        let caller = caller(&request)?;
        let v1::ListEarlierCommandsRequest { id, page_size } = request.into_inner();
        let approval = self.visible(&id, &caller).await?.approval;
        if !may_look_back(&caller, &approval) {
            return Err(Status::permission_denied(
                "only people of the approval's chain or of the group `admin` may see what its session sent before",
            ));
        }
        let (limit, by) = (super::page_size(page_size), &caller.principal.subject);
        let commands = self.control.audit().commands_before(&approval, limit, by).await;
        let commands = commands.map_err(|error| status::audit(&error))?.into_iter().map(commands::to_wire);
        Ok(Response::new(v1::ListEarlierCommandsResponse { commands: commands.collect() }))
    }

    async fn resolve_approval(
        &self,
        request: Request<v1::ResolveApprovalRequest>,
    ) -> Result<Response<v1::ResolveApprovalResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let ran = match request.ran() {
            v1::CommandRan::Yes => true,
            v1::CommandRan::No => false,
            v1::CommandRan::Unspecified => {
                return Err(status::bad_field(BadField::Missing { field: "ran" }));
            }
        };
        if request.reason.is_empty() {
            return Err(status::bad_field(BadField::Missing { field: "reason" }));
        }
        let id = self.to_settle(&request.id, &caller).await?;
        let by = &caller.principal.subject;
        let resolved = self.control.approvals().resolve(id, ran, by, &request.reason).await;
        resolved.map_err(|error| status::approval(&error))?;
        Ok(Response::new(v1::ResolveApprovalResponse { approval: Some(self.after(id, &caller).await?) }))
    }
}

impl Service {
    pub(super) fn new(control: Arc<ControlPlane>, stop: watch::Receiver<bool>) -> Self {
        Self { control, stop }
    }

    async fn visible(&self, id: &str, caller: &Caller) -> Result<Snapshot, Status> {
        self.visible_id(parsed(id, "id").map_err(status::bad_field)?, caller).await
    }

    /// The approval, if the caller may see it; else there is none.
    async fn visible_id(&self, id: ApprovalId, caller: &Caller) -> Result<Snapshot, Status> {
        let snapshot = match self.control.approvals().get(id).await {
            Err(ApprovalError::NotFound(_)) => return Err(self.ended_long_ago(id, caller).await),
            found => found.map_err(|error| status::approval(&error))?,
        };
        if may_see(caller, &snapshot.approval) {
            return Ok(snapshot);
        }
        Err(status::approval(&ApprovalError::NotFound(id)))
    }

    /// Why nothing can be done about an approval that the store does not have.
    async fn ended_long_ago(&self, id: ApprovalId, caller: &Caller) -> Status {
        match self.archived(id, caller).await {
            Ok(_) => Status::failed_precondition(format!("{id} ended long ago: it is in the archive")),
            Err(status) => status,
        }
    }

    /// What the store has of it, if the caller may see it.
    async fn at_hand(
        &self,
        id: ApprovalId,
        caller: &Caller,
    ) -> Result<(v1::ApprovalEntry, Details), ApprovalError> {
        let snapshot = self.control.approvals().get(id).await?;
        if !may_see(caller, &snapshot.approval) {
            return Err(ApprovalError::NotFound(id));
        }
        match self.control.approvals().details(id).await {
            Ok(details) => Ok((to_wire(&self.control, caller, &snapshot), details)),
            // It may have gone to the archive in between.
            Err(_) if self.control.approvals().get(id).await.is_err() => Err(ApprovalError::NotFound(id)),
            Err(error) => Err(error),
        }
    }

    /// What the archive has of it, if the caller may see it.
    async fn archived(
        &self,
        id: ApprovalId,
        caller: &Caller,
    ) -> Result<(v1::ApprovalEntry, Details), Status> {
        let found = self.control.history().approval(id).await.map_err(|error| status::history(&error))?;
        let found = found.filter(|found| may_see(caller, &found.snapshot.approval));
        let found = found.ok_or_else(|| status::approval(&ApprovalError::NotFound(id)))?;
        Ok((archived_to_wire(&self.control, caller, &found.snapshot), found.details))
    }

    /// The approval, if the caller may take it back or settle its doubt.
    async fn to_settle(&self, id: &str, caller: &Caller) -> Result<ApprovalId, Status> {
        let approval = self.visible(id, caller).await?.approval;
        if may_settle(caller, &approval) {
            return Ok(approval.id);
        }
        Err(Status::permission_denied(
            "only people of the approval's chain or of the group `admin`, and nobody who asked for the command, \
             may revoke its approval or say whether it ran",
        ))
    }

    async fn after(&self, id: ApprovalId, caller: &Caller) -> Result<v1::ApprovalEntry, Status> {
        let snapshot = self.control.approvals().get(id).await.map_err(|error| status::approval(&error))?;
        Ok(to_wire(&self.control, caller, &snapshot))
    }
}

/// What a watcher is told of a change; nothing when it may not see it.
fn answer(
    control: &ControlPlane,
    caller: &Caller,
    change: Result<ApprovalChange, StoreError>,
) -> Option<Result<v1::WatchApprovalsResponse, Status>> {
    // A stream outlives calls: a revoked token ends it.
    if let Err(error) = control.sessions().still_accepted(caller) {
        return Some(Err(status::refused(&error)));
    }
    match change {
        Err(error) => Some(Err(status::store(&error))),
        Ok(change) if may_see(caller, &change.snapshot.approval) => Some(Ok(v1::WatchApprovalsResponse {
            revision: change.revision.0,
            approval: Some(to_wire(control, caller, &change.snapshot)),
        })),
        Ok(_) => None,
    }
}

/// Why a decision does not count; who lacks a group is told which ones they are in.
fn not_decided(error: &ApprovalError, caller: &Caller) -> Status {
    match error {
        ApprovalError::Rejected(rejection @ Rejection::NotEligible { .. }) => {
            status::with_code(Code::PermissionDenied, error.code(), &why_not(rejection, caller))
        }
        _ => status::approval(error),
    }
}

/// Why the caller cannot decide.
fn why_not(rejection: &Rejection, caller: &Caller) -> String {
    if !matches!(rejection, Rejection::NotEligible { .. }) {
        return rejection.to_string();
    }
    let groups: Vec<_> = caller.principal.groups.iter().map(GroupName::as_str).collect();
    let groups = if groups.is_empty() { "no group".into() } else { groups.join(", ") };
    format!("{rejection}; your token is in {groups}")
}

/// What the caller decides.
fn decision(request: v1::DecideApprovalRequest, caller: &Caller) -> Result<Decide, BadField> {
    let vote: Vote = request.vote().try_into()?;
    let reason = request.reason.filter(|reason| !reason.trim().is_empty());
    if vote == Vote::Deny && reason.is_none() {
        // The client is told why, so that it does not try its luck again.
        return Err(BadField::Missing { field: "reason" });
    }
    Ok(Decide {
        id: parsed(&request.id, "id")?,
        by: (*caller.principal).clone(),
        vote,
        reason,
        method: "token".into(),
        rendering: digest(&request.rendering_digest, "rendering_digest")?,
        issuers: caller.issuers.clone(),
        only_target: caller.target.clone(),
    })
}

/// Which requests a caller wants to see.
struct Wanted {
    states: Vec<v1::ApprovalState>,
    session: Option<SessionId>,
    target: Option<TargetName>,
    subject: Option<Subject>,
}

impl Wanted {
    fn read(request: &v1::ListApprovalsRequest) -> Result<Self, BadField> {
        Ok(Self {
            states: request.states().collect(),
            session: optional(request.session_id.as_deref(), "session_id")?,
            target: optional(request.target.as_deref(), "target")?,
            subject: optional(request.subject.as_deref(), "subject")?,
        })
    }

    fn takes(&self, snapshot: &Snapshot) -> bool {
        let approval = &snapshot.approval;
        (self.states.is_empty() || self.states.contains(&(&approval.state).into()))
            && self.session.is_none_or(|session| approval.session == session)
            && self.target.as_ref().is_none_or(|target| approval.target == *target)
            && self.subject.as_ref().is_none_or(|subject| approval.requester.involves(subject))
    }
}

/// An approval as this caller sees it.
fn to_wire(control: &ControlPlane, caller: &Caller, snapshot: &Snapshot) -> v1::ApprovalEntry {
    let approval = &snapshot.approval;
    let may_decide = control.approvals().may_decide(approval, caller);
    let bundle = control.bundles().current();
    let environment = bundle.and_then(|bundle| bundle.judge.environment(&approval.target));
    v1::ApprovalEntry {
        approval: Some(approval.into()),
        change_time: Some(timestamp_to_wire(snapshot.changed_at)),
        need: approval.need(),
        after_denial: snapshot.after_denial.map(|id| id.to_string()),
        details_bytes: snapshot.details_bytes as u64,
        cannot_decide: may_decide.err().map(|rejection| why_not(&rejection, caller)),
        environment: environment.map(|environment| environment.to_string()),
        does: snapshot.does.clone(),
        archived: false,
    }
}

fn archived_to_wire(control: &ControlPlane, caller: &Caller, snapshot: &Snapshot) -> v1::ApprovalEntry {
    v1::ApprovalEntry { archived: true, ..to_wire(control, caller, snapshot) }
}

fn details_to_wire(details: Details) -> v1::ApprovalDetails {
    v1::ApprovalDetails {
        command: Some((&details.command).into()),
        context: Some((&details.context).into()),
        facts: Some((&details.facts).into()),
        bundle_version: details.bundle.to_string(),
        locks_held: details.locks_held,
        rendering: details.rendering,
        facts_basis: details.basis.map(Into::into),
        stated_facts: details.stated.as_ref().map(Into::into),
    }
}

/// What is missing from the store, as far as the caller might have seen it there. A list is shown though that cannot be found out.
async fn missing(control: &ControlPlane, caller: &Caller) -> Vec<v1::MissingApproval> {
    let missing = control.missing().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "it was not found out whether approvals are missing");
        Vec::new()
    });
    let approvals = missing.into_iter().filter_map(|missing| match missing {
        Missing::Approval(approval) => Some(approval),
        Missing::Session(_) => None,
    });
    let visible = approvals.filter(|approval| {
        caller.reaches(&approval.target)
            && (is_admin_of(caller, &approval.target)
                || approval.requester.contains(&caller.principal.subject)
                || approval.groups.iter().any(|group| caller.principal.groups.contains(group)))
    });
    let to_wire = |approval: SeenApproval| v1::MissingApproval {
        id: approval.id.to_string(),
        session_id: approval.session.to_string(),
        target: approval.target.to_string(),
        subject: approval.requester.first().map(ToString::to_string).unwrap_or_default(),
        create_time: Some(timestamp_to_wire(approval.at)),
    };
    visible.map(to_wire).collect()
}
