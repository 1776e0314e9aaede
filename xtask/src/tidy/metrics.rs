//! Alerts and dashboards name metrics that exist: those of `docs/metrics.md`, which a test keeps true.

use anyhow::Result;

use super::Source;

/// How every metric of ours begins.
const PREFIX: &str = "countersign_";

/// What Prometheus puts behind the name of a histogram.
const OF_HISTOGRAM: [&str; 3] = ["_bucket", "_count", "_sum"];

pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let documented = sources.iter().find(|source| source.path.ends_with("docs/metrics.md"));
    let documented = documented.map(|source| names(&source.text)).unwrap_or_default();
    let users = sources.iter().filter(|source| source.path.starts_with("deploy"));
    let faults = users.flat_map(|source| {
        let unknown = names(&source.text).into_iter().filter(|name| !is_known(name, &documented));
        unknown.map(|name| format!("`{name}` in {} is not in docs/metrics.md", source.path.display()))
    });
    Ok(faults.collect())
}

fn is_known(name: &str, documented: &[String]) -> bool {
    let plain = OF_HISTOGRAM.iter().find_map(|suffix| name.strip_suffix(suffix));
    documented.iter().any(|known| known == name || plain.is_some_and(|plain| known == plain))
}

/// The metrics that a text names, each once.
fn names(text: &str) -> Vec<String> {
    let word = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let mut names: Vec<String> =
        text.split(word).filter(|word| word.starts_with(PREFIX)).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_that_nobody_has_is_found() {
        let docs =
            Source::new("docs/metrics.md", "| `countersign_held` | … |\n| `countersign_sync_seconds` |");
        let alert = "expr: sum(countersign_held) > 0 and rate(countersign_sync_seconds_bucket[5m]) > 1";
        let sources = [docs, Source::new("deploy/prometheus/alerts.yaml", alert)];
        assert!(check(&sources).unwrap().is_empty());
        let sources =
            [sources.into_iter().next().unwrap(), Source::new("deploy/a.json", "countersign_heldd")];
        assert_eq!(check(&sources).unwrap().len(), 1);
    }
}
