//! How often each session has compared masked columns with constants for equality: agents look customers up so, and one
//! that guesses values needs many. Counted by this gateway, over all connections of a session.

use std::time::Duration;

use countersign_common::id::SessionId;
use countersign_common::refusal::{NextAction, Refusal, State};
use countersign_common::verdict::{DataClass, Duties};
use parking_lot::Mutex;
use std::sync::Arc;

/// Sessions and classes that are counted at once. Beyond it what was used least recently begins anew.
const COUNTED_MAX: u64 = 200_000;

/// A session that has looked nothing up for so long begins anew.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The counts of all sessions of one gateway.
#[derive(Debug, Clone)]
pub(crate) struct Lookups(moka::sync::Cache<(SessionId, DataClass), Arc<Mutex<u64>>>);

impl Default for Lookups {
    fn default() -> Self {
        Self(moka::sync::Cache::builder().max_capacity(COUNTED_MAX).time_to_idle(FORGOTTEN_AFTER).build())
    }
}

impl Lookups {
    /// Counts `count` lookups of a session with values of a class; the refusal when they are more than its limit allows.
    /// What is refused does not count.
    pub(crate) fn count(
        &self,
        session: SessionId,
        class: &DataClass,
        count: u64,
        duties: &Duties,
    ) -> Option<Refusal> {
        let max = *duties.lookups_max.get(class)?;
        let counter = self.0.get_with((session, class.clone()), Arc::default);
        let mut counter = counter.lock();
        let counted = counter.saturating_add(count);
        if counted > max {
            return Some(used_up(class, max));
        }
        *counter = counted;
        None
    }
}

fn used_up(class: &DataClass, max: u64) -> Refusal {
    let reason = format!(
        "this session has made the {max} lookups by values of class `{}` that are allowed to it; ask the operator",
        class.0
    );
    Refusal { next_action: NextAction::Stop, ..Refusal::new(State::Limited, reason) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_session_has_so_many_lookups_and_another_has_its_own() {
        let (email, phone) = (DataClass("email".into()), DataClass("phone".into()));
        let duties =
            Duties { lookups_max: Arc::new(BTreeMap::from([(email.clone(), 3)])), ..Duties::default() };
        let lookups = Lookups::default();
        let (one, two) = (SessionId::from_u128(1), SessionId::from_u128(2));
        let refused = |session, class: &DataClass, count| {
            lookups.count(session, class, count, &duties).map(|refusal| refusal.state)
        };
        assert_eq!(refused(one, &email, 2), None);
        assert_eq!(refused(one, &email, 2), Some(State::Limited));
        assert_eq!(refused(one, &email, 1), None, "what was refused did not count");
        assert_eq!(refused(one, &email, 1), Some(State::Limited));
        assert_eq!(refused(two, &email, 3), None);
        assert_eq!(refused(one, &phone, 1_000_000), None, "a class without a limit");
    }
}
