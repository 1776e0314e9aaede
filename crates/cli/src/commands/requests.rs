//! `countersign requests`: what waits for people's agreement.

use clap::{Args, Subcommand, ValueEnum};
use countersign_api::v1;
use countersign_common::id::{ApprovalId, SessionId, Subject, TargetName};
use serde::Serialize;

use super::{Surroundings, now};
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::view::request::{RequestDetails, RequestView, list};

/// `requests` alone lists.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

/// What is done with requests.
#[derive(Debug, Subcommand)]
enum Command {
    /// Lists requests, newest first; those that have not ended unless told otherwise.
    Ls(List),
    /// Shows one request with everything that an approver has to see.
    Show {
        /// Its id (`apr_…`), as clients see it in their ticket.
        id: ApprovalId,
    },
    /// Says whether a command in doubt ran, as you found out. What the target can be asked about settles itself.
    Resolve(Resolve),
    /// Lists the open requests, then prints every change as it happens, until interrupted.
    Watch,
}

/// What became of a command in doubt.
#[derive(Debug, Args)]
struct Resolve {
    /// Its id (`apr_…`).
    id: ApprovalId,
    /// It ran.
    #[arg(long, conflicts_with = "not_run", required_unless_present = "not_run")]
    ran: bool,
    /// It did not run, and will not.
    #[arg(long)]
    not_run: bool,
    /// How you know.
    #[arg(long)]
    reason: String,
}

/// Which requests.
#[derive(Debug, Args)]
struct List {
    /// Ended ones too.
    #[arg(long, conflicts_with = "state")]
    all: bool,
    /// Only those in this state; may be given several times.
    #[arg(long, value_enum)]
    state: Vec<StateWord>,
    /// Those that ended so long ago that they are in the archive, instead.
    #[arg(long)]
    archived: bool,
    /// Of this session only.
    #[arg(long)]
    session: Option<SessionId>,
    /// For this target only.
    #[arg(long)]
    target: Option<TargetName>,
    /// Asked by this subject, or on its behalf, only.
    #[arg(long)]
    subject: Option<Subject>,
    /// At most so many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum StateWord {
    Pending,
    Approved,
    Redeemed,
    Done,
    InDoubt,
    NotRun,
    Denied,
    Expired,
    Withdrawn,
    Voided,
    Revoked,
}

impl From<StateWord> for v1::ApprovalState {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::Pending => Self::Pending,
            StateWord::Approved => Self::Approved,
            StateWord::Redeemed => Self::Redeemed,
            StateWord::Done => Self::Done,
            StateWord::InDoubt => Self::InDoubt,
            StateWord::NotRun => Self::NotRun,
            StateWord::Denied => Self::Denied,
            StateWord::Expired => Self::Expired,
            StateWord::Withdrawn => Self::Withdrawn,
            StateWord::Voided => Self::Voided,
            StateWord::Revoked => Self::Revoked,
        }
    }
}

impl List {
    fn request(&self) -> v1::ListApprovalsRequest {
        let words = if self.all { StateWord::value_variants() } else { &self.state };
        v1::ListApprovalsRequest {
            states: words.iter().map(|word| v1::ApprovalState::from(*word).into()).collect(),
            session_id: self.session.map(|id| id.to_string()),
            target: self.target.as_ref().map(ToString::to_string),
            subject: self.subject.as_ref().map(ToString::to_string),
            page_size: self.limit,
            archived: self.archived,
        }
    }
}

/// The JSON of a list.
#[derive(Debug, Serialize)]
struct Listed {
    requests: Vec<RequestView>,
    /// A watch after this misses nothing.
    revision: u64,
    /// Requests that were deleted in the store by nobody who may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<MissingView>,
}

/// A request that is missing from the store.
#[derive(Debug, Serialize)]
struct MissingView {
    id: String,
    session: String,
    target: String,
    subject: String,
    at: String,
}

