//! Where the records that gateways send go first, in a cluster: Redis Streams, and this node's own segment files when
//! Redis is not there. From Redis they are drained into a log of the draining node, archived, and trimmed. Nothing hangs
//! on Redis: what it loses, or has twice, shows or is the same when all logs are read together.

mod anchor;
mod checkpoints;
mod drain;
mod election;
mod gather;
mod keeper;
mod keys;
mod lost;
mod publisher;
mod redis;
#[cfg(test)]
mod tests;

pub use anchor::{AnchorEndpoint, AnchorError, AnchorPlace, AnchorSender, Anchoring, fetch_anchor};
pub use checkpoints::{AcceptedLoss, Anchor, Checkpoints, NotAdmitted, PublishError};
pub use drain::{Drain, DrainError, Drained};
pub use election::Election;
pub use gather::{Silent, gather};
pub use keeper::{ArchiveOptions, Keeper, KeeperOptions, Publishing, RedisFront};
pub use keys::{publish_key, published_keys};
pub use lost::ArchivedIntake;
pub use publisher::Publisher;
pub use redis::{RedisJournal, RedisJournalOptions, SyncedBy};
