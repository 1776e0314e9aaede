//! What is wanted of a node, as an event of the product, and the record that the product makes of it.

use countersign_common::approval::{Event, Evidence, Outcome, State, Vote};
use countersign_common::id::{GroupName, Subject};
use countersign_common::principal::{Kind, Principal};

use crate::action::Intent;
use crate::gateway::Stage;
use crate::protocol::Protocol;
use crate::record::{Record, digest_of};
use crate::target::Transaction;
use crate::variant::Variant;
use crate::world::World;

impl Protocol {
    /// The record that a node would write now for this intent; `None`: nobody wants it, or the approval does not
    /// take it.
    pub(crate) fn next_record(&self, world: &World, intent: Intent) -> Option<Record> {
        let event = self.event(world, intent)?;
        let next = world.record.step(&event, world.late)?;
        match event {
            Event::OwnerLost { .. } if self.variant.takes_back() => Some(world.record.taken_back()),
            _ => Some(next),
        }
    }

    fn event(&self, world: &World, intent: Intent) -> Option<Event> {
        match intent {
            Intent::Approve => vote("ann", Vote::Approve),
            Intent::Deny => vote("bob", Vote::Deny),
            Intent::ApproveOwn => vote("carol", Vote::Approve),
            Intent::Revoke if *world.record.state() == State::Approved => {
                Some(Event::Revoke { by: Subject::new("bob").ok()? })
            }
            Intent::Revoke => None,
            Intent::Expire => Some(Event::Expire),
            Intent::Void if world.blocked => Some(Event::Void { reason: String::new() }),
            Intent::Void => None,
            Intent::OwnerLost => {
                let (owner, fence) = world.redeemed_by()?;
                world.leases_lost.get(owner.bit())?.then_some(Event::OwnerLost { fence })
            }
            Intent::Testimony => self.testimony(world),
            Intent::Person => {
                let owner = world.in_doubt_of()?;
                world.is_done_with(owner).then(|| resolved(world.target.effects > 0))
            }
            Intent::Withdraw(g) => (world.gateway(g)?.stage == Stage::Withdrawing).then_some(Event::Withdraw),
            Intent::Redeem(g) => self.redeem(world, g),
            Intent::Report(g) => match world.gateway(g)?.stage {
                Stage::Answered { fence } => Some(Event::Report { fence, outcome: Outcome::Completed }),
                _ => None,
            },
            Intent::NotSent(g) => self.not_sent(world, g),
            Intent::Unknown(g) => match world.gateway(g)?.stage {
                Stage::Broken { fence } => Some(Event::OwnerLost { fence }),
                _ => None,
            },
        }
    }

    /// The redeeming step, unless the bundle in force blocks the command by now.
    fn redeem(&self, world: &World, g: usize) -> Option<Event> {
        let Stage::Asking(bytes) = world.gateway(g)?.stage else { return None };
        (!world.blocked).then_some(())?;
        Some(Event::Redeem {
            digest: digest_of(bytes),
            owner: world.start(g)?.id(),
            ineligible: std::collections::BTreeSet::new(),
            evidence: self.evidence(),
        })
    }

    /// Evidence by which the target will remember it; the approval's owner says whose it is.
    fn evidence(&self) -> Evidence {
        if self.variant.redeems_with_evidence() { Evidence::Presented("xid".into()) } else { Evidence::None }
    }

    /// The target remembers a transaction that was committed or rolled back; of an open one it cannot tell yet.
    fn testimony(&self, world: &World) -> Option<Event> {
        let owner = world.in_doubt_of()?;
        match world.target.transaction(owner) {
            _ if !world.record.has_evidence() => None,
            Transaction::Committed => Some(resolved(true)),
            Transaction::RolledBack => Some(resolved(false)),
            Transaction::Open if self.variant == Variant::OpenTakenForUndone => Some(resolved(false)),
            Transaction::None | Transaction::Open => None,
        }
    }

    /// One who gave up says so when the step was taken for it after all, also when it was given up itself
    /// meanwhile.
    fn not_sent(&self, world: &World, g: usize) -> Option<Event> {
        match world.gateway(g)?.stage {
            Stage::GaveUp => {
                let (owner, fence) = world.unanswered()?;
                let takes_any = self.variant == Variant::NotSentOfAnother;
                (takes_any || world.start(g)? == owner).then_some(Event::NotSent { fence })
            }
            _ => None,
        }
    }
}

fn resolved(ran: bool) -> Event {
    Event::Resolve { ran, reason: String::new() }
}

fn vote(name: &str, vote: Vote) -> Option<Event> {
    let by = Principal {
        subject: Subject::new(name).ok()?,
        kind: Kind::Human,
        groups: [GroupName::new("dba").ok()?].into(),
        on_behalf_of: Vec::new(),
    };
    Some(Event::Decide { by, vote, reason: None, method: "token".into(), issuers: Default::default() })
}
