//! SELECT, VALUES, INSERT, UPDATE, DELETE, MERGE, and the WITH in front of them.

use countersign_common::facts::{Action, Flag};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    BoolExpr, BoolExprType, CmdType, CommonTableExpr, DeleteStmt, InsertStmt, IntoClause, MergeMatchKind,
    MergeStmt, MergeWhenClause, Node, OnConflictAction, OnConflictClause, RangeVar, ReturningClause,
    SelectStmt, UpdateStmt, WithClause,
};

use super::Walk;
use crate::filter::{self, Cte, Reach, Read, Scope};
use crate::lineage::build::has_position;
use crate::name::Name;

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
            self.ctes.extend(ctes.iter().map(|cte| seen_as(cte)));
        }
        for cte in ctes {
            self.cte(cte);
            if !with.recursive {
                self.ctes.push(seen_as(cte));
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
            self.part().upserts |=
                OnConflictAction::try_from(conflict.action) != Ok(OnConflictAction::OnconflictNothing);
            self.on_conflict(conflict);
            self.conflict_narrows(relation.as_ref(), select_stmt.as_deref(), conflict);
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

    /// DO UPDATE changes the rows that what is inserted meets. Written values meet few; of a query over the relation itself
    /// the condition tells, and of a WHERE that is written whether it is one.
    fn conflict_narrows(
        &mut self,
        relation: Option<&RangeVar>,
        source: Option<&Node>,
        conflict: &OnConflictClause,
    ) {
        let updates = OnConflictAction::try_from(conflict.action) == Ok(OnConflictAction::OnconflictUpdate);
        let Some(relation) = relation.filter(|_| updates) else { return };
        let scope = Scope::of(relation).with_ctes(&self.ctes);
        if let Some(condition) = conflict.where_clause.as_deref() {
            self.narrows(Some(condition), &scope);
            return;
        }
        let Some(NodeEnum::SelectStmt(select)) = source.and_then(|node| node.node.as_ref()) else { return };
        if let [Node { node: Some(NodeEnum::RangeVar(from)) }] = select.from_clause.as_slice()
            && scope.is_relation(from)
            && select.limit_count.is_none()
        {
            self.narrows(select.where_clause.as_deref(), &Scope::of(from));
        } else {
            self.narrowed(filter::read_source(select, &scope));
        }
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
        if let Some(relation) = relation {
            self.narrows(
                where_clause.as_deref(),
                &Scope::of(relation).with_ctes(&self.ctes).with_sources(from_clause),
            );
        }
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
        if let Some(relation) = relation {
            self.narrows(
                where_clause.as_deref(),
                &Scope::of(relation).with_ctes(&self.ctes).with_sources(using_clause),
            );
        }
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
        let scope = relation.as_ref().map(|relation| {
            let source = source_relation.as_deref().map(std::slice::from_ref).unwrap_or_default();
            Scope::of(relation).with_ctes(&self.ctes).with_sources(source)
        });
        if let Some(scope) = &scope {
            self.merge_narrows(join_condition.as_deref(), merge_when_clauses, scope);
        }
        for clause in merge_when_clauses {
            match &clause.node {
                Some(NodeEnum::MergeWhenClause(when)) => self.merge_when(when),
                _ => self.unread(),
            }
        }
        self.returning(returning_clause.as_ref());
        self.ctes.truncate(seen);
    }

    /// A row is changed by MERGE when it is joined, or when it is not, and the condition of one of the clauses is true.
    fn merge_narrows(&mut self, join: Option<&Node>, clauses: &[Node], scope: &Scope) {
        for unmatched in [false, true] {
            let changing: Vec<&MergeWhenClause> =
                clauses.iter().filter_map(|clause| changes(clause, unmatched)).collect();
            if changing.is_empty() {
                continue;
            }
            let joined =
                join.map(
                    |join| if unmatched { combined(BoolExprType::NotExpr, vec![join]) } else { join.clone() },
                );
            let given: Option<Vec<&Node>> = changing.iter().map(|when| when.condition.as_deref()).collect();
            let any = given.map(|given| combined(BoolExprType::OrExpr, given));
            let conditions: Vec<&Node> = joined.iter().chain(&any).collect();
            let condition = (!conditions.is_empty()).then(|| combined(BoolExprType::AndExpr, conditions));
            self.narrows(condition.as_ref(), scope);
        }
    }

    fn merge_when(&mut self, when: &MergeWhenClause) {
        let MergeWhenClause { match_kind: _, command_type: _, r#override: _, condition, target_list, values } =
            when;
        self.expression(condition.as_deref());
        self.assignments(target_list);
        self.expressions(values);
    }

    /// Notes how many rows of a relation a condition lets be changed.
    fn narrows(&mut self, condition: Option<&Node>, scope: &Scope) {
        self.narrowed(filter::read(condition, scope));
    }

    fn narrowed(&mut self, read: Read) {
        let Read { filter, inert } = read;
        self.inert &= inert;
        match (&filter.reach, &filter.elsewhere) {
            (Reach::Some, Reach::Some) => {}
            (Reach::All, Reach::All) => self.flag(Flag::MissingWhere),
            (Reach::Doubtful, Reach::Doubtful) => self.flag(Flag::WeakWhere),
            // The catalogue knows whose columns they are, and which cannot be NULL.
            _ => self.part().filters.push(filter),
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

/// A clause of MERGE that changes rows that are joined, or (`unmatched`) that are not.
fn changes(clause: &Node, unmatched: bool) -> Option<&MergeWhenClause> {
    let Some(NodeEnum::MergeWhenClause(when)) = &clause.node else { return None };
    let changes = matches!(CmdType::try_from(when.command_type), Ok(CmdType::CmdUpdate | CmdType::CmdDelete));
    let by_source =
        MergeMatchKind::try_from(when.match_kind) == Ok(MergeMatchKind::MergeWhenNotMatchedBySource);
    (changes && by_source == unmatched).then_some(when)
}

/// A CTE as what follows sees it.
fn seen_as(cte: &CommonTableExpr) -> Cte {
    Cte { name: cte.ctename.as_str().into(), query: cte.ctequery.as_deref().cloned() }
}

/// Conditions joined to one.
fn combined(operator: BoolExprType, conditions: Vec<&Node>) -> Node {
    let args = conditions.into_iter().cloned().collect();
    let expression = BoolExpr { xpr: None, boolop: operator as i32, args, location: 0 };
    Node { node: Some(NodeEnum::BoolExpr(Box::new(expression))) }
}

/// The relation that the server changes when it changes a view of this query, if it can: the only one in FROM.
pub(super) fn updatable(select: &SelectStmt) -> Option<Name> {
    let plain = select.with_clause.is_none()
        && select.distinct_clause.is_empty()
        && select.group_clause.is_empty()
        && select.having_clause.is_none()
        && select.limit_count.is_none()
        && select.limit_offset.is_none()
        && select.larg.is_none();
    match select.from_clause.as_slice() {
        [Node { node: Some(NodeEnum::RangeVar(relation)) }] if plain => Some(Name::of_relation(relation)),
        _ => None,
    }
}
