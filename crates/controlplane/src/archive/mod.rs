//! Archives in an object store that speaks the S3 protocol: how it is reached, and who we are there. What is put there, and
//! how it is read, is [`countersign_recording::ArchiveStore`]'s.

mod credentials;
mod http;
mod known;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::target::{Tls, TlsMode};
use countersign_recording::ArchiveStore;
use countersign_runtime::tls::{TlsError, client_config};
use object_store::aws::AmazonS3Builder;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, RetryConfig};

pub use self::credentials::{Credentials, Key, NoKey};
pub use self::known::{KnownArchiveError, settle};

use self::http::Connector;

/// How often a request is made again, and for how long. What is not done then is done by the next round.
const RETRIES_MAX: usize = 4;
const RETRY_WITHIN: Duration = Duration::from_secs(20);

/// The wait before the second attempt, and the longest one. Between them it is doubled, with jitter.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(3);

/// Where the archive is.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// The bucket. It has to be there.
    pub bucket: String,
    /// What the names of all objects begin with; empty: nothing.
    pub prefix: String,
    /// The bucket's region; servers that know none take any.
    pub region: String,
    /// Where the server is, `https://host:port`; `None`: AWS's own of that region.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path, not before the host's name.
    pub path_style: bool,
    /// The authority that signed the server's certificate, PEM; `None`: those that this machine trusts.
    pub ca_file: Option<PathBuf>,
    /// Who we are.
    pub credentials: Credentials,
}

/// Why an archive cannot be used as it is configured. Nothing was asked of the server yet.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The authority.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Anything else.
    #[error(transparent)]
    Options(#[from] object_store::Error),
}

impl S3Options {
    /// The archive, which is read through a copy in the folder `copy`. Reads the authority's file; asks the server nothing.
    ///
    /// # Errors
    /// When the options cannot be used.
    pub fn open(&self, copy: PathBuf) -> Result<ArchiveStore, S3Error> {
        let tls = Tls {
            mode: TlsMode::VerifyFull,
            ca_file: self.ca_file.clone(),
            certificate_file: None,
            key_file: None,
        };
        let tls = client_config(&tls, &[])?.ok_or(TlsError::NoAuthorities)?;
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: BACKOFF_FIRST, max_backoff: BACKOFF_MAX, base: 2. },
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_WITHIN,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(!self.path_style)
            .with_retry(retry)
            .with_http_connector(Connector::new(tls));
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(self.endpoint_of_bucket(endpoint));
        }
        let store = self.credentials.give(builder).build()?;
        Ok(ArchiveStore::of(Arc::new(PrefixStore::new(store, self.prefix.as_str())), copy))
    }

    fn endpoint_of_bucket(&self, endpoint: &str) -> String {
        match endpoint.split_once("://") {
            Some((scheme, host)) if !self.path_style => format!("{scheme}://{}.{host}", self.bucket),
            _ => endpoint.to_owned(),
        }
    }
}
