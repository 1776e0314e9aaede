//! One connection of a client, from the end of its login to its end: takes in what the client sends
//! ([`intake`]), takes it down the road, and gives back what the target answers ([`answers`]).

mod answers;
mod asynchronous;
mod cancelling;
pub(crate) mod copy_in;
mod describe;
mod expect;
mod farewell;
pub(crate) mod flow;
mod intake;
mod large_message;
mod limits;
mod masked_flow;
mod named;
pub(crate) mod ours;
pub(crate) mod own;
mod pending;
pub(crate) mod process_ids;
pub(crate) mod recheck;
mod refuse;
mod rows;
mod seeing_off;
pub(crate) mod settings;
mod transaction;
mod transaction_prefix;
pub(crate) mod way;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use countersign_common::Facts;
use countersign_common::facts::{Action, Class, Operation};
use countersign_lifecycle::ports::{Stop, stopped};
use countersign_lifecycle::{ClientSide, End, Road};
use countersign_masking::{HashKey, Rules};
use countersign_sql::Reader;
use tokio::sync::watch;

use self::asynchronous::Hidden;
pub(crate) use self::describe::revoked;

use self::describe::Kept;
use self::flow::{Broken, Flow, Moved, Suspended};
use self::large_message::{LargeMessage, stalls};
use self::pending::Pending;
use self::process_ids::ClientIdentity;
use self::settings::Settings;
use self::way::Way;
use crate::Stream;
use crate::cancel_registry::CancelSlot;
use crate::catalogue::Database;
use crate::codec::backend::TransactionStatus;
use crate::codec::build::Severity;
use crate::codec::{Header, Side, SqlState};
use crate::connection_state::{ConnectionState, calls_unread_code};
use crate::exchange::Unit;
use crate::lookups::Lookups;
use crate::message_budget::MessageBudget;
use crate::parameters::ServerParameters;
use crate::reply;
use crate::rules_in_force::RulesInForce;
use crate::setting_changes::Under;
use crate::statements::{Executed, Known, Prepared};

/// How long a command whose client has left is followed, so that its record tells how it ended.
const FOLLOW_MAX: Duration = Duration::from_secs(60);

/// How long a transaction may stay open and idle while the gateway drains.
const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(5);

/// The time that a goodbye to either side may take.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// Cursors of which it is remembered under which settings they were declared.
const CURSORS_MAX: usize = 1000;

/// How long a client may take to hear why its connection ends.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// What a connection works with.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) road: Road,
    pub(crate) reader: Reader,
    pub(crate) way: Way,
    pub(crate) database: Arc<Database>,
    pub(crate) rules: Arc<RulesInForce>,
    pub(crate) lookups: Lookups,
    pub(crate) hash_key: Arc<HashKey>,
    pub(crate) cancel: Arc<CancelSlot>,
    pub(crate) identity: ClientIdentity,
    pub(crate) messages: Arc<MessageBudget>,
}

/// One connection of a client.
#[derive(Debug)]
pub(crate) struct Session {
    road: Road,
    reader: Reader,
    way: Way,
    cancel: Arc<CancelSlot>,
    rules: Arc<RulesInForce>,
    lookups: Lookups,
    pub(crate) flow: Flow,
    kept: Kept,
    /// With which rules, and which state of the catalogue, it was last looked whether all rules match.
    matched: Option<(Arc<Rules>, u64)>,
    pending: Pending,
    /// Something of the current batch (up to the next Sync) is upstream.
    batch_sent: bool,
    /// Something of it ran, or was bound: an implicit transaction is open that must not be ended.
    batch_ran: bool,
    /// A command of the current batch was refused: what follows is skipped up to the next Sync.
    failed_locally: bool,
    /// Bytes still to be dropped of a message that was refused for its size.
    discard: usize,
    /// The client has said goodbye.
    goodbye: bool,
    /// A Flush of ours is on its way, for the answers that COPY data waits for.
    asked_for_answers: bool,
    /// A Sync came in the middle of COPY data.
    sync_in_copy: bool,
    /// Memory for large messages, which all connections share.
    messages: Arc<MessageBudget>,
    /// A large message of the client that is being read.
    large: Option<Box<LargeMessage>>,
    /// The client asked to cancel the command that is being taken in and has not been sent.
    cancelled: bool,
}

