//! SELECT, VALUES, INSERT, UPDATE, DELETE, MERGE, and the WITH in front of them.

use countersign_common::facts::{Action, Flag};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    CommonTableExpr, DeleteStmt, InsertStmt, IntoClause, MergeStmt, MergeWhenClause, Node, OnConflictClause,
    ReturningClause, SelectStmt, UpdateStmt, WithClause,
};

use super::Walk;
use crate::lineage::build::has_position;

impl Walk {
    /// A query that is the current part.
    pub(super) fn query(&mut self, node: &NodeEnum) {
        match node {
            NodeEnum::SelectStmt(select) => {
                self.set(Action::Select);
                self.select(select);
            }
            NodeEnum::InsertStmt(insert) => self.insert(insert),
            NodeEnum::UpdateStmt(update) => self.update(update),
            NodeEnum::DeleteStmt(delete) => self.delete(delete),
            NodeEnum::MergeStmt(merge) => self.merge(merge),
            _ => self.unread(),
        }
    }

    pub(super) fn query_node(&mut self, node: Option<&Node>) {
        match node.and_then(|node| node.node.as_ref()) {
            Some(query) => self.query(query),
            None => self.unread(),
        }
    }

    /// A SELECT anywhere: what it reads belongs to the current part.
    pub(super) fn select(&mut self, select: &SelectStmt) {
        let SelectStmt {
            distinct_clause,
            into_clause,
            target_list,
            from_clause,
            where_clause,
            group_clause,
            group_distinct: _,
            having_clause,
            window_clause,
            values_lists,
            sort_clause,
            limit_offset,
            limit_count,
            limit_option: _,
            locking_clause,
            with_clause,
            op: _,
            all: _,
            larg,
            rarg,
        } = select;
        let seen = self.with(with_clause.as_ref());
        if let Some(into) = into_clause {
            self.into(into);
        }
        if !locking_clause.is_empty() {
            self.flag(Flag::Locking);
            self.part().more.insert(Action::Lock);
        }
        self.sources(from_clause);
        // Plain DISTINCT is a list with one empty node.
        if distinct_clause.iter().any(|node| node.node.is_some()) {
            self.expressions(distinct_clause);
        }
        // Which output a position names depends on its literal.
        if [distinct_clause, group_clause, sort_clause].into_iter().flatten().any(has_position) {
            self.inert = false;
        }
        for list in [target_list, group_clause, window_clause, values_lists, sort_clause] {
            self.expressions(list);
        }
        for clause in [where_clause, having_clause, limit_offset, limit_count] {
            self.expression(clause.as_deref());
        }
        for side in [larg, rarg].into_iter().flatten() {
            self.select(side);
        }
        self.ctes.truncate(seen);
    }

    fn into(&mut self, into: &IntoClause) {
        self.flag(Flag::SelectInto);
        self.part().more.insert(Action::Create);
        self.creates(into.rel.as_ref());
        self.redefines(super::utility::created(into.rel.as_ref()));
    }

    /// Walks a WITH and brings its names into sight; gives back how many were in sight before.
    fn with(&mut self, with: Option<&WithClause>) -> usize {
        let seen = self.ctes.len();
        let Some(with) = with else { return seen };
        let ctes: Vec<&CommonTableExpr> = with
            .ctes
            .iter()
            .filter_map(|node| match &node.node {
                Some(NodeEnum::CommonTableExpr(cte)) => Some(cte.as_ref()),
                _ => None,
            })
            .collect();
        if ctes.len() != with.ctes.len() {
            self.unread();
        }
        if with.recursive {
            self.ctes.extend(ctes.iter().map(|cte| Box::from(cte.ctename.as_str())));
        }
        for cte in ctes {
            self.cte(cte);
            if !with.recursive {
                self.ctes.push(cte.ctename.as_str().into());
            }
        }
        seen
    }

    fn cte(&mut self, cte: &CommonTableExpr) {
        if let Some(cycle) = &cte.cycle_clause {
            self.expression(cycle.cycle_mark_value.as_deref());
            self.expression(cycle.cycle_mark_default.as_deref());
        }
        match cte.ctequery.as_ref().and_then(|node| node.node.as_ref()) {
            Some(NodeEnum::SelectStmt(select)) => self.select(select),
            Some(changing) => {
                self.flag(Flag::DataModifyingCte);
                let outer = self.begin(Action::Unknown);
                self.flag(Flag::DataModifyingCte);
                self.query(changing);
                self.current = outer;
            }
            None => self.unread(),
        }
    }

