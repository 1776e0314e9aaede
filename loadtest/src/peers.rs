//! What `cargo xtask bench postgres` measured beside the peers, read from its JSON: the lines of the budget that are ratios
//! to PgBouncer.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::budget::{Finding, Line};
use crate::report::{Section, Table};

const BOUNCER: &str = "PgBouncer";
const ONE: &str = "Countersign";
const TWO: &str = "Countersign, two processes";
const MASKING: &str = "Countersign, masking";

/// Which figure of whom in which workload, against PgBouncer's, and for which line.
const RATIOS: [(Line, &str, u64, &str, &str); 6] = [
    (Line::ReadThroughput, "point read, simple", 16, ONE, "tps"),
    (Line::ReadCpu, "point read, simple", 16, ONE, "cpu_us"),
    (Line::TwoThroughput, "point read, simple", 16, TWO, "tps"),
    (Line::TwoCpu, "point read, simple", 16, TWO, "cpu_us"),
    (Line::Prepared, "point read, prepared", 16, ONE, "tps"),
    (Line::Rows, "1,000 rows", 16, MASKING, "tps"),
];

/// The same for differences.
const DIFFERENCES: [(Line, &str, u64, &str, &str); 2] = [
    (Line::OneClient, "point read, simple", 1, ONE, "p50_us"),
    (Line::OneClientTwo, "point read, simple", 1, TWO, "p50_us"),
];

/// Reads the file.
pub(crate) fn read(file: &Path) -> Result<Section> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let figures: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    Ok(section(&figures))
}

fn section(figures: &Value) -> Section {
    let mut findings = Vec::new();
    for (line, workload, clients, who, what) in RATIOS {
        let both = figure(figures, workload, clients, who, what)
            .zip(figure(figures, workload, clients, BOUNCER, what));
        findings.extend(both.map(|(own, other)| Finding::new(line, round(own / other), "")));
    }
    for (line, workload, clients, who, what) in DIFFERENCES {
        let both = figure(figures, workload, clients, who, what)
            .zip(figure(figures, workload, clients, BOUNCER, what));
        findings.extend(both.map(|(own, other)| Finding::new(line, own - other, "")));
    }
    Section {
        title: "Beside the peers".into(),
        text: "pgbench directly, through PgBouncer (session mode, default buffers) and through Countersign with everything on, in \
               alternating rounds of one run; medians over the rounds. CPU is that of whatever stands between client \
               and server, both processes together where there are two."
            .into(),
        table: table(figures),
        plots: Vec::new(),
        findings,
    }
}

fn table(figures: &Value) -> Table {
    let mut table = Table::new(&[
        "workload",
        "clients",
        "",
        "tps ÷ PgBouncer",
        "p50 µs",
        "p99 µs",
        "CPU µs",
        "CPU ÷ PgBouncer",
    ]);
    for cell in figures.get("workloads").and_then(Value::as_array).into_iter().flatten() {
        let (Some(workload), Some(clients)) =
            (cell.get("workload").and_then(Value::as_str), cell.get("clients").and_then(Value::as_u64))
        else {
            continue;
        };
        for name in ["direct", BOUNCER, ONE, TWO, MASKING] {
            let of = |who: &str, what: &str| figure(figures, workload, clients, who, what);
            let Some(tps) = of(name, "tps") else { continue };
            let number = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "–".into(), |value| format!("{value:.digits$}"))
            };
            let ratio =
                |own: Option<f64>, what: &str| own.zip(of(BOUNCER, what)).map(|(own, other)| own / other);
            table.row([
                workload.to_owned(),
                clients.to_string(),
                name.to_owned(),
                number(ratio(Some(tps), "tps"), 2),
                number(of(name, "p50_us"), 0),
                number(of(name, "p99_us"), 0),
                number(of(name, "cpu_us"), 1),
                number(ratio(of(name, "cpu_us"), "cpu_us"), 2),
            ]);
        }
    }
    table
}

fn figure(figures: &Value, workload: &str, clients: u64, who: &str, what: &str) -> Option<f64> {
    let cells = figures.get("workloads")?.as_array()?;
    let cell = cells.iter().find(|cell| {
        cell.get("workload").is_some_and(|name| name == workload)
            && cell.get("clients").is_some_and(|count| count == clients)
    })?;
    cell.get("contestants")?.get(who)?.get(what)?.as_f64()
}

/// To the digits that are shown, so that what is shown as reached is.
fn round(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_lines_of_the_budget_are_read_from_the_figures() {
        let of =
            |tps: f64, cpu: f64, p50: f64| json!({"tps": tps, "cpu_us": cpu, "p50_us": p50, "p99_us": 9.0});
        let contestants =
            json!({BOUNCER: of(1000.0, 10.0, 50.0), ONE: of(800.0, 12.0, 70.0), TWO: of(700.0, 30.0, 90.0)});
        let figures = json!({"workloads": [
            {"workload": "point read, simple", "clients": 16, "contestants": contestants},
            {"workload": "point read, simple", "clients": 1, "contestants": contestants},
        ]});
        let found = section(&figures).findings;
        let found: Vec<(Line, String)> =
            found.iter().map(|found| (found.line, found.value_alone())).collect();
        let expected = [
            (Line::ReadThroughput, "0.80"),
            (Line::ReadCpu, "1.20"),
            (Line::TwoThroughput, "0.70"),
            (Line::TwoCpu, "3"),
            (Line::OneClient, "20"),
            (Line::OneClientTwo, "40"),
        ];
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    }
}
