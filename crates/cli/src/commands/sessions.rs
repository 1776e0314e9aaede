//! `countersign sessions`: who is connected, and the way to end it.

use clap::{Args, Subcommand};
use countersign_api::{required, v1};
use countersign_common::id::{SessionId, Subject, TargetName};
use serde::Serialize;

use super::{Surroundings, now};
use crate::client::Client;
use crate::error::CliError;
use crate::view::session::{SessionView, list};

/// `sessions` alone lists.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

/// What is done with sessions.
#[derive(Debug, Subcommand)]
enum Command {
    /// Lists sessions, newest first.
    Ls(List),
    /// Shows one session.
    Show {
        /// Its id (`ses_…`).
        id: SessionId,
    },
    /// Ends a session at once, with its open requests.
    Revoke {
        /// Its id (`ses_…`).
        id: SessionId,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
}

/// Which sessions.
#[derive(Debug, Args)]
struct List {
    /// Ended ones too.
    #[arg(long)]
    all: bool,
    /// Of this subject, or on its behalf, only.
    #[arg(long)]
    subject: Option<Subject>,
    /// At this target only.
    #[arg(long)]
    target: Option<TargetName>,
    /// At most so many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// The JSON of a list.
#[derive(Debug, Serialize)]
struct Listed {
    sessions: Vec<SessionView>,
    /// Sessions that were deleted in the store before their time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<MissingView>,
}

/// A session that is missing from the store.
#[derive(Debug, Serialize)]
struct MissingView {
    id: String,
    subject: String,
    target: String,
    at: String,
}

impl MissingView {
    fn read(missing: v1::MissingSession) -> Result<Self, CliError> {
        let at = countersign_api::timestamp(missing.open_time, "missing.open_time")?;
        let v1::MissingSession { id, subject, target, .. } = missing;
        Ok(Self { id, subject, target, at: at.to_string() })
    }

    fn text(&self) -> String {
        let Self { id, subject, target, at } = self;
        format!(
            "Missing from the store: {id} of {subject} at {target}, opened at {at}. It was deleted there; run `countersign audit verify`.\n"
        )
    }
}

pub(crate) async fn run(arguments: Arguments, around: &Surroundings) -> Result<(), CliError> {
    let client = around.connect().await?;
    match arguments.command {
        None => ls(&client, &arguments.list, around).await,
        Some(Command::Ls(list)) => ls(&client, &list, around).await,
        Some(Command::Show { id }) => {
            let request = v1::GetSessionRequest { id: id.to_string() };
            let answer = client.sessions().get_session(request).await?.into_inner();
            let session = SessionView::read(required(answer.session, "response.session")?, now())?;
            around.output.result(&session, || session.text())
        }
        Some(Command::Revoke { id, reason }) => {
            let request = v1::RevokeSessionRequest { id: id.to_string(), reason };
            let answer = client.sessions().revoke_session(request).await?.into_inner();
            let session = SessionView::read(required(answer.session, "response.session")?, now())?;
            around
                .output
                .result(&session, || format!("{} is ended; its open requests are revoked.", session.id()))
        }
    }
}

async fn ls(client: &Client, wanted: &List, around: &Surroundings) -> Result<(), CliError> {
    let request = v1::ListSessionsRequest {
        subject: wanted.subject.as_ref().map(ToString::to_string),
        target: wanted.target.as_ref().map(ToString::to_string),
        include_ended: wanted.all,
        page_size: wanted.limit,
    };
    let answer = client.sessions().list_sessions(request).await?.into_inner();
    let now = now();
    let sessions = answer.sessions.into_iter().map(|one| SessionView::read(one, now));
    let missing = answer.missing.into_iter().map(MissingView::read).collect::<Result<_, _>>()?;
    let listed = Listed { sessions: sessions.collect::<Result<_, _>>()?, missing };
    around.output.result(&listed, || {
        let missing: String = listed.missing.iter().map(MissingView::text).collect();
        list(&listed.sessions, now) + &missing
    })
}
