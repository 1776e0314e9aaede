//! A gateway with the one connection on which the command was sent.

use countersign_common::id::NodeId;

use crate::record::Bytes;

/// One of the two gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Gateway {
    /// Which start of it this is: 0 or 1.
    pub(crate) start: u8,
    /// How far the command is.
    pub(crate) stage: Stage,
}

/// How far the command is on this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// The client has not sent it here.
    Idle,
    /// It waits for people.
    Waiting,
    /// The client cancelled it; the withdrawal is on its way.
    Withdrawing,
    /// It was seen approved; the redeeming step is asked for, with the digest of these bytes.
    Asking(Bytes),
    /// No answer came in time, or a refusal from one node while another may still be writing. The client was told
    /// to come back; the gateway will not send, and says so when it learns that the step was taken.
    GaveUp,
    /// These bytes may go.
    Cleared { fence: u64, bytes: Bytes },
    /// It went up.
    Sent { fence: u64 },
    /// The target ran it in the open transaction that the evidence names; it may commit.
    Ran { fence: u64 },
    /// The target was asked to commit.
    Committing { fence: u64 },
    /// The target said that it ran; that is to be reported.
    Answered { fence: u64 },
    /// The connection to the target broke before the answer; that is to be reported.
    Broken { fence: u64 },
    /// The client was told how it ended, as far as known.
    Over,
    /// The gateway is down.
    Down,
}

/// One start of one gateway: what the product calls a node's incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Start {
    pub(crate) gateway: usize,
    pub(crate) start: u8,
}

impl Start {
    /// What owns an approval.
    pub(crate) fn id(self) -> NodeId {
        NodeId::from_u128(1 + self.bit() as u128)
    }

    /// The start with this id.
    pub(crate) fn of(id: NodeId) -> Option<Self> {
        let all = [0, 1].into_iter().flat_map(|gateway| [0, 1].map(|start| Self { gateway, start }));
        all.into_iter().find(|start| start.id() == id)
    }

    /// Its place among the four starts that there are.
    pub(crate) const fn bit(self) -> usize {
        self.gateway * 2 + self.start as usize
    }
}

impl Stage {
    /// Whether a crash now would change what follows.
    pub(crate) const fn is_under_way(self) -> bool {
        !matches!(self, Self::Idle | Self::Over | Self::Down)
    }

    /// Whether this gateway can still make the command run.
    pub(crate) const fn may_still_send(self) -> bool {
        match self {
            Self::Cleared { .. }
            | Self::Sent { .. }
            | Self::Ran { .. }
            | Self::Committing { .. }
            | Self::Asking(_) => true,
            Self::Idle
            | Self::Waiting
            | Self::Withdrawing
            | Self::GaveUp
            | Self::Answered { .. }
            | Self::Broken { .. }
            | Self::Over
            | Self::Down => false,
        }
    }
}
