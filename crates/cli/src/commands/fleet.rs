//! `countersign fleet`: the authority that certifies its nodes, who joins, who is there.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use countersign_api::{duration_to_wire, timestamp, v1};
use countersign_common::time::SystemClock;
use countersign_controlplane::fleet::authority::AuthorityFiles;
use serde::Serialize;

use super::Surroundings;
use crate::error::{CliError, Exit};
use crate::output::table;
use crate::view::line;

/// What is done with the fleet.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes the fleet's certificate authority: `fleet-ca.pem` and `fleet-ca.key`. Every control-plane node is given
    /// both; nobody else needs the key.
    Init {
        /// The directory for them; files that are there stay.
        dir: PathBuf,
    },
    /// Issues a token with which one gateway joins, and prints it: the only time that it is seen.
    Token {
        /// How long it may be used, such as `30m`, `8h`; at most 7 days, or 90 when it is reusable.
        #[arg(long, value_parser = humantime::parse_duration, default_value = "1h")]
        ttl: Duration,
        /// Any number of gateways may join with it, each with a key of its own: for those started from one template.
        #[arg(long)]
        reusable: bool,
    },
    /// Lists the join tokens whose time is not over, or takes one back.
    Tokens {
        #[command(subcommand)]
        command: Option<TokensCommand>,
    },
    /// Lists the nodes that are alive.
    Nodes {
        /// The gateways that were revoked, instead.
        #[arg(long)]
        revoked: bool,
    },
    /// Asks a gateway to drain: it takes no new connections, gives those that wait their ticket, and ends.
    Drain {
        /// Its id or its name.
        node: String,
    },
    /// Shuts a gateway out for good: its certificates are accepted no more, its links end at once, and what it was
    /// about is treated as that of a lost gateway. It may join again, as another one, with a new token.
    Revoke {
        /// Its name, the id of one of its starts, or its own.
        node: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// What is done with join tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Lists them, and who has used those that are used up. The tokens themselves are nowhere.
    Ls,
    /// Takes one back. Gateways that have joined with it stay.
    Revoke {
        /// Its id, as `ls` shows it.
        id: String,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
    },
}

/// The JSON of a join token.
#[derive(Debug, Serialize)]
struct Issued<'a> {
    token: &'a str,
    expires_at: String,
}

/// The JSON of an authority.
#[derive(Debug, Serialize)]
struct Made<'a> {
    certificate_file: &'a std::path::Path,
    key_file: &'a std::path::Path,
}

/// The JSON of a node.
#[derive(Debug, Serialize)]
struct NodeView {
    id: String,
    kind: &'static str,
    name: String,
    started_at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    linked_to: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    bundle: String,
    draining: bool,
    version: String,
}

/// The JSON of a list.
#[derive(Debug, Serialize)]
struct Listed {
    nodes: Vec<NodeView>,
}

/// The JSON of a gateway that was shut out.
#[derive(Debug, Serialize)]
struct RevokedView {
    gateway: String,
    name: String,
    revoked_at: String,
    by: String,
    reason: String,
}

/// The JSON of a list of those.
#[derive(Debug, Serialize)]
struct ListedRevoked {
    revoked: Vec<RevokedView>,
}

/// The JSON of a join token that was issued before.
#[derive(Debug, Serialize)]
struct TokenView {
    id: String,
    issued_by: String,
    expires_at: String,
    reusable: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    used_by: String,
}

/// The JSON of a list of those.
#[derive(Debug, Serialize)]
struct ListedTokens {
    tokens: Vec<TokenView>,
}

pub(crate) async fn run(command: Command, around: &Surroundings) -> Result<(), CliError> {
    match command {
        Command::Init { dir } => init(&dir, around),
        Command::Token { ttl, reusable } => token(ttl, reusable, around).await,
        Command::Tokens { command: None | Some(TokensCommand::Ls) } => tokens(around).await,
        Command::Tokens { command: Some(TokensCommand::Revoke { id, reason }) } => {
            revoke_token(id, reason, around).await
        }
        Command::Nodes { revoked: false } => nodes(around).await,
        Command::Nodes { revoked: true } => revoked(around).await,
        Command::Drain { node } => drain(node, around).await,
        Command::Revoke { node, reason } => revoke(node, reason, around).await,
    }
}

fn init(dir: &std::path::Path, around: &Surroundings) -> Result<(), CliError> {
    std::fs::create_dir_all(dir)
        .map_err(|error| CliError::failed(format!("cannot create `{}`: {error}", dir.display())))?;
    let files = AuthorityFiles::in_directory(dir);
    files
        .create(&SystemClock)
        .map_err(|error| CliError::because(Exit::Failed, "the authority was not made", &error))?;
    let made = Made { certificate_file: &files.certificate, key_file: &files.key };
    around.output.result(&made, || {
        format!(
            "{} and {} are made. Give both to every control-plane node (`fleet_ca`), and the key to nobody else.",
            files.certificate.display(),
            files.key.display()
        )
    })
}

async fn token(ttl: Duration, reusable: bool, around: &Surroundings) -> Result<(), CliError> {
    let request = v1::IssueJoinTokenRequest { ttl: Some(duration_to_wire(ttl)), reusable };
    let issued = around.connect().await?.nodes().issue_join_token(request).await?.into_inner();
    let expires_at = timestamp(issued.expire_time, "response.expire_time")?.to_string();
    let view = Issued { token: &issued.token, expires_at };
    // The token alone on stdout, so that it can be written into a file; the rest on stderr.
    around.output.result(&view, || issued.token.clone())?;
    if !around.output.is_json() {
        let who = if reusable { "Gateways join" } else { "One gateway joins" };
        eprintln!("{who} with it until {}; it is not shown again.", view.expires_at);
    }
    Ok(())
}

