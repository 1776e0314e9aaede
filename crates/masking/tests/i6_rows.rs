//! Tests I6 in rows: the source of a value decides, and nothing of a row that cannot be parsed is sent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail like tests"
)]

mod support;

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use countersign_common::verdict::MaskAction;
use countersign_masking::*;
use proptest::prelude::*;
use support::*;

const SECRET: &[u8] = b"S3CR3T-alice@example.org-S3CR3T";

fn expression(columns: &[&str]) -> Column {
    let may_carry = columns.iter().map(|c| (RELATION.to_owned(), (*c).to_owned())).collect();
    Column { source: Source::Expression { may_carry }, text_like: true, binary: false }
}

#[test]
fn each_action_does_to_text_what_it_says() {
    let plan = plan_of(&["id", "email", "card", "phone", "notes"]);
    let fields = [&b"7"[..], b"a@b.c", b"4111111111111111", b"+49 30 1234", b"likes cats"].map(Some);
    let hashed = masked_row(&plan_of(&["phone"]), &row(&[Some(b"+49 30 1234")])).unwrap()[11..].to_vec();
    let expected = row(&[Some(b"7"), Some(b"[redacted]"), Some(b"************1111"), Some(&hashed), None]);
    assert_eq!(masked_row(&plan, &row(&fields)).unwrap(), message(b'D', &expected));
    assert_eq!(hashed.len(), 32);
}

#[test]
fn null_stays_null() {
    let plan = plan_of(&["email", "card", "phone", "notes"]);
    let body = row(&[None, None, None, None]);
    assert_eq!(masked_row(&plan, &body).unwrap(), message(b'D', &body));
}

#[test]
fn i6_masked_a_computed_null_looks_like_any_other_value() {
    let columns =
        [column("id"), expression(&["email"]), column("email"), expression(&["notes"]), expression(&["id"])];
    let plan = plan(&columns);
    let expected = row(&[None, Some(b"[redacted]"), None, None, None]);
    assert_eq!(masked_row(&plan, &row(&[None; 5])).unwrap(), message(b'D', &expected));
    let either = Source::AnyOf(vec![column("email").source, Source::Unresolved]);
    let plan = plan_with(Column { source: either, ..column("email") });
    assert_eq!(masked_row(&plan, &row(&[None])).unwrap(), message(b'D', &row(&[Some(b"[redacted]")])));
}

fn plan_with(column: Column) -> Plan {
    plan(&[column])
}

#[test]
fn where_the_type_has_no_room_for_text_every_action_means_null() {
    for name in ["email", "card", "phone", "notes"] {
        for binary in [false, true] {
            let plan = plan(&[Column { text_like: false, binary, ..column(name) }]);
            let masked = masked_row(&plan, &row(&[Some(SECRET)])).unwrap();
            assert_eq!(masked, message(b'D', &row(&[None])), "{name}");
        }
    }
}

#[test]
fn i6_masked_an_expression_over_a_masked_column_leaves_nothing_of_it() {
    for (carried, expected) in [
        (vec!["email"], Some(&b"[redacted]"[..])),
        (vec!["card"], Some(b"[redacted]")),
        (vec!["phone", "id"], Some(b"[redacted]")),
        (vec!["email", "notes"], None),
        (vec!["id"], Some(SECRET)),
        (vec![], Some(SECRET)),
    ] {
        let masked = masked_row(&plan(&[expression(&carried)]), &row(&[Some(SECRET)])).unwrap();
        assert_eq!(masked, message(b'D', &row(&[expected])), "{carried:?}");
    }
}

#[test]
fn i6_masked_what_nobody_knows_the_source_of_is_redacted_unless_ruled_otherwise() {
    let unresolved = [Column { source: Source::Unresolved, text_like: true, binary: false }];
    let nothing = BTreeSet::new();
    assert_eq!(plan(&unresolved).masked_columns(), 1);
    assert!(Plan::for_columns(&unresolved, &rules().passing_unresolved(), &nothing, &key()).is_clear());
    assert!(Plan::for_columns(&unresolved, &Rules::new([]), &nothing, &key()).is_clear());
    let all = ["email", "card", "phone", "notes"].map(class).into();
    assert!(Plan::for_columns(&unresolved, &rules(), &all, &key()).is_clear());
}

