//! What the client sends, message by message: what runs nothing is passed on, what runs something is
//! taken down the road.

use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use countersign_common::Facts;
use countersign_common::command::{Command, Parameter};
use countersign_common::facts::{Action, Operation};
use countersign_common::refusal::{Refusal, State};
use countersign_lifecycle::{Cleared, Described, End, INPUT_BYTES_MAX, Passage, run, trace};
use tracing::Instrument as _;

use super::Session;
use super::copy_in::is_copy;
use super::expect::{Expect, Flight};
use super::flow::{Broken, Suspended};
use super::limits;
use super::own::NOT_IN_ONE_BATCH;
use super::refuse::Form;
use crate::block;
use crate::client_trace;
use crate::codec::frontend::{Bind, Execute, FunctionCall, Parse, Subject};
use crate::codec::{Format, Formats, Frontend, Header, Oids, Side, Tag, Values, build};
use crate::exchange::{PgExchange, Unit};
use crate::inert::{CallsNothingUnknown, InertFrames};
use crate::masked_use::MaskedUse;
use crate::statements::{Bound, Description, Known, Name, Portal, Prepared, ResultFormats};

/// A CopyData message up to this size is waited for whole.
const COPY_BYTES_AWAITED_MAX: usize = 16 * 1024;

/// How often a command is described again because definitions have changed meanwhile.
const DESCRIBED_AGAIN_MAX: usize = 4;

/// Why a command is refused when they keep changing.
const STILL_CHANGING: &str = "the definitions that the statement rests on are being changed at the moment";

impl Session {
    /// Takes in what the client has sent so far.
    pub(super) async fn intake(&mut self) -> Result<(), Broken> {
        self.flow.stalled = false;
        self.flow.awaits_answers = false;
        self.answer_sync_of_copy();
        while !self.goodbye {
            if !self.flow.takes_input() {
                self.flow.stalled = true;
                return Ok(());
            }
            if !self.skip_discarded() {
                return Ok(());
            }
            let Some(header) =
                Header::read(Side::Frontend, self.flow.client.input()).map_err(Broken::ClientProtocol)?
            else {
                self.flow.wanted = 0;
                return Ok(());
            };
            if self.flow.client.input().len() < header.frame_bytes() {
                if !self.partial(header).await? {
                    return Ok(());
                }
                continue;
            }
            self.flow.wanted = 0;
            if is_copy(header.tag) && self.copy_is_coming() {
                self.ask_for_answers();
                self.flow.awaits_answers = true;
                return Ok(());
            }
            let frame = match self.large.take() {
                Some(large) => self.take_large(*large),
                None => take(self.flow.client.input(), header.frame_bytes()),
            };
            self.frame(header.tag, frame).await?;
        }
        Ok(())
    }

    /// A message that has not come whole. Answers whether there is more to do now.
    async fn partial(&mut self, header: Header) -> Result<bool, Broken> {
        // Nobody judges COPY data, so none of it is waited for; small pieces of it are, which costs less than to split
        // them.
        if header.tag == b'd' && header.frame_bytes() > COPY_BYTES_AWAITED_MAX {
            return self.copy_piece(header);
        }
        let judged_bytes_max = self.road.target.judged_bytes_max;
        if header.frame_bytes() > judged_bytes_max + Header::BYTES {
            // INVARIANT: I7. What is too large to be judged whole is not forwarded at all.
            let refusal = limits::too_large(header.body_bytes(), judged_bytes_max);
            self.refuse_unread(header, &refusal).await?;
            return Ok(true);
        }
        if Self::is_large(header) {
            if self.is_skipping() {
                self.drop_unread(header);
                return Ok(true);
            }
            if self.make_room(header).await? {
                return Ok(true);
            }
        }
        self.flow.wanted = header.frame_bytes();
        Ok(false)
    }

    /// Drops what is left of a message that was refused for its size. Answers whether all of it is gone.
    pub(super) fn skip_discarded(&mut self) -> bool {
        if self.discard > 0 {
            let input = self.flow.client.input();
            let here = self.discard.min(input.len());
            drop(input.split_to(here));
            self.discard -= here;
        }
        self.discard == 0
    }

