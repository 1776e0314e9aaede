//! The certificate of a listener, reloaded when its files change, so that a renewal only has to replace the files.
//! Open connections are not affected; the next handshake presents the new certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_common::Digest;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{TlsError, certificates, private_key, provider};
use crate::metrics::{Reload, reloaded};

/// Interval at which the files are checked.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The certificate that a listener presents, with its files.
#[derive(Debug)]
pub struct ListenerCertificate {
    certificate_file: PathBuf,
    key_file: PathBuf,
    shown: ArcSwap<CertifiedKey>,
    /// Digest of the files when they were last read; `None` if one was unreadable.
    seen: Mutex<Option<Digest>>,
}

/// Builds a listener's configuration: certificate chain and key from PEM files, TLS 1.2 and 1.3, no client
/// certificates. `alpn` lists the offered protocols. A client that offers ALPN without any of them is refused; one
/// without ALPN is not.
///
/// A task reloads the files, and ends with the configuration.
///
/// # Errors
/// [`TlsError`] if a file cannot be read, or certificate and key do not match.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn listener_config(
    certificate_file: &Path,
    key_file: &Path,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let certificate = Arc::new(ListenerCertificate::read(certificate_file, key_file)?);
    let config = certificate.config(alpn)?;
    tokio::spawn(ListenerCertificate::keep(Arc::downgrade(&certificate)));
    Ok(config)
}

impl ListenerCertificate {
    /// Reads certificate and key from their files.
    ///
    /// # Errors
    /// [`TlsError`] if a file cannot be read, or certificate and key do not match.
    pub fn read(certificate_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        // Computed before the files are read: a change in between is noticed at the next check.
        let seen = content(certificate_file, key_file);
        let shown = ArcSwap::from_pointee(certified(certificate_file, key_file)?);
        Ok(Self {
            certificate_file: certificate_file.to_owned(),
            key_file: key_file.to_owned(),
            shown,
            seen: Mutex::new(seen),
        })
    }

    /// Builds a configuration that presents the current certificate. No task reloads the files; see
    /// [`ListenerCertificate::look`].
    ///
    /// # Errors
    /// [`TlsError`] if the cryptographic provider does not support the default TLS versions.
    pub fn config(self: &Arc<Self>, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// Reloads the files if their contents changed. Returns `true` if another certificate is presented now. An
    /// unusable certificate leaves the old one in place, and is logged once. Reads files: do not call it in a task
    /// that must not block.
    pub fn look(&self) -> bool {
        let mut seen = self.seen.lock();
        let found = content(&self.certificate_file, &self.key_file);
        if *seen == found {
            return false;
        }
        *seen = found;
        let file = self.certificate_file.display();
        match certified(&self.certificate_file, &self.key_file) {
            Ok(certified) => {
                self.shown.store(Arc::new(certified));
                reloaded(Reload::Renewed);
                crate::certificate::renewed(&self.certificate_file);
                tracing::info!(%file, "the listener's certificate was read again");
                true
            }
            Err(error) => {
                reloaded(Reload::Unusable);
                let error = crate::chain(&error);
                tracing::error!(%file, error, "the listener's new certificate cannot be used; the old one stays");
                false
            }
        }
    }

    /// Checks the files periodically until the certificate is dropped.
    async fn keep(certificate: Weak<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(certificate) = certificate.upgrade() else { return };
            // After a panic, the next check runs all the same.
            let _ = tokio::task::spawn_blocking(move || certificate.look()).await;
        }
    }
}

impl ResolvesServerCert for ListenerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.load_full())
    }
}

fn certified(certificate_file: &Path, key_file: &Path) -> Result<CertifiedKey, TlsError> {
    let (chain, key) = (certificates(certificate_file)?, private_key(key_file)?);
    Ok(CertifiedKey::from_der(chain, key, &provider())?)
}

/// Digest of both files; `None` if one cannot be read.
fn content(certificate_file: &Path, key_file: &Path) -> Option<Digest> {
    let [certificate, key] =
        [certificate_file, key_file].map(|file| fs::read(file).ok().map(|bytes| Digest::of(&bytes)));
    let mut both = certificate?.as_bytes().to_vec();
    both.extend_from_slice(key?.as_bytes());
    Some(Digest::of(&both))
}

