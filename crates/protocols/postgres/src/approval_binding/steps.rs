//! Finding out what a held command is bound to, and comparing it before the command goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_common::command::{NamedText, Parameter};
use countersign_lifecycle::{NotBound, NotReady};
use countersign_sql::{Dependence, Name, Private, Reading};

use super::question::{self, SessionAnswer};
use super::{ApprovalBinding, Bound};
use crate::block;
use crate::codec::backend::TransactionStatus;
use crate::connection_state::calls_unread_code;
use crate::definitions::{Definitions, NameKind, Roots, WrittenName};
use crate::exchange::PgExchange;
use crate::facts::{AS_THE_SERVER_HAS_IT, CURSOR, PARAMETER_TYPES, PREPARED};
use crate::session::flow::{Broken, Flow};
use crate::session::recheck::Recheck;
use crate::session::settings::Answer;
use crate::setting_changes::Under;
use crate::statements::{Known, Portal, Prepared};

/// The system catalogs of functions and types.
const PG_PROC: u32 = 1255;
const PG_TYPE: u32 = 1247;

/// Texts that one command runs by name. A command that runs more has no approval: people are shown all of them or none.
const TEXTS_MAX: usize = 64;

/// How the session's own connection can be asked at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// Between commands.
    Between,
    /// In the middle of a batch, which goes on behind the question.
    InBatch,
    /// Not at all.
    Not,
}