    /// One whole message.
    async fn frame(&mut self, tag: u8, frame: Bytes) -> Result<(), Broken> {
        let whole = frame.clone();
        let body = whole.get(Header::BYTES..).unwrap_or_default();
        let message = match Frontend::decode(tag, body) {
            Ok(message) => message,
            Err(error) => return self.malformed(tag, error).await,
        };
        if self.is_skipping() {
            return self.skip(&message, frame);
        }
        self.check_copying(&message, tag)?;
        match message {
            Frontend::Query(text) => {
                let span = client_trace::command(|| client_trace::sent_in(text));
                let text = part_of(&frame, text);
                self.query(text, frame).instrument(span).await
            }
            Frontend::Parse(parse) => self.parse(parse, frame).await,
            Frontend::Bind(bind) => self.bind(bind, frame).await,
            Frontend::Describe(subject) => self.describe_subject(subject, frame).await,
            Frontend::Execute(execute) => {
                let span =
                    client_trace::command(|| client_trace::sent_with(&self.flow.portals.get(execute.portal)));
                self.execute(execute, frame).instrument(span).await
            }
            Frontend::Close(subject) => self.close(subject, frame).await,
            Frontend::Sync => self.sync(frame).await,
            Frontend::Flush => self.flush(frame).await,
            Frontend::FunctionCall(call) => {
                self.function_call(call, frame).instrument(client_trace::command(|| None)).await
            }
            Frontend::CopyData(_) | Frontend::CopyDone | Frontend::CopyFail(_) => self.copy(&message, frame),
            Frontend::Terminate => {
                self.goodbye = true;
                Ok(())
            }
            Frontend::Password(_) => Err(Broken::ClientProtocol(crate::codec::Error::Unexpected {
                expected: "a command",
                got: Tag(tag),
            })),
        }
    }

    /// Whether what comes up to the next Sync is skipped.
    pub(super) fn is_skipping(&self) -> bool {
        self.flow.skipping || self.failed_locally
    }

    /// Waits until the connection to the target is open and its settings are known; the rules in force from here on
    /// are those that what comes next is masked by.
    async fn prepare(&mut self) -> Result<(), Broken> {
        self.take_upstream().await?;
        self.know_settings().await
    }

    /// The same for a text, which may not need the settings.
    async fn prepare_for(&mut self, text: &[u8]) -> Result<(), Broken> {
        self.take_upstream().await?;
        self.know_settings_for_text(text).await
    }

    async fn take_upstream(&mut self) -> Result<(), Broken> {
        self.flow.rules = self.rules.current();
        self.open_upstream().await?;
        self.know_transaction().await
    }

    async fn query(&mut self, text: Bytes, frame: Bytes) -> Result<(), Broken> {
        self.flush_pending().await?;
        self.prepare_for(&text).await?;
        if self.is_skipping() {
            return Ok(());
        }
        let reading = self.read(&text).instrument(trace::read()).await;
        let described = self.describe(&reading, &[]).instrument(trace::resolve()).await?;
        let command = Command { form: "query".into(), text, parameters: Vec::new() };
        let text_reading = Some(Arc::clone(&reading));
        let unit = Unit { command, described, reading: Some(reading), portal: None, text_reading };
        let Some(flight) = self.take_down_the_road(&unit, frame, Form::Query).await? else {
            return Ok(());
        };
        self.flow.expected.push(Expect::Query(Box::new(flight)));
        self.batch_is_over();
        Ok(())
    }

