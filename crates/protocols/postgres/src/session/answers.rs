//! What the target answers, message by message: given to what it belongs to, masked, noted in the record,
//! and released to the client.

use std::sync::Arc;

use bytes::BytesMut;
use countersign_lifecycle::End;
use countersign_masking::{ErrorMasker, Outlet, Plan, Touches};

use super::expect::{Ended, Expect, Flight};
use super::flow::{Broken, Flow, ROW_BYTES_MAX};
use super::own::Own;
use crate::codec::backend::TransactionStatus;
use crate::codec::build::Severity;
use crate::codec::{Backend, ErrorFields, Frame, SqlState, Values};
use crate::reply::{self, Plain};

/// A message that is larger than this is streamed instead of waited for, where nothing has to be masked.
const STREAMED_BYTES_MIN: usize = 64 * 1024;

/// Commands of one implicit transaction whose end is waited for. Beyond it they are recorded as they ended.
const FINISHED_MAX: usize = 10_000;

/// The code for commands that a refusal of ours undid: `in_failed_sql_transaction`.
const IN_FAILED_TRANSACTION: SqlState = SqlState::new(*b"25P02");

/// What the client is told when a question of our own has failed in the middle of its batch.
const NOT_ASKED: &str = "countersign: the settings of the session could not be read; nothing that stands behind them in the batch was executed";

/// One message of the target.
pub(super) struct Message<'a> {
    pub(super) tag: u8,
    /// Tag, length and body.
    pub(super) frame: &'a [u8],
    /// The body alone.
    pub(super) body: &'a [u8],
}

impl Flow {
    /// Takes what the target has sent so far and releases it to the client as far as it may go.
    ///
    /// # Errors
    /// [`Broken`]; what was not released before is not released any more.
    ///
    /// # Cancel safety
    /// Not cancel safe: what was taken out of the buffer would be lost. It waits only for the recording.
    pub(crate) async fn take_answers(&mut self) -> Result<(), Broken> {
        let Some(open) = &mut self.upstream else { return Ok(()) };
        let mut input = std::mem::take(open.side.input());
        let mut outlet = Outlet::new(input.len());
        self.answering = true;
        let walked = self.walk(&input, &mut outlet).await;
        // INVARIANT: I5. Whatever leaves belongs to commands whose records are accepted: `walk` saw to it.
        let consumed = walked?;
        for masked in outlet.release(&mut input, consumed) {
            self.client.send(masked);
        }
        self.answering = false;
        if let Some(open) = &mut self.upstream {
            *open.side.input() = input;
        }
        Ok(())
    }

    /// Goes through whole messages, and through pieces of those too large to wait for. Answers with how
    /// many bytes were used.
    async fn walk(&mut self, input: &[u8], outlet: &mut Outlet) -> Result<usize, Broken> {
        let Some(open) = &mut self.upstream else { return Ok(0) };
        let mut walker = open.walker;
        let mut frames = walker.walk(input);
        let mut wanted = 0;
        while let Some(frame) = frames.next().map_err(Broken::UpstreamProtocol)? {
            match frame {
                Frame::Whole { header, start, body } => {
                    self.release_held(header.tag, outlet);
                    let frame = input.get(start..start + header.frame_bytes()).unwrap_or_default();
                    self.whole(&Message { tag: header.tag, frame, body }, input, outlet).await?;
                }
                Frame::Partial { header, start, .. } if self.may_stream(header.tag, header.frame_bytes()) => {
                    self.piece(input.get(start..).unwrap_or_default(), outlet).await?;
                    frames.take_partial().map_err(Broken::UpstreamProtocol)?;
                }
                Frame::Partial { header, .. } => {
                    wanted = header.frame_bytes();
                    break;
                }
                Frame::Continued { body, .. } => self.piece(body, outlet).await?,
            }
        }
        let consumed = frames.position();
        if wanted > ROW_BYTES_MAX {
            return Err(Broken::RowTooLarge { max: ROW_BYTES_MAX });
        }
        if let Some(flight) = self.flight() {
            note(flight, input, outlet);
        }
        if let Some(open) = &mut self.upstream {
            open.walker = walker;
            open.wanted = wanted;
        }
        Ok(consumed)
    }