impl MissingView {
    fn read(missing: v1::MissingApproval) -> Result<Self, CliError> {
        let at = countersign_api::timestamp(missing.create_time, "missing.create_time")?;
        let v1::MissingApproval { id, session_id, target, subject, .. } = missing;
        Ok(Self { id, session: session_id, target, subject, at: at.to_string() })
    }

    fn text(&self) -> String {
        let Self { id, session, target, subject, at } = self;
        format!(
            "Missing from the store: {id}, which {subject} asked for {target} at {at} ({session}). It was deleted there; run `countersign audit verify`.\n"
        )
    }
}

pub(crate) async fn run(arguments: Arguments, around: &Surroundings) -> Result<(), CliError> {
    let client = around.connect().await?;
    match arguments.command {
        None => ls(&client, &arguments.list, around).await,
        Some(Command::Ls(list)) => ls(&client, &list, around).await,
        Some(Command::Show { id }) => {
            let details = fetch(&client, id).await?;
            around.output.result(&details, || details.text(now()))
        }
        Some(Command::Resolve(resolve)) => self::resolve(&client, resolve, around).await,
        Some(Command::Watch) => watch(&client, around).await,
    }
}

/// The request with this id; checked to show what it asks.
pub(super) async fn fetch(client: &Client, id: ApprovalId) -> Result<RequestDetails, CliError> {
    let request = v1::GetApprovalRequest { id: id.to_string() };
    RequestDetails::read(client.approvals().get_approval(request).await?.into_inner())
}

async fn ls(client: &Client, wanted: &List, around: &Surroundings) -> Result<(), CliError> {
    let listed = fetch_list(client, wanted.request()).await?;
    around.output.result(&listed, || {
        let missing: String = listed.missing.iter().map(MissingView::text).collect();
        list(&listed.requests, now()) + &missing
    })
}

async fn fetch_list(client: &Client, request: v1::ListApprovalsRequest) -> Result<Listed, CliError> {
    let answer = client.approvals().list_approvals(request).await?.into_inner();
    let requests = answer.approvals.into_iter().map(RequestView::read).collect::<Result<_, _>>()?;
    let missing = answer.missing.into_iter().map(MissingView::read).collect::<Result<_, _>>()?;
    Ok(Listed { requests, revision: answer.revision, missing })
}

async fn resolve(client: &Client, resolve: Resolve, around: &Surroundings) -> Result<(), CliError> {
    let ran = if resolve.ran { v1::CommandRan::Yes } else { v1::CommandRan::No };
    let request =
        v1::ResolveApprovalRequest { id: resolve.id.to_string(), ran: ran.into(), reason: resolve.reason };
    let resolved = client.approvals().resolve_approval(request).await?.into_inner().approval;
    let view = RequestView::read(countersign_api::required(resolved, "response.approval")?)?;
    around.output.result(&view, || view.event_line())
}

/// Lists what is open, then every change after that, so that nothing falls between the two.
async fn watch(client: &Client, around: &Surroundings) -> Result<(), CliError> {
    let listed = fetch_list(client, v1::ListApprovalsRequest::default()).await?;
    for request in listed.requests.iter().rev() {
        around.output.event(request, || request.event_line())?;
    }
    let request = v1::WatchApprovalsRequest { after_revision: Some(listed.revision) };
    let mut changes = client.approvals().watch_approvals(request).await?.into_inner();
    // A change that the list showed already may come once more.
    let mut shown: std::collections::BTreeMap<ApprovalId, u64> =
        listed.requests.iter().map(|one| (one.approval().id, one.approval().revision)).collect();
    while let Some(change) = changes.message().await? {
        let request = RequestView::read(countersign_api::required(change.approval, "change.approval")?)?;
        let approval = request.approval();
        if shown.get(&approval.id).is_some_and(|revision| *revision >= approval.revision) {
            continue;
        }
        if approval.state.is_terminal() {
            shown.remove(&approval.id);
        } else {
            shown.insert(approval.id, approval.revision);
        }
        around.output.event(&request, || request.event_line())?;
    }
    Err(CliError::new(Exit::Unreachable, "the control plane ended the watch").help("watch again"))
}
