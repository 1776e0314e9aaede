//! The gRPC services of `countersign.v1` over a [`ControlPlane`]: thin, one file a service. Each reads
//! its request, asks the control plane, and writes the answer; the rules are where the state is.

mod approvals;
mod audit;
mod auth;
mod bundles;
mod commands;
mod fleet;
mod identity;
mod nodes;
mod page;
mod sessions;
mod status;
mod web;

use std::sync::Arc;
use std::time::Duration;

use countersign_api::v1::approval_service_server::ApprovalServiceServer;
use countersign_api::v1::audit_service_server::AuditServiceServer;
use countersign_api::v1::bundle_service_server::BundleServiceServer;
use countersign_api::v1::command_service_server::CommandServiceServer;
use countersign_api::v1::identity_service_server::IdentityServiceServer;
use countersign_api::v1::node_service_server::NodeServiceServer;
use countersign_api::v1::session_service_server::SessionServiceServer;
use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic_web::GrpcWebLayer;
use tower_layer::Layer as _;

use self::auth::Authenticate;
pub(crate) use self::fleet::serve_fleet;
pub(crate) use self::sessions::to_wire as session_to_wire;
use self::web::Web;
pub use self::web::{BadPublicUrl, PublicUrl, Site};
use crate::ControlPlane;
use crate::fleet::Fleet;

/// How often an idle connection is probed; tonic does not by itself.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);

/// How long a probe may stay unanswered before the connection is closed.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest request, apart from bundles, in bytes.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The largest request with a bundle in it, in bytes.
const BUNDLE_REQUEST_BYTES_MAX: usize = 20 << 20;

/// The largest answer, in bytes: a request with its whole command. Clients have to allow as much.
pub const ANSWER_BYTES_MAX: usize = 80 << 20;

/// How many calls one connection may have open.
const STREAMS_MAX: u32 = 256;

/// How long calls may take to end once the server drains.
const DRAIN: Duration = Duration::from_secs(10);

/// What a page holds when the caller does not say.
const PAGE_DEFAULT: usize = 100;

/// The most that a page holds.
const PAGE_MAX: usize = 1000;

/// Why the services ended, other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The transport failed.
    #[error("the gRPC server failed")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors for reflection cannot be read: a fault of the build.
    #[error("the API's descriptors cannot be read")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves the API of a control plane, and of its fleet if it has one, and the approver's page, on these connections
/// until `stop` turns true or its sender is gone; then takes no more, ends the streams, and lets open calls finish for
/// at most ten seconds.
///
/// # Errors
/// When the transport fails.
pub async fn serve<I, IO, IE>(
    control: Arc<ControlPlane>,
    fleet: Option<Arc<Fleet>>,
    site: Site,
    incoming: I,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ServeError>
where
    I: Stream<Item = Result<IO, IE>>,
    IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    IE: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<SessionServiceServer<sessions::Service>>().await;
    health.set_serving::<ApprovalServiceServer<approvals::Service>>().await;
    health.set_serving::<CommandServiceServer<commands::Service>>().await;
    health.set_serving::<BundleServiceServer<bundles::Service>>().await;
    health.set_serving::<AuditServiceServer<audit::Service>>().await;
    health.set_serving::<NodeServiceServer<nodes::Service>>().await;
    health.set_serving::<IdentityServiceServer<identity::Service>>().await;
    let mut draining = stop.clone();
    let stopped = async move {
        let _ = draining.wait_for(|stop| *stop).await;
        health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    };
    let routes = services(&control, fleet, &stop)?.add_service(health_service).into_axum_router();
    let routes = routes.layer(axum::middleware::from_fn_with_state(Web::new(site), web::receive));
    let serving = Server::builder()
        // Browsers speak it where there is no TLS; `web` lets nobody else use it.
        .accept_http1(true)
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(STREAMS_MAX)
        .tcp_nodelay(true)
        .add_routes(Routes::from(routes))
        .serve_with_incoming_shutdown(incoming, stopped);
    let deadline = async {
        let _ = stop.wait_for(|stop| *stop).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving => Ok(served?),
        () = deadline => {
            tracing::warn!("calls were still open when the time to drain was over");
            Ok(())
        }
    }
}

/// All services but health, which every caller may ask.
fn services(
    control: &Arc<ControlPlane>,
    fleet: Option<Arc<Fleet>>,
    stop: &watch::Receiver<bool>,
) -> Result<Routes, ServeError> {
    let authenticate = Authenticate::new(Arc::clone(control.sessions()));
    let control = || Arc::clone(control);
    let sessions = SessionServiceServer::new(sessions::Service(control()))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ANSWER_BYTES_MAX);
    let approvals = ApprovalServiceServer::new(approvals::Service::new(control(), stop.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ANSWER_BYTES_MAX);
    let commands = CommandServiceServer::new(commands::Service(control()))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ANSWER_BYTES_MAX);
    let bundles = BundleServiceServer::new(bundles::Service(control()))
        .max_decoding_message_size(BUNDLE_REQUEST_BYTES_MAX)
        .max_encoding_message_size(ANSWER_BYTES_MAX);
    let audit = AuditServiceServer::new(audit::Service(control()))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ANSWER_BYTES_MAX);
    let nodes = NodeServiceServer::new(nodes::Service(fleet))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ANSWER_BYTES_MAX);
    let identity = IdentityServiceServer::new(identity::Service)
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ANSWER_BYTES_MAX);
    // What the page calls is also understood as gRPC-web; outermost, so that refusals of the token are, too.
    let grpc_web = GrpcWebLayer::new();
    let descriptors = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(countersign_api::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(Routes::new(InterceptedService::new(sessions, authenticate.clone()))
        .add_service(grpc_web.layer(InterceptedService::new(approvals, authenticate.clone())))
        .add_service(grpc_web.layer(InterceptedService::new(identity, authenticate.clone())))
        .add_service(InterceptedService::new(commands, authenticate.clone()))
        .add_service(InterceptedService::new(bundles, authenticate.clone()))
        .add_service(InterceptedService::new(audit, authenticate.clone()))
        .add_service(InterceptedService::new(nodes, authenticate))
        .add_service(descriptors().build_v1()?)
        // Tools of before 2023 ask for this name.
        .add_service(descriptors().build_v1alpha()?))
}

/// How many a page holds.
fn page_size(asked: u32) -> usize {
    match usize::try_from(asked).unwrap_or(PAGE_MAX) {
        0 => PAGE_DEFAULT,
        asked => asked.min(PAGE_MAX),
    }
}

/// Resolves when `stop` turns true or its sender is gone; streams end on it.
async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests;
