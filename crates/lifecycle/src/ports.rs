//! The ports that a gateway connects to the pipeline: judge, approvals, journal, sessions, cancel requests, stop
//! signal. Each has at least two implementations: the production one and the simulation's.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_common::approval::{Approval, Outcome, Rejection, Terms};
use countersign_common::command::{Command, Context};
use countersign_common::id::{
    ApprovalId, AttemptId, BundleVersion, NodeId, PolicyId, RoleName, SessionId, TargetName,
};
use countersign_common::time::Clock;
use countersign_common::verdict::ColumnRule;
use countersign_common::{Digest, Facts, Principal, Secret, Target, Verdict};
use countersign_recording::Journal;
use tokio::sync::watch;

/// Judges commands with the current bundle. Pure and fast, because it is called for every command.
pub trait Judge: Send + Sync + fmt::Debug {
    /// Returns the verdict on a command.
    ///
    /// # Errors
    /// [`Unavailable`] if there is no bundle or the bundle lease has expired (I8).
    fn judge(&self, question: &Question<'_>) -> Result<Ruling, Unavailable>;

    /// Checks that a judged command may still be released. Called right before the command is sent if it has waited
    /// for its record or for approval.
    ///
    /// # Errors
    /// [`Unavailable`] if the bundle lease has expired since the verdict (I8).
    fn may_release(&self) -> Result<(), Unavailable>;
}

/// Input of [`Judge::judge`], one per command.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Requester of the command, with its delegation chain.
    pub principal: &'a Arc<Principal>,
    /// Target that the command is for.
    pub target: &'a Arc<Target>,
    /// Login role on the target.
    pub role: &'a RoleName,
    /// Database on the target, by name.
    pub database: &'a str,
    /// Facts derived from the command.
    pub facts: &'a Arc<Facts>,
    /// `true` if running the command changes something; see [`crate::Exchange::changes`].
    pub changes: bool,
    /// `true` inside an open transaction of the client.
    pub in_transaction: bool,
}

/// A verdict with the policies and the bundle it came from.
#[derive(Debug, Clone)]
pub struct Ruling {
    /// The decision: allow, block or hold.
    pub verdict: Verdict,
    /// The policies that determined the verdict, as far as known.
    pub policies: Vec<PolicyId>,
    /// Version of the bundle that was used.
    pub bundle: BundleVersion,
}

/// A service that the pipeline depends on is unavailable. The command was not run. The text is shown to the client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Access to the approvals in the control plane, in process or over the gateway's link.
#[async_trait]
pub trait Approvals: Send + Sync + fmt::Debug {
    /// Starts a hold, joins the open approval of the same session and digest, or returns the remembered denial of it.
    ///
    /// # Errors
    /// [`HoldError`]: no approval was requested.
    async fn hold(&self, request: HoldRequest) -> Result<Approval, HoldError>;

    /// Waits until the approval's revision exceeds `seen`, and returns the approval.
    ///
    /// # Errors
    /// [`Unavailable`] if the approval can no longer be watched.
    ///
    /// # Cancel safety
    /// Implementations must be cancel safe.
    async fn changed(&self, id: ApprovalId, seen: u64) -> Result<Arc<Approval>, Unavailable>;

    /// Redeems the approval (I1). On success the caller alone may send the command, and must report its outcome.
    ///
    /// # Errors
    /// [`RedeemError`]: the command must not be sent.
    async fn redeem(&self, redeem: Redeem) -> Result<Approval, RedeemError>;

    /// Reports the outcome of a redeemed command. The report is kept until it is delivered.
    async fn report(&self, id: ApprovalId, fence: u64, testimony: Testimony);

    /// Withdraws a request. Returns the approval afterwards: withdrawn, or in the terminal state that it already had.
    ///
    /// # Errors
    /// [`Unavailable`] if no answer came; the request may still be decided.
    async fn withdraw(&self, id: ApprovalId, by: SessionId) -> Result<Approval, Unavailable>;

    /// Voids an approval whose command would no longer do what was requested. Returns the approval afterwards:
    /// voided, or in the terminal state that it already had.
    ///
    /// # Errors
    /// [`Unavailable`] if no answer came; the approval may still be open.
    async fn void(&self, id: ApprovalId, by: SessionId, reason: String) -> Result<Approval, Unavailable>;
}

