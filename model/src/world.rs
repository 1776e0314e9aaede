//! Everything there is at one moment: the store, the nodes, the gateways, the target, what clients were told.

use countersign_common::approval::State;

use crate::gateway::{Gateway, Stage, Start};
use crate::node::Node;
use crate::record::Record;
use crate::target::{Target, Transaction, What};
use crate::variant::Faults;

/// One moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// The record in the store.
    pub(crate) record: Record,
    /// The node that wrote it: with the revision, the attempt id.
    pub(crate) author: Option<usize>,
    /// Whether a hint that it is approved was ever published.
    pub(crate) hinted: bool,
    /// Whether the deadline has passed.
    pub(crate) late: bool,
    /// Whether the bundle in force blocks the command.
    pub(crate) blocked: bool,
    pub(crate) nodes: [Node; 2],
    pub(crate) gateways: [Gateway; 2],
    /// Which leases are lost, by [`Start::bit`].
    pub(crate) leases_lost: [bool; 4],
    pub(crate) target: Target,
    /// Whether any client was told that it was not and will not be run.
    pub(crate) told_no: bool,
    /// Whether any client was told that it ran.
    pub(crate) told_done: bool,
    /// Whether a write ever followed a terminal state, or did not make the revision grow.
    pub(crate) left_terminal: bool,
    /// What may still go wrong.
    pub(crate) faults: Faults,
}

impl World {
    /// A command has just been put on hold by gateway 0.
    pub(crate) fn new(record: Record, faults: Faults) -> Self {
        let gateway = |stage| Gateway { start: 0, stage };
        Self {
            record,
            author: None,
            hinted: false,
            late: false,
            blocked: false,
            nodes: [Node::Idle, Node::Idle],
            gateways: [gateway(Stage::Waiting), gateway(Stage::Idle)],
            leases_lost: [false; 4],
            target: Target::new(),
            told_no: false,
            told_done: false,
            left_terminal: false,
            faults,
        }
    }

    pub(crate) fn gateway(&self, gateway: usize) -> Option<Gateway> {
        self.gateways.get(gateway).copied()
    }

    /// This gateway, as it runs now.
    pub(crate) fn start(&self, gateway: usize) -> Option<Start> {
        Some(Start { gateway, start: self.gateway(gateway)?.start })
    }

    /// How far the command is on this very start of a gateway: on one that is gone it is down.
    pub(crate) fn stage_of(&self, start: Start) -> Stage {
        match self.gateway(start.gateway) {
            Some(gateway) if gateway.start == start.start => gateway.stage,
            _ => Stage::Down,
        }
    }

    /// The owner and the fence, while the approval is redeemed.
    pub(crate) fn redeemed_by(&self) -> Option<(Start, u64)> {
        match self.record.state() {
            State::Redeemed { owner, fence, .. } => Some((Start::of(*owner)?, *fence)),
            _ => None,
        }
    }

    /// The owner, while the approval is in doubt.
    pub(crate) fn in_doubt_of(&self) -> Option<Start> {
        match self.record.state() {
            State::InDoubt { owner, .. } => Start::of(*owner),
            _ => None,
        }
    }

    /// The owner and the fence, while nobody has said what became of the command.
    pub(crate) fn unanswered(&self) -> Option<(Start, u64)> {
        match self.record.state() {
            State::Redeemed { owner, fence } | State::InDoubt { owner, fence } => {
                Some((Start::of(*owner)?, *fence))
            }
            _ => None,
        }
    }

    /// Whether bytes of this start have yet to arrive.
    pub(crate) fn has_parcels_of(&self, from: Start) -> bool {
        self.target.on_the_way.iter().any(|parcel| parcel.from == from)
    }

    /// Whether nothing that this start did can have an effect any more. This is what a person has to make sure of
    /// before saying `--not-run`.
    pub(crate) fn is_done_with(&self, owner: Start) -> bool {
        !self.stage_of(owner).may_still_send()
            && !self.has_parcels_of(owner)
            && self.target.transaction(owner) != Transaction::Open
    }

    /// Whether the server has lost the connection on which this start's transaction is open, and has read all of it.
    pub(crate) fn is_abandoned(&self, from: Start) -> bool {
        let connected = matches!(
            self.stage_of(from),
            Stage::Asking(_)
                | Stage::Cleared { .. }
                | Stage::Sent { .. }
                | Stage::Ran { .. }
                | Stage::Committing { .. }
        );
        !connected && !self.has_parcels_of(from)
    }

    /// The record is written; what clients of the store can see of it is noted.
    pub(crate) fn store(&mut self, next: &Record, author: usize) {
        self.left_terminal |=
            self.record.state().is_terminal() || next.revision() != self.record.revision() + 1;
        self.hinted |= *next.state() == State::Approved;
        self.record = next.clone();
        self.author = Some(author);
    }

    /// The parcels that have not arrived, as actions name them.
    pub(crate) fn parcels(&self) -> impl Iterator<Item = (usize, u8, bool)> {
        let parcels = self.target.on_the_way.iter();
        parcels.map(|parcel| (parcel.from.gateway, parcel.from.start, parcel.what == What::Commit))
    }
}
