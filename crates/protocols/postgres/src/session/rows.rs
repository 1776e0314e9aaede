//! Rows, COPY data and their descriptions: where values are, and so where they are masked.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use countersign_common::verdict::DataClass;
use countersign_lifecycle::End;
use countersign_masking::{Column, CopyFormat, CopyMasker, Outlet, Plan, Source};
use countersign_sql::{CopySide, Reading};

use super::answers::{Message, accept, keep, last_row, note, sample, unexpected};
use super::expect::{Ended, Expect, Flight, Stage};
use super::flow::{Broken, Flow, Suspended};
use crate::codec::{Backend, Field, Fields, Format};
use crate::reply::Plain;
use crate::statements::{Described, Executed, Meaning, Name, Portal};

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
            Some(Expect::DescribePortal { portal, executed, .. }) => {
                let (portal, executed) = (portal.take(), std::mem::take(executed));
                self.expected.pop();
                // INVARIANT: I6. What EXECUTE runs is looked up when its portal runs: only what is described right
                // before that, for ourselves, tells where its values come from.
                let tells = portal.as_ref().is_some_and(|portal| !portal.executes());
                if let Some(fields) = fields.filter(|_| tells) {
                    self.describe_portal(portal.as_deref(), &executed, fields);
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
        let (reading, executed) = (flight.reading.clone(), flight.executed.clone());
        let (rules, key) = (Arc::clone(&self.rules), Arc::clone(&self.hash_key));
        let of = Origins { reading: reading.as_deref(), executed: &executed, bound: None };
        let columns = self.columns(fields, of, |field, _| field.format == Format::Binary);
        if let Some(flight) = self.flight() {
            flight.plan = Some(Plan::for_columns(&columns, &rules, &flight.running.duties().unmask, &key));
        }
    }

    /// Keeps the columns of a portal, for when its rows come.
    pub(super) fn describe_portal(&self, portal: Option<&Portal>, executed: &Executed, fields: Fields<'_>) {
        let Some(portal) = portal else { return };
        // INVARIANT: I6. The server may have planned it when its names meant something else.
        let now = self.meaning();
        let bound = portal.bound.as_ref().map(|bound| &bound.under).filter(|bound| !bound.is_same(&now));
        let of = Origins { reading: Some(&portal.statement.reading), executed, bound };
        let columns = self.columns(fields, of, |_, index| portal.result_formats.is_binary(index));
        portal.description.set(Described { columns: columns.into(), rules: Arc::clone(&self.rules) });
    }

    /// Where the values of each column come from.
    fn columns(
        &self,
        fields: Fields<'_>,
        origins: Origins<'_>,
        is_binary: impl Fn(&Field<'_>, usize) -> bool,
    ) -> Vec<Column> {
        let column = |(index, field): (usize, Field<'_>)| Column {
            source: self.source(&field, index, fields.len(), origins),
            text_like: TEXT_LIKE.contains(&field.type_oid),
            binary: is_binary(&field, index),
        };
        fields.iter().enumerate().map(column).collect()
    }

    fn source(&self, field: &Field<'_>, index: usize, of: usize, origins: Origins<'_>) -> Source {
        let catalogue = self.catalogue();
        if field.table == 0 {
            let Some(reading) = origins.reading else { return Source::Unresolved };
            // A string of several statements has outputs of each: the index tells nothing then.
            let output = (reading.statements() == 1 && of > 0).then_some(index);
            let now = self.meaning();
            let carried = |(r, c): &(&str, &str)| {
                let may = |session: &countersign_sql::Session<'_>| reading.may_carry(session, output, r, c);
                let under = |meaning: &Meaning| self.with_meaning(meaning, origins.executed, may);
                under(&now) || origins.bound.is_some_and(under)
            };
            return Source::Expression { may_carry: owned(self.rules.columns().filter(carried)) };
        }
        let Some((relation, column)) = catalogue.column(field.table, field.column) else {
            return Source::Unresolved;
        };
        if self.rules.columns().any(|rule| rule == (relation, column)) {
            return Source::Column { relation: relation.to_owned(), column: column.to_owned() };
        }
        // Views, parents and children show the values of others.
        let carried = |(r, c): &(&str, &str)| catalogue.carries(field.table, field.column, r, c);
        Source::Expression { may_carry: owned(self.rules.columns().filter(carried)) }
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
            let reading = flight.reading.clone();
            let unmask = flight.running.duties().unmask.clone();
            let masker = self.copy_masker(reading.as_deref(), &unmask)?;
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
        unmask: &BTreeSet<DataClass>,
    ) -> Result<CopyMasker, Broken> {
        let copy = reading.and_then(Reading::copy).filter(|copy| copy.side == CopySide::Out);
        let copy = copy.ok_or(Broken::Undescribed)?;
        let relation = self.copied_relation(reading).ok_or(Broken::Undescribed)?;
        let catalogue = self.catalogue();
        let all = catalogue.columns(&relation);
        let names: Vec<&str> =
            if copy.columns.is_empty() { all } else { copy.columns.iter().map(AsRef::as_ref).collect() };
        let binary = copy.options.get("format").is_some_and(|format| &**format == "binary");
        let column = |name: &&str| Column {
            source: Source::Column { relation: relation.clone(), column: (*name).to_owned() },
            // The types are not told; in the text formats every value is text, in binary it may not be.
            text_like: !binary,
            binary,
        };
        let columns: Vec<_> = names.iter().map(column).collect();
        let encoding = self.parameters.get("client_encoding").unwrap_or("UTF8");
        let plan = Plan::for_columns(&columns, &self.rules, unmask, &self.hash_key);
        let format = copy_format(copy).ok_or(Broken::Undescribed)?;
        Ok(CopyMasker::new(&plan, format, encoding)?)
    }

    /// The one relation that a COPY … TO STDOUT reads, qualified.
    fn copied_relation(&self, reading: Option<&Reading>) -> Option<String> {
        let facts = self.with_session(|session| reading.map(|reading| reading.facts(session)))?;
        let relations: Vec<_> = facts.operations.iter().flat_map(|operation| &operation.reads).collect();
        if let [only] = relations.as_slice() { Some((*only).clone()) } else { None }
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
        if self.own.is_some() && !is_execute {
            // Told once it is committed.
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
        keep(decoded, message, outlet);
        let Some(Expect::Execute(mut flight)) = self.expected.pop() else {
            return Err(unexpected(message.tag));
        };
        accept(&mut flight).await?;
        note(&mut flight, input, outlet);
        let Flight { running, portal, masked, .. } = *flight;
        match portal {
            Some((name, portal)) => self.suspended.push(Suspended { name, portal, running, masked }),
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

/// What tells where computed values come from.
#[derive(Clone, Copy)]
struct Origins<'a> {
    /// The text.
    reading: Option<&'a Reading>,
    /// What the names stood for that it executes.
    executed: &'a Executed,
    /// What its names meant when it was bound, where that is not what they mean now.
    bound: Option<&'a Meaning>,
}

fn owned<'a>(columns: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    columns.map(|(relation, column)| (relation.to_owned(), column.to_owned())).collect()
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
