//! One link of a gateway, from its Hello to its end. What is said on it is said in parts of their own, which run
//! beside each other; the first that ends ends the link. A gateway loses nothing by that: it goes on with its next
//! link, here or at another node.

mod calls;
mod follow;
mod outbox;
mod records;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_api::v1::control_frame::Frame;
use countersign_api::v1::gateway_frame::Frame as FromGateway;
use countersign_api::{parsed, timestamp_to_wire, v1};
use countersign_common::Timestamp;
use countersign_common::id::{ApprovalId, BundleVersion, SessionId};
use countersign_recording::JournalError;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tonic::{Status, Streaming};
use tracing::Instrument as _;

pub(super) use self::follow::Followed;
pub(crate) use self::outbox::Outgoing;
pub(super) use self::outbox::{Outbox, outbox};

use self::calls::Asker;
use self::follow::Follow;
use self::outbox::Over;
use self::records::{BadRecords, Openings, Records};
use self::sessions::Attached;
use super::Fleet;
use super::intake::NotTaken;
use super::links::{Handle, Wish};
use super::member::Member;
use super::nodes::Node;
use super::open::bundle_version;
use crate::approvals::ApprovalError;
use crate::bundles::Current;
use crate::store::Kept;
use crate::trace;

/// How many calls of one gateway are done at once.
const CALLS_MAX: usize = 256;

/// How many more may wait; beyond that they are refused.
const CALLS_WAITING_MAX: usize = 4096;

/// What one link may have under way at once, besides calls: look-ups of what a gateway follows and attaches after a node
/// that knows none of it has taken it over.
const TASKS_MAX: usize = 1 << 18;

/// How long a fault of the store is rested after.
const REST_AFTER_ERROR: Duration = Duration::from_secs(1);

/// How long a gateway that was asked to leave, or has said goodbye, has for what is under way.
const LEAVE_WITHIN: Duration = Duration::from_secs(8);

/// How often it is looked whether a certificate has ended.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What a gateway that was shut out is told.
const REVOKED: &str = "this gateway was revoked";

/// Why a link ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The gateway's start has ended.
    Goodbye,
    /// The gateway closed it.
    Closed,
    /// The connection broke.
    Broken(Status),
    /// It was told to go somewhere else.
    Left(&'static str),
    /// A newer link took its place.
    Superseded,
    /// The gateway was declared lost.
    Lost,
    /// The gateway was shut out.
    Revoked,
    /// It reads too slowly.
    Slow,
    /// It sent what does not fit.
    Unfit(String),
    /// The journal takes no records.
    Unrecorded(String),
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    fleet: Arc<Fleet>,
    node: Node,
    asker: Asker,
    handle: Handle,
    outbox: Outbox,
    followed: Arc<Followed>,
    attached: Attached,
    records: Records,
    calls: Arc<Semaphore>,
    /// One permit for each call that is done or waits.
    calls_waiting: Arc<Semaphore>,
    /// When the certificate ends that it was opened by.
    until: Timestamp,
    /// The bundle that the gateway had when it came.
    had: Option<BundleVersion>,
}

/// As what a gateway has come.
#[derive(Debug)]
pub(super) struct Came {
    /// As its certificate says.
    pub(super) member: Member,
    /// When that ends.
    pub(super) until: Timestamp,
    /// The bundle that it has.
    pub(super) bundle: Option<BundleVersion>,
}

impl Link {
    pub(super) fn new(fleet: Arc<Fleet>, node: Node, came: Came, handle: Handle, outbox: Outbox) -> Self {
        let Came { member, until, bundle: had } = came;
        let asker = Asker { node: node.id, member };
        let openings = Openings { fleet: Arc::clone(&fleet), member: asker.member.clone() };
        let records = Records::new(fleet.intake().link(node.id), fleet.sampler(), openings);
        Self {
            fleet,
            node,
            asker,
            followed: Arc::clone(&handle.followed),
            handle,
            outbox,
            attached: Attached::default(),
            records,
            calls: Arc::new(Semaphore::new(CALLS_MAX)),
            calls_waiting: Arc::new(Semaphore::new(CALLS_MAX + CALLS_WAITING_MAX)),
            until,
            had,
        }
    }

