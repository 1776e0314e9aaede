//! The procedure, in order, for a gateway that was declared lost.

use countersign_common::Timestamp;
use countersign_common::id::NodeId;

use super::{ArchiveStore, ArchiveStoreError, blocking};
use crate::abandoned::{Abandoned, began_after};
use crate::intake::Ledger;
use crate::journal::JournalExt as _;
use crate::local::LocalJournal;
use crate::log::Log;

impl ArchiveStore {
    /// Ends the streams of a gateway that was declared lost at `at`, once for all users of this archive, and returns
    /// the agreed streams. `files` are the segments of this node. May be called again, by any node, at any time.
    ///
    /// Before the first call, the caller ensures that no node accepts anything more from the gateway
    /// ([`Ledger::refuse`] on each; done here for this node), and that the records of other nodes are in the archive
    /// (a round of each node's [`crate::Archiver`]; with Redis, a round of the drain). Other records are not found.
    ///
    /// # Errors
    /// Fails if the archive or the journal fails; call it again.
    ///
    /// # Cancel safety
    /// Cancel safe: an agreement is permanent, and ending the streams again writes the same records.
    pub async fn end_lost(
        &self,
        ledger: &Ledger,
        files: &LocalJournal,
        gateway: NodeId,
        at: Timestamp,
    ) -> Result<Abandoned, ArchiveStoreError> {
        ledger.refuse(gateway);
        let agreed = match self.agreed(gateway).await? {
            Some(agreed) => agreed,
            None => self.agree(&self.survey(files, gateway, at).await?).await?,
        };
        if let Some(last) = agreed.end(&**ledger.journal())? {
            ledger.journal().synced(last).await?;
        }
        let ended: Vec<_> = agreed.streams.iter().map(|one| one.stream).collect();
        files.let_go(&ended);
        if !agreed.parted.is_empty() {
            let count = agreed.parted.len();
            tracing::warn!(%gateway, count, "streams stay open: parts of them are on nodes that are not there");
        }
        Ok(agreed)
    }

    async fn survey(
        &self,
        files: &LocalJournal,
        gateway: NodeId,
        at: Timestamp,
    ) -> Result<Abandoned, ArchiveStoreError> {
        files.flush()?;
        let dirs = vec![files.dir().to_owned(), self.refresh_since(began_after(gateway)).await?];
        blocking(move || Abandoned::survey(&Log::find(&dirs)?, gateway, at)).await
    }
}
