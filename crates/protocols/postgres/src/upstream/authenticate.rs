//! Proves to the target who we are: whatever of SCRAM, MD5, cleartext password or nothing it asks for.

use std::sync::Arc;

use bytes::BytesMut;
use countersign_common::Secret;
use countersign_common::target::{Role, SecretRef};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::credential::{self, Found, KeyCache, KeyName};
use super::scram::{self, Binding, Keys, Stretch};
use super::wire::Wire;
use super::{UpstreamError, binding, refused};
use crate::Stream;
use crate::codec::backend::{Authentication, Mechanisms};
use crate::codec::{Backend, Error, build};

/// The longest message of a server before it has let us in, in bytes.
pub(super) const LOGIN_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Who logs in, and what is known of the credential.
pub(super) struct Login<'a> {
    pub(super) role: &'a Role,
    pub(super) keys: &'a KeyCache,
    /// Set when keys were used that had been kept: a refusal may mean that they are out of date.
    pub(super) used_kept_keys: bool,
}

impl Login<'_> {
    /// Answers a request for authentication, and goes on until the server is content.
    pub(super) async fn answer(
        &mut self,
        wire: &mut Wire<'_>,
        request: Authentication<'_>,
    ) -> Result<(), UpstreamError> {
        let unsupported = |wanted| Err(UpstreamError::AuthenticationUnsupported { wanted });
        match request {
            Authentication::Ok => Ok(()),
            Authentication::CleartextPassword if wire.stream.is_tls() => self.cleartext(wire).await,
            Authentication::CleartextPassword => unsupported("the password in clear without TLS"),
            Authentication::Md5Password { salt } => self.md5(wire, salt).await,
            Authentication::Sasl(mechanisms) => self.scram(wire, mechanisms).await,
            Authentication::KerberosV5 => unsupported("Kerberos"),
            Authentication::Gss | Authentication::GssContinue(_) => unsupported("GSSAPI"),
            Authentication::Sspi => unsupported("SSPI"),
            Authentication::SaslContinue(_) | Authentication::SaslFinal(_) => {
                Err(unexpected("the first request for authentication"))
            }
        }
    }

    fn reference(&self) -> Result<&SecretRef, UpstreamError> {
        self.role.credential.as_ref().ok_or(UpstreamError::CredentialMissing)
    }

    async fn credential(&self) -> Result<Secret<String>, UpstreamError> {
        let reference = self.reference()?.clone();
        off_the_loop(move || credential::read(&reference)).await?
    }

    async fn cleartext(&self, wire: &mut Wire<'_>) -> Result<(), UpstreamError> {
        let credential = self.credential().await?;
        send_password(wire, credential.expose().as_bytes()).await?;
        expect_ok(wire).await
    }

    async fn md5(&self, wire: &mut Wire<'_>, salt: [u8; 4]) -> Result<(), UpstreamError> {
        let credential = self.credential().await?;
        let answer = md5_answer(credential.expose(), &self.role.user, salt);
        send_password(wire, answer.as_bytes()).await?;
        expect_ok(wire).await
    }

    async fn scram(&mut self, wire: &mut Wire<'_>, offered: Mechanisms<'_>) -> Result<(), UpstreamError> {
        let binding = choose_binding(wire.stream, offered)?;
        let mechanism = binding.mechanism();
        let (state, first) = scram::begin(binding)?;
        let mut out = BytesMut::new();
        build::sasl_initial(&mut out, mechanism, first.as_bytes())?;
        wire.send(&out).await?;

        let state = match receive(wire).await?.view()? {
            Authentication::SaslContinue(message) => state.handle(message)?,
            _ => return Err(unexpected("AuthenticationSASLContinue")),
        };
        let keys = self.stretched(state.stretch().clone()).await?;
        let (state, proof) = state.prove(&keys);
        out.clear();
        build::sasl_response(&mut out, proof.as_bytes());
        wire.send(&out).await?;

        match receive(wire).await?.view()? {
            Authentication::SaslFinal(message) => state.handle(message)?,
            // A server that skips its own proof may be another one.
            _ => return Err(unexpected("AuthenticationSASLFinal")),
        }
        expect_ok(wire).await
    }

    /// The keys for this salt: kept ones, else the credential is read and stretched.
    async fn stretched(&mut self, stretch: Stretch) -> Result<Arc<Keys>, UpstreamError> {
        let name = KeyName { user: self.role.user.clone(), reference: self.reference()?.clone(), stretch };
        let stretch = name.stretch.clone();
        let stretching = async {
            let credential = self.credential().await?;
            off_the_loop(move || Keys::derive(credential.expose().as_bytes(), &stretch)).await
        };
        match self.keys.find(name, stretching).await? {
            Found::Stretched(keys) => Ok(keys),
            Found::Kept(keys) => {
                self.used_kept_keys = true;
                Ok(keys)
            }
        }
    }
}

