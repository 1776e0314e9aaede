//! The clock of leases: elapsed time that includes suspension of the process and of the machine.

use std::time::Duration;

/// Returns the time since boot, including time that the machine was suspended. Never goes back and cannot be set.
/// Only differences are meaningful, within one machine and until its next boot.
///
/// `std::time::Instant` excludes the time that a machine is suspended (Linux: `CLOCK_MONOTONIC`). A lease measured by
/// it would become valid again after an hour of sleep.
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
