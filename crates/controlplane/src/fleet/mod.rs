//! The fleet: gateways that join, and the links over which they work. What the control plane means by a call is
//! where the state is; here stands who may make it, over which link, and what is done when somebody is lost.
//!
//! - [`authority`], [`member`], [`join`]: who belongs to the fleet; [`proofs`]: who speaks for which session.
//! - [`nodes`]: who is alive, by leases in the store.
//! - [`link`], [`links`]: the one stream of each gateway.
//! - [`revoked`]: who was shut out.
//! - [`cancels`], [`doubt`], [`hints`], [`ready`], [`sample`]: what nodes do for each other's gateways, and look after.
//! - [`listener`], [`places`]: the listener of the fleet, and how many it lets in.

pub mod authority;
mod cancels;
mod doubt;
mod hints;
pub mod intake;
mod join;
mod link;
mod links;
mod listener;
mod lost;
mod measure;
pub mod member;
mod nodes;
mod open;
mod places;
mod proofs;
mod pulse;
mod ready;
mod revoked;
mod sample;

use std::sync::Arc;
use std::time::Duration;

use countersign_common::id::{NodeId, Subject};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, watch};

pub use join::{JoinError, JoinToken, ListedToken, Uses};
pub(crate) use link::Outgoing;
pub use listener::{FleetListener, ListenError};
pub(crate) use listener::{Peer, Secured};
pub use nodes::{Gateway, Kind, Node, RegisterError};
pub(crate) use nodes::{LOST, control_of, start_of};
pub(crate) use open::Opening;
pub use revoked::{CERTIFICATE_TTL_MAX, RevokeError, RevokedGateway};

use self::authority::{Authority, AuthorityError, CertificateRequest};
use self::cancels::{Carrying, Vouchers};
use self::doubt::Doubts;
use self::intake::RecordIntake;
use self::join::Joins;
use self::links::Links;
use self::member::{GatewayName, Member};
use self::nodes::Nodes;
use self::proofs::Proofs;
use self::pulse::Pulse;
use self::revoked::Revoked;
use self::sample::Sampler;
use crate::ControlPlane;
use crate::hints::Hints;
use crate::store::{Store, StoreError};

/// How the fleet is run.
#[derive(Debug)]
pub struct FleetOptions {
    /// The name of this control-plane node, for people.
    pub name: String,
    /// The product's version.
    pub software: String,
    /// Names and addresses under which gateways reach this node.
    pub names: Vec<String>,
    /// Who certifies.
    pub authority: Authority,
    /// Where the records of gateways go.
    pub intake: Arc<dyn RecordIntake>,
    /// How nodes tell each other of decisions before the store does; `None`: not. Default `None`.
    pub hints: Option<Arc<dyn Hints>>,
    /// How long a node that nobody hears of is alive. Default 30 s.
    pub node_ttl: Duration,
    /// How long a gateway may judge after it last heard from a node that reaches its store. Default 15 s.
    pub bundle_lease: Duration,
    /// How long a gateway's certificate is valid. Default 24 hours.
    pub certificate_ttl: Duration,
    /// One in so many commands that gateways decided by themselves is judged again; zero: none. Default 100.
    pub sample_one_in: u32,
}

