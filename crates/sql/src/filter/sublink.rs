//! Subqueries in conditions.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, SelectStmt, SetOperation, SubLink, SubLinkType};

use super::condition::{Condition, Known, Strength};
use super::evidence::{Evidence, Needs};
use super::lower::{Lowering, comparison};
use super::own_rows::{limit, needs_of, plain_relations};
use super::scope::Scope;
use super::value::{EQUAL, GREATER, LESS, Mask, TRUE, Value};
use super::{evaluate, reach_in};
use crate::name::strings;

impl Lowering<'_> {
    pub(super) fn sublink(&mut self, node: &Node, link: &SubLink) -> Condition {
        self.literals = true;
        let Some(NodeEnum::SelectStmt(select)) =
            link.subselect.as_deref().and_then(|node| node.node.as_ref())
        else {
            return self.outer("unread");
        };
        let operator = strings(&link.oper_name).last().copied().unwrap_or("=");
        match SubLinkType::try_from(link.sub_link_type) {
            Ok(SubLinkType::ExistsSublink) => self.exists(node, select),
            Ok(SubLinkType::ExprSublink) => self.scalar(node, select),
            Ok(kind @ (SubLinkType::AnySublink | SubLinkType::AllSublink)) => {
                let subject = link.testexpr.as_deref().map(|node| self.lower(node));
                let (Some(subject), Some(mask)) = (subject, comparison(operator)) else {
                    return self.opaque(node);
                };
                match (kind, mask) {
                    (SubLinkType::AnySublink, mask) => self.member(node, &subject, mask, select),
                    // `<> ALL` is NOT IN.
                    (_, mask) if mask == LESS | GREATER => self.member(node, &subject, EQUAL, select).not(),
                    _ => self.of_query(node, &subject, mask, select),
                }
            }
            _ => self.outer("unread"),
        }
    }

    fn exists(&mut self, node: &Node, select: &SelectStmt) -> Condition {
        let rows = select.from_clause.is_empty() && !is_cut(select);
        if rows && select.larg.is_none() && select.with_clause.is_none() {
            // One row, unless its own WHERE is not true.
            let inner = match select.where_clause.as_deref() {
                Some(condition) => self.condition(condition),
                None => Condition::of_bool(true),
            };
            return Condition::Is(TRUE, Box::new(inner));
        }
        match self.correlated(select) {
            Some(needs) if !always_one_row(select) => {
                let term = self.of_target_by(node);
                self.never_true(&term, select);
                self.judged(term, Strength::Strong, needs)
            }
            _ => self.outer_by(node),
        }
    }

    fn scalar(&mut self, node: &Node, select: &SelectStmt) -> Condition {
        if select.from_clause.is_empty()
            && !is_cut(select)
            && select.where_clause.is_none()
            && select.larg.is_none()
            && let Some(value) = output(select)
        {
            return self.lower(value);
        }
        let own = select.from_clause.iter().any(|item| self.scope.is_mentioned(item));
        let outer = select.where_clause.as_deref().is_some_and(|node| self.scope.refers(node, select));
        let weak = self.scope.leaks_into(select) || own && outer;
        let (term, needs) = match self.correlated(select) {
            Some(needs) => (self.of_target_by(node), needs),
            None => (self.outer_by(node), Needs::default()),
        };
        // Of the first or last of its own rows one is equal, all may lie beyond.
        let strength = match (weak, own, &term) {
            (true, ..) => Strength::Weak,
            (false, true, _) if !is_average(select) => Strength::Equal,
            _ => Strength::Strong,
        };
        let needs = match self.scope.rows_of(select) {
            Some(apart) => needs.and(apart),
            None => needs,
        };
        let correlated = self.depends_on_target(&term);
        let term = self.judged(term, if own && correlated { Strength::Weak } else { strength }, needs);
        // A number of rows is not negative.
        if is_count(select) { Condition::Call(Known::Length, Box::new(term)) } else { term }
    }

    /// `x IN (SELECT …)` and its kin.
    pub(super) fn member(
        &mut self,
        node: &Node,
        subject: &Condition,
        mask: Mask,
        select: &SelectStmt,
    ) -> Condition {
        if let (Ok(SetOperation::SetopUnion), Some(left), Some(right), false) =
            (SetOperation::try_from(select.op), &select.larg, &select.rarg, is_cut(select))
        {
            let sides = [left, right].map(|side| self.member(node, subject, mask, side));
            return Condition::Or(sides.into());
        }
        if select.larg.is_some() || is_cut(select) || select.with_clause.is_some() {
            return self.of_query(node, subject, mask, select);
        }
        if !select.values_lists.is_empty() {
            return self.member_of_values(node, subject, mask, select);
        }
        let Some(value) = output(select) else { return self.of_query(node, subject, mask, select) };
        let inner = match select.from_clause.as_slice() {
            [] => self.scope.clone(),
            // Its own rows: `id IN (SELECT id FROM t)` compares `id` with itself.
            [item] => match &item.node {
                Some(NodeEnum::RangeVar(relation)) if self.scope.is_relation(relation) => {
                    self.scope.same_rows(relation)
                }
                _ => return self.of_query(node, subject, mask, select),
            },
            _ => return self.of_query(node, subject, mask, select),
        };
        let parts = self.within(&inner, |lowering| {
            let value = lowering.lower(value);
            let condition = select.where_clause.as_deref().map(|node| lowering.condition(node));
            (value, condition)
        });
        let same = self.compare(mask, subject.clone(), parts.0);
        match parts.1 {
            Some(condition) => Condition::And(vec![Condition::Is(TRUE, Box::new(condition)), same]),
            None => same,
        }
    }

    fn member_of_values(
        &mut self,
        node: &Node,
        subject: &Condition,
        mask: Mask,
        select: &SelectStmt,
    ) -> Condition {
        let mut parts = Vec::new();
        for row in &select.values_lists {
            let Some(NodeEnum::List(list)) = &row.node else {
                return self.of_query(node, subject, mask, select);
            };
            let value = match list.items.as_slice() {
                [single] => self.lower(single),
                several => Condition::Row(several.iter().map(|one| self.lower(one)).collect()),
            };
            parts.push(self.compare(mask, subject.clone(), value));
        }
        Condition::Or(parts)
    }

    /// Lowers in another scope, with the same terms.
    fn within<T>(&mut self, scope: &Scope, lower: impl FnOnce(&mut Lowering<'_>) -> T) -> T {
        let mut inner = Lowering::new(scope);
        std::mem::swap(&mut inner.terms, &mut self.terms);
        let lowered = lower(&mut inner);
        inner.spread();
        self.doubtful |= inner.doubtful;
        self.tests_null |= inner.tests_null;
        std::mem::swap(&mut inner.terms, &mut self.terms);
        lowered
    }

    /// A value that is looked for among those of a query.
    fn of_query(&mut self, node: &Node, subject: &Condition, mask: Mask, select: &SelectStmt) -> Condition {
        let plain = Evidence::new(&self.terms).equal_needs(subject);
        let own = self.scope.is_mentioned_in(select);
        let known = plain
            .zip(self.scope.rows_of(select))
            .filter(|_| !self.scope.leaks_into(select) && (mask == EQUAL || !own));
        let term = self.of_whole(node, subject);
        let Some((plain, rows)) = known else { return self.judged(term, Strength::Weak, Needs::default()) };
        let mut needs = plain.and(rows);
        // A column that no relation of the subquery has is one of the row outside.
        if let Some(NodeEnum::ColumnRef(column)) = output(select).and_then(|node| node.node.as_ref())
            && let [name] = strings(&column.fields).as_slice()
            && let Some(relations) = plain_relations(select)
            && !relations.is_empty()
            && !self.scope.has_ctes(select)
        {
            needs.inner.insert(((*name).into(), relations));
        }
        self.never_true(&term, select);
        self.judged(term, Strength::Strong, needs)
    }

    /// Notes of a term that it is never true, when its query gives no rows.
    fn never_true(&mut self, term: &Condition, select: &SelectStmt) {
        let never = limit(select) == Some(0)
            || select.where_clause.as_deref().is_some_and(|condition| {
                let inner = self.scope.inner(&select.from_clause);
                let mut lowering = Lowering::new(&inner);
                let lowered = lowering.condition(condition);
                let blank = vec![Value::Unknown; lowering.terms.len()];
                evaluate::truth(&lowered, &blank) & TRUE == 0
            });
        if let Condition::Term(at) = term
            && let Some(term) = self.terms.get_mut(*at)
        {
            term.never |= never;
        }
    }

    /// What has to hold for what a subquery finds to depend on the row outside: its conditions compare the target with
    /// something. `None`: it does not.
    fn correlated(&self, select: &SelectStmt) -> Option<Needs> {
        let mut scope = self.scope.clone();
        scope.add_with(select.with_clause.as_ref());
        let inner = scope.inner(&select.from_clause);
        let mut conditions: Vec<&Node> = select.where_clause.as_deref().into_iter().collect();
        for item in &select.from_clause {
            join_conditions(item, &mut conditions);
        }
        conditions.into_iter().find_map(|condition| needs_of(reach_in(condition, &inner)))
    }

    fn of_target_by(&mut self, node: &Node) -> Condition {
        let key = self.key(node);
        self.of_target(&key.text)
    }

    fn outer_by(&mut self, node: &Node) -> Condition {
        let key = self.key(node);
        self.outer(&key.text)
    }
}