impl PgExchange<'_> {
    /// Finds out what an approval is to be bound to.
    ///
    /// # Errors
    /// As [`countersign_lifecycle::Exchange::bind`].
    pub(crate) async fn find_binding(&mut self) -> Result<(), NotBound> {
        let answer = self.ask_session().await?;
        let answer = answer.filter(answers_or_ends);
        let session = answer.map(|answer| self.take_session(answer)).transpose()?;
        let dependence = self.dependence();
        if let Some(why) = self.is_beyond(&dependence) {
            return Err(NotBound::Unbindable(why));
        }
        let roots = self.roots(&dependence);
        let database = Arc::clone(&self.flow.database);
        let definitions = database.definitions.read(&roots).await;
        let definitions = definitions.map_err(|error| NotBound::Unavailable(error.to_string()))?;
        self.settle_facts(&definitions).await?;
        let bound = self.bound(session.as_ref(), &dependence, &definitions);
        // Kept as long as people think, so that what is equal is there once.
        let shared = &database.bindings;
        self.binding = Some(Box::new(ApprovalBinding {
            dependence: shared.dependences.share(dependence),
            roots: shared.roots.share(roots),
            definitions: shared.definitions.share(definitions),
            bound,
        }));
        Ok(())
    }

    /// The facts of the command rest on a catalogue that may be older than the definitions that were just read. It is
    /// brought up to date; when that changes anything, the command is described and judged again.
    async fn settle_facts(&mut self, definitions: &Definitions) -> Result<(), NotBound> {
        // Read before the catalogue that the facts now rest on, and the same again: so do they.
        if self.flow.checked.take().is_some_and(|before| *before == *definitions) {
            return Ok(());
        }
        let database = &self.flow.database;
        let generation = database.generation();
        if !database.renew().await {
            return Err(NotBound::Unavailable("the definitions of the database cannot be read now".into()));
        }
        if database.generation() == generation {
            return Ok(());
        }
        self.flow.checked = Some(Box::new(definitions.clone()));
        Err(NotBound::Outdated)
    }

    /// Takes the connection again, finds out once more what the command is bound to, and compares.
    ///
    /// # Errors
    /// As [`countersign_lifecycle::Exchange::prepare`].
    pub(crate) async fn check_binding(&mut self) -> Result<Option<String>, NotReady> {
        let in_own = !self.in_transaction && block::opens(self.unit);
        let asking = self.asking_now();
        let question = if asking == Asking::Not { Vec::new() } else { self.question() };
        let database = Arc::clone(&self.flow.database);
        let Some(before) = self.binding.take() else {
            return Err(NotReady::Unavailable("it is not known what it was bound to".into()));
        };
        let in_batch = asking == Asking::InBatch;
        let (evidence, definitions) = tokio::join!(
            Box::pin(self.flow.take_up_again(self.way, in_own, &question, in_batch)),
            Box::pin(database.definitions.read(&before.roots)),
        );
        let evidence = evidence.map_err(|broken| NotReady::Unavailable(why(&broken)))?;
        let definitions = definitions.map_err(|error| NotReady::Unavailable(error.to_string()))?;
        if let Some(drift) = definitions.drift_since(&before.definitions) {
            return Err(NotReady::Drifted(drift));
        }
        let session = match self.flow.bound_answer.take().filter(answers_or_ends) {
            Some(answer) => Some(self.learn(answer).map_err(NotReady::Unavailable)?),
            None => None,
        };
        let now = self.bound(session.as_ref(), &before.dependence, &definitions);
        if now != before.bound {
            return Err(NotReady::Changed(now.difference_from(&before.bound)));
        }
        let (roots, definitions) = (Arc::clone(&before.roots), Arc::clone(&before.definitions));
        self.flow.recheck = Some(Box::new(Recheck { roots, definitions, ticket: None }));
        self.binding = Some(before);
        Ok(evidence)
    }

    /// Why no approval can be bound to the command: what it does cannot be listed, or not be shown.
    // INVARIANT: I2. At every bound the command is refused; nothing is left out of what people are shown.
    fn is_beyond(&self, dependence: &Dependence) -> Option<String> {
        let why = if let Some(why) = dependence.beyond {
            why.to_owned()
        } else if self.executed().len() + dependence.cursors.len() > TEXTS_MAX {
            format!("it runs more than {TEXTS_MAX} prepared statements and cursors by name")
        } else if dependence.names_beyond_ascii() && !self.writes_utf8() {
            "it has names beyond ASCII, and the client writes in another encoding than UTF8 (client_encoding)"
                .into()
        } else {
            return None;
        };
        Some(format!("no approval can be bound to the statement: {why}"))
    }

    /// Whether names are read here as the server reads them.
    fn writes_utf8(&self) -> bool {
        let reported = || self.flow.parameters.get("client_encoding") == Some("UTF8");
        self.flow.settings.current().map_or_else(reported, |settings| settings.utf8)
    }

    /// What the text, and what it runs by name, depends on.
    fn dependence(&self) -> Dependence {
        let text = &self.unit.command.text;
        match &self.unit.text_reading {
            Some(reading) => self.flow.with_session(|session| {
                let mut all = reading.dependence(text, session);
                for name in &reading.effects().fetches {
                    if let Known::As(portal) = self.flow.portals.get(name.as_bytes()) {
                        let statement = &portal.statement;
                        all.extend(statement.reading.dependence(&statement.text, session));
                    }
                }
                all
            }),
            None => Dependence { reads_settings: true, ..Dependence::default() },
        }
    }

    /// The search path by which the server has resolved, or will resolve, its names; `None` where it is not known or not one.
    fn path(&self) -> Option<Vec<String>> {
        let now = self.flow.settings.current().and_then(|settings| settings.schemas.clone());
        if let Some(own) = self.unit.bound_elsewhere(self.flow) {
            let executes = self.unit.portal.as_ref().is_some_and(|(_, portal)| portal.executes());
            let bound = own.settings.as_ref().and_then(|settings| settings.schemas.clone());
            // INVARIANT: I2. The server runs the plan that it made at Bind. What an EXECUTE runs is looked up now.
            return if executes { now.filter(|now| bound.as_ref() == Some(now)) } else { bound };
        }
        let fetches = self.unit.text_reading.iter().flat_map(|reading| &reading.effects().fetches);
        let mut portals = fetches.filter_map(|name| match self.flow.portals.get(name.as_bytes()) {
            Known::As(portal) => Some(portal),
            Known::Unseen | Known::Unsettled => None,
        });
        let same = |portal: Arc<Portal>| {
            let under = portal.bound.as_ref().and_then(|bound| bound.under.settings.as_ref());
            under.and_then(|settings| settings.schemas.as_ref()) == now.as_ref()
        };
        if portals.all(same) { now } else { None }
    }

    /// The objects that it names.
    fn roots(&self, dependence: &Dependence) -> Roots {
        let path = self.path().filter(|_| !dependence.path_unsure);
        let temporary = path.iter().flatten().find(|schema| schema.starts_with("pg_temp_")).cloned();
        let written = |kind: NameKind, name: &Name| {
            let schema = name.schema.as_deref().map(|schema| match (schema, &temporary) {
                ("pg_temp", Some(own)) => own.clone(),
                _ => schema.to_owned(),
            });
            WrittenName { kind, schema, name: name.name.to_string() }
        };
        let mut names = BTreeSet::new();
        for (kind, all) in [
            (NameKind::Relation, &dependence.relations),
            (NameKind::Function, &dependence.functions),
            (NameKind::Operator, &dependence.operators),
            (NameKind::Type, &dependence.types),
        ] {
            names.extend(all.iter().map(|name| written(kind, name)));
        }
        for word in &dependence.words {
            for kind in [NameKind::Relation, NameKind::Function] {
                names.insert(WrittenName { kind, schema: None, name: word.to_string() });
            }
        }
        let meaning = self.flow.settings.current().map(|settings| &settings.meaning);
        let role = |setting: &str| meaning.and_then(|meaning| meaning.get(setting)).cloned();
        let texts = dependence.texts.iter().chain(&dependence.words);
        Roots {
            path,
            names,
            objects: self.known_objects(),
            texts: texts.map(ToString::to_string).collect(),
            whole_schemas: dependence.whole_schemas.iter().map(ToString::to_string).collect(),
            roles: ["current_user", "session_user"].into_iter().filter_map(role).collect(),
            reach: dependence.reach,
            defines: dependence.defines,
        }
    }

    /// Objects that the protocol names by oid: types of parameters, and the function of a function call.
    fn known_objects(&self) -> BTreeSet<(u32, u32)> {
        let command = &self.unit.command;
        let types = command.parameters.iter().filter_map(|parameter| parameter.type_name.parse().ok());
        let mut objects: BTreeSet<(u32, u32)> =
            types.filter(|oid| *oid >= 16384).map(|oid| (PG_TYPE, oid)).collect();
        if command.form == "function_call"
            && let Ok(oid) = command.text_lossy().parse()
        {
            objects.insert((PG_PROC, oid));
        }
        objects
    }

    /// All of it together.
    fn bound(
        &self,
        session: Option<&SessionAnswer>,
        dependence: &Dependence,
        definitions: &Definitions,
    ) -> Bound {
        let unread = calls_unread_code(&self.unit.described.facts);
        let code = unread || definitions.code;
        let mut settings = match (session, self.flow.settings.current()) {
            (Some(session), _) => session.bound_settings(dependence.reads_settings || code),
            (None, Some(known)) => known.meaning.clone(),
            (None, None) => BTreeMap::new(),
        };
        settings.extend(definitions.meanings().filter(|_| dependence.words.is_empty()));
        let (digest, count) = (definitions.digest(), definitions.count());
        settings.insert("definitions".into(), format!("{digest} of {count} objects"));
        for name in &dependence.cursors {
            let cursor = session.and_then(|session| session.cursors.get(name.as_ref()));
            let state = cursor.map_or("not open", |cursor| cursor.state.as_str());
            settings.insert(format!("cursor {name}"), state.to_owned());
        }
        let taken_in = self.taken_in();
        for (what, under) in &taken_in {
            settings.insert((*what).to_owned(), under.clone());
        }
        let mut texts = self.texts(session, dependence);
        texts.under_others |= !taken_in.is_empty();
        let reasons = self.private_reasons(session, dependence, definitions, code, &texts);
        let texts = texts.found;
        if !reasons.is_empty() {
            let reasons: Vec<&str> = reasons.iter().copied().collect();
            let connection = self.flow.connection.describe();
            settings.insert("connection".into(), format!("{connection}, for {}", reasons.join(", ")));
        }
        let settings = self.flow.database.bindings.settings.share(settings);
        Bound { settings, texts, is_private: !reasons.is_empty() }
    }

    /// Why the command is bound to its connection.
    fn private_reasons(
        &self,
        session: Option<&SessionAnswer>,
        dependence: &Dependence,
        definitions: &Definitions,
        code: bool,
        texts: &Texts,
    ) -> BTreeSet<&'static str> {
        let connection = &self.flow.connection;
        let private = dependence.private.iter().filter(|private| connection.counts(**private));
        let mut reasons: BTreeSet<&str> = private.map(|private| private.as_str()).collect();
        let mut because = |is_so: bool, reason: &'static str| {
            if is_so {
                reasons.insert(reason);
            }
        };
        because(definitions.is_temporary(), Private::Temporary.as_str());
        because(connection.may_have_unknown_settings(), "settings that code may have made");
        because(self.flow.definitions_touched, "definitions that its own transaction changed");
        because(session.is_none(), "settings that cannot be asked for now");
        because(texts.unseen, "a prepared statement that was not seen");
        because(texts.under_others, "settings that were changed after the server took in a text or a value");
        let keeps = session.is_some_and(|session| session.private_objects > 0);
        because(code && keeps, "code that may use what the session keeps");
        reasons
    }

    /// The settings that were others when the server took in the command's own text and parameters, for people.
    // INVARIANT: I2. The server evaluates literals when it prepares a statement, and parameters when it binds them.
    fn taken_in(&self) -> Vec<(&'static str, String)> {
        let statement = self.unit.statement.as_deref().and_then(|statement| self.prepared_under(statement));
        let portal = self.unit.portal.as_ref().and_then(|(_, portal)| self.bound_under(portal));
        let statement = statement.map(|told| ("its text prepared under", told));
        let portal = portal.map(|told| ("its parameters bound under", told));
        statement.into_iter().chain(portal).collect()
    }

    /// The settings that were others when a statement was prepared; `None`: all that count are the same.
    fn prepared_under(&self, statement: &Prepared) -> Option<String> {
        // What EXECUTE and other utility statements mean is found out when they run.
        let changed = self.flow.changes.since_prepared(&statement.under);
        self.flow.changes.told(&statement.under, &changed, self.flow.settings.current())
    }

    /// The same for a portal that was bound.
    fn bound_under(&self, portal: &Portal) -> Option<String> {
        self.told_since(&portal.under)
    }

    fn told_since(&self, under: &Under) -> Option<String> {
        let changed = self.flow.changes.since(under);
        self.flow.changes.told(under, &changed, self.flow.settings.current())
    }

    /// The texts that it runs by name.
    // INVARIANT: I2. What EXECUTE and FETCH run is part of what people agree to.
    fn texts(&self, session: Option<&SessionAnswer>, dependence: &Dependence) -> Texts {
        let mut texts = Texts::default();
        for name in self.executed() {
            self.prepared_text(&name, session, &mut texts);
        }
        for name in &dependence.cursors {
            self.cursor_text(name, session, &mut texts);
        }
        texts.found.sort_by(|a, b| a.name.cmp(&b.name));
        texts
    }

    fn prepared_text(&self, name: &str, session: Option<&SessionAnswer>, texts: &mut Texts) {
        let told = session.and_then(|session| session.prepared.get(name));
        match self.flow.statements.get(name.as_bytes()) {
            Known::As(statement) => {
                let types = told.map_or_else(|| types_of(&statement), |told| told.types.clone());
                let under = self.prepared_under(&statement);
                texts.under_others |= under.is_some();
                let under = under.map(|under| format!("; prepared under {under}")).unwrap_or_default();
                texts.push(
                    format!("{PREPARED}{name}{PARAMETER_TYPES}{types}{under})"),
                    statement.text.to_vec(),
                    Vec::new(),
                );
                // Code has given the name to something else.
                texts.unseen |= told.is_some_and(|told| !told.holds(&statement.text));
            }
            Known::Unseen | Known::Unsettled => texts.unseen = true,
        }
        if let (true, Some(told)) = (texts.unseen, told) {
            let name = format!("{PREPARED}{name}{AS_THE_SERVER_HAS_IT}");
            texts.push(name, told.text.clone().into_bytes(), Vec::new());
        }
    }

    fn cursor_text(&self, name: &str, session: Option<&SessionAnswer>, texts: &mut Texts) {
        let (text, parameters, seen, under) = match self.flow.portals.get(name.as_bytes()) {
            Known::As(portal) => {
                let statement = &portal.statement;
                let prepared = self.prepared_under(statement).map(|under| format!("prepared under {under}"));
                let bound = self.bound_under(&portal).map(|under| format!("bound under {under}"));
                let under: Vec<String> = prepared.into_iter().chain(bound).collect();
                (statement.text.to_vec(), portal.parameters.clone(), "", under.join("; "))
            }
            Known::Unseen | Known::Unsettled => {
                let cursor = session.and_then(|session| session.cursors.get(name));
                let Some(cursor) = cursor else { return };
                let text = cursor.text.clone().into_bytes();
                (text, Vec::new(), AS_THE_SERVER_HAS_IT, self.declared_under(name))
            }
        };
        texts.under_others |= !under.is_empty();
        let under = if under.is_empty() { under } else { format!(" ({under})") };
        texts.push(format!("{CURSOR}{name}{seen}{under}"), text, parameters);
    }

    /// The settings that were others when a cursor of SQL was declared, in words; empty: none.
    fn declared_under(&self, name: &str) -> String {
        match self.flow.cursors_under.get(name) {
            Some(Some(under)) => self.told_since(under).map(|told| format!("declared under {told}")),
            Some(None) | None => Some("declared under settings that are not known".into()),
        }
        .unwrap_or_default()
    }

    /// The names that it executes, and those that they execute; not all of them where there are more than [`TEXTS_MAX`].
    fn executed(&self) -> BTreeSet<Box<str>> {
        let mut names: BTreeSet<Box<str>> = BTreeSet::new();
        let mut open: Vec<Arc<Reading>> = self.unit.text_reading.iter().cloned().collect();
        // Each word of a text that could not be read may be the name that an EXECUTE in it calls.
        if open.iter().any(|reading| reading.failure().is_some()) {
            for word in self.dependence().words {
                if let Known::As(statement) = self.flow.statements.get(word.as_bytes()) {
                    open.push(Arc::clone(&statement.reading));
                    names.insert(word);
                }
            }
        }
        while let Some(reading) = open.pop() {
            for name in reading.executes() {
                if !names.insert(name.into()) {
                    continue;
                }
                if names.len() > TEXTS_MAX {
                    return names;
                }
                if let Known::As(statement) = self.flow.statements.get(name.as_bytes()) {
                    open.push(Arc::clone(&statement.reading));
                }
            }
        }
        names
    }

    /// How the session's own connection can be asked.
    fn asking_now(&self) -> Asking {
        let flow = &self.flow;
        if flow.skipping || flow.status == TransactionStatus::Failed {
            return Asking::Not;
        }
        // Nothing of ours may take a snapshot before a statement that must come first in its transaction, which what stands
        // before it in its batch may have opened.
        let first = self.unit.text_reading.as_ref().is_none_or(|reading| reading.snapshot_first());
        if !first && (self.batch_ran || flow.status == TransactionStatus::InTransaction) {
            return Asking::Not;
        }
        // A Sync of ours would end the batch, or come behind a Parse that fails.
        let parsing =
            self.batch_idle && !(flow.expected.is_empty() && flow.status == TransactionStatus::Idle);
        match self.batch_ran || parsing {
            true if flow.expected.may_copy_in() => Asking::Not,
            true => Asking::InBatch,
            false => Asking::Between,
        }
    }

    /// Asks the session's own connection; nothing when it cannot be asked now.
    async fn ask_session(&mut self) -> Result<Option<Answer>, NotBound> {
        // How a batch before this one ends is known when it is answered; it may leave a transaction that has failed.
        while self.flow.upstream.is_some()
            && self.asking_now() == Asking::Between
            && self.flow.expected.comes_by_itself()
        {
            self.answers_move().await.map_err(|broken| NotBound::Unavailable(why(&broken)))?;
        }
        let asking = self.asking_now();
        if asking == Asking::Not || self.flow.upstream.is_none() {
            return Ok(None);
        }
        if self.batch_idle && asking == Asking::Between {
            // Parsing took locks, and nobody needs them while people think.
            self.flow.end_idle_batch();
            self.batch_idle = false;
        }
        let question = self.question();
        self.flow.bound_answer = None;
        self.flow.ask_binding(&question, asking == Asking::InBatch);
        while self.flow.bound_answer.is_none() {
            if self.flow.skipping {
                return Err(NotBound::Unavailable("what stands before it in its batch has failed".into()));
            }
            self.answers_move().await.map_err(|broken| NotBound::Unavailable(why(&broken)))?;
        }
        Ok(self.flow.bound_answer.take())
    }

    /// Moves what the target answers to the client while it is asked.
    async fn answers_move(&mut self) -> Result<(), Broken> {
        let mut stop = self.road.stop.clone();
        let runs = !self.flow.expected.only_ours();
        tokio::select! {
            biased;
            why = crate::session::revoked(&mut stop) => Err(Broken::Stopped(why)),
            // What was sent before it still runs: it is that which the client wants to end.
            request = self.cancel.asked(), if runs => {
                self.flow.cancel_running(&self.way.connector, request);
                Ok(())
            }
            moved = self.flow.moved_down() => match moved {
                Ok(()) => Box::pin(self.flow.take_answers()).await,
                Err(broken) => Err(broken),
            },
        }
    }

    /// Takes the answer in when a command is about to be held.
    fn take_session(&mut self, answer: Answer) -> Result<SessionAnswer, NotBound> {
        let before = self.flow.settings.shared();
        let session = self.learn(answer).map_err(NotBound::Unavailable)?;
        let now = self.flow.settings.current();
        let same = match (&before, now) {
            (Some(before), Some(now)) => before.schemas == now.schemas && before.lexing == now.lexing,
            _ => false,
        };
        // Its names were resolved under another path, or under none.
        if same { Ok(session) } else { Err(NotBound::Outdated) }
    }

    fn learn(&mut self, answer: Answer) -> Result<SessionAnswer, String> {
        let unreadable = || "the settings of the session could not be read".to_owned();
        let session = answer.into_rows().and_then(SessionAnswer::of_rows).ok_or_else(unreadable)?;
        if self.flow.settings.current() != Some(&session.settings) {
            let settings = self.flow.database.shared_settings(session.settings.clone());
            self.flow.settings.learn(settings);
        }
        Ok(session)
    }

    fn question(&self) -> Vec<String> {
        let (custom, executed) = (self.flow.connection.custom(), self.executed());
        let cursors = !self.dependence().cursors.is_empty();
        question::texts(custom, executed.iter().map(AsRef::as_ref), cursors)
    }
}