async fn nodes(around: &Surroundings) -> Result<(), CliError> {
    let listed = around.connect().await?.nodes().list_nodes(v1::ListNodesRequest {}).await?.into_inner();
    let nodes = listed.nodes.into_iter().map(NodeView::read).collect::<Result<Vec<_>, _>>()?;
    let listed = Listed { nodes };
    around.output.result(&listed, || {
        let row = |node: &NodeView| {
            let state = if node.draining { "draining" } else { "" };
            let NodeView { id, kind, name, started_at, linked_to, bundle, version, .. } = node;
            let words = [name.as_str(), kind, version, id, started_at, bundle, linked_to, state];
            // Nodes say of themselves what stands there.
            words.map(line).to_vec()
        };
        let header = ["NAME", "KIND", "VERSION", "ID", "SINCE", "BUNDLE", "LINKED TO", ""];
        table(&header, listed.nodes.iter().map(row))
    })
}

async fn drain(node: String, around: &Surroundings) -> Result<(), CliError> {
    let request = v1::DrainNodeRequest { node };
    let drained = around.connect().await?.nodes().drain_node(request).await?.into_inner().node;
    let view = NodeView::read(countersign_api::required(drained, "response.node")?)?;
    around.output.result(&view, || format!("{} is asked to drain.", view.name))
}

async fn tokens(around: &Surroundings) -> Result<(), CliError> {
    let request = v1::ListJoinTokensRequest {};
    let listed = around.connect().await?.nodes().list_join_tokens(request).await?.into_inner();
    let tokens = listed.tokens.into_iter().map(TokenView::read).collect::<Result<Vec<_>, _>>()?;
    let listed = ListedTokens { tokens };
    around.output.result(&listed, || {
        let row = |token: &TokenView| {
            let uses = if token.reusable { "any number of gateways" } else { token.used_by.as_str() };
            [&token.id, &token.issued_by, &token.expires_at, uses].map(str::to_owned).to_vec()
        };
        table(&["ID", "ISSUED BY", "UNTIL", "USED BY"], listed.tokens.iter().map(row))
    })
}

async fn revoke_token(id: String, reason: String, around: &Surroundings) -> Result<(), CliError> {
    let request = v1::RevokeJoinTokenRequest { id, reason };
    let revoked = around.connect().await?.nodes().revoke_join_token(request).await?.into_inner().token;
    let view = TokenView::read(countersign_api::required(revoked, "response.token")?)?;
    around.output.result(&view, || format!("Nobody joins with {} any more; who has stays.", view.id))
}

async fn revoked(around: &Surroundings) -> Result<(), CliError> {
    let listed = around.connect().await?.nodes().list_nodes(v1::ListNodesRequest {}).await?.into_inner();
    let revoked = listed.revoked.into_iter().map(RevokedView::read).collect::<Result<Vec<_>, _>>()?;
    let listed = ListedRevoked { revoked };
    around.output.result(&listed, || {
        let row = |one: &RevokedView| {
            [&one.name, &one.gateway, &one.revoked_at, &one.by, &line(&one.reason)]
                .map(|text: &String| text.clone())
                .to_vec()
        };
        table(&["NAME", "GATEWAY", "SINCE", "BY", "REASON"], listed.revoked.iter().map(row))
    })
}

async fn revoke(node: String, reason: String, around: &Surroundings) -> Result<(), CliError> {
    let request = v1::RevokeNodeRequest { node, reason };
    let revoked = around.connect().await?.nodes().revoke_node(request).await?.into_inner().revoked;
    let view = RevokedView::read(countersign_api::required(revoked, "response.revoked")?)?;
    around.output.result(&view, || {
        format!(
            "{} ({}) is out. Where its machine is no longer yours, change the credentials of its targets, too.",
            view.name, view.gateway
        )
    })
}

impl RevokedView {
    fn read(revoked: v1::RevokedNode) -> Result<Self, CliError> {
        Ok(Self {
            revoked_at: timestamp(revoked.revoke_time, "revoked.revoke_time")?.to_string(),
            gateway: revoked.gateway_id,
            name: revoked.name,
            by: revoked.by,
            reason: revoked.reason,
        })
    }
}

impl TokenView {
    fn read(token: v1::JoinToken) -> Result<Self, CliError> {
        Ok(Self {
            expires_at: timestamp(token.expire_time, "token.expire_time")?.to_string(),
            id: token.id,
            issued_by: token.issued_by,
            reusable: token.reusable,
            used_by: token.used_by,
        })
    }
}

impl NodeView {
    fn read(node: v1::Node) -> Result<Self, CliError> {
        let kind = match node.kind() {
            v1::NodeKind::Gateway => "gateway",
            v1::NodeKind::ControlPlane => "control_plane",
            v1::NodeKind::Unspecified => "unknown",
        };
        Ok(Self {
            started_at: timestamp(node.start_time, "node.start_time")?.to_string(),
            id: node.id,
            kind,
            name: node.name,
            linked_to: node.linked_to,
            bundle: node.bundle_version,
            draining: node.draining,
            version: node.software_version,
        })
    }
}
