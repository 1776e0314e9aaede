//! What a command does, in this session, at this moment: its text read, its names resolved under settings
//! that the server was asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_common::Facts;
use countersign_common::facts::{Flag, Operation};
use countersign_common::target::UnmatchedRules;
use countersign_common::verdict::DataClass;
use countersign_lifecycle::Described;
use countersign_lifecycle::ports::Stop;
use countersign_masking::Rules;
use countersign_runtime::heavy;
use countersign_sql::{Lexing, Reading};
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::Session;
use super::expect::Expect;
use super::flow::{Broken, Flow, Moved};
use super::ours::Question;
use super::settings::{self, Answer};
use crate::codec::backend::TransactionStatus;
use crate::exchange::Unit;
use crate::masked_outputs::MaskedOutputs;
use crate::masked_use::MaskedUse;
use crate::statements::{Known, Meaning, Portal};
use crate::unmatched::Unmatched;

/// Readings whose facts are kept for one connection.
const KEPT_MAX: usize = 256;

/// What facts were derived from: the state of settings, definitions and prepared statements.
type Basis = (u64, u64, u64, bool);

/// Facts of the readings that this connection used last.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    basis: Basis,
    /// The masking rules that uses were found by.
    rules: Arc<Rules>,
    facts: FxHashMap<usize, OneKept>,
}

/// Facts of one reading, with the types of its parameters.
#[derive(Debug)]
struct OneKept {
    /// Kept too, so that its address stays its own.
    _reading: Arc<Reading>,
    types: Box<[u32]>,
    described: Described,
    masked: Arc<MaskedUse>,
    outputs: Arc<MaskedOutputs>,
}

impl Kept {
    fn get(
        &mut self,
        reading: &Arc<Reading>,
        types: &[u32],
        basis: Basis,
        rules: &Arc<Rules>,
    ) -> Option<Described> {
        if self.basis != basis || !Arc::ptr_eq(&self.rules, rules) {
            self.facts.clear();
            self.basis = basis;
            self.rules = Arc::clone(rules);
        }
        let kept = self.facts.get(&(Arc::as_ptr(reading) as usize))?;
        (*kept.types == *types).then(|| kept.described.clone())
    }

    /// What a reading that was described under these rules does with masked columns.
    fn masked_use(&self, reading: &Arc<Reading>, rules: &Arc<Rules>) -> Option<Arc<MaskedUse>> {
        let kept = self.facts.get(&(Arc::as_ptr(reading) as usize))?;
        Arc::ptr_eq(&self.rules, rules).then(|| Arc::clone(&kept.masked))
    }

    /// What the answer to a reading that was described under these rules can show.
    fn outputs(&self, reading: &Arc<Reading>, rules: &Arc<Rules>) -> Option<Arc<MaskedOutputs>> {
        let kept = self.facts.get(&(Arc::as_ptr(reading) as usize))?;
        Arc::ptr_eq(&self.rules, rules).then(|| Arc::clone(&kept.outputs))
    }

    fn put(
        &mut self,
        reading: &Arc<Reading>,
        types: &[u32],
        described: Described,
        masked: Arc<MaskedUse>,
        outputs: Arc<MaskedOutputs>,
    ) {
        if self.facts.len() >= KEPT_MAX {
            self.facts.clear();
        }
        let kept = OneKept { _reading: Arc::clone(reading), types: types.into(), described, masked, outputs };
        self.facts.insert(Arc::as_ptr(reading) as usize, kept);
    }
}

impl Session {
    /// Reads a text as the server would now. A large one is read off the threads that serve.
    pub(super) async fn read(&mut self, text: &[u8]) -> Arc<Reading> {
        let turn = heavy::turn(text.len()).await;
        // INVARIANT: I7. Under settings that are not known, where a string ends is not known either.
        let lexing = match self.flow.settings.readable() {
            Some(settings) if settings.utf8 || text.is_ascii() => settings.lexing,
            None if lexes_alike(text) => Lexing::STANDARD,
            Some(_) | None => Lexing::UNKNOWN,
        };
        turn.run(|| self.reader.read(text, lexing))
    }