/// Whether rows are grouped, skipped or cut off.
fn is_cut(select: &SelectStmt) -> bool {
    let limited = |node: &Option<Box<Node>>| {
        node.as_deref().is_some_and(|node| !matches!(&node.node, Some(NodeEnum::AConst(one)) if one.isnull))
    };
    limited(&select.limit_count)
        || limited(&select.limit_offset)
        || select.having_clause.is_some()
        || !select.group_clause.is_empty()
}

/// The name of the function that gives the only output.
fn called(select: &SelectStmt) -> Option<&str> {
    match &output(select)?.node {
        Some(NodeEnum::FuncCall(call)) => strings(&call.funcname).last().copied(),
        _ => None,
    }
}

fn is_count(select: &SelectStmt) -> bool {
    called(select) == Some("count")
}

fn is_average(select: &SelectStmt) -> bool {
    matches!(called(select), Some("avg" | "count" | "sum"))
}

/// An aggregate over no rows is a row.
fn always_one_row(select: &SelectStmt) -> bool {
    let calls = |node: &Node| match &node.node {
        Some(NodeEnum::ResTarget(target)) => {
            matches!(target.val.as_deref().and_then(|node| node.node.as_ref()), Some(NodeEnum::FuncCall(_)))
        }
        _ => false,
    };
    select.group_clause.is_empty() && select.target_list.iter().any(calls)
}

/// The one output of a query.
fn output(select: &SelectStmt) -> Option<&Node> {
    match select.target_list.as_slice() {
        [Node { node: Some(NodeEnum::ResTarget(target)) }] => target.val.as_deref(),
        _ => None,
    }
}

fn join_conditions<'n>(item: &'n Node, into: &mut Vec<&'n Node>) {
    if let Some(NodeEnum::JoinExpr(join)) = &item.node {
        into.extend(join.quals.as_deref());
        for side in [&join.larg, &join.rarg].into_iter().flatten() {
            join_conditions(side, into);
        }
    }
}
