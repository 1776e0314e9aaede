//! Transactions, settings, prepared statements, cursors, notifications.

use std::sync::Arc;

use countersign_common::facts::{Action, Flag};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    DeallocateStmt, DiscardMode, Node, PrepareStmt, TransactionStmt, TransactionStmtKind, VariableSetKind,
    VariableSetStmt, a_const,
};

use super::{is_on, option_text, options};
use crate::reading::Transaction;
use crate::setting::{self, Change};
use crate::walk::Walk;
use crate::walk::special::text;

impl Walk {
    /// True when the statement was one of these.
    pub(super) fn session_statement(&mut self, statement: &NodeEnum) -> bool {
        match statement {
            NodeEnum::TransactionStmt(transaction) => self.transaction(transaction),
            NodeEnum::VariableSetStmt(set) => self.setting(set),
            NodeEnum::VariableShowStmt(_) => self.set(Action::Show),
            NodeEnum::ConstraintsSetStmt(_) => self.set(Action::Transaction),
            NodeEnum::DiscardStmt(discard) => {
                self.set(Action::Set);
                self.moves_path();
                match DiscardMode::try_from(discard.target) {
                    Ok(DiscardMode::DiscardAll) => self.effects.deallocates.push(None),
                    Ok(DiscardMode::DiscardTemp) => self.redefines(None),
                    Ok(DiscardMode::DiscardPlans | DiscardMode::DiscardSequences) => {}
                    Ok(DiscardMode::Undefined) | Err(_) => self.unread(),
                }
            }
            NodeEnum::PrepareStmt(prepare) => self.prepare(prepare),
            NodeEnum::ExecuteStmt(execute) => {
                self.execute(&execute.name);
                self.expressions(&execute.params);
            }
            NodeEnum::DeallocateStmt(DeallocateStmt { name, isall, location: _ }) => {
                self.set(Action::Prepare);
                self.effects.deallocates.push((!isall).then(|| name.as_str().into()));
            }
            NodeEnum::DeclareCursorStmt(cursor) => {
                self.query_node(cursor.query.as_deref());
                self.if_select(Action::Cursor);
                self.effects.declares.push(cursor.portalname.as_str().into());
            }
            NodeEnum::FetchStmt(fetch) => {
                self.set(Action::Cursor);
                self.part().opaque_output = !fetch.ismove;
                self.effects.fetches.push(fetch.portalname.as_str().into());
                self.effects.cursors.insert(fetch.portalname.as_str().into());
            }
            NodeEnum::ClosePortalStmt(close) => {
                self.set(Action::Cursor);
                self.effects.cursors.insert(close.portalname.as_str().into());
            }
            NodeEnum::ListenStmt(listen) => {
                self.administers(Action::Listen, &listen.conditionname);
                self.effects.listens = true;
            }
            NodeEnum::UnlistenStmt(_) => self.set(Action::Listen),
            NodeEnum::NotifyStmt(notify) => self.administers(Action::Notify, &notify.conditionname),
            _ => return false,
        }
        true
    }

    /// What was a plain SELECT becomes `action`; everything else stays what it is.
    pub(super) fn if_select(&mut self, action: Action) {
        let part = self.part();
        if part.action == Action::Select {
            part.action = action;
        }
    }

    /// EXECUTE of a prepared statement.
    pub(super) fn execute(&mut self, name: &str) {
        self.set(Action::Select);
        self.moves_path();
        let prepared_before = self.effects.prepares.iter().any(|(prepared, _)| prepared.as_ref() == name);
        let part = self.part();
        part.executes = Some(name.into());
        part.prepared_before = prepared_before;
        part.opaque_output = true;
    }

    fn prepare(&mut self, prepare: &PrepareStmt) {
        self.set(Action::Prepare);
        let Some(query) = prepare.query.as_deref() else { return self.unread() };
        let mut inner = Self::new();
        inner.note_snapshot(query, true);
        inner.statement(query);
        for argument in &prepare.argtypes {
            match &argument.node {
                Some(NodeEnum::TypeName(name)) => inner.type_name(Some(name)),
                _ => inner.unread(),
            }
        }
        let mut inner = inner.finish(1);
        inner.source = Some(self.source.clone());
        self.effects.prepares.push((prepare.name.as_str().into(), Arc::new(inner)));
    }

    /// Settings, and with them the search path, may be others from here on.
    fn moves_path(&mut self) {
        self.effects.changes_settings = true;
        self.path_unsure = true;
    }

