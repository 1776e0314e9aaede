//! Whom a client believes, where it is not the usual question. Whatever is looked at, the signatures of the handshake are
//! checked here, in one place: a certificate proves nothing about those who do not hold its key.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Looks at the certificates that a server shows.
pub trait Shown: fmt::Debug + Send + Sync {
    /// Whether to go on with this server: its own certificate, those between, and the present time.
    ///
    /// # Errors
    /// Why not; the handshake fails with it.
    fn look(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error>;
}

/// Believes whom a [`Shown`] believes and who holds the key to the certificate that it shows.
#[derive(Debug)]
pub struct Verifier<S> {
    shown: S,
    provider: Arc<CryptoProvider>,
}

impl<S: Shown> Verifier<S> {
    /// By this look.
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

/// What is looked at is told to others, too.
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

/// `require`: whoever holds the key of the certificate it shows.
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

/// `verify-ca`: a certificate signed by a known authority, for whichever host.
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
