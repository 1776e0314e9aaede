//! Identity of this gateway: a key and a short-lived certificate in its state directory. The gateway joins once
//! with a token, and renews the certificate while it runs.
//!
//! ```text
//! gateway.key     key of the certificate, PEM
//! gateway.pem     certificate chain, PEM, the gateway's own first
//! fleet.pem       authorities that certify control-plane nodes and gateways, PEM
//! ```
//! The directory and its contents are accessible only by their owner.

mod files;
mod join;
mod pin;
mod token;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_common::time::Clock;
use countersign_runtime::certificate::{self, Shown};
use countersign_runtime::chain;
use tokio::sync::watch;
use tonic::Status;
use tonic::transport::{Certificate, ClientTlsConfig};

pub use self::token::{BadToken, JoinToken};

use self::files::Files;
use crate::link::Credentials;
use crate::link::dial::jittered;

/// Name in the certificate of every control-plane node, regardless of the dialled address.
const SERVER_NAME: &str = "control.countersign.internal";

/// Interval of the checks for renewal, for long-lived certificates.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Minimum number of checks in the validity period of a certificate.
const LOOKS_MIN: u32 = 12;

/// Parameters of a gateway's identity.
#[derive(Debug, Clone)]
pub struct IdentityOptions {
    /// Path of the state directory.
    pub state: PathBuf,
    /// Name of the gateway, for people; sent when it joins.
    pub name: String,
    /// Addresses at which control-plane nodes listen for gateways, as `host:port`.
    pub control_planes: Vec<String>,
    /// Join token; needed only while there is no certificate.
    pub token: Option<JoinToken>,
}

/// The certificate of this gateway, kept valid by renewal.
#[derive(Debug)]
pub struct Identity {
    options: IdentityOptions,
    files: Files,
    clock: Arc<dyn Clock>,
    credentials: watch::Sender<Credentials>,
}

/// Reason why a gateway has no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file of the state directory cannot be used.
    #[error("`{}` cannot be used: {why}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// Description of the error; never the contents of the file.
        why: String,
    },
    /// There is no valid certificate, and no token to obtain one.
    #[error("there is no certificate that is still good, and no join token")]
    NoToken,
    /// The certificate expired before it could be renewed: no node accepts it any more.
    #[error("the certificate has ended and cannot be renewed any more")]
    Ended,
    /// The node at this address does not present the authority of the token.
    #[error("`{address}` does not show the authority that the join token names")]
    OtherAuthority {
        /// Address of the asked node.
        address: String,
    },
    /// A node is unreachable, or its answer was not usable.
    #[error("`{address}`: {why}")]
    Unreached {
        /// Address of the asked node.
        address: String,
        /// Description of the error.
        why: String,
    },
    /// The control plane refuses the request.
    #[error("the control plane refuses: {}", .0.message())]
    Refused(Box<Status>),
    /// No key could be generated.
    #[error("no key could be made: {0}")]
    Key(#[from] rcgen::Error),
}

impl IdentityError {
    fn file(path: &Path, why: impl ToString) -> Self {
        Self::File { path: path.to_owned(), why: why.to_string() }
    }
}

impl Identity {
    /// Opens the identity in the state directory. Joins if there is none, or if it has expired. Tries each node once.
    ///
    /// # Errors
    /// [`IdentityError`]. [`IdentityError::Unreached`] may be temporary.
    ///
    /// # Cancel safety
    /// The token may have been used: a retry presents the same key, which the control plane accepts.
    pub async fn open(options: IdentityOptions, clock: Arc<dyn Clock>) -> Result<Self, IdentityError> {
        let files = Files::open(&options.state)?;
        let present = files.present()?.filter(|certificate| clock.now() < certificate.ends_at);
        if present.is_none() {
            let token = options.token.as_ref().ok_or(IdentityError::NoToken)?;
            join::join(&options, token, &files).await?;
        }
        show_end(&files)?;
        let (credentials, _) = watch::channel(files.credentials()?);
        Ok(Self { options, files, clock, credentials })
    }

    /// Watches the TLS credentials of the links, which change with each renewal.
    #[must_use]
    pub fn credentials(&self) -> watch::Receiver<Credentials> {
        self.credentials.subscribe()
    }

    /// Renews the certificate when two thirds of its validity are over. Returns only if the certificate has expired.
    /// After a renewal, each link is replaced by one with the new certificate.
    ///
    /// # Cancel safety
    /// Cancel safe: key and certificate are replaced together, or not at all.
    pub async fn keep(&self) -> IdentityError {
        loop {
            let every = self.look_every();
            tokio::time::sleep(every / 2 + jittered(every)).await;
            match self.look().await {
                Ok(()) => {}
                Err(ended @ IdentityError::Ended) => return ended,
                Err(error) => tracing::error!(
                    error = chain(&error),
                    "the certificate could not be renewed; it is tried again"
                ),
            }
        }
    }

    fn look_every(&self) -> Duration {
        let life = self.files.present().ok().flatten();
        life.map_or(LOOK_EVERY, |life| LOOK_EVERY.min(life.begins_at.until(life.ends_at) / LOOKS_MIN))
    }

    /// Renews the certificate if it is due.
    ///
    /// # Errors
    /// [`IdentityError`]; the current certificate stays. [`IdentityError::Ended`] is permanent.
    pub async fn look(&self) -> Result<(), IdentityError> {
        let (present, now) = (self.files.present()?, self.clock.now());
        if present.is_some_and(|certificate| certificate.ends_at <= now) {
            return Err(IdentityError::Ended);
        }
        if present.is_none_or(|certificate| certificate.is_due(now)) {
            let tls = self.credentials.borrow().tls.clone();
            join::renew(&self.options, tls, &self.files).await?;
            self.credentials.send_replace(self.files.credentials()?);
            show_end(&self.files)?;
            tracing::info!("the certificate was renewed");
        }
        Ok(())
    }
}

/// Sets the metric for the certificate's expiry.
fn show_end(files: &Files) -> Result<(), IdentityError> {
    if let Some(life) = files.present()? {
        certificate::ends(Shown::Gateway, life.ends_at);
    }
    Ok(())
}

/// TLS configuration that trusts only these authorities, and only for control-plane nodes.
fn believing(authorities: &[u8]) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities)).domain_name(SERVER_NAME)
}