impl Session {
    /// A connection whose login is over.
    // long: one line for each field of the two structs
    pub(crate) fn new(
        client: Stream,
        read_ahead: BytesMut,
        parameters: ServerParameters,
        setting: Setting,
    ) -> Self {
        let flow = Flow {
            client: ClientSide::new(client, read_ahead),
            upstream: None,
            expected: expect::Expected::default(),
            status: TransactionStatus::Idle,
            parameters,
            statements: crate::statements::Names::default(),
            portals: crate::statements::Names::default(),
            suspended: Vec::new(),
            settings: settings::Known::Stale(0),
            changes: Box::default(),
            cursors_under: rustc_hash::FxHashMap::default(),
            settings_touched: false,
            values_touched: false,
            cursors_may_set: false,
            definitions_touched: false,
            redefined: countersign_sql::Redefined::default(),
            redefining: None,
            definitions_awaited: None,
            hidden: Box::new(Hidden::new(&setting.road, &setting.rules)),
            unread_code: false,
            target: Arc::clone(&setting.road.target),
            database: setting.database,
            prefix: None,
            batch_prefix: None,
            copied: None,
            prefix_works: false,
            finished: Vec::new(),
            batch_failed: None,
            skipping: false,
            rules: setting.rules.current(),
            hash_key: setting.hash_key,
            unmatched: None,
            wanted: 0,
            stalled: false,
            awaits_answers: false,
            client_done: false,
            client_gone: false,
            masked_sent: false,
            target_said_why: false,
            answering: false,
            own: None,
            leftovers: way::Leftovers::default(),
            answered: None,
            bound_answer: None,
            connection: ConnectionState::new(&setting.way.startup),
            checked: None,
            recheck: None,
            own_rechecks: Vec::new(),
            rechecking: false,
            block: transaction::Block::default(),
            recorder: setting.road.recorder.clone(),
            identity: setting.identity,
        };
        Self {
            road: setting.road,
            reader: setting.reader,
            way: setting.way,
            cancel: setting.cancel,
            rules: setting.rules,
            lookups: setting.lookups,
            flow,
            kept: Kept::default(),
            matched: None,
            pending: Pending::default(),
            batch_sent: false,
            batch_ran: false,
            failed_locally: false,
            discard: 0,
            goodbye: false,
            asked_for_answers: false,
            sync_in_copy: false,
            messages: setting.messages,
            large: None,
            cancelled: false,
        }
    }

    /// Serves the client until it leaves, the connection has to end, or `over` turns true.
    pub(crate) async fn run(mut self: Box<Self>, mut over: watch::Receiver<bool>) {
        let served = tokio::select! {
            biased;
            served = self.serve_and_see_off() => served,
            // What it is in the middle of is given up there: nothing is sent or released any more but our last word, which
            // says what is known of it.
            Ok(_) = over.wait_for(|over| *over) => Err(Broken::TimeOver),
        };
        let reason = match &served {
            Ok(()) => "the client said goodbye".to_owned(),
            Err(broken) => self.tell_why(broken).await,
        };
        if !matches!(served, Ok(()) | Err(Broken::Client)) {
            // It has had our last word, and does not wait for what we still follow.
            let _ = tokio::time::timeout(GOODBYE_MAX, self.flow.close_client()).await;
        }
        if !matches!(served, Err(Broken::TimeOver)) {
            self.follow_what_runs().await;
        }
        self.end(&reason).await;
    }

    /// Serves the client until it leaves, and answers what it sent before.
    async fn serve_and_see_off(&mut self) -> Result<(), Broken> {
        let served = self.serve().await;
        if matches!(served, Ok(()) | Err(Broken::Client)) {
            Box::pin(self.see_off(served.is_ok())).await?;
        }
        served
    }

