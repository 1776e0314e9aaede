//! `SessionService`.

use std::sync::Arc;

use countersign_api::v1::session_service_server::SessionService;
use countersign_api::{duration, optional, parsed, required, timestamp_to_wire, v1};
use countersign_common::id::{SessionId, Subject, TargetName};
use tonic::{Request, Response, Status};

use super::auth::{admin, caller, is_admin_of};
use super::{page_size, status};
use crate::sessions::{Caller, IssueToken, Session, What};
use crate::{ControlPlane, Missing, SeenSession};

/// The service.
#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<ControlPlane>);

#[tonic::async_trait]
impl SessionService for Service {
    async fn issue_token(
        &self,
        request: Request<v1::IssueTokenRequest>,
    ) -> Result<Response<v1::IssueTokenResponse>, Status> {
        let caller = admin(&request, "issue tokens")?;
        let order = order(request.into_inner(), &caller).map_err(status::bad_field)?;
        let (subject, groups) = (order.principal.subject.clone(), order.principal.groups.clone());
        let issued = self.0.sessions().issue(order).await.map_err(|error| status::issue(&error))?;
        tracing::info!(token = %issued.id, %subject, ?groups, by = %caller.principal.subject, "token issued");
        Ok(Response::new(v1::IssueTokenResponse {
            token_id: issued.id.to_string(),
            token: issued.secret.expose().clone(),
            expire_time: Some(timestamp_to_wire(issued.expires_at)),
        }))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenResponse>, Status> {
        let caller = admin(&request, "revoke tokens")?;
        let request = request.into_inner();
        let token = parsed(&request.token_id, "token_id").map_err(status::bad_field)?;
        self.stop(&What::Token(token), &caller, &request.reason).await?;
        Ok(Response::new(v1::RevokeTokenResponse {}))
    }

    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let subject: Option<Subject> =
            optional(request.subject.as_deref(), "subject").map_err(status::bad_field)?;
        let target: Option<TargetName> =
            optional(request.target.as_deref(), "target").map_err(status::bad_field)?;
        let sessions = self.0.sessions();
        let wanted = |session: &Session| {
            may_see(&caller, session)
                && subject.as_ref().is_none_or(|subject| session.principal.involves(subject))
                && target.as_ref().is_none_or(|target| session.target == *target)
                && (request.include_ended || sessions.goes_on(session))
        };
        let found = sessions.list(page_size(request.page_size), wanted);
        let missing = missing(&self.0, &caller).await;
        Ok(Response::new(v1::ListSessionsResponse { sessions: found.iter().map(to_wire).collect(), missing }))
    }

    async fn get_session(
        &self,
        request: Request<v1::GetSessionRequest>,
    ) -> Result<Response<v1::GetSessionResponse>, Status> {
        let caller = caller(&request)?;
        let session = self.visible(&request.into_inner().id, &caller)?;
        Ok(Response::new(v1::GetSessionResponse { session: Some(to_wire(&session)) }))
    }

    async fn revoke_session(
        &self,
        request: Request<v1::RevokeSessionRequest>,
    ) -> Result<Response<v1::RevokeSessionResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let session = self.visible(&request.id, &caller)?;
        self.stop(&What::Session(session.id), &caller, &request.reason).await?;
        let session = self.0.sessions().get(session.id);
        Ok(Response::new(v1::RevokeSessionResponse { session: session.as_ref().map(to_wire) }))
    }

    async fn revoke_subject(
        &self,
        request: Request<v1::RevokeSubjectRequest>,
    ) -> Result<Response<v1::RevokeSubjectResponse>, Status> {
        let caller = admin(&request, "stop a subject")?;
        let request = request.into_inner();
        let subject = parsed(&request.subject, "subject").map_err(status::bad_field)?;
        self.stop(&What::Subject(subject), &caller, &request.reason).await?;
        Ok(Response::new(v1::RevokeSubjectResponse {}))
    }
}

impl Service {
    /// The session, if the caller may see it; else there is none.
    fn visible(&self, id: &str, caller: &Caller) -> Result<Session, Status> {
        let id: SessionId = parsed(id, "id").map_err(status::bad_field)?;
        let session = self.0.sessions().get(id).filter(|session| may_see(caller, session));
        session.ok_or_else(|| {
            Status::not_found(format!("there is no session {id}; `countersign sessions ls` lists yours"))
        })
    }

    async fn stop(&self, what: &What, caller: &Caller, reason: &str) -> Result<(), Status> {
        let by = &caller.principal.subject;
        self.0.revoke(what, by, reason).await.map_err(|error| status::stop(&error))?;
        tracing::info!(?what, %by, "access revoked");
        Ok(())
    }
}

/// What is to be issued.
fn order(request: v1::IssueTokenRequest, by: &Caller) -> Result<IssueToken, countersign_api::BadField> {
    Ok(IssueToken {
        principal: required(request.principal, "principal")?.try_into()?,
        ttl: duration(request.ttl, "ttl")?,
        target: optional(request.target.as_deref(), "target")?,
        issued_by: by.principal.subject.clone(),
        issuers: by.principal.chain().chain(&by.issuers).cloned().collect(),
    })
}

/// What is missing from the store, as far as the caller might have seen it there. A list is shown though that cannot be found out.
async fn missing(control: &ControlPlane, caller: &Caller) -> Vec<v1::MissingSession> {
    let missing = control.missing().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "it was not found out whether sessions are missing");
        Vec::new()
    });
    let sessions = missing.into_iter().filter_map(|missing| match missing {
        Missing::Session(session) => Some(session),
        Missing::Approval(_) => None,
    });
    let visible = sessions.filter(|one| {
        caller.reaches(&one.target)
            && (is_admin_of(caller, &one.target) || one.principal.contains(&caller.principal.subject))
    });
    let to_wire = |session: SeenSession| v1::MissingSession {
        id: session.id.to_string(),
        subject: session.principal.first().map(ToString::to_string).unwrap_or_default(),
        target: session.target.to_string(),
        open_time: Some(timestamp_to_wire(session.at)),
    };
    visible.map(to_wire).collect()
}

/// Everybody sees the sessions that are theirs or on their behalf; administrators see all.
fn may_see(caller: &Caller, session: &Session) -> bool {
    caller.reaches(&session.target)
        && (is_admin_of(caller, &session.target) || session.principal.involves(&caller.principal.subject))
}

/// A session on the wire.
pub(crate) fn to_wire(session: &Session) -> v1::Session {
    let revocation = session.revoked.as_ref().map(|mark| v1::Revocation {
        revoke_time: Some(timestamp_to_wire(mark.at)),
        by: mark.by.to_string(),
        reason: mark.reason.clone(),
    });
    v1::Session {
        id: session.id.to_string(),
        token_id: session.token.to_string(),
        principal: Some((&*session.principal).into()),
        target: session.target.to_string(),
        open_time: Some(timestamp_to_wire(session.opened_at)),
        expire_time: Some(timestamp_to_wire(session.expires_at)),
        revocation,
    }
}
