//! FROM, USING and JOIN.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    Alias, JoinExpr, JsonTable, JsonTableColumn, Node, RangeFunction, RangeTableFunc, RangeVar,
};

use super::expression::{expression, expressions, json_behavior, json_value, optional};
use super::query;
use crate::lineage::query::{Expression, FromItem, Join, TableAlias};
use crate::name::{Name, strings};

pub(super) fn items(nodes: &[Node]) -> Vec<FromItem> {
    nodes.iter().map(|node| item(Some(node))).collect()
}

pub(super) fn item(node: Option<&Node>) -> FromItem {
    match node.and_then(|node| node.node.as_ref()) {
        Some(NodeEnum::RangeVar(relation)) => {
            FromItem::Relation { name: Name::of_relation(relation), alias: alias(relation.alias.as_ref()) }
        }
        Some(NodeEnum::RangeSubselect(sub)) => FromItem::Query {
            query: Box::new(query::query(sub.subquery.as_deref())),
            alias: alias(sub.alias.as_ref()),
            lateral: sub.lateral,
        },
        Some(NodeEnum::RangeFunction(function)) => computed(function),
        Some(NodeEnum::JoinExpr(one)) => FromItem::Join(Box::new(join(one))),
        Some(NodeEnum::RangeTableSample(sample)) => {
            let mut arguments = expressions(&sample.args);
            arguments.extend(optional(sample.repeatable.as_deref()));
            if strings(&sample.method).last().is_none_or(|name| !matches!(*name, "bernoulli" | "system")) {
                arguments.push(Expression::Opaque);
            }
            FromItem::Sampled(Box::new(item(sample.relation.as_deref())), arguments)
        }
        Some(NodeEnum::RangeTableFunc(table)) => xml_table(table),
        Some(NodeEnum::JsonTable(table)) => json_table(table),
        _ => FromItem::Opaque,
    }
}

fn alias(alias: Option<&Alias>) -> TableAlias {
    alias.map_or_else(TableAlias::default, |alias| TableAlias {
        name: Some(alias.aliasname.as_str().into()),
        columns: strings(&alias.colnames).into_iter().map(Box::from).collect(),
    })
}

/// The alias of a written relation.
pub(super) fn name_of(relation: &RangeVar) -> Option<Box<str>> {
    relation.alias.as_ref().map(|alias| alias.aliasname.as_str().into())
}

fn join(join: &JoinExpr) -> Join {
    Join {
        left: item(join.larg.as_deref()),
        right: item(join.rarg.as_deref()),
        natural: join.is_natural,
        using: strings(&join.using_clause).into_iter().map(Box::from).collect(),
        using_alias: join.join_using_alias.as_ref().map(|alias| alias.aliasname.as_str().into()),
        alias: alias(join.alias.as_ref()),
        condition: optional(join.quals.as_deref()),
    }
}

fn computed(function: &RangeFunction) -> FromItem {
    let mut values = Vec::new();
    let mut name = None;
    for one in &function.functions {
        // Each is a list of the call and, in ROWS FROM, its column definitions.
        let Some(NodeEnum::List(list)) = &one.node else { return FromItem::Opaque };
        for node in &list.items {
            match &node.node {
                None | Some(NodeEnum::List(_)) => {}
                Some(NodeEnum::FuncCall(call)) => {
                    name = strings(&call.funcname).last().map(|name| Box::from(*name));
                    values.push(expression(Some(node)));
                }
                Some(_) => values.push(expression(Some(node))),
            }
        }
    }
    FromItem::Computed { values, name, alias: alias(function.alias.as_ref()) }
}

fn xml_table(table: &RangeTableFunc) -> FromItem {
    let mut values = vec![expression(table.docexpr.as_deref()), expression(table.rowexpr.as_deref())];
    values.extend(expressions(&table.namespaces));
    for column in &table.columns {
        let Some(NodeEnum::RangeTableFuncCol(column)) = &column.node else { return FromItem::Opaque };
        values.push(expression(column.colexpr.as_deref()));
        values.push(expression(column.coldefexpr.as_deref()));
    }
    FromItem::Computed { values, name: Some("xmltable".into()), alias: alias(table.alias.as_ref()) }
}

fn json_table(table: &JsonTable) -> FromItem {
    let mut values = vec![json_value(table.context_item.as_deref())];
    values.extend(table.pathspec.as_ref().map(|path| expression(path.string.as_deref())));
    values.extend(expressions(&table.passing));
    values.push(json_behavior(table.on_error.as_deref()));
    json_columns(&table.columns, &mut values);
    FromItem::Computed { values, name: Some("json_table".into()), alias: alias(table.alias.as_ref()) }
}

fn json_columns(columns: &[Node], values: &mut Vec<Expression>) {
    for column in columns {
        let Some(NodeEnum::JsonTableColumn(column)) = &column.node else {
            values.push(Expression::Opaque);
            continue;
        };
        let column: &JsonTableColumn = column;
        values.extend(column.pathspec.as_ref().map(|path| expression(path.string.as_deref())));
        values.push(json_behavior(column.on_empty.as_deref()));
        values.push(json_behavior(column.on_error.as_deref()));
        json_columns(&column.columns, values);
    }
}