#[test]
fn who_may_see_a_class_sees_it_and_no_other() {
    let email = [class("email")].into();
    let plan = Plan::for_columns(&[column("email"), column("card")], &rules(), &email, &key());
    assert_eq!(plan.masked_columns(), 1);
    let masked = masked_row(&plan, &row(&[Some(b"a@b.c"), Some(b"1234")])).unwrap();
    assert_eq!(masked, message(b'D', &row(&[Some(b"a@b.c"), Some(b"**34")])));
}

#[test]
fn of_two_rules_for_a_column_the_stricter_one_holds() {
    let mut other = rule("email", MaskAction::Null);
    other.class = class("contact");
    let rules = Rules::new([rule("email", MaskAction::Partial { keep: 3 }), other]);
    let masked = |unmask: BTreeSet<_>| {
        let plan = Plan::for_columns(&[column("email")], &rules, &unmask, &key());
        masked_row(&plan, &row(&[Some(b"abcdef")])).unwrap()
    };
    assert_eq!(masked(BTreeSet::new()), message(b'D', &row(&[None])));
    assert_eq!(masked([class("contact")].into()), message(b'D', &row(&[Some(b"***def")])));
}

#[test]
fn a_clear_plan_passes_rows_untouched_and_another_passes_none() {
    let rows = Bytes::from_static(b"D....");
    assert_eq!(Plan::clear().pass(rows.clone()).unwrap().into_inner(), rows);
    let plan = plan_of(&["email"]);
    assert!(matches!(plan.pass(rows.clone()), Err(MaskError::NotClear)));
    let mut out = Masked::<BytesMut>::empty();
    assert_eq!(plan.pass_into(&rows, &mut out), Err(MaskError::NotClear));
    assert!(out.is_empty());
    Plan::clear().pass_into(&rows, &mut out).unwrap();
    assert_eq!(out.take().into_inner(), rows);
}

#[test]
fn i6_masked_of_a_malformed_row_nothing_leaves() {
    let plan = plan_of(&["id", "email"]);
    let good = row(&[Some(b"1"), Some(SECRET)]);
    let mut out = Masked::<BytesMut>::empty();
    for end in 0..good.len() {
        assert!(plan.mask_data_row(&good[..end], &mut out).is_err(), "cut at {end}");
    }
    for body in [
        row(&[Some(b"1")]),
        row(&[Some(b"1"), Some(b"2"), Some(SECRET)]),
        [good.as_slice(), b"x"].concat(),
        [&[0, 2][..], &(-2i32).to_be_bytes(), &(-1i32).to_be_bytes()].concat(),
        [&[0, 2][..], &i32::MAX.to_be_bytes(), &(-1i32).to_be_bytes()].concat(),
    ] {
        assert!(plan.mask_data_row(&body, &mut out).is_err());
    }
    assert!(out.is_empty());
}

proptest! {
    #[test]
    fn i6_masked_any_bytes_for_a_row_neither_panic_nor_pass_unread(body: Vec<u8>) {
        let plan = plan_of(&["id", "email"]);
        let mut out = Masked::<BytesMut>::empty();
        match plan.mask_data_row(&body, &mut out) {
            Ok(()) => prop_assert_eq!(&out.get()[..7], &[b"D", &(out.len() as u32 - 1).to_be_bytes()[..], &[0, 2]].concat()),
            Err(_) => prop_assert!(out.is_empty()),
        }
    }

    #[test]
    fn i6_masked_no_secret_leaves_by_a_row(text_like: [bool; 4], binary: bool, before in "\\PC{0,20}") {
        let names = ["email", "card", "phone", "notes"];
        let columns: Vec<_> =
            names.iter().zip(text_like).map(|(name, text_like)| Column { text_like, binary, ..column(name) }).collect();
        let value = [before.as_bytes(), SECRET].concat();
        let masked = masked_row(&plan(&columns), &row(&[Some(value.as_slice()); 4])).unwrap();
        prop_assert!(!contains(&masked, b"alice@example.org"));
    }
}
