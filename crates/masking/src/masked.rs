//! The type that proves that bytes may be sent to the client.

use std::fmt;

use bytes::{Bytes, BytesMut};

/// Data that may be sent to the client. Only this crate creates it: from a plan, a COPY masker, an error
/// masker, or a type that is [`ValueFree`]. It is neither `Clone` nor `Default`: a proof covers one value.
///
/// ```compile_fail
/// let bytes = b"alice@example.org".to_vec();
/// let masked = countersign_masking::Masked(bytes);
/// ```
/// ```compile_fail
/// let masked = countersign_masking::Masked::<bytes::BytesMut>::default();
/// ```
pub struct Masked<T>(T);

/// A message that cannot hold a value of a target's data: authentication, `ReadyForQuery`, row descriptions, refusals
/// that the gateway writes. Implement it only for types that are built from their parts, never for a buffer that a
/// target filled; the implementation is the proof.
pub trait ValueFree {}

impl<T> Masked<T> {
    /// INVARIANT: I6 - the only constructor; each caller in this crate gives the reason why it may call it.
    pub(crate) const fn new(inner: T) -> Self {
        Self(inner)
    }

    /// Returns the data, which may be sent to the client.
    #[must_use]
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// Returns the data without the proof.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: ValueFree> Masked<T> {
    /// Wraps a message that holds no values.
    pub const fn value_free(message: T) -> Self {
        // The type of the message is the proof.
        Self::new(message)
    }
}

impl Masked<BytesMut> {
    /// Creates an empty buffer.
    #[must_use]
    pub fn empty() -> Self {
        // An empty buffer holds no values.
        Self::new(BytesMut::new())
    }

    /// Appends data that may be sent to the client.
    pub fn append<B: AsRef<[u8]>>(&mut self, next: &Masked<B>) {
        // Both parts are masked.
        self.0.extend_from_slice(next.0.as_ref());
    }

    /// Appends a message that holds no values.
    pub fn append_value_free<M: ValueFree + AsRef<[u8]>>(&mut self, message: &M) {
        // The type of the message is the proof.
        self.0.extend_from_slice(message.as_ref());
    }

    /// Number of bytes in the buffer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if the buffer is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the content out; the buffer can be filled again.
    #[must_use]
    pub fn take(&mut self) -> Masked<Bytes> {
        Masked::new(self.0.split().freeze())
    }

    /// The buffer, for the maskers of this crate.
    pub(crate) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.0
    }
}

impl<T> fmt::Debug for Masked<T> {
    /// Does not print the content: data that a client may see does not always belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masked(…)")
    }
}