    async fn serve(&mut self) -> Result<(), Broken> {
        let mut stop = self.road.stop.clone();
        // Begun once: to begin it anew around every command costs more than the look at it.
        let mut stopping = std::pin::pin!(stopped(&mut stop));
        loop {
            // A request that came while the command it means was being answered must not meet the next one.
            if let Some(request) = self.cancel.take() {
                Box::pin(self.cancel_upstream(request)).await?;
            }
            self.intake().await?;
            if self.goodbye {
                return Ok(());
            }
            // In this order, and the connection last: an answer without end must not keep out what ends it.
            tokio::select! {
                biased;
                stop = &mut stopping => return self.stop(stop).await,
                request = self.cancel.asked() => Box::pin(self.cancel_upstream(request)).await?,
                () = stalls(self.large.as_deref()) => Box::pin(self.large_message_stalls()).await?,
                moved = self.flow.moved() => match moved? {
                    Moved::FromUpstream => self.flow.take_answers().await?,
                    Moved::FromClient => {}
                    Moved::ClientClosed => return Err(Broken::Client),
                },
            }
        }
    }

    /// The connection has to end: at once when the session was revoked, after what runs when the gateway drains.
    async fn stop(&mut self, stop: Stop) -> Result<(), Broken> {
        match stop {
            Stop::Revoked(why) => Err(Broken::Stopped(why)),
            Stop::Drain | Stop::None => {
                while !self.flow.expected.is_empty() || self.flow.status != TransactionStatus::Idle {
                    self.intake().await?;
                    if self.goodbye {
                        return Ok(());
                    }
                    if self.flow.client_done && !self.flow.awaits_answers && !self.flow.stalled {
                        return Err(Broken::Client);
                    }
                    if !self.flow.expected.is_empty() {
                        self.pump().await?;
                    } else if !self.stirs().await? {
                        break;
                    }
                }
                Err(Broken::Drained)
            }
        }
    }

    /// Whether a client that leaves its transaction open and idle does something before its time is over.
    async fn stirs(&mut self) -> Result<bool, Broken> {
        match tokio::time::timeout(IDLE_IN_TRANSACTION_MAX, self.flow.moved()).await {
            Err(_) => Ok(false),
            Ok(moved) => match moved? {
                Moved::FromUpstream => self.flow.take_answers().await.map(|()| true),
                Moved::FromClient => Ok(true),
                Moved::ClientClosed => Err(Broken::Client),
            },
        }
    }

    /// Opens the connection to the target when it is first needed.
    async fn open_upstream(&mut self) -> Result<(), Broken> {
        Box::pin(self.flow.take_up(&self.way)).await
    }

    /// Tells the client why its connection ends, when there is still somebody to tell. Answers with the reason
    /// for the record.
    async fn tell_why(&mut self, broken: &Broken) -> String {
        let reason = broken.to_string();
        if let (Broken::Upstream, Some(in_doubt)) = (broken, self.flow.in_doubt()) {
            self.flow.tell(&in_doubt);
            let _ = tokio::time::timeout(FAREWELL_MAX, self.flow.flush_client()).await;
            return reason;
        }
        let (sqlstate, text) = match broken {
            Broken::Client => return reason,
            Broken::Upstream => (SqlState::CONNECTION_FAILURE, "the target closed the connection".to_owned()),
            Broken::UpstreamProtocol(_)
            | Broken::Undescribed
            | Broken::Unmaskable(_)
            | Broken::RowTooLarge { .. } => {
                tracing::error!(%broken, "an answer of the target was not released");
                (SqlState::INTERNAL_ERROR, format!("countersign: {reason}; nothing more of it is released"))
            }
            Broken::ClientProtocol(error) => (SqlState::PROTOCOL_VIOLATION, error.to_string()),
            // It went up before; only its answer is withheld. `55G05` would say that nothing ran.
            Broken::Unrecorded(error) => (
                SqlState::RESOLUTION_UNKNOWN,
                format!("countersign: {error}; the answer is not released, and what was sent may have run"),
            ),
            Broken::NoUpstream(error) => {
                tracing::warn!(error = &*chain(error), "no connection to the target");
                let text = countersign_common::error::Report::client_text(error).into_owned();
                (error.sqlstate(), text)
            }
            Broken::NotPrepared | Broken::NotBegun => {
                (SqlState::CONNECTION_FAILURE, format!("countersign: {reason}"))
            }
            Broken::Drained | Broken::TimeOver => {
                let farewell = self.flow.farewell(&reason);
                self.flow.tell(&farewell);
                let _ = tokio::time::timeout(FAREWELL_MAX, self.flow.flush_client()).await;
                return reason;
            }
            Broken::Stopped(why) => (SqlState::new(*b"57P01"), format!("countersign: {why}")),
        };
        if !(self.flow.target_said_why && matches!(broken, Broken::Upstream)) {
            self.flow.tell(&reply::error(Severity::Fatal, sqlstate, &text));
        }
        let _ = tokio::time::timeout(FAREWELL_MAX, self.flow.flush_client()).await;
        reason
    }

