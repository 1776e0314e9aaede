//! Which commands are traced from their beginning: a configured share of them. It is decided before a span is made, so
//! that a command that is not traced costs an addition and no memory. What waits for people is traced in any case, from
//! where that shows.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Which part of all 64-bit numbers is taken. Zero: none; all ones: all.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// The golden ratio of 2^64: multiples of it fall evenly, so that of few commands, too, about the share is taken.
const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

thread_local! {
    static LAST: Cell<u64> = Cell::new(RandomState::new().hash_one(STRIDE));
}

/// Takes this share of the commands from here on, from 0 to 1.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a range, clamped by the cast"
)]
pub(crate) fn take(share: f64) {
    TAKEN.store((share * u64::MAX as f64) as u64, Ordering::Relaxed);
}

/// Whether the command that begins now is traced.
#[must_use]
pub fn takes() -> bool {
    match TAKEN.load(Ordering::Relaxed) {
        0 => false,
        u64::MAX => true,
        taken => next() < taken,
    }
}

fn next() -> u64 {
    LAST.with(|last| {
        last.set(last.get().wrapping_add(STRIDE));
        last.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_the_share_is_taken_all_or_none_exactly() {
        // One test, because the share is the process's.
        for (share, least, most) in [(0.0, 0, 0), (0.01, 8, 12), (0.25, 248, 252), (1.0, 1000, 1000)] {
            take(share);
            let taken = (0..1000).filter(|_| takes()).count();
            assert!((least..=most).contains(&taken), "{taken} of 1000 at {share}");
        }
        take(0.0);
    }
}
