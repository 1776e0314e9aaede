//! Who may call what: every method of the API with every sort of caller, as a table that is reviewed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr as _;

use axum::http::uri::PathAndQuery;
use bytes::{Buf as _, BufMut as _};
use countersign_common::id::TokenId;
use countersign_common::principal::Kind;
use prost::Message as _;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::*;
use crate::testing::{order, principal, subject, target};

/// Bytes as they are.
#[derive(Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

/// What there is to call about.
struct Things {
    approval: Approval,
    rendering: String,
    session: String,
    token: TokenId,
}

/// Every method with something to ask of it, in an order in which what one does leaves the next something to do.
fn calls(things: &Things) -> Vec<(&'static str, Vec<u8>)> {
    let (id, session) = (things.approval.id.to_string(), things.session.clone());
    let (reason, node) = (String::from("why"), String::from("gateway-1"));
    let ttl = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let principal = Some((&agent()).into());
    let files = BTreeMap::from([("policy".to_owned(), b"hold dba 1".to_vec())]);
    let bundle = Some(v1::BundleFiles { files });
    vec![
        ("IdentityService/GetCaller", Vec::new()),
        ("ApprovalService/ListApprovals", Vec::new()),
        ("ApprovalService/GetApproval", get(&id).encode_to_vec()),
        ("ApprovalService/WatchApprovals", Vec::new()),
        (
            "ApprovalService/ListEarlierCommands",
            v1::ListEarlierCommandsRequest { id: id.clone(), page_size: 0 }.encode_to_vec(),
        ),
        ("ApprovalService/DecideApproval", decide(&id, v1::Vote::Approve, &things.rendering).encode_to_vec()),
        (
            "ApprovalService/ResolveApproval",
            v1::ResolveApprovalRequest { id: id.clone(), ran: 1, reason: reason.clone() }.encode_to_vec(),
        ),
        ("ApprovalService/RevokeApproval", v1::RevokeApprovalRequest { id: id.clone() }.encode_to_vec()),
        ("ApprovalService/WithdrawApproval", v1::WithdrawApprovalRequest { id }.encode_to_vec()),
        ("CommandService/ListCommands", {
            v1::ListCommandsRequest { session_id: session.clone(), page_size: 0 }.encode_to_vec()
        }),
        ("AuditService/ListRecordings", Vec::new()),
        (
            "AuditService/GetSessionRecording",
            v1::GetSessionRecordingRequest { session_id: session.clone() }.encode_to_vec(),
        ),
        (
            "AuditService/VerifySession",
            v1::VerifySessionRequest { session_id: Some(session.clone()) }.encode_to_vec(),
        ),
        ("AuditService/ListAuditEvents", Vec::new()),
        ("BundleService/GetBundle", Vec::new()),
        ("BundleService/CheckBundle", v1::CheckBundleRequest { bundle: bundle.clone() }.encode_to_vec()),
        ("BundleService/ApplyBundle", v1::ApplyBundleRequest { bundle, if_version: None }.encode_to_vec()),
        ("NodeService/ListNodes", Vec::new()),
        ("NodeService/IssueJoinToken", v1::IssueJoinTokenRequest { ttl, reusable: false }.encode_to_vec()),
        ("NodeService/ListJoinTokens", Vec::new()),
        (
            "NodeService/RevokeJoinToken",
            v1::RevokeJoinTokenRequest { id: "0".repeat(16), reason: String::new() }.encode_to_vec(),
        ),
        ("NodeService/DrainNode", v1::DrainNodeRequest { node: node.clone() }.encode_to_vec()),
        ("NodeService/RevokeNode", v1::RevokeNodeRequest { node, reason: reason.clone() }.encode_to_vec()),
        ("SessionService/ListSessions", Vec::new()),
        ("SessionService/GetSession", v1::GetSessionRequest { id: session.clone() }.encode_to_vec()),
        (
            "SessionService/RevokeSession",
            v1::RevokeSessionRequest { id: session, reason: reason.clone() }.encode_to_vec(),
        ),
        ("SessionService/IssueToken", v1::IssueTokenRequest { principal, ttl, target: None }.encode_to_vec()),
        (
            "SessionService/RevokeToken",
            v1::RevokeTokenRequest { token_id: things.token.to_string(), reason: reason.clone() }
                .encode_to_vec(),
        ),
        (
            "SessionService/RevokeSubject",
            v1::RevokeSubjectRequest { subject: "mallory".into(), reason }.encode_to_vec(),
        ),
    ]
}