    /// The client has left, its command may not have: the record should tell how it ended.
    async fn follow_what_runs(&mut self) {
        if self.flow.expected.has_effects() {
            let _ = tokio::time::timeout(FOLLOW_MAX, self.follow()).await;
        }
    }

    /// Ends the records of what still runs, and says goodbye to the target.
    async fn end(&mut self, reason: &str) {
        self.flow.leave_block();
        let left: Vec<_> = self.flow.expected.drain().collect();
        for expect in left {
            if let Some(flight) = expect.into_flight() {
                flight.running.end(self.flow.broken_end()).await;
            }
        }
        for flight in std::mem::take(&mut self.flow.finished) {
            flight.running.end(self.flow.broken_end()).await;
        }
        for suspended in std::mem::take(&mut self.flow.suspended) {
            let end = if self.flow.own.is_some() { self.flow.broken_end() } else { End::Completed("CLOSE") };
            suspended.running.end(end).await;
        }
        if let Err(error) = self.road.recorder.close(reason) {
            tracing::error!(%error, "the end of a connection was not recorded");
        }
        self.flow.say_goodbye_upstream();
        let _ = tokio::time::timeout(GOODBYE_MAX, self.flow.flush_upstream()).await;
        let _ = tokio::time::timeout(GOODBYE_MAX, self.flow.close_client()).await;
    }

    async fn follow(&mut self) -> Result<(), Broken> {
        // An answer that needs more of the client never comes; the target gives up what it has begun instead.
        while self.flow.expected.has_effects() && self.flow.expected.comes_by_itself() {
            self.flow.upstream_moved().await?;
            self.flow.take_answers().await?;
            self.flow.forget_output();
        }
        Ok(())
    }
}

impl Flow {
    /// What a command that was let go changes at once in what we know.
    pub(crate) fn remember(&mut self, unit: &Unit, in_transaction: bool) {
        let effects = unit.reading.as_ref().map(|reading| reading.effects());
        let goes_on = unit.command.form == "execute";
        let stays = in_transaction || effects.is_none_or(|effects| !effects.transactions.is_empty());
        let digest = (goes_on || stays).then(|| self.transaction_prefix(unit));
        self.leftovers.remember(unit);
        self.note_write(unit);
        self.note_unread_code(&unit.described.facts);
        self.note_state(unit);
        let unread = effects.is_none() || may_run_unread_code(&unit.described.facts);
        let under = self.under_before(unit);
        let fetched = effects.is_some_and(|effects| self.fetches_may_set(effects));
        self.note_changes(unit, unread || fetched);
        if unread || effects.is_some_and(|effects| self.may_change_settings(effects)) {
            self.settings_may_change();
        } else if effects.is_some_and(|effects| self.may_change_values(effects)) {
            self.settings.mark_outdated();
            self.values_touched = true;
        }
        self.cursors_may_set |=
            unread || effects.is_some_and(|effects| effects.changes_settings && !effects.declares.is_empty());
        if let Some(effects) = effects {
            self.foretell(effects, &under);
        }
        // Nobody else sees what an open transaction defines: until it ends the shared catalogue does not hold here.
        self.note_definitions(unit);
        let works = unit.text_reading.as_ref().is_none_or(|reading| reading.takes_snapshot());
        if let Some(digest) = digest {
            self.prefix_works |= works;
            self.batch_prefix = goes_on.then_some(digest);
            if stays {
                self.prefix = Some(digest);
            }
        }
    }

