//! Statements in the bodies of rules and functions: nothing of them runs while they are defined, but what they name is what
//! will be touched when they do.

use countersign_common::facts::{Action, Flag};
use pg_query::NodeEnum;
use pg_query::protobuf::{CreateFunctionStmt, DefElem, Node, RuleStmt};

use super::options;
use crate::grammar;
use crate::name::{Name, strings};
use crate::walk::{Walk, walk};

impl Walk {
    /// CREATE RULE: its condition and its actions.
    pub(super) fn rule(&mut self, rule: &RuleStmt) {
        self.on(rule.relation.as_ref(), &rule.rulename);
        let rows = rule.relation.as_ref().map(Name::of_relation);
        self.rows(rows.as_ref());
        self.expression(rule.where_clause.as_deref());
        for action in &rule.actions {
            self.deferred(action, rows.as_ref());
        }
        self.set(Action::Create);
    }

    /// A statement that runs later. Its part says what it will do.
    fn deferred(&mut self, statement: &Node, rows: Option<&Name>) {
        let first = self.parts.len();
        let outer = self.begin(Action::Unknown);
        self.rows(rows);
        match &statement.node {
            Some(query @ NodeEnum::SelectStmt(_)) => self.query(query),
            Some(
                query @ (NodeEnum::InsertStmt(_)
                | NodeEnum::UpdateStmt(_)
                | NodeEnum::DeleteStmt(_)
                | NodeEnum::MergeStmt(_)),
            ) => self.query(query),
            Some(NodeEnum::ReturnStmt(give)) => {
                self.set(Action::Select);
                self.expression(give.returnval.as_deref());
            }
            // NOTHING, and what a body can hold besides queries.
            Some(NodeEnum::NotifyStmt(notify)) => self.administers(Action::Notify, &notify.conditionname),
            None => {}
            Some(_) => self.unread(),
        }
        self.defer_from(first);
        self.current = outer;
    }

    /// `new` and `old` are rows of the relation.
    pub(super) fn rows(&mut self, relation: Option<&Name>) {
        for row in ["new", "old"] {
            if let Some(relation) = relation {
                self.part().aliases.entry(row.into()).or_default().insert(Some(relation.clone()));
            }
        }
    }

    /// What the parts from here on do is done later.
    fn defer_from(&mut self, first: usize) {
        for part in self.parts.iter_mut().skip(first) {
            part.deferred.get_or_insert(part.action);
            part.action = Action::Create;
            part.flags.remove(&Flag::MissingWhere);
            part.flags.remove(&Flag::WeakWhere);
            part.filters.clear();
        }
    }

    /// CREATE FUNCTION: the statements of a body in SQL. Of other languages the definition is not read.
    pub(super) fn function_body(&mut self, function: &CreateFunctionStmt) {
        if let Some(body) = function.sql_body.as_deref() {
            return self.atomic_body(body);
        }
        let Some(given) = options(&function.options) else { return self.unread() };
        let named = |name: &str| given.iter().find(|option| option.defname == name);
        let language = named("language").map(|option| super::option_text(option).to_ascii_lowercase());
        let text = named("as").and_then(|option| body_text(option));
        match (language.as_deref(), text) {
            (Some("sql"), Some(text)) => self.text_body(text),
            _ => self.flag(Flag::UnreadDefinition),
        }
        self.inert = false;
    }

    fn atomic_body(&mut self, body: &Node) {
        match &body.node {
            Some(NodeEnum::List(list)) => list.items.iter().for_each(|item| self.atomic_body(item)),
            Some(_) => self.deferred(body, None),
            None => {}
        }
    }

    /// A body that is a string. A function that is created in it is not looked into.
    fn text_body(&mut self, text: &str) {
        let nests =
            text.to_ascii_lowercase().contains("function") || text.to_ascii_lowercase().contains("procedure");
        let parsed = if nests { None } else { grammar::parse(text).ok() };
        let Some(parsed) = parsed else { return self.flag(Flag::UnreadDefinition) };
        let first = self.parts.len();
        self.parts.extend(walk(&parsed, text).parts);
        self.defer_from(first);
    }
}

/// The text of a body, which stands in a list beside the symbol of compiled functions.
fn body_text(option: &DefElem) -> Option<&str> {
    match option.arg.as_deref()?.node.as_ref()? {
        NodeEnum::List(list) => match strings(&list.items).as_slice() {
            [text] => Some(*text),
            _ => None,
        },
        NodeEnum::String(text) => Some(&text.sval),
        _ => None,
    }
}
