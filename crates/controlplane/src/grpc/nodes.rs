//! `NodeService`.

use std::sync::Arc;

use countersign_api::v1::node_service_server::NodeService;
use countersign_api::{BadField, duration, timestamp_to_wire, v1};
use tonic::{Request, Response, Status};

use super::auth::admin;
use super::status;
use crate::fleet::{Fleet, ListedToken, Node, RevokedGateway, Uses};

/// The service. Without a fleet it says that there is none.
#[derive(Debug)]
pub(super) struct Service(pub(super) Option<Arc<Fleet>>);

impl Service {
    fn fleet(&self) -> Result<&Arc<Fleet>, Status> {
        self.0.as_ref().ok_or_else(|| {
            Status::failed_precondition("this control plane has no fleet: give it `listen_fleet`")
        })
    }
}

#[tonic::async_trait]
impl NodeService for Service {
    async fn issue_join_token(
        &self,
        request: Request<v1::IssueJoinTokenRequest>,
    ) -> Result<Response<v1::IssueJoinTokenResponse>, Status> {
        let caller = admin(&request, "let gateways join")?;
        let request = request.into_inner();
        let ttl = duration(request.ttl, "ttl").map_err(status::bad_field)?;
        let uses = if request.reusable { Uses::Many } else { Uses::Once };
        let by = &caller.principal.subject;
        let issued = self.fleet()?.issue_join_token(ttl, uses, by).await;
        let issued = issued.map_err(|error| status::join(&error))?;
        tracing::info!(%by, ?uses, "a join token was issued");
        Ok(Response::new(v1::IssueJoinTokenResponse {
            token: issued.secret.expose().clone(),
            expire_time: Some(timestamp_to_wire(issued.expires_at)),
        }))
    }

    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        admin(&request, "list the nodes")?;
        let nodes = self.fleet()?.list().iter().map(to_wire).collect();
        let revoked = self.fleet()?.list_revoked().iter().map(revoked_to_wire).collect();
        Ok(Response::new(v1::ListNodesResponse { nodes, revoked }))
    }

    async fn drain_node(
        &self,
        request: Request<v1::DrainNodeRequest>,
    ) -> Result<Response<v1::DrainNodeResponse>, Status> {
        let caller = admin(&request, "drain a node")?;
        let wanted = request.into_inner().node;
        let drained = self.fleet()?.drain(&wanted).await.map_err(|error| status::store(&error))?;
        let node = drained.ok_or_else(|| {
            Status::not_found("there is no gateway of this id, or not exactly one of this name; `countersign fleet nodes` lists them")
        })?;
        tracing::info!(node = %node.id, name = %node.name, by = %caller.principal.subject, "a gateway is asked to drain");
        Ok(Response::new(v1::DrainNodeResponse { node: Some(to_wire(&node)) }))
    }

    async fn revoke_node(
        &self,
        request: Request<v1::RevokeNodeRequest>,
    ) -> Result<Response<v1::RevokeNodeResponse>, Status> {
        let caller = admin(&request, "revoke a gateway")?;
        let v1::RevokeNodeRequest { node, reason } = request.into_inner();
        if reason.trim().is_empty() {
            return Err(status::bad_field(BadField::Missing { field: "reason" }));
        }
        let revoked = self.fleet()?.revoke(&node, &caller.principal.subject, &reason).await;
        let revoked = revoked.map_err(|error| status::revoke(&error))?;
        Ok(Response::new(v1::RevokeNodeResponse { revoked: Some(revoked_to_wire(&revoked)) }))
    }

    async fn list_join_tokens(
        &self,
        request: Request<v1::ListJoinTokensRequest>,
    ) -> Result<Response<v1::ListJoinTokensResponse>, Status> {
        admin(&request, "list join tokens")?;
        let tokens = self.fleet()?.list_join_tokens().await.map_err(|error| status::store(&error))?;
        Ok(Response::new(v1::ListJoinTokensResponse { tokens: tokens.iter().map(token_to_wire).collect() }))
    }

    async fn revoke_join_token(
        &self,
        request: Request<v1::RevokeJoinTokenRequest>,
    ) -> Result<Response<v1::RevokeJoinTokenResponse>, Status> {
        let caller = admin(&request, "revoke join tokens")?;
        let v1::RevokeJoinTokenRequest { id, reason } = request.into_inner();
        let by = &caller.principal.subject;
        let revoked = self.fleet()?.revoke_join_token(&id, by, &reason).await;
        let token = revoked.map_err(|error| status::join(&error))?.ok_or_else(|| {
            Status::not_found("there is no join token of this id, or not exactly one; `countersign fleet tokens ls` lists them")
        })?;
        tracing::info!(%by, token = token.id, "a join token was revoked");
        Ok(Response::new(v1::RevokeJoinTokenResponse { token: Some(token_to_wire(&token)) }))
    }
}

fn revoked_to_wire(revoked: &RevokedGateway) -> v1::RevokedNode {
    v1::RevokedNode {
        gateway_id: revoked.member.id.clone(),
        name: revoked.member.name.to_string(),
        revoke_time: Some(timestamp_to_wire(revoked.at)),
        by: revoked.by.to_string(),
        reason: revoked.reason.clone(),
    }
}

fn token_to_wire(token: &ListedToken) -> v1::JoinToken {
    v1::JoinToken {
        id: token.id.clone(),
        issued_by: token.issued_by.to_string(),
        expire_time: Some(timestamp_to_wire(token.expires_at)),
        reusable: token.uses == Uses::Many,
        used_by: token.used_by.as_ref().map(|member| member.name.to_string()).unwrap_or_default(),
    }
}

fn to_wire(node: &Node) -> v1::Node {
    let gateway = node.gateway();
    let kind = if gateway.is_some() { v1::NodeKind::Gateway } else { v1::NodeKind::ControlPlane };
    v1::Node {
        id: node.id.to_string(),
        kind: kind.into(),
        name: node.name.clone(),
        start_time: Some(timestamp_to_wire(node.started_at)),
        linked_to: gateway.map(|gateway| gateway.linked_to.to_string()).unwrap_or_default(),
        bundle_version: gateway
            .and_then(|gateway| gateway.bundle.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
        draining: gateway.is_some_and(|gateway| gateway.draining),
        software_version: node.software.clone(),
    }
}
