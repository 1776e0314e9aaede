//! `AuditService`.

use std::sync::Arc;

use countersign_api::v1::audit_service_server::AuditService;
use countersign_api::{optional, parsed, timestamp_to_wire, v1};
use countersign_recording::{LogHead, Reached, Verdict};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::auth::admin;
use super::{page_size, status};
use crate::ControlPlane;
use crate::audit::{AuditEvent, Looked, Recording, Verification};

/// The metadata of an answer that names the nodes whose newest part is not in it.
const SILENT_NODES: &str = "countersign-silent-nodes";

/// The service.
#[derive(Debug)]
pub(super) struct Service(pub(super) Arc<ControlPlane>);

#[tonic::async_trait]
impl AuditService for Service {
    async fn list_recordings(
        &self,
        request: Request<v1::ListRecordingsRequest>,
    ) -> Result<Response<v1::ListRecordingsResponse>, Status> {
        let caller = admin(&request, "list recordings")?;
        let limit = page_size(request.into_inner().page_size);
        let listed = self.0.audit().list(limit, &caller.principal.subject).await;
        let recordings = listed.map_err(|error| status::audit(&error))?;
        Ok(Response::new(v1::ListRecordingsResponse {
            recordings: recordings.iter().map(recording_to_wire).collect(),
        }))
    }

    type GetSessionRecordingStream = BoxStream<'static, Result<v1::GetSessionRecordingResponse, Status>>;

    async fn get_session_recording(
        &self,
        request: Request<v1::GetSessionRecordingRequest>,
    ) -> Result<Response<Self::GetSessionRecordingStream>, Status> {
        let caller = admin(&request, "read recordings")?;
        let session = parsed(&request.into_inner().session_id, "session_id").map_err(status::bad_field)?;
        let read = self.0.audit().read(session, &caller.principal.subject).await;
        let (records, gathered) = read.map_err(|error| status::audit(&error))?;
        let records = records.map(|record| {
            record
                .map(|record| v1::GetSessionRecordingResponse { record })
                .map_err(|error| status::archive(&error))
        });
        // A drain lets it come to its end, or breaks the connection: never a cut that looks like an end.
        Ok(naming(gathered.names(), records.boxed()))
    }

    async fn verify_session(
        &self,
        request: Request<v1::VerifySessionRequest>,
    ) -> Result<Response<v1::VerifySessionResponse>, Status> {
        let caller = admin(&request, "verify recordings")?;
        let session =
            optional(request.into_inner().session_id.as_deref(), "session_id").map_err(status::bad_field)?;
        let verified = self.0.audit().verify(session, self.0.history(), &caller.principal.subject).await;
        let (verified, gathered) = verified.map_err(|error| status::audit(&error))?;
        Ok(naming(gathered.names(), verification_to_wire(verified)))
    }

    async fn list_audit_events(
        &self,
        request: Request<v1::ListAuditEventsRequest>,
    ) -> Result<Response<v1::ListAuditEventsResponse>, Status> {
        admin(&request, "see who looked at recordings")?;
        let events = self.0.audit().events(page_size(request.into_inner().page_size)).await;
        let events = events.map_err(|error| status::store(&error))?;
        Ok(Response::new(v1::ListAuditEventsResponse { events: events.iter().map(event_to_wire).collect() }))
    }
}

/// With the names of nodes whose newest part is missing, in the metadata: an answer is never a part as if it were the whole.
fn naming<T>(silent: Vec<String>, answer: T) -> Response<T> {
    let mut response = Response::new(answer);
    if let Ok(names) = silent.join(", ").parse()
        && !silent.is_empty()
    {
        response.metadata_mut().insert(SILENT_NODES, names);
    }
    response
}

fn verification_to_wire(found: Verification) -> v1::VerifySessionResponse {
    let Verification { records, verdict, faults, logs, notes, recorded: _ } = found;
    let verdict = match verdict {
        Verdict::Whole => v1::Verdict::Whole,
        Verdict::Consistent => v1::Verdict::Consistent,
        Verdict::Broken => v1::Verdict::Broken,
    };
    let logs = logs.iter().map(head_to_wire).collect();
    v1::VerifySessionResponse { records, faults, verdict: verdict.into(), logs, notes }
}

fn head_to_wire(head: &LogHead) -> v1::VerifiedLog {
    let reached = |reached: &Reached| v1::ReachedCheckpoint {
        number: reached.checkpoint,
        sign_time: Some(timestamp_to_wire(reached.at)),
    };
    v1::VerifiedLog {
        log: head.log.clone(),
        newest: head.newest.as_ref().map(reached),
        anchored: head.anchored.as_ref().map(reached),
        ahead: head.ahead.as_ref().map(reached),
        uncovered_lines: head.uncovered_lines,
    }
}

fn recording_to_wire(recording: &Recording) -> v1::Recording {
    v1::Recording {
        session_id: recording.session.to_string(),
        principal: Some((&recording.principal).into()),
        start_time: Some(timestamp_to_wire(recording.started_at)),
        records: recording.records,
        open: recording.open,
    }
}

fn event_to_wire(event: &AuditEvent) -> v1::AuditEvent {
    let action = match event.action {
        Looked::Listed => v1::AuditAction::Listed,
        Looked::Read => v1::AuditAction::Read,
        Looked::Verified => v1::AuditAction::Verified,
        Looked::RevokedGateway => v1::AuditAction::RevokedGateway,
        Looked::RevokedJoinToken => v1::AuditAction::RevokedJoinToken,
        Looked::AcceptedLoss => v1::AuditAction::AcceptedLoss,
        Looked::GatewayDiffers => v1::AuditAction::GatewayDiffers,
    };
    v1::AuditEvent {
        look_time: Some(timestamp_to_wire(event.at)),
        by: event.by.to_string(),
        action: action.into(),
        session_id: event.session.map(|id| id.to_string()),
        about: event.about.clone(),
        reason: event.reason.clone(),
    }
}
