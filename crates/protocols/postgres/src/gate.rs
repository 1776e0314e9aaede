//! Where clients come in: greets them, has their token checked, and serves them until they leave. One
//! gate serves all connections of one listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_common::id::TargetName;
use countersign_common::target::Role;
use countersign_common::{Digest, Target};
use countersign_lifecycle::ports::{Admitted, NotAdmitted, Ports};
use countersign_lifecycle::{Recorder, Road};
use countersign_masking::HashKey;
use countersign_recording::{Opened, Stream as RecordStream};
use countersign_sql::Reader;
use moka::sync::Cache;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::cancel::CancelKey;
use crate::cancel_registry::{CancelRegistry, Registered};
use crate::catalogue::Database;
use crate::codec::startup::Protocol;
use crate::handshake::{Arrival, Door, Login, LoginRefused, Terms, receive};
use crate::lookups::Lookups;
use crate::message_budget::MessageBudget;
use crate::parameters::{ServerParameters, StartupParameters};
use crate::rules_in_force::RulesInForce;
use crate::session::process_ids::ClientIdentity;
use crate::session::way::Way;
use crate::session::{Session, Setting};
use crate::settings_at_login;
use crate::upstream::{Connector, Opening, Upstream, UpstreamError};

/// The longest time after which the connection of a cancel request is closed all the same: longer than the target may
/// take to be reached.
const CANCEL_TIME_MAX: Duration = Duration::from_secs(15);

/// Targets, databases and greetings that are remembered.
const REMEMBERED_MAX: u64 = 10_000;

/// What a gate needs besides the ports.
#[derive(Debug, Clone)]
pub struct GateConfig {
    /// On what terms clients are let in.
    pub terms: Terms,
    /// The key of hashed columns; the same on all gateways, so that equal values stay equal.
    pub hash_key: Arc<HashKey>,
    /// Memory for large messages, over all connections of the gateway.
    pub messages: Arc<MessageBudget>,
}

/// Where clients of one listener come in.
#[derive(Debug)]
pub struct Gate {
    config: GateConfig,
    pub(crate) ports: Ports,
    reader: Reader,
    registry: Arc<CancelRegistry>,
    connectors: Cache<(TargetName, Digest), Arc<Connector>>,
    databases: Cache<(TargetName, Digest, String), Arc<Database>>,
    rules: Cache<TargetName, Arc<RulesInForce>>,
    /// What sessions have looked up by masked values.
    lookups: Lookups,
    /// What the target reported to a client with exactly this start-up; the next one is greeted with it, and its
    /// connection to the target opened only when it is needed.
    greetings: Cache<Greeting, ServerParameters>,
}

/// What a target's reports at login depend on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Greeting {
    target: TargetName,
    generation: Digest,
    user: String,
    database: String,
    startup: Vec<(String, String)>,
}

/// A client whose login was checked.
struct Checked {
    admitted: Admitted,
    target: Arc<Target>,
    role: (countersign_common::id::RoleName, Role),
    database: String,
    startup: StartupParameters,
    protocol: Protocol,
}

impl Gate {
    /// A gate that serves through these ports. The reader and the registry may be shared with others.
    #[must_use]
    pub fn new(config: GateConfig, ports: Ports) -> Self {
        Self {
            config,
            ports,
            reader: Reader::new(),
            registry: Arc::default(),
            connectors: Cache::new(REMEMBERED_MAX),
            databases: Cache::new(REMEMBERED_MAX),
            rules: Cache::new(REMEMBERED_MAX),
            lookups: Lookups::default(),
            greetings: Cache::new(REMEMBERED_MAX),
        }
    }

    /// A gate of another listener of the same gateway: what one has learnt the other knows, and a cancel request finds
    /// its connection by whichever it comes.
    #[must_use]
    pub fn beside(&self, config: GateConfig) -> Self {
        Self {
            config,
            ports: self.ports.clone(),
            reader: self.reader.clone(),
            registry: Arc::clone(&self.registry),
            connectors: self.connectors.clone(),
            databases: self.databases.clone(),
            rules: self.rules.clone(),
            lookups: self.lookups.clone(),
            greetings: self.greetings.clone(),
        }
    }

    /// A cancel request that another gateway has forwarded: the process id, four bytes, most significant first, and the
    /// secret. Returns when it has been carried out, or meant nobody; as in PostgreSQL nobody is told which.
    ///
    /// # Cancel safety
    /// Safe: once begun it is carried out.
    pub async fn cancel(&self, key: &[u8]) {
        let carried = CancelKey::from_bytes(key).and_then(|key| self.registry.cancel(&key));
        if let Some(carried) = carried {
            let _ = timeout(CANCEL_TIME_MAX, carried.done()).await;
        }
    }

