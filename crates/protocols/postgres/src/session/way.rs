//! The way to the target: the session's connection there is opened when it is first needed, given back while a
//! command waits for people, and taken again when it may go.
//!
//! A connection is given back only when nothing would be missed: the server says that the session keeps nothing
//! ([`LEFTOVERS`]), and nothing went over it that could leave behind what the server cannot say. What the client has
//! prepared by the protocol is prepared again.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use countersign_common::facts::{Action, Class};
use countersign_common::target::Role;
use countersign_lifecycle::UpstreamSide;

use super::expect::Expect;
use super::flow::{Broken, Flow, Open};
use super::ours::Question;
use super::settings::{self, Answer};
use crate::codec::backend::TransactionStatus;
use crate::codec::build;
use crate::codec::startup::Protocol;
use crate::exchange::Unit;
use crate::parameters::{ServerParameters, StartupParameters};
use crate::upstream::{Connector, Opening, Upstream, UpstreamError};

/// How long the target may take to answer our questions on a new connection.
const ASKED_MAX: Duration = Duration::from_secs(10);
/// How long a goodbye may take to be written.
const GOODBYE_MAX: Duration = Duration::from_secs(1);
/// What is prepared again on a new connection: not more statements, and not more bytes of text.
const PREPARED_MAX: usize = 100;
const PREPARED_BYTES_MAX: usize = 256 * 1024;

/// How many things the session keeps that a new connection would not have: statements prepared by SQL, channels
/// listened to, advisory locks, held cursors, changed settings, temporary objects. Operators are qualified too, so
/// that no search path can bend it.
const LEFTOVERS: &str = "SELECT \
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql) \
    OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM pg_catalog.pg_listening_channels()) \
    OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks \
        WHERE pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() \
        AND locktype OPERATOR(pg_catalog.=) 'advisory'::pg_catalog.text) \
    OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM pg_catalog.pg_cursors WHERE is_holdable) \
    OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM pg_catalog.pg_settings \
        WHERE source OPERATOR(pg_catalog.=) 'session'::pg_catalog.text) \
    OPERATOR(pg_catalog.+) (CASE WHEN pg_catalog.pg_my_temp_schema() \
        OPERATOR(pg_catalog.<>) '0'::pg_catalog.oid THEN '1'::pg_catalog.int8 ELSE '0'::pg_catalog.int8 END)";

/// Fails while the session has used no sequence: what `currval` would answer is kept by it alone.
const SEQUENCES: &str = "SELECT pg_catalog.lastval()";

/// What a session's connections to its target are opened with.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) connector: Arc<Connector>,
    pub(crate) role: Role,
    pub(crate) database: String,
    pub(crate) startup: StartupParameters,
    pub(crate) protocol: Protocol,
}

/// What is known of what the session keeps on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Leftovers {
    /// Something ran that may leave behind what the server cannot say.
    unsayable: bool,
    /// Something was written, so that a sequence may have been used.
    wrote: bool,
    /// The server says that there is nothing, or that there is.
    nothing: Option<bool>,
}

impl Way {
    async fn open(&self) -> Result<Upstream, UpstreamError> {
        let opening = Opening {
            role: &self.role,
            database: &self.database,
            parameters: &self.startup,
            protocol: self.protocol,
        };
        self.connector.connect(&opening).await
    }
}

impl Leftovers {
    /// A command is let go.
    pub(super) fn remember(&mut self, unit: &Unit) {
        let facts = &unit.described.facts;
        self.wrote |= !facts.is_plain_read();
        // Settings of extensions are in no view; code that nobody has read may keep anything.
        self.unsayable |= facts.operations.iter().any(|operation| {
            matches!(operation.action, Action::Set | Action::Listen | Action::Prepare)
                || matches!(operation.action.class(), Class::Admin | Class::Unknown)
        });
    }

    fn learn(&mut self, nothing: bool) {
        self.nothing = Some(self.nothing.unwrap_or(true) && nothing);
    }
}

impl Flow {
    /// Puts a connection that was opened in place.
    pub(crate) fn adopt(&mut self, upstream: Upstream) {
        self.leftovers = Leftovers::default();
        self.connection.renew();
        self.upstream = Some(Box::new(Open {
            side: UpstreamSide::new(upstream.stream, upstream.buffered),
            walker: Self::upstream_walker(),
            wanted: 0,
            _served: upstream.cancel.as_ref().map(|token| self.identity.served_by(token)),
            cancel: upstream.cancel,
            _held: crate::metrics::upstream_held(),
        }));
    }

    /// Opens the connection to the target when there is none, with what the client has prepared on it.
    ///
    /// # Errors
    /// [`Broken`] when it cannot be had; nothing was run.
    ///
    /// # Cancel safety
    /// Not cancel safe: end the connection then.
    pub(crate) async fn take_up(&mut self, way: &Way) -> Result<(), Broken> {
        if self.upstream.is_some() {
            return Ok(());
        }
        // Boxed: it is large, rare and over before anything waits.
        let upstream = Box::pin(way.open()).await?;
        self.tell_changed_parameters(&upstream.parameters);
        self.adopt(upstream);
        self.settings.mark_stale();
        let prepared = self.prepare_again().await;
        if prepared.is_err() {
            self.upstream = None;
        }
        prepared
    }

