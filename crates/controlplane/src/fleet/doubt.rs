//! Commands in doubt: the target is asked, through a gateway, about what was presented before it was to commit.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::control_frame::Frame;
use countersign_common::Timestamp;
use countersign_common::approval::{Approval, Evidence, State};
use countersign_common::id::{ApprovalId, NodeId, Subject};
use parking_lot::Mutex;

use super::Fleet;
use super::nodes::Node;
use crate::approvals::ApprovalError;

/// How often it is looked for commands in doubt.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long after it was asked a target is asked again, at first and at most.
const AGAIN_FIRST: Duration = Duration::from_secs(5);
const AGAIN_MAX: Duration = Duration::from_secs(300);

/// What this node has asked about.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<HashMap<ApprovalId, Asked>>);

/// A question that is out.
#[derive(Debug, Clone, Copy)]
struct Asked {
    gateway: NodeId,
    fence: u64,
    times: u32,
    again_at: Timestamp,
}

/// A command in doubt of which there is evidence.
struct Doubt {
    id: ApprovalId,
    fence: u64,
    evidence: String,
}

impl Doubt {
    fn of(approval: &Approval) -> Option<Self> {
        let (State::InDoubt { fence, .. }, Evidence::Presented(evidence)) =
            (&approval.state, &approval.evidence)
        else {
            return None;
        };
        Some(Self { id: approval.id, fence: *fence, evidence: evidence.clone() })
    }
}

impl Fleet {
    /// Asks about every command in doubt, again and again until it is known. Every node does so that has a link;
    /// whichever hears first settles it.
    pub(super) async fn settle_doubts(&self) {
        loop {
            self.ask_about_doubts().await;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn ask_about_doubts(&self) {
        let (going_on, _) = self.control().approvals().list_going_on();
        let doubts: Vec<Doubt> = going_on.iter().filter_map(|one| Doubt::of(&one.approval)).collect();
        let open: HashSet<ApprovalId> = doubts.iter().map(|doubt| doubt.id).collect();
        self.doubts().0.lock().retain(|id, _| open.contains(id));
        for doubt in doubts {
            let Some(gateway) = self.due(&doubt) else { continue };
            if let Err(error) = self.ask(gateway, &doubt).await {
                tracing::warn!(approval = %doubt.id, %error, "a target could not be asked about a command in doubt");
            }
        }
    }

    /// The gateway to ask, when it is time: another one each time.
    fn due(&self, doubt: &Doubt) -> Option<NodeId> {
        let mut asked = self.doubts().0.lock();
        let now = self.control().clock().now();
        let times = match asked.get(&doubt.id) {
            Some(before) if before.fence == doubt.fence && now < before.again_at => return None,
            Some(before) if before.fence == doubt.fence => before.times + 1,
            _ => 0,
        };
        let mut links = self.links().all();
        links.retain(|link| !link.drains());
        links.sort_by_key(|link| link.gateway);
        let gateway =
            links.get(usize::try_from(times).unwrap_or_default().checked_rem(links.len())?)?.gateway;
        let pause = AGAIN_FIRST.saturating_mul(1 << times.min(6)).min(AGAIN_MAX);
        let again_at = now.after(pause);
        asked.insert(doubt.id, Asked { gateway, fence: doubt.fence, times, again_at });
        Some(gateway)
    }

    async fn ask(&self, gateway: NodeId, doubt: &Doubt) -> Result<(), ApprovalError> {
        let details = self.control().approvals().details(doubt.id).await?;
        if let Some(link) = self.links().get(gateway) {
            link.send(Frame::Testify(v1::Testify {
                approval_id: doubt.id.to_string(),
                fence: doubt.fence,
                context: Some((&details.context).into()),
                evidence: doubt.evidence.clone(),
            }));
        }
        Ok(())
    }

    /// What a target said through a gateway. Only of the one that was asked, and only about what it was asked.
    pub(super) async fn testified(&self, gateway: &Node, testified: v1::Testified) {
        let Ok(id) = testified.approval_id.parse::<ApprovalId>() else { return };
        let asked = self.doubts().0.lock().get(&id).copied();
        if !asked.is_some_and(|asked| asked.gateway == gateway.id && asked.fence == testified.fence) {
            tracing::warn!(approval = %id, gateway = %gateway.name, "a testimony that nobody asked for is not heard");
            return;
        }
        let ran = match testified.ran() {
            v1::CommandRan::Yes => true,
            v1::CommandRan::No => false,
            v1::CommandRan::Unspecified => {
                tracing::info!(approval = %id, reason = %testified.reason, "the target cannot tell yet");
                return;
            }
        };
        match self.settle(id, testified.fence, ran, &testified.reason).await {
            Ok(true) => tracing::info!(approval = %id, ran, "the target settled what was in doubt"),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(approval = %id, %error, "a testimony was not taken; it is asked for again")
            }
        }
    }

    /// Whether it was this testimony that settled it.
    async fn settle(
        &self,
        id: ApprovalId,
        fence: u64,
        ran: bool,
        reason: &str,
    ) -> Result<bool, ApprovalError> {
        let standing = self.control().approvals().get(id).await?.approval;
        if !matches!(standing.state, State::InDoubt { fence: of, .. } if of == fence) {
            return Ok(false);
        }
        let by = Subject::new(standing.target.as_str()).unwrap_or_else(|_| crate::nobody());
        self.control().approvals().resolve(id, ran, &by, reason).await.map(|_| true)
    }
}
