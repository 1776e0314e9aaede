//! The people: two of them look at every request, and approve, deny, do both at once, approve and take it
//! back, or let it expire.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::approval_service_client::ApprovalServiceClient;
use tonic::Status;

use crate::api::{Api, is_of_the_node};
use crate::command::Effect;
use crate::history::{Event, History, VoteOutcome};

/// How often a vote without an answer is given again.
const VOTES_MAX: u32 = 4;

/// Someone who may decide.
#[derive(Debug)]
pub struct Person {
    /// Their name.
    pub name: String,
    /// Their way to the control plane.
    pub api: Api,
}

/// What they do about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opinion {
    /// One says yes.
    Yes,
    /// One says no.
    No,
    /// One says yes and the other no, at the same moment, to different nodes.
    Both,
    /// Both say yes, at the same moment.
    TwiceYes,
    /// One says yes and takes it back at once.
    YesAndBack,
    /// Nobody says anything.
    Nothing,
}

impl Opinion {
    /// Chosen by the seed and what would be done.
    fn about(what: &str, seed: u64) -> Self {
        match chance(what, seed) % 100 {
            0..60 => Self::Yes,
            60..74 => Self::No,
            74..84 => Self::Both,
            84..90 => Self::TwiceYes,
            90..95 => Self::YesAndBack,
            _ => Self::Nothing,
        }
    }
}

/// A number from the seed and what would be done.
fn chance(what: &str, seed: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (what, seed).hash(&mut hasher);
    hasher.finish()
}

/// Two people, and what they share.
#[derive(Debug)]
pub struct Approvers {
    /// The one who decides.
    pub first: Person,
    /// The one who disagrees.
    pub second: Person,
    /// Where everything is written down.
    pub history: Arc<History>,
    /// Set when it is over.
    pub stop: Arc<AtomicBool>,
    /// Decides what they think.
    pub seed: u64,
}

impl Approvers {
    /// Looks for requests and decides on them, until it is over. On one thread: call it in a `LocalSet`.
    pub async fn work(self: Arc<Self>) {
        let mut seen = HashSet::new();
        let mut at_it = tokio::task::JoinSet::new();
        while !self.stop.load(Ordering::Acquire) {
            let pending = self.first.api.approvals(&[v1::ApprovalState::Pending], None).await;
            // Nobody who answers: they look again.
            for approval in pending.unwrap_or_default() {
                if seen.insert(approval.id.clone()) {
                    at_it.spawn_local(Arc::clone(&self).decide(approval));
                }
            }
            while at_it.try_join_next().is_some() {}
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        while at_it.join_next().await.is_some() {}
    }

    async fn decide(self: Arc<Self>, approval: v1::Approval) {
        // The row's name, so that the same seed brings the same opinions; a request is named anew each time.
        let shown = self.first.api.approval(&approval.id).await;
        let effect = shown.ok().and_then(|(_, details)| Effect::within(&details.rendering));
        let what = effect.map_or_else(|| approval.id.clone(), |effect| effect.to_string());
        // Some decide at once, some while the client is about to give up.
        let wait = chance(&what, !self.seed) % 2500;
        tokio::time::sleep(Duration::from_millis(wait)).await;
        match Opinion::about(&what, self.seed) {
            Opinion::Yes => self.vote(&self.first, &approval, true, 0).await,
            Opinion::No => self.vote(&self.first, &approval, false, 1).await,
            Opinion::Both => {
                let yes = self.vote(&self.first, &approval, true, 0);
                tokio::join!(yes, self.vote(&self.second, &approval, false, 1));
            }
            Opinion::TwiceYes => {
                let yes = self.vote(&self.first, &approval, true, 0);
                tokio::join!(yes, self.vote(&self.second, &approval, true, 1));
            }
            Opinion::YesAndBack => {
                self.vote(&self.first, &approval, true, 0).await;
                self.take_back(&approval).await;
            }
            Opinion::Nothing => {}
        }
    }

    /// Votes at the `node`th node first, and at others while no answer comes.
    async fn vote(&self, person: &Person, approval: &v1::Approval, yes: bool, node: usize) {
        for turn in 0..VOTES_MAX {
            let vote = self.history.number();
            self.history.add(&person.name, Event::Voted { vote, ticket: approval.id.clone(), yes });
            let outcome = outcome(decide(person, approval, yes, node + turn as usize).await);
            let again = matches!(outcome, VoteOutcome::Unknown(_));
            self.history.add(&person.name, Event::VoteTold { vote, outcome });
            if !again {
                return;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn take_back(&self, approval: &v1::Approval) {
        let person = &self.first;
        let revoke = async |channel| {
            let request = v1::RevokeApprovalRequest { id: approval.id.clone() };
            ApprovalServiceClient::new(channel).revoke_approval(person.api.request(request)).await
        };
        // Too late is an answer, too.
        if person.api.ask(revoke).await.is_ok() {
            self.history.add(&person.name, Event::TakenBack { ticket: approval.id.clone() });
        }
    }
}

async fn decide(person: &Person, approval: &v1::Approval, yes: bool, node: usize) -> Result<(), Status> {
    let vote = if yes { v1::Vote::Approve } else { v1::Vote::Deny };
    let request = v1::DecideApprovalRequest {
        id: approval.id.clone(),
        vote: vote.into(),
        reason: Some("chaos".into()),
        rendering_digest: approval.rendering_digest.clone(),
    };
    let channel = person.api.channel(node).ok_or_else(|| Status::unavailable("no address"))?;
    let mut client = ApprovalServiceClient::new(channel);
    client.decide_approval(person.api.request(request)).await.map(drop)
}

fn outcome(answer: Result<(), Status>) -> VoteOutcome {
    match answer {
        Ok(()) => VoteOutcome::Counted,
        Err(status) if is_of_the_node(&status) => VoteOutcome::Unknown(status.message().to_owned()),
        Err(status) => VoteOutcome::Rejected(format!("{:?}: {}", status.code(), status.message())),
    }
}