impl FleetOptions {
    /// With the defaults.
    #[must_use]
    pub fn new(name: impl Into<String>, authority: Authority, intake: Arc<dyn RecordIntake>) -> Self {
        Self {
            name: name.into(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            names: Vec::new(),
            authority,
            intake,
            hints: None,
            node_ttl: Duration::from_secs(30),
            bundle_lease: Duration::from_secs(15),
            certificate_ttl: Duration::from_secs(24 * 3600),
            sample_one_in: 100,
        }
    }
}

/// The fleet, as one control-plane node has it.
#[derive(Debug)]
pub struct Fleet {
    control: Arc<ControlPlane>,
    options: FleetOptions,
    joins: Joins,
    proofs: Proofs,
    vouchers: Vouchers,
    nodes: Nodes,
    links: Links,
    doubts: Doubts,
    pulse: Pulse,
    revoked: Revoked,
    /// Turns of cancel requests on their way to other nodes.
    cancelling: Semaphore,
    /// Cancel requests that gateways with a link here are carrying out.
    carrying: Carrying,
    /// This node's own record; another one after its lease was lost.
    own: Mutex<Node>,
    /// Those whose streams of records have to be ended.
    to_end: mpsc::Sender<NodeId>,
    /// The other end, until [`Fleet::run`] takes it.
    ends: Mutex<Option<mpsc::Receiver<NodeId>>>,
}

/// How many gateways may wait for their streams to be ended; those beyond are found again later.
const ENDS_WAITING_MAX: usize = 1024;

/// Why a gateway got no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// It is not let in.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// Its request is no good, or the authority is not.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// It was shut out.
    #[error("this gateway was revoked")]
    Revoked,
    /// It cannot be found out whether it was.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The certificate of a gateway, and whom to trust; DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// The chain, its own first.
    pub certificates: Vec<Vec<u8>>,
    /// The authorities.
    pub authorities: Vec<Vec<u8>>,
}

