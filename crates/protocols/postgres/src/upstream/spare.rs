//! Connections of our own that sessions come before: where a role has no connection left, the one that reads the
//! catalogue is closed, and the session tries again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::{Connector, Opening, Upstream, UpstreamError};
use crate::codec::SqlState;

/// Attempts after a spare connection was asked for: the server takes a moment to notice that it was closed.
const ATTEMPTS: u32 = 20;
const ATTEMPT_EVERY: Duration = Duration::from_millis(50);

/// The spare connections that are open by way of a connector.
#[derive(Debug, Default)]
pub(super) struct Spares {
    open: AtomicUsize,
    wanted: Notify,
}

/// A connection that is closed when a session needs its place.
#[derive(Debug)]
pub(crate) struct SpareUpstream {
    upstream: Upstream,
    spares: Arc<Spares>,
}

impl SpareUpstream {
    /// The connection.
    pub(crate) const fn get(&mut self) -> &mut Upstream {
        &mut self.upstream
    }

    /// Waits until a session needs the place of this connection.
    pub(crate) async fn wanted(&self) {
        self.spares.wanted.notified().await;
    }

    /// Hears of sessions that need a place, also while the connection itself is in use.
    pub(crate) fn notice(&self) -> SpareNotice {
        SpareNotice(Arc::clone(&self.spares))
    }
}

/// Hears of sessions that need the place of a spare connection.
#[derive(Debug)]
pub(crate) struct SpareNotice(Arc<Spares>);

impl SpareNotice {
    /// Waits until a session needs a place.
    pub(crate) async fn wanted(&self) {
        self.0.wanted.notified().await;
    }
}

impl Drop for SpareUpstream {
    fn drop(&mut self) {
        self.spares.open.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Connector {
    /// Opens a connection that gives way to sessions.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub(crate) async fn connect_spare(&self, opening: &Opening<'_>) -> Result<SpareUpstream, UpstreamError> {
        let upstream = self.connect_once(opening).await?;
        self.spares.open.fetch_add(1, Ordering::AcqRel);
        Ok(SpareUpstream { upstream, spares: Arc::clone(&self.spares) })
    }

    /// Tries again to connect where the target refused for want of a free connection and a spare one is open.
    pub(super) async fn connect_in_place_of_spares(
        &self,
        opening: &Opening<'_>,
        refused: UpstreamError,
    ) -> Result<Upstream, UpstreamError> {
        if self.spares.open.load(Ordering::Acquire) == 0 {
            return Err(refused);
        }
        let mut last = refused;
        for _ in 0..ATTEMPTS {
            if !lacks_connections(&last) {
                break;
            }
            self.spares.wanted.notify_waiters();
            tokio::time::sleep(ATTEMPT_EVERY).await;
            match self.connect_once(opening).await {
                Ok(upstream) => return Ok(upstream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn lacks_connections(error: &UpstreamError) -> bool {
    matches!(error, UpstreamError::Refused { sqlstate, .. } if *sqlstate == SqlState::TOO_MANY_CONNECTIONS)
}
