//! A question to a bundle.

use countersign_common::id::RoleName;
use countersign_common::{Facts, Principal, Target, Timestamp};

/// Asks if this principal may run a command with these facts on this target now.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Principal that sent the command.
    pub principal: &'a Principal,
    /// Target that the command is for.
    pub target: &'a Target,
    /// Role that the session has on the target.
    pub role: &'a RoleName,
    /// Database of the session on the target.
    pub database: &'a str,
    /// Facts about the operations of the command.
    pub facts: &'a Facts,
    /// `true` if a transaction block is open.
    pub in_transaction: bool,
    /// Time of the judgement, for policies that read it.
    pub now: Timestamp,
}
