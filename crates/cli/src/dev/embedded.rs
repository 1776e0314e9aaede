//! The control plane as a gateway in the same process sees it: the road's ports, filled by direct calls.
//! A gateway of its own will fill the same ports over its link.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_common::approval::{Approval, Evidence, Rejection};
use countersign_common::id::{ApprovalId, SessionId, TargetName};
use countersign_common::{Digest, Secret};
use countersign_controlplane::ControlPlane;
use countersign_controlplane::approvals::{self, ApprovalError, Held};
use countersign_controlplane::sessions::{Revocation, SessionRefused};
use countersign_lifecycle::ports::{
    Admitted, Approvals, HoldError, HoldRequest, NotAdmitted, Redeem, RedeemError, Sessions, Stop, Testimony,
    Unavailable,
};
use parking_lot::Mutex;
use tokio::sync::watch;

/// How often sessions are looked at for their expiry.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often a report that the store did not take is tried again, and how long between.
const REPORT_ATTEMPTS: u32 = 8;
const REPORT_PAUSE: Duration = Duration::from_millis(250);

/// The control plane in this process.
#[derive(Debug)]
pub(crate) struct Embedded {
    control_plane: Arc<ControlPlane>,
    /// The stop signals of the sessions that have connections here.
    stops: Mutex<HashMap<SessionId, watch::Sender<Stop>>>,
}

impl Embedded {
    /// Over this control plane. [`Embedded::watch_sessions`] has to run beside it.
    #[must_use]
    pub(crate) fn new(control_plane: Arc<ControlPlane>) -> Self {
        Self { control_plane, stops: Mutex::default() }
    }

    /// Stops the connections of sessions that were revoked or have expired, until `stop` is set; then tells all
    /// connections that the gateway drains.
    pub(crate) async fn watch_sessions(&self, mut stop: watch::Receiver<bool>) {
        let mut revocations = self.control_plane.sessions().watch_revocations();
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                revocation = revocations.next() => match revocation {
                    Some(Revocation::Session(id)) => self.look_at(id),
                    Some(Revocation::LookAgain) => self.look_at_all(),
                    None => break,
                },
                _ = look.tick() => self.look_at_all(),
            }
        }
        for sender in self.stops.lock().values() {
            sender.send_replace(Stop::Drain);
        }
    }

    fn look_at_all(&self) {
        let known: Vec<_> = {
            let mut stops = self.stops.lock();
            stops.retain(|_, sender| sender.receiver_count() > 0);
            stops.keys().copied().collect()
        };
        for id in known {
            self.look_at(id);
        }
    }

    fn look_at(&self, id: SessionId) {
        if let Err(refused) = self.control_plane.sessions().check(id)
            && let Some(sender) = self.stops.lock().get(&id)
        {
            tracing::info!(session = %id, reason = %refused, "the connections of a session are stopped");
            sender.send_replace(Stop::Revoked("the session was revoked or has expired".into()));
        }
    }

    fn stop_of(&self, id: SessionId) -> watch::Receiver<Stop> {
        let mut stops = self.stops.lock();
        stops.entry(id).or_insert_with(|| watch::Sender::new(Stop::None)).subscribe()
    }
}

#[async_trait]
impl Sessions for Embedded {
    async fn open(&self, token: &Secret<String>, target: &TargetName) -> Result<Admitted, NotAdmitted> {
        let session = match self.control_plane.sessions().open_session(token, target).await {
            Ok(session) => session,
            Err(SessionRefused::Store(error)) => return Err(unavailable(&error).into()),
            Err(refused) => {
                tracing::info!(%target, reason = %refused, "a token was refused");
                return Err(NotAdmitted::Refused);
            }
        };
        let stop = self.stop_of(session.id);
        // A revocation between the two is seen here, or by the watch.
        self.look_at(session.id);
        Ok(Admitted { session: session.id, principal: session.principal, stop })
    }
}

#[async_trait]
impl Approvals for Embedded {
    async fn hold(&self, request: HoldRequest) -> Result<Approval, HoldError> {
        let locks_held = if request.in_transaction {
            vec!["an open transaction keeps its locks while this waits".to_owned()]
        } else {
            Vec::new()
        };
        let request = approvals::HoldRequest {
            session: request.session,
            command: request.command,
            context: request.context,
            digest: request.digest,
            facts: (*request.facts).clone(),
            terms: (*request.terms).clone(),
            bundle: request.bundle,
            locks_held,
        };
        match self.control_plane.approvals().hold(request).await {
            Ok(Held { approval, .. }) => Ok(approval),
            Err(error @ ApprovalError::Limited { .. }) => Err(HoldError::Limited(error.to_string())),
            Err(error) => Err(unavailable(&error).into()),
        }
    }

