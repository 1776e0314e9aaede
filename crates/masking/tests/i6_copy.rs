//! Tests I6 in COPY streams, for any cut of the chunks.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod support;

use bytes::BytesMut;
use countersign_masking::*;
use proptest::prelude::*;
use support::*;

/// Returns the payload of the output for a stream in these chunks.
fn masked(plan: &Plan, format: &CopyFormat, chunks: &[&[u8]]) -> Result<Vec<u8>, MaskError> {
    let mut masker = CopyMasker::new(plan, format.clone(), "UTF8")?;
    let mut out = Masked::<BytesMut>::empty();
    for chunk in chunks {
        masker.mask_copy_data(chunk, &mut out)?;
    }
    masker.finish()?;
    Ok(payloads(&out.into_inner()))
}

/// Joins the payloads of a sequence of CopyData messages.
fn payloads(mut messages: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while !messages.is_empty() {
        assert_eq!(messages[0], b'd');
        let length = u32::from_be_bytes(messages[1..5].try_into().unwrap()) as usize;
        assert!(length > 4, "no empty messages");
        all.extend_from_slice(&messages[5..=length]);
        messages = &messages[length + 1..];
    }
    all
}

fn text_of(names: &[&str], format: &CopyFormat, stream: &str) -> String {
    String::from_utf8(masked(&plan_of(names), format, &[stream.as_bytes()]).unwrap()).unwrap()
}

#[test]
fn text_columns_under_a_rule_are_masked_and_the_others_are_the_same_bytes() {
    let out = text_of(
        &["id", "email", "card", "notes", "id"],
        &CopyFormat::text(),
        "1\ta@b.c\t4111111111111111\tcats\tx\\ty\\\\\n2\t\\N\t\\N\t\\N\t\\N\n",
    );
    assert_eq!(out, "1\t[redacted]\t************1111\t\\N\tx\\ty\\\\\n2\t\\N\t\\N\t\\N\t\\N\n");
}

#[test]
fn an_escaped_delimiter_or_line_feed_stays_inside_its_field() {
    let out = text_of(&["email", "id"], &CopyFormat::text(), "secret\\\tsecret\\nsecret\\\\\t1\n");
    assert_eq!(out, "[redacted]\t1\n");
}

#[test]
fn what_is_masked_in_part_is_escaped_again() {
    let out = text_of(&["card"], &CopyFormat::text(), "abcdef\\t\\\\\\n|\n");
    assert_eq!(out, "******\\t\\\\\\n|\n");
    let format = CopyFormat::Text { delimiter: b'|', null: b"NULL".to_vec(), header: false };
    assert_eq!(text_of(&["card", "notes"], &format, "abcd\\|ef\\||NULL\n"), "****\\|ef\\||NULL\n");
}

#[test]
fn csv_quotes_doubled_quotes_and_line_feeds_are_followed() {
    let stream = "1,\"sec\"\"ret,\nsec\"\"ret\",\"x, \"\"y\"\"\n\"\n2,secret,plain\n3,,\"\"\n";
    let out = text_of(&["id", "email", "id"], &CopyFormat::csv(), stream);
    assert_eq!(out, "1,\"[redacted]\",\"x, \"\"y\"\"\n\"\n2,\"[redacted]\",plain\n3,,\"\"\n");
}

#[test]
fn csv_with_its_own_delimiter_quote_escape_and_null_is_followed() {
    let format = CopyFormat::Csv {
        delimiter: b';',
        quote: b'\'',
        escape: b'\\',
        null: b"NULL".to_vec(),
        header: true,
    };
    let stream = "email;id\n'sec\\'ret;\nsec\\\\';1\nNULL;2\n'NULL';3\n";
    let out = text_of(&["email", "id"], &format, stream);
    assert_eq!(out, "email;id\n'[redacted]';1\nNULL;2\n'[redacted]';3\n");
}

