//! A thin connection to Redis: one server, or a master that sentinels name; over TLS, as an ACL user. Connects when
//! it is needed, anew after a failure. Publishes, subscribes, runs scripts, reads and trims streams. What the
//! messages and records mean is left to those who use it; the product works without Redis.
//!
//! The only file that names the crate.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use countersign_common::Secret;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _,
    ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, TlsCertificates, Value,
};
use tokio::sync::{Mutex, mpsc};

/// How Redis is reached.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `host:port` of the server, or of the sentinels.
    pub endpoints: Vec<String>,
    /// The name under which sentinels know the master; `None`: the endpoints are servers themselves, the first that
    /// answers is used.
    pub sentinel_master: Option<String>,
    /// The ACL user; `None`: `default`.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<Secret<String>>,
    /// The authority that the servers' certificates are signed by, PEM; `None`: no TLS.
    pub tls_authority: Option<PathBuf>,
    /// How long connecting to one endpoint may take. Default 1 s.
    pub connect_timeout: Duration,
    /// How long an answer may take. Default 1 s.
    pub response_timeout: Duration,
}

impl RedisOptions {
    /// With the defaults, for these endpoints.
    #[must_use]
    pub fn new(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            sentinel_master: None,
            username: None,
            password: None,
            tls_authority: None,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
        }
    }
}

/// Why Redis did not do it. For logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// It cannot be reached, or did not answer: what was asked may have been done.
    #[error("redis cannot be reached: {0}")]
    Unreachable(String),
    /// It answered that it does not do it.
    #[error("redis refuses: {0}")]
    Refused(String),
    /// The options cannot be used.
    #[error("redis is not set up: {0}")]
    Options(String),
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        let text = error.to_string();
        match error.kind() {
            redis::ErrorKind::Server(_) | redis::ErrorKind::Extension => Self::Refused(text),
            redis::ErrorKind::AuthenticationFailed => Self::Refused("authentication failed".into()),
            redis::ErrorKind::InvalidClientConfig => Self::Options(text),
            _ => Self::Unreachable(text),
        }
    }
}

/// A connection to Redis.
pub struct Redis {
    options: RedisOptions,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("endpoints", &self.options.endpoints).finish_non_exhaustive()
    }
}

/// A script, loaded by its digest.
#[derive(Debug, Clone)]
pub struct Script(redis::Script);

impl Script {
    /// The script with this Lua code.
    #[must_use]
    pub fn new(code: &str) -> Self {
        Self(redis::Script::new(code))
    }
}

/// One entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// Its id.
    pub id: String,
    /// The value of its first field.
    pub value: Vec<u8>,
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message.
    Message {
        /// The channel.
        channel: String,
        /// What was published.
        payload: Vec<u8>,
    },
    /// The subscription stands, again or for the first time: what was published before was not heard. Look.
    Gap,
}

impl Redis {
    /// Connects when it is first used.
    #[must_use]
    pub fn new(options: RedisOptions) -> Self {
        Self { options, connection: Mutex::new(None) }
    }

    /// Publishes a message; at most once, to whoever listens at the moment.
    ///
    /// # Errors
    /// When Redis cannot be reached or refuses.
    pub async fn publish(&self, channel: &str, payload: &[u8]) -> Result<(), RedisError> {
        self.query::<i64>(redis::cmd("PUBLISH").arg(channel).arg(payload)).await.map(drop)
    }

    /// Runs a script on one key; its answer is a list of numbers.
    ///
    /// # Errors
    /// When Redis cannot be reached or refuses. After [`RedisError::Unreachable`] it may have run.
    pub async fn script(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: &[&[u8]],
    ) -> Result<Vec<i64>, RedisError> {
        let mut connection = self.connected().await?;
        let mut invocation = script.0.prepare_invoke();
        for key in keys {
            invocation.key(*key);
        }
        for argument in arguments {
            invocation.arg(*argument);
        }
        let answered = invocation.invoke_async(&mut connection).await;
        self.settle(answered).await
    }

