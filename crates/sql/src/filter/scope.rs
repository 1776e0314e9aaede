//! Which names in a condition mean columns of the relation that is changed.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeVar, WithClause};

use super::evidence::Needs;
use super::own_rows::is_named;
use crate::name::Name;

/// A WITH query that is in sight.
#[derive(Debug, Clone)]
pub(crate) struct Cte {
    pub(crate) name: Box<str>,
    pub(crate) query: Option<Node>,
}

/// Something else in FROM or USING.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) alias: Box<str>,
    /// What has to hold for it to be something else.
    pub(super) needs: Needs,
    /// It may give rows of the relation that is changed, under other names.
    pub(super) blurred: bool,
}

/// The relations that a condition can name.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    relation: Name,
    /// What the relation is called here.
    qualifiers: Vec<Box<str>>,
    /// Other occurrences of the same relation.
    twins: Vec<Box<str>>,
    others: bool,
    sources: Vec<Source>,
    /// WITH queries in sight, and what has to hold for them to give some rows of the relation.
    ctes: Vec<(Box<str>, Option<Needs>)>,
    /// Names without a qualifier are taken for columns of the relation.
    pub(super) bare_is_target: bool,
    /// The twins are taken for the relation itself: `t.id = t2.id` then compares a column with itself.
    pub(super) merged: bool,
}

impl Scope {
    /// The scope of a statement that changes `relation`, with nothing else in sight.
    pub(crate) fn of(relation: &RangeVar) -> Self {
        Self {
            relation: Name::of_relation(relation),
            qualifiers: vec![called(relation)],
            twins: Vec::new(),
            others: false,
            sources: Vec::new(),
            ctes: Vec::new(),
            bare_is_target: true,
            merged: false,
        }
    }

    /// Brings WITH queries into sight.
    pub(crate) fn with_ctes(mut self, ctes: &[Cte]) -> Self {
        ctes.iter().for_each(|cte| self.add_cte(&cte.name, cte.query.as_ref()));
        self
    }

    fn add_cte(&mut self, name: &str, query: Option<&Node>) {
        // A recursive one sees itself.
        self.ctes.push((name.into(), Some(Needs::default())));
        let needs = query.and_then(|query| self.rows_of_cte(query));
        self.ctes.pop();
        self.ctes.push((name.into(), needs));
    }

    pub(super) fn add_with(&mut self, with: Option<&WithClause>) {
        for node in with.iter().flat_map(|with| &with.ctes) {
            if let Some(NodeEnum::CommonTableExpr(cte)) = &node.node {
                self.add_cte(&cte.ctename, cte.ctequery.as_deref());
            }
        }
    }

    /// What is known of the WITH query that a relation names, if it names one.
    pub(super) fn cte(&self, relation: &RangeVar) -> Option<Option<Needs>> {
        self.ctes.iter().rev().find(|(name, _)| is_named(relation, name)).map(|(_, needs)| needs.clone())
    }

    pub(super) fn blurred_ctes(&self) -> impl Iterator<Item = &str> {
        self.ctes.iter().filter(|(_, needs)| needs.is_none()).map(|(name, _)| name.as_ref())
    }

    pub(super) fn qualifiers(&self) -> impl Iterator<Item = &Box<str>> {
        self.qualifiers.iter()
    }

    pub(super) fn add_source(&mut self, source: Source) {
        self.sources.push(source);
        self.others = true;
    }

    /// The same relation under one other name, and nothing else in sight.
    pub(super) fn renamed(mut self, alias: &str) -> Self {
        self.qualifiers = vec![alias.into()];
        self.twins.clear();
        self.sources.clear();
        self.others = false;
        self.bare_is_target = true;
        self
    }

    /// What has to hold for a name of something else to be that; `None`: it may be the row itself.
    pub(super) fn needs_of(&self, qualifier: Option<&str>) -> Option<Needs> {
        let meant = |source: &&Source| qualifier.is_none_or(|name| *source.alias == *name);
        self.sources.iter().filter(meant).try_fold(Needs::default(), |all, source| {
            (!source.blurred).then(|| all.and(source.needs.clone()))
        })
    }

    /// Brings FROM or USING into sight.
    pub(crate) fn with_sources(mut self, items: &[Node]) -> Self {
        for item in items {
            self.source(item);
        }
        self
    }

    pub(crate) const fn relation(&self) -> &Name {
        &self.relation
    }

    /// The same, with other occurrences of the relation taken for itself.
    pub(super) fn merged(mut self) -> Self {
        self.merged = true;
        self
    }

    /// The same, with names without a qualifier taken for columns of the relation, or not.
    pub(super) fn with_bare(mut self, bare_is_target: bool) -> Self {
        self.bare_is_target = bare_is_target;
        self
    }

