//! `FleetService`, and the server that it runs on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use countersign_api::v1::fleet_service_server::{FleetService, FleetServiceServer};
use countersign_api::{parsed, v1};
use countersign_common::{Secret, Timestamp};
use futures::Stream;
use tokio::sync::watch;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::{ServeError, status};
use crate::fleet::member::Member;
use crate::fleet::{Certified, Fleet, Outgoing, Peer};

/// How often a connection is probed, whether it is idle or not, and how long a probe may take.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest message: many records, or a large one.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// What a connection may have on its way, in bytes, so that many records need not wait for the window.
const WINDOW_BYTES: u32 = 4 << 20;

/// How many calls one connection may have open: the link, a newer one, a renewal.
const STREAMS_MAX: u32 = 16;

/// How long links may take to end once the server drains: as long as they give their gateways, and a little.
const DRAIN: Duration = Duration::from_secs(12);

/// The service.
#[derive(Debug)]
struct Service {
    fleet: Arc<Fleet>,
    stop: watch::Receiver<bool>,
}

/// Serves the fleet on these connections until `stop` turns true or its sender is gone; then takes no more, and
/// lets the links go.
///
/// # Errors
/// When the transport fails.
pub(crate) async fn serve_fleet<I>(
    fleet: Arc<Fleet>,
    incoming: I,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ServeError>
where
    I: Stream<Item = io::Result<crate::fleet::Secured>>,
{
    let service = FleetServiceServer::new(Service { fleet, stop: stop.clone() })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .add_service(service);
    let mut draining = stop.clone();
    let stopped = async move {
        let _ = draining.wait_for(|stop| *stop).await;
    };
    let deadline = async {
        let _ = stop.wait_for(|stop| *stop).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = router.serve_with_incoming_shutdown(incoming, stopped) => Ok(served?),
        () = deadline => {
            tracing::warn!("links were still open when the time to drain was over");
            Ok(())
        }
    }
}

#[tonic::async_trait]
impl FleetService for Service {
    async fn join_fleet(
        &self,
        request: Request<v1::JoinFleetRequest>,
    ) -> Result<Response<v1::JoinFleetResponse>, Status> {
        let request = request.into_inner();
        let name = parsed(&request.name, "name").map_err(status::bad_field)?;
        let joined = self.fleet.join(&Secret::new(request.token), &name, &request.certificate_request).await;
        let Certified { certificates, authorities } = joined.map_err(|error| status::admit(&error))?;
        Ok(Response::new(v1::JoinFleetResponse { certificates, authorities }))
    }

    async fn renew_certificate(
        &self,
        request: Request<v1::RenewCertificateRequest>,
    ) -> Result<Response<v1::RenewCertificateResponse>, Status> {
        let (member, _) = self.member(&request)?;
        let renewed = self.fleet.renew(&member, &request.into_inner().certificate_request).await;
        let Certified { certificates, authorities } = renewed.map_err(|error| status::admit(&error))?;
        Ok(Response::new(v1::RenewCertificateResponse { certificates, authorities }))
    }

    type LinkStream = Outgoing;

    async fn link(
        &self,
        request: Request<Streaming<v1::LinkRequest>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        let (member, until) = self.member(&request)?;
        let opened = self.fleet.open_link(member, until, request.into_inner(), self.stop.clone()).await;
        opened.map(Response::new).map_err(|error| status::opening(&error))
    }
}

impl Service {
    /// Who calls, and until when its certificate is good: the handshake has seen to it that it is genuine and was in its
    /// time then.
    fn member<T>(&self, request: &Request<T>) -> Result<(Member, Timestamp), Status> {
        let peer = request.extensions().get::<Peer>();
        let member = peer.and_then(|peer| Some((peer.member.clone()?, peer.until)));
        let now = self.fleet.control().clock().now();
        member
            .filter(|(_, until)| now < *until)
            .ok_or_else(|| Status::unauthenticated("a gateway's certificate is needed; join the fleet first"))
    }
}
