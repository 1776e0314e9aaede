//! The proof that bytes may go to the client.

use std::fmt;

use bytes::{Bytes, BytesMut};

/// Something that may go to the client. Made only in this crate: by a plan, a COPY masker, an error
/// masker, or from what is [`ValueFree`]. Neither `Clone` nor `Default`: a proof is about one thing.
///
/// ```compile_fail
/// let bytes = b"alice@example.org".to_vec();
/// let masked = countersign_masking::Masked(bytes);
/// ```
/// ```compile_fail
/// let masked = countersign_masking::Masked::<bytes::BytesMut>::default();
/// ```
pub struct Masked<T>(T);

/// A message in which no value of a target's data can stand: authentication, `ReadyForQuery`, row
/// descriptions, refusals of our own making. Whoever implements this vouches for it; implement it for
/// types that are built from their parts, never for a buffer that a target filled.
pub trait ValueFree {}

impl<T> Masked<T> {
    /// INVARIANT: I6 - the only way to make one; each caller in this crate says why it may.
    pub(crate) const fn new(inner: T) -> Self {
        Self(inner)
    }

    /// What may go to the client.
    #[must_use]
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What may go to the client, without the proof.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: ValueFree> Masked<T> {
    /// A message that has no values in it.
    pub const fn value_free(message: T) -> Self {
        // Its type vouches.
        Self::new(message)
    }
}

impl Masked<BytesMut> {
    /// Nothing, to be added to.
    #[must_use]
    pub fn empty() -> Self {
        // Nothing has no values in it.
        Self::new(BytesMut::new())
    }

    /// Adds what may go after it.
    pub fn append<B: AsRef<[u8]>>(&mut self, next: &Masked<B>) {
        // Masked after masked is masked.
        self.0.extend_from_slice(next.0.as_ref());
    }

    /// Adds a message that has no values in it.
    pub fn append_value_free<M: ValueFree + AsRef<[u8]>>(&mut self, message: &M) {
        // Its type vouches.
        self.0.extend_from_slice(message.as_ref());
    }

    /// Bytes gathered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has gathered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes out what has gathered; the buffer can be filled again.
    #[must_use]
    pub fn take(&mut self) -> Masked<Bytes> {
        Masked::new(self.0.split().freeze())
    }

    /// The buffer, for this crate's maskers to write to.
    pub(crate) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.0
    }
}

impl<T> fmt::Debug for Masked<T> {
    /// Not the content: what may be seen by a client may still not belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masked(…)")
    }
}
