//! The judge of record looks at what gateways decided by themselves: some of their commands are judged again, by
//! the same bundle. A difference means a gateway that is broken, or is not what it says it is.

use std::sync::Arc;

use countersign_common::command::Context;
use countersign_common::id::{RoleName, StreamId, TargetName};
use countersign_common::{Digest, Principal, Timestamp};
use countersign_recording::{Begin, Effect, Envelope, Opened, Record, VerdictWord};
use rustc_hash::FxHashMap;

use crate::bundles::{Bundles, Question};
use crate::sessions::Sessions;

/// Samples the commands of one link.
#[derive(Debug)]
pub(super) struct Sampler {
    bundles: Arc<Bundles>,
    sessions: Arc<Sessions>,
    /// One in so many; zero: none.
    one_in: u32,
    seen: u32,
    streams: FxHashMap<StreamId, Asked>,
}

/// Who asks what on a connection, as its opening record says.
#[derive(Debug, Clone)]
struct Asked {
    principal: Arc<Principal>,
    target: TargetName,
    role: RoleName,
    database: String,
}

/// How a sampled command compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    Same,
    Differs {
        ours: VerdictWord,
    },
    /// It was judged by another bundle than is current here.
    OtherBundle,
}

impl Sampler {
    /// One in `one_in` commands; zero: none.
    pub(super) fn new(bundles: Arc<Bundles>, sessions: Arc<Sessions>, one_in: u32) -> Self {
        Self { bundles, sessions, one_in, seen: 0, streams: FxHashMap::default() }
    }

    /// Looks at a record that was taken in. Costs next to nothing, and for a sampled one its reading.
    pub(super) fn look_at(&mut self, stream: StreamId, effect: Effect, line: &[u8]) {
        if self.one_in == 0 {
            return;
        }
        match effect {
            Effect::Begins(_) => {
                self.seen += 1;
                // A connection that was opened at another node is not known here; its commands are passed over.
                if self.seen >= self.one_in
                    && let Some(asked) = self.streams.get(&stream)
                {
                    self.seen = 0;
                    let _ = compare(&self.bundles, asked, stream, line);
                }
            }
            Effect::Opens => {
                if let Some(asked) = self.opened(stream, line) {
                    self.streams.insert(stream, asked);
                }
            }
            Effect::Closes => {
                self.streams.remove(&stream);
            }
            Effect::Ends(_) | Effect::Continues => {}
        }
    }

    /// Who asks on a connection. The session knows it better than the gateway says.
    fn opened(&self, stream: StreamId, line: &[u8]) -> Option<Asked> {
        let Ok(Envelope { record: Record::Opened(opened), .. }) = Envelope::parse(line) else { return None };
        let Opened { session, principal, target, role, database, .. } = opened;
        let known = self.sessions.get(session)?;
        if *known.principal != principal || known.target != target {
            crate::metrics::verdict_differs();
            tracing::error!(%stream, %session, "a gateway records a session as somebody else's; look at that gateway");
        }
        Some(Asked { principal: known.principal, target: known.target, role, database })
    }
}

/// `None`: it is no command that begins.
fn compare(bundles: &Bundles, asked: &Asked, stream: StreamId, line: &[u8]) -> Option<Compared> {
    let Ok(Envelope { at, record: Record::Begin(begin), .. }) = Envelope::parse(line) else { return None };
    let compared = judge_again(bundles, asked, &begin, at);
    match compared {
        Compared::Same => crate::metrics::verdict_sampled(),
        Compared::OtherBundle => {}
        Compared::Differs { ours } => {
            crate::metrics::verdict_sampled();
            crate::metrics::verdict_differs();
            tracing::error!(
                %stream, command = %begin.id, target = %asked.target, subject = %asked.principal.subject,
                gateway = begin.verdict.as_str(), ours = ours.as_str(), bundle = %begin.bundle,
                "a gateway decided otherwise than the control plane does; look at that gateway"
            );
        }
    }
    Some(compared)
}

fn judge_again(bundles: &Bundles, asked: &Asked, begin: &Begin<'_>, at: Timestamp) -> Compared {
    let Some(current) = bundles.current().filter(|current| current.version == begin.bundle) else {
        return Compared::OtherBundle;
    };
    // A target or facts that we cannot read, though the bundle is the same, are a difference, too.
    let (Some(generation), Ok(facts)) = (current.judge.generation(&asked.target), begin.facts.parse()) else {
        return Compared::Differs { ours: VerdictWord::Block };
    };
    // Whether a transaction was open does not stand in the record: what holds for either is no difference.
    let verdicts = [false, true].map(|in_transaction| {
        let context = context(asked, generation, in_transaction);
        let question = Question { principal: &asked.principal, context: &context, facts: &facts, now: at };
        VerdictWord::from(&current.judge.judge(&question))
    });
    if verdicts.contains(&begin.verdict) {
        return Compared::Same;
    }
    let [ours, _] = verdicts;
    Compared::Differs { ours }
}

fn context(asked: &Asked, generation: Digest, in_transaction: bool) -> Context {
    Context {
        target: asked.target.clone(),
        generation,
        role: asked.role.clone(),
        database: asked.database.clone(),
        settings: Default::default(),
        transaction: in_transaction.then(|| Digest::of(b"")),
        texts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use countersign_common::command::Command;
    use countersign_common::id::CommandId;
    use countersign_recording::FactsJson;

    use super::*;
    use crate::testing::{Scratch, agent, target};

    fn begin(verdict: VerdictWord, bundle: &str) -> Vec<u8> {
        let command = Command { form: "query".into(), text: "SELECT 1".into(), parameters: Vec::new() };
        let begin = Begin {
            id: CommandId::generate(),
            command: Cow::Owned(command),
            facts: FactsJson::of(&countersign_common::Facts::nothing()),
            verdict,
            policies: Cow::default(),
            bundle: bundle.into(),
            digest: None,
            trace: None,
        };
        let record = serde_json::to_value(Record::Begin(begin)).unwrap();
        let stream = StreamId::generate();
        let zeros = "0".repeat(64);
        let line =
            serde_json::json!({"v": 1, "stream": stream, "seq": 1, "prev": zeros, "at": 5, "record": record});
        line.to_string().into_bytes()
    }

    #[tokio::test]
    async fn a_verdict_that_the_bundle_does_not_give_is_a_difference() {
        // Its bundle holds everything.
        let scratch = Scratch::new().await;
        let bundles = scratch.control.bundles();
        let version = bundles.current().unwrap().version.to_string();
        let asked = Asked {
            principal: Arc::new(agent()),
            target: target("shop"),
            role: RoleName::new("app").unwrap(),
            database: "shop".into(),
        };
        let compare = |verdict, bundle: &str| {
            super::compare(bundles, &asked, StreamId::generate(), &begin(verdict, bundle))
        };
        assert_eq!(compare(VerdictWord::Hold, &version), Some(Compared::Same));
        let differs = Some(Compared::Differs { ours: VerdictWord::Hold });
        assert_eq!(compare(VerdictWord::Allow, &version), differs);
        assert_eq!(compare(VerdictWord::Allow, "another"), Some(Compared::OtherBundle));
    }
}