    /// What a reading does, its names resolved.
    pub(super) async fn describe(
        &mut self,
        reading: &Arc<Reading>,
        types: &[u32],
    ) -> Result<Described, Broken> {
        for name in &reading.effects().fetches {
            while matches!(self.flow.portals.get(name.as_bytes()), Known::Unsettled) {
                self.pump().await?;
            }
        }
        self.know_definitions().await;
        self.match_rules();
        let rules = Arc::clone(&self.flow.rules);
        if let Some(described) = self.kept.get(reading, types, self.basis(), &rules) {
            return Ok(described);
        }
        let mut facts = self.facts_of(reading, types).await;
        if is_unresolved(&facts) && self.flow.settings.readable().is_some() && !self.flow.hides_definitions()
        {
            // Boxed: rare, and large beside a session that mostly knows all names.
            Box::pin(self.flow.database.look_up(reading.mentioned_objects())).await;
            facts = self.facts_of(reading, types).await;
        }
        let flows = self.flow.flows(reading, None, &rules);
        let masked = Arc::new(MaskedUse::of(&flows, &rules));
        let outputs = Arc::new(MaskedOutputs::of(flows, &rules));
        masked.note(&mut facts);
        let described = Described::new(Arc::new(facts));
        // Looking again may have moved the basis.
        let basis = self.basis();
        self.kept.get(reading, types, basis, &rules);
        self.kept.put(reading, types, described.clone(), masked, outputs);
        Ok(described)
    }

    /// Waits, for a bounded time, for a first snapshot of definitions, and for those that this session has changed.
    async fn know_definitions(&mut self) {
        let database = &self.flow.database;
        // Boxed: seldom is there anything to wait for.
        Box::pin(database.freshen()).await;
        if let Some(ticket) = self.flow.definitions_awaited {
            Box::pin(database.settle(ticket)).await;
            if database.is_served(ticket) {
                self.flow.definitions_awaited = None;
            }
        }
    }

    /// What a command does with masked columns, under the rules that are in force.
    pub(super) fn masked_use_of(&self, unit: &Unit) -> Arc<MaskedUse> {
        let rules = &self.flow.rules;
        let kept = unit.text_reading.as_ref().and_then(|reading| self.kept.masked_use(reading, rules));
        let kept = kept.filter(|_| unit.bound_elsewhere(&self.flow).is_none());
        kept.unwrap_or_else(|| Arc::new(self.flow.masked_use_of(unit, rules)))
    }

    /// What the answer to a command can show of masked columns, under the rules that are in force.
    pub(super) fn masked_outputs_of(&self, unit: &Unit) -> Arc<MaskedOutputs> {
        self.masked_outputs(unit.text_reading.as_ref(), unit.bound_elsewhere(&self.flow))
    }

    /// The same for a portal.
    pub(super) fn masked_outputs_of_portal(&self, portal: &Portal) -> Arc<MaskedOutputs> {
        let bound = portal.bound.as_ref().map(|bound| &bound.under);
        let bound = bound.filter(|under| !under.is_same(&self.flow.meaning()));
        self.masked_outputs(Some(&portal.statement.reading), bound)
    }

    fn masked_outputs(&self, reading: Option<&Arc<Reading>>, bound: Option<&Meaning>) -> Arc<MaskedOutputs> {
        let rules = &self.flow.rules;
        let is_kept = self.kept.basis == self.basis() && bound.is_none();
        let kept = reading.filter(|_| is_kept).and_then(|reading| self.kept.outputs(reading, rules));
        kept.unwrap_or_else(|| Arc::new(self.flow.masked_outputs(reading.map(AsRef::as_ref), bound, rules)))
    }

    /// What a portal does that is executed now: what its names mean now, and what they meant when it was bound. The
    /// server runs the plan that it made then; what it looks up anew it finds as it is now.
    // INVARIANT: I2.
    pub(super) async fn describe_portal_command(&mut self, portal: &Portal) -> Result<Described, Broken> {
        let statement = &portal.statement;
        let now = self.describe(&statement.reading, &statement.types).await?;
        Ok(match portal.bound.as_ref().filter(|bound| !bound.under.is_same(&self.flow.meaning())) {
            Some(bound) => {
                let mut facts = Facts::clone(&now.facts);
                self.flow
                    .masked_use_under(&statement.reading, &bound.under, &self.flow.rules)
                    .note(&mut facts);
                let then = bound.facts.operations.iter().filter(|then| !now.facts.operations.contains(then));
                facts.operations.extend(then.cloned());
                if facts == *now.facts {
                    return Ok(now);
                }
                Described::new(Arc::new(facts))
            }
            None => now,
        })
    }