impl Fleet {
    /// Enters this node into the fleet. [`Fleet::run`] has to run beside its listener.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(control: Arc<ControlPlane>, options: FleetOptions) -> Result<Arc<Self>, StoreError> {
        let (store, clock) = (control.store(), control.clock());
        let nodes = Nodes::new(Arc::clone(store), Arc::clone(clock), control.node(), options.node_ttl);
        let revoked = Revoked::load(Arc::clone(store), Arc::clone(clock)).await?;
        let own = nodes.register_self(&options.name, &options.software).await?;
        let (to_end, ends) = mpsc::channel(ENDS_WAITING_MAX);
        Ok(Arc::new(Self {
            to_end,
            ends: Mutex::new(Some(ends)),
            joins: Joins::new(Arc::clone(store), Arc::clone(clock), options.authority.digest()),
            proofs: Proofs::new(&options.authority),
            vouchers: Vouchers::new(&options.authority),
            nodes,
            links: Links::default(),
            doubts: Doubts::default(),
            cancelling: Semaphore::new(cancels::WRITTEN_AT_ONCE),
            carrying: Carrying::default(),
            pulse: Pulse::new(Arc::clone(store)),
            revoked,
            own: Mutex::new(own),
            control,
            options,
        }))
    }

    /// A token with which one gateway joins, or any number of them.
    ///
    /// # Errors
    /// When its life is out of bounds, or the store fails.
    pub async fn issue_join_token(
        &self,
        ttl: Duration,
        uses: Uses,
        by: &Subject,
    ) -> Result<JoinToken, JoinError> {
        self.joins.issue(ttl, uses, by).await
    }

    /// The join tokens that there are, the first to end first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_join_tokens(&self) -> Result<Vec<ListedToken>, StoreError> {
        self.joins.list().await
    }

    /// Takes a join token back; `None`: there is none of this id, or more than one. Who has joined with it stays.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_join_token(
        &self,
        id: &str,
        by: &Subject,
        reason: &str,
    ) -> Result<Option<ListedToken>, JoinError> {
        self.joins.revoke(id, by, reason).await
    }

    /// A gateway joins.
    ///
    /// # Errors
    /// When its token is not accepted, its request is no good, or the store fails.
    pub async fn join(
        &self,
        token: &countersign_common::Secret<String>,
        name: &GatewayName,
        request: &[u8],
    ) -> Result<Certified, AdmitError> {
        let request = CertificateRequest::read(request)?;
        let member = self.joins.admit(token, name, request.key_digest()).await?;
        self.not_revoked(&member).await?;
        let certified = self.certify(&member, &request)?;
        tracing::info!(gateway = %member.name, member = %member.id, "a gateway joined the fleet");
        Ok(certified)
    }

    /// A gateway renews its certificate, for a key of its choice.
    ///
    /// # Errors
    /// When it was shut out, its request is no good, or the store fails.
    pub async fn renew(&self, member: &Member, request: &[u8]) -> Result<Certified, AdmitError> {
        self.not_revoked(member).await?;
        Ok(self.certify(member, &CertificateRequest::read(request)?)?)
    }

    /// As the store has it: what this node has heard may be late.
    async fn not_revoked(&self, member: &Member) -> Result<(), AdmitError> {
        if self.revoked.is_revoked(member).await? { Err(AdmitError::Revoked) } else { Ok(()) }
    }

    fn certify(&self, member: &Member, request: &CertificateRequest) -> Result<Certified, AuthorityError> {
        let authority = &self.options.authority;
        let (ttl, now) = (self.options.certificate_ttl, self.control.clock().now());
        let certificates = authority.gateway(member, request, ttl, now)?;
        Ok(Certified {
            certificates: certificates.iter().map(|one| one.to_vec()).collect(),
            authorities: vec![authority.certificate().to_vec()],
        })
    }

    /// The nodes that are alive, as far as this one has heard: control plane first, then by name.
    #[must_use]
    pub fn list(&self) -> Vec<Node> {
        self.nodes.list()
    }

    /// Asks a gateway to drain, by its id or its name; `None`: there is none, or more than one of that name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn drain(&self, wanted: &str) -> Result<Option<Node>, StoreError> {
        let mut found = self.nodes.list();
        found.retain(|node| {
            node.gateway().is_some() && (node.name == wanted || node.id.to_string() == wanted)
        });
        match found.as_slice() {
            [one] => self.nodes.draining(one.id, true).await,
            _ => Ok(None),
        }
    }

    /// Looks after the fleet until `stop` turns true or its sender is gone; then says goodbye for this node. To be
    /// run once, as a task of its own.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.keep_own_place() => {}
            () = self.follow_nodes() => {}
            () = self.give_lost_up() => {}
            () = self.end_streams() => {}
            () = self.follow_revoked() => {}
            () = self.follow_cancels() => {}
            () = self.settle_doubts() => {}
            () = self.exchange_hints() => {}
            () = self.get_ready() => {}
            () = self.measure() => {}
        }
    }

    /// This node ends, its links have: it is gone at once.
    pub async fn goodbye(&self) {
        let own = self.own.lock().clone();
        if let Err(error) = self.nodes.goodbye(&own).await {
            tracing::warn!(%error, "this node's place in the fleet has to run out");
        }
    }

    pub(crate) fn control(&self) -> &Arc<ControlPlane> {
        &self.control
    }

    fn options(&self) -> &FleetOptions {
        &self.options
    }

    fn intake(&self) -> &Arc<dyn RecordIntake> {
        &self.options.intake
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.control.store()
    }

    fn hints(&self) -> Option<&Arc<dyn Hints>> {
        self.options.hints.as_ref()
    }

    fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    fn vouchers(&self) -> &Vouchers {
        &self.vouchers
    }

    fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    fn links(&self) -> &Links {
        &self.links
    }

    fn doubts(&self) -> &Doubts {
        &self.doubts
    }

    fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Whether this node may say that it is there: it reaches its store, and what it knows follows it.
    fn vouches(&self) -> bool {
        self.pulse.is_felt() && self.control.follows_the_store()
    }

    /// Waits until this node has not vouched for as long as its gateways may judge by themselves.
    async fn cut_off(&self) {
        let lease = self.options.bundle_lease;
        tokio::select! {
            () = self.pulse.lost_for(lease) => {}
            () = self.control.lags_for(lease) => {}
        }
    }

    fn sampler(&self) -> Sampler {
        let (bundles, sessions) = (self.control.bundles(), self.control.sessions());
        Sampler::new(Arc::clone(bundles), Arc::clone(sessions), self.options.sample_one_in)
    }
}

#[cfg(test)]
mod tests;
