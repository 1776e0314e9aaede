//! Expressions with a syntax of their own (XML, JSON), and calls whose literals say what they do.

use countersign_common::facts::{Action, Flag};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    JsonAggConstructor, JsonBehavior, JsonFuncExpr, JsonOutput, JsonValueExpr, Node, a_const,
};

use super::Walk;
use crate::functions;
use crate::name::{Name, strings};
use crate::setting;

impl Walk {
    /// The rest of the expressions. Any kind that is not here either is unknown.
    pub(super) fn special(&mut self, node: &NodeEnum) {
        match node {
            NodeEnum::XmlExpr(xml) => {
                self.expressions(&xml.named_args);
                self.expressions(&xml.args);
            }
            NodeEnum::XmlSerialize(xml) => {
                self.expression(xml.expr.as_deref());
                self.type_name(xml.type_name.as_ref());
            }
            NodeEnum::MergeSupportFunc(_) => self.keyword("merge_action"),
            NodeEnum::JsonIsPredicate(predicate) => self.expression(predicate.expr.as_deref()),
            NodeEnum::JsonValueExpr(value) => self.json_value(Some(value)),
            NodeEnum::JsonKeyValue(pair) => {
                self.expression(pair.key.as_deref());
                self.json_value(pair.value.as_deref());
            }
            NodeEnum::JsonArgument(argument) => self.json_value(argument.val.as_deref()),
            NodeEnum::JsonObjectConstructor(object) => {
                self.keyword("json_object");
                self.expressions(&object.exprs);
                self.json_output(object.output.as_ref());
            }
            NodeEnum::JsonArrayConstructor(array) => {
                self.keyword("json_array");
                self.expressions(&array.exprs);
                self.json_output(array.output.as_ref());
            }
            NodeEnum::JsonArrayQueryConstructor(array) => {
                self.keyword("json_array");
                match array.query.as_ref().and_then(|node| node.node.as_ref()) {
                    Some(NodeEnum::SelectStmt(select)) => self.select(select),
                    _ => self.unread(),
                }
                self.json_output(array.output.as_ref());
            }
            NodeEnum::JsonObjectAgg(aggregate) => {
                self.keyword("json_objectagg");
                if let Some(pair) = &aggregate.arg {
                    self.expression(pair.key.as_deref());
                    self.json_value(pair.value.as_deref());
                }
                self.json_aggregate(aggregate.constructor.as_deref());
            }
            NodeEnum::JsonArrayAgg(aggregate) => {
                self.keyword("json_arrayagg");
                self.json_value(aggregate.arg.as_deref());
                self.json_aggregate(aggregate.constructor.as_deref());
            }
            NodeEnum::JsonParseExpr(parse) => {
                self.keyword("json");
                self.json_value(parse.expr.as_deref());
                self.json_output(parse.output.as_ref());
            }
            NodeEnum::JsonScalarExpr(scalar) => {
                self.keyword("json_scalar");
                self.expression(scalar.expr.as_deref());
                self.json_output(scalar.output.as_ref());
            }
            NodeEnum::JsonSerializeExpr(serialize) => {
                self.keyword("json_serialize");
                self.json_value(serialize.expr.as_deref());
                self.json_output(serialize.output.as_ref());
            }
            NodeEnum::JsonFuncExpr(function) => self.json_function(function),
            _ => self.unread(),
        }
    }

    /// Syntax for the grammar here, but a plain call for servers before PostgreSQL 16 or 17.
    fn keyword(&mut self, name: &'static str) {
        self.part().keyword_calls.insert(name);
    }

    pub(super) fn json_value(&mut self, value: Option<&JsonValueExpr>) {
        if let Some(value) = value {
            self.expression(value.raw_expr.as_deref());
            self.expression(value.formatted_expr.as_deref());
        }
    }

    pub(super) fn json_behavior(&mut self, behavior: Option<&JsonBehavior>) {
        if let Some(behavior) = behavior {
            self.expression(behavior.expr.as_deref());
        }
    }

    fn json_output(&mut self, output: Option<&JsonOutput>) {
        if let Some(output) = output {
            self.type_name(output.type_name.as_ref());
        }
    }

