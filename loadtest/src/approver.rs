//! The people who decide, over the same gRPC API that everybody uses.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use countersign_api::v1;
use countersign_api::v1::approval_service_client::ApprovalServiceClient;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

/// The largest page of requests.
const PAGE: u32 = 1000;

/// The largest answer: a page of requests.
const ANSWER_BYTES_MAX: usize = 80 << 20;

/// Somebody who decides.
#[derive(Debug, Clone)]
pub(crate) struct Approver {
    client: ApprovalServiceClient<Channel>,
    bearer: MetadataValue<Ascii>,
}

/// A request that waits.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) id: String,
    rendering: Vec<u8>,
}

impl Approver {
    /// Connects with a person's token.
    pub(crate) async fn connect(api: &str, token: &str) -> Result<Self> {
        let endpoint = Endpoint::from_shared(api.to_owned())?.connect_timeout(Duration::from_secs(5));
        let channel = endpoint.connect().await.with_context(|| format!("cannot reach {api}"))?;
        let client = ApprovalServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(Self { client, bearer: format!("Bearer {token}").parse()? })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request
    }

    /// What waits now, newest first; at most a thousand.
    pub(crate) async fn waiting(&mut self) -> Result<Vec<Waiting>> {
        let list = v1::ListApprovalsRequest {
            states: vec![v1::ApprovalState::Pending.into()],
            page_size: PAGE,
            ..Default::default()
        };
        let list = self.request(list);
        let listed = self.client.list_approvals(list).await?.into_inner();
        let waiting = listed.approvals.into_iter().filter_map(|entry| entry.approval);
        Ok(waiting
            .map(|approval| Waiting { id: approval.id, rendering: approval.rendering_digest })
            .collect())
    }

    /// Waits until at least `count` requests wait, and returns them.
    pub(crate) async fn until_waiting(&mut self, count: usize, patience: Duration) -> Result<Vec<Waiting>> {
        let deadline = Instant::now() + patience;
        loop {
            let waiting = self.waiting().await?;
            if waiting.len() >= count {
                return Ok(waiting);
            }
            anyhow::ensure!(Instant::now() < deadline, "only {} of {count} requests came", waiting.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Says yes.
    pub(crate) async fn approve(&mut self, waiting: &Waiting) -> Result<()> {
        let decide = self.request(v1::DecideApprovalRequest {
            id: waiting.id.clone(),
            vote: v1::Vote::Approve.into(),
            reason: Some("load test".into()),
            rendering_digest: waiting.rendering.clone(),
        });
        self.client.decide_approval(decide).await?;
        Ok(())
    }
}
