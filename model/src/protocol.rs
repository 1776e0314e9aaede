//! What can happen in a world, and what the world is afterwards.

use countersign_common::approval::State;
use stateright::{Model, Property};

use crate::action::{Action, Intent};
use crate::gateway::{Stage, Start};
use crate::node::Node;
use crate::record::{Bytes, Record};
use crate::target::{Parcel, Transaction, What};
use crate::variant::{Faults, Variant};
use crate::world::World;

/// The protocol, in one of its forms, and what may go wrong in one run.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// The form.
    pub variant: Variant,
    /// What may go wrong.
    pub faults: Faults,
}

/// What people, the clock and the reconcilers want of nodes.
const OF_NOBODY: [Intent; 9] = [
    Intent::Approve,
    Intent::Deny,
    Intent::ApproveOwn,
    Intent::Revoke,
    Intent::Expire,
    Intent::Void,
    Intent::OwnerLost,
    Intent::Testimony,
    Intent::Person,
];

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        Record::held().map(|record| World::new(record, self.faults)).into_iter().collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend([Action::DeadlinePasses, Action::BundleBlocks]);
        for (g, start) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            if world.target.transaction(Start { gateway: g, start }) == Transaction::Open {
                actions.push(Action::TargetRollsBack(g, start));
            }
        }
        for (n, node) in world.nodes.iter().enumerate() {
            of_node(n, node, actions);
        }
        for (g, gateway) in world.gateways.iter().enumerate() {
            of_gateway(g, gateway.stage, actions);
        }
        if let Some((owner, _)) = world.redeemed_by() {
            actions.push(Action::LeaseLost(owner.gateway, owner.start));
        }
        for (gateway, start, commit) in world.parcels() {
            actions.push(Action::Arrives(gateway, start, commit));
            actions.push(Action::NeverArrives(gateway, start, commit));
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.apply(&mut next, &action)?;
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        crate::properties::all()
    }
}

fn of_node(n: usize, node: &Node, actions: &mut Vec<Action>) {
    match node {
        Node::Idle => {
            actions.extend(OF_NOBODY.map(|intent| Action::Read(n, intent)));
            for g in 0..2 {
                let of_gateways = [
                    Intent::Withdraw(g),
                    Intent::Redeem(g),
                    Intent::Report(g),
                    Intent::NotSent(g),
                    Intent::Unknown(g),
                ];
                actions.extend(of_gateways.map(|intent| Action::Read(n, intent)));
            }
        }
        Node::Writing { .. } => actions.extend([
            Action::Swap(n),
            Action::SwapUnheard(n, true),
            Action::SwapUnheard(n, false),
            Action::NodeCrashes(n),
        ]),
        Node::Unsure { .. } => actions.extend([Action::Reread(n), Action::NodeCrashes(n)]),
    }
}

fn of_gateway(g: usize, stage: Stage, actions: &mut Vec<Action>) {
    if stage.is_under_way() {
        actions.extend([Action::Look(g), Action::GatewayCrashes(g)]);
    }
    match stage {
        Stage::Idle => actions.push(Action::ClientSends(g)),
        Stage::Waiting => actions.extend([
            Action::ClientCancels(g),
            Action::Hint(g),
            Action::Ask(g, Bytes::Approved),
            Action::Ask(g, Bytes::Other),
        ]),
        Stage::Asking(_) => actions.extend([Action::AskAgain(g), Action::GiveUp(g)]),
        Stage::Cleared { .. } => actions.extend([Action::Send(g), Action::Break(g)]),
        Stage::Sent { .. } => actions.push(Action::Break(g)),
        Stage::Ran { .. } => actions.extend([Action::Commit(g), Action::Break(g)]),
        Stage::Committing { .. } => actions.push(Action::Break(g)),
        Stage::Down => actions.push(Action::GatewayRestarts(g)),
        Stage::Withdrawing | Stage::GaveUp | Stage::Answered { .. } | Stage::Broken { .. } | Stage::Over => {}
    }
}

