//! Both ends of a connection and what is on its way between them. It moves bytes; what they mean going
//! up is [`super::intake`]'s part, what they mean coming down [`super::answers`]'.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use countersign_common::command::TransactionData;
use countersign_common::{Digest, Target};
use countersign_lifecycle::{
    Cleared, ClientSide, INPUT_BYTES_MAX, OUTPUT_BYTES_HIGH, Recorder, Running, UpstreamSide,
};
use countersign_masking::{HashKey, Masked, Rules};
use countersign_runtime::metrics::Level;
use rustc_hash::FxHashMap;

use super::asynchronous::Hidden;
use super::expect::{Expect, Expected, Flight};
use super::own::Own;
use super::process_ids::ClientIdentity;
use super::recheck::Recheck;
use super::settings::{self, Answer};
use super::transaction::Block;
use super::way::Leftovers;
use crate::Stream;
use crate::cancel_registry::{CancelRequest, ServedBy};
use crate::catalogue::Database;
use crate::codec::backend::TransactionStatus;
use crate::codec::{Error as WireError, Side, SqlState, Walker, build};
use crate::connection_state::ConnectionState;
use crate::definitions::Definitions;
use crate::inert::InertFrames;
use crate::masked_outputs::MaskedOutputs;
use crate::parameters::ServerParameters;
use crate::setting_changes::{SettingChanges, Under};
use crate::statements::{Known, Meaning, Name, Names, Portal, Prepared};
use crate::unmatched::Unmatched;
use crate::upstream::{CancelToken, Connector};

/// Answers awaited at once. A client that pipelines more has to read first.
const EXPECTED_MAX: usize = 10_000;

/// Why a connection ends before its client says goodbye.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The client has closed its sending side, or left while its command was held. It may still read.
    #[error("the client left")]
    Client,
    /// The target closed the connection.
    #[error("the target closed the connection")]
    Upstream,
    /// The target answered with rows that it had not described.
    #[error("the target sent an answer that it had not described")]
    Undescribed,
    /// The target sent what the protocol does not allow.
    #[error("the target broke the protocol: {0}")]
    UpstreamProtocol(WireError),
    /// The client sent what the protocol does not allow.
    #[error("{0}")]
    ClientProtocol(WireError),
    /// The answer does not fit what was described, so it cannot be masked.
    #[error("the answer cannot be masked: {0}")]
    Unmaskable(#[from] countersign_masking::MaskError),
    /// A row that has to be masked is larger than what is read whole.
    #[error("a row that has to be masked is larger than {max} bytes")]
    RowTooLarge {
        /// The limit, in bytes.
        max: usize,
    },
    /// What was answered cannot be recorded, so it cannot be given.
    #[error("{0}")]
    Unrecorded(#[from] countersign_lifecycle::ports::Unavailable),
    /// The target could not be reached, or did not let us in.
    #[error("{0}")]
    NoUpstream(#[from] crate::upstream::UpstreamError),
    /// The target did not open a transaction for a command that was countersigned.
    #[error("the target did not open a transaction for it")]
    NotBegun,
    /// What the client had prepared cannot be prepared again on a new connection.
    #[error(
        "a prepared statement could not be prepared again on a new connection to the target; connect again"
    )]
    NotPrepared,
    /// The session was revoked or has expired.
    #[error("{0}")]
    Stopped(String),
    /// The gateway drains, and nothing runs here that it would wait for.
    #[error("the gateway is being restarted; connect again")]
    Drained,
    /// The gateway ends, and could not wait any longer.
    #[error("the gateway ends before what runs here does; connect again")]
    TimeOver,
}

/// What came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    /// Bytes of the client.
    FromClient,
    /// Bytes of the target.
    FromUpstream,
    /// The client has closed its end.
    ClientClosed,
}

/// The open connection to the target.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) side: UpstreamSide<Stream>,
    pub(crate) walker: Walker,
    /// Bytes that have to be there at once before more of the answer can be read.
    pub(crate) wanted: usize,
    pub(crate) cancel: Option<CancelToken>,
    /// That the server process stands for this client.
    pub(crate) _served: Option<ServedBy>,
    /// Counts it among the open ones.
    pub(crate) _held: Level,
}

/// A portal that stopped at its row limit, and its command.
#[derive(Debug)]
pub(crate) struct Suspended {
    pub(crate) name: Name,
    pub(crate) portal: Arc<Portal>,
    pub(crate) running: Running,
    /// What its answer can show of masked columns, by the rules that were in force when it began.
    pub(crate) outputs: Arc<MaskedOutputs>,
    /// Whether its rows may have to be masked, by the rules that were in force when it began.
    pub(crate) masked: bool,
}

