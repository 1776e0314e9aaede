//! Filters one section of a target's answer. As long as nothing is changed, the bytes of the section are sent without
//! a copy; after the first change, the output is collected in a new buffer.

use bytes::{Buf, Bytes, BytesMut};

use crate::masked::ValueFree;
use crate::{MaskError, Masked, Plan};

/// Decides for each message of a section of bytes if it is sent. The caller passes every message of the section in
/// order to exactly one of its methods; then [`Outlet::release`] takes the section.
#[derive(Debug)]
pub struct Outlet {
    /// Number of bytes at the start of the section that are sent unchanged.
    kept: usize,
    /// `true` after the first change; from then on all output is collected in `anew`.
    diverted: bool,
    anew: Masked<BytesMut>,
    /// Extent of the output that [`Outlet::released`] has already returned.
    told: (usize, usize),
    /// Number of bytes of the section; a section with masked rows needs about as many.
    stretch_bytes: usize,
}

impl Default for Outlet {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Outlet {
    /// Creates an outlet for a section of this many bytes.
    #[must_use]
    pub fn new(stretch_bytes: usize) -> Self {
        Self { kept: 0, diverted: false, anew: Masked::empty(), told: (0, 0), stretch_bytes }
    }

    /// Sends a message that cannot hold a value.
    pub fn value_free<M: ValueFree + AsRef<[u8]>>(&mut self, message: &M) {
        // INVARIANT: I6 - the type of the message is the proof.
        self.keep(message.as_ref());
    }

    /// Sends a row, given as its whole message and its body. A clear plan sends it unchanged.
    ///
    /// # Errors
    /// The row does not match its description; it is not sent then.
    pub fn row(&mut self, plan: &Plan, message: &[u8], body: &[u8]) -> Result<(), MaskError> {
        // INVARIANT: I6 - the plan lets it pass or masks it.
        if plan.is_clear() {
            self.keep(message);
            return Ok(());
        }
        if self.anew.is_empty() {
            // Reserves enough for all rows of the section, and a little more for values that grow.
            self.anew.buffer().reserve((self.stretch_bytes - self.stretch_bytes.min(self.kept)) * 9 / 8);
        }
        self.diverted = true;
        plan.mask_data_row(body, &mut self.anew)
    }

    /// Sends a part of a message that is too large to be buffered.
    ///
    /// # Errors
    /// [`MaskError::NotClear`]: a message can be sent in parts only if nothing in it is masked.
    pub fn piece(&mut self, plan: &Plan, piece: &[u8]) -> Result<(), MaskError> {
        // INVARIANT: I6 - according to the plan nothing in it is masked.
        if !plan.is_clear() {
            return Err(MaskError::NotClear);
        }
        self.keep(piece);
        Ok(())
    }

    /// Drops a message of the section.
    pub fn swallow(&mut self) {
        self.diverted = true;
    }

    /// Sends a message that is not part of the section.
    pub fn insert<M: ValueFree + AsRef<[u8]>>(&mut self, message: &M) {
        self.diverted = true;
        self.anew.append_value_free(message);
    }

    /// Sends a message in place of one of the section.
    pub fn replace<B: AsRef<[u8]>>(&mut self, message: &Masked<B>) {
        self.diverted = true;
        self.anew.append(message);
    }

    /// Buffer for a masker that replaces a message of the section.
    pub fn anew(&mut self) -> &mut Masked<BytesMut> {
        self.diverted = true;
        &mut self.anew
    }

    /// Returns the output since the last call: first bytes of `stretch` itself, then collected bytes.
    pub fn released<'a>(&'a mut self, stretch: &'a [u8]) -> [&'a [u8]; 2] {
        let (kept, anew) = self.told;
        self.told = (self.kept, self.anew.len());
        [stretch.get(kept..self.kept).unwrap_or_default(), self.anew.get().get(anew..).unwrap_or_default()]
    }

    /// Takes the first `consumed` bytes from `stretch`, exactly those that were passed to the methods above, and
    /// returns the output.
    #[must_use]
    pub fn release(mut self, stretch: &mut BytesMut, consumed: usize) -> [Masked<Bytes>; 2] {
        let kept = self.kept.min(consumed).min(stretch.len());
        let front = stretch.split_to(kept).freeze();
        stretch.advance((consumed - kept).min(stretch.len()));
        // INVARIANT: I6 - `kept` counts only bytes that `keep` has accepted.
        [Masked::new(front), self.anew.take()]
    }

    fn keep(&mut self, message: &[u8]) {
        if self.diverted {
            self.anew.buffer().extend_from_slice(message);
        } else {
            self.kept += message.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Said(&'static [u8]);
    impl ValueFree for Said {}
    impl AsRef<[u8]> for Said {
        fn as_ref(&self) -> &[u8] {
            self.0
        }
    }

    fn released(outlet: Outlet, stretch: &[u8], consumed: usize) -> (Vec<u8>, Vec<u8>) {
        let mut stretch = BytesMut::from(stretch);
        let parts = outlet.release(&mut stretch, consumed);
        (parts.iter().flat_map(|part| part.get().to_vec()).collect(), stretch.to_vec())
    }

    #[test]
    fn what_is_kept_leaves_as_it_came_and_the_rest_stays() {
        let mut outlet = Outlet::default();
        outlet.value_free(&Said(b"one"));
        assert!(outlet.row(&Plan::clear(), b"two", b"two").is_ok());
        assert_eq!(released(outlet, b"onetwothree", 6), (b"onetwo".to_vec(), b"three".to_vec()));
    }

    #[test]
    fn after_a_swallowed_message_what_follows_keeps_its_order() {
        let mut outlet = Outlet::default();
        outlet.value_free(&Said(b"one"));
        outlet.swallow();
        outlet.insert(&Said(b"TWO"));
        outlet.value_free(&Said(b"three"));
        assert_eq!(released(outlet, b"onetwothree", 11), (b"oneTWOthree".to_vec(), Vec::new()));
    }

    #[test]
    fn what_leaves_is_told_once() {
        let mut outlet = Outlet::default();
        outlet.value_free(&Said(b"one"));
        assert_eq!(outlet.released(b"onetwo"), [b"one".as_slice(), b""]);
        outlet.value_free(&Said(b"two"));
        outlet.insert(&Said(b"!"));
        assert_eq!(outlet.released(b"onetwo"), [b"two".as_slice(), b"!"]);
    }
}
