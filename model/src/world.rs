//! The state of the model: the store, the nodes, the gateways, the target, and the answers to clients.

use countersign_common::approval::State;

use crate::gateway::{Gateway, Stage, Start};
use crate::node::Node;
use crate::record::Record;
use crate::target::{Target, Transaction, What};
use crate::variant::Faults;

/// One state of the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// The record in the store.
    pub(crate) record: Record,
    /// The node that wrote the record. Together with the revision, this stands for the attempt id.
    pub(crate) author: Option<usize>,
    /// `true` once a hint of the approval was published.
    pub(crate) hinted: bool,
    /// `true` once the deadline has passed.
    pub(crate) late: bool,
    /// `true` once the current bundle blocks the command.
    pub(crate) blocked: bool,
    pub(crate) nodes: [Node; 2],
    pub(crate) gateways: [Gateway; 2],
    /// Lost leases, by [`Start::bit`].
    pub(crate) leases_lost: [bool; 4],
    pub(crate) target: Target,
    /// `true` once a client was told that the command did not run and will not.
    pub(crate) told_no: bool,
    /// `true` once a client was told that the command ran.
    pub(crate) told_done: bool,
    /// `true` once a write followed a terminal state, or did not increment the revision.
    pub(crate) left_terminal: bool,
    /// Faults that may still occur.
    pub(crate) faults: Faults,
}

impl World {
    /// Initial state: gateway 0 has just put the command on hold.
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

    /// Current incarnation of this gateway.
    pub(crate) fn start(&self, gateway: usize) -> Option<Start> {
        Some(Start { gateway, start: self.gateway(gateway)?.start })
    }

    /// Progress of the command on this incarnation; `Down` for a past one.
    pub(crate) fn stage_of(&self, start: Start) -> Stage {
        match self.gateway(start.gateway) {
            Some(gateway) if gateway.start == start.start => gateway.stage,
            _ => Stage::Down,
        }
    }

    /// Owner and fence while the approval is redeemed.
    pub(crate) fn redeemed_by(&self) -> Option<(Start, u64)> {
        match self.record.state() {
            State::Redeemed { owner, fence, .. } => Some((Start::of(*owner)?, *fence)),
            _ => None,
        }
    }

    /// Owner while the approval is in doubt.
    pub(crate) fn in_doubt_of(&self) -> Option<Start> {
        match self.record.state() {
            State::InDoubt { owner, .. } => Start::of(*owner),
            _ => None,
        }
    }

    /// Owner and fence while the outcome is not reported.
    pub(crate) fn unanswered(&self) -> Option<(Start, u64)> {
        match self.record.state() {
            State::Redeemed { owner, fence } | State::InDoubt { owner, fence } => {
                Some((Start::of(*owner)?, *fence))
            }
            _ => None,
        }
    }

    /// Returns `true` if bytes of this incarnation are still in transit.
    pub(crate) fn has_parcels_of(&self, from: Start) -> bool {
        self.target.on_the_way.iter().any(|parcel| parcel.from == from)
    }

    /// Returns `true` if nothing that this incarnation did can have an effect any more. A person must make sure of
    /// this before `--not-run`.
    pub(crate) fn is_done_with(&self, owner: Start) -> bool {
        !self.stage_of(owner).may_still_send()
            && !self.has_parcels_of(owner)
            && self.target.transaction(owner) != Transaction::Open
    }

    /// Returns `true` if the server has lost the connection of this incarnation's open transaction, and has read all
    /// of its bytes.
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

    /// Writes the record, and updates what clients of the store can observe.
    pub(crate) fn store(&mut self, next: &Record, author: usize) {
        self.left_terminal |=
            self.record.state().is_terminal() || next.revision() != self.record.revision() + 1;
        self.hinted |= *next.state() == State::Approved;
        self.record = next.clone();
        self.author = Some(author);
    }

    /// Bytes in transit, in the form that actions use.
    pub(crate) fn parcels(&self) -> impl Iterator<Item = (usize, u8, bool)> {
        let parcels = self.target.on_the_way.iter();
        parcels.map(|parcel| (parcel.from.gateway, parcel.from.start, parcel.what == What::Commit))
    }
}
