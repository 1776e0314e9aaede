//! What is too large for one record: stored in chunks under a prefix of its own, beside the record that
//! says it is there. A little goes into the transaction that decides; more goes first, in transactions
//! of its own under a claim, and what nobody finishes is swept by its claim.

use std::time::Duration;

use countersign_common::Timestamp;
use countersign_common::id::AttemptId;
use serde::{Deserialize, Serialize};

use crate::Also;
use crate::store::{Entry, Outcome, Revision, Store, StoreError, Transaction, WRITES_MAX, range_all};

/// Where claims stand: `/cs/unfinished/<attempt id>`.
const UNFINISHED: &str = "/cs/unfinished/";

/// The most bytes that go into the transaction that decides, and into each one before it. Well below what
/// a transaction takes: a small one holds up nobody.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// How long an attempt may take before its content is swept.
const UNFINISHED_FOR: Duration = Duration::from_secs(60 * 60);

/// Says that what stands under a prefix is not, or no longer, spoken for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// Which attempt wrote the claim last.
    attempt: AttemptId,
    /// Where the content stands.
    prefix: String,
    /// Since when.
    since: Timestamp,
    /// What a later version noted.
    #[serde(default, skip_serializing_if = "Also::is_nothing")]
    also: Also,
}

/// Content on its way into the store.
#[derive(Debug)]
pub(crate) enum Content {
    /// Goes into the transaction that decides.
    Small(Vec<(String, Vec<u8>)>),
    /// Stands already; its claim goes when the transaction decides.
    Stored { claim: String, at: Revision },
}

impl Content {
    /// Prepares content for a prefix that this attempt alone uses; what is large is written at once, and
    /// swept in an hour unless [`Content::finish`] speaks for it.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn prepare(
        store: &dyn Store,
        now: Timestamp,
        prefix: &str,
        bytes: &[u8],
        chunk_bytes: usize,
    ) -> Result<Self, StoreError> {
        let chunks = bytes.chunks(chunk_bytes).enumerate();
        let keyed = chunks.map(|(index, chunk)| (chunk_key(prefix, index), chunk.to_vec()));
        if bytes.len() <= BATCH_BYTES_MAX {
            return Ok(Self::Small(keyed.collect()));
        }
        let claim = format!("{UNFINISHED}{}", AttemptId::generate());
        let claiming = Transaction::new().if_absent(&claim).put_own(&claim, claim_of(prefix, now));
        let at = committed(store.transact(claiming).await?, &claim)?;
        let keyed: Vec<_> = keyed.collect();
        for batch in keyed.chunks((BATCH_BYTES_MAX / chunk_bytes).max(1)) {
            let mut writing = Transaction::new().if_modified(&claim, at);
            for (index, (key, chunk)) in batch.iter().enumerate() {
                writing = match index {
                    // The prefix is this attempt's alone, so by one key the whole batch is known.
                    0 => writing.if_absent(key).put_own(key, chunk.as_slice()),
                    _ => writing.put(key, chunk.as_slice()),
                };
            }
            committed(store.transact(writing).await?, &claim)?;
        }
        Ok(Self::Stored { claim, at })
    }

    /// The transaction that decides, speaking for the content, too.
    pub(crate) fn finish(&self, transaction: Transaction) -> Transaction {
        match self {
            Self::Small(chunks) => {
                chunks.iter().fold(transaction, |all, (key, chunk)| all.put(key.as_str(), chunk.as_slice()))
            }
            Self::Stored { claim, at } => transaction.if_modified(claim, *at).delete(claim),
        }
    }
}

/// A transaction after which nobody speaks for what stands under a prefix: it is swept in an hour, when
/// whoever reads it at the moment has long done so.
pub(crate) fn abandon(transaction: Transaction, now: Timestamp, prefix: &str) -> Transaction {
    transaction.put(format!("{UNFINISHED}{}", AttemptId::generate()), claim_of(prefix, now))
}

/// Where a chunk of what stands under a prefix stands.
pub(crate) fn chunk_key(prefix: &str, index: usize) -> String {
    format!("{prefix}{index:06}")
}

/// The content under a prefix.
///
/// # Errors
/// When the store fails.
pub(crate) async fn read(store: &dyn Store, prefix: &str) -> Result<Entry, StoreError> {
    let (chunks, _) = range_all(store, prefix).await?;
    let value = chunks.into_iter().flat_map(|chunk| chunk.value).collect();
    Ok(Entry { key: prefix.to_owned(), value, modified: Revision(0), lease: None })
}

