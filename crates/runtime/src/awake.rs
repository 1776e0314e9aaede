//! How much time has passed, whatever the process or its machine did meanwhile: the clock of leases.

use std::time::Duration;

/// The time since the machine was started; what it slept counts. It never goes back and nobody sets it. Good for
/// differences only, within one machine and until its next start.
///
/// `std::time::Instant` does not count the time that a machine sleeps (Linux: `CLOCK_MONOTONIC`), so a lease measured by it
/// would be good again after an hour of sleep.
#[must_use]
pub fn since_boot() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_grows() {
        let before = super::since_boot();
        std::thread::sleep(std::time::Duration::from_millis(2));
        assert!(super::since_boot() > before);
    }
}
