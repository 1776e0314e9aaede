//! What a held command does, and who has to agree to it, found here: from the command itself, from what its approval is
//! bound to, and from policy. What the gateway states is compared with it. Where the gateway states more, that is judged,
//! too; where it states less, or other terms, that is overridden and noted, for it is broken or lies.

use std::collections::BTreeSet;
use std::sync::Arc;

use countersign_common::approval::Terms;
use countersign_common::facts::{Flag, Operation};
use countersign_common::facts_basis::{CatalogueStanding, FactsBasis};
use countersign_common::id::Subject;
use countersign_common::verdict::{Duties, Reason};
use countersign_common::{Facts, Timestamp, Verdict};
use countersign_postgres::facts::{self, Basis, Derived};
use countersign_sql::{Catalogue, Reader};
use tokio::sync::Semaphore;

use super::hold::HoldRequest;
use super::{ApprovalError, Approvals};
use crate::audit::{self, AuditEvent};
use crate::bundles::{Current, Question, ReadingTerms};
use crate::catalogues::Claim;
use crate::sessions::Session;
use crate::store::Transaction;

/// So many operations are looked for among those that have more; each may be compared with all of them.
const COVERED_MAX: usize = 64;

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) facts: Facts,
    pub(super) basis: FactsBasis,
    /// What the gateway stated, where that is not the same.
    pub(super) stated: Option<Facts>,
    pub(super) terms: Terms,
    /// What the gateway stated that is not so, in words; empty: nothing.
    pub(super) differences: Vec<String>,
}

/// Reads the texts of held commands. Large work: some at a time, on threads that serve nobody meanwhile.
#[derive(Debug)]
pub(super) struct Deriver {
    reader: Reader,
    turns: Semaphore,
}

impl Default for Deriver {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { reader: Reader::new(), turns: Semaphore::new((processors / 2).max(1)) }
    }
}

impl Deriver {
    async fn derive(
        &self,
        request: &HoldRequest,
        catalogue: Arc<Catalogue>,
        terms: Arc<ReadingTerms>,
    ) -> Option<(Derived, Compared)> {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await;
        let (reader, command, context) =
            (self.reader.clone(), request.command.clone(), request.context.clone());
        let stated = request.facts.clone();
        let deriving = tokio::task::spawn_blocking(move || {
            let ReadingTerms { safe_functions, rules, .. } = &*terms;
            let basis = Basis { catalogue: &catalogue, safe_functions, rules };
            let derived = facts::derive(&reader, &command, &context, &basis);
            let compared = Compared::of(&derived, &stated);
            (derived, compared)
        });
        deriving.await.ok()
    }
}

impl Approvals {
    /// Finds out what a command does and who has to agree to it.
    ///
    /// # Errors
    /// When policy blocks it or asks nobody, its catalogue has to be uploaded first, or the store fails.
    pub(super) async fn find(
        &self,
        session: &Session,
        request: &HoldRequest,
    ) -> Result<Found, ApprovalError> {
        let current = self.bundles.current().ok_or(ApprovalError::NoBundle)?;
        let terms = current.judge.reading_terms(&session.target);
        if terms.is_some() {
            self.check_place(session, request, terms.as_deref()).await?;
        }
        let (catalogue, standing) = self.catalogue(request).await?;
        let derived = self.deriver.derive(request, catalogue, terms.unwrap_or_default()).await;
        let (derived, compared) = derived.ok_or(ApprovalError::NobodyToAsk)?;
        // Without the catalogue that the gateway read by, more is unknown here than there.
        let is_known = request.catalogue.is_none() || standing != CatalogueStanding::Unknown;
        let verified = is_known && !facts::is_taken_in_earlier(&request.context);
        let understated = compared.understates && verified;
        let word = match (compared.understates, understated, compared.overstates) {
            (_, true, _) => "understated",
            (true, false, _) => "unverified",
            (false, _, true) => "stricter",
            (false, _, false) => "agrees",
        };
        crate::metrics::held_facts(standing.as_str(), word);
        let mut differences = Vec::new();
        if understated {
            crate::metrics::gateway_differs("facts");
            differences.push("it stated less than the command does".to_owned());
        }
        let verdict = self.verdict(session, request, &current, &derived, &compared.judged);
        let (terms, facts) = match verdict {
            Ok((terms, facts)) => (terms, facts),
            Err(error) => {
                self.alarm(session, request, &differences).await;
                return Err(error);
            }
        };
        let same_bundle = request.bundle == current.version;
        if !understated && verified && !compared.overstates && same_bundle && request.terms != terms {
            crate::metrics::gateway_differs("terms");
            differences.push("it stated other terms than policy has".to_owned());
        }
        let is_same = !compared.understates && !compared.overstates;
        let stated = (!is_same).then(|| request.facts.clone());
        Ok(Found {
            facts,
            basis: FactsBasis { catalogue: standing, understated },
            stated,
            terms,
            differences,
        })
    }

