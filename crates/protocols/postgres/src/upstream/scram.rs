//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the client's part, as states without I/O. The keys that the
//! password is stretched to are a value of their own, so that they can be kept: stretching costs
//! milliseconds, the rest microseconds.
//!
//! # Source
//! RFC 5802 and RFC 7677; PostgreSQL documentation, "SASL Authentication": the user name is left empty, the
//! server knows it from the start-up message, and a password that SASLprep refuses is taken as it is.

use std::num::NonZeroU32;

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a key: those of SHA-256.
const KEY_BYTES: usize = 32;
/// Random bytes of our nonce; libpq takes as many.
const NONCE_BYTES: usize = 18;
/// More iterations than these are refused: they would let a server burn our CPU. A server of today
/// takes 4,096, OWASP advises 600,000.
const ITERATIONS_MAX: u32 = 2_000_000;
/// The longest message of a server that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 4_096;

/// Why a SCRAM exchange failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message does not have its form.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The server's nonce does not begin with ours.
    #[error("the server's nonce does not continue ours")]
    Nonce,
    /// The server asks for more iterations than we grant.
    #[error("the server asks for {0} iterations; at most {ITERATIONS_MAX} are done")]
    Iterations(u32),
    /// The server did not prove that it knows the password: it may be another server.
    #[error("the server did not prove that it knows the password")]
    ServerSignature,
    /// The server says that it failed, in a word of the specification's.
    #[error("the server says `{0}`")]
    Server(String),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

/// What ties the exchange to the connection it runs over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Binding {
    /// No TLS, or a certificate that gives no binding.
    Unsupported,
    /// We could bind, but the server does not offer it. Said to the server, so that it notices when
    /// somebody in between took the offer away.
    NotOffered,
    /// `tls-server-end-point`: the digest of the server's certificate.
    ServerEndPoint(Vec<u8>),
}

impl Binding {
    const fn header(&self) -> &'static str {
        match self {
            Self::Unsupported => "n,,",
            Self::NotOffered => "y,,",
            Self::ServerEndPoint(_) => "p=tls-server-end-point,,",
        }
    }

    /// The mechanism's name.
    pub(super) const fn mechanism(&self) -> &'static str {
        match self {
            Self::Unsupported | Self::NotOffered => "SCRAM-SHA-256",
            Self::ServerEndPoint(_) => "SCRAM-SHA-256-PLUS",
        }
    }

    /// What the last message repeats, so that the server can compare.
    fn repeated(&self) -> String {
        let mut input = self.header().as_bytes().to_vec();
        if let Self::ServerEndPoint(digest) = self {
            input.extend_from_slice(digest);
        }
        STANDARD.encode(input)
    }
}

/// What a server stretches passwords with: one salt and one number of iterations for each user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Stretch {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: NonZeroU32,
}

/// What a password is stretched to. Worth as much as the password, for this salt; wiped when dropped.
pub(super) struct Keys {
    client: [u8; KEY_BYTES],
    server: [u8; KEY_BYTES],
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.client.zeroize();
        self.server.zeroize();
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    /// Stretches a password: milliseconds of CPU, not for a task that must not block.
    pub(super) fn derive(password: &[u8], stretch: &Stretch) -> Self {
        let prepared = std::str::from_utf8(password).ok().and_then(|text| stringprep::saslprep(text).ok());
        let prepared = Zeroizing::new(match prepared {
            Some(text) => text.as_bytes().to_vec(),
            None => password.to_vec(),
        });
        let mut salted = Zeroizing::new([0; KEY_BYTES]);
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            stretch.iterations,
            &stretch.salt,
            &prepared,
            salted.as_mut(),
        );
        Self { client: hmac(salted.as_ref(), b"Client Key"), server: hmac(salted.as_ref(), b"Server Key") }
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; KEY_BYTES] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut out = [0; KEY_BYTES];
    // HMAC-SHA-256 gives exactly as many bytes.
    out.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    out
}

/// Our first message is out.
#[derive(Debug)]
pub(super) struct ExpectServerFirst {
    binding: Binding,
    nonce: String,
    client_first_bare: String,
}

/// The server has said how to stretch; the keys are wanted.
#[derive(Debug)]
pub(super) struct ExpectKeys {
    stretch: Stretch,
    client_final_bare: String,
    auth_message: String,
}

/// Our proof is out; the server's is wanted.
#[derive(Debug)]
pub(super) struct ExpectServerFinal {
    signature: [u8; KEY_BYTES],
}

/// Begins: our first message.
pub(super) fn begin(binding: Binding) -> Result<(ExpectServerFirst, String), ScramError> {
    let mut nonce = [0; NONCE_BYTES];
    rand::fill(&mut nonce).map_err(|_| ScramError::NoRandomness)?;
    // Base64 has no comma, so it is a nonce as it stands.
    Ok(begin_with(binding, "", STANDARD.encode(nonce)))
}

fn begin_with(binding: Binding, user: &str, nonce: String) -> (ExpectServerFirst, String) {
    let client_first_bare = format!("n={user},r={nonce}");
    let message = format!("{}{client_first_bare}", binding.header());
    (ExpectServerFirst { binding, nonce, client_first_bare }, message)
}