    fn insert(&mut self, insert: &InsertStmt) {
        let InsertStmt {
            relation,
            cols,
            select_stmt,
            on_conflict_clause,
            returning_clause,
            with_clause,
            r#override: _,
        } = insert;
        self.set(Action::Insert);
        let seen = self.with(with_clause.as_ref());
        self.writes(relation.as_ref());
        if let Some(relation) = relation {
            self.stands_for(relation);
        }
        self.assignments(cols);
        if let Some(query) = select_stmt {
            match &query.node {
                Some(NodeEnum::SelectStmt(select)) => self.select(select),
                _ => self.unread(),
            }
        }
        if let Some(conflict) = on_conflict_clause {
            self.on_conflict(conflict);
        }
        self.returning(returning_clause.as_ref());
        self.ctes.truncate(seen);
    }

    fn on_conflict(&mut self, conflict: &OnConflictClause) {
        let OnConflictClause { action: _, infer, target_list, where_clause, location: _ } = conflict;
        if let Some(infer) = infer {
            self.expressions(&infer.index_elems);
            self.expression(infer.where_clause.as_deref());
        }
        self.assignments(target_list);
        self.expression(where_clause.as_deref());
    }

    fn update(&mut self, update: &UpdateStmt) {
        let UpdateStmt { relation, target_list, where_clause, from_clause, returning_clause, with_clause } =
            update;
        self.set(Action::Update);
        let seen = self.with(with_clause.as_ref());
        self.writes(relation.as_ref());
        if let Some(relation) = relation {
            self.stands_for(relation);
        }
        self.all_rows(where_clause.as_deref());
        self.sources(from_clause);
        self.assignments(target_list);
        self.expression(where_clause.as_deref());
        self.returning(returning_clause.as_ref());
        self.ctes.truncate(seen);
    }

    fn delete(&mut self, delete: &DeleteStmt) {
        let DeleteStmt { relation, using_clause, where_clause, returning_clause, with_clause } = delete;
        self.set(Action::Delete);
        let seen = self.with(with_clause.as_ref());
        self.writes(relation.as_ref());
        if let Some(relation) = relation {
            self.stands_for(relation);
        }
        self.all_rows(where_clause.as_deref());
        self.sources(using_clause);
        self.expression(where_clause.as_deref());
        self.returning(returning_clause.as_ref());
        self.ctes.truncate(seen);
    }

    fn merge(&mut self, merge: &MergeStmt) {
        let MergeStmt {
            relation,
            source_relation,
            join_condition,
            merge_when_clauses,
            returning_clause,
            with_clause,
        } = merge;
        self.set(Action::Merge);
        let seen = self.with(with_clause.as_ref());
        self.writes(relation.as_ref());
        if let Some(relation) = relation {
            self.stands_for(relation);
        }
        self.source(source_relation.as_deref());
        self.expression(join_condition.as_deref());
        for clause in merge_when_clauses {
            match &clause.node {
                Some(NodeEnum::MergeWhenClause(when)) => self.merge_when(when),
                _ => self.unread(),
            }
        }
        self.returning(returning_clause.as_ref());
        self.ctes.truncate(seen);
    }

    fn merge_when(&mut self, when: &MergeWhenClause) {
        let MergeWhenClause { match_kind: _, command_type: _, r#override: _, condition, target_list, values } =
            when;
        self.expression(condition.as_deref());
        self.assignments(target_list);
        self.expressions(values);
    }

    /// UPDATE and DELETE without WHERE, or with one that is the word TRUE.
    fn all_rows(&mut self, condition: Option<&Node>) {
        let always = match condition.map(|node| &node.node) {
            None => true,
            Some(Some(NodeEnum::AConst(constant))) => {
                matches!(&constant.val, Some(pg_query::protobuf::a_const::Val::Boolval(value)) if value.boolval)
            }
            Some(_) => false,
        };
        if always {
            self.flag(Flag::MissingWhere);
        }
    }

    /// Targets of INSERT, UPDATE, MERGE: the column names are written, what is assigned is read.
    fn assignments(&mut self, targets: &[Node]) {
        for target in targets {
            match &target.node {
                Some(NodeEnum::ResTarget(target)) => {
                    for step in &target.indirection {
                        if !matches!(step.node, Some(NodeEnum::String(_))) {
                            self.expression(Some(step));
                        }
                    }
                    self.expression(target.val.as_deref());
                }
                _ => self.unread(),
            }
        }
    }

    fn returning(&mut self, returning: Option<&ReturningClause>) {
        let Some(ReturningClause { options, exprs }) = returning else { return };
        for option in options {
            match &option.node {
                // RETURNING WITH (OLD AS o): a name for a row of the target.
                Some(NodeEnum::ReturningOption(option)) => {
                    let name = option.value.as_str().into();
                    self.part().aliases.entry(name).or_default().insert(None);
                }
                _ => self.unread(),
            }
        }
        self.expressions(exprs);
    }
}
