//! What an expression that is not computed is known by: equal texts for expressions that have the same value.

use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{ColumnRef, FuncCall, Node};

use super::lower::Lowering;
use crate::name::strings;

/// What an expression is known by.
#[derive(Debug, Default)]
pub(super) struct Key {
    pub(super) text: String,
    /// It names a column of the target.
    pub(super) of_target: bool,
    /// Two of its operands are the same: `x @> x`, `int4eq(x, x)`.
    pub(super) twice: bool,
    pub(super) literals: bool,
    /// It has names without a qualifier.
    pub(super) bare: BTreeSet<Box<str>>,
}

impl Lowering<'_> {
    /// The key of an expression. Of a kind that is not listed it is its whole tree, and not known to name the target.
    pub(super) fn key(&self, node: &Node) -> Key {
        match &node.node {
            Some(NodeEnum::ColumnRef(column)) => self.column_key(column),
            Some(NodeEnum::ParamRef(parameter)) => {
                Key { text: format!("${}", parameter.number), ..Key::default() }
            }
            Some(NodeEnum::AConst(constant)) => {
                Key { text: stripped(&format!("{:?}", constant.val)), literals: true, ..Key::default() }
            }
            Some(NodeEnum::FuncCall(call)) => self.call_key(call),
            Some(NodeEnum::AExpr(expression)) => {
                let sides = [expression.lexpr.as_deref(), expression.rexpr.as_deref()];
                let name = format!("{} {}", expression.kind, strings(&expression.name).join("."));
                self.joined(&name, &sides.into_iter().flatten().collect::<Vec<_>>())
            }
            Some(NodeEnum::TypeCast(cast)) => {
                let to = stripped(&format!("{:?}", cast.type_name));
                self.joined(&to, &cast.arg.as_deref().into_iter().collect::<Vec<_>>())
            }
            Some(NodeEnum::AIndirection(indirection)) => {
                let steps = stripped(&format!("{:?}", indirection.indirection));
                let mut key =
                    self.joined(&steps, &indirection.arg.as_deref().into_iter().collect::<Vec<_>>());
                key.literals = true;
                key
            }
            Some(NodeEnum::List(list)) => self.joined("list", &list.items.iter().collect::<Vec<_>>()),
            Some(NodeEnum::RowExpr(row)) => self.joined("row", &row.args.iter().collect::<Vec<_>>()),
            Some(NodeEnum::AArrayExpr(array)) => {
                self.joined("array", &array.elements.iter().collect::<Vec<_>>())
            }
            Some(NodeEnum::BoolExpr(expression)) => {
                self.joined(&expression.boolop.to_string(), &expression.args.iter().collect::<Vec<_>>())
            }
            Some(NodeEnum::CoalesceExpr(coalesce)) => {
                self.joined("coalesce", &coalesce.args.iter().collect::<Vec<_>>())
            }
            Some(NodeEnum::CollateClause(collate)) => {
                self.joined("collate", &collate.arg.as_deref().into_iter().collect::<Vec<_>>())
            }
            Some(NodeEnum::NamedArgExpr(named)) => {
                self.joined(&named.name, &named.arg.as_deref().into_iter().collect::<Vec<_>>())
            }
            _ => Key { text: stripped(&format!("{node:?}")), literals: true, ..Key::default() },
        }
    }

    fn column_key(&self, column: &ColumnRef) -> Key {
        let names = strings(&column.fields);
        let (of_target, text) = match names.as_slice() {
            [name] => (self.scope.bare_is_target, format!("column {name}")),
            [.., qualifier, name] if self.scope.is_target(qualifier) => (true, format!("column {name}")),
            [.., name] => (false, format!("other {} {name}", names.join("."))),
            [] => (false, "star".to_owned()),
        };
        let bare = match names.as_slice() {
            [name] => BTreeSet::from([Box::from(*name)]),
            _ => BTreeSet::new(),
        };
        Key { text, of_target, bare, ..Key::default() }
    }

    fn call_key(&self, call: &FuncCall) -> Key {
        let rest = format!("{:?} {:?} {:?}", call.agg_order, call.agg_filter, call.over);
        let name = format!("{} {}", strings(&call.funcname).join("."), stripped(&rest));
        let mut key = self.joined(&name, &call.args.iter().collect::<Vec<_>>());
        key.literals |= call.agg_filter.is_some() || call.over.is_some();
        key
    }

    fn joined(&self, name: &str, parts: &[&Node]) -> Key {
        let mut key = Key { text: format!("{name}("), ..Key::default() };
        let mut texts = Vec::new();
        for part in parts {
            let inner = self.key(part);
            key.of_target |= inner.of_target;
            key.literals |= inner.literals;
            key.bare.extend(inner.bare);
            key.twice |= inner.twice;
            key.text.push_str(&inner.text);
            key.text.push(',');
            if inner.of_target {
                key.twice |= texts.contains(&inner.text);
                texts.push(inner.text);
            }
        }
        key.text.push(')');
        key
    }
}

/// A printed tree without the places in the text that it came from.
fn stripped(printed: &str) -> String {
    let mut out = String::with_capacity(printed.len());
    let mut rest = printed;
    while let Some(at) = rest.find("location: ") {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let number = after.trim_start_matches("location: ");
        rest = number.trim_start_matches(|character: char| character == '-' || character.is_ascii_digit());
    }
    out.push_str(rest);
    out
}
