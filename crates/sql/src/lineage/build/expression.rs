//! Expressions.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AExpr, AExprKind, AIndirection, BoolExpr, BoolExprType, CaseExpr, ColumnRef, FuncCall,
    JsonAggConstructor, JsonBehavior, JsonFuncExpr, JsonValueExpr, Node, SubLink, SubLinkType, TypeCast,
    TypeName, WindowDef,
};

use super::query;
use crate::lineage::query::{Call, Expression, Operator, SubQuery, SubQueryKind};
use crate::name::{Name, strings};

/// Types for which a cast never fails, whatever the value is, or fails for no single value of interest.
const SAFE_CASTS: [&str; 8] = ["text", "varchar", "bpchar", "name", "json", "jsonb", "citext", "xml"];

/// Steps of one `(expression).a[1].b`; each is a level of the tree here. An expression with more may have any value.
const STEPS_MAX: usize = 100;

pub(super) fn expressions(nodes: &[Node]) -> Vec<Expression> {
    nodes.iter().filter(|node| node.node.is_some()).map(|node| expression(Some(node))).collect()
}

pub(super) fn boxed(nodes: &[Node]) -> Box<[Expression]> {
    expressions(nodes).into_boxed_slice()
}

/// An optional clause.
pub(super) fn optional(node: Option<&Node>) -> Option<Expression> {
    node.map(|node| expression(Some(node)))
}

fn inner(node: Option<&Node>) -> Box<Expression> {
    Box::new(expression(node))
}

/// Any expression; nothing is a constant.
///
/// Each kind has a function of its own: what they keep on the stack while they go deeper stays small.
pub(super) fn expression(node: Option<&Node>) -> Expression {
    let Some(node) = node else { return Expression::Constant };
    let Some(node) = &node.node else { return Expression::Opaque };
    match node {
        NodeEnum::AConst(_)
        | NodeEnum::ParamRef(_)
        | NodeEnum::SetToDefault(_)
        | NodeEnum::String(_)
        | NodeEnum::Integer(_)
        | NodeEnum::Float(_)
        | NodeEnum::Boolean(_)
        | NodeEnum::BitString(_)
        | NodeEnum::SqlvalueFunction(_)
        | NodeEnum::CurrentOfExpr(_)
        | NodeEnum::GroupingFunc(_)
        | NodeEnum::MergeSupportFunc(_) => Expression::Constant,
        NodeEnum::AStar(_) => Expression::Star(Box::default()),
        NodeEnum::ColumnRef(column) => column_name(column),
        NodeEnum::AExpr(operation) => operator(operation),
        NodeEnum::BoolExpr(logic) => self::logic(logic),
        NodeEnum::TypeCast(cast) => self::cast(cast),
        NodeEnum::FuncCall(call) => function(call),
        NodeEnum::SubLink(link) => sub_query(link),
        NodeEnum::CaseExpr(case) => self::case(case),
        NodeEnum::AIndirection(indirection) => self::indirection(indirection),
        other => wrapper(other),
    }
}

/// Expressions that mean what is inside of them.
fn wrapper(node: &NodeEnum) -> Expression {
    let inside = match node {
        NodeEnum::ResTarget(target) => target.val.as_deref(),
        NodeEnum::NamedArgExpr(argument) => argument.arg.as_deref(),
        NodeEnum::MultiAssignRef(assign) => assign.source.as_deref(),
        NodeEnum::CollateClause(collate) => collate.arg.as_deref(),
        NodeEnum::SortBy(sort) => sort.node.as_deref(),
        NodeEnum::IndexElem(element) if element.expr.is_some() => element.expr.as_deref(),
        NodeEnum::IndexElem(element) => return Expression::Column(Box::new([element.name.as_str().into()])),
        other => return list(other),
    };
    expression(inside)
}

/// Expressions over several others.
fn list(node: &NodeEnum) -> Expression {
    match node {
        NodeEnum::List(list) => Expression::Row(boxed(&list.items)),
        NodeEnum::RowExpr(row) => Expression::Row(boxed(&row.args)),
        NodeEnum::GroupingSet(set) => Expression::Row(boxed(&set.content)),
        NodeEnum::AArrayExpr(array) => Expression::All(boxed(&array.elements)),
        NodeEnum::CoalesceExpr(coalesce) => Expression::All(boxed(&coalesce.args)),
        NodeEnum::MinMaxExpr(extreme) => Expression::All(boxed(&extreme.args)),
        NodeEnum::AIndices(indices) => both(indices.lidx.as_deref(), indices.uidx.as_deref()),
        NodeEnum::BooleanTest(test) => both(test.arg.as_deref(), None),
        NodeEnum::NullTest(test) => Expression::NullTest(inner(test.arg.as_deref())),
        NodeEnum::WindowDef(window) => Expression::All(self::window(window).into_boxed_slice()),
        other => special(other),
    }
}