    /// The facts of a reading; those of a large one are found off the threads that serve.
    async fn facts_of(&mut self, reading: &Reading, types: &[u32]) -> Facts {
        let turn = heavy::turn(reading.weight()).await;
        turn.run(|| self.facts(reading, types))
    }

    /// Looks whether all masking rules match something in the catalogue, when either has changed.
    fn match_rules(&mut self) {
        // The rules are those of the target's own database; in another one nothing need match.
        let is_default =
            self.road.target.default_database.as_ref().is_none_or(|own| *own == self.road.database);
        let generation = self.flow.database.generation();
        let same =
            |(rules, at): &(Arc<Rules>, u64)| Arc::ptr_eq(rules, &self.flow.rules) && *at == generation;
        if !is_default || self.flow.rules.is_empty() || self.matched.as_ref().is_some_and(same) {
            return;
        }
        let catalogue = self.flow.database.current();
        if !catalogue.is_loaded() {
            return;
        }
        let unmatched = Unmatched::of(&self.flow.rules, &catalogue);
        self.rules.tell_unmatched(&unmatched);
        self.flow.unmatched = Some(Arc::new(unmatched));
        self.matched = Some((Arc::clone(&self.flow.rules), generation));
    }

    fn facts(&self, reading: &Reading, types: &[u32]) -> Facts {
        let mut facts = self.flow.with_session(|session| reading.facts_with(session, types));
        // SQL's cursors and the protocol's portals share their names: FETCH runs a portal that was bound and never
        // executed.
        for name in &reading.effects().fetches {
            facts.operations.extend(self.portal_operations(name.as_bytes()));
        }
        facts
    }

    fn portal_operations(&self, name: &[u8]) -> Vec<Operation> {
        match self.flow.portals.get(name) {
            Known::As(portal) => {
                let statement = &portal.statement;
                let now =
                    self.flow.with_session(|session| statement.reading.facts_with(session, &statement.types));
                let bound = portal.bound.iter().flat_map(|bound| bound.facts.operations.iter().cloned());
                now.operations.into_iter().chain(bound).collect()
            }
            Known::Unseen => Vec::new(),
            Known::Unsettled => vec![Operation::unknown(Flag::UnseenStatement)],
        }
    }

    fn basis(&self) -> Basis {
        let flow = &self.flow;
        (
            flow.settings.generation(),
            flow.database.generation(),
            flow.statements.version().wrapping_add(flow.portals.version()),
            flow.hides_definitions(),
        )
    }

    /// The same for a statement, unless that can be judged without: nothing of ours takes a snapshot in a transaction
    /// before a statement that takes none itself, since SET TRANSACTION has to come before all that do.
    pub(super) async fn know_settings_for(&mut self, reading: &Reading) -> Result<(), Broken> {
        // A batch is one transaction, which a BEGIN in it may have opened.
        let in_block = self.batch_sent || self.flow.status == TransactionStatus::InTransaction;
        if !reading.takes_snapshot() || (in_block && !reading.snapshot_first()) {
            return Ok(());
        }
        // A question before it in its batch would be a transaction around what has to stand outside of all.
        if self.batch_sent && self.flow.settings.current().is_none() && self.is_outside_transaction(reading) {
            return Ok(());
        }
        self.know_settings().await
    }

    fn is_outside_transaction(&self, reading: &Reading) -> bool {
        let facts = self.facts(reading, &[]);
        facts.operations.iter().any(|operation| operation.flags.contains(&Flag::OutsideTransaction))
    }

    /// The same for a text that has not been read yet.
    pub(super) async fn know_settings_for_text(&mut self, text: &[u8]) -> Result<(), Broken> {
        if self.flow.settings.current().is_none() && lexes_alike(text) {
            let reading = self.read(text).await;
            return self.know_settings_for(&reading).await;
        }
        self.know_settings().await
    }

