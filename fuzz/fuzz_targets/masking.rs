//! Masking, given any row, any COPY stream and any error text: whatever comes, it ends without a panic, and a value
//! that is to be hidden does not leave (I6). The first byte picks what is masked and the size of the pieces.
#![no_main]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use bytes::BytesMut;
use countersign_common::Secret;
use countersign_common::verdict::{ColumnRule, DataClass, MaskAction};
use countersign_masking::{
    Column, CopyFormat, CopyMasker, ErrorMasker, HashKey, Masked, Plan, Rules, Source, Touches,
};

/// Stands in every value that is to be hidden; nothing that masking itself writes has it.
const HIDDEN: &[u8] = b"hidden\x07value";

static KEY: LazyLock<HashKey> = LazyLock::new(|| HashKey::new(&Secret::new(vec![7; 32])));
static PLAN: LazyLock<Option<Plan>> = LazyLock::new(plan);

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (Some((&mode, bytes)), Some(plan)) = (data.split_first(), PLAN.as_ref()) else { return };
    row(plan, bytes);
    whole_row(plan, bytes);
    copy(plan, mode, bytes);
    for (tag, touches) in [(b'E', Touches::MaskedRelations), (b'N', Touches::NothingMasked)] {
        let _ = ErrorMasker::new(touches).mask_response(tag, bytes, &mut Masked::empty());
    }
});

/// Four columns: one passes, one of each action that leaves something of a value or nothing.
fn plan() -> Option<Plan> {
    let class = DataClass("secret".into());
    let rule = |(column, action): (&str, MaskAction)| ColumnRule {
        relation: "public.t".to_owned(),
        column: column.to_owned(),
        class: class.clone(),
        action,
    };
    let actions =
        [("b", MaskAction::Redact), ("c", MaskAction::Partial { keep: 2 }), ("d", MaskAction::Hash)];
    let rules = Rules::new(actions.map(rule));
    let column = |name: &str| Column {
        source: Source::Column { relation: "public.t".to_owned(), column: name.to_owned() },
        text_like: true,
        binary: false,
    };
    Some(Plan::for_columns(&["a", "b", "c", "d"].map(column), &rules, &BTreeSet::new(), &KEY))
}

/// Any bytes as the body of a row: it is masked whole, or nothing of it leaves.
fn row(plan: &Plan, body: &[u8]) {
    let mut out: Masked<BytesMut> = Masked::empty();
    match plan.mask_data_row(body, &mut out) {
        Ok(()) => assert_eq!(out.get().first(), Some(&b'D')),
        Err(_) => assert!(out.is_empty(), "of a row that cannot be read nothing leaves"),
    }
}

/// A sound row whose masked values are the given bytes around what must not be seen.
fn whole_row(plan: &Plan, bytes: &[u8]) {
    let value = [HIDDEN, bytes].concat();
    let mut body = 4_u16.to_be_bytes().to_vec();
    for value in [b"passes".as_slice(), &value, &value, &value] {
        body.extend(u32::try_from(value.len()).unwrap_or(0).to_be_bytes());
        body.extend(value);
    }
    let mut out = Masked::empty();
    assert_eq!(plan.mask_data_row(&body, &mut out), Ok(()));
    // Of the given bytes the partial action may leave two characters; what stands before them is longer than half.
    let leaked = |bytes: &[u8]| bytes.windows(HIDDEN.len()).any(|seen| seen == HIDDEN);
    assert!(!leaked(out.get()) || leaked(bytes), "a hidden value has left");
    assert!(out.get().windows(6).any(|seen| seen == b"passes"), "a value that passes has not left");
}

/// Any bytes as COPY data, whole and in small pieces.
fn copy(plan: &Plan, mode: u8, bytes: &[u8]) {
    let format = match mode % 3 {
        0 => CopyFormat::Binary,
        1 => CopyFormat::Text { delimiter: b'\t', null: b"\\N".to_vec(), header: mode & 4 != 0 },
        _ => CopyFormat::Csv {
            delimiter: b',',
            quote: b'"',
            escape: b'"',
            null: Vec::new(),
            header: mode & 4 != 0,
        },
    };
    for piece in [bytes.len().max(1), usize::from(mode >> 3).max(1)] {
        let Ok(mut masker) = CopyMasker::new(plan, format.clone(), "UTF8") else { return };
        let mut out = Masked::empty();
        for piece in bytes.chunks(piece) {
            if masker.mask_copy_data(piece, &mut out).is_err() {
                break;
            }
        }
    }
}
