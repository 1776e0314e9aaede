//! The client's way in as states without I/O. Each owns what is known by then; what happens next is in
//! the [`Step`] that it returns.
//!
//! ```text
//! ExpectStartup ─ SSLRequest ──► S: ExpectTls ─ handshake ─► ExpectStartup      N: ExpectStartup
//!       │         GSSENCRequest ► N: ExpectStartup
//!       │         CancelRequest ► Cancel
//!       └─────── StartupMessage ► ExpectPassword ─ PasswordMessage ─► Login
//! ```

use bytes::BytesMut;
use countersign_common::Secret;
use countersign_common::id::{RoleName, TargetName};

use super::{HandshakeError, Plain, Terms};
use crate::codec::startup::{Protocol, Startup, StartupMessage};
use crate::codec::{Error, Fault, Frontend, Tag, build};
use crate::{CancelKey, StartupParameters};

/// What a client that was not let in yet is known to want: everything that is checked and then acted upon.
#[derive(Debug)]
pub struct Login {
    /// The target: bound to the listener or the TLS server name, or named by the client.
    pub target: TargetName,
    /// The role; `None`: the target's default.
    pub role: Option<RoleName>,
    /// The database; `None` when the client named none. libpq names the user when its user names
    /// none, so a database equal to the user name counts as none.
    pub database: Option<String>,
    /// What else the client gave, for the target, word for word: `options`, `application_name`,
    /// `client_encoding` and other settings.
    pub parameters: StartupParameters,
    /// The token, given as password.
    pub token: Secret<String>,
    /// The version of the protocol that is spoken with the client.
    pub protocol: Protocol,
    /// How the connection is protected.
    pub transport: Transport,
}

/// How the client's connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Not at all.
    Plain,
    /// By TLS.
    Tls {
        /// The server name that the client gave (SNI), in lower case.
        server_name: Option<String>,
    },
}

/// What came of a packet.
#[derive(Debug)]
pub(super) enum Step<'t> {
    /// Answer `N` (no encryption), and expect another packet.
    Decline(ExpectStartup<'t>),
    /// Answer `S`, and do the TLS handshake.
    StartTls(ExpectTls<'t>),
    /// Send what is in the buffer, and expect a password.
    Ask(ExpectPassword, BytesMut),
    /// Not a session: somebody wants another session cancelled. Nothing is answered.
    Cancel(CancelKey),
}

/// A connection has come, or encryption was declined or established.
#[derive(Debug)]
pub(super) struct ExpectStartup<'t> {
    terms: &'t Terms,
    transport: Transport,
    asked_tls: bool,
    asked_gssenc: bool,
}

/// TLS was granted.
#[derive(Debug)]
pub(super) struct ExpectTls<'t>(ExpectStartup<'t>);

/// The token was asked for.
#[derive(Debug)]
pub(super) struct ExpectPassword {
    target: TargetName,
    role: Option<RoleName>,
    database: Option<String>,
    parameters: StartupParameters,
    protocol: Protocol,
    transport: Transport,
}

impl<'t> ExpectStartup<'t> {
    /// A connection has come.
    pub(super) const fn new(terms: &'t Terms) -> Self {
        Self { terms, transport: Transport::Plain, asked_tls: false, asked_gssenc: false }
    }

    /// The first byte was that of a TLS handshake.
    pub(super) fn direct_tls(mut self) -> Result<ExpectTls<'t>, HandshakeError> {
        if self.terms.tls.is_none() {
            return Err(HandshakeError::NoTls);
        }
        self.asked_tls = true;
        Ok(ExpectTls(self))
    }

    /// Takes a packet; `stuffed` is the number of bytes that came after it already.
    pub(super) fn handle(mut self, packet: Startup, stuffed: usize) -> Result<Step<'t>, HandshakeError> {
        match packet {
            Startup::Ssl if self.asked_tls => Err(HandshakeError::AskedTwice),
            Startup::Gssenc if self.asked_gssenc => Err(HandshakeError::AskedTwice),
            Startup::Ssl | Startup::Gssenc if stuffed > 0 => Err(HandshakeError::Stuffed),
            Startup::Ssl => {
                self.asked_tls = true;
                Ok(if self.terms.tls.is_some() {
                    Step::StartTls(ExpectTls(self))
                } else {
                    Step::Decline(self)
                })
            }
            Startup::Gssenc => {
                self.asked_gssenc = true;
                Ok(Step::Decline(self))
            }
            Startup::Cancel(key) => Ok(Step::Cancel(key)),
            Startup::Message(message) => self.start(message),
        }
    }

    fn start(self, message: StartupMessage) -> Result<Step<'t>, HandshakeError> {
        let StartupMessage { version, parameters } = message;
        if version.major() != 3 {
            return Err(HandshakeError::Version(version));
        }
        if self.transport == Transport::Plain && self.terms.plain == Plain::Refused {
            return Err(HandshakeError::TlsRequired);
        }
        if let Some(value) = parameters.get("replication") {
            match asks_for_replication(value) {
                Some(false) => {}
                Some(true) => return Err(HandshakeError::Replication),
                None => return Err(HandshakeError::ReplicationValue),
            }
        }
        let mut reply = BytesMut::new();
        let protocol = negotiate(&mut reply, version.minor(), &parameters);
        let user = parameters.get("user").filter(|user| !user.is_empty()).ok_or(HandshakeError::UserName)?;
        let (target, role) = self.whom(user)?;
        let database = parameters.get("database").filter(|one| !one.is_empty() && *one != user);
        let database = database.map(str::to_owned);
        build::authentication_cleartext_password(&mut reply);
        let state = ExpectPassword {
            target,
            role,
            database,
            parameters: parameters.forwarded(),
            protocol,
            transport: self.transport,
        };
        Ok(Step::Ask(state, reply))
    }

    /// Target and role that a user name stands for here.
    fn whom(&self, user: &str) -> Result<(TargetName, Option<RoleName>), HandshakeError> {
        let invalid = |_| HandshakeError::UserName;
        if let Some(target) = self.terms.bound_to(&self.transport) {
            return Ok((target.clone(), Some(RoleName::new(user).map_err(invalid)?)));
        }
        match user.rsplit_once('@') {
            Some((role, target)) => {
                let role = RoleName::new(role).map_err(invalid)?;
                Ok((TargetName::new(target).map_err(invalid)?, Some(role)))
            }
            None => Ok((TargetName::new(user).map_err(invalid)?, None)),
        }
    }
}