impl Protocol {
    /// Lets the action happen; `None`: it cannot.
    fn apply(&self, world: &mut World, action: &Action) -> Option<()> {
        match *action {
            Action::DeadlinePasses => world.late = true,
            Action::BundleBlocks => world.blocked = true,
            Action::Read(n, intent) => self.read(world, n, intent)?,
            Action::Swap(n) => self.swap(world, n)?,
            Action::SwapUnheard(n, done) => swap_unheard(world, n, done)?,
            Action::Reread(n) => self.reread(world, n)?,
            Action::NodeCrashes(n) => {
                world.faults.crashes = world.faults.crashes.checked_sub(1)?;
                *world.nodes.get_mut(n)? = Node::Idle;
            }
            Action::ClientSends(g) => go(world, g, Stage::Waiting)?,
            Action::ClientCancels(g) => go(world, g, Stage::Withdrawing)?,
            Action::Look(g) => self.look(world, g)?,
            Action::Hint(g) => self.hint(world, g)?,
            Action::Ask(g, bytes) => self.ask(world, g, bytes)?,
            Action::AskAgain(g) => ask_again(world, g)?,
            Action::GiveUp(g) => go(world, g, Stage::GaveUp)?,
            Action::Send(g) => self.send(world, g)?,
            Action::Commit(g) => commit(world, g)?,
            Action::Break(g) => {
                world.faults.breaks = world.faults.breaks.checked_sub(1)?;
                break_off(world, g)?;
            }
            Action::GatewayCrashes(g) => {
                world.faults.crashes = world.faults.crashes.checked_sub(1)?;
                go(world, g, Stage::Down)?;
            }
            Action::GatewayRestarts(g) => restart(world, g)?,
            Action::LeaseLost(gateway, start) => lose_lease(world, Start { gateway, start })?,
            Action::Arrives(g, start, commit) => self.arrive(world, Action::parcel(g, start, commit))?,
            Action::NeverArrives(g, start, commit) => {
                world.faults.breaks = world.faults.breaks.checked_sub(1)?;
                let parcel = Action::parcel(g, start, commit);
                world.target.take(parcel)?;
                if world.start(g) == Some(parcel.from) {
                    // Bytes are lost only with the connection that carries them.
                    break_off(world, g);
                }
            }
            Action::TargetRollsBack(gateway, start) => {
                let from = Start { gateway, start };
                if !world.is_abandoned(from) {
                    return None;
                }
                world.target.become_of(from, Transaction::RolledBack);
            }
        }
        Some(())
    }

    /// A node reads, and makes what it will write.
    fn read(&self, world: &mut World, n: usize, intent: Intent) -> Option<()> {
        let next = self.next_record(world, intent)?;
        let read = world.record.revision();
        *world.nodes.get_mut(n)? = Node::Writing { read, next, intent };
        Some(())
    }

    /// A node's compare-and-swap, heard.
    fn swap(&self, world: &mut World, n: usize) -> Option<()> {
        let Node::Writing { read, next, intent } = std::mem::replace(world.nodes.get_mut(n)?, Node::Idle)
        else {
            return None;
        };
        if world.record.revision() == read {
            world.store(&next, n);
            granted(world, intent, &next);
        }
        Some(())
    }

    /// A node that did not hear looks for its attempt id: mine means done.
    fn reread(&self, world: &mut World, n: usize) -> Option<()> {
        let Node::Unsure { next, intent } = std::mem::replace(world.nodes.get_mut(n)?, Node::Idle) else {
            return None;
        };
        if world.author == Some(n) && world.record.revision() == next.revision() {
            granted(world, intent, &next);
        }
        Some(())
    }

    /// A gateway sees how the approval stands, or that what it asked for is refused.
    fn look(&self, world: &mut World, g: usize) -> Option<()> {
        let open = world.record.state().is_open();
        match world.gateway(g)?.stage {
            Stage::Waiting if open && world.late && self.variant == Variant::ExpiredByTheClock => {
                world.told_no = true;
                go(world, g, Stage::Over)
            }
            Stage::Waiting if !open => tell(world, g),
            Stage::Withdrawing if !open => {
                world.told_no |= self.variant == Variant::WithdrawnUnheard;
                tell(world, g)
            }
            Stage::Asking(_) if self.refuses(world, Intent::Redeem(g)) && !owns(world, g) => {
                // Too late, blocked by now, or for other bytes. While the record is open, an earlier asking of the
                // same may still be under way at another node: it is not sent whatever becomes of that.
                if open { go(world, g, Stage::GaveUp) } else { tell(world, g) }
            }
            Stage::GaveUp if !open && self.refuses(world, Intent::NotSent(g)) => go(world, g, Stage::Over),
            Stage::Broken { .. } if self.refuses(world, Intent::Unknown(g)) => tell(world, g),
            Stage::Answered { .. } if self.refuses(world, Intent::Report(g)) => {
                world.told_done = true;
                go(world, g, Stage::Over)
            }
            _ => None,
        }
    }

    fn refuses(&self, world: &World, intent: Intent) -> bool {
        self.next_record(world, intent).is_none()
    }

    /// A hint says "look again"; the broken gateway takes it for the grant.
    fn hint(&self, world: &mut World, g: usize) -> Option<()> {
        if !world.hinted {
            return None;
        }
        match self.variant {
            Variant::HintAlone => go(world, g, Stage::Cleared { fence: 0, bytes: Bytes::Approved }),
            _ => self.look(world, g).or_else(|| self.ask(world, g, Bytes::Approved)),
        }
    }

    /// A gateway that sees the approval asks for it; with the number of a transaction that it has opened, or without.
    fn ask(&self, world: &mut World, g: usize, bytes: Bytes) -> Option<()> {
        let waits = world.gateway(g)?.stage == Stage::Waiting;
        (waits && *world.record.state() == State::Approved).then_some(())?;
        if self.variant.redeems_with_evidence() {
            let from = world.start(g)?;
            world.target.become_of(from, Transaction::Open);
        }
        go(world, g, Stage::Asking(bytes))
    }

