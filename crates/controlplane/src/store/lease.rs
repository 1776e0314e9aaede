//! Leases: values that go away by themselves unless somebody keeps their lease alive.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// The name of a lease. It may stand in a record: whoever reads it, in any process, can keep the lease
/// alive or revoke it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub u64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A new name: random, positive as a signed number, because that is what etcd takes.
pub(super) fn new_id() -> Result<LeaseId, StoreError> {
    let mut bytes = [0; 8];
    let failed = |_| StoreError::Write(Arc::new(std::io::Error::other("no random bytes")));
    rand::fill(&mut bytes).map_err(failed)?;
    Ok(LeaseId((u64::from_be_bytes(bytes) >> 1).max(1)))
}

/// The shortest life that a lease is granted with. etcd grants nothing shorter than its election time-out
/// allows either.
pub const TTL_MIN: Duration = Duration::from_secs(1);

/// What became of keeping a lease alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It lives on, at least this long from now.
    For(Duration),
    /// It is lost: it ran out, or was revoked. What stood under it is gone, or will be in a moment; that
    /// says nothing about whether its owner still runs.
    Lost,
}