    /// The command that is being answered.
    pub(super) fn flight(&mut self) -> Option<&mut Flight> {
        match self.expected.front() {
            Some(Expect::Execute(flight) | Expect::Query(flight) | Expect::Function(flight)) => Some(flight),
            Some(Expect::Closing(closing)) => closing.flight.as_deref_mut(),
            _ => None,
        }
    }

    /// Whether a message may leave in pieces: a large row or COPY chunk of an answer that hides nothing.
    fn may_stream(&mut self, tag: u8, bytes: usize) -> bool {
        let large = bytes > STREAMED_BYTES_MIN && matches!(tag, b'D' | b'd');
        large
            && self.flight().is_some_and(|flight| {
                flight.plan.as_ref().is_some_and(Plan::is_clear) && flight.copy.is_none()
            })
    }

    async fn piece(&mut self, piece: &[u8], outlet: &mut Outlet) -> Result<(), Broken> {
        let Some(flight) = self.flight() else { return Err(unexpected(b'D')) };
        accept(flight).await?;
        let plan = flight.plan.as_ref().ok_or(Broken::Undescribed)?;
        outlet.piece(plan, piece)?;
        Ok(())
    }

    /// One whole message.
    async fn whole(
        &mut self,
        message: &Message<'_>,
        input: &[u8],
        outlet: &mut Outlet,
    ) -> Result<(), Broken> {
        if message.tag == b'D'
            && !matches!(
                self.expected.front(),
                Some(Expect::Settings(_) | Expect::Asked(..) | Expect::AskedInBatch(..))
            )
        {
            return self.row(message, outlet).await;
        }
        let decoded = Backend::decode(message.tag, message.body).map_err(Broken::UpstreamProtocol)?;
        if self.is_ours(&decoded) {
            outlet.swallow();
            return self.ours(&decoded, outlet);
        }
        match decoded {
            Backend::ErrorResponse(fields) => self.failed(message, fields, outlet).await?,
            Backend::NoticeResponse(_) => self.mask_text(message, outlet)?,
            Backend::ReadyForQuery(status) => self.ready(message, status, input, outlet).await?,
            Backend::CopyData(_) => self.copy_data(message, outlet).await?,
            Backend::FunctionCallResponse(_) => self.function_result(message, outlet).await?,
            Backend::CommandComplete(tag) => {
                let tag = String::from_utf8_lossy(tag).into_owned();
                self.completed(message, &decoded, tag, input, outlet).await?;
            }
            Backend::EmptyQueryResponse => {
                self.completed(message, &decoded, String::new(), input, outlet).await?
            }
            Backend::PortalSuspended => self.portal_suspended(message, &decoded, input, outlet).await?,
            Backend::ParameterStatus { name, value } => {
                // INVARIANT: I6. A setting's value is an output.
                let tells = self.tells_setting(name, value);
                self.reported(name, value, tells);
                if tells { keep(&decoded, message, outlet) } else { outlet.swallow() }
            }
            // INVARIANT: I6. So is what another session or a trigger notifies of.
            Backend::NotificationResponse { pid, channel, payload } => {
                outlet.swallow();
                outlet.insert(&Plain::ours(&self.notification(pid, channel, payload)));
            }
            Backend::RowDescription(fields) => {
                self.described(Some(fields), outlet, message, &decoded)?;
            }
            Backend::NoData => self.described(None, outlet, message, &decoded)?,
            Backend::CopyInResponse(_) | Backend::CopyOutResponse(_) => {
                self.copy_begins(&decoded)?;
                keep(&decoded, message, outlet);
            }
            Backend::ParseComplete | Backend::BindComplete | Backend::CloseComplete => {
                self.confirmed(&decoded)?;
                keep(&decoded, message, outlet);
                self.our_turn(outlet);
            }
            Backend::ParameterDescription(_) | Backend::CopyDone => keep(&decoded, message, outlet),
            // Authentication is over, replication is refused, keys are ours to give.
            Backend::Authentication(_)
            | Backend::BackendKeyData { .. }
            | Backend::NegotiateProtocolVersion(_)
            | Backend::CopyBothResponse(_)
            | Backend::DataRow(_) => return Err(unexpected(message.tag)),
        }
        Ok(())
    }

