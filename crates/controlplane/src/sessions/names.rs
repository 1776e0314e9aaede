//! The register of names: which subject, and which group, was the first with a name that looks like this one. A name that a
//! reader takes for another, by UTS 39, is not accepted beside it.

use countersign_common::Principal;
use countersign_common::Timestamp;
use countersign_common::id::GroupName;
use countersign_common::skeleton::{Skeleton, Skeletons};
use countersign_common::visible::on_one_line;
use serde::{Deserialize, Serialize};

use super::{ATTEMPTS_MAX, IssueError, KEPT_AFTER_EXPIRY, Sessions};
use crate::Also;
use crate::store::{Outcome, Store, StoreError, Transaction, range_all};

/// Where names stand: `/cs/names/<subject|group>/<looks|folded>/<digest of the skeleton>`.
const NAMES: &str = "/cs/names/";

/// The most names of one principal.
const NAMES_MAX: usize = 256;

/// A name as registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registered {
    name: String,
    at: Timestamp,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    also: Also,
}

/// What is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Subject,
    Group,
}

impl Named {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Group => "group",
        }
    }

    /// The keys under which a name stands: one for each of its skeletons.
    fn keys(self, name: &str) -> [String; 2] {
        let Skeletons { looks, folded } = Skeletons::of(name);
        let key = |form: &str, skeleton: &Skeleton| {
            let digest = countersign_common::Digest::of(skeleton.as_str().as_bytes());
            format!("{NAMES}{}/{form}/{digest}", self.as_str())
        };
        [key("looks", &looks), key("folded", &folded)]
    }
}

/// Everybody and every group that a principal names.
fn names_of(principal: &Principal) -> impl Iterator<Item = (Named, &str)> {
    let subjects = principal.chain().map(|subject| (Named::Subject, subject.as_str()));
    subjects.chain(principal.groups.iter().map(|group| (Named::Group, group.as_str())))
}

impl Sessions {
    /// Registers all names of a principal that are not registered yet.
    ///
    /// # Errors
    /// When one looks like another that is in use.
    pub(super) async fn register(&self, principal: &Principal) -> Result<(), IssueError> {
        let names = names_of(principal).count();
        if names > NAMES_MAX {
            return Err(IssueError::ManyNames { names, names_max: NAMES_MAX });
        }
        for (named, name) in names_of(principal) {
            register_name(&*self.store, self.clock.now(), named, name).await?;
        }
        Ok(())
    }

    /// Frees the names that no token bears any more. Tokens are there for a week after they expire, and a name is as long in
    /// the register, so none is freed that a token of a moment ago bears.
    pub(super) async fn sweep_names(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut count = 0;
        for entry in range_all(&*self.store, NAMES).await?.0 {
            let Some(registered) = crate::readable::<Registered>(&entry) else { continue };
            let is_old = registered.at.after(KEPT_AFTER_EXPIRY) <= now;
            let bears = |principal: &Principal| {
                names_of(principal).any(|(named, name)| {
                    name == registered.name && entry.key.starts_with(&format!("{NAMES}{}/", named.as_str()))
                })
            };
            if is_old && !self.index.read().tokens().any(|(_, token)| bears(&token.principal)) {
                let delete = Transaction::new().if_modified(&entry.key, entry.modified).delete(&entry.key);
                self.store.transact(delete).await?;
                count += 1;
            }
        }
        Ok(count)
    }
}

/// Registers the groups that a bundle names, as far as they are not registered yet.
///
/// # Errors
/// When one looks like another that is in use.
pub(crate) async fn register_groups(
    store: &dyn Store,
    now: Timestamp,
    groups: impl IntoIterator<Item = GroupName>,
) -> Result<(), IssueError> {
    for group in groups {
        register_name(store, now, Named::Group, group.as_str()).await?;
    }
    Ok(())
}

async fn register_name(
    store: &dyn Store,
    now: Timestamp,
    named: Named,
    name: &str,
) -> Result<(), IssueError> {
    let keys = named.keys(name);
    for _ in 0..ATTEMPTS_MAX {
        let mut missing = Vec::new();
        for key in &keys {
            match store.get(key).await? {
                None => missing.push(key),
                Some(entry) => {
                    let other: Registered = crate::decode(&entry)?;
                    if other.name != name {
                        let (name, other) = (on_one_line(name), on_one_line(&other.name));
                        return Err(IssueError::LooksLike { kind: named.as_str(), name, other });
                    }
                }
            }
        }
        let Some((first, rest)) = missing.split_first() else { return Ok(()) };
        let registered = Registered { name: name.into(), at: now, also: Also::default() };
        let value = crate::encode(&registered);
        let writing = Transaction::new().if_absent(first.as_str()).put(first.as_str(), value.as_slice());
        let writing = rest.iter().fold(writing, |writing, key| {
            writing.if_absent(key.as_str()).put(key.as_str(), value.as_slice())
        });
        match store.transact(writing).await {
            Ok(Outcome::Committed(_)) => return Ok(()),
            // Somebody else registers it, or nobody knows whether this was written: look again.
            Ok(Outcome::Conflict | Outcome::LeaseLost) | Err(StoreError::Unknown(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(IssueError::Contended)
}
