//! What must hold in every world.

use countersign_common::approval::State;
use stateright::{Model as _, Property};

use crate::action::{Action, Intent};
use crate::protocol::Protocol;
use crate::world::World;

pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(I1_SENT, |_: &Protocol, world: &World| world.target.sent <= 1),
        Property::always(I1_EFFECT, |_: &Protocol, world: &World| world.target.effects <= 1),
        Property::always(I2, |_: &Protocol, world: &World| !world.target.sent_other),
        Property::always(I3_RECORD, |_: &Protocol, world: &World| {
            !(world.record.says_no() && world.target.effects > 0)
        }),
        Property::always(I3_CLIENT, |_: &Protocol, world: &World| {
            !(world.told_no && world.target.effects > 0)
        }),
        Property::always(DONE, |_: &Protocol, world: &World| !is_done(world) || world.target.effects == 1),
        Property::always(I4, |_: &Protocol, world: &World| !world.record.decided_by_requester()),
        Property::always(I9, |_: &Protocol, world: &World| !world.left_terminal),
        Property::always(I10, |protocol: &Protocol, world: &World| {
            is_settled(protocol, world) || protocol.goes_on(world)
        }),
        Property::eventually(I10_EVENTUALLY, |_: &Protocol, world: &World| is_shown(world)),
        Property::sometimes("it runs", |_: &Protocol, world: &World| world.told_done),
        Property::sometimes("it is refused", |_: &Protocol, world: &World| world.told_no),
        Property::sometimes("it comes in doubt", |_: &Protocol, world: &World| world.in_doubt_of().is_some()),
    ]
}

/// The command is never forwarded twice.
pub(crate) const I1_SENT: &str = "I1: forwarded at most once";
/// It never has two effects.
pub(crate) const I1_EFFECT: &str = "I1: at most one effect";
/// Other bytes than those approved never go up.
pub(crate) const I2: &str = "I2: what goes up is what was approved";
/// What ended without it never had and never gets an effect.
pub(crate) const I3_RECORD: &str = "I3: no effect where the record says no";
/// No client is told no of what ran or may still run.
pub(crate) const I3_CLIENT: &str = "I3: no effect where a client was told no";
/// What is called done has run, once.
pub(crate) const DONE: &str = "what is called done has run";
/// The requester decides nothing.
pub(crate) const I4: &str = "I4: the requester decides nothing";
/// Nothing leaves a terminal state; revisions grow by one.
pub(crate) const I9: &str = "I9: nothing follows a terminal state";
/// As long as nothing but what has to happen happens, it ends or is shown as in doubt.
pub(crate) const I10: &str = "I10: what has come to rest has ended or is shown as in doubt";
/// The same, as stateright understands it.
pub(crate) const I10_EVENTUALLY: &str = "I10: it ends, or is shown as in doubt, in the end";

fn is_done(world: &World) -> bool {
    world.told_done || matches!(world.record.state(), State::Done { .. })
}

/// Ended, or shown as in doubt.
fn is_shown(world: &World) -> bool {
    world.record.state().is_terminal() || world.in_doubt_of().is_some()
}

/// Whether nothing is owed any more. Where the target can testify, an approval in doubt is still owed an end.
fn is_settled(protocol: &Protocol, world: &World) -> bool {
    let testifies = protocol.variant.redeems_with_evidence();
    if testifies { world.record.state().is_terminal() } else { is_shown(world) }
}

impl Protocol {
    /// Whether anything happens even if nobody wants anything and nothing goes wrong. No chain of such steps is
    /// endless (each moves an actor, the record or the clock forward), so a world in which something goes on, at
    /// every step of its way, comes to rest.
    fn goes_on(&self, world: &World) -> bool {
        let mut actions = Vec::new();
        self.actions(world, &mut actions);
        let mut certain = actions.into_iter().filter(|action| is_certain(world, action));
        certain.any(|action| self.next_state(world, action).is_some())
    }
}

/// Whether it happens by itself sooner or later: it takes neither a person, nor a client, nor a fault.
fn is_certain(world: &World, action: &Action) -> bool {
    match action {
        Action::Read(_, intent) => match intent {
            Intent::Approve
            | Intent::Deny
            | Intent::ApproveOwn
            | Intent::Revoke
            | Intent::Void
            | Intent::Person => false,
            Intent::Expire
            | Intent::Withdraw(_)
            | Intent::Redeem(_)
            | Intent::Report(_)
            | Intent::NotSent(_)
            | Intent::Unknown(_)
            | Intent::OwnerLost
            | Intent::Testimony => true,
        },
        // The lease of a gateway that is down runs out for certain; the loss of another is a fault.
        Action::LeaseLost(gateway, start) => {
            let start = crate::gateway::Start { gateway: *gateway, start: *start };
            world.stage_of(start) == crate::gateway::Stage::Down
        }
        Action::DeadlinePasses
        | Action::Swap(_)
        | Action::Reread(_)
        | Action::Look(_)
        | Action::AskAgain(_)
        | Action::Send(_)
        | Action::Commit(_)
        | Action::Arrives(..)
        | Action::TargetRollsBack(..) => true,
        Action::BundleBlocks
        | Action::SwapUnheard(..)
        | Action::NodeCrashes(_)
        | Action::ClientSends(_)
        | Action::ClientCancels(_)
        | Action::Hint(_)
        | Action::Ask(..)
        | Action::GiveUp(_)
        | Action::Break(_)
        | Action::GatewayCrashes(_)
        | Action::GatewayRestarts(_)
        | Action::NeverArrives(..) => false,
    }
}