    /// Whether a message answers something of our own, so that it is not passed on.
    fn is_ours(&mut self, decoded: &Backend<'_>) -> bool {
        let asynchronous = matches!(
            decoded,
            Backend::NoticeResponse(_)
                | Backend::NotificationResponse { .. }
                | Backend::ParameterStatus { .. }
        );
        match self.expected.front() {
            Some(Expect::Settings(_) | Expect::Asked(..) | Expect::AskedInBatch(..) | Expect::OurSync) => {
                !asynchronous
            }
            Some(Expect::Closing(_)) => {
                !asynchronous && !matches!(decoded, Backend::ErrorResponse(_) | Backend::ReadyForQuery(_))
            }
            Some(Expect::DescribePortal { ours: true, .. }) => {
                matches!(decoded, Backend::RowDescription(_) | Backend::NoData)
            }
            Some(Expect::Provoked(_)) => matches!(decoded, Backend::ErrorResponse(_)),
            // Its error is the client's: the server says what is wrong with the text.
            Some(Expect::Probed) => matches!(decoded, Backend::ParseComplete | Backend::CloseComplete),
            _ => false,
        }
    }

    /// The answer to something of our own.
    fn ours(&mut self, decoded: &Backend<'_>, outlet: &mut Outlet) -> Result<(), Broken> {
        if let Some(Expect::Closing(_)) = self.expected.front() {
            return self.own_commits(decoded, outlet);
        }
        match (self.expected.pop(), decoded) {
            (Some(Expect::Settings(mut answer)), message) => {
                if let Backend::ReadyForQuery(status) = message {
                    self.status = *status;
                    if let Some(settings) = answer.settings() {
                        self.settings.learn(self.database.shared_settings(settings));
                    }
                    self.our_turn(outlet);
                    return Ok(());
                }
                answer.take(message);
                self.expected.unpop(Expect::Settings(answer));
            }
            (Some(Expect::Asked(question, mut answer)), message) => {
                if matches!(message, Backend::ReadyForQuery(_)) {
                    self.take_answer(question, answer);
                    self.our_turn(outlet);
                    return Ok(());
                }
                answer.take(message);
                self.expected.unpop(Expect::Asked(question, answer));
            }
            (Some(Expect::AskedInBatch(question, mut answer, left)), message) => {
                match message {
                    Backend::ErrorResponse(fields) => {
                        self.asked_in_vain(*fields, outlet);
                        return Ok(());
                    }
                    Backend::CloseComplete if left <= 1 => {
                        self.take_answer(question, answer);
                        self.our_turn(outlet);
                        return Ok(());
                    }
                    _ => {}
                }
                answer.take(message);
                let left = left - usize::from(matches!(message, Backend::CloseComplete));
                self.expected.unpop(Expect::AskedInBatch(question, answer, left));
            }
            (Some(Expect::OurSync), Backend::ReadyForQuery(status)) => {
                self.status = *status;
                self.our_turn(outlet);
            }
            (
                Some(Expect::DescribePortal { portal: Some((portal, outputs)), .. }),
                Backend::RowDescription(fields),
            ) => self.describe_portal(&portal, &outputs, *fields),
            (Some(Expect::DescribePortal { .. }), _) => {}
            (Some(Expect::Probed), Backend::ParseComplete) => self.expected.unpop(Expect::Probed),
            // The server finds nothing wrong with it: the refusal follows.
            (Some(Expect::Probed), _) => {}
            (Some(Expect::Provoked(saying)), _) => {
                outlet.insert(&Plain::ours(&saying));
                self.batch_failed = Some(IN_FAILED_TRANSACTION);
                self.skip_to_sync(None);
            }
            (_, _) => return Err(Broken::Undescribed),
        }
        Ok(())
    }

