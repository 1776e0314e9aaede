//! The nodes of the fleet: who is alive, by leases in the store. A start that is lost never comes back: its id
//! stays spent, so that what is done about its loss is done for good.

mod record;
mod register;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use countersign_common::id::{BundleVersion, NodeId};
use countersign_common::time::Clock;
use futures::StreamExt as _;
use parking_lot::RwLock;
use tokio::sync::mpsc;

pub use record::{Gateway, Kind, Node};
pub(crate) use record::{LOST, control_of, start_of};
pub use register::RegisterError;
pub(super) use register::{Arrival, Registered};

use super::member::Member;
use super::revoked::{self, RevokeError};
use crate::store::{Change, Kept, Outcome, Revision, Store, StoreError, Transaction, range_all};

/// How often a lost race is tried again.
const ATTEMPTS_MAX: usize = 16;

/// How long to rest before a watch that ended is begun again.
const REST_AFTER_ERROR: Duration = Duration::from_secs(1);

/// What became of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// It came, or something about it changed.
    Changed(Box<Node>),
    /// It is lost, or has said goodbye.
    Gone(NodeId),
}

/// The nodes that are alive.
#[derive(Debug)]
pub(super) struct Nodes {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// This node of the control plane.
    me: NodeId,
    /// How long a node that nobody hears of is alive.
    ttl: Duration,
    known: RwLock<Known>,
}

/// By their keys: a gateway and a control-plane node never take each other's place, whatever id they claim.
#[derive(Debug, Default)]
struct Known {
    nodes: BTreeMap<String, (Revision, Node)>,
}

