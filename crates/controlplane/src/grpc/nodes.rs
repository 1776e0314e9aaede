//! `NodeService`.

use std::sync::Arc;

use countersign_api::v1::node_service_server::NodeService;
use countersign_api::{duration, timestamp_to_wire, v1};
use tonic::{Request, Response, Status};

use super::auth::admin;
use super::status;
use crate::fleet::Uses;
use crate::fleet::{Fleet, Node};

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
        Ok(Response::new(v1::ListNodesResponse { nodes }))
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
