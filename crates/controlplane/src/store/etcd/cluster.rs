//! The members of one etcd cluster: one connection and one state of health for each, and calls that go
//! to another member when one fails. A balancer inside the client would keep picking a dead member.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::access::{Credentials, EtcdConfig};
use super::wire::{Fault, Refusal, Wire};
use crate::store::StoreError;

/// How long one attempt at one member may take before the next is asked. Longer than a write on a busy
/// disk, shorter than an election.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a suspect is left alone after its first failure; doubled with each, up to the longest.
const SUSPECT_FIRST: Duration = Duration::from_millis(100);
const SUSPECT_LONGEST: Duration = Duration::from_secs(5);

/// The pause when every member has failed once more.
const ROUND_PAUSE: Duration = Duration::from_millis(100);

/// Whether a call may be sent again after nobody knows whether it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Doing it twice is as doing it once.
    Harmless,
    /// It must not be done twice.
    Never,
}

/// Why a call failed at all members.
#[derive(Debug, Clone)]
pub(super) enum Failed {
    /// It was not done.
    NotDone(String),
    /// Nobody knows whether it was, or will be.
    Unknown(String),
    /// It was refused; `unsure` when an earlier attempt of the same call may have been done.
    Refused { refusal: Refusal, unsure: bool },
    /// The files of the configuration cannot be read.
    Access(StoreError),
}

/// One attempt of a call.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    /// The connection to the member whose turn it is.
    pub(super) wire: Wire,
    /// Whether an earlier attempt of the same call may have been done.
    pub(super) unsure: bool,
}

/// The members.
#[derive(Debug)]
pub(super) struct Cluster {
    config: EtcdConfig,
    members: Vec<Member>,
    /// The one that calls go to while it does its part.
    preferred: AtomicUsize,
}

/// One member.
#[derive(Debug)]
struct Member {
    endpoint: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    wire: Option<Wire>,
    /// How often it has failed since it last did its part.
    failures: u32,
    /// Until when others are asked first.
    suspect_until: Option<Instant>,
}

/// How a member is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberHealth {
    /// Its address, as configured.
    pub endpoint: String,
    /// Whether others are asked first at the moment.
    pub suspect: bool,
    /// How often it has failed since it last did its part.
    pub failures: u32,
}

impl Cluster {
    pub(super) fn new(config: EtcdConfig) -> Self {
        let member = |endpoint: &String| Member { endpoint: endpoint.clone(), state: Mutex::default() };
        let members: Vec<_> = config.endpoints.iter().map(member).collect();
        // Not every control-plane node begins with the first.
        let preferred = AtomicUsize::new(std::process::id() as usize % members.len().max(1));
        Self { config, members, preferred }
    }

    pub(super) fn config(&self) -> &EtcdConfig {
        &self.config
    }

    pub(super) fn health(&self) -> Vec<MemberHealth> {
        let health = |member: &Member| {
            let state = member.state.lock();
            let suspect = state.suspect_until.is_some_and(|until| until > Instant::now());
            MemberHealth { endpoint: member.endpoint.clone(), suspect, failures: state.failures }
        };
        self.members.iter().map(health).collect()
    }

    pub(super) fn endpoints(&self) -> String {
        let quoted: Vec<_> = self.members.iter().map(|member| format!("`{}`", member.endpoint)).collect();
        quoted.join(", ")
    }

