//! Statements other than queries.

mod body;
mod definition;
mod named;
mod redefinition;
mod running;
mod session;

use countersign_common::facts::{Action, Flag};
use pg_query::NodeEnum;
use pg_query::protobuf::{DefElem, DropBehavior, Node};

pub(super) use self::redefinition::created;
use super::Walk;
use super::texts::texts;

impl Walk {
    /// A statement that is no query. What is in none of the three lists is unknown.
    pub(super) fn utility(&mut self, statement: &NodeEnum) {
        // A part of its own may be opened for what runs inside; the names belong to the statement.
        let texts = texts(statement);
        self.part().texts.extend(texts);
        self.part().owned |= matches!(statement, NodeEnum::DropOwnedStmt(_) | NodeEnum::ReassignOwnedStmt(_));
        let read = self.session_statement(statement)
            || self.running_statement(statement)
            || self.definition_statement(statement);
        if !read {
            self.unread();
        }
    }

    /// An action of which nothing more needs to be read than what it is done to.
    fn administers(&mut self, action: Action, object: &str) {
        self.set(action);
        self.object(object);
    }

    fn outside_transaction(&mut self) {
        self.flag(Flag::OutsideTransaction);
    }
}

/// The value of an option as text; empty when there is none.
fn option_text(option: &DefElem) -> String {
    option.arg.as_deref().map(value_text).unwrap_or_default()
}

fn value_text(node: &Node) -> String {
    match &node.node {
        Some(NodeEnum::String(string)) => string.sval.clone(),
        Some(NodeEnum::Integer(integer)) => integer.ival.to_string(),
        Some(NodeEnum::Float(float)) => float.fval.clone(),
        Some(NodeEnum::Boolean(boolean)) => boolean.boolval.to_string(),
        Some(NodeEnum::List(list)) => list.items.iter().map(value_text).collect::<Vec<_>>().join(","),
        Some(NodeEnum::AStar(_)) => "*".to_owned(),
        _ => String::new(),
    }
}

/// The options of a list; `None` when something else is among them.
fn options(nodes: &[Node]) -> Option<Vec<&DefElem>> {
    nodes
        .iter()
        .map(|node| match &node.node {
            Some(NodeEnum::DefElem(option)) => Some(option.as_ref()),
            _ => None,
        })
        .collect()
}

/// Whether CASCADE is written.
fn is_cascade(behavior: i32) -> bool {
    DropBehavior::try_from(behavior) != Ok(DropBehavior::DropRestrict)
}

/// Whether a boolean option is on; what cannot be read counts as on.
pub(crate) fn is_on(option: &DefElem) -> bool {
    let off = ["false", "off", "0", "f", "fa", "fal", "fals", "no", "n", "of"];
    let text = option_text(option).to_ascii_lowercase();
    option.arg.is_none() || !off.contains(&text.as_str())
}
