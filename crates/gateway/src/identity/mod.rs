//! Who this gateway is to the control plane: a key and a short-lived certificate in its state directory. It joins once
//! with a token, and renews the certificate while it works.
//!
//! ```text
//! gateway.key     the key of the certificate, PEM
//! gateway.pem     the certificate chain, PEM, the gateway's own first
//! fleet.pem       the authorities that control-plane nodes and gateways are certified by, PEM
//! ```
//! The directory and everything in it is for its owner alone.

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

/// The name that every control-plane node's certificate has, at whatever address it is dialled.
const SERVER_NAME: &str = "control.countersign.internal";

/// How often it is looked whether the certificate has to be renewed, where it lives for long.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How often it is looked in the life of a certificate, at least.
const LOOKS_MIN: u32 = 12;

/// What a gateway needs in order to be somebody.
#[derive(Debug, Clone)]
pub struct IdentityOptions {
    /// The state directory.
    pub state: PathBuf,
    /// The gateway's name, for people; taken when it joins.
    pub name: String,
    /// Where control-plane nodes listen for gateways, as `host:port`.
    pub control_planes: Vec<String>,
    /// The join token; needed only while there is no certificate.
    pub token: Option<JoinToken>,
}

/// This gateway's certificate, as long as it is renewed.
#[derive(Debug)]
pub struct Identity {
    options: IdentityOptions,
    files: Files,
    clock: Arc<dyn Clock>,
    credentials: watch::Sender<Credentials>,
}

/// Why a gateway is nobody.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file of the state directory cannot be used.
    #[error("`{}` cannot be used: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong; never the file's content.
        why: String,
    },
    /// There is no certificate that is still good, and no token to get one with.
    #[error("there is no certificate that is still good, and no join token")]
    NoToken,
    /// The certificate ended before it could be renewed: no node takes it any more.
    #[error("the certificate has ended and cannot be renewed any more")]
    Ended,
    /// The token's authority is not the one that answers there.
    #[error("`{address}` does not show the authority that the join token names")]
    OtherAuthority {
        /// The node that was asked.
        address: String,
    },
    /// A node could not be reached, or did not answer as it should.
    #[error("`{address}`: {why}")]
    Unreached {
        /// The node that was asked.
        address: String,
        /// What went wrong.
        why: String,
    },
    /// The control plane refuses.
    #[error("the control plane refuses: {}", .0.message())]
    Refused(Box<Status>),
    /// No key could be made.
    #[error("no key could be made: {0}")]
    Key(#[from] rcgen::Error),
}

impl IdentityError {
    fn file(path: &Path, why: impl ToString) -> Self {
        Self::File { path: path.to_owned(), why: why.to_string() }
    }
}

impl Identity {
    /// The identity in the state directory; joins where there is none, or one that has expired. Asks one node after the
    /// other, once.
    ///
    /// # Errors
    /// [`IdentityError`]. [`IdentityError::Unreached`] may be better later.
    ///
    /// # Cancel safety
    /// A token may have been used up: the same key is presented when it is tried again, which the control plane takes.
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

    /// The TLS of the links, as it is renewed.
    #[must_use]
    pub fn credentials(&self) -> watch::Receiver<Credentials> {
        self.credentials.subscribe()
    }

    /// Renews the certificate when two thirds of its life are over, until it is dropped or has to say that the
    /// certificate has ended. Then each link is followed by one with the new certificate.
    ///
    /// # Cancel safety
    /// Safe: key and certificate are replaced together, or not at all.
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

    /// Renews the certificate if it is time.
    ///
    /// # Errors
    /// [`IdentityError`]; the present one stays. [`IdentityError::Ended`] is for good.
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

/// Shows operators when the certificate ends.
fn show_end(files: &Files) -> Result<(), IdentityError> {
    if let Some(life) = files.present()? {
        certificate::ends(Shown::Gateway, life.ends_at);
    }
    Ok(())
}

/// TLS that believes these authorities only, and only about control-plane nodes.
fn believing(authorities: &[u8]) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities)).domain_name(SERVER_NAME)
}
