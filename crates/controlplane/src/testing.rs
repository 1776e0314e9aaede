//! What the tests of this crate share: a control plane in a scratch directory, with a clock that is
//! moved by hand, a judge that does as its bundle says, and an archive with one record.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use countersign_common::approval::{Evidence, RequestLimits, Stage, Terms, Vote};
use countersign_common::command::{self, Command, Context};
use countersign_common::facts::{Action, Operation};
use countersign_common::id::{
    AttemptId, BundleVersion, EnvironmentName, GroupName, NodeId, RoleName, SessionId, Subject, TargetName,
};
use countersign_common::principal::Kind;
use countersign_common::time::{Clock as _, ManualClock};
use countersign_common::verdict::{Duties, Reason};
use countersign_common::{Digest, Facts, Principal, Secret, Timestamp, Verdict};
use countersign_recording::Recorded;
use futures::StreamExt as _;
use tempfile::TempDir;

use crate::approvals::{Decide, Held, HoldRequest, Redeem};
use crate::audit::{Archive, ArchiveError, CommandSummary, Recording, Records, Verification};
use crate::bundles::{Compile, Fault, Files, Judge, Question};
use crate::history::HistoryOptions;
use crate::journal::Anchor;
use crate::sessions::{IssueToken, Session};
use crate::{ControlPlane, Options};

pub(crate) const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A control plane in a scratch directory.
pub(crate) struct Scratch {
    pub(crate) control: Arc<ControlPlane>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) dir: TempDir,
}

impl Scratch {
    /// With a bundle that holds everything for one of the group `dba`.
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let control = open(dir.path(), &clock).await;
        control.apply_bundle(bundle("hold dba 1"), &subject("operator")).await.unwrap();
        Self { control, clock, dir }
    }

    /// The same directory, opened by the next start.
    pub(crate) async fn restart(self) -> Self {
        let Self { control, clock, dir } = self;
        let gone = Arc::downgrade(&control);
        drop(control);
        assert!(gone.upgrade().is_none(), "somebody still holds the control plane");
        let control = open(dir.path(), &clock).await;
        Self { control, clock, dir }
    }

    /// Another node on the same store, with a clock and a directory of its own. Neither follows the store by itself.
    pub(crate) async fn beside(&self) -> Self {
        let clock = Arc::new(ManualClock::at(self.clock.now()));
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::clone(self.control.store());
        let control = ControlPlane::over(store, options(dir.path(), &clock)).await.unwrap();
        Self { control, clock, dir }
    }

    pub(crate) async fn session(&self, who: &Principal) -> Session {
        let token = self.token(who).await;
        self.control.sessions().open_session(&token, &target("shop")).await.unwrap()
    }

    pub(crate) async fn token(&self, who: &Principal) -> Secret<String> {
        self.control.sessions().issue(order(who)).await.unwrap().secret
    }

    pub(crate) async fn hold(&self, session: &Session, text: &str) -> Held {
        self.control.approvals().hold(request(session, text)).await.unwrap()
    }

    /// A held command that one dba has agreed to.
    pub(crate) async fn approved(&self, session: &Session, text: &str) -> Held {
        let held = self.hold(session, text).await;
        self.control.approvals().decide(yes(&held, &human("bob", &["dba"]))).await.unwrap();
        held
    }

    pub(crate) fn redeem(&self, session: &Session, held: &Held) -> Redeem {
        Redeem {
            id: held.approval.id,
            session: session.id,
            digest: held.approval.digest,
            owner: self.control.node(),
            attempt: AttemptId::generate(),
            evidence: Evidence::None,
        }
    }
}

