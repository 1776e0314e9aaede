//! The remote ends of a connection's sockets. They log all arriving bytes in the history, and accept writes in
//! pieces.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::history::Event;
use crate::ports::Line;

pub(crate) enum Receiver {
    Target,
    Client,
}

pub(crate) struct Wire {
    line: Arc<Line>,
    receiver: Receiver,
}

impl Wire {
    pub(crate) fn new(line: &Arc<Line>, receiver: Receiver) -> Self {
        Self { line: Arc::clone(line), receiver }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let line = &self.line;
        if line.world.chance(20) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let taken = if line.world.chance(30) { 1 } else { bytes.len() };
        let number = line.number();
        line.world.log(match self.receiver {
            Receiver::Target => {
                let setting = line.setting.load(Ordering::Relaxed);
                Event::Upstream { number, bytes: bytes[..taken].to_vec(), setting }
            }
            Receiver::Client => Event::Answered { number },
        });
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
