//! Sampling of traces: a configured share of the commands is traced from the beginning. The decision is made before a
//! span is created, so that a command that is not traced costs an addition and no memory. Held commands are always
//! traced, from the moment they are held.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Sampled range of the 64-bit numbers. Zero samples nothing; all ones sample everything.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// The golden ratio of 2^64. Its multiples are evenly distributed, so that even a few commands are sampled at about
/// the configured share.
const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

thread_local! {
    static LAST: Cell<u64> = Cell::new(RandomState::new().hash_one(STRIDE));
}

/// Sets the share of commands to sample, from 0 to 1.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a range, clamped by the cast"
)]
pub(crate) fn take(share: f64) {
    TAKEN.store((share * u64::MAX as f64) as u64, Ordering::Relaxed);
}

/// Returns `true` if the command that begins now is traced.
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
        // A single test, because the share is global to the process.
        for (share, least, most) in [(0.0, 0, 0), (0.01, 8, 12), (0.25, 248, 252), (1.0, 1000, 1000)] {
            take(share);
            let taken = (0..1000).filter(|_| takes()).count();
            assert!((least..=most).contains(&taken), "{taken} of 1000 at {share}");
        }
        take(0.0);
    }
}
