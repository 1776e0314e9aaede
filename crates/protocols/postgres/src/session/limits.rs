//! Refusals for the limits of a gateway. No policy has decided them, so they name the limit and what to do instead.

use countersign_common::Facts;
use countersign_common::facts::Flag;
use countersign_common::refusal::{Refusal, State};

use crate::statements::NAMES_MAX;

/// A message that is larger than what is read whole to be judged.
pub(super) fn too_large(bytes: usize, judged_bytes_max: usize) -> Refusal {
    let why = format!(
        "a message of {bytes} bytes is larger than the {judged_bytes_max} bytes that are judged whole on this target \
         (`judged_bytes_max`)"
    );
    Refusal::new(State::Blocked, why).with_advice(
        "Not executed: the message is too large, whatever policy says. Send large data with COPY ... FROM STDIN, which \
         has no such limit, or in smaller statements, or have `judged_bytes_max` of the target raised.",
    )
}

/// A refusal by policy of a statement that is larger than what is read: the policy knows it as unknown only.
pub(super) fn explained(refusal: Refusal, facts: &Facts) -> Refusal {
    let too_large = facts.operations.iter().any(|operation| operation.flags.contains(&Flag::TooLarge));
    if refusal.state != State::Blocked || !too_large {
        return refusal;
    }
    refusal.with_advice(
        "Not executed: the text of the statement is too large (4 MiB) or too deeply nested to be read, and what is not \
         read may do anything. Send large values as parameters, or with COPY ... FROM STDIN.",
    )
}

/// As many prepared statements as one connection may have.
pub(super) fn too_many_statements() -> Refusal {
    let why = format!(
        "this connection has {NAMES_MAX} prepared statements already, which is the limit of countersign for one connection"
    );
    Refusal::new(State::Blocked, why).with_advice(
        "Not executed: a limit of the gateway was reached, whatever policy says. Close prepared statements that are not \
         needed any more (DEALLOCATE, or Close in the protocol), let the driver keep fewer, or open another connection.",
    )
}

/// As many portals as one connection may have.
pub(super) fn too_many_portals() -> Refusal {
    let why = format!(
        "this connection has {NAMES_MAX} portals already, which is the limit of countersign for one connection"
    );
    Refusal::new(State::Blocked, why).with_advice(
        "Not executed: a limit of the gateway was reached, whatever policy says. Close portals that are not needed any \
         more, end the transaction, or open another connection.",
    )
}

/// A large message for which there was no memory in time.
pub(super) fn no_room(bytes: usize) -> Refusal {
    let why = format!(
        "there was no room for a message of {bytes} bytes: other large messages take what the gateway has for them \
         (`large_message_bytes_max`)"
    );
    Refusal::new(State::Unavailable, why)
}

/// A large message that its client does not send to its end.
pub(super) fn too_slow(rested: std::time::Duration) -> Refusal {
    let why =
        format!("no byte of a large message came for {} seconds, and its memory is needed", rested.as_secs());
    Refusal::new(State::Unavailable, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_that_is_too_large_to_be_read_is_explained() {
        let refusal = || Refusal::new(State::Blocked, "unknown commands are forbidden");
        let (large, odd) = (Facts::unknown(Flag::TooLarge), Facts::unknown(Flag::Unparsed));
        assert!(explained(refusal(), &large).sentence().contains("parameters"));
        assert_eq!(explained(refusal(), &odd), refusal());
        let pending = Refusal::new(State::Pending, "a dba has to agree");
        assert_eq!(explained(pending.clone(), &large), pending);
    }

    #[test]
    fn a_limit_is_named_with_what_to_do_and_is_no_policy() {
        for (refusal, limit, advice) in [
            (too_large(2_000_000, 1_048_576), "`judged_bytes_max`", "COPY"),
            (too_many_statements(), "50000", "DEALLOCATE"),
            (too_many_portals(), "50000", "Close"),
        ] {
            assert_eq!((refusal.state, refusal.executed), (State::Blocked, Some(false)));
            assert!(refusal.reason.contains(limit), "{}", refusal.reason);
            let sentence = refusal.sentence();
            assert!(sentence.starts_with("Not executed") && sentence.contains(advice), "{sentence}");
            assert!(!sentence.contains("policy forbids"), "{sentence}");
        }
        assert!(too_large(1, 1).sentence().contains("judged_bytes_max"));
    }
}
