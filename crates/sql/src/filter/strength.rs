//! How well an expression that is not computed narrows when it is compared.

use pg_query::NodeEnum;
use pg_query::protobuf::{AExpr, AExprKind, FuncCall, Node, a_const};

use super::condition::Strength;
use super::lower::is_column;
use crate::name::strings;

/// Functions of dates: as many values as the column has.
const OF_DATES: [&str; 7] = ["date_trunc", "age", "date", "timezone", "to_date", "to_timestamp", "date_bin"];
/// Functions of which a certain value is that of some rows.
const WITH_MANY_VALUES: [&str; 18] = [
    "date_part",
    "extract",
    "md5",
    "sha256",
    "digest",
    "left",
    "right",
    "substr",
    "substring",
    "split_part",
    "to_char",
    "replace",
    "initcap",
    "jsonb_extract_path_text",
    "json_extract_path_text",
    "hashtext",
    "reverse",
    "host",
];
/// Functions that say whether something is so.
const TESTS: [&str; 2] = ["starts_with", "jsonb_exists"];
/// Literals that everything contains, or that contain everything.
const TRIVIAL: [&str; 10] = ["", "{}", "[]", "empty", "(,)", "[,]", "(,]", "[,)", "0.0.0.0/0", "::/0"];

/// How well comparing this with something narrows.
pub(super) fn of(node: &Node) -> Strength {
    match &node.node {
        Some(NodeEnum::FuncCall(call)) => of_call(call),
        Some(NodeEnum::AExpr(expression)) => of_operator(expression),
        Some(NodeEnum::AIndirection(_)) => Strength::Equal,
        _ => Strength::Weak,
    }
}

fn of_call(call: &FuncCall) -> Strength {
    let name = strings(&call.funcname).last().copied().unwrap_or_default();
    let plain = call.args.iter().all(|argument| is_plain(argument) && !is_trivial(argument));
    match name {
        _ if !plain => Strength::Weak,
        name if OF_DATES.contains(&name) || TESTS.contains(&name) => Strength::Strong,
        name if WITH_MANY_VALUES.contains(&name) => Strength::Equal,
        _ => Strength::Weak,
    }
}

fn of_operator(expression: &AExpr) -> Strength {
    let operator = strings(&expression.name).last().copied().unwrap_or_default();
    let (Some(left), Some(right)) = (expression.lexpr.as_deref(), expression.rexpr.as_deref()) else {
        return Strength::Weak;
    };
    let plain = is_plain(left) && is_plain(right);
    let trivial = is_trivial(left) || is_trivial(right);
    match (AExprKind::try_from(expression.kind), operator) {
        (Ok(AExprKind::AexprOp), _) if !plain => Strength::Weak,
        // Dates and intervals; fields of JSON.
        (Ok(AExprKind::AexprOp), "+" | "-" | "->" | "->>" | "#>" | "#>>") => Strength::Strong,
        (
            Ok(AExprKind::AexprOp),
            "@>" | "<@" | "&&" | "?" | "?|" | "?&" | "@@" | "<<" | ">>" | "<<=" | ">>=" | "~=" | "@?" | "^@",
        ) if !trivial && [left, right].into_iter().any(is_written) => Strength::Strong,
        _ => Strength::Weak,
    }
}

/// Columns, constants, parameters, what is cast, and what reviewed functions make of these.
fn is_plain(node: &Node) -> bool {
    match &node.node {
        Some(NodeEnum::AConst(_) | NodeEnum::ParamRef(_) | NodeEnum::SqlvalueFunction(_)) => true,
        Some(NodeEnum::ColumnRef(_)) => is_column(node),
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_plain),
        Some(NodeEnum::AArrayExpr(array)) => array.elements.iter().all(is_plain),
        Some(NodeEnum::CollateClause(collate)) => collate.arg.as_deref().is_some_and(is_plain),
        Some(NodeEnum::AExpr(_)) => of(node) == Strength::Strong,
        Some(NodeEnum::FuncCall(call)) => {
            let name = strings(&call.funcname).last().copied().unwrap_or_default();
            let known =
                ["lower", "upper", "now", "int4range", "int8range", "numrange", "daterange", "tsrange"]
                    .contains(&name)
                    || ["tstzrange", "point", "box", "circle", "make_interval", "make_date", "to_tsvector"]
                        .contains(&name)
                    || ["to_tsquery", "plainto_tsquery", "websearch_to_tsquery", "phraseto_tsquery"]
                        .contains(&name)
                    || OF_DATES.contains(&name);
            known && call.args.iter().all(is_plain)
        }
        _ => false,
    }
}

/// Something that is written out.
fn is_written(node: &Node) -> bool {
    match &node.node {
        Some(NodeEnum::AConst(constant)) => !constant.isnull,
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_written),
        Some(NodeEnum::AArrayExpr(array)) => array.elements.iter().all(is_written),
        Some(NodeEnum::FuncCall(call)) => !call.args.is_empty() && call.args.iter().all(is_written),
        _ => false,
    }
}

/// Something of which there is nothing: NULL, an empty text or array, zero.
fn is_trivial(node: &Node) -> bool {
    match &node.node {
        Some(NodeEnum::AConst(constant)) => match &constant.val {
            None => true,
            Some(a_const::Val::Ival(number)) => number.ival == 0,
            Some(a_const::Val::Sval(text)) => {
                let text = text.sval.trim();
                TRIVIAL.contains(&text) || text.starts_with("[\"-inf") || text.starts_with("[-inf")
            }
            _ => false,
        },
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_trivial),
        Some(NodeEnum::AArrayExpr(array)) => array.elements.is_empty(),
        Some(NodeEnum::FuncCall(call)) => call.args.iter().any(is_trivial),
        _ => false,
    }
}
