//! A control-plane node that only issues certificates.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use countersign_api::v1;
use countersign_api::v1::fleet_service_server::{FleetService, FleetServiceServer};
use countersign_common::Digest;
use futures::Stream;
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa, KeyPair,
    PublicKeyData as _,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

/// Validity of its certificates.
pub(crate) const LIFE: Duration = Duration::from_secs(3600);

/// The node; stops when dropped.
pub(crate) struct Authority {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
    task: JoinHandle<()>,
}

struct Inside {
    issuer: CertifiedIssuer<'static, KeyPair>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    joined: Vec<(String, String)>,
    keys: Vec<Vec<u8>>,
    renewed: usize,
    loses_answers: bool,
}

impl Authority {
    pub(crate) async fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let server = CertificateParams::new(vec!["control.countersign.internal".into()]).unwrap();
        let server = server.signed_by(&key, &issuer).unwrap().pem();
        let chain = format!("{server}{}", issuer.pem());
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(chain, key.serialize_pem()))
            .client_ca_root(Certificate::from_pem(issuer.pem()))
            .client_auth_optional(true);
        let inside = Arc::new(Inside { issuer, seen: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(FleetServiceServer::new(Service(Arc::clone(&inside))))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { address, inside, task }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.inside.issuer.der())
    }

    /// Joined gateways: the secret part of the token, and the name.
    pub(crate) fn joined(&self) -> Vec<(String, String)> {
        self.inside.seen.lock().joined.clone()
    }

    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        self.inside.seen.lock().keys.clone()
    }

    pub(crate) fn renewed(&self) -> usize {
        self.inside.seen.lock().renewed
    }

    pub(crate) fn lose_answers(&self, loses: bool) {
        self.inside.seen.lock().loses_answers = loses;
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inside {
    fn certify(&self, request: &[u8]) -> Vec<u8> {
        let mut request = CertificateSigningRequestParams::from_der(&request.to_vec().into()).unwrap();
        let now = SystemTime::now();
        request.params.not_before = now.into();
        request.params.not_after = (now + LIFE).into();
        self.seen.lock().keys.push(request.public_key.der_bytes().to_vec());
        request.signed_by(&self.issuer).unwrap().der().to_vec()
    }
}

struct Service(Arc<Inside>);

#[tonic::async_trait]
impl FleetService for Service {
    type LinkStream = Pin<Box<dyn Stream<Item = Result<v1::LinkResponse, Status>> + Send>>;

    async fn join_fleet(
        &self,
        request: Request<v1::JoinFleetRequest>,
    ) -> Result<Response<v1::JoinFleetResponse>, Status> {
        let request = request.into_inner();
        let certificates = vec![self.0.certify(&request.certificate_request)];
        let mut seen = self.0.seen.lock();
        let secret = request.token.split('.').next().unwrap_or_default().to_owned();
        seen.joined.push((secret, request.name));
        if seen.loses_answers {
            return Err(Status::unavailable("lost"));
        }
        let authorities = vec![self.0.issuer.der().to_vec()];
        Ok(Response::new(v1::JoinFleetResponse { certificates, authorities }))
    }

    async fn renew_certificate(
        &self,
        request: Request<v1::RenewCertificateRequest>,
    ) -> Result<Response<v1::RenewCertificateResponse>, Status> {
        if request.peer_certs().is_none() {
            return Err(Status::unauthenticated("no certificate"));
        }
        let certificates = vec![self.0.certify(&request.into_inner().certificate_request)];
        self.0.seen.lock().renewed += 1;
        let authorities = vec![self.0.issuer.der().to_vec()];
        Ok(Response::new(v1::RenewCertificateResponse { certificates, authorities }))
    }

    async fn link(
        &self,
        _: Request<Streaming<v1::LinkRequest>>,
    ) -> Result<Response<Self::LinkStream>, Status> {
        Err(Status::unimplemented("it only certifies"))
    }
}
