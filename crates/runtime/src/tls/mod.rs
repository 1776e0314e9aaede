//! TLS for any protocol: configurations for listeners from certificate and key ([`listener`]), and for targets from
//! the requirements in their bundle entry ([`verifier`]).
//!
//! The cryptographic provider is passed to rustls explicitly, so that nothing depends on a process-wide default.

mod listener;
mod revoked;
mod verifier;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use countersign_common::error::{Code, Origin, Report, Retry, code};
use countersign_common::target::{Tls, TlsMode};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

pub use self::listener::{ListenerCertificate, listener_config};
pub use self::revoked::IsRevoked;
pub use self::verifier::{Shown, Verifier};

use self::revoked::NotRevoked;
use self::verifier::{AnyServer, KnownAuthority};

/// Reason why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file could not be read, or is not PEM.
    #[error("cannot read `{}` as PEM: {why}", path.display())]
    Unreadable {
        /// Path of the PEM file.
        path: PathBuf,
        /// Description of the error; never the contents of the file.
        why: String,
    },
    /// A PEM file contains no certificate.
    #[error("`{}` has no certificate in it", path.display())]
    NoCertificate {
        /// Path of the PEM file.
        path: PathBuf,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("a client certificate needs both `certificate_file` and `key_file`")]
    HalfCertificate,
    /// The system has no certificate authorities.
    #[error("the system has no certificate authorities; name a `ca_file`")]
    NoAuthorities,
    /// rustls rejected the certificate or the key.
    #[error("certificate or key unusable")]
    Unusable(#[from] rustls::Error),
    /// rustls rejected the certificate authorities.
    #[error("certificate authorities unusable")]
    Authorities(#[from] rustls::client::VerifierBuilderError),
}

impl Report for TlsError {
    fn origin(&self) -> Origin {
        Origin::Gateway
    }

    fn retry(&self) -> Retry {
        Retry::Safe
    }

    fn code(&self) -> Code {
        code::CONFIG_INVALID
    }

    fn client_text(&self) -> Cow<'_, str> {
        "the gateway's TLS settings are unusable; nothing was run".into()
    }
}

/// Cryptographic provider of the whole product.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}

/// Builds the configuration of a fleet's listener, with the fleet's own authority. A client may present a certificate
/// of that authority, or none. A certificate of another authority, an expired one or a revoked one is rejected. TLS
/// 1.3 only, and no session resumption, so that a returning client presents its certificate again.
///
/// # Errors
/// [`TlsError`] if certificate and key do not match, or the authority is not valid.
pub fn fleet_server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authority: CertificateDer<'static>,
    is_revoked: IsRevoked,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority)?;
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let clients = NotRevoked { certified: clients.allow_unauthenticated().build()?, is_revoked };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(clients))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Builds the configuration for connections to a target; `None` if the target uses no TLS. Reads files: do not call
/// it in a task that must not block.
///
/// # Errors
/// [`TlsError`] if a file cannot be read, or certificate and key do not match.
pub fn client_config(tls: &Tls, alpn: &[&[u8]]) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    let verifier: Arc<dyn ServerCertVerifier> = match tls.mode {
        TlsMode::Disable => return Ok(None),
        TlsMode::Require => Arc::new(Verifier::of(AnyServer)),
        TlsMode::VerifyCa => Arc::new(Verifier::of(KnownAuthority { roots: roots(tls)? })),
        TlsMode::VerifyFull => {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots(tls)?), provider()).build()?
        }
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match (&tls.certificate_file, &tls.key_file) {
        (Some(certificate), Some(key)) => {
            builder.with_client_auth_cert(certificates(certificate)?, private_key(key)?)?
        }
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) | (None, Some(_)) => return Err(TlsError::HalfCertificate),
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Some(Arc::new(config)))
}

/// Certificate authorities of a target: those in its file, else those of the system.
fn roots(tls: &Tls) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &tls.ca_file {
        for certificate in certificates(file)? {
            roots.add(certificate)?;
        }
    } else {
        // Single malformed files among the system's are common and harmless; an empty set is an error.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError::NoAuthorities);
        }
    }
    Ok(roots)
}

/// Reads the certificates of a PEM file, at least one.
///
/// # Errors
/// [`TlsError`] if the file cannot be read, or contains none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| unreadable(path, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(certificates)
}

/// Reads the private key of a PEM file.
///
/// # Errors
/// [`TlsError`] if the file cannot be read, or contains none; the error quotes nothing of it.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(path, &error))
}

/// Describes the error without the bytes that some of these errors carry: they may belong to a key.
fn unreadable(path: &Path, error: &PemError) -> TlsError {
    let why = match error {
        PemError::Io(error) => error.to_string(),
        PemError::NoItemsFound => "there is no such item in it".to_owned(),
        _ => "it is malformed".to_owned(),
    };
    TlsError::Unreadable { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates files of this name with a self-signed certificate and its key.
    pub(super) fn pem_files(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let files = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&files.0, certificate.pem()).unwrap();
        std::fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }

    fn demands(mode: TlsMode) -> Tls {
        Tls { mode, ca_file: None, certificate_file: None, key_file: None }
    }

    #[test]
    fn a_target_gets_what_its_entry_demands() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pem_files(folder.path(), "a");
        assert!(client_config(&demands(TlsMode::Disable), &[]).unwrap().is_none());
        assert!(client_config(&demands(TlsMode::Require), &[]).unwrap().is_some());
        for mode in [TlsMode::VerifyCa, TlsMode::VerifyFull] {
            let by_file = Tls { ca_file: Some(certificate.clone()), ..demands(mode) };
            assert!(client_config(&by_file, &[]).unwrap().is_some());
            let by_nothing = Tls { ca_file: Some(folder.path().join("none")), ..demands(mode) };
            assert!(matches!(client_config(&by_nothing, &[]), Err(TlsError::Unreadable { .. })));
        }
        let half = Tls { certificate_file: Some(certificate), ..demands(TlsMode::Require) };
        assert!(matches!(client_config(&half, &[]), Err(TlsError::HalfCertificate)));
        let whole = Tls { key_file: Some(key), ..half };
        assert!(client_config(&whole, &[]).unwrap().unwrap().client_auth_cert_resolver.has_certs());
    }
}
