//! The Ed25519 key of a node, and lines that it signs. Every signature includes a domain for its purpose, so that a
//! signature for one purpose is not valid for another.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

/// Signs a JSON object and appends the signature as its last field. The domain prevents the use of the signature for
/// another purpose.
pub(crate) fn signed_line(domain: &[u8], mut body: Vec<u8>, key: &SigningKey) -> io::Result<Vec<u8>> {
    let signature = hex::encode(key.sign(domain, &body));
    body.pop();
    write!(body, ",\"sig\":\"{signature}\"}}")?;
    Ok(body)
}

/// Returns the object of such a line without its signature if this key signed it, else the fault.
pub(crate) fn signed_body(domain: &[u8], line: &[u8], key: &PublicKey) -> Result<Vec<u8>, &'static str> {
    // Length of `,"sig":"`, 128 digits, `"}`.
    const SUFFIX_BYTES: usize = 8 + 128 + 2;
    let split = line.len().checked_sub(SUFFIX_BYTES).ok_or("too short")?;
    let (body, suffix) = line.split_at(split);
    let digits = suffix
        .strip_prefix(b",\"sig\":\"")
        .and_then(|rest| rest.strip_suffix(b"\"}"))
        .filter(|digits| !digits.iter().any(u8::is_ascii_uppercase))
        .ok_or("no signature")?;
    let signature = hex::decode(digits).map_err(|_| "no signature")?;
    let body = [body, b"}"].concat();
    match key.verifies(domain, &body, &signature) {
        true => Ok(body),
        false => Err("the signature is not by this key, or the line was changed"),
    }
}

/// The Ed25519 key that signs checkpoints. As far as possible, keep it unreadable for those who can write recordings.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads the key from a file (its 32-byte seed as 64 hex digits), or creates one there, readable only by its
    /// owner.
    ///
    /// # Errors
    /// Fails if the file cannot be read or written, is readable by others, or holds no key.
    pub fn load_or_create(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => Self::load(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error),
        }
    }

    fn load(mut file: File) -> io::Result<Self> {
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            let why = "the signing key is readable by others; set its mode to 0600";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text)?;
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), seed.as_mut_slice()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, "the signing key is not 64 hex digits")
        })?;
        Self::from_seed(&seed)
    }

    fn create(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut seed = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(seed.as_mut_slice()).map_err(|_| io::Error::other("no randomness"))?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let text = Zeroizing::new(format!("{}\n", hex::encode(*seed)));
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Self::from_seed(&seed)
    }

    /// Creates the key with this seed.
    ///
    /// # Errors
    /// Fails if the cryptographic library rejects the seed.
    pub fn from_seed(seed: &[u8; 32]) -> io::Result<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|e| io::Error::other(e.to_string()))
    }

    /// Returns the public key that verifies its signatures.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        use aws_lc_rs::signature::KeyPair as _;
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        PublicKey(bytes)
    }

    fn sign(&self, domain: &[u8], message: &[u8]) -> Vec<u8> {
        self.0.sign(&[domain, message].concat()).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(public {})", self.public())
    }
}

/// The public half of a [`SigningKey`]; as text 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    fn verifies(&self, domain: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, self.0);
        key.verify(&[domain, message].concat(), signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| InvalidKey)?;
        Ok(Self(bytes))
    }
}

/// Error for a text that is not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is 64 hex digits")]
pub struct InvalidKey;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_for_its_owner_only_and_is_the_same_when_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/checkpoint.key");
        let key = SigningKey::load_or_create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SigningKey::load_or_create(&path).unwrap().public(), key.public());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(SigningKey::load_or_create(&path).is_err());
    }

    #[test]
    fn a_public_key_survives_its_text_form() {
        let key = SigningKey::from_seed(&[7; 32]).unwrap().public();
        assert_eq!(key.to_string().parse(), Ok(key));
    }
}
