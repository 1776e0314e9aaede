//! Which names in a condition mean columns of the relation that is changed.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeVar};

use crate::name::Name;

/// The relations that a condition can name.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    relation: Name,
    /// What the relation is called here.
    qualifiers: Vec<Box<str>>,
    /// Other occurrences of the same relation.
    twins: Vec<Box<str>>,
    others: bool,
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
            bare_is_target: true,
            merged: false,
        }
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
            Some(NodeEnum::RangeVar(relation)) if self.is_relation(relation) => {
                self.twins.push(called(relation));
            }
            Some(NodeEnum::JoinExpr(join)) => {
                for side in [&join.larg, &join.rarg].into_iter().flatten() {
                    self.source(side);
                }
                self.others |= join.alias.is_some();
            }
            Some(NodeEnum::RangeSubselect(sub)) => {
                match (&sub.alias, own_rows(self, sub.subquery.as_deref())) {
                    (Some(alias), true) => self.twins.push(alias.aliasname.as_str().into()),
                    _ => self.others = true,
                }
            }
            _ => self.others = true,
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
        let mut inner =
            Self { twins: Vec::new(), others: false, bare_is_target: false, merged: true, ..self.clone() };
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

fn called(relation: &RangeVar) -> Box<str> {
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
    let [item] = select.from_clause.as_slice() else { return false };
    whole && matches!(&item.node, Some(NodeEnum::RangeVar(relation)) if scope.is_relation(relation))
}
