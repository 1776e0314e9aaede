//! Statements that run a query, move data, lock, or run code.

use countersign_common::facts::{Action, Flag};
use pg_query::NodeEnum;
use pg_query::protobuf::{CopyStmt, CreateTableAsStmt, ExplainStmt, Node};

use super::redefinition::created;
use super::{is_cascade, is_on, option_text, options};
use crate::name::{Name, strings};
use crate::reading::{Copy, CopySide};
use crate::walk::Walk;

impl Walk {
    /// True when the statement was one of these.
    pub(super) fn running_statement(&mut self, statement: &NodeEnum) -> bool {
        match statement {
            NodeEnum::ExplainStmt(explain) => self.explain(explain),
            NodeEnum::CopyStmt(copy) => self.copy(copy),
            NodeEnum::CreateTableAsStmt(create) => self.create_as(create),
            NodeEnum::RefreshMatViewStmt(refresh) => {
                self.set(Action::Refresh);
                self.writes(refresh.relation.as_ref());
            }
            NodeEnum::DoStmt(_) => {
                self.set(Action::Call);
                self.flag(Flag::DynamicSql);
                self.effects.may_commit = true;
                self.effects.changes_settings = true;
                self.redefines(None);
            }
            NodeEnum::CallStmt(call) => {
                self.set(Action::Call);
                match &call.funccall {
                    Some(call) => self.function(call),
                    None => self.unread(),
                }
                self.part().opaque_output = true;
                self.effects.may_commit = true;
                self.effects.changes_settings = true;
                self.redefines(None);
            }
            NodeEnum::LockStmt(lock) => {
                self.set(Action::Lock);
                self.flag(Flag::Locking);
                self.each_relation(&lock.relations, |walk, name| {
                    walk.part().reads.insert(name);
                });
            }
            NodeEnum::TruncateStmt(truncate) => {
                self.set(Action::Truncate);
                self.part().cascades = is_cascade(truncate.behavior);
                self.each_relation(&truncate.relations, |walk, name| {
                    walk.part().writes.insert(name);
                });
            }
            _ => return false,
        }
        true
    }

    fn each_relation(&mut self, nodes: &[Node], mut with: impl FnMut(&mut Self, Name)) {
        for node in nodes {
            match &node.node {
                Some(NodeEnum::RangeVar(relation)) => {
                    self.kin_of(relation);
                    with(self, Name::of_relation(relation));
                }
                _ => self.unread(),
            }
        }
    }

    /// With ANALYZE the inner statement runs and counts; without, its tables are only looked at, but functions
    /// may still be called while it is planned.
    fn explain(&mut self, explain: &ExplainStmt) {
        let first = self.current;
        match explain.query.as_ref().and_then(|node| node.node.as_ref()) {
            Some(
                query @ (NodeEnum::SelectStmt(_)
                | NodeEnum::InsertStmt(_)
                | NodeEnum::UpdateStmt(_)
                | NodeEnum::DeleteStmt(_)
                | NodeEnum::MergeStmt(_)),
            ) => self.query(query),
            Some(other) => self.utility(other),
            None => self.unread(),
        }
        let Some(options) = options(&explain.options) else { return self.unread() };
        let runs =
            options.iter().any(|option| option.defname.eq_ignore_ascii_case("analyze") && is_on(option));
        for part in self.parts.iter_mut().skip(first) {
            if runs {
                part.flags.insert(Flag::ExplainAnalyze);
                if part.action == Action::Select && part.executes.is_none() {
                    part.action = Action::Explain;
                }
            } else if matches!(
                part.action,
                Action::Select | Action::Insert | Action::Update | Action::Delete | Action::Merge
            ) && part.executes.is_none()
            {
                part.action = Action::Explain;
                let written = std::mem::take(&mut part.writes);
                part.reads.extend(written);
                part.flags.remove(&Flag::MissingWhere);
                part.flags.remove(&Flag::WeakWhere);
                part.filters.clear();
            }
        }
    }

    fn copy(&mut self, copy: &CopyStmt) {
        let CopyStmt {
            relation,
            query,
            attlist,
            is_from,
            is_program,
            filename,
            options: given,
            where_clause,
        } = copy;
        let inside = !*is_program && filename.is_empty();
        if let Some(query) = query {
            self.query_node(Some(query));
            self.if_select(Action::CopyOut);
        } else if *is_from {
            self.set(Action::CopyIn);
            self.writes(relation.as_ref());
        } else {
            self.set(Action::CopyOut);
            match relation {
                Some(relation) => self.reads(relation),
                None => self.unread(),
            }
            if attlist.is_empty() {
                self.mentions.everything = true;
            }
        }
        for column in strings(attlist) {
            self.mention(column);
        }
        self.expression(where_clause.as_deref());
        if !inside {
            self.flag(if *is_program { Flag::CopyProgram } else { Flag::CopyFile });
            self.part().more.insert(Action::Outside);
        }
        let Some(given) = options(given) else { return self.unread() };
        if inside {
            self.copy = Some(Copy {
                side: if *is_from { CopySide::In } else { CopySide::Out },
                relation: relation.as_ref().map(Name::of_relation),
                columns: strings(attlist).into_iter().map(Box::from).collect(),
                options: given
                    .into_iter()
                    .map(|option| {
                        (option.defname.to_ascii_lowercase().into(), option_text(option).into_boxed_str())
                    })
                    .collect(),
            });
        }
    }

    /// CREATE TABLE … AS, CREATE MATERIALIZED VIEW: also AS EXECUTE.
    fn create_as(&mut self, create: &CreateTableAsStmt) {
        match create.query.as_ref().and_then(|node| node.node.as_ref()) {
            Some(select @ NodeEnum::SelectStmt(_)) => self.query(select),
            Some(NodeEnum::ExecuteStmt(execute)) => {
                self.execute(&execute.name);
                self.expressions(&execute.params);
            }
            _ => self.unread(),
        }
        self.flag(Flag::SelectInto);
        self.part().more.insert(Action::Create);
        self.creates(create.into.as_ref().and_then(|into| into.rel.as_ref()));
        self.redefines(created(create.into.as_ref().and_then(|into| into.rel.as_ref())));
    }
}
