//! Measures the cost of masking: `cargo run --release --example rows_per_second -p countersign-masking`. The rows
//! have ten text columns of 25 bytes, of which three are masked, as PostgreSQL's DataRow and as COPY text.

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::BytesMut;
use countersign_common::Secret;
use countersign_common::verdict::{ColumnRule, DataClass, MaskAction};
use countersign_masking::{Column, CopyFormat, CopyMasker, HashKey, MaskError, Masked, Plan, Rules, Source};

const ROWS: usize = 1_000_000;
const VALUE: &[u8] = b"some value of 25 bytes   ";

fn main() -> Result<(), MaskError> {
    for (name, action) in [
        ("redact", MaskAction::Redact),
        ("partial", MaskAction::Partial { keep: 4 }),
        ("null", MaskAction::Null),
        ("hash", MaskAction::Hash),
    ] {
        let plan = plan(action);
        println!("{name}: {:.2} M rows/s, COPY {:.2} M rows/s", rows(&plan)?, copy(&plan)?);
    }
    Ok(())
}

fn plan(action: MaskAction) -> Plan {
    let rule = |n: usize| ColumnRule {
        relation: "public.t".into(),
        column: format!("c{n}"),
        class: DataClass("x".into()),
        action,
    };
    let column = |n: usize| Column {
        source: Source::Column { relation: "public.t".into(), column: format!("c{n}") },
        text_like: true,
        binary: false,
    };
    let columns: Vec<_> = (0..10).map(column).collect();
    let key = HashKey::new(&Secret::new(vec![1; 32]));
    Plan::for_columns(&columns, &Rules::new([2, 5, 8].map(rule)), &BTreeSet::new(), &key)
}

fn rows(plan: &Plan) -> Result<f64, MaskError> {
    let mut body = vec![0, 10];
    for _ in 0..10 {
        body.extend_from_slice(&[0, 0, 0, 25]);
        body.extend_from_slice(VALUE);
    }
    let mut out = Masked::<BytesMut>::empty();
    let start = Instant::now();
    for _ in 0..ROWS {
        plan.mask_data_row(&body, &mut out)?;
        if out.len() > 1 << 16 {
            drop(out.take());
        }
    }
    Ok(ROWS as f64 / start.elapsed().as_secs_f64() / 1e6)
}

fn copy(plan: &Plan) -> Result<f64, MaskError> {
    let mut row = [VALUE; 10].join(&b'\t');
    row.push(b'\n');
    let mut masker = CopyMasker::new(plan, CopyFormat::text(), "UTF8")?;
    let mut out = Masked::<BytesMut>::empty();
    let start = Instant::now();
    for _ in 0..ROWS {
        masker.mask_copy_data(&row, &mut out)?;
        if out.len() > 1 << 16 {
            drop(out.take());
        }
    }
    masker.finish()?;
    Ok(ROWS as f64 / start.elapsed().as_secs_f64() / 1e6)
}
