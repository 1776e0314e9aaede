//! The object store's HTTP, by the client and the TLS that this process has already. One request, one answer, both whole in
//! memory: objects are segments, pages and small things.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpService,
};
use rustls::ClientConfig;
use tokio::time::timeout;

/// How long connecting to one address may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long an answer may take, beside the time that its bytes need at [`BYTES_A_SECOND_MIN`].
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The slowest way to the store that is waited for: two megabits a second.
const BYTES_A_SECOND_MIN: u64 = 256 << 10;

/// How long a connection that nobody uses is kept.
const IDLE_WITHIN: Duration = Duration::from_secs(30);

/// The longest answer that is taken in: more than the longest segment.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// Makes clients.
#[derive(Debug)]
pub(super) struct Connector {
    tls: Arc<ClientConfig>,
}

impl Connector {
    pub(super) fn new(tls: Arc<ClientConfig>) -> Self {
        Self { tls }
    }
}

impl HttpConnector for Connector {
    /// The options are about another client; ours are set here.
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_WITHIN));
        let tls = (*self.tls).clone();
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_WITHIN)
            .pool_timer(TokioTimer::new())
            .build(https.wrap_connector(tcp));
        Ok(HttpClient::new(Service { client }))
    }
}

#[derive(Debug)]
struct Service {
    client: Client<HttpsConnector<Tcp>, HttpRequestBody>,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let bytes = request.body().content_length() as u64;
        let answered = timeout(allowed(bytes), self.client.request(request)).await;
        let (parts, body) = answered.map_err(|_| silent())?.map_err(unanswered)?.into_parts();
        let length =
            parts.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        let body =
            timeout(allowed(length.unwrap_or(0)), Limited::new(body, ANSWER_BYTES_MAX).collect()).await;
        let cut =
            |error: Box<dyn StdError + Send + Sync>| HttpError::new_boxed(HttpErrorKind::Interrupted, error);
        let body = body.map_err(|_| silent())?.map_err(cut)?;
        Ok(HttpResponse::from_parts(parts, body.to_bytes().into()))
    }
}

fn allowed(bytes: u64) -> Duration {
    ANSWER_WITHIN + Duration::from_secs(bytes / BYTES_A_SECOND_MIN)
}

fn silent() -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
}

/// Whether it was sent does not matter: all that is asked may be asked again, as objects are put conditionally.
fn unanswered(error: hyper_util::client::legacy::Error) -> HttpError {
    let kind = match error.is_connect() {
        // A certificate that is not trusted now is not by the next attempt either.
        true if is_refused(&error) => HttpErrorKind::Unknown,
        true => HttpErrorKind::Connect,
        false => HttpErrorKind::Request,
    };
    HttpError::new(kind, error)
}

/// Whether TLS said no, on either side.
fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(cause) = at {
        if cause.is::<rustls::Error>() {
            return true;
        }
        // An I/O error is not the source of what it holds, it stands for it.
        at = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => cause.source(),
        };
    }
    false
}
