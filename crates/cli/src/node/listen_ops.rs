//! `listen_ops`: where operators look, or nowhere.

use std::net::SocketAddr;

use serde::Deserialize;

/// `listen_ops`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) enum ListenOps {
    /// On this address.
    On(SocketAddr),
    /// Nowhere.
    Off,
}

/// The same, as it is written: readers of YAML take a plain `off` for a truth value.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "an address such as 127.0.0.1:9443, or off")]
enum Written {
    Address(SocketAddr),
    Word(Word),
    Truth(bool),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Off,
}

impl TryFrom<Written> for ListenOps {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        match written {
            Written::Address(address) => Ok(Self::On(address)),
            Written::Word(Word::Off) | Written::Truth(false) => Ok(Self::Off),
            Written::Truth(true) => Err("an address such as 127.0.0.1:9443, or off"),
        }
    }
}