/// Request of a gateway to redeem an approval.
#[derive(Debug, Clone)]
pub struct Redeem {
    /// Identifier of the approval to redeem.
    pub id: ApprovalId,
    /// Session on whose connection the command will run.
    pub session: SessionId,
    /// Digest of the command that is about to be sent (I2).
    pub digest: Digest,
    /// Incarnation of the gateway that will own the redemption.
    pub owner: NodeId,
    /// Identifier of this attempt. Repeating it after a lost answer returns the same answer.
    pub attempt: AttemptId,
    /// Evidence that can be queried on the target later, such as a transaction id; stored with the redemption. `None`
    /// if the target keeps none.
    pub evidence: Option<String>,
}

/// Reason why no approval was requested. The command was not run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HoldError {
    /// Too many requests are open. The text is shown to the client.
    #[error("{0}")]
    Limited(String),
    /// The facts that the control plane derived make policy block the command. The text is shown to the client.
    #[error("{0}")]
    Blocked(String),
    /// No approval can be requested at the moment.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

/// Reason why an approval was not redeemed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedeemError {
    /// The approval was already used, has ended, or is for another digest or session.
    #[error("{rejection}")]
    Rejected {
        /// Rule that the attempt violated.
        rejection: Rejection,
        /// Current state of the approval.
        standing: Box<Approval>,
    },
    /// No answer came or the write failed, so it is *unknown* whether the approval was redeemed. The command must not
    /// be sent; the control plane will find out that this owner did not send it.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

/// Outcome of a released command, as known to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Testimony {
    /// The target answered with this outcome.
    Ended(Outcome),
    /// No byte of the command was sent to the target.
    NotSent,
    /// The connection to the target broke before the answer; the outcome is unknown.
    Unknown,
}

/// Input of [`Approvals::hold`], one per held command.
#[derive(Debug, Clone)]
pub struct HoldRequest {
    /// Digest that the approval binds (I2).
    pub digest: Digest,
    /// Session of the requesting client.
    pub session: SessionId,
    /// Requester of the command, with its delegation chain.
    pub principal: Arc<Principal>,
    /// The exact command, as approvers will see it.
    pub command: Command,
    /// Context of the command: target, role, database, settings, transaction so far.
    pub context: Context,
    /// Facts derived from the command.
    pub facts: Arc<Facts>,
    /// Required approvals and their time limits.
    pub terms: Arc<Terms>,
    /// Version of the bundle that required the approval.
    pub bundle: BundleVersion,
    /// `true` if an open transaction keeps its locks during the hold.
    pub in_transaction: bool,
    /// The definitions that its facts rest on; `None`: they rest on none.
    pub catalogue: Option<Arc<dyn HeldCatalogue>>,
}

/// What a target's database defines, as the gateway has read it: named by its content, and passed on where that name is not
/// known.
pub trait HeldCatalogue: Send + Sync + fmt::Debug {
    /// Its name.
    fn digest(&self) -> Digest;

    /// Its content, compressed. Takes time in proportion to its size.
    fn compressed(&self) -> Vec<u8>;
}

/// Waits until a connection has to stop, and returns the reason. A closed channel counts as a drain: its sender is
/// dropped only when the gateway shuts down.
///
/// # Cancel safety
/// Cancel safe: it only observes the channel.
pub async fn stopped(stop: &mut watch::Receiver<Stop>) -> Stop {
    match stop.wait_for(|stop| *stop != Stop::None).await {
        Ok(stop) => stop.clone(),
        Err(_) => Stop::Drain,
    }
}

/// Stop signal for a connection and its waiting commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// No stop was requested.
    None,
    /// The session was revoked or has expired: waiting commands are refused and the connection ends. The text is the
    /// reason.
    Revoked(String),
    /// The gateway drains: running commands may finish, waiting ones are refused with their ticket.
    Drain,
}

