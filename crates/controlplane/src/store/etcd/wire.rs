//! The only file that names `etcd_client`: one connection to one member, its calls and its errors in our
//! words. It retries nothing and waits for nothing but the answer; deadlines, other members and what to
//! do about failures are [`super::cluster`]'s.

use std::error::Error as _;
use std::time::Duration;

use etcd_client::{
    Certificate, Client, Compare as EtcdCompare, CompareOp, ConnectOptions, Error, EventType, GetOptions,
    Identity, KeyValue, KvClient, LeaseGrantOptions, PutOptions, TlsOptions, Txn, TxnOp, TxnOpResponse,
    WatchClient, WatchOptions, WatchStream,
};
use tonic::Code;

use super::access::Credentials;
use crate::store::{Change, Compare, Entry, Expected, LeaseId, Revision, Transaction, Write};

/// How long a TCP and TLS handshake may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often an idle connection is asked whether it still stands, and how long the answer may take. etcd
/// closes connections that ask more than every 5 s.
const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// The largest answer, in bytes: a page of a thousand chunks of texts, or what a watch catches up with.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Why a member did not do as asked.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// It certainly did not do it; another one may.
    NotDone(String),
    /// Nobody knows whether it did it, or will.
    Unknown(String),
    /// It refused, as any other would.
    Refused(Refusal),
}

/// Why any member refuses.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    /// There is no such lease (any more).
    NoLease,
    /// There is a lease of this name already.
    LeaseExists,
    /// The history does not reach back that far; the oldest revision that it has.
    Compacted(Revision),
    /// User, password or permission.
    Unauthorised(String),
    /// Anything else: a quota, a request that etcd does not take.
    Other(String),
}

/// Some entries.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) entries: Vec<Entry>,
    pub(super) revision: Revision,
    pub(super) more: bool,
}

/// How a transaction was answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// All comparisons held, and it was written.
    Written(Revision),
    /// One did not; what stood under the transaction's own key then, if it has one.
    Differs { own: Option<Entry> },
}

/// A connection to one member. Cheap to clone.
#[derive(Clone)]
pub(super) struct Wire {
    kv: KvClient,
    watch: WatchClient,
    client: Client,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    /// Connects to a member, and logs in where a user is configured.
    pub(super) async fn connect(endpoint: &str, credentials: &Credentials) -> Result<Self, Fault> {
        let mut options = ConnectOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_keep_alive(PING.0, PING.1)
            .with_keep_alive_while_idle(true)
            // A member that is cut off from the others says so instead of answering from its memory.
            .with_require_leader(true);
        if let Some((user, password)) = &credentials.user {
            options = options.with_user(user, password.expose()).with_auto_token_refresh(true);
        }
        if let Some(tls) = &credentials.tls {
            let mut with = TlsOptions::new().ca_certificate(Certificate::from_pem(&tls.ca));
            if let Some((certificate, key)) = &tls.identity {
                with = with.identity(Identity::from_pem(certificate, key.expose()));
            }
            if let Some(name) = &tls.server_name {
                with = with.domain_name(name);
            }
            options = options.with_tls(with);
        }
        let client = Client::connect([endpoint], Some(options)).await.map_err(fault)?;
        Ok(Self {
            kv: client.kv_client().max_decoding_message_size(ANSWER_BYTES_MAX),
            watch: client.watch_client().max_decoding_message_size(ANSWER_BYTES_MAX),
            client,
        })
    }

    /// The member's version, such as `3.5.28`.
    pub(super) async fn version(&self) -> Result<String, Fault> {
        let status = self.client.maintenance_client().status().await.map_err(fault)?;
        Ok(status.version().to_owned())
    }

    /// What stands under a key, agreed with a majority (a linearizable read).
    pub(super) async fn get(&self, key: &str) -> Result<Option<Entry>, Fault> {
        let mut answer = self.kv.clone().get(key, None).await.map_err(fault)?;
        answer.take_kvs().pop().map(entry).transpose()
    }

