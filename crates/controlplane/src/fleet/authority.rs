//! The certificate authority of the fleet: it certifies control-plane nodes and gateways, and nobody else. Every
//! control-plane node has the same one; who dials a control plane trusts it alone.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::{hmac, rand};
use countersign_common::time::Clock;
use countersign_common::{Digest, Secret, Timestamp};
use countersign_runtime::tls::{self, TlsError};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use webpki::EndEntityCert;

use super::member::Member;

/// A name that every control-plane node is certified for, so that gateways may dial any address.
pub const CONTROL_NAME: &str = "control.countersign.internal";

/// How long an authority lives.
const AUTHORITY_TTL: Duration = Duration::from_secs(10 * 366 * 86_400);

/// How long a control-plane node's certificate lives; a new one is made long before.
const SERVER_TTL: Duration = Duration::from_secs(90 * 86_400);

/// How far the clocks of two machines may be apart for a new certificate to be valid on both.
const CLOCKS_APART: Duration = Duration::from_secs(5 * 60);

/// Why there is no authority, or it certifies nobody.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its files cannot be read.
    #[error("the fleet's authority cannot be read")]
    Unreadable(#[from] TlsError),
    /// A file cannot be written.
    #[error("`{}` cannot be written", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key is not the certificate's.
    #[error("the key of the fleet's authority does not belong to its certificate")]
    Mismatch,
    /// A request for a certificate is none, or is not signed with the key that it names.
    #[error("the certificate request cannot be read, or is not signed by its own key")]
    BadRequest,
    /// A name of a control-plane node is no host name or address.
    #[error("`{0}` is no host name and no address")]
    BadName(String),
    /// The certificate cannot be made.
    #[error("the certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// The machine has no random bytes.
    #[error("there are no random bytes")]
    NoRandom,
}

/// The files of an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityFiles {
    /// Its certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

impl AuthorityFiles {
    /// The usual names in a directory.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self { certificate: directory.join("fleet-ca.pem"), key: directory.join("fleet-ca.key") }
    }

    /// Makes a new authority in these files, the key for its owner alone. Files that are there stay: an error.
    ///
    /// # Errors
    /// When a file is there, or cannot be written.
    pub fn create(&self, clock: &dyn Clock) -> Result<(), AuthorityError> {
        let (certificate, key) = new_authority(clock.now())?;
        // The key first: a certificate without its key would look like an authority.
        write_new(&self.key, key.expose().as_bytes(), 0o600)?;
        write_new(&self.certificate, certificate.as_bytes(), 0o644)
    }

    /// Reads the authority; makes one first where neither file is there.
    ///
    /// # Errors
    /// As [`Authority::read`] and [`AuthorityFiles::create`].
    pub fn read_or_create(&self, clock: &dyn Clock) -> Result<Authority, AuthorityError> {
        if !self.certificate.exists() && !self.key.exists() {
            self.create(clock)?;
        }
        Authority::read(self)
    }
}

/// The authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// Derived from its key: what is made with it, every control-plane node can check.
    secret: hmac::Key,
}

/// What a control-plane node shows.
#[derive(Debug)]
pub struct ServerIdentity {
    /// Its certificate, then the authority's: a gateway that knows only the authority's digest finds it here.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
    /// When a new one is due.
    pub renew_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
}

impl Authority {
    /// Reads an authority from its files.
    ///
    /// # Errors
    /// When a file cannot be read, or certificate and key do not belong together.
    pub fn read(files: &AuthorityFiles) -> Result<Self, AuthorityError> {
        let certificate = tls::certificates(&files.certificate)?.swap_remove(0);
        let key = tls::private_key(&files.key)?;
        let secret = hmac::Key::new(hmac::HMAC_SHA256, key.secret_der());
        let key = KeyPair::try_from(&key)?;
        let certified = EndEntityCert::try_from(&certificate).map(|parsed| parsed.subject_public_key_info());
        if !certified.is_ok_and(|certified| *certified == *key.subject_public_key_info()) {
            return Err(AuthorityError::Mismatch);
        }
        Ok(Self { issuer: Issuer::from_ca_cert_der(&certificate, key)?, certificate, secret })
    }

