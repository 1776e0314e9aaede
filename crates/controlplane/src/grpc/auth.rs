//! Who calls: a bearer token in the metadata, looked up in memory. Every service but health and
//! reflection stands behind it.

use std::sync::Arc;

use countersign_common::Secret;
use countersign_common::approval::Approval;
use countersign_common::id::{Subject, TargetName};
use countersign_common::principal::Kind;
use countersign_common::visible::on_one_line;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::status::refused;
use crate::ADMIN;
use crate::sessions::{Caller, Sessions};

/// The metadata key, and what stands before the token.
const HEADER: &str = "authorization";
const SCHEME: &str = "bearer ";

/// Lets only calls with an accepted token pass, and tells the services whose it is.
#[derive(Debug, Clone)]
pub(super) struct Authenticate(Arc<Sessions>);

impl Authenticate {
    pub(super) fn new(sessions: Arc<Sessions>) -> Self {
        Self(sessions)
    }
}

impl Interceptor for Authenticate {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let header = request.metadata().get(HEADER).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| {
            let scheme = value.get(..SCHEME.len())?;
            scheme.eq_ignore_ascii_case(SCHEME).then(|| value.get(SCHEME.len()..))?
        });
        let token = token.ok_or_else(|| {
            Status::unauthenticated(
                "no token; send `authorization: Bearer cst_…`; an administrator issues one with `countersign token issue`",
            )
        })?;
        let caller = self.0.authenticate(&Secret::new(token.trim().to_owned())).map_err(|error| {
            tracing::info!(%error, "a call was refused");
            refused(&error)
        })?;
        // The token goes no further than here.
        request.metadata_mut().remove(HEADER);
        request.extensions_mut().insert(caller);
        Ok(request)
    }
}

/// Who calls. Missing only if a service were mounted without [`Authenticate`]: refused then.
pub(super) fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::unauthenticated("the call was not authenticated"))
}

/// Whether the caller runs the control plane. A token for one target runs nothing that is not that target's.
fn is_admin(caller: &Caller) -> bool {
    caller.administers && caller.target.is_none()
}

/// Whether the caller administers this target.
pub(super) fn is_admin_of(caller: &Caller, target: &TargetName) -> bool {
    caller.administers && caller.reaches(target)
}

/// The caller, if it is in that group.
pub(super) fn admin<T>(request: &Request<T>, to_do: &str) -> Result<Caller, Status> {
    let caller = caller(request)?;
    if is_admin(&caller) {
        return Ok(caller);
    }
    Err(Status::permission_denied(why_no_admin(&caller, to_do)))
}

fn why_no_admin(caller: &Caller, to_do: &str) -> String {
    let subject = on_one_line(caller.principal.subject.as_str());
    if let Some(target) = caller.target.as_ref().filter(|_| caller.administers) {
        return format!("the token is for target `{target}` only; to {to_do} takes one without `--target`");
    }
    if !caller.principal.groups.iter().any(|group| group.as_str() == ADMIN) {
        return format!(
            "only members of the group `{ADMIN}` may {to_do}; `{subject}` is not one: ask for a token with `--group {ADMIN}`"
        );
    }
    match caller.principal.kind {
        Kind::Service => format!(
            "service `{subject}` is not trusted to {to_do}; name it under `administrators: {{ services: [..] }}` in the control plane's configuration"
        ),
        Kind::Agent | Kind::Human => {
            format!("`{subject}` is an agent, and no agent may {to_do}, whatever its groups: ask a person")
        }
    }
}

/// Whether the caller decides in any stage of this approval.
pub(super) fn is_of_the_chain(caller: &Caller, approval: &Approval) -> bool {
    let mut groups = approval.terms.stages.iter().flat_map(|stage| &stage.groups);
    caller.principal.kind == Kind::Human
        && caller.reaches(&approval.target)
        && groups.any(|group| caller.principal.groups.contains(group))
}

fn is_asked_by(approval: &Approval, subject: &Subject) -> bool {
    approval.requester.chain().any(|one| one.passes_for(subject))
}

/// Whether the caller may see what the session of this approval sent before: those who decide, and the administrators.
pub(super) fn may_look_back(caller: &Caller, approval: &Approval) -> bool {
    is_of_the_chain(caller, approval) || is_admin_of(caller, &approval.target)
}

/// Whether the caller may see this approval: those who asked, those who decide, and the administrators.
pub(super) fn may_see(caller: &Caller, approval: &Approval) -> bool {
    caller.reaches(&approval.target)
        && (approval.requester.involves(&caller.principal.subject) || may_look_back(caller, approval))
}

/// Whether the caller may say what became of this approval's command, or take the approval back: people
/// of the chain and administrators, but nobody who is in the requester's own chain, or calls with a token that somebody in
/// it has issued (I4).
pub(super) fn may_settle(caller: &Caller, approval: &Approval) -> bool {
    caller.principal.kind == Kind::Human
        && may_look_back(caller, approval)
        && !caller.principal.chain().chain(&caller.issuers).any(|one| is_asked_by(approval, one))
}
