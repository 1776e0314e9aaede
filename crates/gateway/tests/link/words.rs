//! Test data: a bundle, a session and approvals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use countersign_api::v1;
use countersign_api::v1::answer::Answer;
use countersign_api::v1::control_frame::Frame;
use countersign_common::approval::{Approval, Evidence, Stage, State, Terms};
use countersign_common::command::{Command, Context};
use countersign_common::facts::{Action, Operation};
use countersign_common::id::{ApprovalId, GroupName, RoleName, SessionId, Subject, TargetName};
use countersign_common::principal::{Kind, Principal};
use countersign_common::time::{Clock as _, SystemClock};
use countersign_common::{Digest, Facts};
use countersign_lifecycle::ports::HoldRequest;
use countersign_policy::{Bundle, Files};

/// Token that opens a session.
pub(crate) const TOKEN: &str = "cst_good";

pub(crate) const SESSION: SessionId = SessionId::from_u128(42);

const FILES: [(&str, &str); 2] = [
    ("p.cedar", "@id(\"all\") permit (principal, action, resource);\n"),
    (
        "targets.yaml",
        "targets:\n  shop: { url: 'postgres://app@127.0.0.1/shop', environment: test }\n  \
         lab: { url: 'postgres://app@127.0.0.1/lab', environment: test, reads_when_isolated: 10m }\n",
    ),
];

/// Version and files of the bundle.
pub(crate) fn bundle() -> &'static (String, BTreeMap<String, Vec<u8>>) {
    static BUNDLE: LazyLock<(String, BTreeMap<String, Vec<u8>>)> = LazyLock::new(|| {
        let files: BTreeMap<_, _> =
            FILES.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        let compiled = Bundle::compile(&files.clone().into_iter().collect::<Files>(), Vec::new()).unwrap();
        (compiled.version().to_string(), files)
    });
    &BUNDLE
}

pub(crate) fn bundle_push() -> Frame {
    let (version, files) = bundle().clone();
    Frame::Bundle(v1::BundlePush { version, bundle: Some(v1::BundleFiles { files }) })
}

pub(crate) fn agent() -> Principal {
    Principal {
        subject: Subject::new("agent-7").unwrap(),
        kind: Kind::Agent,
        groups: BTreeSet::new(),
        on_behalf_of: Vec::new(),
    }
}

pub(crate) fn dba() -> BTreeSet<GroupName> {
    [GroupName::new("dba").unwrap()].into()
}

/// Proof that the session was opened on this gateway.
pub(crate) const PROOF: &[u8] = b"opened here";

/// Proof that the gateway may record the session.
pub(crate) const RECORD_PROOF: &[u8] = b"may be recorded here";

pub(crate) fn session_opened() -> Answer {
    let now = SystemClock.now();
    Answer::SessionOpened(v1::SessionOpened {
        session: Some(v1::Session {
            id: SESSION.to_string(),
            token_id: "tok".into(),
            principal: Some((&agent()).into()),
            target: "shop".into(),
            open_time: Some(countersign_api::timestamp_to_wire(now)),
            expire_time: Some(countersign_api::timestamp_to_wire(now.after(Duration::from_secs(3600)))),
            revocation: None,
        }),
        proof: PROOF.to_vec(),
        record_proof: RECORD_PROOF.to_vec(),
    })
}

/// Approval that the control plane creates for a hold.
pub(crate) fn approval(hold: &v1::HoldCommand) -> Approval {
    let now = SystemClock.now();
    Approval {
        id: ApprovalId::generate(),
        revision: 1,
        digest: Digest::from_bytes(hold.digest.clone().try_into().unwrap()),
        rendering: Digest::of(b"rendering"),
        session: hold.session_id.parse().unwrap(),
        target: TargetName::new("shop").unwrap(),
        requester: agent(),
        terms: hold.terms.clone().unwrap().try_into().unwrap(),
        created_at: now,
        expires_at: now.after(Duration::from_secs(3600)),
        decisions: Vec::new(),
        state: State::Pending { stage: 0 },
        evidence: Evidence::None,
    }
}

/// A command that needs approval; different for each number.
pub(crate) fn hold_request(number: usize) -> HoldRequest {
    HoldRequest {
        digest: Digest::of(format!("command {number}").as_bytes()),
        session: SESSION,
        principal: Arc::new(agent()),
        command: Command {
            form: "query".into(),
            text: b"DELETE FROM t".to_vec().into(),
            parameters: Vec::new(),
        },
        context: Context {
            target: TargetName::new("shop").unwrap(),
            generation: Digest::of(b"1"),
            role: RoleName::new("app").unwrap(),
            database: "shop".into(),
            settings: BTreeMap::new(),
            transaction: None,
            texts: Vec::new(),
        },
        facts: Arc::new(facts(Action::Delete)),
        terms: Arc::new(Terms {
            chains: vec!["prod-dba".parse().unwrap()],
            stages: vec![Stage { groups: dba(), quorum: 1 }],
            timeout: Duration::from_secs(3600),
            policies: Vec::new(),
            reason: "writes need a dba".into(),
        }),
        bundle: bundle().0.as_str().into(),
        in_transaction: false,
        catalogue: None,
    }
}

pub(crate) fn facts(action: Action) -> Facts {
    Facts { operations: vec![Operation::new(action)], ..Facts::nothing() }
}