    async fn changed(&self, id: ApprovalId, seen: u64) -> Result<Arc<Approval>, Unavailable> {
        let mut watch =
            self.control_plane.approvals().watch(id).await.map_err(|error| unavailable(&error))?;
        let mut approval = Some(watch.current());
        loop {
            // Not kept over the wait: many wait.
            if let Some(newer) = approval.take().filter(|approval| approval.revision > seen) {
                return Ok(Arc::new(newer));
            }
            let next = watch.changed().await;
            approval = Some(next.ok_or_else(|| Unavailable("the control plane is going down".into()))?);
        }
    }

    async fn redeem(&self, redeem: Redeem) -> Result<Approval, RedeemError> {
        let Redeem { id, session, digest, owner, attempt, evidence } = redeem;
        let evidence = evidence.map_or(Evidence::None, Evidence::Presented);
        let redeem = approvals::Redeem { id, session, digest, owner, attempt, evidence };
        let outcome = self.control_plane.approvals().redeem(redeem).await;
        match outcome {
            Ok(approval) => Ok(approval),
            Err(error) => Err(self.not_redeemed(id, digest, error).await),
        }
    }

    async fn report(&self, id: ApprovalId, fence: u64, testimony: Testimony) {
        let approvals = self.control_plane.approvals();
        for attempt in 1..=REPORT_ATTEMPTS {
            let reported = match &testimony {
                Testimony::Ended(outcome) => approvals.report(id, fence, outcome.clone()).await,
                Testimony::NotSent => approvals.not_sent(id, fence).await,
                Testimony::Unknown => approvals.in_doubt(id, fence).await,
            };
            match reported {
                Ok(_) => return,
                Err(ApprovalError::Store(error)) if attempt < REPORT_ATTEMPTS => {
                    tracing::warn!(approval = %id, %error, "an outcome is reported again");
                    tokio::time::sleep(REPORT_PAUSE * attempt).await;
                }
                Err(error) => {
                    // It stays redeemed, and in doubt from this process's next start on: shown, never retried.
                    tracing::error!(approval = %id, %error, "an outcome was not taken");
                    return;
                }
            }
        }
    }

    async fn withdraw(&self, id: ApprovalId, by: SessionId) -> Result<Approval, Unavailable> {
        let withdrawn = self.control_plane.approvals().withdraw(id, by).await;
        self.standing_after(id, withdrawn).await
    }

    async fn void(&self, id: ApprovalId, by: SessionId, reason: String) -> Result<Approval, Unavailable> {
        let voided = self.control_plane.approvals().void(id, by, reason).await;
        self.standing_after(id, voided).await
    }
}

impl Embedded {
    /// The approval after it was taken back. It may be past that: then it is said where it stands.
    async fn standing_after(
        &self,
        id: ApprovalId,
        taken_back: Result<Approval, ApprovalError>,
    ) -> Result<Approval, Unavailable> {
        let error = match taken_back {
            Ok(approval) => return Ok(approval),
            Err(error) => error,
        };
        if !matches!(error, ApprovalError::Rejected(_)) {
            return Err(unavailable(&error));
        }
        let standing = self.control_plane.approvals().get(id).await.map_err(|error| unavailable(&error))?;
        Ok(standing.approval.clone())
    }

    /// Why an approval was not redeemed, as the road tells it apart.
    async fn not_redeemed(&self, id: ApprovalId, digest: Digest, error: ApprovalError) -> RedeemError {
        let rejection = match error {
            ApprovalError::Rejected(rejection) => rejection,
            ApprovalError::WrongDigest => Rejection::DigestMismatch,
            other => {
                // Voided by policy, say: what it stands at now tells the client more than the error does.
                tracing::info!(approval = %id, %digest, error = %other, "an approval was not redeemed");
                match self.control_plane.approvals().get(id).await {
                    Ok(snapshot) if snapshot.approval.state.is_terminal() => {
                        let state = snapshot.approval.state.as_str();
                        return RedeemError::Rejected {
                            rejection: Rejection::WrongState { state, event: "redemption" },
                            standing: Box::new(snapshot.approval.clone()),
                        };
                    }
                    _ => return RedeemError::Unavailable(unavailable(&other)),
                }
            }
        };
        match self.control_plane.approvals().get(id).await {
            Ok(snapshot) => {
                RedeemError::Rejected { rejection, standing: Box::new(snapshot.approval.clone()) }
            }
            Err(error) => RedeemError::Unavailable(unavailable(&error)),
        }
    }
}

/// The cause is for our log; a client learns that nobody can be asked.
fn unavailable(error: &dyn std::error::Error) -> Unavailable {
    tracing::error!(%error, "the control plane did not do its part");
    Unavailable("the approval service is not available".into())
}
