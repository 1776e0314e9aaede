//! What a write does to the tables: transactions, leases, and the history of both.

use std::collections::BTreeSet;
use std::time::Duration;

use redb::{ReadableTable, Table, WriteTransaction};

use super::tables::{
    CHANGES, COMPACTED, ChangeKey, ChangeValue, ENTRIES, LEASED, LEASES, META, REVISION, UNDER,
};
use super::{History, LeaseId};
use crate::store::{Compare, Expected, Kept, Outcome, Revision, Transaction, Write};

/// How many old changes one commit may drop; bounds the length of a commit.
const TRIM_CHANGES_MAX: usize = 2048;

/// Something to be done by the one writer.
#[derive(Debug)]
pub(super) enum Work {
    Transact(Transaction),
    Grant {
        lease: LeaseId,
        ttl: Duration,
    },
    KeepAlive(LeaseId),
    Revoke(LeaseId),
    /// Ends the leases whose deadline has passed.
    Expire,
}

/// What became of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Done {
    Transacted(Outcome),
    Kept(Kept),
    Nothing,
}

/// What the writer remembers between commits.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) newest: u64,
    /// Bytes of keys and values that the history holds.
    pub(super) history_bytes: u64,
    /// Which lease ends when, in microseconds since 1970.
    pub(super) deadlines: BTreeSet<(u64, LeaseId)>,
    /// Whether a table was changed since the last commit.
    pub(super) changed: bool,
}

/// The tables of one commit.
pub(super) struct Tables<'t> {
    entries: Table<'t, &'static str, (u64, &'static [u8])>,
    changes: Table<'t, ChangeKey, ChangeValue>,
    meta: Table<'t, &'static str, u64>,
    leases: Table<'t, u64, (u64, u64)>,
    leased: Table<'t, &'static str, u64>,
    under: Table<'t, (u64, &'static str), ()>,
    /// Now, in microseconds since 1970.
    now: u64,
}

impl<'t> Tables<'t> {
    pub(super) fn open(write: &'t WriteTransaction, now: u64) -> Result<Self, redb::Error> {
        Ok(Self {
            entries: write.open_table(ENTRIES)?,
            changes: write.open_table(CHANGES)?,
            meta: write.open_table(META)?,
            leases: write.open_table(LEASES)?,
            leased: write.open_table(LEASED)?,
            under: write.open_table(UNDER)?,
            now,
        })
    }

