//! The people who decide, over the same gRPC API that everybody uses.

use std::time::Duration;

use anyhow::{Context, Result};
use countersign_api::v1;
use countersign_api::v1::approval_service_client::ApprovalServiceClient;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

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
        let client = ApprovalServiceClient::new(channel);
        Ok(Self { client, bearer: format!("Bearer {token}").parse()? })
    }

    fn message<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request
    }

    /// The request with this id.
    pub(crate) async fn request(&mut self, id: &str) -> Result<Waiting> {
        let (approval, _) = self.approval(id).await?;
        Ok(Waiting { id: approval.id, rendering: approval.rendering_digest })
    }

    /// The state of a request.
    pub(crate) async fn state(&mut self, id: &str) -> Result<v1::ApprovalState> {
        let (_, state) = self.approval(id).await?;
        Ok(state)
    }

    async fn approval(&mut self, id: &str) -> Result<(v1::Approval, v1::ApprovalState)> {
        let get = self.message(v1::GetApprovalRequest { id: id.to_owned() });
        let entry = self.client.get_approval(get).await?.into_inner().approval;
        let approval = entry.and_then(|entry| entry.approval).context("an answer without an approval")?;
        let state = approval.status.as_ref().map_or(v1::ApprovalState::Unspecified, |status| status.state());
        Ok((approval, state))
    }

    /// Says yes.
    pub(crate) async fn approve(&mut self, waiting: &Waiting) -> Result<()> {
        let decide = self.message(v1::DecideApprovalRequest {
            id: waiting.id.clone(),
            vote: v1::Vote::Approve.into(),
            reason: Some("load test".into()),
            rendering_digest: waiting.rendering.clone(),
        });
        self.client.decide_approval(decide).await?;
        Ok(())
    }
}