#[test]
fn a_header_passes_and_only_the_first_line_is_one() {
    let format = CopyFormat::Text { delimiter: b'\t', null: b"\\N".to_vec(), header: true };
    assert_eq!(text_of(&["email"], &format, "email\nemail\n"), "email\n[redacted]\n");
}

fn binary_stream(rows: &[&[Option<&[u8]>]]) -> Vec<u8> {
    let mut stream = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for fields in rows {
        stream.extend(row(fields));
    }
    stream.extend((-1i16).to_be_bytes());
    stream
}

#[test]
fn binary_columns_under_a_rule_are_masked() {
    let plan = plan_of(&["id", "email", "card", "notes"]);
    let stream = binary_stream(&[
        &[Some(b"\0\0\0\x01"), Some(b"a@b.c"), Some(b"41111111"), Some(b"cats")],
        &[None, None, Some(b""), None],
    ]);
    let expected = binary_stream(&[
        &[Some(b"\0\0\0\x01"), Some(b"[redacted]"), Some(b"****1111"), None],
        &[None, None, Some(b""), None],
    ]);
    assert_eq!(masked(&plan, &CopyFormat::Binary, &[&stream]).unwrap(), expected);
}

#[test]
fn i6_masked_a_stream_that_is_not_as_described_ends_with_an_error() {
    let plan = plan_of(&["id", "email"]);
    let text = |stream: &str| masked(&plan, &CopyFormat::text(), &[stream.as_bytes()]);
    assert_eq!(text("1\n"), Err(MaskError::FieldCount { expected: 2, found: 1 }));
    assert_eq!(text("1\ta\tsecret\n"), Err(MaskError::FieldCount { expected: 2, found: 3 }));
    assert_eq!(text("1\tsecr"), Err(MaskError::Malformed { what: "end of copy" }));
    let good = binary_stream(&[&[Some(b"1"), Some(b"secret")]]);
    for end in 1..good.len() {
        // A stream may end between rows: the server may have failed.
        let is_end_of_row = end == 19 || end == good.len() - 2;
        assert_eq!(
            masked(&plan, &CopyFormat::Binary, &[&good[..end]]).is_ok(),
            is_end_of_row,
            "cut at {end}"
        );
    }
    let mut flagged = good.clone();
    flagged[12] = 1;
    assert!(masked(&plan, &CopyFormat::Binary, &[&flagged]).is_err());
    assert!(masked(&plan, &CopyFormat::Binary, &[&good, b"x"]).is_err());
}

#[test]
fn i6_masked_a_value_too_large_to_be_held_ends_the_copy_and_one_that_need_not_be_held_does_not() {
    let large = vec![b'x'; (1 << 20) + 1];
    let stream = [large.as_slice(), b"\n"].concat();
    let too_large = Err(MaskError::TooLarge { max: 1 << 20 });
    assert_eq!(masked(&plan_of(&["card"]), &CopyFormat::text(), &[&stream]), too_large);
    let redacted = masked(&plan_of(&["email"]), &CopyFormat::text(), &[&stream]).unwrap();
    assert_eq!(redacted, b"[redacted]\n");
    let binary = binary_stream(&[&[Some(&large)]]);
    assert_eq!(masked(&plan_of(&["card"]), &CopyFormat::Binary, &[&binary]), too_large);
    let redacted = masked(&plan_of(&["email"]), &CopyFormat::Binary, &[&binary]).unwrap();
    assert_eq!(redacted, binary_stream(&[&[Some(b"[redacted]")]]));
}

#[test]
fn i6_masked_an_encoding_in_which_rows_cannot_be_taken_apart_is_refused() {
    let plan = plan_of(&["email"]);
    assert!(matches!(CopyMasker::new(&plan, CopyFormat::csv(), "SJIS"), Err(MaskError::Encoding)));
    assert!(CopyMasker::new(&plan, CopyFormat::Binary, "SJIS").is_ok());
    assert!(CopyMasker::new(&Plan::clear(), CopyFormat::csv(), "SJIS").is_ok());
}

