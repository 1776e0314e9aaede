//! What is asked: pgbench's own point read in its three query modes, and results of a thousand rows.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;
use countersign_testkit::{Folder, Postgres};

use super::contestant::Kind;

/// A workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// A point read by the simple protocol.
    Simple,
    /// The same by the extended protocol.
    Extended,
    /// The same with a prepared statement.
    Prepared,
    /// A thousand rows of ten columns, 270 KB.
    Rows,
}

impl Workload {
    pub(crate) const ALL: [Self; 4] = [Self::Simple, Self::Extended, Self::Prepared, Self::Rows];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Simple => "point read, simple",
            Self::Extended => "point read, extended",
            Self::Prepared => "point read, prepared",
            Self::Rows => "1,000 rows",
        }
    }

    const fn mode(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Extended | Self::Rows => "extended",
            Self::Prepared => "prepared",
        }
    }

    /// Who takes part: masking changes nothing for reads of tables without a rule.
    pub(crate) fn admits(self, kind: Kind) -> bool {
        self == Self::Rows || kind != Kind::Masking
    }

    /// The arguments of pgbench that make it do this.
    pub(crate) fn arguments(self, scripts: &Scripts) -> Vec<String> {
        let script = match self {
            Self::Rows => scripts.rows.display().to_string(),
            _ => scripts.point.display().to_string(),
        };
        ["-n", "-M", self.mode(), "-f", script.as_str()].map(str::to_owned).to_vec()
    }
}

/// Three of the ten columns of the wide table, as an example of what a bundle masks.
pub(super) const MASKING: &str = "rules:
  - { target: shop, relation: public.wide, column: c1, class: email, action: hash }
  - { target: shop, relation: public.wide, column: c4, class: phone, action: partial, keep: 4 }
  - { target: shop, relation: public.wide, column: c7, class: card, action: redact }
";

/// The files that pgbench reads.
pub(crate) struct Scripts {
    point: PathBuf,
    rows: PathBuf,
}

impl Scripts {
    /// What `pgbench -S` sends, and the thousand rows.
    pub(crate) fn write(folder: &Folder, scale: u32) -> Result<Self> {
        let last = u64::from(scale) * 100_000;
        let point =
            format!("\\set aid random(1, {last})\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n");
        let rows = "\\set first random(1, 9000)\n\
                    SELECT * FROM wide WHERE id >= :first AND id < :first + 1000;\n";
        Ok(Self { point: folder.write("point.sql", point)?, rows: folder.write("rows.sql", rows)? })
    }
}

/// Fills the tables: pgbench's own, and ten thousand rows of ten columns of 24 bytes.
pub(crate) fn fill(server: &Postgres, pgbench: &Path, scale: u32) -> Result<()> {
    let dsn = server.dsn();
    let scale = scale.to_string();
    super::load::pgbench(pgbench, &dsn, &["-i", "-q", "-s", scale.as_str()].map(str::to_owned))?;
    let columns: Vec<String> =
        (1..10).map(|n| format!("lpad((i * {n})::text, 24, 'abcdefghijklmnop') AS c{n}")).collect();
    server.sql(&format!(
        "CREATE TABLE wide AS SELECT i AS id, {} FROM generate_series(1, 10000) AS i;
         ALTER TABLE wide ADD PRIMARY KEY (id);
         ALTER TABLE wide OWNER TO shop_app;",
        columns.join(", ")
    ))?;
    server.sql("VACUUM ANALYZE")?;
    Ok(())
}