    /// Waits until so many replicas have what was written on this connection; says how many have it when the time
    /// is over.
    ///
    /// # Errors
    /// When Redis cannot be reached or refuses.
    pub async fn wait_for_replicas(&self, replicas: u32, within: Duration) -> Result<u32, RedisError> {
        let millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX).max(1);
        let have: i64 = self.query(redis::cmd("WAIT").arg(replicas).arg(millis)).await?;
        Ok(u32::try_from(have).unwrap_or(0))
    }

    /// Whether the server answers a write only when it is in its append-only file and synced.
    ///
    /// # Errors
    /// When Redis cannot be reached, or does not let this user see its configuration.
    pub async fn syncs_every_write(&self) -> Result<bool, RedisError> {
        let mut on = true;
        for (name, wanted) in [("appendonly", "yes"), ("appendfsync", "always")] {
            let answer: Value = self.query(redis::cmd("CONFIG").arg("GET").arg(name)).await?;
            let pairs = Vec::<(String, String)>::from_redis_value(answer)
                .map_err(|error| RedisError::Refused(error.to_string()))?;
            on &= pairs.iter().any(|(_, value)| value == wanted);
        }
        Ok(on)
    }

    /// The oldest entries of a stream, at most `count`, after the entry `after`.
    ///
    /// # Errors
    /// When Redis cannot be reached or refuses.
    pub async fn entries(
        &self,
        stream: &str,
        after: Option<&str>,
        count: usize,
    ) -> Result<Vec<StreamEntry>, RedisError> {
        let start = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let range: Vec<(String, Vec<Vec<u8>>)> =
            self.query(redis::cmd("XRANGE").arg(stream).arg(start).arg("+").arg("COUNT").arg(count)).await?;
        let entry = |(id, fields): (String, Vec<Vec<u8>>)| {
            let value = fields.into_iter().nth(1).unwrap_or_default();
            StreamEntry { id, value }
        };
        Ok(range.into_iter().map(entry).collect())
    }

    /// Removes an entry of a stream and all older ones.
    ///
    /// # Errors
    /// When Redis cannot be reached or refuses; it may be done again.
    pub async fn trim(&self, stream: &str, through: &str) -> Result<(), RedisError> {
        self.query::<i64>(redis::cmd("XTRIM").arg(stream).arg("MINID").arg(through)).await?;
        self.query::<i64>(redis::cmd("XDEL").arg(stream).arg(through)).await.map(drop)
    }

    /// Subscribes to channels, and again after every failure, for as long as the future is polled; it ends when the
    /// receiver is dropped.
    pub fn subscribe(
        &self,
        channels: Vec<String>,
    ) -> (mpsc::Receiver<Heard>, impl Future<Output = ()> + Send + use<>) {
        /// What a slow listener may leave unheard; then the subscription begins anew, with a gap.
        const UNHEARD_MAX: usize = 1024;
        let (to, heard) = mpsc::channel(UNHEARD_MAX);
        (heard, listen(self.options.clone(), channels, to))
    }

    async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, RedisError> {
        let mut connection = self.connected().await?;
        let answered = command.query_async(&mut connection).await;
        self.settle(answered).await
    }

    /// A connection that failed is not used again: its answers would be those to earlier questions, or it leads to
    /// what is no longer the master.
    async fn settle<T>(&self, answered: redis::RedisResult<T>) -> Result<T, RedisError> {
        if answered.is_err() {
            *self.connection.lock().await = None;
        }
        Ok(answered?)
    }

    async fn connected(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let new = connect(&self.options, None).await?;
        *connection = Some(new.clone());
        Ok(new)
    }
}

