//! A gateway as the tests play it: joins, opens links, sends frames and looks at what comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_api::v1::control_frame::Frame;
use countersign_api::v1::fleet_service_client::FleetServiceClient;
use countersign_api::v1::gateway_frame::Frame as FromGateway;
use countersign_api::{LINK_SPEAKS, v1};
use countersign_common::Principal;
use countersign_common::Secret;
use countersign_common::approval::Approval;
use countersign_common::id::{NodeId, SessionId, TargetName};
use rcgen::{CertificateParams, KeyPair};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Status, Streaming};

use super::bed::Running;
use crate::fleet::authority::CONTROL_NAME;
use crate::fleet::{self, Fleet, Uses};
use crate::testing::subject;

pub(super) type Client = FleetServiceClient<Channel>;

/// A member of the fleet.
pub(super) struct Member {
    pub(super) certificate: Vec<u8>,
    key: String,
    authority: Vec<u8>,
}

/// A link of one start.
pub(super) struct Linked {
    pub(super) id: NodeId,
    pub(super) welcome: v1::Welcome,
    to: mpsc::Sender<v1::LinkRequest>,
    from: Streaming<v1::LinkResponse>,
    waiting: VecDeque<Frame>,
    calls: u64,
    fleet: Arc<Fleet>,
    member: fleet::member::Member,
}

pub(super) fn pem(tag: &str, der: &[u8]) -> String {
    ::pem::encode(&::pem::Pem::new(tag, der))
}

pub(super) fn request(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default().serialize_request(key).unwrap().der().to_vec()
}

pub(super) async fn client(node: &Running, tls: ClientTlsConfig) -> Result<Client, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("https://{}", node.address)).unwrap();
    let channel = endpoint.tls_config(tls.domain_name(CONTROL_NAME)).unwrap().connect().await?;
    Ok(FleetServiceClient::new(channel).max_decoding_message_size(64 << 20))
}

pub(super) fn anonymous(node: &Running) -> ClientTlsConfig {
    let authority = node.fleet.options.authority.certificate();
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem("CERTIFICATE", authority)))
}

pub(super) async fn token(node: &Running) -> Secret<String> {
    node.fleet
        .issue_join_token(Duration::from_secs(60), Uses::Once, &subject("operator"))
        .await
        .unwrap()
        .secret
}

impl Member {
    pub(super) async fn join(node: &Running, name: &str) -> Self {
        Self::join_with(node, name, &token(node).await, &KeyPair::generate().unwrap()).await.unwrap()
    }

    pub(super) async fn join_with(
        node: &Running,
        name: &str,
        token: &Secret<String>,
        key: &KeyPair,
    ) -> Result<Self, Status> {
        let mut client = client(node, anonymous(node)).await.unwrap();
        let joined = client
            .join_fleet(v1::JoinFleetRequest {
                token: token.expose().clone(),
                name: name.into(),
                certificate_request: request(key),
            })
            .await?
            .into_inner();
        Ok(Self {
            certificate: joined.certificates[0].clone(),
            key: key.serialize_pem(),
            authority: joined.authorities[0].clone(),
        })
    }

    pub(super) fn tls(&self) -> ClientTlsConfig {
        ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(pem("CERTIFICATE", &self.authority)))
            .identity(Identity::from_pem(pem("CERTIFICATE", &self.certificate), &self.key))
    }

    pub(super) async fn link(&self, node: &Running) -> Linked {
        self.link_as(node, NodeId::generate()).await
    }

    pub(super) async fn link_as(&self, node: &Running, id: NodeId) -> Linked {
        let mut opened = self.open(node, id).await.unwrap();
        opened.welcome = match opened.next().await {
            Frame::Welcome(welcome) => welcome,
            other => panic!("no welcome: {other:?}"),
        };
        opened
    }

    /// A link of which nothing has been heard yet.
    pub(super) async fn open(&self, node: &Running, id: NodeId) -> Result<Linked, Status> {
        let hello = v1::Hello {
            node: id.to_string(),
            bundle_version: String::new(),
            records_synced: 0,
            software_version: "test".into(),
            speaks: LINK_SPEAKS,
        };
        self.open_with(node, hello).await
    }

    /// The same with a Hello of one's own.
    pub(super) async fn open_with(&self, node: &Running, hello: v1::Hello) -> Result<Linked, Status> {
        let id = hello.node.parse().unwrap();
        let mut client = client(node, self.tls()).await.unwrap();
        let (to, outgoing) = mpsc::channel(64);
        to.send(message([FromGateway::Hello(hello)])).await.unwrap();
        let from = client.link(ReceiverStream::new(outgoing)).await?.into_inner();
        let (waiting, welcome) = (VecDeque::new(), v1::Welcome::default());
        let member = fleet::member::Member::of(&self.certificate.as_slice().into()).unwrap();
        Ok(Linked { id, welcome, to, from, waiting, calls: 0, fleet: Arc::clone(&node.fleet), member })
    }
}