/// All ports that a gateway provides to its protocols.
#[derive(Debug, Clone)]
pub struct Ports {
    /// This incarnation of the gateway.
    pub node: NodeId,
    /// Opens sessions for tokens.
    pub sessions: Arc<dyn Sessions>,
    /// Targets and masking rules of the current bundle.
    pub directory: Arc<dyn Directory>,
    /// Judges every command with the current bundle.
    pub judge: Arc<dyn Judge>,
    /// Access to approvals in the control plane.
    pub approvals: Arc<dyn Approvals>,
    /// Routes cancel requests to other gateways.
    pub cancels: Arc<dyn Cancels>,
    /// Destination of all records.
    pub journal: Arc<dyn Journal>,
    /// Source of the current time.
    pub clock: Arc<dyn Clock>,
    /// Base URL of the approver's page, e.g. `https://control.example:7443`; `None` if no page is configured.
    pub url: Option<Arc<str>>,
}

/// Routes cancel requests to the gateway that runs the command. Clients send them on a new connection, which a load
/// balancer may take to any gateway.
#[async_trait]
pub trait Cancels: Send + Sync + fmt::Debug {
    /// Number of this gateway, a part of the cancel keys of its clients. Zero until it has one.
    fn route(&self) -> u32;

    /// Authenticates the first bytes of a client's cancel key. The last bytes of the key are a prefix of the returned
    /// tag. `None` if there is no other gateway to authenticate to.
    fn vouch(&self, key: &[u8]) -> Option<[u8; 32]>;

    /// Forwards a cancel request to the gateway with the number `route`; the last `tag_bytes` of the key authenticate
    /// it. Returns when it was carried out there, or cannot be within a few seconds. As in the protocols, the caller
    /// does not learn which.
    async fn forward(&self, route: u32, protocol: &'static str, key: Vec<u8>, tag_bytes: usize);
}

/// Port for a gateway without others: nothing is forwarded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

#[async_trait]
impl Cancels for Alone {
    fn route(&self) -> u32 {
        0
    }

    fn vouch(&self, _key: &[u8]) -> Option<[u8; 32]> {
        None
    }

    async fn forward(&self, _route: u32, _protocol: &'static str, _key: Vec<u8>, _tag_bytes: usize) {}
}

/// Queries targets for the outcome of a command, by the evidence stored with its redemption. Implemented per
/// protocol.
#[async_trait]
pub trait Witness: Send + Sync + fmt::Debug {
    /// Asks the target whether the command ran.
    async fn testify(&self, context: &Context, evidence: &str) -> Said;
}

/// Answer of a target about a command in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The command ran; the text says how that is known.
    Ran(String),
    /// The command did not run and will not; the text says how that is known.
    DidNotRun(String),
    /// The target cannot tell, cannot tell yet, or is unreachable.
    CannotTell(String),
}

/// Authenticates clients: the control plane, in process or over the gateway's link.
#[async_trait]
pub trait Sessions: Send + Sync + fmt::Debug {
    /// Opens the session of a token on a target. The same token on the same target yields the same session, on any
    /// connection and any gateway.
    ///
    /// # Errors
    /// [`NotAdmitted`]. The check takes as long for an unknown token as for a known one.
    async fn open(&self, token: &Secret<String>, target: &TargetName) -> Result<Admitted, NotAdmitted>;
}

/// An open session, as one of its connections needs it.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Identifier of the opened session.
    pub session: SessionId,
    /// Requester on whose behalf the session is open.
    pub principal: Arc<Principal>,
    /// Stop signal for all connections of the session.
    pub stop: watch::Receiver<Stop>,
}

/// Reason why a token opens no session.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotAdmitted {
    /// The token is unknown, expired, revoked, or not for this target. The client does not learn which.
    #[error("token not accepted")]
    Refused,
    /// The token cannot be checked at the moment.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Targets and masking rules of the current bundle.
pub trait Directory: Send + Sync + fmt::Debug {
    /// Returns the target of this name, if it exists.
    fn target(&self, name: &TargetName) -> Option<Arc<Target>>;

    /// Returns the masking rules of the target.
    fn rules(&self, name: &TargetName) -> Vec<ColumnRule>;

    /// Returns the version of the current bundle.
    fn bundle(&self) -> BundleVersion;
}