fn both(one: Option<&Node>, another: Option<&Node>) -> Expression {
    Expression::All(Box::new([expression(one), expression(another)]))
}

fn column_name(column: &ColumnRef) -> Expression {
    let names: Box<[Box<str>]> = strings(&column.fields).into_iter().map(Box::from).collect();
    if names.len() == column.fields.len() { Expression::Column(names) } else { Expression::Star(names) }
}

fn logic(logic: &BoolExpr) -> Expression {
    match BoolExprType::try_from(logic.boolop) {
        Ok(BoolExprType::NotExpr) => Expression::Not(Box::new(Expression::Row(boxed(&logic.args)))),
        _ => Expression::Logic(boxed(&logic.args)),
    }
}

fn cast(cast: &TypeCast) -> Expression {
    // A literal with a type is a literal.
    if let Some(NodeEnum::AConst(_)) = cast.arg.as_ref().and_then(|node| node.node.as_ref()) {
        return Expression::Constant;
    }
    let cannot_fail = cast.type_name.as_ref().is_some_and(is_safe_cast);
    Expression::Cast { value: inner(cast.arg.as_deref()), cannot_fail }
}

fn indirection(indirection: &AIndirection) -> Expression {
    // The parser bounds how deep its tree is, but steps are a list there.
    if indirection.indirection.len() > STEPS_MAX {
        return Expression::Opaque;
    }
    let mut value = expression(indirection.arg.as_deref());
    for step in &indirection.indirection {
        value = match &step.node {
            Some(NodeEnum::String(name)) => Expression::Field(Box::new(value), name.sval.as_str().into()),
            Some(NodeEnum::AStar(_)) => Expression::FieldStar(Box::new(value)),
            _ => Expression::All(Box::new([value, expression(Some(step))])),
        };
    }
    value
}

fn case(case: &CaseExpr) -> Expression {
    let mut conditions: Vec<_> = optional(case.arg.as_deref()).into_iter().collect();
    let mut results = Vec::new();
    for when in &case.args {
        let Some(NodeEnum::CaseWhen(when)) = &when.node else { return Expression::Opaque };
        conditions.push(expression(when.expr.as_deref()));
        results.push(expression(when.result.as_deref()));
    }
    results.push(expression(case.defresult.as_deref()));
    Expression::Case { conditions: conditions.into(), results: results.into() }
}

/// Expressions with a syntax of their own: XML, JSON.
fn special(node: &NodeEnum) -> Expression {
    match node {
        NodeEnum::XmlExpr(xml) => {
            let mut all = expressions(&xml.named_args);
            all.extend(expressions(&xml.args));
            Expression::All(all.into())
        }
        NodeEnum::XmlSerialize(xml) => Expression::All(Box::new([expression(xml.expr.as_deref())])),
        NodeEnum::JsonIsPredicate(predicate) => {
            Expression::All(Box::new([expression(predicate.expr.as_deref())]))
        }
        NodeEnum::JsonValueExpr(value) => json_value(Some(value)),
        NodeEnum::JsonKeyValue(pair) => {
            Expression::All(Box::new([expression(pair.key.as_deref()), json_value(pair.value.as_deref())]))
        }
        NodeEnum::JsonArgument(argument) => json_value(argument.val.as_deref()),
        NodeEnum::JsonObjectConstructor(object) => syntax("json_object", expressions(&object.exprs)),
        NodeEnum::JsonArrayConstructor(array) => syntax("json_array", expressions(&array.exprs)),
        NodeEnum::JsonArrayQueryConstructor(array) => {
            let query = query::query(array.query.as_deref());
            let sub = SubQuery { kind: SubQueryKind::Value, test: None, query };
            syntax("json_array", vec![Expression::Sub(Box::new(sub))])
        }
        NodeEnum::JsonObjectAgg(aggregate) => {
            let pair = aggregate
                .arg
                .as_ref()
                .map(|pair| [expression(pair.key.as_deref()), json_value(pair.value.as_deref())]);
            let arguments = pair.into_iter().flatten().collect();
            json_aggregate("json_objectagg", arguments, aggregate.constructor.as_deref())
        }
        NodeEnum::JsonArrayAgg(aggregate) => {
            let arguments = vec![json_value(aggregate.arg.as_deref())];
            json_aggregate("json_arrayagg", arguments, aggregate.constructor.as_deref())
        }
        NodeEnum::JsonParseExpr(parse) => syntax("json", vec![json_value(parse.expr.as_deref())]),
        NodeEnum::JsonScalarExpr(scalar) => syntax("json_scalar", vec![expression(scalar.expr.as_deref())]),
        NodeEnum::JsonSerializeExpr(serialize) => {
            syntax("json_serialize", vec![json_value(serialize.expr.as_deref())])
        }
        NodeEnum::JsonFuncExpr(function) => json_function(function),
        _ => Expression::Opaque,
    }
}

