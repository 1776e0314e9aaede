//! A node comes: a gateway with its first link or its next one, or a control-plane node.

use aws_lc_rs::rand;
use countersign_common::id::{BundleVersion, NodeId};

use super::record::{self, Gateway, Kind, Node, ROUTE_MAX, Start};
use super::{ATTEMPTS_MAX, Nodes};
use crate::Also;
use crate::fleet::member::Member;
use crate::store::{Entry, LeaseId, Outcome, StoreError, Transaction};

/// How many starts of one gateway may be alive at once. One is usual, and one that was killed a moment ago beside it.
const STARTS_MAX: usize = 8;

/// What a gateway says of itself when it opens a link.
#[derive(Debug, Clone)]
pub(in crate::fleet) struct Arrival {
    /// Its start.
    pub(in crate::fleet) id: NodeId,
    /// As its certificate says.
    pub(in crate::fleet) member: Member,
    /// The bundle that it has.
    pub(in crate::fleet) bundle: Option<BundleVersion>,
    /// The product's version.
    pub(in crate::fleet) software: String,
}

/// What became of a gateway that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fleet) enum Registered {
    /// It is one of the fleet.
    Alive(Box<Node>),
    /// This start of it was declared lost: it has to begin anew, under another id.
    Lost,
}

/// Why a node could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The id is another member's.
    #[error("{0} is a start of another gateway")]
    Foreign(NodeId),
    /// The id is, or was, a control-plane node's.
    #[error("{0} is a start of a control-plane node")]
    OfControlPlane(NodeId),
    /// Too many starts of it are alive: something starts it again and again, or its certificate was copied.
    #[error("{STARTS_MAX} starts of this gateway are alive already")]
    Crowded,
    /// All routes are taken: there are 4095 gateways.
    #[error("no route is free: {ROUTE_MAX} gateways are alive")]
    Full,
    /// It kept changing under our hands.
    #[error("the node's record was changed by others again and again")]
    Contended,
    /// The store did not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Nodes {
    /// A gateway has opened a link here: its first, or one after another node's. From here on this node keeps
    /// its lease alive.
    pub(in crate::fleet) async fn register(&self, arrival: &Arrival) -> Result<Registered, RegisterError> {
        let (key, start) = (record::gateway_key(arrival.id), record::start_key(arrival.id));
        self.refuse_id_of_control_plane(arrival.id).await?;
        for _ in 0..ATTEMPTS_MAX {
            let registered = match self.store.get(&key).await? {
                Some(entry) => self.adopt(&entry, arrival).await?,
                None => match self.store.get(&start).await? {
                    Some(entry) => {
                        let start: Start = crate::decode(&entry)?;
                        same_member(&start.member, arrival)?;
                        return Ok(Registered::Lost);
                    }
                    None if record::is_forgotten(arrival.id, self.clock.now()) => {
                        return Ok(Registered::Lost);
                    }
                    None => self.welcome(arrival).await?,
                },
            };
            if let Some(registered) = registered {
                return Ok(registered);
            }
        }
        Err(RegisterError::Contended)
    }

    /// An id belongs to whom it was first entered for: a gateway's certificate, or a control-plane node. Here for a clear
    /// answer; [`Self::welcome`] compares the same keys in the transaction that enters a gateway.
    async fn refuse_id_of_control_plane(&self, id: NodeId) -> Result<(), RegisterError> {
        for key in [record::control_key(id), record::control_start_key(id)] {
            if self.store.get(&key).await?.is_some() {
                return Err(RegisterError::OfControlPlane(id));
            }
        }
        Ok(())
    }

    /// A gateway that another node had, or this one on another link. `None`: look again.
    async fn adopt(&self, entry: &Entry, arrival: &Arrival) -> Result<Option<Registered>, RegisterError> {
        let mut node: Node = crate::decode(entry)?;
        let Kind::Gateway(gateway) = &mut node.kind else { return Err(RegisterError::Foreign(arrival.id)) };
        same_member(&gateway.member, arrival)?;
        gateway.linked_to = self.me;
        gateway.bundle.clone_from(&arrival.bundle);
        let swap = Transaction::new().if_modified(&entry.key, entry.modified);
        self.write(swap.put_under(node.lease, &entry.key, crate::encode(&node)), node).await
    }

    /// A gateway that nobody has heard of. `None`: look again.
    async fn welcome(&self, arrival: &Arrival) -> Result<Option<Registered>, RegisterError> {
        if self.starts_known_of(&arrival.member) >= STARTS_MAX {
            return Err(RegisterError::Crowded);
        }
        let route = self.free_route().await?;
        let lease = self.store.grant(self.ttl).await?;
        let now = self.clock.now();
        let node = Node {
            id: arrival.id,
            kind: Kind::Gateway(Gateway {
                member: arrival.member.clone(),
                route,
                linked_to: self.me,
                bundle: arrival.bundle.clone(),
                draining: false,
                also: Also::default(),
            }),
            name: arrival.member.name.to_string(),
            lease,
            started_at: now,
            software: arrival.software.clone(),
            also: Also::default(),
        };
        let start = Start { member: arrival.member.clone(), at: now, given_up: false, also: Also::default() };
        let (key, start_key, route_key) = (node.key(), record::start_key(node.id), record::route_key(route));
        // The id is spent from here on: after its loss nobody can take it up again.
        let transaction = Transaction::new()
            .if_absent(&start_key)
            .if_absent(&key)
            .if_absent(&route_key)
            .if_absent(record::control_key(node.id))
            .if_absent(record::control_start_key(node.id))
            .put(&start_key, crate::encode(&start))
            .put_under(lease, &route_key, node.id.to_string())
            .put_own_under(lease, &key, crate::encode(&node));
        let registered = self.write(transaction, node).await;
        if !matches!(registered, Ok(Some(Registered::Alive(_)))) {
            self.drop_lease(lease).await;
        }
        registered
    }

    async fn write(&self, transaction: Transaction, node: Node) -> Result<Option<Registered>, RegisterError> {
        match self.store.transact(transaction).await {
            Ok(Outcome::Committed(revision)) => {
                self.learn(revision, &node);
                Ok(Some(Registered::Alive(Box::new(node))))
            }
            // Its time ran out in between; the next look finds it lost.
            Ok(Outcome::Conflict | Outcome::LeaseLost) | Err(StoreError::Unknown(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A route that nobody has, as far as the store says; any one, so that they are not used again soon.
    async fn free_route(&self) -> Result<u32, RegisterError> {
        let mut bytes = [0; 4];
        // Without random bytes the search begins at the first one: it only takes longer.
        let _ = rand::fill(&mut bytes);
        let first = u32::from_be_bytes(bytes) % ROUTE_MAX;
        for offset in 0..ROUTE_MAX {
            let route = 1 + (first + offset) % ROUTE_MAX;
            if self.store.get(&record::route_key(route)).await?.is_none() {
                return Ok(route);
            }
        }
        Err(RegisterError::Full)
    }

    /// It would end by itself.
    async fn drop_lease(&self, lease: LeaseId) {
        if let Err(error) = self.store.revoke(lease).await {
            tracing::debug!(%error, "a lease that nobody needs was not revoked");
        }
    }

    /// This node of the control plane is there.
    pub(in crate::fleet) async fn register_self(
        &self,
        name: &str,
        software: &str,
    ) -> Result<Node, StoreError> {
        let lease = self.store.grant(self.ttl).await?;
        let node = Node {
            id: self.me,
            kind: Kind::Control,
            name: name.to_owned(),
            lease,
            started_at: self.clock.now(),
            software: software.to_owned(),
            also: Also::default(),
        };
        let key = node.key();
        // The id is spent from here on, and is not one that a gateway has announced.
        let transaction = Transaction::new()
            .if_absent(record::gateway_key(self.me))
            .if_absent(record::start_key(self.me))
            .put(record::control_start_key(self.me), name)
            .put_under(lease, &key, crate::encode(&node));
        match self.store.transact(transaction).await? {
            Outcome::Committed(revision) => {
                self.learn(revision, &node);
                Ok(node)
            }
            Outcome::Conflict | Outcome::LeaseLost => Err(StoreError::Closed),
        }
    }
}

fn same_member(member: &Member, arrival: &Arrival) -> Result<(), RegisterError> {
    if *member == arrival.member { Ok(()) } else { Err(RegisterError::Foreign(arrival.id)) }
}
