//! Tests of the guarded sockets against a scripted peer that accepts few bytes, accepts none for now, closes, or
//! fails.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes, BytesMut};
use countersign_lifecycle::{Cleared, ClientSide, Inert, OUTPUT_BYTES_HIGH, READ_BYTES, UpstreamSide};
use countersign_masking::{Masked, ValueFree};
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Result of one write of the scripted peer. After the script, the peer accepts everything.
#[derive(Debug, Clone)]
enum Step {
    Take(usize),
    NotNow,
    Break,
}

#[derive(Debug, Default)]
struct Peer {
    writes: VecDeque<Step>,
    reads: VecDeque<Result<Bytes, io::ErrorKind>>,
    written: Vec<u8>,
    /// Number of slices of each attempted write.
    slices: Vec<usize>,
    read_calls: usize,
    shut: bool,
}

#[derive(Debug, Clone, Default)]
struct Socket(Arc<Mutex<Peer>>);

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut peer = self.0.lock();
        peer.read_calls += 1;
        match peer.reads.pop_front() {
            None => Poll::Pending,
            Some(Err(kind)) => Poll::Ready(Err(kind.into())),
            Some(Ok(mut bytes)) => {
                let count = bytes.len().min(into.remaining());
                into.put_slice(&bytes.split_to(count));
                if bytes.has_remaining() {
                    peer.reads.push_front(Ok(bytes));
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut peer = self.0.lock();
        peer.slices.push(slices.len());
        let take = match peer.writes.pop_front() {
            None => usize::MAX,
            Some(Step::Take(count)) => count,
            Some(Step::NotNow) => return Poll::Pending,
            Some(Step::Break) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        };
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(take).collect();
        peer.written.extend_from_slice(&bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().shut = true;
        Poll::Ready(Ok(()))
    }
}

struct Frame(Bytes);

impl Inert for Frame {
    fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl ValueFree for Frame {}

impl From<Frame> for Bytes {
    fn from(frame: Frame) -> Self {
        frame.0
    }
}

fn upstream() -> (UpstreamSide<Socket>, Socket) {
    let socket = Socket::default();
    (UpstreamSide::new(socket.clone(), BytesMut::new()), socket)
}

fn send(side: &mut UpstreamSide<Socket>, bytes: impl Into<Bytes>) {
    side.send(Cleared::inert(Frame(bytes.into())));
}

fn flush(side: &mut UpstreamSide<Socket>) -> Poll<Result<(), io::ErrorKind>> {
    side.poll_flush(&mut context()).map_err(|error| error.kind())
}

fn fill(side: &mut UpstreamSide<Socket>, limit: usize) -> Poll<Result<usize, io::ErrorKind>> {
    side.poll_fill(&mut context(), limit).map_err(|error| error.kind())
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

proptest! {
    #[test]
    fn what_is_sent_arrives_whole_and_in_order_however_little_the_peer_takes(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..60),
        takes in prop::collection::vec(prop_oneof![(1..50_usize).prop_map(Step::Take), Just(Step::NotNow)], 0..80),
    ) {
        let (mut side, socket) = upstream();
        socket.0.lock().writes = takes.into();
        for (index, chunk) in chunks.iter().enumerate() {
            send(&mut side, chunk.clone());
            // Flush now and then, so that more is queued behind a partial write.
            if index % 3 == 0 {
                let _ = flush(&mut side);
            }
            let sent: usize = chunks.iter().take(index + 1).map(Vec::len).sum();
            prop_assert_eq!(side.output_bytes(), sent - socket.0.lock().written.len());
        }
        while flush(&mut side) == Poll::Pending {}
        prop_assert_eq!(side.output_bytes(), 0);
        prop_assert_eq!(&socket.0.lock().written, &chunks.concat());
    }
}

#[test]
fn many_chunks_go_out_in_few_writes() {
    let (mut side, socket) = upstream();
    for _ in 0..40 {
        send(&mut side, &b"0123456789"[..]);
    }
    assert_eq!(flush(&mut side), Poll::Ready(Ok(())));
    assert_eq!(socket.0.lock().slices, [16, 16, 8]);
    assert_eq!(socket.0.lock().written.len(), 400);
}

#[test]
fn a_write_that_ends_inside_a_chunk_goes_on_there() {
    let (mut side, socket) = upstream();
    for chunk in ["abc", "def", "ghi"] {
        send(&mut side, chunk);
    }
    socket.0.lock().writes = [Step::Take(4), Step::NotNow].into();
    assert_eq!(flush(&mut side), Poll::Pending);
    assert_eq!((side.output_bytes(), socket.0.lock().written.as_slice()), (5, &b"abcd"[..]));
    assert_eq!(flush(&mut side), Poll::Ready(Ok(())));
    assert_eq!(socket.0.lock().written, b"abcdefghi");
}

#[test]
fn a_peer_that_takes_nothing_is_seen_by_the_bytes_that_wait() {
    let (mut side, socket) = upstream();
    socket.0.lock().writes = [Step::NotNow].into();
    send(&mut side, vec![7; OUTPUT_BYTES_HIGH + 1]);
    assert_eq!(flush(&mut side), Poll::Pending);
    assert!(side.output_bytes() > OUTPUT_BYTES_HIGH);
    assert_eq!(flush(&mut side), Poll::Ready(Ok(())));
    assert_eq!(side.output_bytes(), 0);
}

#[test]
fn a_peer_that_takes_zero_bytes_is_an_error_not_a_loop() {
    let (mut side, socket) = upstream();
    socket.0.lock().writes = [Step::Take(0)].into();
    send(&mut side, "abc");
    assert_eq!(flush(&mut side), Poll::Ready(Err(io::ErrorKind::WriteZero)));
}

#[test]
fn a_broken_peer_is_an_error_and_what_waits_can_be_forgotten() {
    let (mut side, socket) = upstream();
    socket.0.lock().writes = [Step::Break].into();
    send(&mut side, "abc");
    assert_eq!(flush(&mut side), Poll::Ready(Err(io::ErrorKind::BrokenPipe)));
    side.forget_output();
    assert_eq!(side.output_bytes(), 0);
    assert_eq!(flush(&mut side), Poll::Ready(Ok(())));
    assert!(socket.0.lock().written.is_empty());
}

#[test]
fn empty_frames_cost_no_write() {
    let (mut side, socket) = upstream();
    send(&mut side, "");
    assert_eq!(flush(&mut side), Poll::Ready(Ok(())));
    assert!(socket.0.lock().slices.is_empty());
}

#[test]
fn reading_stops_exactly_at_the_limit_and_goes_on_when_there_is_room() {
    let (mut side, socket) = upstream();
    socket.0.lock().reads = [Ok(vec![1; 3 * READ_BYTES].into())].into();
    let limit = READ_BYTES + 10;
    while let Poll::Ready(read) = fill(&mut side, limit) {
        assert!(read.unwrap() > 0);
    }
    assert_eq!(side.input().len(), limit);
    let calls = socket.0.lock().read_calls;
    assert_eq!(fill(&mut side, limit), Poll::Pending);
    assert_eq!(socket.0.lock().read_calls, calls, "a full buffer is not read into");
    side.input().advance(100);
    assert_eq!(fill(&mut side, limit), Poll::Ready(Ok(100)));
}

#[test]
fn what_was_read_ahead_comes_first() {
    let socket = Socket::default();
    socket.0.lock().reads = [Ok("behind"[..].into())].into();
    let mut side = UpstreamSide::new(socket, BytesMut::from("ahead "));
    assert_eq!(fill(&mut side, READ_BYTES), Poll::Ready(Ok(6)));
    assert_eq!(side.input().as_ref(), b"ahead behind");
}

#[test]
fn a_peer_that_closes_is_told_by_a_read_of_nothing_and_one_that_breaks_by_an_error() {
    let (mut side, socket) = upstream();
    socket.0.lock().reads = [Ok(Bytes::new()), Err(io::ErrorKind::ConnectionReset)].into();
    assert_eq!(fill(&mut side, READ_BYTES), Poll::Ready(Ok(0)));
    assert_eq!(fill(&mut side, READ_BYTES), Poll::Ready(Err(io::ErrorKind::ConnectionReset)));
}

#[test]
fn a_waiting_connection_gives_its_memory_back_and_keeps_what_was_not_taken() {
    let (mut side, socket) = upstream();
    socket.0.lock().reads = [Ok("abc"[..].into())].into();
    assert_eq!(fill(&mut side, READ_BYTES), Poll::Ready(Ok(3)));
    side.shrink();
    assert_eq!(side.input().as_ref(), b"abc");
    side.input().clear();
    side.shrink();
    assert_eq!(side.input().capacity(), 0);
}

#[test]
fn closing_closes_the_writing_end() {
    let (mut side, socket) = upstream();
    assert!(side.poll_shutdown(&mut context()).is_ready());
    assert!(socket.0.lock().shut);
}

#[test]
fn the_client_gets_what_was_masked() {
    let socket = Socket::default();
    let mut side = ClientSide::new(socket.clone(), BytesMut::new());
    side.send(Masked::value_free(Frame("done".into())));
    assert!(side.poll_flush(&mut context()).is_ready());
    assert_eq!(socket.0.lock().written, b"done");
}