    /// A cancel request of a client: for a connection here, or of the gateway that gave its key out. Returns when it has
    /// been carried out: until then the client's connection stays open, by which the client knows.
    async fn take_cancel(&self, key: &CancelKey) {
        let (route, here) = (key.route(), self.ports.cancels.route());
        if let Some(carried) = self.registry.cancel(key) {
            let _ = timeout(CANCEL_TIME_MAX, carried.done()).await;
        } else if route != 0
            && route != here
            && let Some(tag_bytes) = key.tag_bytes()
        {
            self.ports.cancels.forward(route, "postgres", key.to_bytes(), tag_bytes).await;
        }
    }

    /// Serves one connection from its first byte to its last. When `over` turns true, its client is told that it ends, and
    /// whether what it sent was run.
    pub async fn serve(&self, socket: TcpStream, peer: SocketAddr, over: watch::Receiver<bool>) {
        // A gateway writes whole answers; waiting for more would only cost time.
        let _ = socket.set_nodelay(true);
        // Boxed, so that what the login needs is given back before the session begins, which may wait for long.
        if let Some((session, _registered)) = Box::pin(self.receive(socket, peer)).await {
            Box::pin(session.run(over)).await;
        }
    }

    /// Hears a client out and lets it in, if it may.
    async fn receive(&self, mut socket: TcpStream, peer: SocketAddr) -> Option<(Box<Session>, Registered)> {
        let Some(proxies) = &self.config.terms.proxies else {
            return self.hear(socket, peer, &self.config.terms).await;
        };
        let origin = timeout(self.config.terms.login_time_max, proxies.origin(&mut socket, peer)).await;
        match origin.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())) {
            Ok(origin) => {
                let terms = self.config.terms.for_client_of_proxy(origin.ip());
                self.hear(socket, origin, &terms).await
            }
            Err(error) => {
                tracing::warn!(%peer, %error, "a connection was closed");
                None
            }
        }
    }

    async fn hear(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        terms: &Terms,
    ) -> Option<(Box<Session>, Registered)> {
        match receive(socket, terms).await {
            Ok(Arrival::Login(login, door)) => Box::pin(self.login(login, door, peer)).await,
            Ok(Arrival::Cancel(key, connection)) => {
                self.take_cancel(&key).await;
                connection.close().await;
                None
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "a client did not come in");
                None
            }
        }
    }

    async fn login(
        &self,
        login: Login,
        door: Door<TcpStream>,
        peer: SocketAddr,
    ) -> Option<(Box<Session>, Registered)> {
        let target = login.target.clone();
        let checked = match self.check(login).await {
            Ok(checked) => checked,
            Err(refused) => return shut(door, peer, &target, &refused).await,
        };
        match Box::pin(self.greet(&checked)).await {
            Ok((parameters, upstream)) => self.open(checked, door, peer, parameters, upstream).await,
            Err(refused) => shut(door, peer, &target, &refused).await,
        }
    }

    /// Checks the token first: without a good one a client learns nothing about targets.
    async fn check(&self, login: Login) -> Result<Checked, LoginRefused> {
        let admitted = match self.ports.sessions.open(&login.token, &login.target).await {
            Ok(admitted) => admitted,
            Err(NotAdmitted::Refused) => return Err(LoginRefused::Token),
            Err(NotAdmitted::Unavailable(error)) => {
                tracing::warn!(%error, "no session could be opened");
                return Err(LoginRefused::Unavailable);
            }
        };
        let target =
            self.ports.directory.target(&login.target).filter(|target| target.protocol == "postgres");
        let target = target.ok_or(LoginRefused::UnknownTarget)?;
        let name = login.role.unwrap_or_else(|| target.default_role.clone());
        let role = target.roles.get(&name).cloned().ok_or(LoginRefused::UnknownRole)?;
        if let Some(setting) = settings_at_login::refused(&login.parameters) {
            return Err(LoginRefused::Setting(setting));
        }
        let database = database(&target, &role, login.database)?;
        Ok(Checked {
            admitted,
            target,
            role: (name, role),
            database,
            startup: login.parameters,
            protocol: login.protocol,
        })
    }

    /// What the client is greeted with; the first of its kind is greeted by the target itself.
    async fn greet(&self, checked: &Checked) -> Result<(ServerParameters, Option<Upstream>), LoginRefused> {
        let key = checked.greeting();
        if let Some(parameters) = self.greetings.get(&key) {
            return Ok((parameters, None));
        }
        let opening = Opening {
            role: &checked.role.1,
            database: &checked.database,
            parameters: &checked.startup,
            protocol: checked.protocol,
        };
        let upstream = self.connector(&checked.target)?.connect(&opening).await?;
        self.greetings.insert(key, upstream.parameters.clone());
        Ok((upstream.parameters.clone(), Some(upstream)))
    }

    async fn open(
        &self,
        checked: Checked,
        door: Door<TcpStream>,
        peer: SocketAddr,
        parameters: ServerParameters,
        upstream: Option<Upstream>,
    ) -> Option<(Box<Session>, Registered)> {
        let target = checked.target.name.clone();
        let (protocol, cancels) = (checked.protocol, &self.ports.cancels);
        let make = || CancelKey::generate(protocol, cancels.route(), |key| cancels.vouch(key));
        let Ok(first) = make() else {
            return shut(door, peer, &target, &LoginRefused::Unavailable).await;
        };
        let (key, registered) = self.registry.register(first, || make().ok());
        let setting = match self.setting(checked, peer, &registered) {
            Ok(setting) => setting,
            Err(refused) => return shut(door, peer, &target, &refused).await,
        };
        let recorder = setting.road.recorder.clone();
        match door.open(&parameters, &key).await {
            Ok(client) => {
                crate::metrics::let_in();
                let mut session = Box::new(Session::new(client.stream, client.buffered, parameters, setting));
                if let Some(upstream) = upstream {
                    session.flow.adopt(upstream);
                }
                Some((session, registered))
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "a client left at the door");
                if let Err(error) = recorder.close("the client left at the door") {
                    tracing::error!(%error, "the end of a connection was not recorded");
                }
                None
            }
        }
    }

    fn setting(
        &self,
        checked: Checked,
        peer: SocketAddr,
        registered: &Registered,
    ) -> Result<Setting, LoginRefused> {
        let ports = &self.ports;
        let connector = self.connector(&checked.target)?;
        let database = self.database(&checked, &connector);
        let opened = Opened {
            session: checked.admitted.session,
            principal: (*checked.admitted.principal).clone(),
            target: checked.target.name.clone(),
            role: checked.role.0.clone(),
            database: checked.database.clone(),
            client: peer.to_string(),
            node: ports.node,
            bundle: ports.directory.bundle(),
        };
        let stream = RecordStream::open(Arc::clone(&ports.journal), Arc::clone(&ports.clock), opened);
        let stream = stream.map_err(|error| {
            tracing::error!(%error, "a connection could not be recorded");
            LoginRefused::Unavailable
        })?;
        let rules = self.rules(&checked.target.name);
        let way = Way {
            connector,
            role: checked.role.1,
            database: checked.database.clone(),
            startup: checked.startup,
            protocol: checked.protocol,
        };
        let road = Road {
            node: ports.node,
            session: checked.admitted.session,
            principal: checked.admitted.principal,
            target: checked.target,
            role: checked.role.0,
            database: checked.database,
            judge: Arc::clone(&ports.judge),
            approvals: Arc::clone(&ports.approvals),
            recorder: Recorder::new(stream),
            clock: Arc::clone(&ports.clock),
            stop: checked.admitted.stop,
            url: ports.url.clone(),
        };
        Ok(Setting {
            road,
            reader: self.reader.clone(),
            way,
            database,
            rules,
            lookups: self.lookups.clone(),
            hash_key: Arc::clone(&self.config.hash_key),
            cancel: Arc::clone(&registered.slot),
            identity: ClientIdentity::of(registered),
            messages: Arc::clone(&self.config.messages),
        })
    }

    pub(crate) fn connector(&self, target: &Target) -> Result<Arc<Connector>, UpstreamError> {
        let key = (target.name.clone(), target.generation);
        if let Some(connector) = self.connectors.get(&key) {
            return Ok(connector);
        }
        let connector = Arc::new(Connector::new(target)?);
        self.connectors.insert(key, Arc::clone(&connector));
        Ok(connector)
    }

    fn rules(&self, target: &TargetName) -> Arc<RulesInForce> {
        let directory = || Arc::clone(&self.ports.directory);
        self.rules.get_with(target.clone(), || Arc::new(RulesInForce::new(directory(), target.clone())))
    }

    fn database(&self, checked: &Checked, connector: &Arc<Connector>) -> Arc<Database> {
        let key = (checked.target.name.clone(), checked.target.generation, checked.database.clone());
        self.databases.get_with(key, || {
            Arc::new(Database::new(Arc::clone(connector), checked.role.1.clone(), checked.database.clone()))
        })
    }
}

/// The database that a client gets.
// INVARIANT: I6, I7. Masking rules and policies of a target are written for the databases that it lists.
fn database(target: &Target, role: &Role, named: Option<String>) -> Result<String, LoginRefused> {
    let Some(database) = named else { return Ok(target.default_database_of(role).to_owned()) };
    let offered = target.databases_of(role);
    if offered.contains(database.as_str()) {
        return Ok(database);
    }
    let offered = offered.into_iter().map(str::to_owned).collect();
    Err(LoginRefused::UnknownDatabase { database, offered })
}

impl Checked {
    fn greeting(&self) -> Greeting {
        Greeting {
            target: self.target.name.clone(),
            generation: self.target.generation,
            user: self.role.1.user.clone(),
            database: self.database.clone(),
            startup: self.startup.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }
}

/// Tells a client why it is not let in.
async fn shut<T>(
    door: Door<TcpStream>,
    peer: SocketAddr,
    target: &TargetName,
    refused: &LoginRefused,
) -> Option<T> {
    crate::metrics::shut_out(refused);
    tracing::info!(%peer, %target, reason = %refused, "a client was not let in");
    door.shut(refused).await;
    None
}
