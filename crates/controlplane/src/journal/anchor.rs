//! An anchor: a place outside of the control plane to which checkpoints go as they are signed, so that what is taken away from
//! the recordings and the store together still shows. A file, an HTTP endpoint, or one that answers with a signature of its own.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use bytes::Bytes;
use countersign_common::Secret;
use countersign_common::target::{Tls, TlsMode};
use countersign_recording::{Cosignature, PublicKey, SignedCheckpoint};
use countersign_runtime::tls::{TlsError, client_config};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// How long connecting to the endpoint, and its answer, may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// The longest answer that is read from an endpoint to which checkpoints are sent, and from one that is read, in bytes.
const RECEIPT_BYTES_MAX: usize = 16 << 10;
const FETCHED_BYTES_MAX: usize = 64 << 20;

/// How often a checkpoint is sent before it is given up; the next one, which speaks of all before it, is sent anew.
const ATTEMPTS_MAX: u32 = 6;

/// The wait before the second attempt, doubled for each that follows: half a minute in all.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// How long the last ones may take when the process ends.
const LAST_WITHIN: Duration = Duration::from_secs(5);

/// Where checkpoints go.
#[derive(Debug, Clone)]
pub enum AnchorPlace {
    /// Appended to a file, a line each.
    File(PathBuf),
    /// Sent to an HTTP endpoint.
    Endpoint(AnchorEndpoint),
}

/// An HTTP endpoint: each checkpoint is the body of a POST.
#[derive(Debug, Clone)]
pub struct AnchorEndpoint {
    /// `http://…` or `https://…`.
    pub url: String,
    /// The authority that signed the server's certificate, PEM; `None`: those that this machine trusts.
    pub ca_file: Option<PathBuf>,
    /// A file with a token that is sent as `Authorization: Bearer`; read again for each request.
    pub token_file: Option<PathBuf>,
    /// The key of a witness: then a checkpoint counts as anchored only when the answer is its signature over it.
    pub witness_key: Option<PublicKey>,
}

/// Why an anchor did not take a checkpoint, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The file could not be written.
    #[error("the file `{path}`: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The endpoint cannot be used as it is configured.
    #[error("the endpoint cannot be used: {0}")]
    Unusable(String),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It was not reached, or did not answer.
    #[error("the endpoint did not answer: {0}")]
    Silent(String),
    /// It answered with something else than success.
    #[error("the endpoint answered with status {0}")]
    Refused(u16),
    /// The answer is not the witness's signature over this checkpoint.
    #[error("the answer is not the witness's signature over the checkpoint: {0}")]
    NotWitnessed(String),
}

/// Sends checkpoints to an anchor. Cheap to clone; waits for nothing.
#[derive(Debug, Clone)]
pub struct AnchorSender(Arc<Waiting>);

/// What is to be sent: of each log the newest, so that a slow anchor is never more than one behind.
#[derive(Debug, Default)]
struct Waiting {
    newest: Mutex<BTreeMap<String, Arc<SignedCheckpoint>>>,
    changed: Notify,
}

impl AnchorSender {
    pub(super) fn send(&self, signed: &Arc<SignedCheckpoint>) {
        self.0.newest.lock().insert(signed.checkpoint.log.clone(), Arc::clone(signed));
        self.0.changed.notify_one();
    }
}

