//! `Cleared`: the proof, in the type system, that bytes may be sent to the target.

use bytes::Bytes;

/// Bytes that may be sent to the target. Constructed only in this file, in two ways: by [`run`](crate::run) for a
/// command that was judged, recorded and, if required, approved; and by [`Cleared::inert`] for frames that run
/// nothing. Neither `Clone` nor `Default`; sending consumes it.
///
/// A protocol needs the proofs to write to either side:
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
/// A protocol cannot construct a `Cleared`:
/// ```compile_fail,E0451
/// let cleared = countersign_lifecycle::Cleared { bytes: bytes::Bytes::from_static(b"DROP TABLE t") };
/// ```
/// nor create a default one:
/// ```compile_fail,E0599
/// let cleared = countersign_lifecycle::Cleared::default();
/// ```
/// nor call the constructor of the pipeline:
/// ```compile_fail,E0624
/// let cleared = countersign_lifecycle::Cleared::command(bytes::Bytes::from_static(b"DROP TABLE t"));
/// ```
/// nor declare arbitrary bytes inert:
/// ```compile_fail,E0277
/// let cleared = countersign_lifecycle::Cleared::inert(bytes::Bytes::from_static(b"DROP TABLE t"));
/// ```
/// nor clone one:
/// ```compile_fail,E0277
/// fn copy(cleared: &countersign_lifecycle::Cleared) -> countersign_lifecycle::Cleared {
///     countersign_lifecycle::Cleared::clone(cleared)
/// }
/// ```
/// nor send one twice:
/// ```compile_fail,E0382
/// # use countersign_lifecycle::{Cleared, UpstreamSide};
/// fn twice(upstream: &mut UpstreamSide<tokio::net::TcpStream>, cleared: Cleared) {
///     upstream.send(cleared);
///     upstream.send(cleared);
/// }
/// ```
/// nor write to the target without one:
/// ```compile_fail,E0308
/// fn around(upstream: &mut countersign_lifecycle::UpstreamSide<tokio::net::TcpStream>) {
///     upstream.send(bytes::Bytes::from_static(b"DROP TABLE t"));
/// }
/// ```
/// nor reach the raw socket inside the guarded one:
/// ```compile_fail,E0616
/// fn past(upstream: countersign_lifecycle::UpstreamSide<tokio::net::TcpStream>) {
///     let raw = upstream.0;
/// }
/// ```
/// nor send unmasked bytes to the client:
/// ```compile_fail,E0308
/// fn leak(client: &mut countersign_lifecycle::ClientSide<tokio::net::TcpStream>) {
///     client.send(bytes::Bytes::from_static(b"4111 1111 1111 1111"));
/// }
/// ```
/// nor construct a `Masked`:
/// ```compile_fail,E0423
/// let masked = countersign_masking::Masked(bytes::Bytes::from_static(b"4111 1111 1111 1111"));
/// ```
#[derive(Debug)]
#[must_use = "cleared bytes that are not sent were recorded as begun for nothing"]
pub struct Cleared {
    bytes: Bytes,
}

impl Cleared {
    /// Called by [`run`](crate::run) only.
    pub(crate) fn command(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// Clears frames that run nothing on the target; see [`Inert`].
    pub fn inert(frames: impl Inert) -> Self {
        Self { bytes: frames.into_bytes() }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Protocol frames that run nothing on the target, such as flush, sync, describe and terminate. The implementing type
/// must be constructible only from such frames. Each implementation states why this holds.
pub trait Inert {
    /// Returns the exact bytes to send.
    fn into_bytes(self) -> Bytes;
}