/// Opens it once the last to have it open has closed it: the writer's thread does so a moment after the
/// last handle is gone.
pub(crate) async fn open(path: &Path, clock: &Arc<ManualClock>) -> Arc<ControlPlane> {
    for _ in 0..500 {
        match ControlPlane::open(options(path, clock)).await {
            Ok(control) => return control,
            Err(crate::OpenError::Store(crate::store::StoreError::InUse { .. })) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store was not closed");
}

pub(crate) fn options(path: &Path, clock: &Arc<ManualClock>) -> Options {
    Options {
        data: path.to_owned(),
        node: NodeId::generate(),
        clock: Arc::clone(clock) as _,
        compiler: Arc::new(StubCompiler),
        archive: Arc::new(StubArchive),
        history: HistoryOptions::default(),
        administrators: crate::sessions::Administrators { services: [subject("deployer")].into() },
    }
}

pub(crate) fn subject(name: &str) -> Subject {
    Subject::new(name).unwrap()
}

pub(crate) fn target(name: &str) -> TargetName {
    TargetName::new(name).unwrap()
}

pub(crate) fn principal(kind: Kind, name: &str, groups: &[&str], behalf: &[&str]) -> Principal {
    Principal {
        subject: subject(name),
        kind,
        groups: groups.iter().map(|group| GroupName::new(group).unwrap()).collect(),
        on_behalf_of: behalf.iter().map(|name| subject(name)).collect(),
    }
}

pub(crate) fn human(name: &str, groups: &[&str]) -> Principal {
    principal(Kind::Human, name, groups, &[])
}

/// An agent on behalf of alice.
pub(crate) fn agent() -> Principal {
    principal(Kind::Agent, "agent-7", &["agents"], &["alice"])
}

pub(crate) fn order(who: &Principal) -> IssueToken {
    IssueToken {
        principal: who.clone(),
        ttl: Duration::from_secs(24 * 3600),
        target: None,
        issued_by: subject("operator"),
        issuers: std::collections::BTreeSet::new(),
    }
}

pub(crate) fn request(session: &Session, text: &str) -> HoldRequest {
    let command = Command { form: "query".into(), text: text.to_owned().into(), parameters: Vec::new() };
    let context = Context {
        target: session.target.clone(),
        generation: Digest::of(b"1"),
        role: RoleName::new("app").unwrap(),
        database: "shop".into(),
        settings: BTreeMap::new(),
        transaction: None,
        texts: Vec::new(),
    };
    HoldRequest {
        session: session.id,
        digest: command::digest(&command, &context, &session.principal, session.id),
        command,
        context,
        facts: Facts { operations: vec![Operation::new(Action::Update)], ..Facts::nothing() },
        terms: terms("dba", 1),
        bundle: "gateway".into(),
        locks_held: Vec::new(),
    }
}

pub(crate) fn terms(group: &str, quorum: u32) -> Terms {
    Terms {
        chains: vec![format!("chain-{group}").parse().unwrap()],
        stages: vec![Stage { groups: [GroupName::new(group).unwrap()].into(), quorum }],
        timeout: Duration::from_secs(3600),
        policies: vec!["writes".parse().unwrap()],
        reason: "writes need a countersign".into(),
    }
}

pub(crate) fn vote(held: &Held, by: &Principal, vote: Vote) -> Decide {
    Decide {
        id: held.approval.id,
        by: by.clone(),
        vote,
        reason: Some("because".into()),
        method: "token".into(),
        rendering: held.approval.rendering,
        issuers: std::collections::BTreeSet::new(),
        only_target: None,
    }
}

pub(crate) fn yes(held: &Held, by: &Principal) -> Decide {
    vote(held, by, Vote::Approve)
}

pub(crate) fn no(held: &Held, by: &Principal) -> Decide {
    vote(held, by, Vote::Deny)
}

/// A bundle of one file: `allow`, `block`, or `hold GROUP QUORUM`.
pub(crate) fn bundle(policy: &str) -> Files {
    Files::from([("policy".into(), policy.into())])
}

#[derive(Debug)]
pub(crate) struct StubCompiler;

#[derive(Debug)]
struct StubJudge {
    version: BundleVersion,
    policy: String,
}

impl Compile for StubCompiler {
    fn compile(&self, files: &Files) -> Result<Arc<dyn Judge>, Vec<Fault>> {
        let policy = files.get("policy").map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let policy = policy.unwrap_or_default();
        if !["allow", "block", "hold", "limited"].iter().any(|word| policy.starts_with(word)) {
            let reason = format!("`{policy}` is no policy");
            return Err(vec![Fault { file: "policy".into(), line: 1, column: 1, reason }]);
        }
        Ok(Arc::new(StubJudge { version: BundleVersion::of(&Digest::of(policy.as_bytes())), policy }))
    }
}

impl Judge for StubJudge {
    fn version(&self) -> BundleVersion {
        self.version.clone()
    }

    fn generation(&self, _: &TargetName) -> Option<Digest> {
        Some(Digest::of(b"1"))
    }

    fn environment(&self, _: &TargetName) -> Option<EnvironmentName> {
        EnvironmentName::new("production").ok()
    }

    fn groups(&self) -> std::collections::BTreeSet<GroupName> {
        let mut words = self.policy.split(' ');
        let group = (words.next() == Some("hold")).then(|| words.next()).flatten();
        group.and_then(|group| GroupName::new(group).ok()).into_iter().collect()
    }

    /// `limited SESSION SUBJECT TARGET`: holds everything for one dba, with these limits; else there are none.
    fn limits(&self) -> RequestLimits {
        let mut words = self.policy.split(' ');
        if words.next() != Some("limited") {
            return RequestLimits::NONE;
        }
        let mut limit = || words.next().and_then(|word| word.parse().ok());
        RequestLimits { per_session: limit(), per_subject: limit(), per_target: limit() }
    }

    fn judge(&self, _: &Question<'_>) -> Verdict {
        let mut words = self.policy.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("limited"), _, _) => Verdict::Hold(Arc::new(terms("dba", 1)), Duties::default()),
            (Some("allow"), _, _) => Verdict::Allow(Duties::default()),
            (Some("hold"), Some(group), Some(quorum)) => {
                Verdict::Hold(Arc::new(terms(group, quorum.parse().unwrap())), Duties::default())
            }
            _ => Verdict::Block(Reason { policies: Vec::new(), text: "never".into() }),
        }
    }
}

#[derive(Debug)]
pub(crate) struct StubArchive;

#[async_trait]
impl Archive for StubArchive {
    async fn recordings(&self, _: usize) -> Result<Vec<Recording>, ArchiveError> {
        Ok(Vec::new())
    }

    async fn records(&self, session: SessionId, _: &[Anchor]) -> Result<Records, ArchiveError> {
        if session == SessionId::from_u128(404) {
            return Err(ArchiveError::NotFound(session));
        }
        Ok(futures::stream::iter([Ok(String::from("{\"seq\":0}")), Ok(String::from("{\"seq\":1}"))]).boxed())
    }

    async fn commands(&self, _: SessionId, _: usize) -> Result<Vec<CommandSummary>, ArchiveError> {
        Ok(Vec::new())
    }

    async fn verify(&self, _: Option<SessionId>, _: &[Anchor]) -> Result<Verification, ArchiveError> {
        Ok(Verification {
            records: 2,
            verdict: countersign_recording::Verdict::Whole,
            faults: Vec::new(),
            logs: Vec::new(),
            notes: Vec::new(),
            recorded: Recorded::default(),
        })
    }
}
