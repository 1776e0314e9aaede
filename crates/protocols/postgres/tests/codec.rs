//! What is built decodes to the same, and whatever comes decodes to something or to an error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

use bytes::BytesMut;
use countersign_postgres::CancelKey;
use countersign_postgres::codec::backend::{Authentication, TransactionStatus};
use countersign_postgres::codec::build::{self, Bound, Saying, Severity};
use countersign_postgres::codec::frontend::Subject;
use countersign_postgres::codec::startup::{Protocol, Startup};
use countersign_postgres::codec::{
    Backend, Error, Fault, Field, Format, Frame, Frontend, Side, SqlState, Walker,
};
use proptest::prelude::*;

/// The one message in `bytes`.
fn only(side: Side, bytes: &[u8]) -> (u8, &[u8]) {
    let mut walker = Walker::new(side);
    let mut frames = walker.walk(bytes);
    let Some(Frame::Whole { header, body, .. }) = frames.next().unwrap() else {
        panic!("no whole message");
    };
    assert_eq!(frames.position(), bytes.len());
    (header.tag, body)
}

fn frontend(bytes: &[u8]) -> Frontend<'_> {
    let (tag, body) = only(Side::Frontend, bytes);
    let message = Frontend::decode(tag, body).unwrap();
    assert_eq!(message.tag().0, tag);
    message
}

fn backend(bytes: &[u8]) -> Backend<'_> {
    let (tag, body) = only(Side::Backend, bytes);
    let message = Backend::decode(tag, body).unwrap();
    assert_eq!(message.tag().0, tag);
    message
}

/// Bytes without a zero: what strings can hold.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1..=u8::MAX, 0..20)
}

fn values() -> impl Strategy<Value = Vec<Option<Vec<u8>>>> {
    prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..12)), 0..6)
}

fn format() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![Format::Text, Format::Binary])
}

fn views(values: &[Option<Vec<u8>>]) -> Vec<Option<&[u8]>> {
    values.iter().map(Option::as_deref).collect()
}

