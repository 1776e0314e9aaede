//! The report: one page of Markdown with its plots beside it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::budget::{Finding, Line};
use crate::plot::{Plot, bars};

/// What one load gave.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) table: Table,
    pub(crate) plots: Vec<Plot>,
    /// What it says about the budget.
    pub(crate) findings: Vec<Finding>,
}

/// A table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|text| (*text).to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    fn markdown(&self) -> String {
        let edges: String = (0..self.head.len()).map(|column| self.edge(column)).collect();
        let mut text = format!("| {} |\n|{edges}\n", self.head.join(" | "));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }

    /// Numbers stand to the right, words to the left.
    fn edge(&self, column: usize) -> &'static str {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column));
        let numbers = cells.all(|cell| cell == "–" || cell.trim_matches('*').parse::<f64>().is_ok());
        if numbers { "--:|" } else { "---|" }
    }
}

/// Milliseconds as people read them.
pub(crate) fn ms(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

impl Section {
    fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n{}\n", self.title, self.text, self.table.markdown());
        for plot in &self.plots {
            let _ = writeln!(text, "![{}]({}.svg)\n", self.title, plot.file);
        }
        text
    }
}

/// Writes `report.md` and the plots into `folder`; the text.
pub(crate) fn write(folder: &Path, machine: &str, sections: &[Section]) -> Result<String> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut text = format!("# Load\n\n{machine}\n\n");
    let findings = worst(sections);
    if !findings.is_empty() {
        bars::draw(folder, &findings)?;
        text.push_str(&budget(&findings));
    }
    for section in sections {
        text.push_str(&section.markdown());
        for plot in &section.plots {
            plot.draw(folder)?;
        }
    }
    let text = text.trim_end().to_owned() + "\n";
    std::fs::write(folder.join("report.md"), &text)?;
    Ok(text)
}

/// One finding for each line of the budget: of several the worst.
fn worst(sections: &[Section]) -> Vec<Finding> {
    let all = || sections.iter().flat_map(|section| &section.findings);
    let of_line = |line: &Line| {
        let mine = all().filter(|finding| finding.line == *line);
        mine.min_by(|one, other| one.rank().total_cmp(&other.rank())).cloned()
    };
    Line::ALL.iter().filter_map(of_line).collect()
}

/// The table of aims, with those that were not measured, too.
fn budget(findings: &[Finding]) -> String {
    let mut text = String::from("## The budget\n\n![The budget](budget.svg)\n\n");
    text.push_str("| what | aim | measured | | |\n|---|--:|--:|---|---|\n");
    for line in Line::ALL {
        let found = findings.iter().find(|finding| finding.line == line);
        let (measured, reached, note) = match found {
            Some(found) if found.reached() => (found.measured(), "reached", found.note.as_str()),
            Some(found) => (found.measured(), "**missed**", found.note.as_str()),
            None => ("–".to_owned(), "not measured", ""),
        };
        let _ = writeln!(text, "| {} | {} | {measured} | {reached} | {note} |", line.what(), line.aim());
    }
    text + "\n"
}

/// What it ran on: without that figures say nothing.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches([' ', '\t', ':']);
    format!(
        "On {cores} cores ({model}), which the load generator, the gateways, the control plane and PostgreSQL share, \
         everything on loopback. Absolute figures are this machine's; compare within one report."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["a", "b"]);
        table.row(["one".into(), "**2**".into()]);
        assert_eq!(table.markdown(), "| a | b |\n|---|--:|\n| one | **2** |\n");
        assert_eq!((ms(1.234), ms(123.4)), ("1.23".to_owned(), "123".to_owned()));
    }
    #[test]
    fn the_budget_shows_the_worst_of_each_line_and_what_is_missing() {
        let section = |value: f64| Section {
            title: String::new(),
            text: String::new(),
            table: Table::new(&[]),
            plots: Vec::new(),
            findings: vec![Finding::new(Line::Failover, value, "so")],
        };
        let worst = worst(&[section(0.5), section(2.5), section(0.7)]);
        let text = budget(&worst);
        let what = Line::Failover.what();
        assert!(text.contains(&format!("| {what} | ≤ 1 s | 2.50 s | **missed** | so |")), "{text}");
        assert_eq!(text.matches("not measured").count(), Line::ALL.len() - 1);
    }
}
