//! The judge of record looks at what gateways decided by themselves: some of their commands are judged again, by
//! the same bundle. A difference means a gateway that is broken, or is not what it says it is.

use std::sync::Arc;

use countersign_common::command::Context;
use countersign_common::id::{RoleName, StreamId, TargetName};
use countersign_common::{Digest, Principal, Timestamp};
use countersign_recording::{Begin, Envelope, Opened, Record, VerdictWord};
use rustc_hash::FxHashMap;

use crate::bundles::{Bundles, Question};

/// The metric that counts differences.
const DIFFERENCES: &str = "countersign_verdict_differences_total";

/// The metric that counts the commands that were judged again.
const SAMPLED: &str = "countersign_verdicts_sampled_total";

/// How far into a line its record's kind is looked for: numbers and digests before it are short.
const HEAD_BYTES: usize = 256;

/// What stands in the line of a command that begins, of a connection that opens, and of one that closes.
const BEGIN: &[u8] = b"\"record\":{\"begin\":";
const OPENED: &[u8] = b"\"record\":{\"opened\":";
const CLOSED: &[u8] = b"\"record\":{\"closed\":";

/// Samples the commands of one link.
#[derive(Debug)]
pub(super) struct Sampler {
    bundles: Arc<Bundles>,
    /// One in so many; zero: none.
    one_in: u32,
    seen: u32,
    streams: FxHashMap<StreamId, Arc<Asked>>,
}

/// Who asks what on a connection, as its opening record says.
#[derive(Debug)]
struct Asked {
    principal: Principal,
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
    pub(super) fn new(bundles: Arc<Bundles>, one_in: u32) -> Self {
        Self { bundles, one_in, seen: 0, streams: FxHashMap::default() }
    }

    /// Looks at a record that was taken in. Costs a short search, and for a sampled one its reading.
    pub(super) fn look_at(&mut self, stream: StreamId, line: &[u8]) {
        if self.one_in == 0 {
            return;
        }
        let head = line.get(..HEAD_BYTES).unwrap_or(line);
        if contains(head, BEGIN) {
            self.seen += 1;
            // A connection that was opened at another node is not known here; its commands are passed over.
            if self.seen >= self.one_in
                && let Some(asked) = self.streams.get(&stream)
            {
                self.seen = 0;
                compare(&self.bundles, asked, stream, line);
            }
        } else if contains(head, OPENED) {
            if let Some(asked) = opened(line) {
                self.streams.insert(stream, Arc::new(asked));
            }
        } else if contains(head, CLOSED) {
            self.streams.remove(&stream);
        }
    }
}

fn opened(line: &[u8]) -> Option<Asked> {
    match Envelope::parse(line).ok()?.record {
        Record::Opened(Opened { principal, target, role, database, .. }) => {
            Some(Asked { principal, target, role, database })
        }
        _ => None,
    }
}

fn compare(bundles: &Bundles, asked: &Asked, stream: StreamId, line: &[u8]) {
    let Ok(Envelope { at, record: Record::Begin(begin), .. }) = Envelope::parse(line) else { return };
    match judge_again(bundles, asked, &begin, at) {
        Compared::Same => metrics::counter!(SAMPLED).increment(1),
        Compared::OtherBundle => {}
        Compared::Differs { ours } => {
            metrics::counter!(SAMPLED).increment(1);
            metrics::counter!(DIFFERENCES).increment(1);
            tracing::error!(
                %stream, command = %begin.id, target = %asked.target, subject = %asked.principal.subject,
                gateway = begin.verdict.as_str(), ours = ours.as_str(), bundle = %begin.bundle,
                "a gateway decided otherwise than the control plane does; look at that gateway"
            );
        }
    }
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
    }
}

fn contains(head: &[u8], what: &[u8]) -> bool {
    head.windows(what.len()).any(|window| window == what)
}
