//! One stretch of a target's answer on its way out: as long as nothing has to be changed, its bytes leave
//! as they came and uncopied; from the first change on, what leaves is gathered anew.

use bytes::{Buf, Bytes, BytesMut};

use crate::masked::ValueFree;
use crate::{MaskError, Masked, Plan};

/// Decides, message by message, what of a stretch of bytes leaves. Every message of the stretch is
/// given to it in order, by exactly one of its methods; then [`Outlet::release`] takes the stretch.
#[derive(Debug)]
pub struct Outlet {
    /// Bytes at the front of the stretch that leave as they are.
    kept: usize,
    /// Whether something was changed; from there on everything is gathered in `anew`.
    diverted: bool,
    anew: Masked<BytesMut>,
    /// How far [`Outlet::released`] has told what leaves.
    told: (usize, usize),
    /// Bytes of the stretch: about as many leave when its rows are masked.
    stretch_bytes: usize,
}

impl Default for Outlet {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Outlet {
    /// For a stretch of so many bytes.
    #[must_use]
    pub fn new(stretch_bytes: usize) -> Self {
        Self { kept: 0, diverted: false, anew: Masked::empty(), told: (0, 0), stretch_bytes }
    }

    /// A message in which no value can stand.
    pub fn value_free<M: ValueFree + AsRef<[u8]>>(&mut self, message: &M) {
        // INVARIANT: I6 - its type vouches.
        self.keep(message.as_ref());
    }

    /// A row: its whole message, and the body of it. A clear plan lets it pass.
    ///
    /// # Errors
    /// When the row is not what was described; it does not leave then.
    pub fn row(&mut self, plan: &Plan, message: &[u8], body: &[u8]) -> Result<(), MaskError> {
        // INVARIANT: I6 - the plan passes it or masks it.
        if plan.is_clear() {
            self.keep(message);
            return Ok(());
        }
        if self.anew.is_empty() {
            // At once what the rows of the stretch will need, and a little for values that grow.
            self.anew.buffer().reserve((self.stretch_bytes - self.stretch_bytes.min(self.kept)) * 9 / 8);
        }
        self.diverted = true;
        plan.mask_data_row(body, &mut self.anew)
    }

    /// A piece of a message that is too large to wait for.
    ///
    /// # Errors
    /// [`MaskError::NotClear`]: only what has nothing to mask can be let through in pieces.
    pub fn piece(&mut self, plan: &Plan, piece: &[u8]) -> Result<(), MaskError> {
        // INVARIANT: I6 - the plan says that nothing hides in it.
        if !plan.is_clear() {
            return Err(MaskError::NotClear);
        }
        self.keep(piece);
        Ok(())
    }

    /// A message that does not leave.
    pub fn swallow(&mut self) {
        self.diverted = true;
    }

    /// A message that is not of the stretch, said here.
    pub fn insert<M: ValueFree + AsRef<[u8]>>(&mut self, message: &M) {
        self.diverted = true;
        self.anew.append_value_free(message);
    }

    /// A message that takes the place of one of the stretch.
    pub fn replace<B: AsRef<[u8]>>(&mut self, message: &Masked<B>) {
        self.diverted = true;
        self.anew.append(message);
    }

    /// Where a masker may write what takes the place of a message.
    pub fn anew(&mut self) -> &mut Masked<BytesMut> {
        self.diverted = true;
        &mut self.anew
    }

    /// What was decided to leave since this was last asked: first of `stretch` itself, then gathered anew.
    pub fn released<'a>(&'a mut self, stretch: &'a [u8]) -> [&'a [u8]; 2] {
        let (kept, anew) = self.told;
        self.told = (self.kept, self.anew.len());
        [stretch.get(kept..self.kept).unwrap_or_default(), self.anew.get().get(anew..).unwrap_or_default()]
    }

    /// Takes the first `consumed` bytes, which is all that it was asked about, from `stretch`, and answers
    /// with what leaves of them.
    #[must_use]
    pub fn release(mut self, stretch: &mut BytesMut, consumed: usize) -> [Masked<Bytes>; 2] {
        let kept = self.kept.min(consumed).min(stretch.len());
        let front = stretch.split_to(kept).freeze();
        stretch.advance((consumed - kept).min(stretch.len()));
        // INVARIANT: I6 - `kept` counts only what was kept above.
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