    /// The same for a command that was countersigned: with its settings known, if `in_own` with a transaction of our own
    /// open for it where that can be, and with the answer to `question`, which its digest is taken over. Gives back its
    /// evidence, if any.
    ///
    /// # Errors
    /// As [`Self::take_up`]; a connection that was opened for it is gone then.
    pub(crate) async fn take_up_again(
        &mut self,
        way: &Way,
        in_own: bool,
        question: &[String],
        in_batch: bool,
    ) -> Result<Option<String>, Broken> {
        let is_new = self.upstream.is_none();
        if is_new {
            self.take_up(way).await?;
        } else if self.expected.only_ours() {
            // It may just have been asked whether it can be given back.
            self.settle_in_time().await?;
        }
        // Told together what it is asked for: the one does not need the other's answer.
        let begins = in_own && self.is_at_rest();
        if is_new {
            self.ask_for_settings();
        }
        if begins {
            self.ask_to_begin_own();
        }
        let asks = !question.is_empty() && self.upstream.is_some();
        if asks {
            self.bound_answer = None;
            self.ask_binding(question, in_batch);
        }
        let settled = if is_new || begins || asks { self.settle_in_time().await } else { Ok(()) };
        if settled.is_err() && is_new {
            self.forget_upstream();
        }
        settled?;
        if begins { self.own_begun().map(Some) } else { Ok(None) }
    }

    fn ask_for_settings(&mut self) {
        let mut question = BytesMut::new();
        if settings::ask(&mut question).is_ok() {
            self.send_ours(question);
            self.expected.push(Expect::Settings(Answer::default()));
        }
    }

    async fn settle_in_time(&mut self) -> Result<(), Broken> {
        tokio::time::timeout(ASKED_MAX, self.settle()).await.unwrap_or(Err(Broken::Upstream))
    }

    fn forget_upstream(&mut self) {
        self.upstream = None;
        self.own = None;
        self.expected.drain().for_each(drop);
    }

    /// What the target reports otherwise than it did when the client logged in.
    fn tell_changed_parameters(&mut self, reported: &ServerParameters) {
        let mut out = BytesMut::new();
        for (name, value) in reported.iter() {
            let known = std::str::from_utf8(name).ok().and_then(|name| self.parameters.get(name));
            if known.map(str::as_bytes) != Some(value) {
                build::parameter_status(&mut out, name, value);
            }
            self.parameters.set(name, value);
        }
        if !out.is_empty() {
            self.tell(&out.freeze());
        }
    }

    /// What the client prepared on an earlier connection, on this one.
    // INVARIANT: I2. A name stands for the text that was judged under it.
    async fn prepare_again(&mut self) -> Result<(), Broken> {
        let mut frames = BytesMut::new();
        for (name, statement) in self.statements.confirmed() {
            build::parse(&mut frames, name, &statement.text, &statement.types)
                .map_err(Broken::ClientProtocol)?;
        }
        if frames.is_empty() {
            return Ok(());
        }
        build::bare(&mut frames, b'S');
        self.send_ours(frames);
        self.expected.push(Expect::Asked(Question::Prepare, Answer::default()));
        self.settle_in_time().await?;
        match self.answered.take() {
            Some(answer) if answer.is_sound() => Ok(()),
            _ => Err(Broken::NotPrepared),
        }
    }

    /// A command begins to wait: asks the server whether anything would be missed if the connection were given back.
    pub(crate) fn ask_for_leftovers(&mut self) {
        let free = self.upstream.is_some()
            && self.status == TransactionStatus::Idle
            && self.expected.only_ours()
            && self.own.is_none()
            && self.prefix.is_none()
            && self.suspended.is_empty()
            && self.finished.is_empty()
            && !self.leftovers.unsayable
            && self.can_prepare_again();
        if !free {
            return;
        }
        self.leftovers.nothing = None;
        self.ask(Question::Leftovers, &[LEFTOVERS]);
        if self.leftovers.wrote {
            self.ask(Question::Sequences, &[SEQUENCES]);
        }
    }

    fn can_prepare_again(&self) -> bool {
        let (mut count, mut bytes) = (0, 0);
        for (_, statement) in self.statements.confirmed() {
            if statement.by_sql {
                return false;
            }
            count += 1;
            bytes += statement.text.len();
        }
        count <= PREPARED_MAX && bytes <= PREPARED_BYTES_MAX
    }

    /// Takes the answer to a question of our own.
    pub(super) fn take_answer(&mut self, question: Question, answer: Answer) {
        match question {
            Question::Begin | Question::Prepare => self.answered = Some(answer),
            Question::Binding => self.bound_answer = Some(answer),
            Question::Settings => {
                if let Some(settings) = answer.settings() {
                    self.settings.learn(self.database.shared_settings(settings));
                }
            }
            Question::Rollback => {}
            Question::Leftovers => self.leftovers.learn(answer.only().as_deref() == Some("0")),
            Question::Sequences => self.leftovers.learn(!answer.is_sound()),
        }
    }

    /// Gives the connection back once it is known that nothing would be missed.
    pub(crate) async fn give_back(&mut self) {
        if self.leftovers.nothing != Some(true) || !self.expected.is_empty() {
            return;
        }
        self.say_goodbye_upstream();
        let _ = tokio::time::timeout(GOODBYE_MAX, self.flush_upstream()).await;
        self.upstream = None;
        self.shrink();
    }
}
