//! Rows, COPY data and their descriptions: where values are, and so where they are masked.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use countersign_common::verdict::DataClass;
use countersign_lifecycle::End;
use countersign_masking::{Column, CopyFormat, CopyMasker, Outlet, Plan, Source};
use countersign_sql::lineage::{StoredColumns, Watched};
use countersign_sql::{CopySide, Reading};

use super::answers::{Message, accept, keep, last_row, note, sample, unexpected};
use super::expect::{Ended, Expect, Flight, Stage};
use super::flow::{Broken, Flow, Suspended};
use crate::codec::{Backend, Field, Fields, Format};
use crate::masked_outputs::MaskedOutputs;
use crate::reply::Plain;
use crate::statements::{Described, Name, Portal};

/// Types that take any text: `name`, `text`, `bpchar`, `varchar`, and `unknown` literals.
const TEXT_LIKE: [u32; 5] = [19, 25, 1042, 1043, 705];

impl Flow {
    /// A row of the command that is being answered.
    pub(super) async fn row(&mut self, message: &Message<'_>, outlet: &mut Outlet) -> Result<(), Broken> {
        if self.flight().is_some_and(|flight| flight.plan.is_none()) {
            self.plan_from_portal();
        }
        let Some(flight) = self.flight() else { return Err(unexpected(message.tag)) };
        accept(flight).await?;
        // INVARIANT: I6. A row that was not described does not leave.
        let plan = flight.plan.as_ref().ok_or(Broken::Undescribed)?;
        if plan.is_clear() {
            outlet.row(plan, message.frame, message.body)?;
            sample(flight, message.body);
        } else {
            let from = outlet.anew().len();
            outlet.row(plan, message.frame, message.body)?;
            // The record shows what the client was shown.
            sample(flight, last_row(outlet.anew().get(), from));
        }
        Ok(())
    }

    /// Plans an Execute's rows from the description of its portal.
    fn plan_from_portal(&mut self) {
        let key = Arc::clone(&self.hash_key);
        let Some(flight) = self.flight() else { return };
        let described = flight.portal.as_ref().and_then(|(_, portal)| portal.description.get());
        let unmask = &flight.running.duties().unmask;
        flight.plan = described.map(|found| Plan::for_columns(&found.columns, &found.rules, unmask, &key));
    }

    /// RowDescription or NoData, asked for by the client.
    pub(super) fn described(
        &mut self,
        fields: Option<Fields<'_>>,
        outlet: &mut Outlet,
        message: &Message<'_>,
        decoded: &Backend<'_>,
    ) -> Result<(), Broken> {
        match self.expected.front() {
            Some(Expect::Query(_)) => self.plan_query(fields),
            Some(Expect::DescribePortal { portal, .. }) => {
                let portal = portal.take();
                self.expected.pop();
                // INVARIANT: I6. What EXECUTE runs is looked up when its portal runs: only what is described right
                // before that, for ourselves, tells where its values come from.
                let tells = portal.filter(|(portal, _)| !portal.executes());
                if let Some((fields, (portal, outputs))) = fields.zip(tells) {
                    self.describe_portal(&portal, &outputs, fields);
                }
            }
            Some(Expect::DescribeStatement) => drop(self.expected.pop()),
            _ => return Err(unexpected(message.tag)),
        }
        keep(decoded, message, outlet);
        self.our_turn(outlet);
        Ok(())
    }

    /// Plans the rows of one statement of a string.
    fn plan_query(&mut self, fields: Option<Fields<'_>>) {
        let Some(fields) = fields else { return };
        let Some(flight) = self.flight().filter(|flight| flight.masked) else { return };
        let outputs = Arc::clone(&flight.outputs);
        let key = Arc::clone(&self.hash_key);
        let columns = self.columns(fields, &outputs, |field, _| field.format == Format::Binary);
        if let Some(flight) = self.flight() {
            let unmask = &flight.running.duties().unmask;
            flight.plan = Some(Plan::for_columns(&columns, &outputs.rules, unmask, &key));
        }
    }