/// Both ends of a connection, and what is on its way.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) client: ClientSide<Stream>,
    /// Boxed: a session that waits has none.
    pub(crate) upstream: Option<Box<Open>>,
    pub(crate) expected: Expected,
    pub(crate) status: TransactionStatus,
    pub(crate) parameters: ServerParameters,
    pub(crate) statements: Names<Prepared>,
    pub(crate) portals: Names<Portal>,
    /// Portals that were suspended at their row limit: their commands go on with the next Execute.
    pub(crate) suspended: Vec<Suspended>,
    pub(crate) settings: settings::Known,
    /// Which of them may have changed, and when.
    pub(crate) changes: Box<SettingChanges>,
    /// The settings under which open cursors of SQL were declared, by name; `None`: under one or the other.
    pub(crate) cursors_under: FxHashMap<Box<str>, Option<Under>>,
    /// A setting was changed inside the open transaction: its end may change it back.
    pub(crate) settings_touched: bool,
    /// The same for settings by which nothing is read.
    pub(crate) values_touched: bool,
    /// A cursor of the open transaction may change settings when it is fetched from.
    pub(crate) cursors_may_set: bool,
    /// Definitions were changed inside the open transaction, where nobody else sees them.
    pub(crate) definitions_touched: bool,
    /// The names that it changed them for.
    pub(crate) redefined: countersign_sql::Redefined,
    /// The same, as told to the other sessions.
    pub(crate) redefining: Option<crate::catalogue::Redefining>,
    /// The request to read what this session changed in the transaction before, until it is served.
    pub(crate) definitions_awaited: Option<crate::catalogue::Ticket>,
    /// Whether values are hidden from the principal; boxed, as it is seldom looked at.
    pub(super) hidden: Box<Hidden>,
    /// Code that nobody has read may have run on this connection.
    pub(super) unread_code: bool,
    pub(crate) target: Arc<Target>,
    pub(crate) database: Arc<Database>,
    /// Digest over what was run in the open transaction.
    pub(crate) prefix: Option<Digest>,
    /// The same, with what was run in the open batch: up to its Sync that is one transaction, too.
    pub(crate) batch_prefix: Option<Digest>,
    /// Something of that has worked with data: a setting that is changed behind it does not say what it was before.
    pub(crate) prefix_works: bool,
    /// The data of the COPY of the client that runs in the open transaction.
    pub(crate) copied: Option<Box<TransactionData>>,
    /// Commands of an implicit transaction that have run; whether it lasts is known at its end.
    pub(crate) finished: Vec<Flight>,
    /// The error that undoes it.
    pub(crate) batch_failed: Option<SqlState>,
    /// After an error the server skips what comes up to the next Sync, and so do we.
    pub(crate) skipping: bool,
    pub(crate) rules: Arc<Rules>,
    pub(crate) hash_key: Arc<HashKey>,
    /// The rules that match nothing in the catalogue; `None`: that is not known.
    pub(crate) unmatched: Option<Arc<Unmatched>>,
    /// Bytes of the client that intake cannot use before more come.
    pub(crate) wanted: usize,
    /// Intake stopped for want of room, with messages left to take in: it has to be called again when there is some.
    pub(crate) stalled: bool,
    /// Intake stopped at a message of the client that waits for answers of the target: COPY data.
    pub(crate) awaits_answers: bool,
    /// The client sends nothing more: it has closed its sending side, or its connection broke. It may still read.
    pub(crate) client_done: bool,
    /// The client reads nothing more: its connection broke when it was written to.
    pub(crate) client_gone: bool,
    /// Something that may show masked values was sent in the transaction: texts at its end may quote them.
    pub(crate) masked_sent: bool,
    /// The target has said itself why it closes the connection.
    pub(crate) target_said_why: bool,
    /// An answer has been taken out of its buffer and not been released yet.
    pub(crate) answering: bool,
    /// The transaction of our own that is open.
    pub(crate) own: Option<Own>,
    /// What the session keeps on its connection to the target.
    pub(crate) leftovers: Leftovers,
    /// The answer to the question of our own that was asked last.
    pub(crate) answered: Option<Answer>,
    /// The answer to the question what an approval is bound to.
    pub(crate) bound_answer: Option<Answer>,
    /// The state that the connection to the target has for itself.
    pub(crate) connection: ConnectionState,
    /// Definitions that were read before the facts of the command that is about to be held.
    pub(crate) checked: Option<Box<Definitions>>,
    /// The definitions of the approved command that is about to go.
    pub(crate) recheck: Option<Box<Recheck>>,
    /// Those of the commands that run in the transaction of our own.
    pub(crate) own_rechecks: Vec<Recheck>,
    /// A command runs in a transaction or batch of the client whose definitions are read again when it has.
    pub(crate) rechecking: bool,
    /// The transaction block that the client has open.
    pub(crate) block: Block,
    /// Where its end is recorded.
    pub(crate) recorder: Recorder,
    /// The client, as notifications name it.
    pub(crate) identity: ClientIdentity,
}

