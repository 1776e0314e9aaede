//! What the target answers, message by message: given to what it belongs to, masked, noted in the record,
//! and released to the client.

use bytes::BytesMut;
use countersign_lifecycle::{End, INPUT_BYTES_MAX};
use countersign_masking::{ErrorMasker, Outlet};

use super::expect::{Ended, Expect, Flight, Masking, Stage};
use super::flow::{Broken, Flow, ROW_BYTES_MAX};
use crate::codec::backend::TransactionStatus;
use crate::codec::{Backend, ErrorFields, Fields, Frame, SqlState, Values};
use crate::reply::{self, Plain};

/// One message of the target.
struct Message<'a> {
    decoded: Backend<'a>,
    /// Tag, length and body.
    frame: &'a [u8],
    /// The body alone.
    body: &'a [u8],
}

impl Flow {
    /// Takes what the target has sent so far and releases it to the client as far as it may go.
    ///
    /// # Errors
    /// [`Broken`]; what was not released before is not released any more.
    pub(crate) async fn take_answers(&mut self) -> Result<(), Broken> {
        let Some(open) = &mut self.upstream else { return Ok(()) };
        let mut input = std::mem::take(open.side.input());
        let mut outlet = Outlet::default();
        let consumed = self.walk(&input, &mut outlet).await?;
        for masked in outlet.release(&mut input, consumed) {
            self.client.send(masked);
        }
        if let Some(open) = &mut self.upstream {
            *open.side.input() = input;
        }
        Ok(())
    }

    /// Goes through whole messages, and through pieces of those too large to wait for. Answers with how
    /// many bytes were used.
    async fn walk(&mut self, input: &[u8], outlet: &mut Outlet) -> Result<usize, Broken> {
        let Some(open) = &mut self.upstream else { return Ok(0) };
        let mut walker = open.walker;
        let mut frames = walker.walk(input);
        let mut wanted = 0;
        while let Some(frame) = frames.next().map_err(Broken::UpstreamProtocol)? {
            match frame {
                Frame::Whole { header, start, body } => {
                    let frame = input.get(start..start + header.frame_bytes()).unwrap_or_default();
                    if let Some(flight) = self.whole(header.tag, frame, body, outlet).await? {
                        note(&mut Some(&mut *flight), input, outlet);
                    }
                }
                Frame::Partial { header, start, .. } if self.may_stream(header.tag, header.frame_bytes()) => {
                    self.piece(input.get(start..).unwrap_or_default(), outlet)?;
                    frames.take_partial().map_err(Broken::UpstreamProtocol)?;
                }
                Frame::Partial { header, .. } => {
                    wanted = header.frame_bytes();
                    break;
                }
                Frame::Continued { body, .. } => self.piece(body, outlet)?,
            }
        }
        let consumed = frames.position();
        if wanted > ROW_BYTES_MAX {
            return Err(Broken::RowTooLarge { max: ROW_BYTES_MAX });
        }
        note(&mut self.flight(), input, outlet);
        if let Some(open) = &mut self.upstream {
            open.walker = walker;
            open.wanted = wanted;
        }
        Ok(consumed)
    }
}
