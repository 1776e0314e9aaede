//! The services end to end: a real server on a free port, a real client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::approval_service_client::ApprovalServiceClient;
use countersign_api::v1::audit_service_client::AuditServiceClient;
use countersign_api::v1::bundle_service_client::BundleServiceClient;
use countersign_api::v1::session_service_client::SessionServiceClient;
use countersign_common::approval::Approval;
use countersign_common::{Principal, Secret, rendering};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::ServeError;
use crate::testing::{Scratch, agent, human};

mod browser;
mod matrix;

struct Served {
    scratch: Scratch,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: JoinHandle<Result<(), ServeError>>,
}

type Authed = InterceptedService<Channel, Bearer>;

/// Sends a token with every call.
#[derive(Clone)]
struct Bearer(Secret<String>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = MetadataValue::try_from(format!("Bearer {}", self.0.expose())).unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

impl Served {
    async fn new() -> Self {
        let scratch = Scratch::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let control = Arc::clone(&scratch.control);
        let server = tokio::spawn(super::serve(
            control,
            None,
            super::Site::plain(),
            TcpListenerStream::new(listener),
            stopped,
        ));
        Self { scratch, address, stop, server }
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    async fn operator(&self) -> Secret<String> {
        let text = tokio::fs::read_to_string(self.scratch.control.operator_token()).await.unwrap();
        Secret::new(text.trim().to_owned())
    }

    async fn token(&self, who: &Principal) -> Bearer {
        Bearer(self.scratch.token(who).await)
    }

    async fn approvals(&self, who: &Principal) -> ApprovalServiceClient<Authed> {
        ApprovalServiceClient::with_interceptor(self.channel().await, self.token(who).await)
            .max_decoding_message_size(super::ANSWER_BYTES_MAX)
    }
}

fn decide(id: &str, vote: v1::Vote, shown: &str) -> v1::DecideApprovalRequest {
    v1::DecideApprovalRequest {
        id: id.to_owned(),
        vote: vote.into(),
        reason: Some("looks right".into()),
        rendering_digest: rendering::digest(shown).as_bytes().to_vec(),
    }
}

fn get(id: &str) -> v1::GetApprovalRequest {
    v1::GetApprovalRequest { id: id.to_owned() }
}

#[tokio::test]
async fn an_approver_lists_reads_and_approves() {
    let served = Served::new().await;
    let session = served.scratch.session(&agent()).await;
    let held = served.scratch.hold(&session, "DELETE FROM carts").await;
    let mut bob = served.approvals(&human("bob", &["dba"])).await;
    let listed = bob.list_approvals(v1::ListApprovalsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.approvals.len(), 1);
    let id = held.approval.id.to_string();
    let got = bob.get_approval(get(&id)).await.unwrap().into_inner();
    let details = got.details.unwrap();
    assert_eq!(details.command.unwrap().text, b"DELETE FROM carts");
    let entry = got.approval.unwrap();
    assert_eq!(Approval::try_from(entry.approval.unwrap()).unwrap(), held.approval);
    assert_eq!(entry.need, "0 of 1 (dba)");
    let decided = bob.decide_approval(decide(&id, v1::Vote::Approve, &details.rendering)).await.unwrap();
    let entry = decided.into_inner().approval.unwrap();
    let approval = Approval::try_from(entry.approval.unwrap()).unwrap();
    assert_eq!((approval.state.as_str(), approval.decisions.len()), ("approved", 1));
    assert_eq!(approval.decisions[0].approver.as_str(), "bob");
}

#[tokio::test]
async fn i4_separate_self_approval_is_refused_over_the_wire_too() {
    let served = Served::new().await;
    let session = served.scratch.session(&agent()).await;
    let held = served.scratch.hold(&session, "DELETE FROM carts").await;
    let id = held.approval.id.to_string();
    let shown = served.scratch.control.approvals().details(held.approval.id).await.unwrap().rendering;
    for own in [human("alice", &["dba"]), human("agent-7", &["dba"]), agent()] {
        let mut client = served.approvals(&own).await;
        let refused = client.decide_approval(decide(&id, v1::Vote::Approve, &shown)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
        assert!(refused.message().contains("asked for this command"), "{refused}");
        assert_eq!(refused.metadata().get("countersign-code").unwrap(), "CS0011");
    }
    // The operator runs the control plane; that makes nobody an approver.
    let bearer = Bearer(served.operator().await);
    let mut operator = ApprovalServiceClient::with_interceptor(served.channel().await, bearer);
    let refused = operator.decide_approval(decide(&id, v1::Vote::Approve, &shown)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("(dba)"), "{refused}");
}

#[tokio::test]
async fn who_has_nothing_to_do_with_a_request_does_not_see_it() {
    let served = Served::new().await;
    let session = served.scratch.session(&agent()).await;
    let held = served.scratch.hold(&session, "DELETE FROM carts").await;
    let mut mallory = served.approvals(&human("mallory", &["sales"])).await;
    let listed = mallory.list_approvals(v1::ListApprovalsRequest::default()).await.unwrap().into_inner();
    assert!(listed.approvals.is_empty());
    let id = held.approval.id.to_string();
    assert_eq!(mallory.get_approval(get(&id)).await.unwrap_err().code(), Code::NotFound);
    let refused = mallory.decide_approval(decide(&id, v1::Vote::Approve, "guessed")).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn a_decision_on_another_text_or_without_its_fields_is_refused() {
    let served = Served::new().await;
    let session = served.scratch.session(&agent()).await;
    let id = served.scratch.hold(&session, "DELETE FROM carts").await.approval.id.to_string();
    let mut bob = served.approvals(&human("bob", &["dba"])).await;
    let refused = bob.decide_approval(decide(&id, v1::Vote::Approve, "SELECT 1")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let complete = decide(&id, v1::Vote::Deny, "x");
    let incomplete = [
        ("id", v1::DecideApprovalRequest { id: String::new(), ..complete.clone() }),
        ("vote", v1::DecideApprovalRequest { vote: 0, ..complete.clone() }),
        ("reason", v1::DecideApprovalRequest { reason: None, ..complete.clone() }),
        ("rendering_digest", v1::DecideApprovalRequest { rendering_digest: Vec::new(), ..complete }),
    ];
    for (field, request) in incomplete {
        let refused = bob.decide_approval(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(&format!("`{field}` is missing")), "{refused}");
    }
}

#[tokio::test]
async fn calls_without_an_accepted_token_are_refused_alike() {
    let served = Served::new().await;
    let mut nobody = ApprovalServiceClient::new(served.channel().await);
    let refused = nobody.list_approvals(v1::ListApprovalsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let wrong = Bearer(Secret::new("cst_0000".into()));
    let mut wrong = SessionServiceClient::with_interceptor(served.channel().await, wrong);
    let refused = wrong.list_sessions(v1::ListSessionsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut agent = SessionServiceClient::with_interceptor(
        served.channel().await,
        served.token(&crate::testing::agent()).await,
    );
    let order = v1::IssueTokenRequest::default();
    let refused = agent.issue_token(order).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn the_operator_issues_a_token_and_stops_its_session() {
    let served = Served::new().await;
    let bearer = Bearer(served.operator().await);
    let mut operator = SessionServiceClient::with_interceptor(served.channel().await, bearer);
    let ttl = Some(prost_types::Duration { seconds: 3600, nanos: 0 });
    let order =
        v1::IssueTokenRequest { principal: Some((&agent()).into()), ttl, target: Some("shop".into()) };
    let missing = v1::IssueTokenRequest { ttl: None, ..order.clone() };
    let refused = operator.issue_token(missing).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, "`ttl` is missing"));
    let issued = operator.issue_token(order).await.unwrap().into_inner();
    let sessions = served.scratch.control.sessions();
    let token = Secret::new(issued.token);
    let session = sessions.open_session(&token, &crate::testing::target("shop")).await.unwrap();
    let held = served.scratch.hold(&session, "DELETE FROM carts").await;
    let listed = operator.list_sessions(v1::ListSessionsRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.sessions.len(), 1);
    let (id, reason) = (session.id.to_string(), String::from("odd"));
    let ended = operator.revoke_session(v1::RevokeSessionRequest { id, reason }).await.unwrap().into_inner();
    assert_eq!(ended.session.unwrap().revocation.unwrap().by, "operator");
    assert!(sessions.check(session.id).is_err());
    let approval = served.scratch.control.approvals().get(held.approval.id).await.unwrap().approval;
    assert_eq!(approval.state.as_str(), "revoked");
}

#[tokio::test]
async fn a_watch_resumes_from_a_revision_and_ends_with_its_token() {
    let served = Served::new().await;
    let session = served.scratch.session(&agent()).await;
    let bob = human("bob", &["dba"]);
    let issued = served.scratch.control.sessions().issue(crate::testing::order(&bob)).await.unwrap();
    let bearer = Bearer(issued.secret);
    let mut client = ApprovalServiceClient::with_interceptor(served.channel().await, bearer);
    let listed = client.list_approvals(v1::ListApprovalsRequest::default()).await.unwrap().into_inner();
    let from = |revision| v1::WatchApprovalsRequest { after_revision: Some(revision) };
    let first = served.scratch.hold(&session, "first").await;
    let mut changes = client.watch_approvals(from(listed.revision)).await.unwrap().into_inner();
    let change = changes.message().await.unwrap().unwrap();
    let id = |change: &v1::WatchApprovalsResponse| {
        change.approval.as_ref().unwrap().approval.as_ref().unwrap().id.clone()
    };
    assert_eq!(id(&change), first.approval.id.to_string());
    drop(changes);
    let second = served.scratch.hold(&session, "second").await;
    let mut changes = client.watch_approvals(from(change.revision)).await.unwrap().into_inner();
    assert_eq!(id(&changes.message().await.unwrap().unwrap()), second.approval.id.to_string());
    let what = crate::sessions::What::Token(issued.id);
    served.scratch.control.revoke(&what, &bob.subject, "lost").await.unwrap();
    served.scratch.hold(&session, "third").await;
    assert_eq!(changes.message().await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn bundles_are_checked_and_applied_by_administrators() {
    let served = Served::new().await;
    let bearer = Bearer(served.operator().await);
    let mut operator = BundleServiceClient::with_interceptor(served.channel().await, bearer);
    let bundle = |policy| Some(v1::BundleFiles { files: crate::testing::bundle(policy) });
    let before = operator.get_bundle(v1::GetBundleRequest {}).await.unwrap().into_inner();
    let broken = v1::CheckBundleRequest { bundle: bundle("nonsense") };
    let checked = operator.check_bundle(broken).await.unwrap().into_inner();
    assert_eq!((checked.version, checked.faults[0].line), (None, 1));
    let broken = v1::ApplyBundleRequest { bundle: bundle("nonsense"), if_version: None };
    let refused = operator.apply_bundle(broken).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("policy:1:1: `nonsense` is no policy"), "{refused}");
    let after = operator.get_bundle(v1::GetBundleRequest {}).await.unwrap().into_inner();
    assert_eq!(after, before, "the old one stays");
    let better = v1::ApplyBundleRequest { bundle: bundle("allow"), if_version: None };
    for elsewhere in ["", "v0"] {
        let on = v1::ApplyBundleRequest { if_version: Some(elsewhere.into()), ..better.clone() };
        let refused = operator.apply_bundle(on).await.unwrap_err();
        assert_eq!(refused.code(), Code::Aborted, "{refused}");
        assert!(refused.message().contains(&before.version), "{refused}");
    }
    assert_eq!(operator.get_bundle(v1::GetBundleRequest {}).await.unwrap().into_inner(), before);
    let on = v1::ApplyBundleRequest { if_version: Some(before.version.clone()), ..better };
    let applied = operator.apply_bundle(on).await.unwrap().into_inner();
    drop(operator);
    served.stop.send(true).unwrap();
    served.server.await.unwrap().unwrap();
    let scratch = served.scratch.restart().await;
    let current = scratch.control.bundles().current().unwrap();
    assert_eq!(current.version.as_str(), applied.version, "it lasts");
}

#[tokio::test]
async fn every_look_at_a_recording_is_recorded() {
    let served = Served::new().await;
    let session = served.scratch.session(&agent()).await;
    let bearer = Bearer(served.operator().await);
    let mut operator = AuditServiceClient::with_interceptor(served.channel().await, bearer);
    let look = v1::GetSessionRecordingRequest { session_id: session.id.to_string() };
    let mut records = operator.get_session_recording(look.clone()).await.unwrap().into_inner();
    let mut count = 0;
    while records.message().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 2);
    let events =
        operator.list_audit_events(v1::ListAuditEventsRequest::default()).await.unwrap().into_inner();
    let [event] = events.events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.by.as_str(), event.action()), ("operator", v1::AuditAction::Read));
    assert_eq!(event.session_id, Some(session.id.to_string()));
    let mut bob = AuditServiceClient::with_interceptor(
        served.channel().await,
        served.token(&human("bob", &["dba"])).await,
    );
    assert_eq!(bob.get_session_recording(look).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn health_and_reflection_need_no_token() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let served = Served::new().await;
    for service in ["", "countersign.v1.ApprovalService"] {
        let mut health = HealthClient::new(served.channel().await);
        let answer = health.check(HealthCheckRequest { service: service.into() }).await.unwrap();
        assert_eq!(answer.into_inner().status().as_str_name(), "SERVING");
    }
    let request = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(served.channel().await);
    let answers = reflection.server_reflection_info(tokio_stream::once(request)).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"countersign.v1.ApprovalService".into()), "{names:?}");
    assert!(names.contains(&"grpc.health.v1.Health".into()), "{names:?}");
}

#[tokio::test]
async fn a_drain_ends_streams_and_then_the_server() {
    let served = Served::new().await;
    let mut bob = served.approvals(&human("bob", &["dba"])).await;
    let mut changes = bob.watch_approvals(v1::WatchApprovalsRequest::default()).await.unwrap().into_inner();
    served.stop.send(true).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), changes.message()).await.unwrap();
    assert!(matches!(ended, Ok(None)), "{ended:?}");
    drop((changes, bob));
    tokio::time::timeout(Duration::from_secs(5), served.server).await.unwrap().unwrap().unwrap();
}
