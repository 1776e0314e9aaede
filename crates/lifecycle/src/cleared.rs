//! The proof that bytes may go upstream.

use bytes::Bytes;

/// Bytes that may go upstream, and the proof of it. Made only here, in two ways: by [`run`](crate::run)
/// for a command that was judged, recorded and, where asked for, countersigned; and by
/// [`Cleared::inert`] for frames that run nothing. Neither `Clone` nor `Default`; sending uses it up.
///
/// A protocol cannot make one:
/// ```compile_fail
/// let cleared = countersign_lifecycle::Cleared { bytes: bytes::Bytes::from_static(b"DROP TABLE t") };
/// ```
/// nor use one twice:
/// ```compile_fail
/// fn twice(cleared: countersign_lifecycle::Cleared) {
///     let _again = cleared.clone();
/// }
/// ```
/// nor write upstream without one:
/// ```compile_fail
/// fn around(upstream: &mut countersign_lifecycle::UpstreamSide<tokio::net::TcpStream>) {
///     upstream.send(bytes::Bytes::from_static(b"DROP TABLE t"));
/// }
/// ```
/// nor to the client what was not masked:
/// ```compile_fail
/// fn leak(client: &mut countersign_lifecycle::ClientSide<tokio::net::TcpStream>) {
///     client.send(bytes::Bytes::from_static(b"4111 1111 1111 1111"));
/// }
/// ```
#[derive(Debug)]
#[must_use = "cleared bytes that are not sent were recorded as begun for nothing"]
pub struct Cleared {
    bytes: Bytes,
}

impl Cleared {
    /// For [`run`](crate::run) alone.
    pub(crate) fn command(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// Frames that run nothing on the target; see [`Inert`].
    pub fn inert(frames: impl Inert) -> Self {
        Self { bytes: frames.into_bytes() }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Frames of a protocol that by themselves run nothing: to flush, to synchronise, to describe, to say
/// goodbye. The protocol's type is built only from frames of such kinds; that is the promise which
/// implementing this trait makes, and each implementation says why it holds.
pub trait Inert {
    /// The exact bytes.
    fn into_bytes(self) -> Bytes;
}
