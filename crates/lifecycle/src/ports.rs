//! The ports that a gateway plugs into the road: who judges, who keeps approvals, where records go, what
//! stops a connection. Each has at least two implementations: the real one and the simulation's.

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

/// Judges commands with the current bundle. Pure and quick: it is asked on every command.
pub trait Judge: Send + Sync + fmt::Debug {
    /// Decides.
    ///
    /// # Errors
    /// [`Unavailable`] when there is no bundle to judge by, or its lease has run out (I8).
    fn judge(&self, question: &Question<'_>) -> Result<Ruling, Unavailable>;

    /// Whether what was judged may still be let go. Asked where a command has waited since, for its record or for people,
    /// right before it goes.
    ///
    /// # Errors
    /// [`Unavailable`] when the lease has run out meanwhile (I8).
    fn may_release(&self) -> Result<(), Unavailable>;
}

/// What is asked of a [`Judge`].
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Arc<Principal>,
    /// Of what.
    pub target: &'a Arc<Target>,
    /// With which role there.
    pub role: &'a RoleName,
    /// In which database.
    pub database: &'a str,
    /// To do what.
    pub facts: &'a Arc<Facts>,
    /// Whether running it changes something, as [`crate::Exchange::changes`] says.
    pub changes: bool,
    /// Inside an open transaction or not.
    pub in_transaction: bool,
}

/// What was decided, and by what.
#[derive(Debug, Clone)]
pub struct Ruling {
    /// The decision.
    pub verdict: Verdict,
    /// The policies that determined it, as far as known.
    pub policies: Vec<PolicyId>,
    /// The bundle it was decided by.
    pub bundle: BundleVersion,
}

/// Something that the road needs cannot be had at the moment. Nothing was run.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Keeps approvals: the control plane, in process or over its link.
#[async_trait]
pub trait Approvals: Send + Sync + fmt::Debug {
    /// Begins a hold, or joins the open approval of the same session and digest, or answers with the
    /// remembered denial of it.
    ///
    /// # Errors
    /// [`HoldError`]; then nobody is asked.
    async fn hold(&self, request: HoldRequest) -> Result<Approval, HoldError>;

    /// Waits until the approval has a revision above `seen`, and returns it.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be watched any more.
    ///
    /// # Cancel safety
    /// Required.
    async fn changed(&self, id: ApprovalId, seen: u64) -> Result<Arc<Approval>, Unavailable>;

    /// Uses the approval up (I1). On success the caller, and nobody else, may let the command go, and has
    /// to report what became of it.
    ///
    /// # Errors
    /// [`RedeemError`]; then the command must not go.
    async fn redeem(&self, redeem: Redeem) -> Result<Approval, RedeemError>;

    /// Reports what became of a redeemed command; kept until it is delivered.
    async fn report(&self, id: ApprovalId, fence: u64, testimony: Testimony);

    /// Takes a request back, and answers with the approval as it stands afterwards: withdrawn, or where it already was
    /// past that.
    ///
    /// # Errors
    /// [`Unavailable`]: nobody answered, so it may still be decided.
    async fn withdraw(&self, id: ApprovalId, by: SessionId) -> Result<Approval, Unavailable>;

    /// Voids an approval whose command would not do any more what people were asked about, and answers with the
    /// approval as it stands afterwards: voided, or where it already was past that.
    ///
    /// # Errors
    /// [`Unavailable`]: nobody answered, so it may still be open.
    async fn void(&self, id: ApprovalId, by: SessionId, reason: String) -> Result<Approval, Unavailable>;
}

/// What a gateway presents in order to run a command.
#[derive(Debug, Clone)]
pub struct Redeem {
    /// The approval.
    pub id: ApprovalId,
    /// The session on whose connection it will run.
    pub session: SessionId,
    /// The digest of what is about to be sent (I2).
    pub digest: Digest,
    /// The gateway.
    pub owner: NodeId,
    /// This attempt: asked again after a lost answer, it gets the same answer.
    pub attempt: AttemptId,
    /// By what the target will remember the command, whatever becomes of it; kept with the redemption. `None`: by nothing.
    pub evidence: Option<String>,
}

/// Why nobody is asked about a command. It was not run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HoldError {
    /// Too many requests are open: the reason is for the client.
    #[error("{0}")]
    Limited(String),
    /// Policy blocks the command by what the control plane finds it to do: the reason is for the client.
    #[error("{0}")]
    Blocked(String),
    /// Nobody can be asked at the moment.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

/// Why an approval was not redeemed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedeemError {
    /// It does not take it: used up by somebody else, ended, or for something else.
    #[error("{rejection}")]
    Rejected {
        /// Why.
        rejection: Rejection,
        /// The approval as it stands.
        standing: Box<Approval>,
    },
    /// Nobody answered, or the write failed, so that it is *not known* whether it was redeemed. The command
    /// must not go; the control plane will find out that this owner has not sent it.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

/// What a gateway knows about a command that it let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Testimony {
    /// The target answered.
    Ended(Outcome),
    /// Not a byte of it went upstream.
    NotSent,
    /// The connection broke in between: nobody knows.
    Unknown,
}