/// Keeps a subscription up until nobody listens.
async fn listen(options: RedisOptions, channels: Vec<String>, to: mpsc::Sender<Heard>) {
    const PAUSE: Duration = Duration::from_millis(200);
    while !to.is_closed() {
        let (pushed, mut pushes) = mpsc::unbounded_channel::<PushInfo>();
        if let Ok(_connection) = subscribed(&options, &channels, pushed).await
            && to.send(Heard::Gap).await.is_ok()
        {
            while let Some(push) = pushes.recv().await {
                if ends_after(push, &to) {
                    break;
                }
            }
        }
        tokio::select! {
            () = to.closed() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Passes a message on; says whether the subscription has ended, or has to: what cannot be passed on is a gap.
fn ends_after(push: PushInfo, to: &mpsc::Sender<Heard>) -> bool {
    match push.kind {
        PushKind::Message => message(push).is_none_or(|heard| to.try_send(heard).is_err()),
        kind => kind == PushKind::Disconnection,
    }
}

async fn subscribed(
    options: &RedisOptions,
    channels: &[String],
    pushed: mpsc::UnboundedSender<PushInfo>,
) -> Result<MultiplexedConnection, RedisError> {
    let mut connection = connect(options, Some(pushed)).await?;
    for channel in channels {
        connection.subscribe(channel).await?;
    }
    Ok(connection)
}

fn message(push: PushInfo) -> Option<Heard> {
    let message = redis::Msg::from_push_info(push)?;
    let channel = message.get_channel_name().to_owned();
    Some(Heard::Message { channel, payload: message.get_payload_bytes().to_vec() })
}

/// Connects to the server, or to the master that a sentinel names.
async fn connect(
    options: &RedisOptions,
    pushed: Option<mpsc::UnboundedSender<PushInfo>>,
) -> Result<MultiplexedConnection, RedisError> {
    let mut failure = RedisError::Options("no endpoints".into());
    for endpoint in &options.endpoints {
        let connected = match &options.sentinel_master {
            None => open(options, endpoint, true, pushed.clone()).await,
            Some(master) => match master_by(options, endpoint, master).await {
                Ok(endpoint) => open(options, &endpoint, true, pushed.clone()).await,
                Err(error) => Err(error),
            },
        };
        match connected {
            Ok(connection) => return Ok(connection),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Asks one sentinel where the master is.
async fn master_by(options: &RedisOptions, sentinel: &str, master: &str) -> Result<String, RedisError> {
    let mut connection = open(options, sentinel, false, None).await?;
    let place: Option<(String, u16)> = redis::cmd("SENTINEL")
        .arg("get-master-addr-by-name")
        .arg(master)
        .query_async(&mut connection)
        .await?;
    let (host, port) = place.ok_or_else(|| RedisError::Options(format!("sentinels know no `{master}`")))?;
    Ok(format!("{host}:{port}"))
}

/// Opens a connection to one endpoint; `as_user`: as the ACL user, or else as nobody.
async fn open(
    options: &RedisOptions,
    endpoint: &str,
    as_user: bool,
    pushed: Option<mpsc::UnboundedSender<PushInfo>>,
) -> Result<MultiplexedConnection, RedisError> {
    let mut settings = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
    if as_user {
        if let Some(username) = &options.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &options.password {
            settings = settings.set_password(password.expose());
        }
    }
    let client = client(options, endpoint, settings).await?;
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(options.connect_timeout))
        .set_response_timeout(Some(options.response_timeout));
    if let Some(pushed) = pushed {
        config = config.set_push_sender(pushed);
    }
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}

async fn client(
    options: &RedisOptions,
    endpoint: &str,
    settings: RedisConnectionInfo,
) -> Result<Client, RedisError> {
    let (host, port) = endpoint
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)))
        .ok_or_else(|| RedisError::Options(format!("`{endpoint}` is not host:port")))?;
    let info = |addr: ConnectionAddr| -> Result<ConnectionInfo, RedisError> {
        Ok(addr.into_connection_info()?.set_redis_settings(settings))
    };
    let Some(file) = &options.tls_authority else {
        return Ok(Client::open(info(ConnectionAddr::Tcp(host, port))?)?);
    };
    let authority = tokio::fs::read(file)
        .await
        .map_err(|error| RedisError::Options(format!("cannot read `{}`: {error}", file.display())))?;
    let addr = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(authority) };
    Ok(Client::build_with_tls(info(addr)?, certificates)?)
}
