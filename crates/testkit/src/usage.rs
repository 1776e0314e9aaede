//! What a process uses, as `/proc` tells: CPU, memory, open files.

use std::time::Duration;

use anyhow::{Context, Result};

/// The CPU time that all threads of a process have used so far.
///
/// # Errors
/// There is no such process.
pub fn cpu(id: u32) -> Result<Duration> {
    let stat = read(id, "stat")?;
    // The name in parentheses may hold anything; after it come the numbered fields from the third on.
    let (_, fields) = stat.rsplit_once(')').context("no name in /proc/PID/stat")?;
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // Linux reports in hundredths of a second on every platform that we run on (USER_HZ).
    Ok(Duration::from_millis(ticks * 10))
}

/// The resident memory of a process, in KiB.
///
/// # Errors
/// There is no such process.
pub fn resident_kib(id: u32) -> Result<u64> {
    let status = read(id, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")
}

/// The most resident memory that a process has had since [`forget_peak`], in KiB.
///
/// # Errors
/// There is no such process.
pub fn peak_kib(id: u32) -> Result<u64> {
    let status = read(id, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    line.trim().trim_end_matches(" kB").parse().context("VmHWM is no number")
}

/// Lets [`peak_kib`] count from now on.
///
/// # Errors
/// There is no such process, or it is another user's.
pub fn forget_peak(id: u32) -> Result<()> {
    // 5: the peak of resident memory (proc(5)).
    std::fs::write(format!("/proc/{id}/clear_refs"), "5")
        .with_context(|| format!("the peak of process {id} cannot be reset"))
}

/// How many files a process may open at most, however it raises its own limit.
///
/// # Errors
/// There is no such process.
pub fn files_max(id: u32) -> Result<usize> {
    let limits = read(id, "limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("no limit")?;
    // Soft, then hard.
    line.split_whitespace().nth(1).context("no hard limit")?.parse().context("the limit is no number")
}

/// How many files a process has open.
///
/// # Errors
/// There is no such process, or it is another user's.
pub fn files(id: u32) -> Result<usize> {
    let open = std::fs::read_dir(format!("/proc/{id}/fd"));
    Ok(open.with_context(|| format!("process {id} cannot be looked at"))?.count())
}

fn read(id: u32, file: &str) -> Result<String> {
    std::fs::read_to_string(format!("/proc/{id}/{file}")).with_context(|| format!("process {id} has ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_grows_with_work() {
        let id = std::process::id();
        let before = cpu(id).unwrap();
        let mut sum = 0_u64;
        while cpu(id).unwrap() < before + Duration::from_millis(50) {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }

    #[test]
    fn a_peak_is_forgotten_and_found_again() {
        let id = std::process::id();
        const BYTES: usize = 64 << 20;
        drop(std::hint::black_box(vec![1_u8; BYTES]));
        assert!(peak_kib(id).unwrap() * 1024 > BYTES as u64);
        forget_peak(id).unwrap();
        let before = peak_kib(id).unwrap();
        drop(std::hint::black_box(vec![1_u8; 2 * BYTES]));
        assert!(peak_kib(id).unwrap() >= before + (BYTES as u64) / 1024);
    }

    #[test]
    fn memory_and_files_are_those_of_the_process() {
        let id = std::process::id();
        assert!(resident_kib(id).unwrap() > 500);
        let kept: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let open = files(id).unwrap();
        assert!(open > kept.len() && open < files_max(id).unwrap(), "{open}");
        assert!(files(u32::MAX).is_err());
    }
}
