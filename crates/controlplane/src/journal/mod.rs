//! Where the records that gateways send go first, in a cluster: Redis Streams, and this node's own segment files when
//! Redis is not there. From Redis they are drained into a log of the draining node, archived, and trimmed. Nothing hangs
//! on Redis: what it loses, or has twice, shows or is the same when all logs are read together.

mod drain;
mod redis;

pub use drain::{Drain, DrainError, Drained};
pub use redis::{RedisJournal, RedisJournalOptions, SyncedBy};
