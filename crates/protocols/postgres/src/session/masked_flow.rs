//! The lineage of what a session runs, as the masking rules see it.

use std::sync::Arc;

use countersign_masking::Rules;
use countersign_sql::Reading;
use countersign_sql::lineage::{Flows, Watched};

use super::flow::Flow;
use crate::exchange::Unit;
use crate::masked_outputs::MaskedOutputs;
use crate::masked_use::MaskedUse;
use crate::statements::{Known, Meaning};

impl Flow {
    /// What a command does with the columns that `rules` name.
    pub(crate) fn masked_use_of(&self, unit: &Unit, rules: &Rules) -> MaskedUse {
        if rules.is_empty() {
            return MaskedUse::default();
        }
        // INVARIANT: I7. A call by the protocol's own message is read by nobody.
        let Some(reading) = &unit.text_reading else { return MaskedUse::unknown(rules) };
        MaskedUse::of(&self.flows(reading, unit.bound_elsewhere(self), rules), rules)
    }

    /// What the answer to a command can show of these columns.
    pub(crate) fn masked_outputs_of(&self, unit: &Unit, rules: &Arc<Rules>) -> MaskedOutputs {
        self.masked_outputs(unit.text_reading.as_deref(), unit.bound_elsewhere(self), rules)
    }

    /// The same for a text, perhaps of a portal that was bound when its names meant something else.
    pub(super) fn masked_outputs(
        &self,
        reading: Option<&Reading>,
        bound: Option<&Meaning>,
        rules: &Arc<Rules>,
    ) -> MaskedOutputs {
        let flows = match reading {
            _ if rules.is_empty() => Flows::default(),
            Some(reading) => self.flows(reading, bound, rules),
            None => Flows::unknown(),
        };
        self.outputs_of(flows, reading, rules)
    }

    /// Outputs with these flows, which are described by what names mean now.
    pub(super) fn outputs_of(
        &self,
        flows: Flows,
        reading: Option<&Reading>,
        rules: &Arc<Rules>,
    ) -> MaskedOutputs {
        let meaning = reading.map_or_else(|| self.meaning(), |reading| self.meaning_for(reading));
        MaskedOutputs::of(flows, rules).under(meaning)
    }

    /// The flows of a text: by what its names mean now, and by what they meant when its portal was bound.
    fn flows(&self, reading: &Reading, bound: Option<&Meaning>, rules: &Rules) -> Flows {
        self.flows_under(reading, &self.meaning_for(reading), bound, rules)
    }

    /// The same with what gives names their meaning `now`.
    pub(super) fn flows_under(
        &self,
        reading: &Reading,
        now: &Meaning,
        bound: Option<&Meaning>,
        rules: &Rules,
    ) -> Flows {
        if rules.is_empty() {
            return Flows::default();
        }
        let watched: Watched = rules.columns().collect();
        let under = |reading: &Reading, meaning: &Meaning| {
            self.with_names(meaning, |session| reading.flows(session, &watched))
        };
        let mut flows = under(reading, now);
        // The row description of the server, by oids of tables, rests on the new definitions.
        flows.returns_written |= !now.catalogue.is_loaded();
        if !now.catalogue.is_loaded() {
            // What was there before is perhaps still there: its defaults, rules and foreign keys.
            let before = Meaning { settings: now.settings.clone(), catalogue: self.database.current() };
            flows.use_more(under(reading, &before));
        }
        if let Some(bound) = bound {
            flows.add(under(reading, bound));
        }
        // SQL's cursors and the protocol's portals share their names: FETCH runs a portal that was bound and never
        // executed.
        for name in &reading.effects().fetches {
            match self.portals.get(name.as_bytes()) {
                Known::As(portal) => {
                    let statement = &portal.statement.reading;
                    flows.add(under(statement, now));
                    if let Some(bound) = &portal.bound {
                        flows.add(under(statement, &bound.under));
                    }
                }
                Known::Unseen => {}
                Known::Unsettled => flows.add(Flows::unknown()),
            }
        }
        flows
    }

    /// The same for what a portal did when it was bound.
    pub(super) fn masked_use_under(&self, reading: &Reading, meaning: &Meaning, rules: &Rules) -> MaskedUse {
        if rules.is_empty() {
            return MaskedUse::default();
        }
        let watched: Watched = rules.columns().collect();
        let flows = self.with_names(meaning, |session| reading.flows(session, &watched));
        MaskedUse::of(&flows, rules)
    }
}
