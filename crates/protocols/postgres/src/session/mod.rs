//! One connection of a client, from the end of its login to its end: takes in what the client sends
//! ([`intake`]), takes it down the road, and gives back what the target answers ([`answers`]).

mod answers;
mod copy_in;
mod describe;
mod expect;
pub(crate) mod flow;
mod intake;
mod pending;
mod refuse;
mod rows;
pub(crate) mod settings;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use countersign_common::Facts;
use countersign_common::facts::Class;
use countersign_common::target::Role;
use countersign_lifecycle::ports::{Stop, stopped};
use countersign_lifecycle::{Cleared, ClientSide, End, Road, UpstreamSide};
use countersign_masking::{HashKey, Rules};
use countersign_sql::Reader;

use self::describe::Kept;
use self::expect::Expect;
use self::flow::{Broken, Flow, Moved, Open};
use self::pending::Pending;
use crate::Stream;
use crate::cancel_registry::CancelSlot;
use crate::catalogue::Database;
use crate::codec::backend::TransactionStatus;
use crate::codec::build::{self, Severity};
use crate::codec::startup::Protocol;
use crate::codec::{Header, Side, SqlState};
use crate::exchange::Unit;
use crate::inert::InertFrames;
use crate::parameters::{ServerParameters, StartupParameters};
use crate::reply;
use crate::statements::Prepared;
use crate::upstream::{Connector, Opening, Upstream};

/// How long a command whose client has left is followed, so that its record tells how it ended.
const FOLLOW_MAX: Duration = Duration::from_secs(60);

/// What a connection works with.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) road: Road,
    pub(crate) reader: Reader,
    pub(crate) connector: Arc<Connector>,
    pub(crate) database: Arc<Database>,
    pub(crate) role: Role,
    pub(crate) startup: StartupParameters,
    pub(crate) protocol: Protocol,
    pub(crate) rules: Arc<Rules>,
    pub(crate) hash_key: Arc<HashKey>,
    pub(crate) cancel: Arc<CancelSlot>,
}

/// One connection of a client.
#[derive(Debug)]
pub(crate) struct Session {
    road: Road,
    reader: Reader,
    connector: Arc<Connector>,
    role: Role,
    startup: StartupParameters,
    protocol: Protocol,
    cancel: Arc<CancelSlot>,
    flow: Flow,
    kept: Kept,
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
}

