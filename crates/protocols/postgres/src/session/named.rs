//! What a name that the client uses stands for on the server: waits where that is not certain yet.

use std::sync::Arc;

use super::Session;
use super::flow::Broken;
use crate::statements::{Description, Known, Portal, Prepared, ResultFormats};

impl Session {
    /// What a name stands for, once that is certain.
    pub(super) async fn statement(&mut self, name: &[u8]) -> Result<Arc<Prepared>, Broken> {
        loop {
            match self.flow.statements.get(name) {
                Known::As(statement) => return Ok(statement),
                Known::Unseen => return Ok(self.unseen()),
                Known::Unsettled => self.pump().await?,
            }
        }
    }

    pub(super) async fn portal(&mut self, name: &[u8]) -> Result<Arc<Portal>, Broken> {
        loop {
            match self.flow.portals.get(name) {
                Known::As(portal) => return Ok(portal),
                Known::Unseen => {
                    return Ok(Arc::new(Portal {
                        statement: self.unseen(),
                        parameters: Vec::new(),
                        under: self.flow.under(),
                        bound: None,
                        result_formats: ResultFormats::All(false),
                        description: Description::default(),
                    }));
                }
                Known::Unsettled => self.pump().await?,
            }
        }
    }

    /// A statement that we never saw: made by a function on the server, or not there at all.
    // INVARIANT: I7.
    fn unseen(&self) -> Arc<Prepared> {
        let reading = self.reader.read(b"", countersign_sql::Lexing::UNKNOWN);
        let under = self.flow.under();
        Arc::new(Prepared { text: bytes::Bytes::new(), reading, types: Box::default(), by_sql: false, under })
    }
}
