//! The lineage of what a session runs, as the masking rules see it.

use countersign_masking::Rules;
use countersign_sql::Reading;
use countersign_sql::lineage::Watched;

use super::flow::Flow;
use crate::exchange::Unit;
use crate::masked_use::MaskedUse;
use crate::statements::{Known, Meaning};

impl Flow {
    /// What a command does with the columns that `rules` name: by what its names mean now, and by what they meant when its
    /// portal was bound.
    pub(crate) fn masked_use_of(&self, unit: &Unit, rules: &Rules) -> MaskedUse {
        if rules.is_empty() {
            return MaskedUse::default();
        }
        // INVARIANT: I7. A call by the protocol's own message is read by nobody.
        let Some(reading) = &unit.judged else { return MaskedUse::unknown(rules) };
        let mut found = self.masked_use(reading, rules);
        if let Some(bound) = unit.bound_elsewhere(self) {
            found.add(self.masked_use_under(reading, bound, rules));
        }
        found
    }

    /// The same for a text, its names resolved now.
    pub(super) fn masked_use(&self, reading: &Reading, rules: &Rules) -> MaskedUse {
        if rules.is_empty() {
            return MaskedUse::default();
        }
        let now = self.meaning();
        let mut found = self.masked_use_under(reading, &now, rules);
        // SQL's cursors and the protocol's portals share their names: FETCH runs a portal that was bound and never
        // executed.
        for name in &reading.effects().fetches {
            match self.portals.get(name.as_bytes()) {
                Known::As(portal) => {
                    let statement = &portal.statement.reading;
                    found.add(self.masked_use_under(statement, &now, rules));
                    if let Some(bound) = &portal.bound {
                        found.add(self.masked_use_under(statement, &bound.under, rules));
                    }
                }
                Known::Unseen => {}
                Known::Unsettled => found.add(MaskedUse::unknown(rules)),
            }
        }
        found
    }

    /// The same, with what gave its names their meaning at some moment.
    pub(super) fn masked_use_under(&self, reading: &Reading, meaning: &Meaning, rules: &Rules) -> MaskedUse {
        if rules.is_empty() {
            return MaskedUse::default();
        }
        let watched = rules.columns().collect::<Watched>();
        let flows = self.with_names(meaning, |session| reading.flows(session, &watched));
        MaskedUse::of(&flows, rules)
    }
}
