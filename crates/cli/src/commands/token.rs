//! `countersign token`: issues tokens and takes them back.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use countersign_api::{duration_to_wire, timestamp, v1};
use countersign_common::Principal;
use countersign_common::id::{GroupName, Subject, TargetName, TokenId};
use countersign_common::principal::Kind;
use serde::Serialize;

use super::Surroundings;
use crate::error::CliError;

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Issues a token and prints it: the only time that it is seen.
    Issue(Issue),
    /// Takes a token back, with all sessions it opened.
    Revoke(Revoke),
}

/// For whom a token is issued.
#[derive(Debug, Args)]
pub(crate) struct Issue {
    /// Whom it stands for.
    #[arg(long)]
    subject: Subject,
    /// What sort of principal that is. Only humans countersign.
    #[arg(long, value_enum)]
    kind: KindWord,
    /// A group it is in; may be given several times. `admin` may issue tokens, apply bundles and audit.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<GroupName>,
    /// On whose behalf it acts, nearest first; may be given several times. None of them can approve.
    #[arg(long = "on-behalf-of", value_name = "SUBJECT")]
    on_behalf_of: Vec<Subject>,
    /// How long it is accepted, such as `30m`, `8h`, `90d`.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "8h")]
    ttl: Duration,
    /// The only target that it opens; default: every target.
    #[arg(long)]
    target: Option<TargetName>,
}

/// Which token is taken back.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Its id (`tok_…`), as `token issue` and `sessions show` print it.
    id: TokenId,
    /// Why.
    #[arg(long, default_value = "")]
    reason: String,
}

/// What sort of principal it is.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindWord {
    /// A program that decides by itself what to send.
    Agent,
    /// A person.
    Human,
    /// A program that sends what its authors wrote.
    Service,
}

impl From<KindWord> for Kind {
    fn from(word: KindWord) -> Self {
        match word {
            KindWord::Agent => Self::Agent,
            KindWord::Human => Self::Human,
            KindWord::Service => Self::Service,
        }
    }
}

/// The JSON of an issued token.
#[derive(Debug, Serialize)]
struct Issued<'a> {
    token_id: &'a str,
    token: &'a str,
    expires_at: String,
}

pub(crate) async fn run(command: Command, around: &Surroundings) -> Result<(), CliError> {
    match command {
        Command::Issue(arguments) => issue(arguments, around).await,
        Command::Revoke(arguments) => revoke(arguments, around).await,
    }
}

async fn issue(arguments: Issue, around: &Surroundings) -> Result<(), CliError> {
    let principal = Principal {
        subject: arguments.subject,
        kind: arguments.kind.into(),
        groups: arguments.groups.into_iter().collect(),
        on_behalf_of: arguments.on_behalf_of,
    };
    let request = v1::IssueTokenRequest {
        principal: Some((&principal).into()),
        ttl: Some(duration_to_wire(arguments.ttl)),
        target: arguments.target.map(|target| target.to_string()),
    };
    let issued = around.connect().await?.sessions().issue_token(request).await?.into_inner();
    let expires_at = timestamp(issued.expire_time, "response.expire_time")?.to_string();
    let view = Issued { token_id: &issued.token_id, token: &issued.token, expires_at };
    // The token alone on stdout, so that `export COUNTERSIGN_TOKEN=$(…)` takes it; the rest on stderr.
    around.output.result(&view, || issued.token.clone())?;
    if !around.output.is_json() {
        eprintln!(
            "{} of {} until {}; it is not shown again",
            view.token_id, principal.subject, view.expires_at
        );
    }
    Ok(())
}

async fn revoke(arguments: Revoke, around: &Surroundings) -> Result<(), CliError> {
    let request = v1::RevokeTokenRequest { token_id: arguments.id.to_string(), reason: arguments.reason };
    around.connect().await?.sessions().revoke_token(request).await?;
    let view = serde_json::json!({ "token_id": arguments.id, "revoked": true });
    around
        .output
        .result(&view, || format!("{} is revoked, with all its sessions and open requests.", arguments.id))
}
