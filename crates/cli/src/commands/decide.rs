//! `countersign approve` and `deny`: show what is decided, then decide on exactly that.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use countersign_api::{required, v1};
use countersign_common::approval::{State, Vote};
use countersign_common::id::ApprovalId;
use serde::Serialize;

use super::{Surroundings, now, requests};
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::view::request::{RequestDetails, RequestView};

/// A yes.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The request (`apr_…`).
    id: ApprovalId,
    /// Why; kept with the decision.
    #[arg(long)]
    reason: Option<String>,
    /// Does not ask for confirmation. Without a terminal nothing is asked either.
    #[arg(long, short)]
    yes: bool,
}

/// A no.
#[derive(Debug, Args)]
pub(crate) struct Deny {
    /// The request (`apr_…`).
    id: ApprovalId,
    /// Why; the client is told, so that it does not try its luck again.
    #[arg(long)]
    reason: String,
    /// Does not ask for confirmation. Without a terminal nothing is asked either.
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn approve(arguments: Approve, around: &Surroundings) -> Result<(), CliError> {
    let Approve { id, reason, yes } = arguments;
    decide(Decision { id, vote: Vote::Approve, reason, yes }, around).await
}

pub(crate) async fn deny(arguments: Deny, around: &Surroundings) -> Result<(), CliError> {
    let Deny { id, reason, yes } = arguments;
    if reason.trim().is_empty() {
        return Err(CliError::new(Exit::Usage, "a no needs a reason")
            .help("say in --reason what the client should do instead"));
    }
    decide(Decision { id, vote: Vote::Deny, reason: Some(reason), yes }, around).await
}

struct Decision {
    id: ApprovalId,
    vote: Vote,
    reason: Option<String>,
    yes: bool,
}

/// The JSON of a decision: the request as it was shown, and as it stands since.
#[derive(Debug, Serialize)]
struct Decided {
    shown: RequestDetails,
    request: RequestView,
}

async fn decide(decision: Decision, around: &Surroundings) -> Result<(), CliError> {
    let client = around.connect().await?;
    let shown = requests::fetch(&client, decision.id).await?;
    around.output.people(&shown.text(now()))?;
    if !matches!(shown.request.approval().state, State::Pending { .. }) {
        let state = shown.request.approval().state.as_str().replace('_', " ");
        return Err(CliError::new(
            Exit::Refused,
            format!("{} is {state}: nothing is left to decide", decision.id),
        ));
    }
    confirm(&decision, around)?;
    let request = send(&client, &decision, &shown).await?;
    let decided = Decided { shown, request };
    around.output.result(&decided, || outcome(&decided.request, decision.vote))
}

/// INVARIANT: I2. The digest is computed from the text that was shown, so that the decision counts for
/// that text or not at all.
async fn send(client: &Client, decision: &Decision, shown: &RequestDetails) -> Result<RequestView, CliError> {
    let request = v1::DecideApprovalRequest {
        id: decision.id.to_string(),
        vote: v1::Vote::from(decision.vote).into(),
        reason: decision.reason.clone(),
        rendering_digest: shown.rendering_digest().as_bytes().to_vec(),
    };
    let answer = client.approvals().decide_approval(request).await.map_err(refused)?;
    Ok(RequestView::read(required(answer.into_inner().approval, "response.approval")?)?)
}

fn refused(status: tonic::Status) -> CliError {
    let denied = status.code() == tonic::Code::PermissionDenied;
    let error = CliError::from(status);
    if denied {
        return error.help(
            "decide with the token of a person in one of these groups, with --token-file or COUNTERSIGN_TOKEN; \
             the operator's token of a data directory approves nothing",
        );
    }
    error
}

/// Asks at a terminal; elsewhere whoever calls has decided already.
fn confirm(decision: &Decision, around: &Surroundings) -> Result<(), CliError> {
    if decision.yes || around.output.is_json() || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    let question = match decision.vote {
        Vote::Approve => "Approve exactly this?",
        Vote::Deny => "Deny it?",
    };
    let failed = |error: io::Error| CliError::failed(format!("cannot ask for confirmation: {error}"));
    write!(io::stderr(), "\n{question} [y/N] ").and_then(|()| io::stderr().flush()).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(failed)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CliError::new(Exit::Refused, "nothing was decided; the request stays open")),
    }
}

/// What follows, for people.
fn outcome(request: &RequestView, vote: Vote) -> String {
    let approval = request.approval();
    match (&approval.state, vote) {
        (State::Pending { .. }, _) => {
            format!("\nYour yes counts. {} still needs {}.", approval.id, approval.need())
        }
        (State::Approved, _) => format!("\nApproved. {} may run once, exactly as shown.", approval.id),
        (State::Denied, Vote::Deny) => format!("\nDenied. {} will not run.", approval.id),
        // It may have gone on between the decision and the answer.
        (state, _) => format!("\nDecided. {} is {} by now.", approval.id, state.as_str().replace('_', " ")),
    }
}