/// Deletes content that nobody has spoken for within an hour; how many prefixes. Safe to run at any
/// time, by any node: a claim is taken by compare-and-swap first, so that its attempt cannot finish any
/// more, and goes last, so that a sweeper that dies half-way is followed by another.
///
/// # Errors
/// When the store fails; what was deleted until then stays deleted.
pub(crate) async fn sweep(store: &dyn Store, now: Timestamp) -> Result<usize, StoreError> {
    let (claims, _) = range_all(store, UNFINISHED).await?;
    let mut swept = 0;
    for entry in claims {
        let Some(claim) = crate::readable::<Claim>(&entry) else { continue };
        if now < claim.since.after(UNFINISHED_FOR) {
            continue;
        }
        let taking = Transaction::new()
            .if_modified(&entry.key, entry.modified)
            .put_own(&entry.key, claim_of(&claim.prefix, claim.since));
        // Another sweeper, or its own attempt after all.
        let Outcome::Committed(at) = store.transact(taking).await? else { continue };
        delete_all(store, &claim.prefix).await?;
        store.transact(Transaction::new().if_modified(&entry.key, at).delete(&entry.key)).await?;
        swept += 1;
    }
    Ok(swept)
}

async fn delete_all(store: &dyn Store, prefix: &str) -> Result<(), StoreError> {
    loop {
        let page = store.range(prefix, None, WRITES_MAX).await?;
        if page.entries.is_empty() {
            return Ok(());
        }
        let delete = page.entries.iter().fold(Transaction::new(), |all, entry| {
            // Compared, so that it may be sent again when an answer is lost.
            all.if_modified(&entry.key, entry.modified).delete(&entry.key)
        });
        store.transact(delete).await?;
    }
}

fn claim_of(prefix: &str, since: Timestamp) -> Vec<u8> {
    let (attempt, prefix) = (AttemptId::generate(), prefix.to_owned());
    crate::encode(&Claim { attempt, prefix, since, also: Also::default() })
}

/// The revision of a write under a claim. Another outcome means that the claim was swept: the attempt
/// took more than an hour.
fn committed(outcome: Outcome, claim: &str) -> Result<Revision, StoreError> {
    match outcome {
        Outcome::Committed(revision) => Ok(revision),
        Outcome::Conflict | Outcome::LeaseLost => Err(StoreError::BadValue {
            key: claim.to_owned(),
            detail: "the attempt took too long and was swept; try again".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::EmbeddedStore;

    const NOW: Timestamp = crate::testing::START;

    async fn store(dir: &tempfile::TempDir) -> Arc<dyn Store> {
        Arc::new(EmbeddedStore::open(dir.path().join("s")).await.unwrap())
    }

    async fn keys(store: &dyn Store) -> Vec<String> {
        range_all(store, "/cs/").await.unwrap().0.into_iter().map(|entry| entry.key).collect()
    }

    #[tokio::test]
    async fn large_content_is_read_back_whole_and_leaves_no_claim() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir).await;
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let content = Content::prepare(&*store, NOW, "/cs/x/1/", &bytes, 16 * 1024).await.unwrap();
        assert!(matches!(content, Content::Stored { .. }));
        store.transact(content.finish(Transaction::new().put("/cs/record", "there"))).await.unwrap();
        assert_eq!(read(&*store, "/cs/x/1/").await.unwrap().value, bytes);
        assert_eq!(sweep(&*store, NOW.after(UNFINISHED_FOR)).await.unwrap(), 0);
        assert_eq!(read(&*store, "/cs/x/1/").await.unwrap().value, bytes);
    }

    #[tokio::test]
    async fn an_unfinished_attempt_is_swept_and_can_finish_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir).await;
        let content = Content::prepare(&*store, NOW, "/cs/x/1/", &[7; 1 << 20], 16 * 1024).await.unwrap();
        assert_eq!(sweep(&*store, NOW).await.unwrap(), 0, "it may still be finished");
        assert_eq!(sweep(&*store, NOW.after(UNFINISHED_FOR)).await.unwrap(), 1);
        assert_eq!(keys(&*store).await, Vec::<String>::new());
        let late = store.transact(content.finish(Transaction::new().put("/cs/record", "there"))).await;
        assert_eq!(late.unwrap(), Outcome::Conflict);
        assert_eq!(keys(&*store).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn abandoned_content_goes_after_its_readers() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir).await;
        let content = Content::prepare(&*store, NOW, "/cs/x/1/", b"small", 16 * 1024).await.unwrap();
        store.transact(content.finish(Transaction::new())).await.unwrap();
        store.transact(abandon(Transaction::new(), NOW, "/cs/x/1/")).await.unwrap();
        assert_eq!(read(&*store, "/cs/x/1/").await.unwrap().value, b"small");
        assert_eq!(sweep(&*store, NOW.after(UNFINISHED_FOR)).await.unwrap(), 1);
        assert_eq!(keys(&*store).await, Vec::<String>::new());
    }
}