    /// At most `limit` entries in `from..end`, ordered by key; the same.
    pub(super) async fn range(&self, from: Vec<u8>, end: Vec<u8>, limit: usize) -> Result<Range, Fault> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let options = GetOptions::new().with_range(end).with_limit(limit);
        let mut answer = self.kv.clone().get(from, Some(options)).await.map_err(fault)?;
        let revision = header_revision(answer.header())?;
        let more = answer.more();
        let entries = answer.take_kvs().into_iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Range { entries, revision, more })
    }

    /// Compares and writes.
    pub(super) async fn transact(&self, transaction: &Transaction) -> Result<Answer, Fault> {
        let compares: Vec<_> = transaction.compares.iter().map(compare).collect();
        let writes: Vec<_> = transaction.writes.iter().map(operation).collect();
        let mut request = Txn::new().when(compares).and_then(writes);
        if let Some((own, _)) = transaction.own() {
            request = request.or_else([TxnOp::get(own, None)]);
        }
        let answer = self.kv.clone().txn(request).await.map_err(fault)?;
        if answer.succeeded() {
            return Ok(Answer::Written(header_revision(answer.header())?));
        }
        let own = answer.op_responses().into_iter().find_map(|one| match one {
            TxnOpResponse::Get(mut found) => found.take_kvs().pop(),
            _ => None,
        });
        Ok(Answer::Differs { own: own.map(entry).transpose()? })
    }

    /// Grants a lease under a name of ours.
    pub(super) async fn grant(&self, lease: LeaseId, ttl: Duration) -> Result<(), Fault> {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let options = LeaseGrantOptions::new().with_id(signed(lease));
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        self.client.lease_client().grant(seconds, Some(options)).await.map(drop).map_err(fault)
    }

    /// Lets a lease begin anew; how long it lives from now on.
    pub(super) async fn keep_alive(&self, lease: LeaseId) -> Result<Duration, Fault> {
        // A stream for each call, closed at once: what etcd keeps alive is the lease, not the stream, and the
        // client gives no stream that many leases share. The first answer is eaten by the client.
        let (mut keeper, mut answers) =
            self.client.lease_client().keep_alive(signed(lease)).await.map_err(fault)?;
        keeper.keep_alive().await.map_err(fault)?;
        let answer = answers.message().await.map_err(fault)?;
        match answer.map(|answer| answer.ttl()).and_then(|ttl| u64::try_from(ttl).ok()) {
            None => Err(Fault::Unknown("the member closed the stream".into())),
            Some(0) => Err(Fault::Refused(Refusal::NoLease)),
            Some(seconds) => Ok(Duration::from_secs(seconds)),
        }
    }

    /// Ends a lease.
    pub(super) async fn revoke(&self, lease: LeaseId) -> Result<(), Fault> {
        self.client.lease_client().revoke(signed(lease)).await.map(drop).map_err(fault)
    }

    /// Every change in `from..end` from revision `first` on.
    pub(super) async fn watch(&self, from: Vec<u8>, end: Vec<u8>, first: Revision) -> Result<Watch, Fault> {
        let first = i64::try_from(first.0).unwrap_or(i64::MAX);
        // In fragments, so that no answer grows without bound while it catches up.
        let options = WatchOptions::new().with_range(end).with_start_revision(first).with_fragment();
        let mut watch = Watch(self.watch.clone().watch(from, Some(options)).await.map_err(fault)?);
        // Wait until it stands, or is refused.
        watch.next().await?;
        Ok(watch)
    }
}

/// A watch at one member.
#[derive(Debug)]
pub(super) struct Watch(WatchStream);

impl Watch {
    /// What comes next: changes in order, none as a sign of life. Changes of one revision may come in
    /// several pieces.
    pub(super) async fn next(&mut self) -> Result<Vec<Change>, Fault> {
        let answer = self.0.message().await.map_err(fault)?;
        let answer = answer.ok_or_else(|| Fault::NotDone("the member closed the watch".into()))?;
        if answer.canceled() {
            return Err(match revision(answer.compact_revision()) {
                Revision(0) => cancelled(answer.cancel_reason()),
                oldest => Fault::Refused(Refusal::Compacted(oldest)),
            });
        }
        answer.events().iter().map(|event| change(event.event_type(), event.kv())).collect()
    }

    /// Asks for a sign of life.
    pub(super) async fn ask(&mut self) -> Result<(), Fault> {
        self.0.request_progress().await.map_err(fault)
    }
}

fn cancelled(reason: &str) -> Fault {
    let text = format!("the watch was cancelled: {reason}");
    if reason.contains("permission denied") || reason.contains("auth") {
        Fault::Refused(Refusal::Unauthorised(text))
    } else {
        Fault::NotDone(text)
    }
}