    /// Keeps the columns of a portal, for when its rows come.
    pub(super) fn describe_portal(&self, portal: &Portal, outputs: &MaskedOutputs, fields: Fields<'_>) {
        let columns = self.columns(fields, outputs, |_, index| portal.result_formats.is_binary(index));
        portal.description.set(Described { columns: columns.into(), rules: Arc::clone(&outputs.rules) });
    }

    /// Where the values of each column come from.
    fn columns(
        &self,
        fields: Fields<'_>,
        outputs: &MaskedOutputs,
        is_binary: impl Fn(&Field<'_>, usize) -> bool,
    ) -> Vec<Column> {
        if outputs.rules.is_empty() {
            return Vec::new();
        }
        let watched: Watched = outputs.rules.columns().collect();
        self.with_meaning_of(outputs, |session| {
            let mut stored = StoredColumns::new(session, &watched);
            let column = |(index, field): (usize, Field<'_>)| {
                // INVARIANT: I6. The server says that the value is this column's as it is.
                let named = (field.table != 0).then(|| stored.origin(field.table, field.column));
                Column {
                    source: outputs.source(index, fields.len(), named),
                    text_like: TEXT_LIKE.contains(&field.type_oid),
                    binary: is_binary(&field, index),
                }
            };
            fields.iter().enumerate().map(column).collect()
        })
    }

    /// What names meant when the outputs were found.
    fn with_meaning_of<T>(
        &self,
        outputs: &MaskedOutputs,
        ask: impl FnOnce(&countersign_sql::Session<'_>) -> T,
    ) -> T {
        match outputs.meaning() {
            Some(meaning) => self.with_names(meaning, ask),
            None => self.with_session(ask),
        }
    }

    /// COPY begins, one way or the other.
    pub(super) fn copy_begins(&mut self, decoded: &Backend<'_>) -> Result<(), Broken> {
        let is_execute = matches!(self.expected.front(), Some(Expect::Execute(_)));
        let Some(flight) = self.flight() else { return Err(Broken::Undescribed) };
        if matches!(decoded, Backend::CopyInResponse(_)) {
            flight.stage = Stage::CopyIn;
            // The batch of an Execute goes on; a string ends one of its own.
            let index = usize::from(!is_execute);
            for _ in 0..self.expected.forget_ignored_syncs() {
                self.statements.never_answered(index);
                self.portals.never_answered(index);
            }
            return Ok(());
        }
        flight.stage = Stage::CopyOut;
        if flight.masked {
            let (reading, outputs) = (flight.reading.clone(), Arc::clone(&flight.outputs));
            let unmask = flight.running.duties().unmask.clone();
            let masker = self.copy_masker(reading.as_deref(), &outputs, &unmask)?;
            if let Some(flight) = self.flight() {
                flight.copy = Some(Box::new(masker));
            }
        }
        Ok(())
    }

    /// What masks the data of a COPY TO STDOUT.
    pub(crate) fn copy_masker(
        &self,
        reading: Option<&Reading>,
        outputs: &MaskedOutputs,
        unmask: &BTreeSet<DataClass>,
    ) -> Result<CopyMasker, Broken> {
        let encoding = self.parameters.get("client_encoding").unwrap_or("UTF8");
        if outputs.is_clear(unmask) {
            return Ok(CopyMasker::new(&Plan::clear(), CopyFormat::text(), encoding)?);
        }
        let copy = reading.and_then(Reading::copy).filter(|copy| copy.side == CopySide::Out);
        let copy = copy.ok_or(Broken::Undescribed)?;
        let format = copy_format(copy).ok_or(Broken::Undescribed)?;
        let sources = self.copied_columns(copy, outputs).ok_or(Broken::Undescribed)?;
        let binary = format == CopyFormat::Binary;
        // The types are not told; in the text formats every value is text, in binary it may not be.
        let column = |source| Column { source, text_like: !binary, binary };
        let columns: Vec<_> = sources.into_iter().map(column).collect();
        let plan = Plan::for_columns(&columns, &outputs.rules, unmask, &self.hash_key);
        Ok(CopyMasker::new(&plan, format, encoding)?)
    }

    /// Where the columns of a COPY … TO STDOUT come from, in order; `None` where it is not known which it has.
    fn copied_columns(&self, copy: &countersign_sql::Copy, outputs: &MaskedOutputs) -> Option<Vec<Source>> {
        let of = outputs.columns()?.len();
        let Some(relation) = &copy.relation else {
            return Some((0..of).map(|index| outputs.source(index, of, None)).collect());
        };
        let watched: Watched = outputs.rules.columns().collect();
        self.with_meaning_of(outputs, |session| {
            let mut stored = StoredColumns::new(session, &watched);
            let origins = stored.copied(relation, &copy.columns)?;
            let sources = origins.into_iter().enumerate();
            let sources: Vec<_> =
                sources.map(|(index, origin)| outputs.source(index, of, Some(origin))).collect();
            (sources.len() == of).then_some(sources)
        })
    }

    /// COPY data of the target.
    pub(super) async fn copy_data(
        &mut self,
        message: &Message<'_>,
        outlet: &mut Outlet,
    ) -> Result<(), Broken> {
        let Some(flight) = self.flight() else { return Err(unexpected(message.tag)) };
        accept(flight).await?;
        match &mut flight.copy {
            Some(masker) => masker.mask_copy_data(message.body, outlet.anew())?,
            None => {
                let plan = flight.plan.as_ref().ok_or(Broken::Undescribed)?;
                outlet.piece(plan, message.frame)?;
            }
        }
        if let Some(capture) = flight.running.capture() {
            capture.skip_rows(1);
        }
        Ok(())
    }

    /// The result of a FunctionCall: where anything may have to be masked, NULL takes its place.
    pub(super) async fn function_result(
        &mut self,
        message: &Message<'_>,
        outlet: &mut Outlet,
    ) -> Result<(), Broken> {
        let Some(flight) = self.flight() else { return Err(unexpected(message.tag)) };
        accept(flight).await?;
        flight.ended = Some(Ended::Completed("FUNCTION CALL".into()));
        match flight.plan.as_ref().filter(|plan| plan.is_clear()) {
            Some(plan) => outlet.piece(plan, message.frame)?,
            None => outlet.insert(&Plain::ours(&[b'V', 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff])),
        }
        Ok(())
    }

    /// A statement has ended.
    pub(super) async fn completed(
        &mut self,
        message: &Message<'_>,
        decoded: &Backend<'_>,
        tag: String,
        input: &[u8],
        outlet: &mut Outlet,
    ) -> Result<(), Broken> {
        let is_execute = matches!(self.expected.front(), Some(Expect::Execute(_)));
        let Some(flight) = self.flight() else { return Err(unexpected(message.tag)) };
        accept(flight).await?;
        self.follow_block(&tag);
        let Some(flight) = self.flight() else { return Err(unexpected(message.tag)) };
        flight.ended = Some(Ended::Completed(tag));
        flight.stage = Stage::Rows;
        if flight.masked {
            // The next statement of a string has columns of its own.
            flight.plan = None;
        }
        if is_execute && self.rechecking && Box::pin(self.execute_is_undone(input, outlet)).await? {
            return Ok(());
        }
        let is_kept = self.own.is_some() || self.flight().is_some_and(|flight| flight.recheck.is_some());
        if is_kept && !is_execute {
            // Told once it is committed, or known to be what people agreed to.
            outlet.swallow();
            if let Some(flight) = self.flight() {
                flight.held = Some(Bytes::copy_from_slice(message.frame));
            }
        } else {
            keep(decoded, message, outlet);
        }
        if is_execute {
            self.finish_front(input, outlet).await?;
            self.our_turn(outlet);
        }
        Ok(())
    }

    /// An Execute came to its row limit: its command goes on with the next Execute of the portal.
    pub(super) async fn portal_suspended(
        &mut self,
        message: &Message<'_>,
        decoded: &Backend<'_>,
        input: &[u8],
        outlet: &mut Outlet,
    ) -> Result<(), Broken> {
        if self.rechecking && Box::pin(self.execute_is_undone(input, outlet)).await? {
            return Ok(());
        }
        keep(decoded, message, outlet);
        let Some(Expect::Execute(mut flight)) = self.expected.pop() else {
            return Err(unexpected(message.tag));
        };
        accept(&mut flight).await?;
        note(&mut flight, input, outlet);
        let Flight { running, portal, masked, outputs, .. } = *flight;
        match portal {
            Some((name, portal)) => {
                self.suspended.push(Suspended { name, portal, running, masked, outputs });
            }
            None => running.end(End::Completed("SUSPENDED")).await,
        }
        self.our_turn(outlet);
        Ok(())
    }

    /// A name that the server has taken or given up.
    pub(super) fn confirmed(&mut self, decoded: &Backend<'_>) -> Result<(), Broken> {
        match (self.expected.pop(), decoded) {
            (Some(Expect::Parse(name, statement)), Backend::ParseComplete) => {
                self.statements.confirm(&name, Some(statement));
            }
            (Some(Expect::Bind(name, portal)), Backend::BindComplete) => {
                self.portals.confirm(&name, Some(portal))
            }
            (Some(Expect::CloseStatement(name)), Backend::CloseComplete) => {
                self.statements.confirm(&name, None)
            }
            (Some(Expect::ClosePortal(name)), Backend::CloseComplete) => self.portals.confirm(&name, None),
            (_, other) => return Err(unexpected(other.tag().0)),
        }
        Ok(())
    }

    /// The command of a suspended portal, when it goes on. A cursor that took the portal's name is not that portal.
    pub(super) fn take_suspended(&mut self, portal: &Arc<Portal>) -> Option<Suspended> {
        let index = self.suspended.iter().position(|one| Arc::ptr_eq(&one.portal, portal))?;
        Some(self.suspended.swap_remove(index))
    }

    /// The command of a suspended portal whose name is closed or given to another.
    pub(super) fn take_suspended_name(&mut self, name: &Name) -> Option<countersign_lifecycle::Running> {
        let index = self.suspended.iter().position(|one| one.name == *name)?;
        Some(self.suspended.swap_remove(index).running)
    }
}

/// The format of a COPY as its options say; `None` when an option is not understood.
fn copy_format(copy: &countersign_sql::Copy) -> Option<CopyFormat> {
    let option = |name: &str| copy.options.get(name).map(|value| &**value);
    let byte = |name: &str, default: u8| match option(name).map(str::as_bytes) {
        None => Some(default),
        Some([byte]) => Some(*byte),
        Some(_) => None,
    };
    let header = match option("header") {
        None => false,
        Some(value) => !matches!(value.to_ascii_lowercase().as_str(), "false" | "off" | "0"),
    };
    match option("format").unwrap_or("text") {
        "binary" => Some(CopyFormat::Binary),
        "text" => {
            let null = option("null").unwrap_or("\\N").as_bytes().to_vec();
            Some(CopyFormat::Text { delimiter: byte("delimiter", b'\t')?, null, header })
        }
        "csv" => {
            let quote = byte("quote", b'"')?;
            let null = option("null").unwrap_or("").as_bytes().to_vec();
            let (delimiter, escape) = (byte("delimiter", b',')?, byte("escape", quote)?);
            Some(CopyFormat::Csv { delimiter, quote, escape, null, header })
        }
        _ => None,
    }
}