    /// Judges one command; when it may go it is sent, with what waited for it, and its flight returned.
    async fn take_down_the_road(
        &mut self,
        unit: &Unit,
        wire: Bytes,
        form: Form,
    ) -> Result<Option<Flight>, Broken> {
        if self.flow.own.is_some() && !block::joins(unit) {
            self.refuse(&Refusal::new(State::Blocked, NOT_IN_ONE_BATCH), form);
            return Ok(None);
        }
        if std::mem::take(&mut self.cancelled) {
            let why = "the client cancelled it before it was sent";
            self.refuse(&Refusal::new(State::Withdrawn, why), form);
            return Ok(None);
        }
        let in_transaction = self.flow.in_transaction() || self.batch_ran;
        let mut again = None;
        let passage = self.judge_and_hold(unit, &wire, in_transaction, &mut again).await?;
        let unit = again.as_ref().unwrap_or(unit);
        if self.flow.upstream.is_none() {
            // It was given back while the command waited: nothing of the batch is upstream.
            self.batch_sent = false;
        }
        let goes = matches!(passage, Passage::Go(..)) && !self.flow.skipping;
        if goes {
            self.flow.own_goes();
        } else if let Err(broken) = Box::pin(self.undo_own()).await {
            if let Passage::Go(_, running) = passage {
                running.end(End::NotRun).await;
            }
            return Err(broken);
        }
        match passage {
            Passage::Go(_, running) if self.flow.skipping => {
                // What stands before it in its batch has failed while it waited: the server would skip it.
                running.end(End::NotRun).await;
                Ok(None)
            }
            Passage::Refused(_) if self.flow.skipping => Ok(None),
            Passage::Go(cleared, running) => {
                self.follow_rules(unit);
                let outputs = self.masked_outputs_of(unit);
                let masked = outputs.may_show_masked(&running.duties().unmask);
                self.send_pending();
                self.batch_ran = true;
                self.flow.send(cleared);
                let sets_off_code = self.flow.sets_off_code(running.facts());
                let mut flight = Flight::new(running, unit.reading.clone(), masked, outputs);
                flight.sets_off_code = sets_off_code;
                self.flow.remember(unit, in_transaction);
                self.flow.masked_sent |= masked || sets_off_code;
                Ok(Some(flight))
            }
            Passage::Refused(refusal) => {
                let refusal = limits::explained(refusal, &unit.described.facts);
                self.refuse_command(&refusal, form, unit);
                Ok(None)
            }
            Passage::Outdated => {
                self.refuse(&Refusal::new(State::Unavailable, STILL_CHANGING), form);
                Ok(None)
            }
            Passage::Left => Err(Broken::Client),
        }
    }

    /// Takes one command through the pipeline; described `again` where what its facts rested on has changed.
    async fn judge_and_hold(
        &mut self,
        unit: &Unit,
        wire: &Bytes,
        in_transaction: bool,
        again: &mut Option<Unit>,
    ) -> Result<Passage, Broken> {
        self.flow.checked = None;
        let mut rounds = 0;
        loop {
            let current = again.as_ref().unwrap_or(unit);
            let (masked, outputs) = (self.masked_use_of(current), self.masked_outputs_of(current));
            let exchange = Box::new(PgExchange {
                masked,
                outputs,
                noted: None,
                lookups: &self.lookups,
                prepared: false,
                road: &self.road,
                flow: &mut self.flow,
                cancel: &self.cancel,
                way: &self.way,
                rules: &self.rules,
                unit: current,
                in_transaction,
                batch_idle: self.batch_sent && !in_transaction,
                batch_ran: self.batch_sent && in_transaction,
                wire: wire.clone(),
                seen: None,
                cancelled: None,
                evidence: None,
                binding: None,
            });
            let passage = run(&self.road, exchange).await;
            if !matches!(passage, Passage::Outdated) || rounds == DESCRIBED_AGAIN_MAX {
                return Ok(passage);
            }
            rounds += 1;
            // Boxed: few commands are held, and fewer while definitions change.
            *again = Some(Box::pin(self.described_again(again.as_ref().unwrap_or(unit))).await?);
        }
    }

    async fn described_again(&mut self, unit: &Unit) -> Result<Unit, Broken> {
        let described = match (&unit.portal, &unit.text_reading) {
            (Some((_, portal)), _) => self.describe_portal_command(portal).await?,
            (None, Some(reading)) => {
                let types = unit.command.parameters.iter().map(|one| one.type_name.parse().unwrap_or(0));
                let types: Vec<u32> = types.collect();
                self.describe(reading, &types).await?
            }
            (None, None) => unit.described.clone(),
        };
        Ok(Unit {
            command: unit.command.clone(),
            described,
            reading: unit.reading.clone(),
            portal: unit.portal.clone(),
            text_reading: unit.text_reading.clone(),
        })
    }

    /// Takes the rules that have come into force while a command waited; what they need to know is asked with it.
    fn follow_rules(&mut self, unit: &Unit) {
        self.flow.rules = self.rules.current();
        if let (Some((name, portal)), None) = (&unit.portal, &self.pending.risky) {
            self.describe_before_rows(name, portal);
        }
    }