fn message(frames: impl IntoIterator<Item = FromGateway>) -> v1::LinkRequest {
    let frames = frames.into_iter().map(|frame| v1::GatewayFrame { frame: Some(frame) });
    v1::LinkRequest { frames: frames.collect() }
}

impl Linked {
    pub(super) async fn send(&self, frame: FromGateway) {
        self.to.send(message([frame])).await.unwrap();
    }

    /// The next frame, whatever it is; the test fails when none comes.
    pub(super) async fn next(&mut self) -> Frame {
        self.try_next().await.unwrap().expect("the link has ended")
    }

    /// The next frame; `None`: the link has ended.
    pub(super) async fn try_next(&mut self) -> Result<Option<Frame>, Status> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Ok(Some(frame));
            }
            let message = tokio::time::timeout(Duration::from_secs(20), self.from.message()).await;
            match message.expect("the link is silent")? {
                Some(message) => self.waiting.extend(message.frames.into_iter().filter_map(|one| one.frame)),
                None => return Ok(None),
            }
        }
    }

    /// The next frame that is of the kind wanted; others are passed over.
    pub(super) async fn wait_for<T>(&mut self, wanted: impl Fn(Frame) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    /// As if the session had been opened here.
    pub(super) fn proof(&self, session: &str) -> Vec<u8> {
        self.fleet.proofs().of(&self.member, session.parse().unwrap())
    }

    /// As if this session, of this principal at this target, had been opened here.
    pub(super) fn record_proof(
        &self,
        session: SessionId,
        principal: &Principal,
        target: &TargetName,
    ) -> Vec<u8> {
        self.fleet.proofs().of_record(&self.member, session, principal, target)
    }

    /// Attaches these sessions, as if they had been opened here.
    pub(super) async fn attach(&self, sessions: &[String]) {
        let proofs = sessions.iter().map(|session| self.proof(session)).collect();
        self.send(FromGateway::Attach(v1::AttachSessions { session_ids: sessions.to_vec(), proofs })).await;
    }

    /// A call for a session, as if it had been opened here, if the call does not say otherwise.
    pub(super) async fn call(&mut self, mut call: Call) -> Answer {
        let said = match &mut call {
            Call::Hold(hold) => Some((&hold.session_id, &mut hold.session_proof)),
            Call::Redeem(redeem) => Some((&redeem.session_id, &mut redeem.session_proof)),
            Call::Withdraw(withdraw) => Some((&withdraw.session_id, &mut withdraw.session_proof)),
            Call::UploadCatalogue(upload) => Some((&upload.session_id, &mut upload.session_proof)),
            _ => None,
        };
        if let Some((session, proof)) = said
            && proof.is_empty()
            && !session.is_empty()
        {
            *proof = self.fleet.proofs().of(&self.member, session.parse().unwrap());
        }
        self.call_as_it_is(call).await
    }

    pub(super) async fn call_as_it_is(&mut self, call: Call) -> Answer {
        self.calls += 1;
        let id = self.calls;
        self.send(FromGateway::Call(v1::Call { id, call: Some(call), traceparent: None })).await;
        self.wait_for(|frame| match frame {
            Frame::Answer(answer) if answer.id == id => answer.answer,
            _ => None,
        })
        .await
    }

    /// What comes until a call is answered.
    pub(super) async fn heard_until_answered(&mut self, call: Call) -> Vec<Frame> {
        self.calls += 1;
        let (id, mut heard) = (self.calls, Vec::new());
        self.send(FromGateway::Call(v1::Call { id, call: Some(call), traceparent: None })).await;
        loop {
            match self.next().await {
                Frame::Answer(answer) if answer.id == id => return heard,
                frame => heard.push(frame),
            }
        }
    }

    /// A call that is answered with an approval.
    pub(super) async fn approval(&mut self, call: Call) -> Approval {
        match self.call(call).await {
            Answer::Approval(approval) => approval.try_into().unwrap(),
            other => panic!("no approval: {other:?}"),
        }
    }

    /// Follows an approval and waits until it stands so.
    pub(super) async fn standing(&mut self, approval: &Approval, state: &str) -> Approval {
        let (id, state) = (approval.id.to_string(), state.to_owned());
        self.attach(&[approval.session.to_string()]).await;
        self.send(FromGateway::Follow(v1::FollowApproval { approval_id: id.clone(), seen_revision: 0 }))
            .await;
        self.wait_for(move |frame| match frame {
            Frame::Approval(told) if told.id == id => {
                let told = Approval::try_from(told).unwrap();
                (told.state.as_str() == state).then_some(told)
            }
            _ => None,
        })
        .await
    }

    /// Waits for the end of the link; what came before it.
    pub(super) async fn end(mut self) -> (Vec<Frame>, Option<Status>) {
        let mut frames = Vec::new();
        loop {
            match self.try_next().await {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, None),
                Err(status) => return (frames, Some(status)),
            }
        }
    }
}