/// Reads the value of `replication` as the server does: `database`, or a boolean, of which every beginning
/// counts that fits only one. `None`: it is neither, and the server refuses it.
fn asks_for_replication(value: &str) -> Option<bool> {
    if value == "database" {
        return Some(true);
    }
    let value = value.to_ascii_lowercase();
    let begins = |word: &str, bytes_min: usize| value.len() >= bytes_min && word.starts_with(&value);
    match value.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

/// The version to speak; a client that asks for more, or for options of the protocol, is told.
fn negotiate(reply: &mut BytesMut, minor: u32, parameters: &StartupParameters) -> Protocol {
    let newest = Protocol::V3_2;
    let protocol = if minor >= 2 { newest } else { Protocol::V3_0 };
    let unknown = parameters.protocol_options();
    // 3.1 was never a version of its own; who asks for it gets 3.0, untold, as from the server.
    if minor > 2 || !unknown.is_empty() {
        build::negotiate_protocol_version(reply, protocol, unknown.into_iter());
    }
    protocol
}

impl<'t> ExpectTls<'t> {
    /// The terms on which TLS is done.
    pub(super) fn config(&self) -> Result<std::sync::Arc<rustls::ServerConfig>, HandshakeError> {
        self.0.terms.tls.clone().ok_or(HandshakeError::NoTls)
    }

    /// TLS stands, after an SSLRequest.
    pub(super) fn established(self, server_name: Option<&str>) -> ExpectStartup<'t> {
        let server_name = server_name.map(str::to_ascii_lowercase);
        ExpectStartup { transport: Transport::Tls { server_name }, ..self.0 }
    }

    /// TLS stands, begun with the first byte. Without ALPN, a client of another protocol could be made
    /// to talk to us.
    pub(super) fn established_directly(
        self,
        server_name: Option<&str>,
        alpn: Option<&[u8]>,
    ) -> Result<ExpectStartup<'t>, HandshakeError> {
        match alpn {
            Some(crate::ALPN) => Ok(self.established(server_name)),
            Some(_) | None => Err(HandshakeError::NoAlpn),
        }
    }
}

impl ExpectPassword {
    /// Takes the password message: the login is complete.
    pub(super) fn handle(self, tag: u8, body: &[u8]) -> Result<Login, HandshakeError> {
        let body = match Frontend::decode(tag, body)? {
            Frontend::Password(body) => body.0,
            // Clients may leave in good form when they are asked for a password.
            Frontend::Terminate => return Err(HandshakeError::Gone),
            other => return Err(Error::Unexpected { expected: "a password", got: other.tag() }.into()),
        };
        let fault = |fault| HandshakeError::from(Error::Malformed { message: "PasswordMessage", fault });
        let (&end, token) = body.split_last().ok_or_else(|| fault(Fault::Short))?;
        if end != 0 || memchr::memchr(0, token).is_some() {
            return Err(fault(Fault::String));
        }
        if token.is_empty() {
            return Err(HandshakeError::NoToken);
        }
        let token = std::str::from_utf8(token).map_err(|_| fault(Fault::Encoding))?;
        Ok(Login {
            target: self.target,
            role: self.role,
            database: self.database,
            parameters: self.parameters,
            token: Secret::new(token.to_owned()),
            protocol: self.protocol,
            transport: self.transport,
        })
    }

    /// What may come now.
    pub(super) const fn expects(tag: u8) -> Result<(), Error> {
        match tag {
            b'p' | b'X' => Ok(()),
            _ => Err(Error::Unexpected { expected: "a password", got: Tag(tag) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replication_is_read_as_the_server_reads_it() {
        for yes in ["true", "t", "TRU", "yes", "y", "on", "ON", "1", "database"] {
            assert_eq!(asks_for_replication(yes), Some(true), "{yes}");
        }
        for no in ["false", "f", "FALS", "no", "n", "of", "off", "0"] {
            assert_eq!(asks_for_replication(no), Some(false), "{no}");
        }
        for neither in ["", "o", "2", "truex", "nope", "Database", "databas", "offf", " no"] {
            assert_eq!(asks_for_replication(neither), None, "{neither}");
        }
    }
}