    async fn parse(&mut self, parse: Parse<'_>, frame: Bytes) -> Result<(), Broken> {
        self.judge_risky().await?;
        self.prepare_for(parse.text).await?;
        if self.is_skipping() {
            return Ok(());
        }
        if !self.flow.statements.has_room() {
            self.refuse(&limits::too_many_statements(), Form::Extended);
            return Ok(());
        }
        let reading = self.read(parse.text).await;
        let statement = Arc::new(Prepared {
            text: part_of(&frame, parse.text),
            reading,
            types: Oids::iter(parse.types).collect(),
            by_sql: false,
        });
        self.flow.statements.sent(parse.name, Some(Arc::clone(&statement)));
        self.pending.push(frame, Expect::Parse(parse.name.into(), statement));
        self.bound_pending().await
    }

    async fn bind(&mut self, bind: Bind<'_>, frame: Bytes) -> Result<(), Broken> {
        self.judge_risky().await?;
        self.take_upstream().await?;
        let statement = self.statement(bind.statement).await?;
        self.know_settings_for(&statement.reading).await?;
        if self.is_skipping() {
            return Ok(());
        }
        if !self.flow.portals.has_room() {
            self.refuse(&limits::too_many_portals(), Form::Extended);
            return Ok(());
        }
        let described = self.describe(&statement.reading, &statement.types).await?;
        let vouched = CallsNothingUnknown::of(&described.facts);
        let parameters = parameters(&frame, &statement.types, bind.formats, bind.parameters);
        let portal = Arc::new(Portal {
            statement,
            parameters,
            bound: Some(Bound { facts: described.facts, under: self.flow.meaning() }),
            result_formats: ResultFormats::of(bind.result_formats),
            description: Description::default(),
        });
        let name: Name = bind.portal.into();
        self.close_suspended(&name).await;
        self.flow.portals.sent(&name, Some(Arc::clone(&portal)));
        if vouched.is_none() {
            self.pending.risky = Some((name.clone(), Arc::clone(&portal)));
        }
        self.pending.push_bind(frame, vouched, Expect::Bind(name, portal));
        Ok(())
    }

    async fn execute(&mut self, execute: Execute<'_>, frame: Bytes) -> Result<(), Broken> {
        let name: Name = execute.portal.into();
        if self.pending.risky.as_ref().is_some_and(|(risky, _)| *risky != name) {
            self.judge_risky().await?;
        }
        self.take_upstream().await?;
        let portal = self.portal(&name).await?;
        self.know_settings_for(&portal.statement.reading).await?;
        if self.is_skipping() {
            return Ok(());
        }
        if let Some(suspended) = self.flow.take_suspended(&portal) {
            return Box::pin(self.go_on(suspended, frame)).await;
        }
        self.execute_portal(name, portal, frame).await
    }

    /// The command of a suspended portal goes on, under the rules that it began with.
    async fn go_on(&mut self, mut suspended: Suspended, frame: Bytes) -> Result<(), Broken> {
        self.flush_pending().await?;
        if self.is_skipping() {
            self.flow.suspended.push(suspended);
            return Ok(());
        }
        self.batch_ran = true;
        self.flow.remember_going_on(&suspended);
        self.flow.send(suspended.running.goes_on(frame));
        let Suspended { name, portal, running, masked, outputs } = suspended;
        let sets_off_code = self.flow.sets_off_code(running.facts());
        let mut flight = Flight::new(running, Some(Arc::clone(&portal.statement.reading)), masked, outputs);
        flight.sets_off_code = sets_off_code;
        flight.portal = Some((name, portal));
        self.flow.expected.push(Expect::Execute(Box::new(flight)));
        self.batch_sent = true;
        Ok(())
    }

    async fn execute_portal(&mut self, name: Name, portal: Arc<Portal>, frame: Bytes) -> Result<(), Broken> {
        let reading = Arc::clone(&portal.statement.reading);
        let described = self.describe_portal_command(&portal).instrument(trace::resolve()).await?;
        let (text, parameters) = (portal.statement.text.clone(), portal.parameters.clone());
        let command = Command { form: "execute".into(), text, parameters };
        self.describe_before_rows(&name, &portal);
        let text_reading = Some(Arc::clone(&reading));
        let unit =
            Unit { command, described, reading: Some(reading), portal: Some((name, portal)), text_reading };
        // A Bind that is not inert goes with its Execute, as one command; what is inert goes before it.
        let wire = if self.pending.risky.is_some() { self.pending.joined(&frame) } else { frame };
        let Some(mut flight) = self.take_down_the_road(&unit, wire, Form::Extended).await? else {
            return Ok(());
        };
        flight.portal = unit.portal;
        self.flow.expected.push(Expect::Execute(Box::new(flight)));
        self.batch_sent = true;
        Ok(())
    }

