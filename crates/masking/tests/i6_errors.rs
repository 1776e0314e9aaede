//! Tests I6 in errors and notices: the message about a statement that fails on a row must not show the row.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

use bytes::BytesMut;
use countersign_masking::*;
use proptest::prelude::*;

fn body(fields: &[(char, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, text) in fields {
        body.push(*kind as u8);
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    body
}

fn said(touches: Touches, fields: &[(char, &str)]) -> String {
    let mut out = Masked::<BytesMut>::empty();
    ErrorMasker::new(touches).mask_response(b'E', &body(fields), &mut out).unwrap();
    let message = out.into_inner();
    assert_eq!(message[..5], [b"E", &(message.len() as u32 - 1).to_be_bytes()[..]].concat());
    String::from_utf8(message[5..].to_vec()).unwrap().replace('\0', "|")
}

fn masked(fields: &[(char, &str)]) -> String {
    said(Touches::MaskedRelations, fields)
}

#[test]
fn i6_masked_a_cast_that_fails_does_not_tell_the_value() {
    let fields = [
        ('S', "ERROR"),
        ('V', "ERROR"),
        ('C', "22P02"),
        ('M', "invalid input syntax for type integer: \"alice@example.org\""),
        ('F', "numutils.c"),
        ('L', "232"),
        ('R', "pg_strtoint32"),
    ];
    assert_eq!(
        masked(&fields),
        "SERROR|VERROR|C22P02|M[masked] invalid text representation (22P02)|Fnumutils.c|L232|Rpg_strtoint32||"
    );
    assert!(said(Touches::NothingMasked, &fields).contains("alice@example.org"));
}

#[test]
fn a_constraint_keeps_its_message_and_names_and_loses_its_detail() {
    let text = masked(&[
        ('S', "ERROR"),
        ('C', "23505"),
        ('M', "duplicate key value violates unique constraint \"customers_email_key\""),
        ('D', "Key (email)=(alice@example.org) already exists."),
        ('s', "public"),
        ('t', "customers"),
        ('n', "customers_email_key"),
        ('F', "nbtinsert.c"),
    ]);
    assert_eq!(
        text,
        "SERROR|C23505|Mduplicate key value violates unique constraint \"customers_email_key\"|spublic|tcustomers|\
         ncustomers_email_key|Fnbtinsert.c||"
    );
}

#[test]
fn a_mistake_in_the_statement_itself_is_told() {
    let text = masked(&[
        ('S', "ERROR"),
        ('C', "42703"),
        ('M', "column \"emial\" does not exist"),
        ('H', "Perhaps you meant to reference the column \"customers.email\"."),
        ('P', "8"),
        ('F', "parse_relation.c"),
    ]);
    assert_eq!(text, "SERROR|C42703|Mcolumn \"emial\" does not exist|P8|Fparse_relation.c||");
}

#[test]
fn i6_masked_a_safe_code_from_elsewhere_is_not_believed() {
    // SELECT email::regclass, to_tsquery(email), query_to_xml(email), RAISE USING ERRCODE, a type name.
    for (code, message, file, more) in [
        ("42P01", "relation \"S3CR3T\" does not exist", "namespace.c", ('L', "1")),
        ("42601", "syntax error in tsquery: \"S3CR3T\"", "tsquery.c", ('L', "1")),
        ("42601", "syntax error at or near \"S3CR3T\"", "scan.l", ('q', "S3CR3T")),
        ("42601", "syntax error at or near \"S3CR3T\"", "scan.l", ('W', "invalid type name \"S3CR3T\"")),
        ("23505", "S3CR3T", "pl_exec.c", ('t', "S3CR3T")),
        ("P0001", "S3CR3T", "pl_exec.c", ('n', "S3CR3T")),
        ("42704", "unrecognized configuration parameter \"S3CR3T\"", "guc.c", ('H', "S3CR3T")),
        ("00000", "S3CR3T", "pl_exec.c", ('Z', "S3CR3T")),
        ("s3cr3", "S3CR3T", "pl_exec.c", ('d', "S3CR3T")),
    ] {
        let text = masked(&[('S', "ERROR"), ('C', code), ('M', message), ('F', file), more]);
        assert!(!text.contains("S3CR3T") && !text.contains("s3cr3"), "{text}");
        assert!(text.contains("M[masked] "), "{text}");
    }
}

#[test]
fn i6_masked_of_a_response_that_cannot_be_read_nothing_leaves() {
    let good = body(&[('S', "ERROR"), ('C', "42601"), ('M', "syntax error")]);
    for touches in [Touches::MaskedRelations, Touches::NothingMasked] {
        let mut out = Masked::<BytesMut>::empty();
        for end in 0..good.len() {
            assert!(ErrorMasker::new(touches).mask_response(b'E', &good[..end], &mut out).is_err());
        }
        let more = [good.as_slice(), b"S3CR3T\0"].concat();
        assert!(ErrorMasker::new(touches).mask_response(b'E', &more, &mut out).is_err());
        assert!(out.is_empty());
    }
}

proptest! {
    #[test]
    fn i6_masked_no_secret_leaves_by_the_fields_that_carry_values(
        code in "[0-9A-Z]{5}", file in "[a-z_]{1,12}\\.c", kinds in "[MDHWqpstcdnXYZ]{1,10}",
    ) {
        let mut fields = vec![('S', "ERROR"), ('C', code.as_str()), ('F', file.as_str())];
        fields.extend(kinds.chars().map(|kind| (kind, "S3CR3T")));
        prop_assert!(!masked(&fields).contains("S3CR3T"));
    }
}