impl Nodes {
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, me: NodeId, ttl: Duration) -> Self {
        Self { store, clock, me, ttl, known: RwLock::default() }
    }

    /// How long a node that nobody hears of is alive.
    pub(super) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Those that are alive as far as this node has heard, control plane first, then by name.
    pub(super) fn list(&self) -> Vec<Node> {
        let mut all: Vec<Node> = self.known.read().nodes.values().map(|(_, node)| node.clone()).collect();
        all.sort_by(|a, b| {
            let rank = |node: &Node| (node.gateway().is_some(), node.name.clone(), node.id);
            rank(a).cmp(&rank(b))
        });
        all
    }

    /// The node, if it is alive as far as this node has heard.
    pub(super) fn get(&self, id: NodeId) -> Option<Node> {
        let known = self.known.read();
        let found =
            [record::gateway_key(id), record::control_key(id)].iter().find_map(|key| known.nodes.get(key));
        found.map(|(_, node)| node.clone())
    }

    /// How many starts of this gateway are alive, as far as this node has heard.
    fn starts_known_of(&self, member: &Member) -> usize {
        let known = self.known.read();
        let gateways = known.nodes.values().filter_map(|(_, node)| node.gateway());
        gateways.filter(|gateway| gateway.member == *member).count()
    }

    /// The gateway that has this route.
    pub(super) fn by_route(&self, route: u32) -> Option<Node> {
        let known = self.known.read();
        let mut nodes = known.nodes.values().map(|(_, node)| node);
        nodes.find(|node| node.gateway().is_some_and(|gateway| gateway.route == route)).cloned()
    }

    /// The other control-plane nodes that have links of gateways, as far as this node has heard.
    pub(super) fn others_with_links(&self) -> BTreeSet<NodeId> {
        let known = self.known.read();
        let gateways = known.nodes.values().filter_map(|(_, node)| node.gateway());
        gateways.map(|gateway| gateway.linked_to).filter(|node| *node != self.me).collect()
    }

    /// Whether the store has it: for what may be done only about a node that is certainly gone.
    pub(super) async fn is_alive(&self, id: NodeId) -> Result<bool, StoreError> {
        for key in [record::gateway_key(id), record::control_key(id)] {
            if self.store.get(&key).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whose start it is, or was: the store remembers for a month.
    pub(super) async fn member_of(&self, id: NodeId) -> Result<Option<Member>, StoreError> {
        let entry = self.store.get(&record::start_key(id)).await?;
        entry
            .map(|entry| crate::decode::<record::Start>(&entry))
            .transpose()
            .map(|start| start.map(|start| start.member))
    }

    /// The gateway that is meant: by its name, its id, or the id of a start of the last month.
    pub(super) async fn member_named(&self, wanted: &str) -> Result<Member, RevokeError> {
        let mut starts = Vec::new();
        for entry in range_all(&*self.store, record::STARTS).await?.0 {
            let id = entry.key.strip_prefix(record::STARTS).and_then(|id| id.parse().ok());
            let start = crate::readable::<record::Start>(&entry);
            starts.extend(id.zip(start).map(|(id, start): (NodeId, _)| (id, start.member)));
        }
        let alive = self.all_in_store().await?.into_iter();
        starts.extend(alive.filter_map(|node| Some((node.id, node.gateway()?.member.clone()))));
        revoked::named(wanted, starts)
    }

    /// The starts of a gateway that are alive, as the store has them.
    pub(super) async fn starts_of(&self, member: &Member) -> Result<Vec<Node>, StoreError> {
        let mut all = self.all_in_store().await?;
        all.retain(|node| node.gateway().is_some_and(|gateway| gateway.member.id == member.id));
        Ok(all)
    }

    async fn all_in_store(&self) -> Result<Vec<Node>, StoreError> {
        Ok(range_all(&*self.store, record::NODES).await?.0.iter().filter_map(crate::readable).collect())
    }

    /// Where this node's own record stands.
    pub(super) fn own_key(&self) -> String {
        record::control_key(self.me)
    }

    /// Lets the node's time begin anew.
    pub(super) async fn keep_alive(&self, node: &Node) -> Result<Kept, StoreError> {
        self.store.keep_alive(node.lease).await
    }

    /// The node has ended by itself: it is gone at once.
    pub(super) async fn goodbye(&self, node: &Node) -> Result<(), StoreError> {
        self.store.revoke(node.lease).await
    }

    /// The bundle that a gateway took stands in its record, so that every control-plane node can say so.
    pub(super) async fn took(&self, id: NodeId, bundle: &BundleVersion) -> Result<(), StoreError> {
        let bundle = Some(bundle.clone());
        self.update(id, |gateway| gateway.bundle.clone_from(&bundle)).await.map(drop)
    }

    /// Whether a gateway drains stands in its record.
    pub(super) async fn draining(&self, id: NodeId, draining: bool) -> Result<Option<Node>, StoreError> {
        self.update(id, |gateway| gateway.draining = draining).await
    }

    /// Changes the record of a gateway; `None`: it is gone.
    async fn update(&self, id: NodeId, change: impl Fn(&mut Gateway)) -> Result<Option<Node>, StoreError> {
        let key = record::gateway_key(id);
        for _ in 0..ATTEMPTS_MAX {
            let Some(entry) = self.store.get(&key).await? else { return Ok(None) };
            let before: Node = crate::decode(&entry)?;
            let mut after = before.clone();
            if let Kind::Gateway(gateway) = &mut after.kind {
                change(gateway);
            }
            if after == before {
                return Ok(Some(before));
            }
            let swap = Transaction::new().if_modified(&key, entry.modified);
            match self.store.transact(swap.put_under(after.lease, &key, crate::encode(&after))).await {
                Ok(Outcome::Committed(revision)) => {
                    self.learn(revision, &after);
                    return Ok(Some(after));
                }
                Ok(Outcome::LeaseLost) => return Ok(None),
                // Somebody else was faster, or nobody knows: look again.
                Ok(Outcome::Conflict) | Err(StoreError::Unknown(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Closed)
    }

    /// Reads all nodes, then tells of every change, those that were missed included; until nobody listens.
    pub(super) async fn follow(&self, to: mpsc::Sender<Event>) {
        while !to.is_closed() {
            if let Err(error) = self.follow_once(&to).await {
                tracing::warn!(%error, "following the nodes ended; reading them again");
                tokio::time::sleep(REST_AFTER_ERROR).await;
            }
        }
    }

    async fn follow_once(&self, to: &mpsc::Sender<Event>) -> Result<(), StoreError> {
        let (entries, revision) = range_all(&*self.store, record::NODES).await?;
        let found: BTreeSet<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let vanished: Vec<(String, NodeId)> = {
            let known = self.known.read();
            let older =
                known.nodes.iter().filter(|(key, (at, _))| *at <= revision && !found.contains(key.as_str()));
            older.map(|(key, (_, node))| (key.clone(), node.id)).collect()
        };
        for (key, id) in vanished {
            self.forget(&key, revision);
            tell(to, Event::Gone(id)).await;
        }
        for entry in entries {
            self.take_over(&Change::Put(entry), to).await;
        }
        let mut changes = self.store.watch(record::NODES, revision).await?;
        while let Some(change) = changes.next().await {
            self.take_over(&change?, to).await;
        }
        Err(StoreError::Closed)
    }

    async fn take_over(&self, change: &Change, to: &mpsc::Sender<Event>) {
        match change {
            Change::Put(entry) => match crate::decode::<Node>(entry) {
                // A record under another node's key is nobody's.
                Ok(node) if node.key() != entry.key => {
                    tracing::error!(key = entry.key, "a node's record names another node");
                }
                Ok(node) => {
                    self.learn(entry.modified, &node);
                    tell(to, Event::Changed(Box::new(node))).await;
                }
                Err(error) => tracing::error!(%error, "a node's record cannot be read"),
            },
            Change::Deleted { key, revision } => {
                if let Some(id) = record::id_of(key) {
                    self.forget(key, *revision);
                    tell(to, Event::Gone(id)).await;
                }
            }
        }
    }

    fn learn(&self, at: Revision, node: &Node) {
        let mut known = self.known.write();
        let key = node.key();
        if known.nodes.get(&key).is_none_or(|(known, _)| *known < at) {
            known.nodes.insert(key, (at, node.clone()));
        }
    }

    fn forget(&self, key: &str, at: Revision) {
        let mut known = self.known.write();
        if known.nodes.get(key).is_some_and(|(known, _)| *known <= at) {
            known.nodes.remove(key);
        }
    }

    /// The starts that are gone, and of which nobody has noted that they were given up.
    pub(super) async fn not_given_up(&self) -> Result<Vec<NodeId>, StoreError> {
        let mut found = Vec::new();
        for entry in range_all(&*self.store, record::STARTS).await?.0 {
            let id: Option<NodeId> = entry.key.strip_prefix(record::STARTS).and_then(|id| id.parse().ok());
            if let Some(id) = id
                && crate::readable::<record::Start>(&entry).is_some_and(|start| !start.given_up)
                && self.get(id).is_none()
                && !self.is_alive(id).await?
            {
                found.push(id);
            }
        }
        Ok(found)
    }

    /// All has been done about the end of this start. Noted for the nodes that look later; lost races do no harm.
    pub(super) async fn given_up(&self, id: NodeId) -> Result<(), StoreError> {
        let key = record::start_key(id);
        let Some(entry) = self.store.get(&key).await? else { return Ok(()) };
        let start = record::Start { given_up: true, ..crate::decode(&entry)? };
        let swap = Transaction::new().if_modified(&key, entry.modified).put(&key, crate::encode(&start));
        self.store.transact(swap).await.map(drop)
    }

    /// Forgets starts of long ago; how many. Safe to run at any time, by any node.
    pub(super) async fn sweep(&self) -> Result<usize, StoreError> {
        const BATCH: usize = 100;
        let (entries, _) = range_all(&*self.store, record::STARTS).await?;
        let now = self.clock.now();
        let mut gone = Vec::new();
        for entry in &entries {
            let id: Option<NodeId> = entry.key.strip_prefix(record::STARTS).and_then(|id| id.parse().ok());
            // One that lives on for longer than that keeps its place.
            if let Some(id) = id
                && record::is_forgotten(id, now)
                && !self.is_alive(id).await?
            {
                gone.push(entry.key.as_str());
            }
        }
        for key in &gone {
            // Of nodes that died over it; before the start goes, by which they are found.
            let notes = key.replacen(record::STARTS, record::LOST, 1) + "/";
            let (notes, _) = range_all(&*self.store, &notes).await?;
            for batch in notes.chunks(BATCH) {
                let delete = batch.iter().fold(Transaction::new(), |all, note| all.delete(&note.key));
                self.store.transact(delete).await?;
            }
        }
        let (control, _) = range_all(&*self.store, record::CONTROL_STARTS).await?;
        for entry in &control {
            let id: Option<NodeId> =
                entry.key.strip_prefix(record::CONTROL_STARTS).and_then(|id| id.parse().ok());
            // A gateway that comes with so old an id is taken for lost, so it need not be kept from it.
            if let Some(id) = id
                && record::is_forgotten(id, now)
                && !self.is_alive(id).await?
            {
                gone.push(entry.key.as_str());
            }
        }
        for batch in gone.chunks(BATCH) {
            self.store.transact(batch.iter().fold(Transaction::new(), |all, key| all.delete(*key))).await?;
        }
        Ok(gone.len())
    }
}

/// Whoever stopped listening does not want to know.
async fn tell(to: &mpsc::Sender<Event>, event: Event) {
    let _ = to.send(event).await;
}