#[cfg(test)]
mod tests {
    use rustls::ClientConfig;
    use rustls::pki_types::CertificateDer;
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::tls::tests::pem_files;
    use crate::tls::{AnyServer, Verifier};

    #[test]
    fn a_listener_needs_a_certificate_and_the_key_that_fits_it() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pem_files(folder.path(), "a");
        let (_, other_key) = pem_files(folder.path(), "b");
        let read = |certificate: &Path, key: &Path| ListenerCertificate::read(certificate, key).map(Arc::new);
        let config = read(&certificate, &key).unwrap().config(&[b"postgresql"]).unwrap();
        assert_eq!(config.alpn_protocols, [b"postgresql"]);
        assert!(matches!(read(&certificate, &other_key), Err(TlsError::Unusable(_))));
        assert!(matches!(read(&key, &key), Err(TlsError::NoCertificate { .. })));
        assert!(matches!(read(&certificate, &certificate), Err(TlsError::Unreadable { .. })));
    }

    #[test]
    fn i11_a_broken_key_is_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, _) = pem_files(folder.path(), "a");
        let key = folder.path().join("broken.key");
        fs::write(&key, "-----BEGIN PRIVATE KEY-----\nhunter2!\n-----END PRIVATE KEY-----\n").unwrap();
        let error = ListenerCertificate::read(&certificate, &key).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert!(error.to_string().ends_with("broken.key` as PEM: it is malformed"), "{error}");
    }

    /// Certificate that a client is presented with.
    async fn shown(config: &Arc<ServerConfig>) -> CertificateDer<'static> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, acceptor) = (listener.local_addr().unwrap(), TlsAcceptor::from(Arc::clone(config)));
        let server = async { acceptor.accept(listener.accept().await.unwrap().0).await.unwrap() };
        let client = async {
            let config = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Verifier::of(AnyServer)))
                .with_no_client_auth();
            let tcp = TcpStream::connect(address).await.unwrap();
            TlsConnector::from(Arc::new(config))
                .connect("any.example".try_into().unwrap(), tcp)
                .await
                .unwrap()
        };
        let (_server, client) = tokio::join!(server, client);
        client.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    }

    #[tokio::test]
    async fn a_client_is_shown_the_new_certificate_and_of_a_broken_one_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pem_files(folder.path(), "listener");
        let of = |pair: &(PathBuf, PathBuf)| certificates(&pair.0).unwrap()[0].clone();
        let listener = Arc::new(ListenerCertificate::read(&certificate, &key).unwrap());
        let config = listener.config(&[]).unwrap();
        let first = of(&(certificate.clone(), key.clone()));
        assert_eq!(shown(&config).await, first);
        assert!(!listener.look(), "nothing has changed");

        // The files are replaced one after the other; in between they do not match.
        let next = pem_files(folder.path(), "next");
        fs::rename(&next.0, &certificate).unwrap();
        let second = of(&(certificate.clone(), key.clone()));
        assert!(!listener.look());
        assert_eq!(shown(&config).await, first);
        fs::rename(&next.1, &key).unwrap();
        assert!(listener.look());
        assert_eq!(shown(&config).await, second);

        fs::write(&certificate, "no certificate").unwrap();
        assert!(!listener.look());
        fs::remove_file(&key).unwrap();
        assert!(!listener.look());
        assert_eq!(shown(&config).await, second);
    }

    #[tokio::test(start_paused = true)]
    async fn its_files_are_looked_after_as_long_as_somebody_shows_it() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = pem_files(folder.path(), "listener");
        let listener = Arc::new(ListenerCertificate::read(&certificate, &key).unwrap());
        let (config, weak) = (listener.config(&[]).unwrap(), Arc::downgrade(&listener));
        let before = listener.shown.load_full();
        let keeping = tokio::spawn(ListenerCertificate::keep(weak));
        let next = pem_files(folder.path(), "next");
        fs::rename(&next.1, &key).unwrap();
        fs::rename(&next.0, &certificate).unwrap();
        while Arc::ptr_eq(&before, &listener.shown.load_full()) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        drop((config, listener));
        keeping.await.unwrap();
    }
}
