//! Queries that may give all rows of the relation that is changed: comparing a row with those compares it with itself.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeVar, SelectStmt, SetOperation, a_const};

use super::evidence::Needs;
use super::scope::{Scope, Source, called};
use super::{Reach, reach_in};
use crate::name::Name;

/// LIMIT narrows up to this number of rows. Beyond it, whole relations fit.
const LIMIT_MAX: i32 = 10_000;

impl Scope {
    /// What has to hold for a query to give some rows of the relation at most; `None`: it may give all.
    pub(super) fn rows_of(&self, select: &SelectStmt) -> Option<Needs> {
        let mut scope = self.clone();
        scope.add_with(select.with_clause.as_ref());
        if let Some(limit) = limit(select) {
            return (limit <= LIMIT_MAX).then(Needs::default);
        }
        if let (Some(left), Some(right)) = (&select.larg, &select.rarg) {
            let (left, right) = (scope.rows_of(left), scope.rows_of(right));
            return match SetOperation::try_from(select.op) {
                Ok(SetOperation::SetopIntersect) => left.or(right),
                Ok(SetOperation::SetopExcept) => left,
                _ => Some(left?.and(right?)),
            };
        }
        if select.target_list.iter().any(|target| scope.is_mentioned(target)) {
            return None;
        }
        let mut leaves = Vec::new();
        select.from_clause.iter().for_each(|item| leaf(item, &mut leaves));
        leaves.iter().try_fold(Needs::default(), |all, leaf| {
            let needs = scope.rows_of_item(leaf).or_else(|| scope.filtered(leaf, select));
            Some(all.and(needs?))
        })
    }

    /// The same of a WITH query, which may change another relation and give the rows of that.
    pub(super) fn rows_of_cte(&self, query: &Node) -> Option<Needs> {
        let changed = match query.node.as_ref()? {
            NodeEnum::SelectStmt(select) => return self.rows_of(select),
            NodeEnum::InsertStmt(insert) => insert.relation.as_ref()?,
            NodeEnum::UpdateStmt(update) => update.relation.as_ref()?,
            NodeEnum::DeleteStmt(delete) => delete.relation.as_ref()?,
            NodeEnum::MergeStmt(merge) => merge.relation.as_ref()?,
            _ => return None,
        };
        let apart = || Needs { apart: [Name::of_relation(changed)].into(), ..Needs::default() };
        (!self.is_mentioned(query)).then(apart)
    }

    /// The same of one item in FROM.
    pub(super) fn rows_of_item(&self, item: &Node) -> Option<Needs> {
        match &item.node {
            Some(NodeEnum::RangeVar(relation)) => {
                if let Some(known) = self.cte(relation) {
                    return known;
                }
                let apart = || Needs { apart: [Name::of_relation(relation)].into(), ..Needs::default() };
                (!self.is_relation(relation)).then(apart)
            }
            Some(NodeEnum::RangeSubselect(sub)) => match sub.subquery.as_deref()?.node.as_ref()? {
                // Values of the row outside, under another name.
                NodeEnum::SelectStmt(select) if select.from_clause.is_empty() && select.larg.is_none() => {
                    (!format!("{select:?}").contains("ColumnRef")).then(Needs::default)
                }
                NodeEnum::SelectStmt(select) => self.rows_of(select),
                _ => None,
            },
            _ => (!self.is_mentioned(item)).then(Needs::default),
        }
    }

    /// What has to hold for the conditions of a query to narrow one item of its FROM.
    fn filtered(&self, item: &Node, select: &SelectStmt) -> Option<Needs> {
        let alias = alias(item)?;
        let mut inner = self.clone().renamed(&alias);
        // The row outside may be the one that it is compared with.
        for qualifier in self.qualifiers().filter(|name| **name != alias) {
            inner.add_source(Source { alias: qualifier.clone(), needs: Needs::default(), blurred: true });
        }
        let inner = inner.with_sources(&select.from_clause).merged();
        let mut conditions: Vec<&Node> = select.where_clause.as_deref().into_iter().collect();
        select.from_clause.iter().for_each(|item| join_conditions(item, &mut conditions));
        conditions.into_iter().find_map(|condition| needs_of(reach_in(condition, &inner)))
    }

    /// Whether the relation is read somewhere in it.
    pub(super) fn is_mentioned(&self, node: &Node) -> bool {
        let printed = format!("{node:?}");
        let mentions = |name: &str| printed.contains(&format!("relname: {name:?}"));
        mentions(&self.relation().name) || self.blurred_ctes().any(mentions)
    }

