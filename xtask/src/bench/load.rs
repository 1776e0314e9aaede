//! One round: pgbench for a few seconds, what it says, and what the proxy spent meanwhile.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use countersign_testkit::{Dsn, Folder, usage};

use super::contestant::Contestant;
use super::measure::{self, Round};
use super::workload::{Scripts, Workload};

/// The load generator: the newest server's pgbench.
pub(crate) fn generator() -> Result<PathBuf> {
    let debian = PathBuf::from("/usr/lib/postgresql/15/bin");
    crate::run::find("pgbench", &[debian]).context("no pgbench on this machine; install postgresql-15")
}

/// Runs pgbench; what it says.
pub(crate) fn pgbench(program: &Path, dsn: &Dsn, arguments: &[String]) -> Result<String> {
    let output = Command::new(program)
        .args(["-h", &dsn.host, "-p", &dsn.port.to_string(), "-U", &dsn.user])
        .args(arguments)
        .arg(&dsn.database)
        .env("PGPASSWORD", &dsn.password)
        .output()
        .context("cannot run pgbench")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("pgbench: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(said)
}

/// One round of one contestant.
pub(crate) fn round(
    program: &Path,
    contestant: &Contestant,
    workload: Workload,
    scripts: &Scripts,
    clients: u32,
    seconds: u32,
) -> Result<Round> {
    let account = countersign_testkit::Account::Own;
    let folder = Folder::new(account)?;
    let prefix = folder.path().join("log").display().to_string();
    let mut arguments = workload.arguments(scripts);
    let threads = clients.min(2).to_string();
    arguments
        .extend(["-c", &clients.to_string(), "-j", &threads, "-T", &seconds.to_string()].map(str::to_owned));
    // Every transaction's latency; sampled, so that writing the log costs little.
    arguments.extend(["-l", "--sampling-rate=0.2", "--log-prefix", &prefix].map(str::to_owned));
    let before = spent(contestant)?;
    let said = pgbench(program, &contestant.dsn, &arguments)
        .with_context(|| format!("{}, {}", contestant.kind.name(), workload.name()))?;
    let after = spent(contestant)?;
    let done = number_after(&said, "number of transactions actually processed: ")?;
    let tps = number_after(&said, "tps = ")?;
    let cpu = before.zip(after).map(|(before, after)| (after - before) * 1e6 / done);
    let rss = contestant.proxy.map(usage::resident_kib).transpose()?;
    Ok(Round { tps, latencies: measure::latencies(folder.path())?, cpu_us: cpu, rss_kib: rss })
}

/// The CPU time that everything between client and server has used; `None` when there is nothing.
fn spent(contestant: &Contestant) -> Result<Option<f64>> {
    let Some(proxy) = contestant.proxy else { return Ok(None) };
    let helper = contestant.helper.map(usage::cpu).transpose()?.unwrap_or_default();
    Ok(Some((usage::cpu(proxy)? + helper).as_secs_f64()))
}

fn number_after(said: &str, label: &str) -> Result<f64> {
    let rest = said.split_once(label).with_context(|| format!("pgbench says no `{label}`: {said}"))?.1;
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    digits.parse().with_context(|| format!("no number after `{label}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_pgbench_are_read() {
        let said =
            "number of transactions actually processed: 4711\ntps = 23.5 (without initial connection time)\n";
        assert_eq!(number_after(said, "number of transactions actually processed: ").unwrap(), 4711.0);
        assert_eq!(number_after(said, "tps = ").unwrap(), 23.5);
        assert!(number_after(said, "latency = ").is_err());
    }
}