    /// Notes the definitions that a command may change, for this session and for the others, before it is sent.
    fn note_definitions(&mut self, unit: &Unit) {
        let effects = unit.reading.as_ref().map(|reading| reading.effects());
        let facts = &unit.described.facts;
        // Functions that are on no list are told apart by the facts: a plain read calls none that nobody has reviewed.
        if !only_rows(facts) {
            self.definitions_touched |= effects.is_none_or(|effects| effects.changes_definitions);
            match effects {
                Some(effects) => self.redefined.merge(&effects.redefines),
                None => self.redefined = countersign_sql::Redefined::anything(),
            }
        }
        // A query that calls a function of administration, such as pg_export_snapshot, defines nothing that can be named.
        let defines = |operation: &Operation| match operation.action.class() {
            Class::Schema => true,
            Class::Admin => operation.functions.is_empty(),
            _ => false,
        };
        let Some(effects) = effects.filter(|effects| !effects.redefines.is_empty()) else { return };
        if !facts.operations.iter().any(defines) {
            return;
        }
        // INVARIANT: I7. Told before the command leaves: other connections may see its effect at once.
        match &self.redefining {
            Some(redefining) => redefining.add(&effects.redefines),
            None => {
                let begun = crate::catalogue::Redefining::begin(&self.database, &effects.redefines);
                self.redefining = Some(begun);
            }
        }
    }

    /// Whether a statement may change settings when it runs: also by going on with what was opened before it.
    // INVARIANT: I7. What a cursor calls is called when it is fetched from.
    fn may_change_settings(&self, effects: &countersign_sql::Effects) -> bool {
        effects.changes_settings
            // The end of a transaction takes back what was set in it, and nothing else.
            || (effects.ends_settings && self.settings_touched)
            || self.fetches_may_set(effects)
    }

    fn fetches_may_set(&self, effects: &countersign_sql::Effects) -> bool {
        effects.fetches.iter().any(|name| match self.portals.get(name.as_bytes()) {
            Known::As(portal) => portal.statement.reading.effects().changes_settings,
            Known::Unseen | Known::Unsettled => self.cursors_may_set,
        })
    }

    /// The settings under which the server takes in what it is sent next.
    pub(crate) fn under(&self) -> Under {
        self.changes.under(self.settings_reported())
    }

    /// The settings as they are now; where values may have changed since the server was asked, with those that it reports by
    /// itself.
    fn settings_reported(&self) -> Option<Arc<Settings>> {
        let known = self.settings.shared()?;
        if self.settings.current().is_some() {
            return Some(known);
        }
        // What is on its way may change them before it is reported.
        if !self.expected.is_empty() {
            return None;
        }
        let mut settings = Settings::clone(&known);
        for (name, value) in &mut settings.meaning {
            if let Some(reported) = self.parameters.get(name) {
                reported.clone_into(value);
            }
        }
        Some(Arc::new(settings))
    }

    /// The settings under which the server takes in what a command prepares or declares. In a string that changes settings
    /// itself nobody knows them.
    fn under_before(&self, unit: &Unit) -> Under {
        let sets = unit.reading.as_ref().is_none_or(|reading| {
            let effects = reading.effects();
            effects.changes_settings || effects.changes_values || effects.ends_settings
        });
        let prepares = unit.reading.as_ref().is_some_and(|reading| {
            let effects = reading.effects();
            !effects.prepares.is_empty() || !effects.declares.is_empty()
        });
        self.changes.under(if prepares && !sets { self.settings_reported() } else { None })
    }

    /// Notes which settings a command that is let go may change.
    fn note_changes(&mut self, unit: &Unit, calls_code: bool) {
        let Some(reading) = &unit.reading else { return self.changes.by(None, calls_code) };
        // A SET of a setting that nobody has reviewed is an act of administration, and no code.
        let operations = &unit.described.facts.operations;
        let only_sets = reading.statements() == 1
            && !reading.effects().sets.is_empty()
            && operations.iter().all(|operation| {
                matches!(operation.action, Action::Set | Action::Administer) && operation.functions.is_empty()
            });
        let calls_code = !only_sets && (calls_code || calls_unread_code(&unit.described.facts));
        self.changes.by(Some(reading), calls_code);
        for executed in Executed::of(reading, &self.statements).readings() {
            self.changes.by(Some(&executed), calls_code);
        }
    }

