//! The operator: takes access back from agents, in every way there is, and applies a bundle that forbids some of them to
//! write, and the one before again; while their commands wait, run and come back.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tonic::Status;

use crate::api::{Access, Api, is_of_the_node};
use crate::history::{Event, History};
use crate::store::Store;

/// What the subjects of those begin with whom the strict bundle forbids to write.
pub const UNLUCKY: &str = "unlucky";

/// What the strict bundle forbids besides.
const STRICT: &str = r#"
@id("unlucky-write-not")
@reason("today is not your day")
forbid (principal in Group::"unlucky", action in Action::"write", resource in Environment::"production");
"#;

/// How long the operator does nothing between two deeds, at least and at most, in milliseconds.
const REST_MS: std::ops::Range<u64> = 1000..7000;

/// One agent, as the operator knows it.
#[derive(Debug, Clone)]
pub struct Employee {
    /// Subject and token id, in the order in which the agent takes them.
    pub identities: Vec<(String, String)>,
    /// Which it has now.
    pub turn: Arc<AtomicUsize>,
}

impl Employee {
    /// The subjects that it has had.
    #[must_use]
    pub fn known_as(&self) -> Vec<String> {
        let had = self.identities.iter().take(self.turn.load(Ordering::Acquire) + 1);
        had.map(|(subject, _)| subject.clone()).collect()
    }
}

/// Two bundles: the one that is in force at first, and a stricter one.
#[derive(Debug)]
pub struct Bundles {
    usual: HashMap<String, Vec<u8>>,
    strict: HashMap<String, Vec<u8>>,
}

impl Bundles {
    /// The one in a folder, and a stricter one made from it.
    ///
    /// # Errors
    /// It cannot be read, or has no policies.
    pub fn of(folder: &Path) -> Result<Self> {
        let mut usual = HashMap::new();
        for entry in std::fs::read_dir(folder).with_context(|| format!("no `{}`", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            usual.insert(name, std::fs::read(&path)?);
        }
        let mut strict = usual.clone();
        let policies = strict.get_mut("policies.cedar").context("a bundle without policies")?;
        policies.extend_from_slice(STRICT.as_bytes());
        Ok(Self { usual, strict })
    }
}

/// The operator.
#[derive(Debug)]
pub struct Operator {
    /// Their way to the control plane.
    pub api: Api,
    /// The agents.
    pub employees: Vec<Employee>,
    /// Where bundles may be applied.
    pub bundles: Option<Bundles>,
    /// Where it is looked up what the store has at a moment.
    pub store: Option<Store>,
    /// Where everything is written down.
    pub history: Arc<History>,
    /// Set when it is over.
    pub stop: Arc<AtomicBool>,
    /// Decides what they do.
    pub chance: fastrand::Rng,
}

impl Operator {
    /// Goes on until it is over.
    pub async fn work(mut self) {
        while self.rest().await {
            match self.chance.u8(0..100) {
                0..20 if self.bundles.is_some() => {
                    self.apply(true).await;
                    self.rest().await;
                    self.apply(false).await;
                }
                kind => self.stop_somebody(kind).await,
            }
        }
    }

    /// `false`: it is over.
    async fn rest(&mut self) -> bool {
        let mut left = self.chance.u64(REST_MS);
        while left > 0 && !self.is_over() {
            let moment = left.min(200);
            tokio::time::sleep(Duration::from_millis(moment)).await;
            left -= moment;
        }
        !self.is_over()
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn note(&self, event: Event) {
        self.history.add("operator", event);
    }

    /// The store's revision; `None`: there is no store, or it is over before it tells.
    async fn revision(&self) -> Option<u64> {
        let store = self.store.as_ref()?;
        loop {
            match store.revision() {
                Ok(revision) => return Some(revision),
                Err(_) if self.is_over() => return None,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    async fn apply(&self, strict: bool) {
        let Some(bundles) = &self.bundles else { return };
        let files = if strict { &bundles.strict } else { &bundles.usual };
        let revision = self.revision().await;
        self.note(Event::Applying { strict, revision });
        // Applied twice it is the same.
        if self.until_it_is_known(async || self.api.apply(files.clone()).await).await.is_ok() {
            let revision = self.revision().await;
            self.note(Event::Applied { strict, revision });
        }
    }

    async fn stop_somebody(&mut self, kind: u8) {
        let Some(employee) = self.chance.choice(&self.employees).cloned() else { return };
        let turn = employee.turn.load(Ordering::Acquire);
        // One who has no other name to work under afterwards is left in peace.
        let (Some((subject, token)), Some(_)) =
            (employee.identities.get(turn), employee.identities.get(turn + 1))
        else {
            return;
        };
        let access = match kind % 3 {
            0 => Access::Subject(subject.clone()),
            1 => Access::Token(token.clone()),
            _ => {
                match self.api.sessions_of(subject).await.ok().and_then(|sessions| sessions.first().cloned())
                {
                    Some(session) => Access::Session(session),
                    None => return,
                }
            }
        };
        self.note(Event::Stopping { subject: subject.clone() });
        if self.until_it_is_known(async || self.api.revoke(&access).await).await.is_ok() {
            let acknowledged = self.history.now_ms();
            let revision = self.revision().await;
            self.note(Event::Stopped { subject: subject.clone(), acknowledged, revision });
        }
    }

    /// Asks again and again, until a node says yes or no, or it is over.
    async fn until_it_is_known(&self, ask: impl AsyncFn() -> Result<(), Status>) -> Result<(), Status> {
        loop {
            match ask().await {
                Err(status) if is_of_the_node(&status) && !self.is_over() => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                answer => return answer,
            }
        }
    }
}