/// An anchor that is served.
#[derive(Debug)]
pub struct Anchoring {
    waiting: Arc<Waiting>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Anchoring {
    /// Begins.
    ///
    /// # Errors
    /// When the place cannot be used as it is configured. Nothing was sent yet.
    pub fn begin(place: AnchorPlace) -> Result<Self, AnchorError> {
        let (waiting, (stop, stopped)) = (Arc::<Waiting>::default(), watch::channel(false));
        let to = Destination::of(place)?;
        let task = tokio::spawn(serve(to, Arc::clone(&waiting), stopped));
        Ok(Self { waiting, stop, task })
    }

    /// What journals send their checkpoints by.
    #[must_use]
    pub fn sender(&self) -> AnchorSender {
        AnchorSender(Arc::clone(&self.waiting))
    }

    /// After the last checkpoint was handed over: waits until it is sent, for five seconds.
    pub async fn end(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(LAST_WITHIN, &mut self.task).await.is_err() {
            tracing::error!("the last checkpoints did not reach the anchor");
            self.task.abort();
        }
    }
}

impl Drop for Anchoring {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(to: Destination, waiting: Arc<Waiting>, mut stop: watch::Receiver<bool>) {
    loop {
        while let Some(log) = waiting.first() {
            send(&to, &waiting, &log, &stop).await;
        }
        if *stop.borrow() {
            return;
        }
        tokio::select! {
            () = waiting.changed.notified() => {}
            _ = stop.changed() => {}
        }
    }
}

/// Sends the newest checkpoint of a log; again when that fails, up to a bound.
async fn send(to: &Destination, waiting: &Waiting, log: &str, stop: &watch::Receiver<bool>) {
    let mut rest = BACKOFF_FIRST;
    for attempt in 1..=ATTEMPTS_MAX {
        // Each attempt sends the newest there is.
        let Some(signed) = waiting.newest.lock().get(log).cloned() else { return };
        match to.append(&signed).await {
            Ok(()) => {
                crate::metrics::anchored(signed.checkpoint.at);
                return waiting.done(&signed);
            }
            Err(error) => {
                crate::metrics::anchor_failed();
                let number = signed.checkpoint.seq;
                tracing::warn!(log, number, attempt, error = %chain(&error), "the anchor did not take a checkpoint");
                if attempt == ATTEMPTS_MAX || *stop.borrow() {
                    tracing::error!(log, number, "the checkpoint is given up; the next one is sent anew");
                    return waiting.done(&signed);
                }
            }
        }
        tokio::time::sleep(rest).await;
        rest *= 2;
    }
}

impl Waiting {
    fn first(&self) -> Option<String> {
        self.newest.lock().keys().next().cloned()
    }

    /// This one is not waiting any more, unless a newer one has come.
    fn done(&self, signed: &Arc<SignedCheckpoint>) {
        let mut newest = self.newest.lock();
        if newest.get(&signed.checkpoint.log).is_some_and(|one| one.hash == signed.hash) {
            newest.remove(&signed.checkpoint.log);
        }
    }
}

type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A place, ready to be used.
enum Destination {
    File(PathBuf),
    Endpoint(Box<EndpointClient>),
}

struct EndpointClient {
    endpoint: AnchorEndpoint,
    uri: axum::http::Uri,
    client: Http,
}

impl Destination {
    fn of(place: AnchorPlace) -> Result<Self, AnchorError> {
        match place {
            AnchorPlace::File(path) => Ok(Self::File(path)),
            AnchorPlace::Endpoint(endpoint) => {
                let uri = parsed(&endpoint.url)?;
                let client = client(endpoint.ca_file.as_deref())?;
                Ok(Self::Endpoint(Box::new(EndpointClient { endpoint, uri, client })))
            }
        }
    }