/// What the server offers, tied to the TLS connection where both sides can.
fn choose_binding(stream: &Stream, offered: Mechanisms<'_>) -> Result<Binding, UpstreamError> {
    let offers = |mechanism: &[u8]| offered.iter().any(|one| one == mechanism);
    let end_point = match stream {
        Stream::Plain(_) => None,
        Stream::Tls(stream) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            certificate.and_then(|certificate| binding::server_end_point(certificate))
        }
    };
    match end_point {
        Some(digest) if offers(b"SCRAM-SHA-256-PLUS") => Ok(Binding::ServerEndPoint(digest)),
        Some(_) if offers(b"SCRAM-SHA-256") => Ok(Binding::NotOffered),
        None if offers(b"SCRAM-SHA-256") => Ok(Binding::Unsupported),
        Some(_) | None => Err(UpstreamError::AuthenticationUnsupported {
            wanted: "a SASL mechanism other than SCRAM-SHA-256",
        }),
    }
}

/// `md5` and the hex digest of (hex digest of password and user) and salt.
fn md5_answer(password: &str, user: &str, salt: [u8; 4]) -> Zeroizing<String> {
    let inner = Zeroizing::new(hex::encode(Md5::new().chain_update(password).chain_update(user).finalize()));
    let outer = Md5::new().chain_update(inner.as_bytes()).chain_update(salt).finalize();
    Zeroizing::new(format!("md5{}", hex::encode(outer)))
}

async fn send_password(wire: &mut Wire<'_>, password: &[u8]) -> Result<(), UpstreamError> {
    // Large enough from the start, so that no copy is left behind by growing.
    let mut out = BytesMut::with_capacity(password.len().saturating_add(16));
    build::password(&mut out, password)?;
    let sent = wire.send(&out).await;
    zeroize::Zeroize::zeroize(&mut *out);
    sent
}

/// The body of an authentication message.
struct Request(bytes::Bytes);

impl Request {
    fn view(&self) -> Result<Authentication<'_>, UpstreamError> {
        match Backend::decode(b'R', &self.0)? {
            Backend::Authentication(request) => Ok(request),
            other => Err(Error::Unexpected { expected: "Authentication", got: other.tag() }.into()),
        }
    }
}

/// The next authentication message.
async fn receive(wire: &mut Wire<'_>) -> Result<Request, UpstreamError> {
    let message = wire.receive(LOGIN_MESSAGE_BYTES_MAX).await?;
    match Backend::decode(message.tag, &message.body)? {
        Backend::Authentication(_) => Ok(Request(message.body.clone())),
        Backend::ErrorResponse(fields) => Err(refused(fields)),
        other => Err(Error::Unexpected { expected: "Authentication", got: other.tag() }.into()),
    }
}

async fn expect_ok(wire: &mut Wire<'_>) -> Result<(), UpstreamError> {
    match receive(wire).await?.view()? {
        Authentication::Ok => Ok(()),
        _ => Err(unexpected("AuthenticationOk")),
    }
}

const fn unexpected(expected: &'static str) -> UpstreamError {
    UpstreamError::Protocol(Error::Unexpected { expected, got: crate::codec::Tag(b'R') })
}

/// Runs what blocks or computes for milliseconds on a thread for it.
async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, UpstreamError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| UpstreamError::Internal("a task did not end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_answers_as_the_server_computes_it() {
        // md5(md5("secret" + "bob") + salt), as `SELECT 'md5' || md5(md5('secretbob') || '\x01020304')` would.
        let inner = hex::encode(Md5::digest(b"secretbob"));
        let mut outer = inner.into_bytes();
        outer.extend([1, 2, 3, 4]);
        let want = format!("md5{}", hex::encode(Md5::digest(&outer)));
        assert_eq!(*md5_answer("secret", "bob", [1, 2, 3, 4]), want);
    }
}