    fn send(&self, world: &mut World, g: usize) -> Option<()> {
        let Stage::Cleared { fence, bytes } = world.gateway(g)?.stage else { return None };
        let from = world.start(g)?;
        if self.variant == Variant::OtherTransaction {
            // The one of which the number is kept is given up.
            world.target.become_of(from, Transaction::RolledBack);
        }
        world.target.send(from, bytes);
        go(world, g, Stage::Sent { fence })
    }

    /// Whether the command runs in the transaction whose number is kept.
    fn runs_in_kept(&self) -> bool {
        self.variant.redeems_with_evidence() && self.variant != Variant::OtherTransaction
    }

    /// Bytes reach the target.
    fn arrive(&self, world: &mut World, parcel: Parcel) -> Option<()> {
        world.target.take(parcel)?;
        let stage = match (parcel.what, world.stage_of(parcel.from)) {
            (What::Command, Stage::Sent { fence }) if self.runs_in_kept() => Some(Stage::Ran { fence }),
            (What::Command, Stage::Sent { fence }) | (What::Commit, Stage::Committing { fence }) => {
                Some(Stage::Answered { fence })
            }
            // Nobody is there any more to hear the answer.
            _ => None,
        };
        match parcel.what {
            // It runs in the transaction that was opened for it.
            What::Command if self.runs_in_kept() => {}
            What::Command if self.variant == Variant::TakeBackMarked && world.target.effects > 0 => {}
            What::Command => world.target.effects += 1,
            What::Commit => {
                world.target.become_of(parcel.from, Transaction::Committed);
                world.target.effects += 1;
            }
        }
        if let Some(stage) = stage {
            go(world, parcel.from.gateway, stage)?;
        }
        Some(())
    }
}

/// The gateway orders the target to commit.
fn commit(world: &mut World, g: usize) -> Option<()> {
    let Stage::Ran { fence } = world.gateway(g)?.stage else { return None };
    let from = world.start(g)?;
    world.target.put(Parcel { from, what: What::Commit });
    go(world, g, Stage::Committing { fence })
}

/// What a gateway does when the step that it asked for was taken.
fn granted(world: &mut World, intent: Intent, next: &Record) {
    let _ = match (intent, next.state()) {
        (Intent::Redeem(g), State::Redeemed { .. }) => ask_again(world, g),
        // The others look at the record when they are answered.
        _ => None,
    };
}

/// A gateway that asked learns that the step was taken for it, however often it had to ask.
fn ask_again(world: &mut World, g: usize) -> Option<()> {
    let (owner, fence) = world.redeemed_by()?;
    if world.start(g)? != owner {
        return None;
    }
    match world.gateway(g)?.stage {
        Stage::Asking(bytes) => go(world, g, Stage::Cleared { fence, bytes }),
        _ => None,
    }
}

fn swap_unheard(world: &mut World, n: usize, done: bool) -> Option<()> {
    world.faults.writes = world.faults.writes.checked_sub(1)?;
    let Node::Writing { read, next, intent } = std::mem::replace(world.nodes.get_mut(n)?, Node::Idle) else {
        return None;
    };
    if done && world.record.revision() == read {
        world.store(&next, n);
    }
    *world.nodes.get_mut(n)? = Node::Unsure { next, intent };
    Some(())
}

fn break_off(world: &mut World, g: usize) -> Option<()> {
    match world.gateway(g)?.stage {
        Stage::Cleared { fence, .. }
        | Stage::Sent { fence }
        | Stage::Ran { fence }
        | Stage::Committing { fence } => go(world, g, Stage::Broken { fence }),
        _ => None,
    }
}

fn restart(world: &mut World, g: usize) -> Option<()> {
    let gateway = world.gateways.get_mut(g)?;
    if gateway.start > 0 {
        return None;
    }
    gateway.start += 1;
    gateway.stage = Stage::Idle;
    Some(())
}

/// A dead gateway loses its lease for certain, a living one now and then.
fn lose_lease(world: &mut World, start: Start) -> Option<()> {
    if *world.leases_lost.get(start.bit())? {
        return None;
    }
    if world.stage_of(start) != Stage::Down {
        world.faults.leases = world.faults.leases.checked_sub(1)?;
    }
    *world.leases_lost.get_mut(start.bit())? = true;
    Some(())
}

/// Whether the approval is redeemed by this gateway as it runs now.
fn owns(world: &World, g: usize) -> bool {
    world.redeemed_by().is_some_and(|(owner, _)| world.start(g) == Some(owner))
}

/// The client is told how the record stands, and this gateway is done with the command.
fn tell(world: &mut World, g: usize) -> Option<()> {
    world.told_no |= world.record.says_no();
    go(world, g, Stage::Over)
}

fn go(world: &mut World, g: usize, stage: Stage) -> Option<()> {
    world.gateways.get_mut(g)?.stage = stage;
    Some(())
}