impl Session {
    /// A connection whose login is over.
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
            settings_touched: false,
            definitions_touched: false,
            target: Arc::clone(&setting.road.target),
            database: setting.database,
            prefix: None,
            finished: Vec::new(),
            batch_failed: None,
            skipping: false,
            rules: setting.rules,
            hash_key: setting.hash_key,
            wanted: 0,
            stalled: false,
            masked_sent: false,
            farewell: false,
        };
        Self {
            road: setting.road,
            reader: setting.reader,
            connector: setting.connector,
            role: setting.role,
            startup: setting.startup,
            protocol: setting.protocol,
            cancel: setting.cancel,
            flow,
            kept: Kept::default(),
            pending: Pending::default(),
            batch_sent: false,
            batch_ran: false,
            failed_locally: false,
            discard: 0,
            goodbye: false,
            asked_for_answers: false,
            sync_in_copy: false,
        }
    }

    /// Puts a connection that was opened during the login in place.
    pub(crate) fn adopt(&mut self, upstream: Upstream) {
        self.flow.upstream = Some(Open {
            side: UpstreamSide::new(upstream.stream, upstream.buffered),
            walker: Flow::upstream_walker(),
            wanted: 0,
            cancel: upstream.cancel,
            _held: crate::metrics::upstream_held(),
        });
    }

    /// Serves the client until it leaves, or the connection has to end.
    pub(crate) async fn run(mut self: Box<Self>) {
        let reason = match self.serve().await {
            Ok(()) => "the client said goodbye".to_owned(),
            Err(broken) => self.tell_why(&broken).await,
        };
        self.end(&reason).await;
    }

    async fn serve(&mut self) -> Result<(), Broken> {
        let mut stop = self.road.stop.clone();
        loop {
            self.intake().await?;
            if self.goodbye {
                return Ok(());
            }
            // In this order, and the connection last: an answer without end must not keep out what ends it.
            tokio::select! {
                biased;
                stop = stopped(&mut stop) => return self.stop(stop).await,
                () = self.cancel.notify.notified() => self.cancel_upstream(),
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
                    self.pump().await?;
                }
                Err(Broken::Stopped("the gateway is being restarted; connect again".into()))
            }
        }
    }

    /// Opens the connection to the target when it is first needed.
    async fn open_upstream(&mut self) -> Result<(), Broken> {
        if self.flow.upstream.is_some() {
            return Ok(());
        }
        let opening = Opening {
            role: &self.role,
            database: &self.road.database,
            parameters: &self.startup,
            protocol: self.protocol,
        };
        // Boxed: it is large, rare and over before anything waits.
        let upstream = Box::pin(self.connector.connect(&opening)).await?;
        self.tell_changed_parameters(&upstream.parameters);
        self.adopt(upstream);
        Ok(())
    }

    /// What the target reports otherwise than it did when the client logged in.
    fn tell_changed_parameters(&mut self, reported: &ServerParameters) {
        let mut out = BytesMut::new();
        for (name, value) in reported.iter() {
            let known = std::str::from_utf8(name).ok().and_then(|name| self.flow.parameters.get(name));
            if known.map(str::as_bytes) != Some(value) {
                build::parameter_status(&mut out, name, value);
            }
            self.flow.parameters.set(name, value);
        }
        if !out.is_empty() {
            self.flow.tell(&out.freeze());
        }
    }

    /// The client asked to cancel what is running.
    fn cancel_upstream(&self) {
        let token = self.flow.upstream.as_ref().and_then(|open| open.cancel.clone());
        if let (Some(token), false) = (token, self.flow.expected.is_empty()) {
            let connector = Arc::clone(&self.connector);
            // Its fate is bounded by the connector's time-outs; nobody waits for it, as nobody waits for the
            // connection that a cancel request comes on.
            tokio::spawn(async move {
                if let Err(error) = connector.cancel(&token).await {
                    tracing::warn!(%error, "a cancel request did not reach the target");
                }
            });
        }
    }

    /// Tells the client why its connection ends, when there is still somebody to tell. Answers with the reason
    /// for the record.
    async fn tell_why(&mut self, broken: &Broken) -> String {
        let reason = broken.to_string();
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
            Broken::Unrecorded(error) => (SqlState::new(*b"55G05"), format!("countersign: {error}")),
            Broken::NoUpstream(error) => {
                tracing::warn!(error = &*chain(error), "no connection to the target");
                let text = countersign_common::error::Report::client_text(error).into_owned();
                (error.sqlstate(), text)
            }
            Broken::Stopped(why) => (SqlState::new(*b"57P01"), format!("countersign: {why}")),
        };
        if !(self.flow.farewell && matches!(broken, Broken::Upstream)) {
            self.flow.tell(&reply::error(Severity::Fatal, sqlstate, &text));
        }
        let _ = tokio::time::timeout(Duration::from_secs(5), self.flow.flush_client()).await;
        reason
    }

    /// Follows what still runs, ends its records, and says goodbye to the target.
    async fn end(&mut self, reason: &str) {
        if self.flow.expected.has_effects() {
            // The client has left, its command has not: the record should tell how it ended.
            let _ = tokio::time::timeout(FOLLOW_MAX, self.follow()).await;
        }
        let left: Vec<_> = self.flow.expected.drain().collect();
        for expect in left {
            if let Expect::Execute(flight) | Expect::Query(flight) | Expect::Function(flight) = expect {
                flight.running.end(End::Lost).await;
            }
        }
        for flight in std::mem::take(&mut self.flow.finished) {
            flight.running.end(End::Lost).await;
        }
        for suspended in std::mem::take(&mut self.flow.suspended) {
            suspended.running.end(End::Completed("CLOSE")).await;
        }
        if let Err(error) = self.road.recorder.close(reason) {
            tracing::error!(%error, "the end of a connection was not recorded");
        }
        let mut goodbye = BytesMut::new();
        build::bare(&mut goodbye, b'X');
        self.flow.send(Cleared::inert(InertFrames::ours(goodbye.freeze())));
        let _ = tokio::time::timeout(Duration::from_secs(1), self.flow.flush_upstream()).await;
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
        if effects.is_none_or(|effects| effects.changes_settings)
            || may_run_unread_code(&unit.described.facts)
        {
            self.settings.mark_stale();
            self.settings_touched = true;
        }
        if let Some(effects) = effects {
            self.foretell(effects);
        }
        // Nobody else sees what an open transaction defines: until it ends the shared catalogue does not hold here.
        self.definitions_touched |= effects.is_none_or(|effects| effects.changes_definitions);
        if in_transaction || effects.is_none_or(|effects| !effects.transactions.is_empty()) {
            let mut digest = countersign_common::digest::DigestBuilder::new("countersign.transaction.v1");
            digest.optional(self.prefix.as_ref().map(|prefix| prefix.as_bytes().as_slice()));
            digest.text(&unit.command.form).bytes(&unit.command.text);
            digest.number(unit.command.parameters.len() as u64);
            for parameter in &unit.command.parameters {
                digest
                    .text(&parameter.type_name)
                    .number(u64::from(parameter.binary))
                    .optional(parameter.value.as_deref());
            }
            self.prefix = Some(digest.finish());
        }
    }

    /// Names that a statement will change when it runs: what comes behind it in its batch finds them so.
    // INVARIANT: I2.
    fn foretell(&mut self, effects: &countersign_sql::Effects) {
        for name in effects.deallocates.iter().flatten() {
            self.statements.sent(name.as_bytes(), None);
        }
        for (name, prepared) in &effects.prepares {
            self.statements.sent(name.as_bytes(), Some(Arc::new(Prepared::by_sql(prepared))));
        }
        // A cursor was judged when it was declared; executed as a portal it is judged as one that nobody saw.
        for name in &effects.declares {
            self.portals.sent(name.as_bytes(), None);
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

/// An error with its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
