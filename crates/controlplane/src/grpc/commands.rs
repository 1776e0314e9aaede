//! `CommandService`.

use std::sync::Arc;

use countersign_api::v1::command_service_server::CommandService;
use countersign_api::{parsed, timestamp_to_wire, v1};
use tonic::{Request, Response, Status};

use super::auth::admin;
use super::{page_size, status};
use crate::ControlPlane;
use crate::audit::CommandSummary;

/// The service.
#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<ControlPlane>);

#[tonic::async_trait]
impl CommandService for Service {
    async fn list_commands(
        &self,
        request: Request<v1::ListCommandsRequest>,
    ) -> Result<Response<v1::ListCommandsResponse>, Status> {
        let caller = admin(&request, "read what sessions sent")?;
        let request = request.into_inner();
        let session = parsed(&request.session_id, "session_id").map_err(status::bad_field)?;
        let by = &caller.principal.subject;
        let commands = self.0.audit().commands(session, page_size(request.page_size), by).await;
        let commands = commands.map_err(|error| status::audit(&error))?;
        Ok(Response::new(v1::ListCommandsResponse { commands: commands.into_iter().map(to_wire).collect() }))
    }
}

pub(super) fn to_wire(command: CommandSummary) -> v1::CommandSummary {
    v1::CommandSummary {
        id: command.id.to_string(),
        begin_time: Some(timestamp_to_wire(command.began_at)),
        text: command.text,
        text_bytes: command.text_bytes,
        verdict: command.verdict,
        outcome: command.outcome,
        approval_id: command.approval.map(|id| id.to_string()),
    }
}
