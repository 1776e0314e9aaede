//! Evaluates one request with Cedar: with all rules, and if they deny it, also without the forbids that a chain
//! lifts. A rule that fails to evaluate has its own outcome, which never permits.

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, Response};

use crate::index::Candidates;
use crate::rules::Rules;

/// Outcome of the rules for one request. Rules are given by number, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// These rules permit it, and none forbids it.
    Allow { permits: Vec<usize> },
    /// Only these rules forbid it, and a chain lifts each of them; `permits` permit it then.
    Hold { liftable: Vec<usize>, permits: Vec<usize> },
    /// `forbids` cannot be lifted; `liftable` rules may have matched too.
    Forbidden { forbids: Vec<usize>, liftable: Vec<usize> },
    /// No rule permits the request.
    NotPermitted,
    /// These rules could not be evaluated; empty if the request could not be built.
    Broken { rules: Vec<usize>, why: String },
}

impl Outcome {
    /// Creates the outcome for a request that could not be built.
    pub(crate) const fn unbuilt(why: String) -> Self {
        Self::Broken { rules: Vec::new(), why }
    }
}

/// Parts of a request to Cedar.
pub(crate) struct Asked<'a> {
    pub(crate) principal: EntityUid,
    pub(crate) action: EntityUid,
    pub(crate) resource: EntityUid,
    pub(crate) context: Context,
    pub(crate) entities: &'a Entities,
}

/// Evaluates one request with the rules that can match it.
pub(crate) fn evaluate(
    authorizer: &Authorizer,
    asked: Asked<'_>,
    candidates: &Candidates,
    rules: &Rules,
) -> Outcome {
    let Asked { principal, action, resource, context, entities } = asked;
    let request = match Request::new(principal, action, resource, context, None) {
        Ok(request) => request,
        Err(error) => return Outcome::unbuilt(error.to_string()),
    };
    let ask = |policies: &PolicySet| {
        let response = authorizer.is_authorized(&request, policies, entities);
        // INVARIANT: I7. Cedar skips a policy that fails to evaluate; a skipped forbid would permit the request.
        match broken(&response, rules) {
            Some(broken) => Err(broken),
            None => Ok((response.decision(), rules.numbers(response.diagnostics().reason()))),
        }
    };
    let (decision, reasons) = match ask(&candidates.all) {
        Ok(answer) => answer,
        Err(broken) => return broken,
    };
    if decision == Decision::Allow {
        return Outcome::Allow { permits: reasons };
    }
    if reasons.is_empty() {
        return Outcome::NotPermitted;
    }
    let (liftable, forbids): (Vec<_>, Vec<_>) =
        reasons.into_iter().partition(|rule| rules.is_liftable(*rule));
    if !forbids.is_empty() {
        return Outcome::Forbidden { forbids, liftable };
    }
    match ask(&candidates.unlifted) {
        Err(broken) => broken,
        Ok((Decision::Allow, permits)) => Outcome::Hold { liftable, permits },
        Ok((Decision::Deny, _)) => Outcome::NotPermitted,
    }
}

fn broken(response: &Response, rules: &Rules) -> Option<Outcome> {
    let errors = || response.diagnostics().errors();
    errors().next()?;
    let mut why: Vec<_> = errors().map(ToString::to_string).collect();
    why.sort();
    Some(Outcome::Broken { rules: rules.numbers(errors().map(policy_id)), why: why.join("; ") })
}

fn policy_id(error: &cedar_policy::AuthorizationError) -> &cedar_policy::PolicyId {
    let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
    error.policy_id()
}