    /// The same of a query.
    pub(super) fn is_mentioned_in(&self, select: &SelectStmt) -> bool {
        let mut scope = self.clone();
        scope.add_with(select.with_clause.as_ref());
        let query = NodeEnum::SelectStmt(Box::new(select.clone()));
        scope.is_mentioned(&Node { node: Some(query) })
    }

    /// Whether it reads WITH queries.
    pub(super) fn has_ctes(&self, select: &SelectStmt) -> bool {
        let mut scope = self.clone();
        scope.add_with(select.with_clause.as_ref());
        let mut leaves = Vec::new();
        select.from_clause.iter().for_each(|item| leaf(item, &mut leaves));
        leaves.into_iter().any(|item| match &item.node {
            Some(NodeEnum::RangeVar(relation)) => scope.cte(relation).is_some(),
            _ => false,
        })
    }

    /// Whether a value that a query gives comes from the row outside of it.
    pub(super) fn leaks_into(&self, select: &SelectStmt) -> bool {
        let mut leaves = Vec::new();
        select.from_clause.iter().for_each(|item| leaf(item, &mut leaves));
        let others = leaves.into_iter().filter(|item| !matches!(&item.node, Some(NodeEnum::RangeVar(_))));
        select.target_list.iter().chain(others).any(|node| self.refers(node, select))
    }

    /// Whether an expression in a query names the row outside of it.
    pub(super) fn refers(&self, node: &Node, select: &SelectStmt) -> bool {
        let mut leaves = Vec::new();
        select.from_clause.iter().for_each(|item| leaf(item, &mut leaves));
        let hidden: Vec<Box<str>> = leaves.iter().filter_map(|item| alias(item)).collect();
        let printed = format!("{node:?}");
        self.qualifiers()
            .filter(|name| !hidden.contains(name))
            .any(|name| printed.contains(&format!("sval: {name:?}")))
    }
}

/// The relations in FROM of which one must have a column that a query names without a qualifier.
pub(super) fn plain_relations(select: &SelectStmt) -> Option<Vec<Name>> {
    let mut leaves = Vec::new();
    select.from_clause.iter().for_each(|item| leaf(item, &mut leaves));
    let name = |item: &&Node| match &item.node {
        Some(NodeEnum::RangeVar(relation)) => Some(Name::of_relation(relation)),
        _ => None,
    };
    leaves.iter().map(name).collect()
}

/// What has to hold for this reach to be some rows.
pub(super) fn needs_of(reach: Reach) -> Option<Needs> {
    match reach {
        Reach::Some => Some(Needs::default()),
        Reach::SomeIf(needs) => Some(needs),
        Reach::NotNull(_) | Reach::Doubtful | Reach::All => None,
    }
}

/// The rows that LIMIT lets through, if it is a constant.
pub(super) fn limit(select: &SelectStmt) -> Option<i32> {
    match &select.limit_count.as_deref()?.node {
        Some(NodeEnum::AConst(constant)) => match &constant.val {
            Some(a_const::Val::Ival(number)) => Some(number.ival),
            _ => None,
        },
        _ => None,
    }
}

fn leaf<'n>(item: &'n Node, into: &mut Vec<&'n Node>) {
    match &item.node {
        Some(NodeEnum::JoinExpr(join)) => {
            for side in [&join.larg, &join.rarg].into_iter().flatten() {
                leaf(side, into);
            }
        }
        _ => into.push(item),
    }
}

fn alias(item: &Node) -> Option<Box<str>> {
    match &item.node {
        Some(NodeEnum::RangeVar(relation)) => Some(called(relation)),
        Some(NodeEnum::RangeSubselect(sub)) => Some(sub.alias.as_ref()?.aliasname.as_str().into()),
        Some(NodeEnum::RangeFunction(function)) => Some(function.alias.as_ref()?.aliasname.as_str().into()),
        _ => None,
    }
}

/// The conditions of inner joins.
fn join_conditions<'n>(item: &'n Node, into: &mut Vec<&'n Node>) {
    if let Some(NodeEnum::JoinExpr(join)) = &item.node {
        if join.jointype == pg_query::protobuf::JoinType::JoinInner as i32 {
            into.extend(join.quals.as_deref());
        }
        for side in [&join.larg, &join.rarg].into_iter().flatten() {
            join_conditions(side, into);
        }
    }
}

/// A name that a relation is read by.
pub(super) fn is_named(relation: &RangeVar, name: &str) -> bool {
    relation.schemaname.is_empty() && relation.relname == name
}