fn change(kind: EventType, found: Option<&KeyValue>) -> Result<Change, Fault> {
    let found = found.ok_or_else(|| Fault::NotDone("an event without a key".into()))?;
    Ok(match kind {
        // As from every store, a change does not tell the lease.
        EventType::Put => Change::Put(Entry { lease: None, ..entry(found.clone())? }),
        EventType::Delete => {
            let (key, _) = found.clone().into_key_value();
            Change::Deleted { key: text(key)?, revision: revision(found.mod_revision()) }
        }
    })
}

fn entry(found: KeyValue) -> Result<Entry, Fault> {
    let modified = revision(found.mod_revision());
    let lease = u64::try_from(found.lease()).ok().filter(|lease| *lease != 0).map(LeaseId);
    let (key, value) = found.into_key_value();
    Ok(Entry { key: text(key)?, value, modified, lease })
}

fn text(key: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(key).map_err(|_| Fault::Refused(Refusal::Other("a key is not UTF-8".into())))
}

fn compare(compare: &Compare) -> EtcdCompare {
    match compare.expected {
        Expected::Absent => EtcdCompare::mod_revision(compare.key.as_str(), CompareOp::Equal, 0),
        Expected::Modified(Revision(revision)) => {
            let revision = i64::try_from(revision).unwrap_or(i64::MAX);
            EtcdCompare::mod_revision(compare.key.as_str(), CompareOp::Equal, revision)
        }
    }
}

fn operation(write: &Write) -> TxnOp {
    match write {
        Write::Put { key, value, lease } => {
            let options = lease.map(|lease| PutOptions::new().with_lease(signed(lease)));
            TxnOp::put(key.as_str(), value.as_slice(), options)
        }
        Write::Delete { key } => TxnOp::delete(key.as_str(), None),
    }
}

fn header_revision(header: Option<&etcd_client::ResponseHeader>) -> Result<Revision, Fault> {
    let header = header.ok_or_else(|| Fault::Unknown("an answer without a header".into()))?;
    Ok(revision(header.revision()))
}

fn revision(revision: i64) -> Revision {
    Revision(u64::try_from(revision).unwrap_or_default())
}

fn signed(LeaseId(lease): LeaseId) -> i64 {
    i64::try_from(lease).unwrap_or(i64::MAX)
}

/// What an error of the client means for the call that it ended.
fn fault(error: Error) -> Fault {
    match error {
        Error::GRpcStatus(status) => of_status(&status),
        // The client makes this of an answer with no time to live.
        Error::LeaseKeepAliveError(_) => Fault::Refused(Refusal::NoLease),
        Error::InvalidArgs(_) | Error::InvalidUri(_) | Error::InvalidMetadataValue(_) => {
            Fault::Refused(Refusal::Other(error.to_string()))
        }
        Error::TransportError(error) => Fault::NotDone(with_causes(&error)),
        other => Fault::Unknown(other.to_string()),
    }
}

fn of_status(status: &tonic::Status) -> Fault {
    let said = || status.message().to_owned();
    let has = |words: &str| status.message().contains(words);
    match status.code() {
        Code::NotFound if has("lease not found") => Fault::Refused(Refusal::NoLease),
        Code::FailedPrecondition if has("lease already exists") => Fault::Refused(Refusal::LeaseExists),
        // A token that ran out or that a restarted member forgot; a new connection logs in again.
        Code::Unauthenticated if has("invalid auth token") => Fault::NotDone(said()),
        Code::InvalidArgument if has("revision of auth store is old") => Fault::NotDone(said()),
        Code::Unauthenticated | Code::PermissionDenied => Fault::Refused(Refusal::Unauthorised(said())),
        Code::InvalidArgument if has("authentication failed") || has("user name") => {
            Fault::Refused(Refusal::Unauthorised(said()))
        }
        Code::FailedPrecondition if has("authentication is not enabled") => Fault::Refused(
            Refusal::Unauthorised("a user is configured, but etcd has authentication switched off".into()),
        ),
        Code::ResourceExhausted if has("too many requests") => Fault::NotDone(said()),
        Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::ResourceExhausted
        | Code::Unimplemented
        | Code::NotFound => Fault::Refused(Refusal::Other(said())),
        // Refused before it was proposed.
        Code::Unavailable if has("etcdserver: no leader") => Fault::NotDone(said()),
        Code::Unavailable if never_connected(status) => Fault::NotDone(with_causes(status)),
        _ => Fault::Unknown(with_causes(status)),
    }
}

/// Whether the request never left, because there was no connection.
fn never_connected(status: &tonic::Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error with what caused it; the parts that add nothing are left out.
fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = match error.downcast_ref::<tonic::Status>() {
        // Its own display has metadata in it.
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    };
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
