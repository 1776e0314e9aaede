//! COPY data of the client: the flow of a COPY that was let go, in pieces of any size.

use bytes::{Bytes, BytesMut};
use countersign_common::facts::Action;

use super::Session;
use super::expect::{Expect, Stage};
use super::flow::Broken;
use crate::codec::{Error, Frontend, Header, Tag, build};
use crate::exchange::Unit;

/// Why a COPY of a query is refused whose columns cannot be told apart.
pub(crate) const COPY_OF_QUERY: &str =
    "this COPY of a query cannot be masked: which columns it has is not known; name them, or use SELECT";

/// Why a COPY is refused whose data would have to be masked and cannot be taken apart.
pub(crate) const COPY_UNMASKABLE: &str =
    "this COPY cannot be masked; copy one table in one of the plain formats, or use SELECT";

/// Whether a command copies to the client.
pub(crate) fn copies_out(unit: &Unit) -> bool {
    unit.described.facts.operations.iter().any(|operation| operation.action == Action::CopyOut)
}

/// Whether a command copies the result of a query to the client.
pub(crate) fn copies_a_query(unit: &Unit) -> bool {
    let copy = unit.reading.as_ref().and_then(|reading| reading.copy());
    copy.is_some_and(|copy| copy.side == countersign_sql::CopySide::Out && copy.relation.is_none())
}

pub(super) const fn is_copy(tag: u8) -> bool {
    matches!(tag, b'd' | b'c' | b'f')
}

impl Session {
    /// COPY data of the client, for the COPY that was let go.
    pub(super) fn copy(&mut self, message: &Frontend<'_>, frame: Bytes) -> Result<(), Broken> {
        self.asked_for_answers = false;
        let is_execute = self.flow.expected.front().is_some_and(|front| matches!(front, Expect::Execute(_)));
        let Some(flight) = self.flow.flight().filter(|flight| flight.stage == Stage::CopyIn) else {
            // The server ignores it too: what a client still sends after its COPY has failed.
            return Ok(());
        };
        flight.data_sent = true;
        let has_recheck = flight.recheck.is_some();
        let ends = !matches!(message, Frontend::CopyData(_));
        if ends {
            flight.stage = Stage::Rows;
            // Syncs that were ignored did not end the batch of the COPY.
            self.batch_sent = is_execute;
        }
        let cleared = flight.running.goes_on(frame);
        self.flow.send(cleared);
        match message {
            Frontend::CopyData(data) => self.flow.remember_data(data),
            _ => self.flow.data_ends(),
        }
        if ends && is_execute && has_recheck {
            self.flow.ask_to_answer();
        }
        Ok(())
    }

    /// Whether COPY data has to wait: it belongs to a COPY that the server has not begun yet.
    pub(super) fn copy_is_coming(&mut self) -> bool {
        let begun = self.flow.flight().is_some_and(|flight| flight.stage == Stage::CopyIn);
        !begun && !self.flow.expected.is_empty()
    }

    /// COPY data waits for the answers to a batch that is not ended: without a Flush the server keeps them, when
    /// there is no COPY among it.
    pub(super) fn ask_for_answers(&mut self) {
        if self.batch_sent && !std::mem::replace(&mut self.asked_for_answers, true) {
            let mut frame = BytesMut::new();
            build::bare(&mut frame, b'H');
            self.flow.send_ours(frame);
        }
    }

    /// While it takes COPY data the server ignores Syncs; one that comes when the COPY has already failed counts.
    /// Only the server knows which it is, so none is sent: whether it counts is decided when the COPY has ended.
    // INVARIANT: I2. A Sync of which nobody knew whether it is answered would shift every answer behind it.
    pub(super) fn is_sync_of_copy(&mut self) -> bool {
        let Some(flight) = self.flow.flight().filter(|flight| flight.stage == Stage::CopyIn) else {
            return false;
        };
        self.sync_in_copy |= flight.data_sent;
        true
    }

    /// A Sync that came in the middle of COPY data counts when the COPY has failed and no other Sync follows.
    pub(super) fn answer_sync_of_copy(&mut self) {
        let copying = self.flow.flight().is_some_and(|flight| flight.stage == Stage::CopyIn);
        if copying || !std::mem::take(&mut self.sync_in_copy) || !self.flow.skipping {
            return;
        }
        let mut frame = BytesMut::new();
        build::bare(&mut frame, b'S');
        self.flow.skipping = false;
        self.send_sync(frame.freeze());
    }

    /// Whether the server takes COPY data.
    pub(super) fn is_copying(&mut self) -> bool {
        self.flow.flight().is_some_and(|flight| flight.stage == Stage::CopyIn)
    }

    /// While it takes COPY data the server knows only this COPY. What else a client sends then would be answered
    /// according to how far the server has come; the server itself ends the connection.
    pub(super) fn check_copying(&mut self, message: &Frontend<'_>, tag: u8) -> Result<(), Broken> {
        let belongs =
            is_copy(tag) || matches!(message, Frontend::Sync | Frontend::Flush | Frontend::Terminate);
        if belongs || !self.is_copying() {
            return Ok(());
        }
        Err(Broken::ClientProtocol(Error::Unexpected { expected: "COPY data", got: Tag(tag) }))
    }

    /// A piece of a CopyData message that is too large to wait for: what is there goes up as a message of its own.
    pub(super) fn copy_piece(&mut self, header: Header) -> Result<bool, Broken> {
        if self.copy_is_coming() {
            self.ask_for_answers();
            self.flow.awaits_answers = true;
            return Ok(false);
        }
        let here = self.flow.client.input().len().saturating_sub(Header::BYTES);
        if here == 0 {
            self.flow.wanted = Header::BYTES + 1;
            return Ok(false);
        }
        let piece = self.flow.client.input().split_to(Header::BYTES + here).split_off(Header::BYTES);
        let mut frame = BytesMut::with_capacity(Header::BYTES + here);
        build::frame(&mut frame, b'd', |out| out.extend_from_slice(&piece));
        self.copy(&Frontend::CopyData(&piece), frame.freeze())?;
        // The rest comes as if it were a message of its own.
        let rest = u32::try_from(header.body_bytes() - here + 4).unwrap_or(u32::MAX);
        let input = self.flow.client.input();
        let mut with_header = BytesMut::with_capacity(Header::BYTES + input.len());
        with_header.extend_from_slice(b"d");
        with_header.extend_from_slice(&rest.to_be_bytes());
        with_header.extend_from_slice(input);
        *input = with_header;
        Ok(false)
    }
}
