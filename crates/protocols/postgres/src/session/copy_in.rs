//! COPY data of the client: the flow of a COPY that was let go, in pieces of any size.

use bytes::{Bytes, BytesMut};

use super::Session;
use super::expect::Stage;
use super::flow::Broken;
use crate::codec::{Frontend, Header, build};
use crate::exchange::Unit;

/// Why a COPY of a query over masked relations is refused.
pub(super) const COPY_OF_QUERY: &str =
    "COPY of a query cannot be masked; copy the table itself, or use SELECT";

/// Whether a command copies the result of a query to the client.
pub(super) fn copies_a_query(unit: &Unit) -> bool {
    let copy = unit.reading.as_ref().and_then(|reading| reading.copy());
    copy.is_some_and(|copy| copy.side == countersign_sql::CopySide::Out && copy.relation.is_none())
}

pub(super) const fn is_copy(tag: u8) -> bool {
    matches!(tag, b'd' | b'c' | b'f')
}

impl Session {
    /// COPY data of the client, for the COPY that was let go.
    pub(super) fn copy(&mut self, message: &Frontend<'_>, frame: Bytes) -> Result<(), Broken> {
        let Some(flight) = self.flow.flight().filter(|flight| flight.stage == Stage::CopyIn) else {
            // The server ignores it too: what a client still sends after its COPY has failed.
            return Ok(());
        };
        if !matches!(message, Frontend::CopyData(_)) {
            flight.stage = Stage::Rows;
        }
        let cleared = flight.running.goes_on(frame);
        self.flow.send(cleared);
        Ok(())
    }

    /// Whether COPY data has to wait: it belongs to a COPY that the server has not begun yet.
    pub(super) fn copy_is_coming(&mut self) -> bool {
        let begun = self.flow.flight().is_some_and(|flight| flight.stage == Stage::CopyIn);
        !begun && !self.flow.expected.is_empty()
    }

    /// A piece of a CopyData message that is too large to wait for: what is there goes up as a message of its own.
    pub(super) fn copy_piece(&mut self, header: Header) -> Result<bool, Broken> {
        if self.copy_is_coming() {
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
