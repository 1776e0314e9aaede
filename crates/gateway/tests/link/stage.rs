//! Nodes of the scripted control plane on free ports, over real TLS, and a gateway's link to them.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::fleet_service_server::{FleetService, FleetServiceServer};
use countersign_common::time::{Clock as _, SystemClock};
use countersign_gateway::link::{Credentials, Link, LinkOptions, Unfinished};
use futures::Stream;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

use crate::plane::Plane;

/// A certificate authority, with a certificate that it issued.
struct Pki {
    authority: String,
    certificate: String,
    key: String,
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let one = CertificateParams::new(vec!["control.countersign.internal".into()]).unwrap();
    let certificate = one.signed_by(&key, &authority).unwrap().pem();
    Pki { authority: authority.pem(), certificate, key: key.serialize_pem() }
});

fn client_tls() -> ClientTlsConfig {
    ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&PKI.authority))
        .identity(Identity::from_pem(&PKI.certificate, &PKI.key))
        .domain_name("control.countersign.internal")
}

fn server_tls() -> ServerTlsConfig {
    ServerTlsConfig::new()
        .identity(Identity::from_pem(&PKI.certificate, &PKI.key))
        .client_ca_root(Certificate::from_pem(&PKI.authority))
}

/// gRPC service of a node.
struct Service(Arc<Plane>);

type Answers = Pin<Box<dyn Stream<Item = Result<v1::LinkResponse, Status>> + Send>>;

#[tonic::async_trait]
impl FleetService for Service {
    type LinkStream = Answers;

    async fn join_fleet(
        &self,
        _: Request<v1::JoinFleetRequest>,
    ) -> Result<Response<v1::JoinFleetResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn renew_certificate(
        &self,
        _: Request<v1::RenewCertificateRequest>,
    ) -> Result<Response<v1::RenewCertificateResponse>, Status> {
        Err(Status::unimplemented("not in this script"))
    }

    async fn link(&self, request: Request<Streaming<v1::LinkRequest>>) -> Result<Response<Answers>, Status> {
        if !self.0.truth.lock().open {
            return Err(Status::unavailable("closed"));
        }
        let (out, answers) = mpsc::channel(64);
        tokio::spawn(Arc::clone(&self.0).serve(request.into_inner(), out));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

/// Running nodes; they stop when dropped.
pub(crate) struct Nodes {
    pub(crate) addresses: Vec<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
}

impl Nodes {
    pub(crate) async fn start(plane: &Arc<Plane>, count: usize) -> Self {
        let (mut addresses, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(listener.local_addr().unwrap());
            let service = FleetServiceServer::new(Service(Arc::clone(plane)));
            let serving = Server::builder()
                .tls_config(server_tls())
                .unwrap()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener));
            tasks.push(tokio::spawn(async move { serving.await.unwrap() }));
        }
        Self { addresses, tasks }
    }

    /// Link options with short pauses, for tests.
    pub(crate) fn options(&self) -> LinkOptions {
        let mut options = LinkOptions::new(self.addresses.iter().map(ToString::to_string).collect());
        options.retry_after_max = Duration::from_millis(50);
        options
    }

    pub(crate) fn link(&self, options: LinkOptions) -> Link {
        start(options, Unfinished::default())
    }
}

/// Starts a link with a certificate of the test's authority.
pub(crate) fn start(options: LinkOptions, unfinished: Unfinished) -> Link {
    let (_, credentials) = watch::channel(certified_for(Duration::from_secs(3600)));
    start_with(options, credentials, unfinished)
}

/// Starts a link with a certificate that may be renewed.
pub(crate) fn start_with(
    options: LinkOptions,
    credentials: watch::Receiver<Credentials>,
    unfinished: Unfinished,
) -> Link {
    Link::start(options, credentials, Arc::new(SystemClock), unfinished)
}

/// Certificate of the test's authority, treated as valid for this duration.
pub(crate) fn certified_for(time: Duration) -> Credentials {
    Credentials { tls: client_tls(), ends_at: SystemClock.now().after(time) }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Waits until the condition holds, for at most 30 s.
pub(crate) async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let waiting = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), waiting).await.is_ok(), "never: {what}");
}
