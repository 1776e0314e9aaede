//! Who we are at the object store. Secrets come from files or the environment, never from the configuration itself.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_common::Secret;
use object_store::CredentialProvider;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};

/// What the environment of a workload with a role of its own says, in Kubernetes (web identity, pod identity) and in ECS.
/// Without any of it the role is that of the machine.
const ROLE_VARIABLES: &[&str] = &[
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// Who we are.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A key that lasts as long as this process.
    Key(Key),
    /// A file in the format of `~/.aws/credentials`, its `default` profile. Read again for every request, so that it may be
    /// replaced without a restart.
    File(PathBuf),
    /// The role that AWS gives this workload or machine.
    Role,
}

/// A key.
#[derive(Debug, Clone)]
pub struct Key {
    id: String,
    secret: Secret<String>,
    session: Option<Secret<String>>,
}

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The environment says none.
    #[error("neither `credentials` nor AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")]
    NotInEnvironment,
    /// The file cannot be read.
    #[error("the credentials in `{}` cannot be read: {why}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The file has no key.
    #[error("`{}` has no aws_access_key_id with an aws_secret_access_key in its default profile", .0.display())]
    NotInFile(PathBuf),
}

impl Credentials {
    /// The key in the environment.
    ///
    /// # Errors
    /// When there is none.
    pub fn in_environment() -> Result<Self, NoKey> {
        let said = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let key =
            Key::of(said("AWS_ACCESS_KEY_ID"), said("AWS_SECRET_ACCESS_KEY"), said("AWS_SESSION_TOKEN"));
        key.map(Self::Key).ok_or(NoKey::NotInEnvironment)
    }

    pub(super) fn give(&self, builder: AmazonS3Builder) -> AmazonS3Builder {
        match self {
            Self::Key(key) => builder.with_credentials(Arc::new(Given(key.clone()))),
            Self::File(file) => builder.with_credentials(Arc::new(Filed(file.clone()))),
            Self::Role => ROLE_VARIABLES.iter().fold(builder, |builder, name| {
                match (name.to_lowercase().parse::<AmazonS3ConfigKey>(), std::env::var(name)) {
                    (Ok(key), Ok(value)) => builder.with_config(key, value),
                    _ => builder,
                }
            }),
        }
    }
}

impl Key {
    fn of(id: Option<String>, secret: Option<String>, session: Option<String>) -> Option<Self> {
        Some(Self { id: id?, secret: Secret::new(secret?), session: session.map(Secret::new) })
    }

    /// In a file of profiles, the default one's. What stands before any profile is taken for it.
    fn in_profiles(text: &str) -> Option<Self> {
        let (mut id, mut secret, mut session, mut is_default) = (None, None, None, true);
        for line in text.lines().map(str::trim) {
            if let Some(profile) = line.strip_prefix('[') {
                is_default = profile.trim_end_matches(']').trim() == "default";
            }
            let Some((name, value)) = line.split_once('=').filter(|_| is_default) else { continue };
            let value = Some(value.trim().to_owned());
            match name.trim().to_lowercase().as_str() {
                "aws_access_key_id" => id = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => session = value,
                _ => {}
            }
        }
        Self::of(id, secret, session)
    }

    fn credential(&self) -> Arc<AwsCredential> {
        Arc::new(AwsCredential {
            key_id: self.id.clone(),
            secret_key: self.secret.expose().clone(),
            token: self.session.as_ref().map(|token| token.expose().clone()),
        })
    }
}

#[derive(Debug)]
struct Given(Key);

#[async_trait]
impl CredentialProvider for Given {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        Ok(self.0.credential())
    }
}

#[derive(Debug)]
struct Filed(PathBuf);

impl Filed {
    async fn read(&self) -> Result<Arc<AwsCredential>, NoKey> {
        let text = tokio::fs::read_to_string(&self.0).await.map(Secret::new);
        let unreadable =
            |error: std::io::Error| NoKey::Unreadable { file: self.0.clone(), why: error.to_string() };
        let key = Key::in_profiles(text.map_err(unreadable)?.expose());
        key.map(|key| key.credential()).ok_or_else(|| NoKey::NotInFile(self.0.clone()))
    }
}

#[async_trait]
impl CredentialProvider for Filed {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let read = self.read().await;
        read.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_that_of_the_default_profile_and_shows_nowhere() {
        let text = "[other]\naws_access_key_id = no\naws_secret_access_key = no\n[default]\n# ours\n\
                    aws_access_key_id=AKIA\n AWS_SECRET_ACCESS_KEY = hunter2= \n";
        let key = Key::in_profiles(text).unwrap();
        assert_eq!((key.id.as_str(), key.secret.expose().as_str()), ("AKIA", "hunter2="));
        let shown = format!("{:?} {:?}", Credentials::Key(key.clone()), key.credential());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(Key::in_profiles("aws_access_key_id = AKIA").is_none());
    }

    #[tokio::test]
    async fn a_file_is_read_again_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials");
        let filed = Filed(file.clone());
        assert!(matches!(filed.read().await, Err(NoKey::Unreadable { .. })));
        for id in ["one", "two"] {
            std::fs::write(&file, format!("aws_access_key_id={id}\naws_secret_access_key=s\n")).unwrap();
            assert_eq!(filed.read().await.unwrap().key_id, id);
        }
        std::fs::write(&file, "").unwrap();
        assert_eq!(filed.read().await, Err(NoKey::NotInFile(file)));
    }
}
