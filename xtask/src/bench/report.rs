//! The tables: medians, and what matters more, ratios to the server itself and to PgBouncer.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::contestant::Kind;
use super::measure::{Round, median, percentile};
use super::memory::Memory;
use super::workload::Workload;

/// Everything measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) cells: Vec<Cell>,
    pub(crate) memory: Vec<Memory>,
}

/// One workload with one number of clients.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) workload: Workload,
    pub(crate) clients: u32,
    pub(crate) contestants: Vec<(Kind, Vec<Round>)>,
}

/// The medians of one contestant.
struct Medians {
    tps: f64,
    p50: f64,
    p95: f64,
    p99: f64,
    cpu_us: Option<f64>,
    rss_kib: Option<f64>,
}

impl Medians {
    fn of(rounds: &[Round]) -> Self {
        let latency = |share| median(rounds.iter().map(|round| percentile(&round.latencies, share)));
        Self {
            tps: median(rounds.iter().map(|round| round.tps)).unwrap_or_default(),
            p50: latency(0.5).unwrap_or_default(),
            p95: latency(0.95).unwrap_or_default(),
            p99: latency(0.99).unwrap_or_default(),
            cpu_us: median(rounds.iter().filter_map(|round| round.cpu_us)),
            rss_kib: median(rounds.iter().filter_map(|round| round.rss_kib.map(|kib| kib as f64))),
        }
    }
}

impl Cell {
    fn medians(&self, kind: Kind) -> Option<Medians> {
        let (_, rounds) = self.contestants.iter().find(|(found, _)| *found == kind)?;
        Some(Medians::of(rounds))
    }

    fn table(&self) -> String {
        let clients = if self.clients == 1 { "1 client".into() } else { format!("{} clients", self.clients) };
        let mut text = format!("\n### {}, {clients}\n\n", self.workload.name());
        text.push_str("| | tps | ÷ direct | ÷ PgBouncer | p50 µs | p95 µs | p99 µs | CPU µs | ÷ PgBouncer | RSS MiB |\n");
        text.push_str("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
        let (direct, bouncer) = (self.medians(Kind::Direct), self.medians(Kind::Pgbouncer));
        for (kind, rounds) in &self.contestants {
            let own = Medians::of(rounds);
            let to = |other: &Option<Medians>| ratio(Some(own.tps), other.as_ref().map(|other| other.tps));
            let cpu = ratio(own.cpu_us, bouncer.as_ref().and_then(|bouncer| bouncer.cpu_us));
            let _ = writeln!(
                text,
                "| {} | {:.0} | {} | {} | {:.0} | {:.0} | {:.0} | {} | {cpu} | {} |",
                kind.name(),
                own.tps,
                to(&direct),
                to(&bouncer),
                own.p50,
                own.p95,
                own.p99,
                number(own.cpu_us),
                number(own.rss_kib.map(|kib| kib / 1024.0)),
            );
        }
        text
    }

    fn json(&self) -> Value {
        let contestants = self.contestants.iter().map(|(kind, rounds)| {
            let own = Medians::of(rounds);
            let tps: Vec<f64> = rounds.iter().map(|round| round.tps).collect();
            let value = json!({"tps": own.tps, "p50_us": own.p50, "p95_us": own.p95, "p99_us": own.p99,
                "cpu_us": own.cpu_us, "rss_kib": own.rss_kib, "tps_of_rounds": tps});
            (kind.name().to_owned(), value)
        });
        let contestants: serde_json::Map<String, Value> = contestants.collect();
        json!({"workload": self.workload.name(), "clients": self.clients, "contestants": contestants})
    }
}

impl Report {
    /// The table of the last cell.
    pub(crate) fn last(&self) -> String {
        self.cells.last().map(Cell::table).unwrap_or_default()
    }

    pub(crate) fn memory_table(&self) -> String {
        let mut text = String::from(
            "\n### Memory of a session\n\n| | sessions | KiB idle | KiB held | a parameter of 256 MiB |\n|---|--:|--:|--:|--:|\n",
        );
        for memory in &self.memory {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {:.2} × |",
                memory.kind.name(),
                memory.sessions,
                number(Some(memory.idle_kib)),
                number(memory.held_kib),
                memory.large_times
            );
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let memory: Vec<Value> = self
            .memory
            .iter()
            .map(|m| {
                json!({"contestant": m.kind.name(), "sessions": m.sessions, "idle_kib": m.idle_kib, "held_kib": m.held_kib,
                    "large_times": m.large_times})
            })
            .collect();
        json!({"workloads": self.cells.iter().map(Cell::json).collect::<Vec<_>>(), "memory": memory})
    }
}

fn ratio(own: Option<f64>, other: Option<f64>) -> String {
    match (own, other) {
        (Some(own), Some(other)) if other > 0.0 => format!("{:.2}", own / other),
        _ => "–".into(),
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_gives_ratios_of_medians() {
        let round = |tps, cpu_us| Round { tps, latencies: vec![10, 20, 30], cpu_us, rss_kib: None };
        let cell = Cell {
            workload: Workload::Simple,
            clients: 1,
            contestants: vec![
                (Kind::Direct, vec![round(900.0, None), round(1000.0, None), round(5000.0, None)]),
                (Kind::Pgbouncer, vec![round(800.0, Some(20.0))]),
                (Kind::Countersign, vec![round(600.0, Some(30.0))]),
            ],
        };
        let table = cell.table();
        assert!(
            table.contains("| Countersign | 600 | 0.60 | 0.75 | 20 | 30 | 30 | 30.0 | 1.50 | – |"),
            "{table}"
        );
    }
}