    /// Makes a call at the member that is best, and at the others when it fails, again and again until
    /// the call's time is over.
    pub(super) async fn call<T, F>(&self, repeat: Repeat, attempt: impl Fn(Attempt) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let deadline = Instant::now() + self.config.call_timeout();
        let unsure = AtomicBool::new(false);
        let mut last = String::from("no attempt was made");
        loop {
            for index in self.order() {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(if unsure.into_inner() {
                        Failed::Unknown(last)
                    } else {
                        Failed::NotDone(last)
                    });
                }
                match self.attempt(index, left.min(ATTEMPT_TIMEOUT), &unsure, &attempt).await? {
                    Ok(value) => return Ok(value),
                    Err(Fault::NotDone(said)) => last = self.about(index, &said),
                    Err(Fault::Unknown(said)) => {
                        last = self.about(index, &said);
                        unsure.store(true, Ordering::Relaxed);
                        if repeat == Repeat::Never {
                            return Err(Failed::Unknown(last));
                        }
                    }
                    Err(Fault::Refused(refusal)) => {
                        return Err(Failed::Refused { refusal, unsure: unsure.into_inner() });
                    }
                }
            }
            tokio::time::sleep(ROUND_PAUSE.min(deadline.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// One attempt at one member; its health is noted.
    async fn attempt<T, F>(
        &self,
        index: usize,
        patience: Duration,
        unsure: &AtomicBool,
        attempt: &impl Fn(Attempt) -> F,
    ) -> Result<Result<T, Fault>, Failed>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let wire = match timeout(patience, self.wire(index)).await {
            Ok(Ok(wire)) => wire,
            Ok(Err(Connecting::Access(error))) => return Err(Failed::Access(error)),
            Ok(Err(Connecting::Fault(Fault::Refused(refusal)))) => {
                return Ok(Err(Fault::Refused(refusal)));
            }
            Ok(Err(Connecting::Fault(Fault::NotDone(said) | Fault::Unknown(said)))) => {
                self.failed(index, &said);
                return Ok(Err(Fault::NotDone(said)));
            }
            Err(_) => {
                let said = format!("no connection within {patience:?}");
                self.failed(index, &said);
                return Ok(Err(Fault::NotDone(said)));
            }
        };
        let unsure = unsure.load(Ordering::Relaxed);
        let answer = timeout(patience, attempt(Attempt { wire, unsure })).await;
        let answer = answer.unwrap_or_else(|_| Err(Fault::Unknown(format!("no answer within {patience:?}"))));
        match &answer {
            Ok(_) | Err(Fault::Refused(_)) => self.well(index),
            Err(Fault::NotDone(said) | Fault::Unknown(said)) => self.failed(index, said),
        }
        Ok(answer)
    }

    /// The connection to a member; a new one when there is none.
    pub(super) async fn wire(&self, index: usize) -> Result<Wire, Connecting> {
        let member = self.members.get(index).ok_or_else(|| Connecting::not_done("no such member"))?;
        if let Some(wire) = member.state.lock().wire.clone() {
            return Ok(wire);
        }
        let credentials = Credentials::read(&self.config).await.map_err(Connecting::Access)?;
        let wire = Wire::connect(&member.endpoint, &credentials).await.map_err(Connecting::Fault)?;
        member.state.lock().wire = Some(wire.clone());
        Ok(wire)
    }

    /// The members in the order in which they are to be asked: the preferred one, the others, the
    /// suspects; of these first the one whose time is over first.
    pub(super) fn order(&self) -> Vec<usize> {
        let (now, preferred) = (Instant::now(), self.preferred.load(Ordering::Relaxed));
        let mut order: Vec<_> = (0..).zip(&self.members).collect();
        order.sort_by_cached_key(|(index, member): &(usize, &Member)| {
            let suspect = member.state.lock().suspect_until.filter(|until| *until > now);
            let distance = (index + self.members.len() - preferred) % self.members.len();
            (suspect, distance)
        });
        order.into_iter().map(|(index, _)| index).collect()
    }

    pub(super) fn well(&self, index: usize) {
        let Some(member) = self.members.get(index) else { return };
        let recovered = {
            let mut state = member.state.lock();
            state.suspect_until = None;
            std::mem::take(&mut state.failures) > 0
        };
        if recovered {
            tracing::info!(endpoint = %member.endpoint, "the etcd member does its part again");
        }
        self.preferred.store(index, Ordering::Relaxed);
    }

    /// Notes a failure, and gives the connection up: the client mends nothing by itself.
    pub(super) fn failed(&self, index: usize, said: &str) {
        let Some(member) = self.members.get(index) else { return };
        let failures = {
            let mut state = member.state.lock();
            state.wire = None;
            state.failures = state.failures.saturating_add(1);
            let rest = SUSPECT_FIRST.saturating_mul(1 << (state.failures - 1).min(10)).min(SUSPECT_LONGEST);
            state.suspect_until = Some(Instant::now() + rest);
            state.failures
        };
        if failures == 1 {
            tracing::warn!(endpoint = %member.endpoint, said, "an etcd member fails; the others are asked");
        }
    }

    /// Gives a connection up without a failure: the next call makes a new one.
    pub(super) fn renew(&self, index: usize) {
        if let Some(member) = self.members.get(index) {
            member.state.lock().wire = None;
        }
    }

    /// What a member said, with its address.
    pub(super) fn about(&self, index: usize, said: &str) -> String {
        let endpoint = self.members.get(index).map_or("", |member| member.endpoint.as_str());
        format!("{endpoint}: {said}")
    }

    /// The versions of the members that answer, each with its address. Asks all of them at once.
    pub(super) async fn versions(&self) -> Vec<(String, Result<String, Connecting>)> {
        let all = (0..).zip(&self.members).map(async |(index, member)| {
            let asked = timeout(ATTEMPT_TIMEOUT, async {
                self.wire(index).await?.version().await.map_err(Connecting::Fault)
            });
            let answer = asked.await.unwrap_or_else(|_| Err(Connecting::not_done("no answer")));
            (member.endpoint.clone(), answer)
        });
        futures::future::join_all(all).await
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum Connecting {
    /// The files of the configuration cannot be read.
    Access(StoreError),
    /// The member cannot be reached, or does not let us in.
    Fault(Fault),
}

impl Connecting {
    fn not_done(said: &str) -> Self {
        Self::Fault(Fault::NotDone(said.to_owned()))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLease => f.write_str("there is no such lease"),
            Self::LeaseExists => f.write_str("there is such a lease already"),
            Self::Compacted(oldest) => write!(f, "the history begins at {}", oldest.0),
            Self::Unauthorised(said) | Self::Other(said) => f.write_str(said),
        }
    }
}