fn syntax(name: &str, arguments: Vec<Expression>) -> Expression {
    Expression::Call(Box::new(Call {
        name: Name::bare(name),
        arguments,
        order: Vec::new(),
        filter: None,
        window: None,
        distinct: false,
        is_syntax: true,
    }))
}

pub(super) fn json_value(value: Option<&JsonValueExpr>) -> Expression {
    let Some(value) = value else { return Expression::Constant };
    let both = [expression(value.raw_expr.as_deref()), expression(value.formatted_expr.as_deref())];
    Expression::All(Box::new(both))
}

pub(super) fn json_behavior(behavior: Option<&JsonBehavior>) -> Expression {
    expression(behavior.and_then(|behavior| behavior.expr.as_deref()))
}

fn json_aggregate(
    name: &str,
    arguments: Vec<Expression>,
    constructor: Option<&JsonAggConstructor>,
) -> Expression {
    let mut order = Vec::new();
    let (mut filter, mut over) = (None, None);
    if let Some(constructor) = constructor {
        order = expressions(&constructor.agg_order);
        filter = optional(constructor.agg_filter.as_deref());
        over = constructor.over.as_deref().map(window);
    }
    Expression::Call(Box::new(Call {
        name: Name::bare(name),
        arguments,
        order,
        filter,
        window: over,
        distinct: false,
        is_syntax: true,
    }))
}

/// `JSON_EXISTS`, `JSON_QUERY`, `JSON_VALUE`.
fn json_function(function: &JsonFuncExpr) -> Expression {
    let mut arguments = vec![
        json_value(function.context_item.as_deref()),
        expression(function.pathspec.as_deref()),
        json_behavior(function.on_empty.as_deref()),
        json_behavior(function.on_error.as_deref()),
    ];
    arguments.extend(expressions(&function.passing));
    // An older server may take any of the three names for a function that somebody made.
    let value = syntax("json_value", arguments);
    let value = syntax("json_query", vec![value]);
    syntax("json_exists", vec![value])
}

fn operator(operation: &AExpr) -> Expression {
    let left = expression(operation.lexpr.as_deref());
    let right = expression(operation.rexpr.as_deref());
    let kind = AExprKind::try_from(operation.kind);
    let name = Name::of_nodes(&operation.name);
    let is_equals = name.as_ref().is_some_and(|name| {
        &*name.name == "=" && matches!(name.schema.as_deref(), None | Some("pg_catalog"))
    });
    let (equality, operands) = match (kind, right) {
        (Ok(AExprKind::AexprOp), right) => (is_equals, vec![left, right]),
        (Ok(AExprKind::AexprNotDistinct), right) => (true, vec![left, right]),
        (Ok(AExprKind::AexprIn), Expression::Row(mut list)) if list.len() == 1 => {
            let only = list.first_mut().map(|one| std::mem::replace(one, Expression::Constant));
            (is_equals, vec![left, only.unwrap_or(Expression::Opaque)])
        }
        (Ok(AExprKind::Undefined) | Err(_), _) => return Expression::Opaque,
        (Ok(_), right) => (false, vec![left, right]),
    };
    let name = name.unwrap_or_else(|| Name::bare("="));
    Expression::Operator(Box::new(Operator { name, equality, operands }))
}

fn sub_query(link: &SubLink) -> Expression {
    let kind = match SubLinkType::try_from(link.sub_link_type) {
        Ok(SubLinkType::ExistsSublink) => SubQueryKind::Exists,
        Ok(SubLinkType::ExprSublink | SubLinkType::ArraySublink) => SubQueryKind::Value,
        _ => SubQueryKind::Compare,
    };
    let test = optional(link.testexpr.as_deref());
    Expression::Sub(Box::new(SubQuery { kind, test, query: query::query(link.subselect.as_deref()) }))
}

pub(super) fn function(call: &FuncCall) -> Expression {
    let Some(name) = Name::of_nodes(&call.funcname) else { return Expression::Opaque };
    Expression::Call(Box::new(Call {
        name,
        arguments: expressions(&call.args),
        order: expressions(&call.agg_order),
        filter: optional(call.agg_filter.as_deref()),
        window: call.over.as_deref().map(window),
        distinct: call.agg_distinct,
        is_syntax: false,
    }))
}

fn window(window: &WindowDef) -> Vec<Expression> {
    let mut all = expressions(&window.partition_clause);
    all.extend(expressions(&window.order_clause));
    all.extend(optional(window.start_offset.as_deref()));
    all.extend(optional(window.end_offset.as_deref()));
    all
}

fn is_safe_cast(name: &TypeName) -> bool {
    strings(&name.names).last().is_some_and(|last| SAFE_CASTS.contains(last))
}
