//! Our keys in etcd: what all of them begin with, and ranges of them.

use crate::store::{Change, Entry, Revision, Transaction};

/// What all our keys begin with in etcd, before `/cs/`.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    before: String,
}

impl Keys {
    pub(super) fn new(before: &str) -> Self {
        Self { before: before.to_owned() }
    }

    /// The key as it stands in etcd.
    pub(super) fn whole(&self, key: &str) -> String {
        format!("{}{key}", self.before)
    }

    /// A transaction on the keys as they stand in etcd.
    pub(super) fn whole_transaction(&self, mut transaction: Transaction) -> Transaction {
        if !self.before.is_empty() {
            transaction.map_keys(|key| self.whole(key));
        }
        transaction
    }

    /// An entry under our own key.
    pub(super) fn own(&self, entry: Entry) -> Entry {
        Entry { key: self.cut(entry.key), ..entry }
    }

    /// A change of our own key.
    pub(super) fn own_change(&self, change: Change) -> Change {
        match change {
            Change::Put(entry) => Change::Put(self.own(entry)),
            Change::Deleted { key, revision } => Change::Deleted { key: self.cut(key), revision },
        }
    }

    fn cut(&self, key: String) -> String {
        match key.strip_prefix(&self.before) {
            Some(rest) if !self.before.is_empty() => rest.to_owned(),
            _ => key,
        }
    }
}

/// Where the keys with this prefix begin and end, as etcd wants it.
pub(super) fn of_prefix(prefix: &str) -> (Vec<u8>, Vec<u8>) {
    // etcd's way to say "from the first key" and "to the last".
    let all = || vec![0];
    let mut end = prefix.as_bytes().to_vec();
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    match end.last_mut() {
        Some(last) => *last += 1,
        None => end = all(),
    }
    (if prefix.is_empty() { all() } else { prefix.as_bytes().to_vec() }, end)
}

/// The first key that can come after this one.
pub(super) fn behind(key: &str) -> Vec<u8> {
    let mut behind = key.as_bytes().to_vec();
    behind.push(0);
    behind
}

/// A transaction that writes nothing in any case: etcd says whether it would be allowed to.
pub(super) fn probe(key: String) -> Transaction {
    // Nothing was ever written at this revision.
    let never = Revision(i64::MAX.unsigned_abs());
    Transaction::new().if_modified(key.clone(), never).delete(key)
}

#[cfg(test)]
mod tests {
    use super::of_prefix;

    #[test]
    fn a_prefix_ends_before_the_first_key_that_does_not_have_it() {
        assert_eq!(of_prefix("/cs/"), (b"/cs/".to_vec(), b"/cs0".to_vec()));
        assert_eq!(of_prefix(""), (vec![0], vec![0]));
    }
}