impl Flow {
    /// Waits until bytes come in from either side, and writes out what waits to be written.
    ///
    /// # Errors
    /// [`Broken`] when a side is gone.
    ///
    /// # Cancel safety
    /// Safe: bytes stay in the buffers of their side.
    pub(crate) async fn moved(&mut self) -> Result<Moved, Broken> {
        poll_fn(|cx| self.poll_moved(cx)).await
    }

    fn poll_moved(&mut self, cx: &mut Context<'_>) -> Poll<Result<Moved, Broken>> {
        match self.poll_down(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(Moved::FromUpstream)),
            Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
            Poll::Pending => {}
        }
        self.poll_client(cx).map(Ok)
    }

    /// Takes in bytes of the client, or notices that it sends no more.
    fn poll_client(&mut self, cx: &mut Context<'_>) -> Poll<Moved> {
        if !self.takes_input() {
            return Poll::Pending;
        }
        if std::mem::take(&mut self.stalled) {
            // What is left to take in is here already; the socket may never wake us again.
            return Poll::Ready(Moved::FromClient);
        }
        if self.poll_fill_client(cx).is_ready() {
            return Poll::Ready(Moved::FromClient);
        }
        // A whole message that waits for answers is executed although its client has closed its sending side, as by
        // the server, which reads one message after the other.
        if self.client_done && !self.awaits_answers {
            return Poll::Ready(Moved::ClientClosed);
        }
        Poll::Pending
    }

    /// Reads more of the client's bytes. `Pending` also when no more will come.
    fn poll_fill_client(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.client_done {
            return Poll::Pending;
        }
        match self.client.poll_fill(cx, self.wanted.max(INPUT_BYTES_MAX)) {
            Poll::Ready(Ok(1..)) => return Poll::Ready(()),
            Poll::Ready(Ok(0)) => self.client_done = true,
            // What was received before the connection broke counts, as with the server.
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a client's connection broke");
                self.client_done = true;
            }
            // A connection that cannot be written to brings nothing new either.
            Poll::Pending => self.client_done = self.client_gone,
        }
        Poll::Pending
    }

    /// Returns whether bytes of the client are there that were not taken in yet; it waits for none.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn client_has_sent(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.poll_fill_client(cx).is_ready() || !self.client.input().is_empty()))
            .await
    }

    /// Waits until bytes come in from either side, on behalf of a message that is being taken in: it is taken in to its
    /// end also when its client has closed its sending side meanwhile.
    ///
    /// # Errors
    /// [`Broken`] when the target is gone.
    ///
    /// # Cancel safety
    /// Safe: bytes stay in the buffers of their side.
    pub(crate) async fn moved_for_intake(&mut self) -> Result<Moved, Broken> {
        poll_fn(|cx| {
            if let Poll::Ready(down) = self.poll_down(cx) {
                return Poll::Ready(down.map(|()| Moved::FromUpstream));
            }
            if self.takes_input() && self.poll_fill_client(cx).is_ready() {
                return Poll::Ready(Ok(Moved::FromClient));
            }
            Poll::Pending
        })
        .await
    }

    /// Writes out what waits for the client. What a client that is gone does not take is dropped: what it sent before
    /// is executed all the same.
    fn poll_flush_client(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.client_gone {
            match self.client.poll_flush(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(()),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "a client's connection broke");
                    self.client_gone = true;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        self.client.forget_output();
        Poll::Ready(())
    }

    /// Writes out what waits, and takes in bytes of the target.
    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let _flushed = self.poll_flush_client(cx);
        let Some(open) = &mut self.upstream else { return Poll::Pending };
        if let Poll::Ready(Err(_)) = open.side.poll_flush(cx) {
            return Poll::Ready(Err(Broken::Upstream));
        }
        // Back pressure: what the client does not read is not read from the target.
        if self.client.output_bytes() > OUTPUT_BYTES_HIGH {
            return Poll::Pending;
        }
        match open.side.poll_fill(cx, open.wanted.max(INPUT_BYTES_MAX)) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(Broken::Upstream)),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Waits until bytes of the target come in, and writes out what waits for the client, which is not read any more.
    ///
    /// # Errors
    /// [`Broken`] when a side is gone.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn moved_down(&mut self) -> Result<(), Broken> {
        poll_fn(|cx| self.poll_down(cx)).await
    }

    /// Whether more of the client is read: not while too much waits for the target, for answers, or for the
    /// client itself to read it, nor while a transaction of our own ends.
    pub(crate) fn takes_input(&self) -> bool {
        let waiting = self.upstream.as_ref().map_or(0, |open| open.side.output_bytes());
        waiting.max(self.client.output_bytes()) <= OUTPUT_BYTES_HIGH
            && self.expected.len() < EXPECTED_MAX
            && !self.own_is_ending()
            && !self.awaits_recheck()
    }

    /// Writes out everything that waits for the client; for the end of the connection.
    pub(crate) async fn flush_client(&mut self) {
        poll_fn(|cx| self.poll_flush_client(cx)).await;
    }

    /// Closes the sending side to the client; over TLS that says that nothing is missing.
    pub(crate) async fn close_client(&mut self) {
        if !self.client_gone {
            // A client that has closed its own side misses nothing.
            let _ = poll_fn(|cx| self.client.poll_shutdown(cx)).await;
        }
    }

    /// Closes the sending side to the target: it answers what was sent, and ends.
    pub(crate) async fn close_upstream(&mut self) {
        self.flush_upstream().await;
        if let Some(open) = &mut self.upstream {
            // A target that is gone is found by reading from it.
            let _ = poll_fn(|cx| open.side.poll_shutdown(cx)).await;
        }
    }

    /// Waits until bytes of the target come in; the client is not looked at any more.
    ///
    /// # Errors
    /// When the target is gone.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn upstream_moved(&mut self) -> Result<(), Broken> {
        let Some(open) = &mut self.upstream else { return Err(Broken::Upstream) };
        let limit = open.wanted.max(INPUT_BYTES_MAX);
        let moved = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = open.side.poll_flush(cx) {
                return Poll::Ready(Err(error));
            }
            open.side.poll_fill(cx, limit)
        });
        match moved.await {
            Ok(0) | Err(_) => Err(Broken::Upstream),
            Ok(_) => Ok(()),
        }
    }

    /// Writes out what waits for the target; for the end of the connection.
    pub(crate) async fn flush_upstream(&mut self) {
        if let Some(open) = &mut self.upstream {
            // What cannot be written any more is the target's to notice.
            let _ = poll_fn(|cx| open.side.poll_flush(cx)).await;
        }
    }

    /// Drops what waits for a client that is gone.
    pub(crate) fn forget_output(&mut self) {
        self.client.forget_output();
    }

    /// Asks the target to cancel what runs on the connection. The connection that the request came on is closed when the
    /// target has been told.
    pub(crate) fn cancel_running(&self, connector: &Arc<Connector>, request: CancelRequest) {
        let token = self.upstream.as_ref().and_then(|open| open.cancel.clone());
        if let (Some(token), true) = (token, self.expected.has_commands()) {
            let connector = Arc::clone(connector);
            // Bounded by the connector's time-outs.
            tokio::spawn(async move {
                if let Err(error) = connector.cancel(&token).await {
                    tracing::warn!(%error, "a cancel request did not reach the target");
                }
                drop(request);
            });
        }
    }

    /// Queues cleared bytes for the target.
    pub(crate) fn send(&mut self, cleared: Cleared) {
        if let Some(open) = &mut self.upstream {
            open.side.send(cleared);
        }
    }

    /// Queues frames of our own making for the target.
    pub(crate) fn send_ours(&mut self, frames: BytesMut) {
        self.send(Cleared::inert(InertFrames::ours(frames.freeze())));
    }

    /// Queues our goodbye to the target.
    pub(crate) fn say_goodbye_upstream(&mut self) {
        let mut goodbye = BytesMut::new();
        build::bare(&mut goodbye, b'X');
        self.send_ours(goodbye);
    }

    /// Says something of our own to the client, at once: notices.
    pub(crate) fn tell(&mut self, message: &Bytes) {
        self.client.send(Masked::value_free(Said(message.clone())));
    }

    /// Says something of our own in its turn: after the answers that are awaited.
    pub(crate) fn say(&mut self, message: Bytes) {
        if self.expected.is_empty() {
            self.tell(&message);
        } else {
            self.expected.push(Expect::Say(message));
        }
    }

    /// Says that we are ready, in its turn.
    pub(crate) fn say_ready(&mut self) {
        if self.expected.is_empty() {
            self.tell(&crate::reply::ready(self.status));
        } else {
            self.expected.push(Expect::SayReady);
        }
    }

    /// Whether what is sent now would run inside a transaction that is open, or may be.
    pub(crate) fn in_transaction(&self) -> bool {
        self.status != TransactionStatus::Idle
            || self.expected.has_effects()
            || self.expected.has_open_batch()
    }

    /// Ends the implicit transaction of a batch of which only Parse and Describe were sent, all of them answered. What
    /// was prepared stays.
    pub(crate) fn end_idle_batch(&mut self) {
        if self.upstream.is_some() && self.expected.is_empty() && self.status == TransactionStatus::Idle {
            let mut sync = BytesMut::new();
            build::bare(&mut sync, b'S');
            self.send_ours(sync);
            self.expected.push(Expect::OurSync);
        }
    }

    /// Gives back the memory of buffers that are empty; for a connection that is going to wait.
    pub(crate) fn shrink(&mut self) {
        self.client.shrink();
        self.expected.shrink();
        if let Some(open) = &mut self.upstream {
            open.side.shrink();
        }
    }

    /// Whether the shared catalogue does not hold here: the open transaction changes definitions, or what this session
    /// has changed was not read yet.
    pub(crate) fn hides_definitions(&self) -> bool {
        let is_awaited = |ticket| !self.database.is_served(ticket);
        self.definitions_touched || self.definitions_awaited.is_some_and(is_awaited)
    }

    /// What is known of the database's definitions; nothing while the shared catalogue does not hold here (I7).
    pub(crate) fn catalogue(&self) -> Arc<countersign_sql::Catalogue> {
        if self.hides_definitions() {
            return Arc::new(countersign_sql::Catalogue::empty());
        }
        self.database.current()
    }

    /// What names mean at the moment for one text: nothing is known where it rests on what another session of this
    /// gateway is changing.
    // INVARIANT: I7.
    pub(crate) fn meaning_for(&self, reading: &countersign_sql::Reading) -> Meaning {
        let mut meaning = self.meaning();
        if meaning.catalogue.is_loaded() && self.is_being_redefined(reading) {
            meaning.catalogue = Arc::new(countersign_sql::Catalogue::empty());
        }
        meaning
    }

    /// Whether a text, or what it executes, rests on definitions that are being changed.
    fn is_being_redefined(&self, reading: &countersign_sql::Reading) -> bool {
        let executed = |name: &str| match self.statements.get(name.as_bytes()) {
            Known::As(statement) => self.database.is_redefining(&statement.reading),
            // What it runs is not known anyway.
            Known::Unseen | Known::Unsettled => false,
        };
        self.database.is_redefining(reading) || reading.executes().any(executed)
    }

    /// What names mean at the moment, for those who ask.
    pub(crate) fn with_session<T>(&self, ask: impl FnOnce(&countersign_sql::Session<'_>) -> T) -> T {
        self.with_names(&self.meaning(), ask)
    }

    /// The same with what gave names their meaning at some moment; what is executed by name is looked up now.
    pub(super) fn with_names<T>(
        &self,
        meaning: &Meaning,
        ask: impl FnOnce(&countersign_sql::Session<'_>) -> T,
    ) -> T {
        let prepared = |name: &str| match self.statements.get(name.as_bytes()) {
            Known::As(statement) => Some(Arc::clone(&statement.reading)),
            Known::Unseen | Known::Unsettled => None,
        };
        self.with(meaning, &prepared, ask)
    }

    fn with<T>(
        &self,
        meaning: &Meaning,
        prepared: &dyn Fn(&str) -> Option<Arc<countersign_sql::Reading>>,
        ask: impl FnOnce(&countersign_sql::Session<'_>) -> T,
    ) -> T {
        ask(&countersign_sql::Session {
            catalogue: &meaning.catalogue,
            schemas: meaning.settings.as_ref().and_then(|settings| settings.schemas.as_deref()),
            safe_functions: &self.target.safe_functions,
            prepared,
        })
    }

    /// A walker at the start of the target's answers.
    pub(crate) const fn upstream_walker() -> Walker {
        Walker::new(Side::Backend)
    }
}

/// The largest row that is read whole in order to be masked, in bytes. Rows that need no masking are
/// streamed, whatever their size.
pub(crate) const ROW_BYTES_MAX: usize = 16 << 20;

/// A message of our own.
struct Said(Bytes);

impl countersign_masking::ValueFree for Said {}

impl From<Said> for Bytes {
    fn from(said: Said) -> Self {
        said.0
    }
}

impl AsRef<[u8]> for Said {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