    /// The definitions that the gateway has read the command by, as far as they are known.
    // INVARIANT: I7. Where they are not, every name may be anything.
    async fn catalogue(
        &self,
        request: &HoldRequest,
    ) -> Result<(Arc<Catalogue>, CatalogueStanding), ApprovalError> {
        let unknown = || (Arc::new(Catalogue::empty()), CatalogueStanding::Unknown);
        let Some(digest) = request.catalogue else { return Ok(unknown()) };
        let claim = Claim {
            gateway: &request.gateway,
            target: &request.context.target,
            database: &request.context.database,
            digest,
        };
        match self.catalogues.find(&claim).await? {
            Some(found) => Ok(found),
            None if request.catalogue_refused => Ok(unknown()),
            None => Err(ApprovalError::CatalogueWanted),
        }
    }

    /// The target has to offer the role, and the database to this role.
    async fn check_place(
        &self,
        session: &Session,
        request: &HoldRequest,
        terms: Option<&ReadingTerms>,
    ) -> Result<(), ApprovalError> {
        let (role, database) = (&request.context.role, &request.context.database);
        let offered = terms.and_then(|terms| terms.places.get(role));
        if offered.is_some_and(|databases| databases.contains(database)) {
            return Ok(());
        }
        // It may have changed a moment ago; then the target's entry is another one, too.
        let same_entry = self.bundles.current().and_then(|current| current.judge.generation(&session.target))
            == Some(request.context.generation);
        if same_entry {
            crate::metrics::gateway_differs("place");
            let difference = format!("it named role `{role}` with database `{database}`");
            self.alarm(session, request, &[difference]).await;
        }
        Err(ApprovalError::NoSuchPlace { role: role.clone(), database: database.clone() })
    }

    /// Who has to agree by policy, and the facts with the flags that depend on what the principal may see.
    fn verdict(
        &self,
        session: &Session,
        request: &HoldRequest,
        current: &Current,
        derived: &Derived,
        judged: &Facts,
    ) -> Result<(Terms, Facts), ApprovalError> {
        let (principal, context, now) = (&session.principal, &request.context, self.now());
        let verdict = current.judge.judge(&Question { principal, context, facts: judged, now });
        let (terms, duties) = match verdict {
            Verdict::Hold(terms, duties) => (Some(terms), duties),
            Verdict::Allow(duties) => (None, duties),
            Verdict::Block(reason) => return Err(ApprovalError::Blocked(reason)),
        };
        // INVARIANT: I6. No policy and no approval lifts it.
        if let Some(text) = derived.refusal(&duties) {
            return Err(ApprovalError::Blocked(Reason { policies: Vec::new(), text }));
        }
        let terms = terms.ok_or(ApprovalError::NobodyToAsk)?;
        Ok(((*terms).clone(), noted(judged, &duties)))
    }

