//! A gateway as its certificate names it: a member of the fleet, through all its starts.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use webpki::EndEntityCert;

/// How the identity in a certificate begins: a URI among its alternative names.
const SCHEME: &str = "countersign://gateway/";

/// The longest name of a gateway, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// A gateway of the fleet. The id is given when it joins and stays with every renewal; the name is for people,
/// and two gateways may have the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: GatewayName,
}

impl Member {
    /// A new one. `None`: the machine has no random bytes.
    #[must_use]
    pub fn new(name: GatewayName) -> Option<Self> {
        let mut id = [0; 16];
        rand::fill(&mut id).ok()?;
        Some(Self { id: hex::encode(id), name })
    }

    /// Its identity, as it stands in its certificate.
    pub(super) fn uri(&self) -> String {
        format!("{SCHEME}{}/{}", self.id, self.name)
    }

    /// Whose certificate it is; `None`: no gateway's. That it is genuine was seen to in the handshake.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        certificate.valid_uri_names().find_map(Self::parse)
    }

    fn parse(uri: &str) -> Option<Self> {
        let (id, name) = uri.strip_prefix(SCHEME)?.split_once('/')?;
        Self::is_id(id).then(|| Some(Self { id: id.to_owned(), name: name.parse().ok()? }))?
    }

    /// Whether it could be the id of one.
    #[must_use]
    pub fn is_id(text: &str) -> bool {
        text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// The name of a gateway: letters, digits, `.`, `-` and `_`, at most 63.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GatewayName(String);

/// Why a text names no gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name of a gateway has 1 to {NAME_BYTES_MAX} letters, digits, `.`, `-` or `_`")]
pub struct InvalidName;

impl FromStr for GatewayName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let fits = (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text.to_owned())) } else { Err(InvalidName) }
    }
}

impl TryFrom<String> for GatewayName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<GatewayName> for String {
    fn from(name: GatewayName) -> Self {
        name.0
    }
}

impl fmt::Display for GatewayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_back_and_nothing_else_passes_for_one() {
        let member = Member::new("gateway-3".parse().unwrap()).unwrap();
        assert_eq!(Member::parse(&member.uri()), Some(member.clone()));
        let id = &member.id;
        for other in [
            format!("{SCHEME}{id}"),
            format!("{SCHEME}{id}/"),
            format!("{SCHEME}{id}/a b"),
            format!("{SCHEME}{}/a", &id[1..]),
            format!("https://gateway/{id}/a"),
        ] {
            assert_eq!(Member::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn a_name_that_could_mislead_is_no_name() {
        for bad in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(64)] {
            assert!(bad.parse::<GatewayName>().is_err(), "{bad:?}");
        }
    }
}