    /// A question of our own in the middle of a batch failed: by a time-out of the session, by a cancel request that meant
    /// what ran before it, or because the connection ends. The batch of the client has failed with it, and it is told so; of
    /// the server's text nothing, as that may quote the question.
    fn asked_in_vain(&mut self, fields: ErrorFields<'_>, outlet: &mut Outlet) {
        let code = fields.sqlstate();
        let severity = match fields.get(b'V') {
            Some(b"FATAL" | b"PANIC") => Severity::Fatal,
            _ => Severity::Error,
        };
        outlet.insert(&Plain::ours(&reply::error(severity, code, NOT_ASKED)));
        self.target_said_why |= severity == Severity::Fatal;
        self.batch_failed = Some(code);
        // Nothing of the client stands behind it: all that comes waits for its answer.
        self.skip_to_sync(None);
    }

    /// Says what it is our turn to say.
    pub(super) fn our_turn(&mut self, outlet: &mut Outlet) {
        loop {
            match self.expected.front() {
                Some(Expect::Say(message)) => outlet.insert(&Plain::ours(message)),
                Some(Expect::SayReady) => outlet.insert(&Plain::ours(&reply::ready(self.status))),
                _ => break,
            }
            self.expected.pop();
        }
    }

    /// A text of the target: an error or a notice.
    pub(super) fn mask_text(&mut self, message: &Message<'_>, outlet: &mut Outlet) -> Result<(), Broken> {
        let masked = match self.expected.front() {
            Some(Expect::Execute(flight) | Expect::Query(flight) | Expect::Function(flight)) => {
                flight.masked || flight.sets_off_code
            }
            // The end of a batch speaks for all of it: deferred constraints quote values. So may what is planned at Bind.
            Some(
                Expect::Sync
                | Expect::Bind(..)
                | Expect::DescribePortal { .. }
                | Expect::Closing(_)
                | Expect::Probed,
            )
            | None => self.masked_sent,
            // Constants are converted when a statement is parsed; a domain may call what nobody has read.
            Some(Expect::Parse(_, statement)) => {
                let (reading, types) = (Arc::clone(&statement.reading), statement.types.clone());
                let facts = self.with_session(|session| reading.facts_with(session, &types));
                self.masked_sent || self.calls_hidden_code(&facts)
            }
            Some(_) => false,
        };
        let touches = if masked { Touches::MaskedRelations } else { Touches::NothingMasked };
        // INVARIANT: I6. Texts quote values too.
        ErrorMasker::new(touches).mask_response(message.tag, message.body, outlet.anew())?;
        Ok(())
    }

