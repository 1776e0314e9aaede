//! The gRPC client: finds the control plane's address and the caller's token, connects, and puts the
//! token on every call. A token is sent over TLS or loopback only, and the operator's token of a data
//! directory to that directory's own process only.

use std::path::Path;
use std::time::Duration;

use countersign_api::v1::approval_service_client::ApprovalServiceClient;
use countersign_api::v1::audit_service_client::AuditServiceClient;
use countersign_api::v1::bundle_service_client::BundleServiceClient;
use countersign_api::v1::node_service_client::NodeServiceClient;
use countersign_api::v1::session_service_client::SessionServiceClient;
use countersign_common::Secret;
use countersign_controlplane::grpc::ANSWER_BYTES_MAX;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::cli::Global;
use crate::data::DataDir;
use crate::error::{CliError, Exit, chain};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often an idle connection is probed (tonic does not by itself), and how long a probe may take.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Environment variables that hold a token, or name the file that does.
const TOKEN_VARIABLE: &str = "COUNTERSIGN_TOKEN";
const TOKEN_FILE_VARIABLE: &str = "COUNTERSIGN_TOKEN_FILE";

type Connection = InterceptedService<Channel, Bearer>;

/// A connection to the control plane, with the caller's token.
#[derive(Clone)]
pub(crate) struct Client(Connection);

impl Client {
    /// Connects to where `global` says, or to the process of the data directory.
    pub(crate) async fn connect(global: &Global) -> Result<Self, CliError> {
        let data = DataDir::of(global.data.as_deref());
        let address = address(global.api.as_deref(), &data)?;
        let bearer = Bearer::new(&token(global, &address, &data)?)?;
        let channel =
            endpoint(&address.uri, global.ca_file.as_deref())?.connect().await.map_err(|error| {
                CliError::new(
                    Exit::Unreachable,
                    format!("the control plane at `{}` was not reached: {}", address.uri, chain(&error)),
                )
                .help(match address.announced {
                    true => "its process may have been killed; start `countersign dev` again",
                    false => "check --api (COUNTERSIGN_API), and that the control plane is running",
                })
            })?;
        Ok(Self(InterceptedService::new(channel, bearer)))
    }

    pub(crate) fn approvals(&self) -> ApprovalServiceClient<Connection> {
        ApprovalServiceClient::new(self.0.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn audit(&self) -> AuditServiceClient<Connection> {
        AuditServiceClient::new(self.0.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn bundles(&self) -> BundleServiceClient<Connection> {
        BundleServiceClient::new(self.0.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn nodes(&self) -> NodeServiceClient<Connection> {
        NodeServiceClient::new(self.0.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    pub(crate) fn sessions(&self) -> SessionServiceClient<Connection> {
        SessionServiceClient::new(self.0.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }
}

/// Where the control plane is.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    uri: String,
    /// Whether the process of the data directory announced it.
    announced: bool,
}

fn address(named: Option<&str>, data: &DataDir) -> Result<Address, CliError> {
    let announced = data.api()?;
    match (named, announced) {
        (Some(named), announced) => {
            let uri = named.trim_end_matches('/').to_owned();
            Ok(Address { announced: announced.as_deref() == Some(&uri), uri })
        }
        (None, Some(uri)) => Ok(Address { uri, announced: true }),
        (None, None) => Err(CliError::new(
            Exit::Unreachable,
            format!("no control plane: none was named, and none runs in `{}`", data.path().display()),
        )
        .help("start `countersign dev`, name its data directory with --data, or name an address with --api")),
    }
}

/// The caller's token.
fn token(global: &Global, address: &Address, data: &DataDir) -> Result<Secret<String>, CliError> {
    if let Some(path) = &global.token_file {
        return token_file(path);
    }
    if let Ok(token) = std::env::var(TOKEN_VARIABLE)
        && !token.is_empty()
    {
        return Ok(Secret::new(token));
    }
    if let Some(path) = std::env::var_os(TOKEN_FILE_VARIABLE).filter(|path| !path.is_empty()) {
        return token_file(Path::new(&path));
    }
    // Only to whom it belongs: an address that somebody else named must not get the operator's token.
    let operator_token = data.operator_token();
    if address.announced && operator_token.exists() {
        return token_file(&operator_token);
    }
    Err(CliError::new(Exit::Refused, "no token").help(format!(
        "name a file with --token-file, or set {TOKEN_VARIABLE}; an administrator issues a token with \
         `countersign token issue`"
    )))
}

fn token_file(path: &Path) -> Result<Secret<String>, CliError> {
    let text = std::fs::read_to_string(path).map(Secret::new).map_err(|error| {
        CliError::failed(format!("cannot read the token file `{}`: {error}", path.display()))
    })?;
    Ok(Secret::new(text.expose().trim().to_owned()))
}

fn endpoint(uri: &str, ca_file: Option<&Path>) -> Result<Endpoint, CliError> {
    let wrong = |why: &str| {
        CliError::new(Exit::Usage, format!("`{uri}` is not an address of a control plane: {why}"))
            .help("write it like `https://control.example:7443`")
    };
    let endpoint = Endpoint::from_shared(uri.to_owned()).map_err(|_| wrong("it cannot be read"))?;
    let host = endpoint.uri().host().ok_or_else(|| wrong("it has no host"))?.to_owned();
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_EVERY)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    match endpoint.uri().scheme_str() {
        Some("http") if is_loopback(&host) => Ok(endpoint),
        Some("http") => Err(wrong("`http://` would show your token to the network; use `https://`")),
        Some("https") => endpoint.tls_config(tls(ca_file)?).map_err(|error| {
            CliError::failed(format!("TLS cannot be set up: {}", chain(&error)))
                .help("name the certificate authorities with --ca-file")
        }),
        _ => Err(wrong("it begins with neither `https://` nor `http://`")),
    }
}

fn tls(ca_file: Option<&Path>) -> Result<ClientTlsConfig, CliError> {
    let Some(path) = ca_file else { return Ok(ClientTlsConfig::new().with_native_roots()) };
    let pem = std::fs::read(path)
        .map_err(|error| CliError::failed(format!("cannot read `{}`: {error}", path.display())))?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Puts the token on every call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    fn new(token: &Secret<String>) -> Result<Self, CliError> {
        let header = Secret::new(format!("Bearer {}", token.expose()));
        let mut value: MetadataValue<Ascii> = header.expose().parse().map_err(|_| {
            CliError::new(Exit::Refused, "the token has characters in it that no token has")
                .help("a token is one line that begins with `cst_`")
        })?;
        // Marked so that no layer below prints it.
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_sent_in_the_clear_but_on_loopback() {
        for uri in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"] {
            assert!(endpoint(uri, None).is_ok(), "{uri}");
        }
        for uri in ["http://10.0.0.1:1", "http://control.example", "ftp://localhost", "localhost:1", ""] {
            assert!(endpoint(uri, None).is_err(), "{uri}");
        }
    }

    #[test]
    fn the_operators_token_goes_to_its_own_process_only() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::of(Some(dir.path()));
        let announced = data.announce("http://127.0.0.1:7001").unwrap();
        let is_own = |named: &str| address(Some(named), &data).unwrap().announced;
        assert!(is_own("http://127.0.0.1:7001"));
        assert!(is_own("http://127.0.0.1:7001/"));
        assert!(!is_own("http://127.0.0.1:7002"));
        drop(announced);
        assert!(address(None, &data).is_err());
    }
}
