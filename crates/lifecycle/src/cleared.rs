//! The proof that bytes may go upstream.

use bytes::Bytes;

/// Bytes that may go upstream, and the proof of it. Made only here, in two ways: by [`run`](crate::run)
/// for a command that was judged, recorded and, where asked for, countersigned; and by
/// [`Cleared::inert`] for frames that run nothing. Neither `Clone` nor `Default`; sending uses it up.
///
/// With the proofs a protocol writes to both sides:
/// ```
/// # use bytes::Bytes;
/// # use countersign_lifecycle::{Cleared, ClientSide, UpstreamSide};
/// # use countersign_masking::Masked;
/// # use tokio::net::TcpStream;
/// fn forward(upstream: &mut UpstreamSide<TcpStream>, cleared: Cleared) {
///     upstream.send(cleared);
/// }
/// fn answer(client: &mut ClientSide<TcpStream>, masked: Masked<Bytes>) {
///     client.send(masked);
/// }
/// ```
/// It cannot make one:
/// ```compile_fail,E0451
/// let cleared = countersign_lifecycle::Cleared { bytes: bytes::Bytes::from_static(b"DROP TABLE t") };
/// ```
/// nor out of nothing:
/// ```compile_fail,E0599
/// let cleared = countersign_lifecycle::Cleared::default();
/// ```
/// nor by the constructor that the road uses:
/// ```compile_fail,E0624
/// let cleared = countersign_lifecycle::Cleared::command(bytes::Bytes::from_static(b"DROP TABLE t"));
/// ```
/// nor call any bytes inert:
/// ```compile_fail,E0277
/// let cleared = countersign_lifecycle::Cleared::inert(bytes::Bytes::from_static(b"DROP TABLE t"));
/// ```
/// nor copy one:
/// ```compile_fail,E0277
/// fn copy(cleared: &countersign_lifecycle::Cleared) -> countersign_lifecycle::Cleared {
///     countersign_lifecycle::Cleared::clone(cleared)
/// }
/// ```
/// nor use one twice:
/// ```compile_fail,E0382
/// # use countersign_lifecycle::{Cleared, UpstreamSide};
/// fn twice(upstream: &mut UpstreamSide<tokio::net::TcpStream>, cleared: Cleared) {
///     upstream.send(cleared);
///     upstream.send(cleared);
/// }
/// ```
/// nor write upstream without one:
/// ```compile_fail,E0308
/// fn around(upstream: &mut countersign_lifecycle::UpstreamSide<tokio::net::TcpStream>) {
///     upstream.send(bytes::Bytes::from_static(b"DROP TABLE t"));
/// }
/// ```
/// nor past the guarded socket:
/// ```compile_fail,E0616
/// fn past(upstream: countersign_lifecycle::UpstreamSide<tokio::net::TcpStream>) {
///     let raw = upstream.0;
/// }
/// ```
/// nor to the client what was not masked:
/// ```compile_fail,E0308
/// fn leak(client: &mut countersign_lifecycle::ClientSide<tokio::net::TcpStream>) {
///     client.send(bytes::Bytes::from_static(b"4111 1111 1111 1111"));
/// }
/// ```
/// nor call masked what was not:
/// ```compile_fail,E0423
/// let masked = countersign_masking::Masked(bytes::Bytes::from_static(b"4111 1111 1111 1111"));
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