    /// Serves the link until it ends.
    pub(super) async fn run(
        self: Arc<Self>,
        incoming: Streaming<v1::LinkRequest>,
        stop: watch::Receiver<bool>,
    ) {
        let ended = Box::pin(self.serve(incoming, stop)).await;
        let newest = self.fleet.links().close(&self.handle);
        match &ended {
            Ended::Goodbye if newest => self.give_up().await,
            Ended::Unfit(_) | Ended::Slow | Ended::Unrecorded(_) => {
                tracing::error!(gateway = %self.node.name, node = %self.node.id, ?ended, "a link was ended");
            }
            Ended::Left(why) => {
                tracing::info!(gateway = %self.node.name, node = %self.node.id, why, "a gateway was asked to leave");
            }
            _ => tracing::info!(gateway = %self.node.name, node = %self.node.id, ?ended, "a link has ended"),
        }
        self.outbox.close(ended.status());
    }

    async fn serve(
        self: &Arc<Self>,
        incoming: Streaming<v1::LinkRequest>,
        stop: watch::Receiver<bool>,
    ) -> Ended {
        let control = self.fleet.control();
        let (sessions, clock) = (control.sessions(), control.clock());
        // INVARIANT: I8. Before the gateway is told that it may judge: it has to know by what.
        let has = self.push_bundle(None, self.had.clone());
        tokio::select! {
            ended = self.read(incoming) => ended,
            () = self.followed.run(control.approvals(), &self.outbox) => Ended::Left("the control plane ends"),
            () = self.attached.run(sessions, &**clock, &self.outbox) => Ended::Left("the control plane ends"),
            () = self.push_bundles(has) => Ended::Left("the control plane ends"),
            broken = self.records.acknowledge(&**self.fleet.intake().journal(), &self.outbox) => unrecorded(&broken),
            ended = self.stay_alive() => ended,
            over = self.outbox.over() => match over {
                Over::Slow => Ended::Slow,
                Over::Deserted => Ended::Broken(Status::unavailable("the gateway is gone")),
            },
            wish = self.handle.wished() => self.wished(wish),
            () = self.leave_at(stop) => Ended::Left("this node ends"),
            () = self.leave_in_time() => Ended::Left("its certificate ends"),
        }
    }

