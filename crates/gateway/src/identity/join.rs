//! Obtains certificates: the first with a join token, the next ones with the current certificate.

use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::fleet_service_client::FleetServiceClient;
use countersign_common::Digest;
use countersign_runtime::chain;
use rcgen::{CertificateParams, DnType, KeyPair};
use tonic::transport::{Channel, ClientTlsConfig};
use tonic::{Code, Status};

use super::files::{Files, pem};
use super::pin;
use super::{IdentityError, IdentityOptions, JoinToken, believing};
use crate::link::dial::channel;

/// Time limit for one node.
const NODE_TIME_MAX: Duration = Duration::from_secs(10);

/// Joins the fleet through the first node that accepts the token.
pub(super) async fn join(
    options: &IdentityOptions,
    token: &JoinToken,
    files: &Files,
) -> Result<(), IdentityError> {
    let key = files.next_key()?;
    let request = v1::JoinFleetRequest {
        token: token.text.expose().clone(),
        name: options.name.clone(),
        certificate_request: certificate_request(&key, &options.name)?,
    };
    let joined = first_that_answers(&options.control_planes, async |address| {
        let authority = pin::authority(address, token.authority).await?;
        let mut client = connect(address, believing(pem(&[authority]).as_bytes())).await?;
        client.join_fleet(request.clone()).await.map_err(|status| refused(address, status))
    })
    .await?
    .into_inner();
    // The authority in the token vouches for the other authorities in the answer.
    if !joined.authorities.iter().any(|der| Digest::of(der) == token.authority) {
        return Err(IdentityError::OtherAuthority { address: options.control_planes.join(", ") });
    }
    files.take(&joined.certificates, &joined.authorities)
}

/// Obtains a certificate for a new key.
pub(super) async fn renew(
    options: &IdentityOptions,
    present: ClientTlsConfig,
    files: &Files,
) -> Result<(), IdentityError> {
    let key = files.next_key()?;
    let certificate_request = certificate_request(&key, &options.name)?;
    let request = v1::RenewCertificateRequest { certificate_request };
    let renewed = first_that_answers(&options.control_planes, async |address| {
        let mut client = connect(address, present.clone()).await?;
        client.renew_certificate(request.clone()).await.map_err(|status| refused(address, status))
    })
    .await?
    .into_inner();
    files.take(&renewed.certificates, &renewed.authorities)
}

/// Returns the first node's answer, or the last node's error if none answers. A refusal ends the search.
async fn first_that_answers<T>(
    nodes: &[String],
    ask: impl AsyncFn(&str) -> Result<T, IdentityError>,
) -> Result<T, IdentityError> {
    let mut last = IdentityError::Unreached { address: String::new(), why: "no node is configured".into() };
    for address in nodes {
        let asked = tokio::time::timeout(NODE_TIME_MAX, ask(address)).await;
        match asked.unwrap_or_else(|_| Err(unreached(address, "it took too long"))) {
            Err(error @ (IdentityError::Unreached { .. } | IdentityError::OtherAuthority { .. })) => {
                last = error
            }
            other => return other,
        }
    }
    Err(last)
}

async fn connect(address: &str, tls: ClientTlsConfig) -> Result<FleetServiceClient<Channel>, IdentityError> {
    let channel = channel(address, tls).await.map_err(|error| unreached(address, chain(&error)))?;
    Ok(FleetServiceClient::new(channel))
}

fn certificate_request(key: &KeyPair, name: &str) -> Result<Vec<u8>, IdentityError> {
    let mut request = CertificateParams::new(Vec::new())?;
    request.distinguished_name.push(DnType::CommonName, name);
    Ok(request.serialize_request(key)?.der().to_vec())
}

/// Distinguishes a node that cannot answer from one that refuses.
fn refused(address: &str, status: Status) -> IdentityError {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Internal | Code::Cancelled => {
            unreached(address, status.message())
        }
        _ => IdentityError::Refused(Box::new(status)),
    }
}

fn unreached(address: &str, why: impl ToString) -> IdentityError {
    IdentityError::Unreached { address: address.to_owned(), why: why.to_string() }
}
