//! The pipeline's ports, implemented over the link.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::call::Call;
use countersign_api::{parsed, required, timestamp};
use countersign_common::id::TargetName;
use countersign_common::{Principal, Secret};
use countersign_lifecycle::ports::{Admitted, Cancels, NotAdmitted, Sessions, Unavailable};

use super::attached::Opened;
use super::shared::{Shared, odd, silent};

/// Longest wait of a forwarded cancel request; longer than the control plane's own wait for the other gateway.
const CANCEL_TIME_MAX: Duration = Duration::from_secs(5);

/// Sessions, approvals and cancel requests over the link.
#[derive(Debug, Clone)]
pub(super) struct LinkPorts {
    pub(super) shared: Arc<Shared>,
}

#[async_trait]
impl Sessions for LinkPorts {
    async fn open(&self, token: &Secret<String>, target: &TargetName) -> Result<Admitted, NotAdmitted> {
        let open = v1::OpenSession { token: token.expose().clone(), target: target.to_string() };
        match self.shared.ask(Call::OpenSession(open)).await? {
            Answer::SessionOpened(opened) => Ok(self.admit(opened)?),
            Answer::NotAdmitted(_) => {
                tracing::info!(%target, "a token was refused");
                Err(NotAdmitted::Refused)
            }
            other => Err(odd(&other).into()),
        }
    }
}

impl LinkPorts {
    fn admit(&self, mut opened: v1::SessionOpened) -> Result<Admitted, Unavailable> {
        let record_proof = std::mem::take(&mut opened.record_proof);
        let (opened, principal) = read(opened).map_err(|error| {
            tracing::error!(%error, "the control plane sent a session that cannot be read");
            silent()
        })?;
        let session = opened.id;
        let stop = self.shared.change(|state| {
            let first = self.shared.first_stop(state);
            // Inserted under the lock that the sweep also holds, so that the sweep never removes a proof that a
            // connection is about to need.
            self.shared.record_proofs.insert(session, record_proof.into());
            state.attached.attach(opened, first, &mut state.outbox)
        });
        Ok(Admitted { session, principal, stop })
    }
}

fn read(opened: v1::SessionOpened) -> Result<(Opened, Arc<Principal>), countersign_api::BadField> {
    let proof = opened.proof.into();
    let session = required(opened.session, "session_opened.session")?;
    let principal: Principal = required(session.principal, "session.principal")?.try_into()?;
    let expires_at = timestamp(session.expire_time, "session.expire_time")?;
    Ok((Opened { id: parsed(&session.id, "session.id")?, expires_at, proof }, Arc::new(principal)))
}

#[async_trait]
impl Cancels for LinkPorts {
    fn route(&self) -> u32 {
        self.shared.route.load(Ordering::Acquire)
    }

    fn vouch(&self, key: &[u8]) -> Option<[u8; 32]> {
        let secret = self.shared.cancel_secret.load_full()?;
        hmac::sign(&secret, key).as_ref().try_into().ok()
    }

    /// Limited in number: the senders are not authenticated, and a late cancel request has no effect any more.
    async fn forward(&self, route: u32, protocol: &'static str, key: Vec<u8>, tag_bytes: usize) {
        let Ok(_turn) = self.shared.cancels.try_acquire() else { return };
        let tag_bytes = u32::try_from(tag_bytes).unwrap_or(u32::MAX);
        let cancel = v1::RouteCancel { route, protocol: protocol.to_owned(), key, tag_bytes };
        let _ = tokio::time::timeout(CANCEL_TIME_MAX, self.shared.ask(Call::Cancel(cancel))).await;
    }
}
