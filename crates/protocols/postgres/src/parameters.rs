//! The two lists of names and values that go over the wire at start-up: what a client asks for, and what
//! a server reports.

use std::sync::Arc;

use bytes::BytesMut;

use crate::codec::build;

/// What a client gave in its StartupMessage, in order, names as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartupParameters(Vec<(String, String)>);

/// The prefix of options of the protocol itself; settings never begin so.
const PROTOCOL_OPTION: &str = "_pq_.";

impl StartupParameters {
    /// Appends one.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Its value; the last one counts when it was given twice, as with the server.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().filter(|(one, _)| *one == name).map(|(_, value)| value).last()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Names of the options of the protocol itself (`_pq_.…`); we know none of them.
    #[must_use]
    pub fn protocol_options(&self) -> Vec<&str> {
        self.iter().map(|(name, _)| name).filter(|name| name.starts_with(PROTOCOL_OPTION)).collect()
    }

    /// What is left for the target once we have taken our part: without `user`, `database`,
    /// `replication` and protocol options. `options` is kept word for word.
    #[must_use]
    pub fn forwarded(self) -> Self {
        let ours = |name: &str| {
            matches!(name, "user" | "database" | "replication") || name.starts_with(PROTOCOL_OPTION)
        };
        let mut forwarded: Vec<_> = self.0.into_iter().filter(|(name, _)| !ours(name)).collect();
        // Kept for as long as the connection lasts.
        forwarded.shrink_to_fit();
        Self(forwarded)
    }
}

/// What a server reports in ParameterStatus, in the order of its first report. Clones share it until one is changed:
/// most connections are told the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerParameters(Arc<Vec<Report>>);

/// A setting's name and value.
type Report = (Box<[u8]>, Box<[u8]>);

/// More settings than this a server does not report; a server of today reports 15.
const PARAMETERS_MAX: usize = 256;

impl ServerParameters {
    /// Takes a report in: replaces the setting's value, or appends it. Beyond 256 settings new ones are
    /// dropped: they are for show, and memory is bounded.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        if self.0.iter().any(|(one, old)| **one == *name && **old == *value) {
            return;
        }
        let reports = Arc::make_mut(&mut self.0);
        let room = reports.len() < PARAMETERS_MAX;
        match reports.iter_mut().find(|(one, _)| **one == *name) {
            Some((_, old)) => *old = value.into(),
            None if room => reports.push((name.into(), value.into())),
            None => tracing::debug!("server reports more than {PARAMETERS_MAX} settings; one was dropped"),
        }
    }

    /// The setting's value, when it is known and is UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(one, _)| **one == *name.as_bytes())?;
        std::str::from_utf8(value).ok()
    }

    /// Whether the setting is known to have this value.
    #[must_use]
    pub fn is(&self, name: &[u8], value: &[u8]) -> bool {
        self.0.iter().any(|(one, known)| **one == *name && **known == *value)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Writes a ParameterStatus for each.
    pub fn write(&self, out: &mut BytesMut) {
        for (name, value) in self.iter() {
            build::parameter_status(out, name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_reported_again_keeps_its_place() {
        let mut parameters = ServerParameters::default();
        parameters.set(b"server_version", b"15.1");
        parameters.set(b"TimeZone", b"UTC");
        parameters.set(b"server_version", b"15.2");
        assert_eq!(parameters.get("server_version"), Some("15.2"));
        assert_eq!(parameters.iter().next().unwrap().0, b"server_version");
        assert_eq!(parameters.iter().len(), 2);
    }

    #[test]
    fn what_is_ours_is_not_forwarded_and_the_rest_is_word_for_word() {
        let mut parameters = StartupParameters::default();
        for (name, value) in [
            ("user", "shop"),
            ("database", "shop"),
            ("replication", "false"),
            ("_pq_.x", "1"),
            ("options", "-c a=b\\ c"),
            ("application_name", "psql"),
        ] {
            parameters.push(name, value);
        }
        let forwarded = parameters.forwarded();
        let forwarded: Vec<_> = forwarded.iter().collect();
        assert_eq!(forwarded, [("options", "-c a=b\\ c"), ("application_name", "psql")]);
    }
}
