//! Limits on the number of open requests: approvers who are asked too often stop reading.

/// Largest numbers of open requests, i.e. pending, or approved and not used yet. `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Limit per session of a requester.
    pub per_session: Option<u32>,
    /// Limit per subject, over all of its sessions.
    pub per_subject: Option<u32>,
    /// Limit per target, over all sessions.
    pub per_target: Option<u32>,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { per_session: Some(20), per_subject: Some(50), per_target: Some(500) }
    }
}

impl RequestLimits {
    /// No limit of any kind.
    pub const NONE: Self = Self { per_session: None, per_subject: None, per_target: None };

    /// Returns `true` if any limit is set.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.per_session.is_some() || self.per_subject.is_some() || self.per_target.is_some()
    }
}