/// What somebody is answered, in a word. Whether it could be done is another matter: it may be done already.
async fn answer(
    served: &Served,
    token: Option<&Secret<String>>,
    method: &str,
    request: Vec<u8>,
) -> &'static str {
    let mut client = tonic::client::Grpc::new(served.channel().await);
    client.ready().await.unwrap();
    let mut request = Request::new(request);
    if let Some(token) = token {
        let value = MetadataValue::try_from(format!("Bearer {}", token.expose())).unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let path = PathAndQuery::from_str(&format!("/countersign.v1.{method}")).unwrap();
    match client.server_streaming(request, path, Raw).await {
        Err(status) if status.code() == Code::Unauthenticated => "who?",
        Err(status) if status.code() == Code::PermissionDenied => "no",
        Err(status) if status.code() == Code::NotFound => "none",
        Err(status) if status.code() == Code::Unimplemented => panic!("{method}: {status}"),
        _ => "yes",
    }
}

/// What the API has, by its own description; what gateways say to each other is not for people.
fn methods() -> Vec<String> {
    let described = prost_types::FileDescriptorSet::decode(countersign_api::DESCRIPTORS).unwrap();
    let mut all = Vec::new();
    for service in
        described.file.iter().flat_map(|file| &file.service).filter(|one| one.name() != "FleetService")
    {
        all.extend(service.method.iter().map(|method| format!("{}/{}", service.name(), method.name())));
    }
    all.sort();
    all
}

/// `none`: as if it were not there. A change here is a change of who may do what.
#[tokio::test]
async fn i4_separate_everybody_may_do_what_this_table_says() {
    let callers = [
        ("nobody", None),
        ("stranger", Some(human("eve", &["security"]))),
        ("agent", Some(agent())),
        ("behalf", Some(human("alice", &["dba"]))),
        ("approver", Some(human("bob", &["dba"]))),
        ("robot", Some(principal(Kind::Service, "robot", &["dba"], &[]))),
        ("admin", Some(human("root", &["admin"]))),
        ("ai-admin", Some(principal(Kind::Agent, "agent-9", &["admin"], &[]))),
        ("service", Some(principal(Kind::Service, "robot", &["admin"], &[]))),
        ("trusted", Some(principal(Kind::Service, "deployer", &["admin"], &[]))),
        ("limited", Some(human("root", &["admin", "dba"]))),
        ("issued", Some(human("bob", &["admin", "dba"]))),
    ];
    let mut table: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, caller) in &callers {
        let served = Served::new().await;
        let session = served.scratch.session(&agent()).await;
        let approval = served.scratch.hold(&session, "DELETE FROM carts").await.approval;
        let rendering = served.scratch.control.approvals().details(approval.id).await.unwrap().rendering;
        let things = Things { approval, rendering, session: session.id.to_string(), token: session.token };
        let token = match caller {
            Some(caller) => {
                let mut order = order(caller);
                match *name {
                    "limited" => order.target = Some(target("lab")),
                    // By somebody for whom the agent acts, at one remove.
                    "issued" => order.issuers = [subject("alice")].into(),
                    _ => {}
                }
                Some(served.scratch.control.sessions().issue(order).await.unwrap().secret)
            }
            None => None,
        };
        for (method, request) in calls(&things) {
            table.entry(method).or_default().push(answer(&served, token.as_ref(), method, request).await);
        }
    }
    assert_eq!(table.keys().copied().collect::<Vec<_>>(), methods(), "every method is in the table");
    let row = |text: &mut String, name: &str, cells: &[&str]| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:<8}")).collect();
        writeln!(text, "{name:<35}{}", cells.trim_end()).unwrap();
    };
    let mut found = String::new();
    row(&mut found, "", &callers.each_ref().map(|(name, _)| *name));
    table.iter().for_each(|(method, cells)| row(&mut found, method, cells));
    assert_eq!(found, include_str!("matrix.txt"), "found:\n{found}");
}