    pub(super) fn apply(&mut self, memory: &mut Memory, work: &Work) -> Result<Done, redb::Error> {
        match work {
            Work::Transact(transaction) => Ok(Done::Transacted(self.transact(memory, transaction)?)),
            Work::Grant { lease, ttl } => {
                self.grant(memory, *lease, u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX))?;
                Ok(Done::Nothing)
            }
            Work::KeepAlive(lease) => Ok(Done::Kept(self.keep_alive(memory, *lease)?)),
            Work::Revoke(lease) => {
                self.end_lease(memory, *lease)?;
                Ok(Done::Nothing)
            }
            Work::Expire => {
                self.expire(memory)?;
                Ok(Done::Nothing)
            }
        }
    }

    /// Applies one transaction, if its comparisons hold.
    fn transact(&mut self, memory: &mut Memory, transaction: &Transaction) -> Result<Outcome, redb::Error> {
        for compare in &transaction.compares {
            if !self.holds(compare)? {
                return Ok(Outcome::Conflict);
            }
        }
        for write in &transaction.writes {
            if let Write::Put { lease: Some(lease), .. } = write
                && !self.lives(*lease)?
            {
                return Ok(Outcome::LeaseLost);
            }
        }
        if transaction.writes.is_empty() {
            return Ok(Outcome::Committed(Revision(memory.newest)));
        }
        memory.newest += 1;
        for (index, write) in (0_u32..).zip(&transaction.writes) {
            match write {
                Write::Put { key, value, lease } => self.put(memory, index, key, value, *lease)?,
                Write::Delete { key } => self.delete(memory, index, key)?,
            }
        }
        Ok(Outcome::Committed(Revision(memory.newest)))
    }

    fn holds(&self, compare: &Compare) -> Result<bool, redb::Error> {
        let found = self.entries.get(compare.key.as_str())?.map(|found| Revision(found.value().0));
        Ok(match compare.expected {
            Expected::Absent => found.is_none(),
            Expected::Modified(revision) => found == Some(revision),
        })
    }

    fn put(
        &mut self,
        memory: &mut Memory,
        index: u32,
        key: &str,
        value: &[u8],
        lease: Option<LeaseId>,
    ) -> Result<(), redb::Error> {
        self.detach(key)?;
        if let Some(LeaseId(lease)) = lease {
            self.leased.insert(key, lease)?;
            self.under.insert((lease, key), ())?;
        }
        self.entries.insert(key, (memory.newest, value))?;
        self.remember(memory, index, key, Some(value))
    }

    fn delete(&mut self, memory: &mut Memory, index: u32, key: &str) -> Result<(), redb::Error> {
        self.detach(key)?;
        self.entries.remove(key)?;
        self.remember(memory, index, key, None)
    }

    /// Takes a key out from under its lease.
    fn detach(&mut self, key: &str) -> Result<(), redb::Error> {
        let lease = self.leased.remove(key)?.map(|lease| lease.value());
        if let Some(lease) = lease {
            self.under.remove((lease, key))?;
        }
        Ok(())
    }

    /// Enters a change into the history.
    fn remember(
        &mut self,
        memory: &mut Memory,
        index: u32,
        key: &str,
        value: Option<&[u8]>,
    ) -> Result<(), redb::Error> {
        self.changes.insert((memory.newest, index), (key, value))?;
        memory.history_bytes += size(key, value);
        memory.changed = true;
        Ok(())
    }

    /// A lease whose deadline has passed is lost, swept or not.
    fn lives(&self, LeaseId(lease): LeaseId) -> Result<bool, redb::Error> {
        Ok(self.leases.get(lease)?.is_some_and(|lease| lease.value().0 > self.now))
    }

    fn grant(&mut self, memory: &mut Memory, lease: LeaseId, ttl: u64) -> Result<(), redb::Error> {
        let deadline = self.now.saturating_add(ttl);
        self.leases.insert(lease.0, (deadline, ttl))?;
        memory.deadlines.insert((deadline, lease));
        memory.changed = true;
        Ok(())
    }

    fn keep_alive(&mut self, memory: &mut Memory, lease: LeaseId) -> Result<Kept, redb::Error> {
        if !self.lives(lease)? {
            return Ok(Kept::Lost);
        }
        let Some((deadline, ttl)) = self.leases.get(lease.0)?.map(|lease| lease.value()) else {
            return Ok(Kept::Lost);
        };
        memory.deadlines.remove(&(deadline, lease));
        self.grant(memory, lease, ttl)?;
        Ok(Kept::For(Duration::from_micros(ttl)))
    }

    /// Ends a lease, and deletes all that stands under it, as one change of the store.
    fn end_lease(&mut self, memory: &mut Memory, lease: LeaseId) -> Result<(), redb::Error> {
        let Some((deadline, _)) = self.leases.remove(lease.0)?.map(|lease| lease.value()) else {
            return Ok(());
        };
        memory.deadlines.remove(&(deadline, lease));
        memory.changed = true;
        let mut keys = Vec::new();
        for item in self.under.range((lease.0, "")..)? {
            let (at, _) = item?;
            let (of, key) = at.value();
            if of != lease.0 {
                break;
            }
            keys.push(key.to_owned());
        }
        if !keys.is_empty() {
            memory.newest += 1;
        }
        for (index, key) in (0_u32..).zip(&keys) {
            self.delete(memory, index, key)?;
        }
        Ok(())
    }

    fn expire(&mut self, memory: &mut Memory) -> Result<(), redb::Error> {
        while let Some((deadline, lease)) = memory.deadlines.first().copied()
            && deadline <= self.now
        {
            self.end_lease(memory, lease)?;
            // Also where the table did not have it, which would otherwise never end.
            memory.deadlines.remove(&(deadline, lease));
        }
        Ok(())
    }

    /// Notes the newest revision, and drops the oldest ones that the history has no room for; always
    /// whole revisions.
    pub(super) fn close(mut self, memory: &mut Memory, history: History) -> Result<(), redb::Error> {
        self.meta.insert(REVISION, memory.newest)?;
        let mut compacted = None;
        for _ in 0..TRIM_CHANGES_MAX {
            let Some((at, _)) = self.changes.first()? else { break };
            let (oldest, _) = at.value();
            let over = memory.newest - oldest >= history.revisions_max
                || memory.history_bytes > history.bytes_max
                // What is left of a revision whose first changes are gone.
                || compacted == Some(oldest);
            drop(at);
            if !over {
                break;
            }
            if let Some((_, what)) = self.changes.pop_first()? {
                let (key, value) = what.value();
                memory.history_bytes = memory.history_bytes.saturating_sub(size(key, value));
            }
            compacted = Some(oldest);
        }
        if let Some(oldest) = compacted {
            self.meta.insert(COMPACTED, oldest)?;
        }
        Ok(())
    }
}

/// The bytes that a change takes in the history.
pub(super) fn size(key: &str, value: Option<&[u8]>) -> u64 {
    (key.len() + value.map_or(0, <[u8]>::len)) as u64
}
