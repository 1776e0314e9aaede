//! One command of a PostgreSQL client on the road.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_common::Facts;
use countersign_common::command::{Command, Context};
use countersign_common::refusal::{Refusal, State};
use countersign_common::verdict::Duties;
use countersign_lifecycle::{Asked, Described, Exchange, Meanwhile, NotBound, NotReady, Road, trace};
use tracing::Span;

use crate::approval_binding::ApprovalBinding;
use crate::cancel_registry::{CancelRequest, CancelSlot};
use crate::client_trace;
use crate::lookups::Lookups;
use crate::masked_outputs::MaskedOutputs;
use crate::masked_use::MaskedUse;
use crate::reply;
use crate::rules_in_force::RulesInForce;
use crate::session::copy_in::{COPY_OF_QUERY, COPY_UNMASKABLE, copies_a_query, copies_out};
use crate::session::flow::{Broken, Flow, Moved};
use crate::session::way::Way;
use crate::statements::{Meaning, Name, Portal};

/// Why a command is refused whose verdict was given under other masking rules.
const RULES_CHANGED: &str =
    "the masking rules or definitions that it depends on have changed since it was judged";

/// One command, the client that sent it, and the connection it would run on.
pub(crate) struct PgExchange<'s> {
    pub(crate) road: &'s Road,
    pub(crate) flow: &'s mut Flow,
    pub(crate) cancel: &'s CancelSlot,
    pub(crate) way: &'s Way,
    pub(crate) rules: &'s RulesInForce,
    pub(crate) unit: &'s Unit,
    /// What it does with masked columns, as it is judged.
    pub(crate) masked: Arc<MaskedUse>,
    /// What its answer can show of masked columns.
    pub(crate) outputs: Arc<MaskedOutputs>,
    /// The facts with the flags that depend on what the principal may see; `None`: those of the unit.
    pub(crate) noted: Option<Described>,
    /// Counts lookups by masked values.
    pub(crate) lookups: &'s Lookups,
    pub(crate) in_transaction: bool,
    /// People have agreed, and it is about to go.
    pub(crate) prepared: bool,
    /// Only Parse and Describe of its batch are upstream, and all answered.
    pub(crate) batch_idle: bool,
    /// Something of its batch is upstream that a Sync of ours would end.
    pub(crate) batch_ran: bool,
    pub(crate) wire: Bytes,
    /// What [`Exchange::stirred`] saw, until [`Exchange::look`] takes it in.
    pub(crate) seen: Option<Seen>,
    /// The cancel request that has ended the wait; its connection is closed when the command has been withdrawn.
    pub(crate) cancelled: Option<CancelRequest>,
    /// By what the target will remember it: the number of the transaction of our own that is open for it.
    pub(crate) evidence: Option<String>,
    /// What an approval of it is bound to, once it is about to be held.
    pub(crate) binding: Option<Box<ApprovalBinding>>,
}

/// What happened on a connection that waits.
pub(crate) enum Seen {
    /// Bytes moved, or a side is gone.
    Moved(Result<Moved, Broken>),
    /// The client asked on another connection to cancel.
    Cancelled(CancelRequest),
}