    /// Where an answer may have to be masked its columns must be known: asks for them when the client did not.
    fn describe_before_rows(&mut self, name: &Name, portal: &Arc<Portal>) {
        if self.flow.rules.is_empty() {
            return;
        }
        let outputs = self.masked_outputs_of_portal(portal);
        let may_mask = outputs.may_show_masked(&std::collections::BTreeSet::new());
        if may_mask && (!portal.description.ask(&self.flow.rules) || portal.executes()) {
            let mut frame = BytesMut::new();
            if build::describe(&mut frame, Subject::Portal(name)).is_ok() {
                let expect =
                    Expect::DescribePortal { portal: Some((Arc::clone(portal), outputs)), ours: true };
                self.pending.push(frame.freeze(), expect);
            }
        }
    }

    async fn describe_subject(&mut self, subject: Subject<'_>, frame: Bytes) -> Result<(), Broken> {
        self.open_upstream().await?;
        match subject {
            Subject::Statement(_) => self.pending.push(frame, Expect::DescribeStatement),
            Subject::Portal(name) => {
                let portal = match self.flow.portals.get(name) {
                    Known::As(portal) => Some(portal),
                    Known::Unseen | Known::Unsettled => None,
                };
                if let Some(portal) = &portal {
                    portal.description.ask(&self.flow.rules);
                }
                let portal = portal.map(|portal| {
                    let outputs = self.masked_outputs_of_portal(&portal);
                    (portal, outputs)
                });
                self.pending.push(frame, Expect::DescribePortal { portal, ours: false });
            }
        }
        self.bound_pending().await
    }

    async fn close(&mut self, subject: Subject<'_>, frame: Bytes) -> Result<(), Broken> {
        self.judge_risky().await?;
        self.open_upstream().await?;
        match subject {
            Subject::Statement(name) => {
                self.flow.statements.sent(name, None);
                self.pending.push(frame, Expect::CloseStatement(name.into()));
            }
            Subject::Portal(name) => {
                let name: Name = name.into();
                self.close_suspended(&name).await;
                self.flow.portals.sent(&name, None);
                self.pending.push(frame, Expect::ClosePortal(name));
            }
        }
        self.bound_pending().await
    }

    /// A portal that is closed or replaced while it was suspended has run as far as it will.
    async fn close_suspended(&mut self, name: &Name) {
        if let Some(running) = self.flow.take_suspended_name(name) {
            running.end(End::Completed("CLOSE")).await;
        }
    }

    async fn sync(&mut self, frame: Bytes) -> Result<(), Broken> {
        self.flush_pending().await?;
        if self.is_skipping() {
            return self.skip(&Frontend::Sync, frame);
        }
        self.open_upstream().await?;
        self.send_sync(frame);
        Ok(())
    }

    /// Ends the batch upstream.
    pub(super) fn send_sync(&mut self, frame: Bytes) {
        if self.is_sync_of_copy() {
            return;
        }
        self.send_inert(frame, None);
        self.flow.expected.push(Expect::Sync);
        self.batch_is_over();
    }

    /// What was sent so far does not vouch for what is sent next.
    pub(super) fn batch_is_over(&mut self) {
        self.flow.own_takes_no_more();
        self.flow.batch_prefix = None;
        self.batch_sent = false;
        self.batch_ran = false;
        self.asked_for_answers = false;
        self.cancelled = false;
        self.flow.statements.synced();
        self.flow.portals.synced();
    }

    async fn flush(&mut self, frame: Bytes) -> Result<(), Broken> {
        self.flush_pending().await?;
        if self.flow.upstream.is_some() && !self.failed_locally {
            self.send_inert(frame, None);
        }
        Ok(())
    }

    /// Sends what waits, once it is clear that its command does not follow at once.
    pub(super) async fn flush_pending(&mut self) -> Result<(), Broken> {
        self.judge_risky().await?;
        if self.pending.is_empty() {
            return Ok(());
        }
        self.send_pending();
        self.batch_sent = true;
        Ok(())
    }

    /// Sends what waits when it has become a lot.
    async fn bound_pending(&mut self) -> Result<(), Broken> {
        if self.pending.is_large() { self.flush_pending().await } else { Ok(()) }
    }

