//! `archive` in the configuration of a control plane: a folder, or a bucket of an object store and who we are there.

use std::path::PathBuf;

use countersign_controlplane::archive::{Credentials, S3Options};
use countersign_recording::ArchiveStore;
use serde::Deserialize;
use serde_json::Value;

use crate::data::DataDir;
use crate::error::{CliError, Exit};
use crate::node::config::Document;

/// The region when nobody says one: that of servers that know none.
const REGION_DEFAULT: &str = "us-east-1";

/// Where the archive is.
#[derive(Debug, Clone)]
pub(super) enum ArchivePlace {
    /// A directory, the same for all nodes: a path.
    Folder(PathBuf),
    /// A bucket: `s3://bucket/prefix`, or `s3: { … }`.
    S3(Box<S3Options>),
}

/// `archive.s3`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct S3Config {
    /// `bucket`: it has to be there.
    bucket: String,
    /// `prefix`: what the names of all objects begin with. Default nothing.
    #[serde(default)]
    prefix: String,
    /// `region`. Default that of AWS_REGION in the environment, else us-east-1.
    region: Option<String>,
    /// `endpoint`: `https://host:port` of a server that is not AWS's.
    endpoint: Option<String>,
    /// `path_style`: whether the bucket stands in the path, not before the host's name. Default: with `endpoint` it does.
    path_style: Option<bool>,
    /// `ca_file`: the authority that signed the server's certificate, PEM. Default: those that this machine trusts.
    ca_file: Option<PathBuf>,
    /// `credentials`. Default `environment`.
    #[serde(default)]
    credentials: CredentialsConfig,
}

/// `archive.s3.credentials`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum CredentialsConfig {
    /// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where there is one, AWS_SESSION_TOKEN.
    #[default]
    Environment,
    /// A file as `~/.aws/credentials`, read again for every request.
    File(PathBuf),
    /// The role that AWS gives this workload or machine.
    Role,
}

impl ArchivePlace {
    /// `archive`; faults go to the document.
    pub(super) fn read(document: &mut Document) -> Option<Self> {
        let read = place(document.optional("archive")?);
        read.map_err(|reason| document.fault(format!("`archive`: {reason}"))).ok()
    }

    /// The archive. An object store is read through a copy in the data directory.
    pub(super) fn open(&self, data: &DataDir) -> Result<ArchiveStore, CliError> {
        let failed = |error: &dyn std::error::Error| CliError::because(Exit::Failed, "`archive`", error);
        match self {
            Self::Folder(folder) => ArchiveStore::folder(folder).map_err(|error| failed(&error)),
            Self::S3(options) => options.open(data.archive_copy()).map_err(|error| failed(&error)),
        }
    }
}

fn place(value: Value) -> Result<ArchivePlace, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stores {
        s3: S3Config,
    }
    match value {
        Value::String(text) => match text.split_once("://") {
            Some(("s3", bucket)) => {
                let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
                let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
                S3Config { bucket, prefix, ..S3Config::default() }.options()
            }
            Some((scheme, _)) => Err(format!("{scheme}:// is not known; give a path, or s3://bucket/prefix")),
            None => Ok(ArchivePlace::Folder(text.into())),
        },
        Value::Object(_) => {
            serde_json::from_value::<Stores>(value).map_err(|error| error.to_string())?.s3.options()
        }
        _ => Err("give a path, s3://bucket/prefix, or `s3: { bucket: … }`".into()),
    }
}

impl S3Config {
    fn options(self) -> Result<ArchivePlace, String> {
        if self.bucket.is_empty() || self.bucket.contains('/') {
            return Err("`bucket` is the name of a bucket".into());
        }
        if let Some(endpoint) = &self.endpoint {
            let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
            if host.is_none_or(|host| host.is_empty() || host.contains(['/', '@', '?'])) {
                return Err("`endpoint` is written https://host:port".into());
            }
        }
        let environment = || std::env::var("AWS_REGION").ok().filter(|region| !region.is_empty());
        let credentials = match self.credentials {
            CredentialsConfig::Environment => {
                Credentials::in_environment().map_err(|error| error.to_string())?
            }
            CredentialsConfig::File(file) => Credentials::File(file),
            CredentialsConfig::Role => Credentials::Role,
        };
        Ok(ArchivePlace::S3(Box::new(S3Options {
            region: self.region.or_else(environment).unwrap_or_else(|| REGION_DEFAULT.into()),
            path_style: self.path_style.unwrap_or(self.endpoint.is_some()),
            bucket: self.bucket,
            prefix: self.prefix,
            endpoint: self.endpoint,
            ca_file: self.ca_file,
            credentials,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<ArchivePlace, String> {
        place(serde_json::from_str(json).unwrap())
    }

    fn s3(json: &str) -> S3Options {
        match read(json).unwrap() {
            ArchivePlace::S3(options) => *options,
            ArchivePlace::Folder(folder) => panic!("a folder: {}", folder.display()),
        }
    }

    #[test]
    fn a_path_is_a_folder_and_a_bucket_is_told_in_whole() {
        assert!(matches!(read("\"/a\""), Ok(ArchivePlace::Folder(path)) if path.as_os_str() == "/a"));
        let options =
            s3(r#"{"s3": {"bucket": "b", "prefix": "p/q", "region": "eu-1", "endpoint": "https://h:1",
                             "credentials": {"file": "/f"}}}"#);
        assert_eq!((options.bucket.as_str(), options.prefix.as_str()), ("b", "p/q"));
        assert_eq!((options.region.as_str(), options.path_style), ("eu-1", true));
        assert!(matches!(options.credentials, Credentials::File(file) if file.as_os_str() == "/f"));
        let own = s3(r#"{"s3": {"bucket": "b", "credentials": "role"}}"#);
        assert!(!own.path_style && own.endpoint.is_none());
    }

    #[test]
    fn what_cannot_be_an_archive_is_refused() {
        for (bad, why) in [
            (r#""gs://b""#, "gs:// is not known"),
            ("7", "give a path"),
            (r#"{"s3": {"credentials": "role"}}"#, "missing field `bucket`"),
            (r#"{"s3": {"bucket": "b", "secret": "x"}}"#, "unknown field `secret`"),
            (r#"{"s3": {"bucket": "b/p", "credentials": "role"}}"#, "`bucket` is the name"),
            (r#"{"s3": {"bucket": "b", "endpoint": "h:1", "credentials": "role"}}"#, "`endpoint` is written"),
            (
                r#"{"s3": {"bucket": "b", "endpoint": "https://k:s@h", "credentials": "role"}}"#,
                "`endpoint` is written",
            ),
        ] {
            let error = read(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
