//! Sessions, as they are shown.

use std::fmt::Write as _;

use countersign_api::{BadField, parsed, timestamp, v1};
use countersign_common::id::{SessionId, TargetName, TokenId};
use countersign_common::{Principal, Timestamp};
use serde::Serialize;

use super::{line, principal, relative, who};
use crate::output::table;

/// A session.
#[derive(Debug, Serialize)]
pub(crate) struct SessionView {
    id: SessionId,
    /// `open`, `expired` or `revoked`.
    state: &'static str,
    token_id: TokenId,
    principal: Principal,
    target: TargetName,
    opened_at: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<RevokedView>,
    #[serde(skip)]
    times: (Timestamp, Timestamp),
}

/// When, by whom and why it was ended.
#[derive(Debug, Serialize)]
struct RevokedView {
    at: String,
    by: String,
    reason: String,
}

impl SessionView {
    pub(crate) fn read(wire: v1::Session, now: Timestamp) -> Result<Self, BadField> {
        let opened = timestamp(wire.open_time, "session.open_time")?;
        let expires = timestamp(wire.expire_time, "session.expire_time")?;
        let revoked = wire.revocation.map(|mark| {
            let at = timestamp(mark.revoke_time, "revocation.revoke_time")?.to_string();
            Ok(RevokedView { at, by: mark.by, reason: mark.reason })
        });
        let revoked = revoked.transpose()?;
        let state = match (&revoked, now >= expires) {
            (Some(_), _) => "revoked",
            (None, true) => "expired",
            (None, false) => "open",
        };
        Ok(Self {
            id: parsed(&wire.id, "session.id")?,
            state,
            token_id: parsed(&wire.token_id, "session.token_id")?,
            principal: principal(wire.principal, "session.principal")?,
            target: parsed(&wire.target, "session.target")?,
            opened_at: opened.to_string(),
            expires_at: expires.to_string(),
            revoked,
            times: (opened, expires),
        })
    }

    pub(crate) const fn id(&self) -> SessionId {
        self.id
    }

    /// All of it, for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} is {}\n", self.id, self.state);
        let _ = writeln!(text, "who      {}", who(&self.principal));
        let groups: Vec<_> = self.principal.groups.iter().map(|group| line(group.as_str())).collect();
        let groups = if groups.is_empty() { "none".into() } else { groups.join(", ") };
        let _ = writeln!(text, "groups   {groups}");
        let _ = writeln!(text, "target   {}", line(self.target.as_str()));
        let _ = writeln!(text, "token    {}", self.token_id);
        let _ = writeln!(text, "opened   {}", self.opened_at);
        let _ = writeln!(text, "expires  {}", self.expires_at);
        if let Some(RevokedView { at, by, reason }) = &self.revoked {
            let why = if reason.is_empty() { String::new() } else { format!(": {}", line(reason)) };
            let _ = writeln!(text, "revoked  {at} by {}{why}", line(by));
        }
        text
    }
}

/// Sessions as a table.
pub(crate) fn list(sessions: &[SessionView], now: Timestamp) -> String {
    if sessions.is_empty() {
        return "No sessions.\n".into();
    }
    let rows = sessions.iter().map(|session| {
        let (opened, expires) = session.times;
        vec![
            session.id.to_string(),
            session.state.into(),
            who(&session.principal),
            line(session.target.as_str()),
            relative(opened, now),
            relative(expires, now),
        ]
    });
    table(&["SESSION", "STATE", "WHO", "TARGET", "OPENED", "EXPIRES"], rows)
}
