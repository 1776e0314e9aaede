//! How many requests may be open at once: people who are asked too much stop reading.

/// The most open requests, pending or approved and not used yet. `None`: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Of one session.
    pub per_session: Option<u32>,
    /// Of one subject, over all of its sessions.
    pub per_subject: Option<u32>,
    /// At one target.
    pub per_target: Option<u32>,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { per_session: Some(20), per_subject: Some(50), per_target: Some(500) }
    }
}

impl RequestLimits {
    /// No limits.
    pub const NONE: Self = Self { per_session: None, per_subject: None, per_target: None };

    /// Whether anything is limited.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.per_session.is_some() || self.per_subject.is_some() || self.per_target.is_some()
    }
}