proptest! {
    #[test]
    fn a_parse_survives(name in text(), sql in text(), types: Vec<u32>) {
        let mut out = BytesMut::new();
        build::parse(&mut out, &name, &sql, &types).unwrap();
        let Frontend::Parse(parse) = frontend(&out) else { panic!() };
        prop_assert_eq!((parse.name, parse.text), (&name[..], &sql[..]));
        prop_assert_eq!(parse.types.iter().collect::<Vec<_>>(), types);
    }

    #[test]
    fn a_bind_survives(portal in text(), statement in text(), values in values(), pick in 0..3usize, result in prop::collection::vec(format(), 0..4)) {
        let formats: Vec<Format> = match pick {
            0 => vec![],
            1 => vec![Format::Binary],
            _ => values.iter().enumerate().map(|(i, _)| if i % 2 == 0 { Format::Binary } else { Format::Text }).collect(),
        };
        let bound = Bound { formats: &formats, parameters: &views(&values), result_formats: &result };
        let mut out = BytesMut::new();
        build::bind(&mut out, &portal, &statement, bound).unwrap();
        let Frontend::Bind(bind) = frontend(&out) else { panic!() };
        prop_assert_eq!((bind.portal, bind.statement), (&portal[..], &statement[..]));
        prop_assert_eq!(bind.parameters.iter().collect::<Vec<_>>(), views(&values));
        prop_assert_eq!(bind.formats.iter().collect::<Vec<_>>(), formats.clone());
        prop_assert_eq!(bind.result_formats.iter().collect::<Vec<_>>(), result);
        for index in 0..values.len() {
            let want = match formats.len() { 0 => Format::Text, 1 => formats[0], _ => formats[index] };
            prop_assert_eq!(bind.formats.of(index), want);
        }
    }

    #[test]
    fn small_frontend_messages_survive(name in text(), rows: i32) {
        let mut out = BytesMut::new();
        build::execute(&mut out, &name, rows).unwrap();
        let Frontend::Execute(execute) = frontend(&out) else { panic!() };
        prop_assert_eq!((execute.portal, execute.max_rows), (&name[..], rows));
        for subject in [Subject::Portal(&name), Subject::Statement(&name)] {
            out.clear();
            build::describe(&mut out, subject).unwrap();
            prop_assert_eq!(frontend(&out), Frontend::Describe(subject));
            out.clear();
            build::close(&mut out, subject).unwrap();
            prop_assert_eq!(frontend(&out), Frontend::Close(subject));
        }
        out.clear();
        build::query(&mut out, &name).unwrap();
        prop_assert_eq!(frontend(&out), Frontend::Query(&name));
        out.clear();
        build::copy_fail(&mut out, &name).unwrap();
        prop_assert_eq!(frontend(&out), Frontend::CopyFail(&name));
    }

    #[test]
    fn a_row_survives(values in values()) {
        let mut out = BytesMut::new();
        build::data_row(&mut out, views(&values).into_iter());
        let Backend::DataRow(row) = backend(&out) else { panic!() };
        prop_assert_eq!(row.len(), values.len());
        prop_assert_eq!(row.iter().collect::<Vec<_>>(), views(&values));
    }

    #[test]
    fn settings_and_keys_survive(name in text(), value in text(), pid: u32, secret in prop::collection::vec(any::<u8>(), 1..=256)) {
        let mut out = BytesMut::new();
        build::parameter_status(&mut out, &name, &value);
        prop_assert_eq!(backend(&out), Backend::ParameterStatus { name: &name, value: &value });
        let key = CancelKey::new(pid, secret.clone());
        out.clear();
        build::backend_key_data(&mut out, &key);
        let Backend::BackendKeyData { pid: got, secret: body } = backend(&out) else { panic!() };
        prop_assert_eq!((got, body.0), (pid, &secret[..]));
        out.clear();
        build::cancel_request(&mut out, &key);
        let Some((Startup::Cancel(got), used)) = Startup::read(&out).unwrap() else { panic!() };
        prop_assert!(got.same_as(&key) && used == out.len());
    }

    #[test]
    fn a_saying_survives(message in "[^\0]{0,20}", detail in prop::option::of("[^\0]{0,20}"), hint in prop::option::of("[^\0]{0,20}")) {
        let saying = Saying { detail: detail.as_deref(), hint: hint.as_deref(), ..Saying::new(Severity::Error, SqlState::new(*b"55G01"), &message) };
        let mut out = BytesMut::new();
        build::error_response(&mut out, &saying);
        let Backend::ErrorResponse(fields) = backend(&out) else { panic!() };
        prop_assert_eq!(fields.get(b'M'), Some(message.as_bytes()));
        prop_assert_eq!(fields.get(b'D'), detail.as_deref().map(str::as_bytes));
        prop_assert_eq!(fields.get(b'H'), hint.as_deref().map(str::as_bytes));
        prop_assert_eq!(fields.sqlstate(), SqlState::new(*b"55G01"));
        prop_assert_eq!(fields.get(b'V'), Some(&b"ERROR"[..]));
    }

    /// Also: decoding never panics, and never reads beyond the body.
    #[test]
    fn any_body_is_decoded_or_refused(tag: u8, body: Vec<u8>) {
        let _frontend = Frontend::decode(tag, &body);
        let _backend = Backend::decode(tag, &body);
        let _startup = Startup::read(&body);
    }
}

#[test]
fn row_descriptions_are_read() {
    let mut out = BytesMut::new();
    build::frame(&mut out, b'T', |out| {
        out.extend_from_slice(&2u16.to_be_bytes());
        for (name, table, column, format) in [("email", 16_384u32, 3i16, 0i16), ("?column?", 0, 0, 1)] {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\0");
            out.extend_from_slice(&table.to_be_bytes());
            out.extend_from_slice(&column.to_be_bytes());
            out.extend_from_slice(&25u32.to_be_bytes());
            out.extend_from_slice(&(-1i16).to_be_bytes());
            out.extend_from_slice(&(-1i32).to_be_bytes());
            out.extend_from_slice(&format.to_be_bytes());
        }
    });
    let Backend::RowDescription(fields) = backend(&out) else { panic!() };
    let fields: Vec<Field<'_>> = fields.iter().collect();
    assert_eq!((fields[0].name, fields[0].table, fields[0].column), (&b"email"[..], 16_384, 3));
    assert_eq!((fields[0].format, fields[1].format), (Format::Text, Format::Binary));
    assert_eq!((fields[1].table, fields[1].type_oid, fields[1].type_size), (0, 25, -1));
}