    /// An error: what was sent behind it up to the next Sync is skipped by the server.
    async fn failed(
        &mut self,
        message: &Message<'_>,
        fields: ErrorFields<'_>,
        outlet: &mut Outlet,
    ) -> Result<(), Broken> {
        let fatal = matches!(fields.get(b'V'), Some(b"FATAL" | b"PANIC"));
        if let (false, Some(Expect::Query(flight))) = (fatal, self.expected.front()) {
            flight.release(outlet);
        }
        self.mask_text(message, outlet)?;
        self.target_said_why |= fatal;
        let code = fields.sqlstate();
        match self.expected.front() {
            Some(Expect::Query(flight) | Expect::Function(flight)) => {
                flight.ended = Some(Ended::Failed(code))
            }
            Some(Expect::Closing(_)) => self.own_failed(code),
            // Nobody asked: the server is about to close the connection.
            None => {}
            Some(_) => {
                self.batch_failed = Some(code);
                for flight in self.skip_to_sync(Some(Ended::Failed(code))) {
                    let end = flight.ended.clone();
                    match &end {
                        Some(Ended::Failed(code)) => flight.running.end(End::Failed(code.as_str())).await,
                        _ => flight.running.end(End::NotRun).await,
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes what will not be answered out of the queue; the first of the commands among it failed with `ended`.
    pub(super) fn skip_to_sync(&mut self, mut ended: Option<Ended>) -> Vec<Flight> {
        let skipped = self.expected.skip_to_sync();
        self.skipping = self.expected.is_empty();
        let mut flights = Vec::new();
        for (index, expect) in skipped.into_iter().enumerate() {
            if matches!(expect, Expect::Query(_) | Expect::Function(_)) {
                // Skipped like the others, with the ReadyForQuery that would have ended a batch.
                self.statements.never_answered(0);
                self.portals.never_answered(0);
            }
            if let Expect::Execute(mut flight) | Expect::Query(mut flight) | Expect::Function(mut flight) =
                expect
            {
                flight.ended = ended.take().filter(|_| index == 0);
                flights.push(*flight);
            }
        }
        flights
    }

    /// The server is ready: what was sent up to here has ended.
    async fn ready(
        &mut self,
        message: &Message<'_>,
        status: TransactionStatus,
        input: &[u8],
        outlet: &mut Outlet,
    ) -> Result<(), Broken> {
        match self.own {
            Some(Own::Committing) => self.own_is_over(),
            Some(Own::Open | Own::Ending) => {
                outlet.swallow();
                return self.commit_own();
            }
            Some(Own::Begun) | None => {}
        }
        self.status = status;
        match self.expected.front() {
            Some(Expect::Query(_) | Expect::Function(_)) => {
                self.end_front(input, outlet).await?;
                self.batch_answered();
            }
            Some(Expect::Sync) => {
                self.expected.pop();
                self.batch_answered();
            }
            // INVARIANT: I2. Answers that no longer belong to what was sent would settle names too early.
            _ => return Err(unexpected(message.tag)),
        }
        self.batch_lasts().await;
        self.settle_block();
        if status == TransactionStatus::Idle {
            self.masked_sent = self.expected.has_masked();
            self.transaction_over().await;
        }
        outlet.value_free(&Plain::ours(message.frame));
        self.our_turn(outlet);
        Ok(())
    }

    fn batch_answered(&mut self) {
        self.statements.answered();
        self.portals.answered();
    }

    /// Portals do not outlive their transaction, nor do settings that were made for it.
    async fn transaction_over(&mut self) {
        // What was sent behind may have touched them, too: then the next end of a transaction counts as well.
        let in_flight = !self.expected.is_empty();
        if self.settings_touched {
            self.settings.mark_stale();
            self.settings_touched = in_flight;
        }
        if self.values_touched {
            self.settings.mark_outdated();
            self.values_touched = in_flight;
        }
        if !self.expected.has_effects() && std::mem::take(&mut self.definitions_touched) {
            let redefined = std::mem::take(&mut self.redefined);
            if !redefined.is_empty() {
                self.definitions_awaited = Some(self.database.changed(&redefined));
            }
        }
        self.cursors_may_set &= !self.expected.is_empty();
        self.portals.forget_confirmed();
        for suspended in std::mem::take(&mut self.suspended) {
            suspended.running.end(End::Completed("CLOSE")).await;
        }
        if !self.expected.has_effects() {
            self.prefix = None;
        }
    }

    /// Ends the command that is being answered, and tells its record what was released.
    pub(super) async fn end_front(&mut self, input: &[u8], outlet: &mut Outlet) -> Result<(), Broken> {
        let Some(Expect::Query(mut flight) | Expect::Function(mut flight) | Expect::Execute(mut flight)) =
            self.expected.pop()
        else {
            return Err(Broken::Undescribed);
        };
        accept(&mut flight).await?;
        note(&mut flight, input, outlet);
        self.take_effect(&flight);
        let flight = *flight;
        let end = match &flight.ended {
            Some(Ended::Failed(code)) => End::Failed(code.as_str()),
            Some(Ended::Completed(tag)) => End::Completed(tag),
            None => End::Completed(""),
        };
        flight.running.end(end).await;
        Ok(())
    }

    /// Ends an Execute that has run. What it changed lasts only when its implicit transaction does: unless it ended
    /// a transaction itself, its record and its approval wait for that.
    pub(super) async fn finish_front(&mut self, input: &[u8], outlet: &mut Outlet) -> Result<(), Broken> {
        let Some(flight) = self.flight() else { return Err(Broken::Undescribed) };
        let settles = flight.settles_transactions();
        let waits = !settles && !flight.running.facts().is_plain_read();
        if !waits || self.status != TransactionStatus::Idle || self.finished.len() >= FINISHED_MAX {
            if settles {
                self.batch_lasts().await;
            }
            return self.end_front(input, outlet).await;
        }
        let Some(Expect::Execute(mut flight)) = self.expected.pop() else { return Err(Broken::Undescribed) };
        accept(&mut flight).await?;
        note(&mut flight, input, outlet);
        self.take_effect(&flight);
        self.finished.push(*flight);
        Ok(())
    }

    /// The implicit transaction of the commands that have run is over, one way or the other.
    async fn batch_lasts(&mut self) {
        let failed = self.batch_failed.take();
        if let Some(code) = &failed {
            // With the transaction its portals are gone, and what they have done.
            for suspended in std::mem::take(&mut self.suspended) {
                suspended.running.end(End::Failed(code.as_str())).await;
            }
        }
        for flight in std::mem::take(&mut self.finished) {
            let Flight { running, ended, .. } = flight;
            let end = match (&failed, &ended) {
                (Some(code), _) => End::Failed(code.as_str()),
                (None, Some(Ended::Completed(tag))) => End::Completed(tag),
                (None, _) => End::Completed(""),
            };
            running.end(end).await;
        }
    }

    /// What a command that has run changes in what we know of the session.
    fn take_effect(&mut self, flight: &Flight) {
        let Some(reading) = &flight.reading else { return };
        let effects = reading.effects();
        for name in &effects.declares {
            self.portals.confirm(name.as_bytes(), None);
        }
        let failed = matches!(flight.ended, Some(Ended::Failed(_)));
        for name in &effects.deallocates {
            match name {
                Some(name) => self.statements.confirm(name.as_bytes(), None),
                None => self.statements.forget_confirmed(),
            }
        }
        for (name, prepared) in &effects.prepares {
            // Of a string that failed half-way nobody knows which names were made: then none is known (I7).
            let statement =
                (!failed).then(|| std::sync::Arc::new(crate::statements::Prepared::by_sql(prepared)));
            self.statements.confirm(name.as_bytes(), statement);
        }
    }
}

/// Waits until the record of the command that is being answered is accepted.
pub(super) async fn accept(flight: &mut Flight) -> Result<(), Broken> {
    if !flight.accepted {
        // INVARIANT: I5.
        flight.running.accepted().await?;
        flight.accepted = true;
    }
    Ok(())
}

/// Tells the record of a command what was released since it was last told.
pub(super) fn note(flight: &mut Flight, input: &[u8], outlet: &mut Outlet) {
    if let Some(capture) = flight.running.capture() {
        for part in outlet.released(input) {
            if !part.is_empty() {
                capture.wire(part);
            }
        }
    }
}

/// Lets a message pass whose kind carries no value.
pub(super) fn keep(decoded: &Backend<'_>, message: &Message<'_>, outlet: &mut Outlet) {
    match Plain::of(decoded, message.frame) {
        Some(plain) => outlet.value_free(&plain),
        // Fail closed: it is one that has to be masked.
        None => outlet.swallow(),
    }
}

/// Counts a row and keeps it to be read while there is room.
pub(super) fn sample(flight: &mut Flight, row: &[u8]) {
    let Some(capture) = flight.running.capture() else { return };
    if !capture.has_room() {
        return capture.skip_rows(1);
    }
    match Backend::decode(b'D', row) {
        Ok(Backend::DataRow(values)) => capture.row(Values::iter(values)),
        _ => capture.skip_rows(1),
    }
}

/// A message that does not belong where it came.
pub(super) const fn unexpected(tag: u8) -> Broken {
    Broken::UpstreamProtocol(crate::codec::Error::Unexpected {
        expected: "an answer to what was sent",
        got: crate::codec::Tag(tag),
    })
}

/// The body of the row that was gathered last.
pub(super) fn last_row(anew: &BytesMut, from: usize) -> &[u8] {
    anew.get(from + 5..).unwrap_or_default()
}