/// Writes a value as the server does in COPY's text format.
fn in_text(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r")
}

fn in_csv(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "\"\""))
}

/// Cuts the stream at these offsets.
fn cut<'a>(stream: &'a [u8], at: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<_> = at.iter().map(|index| index.index(stream.len() + 1)).collect();
    ends.extend([0, stream.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

fn streams(rows: &[[Option<String>; 4]]) -> [(CopyFormat, Vec<u8>); 3] {
    let written = |null: &str, delimiter: &str, write: fn(&str) -> String| {
        let field = |f: &Option<String>| f.as_deref().map_or(null.to_owned(), write);
        let line = |fields: &[Option<String>; 4]| {
            fields.iter().map(field).collect::<Vec<_>>().join(delimiter) + "\n"
        };
        rows.iter().map(line).collect::<String>().into_bytes()
    };
    let fields: Vec<Vec<_>> =
        rows.iter().map(|r| r.iter().map(|f| f.as_ref().map(String::as_bytes)).collect()).collect();
    let binary = binary_stream(&fields.iter().map(Vec::as_slice).collect::<Vec<_>>());
    [
        (CopyFormat::text(), written("\\N", "\t", in_text)),
        (CopyFormat::csv(), written("", ",", in_csv)),
        (CopyFormat::Binary, binary),
    ]
}

fn rows() -> impl Strategy<Value = Vec<[Option<String>; 4]>> {
    let value = || prop::option::of("[a-z\"'\\\\,;\t\n\r|ä€N.]{0,12}");
    prop::collection::vec([value(), value(), value(), value()], 0..6)
}

proptest! {
    #[test]
    fn i6_masked_a_stream_in_pieces_is_masked_as_in_one(rows in rows(), at: [prop::sample::Index; 6]) {
        let plan = plan_of(&["id", "email", "card", "phone"]);
        for (format, stream) in streams(&rows) {
            let whole = masked(&plan, &format, &[&stream]).unwrap();
            prop_assert_eq!(masked(&plan, &format, &cut(&stream, &at)).unwrap(), whole);
        }
    }

    #[test]
    fn a_stream_of_columns_under_no_rule_passes_byte_for_byte(rows in rows(), at: [prop::sample::Index; 6]) {
        // The last column is masked, so that the stream is parsed; it is NULL, so that it stays unchanged.
        let plan = plan_of(&["id", "id", "id", "notes"]);
        let rows: Vec<_> = rows.into_iter().map(|[a, b, c, _]| [a, b, c, None]).collect();
        for (format, stream) in streams(&rows) {
            prop_assert_eq!(masked(&plan, &format, &cut(&stream, &at)).unwrap(), stream);
        }
    }

    #[test]
    fn i6_masked_no_secret_leaves_by_a_copy(rows in rows(), at: [prop::sample::Index; 6]) {
        let plan = plan_of(&["email", "card", "phone", "notes"]);
        let secret = |f: Option<String>| f.map(|f| format!("{f}S3CR3T{f}TERC3S{f}"));
        let rows: Vec<_> = rows.into_iter().map(|r| r.map(secret)).collect();
        for (format, stream) in streams(&rows) {
            let out = masked(&plan, &format, &cut(&stream, &at)).unwrap();
            prop_assert!(!contains(&out, b"S3CR3T"));
        }
    }

    #[test]
    fn i6_masked_any_bytes_for_a_stream_neither_panic_nor_grow_without_bound(
        stream: Vec<u8>, at: [prop::sample::Index; 3], kind in 0usize..3,
    ) {
        let format = [CopyFormat::text(), CopyFormat::csv(), CopyFormat::Binary][kind].clone();
        let _ = masked(&plan_of(&["id", "card"]), &format, &cut(&stream, &at));
    }
}