#[test]
fn messages_without_a_body_are_read_and_nothing_may_follow() {
    for tag in b"SHXc" {
        let mut out = BytesMut::new();
        build::bare(&mut out, *tag);
        assert_eq!(frontend(&out).tag().0, *tag);
        assert!(Frontend::decode(*tag, b"x").is_err());
    }
    for tag in b"123nsIc" {
        let mut out = BytesMut::new();
        build::bare(&mut out, *tag);
        assert_eq!(backend(&out).tag().0, *tag);
        assert!(Backend::decode(*tag, b"x").is_err());
    }
}

#[test]
fn authentication_requests_are_read() {
    let read = |code: u32, rest: &[u8]| {
        let body = [&code.to_be_bytes()[..], rest].concat();
        match Backend::decode(b'R', &body) {
            Ok(Backend::Authentication(request)) => Ok(format!("{request:?}")),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        }
    };
    assert_eq!(read(0, b"").unwrap(), "Ok");
    assert_eq!(read(5, b"salt").unwrap(), "Md5Password { salt: [115, 97, 108, 116] }");
    assert!(read(5, b"salty").is_err());
    assert!(read(10, b"SCRAM-SHA-256\0").is_err(), "a list without its end");
    assert!(matches!(read(1, b""), Err(Error::Malformed { fault: Fault::Code(1), .. })));
    let body = [&10u32.to_be_bytes()[..], b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"].concat();
    let Ok(Backend::Authentication(Authentication::Sasl(offered))) = Backend::decode(b'R', &body) else {
        panic!()
    };
    assert_eq!(offered.iter().collect::<Vec<_>>(), [&b"SCRAM-SHA-256-PLUS"[..], b"SCRAM-SHA-256"]);
}

#[test]
fn what_could_hide_something_is_refused() {
    let malformed = [
        (b'Q', &b"SELECT 1\0; DROP TABLE t\0"[..], Fault::Long),
        (b'Q', b"SELECT 1", Fault::String),
        (b'P', b"s\0SELECT 1\0\0\x02\0\0\0\x19", Fault::Short),
        (b'B', b"\0\0\0\x02\0\0\0\0\0\x01\xff\xff\xff\xff\0\0", Fault::Count),
        (b'B', b"\0\0\0\x01\0\x02\0\0\0\0", Fault::Code(2)),
        (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0", Fault::Count),
        (b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0", Fault::Short),
        (b'D', b"X\0", Fault::Code(88)),
        (b'C', b"S", Fault::String),
        (b'E', b"\0\0\0\0", Fault::Short),
    ];
    for (tag, body, fault) in malformed {
        match Frontend::decode(tag, body) {
            Err(Error::Malformed { fault: got, .. }) => assert_eq!(got, fault, "{body:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_zero_byte_cannot_be_smuggled_into_a_message_of_ours() {
    let mut out = BytesMut::new();
    assert!(build::query(&mut out, b"SELECT 1\0").is_err());
    assert!(build::startup(&mut BytesMut::new(), Protocol::V3_0, [("user", "a\0database\0b")]).is_err());
    assert!(build::password(&mut out, b"a\0b").is_err());
    assert!(out.is_empty(), "nothing is written of a message that failed");
    build::error_response(&mut out, &Saying::new(Severity::Error, SqlState::INTERNAL_ERROR, "a\0Dforged"));
    let Backend::ErrorResponse(fields) = backend(&out) else { panic!() };
    assert_eq!((fields.get(b'M'), fields.get(b'D')), (Some(&b"a"[..]), None));
}

#[test]
fn every_status_is_read_as_it_is_written() {
    for status in [TransactionStatus::Idle, TransactionStatus::InTransaction, TransactionStatus::Failed] {
        let mut out = BytesMut::new();
        build::ready_for_query(&mut out, status);
        assert_eq!(backend(&out), Backend::ReadyForQuery(status));
    }
}

#[test]
fn i11_passwords_and_keys_are_not_printed() {
    let mut out = BytesMut::new();
    build::password(&mut out, b"qqqq").unwrap();
    assert!(!format!("{:?}", frontend(&out)).contains("113"));
    out.clear();
    build::backend_key_data(&mut out, &CancelKey::new(1, vec![113; 4]));
    assert!(!format!("{:?}", backend(&out)).contains("113"));
}