    /// Whether a name without a qualifier may belong to another relation.
    pub(super) const fn is_alone(&self) -> bool {
        !self.others
    }

    pub(super) const fn has_twins(&self) -> bool {
        !self.twins.is_empty()
    }

    fn source(&mut self, item: &Node) {
        match &item.node {
            Some(NodeEnum::RangeVar(relation))
                if self.cte(relation).is_none() && self.is_relation(relation) =>
            {
                self.twins.push(called(relation));
            }
            Some(NodeEnum::JoinExpr(join)) => {
                for side in [&join.larg, &join.rarg].into_iter().flatten() {
                    self.source(side);
                }
                if let Some(alias) = &join.alias {
                    let needs = Needs::default();
                    self.add_source(Source { alias: alias.aliasname.as_str().into(), needs, blurred: true });
                }
            }
            Some(NodeEnum::RangeSubselect(sub)) if own_rows(self, sub.subquery.as_deref()) => {
                self.twins.extend(sub.alias.iter().map(|alias| Box::from(alias.aliasname.as_str())));
            }
            _ => {
                let known = self.rows_of_item(item);
                let blurred = known.is_none();
                let mut aliases = Vec::new();
                names(item, &mut aliases);
                let alias = aliases.pop().unwrap_or_default();
                self.add_source(Source { alias, needs: known.unwrap_or_default(), blurred });
            }
        }
    }

    /// Whether a relation in FROM is the one that is changed.
    pub(crate) fn is_relation(&self, relation: &RangeVar) -> bool {
        let name = Name::of_relation(relation);
        let schemas = [&name.schema, &self.relation.schema];
        name.name == self.relation.name && (schemas.contains(&&None) || name.schema == self.relation.schema)
    }

    /// Whether a qualifier means the relation.
    pub(super) fn is_target(&self, qualifier: &str) -> bool {
        let named = |names: &[Box<str>]| names.iter().any(|name| name.as_ref() == qualifier);
        named(&self.qualifiers) || self.merged && named(&self.twins)
    }

    /// The scope of a subquery: what it reads hides the names outside.
    pub(super) fn inner(&self, from: &[Node]) -> Self {
        let mut inner = Self { twins: Vec::new(), bare_is_target: false, merged: true, ..self.clone() };
        if self.merged {
            inner.qualifiers.extend(self.twins.iter().cloned());
        }
        let mut hidden = Vec::new();
        from.iter().for_each(|item| names(item, &mut hidden));
        inner.qualifiers.retain(|name| !hidden.contains(name));
        inner.with_sources(from)
    }

    /// The scope of a subquery that reads nothing but the relation itself, whose rows are taken for the same.
    pub(super) fn same_rows(&self, relation: &RangeVar) -> Self {
        let mut inner = self.clone();
        inner.qualifiers.push(called(relation));
        inner.bare_is_target = true;
        inner
    }
}

pub(super) fn called(relation: &RangeVar) -> Box<str> {
    relation.alias.as_ref().map_or(relation.relname.as_str(), |alias| alias.aliasname.as_str()).into()
}

fn names(item: &Node, into: &mut Vec<Box<str>>) {
    match &item.node {
        Some(NodeEnum::RangeVar(relation)) => into.push(called(relation)),
        Some(NodeEnum::JoinExpr(join)) => {
            for side in [&join.larg, &join.rarg].into_iter().flatten() {
                names(side, into);
            }
        }
        Some(NodeEnum::RangeFunction(function)) => {
            into.extend(function.alias.iter().map(|alias| Box::from(alias.aliasname.as_str())));
        }
        Some(NodeEnum::RangeSubselect(sub)) => {
            into.extend(sub.alias.iter().map(|alias| Box::from(alias.aliasname.as_str())));
        }
        _ => {}
    }
}

/// Whether a subquery gives all rows of the relation that is changed.
fn own_rows(scope: &Scope, query: Option<&Node>) -> bool {
    let Some(NodeEnum::SelectStmt(select)) = query.and_then(|node| node.node.as_ref()) else { return false };
    let whole = select.where_clause.is_none()
        && select.limit_count.is_none()
        && select.limit_offset.is_none()
        && select.having_clause.is_none()
        && select.group_clause.is_empty()
        && select.larg.is_none();
    // Of a column that has another name here, it would not be known which one it is.
    let renames = |node: &Node| match &node.node {
        Some(NodeEnum::ResTarget(target)) => {
            let column = target.val.as_deref().and_then(|node| node.node.as_ref());
            matches!(column, Some(NodeEnum::ColumnRef(_))) && !target.name.is_empty()
        }
        _ => true,
    };
    let whole = whole && !select.target_list.iter().any(renames);
    let [item] = select.from_clause.as_slice() else { return false };
    whole && matches!(&item.node, Some(NodeEnum::RangeVar(relation)) if scope.is_relation(relation))
}
