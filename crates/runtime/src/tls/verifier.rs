//! Custom verification of server certificates. Independently of the custom check, the signatures of the handshake are
//! verified here, in one place: a certificate proves nothing about a peer that does not hold its key.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Custom check of the certificates that a server presents.
pub trait Shown: fmt::Debug + Send + Sync {
    /// Checks the server's own certificate and the intermediates, at the current time.
    ///
    /// # Errors
    /// The reason for the rejection; the handshake fails with it.
    fn look(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error>;
}

/// Accepts servers that pass the check and hold the key of the presented certificate.
#[derive(Debug)]
pub struct Verifier<S> {
    shown: S,
    provider: Arc<CryptoProvider>,
}

impl<S: Shown> Verifier<S> {
    /// Creates a verifier with this check.
    pub fn of(shown: S) -> Self {
        Self { shown, provider: super::provider() }
    }
}

impl<S: Shown> ServerCertVerifier for Verifier<S> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.shown.look(end_entity, intermediates, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Lets the owner keep a handle to a check that records its result.
impl<S: Shown> Shown for Arc<S> {
    fn look(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        (**self).look(own, between, now)
    }
}

/// `require`: any server that holds the key of its certificate.
#[derive(Debug)]
pub(super) struct AnyServer;

impl Shown for AnyServer {
    fn look(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<(), rustls::Error> {
        Ok(())
    }
}

/// `verify-ca`: a certificate signed by a known authority, for any host.
#[derive(Debug)]
pub(super) struct KnownAuthority {
    pub(super) roots: RootCertStore,
}

impl Shown for KnownAuthority {
    fn look(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let (own, provider) = (ParsedCertificate::try_from(own)?, super::provider());
        let algorithms = provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&own, &self.roots, between, now, algorithms)
    }
}
