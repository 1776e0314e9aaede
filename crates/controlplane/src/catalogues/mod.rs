//! What the databases of targets define, as gateways have read it and uploaded it: kept once by digest, compressed, for as
//! long as held commands need it. The control plane finds out by it what a held command does.
//!
//! Nobody but a gateway reaches a target, so nobody here can check what one says of it. But its content is fixed by its
//! digest, and when a second gateway comes with the same digest, two have read the same. What one gateway can make of the
//! store, of memory and of time is bounded, whatever it uploads.

mod record;
#[cfg(test)]
mod tests;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use countersign_common::facts_basis::CatalogueStanding;
use countersign_common::id::TargetName;
use countersign_common::time::Clock;
use countersign_common::{Digest, Timestamp};
use countersign_postgres::facts::{CatalogueCopy, CopyError};
use countersign_sql::Catalogue;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub use self::uploads::TakeError;

use self::record::{KNOWN, Known, content_prefix, known_key};
use self::uploads::Uploads;
use crate::content::{self, Content};
use crate::store::{Entry, Outcome, Store, StoreError, Transaction, range_all};

/// Catalogues that are kept parsed: their content has at most so many bytes together.
const PARSED_BYTES_MAX: usize = 96 << 20;

/// How many are decompressed and parsed at once.
const READ_AT_ONCE: usize = 2;

/// A catalogue that nothing was held by for this long is deleted. A gateway uploads it again when it is wanted.
const UNUSED_FOR: Duration = Duration::from_secs(24 * 3600);

/// How many bytes of one stand under one key of the store.
const CHUNK_BYTES: usize = 64 * 1024;

/// Who says what of which database.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The gateway, through all its starts.
    pub gateway: &'a str,
    /// The target.
    pub target: &'a TargetName,
    /// The database.
    pub database: &'a str,
    /// The catalogue.
    pub digest: Digest,
}

/// The catalogues of all targets.
#[derive(Debug)]
pub struct Catalogues {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    parsed: Mutex<Parsed>,
    reading: Semaphore,
    uploads: Uploads,
}

/// Those that were used last, the last one at the end.
#[derive(Debug, Default)]
struct Parsed(Vec<One>);

#[derive(Debug)]
struct One {
    digest: Digest,
    catalogue: Arc<Catalogue>,
    bytes: usize,
}

impl Parsed {
    fn get(&mut self, digest: &Digest) -> Option<Arc<Catalogue>> {
        let at = self.0.iter().position(|one| one.digest == *digest)?;
        let one = self.0.remove(at);
        let catalogue = Arc::clone(&one.catalogue);
        self.0.push(one);
        Some(catalogue)
    }

    fn put(&mut self, one: One) {
        self.0.retain(|other| other.digest != one.digest);
        self.0.push(one);
        let mut bytes: usize = self.0.iter().map(|one| one.bytes).sum();
        while bytes > PARSED_BYTES_MAX && self.0.len() > 1 {
            bytes -= self.0.remove(0).bytes;
        }
    }
}