    /// The same for settings by which nothing is read.
    fn may_change_values(&self, effects: &countersign_sql::Effects) -> bool {
        effects.changes_values || (effects.ends_settings && self.values_touched)
    }

    /// The server has to be asked for its settings before they are relied on again.
    pub(crate) fn settings_may_change(&mut self) {
        self.settings.mark_stale();
        self.settings_touched = true;
    }

    /// Notes what a command that was let go may change in the state that the connection has for itself.
    fn note_state(&mut self, unit: &Unit) {
        let facts = &unit.described.facts;
        let Some(reading) = &unit.text_reading else { return self.connection.remember(facts, &[]) };
        let names: Vec<&str> = reading.executes().collect();
        if names.is_empty() {
            return self.connection.remember(facts, std::slice::from_ref(reading));
        }
        let mut readings = vec![Arc::clone(reading)];
        readings.extend(Executed::of(reading, &self.statements).readings());
        self.connection.remember(facts, &readings);
    }

    /// A portal goes on that was suspended.
    pub(crate) fn remember_going_on(&mut self, suspended: &Suspended) {
        let reading = Arc::clone(&suspended.portal.statement.reading);
        let reading = &reading;
        self.changes.by(Some(reading), calls_unread_code(suspended.running.facts()));
        self.connection.remember(suspended.running.facts(), std::slice::from_ref(reading));
        if self.may_change_settings(reading.effects()) || may_run_unread_code(suspended.running.facts()) {
            self.settings_may_change();
        }
    }

    /// Names that a statement will change when it runs: what comes behind it in its batch finds them so.
    // INVARIANT: I2.
    fn foretell(&mut self, effects: &countersign_sql::Effects, under: &Under) {
        for name in effects.deallocates.iter().flatten() {
            self.statements.sent(name.as_bytes(), None);
        }
        for (name, prepared) in &effects.prepares {
            self.statements.sent(name.as_bytes(), Some(Arc::new(Prepared::by_sql(prepared, under))));
        }
        // A cursor was judged when it was declared; executed as a portal it is judged as one that nobody saw.
        for name in &effects.declares {
            self.portals.sent(name.as_bytes(), None);
            // A DECLARE of a name that is taken fails, and the cursor stays what it was.
            let known = self.cursors_under.len() < CURSORS_MAX || self.cursors_under.contains_key(name);
            if known {
                let under = (!self.cursors_under.contains_key(name)).then(|| under.clone());
                self.cursors_under.insert(name.clone(), under);
            }
        }
    }

    /// Whether the client, while it waits, has said goodbye behind what it sent.
    pub(crate) fn client_says_goodbye(&mut self) -> bool {
        let mut rest: &[u8] = self.client.input();
        while let Ok(Some(header)) = Header::read(Side::Frontend, rest) {
            if header.tag == b'X' {
                return true;
            }
            match rest.get(header.frame_bytes()..) {
                Some(next) => rest = next,
                None => return false,
            }
        }
        false
    }
}

/// Whether a command may run code that nobody has read, and that may change settings. Triggers of a plain write are
/// not counted: whoever made them was judged for it (docs/decisions/0005).
fn may_run_unread_code(facts: &Facts) -> bool {
    facts
        .operations
        .iter()
        .any(|operation| matches!(operation.action.class(), Class::Schema | Class::Admin | Class::Unknown))
}

/// Whether a command does nothing but read and change rows.
fn only_rows(facts: &Facts) -> bool {
    let rows = |class| matches!(class, Class::Read | Class::Write);
    !facts.operations.is_empty() && facts.operations.iter().all(|one| rows(one.action.class()))
}

/// An error with its causes, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred thousand of them wait on one gateway: what each carries counts.
    #[test]
    fn a_connection_and_the_future_that_serves_it_take_less_than_six_kib() {
        const fn future_bytes<A, B, F>(_: fn(A, B) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size_of::<Session>() + future_bytes(Session::run);
        assert!(bytes <= 6 * 1024, "{bytes}");
    }
}
