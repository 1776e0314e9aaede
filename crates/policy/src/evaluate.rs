//! One request, judged by Cedar: what all rules say, and where they say no, what they would say without
//! the forbids that a chain lifts. Errors in evaluation are an outcome of their own, never a yes.

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, Response};

use crate::index::Candidates;
use crate::rules::Rules;

/// What the rules say about one request. Rules are given by number, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Permitted by these, forbidden by none.
    Allow { permits: Vec<usize> },
    /// Forbidden only by these, each of which a chain lifts; permitted by `permits` otherwise.
    Hold { liftable: Vec<usize>, permits: Vec<usize> },
    /// Forbidden for good by these; `liftable` ones may have matched too.
    Forbidden { forbids: Vec<usize>, liftable: Vec<usize> },
    /// Permitted by none.
    NotPermitted,
    /// These could not be evaluated; or, when there are none, the request could not be built.
    Broken { rules: Vec<usize>, why: String },
}

impl Outcome {
    /// A request that could not be built.
    pub(crate) const fn unbuilt(why: String) -> Self {
        Self::Broken { rules: Vec::new(), why }
    }
}

/// What is asked of Cedar.
pub(crate) struct Asked<'a> {
    pub(crate) principal: EntityUid,
    pub(crate) action: EntityUid,
    pub(crate) resource: EntityUid,
    pub(crate) context: Context,
    pub(crate) entities: &'a Entities,
}

/// Judges one request by the rules that can meet it.
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
        // INVARIANT: I7. Cedar skips a policy that fails to evaluate; a skipped forbid would be a yes.
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