    /// Asks the server for the session's settings when they may have changed, as far as it can be asked now.
    pub(super) async fn know_settings(&mut self) -> Result<(), Broken> {
        if self.flow.settings.current().is_some() {
            return Ok(());
        }
        if self.batch_sent {
            return Box::pin(self.ask_settings_in_batch()).await;
        }
        while !self.flow.expected.is_empty() {
            self.pump().await?;
        }
        // While the server skips up to a Sync it would skip the question too.
        if self.flow.settings.current().is_some()
            || self.flow.skipping
            || self.flow.status == TransactionStatus::Failed
        {
            return Ok(());
        }
        let mut question = bytes::BytesMut::new();
        if settings::ask(&mut question).is_err() {
            return Ok(());
        }
        self.flow.send_ours(question);
        self.flow.expected.push(Expect::Settings(Answer::default()));
        while !self.flow.expected.is_empty() {
            self.pump().await?;
        }
        Ok(())
    }

    /// The same in the middle of a batch, of which something is upstream: the question goes behind that, and what comes next
    /// waits for its answer. Without it the strictest reading would hold, and a plain read behind a BEGIN, as drivers send it,
    /// would have to be agreed to.
    async fn ask_settings_in_batch(&mut self) -> Result<(), Broken> {
        // While data of a COPY may be awaited the server takes nothing else.
        if self.flow.skipping
            || self.flow.status == TransactionStatus::Failed
            || self.flow.expected.may_copy_in()
        {
            return Ok(());
        }
        self.flow.ask_in_batch(Question::Settings, &[settings::QUERY], Answer::default());
        while self.flow.expected.asks_in_batch() {
            self.pump().await?;
        }
        Ok(())
    }

    /// Waits until it is known whether what comes next stands in a transaction block: a BEGIN or COMMIT of an earlier
    /// batch may not have been answered yet.
    pub(super) async fn know_transaction(&mut self) -> Result<(), Broken> {
        while !self.batch_open()
            && self.flow.expected.settles_transactions()
            && self.flow.expected.comes_by_itself()
        {
            self.pump().await?;
        }
        Ok(())
    }

    /// Whether something of the current batch has been sent, or waits to be.
    pub(super) fn batch_open(&self) -> bool {
        self.batch_sent || !self.pending.is_empty()
    }

    /// Moves bytes once, and takes in answers.
    pub(super) async fn pump(&mut self) -> Result<(), Broken> {
        let mut stop = self.road.stop.clone();
        tokio::select! {
            biased;
            // Boxed, as the others: seldom is anything waited for here, and whatever may have to wait would carry it.
            request = self.cancel.asked() => Box::pin(self.cancel_in_intake(request)).await,
            moved = self.flow.moved_for_intake() => match moved? {
                Moved::FromUpstream => Box::pin(self.flow.take_answers()).await,
                Moved::FromClient | Moved::ClientClosed => Ok(()),
            },
            why = revoked(&mut stop) => Err(Broken::Stopped(why)),
        }
    }
}

impl Flow {
    /// What gives names their meaning at the moment.
    pub(crate) fn meaning(&self) -> Meaning {
        Meaning { settings: self.settings.shared(), catalogue: self.catalogue() }
    }

    /// Why a command is closed, where the target closes what a masking rule that matches nothing may have meant.
    pub(crate) fn closed(&self, facts: &Facts, unmask: &BTreeSet<DataClass>) -> Option<String> {
        let unmatched = self.unmatched.as_ref().filter(|unmatched| !unmatched.is_empty())?;
        if self.target.unmatched_rules != UnmatchedRules::Block {
            return None;
        }
        let why = unmatched.closes(facts, &self.rules, unmask)?;
        Some(format!("{why}; the target closes access until its masking rules are corrected"))
    }
}

/// Waits until the session is revoked. A drain lets what is awaited come to its end.
pub(crate) async fn revoked(stop: &mut watch::Receiver<Stop>) -> String {
    if let Ok(stop) = stop.wait_for(|stop| matches!(stop, Stop::Revoked(_))).await
        && let Stop::Revoked(why) = &*stop
    {
        return why.clone();
    }
    std::future::pending().await
}

/// Whether a text is taken apart in the same way under every setting: strings end elsewhere only where a backslash stands in
/// them, or a byte of a character beyond ASCII that looks like one.
// INVARIANT: I7.
fn lexes_alike(text: &[u8]) -> bool {
    text.is_ascii() && !text.contains(&b'\\')
}

fn is_unresolved(facts: &Facts) -> bool {
    facts.operations.iter().any(|operation| operation.flags.contains(&Flag::Unresolved))
}