    /// Reads frames until the gateway ends the stream, or sends what does not fit.
    async fn read(self: &Arc<Self>, mut incoming: Streaming<v1::LinkRequest>) -> Ended {
        let mut tasks = JoinSet::new();
        loop {
            let message = match incoming.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return Ended::Closed,
                Err(status) => return Ended::Broken(status),
            };
            while tasks.try_join_next().is_some() {}
            for frame in message.frames {
                match frame.frame {
                    Some(FromGateway::Goodbye(_)) => {
                        // What it reported before it went is done first.
                        let all = async { while tasks.join_next().await.is_some() {} };
                        let _ = tokio::time::timeout(LEAVE_WITHIN, all).await;
                        return Ended::Goodbye;
                    }
                    frame => {
                        if let Err(ended) = self.take(frame, &mut tasks) {
                            return ended;
                        }
                    }
                }
            }
        }
    }

    /// Takes one frame. What waits for the store is done in a task of its own.
    fn take(self: &Arc<Self>, frame: Option<FromGateway>, tasks: &mut JoinSet<()>) -> Result<(), Ended> {
        let read = |error: countersign_api::BadField| Ended::Unfit(error.to_string());
        match frame {
            None => return Err(Ended::Unfit("a frame of a kind that is not known here".into())),
            Some(FromGateway::Hello(_) | FromGateway::Goodbye(_)) => {
                return Err(Ended::Unfit("a second hello".into()));
            }
            Some(FromGateway::Call(call)) => self.call(call, tasks),
            Some(FromGateway::Records(records)) => self.records.take(&records).map_err(bad_records)?,
            Some(FromGateway::Follow(follow)) => self.follow(&follow, tasks)?,
            Some(FromGateway::Unfollow(unfollow)) => {
                self.followed.unfollow(parsed(&unfollow.approval_id, "unfollow.approval_id").map_err(read)?);
            }
            Some(FromGateway::Attach(attach)) => self.attach_all(&attach, tasks)?,
            Some(FromGateway::Detach(detach)) => {
                for id in &detach.session_ids {
                    let id = parsed(id, "detach.session_ids").map_err(read)?;
                    self.attached.detach(id);
                    self.followed.hide(id);
                }
            }
            Some(FromGateway::BundleTaken(taken)) => {
                self.later(tasks, Arc::clone(self).bundle_taken(taken))?
            }
            Some(FromGateway::Testified(testified)) => {
                let (fleet, gateway) = (Arc::clone(&self.fleet), self.node.clone());
                self.later(tasks, async move { fleet.testified(&gateway, testified).await })?;
            }
            Some(FromGateway::Listening(listening)) => self.vouch(listening.number),
            Some(FromGateway::CancelCarried(carried)) => self.fleet.cancel_carried(self.node.id, carried.id),
            Some(FromGateway::Draining(draining)) => {
                self.later(tasks, Arc::clone(self).drains(draining.draining))?;
            }
        }
        Ok(())
    }

    fn call(self: &Arc<Self>, call: v1::Call, tasks: &mut JoinSet<()>) {
        // Look-ups of what it follows are no calls: a gateway that comes with many of them is answered all the same.
        let Ok(permit) = Arc::clone(&self.calls_waiting).try_acquire_owned() else {
            let answer = Some(Answer::Unavailable("too many calls at once".into()));
            self.outbox.send(Frame::Answer(v1::Answer { id: call.id, answer }));
            return;
        };
        let (link, span) = (Arc::clone(self), trace::call(&call));
        tasks.spawn(async move {
            let _permit = permit;
            // A cancel request waits for another gateway: it must not take the turn of a call that waits for the store.
            // The semaphore is never closed.
            let waits_for_others = matches!(call.call, Some(Call::Cancel(_)));
            let _turn = if waits_for_others { None } else { link.calls.acquire().await.ok() };
            let answering = calls::answer(&link.fleet, &link.asker, call.call);
            let answer = answering.instrument(span.clone()).await;
            trace::answered(&span, &answer);
            link.outbox.send(Frame::Answer(v1::Answer { id: call.id, answer: Some(answer) }));
        });
    }

    fn follow(self: &Arc<Self>, follow: &v1::FollowApproval, tasks: &mut JoinSet<()>) -> Result<(), Ended> {
        let id = parsed(&follow.approval_id, "follow.approval_id");
        let id = id.map_err(|error| Ended::Unfit(error.to_string()))?;
        let approvals = self.fleet.control().approvals();
        match self.followed.follow(approvals, &self.outbox, id, follow.seen_revision) {
            Follow::Known => Ok(()),
            Follow::Unknown => self.later(tasks, Arc::clone(self).look_up_approval(id)),
            Follow::TooMany => Err(Ended::Unfit("it follows too many approvals".into())),
        }
    }

    /// Reads an approval that this node does not know, as long as it is followed.
    // INVARIANT: I10. A store that fails for a moment leaves nobody waiting for what has happened already.
    async fn look_up_approval(self: Arc<Self>, id: ApprovalId) {
        let approvals = self.fleet.control().approvals();
        while self.followed.contains(id) {
            let looked = {
                // The semaphore is never closed.
                let _turn = self.calls.acquire().await;
                approvals.look_up(id).await
            };
            match looked {
                Ok(()) => break,
                Err(ApprovalError::Store(error)) => {
                    tracing::warn!(approval = %id, %error, "an approval that a gateway follows could not be read");
                    tokio::time::sleep(REST_AFTER_ERROR).await;
                }
                Err(error) => {
                    tracing::info!(approval = %id, %error, "an approval that a gateway follows is not known");
                    return self.followed.unfollow(id);
                }
            }
        }
        if let Some(snapshot) = approvals.known(id) {
            self.followed.tell(&self.outbox, &snapshot.approval);
        }
    }

    /// Does something beside the reading of frames, if there is room.
    fn later(
        &self,
        tasks: &mut JoinSet<()>,
        what: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Ended> {
        if tasks.len() >= TASKS_MAX {
            return Err(Ended::Unfit("it asks for too much at once".into()));
        }
        tasks.spawn(what);
        Ok(())
    }

    fn attach_all(
        self: &Arc<Self>,
        attach: &v1::AttachSessions,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), Ended> {
        if attach.proofs.len() != attach.session_ids.len() {
            return Err(Ended::Unfit("sessions were attached without their proofs".into()));
        }
        for (id, proof) in attach.session_ids.iter().zip(&attach.proofs) {
            let id = parsed(id, "attach.session_ids").map_err(|error| Ended::Unfit(error.to_string()))?;
            if self.fleet.proofs().are_of(&self.asker.member, id, proof) {
                if !self.followed.show(id) {
                    return Err(Ended::Unfit("it has too many sessions".into()));
                }
                self.attach(id, tasks)?;
            } else {
                // Fail closed: whose session it is not does not go on with it.
                tracing::warn!(gateway = %self.node.name, session = %id, "a session was attached that was not opened there");
                Attached::unknown(&self.outbox, id);
            }
        }
        Ok(())
    }

    fn attach(self: &Arc<Self>, id: SessionId, tasks: &mut JoinSet<()>) -> Result<(), Ended> {
        let sessions = self.fleet.control().sessions();
        if let Some(session) = sessions.get(id) {
            self.attached.attach(sessions, &self.outbox, &session);
            return Ok(());
        }
        self.later(tasks, Arc::clone(self).look_up_session(id))
    }

    async fn look_up_session(self: Arc<Self>, id: SessionId) {
        // The semaphore is never closed.
        let _turn = self.calls.acquire().await;
        let sessions = self.fleet.control().sessions();
        match sessions.look_up(id).await {
            Ok(Some(session)) => self.attached.attach(sessions, &self.outbox, &session),
            Ok(None) => Attached::unknown(&self.outbox, id),
            // Fail closed: who cannot be watched over does not go on.
            Err(error) => {
                tracing::error!(session = %id, %error, "a session cannot be looked up; its connections end");
                Attached::unknown(&self.outbox, id);
            }
        }
    }

    async fn bundle_taken(self: Arc<Self>, taken: v1::BundleTaken) {
        if !taken.fault.is_empty() {
            tracing::error!(gateway = %self.node.name, version = %taken.version, fault = %taken.fault,
                "a gateway could not take the bundle, and judges by the one it has");
            return;
        }
        let Some(version) = bundle_version(&taken.version) else { return };
        if let Err(error) = self.fleet.nodes().took(self.node.id, &version).await {
            tracing::warn!(gateway = %self.node.name, %error, "which bundle a gateway took was not noted");
        }
    }

    async fn drains(self: Arc<Self>, draining: bool) {
        if draining {
            self.handle.drain();
        }
        if let Err(error) = self.fleet.nodes().draining(self.node.id, draining).await {
            tracing::warn!(gateway = %self.node.name, %error, "that a gateway drains was not noted");
        }
    }

    /// Pushes every bundle that follows the one that the gateway has, or was pushed first.
    async fn push_bundles(&self, mut has: Option<BundleVersion>) {
        let mut pushed = self.fleet.control().bundles().watch();
        loop {
            let current = pushed.borrow_and_update().clone();
            has = self.push_bundle(current, has);
            if pushed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Pushes the current bundle, if the gateway has another one; which it has then.
    fn push_bundle(
        &self,
        current: Option<Arc<Current>>,
        has: Option<BundleVersion>,
    ) -> Option<BundleVersion> {
        let Some(current) = current.or_else(|| self.fleet.control().bundles().current()) else { return has };
        if has.as_ref() == Some(&current.version) {
            return has;
        }
        let files = current.files.iter().map(|(name, bytes)| (name.clone(), bytes.clone()));
        let bundle = Some(v1::BundleFiles { files: files.collect() });
        self.outbox.send(Frame::Bundle(v1::BundlePush { version: current.version.to_string(), bundle }));
        Some(current.version.clone())
    }

    /// Answers a gateway that asks whether it may go on judging.
    fn vouch(&self, number: u64) {
        // INVARIANT: I8. Who does not reach the store, or does not hear of what changes there, does not vouch for it.
        if self.fleet.vouches() {
            let time = Some(timestamp_to_wire(self.fleet.control().clock().now()));
            self.outbox.send(Frame::Alive(v1::Alive { heard: number, time }));
        }
    }

    /// Keeps the gateway's lease, as long as this node reaches its store. A node that does not lets its gateways go.
    async fn stay_alive(&self) -> Ended {
        tokio::select! {
            ended = self.keep_lease() => ended,
            () = self.fleet.cut_off() => {
                self.leave(false, "this node does not reach its store, or does not follow it").await;
                Ended::Left("the store is not reached")
            }
        }
    }

    async fn keep_lease(&self) -> Ended {
        let mut keep = tokio::time::interval(self.fleet.nodes().ttl() / 4);
        loop {
            keep.tick().await;
            match self.fleet.nodes().keep_alive(&self.node).await {
                Ok(Kept::For(_)) => {}
                Ok(Kept::Lost) => return self.wished(Wish::Lost),
                Err(error) => tracing::warn!(gateway = %self.node.name, %error, "a lease was not kept alive"),
            }
        }
    }

    fn wished(&self, wish: Wish) -> Ended {
        match wish {
            Wish::Superseded => Ended::Superseded,
            Wish::Lost => {
                self.outbox.send(lost());
                Ended::Lost
            }
            Wish::Revoked => {
                self.outbox.send(revoked());
                Ended::Revoked
            }
        }
    }

    /// When this node ends, the gateway is asked to go, and given time to.
    async fn leave_at(&self, mut stop: watch::Receiver<bool>) {
        let _ = stop.wait_for(|stop| *stop).await;
        self.leave(false, "this control-plane node ends").await;
    }

    /// A little before the certificate ends the gateway is asked to come with another one. By the clock on the wall; what it
    /// does not end, the connection itself does.
    async fn leave_in_time(&self) {
        let clock = self.fleet.control().clock();
        loop {
            let left = clock.now().until(self.until).saturating_sub(LEAVE_WITHIN);
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
        }
        self.leave(false, "the certificate ends").await;
    }

    async fn leave(&self, drain: bool, reason: &str) {
        let leave = v1::Leave { drain, reason: reason.into(), ..v1::Leave::default() };
        self.outbox.send(Frame::Leave(leave));
        tokio::time::sleep(LEAVE_WITHIN).await;
    }

    /// The gateway has ended: nobody needs to wait for its lease to run out.
    async fn give_up(&self) {
        tracing::info!(gateway = %self.node.name, node = %self.node.id, "a gateway has ended");
        if let Err(error) = self.fleet.nodes().goodbye(&self.node).await {
            tracing::warn!(gateway = %self.node.name, %error, "its lease has to run out");
        }
    }
}

impl Ended {
    /// What the gateway is told; `None`: an end in good order.
    fn status(self) -> Option<Status> {
        match self {
            Self::Unfit(reason) => Some(Status::invalid_argument(reason)),
            Self::Unrecorded(reason) => Some(Status::unavailable(reason)),
            Self::Broken(status) => Some(status),
            Self::Revoked => Some(Status::permission_denied(REVOKED)),
            Self::Goodbye | Self::Closed | Self::Left(_) | Self::Superseded | Self::Lost | Self::Slow => None,
        }
    }
}

/// A gateway that was declared lost is told so.
pub(super) fn lost() -> Frame {
    let reason = "this start of the gateway was declared lost".into();
    Frame::Leave(v1::Leave { lost: true, reason, ..v1::Leave::default() })
}

/// A gateway that was shut out is told so; its start is lost, and no other one is taken.
fn revoked() -> Frame {
    Frame::Leave(v1::Leave { lost: true, revoked: true, reason: REVOKED.into(), ..v1::Leave::default() })
}

fn bad_records(bad: BadRecords) -> Ended {
    match bad {
        BadRecords::NotTaken(NotTaken::Broken(why)) => Ended::Unrecorded(why),
        other => Ended::Unfit(other.to_string()),
    }
}

fn unrecorded(error: &JournalError) -> Ended {
    Ended::Unrecorded(error.to_string())
}
