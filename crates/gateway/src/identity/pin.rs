//! Finds the fleet's authority by its digest before anything is trusted: a TLS handshake that ends as soon as the
//! node has presented its certificates. Nothing is sent on that connection.

use std::sync::Arc;

use countersign_common::Digest;
use countersign_runtime::tls::{Shown, Verifier, provider};
use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{IdentityError, SERVER_NAME};

/// Returns the certificate with this digest, DER, from those that the node at `address` presents.
///
/// # Errors
/// Fails if the node is unreachable, or presents no certificate with this digest.
pub(super) async fn authority(address: &str, digest: Digest) -> Result<Vec<u8>, IdentityError> {
    let unreached =
        |why: &dyn ToString| IdentityError::Unreached { address: address.to_owned(), why: why.to_string() };
    let looks = Arc::new(Looks { digest, found: Mutex::new(None) });
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| unreached(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::of(Arc::clone(&looks))))
        .with_no_client_auth();
    let name = ServerName::try_from(SERVER_NAME).map_err(|error| unreached(&error))?;
    let tcp = TcpStream::connect(address).await.map_err(|error| unreached(&error))?;
    // The handshake always fails, see `Looks`. Only the presented certificates matter.
    let ended = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.err();
    let seen = looks.found.lock().take();
    match (seen, ended) {
        (Some(Some(found)), _) => Ok(found),
        (Some(None), _) => Err(IdentityError::OtherAuthority { address: address.to_owned() }),
        (None, Some(error)) => Err(unreached(&error)),
        (None, None) => Err(unreached(&"it showed no certificate")),
    }
}

/// Inspects the certificates and rejects all of them. The one found is trusted only for its digest, and on another
/// connection where everything is verified.
#[derive(Debug)]
struct Looks {
    digest: Digest,
    /// Set after the inspection: the certificate, if it was found.
    found: Mutex<Option<Option<Vec<u8>>>>,
}

impl Shown for Looks {
    fn look(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<(), rustls::Error> {
        let mut shown = std::iter::once(own).chain(between);
        let found = shown.find(|certificate| Digest::of(certificate) == self.digest);
        *self.found.lock() = Some(found.map(|certificate| certificate.to_vec()));
        Err(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }
}