// Boxed, because it is handed from future to future, and each would carry it as long as its command waits.
impl Exchange for Box<PgExchange<'_>> {
    fn command(&self) -> &Command {
        &self.unit.command
    }

    fn context(&self) -> Context {
        let known = || self.flow.settings.current().map(|settings| settings.meaning.clone());
        let (mut settings, texts) = match self.binding.as_deref().map(ApprovalBinding::bound) {
            Some(bound) => (BTreeMap::clone(&bound.settings), bound.texts.clone()),
            None => (known().unwrap_or_default(), Vec::new()),
        };
        if self.flow.settings.current().is_none() {
            // They were changed in this very batch: nothing else has this meaning again.
            settings.insert("unknown".into(), self.flow.settings.generation().to_string());
        }
        Context {
            target: self.road.target.name.clone(),
            generation: self.road.target.generation,
            role: self.road.role.clone(),
            database: self.road.database.clone(),
            settings,
            transaction: self.flow.batch_prefix.or(self.flow.prefix),
            texts,
        }
    }

    fn described(&self) -> &Described {
        self.noted.as_ref().unwrap_or(&self.unit.described)
    }

    fn changes(&self) -> bool {
        !self.unit.described.facts.is_plain_read() || self.flow.makes_lasting(self.unit)
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
            // What uses the connection's own state can run nowhere else.
            let is_private = self.binding.as_ref().is_some_and(|binding| binding.is_private());
            if !self.in_transaction && !is_private {
                self.flow.ask_for_leftovers();
            }
            self.flow.shrink();
        }
        self.flow.tell(&reply::asking(asked));
    }

    async fn stirred(&mut self) {
        // A Terminate that came with the command is in the buffer already; no further bytes announce it.
        if self.flow.client_says_goodbye() {
            self.seen = Some(Seen::Moved(Ok(Moved::FromClient)));
            return;
        }
        let seen = tokio::select! {
            biased;
            request = self.cancel.asked() => Seen::Cancelled(request),
            moved = self.flow.moved() => Seen::Moved(moved),
        };
        self.seen = Some(seen);
    }

    async fn look(&mut self) -> Option<Meanwhile> {
        match self.seen.take()? {
            Seen::Cancelled(request) => {
                self.cancelled = Some(request);
                Some(Meanwhile::Cancelled)
            }
            Seen::Moved(Ok(Moved::FromUpstream)) => match self.flow.take_answers().await {
                // What stands before it in its batch has failed: it will not run, so nobody need be asked.
                Ok(()) => {
                    self.flow.give_back().await;
                    self.flow.skipping.then_some(Meanwhile::Cancelled)
                }
                Err(_) => Some(Meanwhile::Left),
            },
            Seen::Moved(Ok(Moved::FromClient)) => self.flow.client_says_goodbye().then_some(Meanwhile::Left),
            Seen::Moved(Ok(Moved::ClientClosed) | Err(_)) => Some(Meanwhile::Left),
        }
    }

    async fn bind(&mut self) -> Result<(), NotBound> {
        self.find_binding().await
    }

    async fn prepare(&mut self) -> Result<(), NotReady> {
        self.evidence = self.check_binding().await?;
        self.flow.rules = self.rules.current();
        self.prepared = true;
        Ok(())
    }

    fn evidence(&self) -> Option<String> {
        self.evidence.clone()
    }

    fn note_duties(&mut self, duties: &Duties) {
        let described = &self.unit.described.facts;
        let mut facts = Facts::clone(described);
        facts.operations.iter_mut().for_each(|operation| operation.flag_masked(|class| duties.hides(class)));
        self.noted = (facts != **described).then(|| Described::new(Arc::new(facts)));
    }

    fn use_up(&mut self, duties: &Duties) -> Option<Refusal> {
        let session = self.road.session;
        let mut counted = self.masked.counted(duties);
        counted.find_map(|(class, count)| self.lookups.count(session, class, count, duties))
    }

    fn cannot_bear(&self, duties: &Duties) -> Option<Refusal> {
        // INVARIANT: I6. A rule that matches nothing masks nothing, whatever its column is called by now.
        if let Some(why) = self.flow.closed(&self.unit.described.facts, &duties.unmask) {
            return Some(Refusal::new(State::Blocked, why));
        }
        let rules = self.rules.current();
        let mut outputs = Arc::clone(&self.outputs);
        if !Arc::ptr_eq(&rules, &self.flow.rules) || self.prepared {
            let now = self.flow.masked_use_of(self.unit, &rules);
            outputs = Arc::new(self.flow.masked_outputs_of(self.unit, &rules));
            // INVARIANT: I6. The verdict was given on what it did with masked columns under the rules of that moment.
            if !now.is_within(&self.masked) {
                return Some(Refusal::new(State::Unavailable, RULES_CHANGED));
            }
            if let Some(refusal) = now.refusal(duties) {
                return Some(refusal);
            }
        }
        if let Some(refusal) = self.masked.refusal(duties) {
            return Some(refusal);
        }
        if !copies_out(self.unit) || !outputs.may_show_masked(&duties.unmask) {
            return None;
        }
        let masker = self.flow.copy_masker(self.unit.reading.as_deref(), &outputs, &duties.unmask);
        let why = if copies_a_query(self.unit) { COPY_OF_QUERY } else { COPY_UNMASKABLE };
        masker.is_err().then(|| Refusal::new(State::Blocked, why))
    }

    fn span(&self) -> Span {
        trace::whole(client_trace::SYSTEM, || client_trace::sent_in(&self.unit.command.text))
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
    /// What was read of its text, where running it has the effects of that.
    pub(crate) reading: Option<Arc<countersign_sql::Reading>>,
    /// What was read of its text, also where it is only bound; `None` where it has none.
    pub(crate) text_reading: Option<Arc<countersign_sql::Reading>>,
    /// The portal it runs, for Execute.
    pub(crate) portal: Option<(Name, Arc<Portal>)>,
}

impl Unit {
    /// What the names of its portal meant when it was bound, where that is not what they mean now.
    pub(crate) fn bound_elsewhere(&self, flow: &Flow) -> Option<&Meaning> {
        let bound = self.portal.as_ref().and_then(|(_, portal)| portal.bound.as_ref())?;
        (!bound.under.is_same(&flow.meaning())).then_some(&bound.under)
    }
}
