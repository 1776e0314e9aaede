//! What is asked of a bundle.

use countersign_common::id::RoleName;
use countersign_common::{Facts, Principal, Target, Timestamp};

/// May this principal run a command with these facts, there, now?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// Where it is to run.
    pub target: &'a Target,
    /// The role used there.
    pub role: &'a RoleName,
    /// The database used there.
    pub database: &'a str,
    /// What the command does.
    pub facts: &'a Facts,
    /// Whether a transaction block is open.
    pub in_transaction: bool,
    /// The moment of judging.
    pub now: Timestamp,
}