    /// A key for one purpose, the same on every control-plane node. Nothing is learnt from it about the authority's own.
    pub(super) fn key_for(&self, purpose: &str) -> hmac::Key {
        let key = hmac::sign(&self.secret, purpose.as_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The digest over its certificate; join tokens carry it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.certificate)
    }

    /// A new certificate and key for a control-plane node that is reached under these names and addresses.
    ///
    /// # Errors
    /// When a name is none.
    pub fn server(&self, names: &[String], now: Timestamp) -> Result<ServerIdentity, AuthorityError> {
        let mut all = vec![CONTROL_NAME.to_owned()];
        all.extend(names.iter().filter(|name| *name != CONTROL_NAME).cloned());
        let mut params = certificate(now, SERVER_TTL, CONTROL_NAME)?;
        for name in &all {
            let named = CertificateParams::new([name.clone()]);
            let named = named.map_err(|_| AuthorityError::BadName(name.clone()))?;
            params.subject_alt_names.extend(named.subject_alt_names);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.issuer)?;
        Ok(ServerIdentity {
            chain: vec![signed.der().clone(), self.certificate.clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            renew_at: now.after(SERVER_TTL / 3),
            ends_at: now.after(SERVER_TTL),
        })
    }

    /// A certificate for a gateway's key. Of the request only its public key is taken; that it holds the private
    /// one is checked.
    ///
    /// # Errors
    /// When the request is none, or not signed with its own key.
    pub fn gateway(
        &self,
        member: &Member,
        request: &CertificateRequest,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let name = member.name.to_string();
        let mut params = certificate(now, ttl, &name)?;
        let uri = Ia5String::try_from(member.uri()).map_err(|_| AuthorityError::BadName(name))?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        // A gateway never passes for a control plane.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let signed = params.signed_by(&request.0.public_key, &self.issuer)?;
        Ok(vec![signed.der().clone()])
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("digest", &self.digest()).finish_non_exhaustive()
    }
}

/// A request for a certificate, checked to be signed with its own key.
#[derive(Debug)]
pub struct CertificateRequest(CertificateSigningRequestParams);

impl CertificateRequest {
    /// Reads a PKCS #10 request, DER.
    ///
    /// # Errors
    /// When it is none, or not signed with its own key.
    pub fn read(der: &[u8]) -> Result<Self, AuthorityError> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der));
        Ok(Self(request.map_err(|_| AuthorityError::BadRequest)?))
    }

    /// The digest over its public key.
    #[must_use]
    pub fn key_digest(&self) -> Digest {
        Digest::of(self.0.public_key.der_bytes())
    }
}

/// What all certificates have in common.
fn certificate(now: Timestamp, ttl: Duration, name: &str) -> Result<CertificateParams, AuthorityError> {
    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(|_| AuthorityError::NoRandom)?;
    // A serial number is positive.
    if let Some(first) = serial.first_mut() {
        *first &= 0x7f;
    }
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    // Not longer ago than it lasts: who renews when two thirds are over has a third left.
    params.not_before = (system_time(now) - CLOCKS_APART.min(ttl)).into();
    params.not_after = (system_time(now) + ttl).into();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// A new authority: certificate and key, PEM.
fn new_authority(now: Timestamp) -> Result<(String, Secret<String>), AuthorityError> {
    let mut params = certificate(now, AUTHORITY_TTL, "Countersign fleet authority")?;
    // It certifies nodes, never other authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Secret::new(key.serialize_pem())))
}

fn system_time(time: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(time.as_micros())
}

/// Writes a file that was not there, whole.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorityError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| AuthorityError::Unwritable { path: path.to_owned(), source })
}
