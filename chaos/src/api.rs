//! The control plane's API as a person's tools use it: one address after the other until one answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use countersign_api::v1;
use countersign_api::v1::approval_service_client::ApprovalServiceClient;
use countersign_api::v1::audit_service_client::AuditServiceClient;
use countersign_api::v1::bundle_service_client::BundleServiceClient;
use countersign_api::v1::session_service_client::SessionServiceClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(4);

/// How much a recorded session or the texts of a request may have, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What can be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// All that a subject has.
    Subject(String),
    /// A token, by its id.
    Token(String),
    /// A session, by its id.
    Session(String),
}

/// A new token.
#[derive(Debug, Clone)]
pub struct Issued {
    /// What it is called.
    pub id: String,
    /// The token.
    pub token: String,
}

/// Somebody's way to the control plane.
#[derive(Debug)]
pub struct Api {
    channels: Vec<Channel>,
    token: String,
    /// The node that answered last.
    turn: AtomicUsize,
}

impl Api {
    /// With a token, to any of these addresses. Connects when it is used.
    ///
    /// # Errors
    /// An address is none.
    pub fn new(addresses: &[String], token: &str) -> Result<Self> {
        let channel = |address: &String| -> Result<Channel> {
            let endpoint = Endpoint::from_shared(address.clone())
                .with_context(|| format!("`{address}` is no address"))?
                .connect_timeout(Duration::from_secs(1));
            Ok(endpoint.connect_lazy())
        };
        let channels = addresses.iter().map(channel).collect::<Result<_>>()?;
        Ok(Self { channels, token: token.to_owned(), turn: AtomicUsize::new(0) })
    }