    fn json_aggregate(&mut self, constructor: Option<&JsonAggConstructor>) {
        let Some(JsonAggConstructor { output, agg_filter, agg_order, over, location: _ }) = constructor
        else {
            return;
        };
        self.json_output(output.as_ref());
        self.expression(agg_filter.as_deref());
        self.expressions(agg_order);
        if let Some(window) = over {
            self.window(window);
        }
    }

    fn json_function(&mut self, function: &JsonFuncExpr) {
        let JsonFuncExpr {
            op: _,
            column_name: _,
            context_item,
            pathspec,
            passing,
            output,
            on_empty,
            on_error,
            wrapper: _,
            quotes: _,
            location: _,
        } = function;
        for name in ["json_exists", "json_query", "json_value"] {
            self.keyword(name);
        }
        self.json_value(context_item.as_deref());
        self.expression(pathspec.as_deref());
        self.expressions(passing);
        self.json_output(output.as_ref());
        self.json_behavior(on_empty.as_deref());
        self.json_behavior(on_error.as_deref());
    }

    /// Calls whose literals decide: `set_config('…', '…', …)`, `nextval('…')`. True when this was one of them and
    /// nothing more needs to be noted of the call itself.
    pub(super) fn literal_call(&mut self, name: &[Node], arguments: &[Node]) -> bool {
        let parts = strings(name);
        let Some(last) = parts.last() else { return false };
        if let Some(known) = functions::shows_relation(last)
            && let Some(relation) = arguments.first().and_then(text).and_then(Name::of_literal)
        {
            self.shows(known, relation);
            return true;
        }
        match *last {
            "set_config" => {
                self.inert = false;
                self.effects.changes_settings = true;
                self.path_unsure = true;
                self.part().sets_config = true;
                match arguments.first().and_then(text) {
                    Some(setting) => {
                        self.effects.sets.insert(setting.to_ascii_lowercase().into());
                    }
                    None => self.effects.sets_unnamed = true,
                }
                self.set_config(&parts, arguments)
            }
            "nextval" | "setval" => {
                self.inert = false;
                if let Some(sequence) = arguments.first().and_then(text).and_then(Name::of_literal) {
                    self.part().writes.insert(sequence);
                }
                false
            }
            _ => false,
        }
    }

    /// `table_to_xml('orders', …)` reads what it names.
    fn shows(&mut self, function: &'static str, relation: Name) {
        self.inert = false;
        self.mentions.everything = true;
        let part = self.part();
        part.reads.insert(relation);
        part.opaque_output = true;
        // Someone else's function of that name may be in the path: the catalogue will say.
        part.keyword_calls.insert(function);
    }

    /// `set_config` is SET when its name is a literal, and the built-in is surely meant.
    fn set_config(&mut self, parts: &[&str], arguments: &[Node]) -> bool {
        let [setting, value, _] = arguments else { return false };
        let Some(setting) = text(setting) else { return false };
        if !matches!(parts, ["pg_catalog", _]) {
            // Someone else's `set_config` may be in the path: the catalogue will say.
            self.part().keyword_calls.insert("set_config");
        }
        let change = setting::change(setting, text(value));
        match change.action {
            Action::Set => {
                if change.risky {
                    self.flag(Flag::RiskySetting);
                }
            }
            other => {
                self.flag(Flag::RiskySetting);
                self.part().more.insert(other);
            }
        }
        true
    }
}

/// The text of a string literal, also under a cast to text.
pub(super) fn text(node: &Node) -> Option<&str> {
    match node.node.as_ref()? {
        NodeEnum::AConst(constant) => match constant.val.as_ref()? {
            a_const::Val::Sval(string) => Some(string.sval.as_str()),
            a_const::Val::Ival(_)
            | a_const::Val::Fval(_)
            | a_const::Val::Boolval(_)
            | a_const::Val::Bsval(_) => None,
        },
        NodeEnum::TypeCast(cast) => {
            let name = cast.type_name.as_ref()?;
            let to = strings(&name.names);
            matches!(to.last(), Some(&"regclass" | &"text")).then_some(())?;
            text(cast.arg.as_deref()?)
        }
        _ => None,
    }
}
