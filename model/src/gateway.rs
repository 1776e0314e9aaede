//! A gateway, with the one connection on which the command was sent.

use countersign_common::id::NodeId;

use crate::record::Bytes;

/// One of the two gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Gateway {
    /// Number of the current incarnation: 0 or 1.
    pub(crate) start: u8,
    /// Progress of the command on this gateway.
    pub(crate) stage: Stage,
}

/// Progress of the command on a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// The client has not sent the command here.
    Idle,
    /// The command waits for approval.
    Waiting,
    /// The client cancelled; the withdrawal is in progress.
    Withdrawing,
    /// The gateway saw the approval and has requested the redeeming step, with the digest of these bytes.
    Asking(Bytes),
    /// No answer came in time, or one node rejected the request while another may still be writing. The client was
    /// told to return later. The gateway will not send, and reports that when it learns that the step succeeded.
    GaveUp,
    /// These bytes may be sent to the target.
    Cleared { fence: u64, bytes: Bytes },
    /// The command was sent to the target.
    Sent { fence: u64 },
    /// The target ran the command in the open transaction that the evidence names. The gateway may commit.
    Ran { fence: u64 },
    /// The gateway has asked the target to commit.
    Committing { fence: u64 },
    /// The target confirmed that the command ran; the report is outstanding.
    Answered { fence: u64 },
    /// The connection to the target broke before the answer; the report is outstanding.
    Broken { fence: u64 },
    /// The client was told the outcome, as far as known.
    Over,
    /// The gateway is not running.
    Down,
}

/// One incarnation of one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Start {
    pub(crate) gateway: usize,
    pub(crate) start: u8,
}

impl Start {
    /// Identifier that owns an approval.
    pub(crate) fn id(self) -> NodeId {
        NodeId::from_u128(1 + self.bit() as u128)
    }

    /// Returns the incarnation with this id.
    pub(crate) fn of(id: NodeId) -> Option<Self> {
        let all = [0, 1].into_iter().flat_map(|gateway| [0, 1].map(|start| Self { gateway, start }));
        all.into_iter().find(|start| start.id() == id)
    }

    /// Index among the four possible incarnations.
    pub(crate) const fn bit(self) -> usize {
        self.gateway * 2 + self.start as usize
    }
}

impl Stage {
    /// Returns `true` if a crash in this stage would affect later steps.
    pub(crate) const fn is_under_way(self) -> bool {
        !matches!(self, Self::Idle | Self::Over | Self::Down)
    }

    /// Returns `true` if the gateway can still make the command run.
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