    async fn append(&self, signed: &Arc<SignedCheckpoint>) -> Result<(), AnchorError> {
        match self {
            Self::File(path) => {
                let (file, signed) = (path.clone(), Arc::clone(signed));
                let appended = tokio::task::spawn_blocking(move || append(&file, &signed.line)).await;
                let appended = appended.map_err(io::Error::other).and_then(|appended| appended);
                appended.map_err(|source| AnchorError::File { path: path.display().to_string(), source })
            }
            Self::Endpoint(to) => {
                let EndpointClient { endpoint, uri, client } = &**to;
                let token = endpoint.token_file.as_deref().map(token).transpose()?;
                let answer = post(client, uri.clone(), signed.line.clone(), token).await?;
                endpoint.witness_key.as_ref().map_or(Ok(()), |key| witnessed(&answer, key, signed))
            }
        }
    }
}

/// With one write, so that several processes may append to the same file.
fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(&[line, b"\n"].concat())?;
    file.sync_data()
}

fn witnessed(answer: &[u8], key: &PublicKey, signed: &SignedCheckpoint) -> Result<(), AnchorError> {
    let not = |why: String| AnchorError::NotWitnessed(why);
    let cosigned =
        Cosignature::parse(answer.trim_ascii_end(), key).map_err(|error| not(error.to_string()))?;
    match cosigned.checkpoint == signed.hash {
        true => Ok(()),
        false => Err(not(format!("it is over {}", cosigned.checkpoint))),
    }
}

fn token(path: &Path) -> Result<Secret<String>, AnchorError> {
    let text = fs::read_to_string(path)
        .map_err(|source| AnchorError::File { path: path.display().to_string(), source })?;
    Ok(Secret::new(text.trim().to_owned()))
}

async fn post(
    client: &Http,
    uri: axum::http::Uri,
    line: Bytes,
    token: Option<Secret<String>>,
) -> Result<Bytes, AnchorError> {
    let mut request = axum::http::Request::post(uri).header("content-type", "application/json");
    if let Some(token) = token {
        let value = axum::http::HeaderValue::try_from(format!("Bearer {}", token.expose()));
        let mut value =
            value.map_err(|_| AnchorError::Unusable("the token has characters that no header has".into()))?;
        value.set_sensitive(true);
        request = request.header("authorization", value);
    }
    let request = request.body(Full::new(line)).map_err(|error| AnchorError::Unusable(error.to_string()))?;
    ask(client, request, RECEIPT_BYTES_MAX).await
}

async fn ask(
    client: &Http,
    request: axum::http::Request<Full<Bytes>>,
    bytes_max: usize,
) -> Result<Bytes, AnchorError> {
    let asked = async {
        let answer = client.request(request).await.map_err(|error| AnchorError::Silent(chain(&error)))?;
        if !answer.status().is_success() {
            return Err(AnchorError::Refused(answer.status().as_u16()));
        }
        let body = Limited::new(answer.into_body(), bytes_max).collect().await;
        Ok(body.map_err(|error| AnchorError::Silent(error.to_string()))?.to_bytes())
    };
    let answered = tokio::time::timeout(ANSWER_WITHIN, asked).await;
    answered.map_err(|_| AnchorError::Silent("no answer in time".into()))?
}

/// What an endpoint holds: lines of checkpoints that were kept there.
///
/// # Errors
/// When it does not answer.
pub async fn fetch_anchor(url: &str, ca_file: Option<&Path>) -> Result<Vec<u8>, AnchorError> {
    let request = axum::http::Request::get(parsed(url)?).body(Full::default());
    let request = request.map_err(|error| AnchorError::Unusable(error.to_string()))?;
    Ok(ask(&client(ca_file)?, request, FETCHED_BYTES_MAX).await?.to_vec())
}

fn parsed(url: &str) -> Result<axum::http::Uri, AnchorError> {
    let unusable = |why: &str| AnchorError::Unusable(format!("`{url}`: {why}"));
    let uri: axum::http::Uri = url.parse().map_err(|_| unusable("it is no URL"))?;
    match uri.scheme_str() {
        Some("http" | "https") => Ok(uri),
        _ => Err(unusable("it begins with neither http:// nor https://")),
    }
}

fn client(ca_file: Option<&Path>) -> Result<Http, AnchorError> {
    let ca_file = ca_file.map(Path::to_owned);
    let tls = Tls { mode: TlsMode::VerifyFull, ca_file, certificate_file: None, key_file: None };
    let tls = client_config(&tls, &[])?.ok_or(TlsError::NoAuthorities)?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT_WITHIN));
    let https = HttpsConnectorBuilder::new().with_tls_config((*tls).clone()).https_or_http().enable_http1();
    Ok(Client::builder(TokioExecutor::new()).build(https.wrap_connector(tcp)))
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
