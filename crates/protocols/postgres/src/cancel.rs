//! The key by which a session is cancelled: a process id and a secret. Clients get one of our own
//! making, never the target's (I11).

use countersign_common::Secret;

use crate::codec::startup::Protocol;

/// Bytes of the secret before protocol 3.2.
const SECRET_BYTES_3_0: usize = 4;
/// Bytes of the secrets we make for protocol 3.2; up to 256 are allowed.
const SECRET_BYTES_3_2: usize = 32;

/// What vouches for a key among gateways: the second half of the secret. To a stranger all of it is random.
const fn tag_bytes(secret_bytes: usize) -> Option<usize> {
    match secret_bytes {
        SECRET_BYTES_3_0 | SECRET_BYTES_3_2 => Some(secret_bytes / 2),
        _ => None,
    }
}

/// Bits of the process id that say which gateway gave the key out ([`Cancels`](countersign_lifecycle::ports::Cancels)),
/// below the sign bit; the others are random.
const ROUTE_BITS: u32 = 12;
const RANDOM_BITS: u32 = 31 - ROUTE_BITS;

/// Bytes of the longest secret that the protocol allows.
const SECRET_BYTES_MAX: usize = 256;

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

    /// A new key: 4 bytes of secret in protocol 3.0, 32 in 3.2. The process id is positive, as drivers expect; its
    /// upper 12 bits are the lower 12 of `route`, the others are random. The secret's second half vouches for the rest
    /// where there is somebody to vouch to ([`Cancels::vouch`](countersign_lifecycle::ports::Cancels::vouch)); else it is
    /// random.
    ///
    /// # Errors
    /// [`NoRandomness`] when the system gives none.
    pub fn generate(
        protocol: Protocol,
        route: u32,
        vouch: impl FnOnce(&[u8]) -> Option<[u8; 32]>,
    ) -> Result<Self, NoRandomness> {
        let bytes = match protocol {
            Protocol::V3_0 => SECRET_BYTES_3_0,
            Protocol::V3_2 => SECRET_BYTES_3_2,
        };
        let mut pid = [0; 4];
        let mut secret = vec![0; bytes];
        aws_lc_rs::rand::fill(&mut pid).map_err(|_| NoRandomness)?;
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| NoRandomness)?;
        let random = u32::from_be_bytes(pid) & ((1 << RANDOM_BITS) - 1);
        let route = route & ((1 << ROUTE_BITS) - 1);
        let pid = (route << RANDOM_BITS | random).max(1);
        let (random, tag) = secret.split_at_mut(bytes / 2);
        if let Some(vouched) = vouch(&[&pid.to_be_bytes(), &*random].concat()) {
            tag.iter_mut().zip(vouched).for_each(|(to, from)| *to = from);
        }
        Ok(Self::new(pid, secret))
    }

    /// How many bytes at the end vouch for the others; `None`: it is none of ours, whatever it says.
    pub(crate) fn tag_bytes(&self) -> Option<usize> {
        tag_bytes(self.secret.expose().len())
    }

    /// The gateway that gave it out; zero: one that had no number.
    #[must_use]
    pub const fn route(&self) -> u32 {
        (self.pid & 0x7fff_ffff) >> RANDOM_BITS
    }

    /// Both parts, as they stand in a CancelRequest. For the way to another gateway only.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [&self.pid.to_be_bytes(), self.secret.expose().as_slice()].concat()
    }

    /// The key with these bytes; `None` when they are too few, or more than a key has.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (pid, secret) = bytes.split_first_chunk()?;
        (!secret.is_empty() && secret.len() <= SECRET_BYTES_MAX)
            .then(|| Self::new(u32::from_be_bytes(*pid), secret.to_vec()))
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
    fn a_key_says_which_gateway_gave_it_out_and_survives_the_way_there() {
        for route in [0, 1, 7, 4095] {
            for _ in 0..100 {
                let key = CancelKey::generate(Protocol::V3_2, route, |_| None).unwrap();
                assert_eq!(key.route(), route);
                assert!(key.pid() > 0 && key.pid() < 1 << 31);
                assert!(CancelKey::from_bytes(&key.to_bytes()).unwrap().same_as(&key));
            }
        }
        assert!(CancelKey::from_bytes(b"\0\0\0").is_none());
        assert!(CancelKey::from_bytes(&[1; 4]).is_none());
        assert!(CancelKey::from_bytes(&[1; 400]).is_none());
    }

    #[test]
    fn a_new_key_is_as_long_as_its_protocol_allows() {
        assert_eq!(CancelKey::generate(Protocol::V3_0, 0, |_| None).unwrap().secret().len(), 4);
        assert_eq!(CancelKey::generate(Protocol::V3_2, 0, |_| None).unwrap().secret().len(), 32);
    }

    #[test]
    fn the_end_of_a_key_vouches_for_all_before_it() {
        for (protocol, tag) in [(Protocol::V3_0, 2), (Protocol::V3_2, 16)] {
            let mut vouched = Vec::new();
            let vouch = |key: &[u8]| {
                vouched = key.to_vec();
                Some([7; 32])
            };
            let key = CancelKey::generate(protocol, 3, vouch).unwrap();
            assert_eq!(key.tag_bytes(), Some(tag));
            assert_eq!(key.to_bytes(), [vouched, vec![7; tag]].concat());
            let other = CancelKey::generate(protocol, 3, |_| None).unwrap();
            assert_ne!(key.secret()[..tag], other.secret()[..tag], "the rest is random");
        }
        assert_eq!(CancelKey::new(7, vec![1; 8]).tag_bytes(), None);
    }
}
