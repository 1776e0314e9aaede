//! What can happen next, in words that a path of them can be read by.

use std::fmt;

use crate::gateway::Start;
use crate::record::Bytes;
use crate::target::{Parcel, What};

/// One thing that happens. Gateways and nodes are given by number, 0 or 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The deadline passes.
    DeadlinePasses,
    /// A bundle that blocks the command comes into force.
    BundleBlocks,
    /// A node reads the record and makes the next one of it, with `step`.
    Read(usize, Intent),
    /// A node's compare-and-swap is done, or refused because the record has moved on.
    Swap(usize),
    /// A node writes and does not hear whether that was done; it was, or it was not.
    SwapUnheard(usize, bool),
    /// A node that did not hear reads again: the attempt id says whether the write was its own.
    Reread(usize),
    /// A node crashes and starts anew.
    NodeCrashes(usize),
    /// The client sends the same bytes on this gateway.
    ClientSends(usize),
    /// The client cancels.
    ClientCancels(usize),
    /// A gateway looks at the approval: its watch has moved, or an answer was a refusal.
    Look(usize),
    /// A hint reaches a gateway; the same hint may come again, late, or never.
    Hint(usize),
    /// A gateway that saw the approval asks for the redeeming step, with these bytes. Where its number is kept with that,
    /// the transaction is open by then.
    Ask(usize, Bytes),
    /// A gateway asks the same again, with the same attempt id, and is told that it was done.
    AskAgain(usize),
    /// A gateway no longer waits for the answer, and tells its client so.
    GiveUp(usize),
    /// A gateway sends the command to the target.
    Send(usize),
    /// A gateway asks the target to commit.
    Commit(usize),
    /// A gateway's connection to the target breaks.
    Break(usize),
    /// A gateway crashes.
    GatewayCrashes(usize),
    /// A gateway starts anew.
    GatewayRestarts(usize),
    /// The lease of this start of a gateway is lost, whether or not it still runs.
    LeaseLost(usize, u8),
    /// Bytes reach the target, however late.
    Arrives(usize, u8, bool),
    /// Bytes never reach the target.
    NeverArrives(usize, u8, bool),
    /// The target rolls back the transaction of a start whose connection is gone.
    TargetRollsBack(usize, u8),
}

/// For whom, and for what, a node changes the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Ann says yes.
    Approve,
    /// Bob says no.
    Deny,
    /// Carol, on whose behalf the agent asks, says yes.
    ApproveOwn,
    /// An approver takes it back.
    Revoke,
    /// The deadline has passed.
    Expire,
    /// The bundle in force blocks it.
    Void,
    /// The client of this gateway takes it back.
    Withdraw(usize),
    /// This gateway wants to use it up.
    Redeem(usize),
    /// This gateway reports that the command ran.
    Report(usize),
    /// This gateway reports that the command had no effect and will have none.
    NotSent(usize),
    /// This gateway reports that nobody knows.
    Unknown(usize),
    /// The owner's lease is gone.
    OwnerLost,
    /// The target is asked about the evidence.
    Testimony,
    /// A person has found out whether it ran.
    Person,
}

impl Action {
    /// The bytes that an arrival is about.
    pub(crate) const fn parcel(gateway: usize, start: u8, commit: bool) -> Parcel {
        let what = if commit { What::Commit } else { What::Command };
        Parcel { from: Start { gateway, start }, what }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |commit: &bool| if *commit { "order to commit" } else { "command" };
        match self {
            Self::DeadlinePasses => write!(f, "the deadline passes"),
            Self::BundleBlocks => write!(f, "a bundle that blocks the command comes into force"),
            Self::Read(n, intent) => write!(f, "node {n} reads the record in order to {intent}"),
            Self::Swap(n) => write!(f, "node {n} writes by compare-and-swap"),
            Self::SwapUnheard(n, true) => write!(f, "node {n} writes, and does not hear that it was done"),
            Self::SwapUnheard(n, false) => {
                write!(f, "node {n} writes, and does not hear that it was not done")
            }
            Self::Reread(n) => write!(f, "node {n} reads again and looks for its attempt id"),
            Self::NodeCrashes(n) => write!(f, "node {n} crashes and starts anew"),
            Self::ClientSends(g) => write!(f, "the client sends the same on gateway {g}"),
            Self::ClientCancels(g) => write!(f, "the client cancels on gateway {g}"),
            Self::Look(g) => write!(f, "gateway {g} looks at the record and acts on it"),
            Self::Hint(g) => write!(f, "a hint reaches gateway {g}"),
            Self::Ask(g, Bytes::Approved) => write!(f, "gateway {g} saw the approval and asks to use it"),
            Self::Ask(g, Bytes::Other) => write!(f, "gateway {g} asks to use the approval for other bytes"),
            Self::AskAgain(g) => write!(f, "gateway {g} asks again, and is told that it owns the approval"),
            Self::GiveUp(g) => write!(f, "gateway {g} no longer waits for the answer"),
            Self::Send(g) => write!(f, "gateway {g} sends the command"),
            Self::Commit(g) => write!(f, "gateway {g} orders the target to commit"),
            Self::Break(g) => write!(f, "the connection of gateway {g} to the target breaks"),
            Self::GatewayCrashes(g) => write!(f, "gateway {g} crashes"),
            Self::GatewayRestarts(g) => write!(f, "gateway {g} starts anew"),
            Self::LeaseLost(g, start) => write!(f, "the lease of start {start} of gateway {g} is lost"),
            Self::Arrives(g, _, commit) => {
                write!(f, "the {} of gateway {g} arrives at the target", bytes(commit))
            }
            Self::NeverArrives(g, _, commit) => {
                write!(f, "the {} of gateway {g} never arrives", bytes(commit))
            }
            Self::TargetRollsBack(g, _) => write!(f, "the target rolls back what gateway {g} has left open"),
        }
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Approve => write!(f, "note ann's yes"),
            Self::Deny => write!(f, "note bob's no"),
            Self::ApproveOwn => write!(f, "note carol's yes to her own request"),
            Self::Revoke => write!(f, "revoke the approval"),
            Self::Expire => write!(f, "mark it expired"),
            Self::Void => write!(f, "void it by the bundle in force"),
            Self::Withdraw(g) => write!(f, "withdraw it for gateway {g}"),
            Self::Redeem(g) => write!(f, "redeem it for gateway {g}"),
            Self::Report(g) => write!(f, "note gateway {g}'s report that it ran"),
            Self::NotSent(g) => write!(f, "note gateway {g}'s report that it did not run"),
            Self::Unknown(g) => write!(f, "note gateway {g}'s report that nobody knows"),
            Self::OwnerLost => write!(f, "mark its owner lost"),
            Self::Testimony => write!(f, "note what the target testifies"),
            Self::Person => write!(f, "note what a person found out"),
        }
    }
}