impl Catalogues {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let reading = Semaphore::new(READ_AT_ONCE);
        Self { store, clock, parsed: Mutex::default(), reading, uploads: Uploads::default() }
    }

    /// The catalogue that a gateway names, and who vouches for it; `None`: it has to be uploaded first. Naming it counts as
    /// having read it.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn find(
        &self,
        claim: &Claim<'_>,
    ) -> Result<Option<(Arc<Catalogue>, CatalogueStanding)>, StoreError> {
        let Some(entry) = self.store.get(&known_key(&claim.digest)).await? else { return Ok(None) };
        let known: Known = crate::decode(&entry)?;
        // What is kept parsed was compared with its digest for the database that it is of, and for no other.
        if known.target != *claim.target || known.database != claim.database {
            return Ok(None);
        }
        let kept = self.parsed.lock().get(&claim.digest);
        let catalogue = match kept {
            Some(catalogue) => catalogue,
            None => match self.read(claim, &known).await? {
                Some(catalogue) => catalogue,
                None => return Ok(None),
            },
        };
        let known = self.note(claim, &entry, known).await?;
        Ok(Some((catalogue, known.standing(claim.gateway, self.clock.now()))))
    }

    /// Notes that a gateway has read it, and that it is used. Where others write at the same time their word counts, and the
    /// next command notes it.
    async fn note(&self, claim: &Claim<'_>, entry: &Entry, known: Known) -> Result<Known, StoreError> {
        let now = self.clock.now();
        let Some(noted) = known.noting(claim.gateway, now) else { return Ok(known) };
        let transaction = Transaction::new()
            .if_modified(&entry.key, entry.modified)
            .put_own(&entry.key, crate::encode(&noted));
        self.store.transact(transaction).await?;
        Ok(noted)
    }

    /// Reads one from the store; `None`: what stands there is not it.
    async fn read(&self, claim: &Claim<'_>, known: &Known) -> Result<Option<Arc<Catalogue>>, StoreError> {
        // The semaphore is never closed.
        let _turn = self.reading.acquire().await;
        if let Some(catalogue) = self.parsed.lock().get(&claim.digest) {
            return Ok(Some(catalogue));
        }
        let content = content::read(&*self.store, &content_prefix(&claim.digest, known.attempt)).await?;
        match self.parse(claim, content.value).await {
            Ok(catalogue) => Ok(Some(catalogue)),
            Err(error) => {
                tracing::error!(digest = %claim.digest, %error, "a stored catalogue is not what its digest names");
                Ok(None)
            }
        }
    }

    /// Parses one on a thread that serves nobody meanwhile, and keeps it.
    async fn parse(&self, claim: &Claim<'_>, compressed: Vec<u8>) -> Result<Arc<Catalogue>, CopyError> {
        let (target, database, digest) = (claim.target.clone(), claim.database.to_owned(), claim.digest);
        let parsing = tokio::task::spawn_blocking(move || {
            CatalogueCopy::read(&target, &database, &digest, &compressed)
        });
        // A thread that panicked has read nothing.
        let (catalogue, bytes) = parsing.await.unwrap_or(Err(CopyError::Digest))?;
        let catalogue = Arc::new(catalogue);
        self.parsed.lock().put(One { digest, catalogue: Arc::clone(&catalogue), bytes });
        Ok(catalogue)
    }

    /// Takes one in, if it is what its digest says. Repeated, it does nothing.
    ///
    /// # Errors
    /// [`TakeError`]: the command is then decided as if nothing were known of its database.
    pub async fn take(&self, claim: &Claim<'_>, compressed: Vec<u8>) -> Result<(), TakeError> {
        let now = self.clock.now();
        self.uploads.admit(claim.gateway, compressed.len(), now)?;
        if self.find(claim).await?.is_some() {
            return Ok(());
        }
        {
            // The semaphore is never closed.
            let _turn = self.reading.acquire().await;
            self.parse(claim, compressed.clone()).await?;
        }
        // One at a time, so that what was counted still holds when it is written.
        let _turn = self.uploads.turn().await;
        self.keep(claim, &compressed, now).await
    }

    async fn keep(&self, claim: &Claim<'_>, compressed: &[u8], now: Timestamp) -> Result<(), TakeError> {
        let key = known_key(&claim.digest);
        let (entries, _) = range_all(&*self.store, KNOWN).await?;
        let before = entries.iter().find(|entry| entry.key == key);
        let others = entries.iter().filter(|entry| entry.key != key);
        let others = others.filter_map(|entry| Some((entry, crate::readable::<Known>(entry)?)));
        let evicted = uploads::make_room(others, claim.gateway, compressed.len())?;
        let known = Known::new(claim, compressed.len(), now);
        let prefix = content_prefix(&claim.digest, known.attempt);
        let content = Content::prepare(&*self.store, now, &prefix, compressed, CHUNK_BYTES).await?;
        let mut transaction =
            Transaction::new().if_unchanged(&key, before).put_own(&key, crate::encode(&known));
        if let Some(before) = before.and_then(crate::readable::<Known>) {
            // It could not be read.
            let prefix = content_prefix(&claim.digest, before.attempt);
            transaction = content::abandon(transaction, now, &prefix);
        }
        for (entry, old) in evicted {
            transaction = forgetting(transaction, &entry, &old, now);
        }
        match self.store.transact(content.finish(transaction)).await? {
            Outcome::Committed(_) => Ok(()),
            // Another node has written the same.
            Outcome::Conflict | Outcome::LeaseLost if self.find(claim).await?.is_some() => Ok(()),
            Outcome::Conflict | Outcome::LeaseLost => Err(TakeError::Contended),
        }
    }

    /// Deletes those that nothing was held by for a day; how many.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn sweep(&self) -> Result<usize, StoreError> {
        let (now, mut swept) = (self.clock.now(), 0);
        let (entries, _) = range_all(&*self.store, KNOWN).await?;
        for entry in entries {
            let Some(known) = crate::readable::<Known>(&entry) else { continue };
            if now >= known.used_at.after(UNUSED_FOR) {
                let forget = forgetting(Transaction::new(), &entry, &known, now);
                swept += usize::from(matches!(self.store.transact(forget).await?, Outcome::Committed(_)));
            }
        }
        Ok(swept)
    }
}

/// A transaction that deletes one, too. Its content goes some time later, when whoever reads it has long done so.
fn forgetting(transaction: Transaction, entry: &Entry, known: &Known, now: Timestamp) -> Transaction {
    let digest = record::digest_of(&entry.key);
    let transaction = transaction.if_modified(&entry.key, entry.modified).delete(&entry.key);
    match digest {
        Some(digest) => content::abandon(transaction, now, &content_prefix(&digest, known.attempt)),
        None => transaction,
    }
}
