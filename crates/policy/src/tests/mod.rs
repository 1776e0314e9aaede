//! Tests of bundles as a whole.

mod bombs;
mod broken;
mod cached;
mod docs;
mod explained;
mod masked;
mod measured;
mod reloaded;
mod verdicts;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_common::facts::{Action, Flag, Operation};
use countersign_common::id::{GroupName, RoleName, Subject, TargetName};
use countersign_common::principal::Kind;
use countersign_common::{Facts, Principal, Target, Timestamp, Verdict};

use crate::{Bundle, Files, Question};

/// 2026-11-22 15:53:23 UTC, a Sunday.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_795_362_803_000_000);

const TARGETS: &str = "
targets:
  shop: { url: 'postgres://app@127.0.0.1/shop', environment: production, labels: { team: payments } }
  lab: { url: 'postgres://app@127.0.0.1/lab', environment: test }
";

const CHAINS: &str = "
chains:
  prod-dba: { timeout: 1h, stages: [{ groups: [dba] }] }
  security: { timeout: 30m, stages: [{ groups: [security], quorum: 2 }] }
";

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

fn example_bundle(name: &str) -> Bundle {
    Bundle::compile(&Files::read_dir(&example(name)).unwrap(), Vec::new()).unwrap_or_else(|e| panic!("{e}"))
}

/// Compiles a bundle with these policies and the targets and chains above.
pub(crate) fn bundle(policies: &str) -> Bundle {
    bundle_with_masking(policies, "")
}

fn bundle_with_masking(policies: &str, masking: &str) -> Bundle {
    let files = [
        ("p.cedar", policies),
        ("targets.yaml", TARGETS),
        ("chains.yaml", CHAINS),
        ("masking.yaml", masking),
    ];
    let files = files.into_iter().filter(|(_, text)| !text.is_empty());
    Bundle::compile(&Files::from_iter(files), Vec::new()).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn principal(kind: Kind, subject: &str, groups: &[&str]) -> Principal {
    Principal {
        subject: Subject::new(subject).unwrap(),
        kind,
        groups: groups.iter().map(|group| GroupName::new(group).unwrap()).collect::<BTreeSet<_>>(),
        on_behalf_of: Vec::new(),
    }
}

pub(crate) fn agent() -> Principal {
    principal(Kind::Agent, "agent-7", &["agents"])
}

fn facts(actions: &[Action]) -> Facts {
    Facts { operations: actions.iter().map(|action| Operation::new(*action)).collect(), ..Facts::nothing() }
}

fn flagged(action: Action, flag: Flag) -> Facts {
    let operation = Operation { flags: BTreeSet::from([flag]), ..Operation::new(action) };
    Facts { operations: vec![operation], ..Facts::nothing() }
}

pub(crate) fn target(bundle: &Bundle, name: &str) -> Arc<Target> {
    Arc::clone(bundle.target(&TargetName::new(name).unwrap()).unwrap())
}

/// Asks with `role` app, `database` shop, outside a transaction, at [`NOW`]; `change` alters the question.
fn ask_about(
    bundle: &Bundle,
    principal: &Principal,
    facts: &Facts,
    change: impl FnOnce(&mut Question<'_>),
) -> Verdict {
    let target = target(bundle, "shop");
    let role = RoleName::new("app").unwrap();
    let mut question = Question {
        principal,
        target: &target,
        role: &role,
        database: "shop",
        facts,
        in_transaction: false,
        now: NOW,
    };
    change(&mut question);
    let verdict = bundle.judge(&question);
    // Every test also tests the cache.
    assert_eq!(bundle.judge(&question), verdict, "from the cache");
    assert_eq!(bundle.engine().judge_plainly(&question), verdict, "without index and cache");
    verdict
}

fn ask(bundle: &Bundle, principal: &Principal, facts: &Facts) -> Verdict {
    ask_about(bundle, principal, facts, |_| {})
}

/// Formats a verdict in one line: `allow`, `block: why [policies]`, `hold: chains within timeout, why [policies]`.
fn line(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow(duties) if duties.unmask.is_empty() => "allow".into(),
        Verdict::Allow(duties) => {
            format!("allow, seeing {:?}", duties.unmask.iter().map(|c| &*c.0).collect::<Vec<_>>())
        }
        Verdict::Block(reason) => format!("block: {} {:?}", reason.text, reason.policies),
        Verdict::Hold(terms, _) => {
            format!(
                "hold: {:?} within {:?}, {} {:?}",
                terms.chains, terms.timeout, terms.reason, terms.policies
            )
        }
    }
}
