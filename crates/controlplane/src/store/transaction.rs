//! Comparisons and writes that happen together or not at all, and the bounds that every store keeps.

use super::{Entry, LeaseId, Revision, StoreError};

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 512;

/// The largest value, in bytes. What is larger is stored in chunks.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;

/// The most comparisons, and the most writes, of one transaction: etcd takes 128 of each by default.
pub const WRITES_MAX: usize = 120;

/// The most bytes of keys and values of one transaction: etcd takes requests of 1.5 MiB by default.
pub const TRANSACTION_BYTES_MAX: usize = 1024 * 1024;

/// Something that must hold for a transaction to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// The key.
    pub key: String,
    /// What must be true of it.
    pub expected: Expected,
}

/// What must be true of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// There is nothing under it.
    Absent,
    /// It was last written at this revision.
    Modified(Revision),
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// This value stands under this key afterwards.
    Put {
        /// The key; at most [`KEY_BYTES_MAX`].
        key: String,
        /// The value; at most [`VALUE_BYTES_MAX`].
        value: Vec<u8>,
        /// The lease with which it goes away; `None`: it stays, also where the value before it would not have.
        lease: Option<LeaseId>,
    },
    /// Nothing stands under this key afterwards. Not an error where nothing stood.
    Delete {
        /// The key.
        key: String,
    },
}

impl Write {
    /// The key that is written.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }

    /// The bytes of its key and value.
    fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.len() + value.len(),
            Self::Delete { key } => key.len(),
        }
    }
}

/// Writes that happen together, if all comparisons hold, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// What must hold; no key twice.
    pub compares: Vec<Compare>,
    /// What is written then; no key twice.
    pub writes: Vec<Write>,
    /// The key whose value nobody else writes: see [`Transaction::put_own`].
    own: Option<String>,
}

impl Transaction {
    /// A transaction that does nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if there is nothing under `key`.
    #[must_use]
    pub fn if_absent(mut self, key: impl Into<String>) -> Self {
        self.compares.push(Compare { key: key.into(), expected: Expected::Absent });
        self
    }

    /// Only if `key` was last written at `revision`.
    #[must_use]
    pub fn if_modified(mut self, key: impl Into<String>, revision: Revision) -> Self {
        self.compares.push(Compare { key: key.into(), expected: Expected::Modified(revision) });
        self
    }

    /// Only if `key` still is as `entry` says: absent, or last written when it was.
    #[must_use]
    pub fn if_unchanged(self, key: &str, entry: Option<&Entry>) -> Self {
        match entry {
            None => self.if_absent(key),
            Some(entry) => self.if_modified(key, entry.modified),
        }
    }

    /// Puts a value.
    #[must_use]
    pub fn put(self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.put_under(None, key, value)
    }

    /// Puts a value that goes away with a lease; without one it stays.
    #[must_use]
    pub fn put_under(
        mut self,
        lease: impl Into<Option<LeaseId>>,
        key: impl Into<String>,
        value: impl Into<Vec<u8>>,
    ) -> Self {
        self.writes.push(Write::Put { key: key.into(), value: value.into(), lease: lease.into() });
        self
    }

    /// Puts a value that this attempt alone writes: it holds an attempt id, or an id made for it. Where
    /// the same key is compared, too, a store that lost the answer finds out by it whether the
    /// transaction was written; otherwise it has to say [`StoreError::Unknown`].
    #[must_use]
    pub fn put_own(self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.put_own_under(None, key, value)
    }

    /// The same, going away with a lease.
    #[must_use]
    pub fn put_own_under(
        mut self,
        lease: impl Into<Option<LeaseId>>,
        key: impl Into<String>,
        value: impl Into<Vec<u8>>,
    ) -> Self {
        let key = key.into();
        self.own = Some(key.clone());
        self.put_under(lease, key, value)
    }

    /// Deletes a key.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.writes.push(Write::Delete { key: key.into() });
        self
    }

    /// Whether sending it twice writes it at most once: it changes a key that it compares, so whichever
    /// comes first makes the other one conflict.
    #[must_use]
    pub fn writes_at_most_once(&self) -> bool {
        self.writes.iter().any(|write| self.compares(write.key()))
    }

    /// The key and the value by which this attempt is known, see [`Transaction::put_own`].
    #[must_use]
    pub fn own(&self) -> Option<(&str, &[u8])> {
        let own = self.own.as_deref().filter(|key| self.compares(key))?;
        self.writes.iter().find_map(|write| match write {
            Write::Put { key, value, .. } if key == own => Some((own, value.as_slice())),
            _ => None,
        })
    }

    /// The same with other keys.
    pub(super) fn map_keys(&mut self, map: impl Fn(&str) -> String) {
        for compare in &mut self.compares {
            compare.key = map(&compare.key);
        }
        for write in &mut self.writes {
            match write {
                Write::Put { key, .. } | Write::Delete { key } => *key = map(key),
            }
        }
        if let Some(own) = &mut self.own {
            *own = map(own);
        }
    }

    fn compares(&self, key: &str) -> bool {
        self.compares.iter().any(|compare| compare.key == key)
    }

    /// Whether it is within the bounds that every store keeps.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] naming what is too large.
    pub fn check(&self) -> Result<(), StoreError> {
        within("transaction", self.writes.len().max(self.compares.len()), WRITES_MAX)?;
        let bytes = self.writes.iter().map(Write::bytes).sum();
        within("transaction in bytes", bytes, TRANSACTION_BYTES_MAX)?;
        for key in self.writes.iter().map(Write::key).chain(self.compares.iter().map(|one| one.key.as_str()))
        {
            within("key", key.len(), KEY_BYTES_MAX)?;
        }
        for write in &self.writes {
            if let Write::Put { value, .. } = write {
                within("value", value.len(), VALUE_BYTES_MAX)?;
            }
        }
        Ok(())
    }
}

fn within(what: &'static str, size: usize, size_max: usize) -> Result<(), StoreError> {
    if size > size_max { Err(StoreError::TooLarge { what, size, size_max }) } else { Ok(()) }
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was written, at this revision, and lasts.
    Committed(Revision),
    /// A comparison did not hold; nothing was written.
    Conflict,
    /// The comparisons held, but a lease that a value was to stand under is lost; nothing stands.
    LeaseLost,
}
