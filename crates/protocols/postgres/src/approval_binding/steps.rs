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
use crate::session::flow::{Broken, Flow};
use crate::session::settings::Answer;
use crate::statements::{Known, Prepared};

/// The system catalogs of functions and types.
const PG_PROC: u32 = 1255;
const PG_TYPE: u32 = 1247;

/// Prepared statements that execute prepared statements are followed up to this many.
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
        let session = answer.map(|answer| self.take_session(answer)).transpose()?;
        let dependence = self.dependence();
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
        let session = match self.flow.bound_answer.take() {
            Some(answer) => Some(self.learn(answer).map_err(NotReady::Unavailable)?),
            None => None,
        };
        let now = self.bound(session.as_ref(), &before.dependence, &definitions);
        if now != before.bound {
            return Err(NotReady::Changed(now.difference_from(&before.bound)));
        }
        self.binding = Some(before);
        Ok(evidence)
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

    /// The objects that it names.
    fn roots(&self, dependence: &Dependence) -> Roots {
        let settings = self.flow.settings.current();
        let path = settings.and_then(|settings| settings.schemas.clone()).filter(|_| !dependence.path_unsure);
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
        let meaning = settings.map(|settings| &settings.meaning);
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
        let (texts, unseen) = self.texts(session, dependence);
        let reasons = self.private_reasons(session, dependence, definitions, code, unseen);
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
        unseen: bool,
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
        because(unseen, "a prepared statement that was not seen");
        let keeps = session.is_some_and(|session| session.private_objects > 0);
        because(code && keeps, "code that may use what the session keeps");
        reasons
    }

    /// The texts that it runs by name, and whether one of them was not seen.
    // INVARIANT: I2. What EXECUTE and FETCH run is part of what people agree to.
    fn texts(&self, session: Option<&SessionAnswer>, dependence: &Dependence) -> (Vec<NamedText>, bool) {
        let (mut texts, mut unseen) = (Vec::new(), false);
        for name in self.executed() {
            let told = session.and_then(|session| session.prepared.get(name.as_ref()));
            match self.flow.statements.get(name.as_bytes()) {
                Known::As(statement) => {
                    let types = told.map_or_else(|| types_of(&statement), |told| told.types.clone());
                    texts.push(NamedText {
                        name: format!("prepared statement {name} (parameter types {types})"),
                        text: statement.text.to_vec(),
                        parameters: Vec::new(),
                    });
                    // Code has given the name to something else.
                    unseen |= told.is_some_and(|told| !told.holds(&statement.text));
                }
                Known::Unseen | Known::Unsettled => unseen = true,
            }
            if let (true, Some(told)) = (unseen, told) {
                texts.push(NamedText {
                    name: format!("prepared statement {name} as the server has it"),
                    text: told.text.clone().into_bytes(),
                    parameters: Vec::new(),
                });
            }
        }
        for name in &dependence.cursors {
            let (text, parameters) = match self.flow.portals.get(name.as_bytes()) {
                Known::As(portal) => (portal.statement.text.to_vec(), portal.parameters.clone()),
                Known::Unseen | Known::Unsettled => {
                    let cursor = session.and_then(|session| session.cursors.get(name.as_ref()));
                    let Some(cursor) = cursor else { continue };
                    (cursor.text.clone().into_bytes(), Vec::<Parameter>::new())
                }
            };
            texts.push(NamedText { name: format!("cursor {name}"), text, parameters });
        }
        texts.sort_by(|a, b| a.name.cmp(&b.name));
        (texts, unseen)
    }

    /// The names that it executes, and those that they execute.
    fn executed(&self) -> BTreeSet<Box<str>> {
        let mut names: BTreeSet<Box<str>> = BTreeSet::new();
        let mut open: Vec<Arc<Reading>> = self.unit.text_reading.iter().cloned().collect();
        while let Some(reading) = open.pop() {
            for name in reading.executes() {
                if names.len() >= TEXTS_MAX || !names.insert(name.into()) {
                    continue;
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
