//! Reads the target's credential from where its reference points, each time it is needed: what rotates a
//! secret need not tell us. Keys that SCRAM stretched it to are kept, in bounded number.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use countersign_common::Secret;
use countersign_common::target::SecretRef;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::UpstreamError;
use super::scram::{Keys, Stretch};

/// The longest credential, in bytes: as the server's limit for authentication messages.
const CREDENTIAL_BYTES_MAX: u64 = 65_535;
/// How many stretched keys are kept for a target; the oldest goes first.
const KEYS_KEPT: usize = 64;

/// Reads a credential: the first line of a file, or an environment variable. Blocks on the file.
pub(super) fn read(reference: &SecretRef) -> Result<Secret<String>, UpstreamError> {
    let text = match reference {
        SecretRef::File(path) => first_line(path),
        SecretRef::Env(name) => std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => "it is not set".to_owned(),
            std::env::VarError::NotUnicode(_) => "it is not UTF-8".to_owned(),
        }),
    };
    match text {
        Ok(text) if text.is_empty() => Err("it is empty".to_owned()),
        other => other,
    }
    .map(Secret::new)
    .map_err(|why| UpstreamError::CredentialUnreadable { reference: reference.clone(), why })
}

fn first_line(path: &std::path::Path) -> Result<String, String> {
    let read = || -> io::Result<Zeroizing<String>> {
        let mut text = Zeroizing::new(String::new());
        std::fs::File::open(path)?.take(CREDENTIAL_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| error.to_string())?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Whose password is stretched, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyName {
    pub(super) user: String,
    pub(super) reference: SecretRef,
    pub(super) stretch: Stretch,
}

/// Stretched keys of one target. A credential that changed has another salt on the server, and so
/// another entry; an entry that the server refuses is forgotten.
#[derive(Debug, Default)]
pub(super) struct KeyCache {
    kept: Mutex<VecDeque<(KeyName, Arc<Keys>)>>,
    /// Held by who stretches.
    stretching: tokio::sync::Mutex<()>,
}

/// Keys, and where they are from.
#[derive(Debug)]
pub(super) enum Found {
    /// They were kept: the credential may have changed since.
    Kept(Arc<Keys>),
    /// The credential was read and stretched just now.
    Stretched(Arc<Keys>),
}

impl KeyCache {
    /// The keys of this name, which `stretch` makes if they are not kept. One at a time: when a gateway has died and all
    /// its clients come here at once, one of them stretches and the others take what came of it.
    ///
    /// # Errors
    /// Those of `stretch`. The next one to come tries again.
    ///
    /// # Cancel safety
    /// Safe: whoever waits next stretches.
    pub(super) async fn find<E>(
        &self,
        name: KeyName,
        stretch: impl Future<Output = Result<Keys, E>>,
    ) -> Result<Found, E> {
        if let Some(keys) = self.get(&name) {
            return Ok(Found::Kept(keys));
        }
        let _stretching = self.stretching.lock().await;
        if let Some(keys) = self.get(&name) {
            return Ok(Found::Kept(keys));
        }
        let keys = Arc::new(stretch.await?);
        self.put(name, Arc::clone(&keys));
        Ok(Found::Stretched(keys))
    }

    fn get(&self, name: &KeyName) -> Option<Arc<Keys>> {
        self.kept.lock().iter().find(|(one, _)| one == name).map(|(_, keys)| Arc::clone(keys))
    }

    fn put(&self, name: KeyName, keys: Arc<Keys>) {
        let mut entries = self.kept.lock();
        entries.retain(|(one, _)| *one != name);
        while entries.len() >= KEYS_KEPT {
            entries.pop_front();
        }
        entries.push_back((name, keys));
    }

    /// Forgets every key of this credential.
    pub(super) fn forget(&self, user: &str, reference: &SecretRef) {
        self.kept.lock().retain(|(one, _)| one.user != user || one.reference != *reference);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::num::NonZeroU32;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn name(user: usize) -> KeyName {
        KeyName {
            user: user.to_string(),
            reference: SecretRef::Env("X".into()),
            stretch: Stretch { salt: vec![1], iterations: NonZeroU32::MIN },
        }
    }

    #[test]
    fn no_more_keys_are_kept_than_the_bound() {
        let cache = KeyCache::default();
        let keys = Arc::new(Keys::derive(b"x", &name(0).stretch));
        for user in 0..KEYS_KEPT + 5 {
            cache.put(name(user), Arc::clone(&keys));
        }
        assert_eq!(Arc::strong_count(&keys), KEYS_KEPT + 1);
        assert!(cache.get(&name(4)).is_none());
        assert!(cache.get(&name(5)).is_some());
        cache.forget("5", &SecretRef::Env("X".into()));
        assert!(cache.get(&name(5)).is_none());
    }

    #[tokio::test]
    async fn clients_that_come_at_once_stretch_once() {
        let (cache, stretched) = (KeyCache::default(), AtomicUsize::new(0));
        let one = || {
            cache.find(name(1), async {
                stretched.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(Keys::derive(b"x", &name(1).stretch))
            })
        };
        let found = tokio::join!(one(), one(), one(), one());
        assert!(matches!(found, (Ok(Found::Stretched(_)), Ok(Found::Kept(_)), Ok(Found::Kept(_)), Ok(_))));
        assert_eq!(stretched.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_credential_that_could_not_be_stretched_is_tried_by_the_next() {
        let cache = KeyCache::default();
        assert_eq!(cache.find(name(1), async { Err("unreadable") }).await.unwrap_err(), "unreadable");
        let keys = Keys::derive(b"x", &name(1).stretch);
        assert!(matches!(cache.find(name(1), async { Ok::<_, &str>(keys) }).await, Ok(Found::Stretched(_))));
    }

    #[test]
    fn a_credential_is_the_first_line_of_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let reference = SecretRef::File(file.path().to_owned());
        for (content, secret) in [
            ("hunter2\n", Some("hunter2")),
            ("hunter2\r\nmore\n", Some("hunter2")),
            ("a b", Some("a b")),
            ("\n", None),
        ] {
            std::fs::write(file.path(), content).unwrap();
            assert_eq!(read(&reference).ok().map(|read| read.expose().clone()), secret.map(String::from));
        }
    }

    #[test]
    fn a_credential_that_cannot_be_read_says_where_it_should_be() {
        let error = read(&SecretRef::File("/nowhere/secret".into())).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the credential from file `/nowhere/secret`");
        let error = read(&SecretRef::Env("COUNTERSIGN_NO_SUCH_VARIABLE".into())).unwrap_err();
        assert!(error.to_string().contains("COUNTERSIGN_NO_SUCH_VARIABLE"));
    }
}
