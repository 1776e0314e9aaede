//! Hints over Redis: one channel for each control-plane node, `cs:hints:<node>`. While Redis is away hints are lost at
//! once, so that nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_common::id::NodeId;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Heard, Hint, Hints, Lost};
use crate::redis::{self, Redis};

/// How many hints a slow node may leave unheard.
const UNHEARD_MAX: usize = 1024;

/// How long a hint may take to be published; later it is of no use.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(1);

/// How long Redis is left alone after a first failure, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Hints over Redis.
#[derive(Debug)]
pub struct RedisHints {
    redis: Arc<Redis>,
    away: Mutex<Option<Away>>,
}

/// Redis did not take a hint.
#[derive(Debug, Clone, Copy)]
struct Away {
    until: Instant,
    rest: Duration,
}

impl RedisHints {
    /// Over this Redis. It need not be there.
    #[must_use]
    pub fn new(redis: Arc<Redis>) -> Self {
        Self { redis, away: Mutex::default() }
    }

    fn is_away(&self) -> bool {
        self.away.lock().is_some_and(|away| Instant::now() < away.until)
    }

    fn answered(&self) {
        if self.away.lock().take().is_some() {
            tracing::info!("redis takes hints again");
        }
    }

    fn failed(&self, why: String) -> Lost {
        let mut away = self.away.lock();
        let now = Instant::now();
        match *away {
            None => tracing::warn!(why, "redis takes no hints; decisions are seen by way of the store"),
            // One failure of many that were under way counts once.
            Some(away) if now < away.until => return Lost(why),
            Some(_) => {}
        }
        let rest = away.map_or(REST.0, |away| (away.rest * 2).min(REST.1));
        *away = Some(Away { until: now + rest, rest });
        Lost(why)
    }
}

#[async_trait]
impl Hints for RedisHints {
    async fn tell(&self, node: NodeId, hint: Hint) -> Result<(), Lost> {
        if self.is_away() {
            return Err(Lost("redis is away".into()));
        }
        let (channel, payload) = (channel(node), hint.to_string());
        let published = self.redis.publish(&channel, payload.as_bytes());
        match tokio::time::timeout(PUBLISHED_WITHIN, published).await {
            Ok(Ok(())) => {
                self.answered();
                Ok(())
            }
            Ok(Err(error)) => Err(self.failed(error.to_string())),
            Err(_) => Err(self.failed("redis does not answer".into())),
        }
    }

    fn listen(&self, node: NodeId) -> (mpsc::Receiver<Heard>, BoxFuture<'static, ()>) {
        let (to, heard) = mpsc::channel(UNHEARD_MAX);
        let (mut from, subscribed) = self.redis.subscribe(vec![channel(node)]);
        let pass_on = async move {
            while let Some(said) = from.recv().await {
                // A node that is slow makes the subscription wait, which then begins anew, with a gap.
                if to.send(read(&said)).await.is_err() {
                    return;
                }
            }
        };
        (heard, futures::future::join(pass_on, subscribed).map(drop).boxed())
    }
}

fn channel(node: NodeId) -> String {
    format!("cs:hints:{node}")
}

fn read(said: &redis::Heard) -> Heard {
    match said {
        redis::Heard::Message { payload, .. } => Hint::read(payload).map_or(Heard::Strange, Heard::Hint),
        redis::Heard::Gap => Heard::Gap,
        redis::Heard::Down(_) => Heard::Deaf,
    }
}
