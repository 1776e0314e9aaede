//! Hints: "look at this approval again", from the control-plane node that changed it to those that have links of gateways.
//! A hint is never the truth: whoever gets one reads the store, and without any the store's own news comes a few
//! milliseconds later. So a lost, doubled, late or forged hint changes nothing but that time (I10).
//!
//! The node that has a waiting gateway's link is not stored with the approval: a command joins its approval from any
//! gateway without a write. So a hint goes to every node that has links at all, and each knows by itself, without
//! asking anybody, whether one of its gateways waits.

mod local;
mod redis;

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use countersign_common::id::{ApprovalId, NodeId};
use futures::future::BoxFuture;
use tokio::sync::mpsc;

pub use local::LocalHints;
pub use redis::RedisHints;

/// The longest hint, in bytes. Whatever is longer is none.
const HINT_BYTES_MAX: usize = 64;

/// An approval stands at this revision now, or at a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// Which one.
    pub approval: ApprovalId,
    /// Its revision.
    pub revision: u64,
}

/// What is no hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hint")]
pub struct NoHint;

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.approval, self.revision)
    }
}

impl FromStr for Hint {
    type Err = NoHint;

    fn from_str(text: &str) -> Result<Self, NoHint> {
        let (approval, revision) = text.split_once(' ').ok_or(NoHint)?;
        // Only digits: what parses otherwise (`+1`) was not written by us.
        if revision.is_empty() || !revision.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NoHint);
        }
        let approval = approval.parse().map_err(|_| NoHint)?;
        Ok(Self { approval, revision: revision.parse().map_err(|_| NoHint)? })
    }
}

impl Hint {
    /// What somebody published, if it is a hint.
    ///
    /// # Errors
    /// When it is not.
    pub fn read(payload: &[u8]) -> Result<Self, NoHint> {
        let short = (payload.len() <= HINT_BYTES_MAX).then_some(payload).ok_or(NoHint)?;
        std::str::from_utf8(short).map_err(|_| NoHint)?.parse()
    }
}

/// What a node hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A hint.
    Hint(Hint),
    /// Something that is none.
    Strange,
    /// From here on it hears; what was said before it did not. Look.
    Gap,
    /// It hears nothing until the next [`Heard::Gap`].
    Deaf,
}

/// A hint that did not go. Nobody has to do anything about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hint was lost: {0}")]
pub struct Lost(pub String);

/// Carries hints between the control-plane nodes: at most once, in any order.
#[async_trait]
pub trait Hints: Send + Sync + fmt::Debug {
    /// Gives a node a hint.
    ///
    /// # Errors
    /// When it is certain that it did not go. That it went is never certain.
    async fn tell(&self, node: NodeId, hint: Hint) -> Result<(), Lost>;

    /// Listens for this node, for as long as the future is polled; it ends when the receiver is dropped.
    fn listen(&self, node: NodeId) -> (mpsc::Receiver<Heard>, BoxFuture<'static, ()>);
}
