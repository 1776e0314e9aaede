//! What an approval of a held command is bound to besides its bytes: every setting that can change what they do, the texts
//! that they run by name, the objects that their names stand for with the definitions behind those, and, where they use
//! state that only one connection has, that connection.
//!
//! The server is asked for all of it when a command begins to wait and again before its approval is used up. Settings are
//! asked for on the session's own connection, definitions over one of our own ([`crate::definitions`]).

mod question;
mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_common::command::NamedText;
use countersign_sql::Dependence;

use crate::definitions::{Definitions, Roots};
use crate::interned::Interned;

/// What one command is bound to.
#[derive(Debug)]
pub(crate) struct ApprovalBinding {
    dependence: Arc<Dependence>,
    roots: Arc<Roots>,
    definitions: Arc<Definitions>,
    bound: Bound,
}

/// What the commands that wait on all connections to a database are bound to, each part once.
#[derive(Debug, Default)]
pub(crate) struct SharedBindings {
    dependences: Interned<Dependence>,
    roots: Interned<Roots>,
    definitions: Interned<Definitions>,
    settings: Interned<BTreeMap<String, String>>,
}

/// What of it goes into the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    /// Everything of the session by name.
    pub(crate) settings: Arc<BTreeMap<String, String>>,
    /// Texts that are run by name.
    pub(crate) texts: Vec<NamedText>,
    /// It uses state that only its connection has.
    is_private: bool,
}

impl ApprovalBinding {
    pub(crate) const fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Whether the command can run only on the connection that it waits on.
    pub(crate) const fn is_private(&self) -> bool {
        self.bound.is_private
    }
}
