//! The key by which a session is cancelled: a process id and a secret. Clients get one of our own
//! making, never the target's (I11).

use countersign_common::Secret;

use crate::codec::startup::Protocol;

/// Bytes of the secret before protocol 3.2.
const SECRET_BYTES_3_0: usize = 4;
/// Bytes of the secrets we make for protocol 3.2; up to 256 are allowed.
const SECRET_BYTES_3_2: usize = 32;

/// The key by which a session is cancelled.
#[derive(Debug, Clone)]
pub struct CancelKey {
    pid: u32,
    secret: Secret<Vec<u8>>,
}

/// There was no randomness to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoRandomness;

impl CancelKey {
    /// The key with these parts.
    #[must_use]
    pub const fn new(pid: u32, secret: Vec<u8>) -> Self {
        Self { pid, secret: Secret::new(secret) }
    }

    /// A new key, random in both parts: 4 bytes of secret in protocol 3.0, 32 in 3.2. The process id
    /// is positive, as drivers expect.
    ///
    /// # Errors
    /// [`NoRandomness`] when the system gives none.
    pub fn generate(protocol: Protocol) -> Result<Self, NoRandomness> {
        let bytes = match protocol {
            Protocol::V3_0 => SECRET_BYTES_3_0,
            Protocol::V3_2 => SECRET_BYTES_3_2,
        };
        let mut pid = [0; 4];
        let mut secret = vec![0; bytes];
        aws_lc_rs::rand::fill(&mut pid).map_err(|_| NoRandomness)?;
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| NoRandomness)?;
        let pid = (u32::from_be_bytes(pid) & 0x7fff_ffff).max(1);
        Ok(Self::new(pid, secret))
    }

    /// The process id: what sessions are looked up by.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// The secret, for the wire only.
    pub(crate) fn secret(&self) -> &[u8] {
        self.secret.expose()
    }

    /// Whether both are the same key, in a time that does not depend on the secrets' bytes.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.pid == other.pid && self.secret.same_as(&other.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i11_a_key_is_not_printed() {
        assert!(!format!("{:?}", CancelKey::new(7, b"hunter2".to_vec())).contains("hunter2"));
        assert!(!format!("{:?}", CancelKey::new(7, vec![113, 114])).contains("113"));
    }

    #[test]
    fn keys_are_the_same_only_in_both_parts() {
        let key = CancelKey::new(7, vec![1, 2, 3, 4]);
        assert!(key.same_as(&CancelKey::new(7, vec![1, 2, 3, 4])));
        assert!(!key.same_as(&CancelKey::new(8, vec![1, 2, 3, 4])));
        assert!(!key.same_as(&CancelKey::new(7, vec![1, 2, 3, 5])));
        assert!(!key.same_as(&CancelKey::new(7, vec![1, 2, 3])));
    }

    #[test]
    fn a_new_key_is_as_long_as_its_protocol_allows() {
        assert_eq!(CancelKey::generate(Protocol::V3_0).unwrap().secret().len(), 4);
        assert_eq!(CancelKey::generate(Protocol::V3_2).unwrap().secret().len(), 32);
    }
}
