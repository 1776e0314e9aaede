//! The state directory with the gateway's key and certificates.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_common::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tonic::transport::Identity;

use super::{IdentityError, believing};
use crate::link::Credentials;

#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
}

/// Validity period of a certificate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) begins_at: Timestamp,
    pub(super) ends_at: Timestamp,
}

impl Life {
    /// Returns `true` if two thirds of the period are over.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let life = self.begins_at.until(self.ends_at);
        now >= self.begins_at.after(life * 2 / 3)
    }
}

impl Files {
    /// Creates the directory if it is missing, accessible only by its owner.
    pub(super) fn open(dir: &Path) -> Result<Self, IdentityError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        let made = made.and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o700)));
        made.map_err(|error| IdentityError::file(dir, error))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Validity of the current certificate; `None` if there is none.
    pub(super) fn present(&self) -> Result<Option<Life>, IdentityError> {
        let path = self.certificate();
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IdentityError::file(&path, error)),
            Ok(pem) => life(&pem).map(Some).map_err(|why| IdentityError::file(&path, why)),
        }
    }

    /// Builds the TLS configuration from the files, with its end of validity.
    pub(super) fn credentials(&self) -> Result<Credentials, IdentityError> {
        let path = self.certificate();
        let certificate = read(&path)?;
        let life = life(&certificate).map_err(|why| IdentityError::file(&path, why))?;
        let key = read(&self.key(self.generation(&certificate)))?;
        let tls = believing(&read(&self.authorities())?).identity(Identity::from_pem(certificate, key));
        Ok(Credentials { tls, ends_at: life.ends_at })
    }

    /// Returns the key to be certified: one that an earlier attempt left, or a new one. A join whose answer was lost
    /// is thus repeated with the same key.
    pub(super) fn next_key(&self) -> Result<rcgen::KeyPair, IdentityError> {
        let path = self.dir.join("next.key");
        if let Ok(pem) = fs::read_to_string(&path)
            && let Ok(key) = rcgen::KeyPair::from_pem(&pem)
        {
            return Ok(key);
        }
        let key = rcgen::KeyPair::generate()?;
        write(&path, key.serialize_pem().as_bytes())?;
        Ok(key)
    }

    /// Replaces key and certificate by the newly certified ones.
    pub(super) fn take(
        &self,
        certificates: &[Vec<u8>],
        authorities: &[Vec<u8>],
    ) -> Result<(), IdentityError> {
        let chain = pem(certificates);
        write(&self.authorities(), pem(authorities).as_bytes())?;
        // The key's file name contains the digest of its certificate, so that a single rename replaces both.
        let key = self.key(self.generation(chain.as_bytes()));
        let next = self.dir.join("next.key");
        fs::copy(&next, &key).map_err(|error| IdentityError::file(&key, error))?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600))
            .map_err(|error| IdentityError::file(&key, error))?;
        write(&self.certificate(), chain.as_bytes())?;
        self.clean(&key);
        let _ = fs::remove_file(next);
        Ok(())
    }

    /// Removes the keys of earlier certificates. A remaining one is harmless, because its certificate expires soon.
    fn clean(&self, present: &Path) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            let is_key = path.extension().is_some_and(|extension| extension == "key");
            if is_key && path != present && !path.ends_with("next.key") {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn generation(&self, chain: &[u8]) -> String {
        let digest = countersign_common::Digest::of(chain).to_string();
        digest.get(..16).unwrap_or(&digest).to_owned()
    }

    fn key(&self, generation: String) -> PathBuf {
        self.dir.join(format!("gateway-{generation}.key"))
    }

    fn certificate(&self) -> PathBuf {
        self.dir.join("gateway.pem")
    }

    fn authorities(&self) -> PathBuf {
        self.dir.join("fleet.pem")
    }
}

fn life(pem: &[u8]) -> Result<Life, String> {
    let der = CertificateDer::from_pem_slice(pem).map_err(|_| "it is no certificate")?;
    let (_, certificate) =
        x509_parser::parse_x509_certificate(&der).map_err(|_| "its certificate cannot be read")?;
    let validity = certificate.validity();
    Ok(Life { begins_at: moment(validity.not_before), ends_at: moment(validity.not_after) })
}

fn moment(time: x509_parser::time::ASN1Time) -> Timestamp {
    let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
    Timestamp::from_micros(0).after(Duration::from_secs(seconds))
}

/// Encodes certificates as one PEM text.
pub(super) fn pem(certificates: &[Vec<u8>]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let each = certificates.iter().map(|der| pem::Pem::new("CERTIFICATE", der.clone()));
    pem::encode_many_config(&each.collect::<Vec<_>>(), config)
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    fs::read(path).map_err(|error| IdentityError::file(path, error))
}

/// Writes a file atomically, readable only by its owner.
fn write(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    let new = path.with_extension("new");
    let written = (|| {
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)
    })();
    written.map_err(|error| IdentityError::file(path, error))
}