impl ExpectServerFirst {
    pub(super) fn handle(self, message: &[u8]) -> Result<ExpectKeys, ScramError> {
        const MALFORMED: ScramError = ScramError::Malformed("server-first-message");
        let text = text(message).ok_or(MALFORMED)?;
        let mut parts = text.splitn(3, ',');
        let mut part = |name: &str| parts.next().and_then(|part| part.strip_prefix(name)).ok_or(MALFORMED);
        let (nonce, salt, iterations) = (part("r=")?, part("s=")?, part("i=")?);
        // Extensions may follow the count of iterations; we know none and need none.
        let iterations = iterations.split(',').next().unwrap_or_default();
        let iterations: NonZeroU32 = iterations.parse().map_err(|_| MALFORMED)?;
        let salt = STANDARD.decode(salt).map_err(|_| MALFORMED)?;
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(ScramError::Nonce);
        }
        if iterations.get() > ITERATIONS_MAX {
            return Err(ScramError::Iterations(iterations.get()));
        }
        let client_final_bare = format!("c={},r={nonce}", self.binding.repeated());
        let auth_message = format!("{},{text},{client_final_bare}", self.client_first_bare);
        Ok(ExpectKeys { stretch: Stretch { salt, iterations }, client_final_bare, auth_message })
    }
}

impl ExpectKeys {
    /// What the keys have to be made with.
    pub(super) const fn stretch(&self) -> &Stretch {
        &self.stretch
    }

    /// Our proof.
    pub(super) fn prove(self, keys: &Keys) -> (ExpectServerFinal, String) {
        let stored = digest::digest(&digest::SHA256, &keys.client);
        let signature = hmac(stored.as_ref(), self.auth_message.as_bytes());
        let mut proof = keys.client;
        proof.iter_mut().zip(signature).for_each(|(key, one)| *key ^= one);
        let message = format!("{},p={}", self.client_final_bare, STANDARD.encode(proof));
        let signature = hmac(&keys.server, self.auth_message.as_bytes());
        (ExpectServerFinal { signature }, message)
    }
}

impl ExpectServerFinal {
    /// Whether the server proved that it knows the password, too.
    pub(super) fn handle(self, message: &[u8]) -> Result<(), ScramError> {
        const MALFORMED: ScramError = ScramError::Malformed("server-final-message");
        let text = text(message).ok_or(MALFORMED)?;
        let first = text.split(',').next().unwrap_or_default();
        if let Some(error) = first.strip_prefix("e=") {
            return Err(ScramError::Server(error.chars().take(64).collect()));
        }
        let signature = first.strip_prefix("v=").ok_or(MALFORMED)?;
        let signature = STANDARD.decode(signature).map_err(|_| MALFORMED)?;
        constant_time::verify_slices_are_equal(&self.signature, &signature)
            .map_err(|_| ScramError::ServerSignature)
    }
}

fn text(message: &[u8]) -> Option<&str> {
    let bounded = Some(message).filter(|message| message.len() <= MESSAGE_BYTES_MAX)?;
    std::str::from_utf8(bounded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                                p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    fn proven() -> (ExpectServerFinal, String) {
        let (state, first) = begin_with(Binding::Unsupported, "user", NONCE.into());
        assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let state = state.handle(SERVER_FIRST.as_bytes()).unwrap();
        let keys = Keys::derive(b"pencil", state.stretch());
        state.prove(&keys)
    }

    #[test]
    fn the_example_of_rfc_7677_comes_out() {
        let (state, message) = proven();
        assert_eq!(message, CLIENT_FINAL);
        assert_eq!(state.handle(SERVER_FINAL.as_bytes()), Ok(()));
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_found_out() {
        let forged = SERVER_FINAL.replace("v=6", "v=7");
        assert_eq!(proven().0.handle(forged.as_bytes()), Err(ScramError::ServerSignature));
        assert_eq!(proven().0.handle(b"v="), Err(ScramError::ServerSignature));
        let failed = Err(ScramError::Server("invalid-proof".into()));
        assert_eq!(proven().0.handle(b"e=invalid-proof"), failed);
    }

    #[test]
    fn a_nonce_that_is_not_ours_continued_is_refused() {
        for nonce in ["rOprNGfwEbeRWgbNEkqO", "xOprNGfwEbeRWgbNEkqOmore", ""] {
            let (state, _) = begin_with(Binding::Unsupported, "", NONCE.into());
            let message = format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
            assert_eq!(state.handle(message.as_bytes()).err(), Some(ScramError::Nonce));
        }
    }

    #[test]
    fn iterations_without_end_are_refused() {
        for (iterations, refused) in [
            ("0", ScramError::Malformed("server-first-message")),
            ("4000000000", ScramError::Iterations(4_000_000_000)),
        ] {
            let (state, _) = begin_with(Binding::Unsupported, "", NONCE.into());
            let message = format!("r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i={iterations}");
            assert_eq!(state.handle(message.as_bytes()).err(), Some(refused));
        }
    }

    #[test]
    fn malformed_messages_are_refused() {
        for message in ["", "r=", "s=,r=,i=1", "m=x,r=a,s=b,i=1", "r=rOprNGfwEbeRWgbNEkqOx,s=!,i=1"] {
            let (state, _) = begin_with(Binding::Unsupported, "", NONCE.into());
            assert!(state.handle(message.as_bytes()).is_err(), "{message}");
        }
    }

    #[test]
    fn the_binding_is_repeated_in_the_proof() {
        for (binding, c) in [
            (Binding::NotOffered, "c=eSws,"),
            (Binding::ServerEndPoint(vec![0xff]), "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCws/w==,"),
        ] {
            let (state, _) = begin_with(binding, "user", NONCE.into());
            let state = state.handle(SERVER_FIRST.as_bytes()).unwrap();
            assert!(state.client_final_bare.starts_with(c), "{}", state.client_final_bare);
        }
    }

    #[test]
    fn i11_keys_are_not_printed() {
        assert_eq!(format!("{:?}", Keys { client: [1; 32], server: [2; 32] }), "Keys(…)");
    }
}