    /// A request with the token and a limit.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(CALL_LIMIT);
        if let Ok(token) = format!("Bearer {}", self.token).parse() {
            request.metadata_mut().insert("authorization", token);
        }
        request
    }

    /// Asks node after node until one can answer; calls that may be repeated only.
    ///
    /// # Errors
    /// The first answer that is not about the node, or the last that is.
    pub async fn ask<T>(&self, ask: impl AsyncFn(Channel) -> Result<T, Status>) -> Result<T, Status> {
        let mut last = Status::unavailable("no address");
        for _ in 0..self.channels.len().max(1) {
            let turn = self.turn.load(Ordering::Relaxed);
            let Some(channel) = self.channels.get(turn % self.channels.len().max(1)) else { break };
            let answer = tokio::time::timeout(CALL_LIMIT, ask(channel.clone())).await;
            match answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer"))) {
                Err(status) if is_of_the_node(&status) => {
                    last = status;
                    self.turn.store(turn + 1, Ordering::Relaxed);
                }
                answer => return answer,
            }
        }
        Err(last)
    }

    /// The channel to the `turn`th node, for whoever chooses the node on purpose.
    #[must_use]
    pub fn channel(&self, turn: usize) -> Option<Channel> {
        self.channels.get(turn % self.channels.len().max(1)).cloned()
    }

    /// A new token.
    ///
    /// # Errors
    /// What the control plane says.
    pub async fn issue(&self, subject: &str, kind: v1::PrincipalKind, groups: &[&str]) -> Result<Issued> {
        let principal = v1::Principal {
            subject: subject.to_owned(),
            kind: kind.into(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            on_behalf_of: Vec::new(),
        };
        let ttl = Some(Duration::from_secs(24 * 3600).try_into().context("no such duration")?);
        let order = v1::IssueTokenRequest { principal: Some(principal), ttl, target: None };
        let issue =
            async |channel| SessionServiceClient::new(channel).issue_token(self.request(order.clone())).await;
        let issued = self.ask(issue).await.with_context(|| format!("no token for {subject}"))?.into_inner();
        Ok(Issued { id: issued.token_id, token: issued.token })
    }

    /// The sessions that a subject has.
    ///
    /// # Errors
    /// What the control plane says.
    pub async fn sessions_of(&self, subject: &str) -> Result<Vec<String>, Status> {
        let wanted = v1::ListSessionsRequest {
            subject: Some(subject.to_owned()),
            ..v1::ListSessionsRequest::default()
        };
        let list = async |channel| {
            SessionServiceClient::new(channel).list_sessions(self.request(wanted.clone())).await
        };
        let listed = self.ask(list).await?.into_inner().sessions;
        Ok(listed.into_iter().map(|session| session.id).collect())
    }

    /// Takes access back.
    ///
    /// # Errors
    /// What the control plane says.
    pub async fn revoke(&self, access: &Access) -> Result<(), Status> {
        let reason = String::from("chaos");
        let revoke = async |channel| {
            let mut client = SessionServiceClient::new(channel);
            let reason = reason.clone();
            match access.clone() {
                Access::Subject(subject) => {
                    let request = v1::RevokeSubjectRequest { subject, reason };
                    client.revoke_subject(self.request(request)).await.map(drop)
                }
                Access::Token(token_id) => {
                    let request = v1::RevokeTokenRequest { token_id, reason };
                    client.revoke_token(self.request(request)).await.map(drop)
                }
                Access::Session(id) => {
                    let request = v1::RevokeSessionRequest { id, reason };
                    client.revoke_session(self.request(request)).await.map(drop)
                }
            }
        };
        self.ask(revoke).await
    }

    /// Puts a bundle in force.
    ///
    /// # Errors
    /// What the control plane says.
    pub async fn apply(&self, files: HashMap<String, Vec<u8>>) -> Result<(), Status> {
        let bundle = v1::BundleFiles { files: files.into_iter().collect() };
        let request = v1::ApplyBundleRequest { bundle: Some(bundle), if_version: None };
        let apply = async |channel| {
            BundleServiceClient::new(channel).apply_bundle(self.request(request.clone())).await.map(drop)
        };
        self.ask(apply).await
    }

    /// Approvals in these states (none: those that have not ended), of this subject if one is named.
    ///
    /// # Errors
    /// What the control plane says.
    pub async fn approvals(
        &self,
        states: &[v1::ApprovalState],
        subject: Option<&str>,
    ) -> Result<Vec<v1::Approval>, Status> {
        let wanted = v1::ListApprovalsRequest {
            states: states.iter().map(|state| (*state).into()).collect(),
            subject: subject.map(str::to_owned),
            page_size: 1000,
            ..v1::ListApprovalsRequest::default()
        };
        let list = async |channel| {
            let mut client = ApprovalServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
            client.list_approvals(self.request(wanted.clone())).await
        };
        let listed = self.ask(list).await?.into_inner().approvals;
        Ok(listed.into_iter().filter_map(|entry| entry.approval).collect())
    }

    /// An approval, and what an approver has to see of it.
    ///
    /// # Errors
    /// What the control plane says.
    pub async fn approval(&self, id: &str) -> Result<(v1::Approval, v1::ApprovalDetails), Status> {
        let get = async |channel| {
            let request = self.request(v1::GetApprovalRequest { id: id.to_owned() });
            ApprovalServiceClient::new(channel).get_approval(request).await
        };
        let v1::GetApprovalResponse { approval, details } = self.ask(get).await?.into_inner();
        let approval = approval.and_then(|entry| entry.approval);
        approval.zip(details).ok_or_else(|| Status::internal("an approval without details"))
    }

    /// What is wrong with all that is recorded.
    ///
    /// # Errors
    /// What the control plane says.
    pub async fn verify(&self) -> Result<Vec<String>, Status> {
        let verify = async |channel| {
            let mut request = Request::new(v1::VerifySessionRequest { session_id: None });
            *request.metadata_mut() = self.request(()).into_parts().0;
            AuditServiceClient::new(channel).verify_session(request).await
        };
        Ok(self.ask(verify).await?.into_inner().faults)
    }
}

/// Whether another node might answer.
pub(crate) fn is_of_the_node(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled | Code::Aborted
    )
}
