//! Hints between the nodes of one process.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_common::id::NodeId;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{Heard, Hint, Hints, Lost};

/// How many hints a slow node may leave unheard; those beyond are lost.
const UNHEARD_MAX: usize = 1024;

/// Hints between the nodes of one process.
#[derive(Debug, Clone, Default)]
pub struct LocalHints(Arc<Mutex<HashMap<NodeId, mpsc::Sender<Heard>>>>);

impl LocalHints {
    /// Lets a node hear whatever there is to hear: for tests of what a node does about it.
    ///
    /// # Errors
    /// When it does not listen, or not quickly enough.
    pub fn say(&self, node: NodeId, heard: Heard) -> Result<(), Lost> {
        let to = self.0.lock().get(&node).cloned().ok_or_else(|| Lost("nobody listens".into()))?;
        to.try_send(heard).map_err(|error| Lost(error.to_string()))
    }
}

#[async_trait]
impl Hints for LocalHints {
    async fn tell(&self, node: NodeId, hint: Hint) -> Result<(), Lost> {
        self.say(node, Heard::Hint(hint))
    }

    fn listen(&self, node: NodeId) -> (mpsc::Receiver<Heard>, BoxFuture<'static, ()>) {
        let (to, heard) = mpsc::channel(UNHEARD_MAX);
        let _ = to.try_send(Heard::Gap);
        self.0.lock().insert(node, to.clone());
        let nodes = Arc::clone(&self.0);
        let listening = async move {
            to.closed().await;
            let mut nodes = nodes.lock();
            if nodes.get(&node).is_some_and(|newest| newest.same_channel(&to)) {
                nodes.remove(&node);
            }
        };
        (heard, listening.boxed())
    }
}