    fn transaction(&mut self, transaction: &TransactionStmt) {
        self.set(Action::Transaction);
        let kind = match TransactionStmtKind::try_from(transaction.kind) {
            Ok(TransactionStmtKind::TransStmtBegin | TransactionStmtKind::TransStmtStart) => {
                self.transaction_modes(&transaction.options);
                Transaction::Begin
            }
            Ok(TransactionStmtKind::TransStmtCommit) => Transaction::Commit,
            Ok(TransactionStmtKind::TransStmtRollback) => Transaction::Rollback,
            Ok(TransactionStmtKind::TransStmtSavepoint) => Transaction::Savepoint,
            Ok(TransactionStmtKind::TransStmtRelease) => Transaction::Release,
            Ok(TransactionStmtKind::TransStmtRollbackTo) => Transaction::RollbackTo,
            // Two-phase commit lets writes outlive the session that was allowed them.
            Ok(TransactionStmtKind::TransStmtPrepare) => {
                self.administers(Action::Administer, &transaction.gid);
                Transaction::Prepare
            }
            Ok(
                TransactionStmtKind::TransStmtCommitPrepared | TransactionStmtKind::TransStmtRollbackPrepared,
            ) => {
                self.administers(Action::Administer, &transaction.gid);
                self.outside_transaction();
                Transaction::Prepared
            }
            Ok(TransactionStmtKind::Undefined) | Err(_) => return self.unread(),
        };
        // SET LOCAL ends with its transaction, SET with its rollback. Whether anything was changed in it is for the session
        // to know, and so it is with definitions.
        if !matches!(kind, Transaction::Begin | Transaction::Savepoint | Transaction::Release) {
            self.effects.ends_settings = true;
            self.path_unsure = true;
        }
        self.effects.transactions.push(kind);
    }

    /// `BEGIN READ WRITE`, `SET TRANSACTION …`: opening the second wall is remarkable, the rest is harmless.
    fn transaction_modes(&mut self, modes: &[Node]) {
        let Some(modes) = options(modes) else { return self.unread() };
        for mode in modes {
            match mode.defname.as_str() {
                "transaction_isolation" | "transaction_deferrable" => {}
                "transaction_read_only"
                    if is_on_literal(mode.arg.as_deref()).unwrap_or_else(|| is_on(mode)) => {}
                "transaction_read_only" => self.flag(Flag::RiskySetting),
                // SET TRANSACTION SNAPSHOT: its value may be a constant or a name.
                "transaction_snapshot" if !option_text(mode).is_empty() || mode.arg.is_some() => {}
                _ => self.unread(),
            }
        }
    }

    fn setting(&mut self, set: &VariableSetStmt) {
        let VariableSetStmt { kind, name, args, jumble_args: _, is_local: _, location: _ } = set;
        self.set(Action::Set);
        if setting::changes_meaning(name) {
            self.effects.changes_settings = true;
        } else {
            self.effects.changes_values = true;
        }
        self.effects.sets.insert(name.to_ascii_lowercase().into());
        match VariableSetKind::try_from(*kind) {
            Ok(VariableSetKind::VarSetValue) => {
                let value = match args.as_slice() {
                    [value] => constant(value),
                    _ => None,
                };
                self.changed(name, setting::change(name, value.as_deref()));
            }
            Ok(
                VariableSetKind::VarSetDefault | VariableSetKind::VarReset | VariableSetKind::VarSetCurrent,
            ) => {
                self.changed(name, setting::change(name, None));
            }
            Ok(VariableSetKind::VarSetMulti) => match name.as_str() {
                "TRANSACTION" | "SESSION CHARACTERISTICS" | "TRANSACTION SNAPSHOT" => {
                    self.object(name.to_ascii_lowercase());
                    if name.as_str() != "TRANSACTION SNAPSHOT" {
                        self.transaction_modes(args);
                    }
                }
                _ => self.unread(),
            },
            Ok(VariableSetKind::VarResetAll) => {
                self.object("all");
                self.moves_path();
            }
            Ok(VariableSetKind::Undefined) | Err(_) => self.unread(),
        }
    }

    fn changed(&mut self, name: &str, change: Change) {
        self.administers(change.action, &name.to_ascii_lowercase());
        if let Some(flag) = change.flag() {
            self.flag(flag);
        }
        self.path_unsure |= change.moves_path;
    }
}

/// A constant as text.
fn constant(node: &Node) -> Option<String> {
    if let Some(text) = text(node) {
        return Some(text.to_owned());
    }
    let Some(NodeEnum::AConst(constant)) = &node.node else { return None };
    match constant.val.as_ref()? {
        a_const::Val::Ival(integer) => Some(integer.ival.to_string()),
        a_const::Val::Fval(float) => Some(float.fval.clone()),
        a_const::Val::Boolval(boolean) => Some(boolean.boolval.to_string()),
        a_const::Val::Sval(string) => Some(string.sval.clone()),
        a_const::Val::Bsval(_) => None,
    }
}

fn is_on_literal(node: Option<&Node>) -> Option<bool> {
    let text = constant(node?)?;
    Some(matches!(text.as_str(), "1" | "true" | "on"))
}
