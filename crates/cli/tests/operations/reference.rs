//! `docs/metrics.md` is made from the descriptions in the code, and a scrape has nothing beyond them.

use std::fmt::Write as _;
use std::path::Path;

use countersign_cli::node::METRICS;
use countersign_common::metric::Metric;

const OPENING: &str = "# Metrics\n\n\
    All that a process of Countersign counts and measures, at `/metrics` of its listener for operators\n\
    ([operations](operations.md)). This page is made from the code: `UPDATE_DOCS=1 cargo test -p countersign-cli --test operations`.\n\n\
    Base units throughout: seconds, bytes. A histogram is `…_bucket`, `…_sum` and `…_count`. A series appears when it is first counted.\n\n\
    | metric | kind | labels | |\n|---|---|---|---|\n";

fn metrics() -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().copied().flatten()
}

fn page() -> String {
    let mut page = OPENING.to_owned();
    let mut all: Vec<_> = metrics().collect();
    all.sort_by_key(|metric| metric.name);
    for Metric { name, kind, labels, help } in all {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
    }
    page
}

#[test]
fn the_reference_has_all_metrics() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, page()).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&file).unwrap_or_default(),
        page(),
        "make it anew: see its second line"
    );
}

#[test]
fn names_follow_the_convention() {
    for metric in metrics() {
        let name = metric.name;
        assert!(name.starts_with("countersign_") && !name.contains("__"), "{name}");
        let is_counter = metric.kind == countersign_common::metric::Kind::Counter;
        assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        let is_histogram = metric.kind == countersign_common::metric::Kind::Histogram;
        assert!(!is_histogram || name.ends_with("_seconds") || name.ends_with("_bytes"), "{name}");
    }
}

/// Nothing in a scrape is without a description.
pub(crate) fn every_series_is_described(scrape: &str) {
    for line in scrape.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(metrics().any(|metric| metric.name == name), "`{name}` is described nowhere");
    }
    for series in scrape.lines().filter(|line| !line.starts_with('#')) {
        let labels = series.split_once('{').map_or("", |(_, rest)| rest);
        let known = |label: &str| label == "le" || metrics().any(|metric| metric.labels.contains(&label));
        for label in labels.split(',').filter_map(|part| part.split_once("=\"")).map(|(label, _)| label) {
            assert!(known(label), "{series}");
        }
    }
}