/// The texts that a command runs by name.
#[derive(Debug, Default)]
struct Texts {
    found: Vec<NamedText>,
    /// One of them was not seen.
    unseen: bool,
    /// One of them was taken in under settings that may have changed since.
    under_others: bool,
}

impl Texts {
    fn push(&mut self, name: String, text: Vec<u8>, parameters: Vec<Parameter>) {
        self.found.push(NamedText { name, text, parameters });
    }
}

impl Bound {
    /// In what this differs, in words. Values are not told: they may be secrets of the session.
    fn difference_from(&self, before: &Self) -> String {
        let names: BTreeSet<&String> = self.settings.keys().chain(before.settings.keys()).collect();
        let differs = |name: &&&String| self.settings.get(**name) != before.settings.get(**name);
        let mut different: Vec<&str> = names.iter().filter(differs).map(|name| name.as_str()).collect();
        if self.texts != before.texts {
            different.push("what it runs by name");
        }
        format!("the session is not as it was when people were asked: {} changed", different.join(", "))
    }
}

impl Flow {
    /// Asks the server for what approvals are bound to, behind everything that was sent before.
    pub(crate) fn ask_binding(&mut self, texts: &[String], in_batch: bool) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        self.ask_gathering(&texts, in_batch);
    }
}

/// A question that failed in the client's transaction, which goes on, has no answer: the command is bound to its connection
/// then, as where nothing can be asked.
fn answers_or_ends(answer: &Answer) -> bool {
    answer.is_sound() || !answer.is_behind_savepoint()
}

/// The types that a client gave for the parameters of a statement, as far as it did.
fn types_of(statement: &Prepared) -> String {
    let types: Vec<String> = statement.types.iter().map(ToString::to_string).collect();
    if types.is_empty() { "as written".into() } else { types.join(", ") }
}

/// Why a connection cannot be used, for the client.
pub(crate) fn why(broken: &Broken) -> String {
    use countersign_common::error::Report as _;
    match broken {
        Broken::NoUpstream(error) => error.client_text().into_owned(),
        other => other.to_string(),
    }
}
