//! One command of a PostgreSQL client on the road.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_common::command::{Command, Context};
use countersign_lifecycle::{Asked, Described, Exchange, Meanwhile, Road};

use crate::cancel_registry::CancelSlot;
use crate::reply;
use crate::session::flow::{Broken, Flow, Moved};
use crate::statements::{Name, Portal};

/// One command, the client that sent it, and the connection it would run on.
pub(crate) struct PgExchange<'s> {
    pub(crate) road: &'s Road,
    pub(crate) flow: &'s mut Flow,
    pub(crate) cancel: &'s CancelSlot,
    pub(crate) command: &'s Command,
    pub(crate) described: Described,
    pub(crate) in_transaction: bool,
    /// Only Parse and Describe of its batch are upstream, and all answered.
    pub(crate) batch_idle: bool,
    pub(crate) wire: Bytes,
    /// What [`Exchange::stirred`] saw, until [`Exchange::look`] takes it in.
    pub(crate) seen: Option<Seen>,
}

/// What happened on a connection that waits.
pub(crate) enum Seen {
    /// Bytes moved, or a side is gone.
    Moved(Result<Moved, Broken>),
    /// The client asked on another connection to cancel.
    Cancelled,
}

impl Exchange for PgExchange<'_> {
    fn command(&self) -> &Command {
        self.command
    }

    fn context(&self) -> Context {
        let mut settings: BTreeMap<String, String> =
            self.flow.settings.current().map(|settings| settings.meaning.clone()).unwrap_or_default();
        if settings.is_empty() {
            // They were changed in this very batch: nothing else has this meaning again.
            settings.insert("unknown".into(), self.flow.settings.generation().to_string());
        }
        Context {
            target: self.road.target.name.clone(),
            generation: self.road.target.generation,
            role: self.road.role.clone(),
            database: self.road.database.clone(),
            settings,
            transaction: self.flow.prefix,
        }
    }

    fn described(&self) -> &Described {
        &self.described
    }

    fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    fn patience(&self) -> Option<Duration> {
        self.flow.settings.current().and_then(|settings| settings.statement_timeout)
    }

    fn asking(&mut self, asked: &Asked) {
        if asked.repeat == 0 {
            if self.batch_idle {
                // Parsing took locks, and nobody needs them while people think.
                self.flow.end_idle_batch();
            }
            self.flow.shrink();
        }
        self.flow.tell(&reply::asking(asked));
    }

    async fn stirred(&mut self) {
        let seen = tokio::select! {
            biased;
            () = self.cancel.asked() => Seen::Cancelled,
            moved = self.flow.moved() => Seen::Moved(moved),
        };
        self.seen = Some(seen);
    }

    async fn look(&mut self) -> Option<Meanwhile> {
        match self.seen.take()? {
            Seen::Cancelled => Some(Meanwhile::Cancelled),
            Seen::Moved(Ok(Moved::FromUpstream)) => match self.flow.take_answers().await {
                // What stands before it in its batch has failed: it will not run, so nobody need be asked.
                Ok(()) => self.flow.skipping.then_some(Meanwhile::Cancelled),
                Err(_) => Some(Meanwhile::Left),
            },
            Seen::Moved(Ok(Moved::FromClient)) => self.flow.client_says_goodbye().then_some(Meanwhile::Left),
            Seen::Moved(Ok(Moved::ClientClosed) | Err(_)) => Some(Meanwhile::Left),
        }
    }

    fn into_wire(self) -> Bytes {
        self.wire
    }
}

/// A command and everything about it that its answer needs later.
#[derive(Debug)]
pub(crate) struct Unit {
    /// Exact bytes and parameters.
    pub(crate) command: Command,
    /// What it does.
    pub(crate) described: Described,
    /// What was read of its text.
    pub(crate) reading: Option<Arc<countersign_sql::Reading>>,
    /// The portal it runs, for Execute.
    pub(crate) portal: Option<(Name, Arc<Portal>)>,
}