    /// Sends what prepares a command, before it. A Bind among it that is not inert is part of the command's own
    /// bytes, and what came with it too: those frames are not sent twice.
    pub(super) fn send_pending(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if pending.risky.is_none() {
            pending.frames.into_iter().for_each(|one| self.send_inert(one.frame, one.vouched));
        }
        for expect in pending.expects {
            self.batch_ran |= matches!(expect, Expect::Bind(..));
            self.flow.expected.push(expect);
        }
    }

    /// Sends a frame of the client that runs nothing.
    fn send_inert(&mut self, frame: Bytes, vouched: Option<CallsNothingUnknown>) {
        match InertFrames::of_client(frame, vouched) {
            Some(inert) => self.flow.send(Cleared::inert(inert)),
            // INVARIANT: I7. Nothing else is ever put to wait; if it were, it would not go.
            None => tracing::error!("a frame that is not inert waited, and was not sent"),
        }
    }

    /// A Bind that may run something unknown, and whose Execute does not follow: it is a command of its own.
    async fn judge_risky(&mut self) -> Result<(), Broken> {
        let Some((_, portal)) = &self.pending.risky else { return Ok(()) };
        let portal = Arc::clone(portal);
        // Boxed, as few are.
        Box::pin(self.judge_bind(&portal)).await
    }

    async fn judge_bind(&mut self, portal: &Portal) -> Result<(), Broken> {
        let described = self.describe(&portal.statement.reading, &portal.statement.types).await?;
        let (text, parameters) = (portal.statement.text.clone(), portal.parameters.clone());
        let command = Command { form: "bind".into(), text, parameters };
        let text_reading = Some(Arc::clone(&portal.statement.reading));
        let unit = Unit { command, described, reading: None, portal: None, text_reading };
        let wire = self.pending.joined(b"");
        let Some(flight) = self.take_down_the_road(&unit, wire, Form::Extended).await? else { return Ok(()) };
        self.batch_sent = true;
        // Its effect, if any, is over with BindComplete; what follows is judged again.
        flight.running.end(End::Completed("BIND")).await;
        Ok(())
    }

    async fn function_call(&mut self, call: FunctionCall<'_>, frame: Bytes) -> Result<(), Broken> {
        self.flush_pending().await?;
        self.prepare().await?;
        if self.is_skipping() {
            return Ok(());
        }
        let mut facts = Facts { operations: vec![Operation::new(Action::FunctionCall)], ..Facts::nothing() };
        if !self.flow.rules.is_empty() {
            MaskedUse::unknown(&self.flow.rules).note(&mut facts);
        }
        let command = Command {
            form: "function_call".into(),
            text: call.function.to_string().into(),
            parameters: parameters(&frame, &[], call.formats, call.arguments),
        };
        let described = Described::new(Arc::new(facts));
        let unit = Unit { command, described, reading: None, portal: None, text_reading: None };
        if let Some(flight) = self.take_down_the_road(&unit, frame, Form::Query).await? {
            self.flow.settings.mark_stale();
            self.flow.expected.push(Expect::Function(Box::new(flight)));
            self.batch_is_over();
        }
        Ok(())
    }
}

/// Takes a frame from the front of the buffer. A small one is copied: it may wait for long, and a slice of the
/// buffer would keep all of it.
fn take(input: &mut BytesMut, frame_bytes: usize) -> Bytes {
    const COPIED_BYTES_MAX: usize = 1024;
    if frame_bytes > COPIED_BYTES_MAX {
        return input.split_to(frame_bytes).freeze();
    }
    let frame = Bytes::copy_from_slice(input.get(..frame_bytes).unwrap_or_default());
    input.advance(frame_bytes.min(input.len()));
    frame
}

/// Part of a frame of the client: of a large one a reference, so that what is large is there once; of others a copy,
/// because a reference would keep all of the buffer that the frame came in.
fn part_of(frame: &Bytes, part: &[u8]) -> Bytes {
    if frame.len() > INPUT_BYTES_MAX { frame.slice_ref(part) } else { Bytes::copy_from_slice(part) }
}

fn parameters(frame: &Bytes, types: &[u32], formats: Formats<'_>, values: Values<'_>) -> Vec<Parameter> {
    let parameter = |(index, value): (usize, Option<&[u8]>)| Parameter {
        type_name: types.get(index).copied().unwrap_or(0).to_string(),
        binary: formats.of(index) == Format::Binary,
        value: value.map(|value| part_of(frame, value)),
        omitted: None,
    };
    values.iter().enumerate().map(parameter).collect()
}
