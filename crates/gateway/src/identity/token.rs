//! Join tokens: `csj_<secret>.<hex SHA-256 of the fleet's authority>`. The digest is the gateway's only trust anchor
//! before it joins.

use std::str::FromStr;

use countersign_common::{Digest, Secret};

/// A join token, valid for one join.
#[derive(Debug, Clone)]
pub struct JoinToken {
    /// Complete text, as it is presented.
    pub(super) text: Secret<String>,
    /// Digest of the authority's certificate.
    pub(super) authority: Digest,
}

/// Error for a text that is not a join token. The text is not quoted, because it may be another secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a join token looks like `csj_…` with the digest of the fleet's authority behind a dot")]
pub struct BadToken;

impl FromStr for JoinToken {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let (secret, authority) = text.trim().rsplit_once('.').ok_or(BadToken)?;
        if !secret.starts_with("csj_") {
            return Err(BadToken);
        }
        let authority = authority.parse().map_err(|_| BadToken)?;
        Ok(Self { text: Secret::new(text.trim().to_owned()), authority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_token_names_the_authority_and_does_not_print_itself() {
        let digest = Digest::of(b"authority");
        let token: JoinToken = format!(" csj_s3cret.{digest}\n").parse().unwrap();
        assert_eq!(token.authority, digest);
        assert!(!format!("{token:?}").contains("s3cret"));
        for wrong in ["", "csj_s3cret", "csj_s3cret.", "csj_s3cret.12", &format!("cst_x.{digest}")] {
            assert_eq!(JoinToken::from_str(wrong).unwrap_err(), BadToken, "{wrong}");
        }
    }
}
