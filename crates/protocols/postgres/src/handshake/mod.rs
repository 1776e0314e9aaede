//! How a client comes in: encryption, start-up, the token. Ends with a [`Login`] that somebody has to
//! check, and a [`Door`] that is then opened or shut. What is checked, and against what, is not known here.
//!
//! The rules are in `state`, as pure states; `driver` carries bytes between them and the socket.

mod driver;
mod proxied;
mod refusal;
mod state;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::id::TargetName;

pub use self::driver::{Arrival, CancelConnection, Client, Door, greeting, receive};
pub use self::proxied::{Proxies, ProxyError};
pub use self::refusal::{HandshakeError, LoginRefused};
pub use self::state::{Login, Transport};

/// On what terms a listener lets clients in.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Its TLS; must offer ALPN [`crate::ALPN`]. `None`: it has none.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Whether a token may come unprotected.
    pub plain: Plain,
    /// The one target of this listener; the user name is then the role.
    pub target: Option<TargetName>,
    /// Targets by TLS server name, in lower case; the user name is then the role. Goes before `target`.
    pub server_names: BTreeMap<String, TargetName>,
    /// Clients come through one of these, which says where they come from. `None`: they come by themselves.
    pub proxies: Option<Proxies>,
    /// How long a client may take until its token is here, and to take our greeting. Default: 10 s.
    pub login_time_max: Duration,
}

/// Whether a token may come over a connection without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// Never.
    Refused,
    /// It may: nobody but this machine can listen.
    Loopback,
}

impl Plain {
    /// For a listener on this address: only loopback listeners take tokens without TLS.
    #[must_use]
    pub fn for_listener(address: IpAddr) -> Self {
        if address.to_canonical().is_loopback() { Self::Loopback } else { Self::Refused }
    }
}

impl Terms {
    /// For a listener on this address, with or without TLS, that is bound to no target.
    #[must_use]
    pub fn new(address: IpAddr, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self {
            tls,
            plain: Plain::for_listener(address),
            target: None,
            server_names: BTreeMap::new(),
            proxies: None,
            login_time_max: Duration::from_secs(10),
        }
    }

    /// The terms of a client that comes from `peer` by a proxy: that the listener is on loopback says nothing then.
    #[must_use]
    pub fn for_client_of_proxy(&self, peer: IpAddr) -> Self {
        let mut terms = self.clone();
        if !peer.to_canonical().is_loopback() {
            terms.plain = Plain::Refused;
        }
        terms
    }

    /// The target that this connection is bound to by the way it came.
    fn bound_to(&self, transport: &Transport) -> Option<&TargetName> {
        let by_name = match transport {
            Transport::Tls { server_name: Some(name) } => self.server_names.get(name),
            Transport::Tls { server_name: None } | Transport::Plain => None,
        };
        by_name.or(self.target.as_ref())
    }
}