/// What begins a hold.
#[derive(Debug, Clone)]
pub struct HoldRequest {
    /// What would be approved (I2).
    pub digest: Digest,
    /// The session that asks.
    pub session: SessionId,
    /// Who asks.
    pub principal: Arc<Principal>,
    /// The exact command, as the approver will see it.
    pub command: Command,
    /// What gives it its meaning: target, role, database, settings, transaction so far.
    pub context: Context,
    /// What it does.
    pub facts: Arc<Facts>,
    /// Who has to agree.
    pub terms: Arc<Terms>,
    /// The bundle that asked for it.
    pub bundle: BundleVersion,
    /// Whether an open transaction keeps its locks meanwhile.
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

/// Waits until a connection has to stop, and says why. A signal that nobody can give any more means that
/// the gateway is going down.
///
/// # Cancel safety
/// Safe: it only looks.
pub async fn stopped(stop: &mut watch::Receiver<Stop>) -> Stop {
    match stop.wait_for(|stop| *stop != Stop::None).await {
        Ok(stop) => stop.clone(),
        Err(_) => Stop::Drain,
    }
}

/// Why a connection has to end, or its waits have to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It may go on.
    None,
    /// Its session was revoked or has expired: what waits is refused and the connection ends.
    Revoked(String),
    /// The gateway is drained: what runs may end, what waits is given its ticket.
    Drain,
}

/// What a gateway plugs in, all of it.
#[derive(Debug, Clone)]
pub struct Ports {
    /// This start of this gateway.
    pub node: NodeId,
    /// Who tells sessions from strangers.
    pub sessions: Arc<dyn Sessions>,
    /// What the current bundle says of targets.
    pub directory: Arc<dyn Directory>,
    /// Who judges.
    pub judge: Arc<dyn Judge>,
    /// Who keeps approvals.
    pub approvals: Arc<dyn Approvals>,
    /// Who finds the gateway that a cancel request is meant for.
    pub cancels: Arc<dyn Cancels>,
    /// Where records go.
    pub journal: Arc<dyn Journal>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where the approver's page is, when there is one: `https://control.example:7443`.
    pub url: Option<Arc<str>>,
}

/// Finds the gateway that a cancel request is meant for: clients send it on a connection of its own, which a load
/// balancer takes anywhere.
#[async_trait]
pub trait Cancels: Send + Sync + fmt::Debug {
    /// This gateway's number, for the keys that its clients are given. Zero while it has none.
    fn route(&self) -> u32;

    /// What vouches for a key that a client is given, of which these are the first bytes: its last bytes are the first of
    /// this. `None`: there is nobody to vouch to.
    fn vouch(&self, key: &[u8]) -> Option<[u8; 32]>;

    /// Takes a cancel request to the gateway with this number; the last `tag_bytes` of the key vouch for it. Returns when
    /// it was carried out there, or cannot be within a few seconds. As in the protocols, nobody is told which.
    async fn forward(&self, route: u32, protocol: &'static str, key: Vec<u8>, tag_bytes: usize);
}

/// A gateway that is alone: there is nowhere to forward to.
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

/// Asks targets whether a command ran, by evidence that was presented before: a protocol, for its targets.
#[async_trait]
pub trait Witness: Send + Sync + fmt::Debug {
    /// What the target says.
    async fn testify(&self, context: &Context, evidence: &str) -> Said;
}

/// What a target says about a command in doubt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It ran; how that is known.
    Ran(String),
    /// It did not, and will not; how that is known.
    DidNotRun(String),
    /// The target cannot tell, cannot tell yet, or cannot be reached.
    CannotTell(String),
}

/// Tells sessions from strangers: the control plane, in process or over its link.
#[async_trait]
pub trait Sessions: Send + Sync + fmt::Debug {
    /// The session of a token on a target. The same token on the same target is the same session, on whichever
    /// connection and gateway.
    ///
    /// # Errors
    /// [`NotAdmitted`]; takes as long for an unknown token as for a known one.
    async fn open(&self, token: &Secret<String>, target: &TargetName) -> Result<Admitted, NotAdmitted>;
}

/// A session, as a connection of it needs it.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Its id.
    pub session: SessionId,
    /// Who asks.
    pub principal: Arc<Principal>,
    /// What stops its connections.
    pub stop: watch::Receiver<Stop>,
}

/// Why a token opens no session.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotAdmitted {
    /// It is unknown, expired, revoked, or not for this target: the client is not told which.
    #[error("token not accepted")]
    Refused,
    /// Nobody can tell at the moment.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// What the current bundle says of targets.
pub trait Directory: Send + Sync + fmt::Debug {
    /// The target, if there is one of this name.
    fn target(&self, name: &TargetName) -> Option<Arc<Target>>;

    /// The target's masking rules.
    fn rules(&self, name: &TargetName) -> Vec<ColumnRule>;

    /// The version of the bundle.
    fn bundle(&self) -> BundleVersion;
}
