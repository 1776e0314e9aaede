//! The PostgreSQL codec, given anything. The first byte picks the side and the size of the pieces in
//! which the rest arrives. Whatever comes, decoding ends without a panic, views stay inside the message,
//! and walking in pieces finds the same messages as walking over the whole.
#![no_main]

use countersign_postgres::codec::startup::Startup;
use countersign_postgres::codec::{Backend, Frame, Frontend, Side, Walker};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&mode, bytes)) = data.split_first() else { return };
    let side = if mode & 1 == 0 { Side::Frontend } else { Side::Backend };
    let _packet = Startup::read(bytes);

    let whole = walk(side, bytes.chunks(bytes.len().max(1)));
    let pieces = walk(side, bytes.chunks(usize::from(mode >> 1).max(1)));
    assert_eq!(whole, pieces);
    for (tag, body) in &whole.messages {
        look_at(side, *tag, body);
    }
});

/// What was found in a stream.
#[derive(Debug, Default, PartialEq)]
struct Found {
    messages: Vec<(u8, Vec<u8>)>,
    missing: usize,
    broken: bool,
}

/// Streams all that can be streamed.
fn walk<'a>(side: Side, pieces: impl Iterator<Item = &'a [u8]>) -> Found {
    let (mut walker, mut buffer, mut found) = (Walker::new(side), Vec::new(), Found::default());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut frames = walker.walk(&buffer);
        loop {
            match frames.next() {
                Ok(None) => break,
                Ok(Some(Frame::Whole { header, body, .. })) => {
                    found.messages.push((header.tag, body.to_vec()))
                }
                Ok(Some(Frame::Partial { header, body, .. })) => {
                    found.messages.push((header.tag, body.to_vec()));
                    let taken = frames.take_partial();
                    assert!(taken.is_ok(), "a header that was read once is read again");
                }
                Ok(Some(Frame::Continued { body, .. })) => {
                    let begun = found.messages.last_mut();
                    begun.into_iter().for_each(|(_, all)| all.extend_from_slice(body));
                }
                Err(_) => {
                    found.broken = true;
                    return found;
                }
            }
        }
        let passed = frames.position();
        buffer.drain(..passed);
    }
    found.missing = walker.missing();
    found
}

/// Decodes a message and reads every item of every list in it.
fn look_at(side: Side, tag: u8, body: &[u8]) {
    match side {
        Side::Frontend => match Frontend::decode(tag, body) {
            Ok(Frontend::Bind(bind)) => {
                assert_eq!(bind.parameters.iter().count(), bind.parameters.len());
                assert_eq!(bind.formats.iter().count(), bind.formats.len());
                let _last = bind.formats.of(bind.parameters.len());
            }
            Ok(Frontend::Parse(parse)) => assert!(parse.types.iter().count() <= body.len()),
            Ok(Frontend::FunctionCall(call)) => {
                assert_eq!(call.arguments.iter().count(), call.arguments.len());
            }
            Ok(message) => assert_eq!(message.tag().0, tag),
            Err(_) => {}
        },
        Side::Backend => match Backend::decode(tag, body) {
            Ok(Backend::DataRow(row)) => assert_eq!(row.iter().count(), row.len()),
            Ok(Backend::RowDescription(fields)) => assert_eq!(fields.iter().count(), fields.len()),
            Ok(Backend::ErrorResponse(fields) | Backend::NoticeResponse(fields)) => {
                assert!(fields.iter().count() <= body.len());
                let _sqlstate = fields.sqlstate();
            }
            Ok(Backend::NegotiateProtocolVersion(offer)) => {
                assert!(offer.unknown().count() <= body.len());
            }
            Ok(message) => assert_eq!(message.tag().0, tag),
            Err(_) => {}
        },
    }
}