    /// Notes that a gateway stated something that is not so, where there is no request to note it with.
    pub(super) async fn alarm(&self, session: &Session, request: &HoldRequest, differences: &[String]) {
        let now = self.now();
        let Some(event) = difference_event(session, &request.gateway, differences, now) else { return };
        tracing::error!(gateway = %request.gateway, session = %session.id, digest = %request.digest,
            differences = differences.join("; "), "a gateway stated something about a command that is not so");
        if let Err(error) = self.store.transact(audit::noting(Transaction::new(), &event)).await {
            tracing::error!(%error, "that a gateway stated something that is not so was not noted");
        }
    }
}

/// The event for these differences; `None`: there are none.
pub(super) fn difference_event(
    session: &Session,
    gateway: &str,
    differences: &[String],
    now: Timestamp,
) -> Option<AuditEvent> {
    let by: &Subject = &session.principal.subject;
    let why = (!differences.is_empty()).then(|| differences.join("; "))?;
    Some(AuditEvent::of_gateway(now, by, session.id, gateway, why))
}

/// How what a gateway stated compares with what was found here.
#[derive(Debug)]
struct Compared {
    /// It lacks something.
    understates: bool,
    /// It has something that was not found here.
    overstates: bool,
    /// Everything that either has: the strictest verdict over all of it holds.
    judged: Facts,
}

impl Compared {
    fn of(derived: &Derived, stated: &Facts) -> Self {
        let stated = without_flags(stated);
        let there: BTreeSet<String> = stated.operations.iter().map(key).collect();
        let covered = |own: &Operation| stated.operations.iter().any(|stated| covers(stated, own));
        let lacks = |own: &Facts| {
            let others = || own.operations.iter().filter(|operation| !there.contains(&key(operation)));
            own.granularity != stated.granularity
                || own.fingerprint != stated.fingerprint
                || others().nth(COVERED_MAX).is_some()
                || !others().all(covered)
        };
        let own = &derived.facts;
        // Where the text is a PREPARE, the gateway knows whether it is that which runs, or what it has prepared.
        let understates = lacks(own) && derived.prepared.as_ref().is_none_or(lacks);
        let mut judged = own.clone();
        let mut known: BTreeSet<String> = own.operations.iter().map(key).collect();
        let prepared = derived.prepared.iter().flat_map(|facts| facts.operations.iter());
        for operation in prepared {
            if known.insert(key(operation)) {
                judged.operations.push(operation.clone());
            }
        }
        let mut overstates = false;
        for operation in &stated.operations {
            if known.insert(key(operation)) {
                overstates = true;
                judged.operations.push(operation.clone());
            }
        }
        Self { understates, overstates, judged }
    }
}

/// Whether an operation has all that another one has. A gateway may know of more: what a portal did when it was bound.
fn covers(stated: &Operation, own: &Operation) -> bool {
    stated.action == own.action
        && stated.reads.is_superset(&own.reads)
        && stated.writes.is_superset(&own.writes)
        && stated.functions.is_superset(&own.functions)
        && stated.flags.is_superset(&own.flags)
        && stated.masked.copies.is_superset(&own.masked.copies)
        && stated.masked.predicates.is_superset(&own.masked.predicates)
        && stated.masked.equalities.is_superset(&own.masked.equalities)
}

/// By what operations are told apart.
fn key(operation: &Operation) -> String {
    // They serialise; should one not, it equals nothing else that does.
    serde_json::to_string(operation).unwrap_or_else(|error| format!("{error} {operation:?}"))
}

/// Without the flags that depend on what the principal may see.
fn without_flags(facts: &Facts) -> Facts {
    let mut facts = facts.clone();
    for operation in &mut facts.operations {
        operation.flags.remove(&Flag::CopiesMasked);
        operation.flags.remove(&Flag::MaskedPredicate);
    }
    facts
}

/// With these flags.
fn noted(facts: &Facts, duties: &Duties) -> Facts {
    let mut facts = facts.clone();
    facts.operations.iter_mut().for_each(|operation| operation.flag_masked(|class| duties.hides(class)));
    facts
}
