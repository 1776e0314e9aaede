//! `countersign gateway`: a gateway as a process of its own, linked to control-plane nodes.

mod config;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use countersign_common::time::{Clock, SystemClock};
use countersign_gateway::identity::{Identity, IdentityError, IdentityOptions};
use countersign_gateway::link::{Credentials, Lease, Link, LinkOptions, Order, Unfinished};
use countersign_gateway::{Gateway, ListenerConfig, Listeners, Served};
use countersign_lifecycle::ports::Ports;
use countersign_masking::HashKey;
use countersign_runtime::signal::Signals;
use countersign_runtime::telemetry::Otlp;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

use self::config::Config;
use super::Surroundings;
use crate::error::{CliError, Exit};
use crate::node::hash_key;
use crate::node::ops::Operations;

/// How long to wait before the control plane is asked again for a certificate.
const JOIN_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How long records and reports may take to be delivered at the end.
const DELIVERY_MAX: Duration = Duration::from_secs(10);

/// How long connections may take to end after this start was declared lost. They were told to.
const LOST_MAX: Duration = Duration::from_secs(5);

/// How long listeners stay bound, after a start was declared lost, while the next one cannot serve anybody yet.
const KEPT_BOUND_MAX: Duration = Duration::from_secs(15);

/// How it is configured.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The configuration file (YAML); `docs/cli.md` has its keys.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// What is said when it is ready.
#[derive(Debug, Serialize)]
struct Ready {
    event: &'static str,
    /// Where clients connect, in the order of the configuration.
    listeners: Vec<String>,
    /// This start's id.
    node: String,
    /// Where operators look.
    #[serde(skip_serializing_if = "Option::is_none")]
    ops: Option<String>,
}

/// Everything that stays the same over all starts of the link.
struct Process<'a> {
    config: Config,
    listeners: Vec<ListenerConfig>,
    hash_key: Arc<HashKey>,
    clock: Arc<dyn Clock>,
    signals: Signals,
    around: &'a Surroundings,
    /// Where operators look.
    ops: Option<SocketAddr>,
    /// That of the present start of the link.
    lease: Arc<Mutex<Option<Lease>>>,
}

/// How a start of the link begins.
enum Begun {
    /// It can serve clients.
    To(Box<Ports>),
    /// It was declared lost before it could: another one begins.
    Again,
    /// The gateway was shut out; why.
    Never(String),
    /// A signal came first.
    NoMore,
}

/// What ends a start of the link.
enum End {
    /// A signal, or the control plane's order: the process ends.
    Drain,
    /// It was declared lost: another one begins.
    Lost,
    /// The gateway was shut out: there is nothing left for it to do.
    Revoked(String),
}

/// Runs until it is told to end, then drains.
pub(crate) async fn run(arguments: &Arguments, around: &Surroundings) -> Result<(), CliError> {
    let config = Config::read(&arguments.config)?;
    let otlp = Otlp::of(config.otlp.clone(), "countersign-gateway", config.trace_share.0);
    let mut operations = Operations::begin(around.output, otlp.as_ref())?;
    let signals =
        Signals::listen().map_err(|error| CliError::failed(format!("cannot listen for signals: {error}")))?;
    let listeners = config.listeners()?;
    let hash_key = Arc::new(hash_key::read(&config.hash_key_file)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ops = operations.listen(config.listen_ops).await?;
    let lease = Arc::new(Mutex::new(None));
    watch_lease(&operations, &lease);
    let mut process = Process { config, listeners, hash_key, clock, signals, around, ops, lease };
    let ended = process.run(&operations).await;
    operations.end().await;
    ended
}

/// It is ready only while it may judge.
fn watch_lease(operations: &Operations, lease: &Arc<Mutex<Option<Lease>>>) {
    let lease = Arc::clone(lease);
    operations.health.register("control_plane", move || {
        let lease = lease.lock().clone();
        lease.map_or_else(|| Err("not linked yet".into()), |lease| lease.check())
    });
}

impl Process<'_> {
    async fn run(&mut self, operations: &Operations) -> Result<(), CliError> {
        let Some(identity) = self.identity().await? else { return Ok(()) };
        let credentials = identity.credentials();
        tokio::select! {
            ended = self.serve(credentials, operations) => ended,
            // The next start joins again, where the token still works.
            ended = identity.keep() => Err(nobody(&ended)),
        }
    }

    /// Who this gateway is; nothing when it is told to end before it is somebody.
    async fn identity(&mut self) -> Result<Option<Identity>, CliError> {
        let options = IdentityOptions {
            state: self.config.state.clone(),
            name: self.config.name.clone(),
            control_planes: self.config.control_planes.clone(),
            token: self.config.token()?,
        };
        loop {
            match Identity::open(options.clone(), Arc::clone(&self.clock)).await {
                Ok(identity) => return Ok(Some(identity)),
                Err(error @ IdentityError::Unreached { .. }) => {
                    tracing::warn!(%error, "the gateway cannot join yet");
                }
                Err(error) => return Err(nobody(&error)),
            }
            tokio::select! {
                () = tokio::time::sleep(JOIN_AGAIN_AFTER) => {}
                _ = self.signals.next() => return Ok(None),
            }
        }
    }

    /// Serves through one start of the link after the other.
    async fn serve(
        &mut self,
        credentials: watch::Receiver<Credentials>,
        operations: &Operations,
    ) -> Result<(), CliError> {
        let url: Option<Arc<str>> = self.config.url.as_deref().map(Into::into);
        let (mut bound, mut unfinished) = (None, Unfinished::default());
        loop {
            let options = LinkOptions::new(self.config.control_planes.clone());
            let link = Link::start(options, credentials.clone(), Arc::clone(&self.clock), unfinished);
            *self.lease.lock() = Some(link.lease());
            let ports = match self.ready(&link, &url, &mut bound).await {
                Begun::To(ports) => *ports,
                Begun::Again => {
                    unfinished = link.unfinished();
                    continue;
                }
                Begun::Never(reason) => return Err(shut_out(&reason)),
                // Nobody is served yet: there is nothing to drain.
                Begun::NoMore => return Ok(()),
            };
            let listeners = match bound.take() {
                Some(listeners) => listeners,
                None => self.bind(&link).await?,
            };
            let gateway = Arc::new(Gateway::new(&listeners, &ports, &self.hash_key));
            link.serves(Arc::clone(&gateway) as _);
            let (end, served) = self.accept(&gateway, &listeners, &link).await;
            match end {
                End::Drain => {
                    operations.health.drain();
                    drop(listeners);
                    return self.drain(link, served).await;
                }
                End::Lost => {
                    served.finish(LOST_MAX).await;
                    unfinished = link.unfinished();
                    bound = Some(listeners);
                }
                End::Revoked(reason) => {
                    operations.health.drain();
                    drop(listeners);
                    served.finish(LOST_MAX).await;
                    return Err(shut_out(&reason));
                }
            }
        }
    }

    /// Waits until clients can be served again. Listeners of an earlier start are kept for a little while only: a client
    /// that nobody accepts had better be sent elsewhere.
    async fn ready(&mut self, link: &Link, url: &Option<Arc<str>>, bound: &mut Option<Listeners>) -> Begun {
        let mut orders = link.orders();
        let mut ready = std::pin::pin!(link.ready(url.clone()));
        loop {
            tokio::select! {
                ports = &mut ready => return Begun::To(Box::new(ports)),
                _ = self.signals.next() => return Begun::NoMore,
                Ok(order) = orders.wait_for(|order| matches!(order, Order::Lost(_) | Order::Revoked(_))) => {
                    return match &*order {
                        Order::Revoked(reason) => Begun::Never(reason.clone()),
                        _ => Begun::Again,
                    };
                }
                () = tokio::time::sleep(KEPT_BOUND_MAX), if bound.is_some() => {
                    tracing::warn!("nobody can be served for now; the listeners are closed until somebody can");
                    *bound = None;
                }
            }
        }
    }

    /// Binds the listeners, and says so: not before clients can be served, so that nothing sends them here in vain.
    async fn bind(&self, link: &Link) -> Result<Listeners, CliError> {
        let bound = Listeners::bind(self.listeners.clone(), self.config.connections_max).await;
        let listeners = bound.map_err(|error| {
            CliError::because(Exit::Failed, "the gateway cannot start", &error)
                .help("choose another address in `listeners`; port 0 takes a free one")
        })?;
        let listeners = listeners.with_large_message_bytes_max(self.config.large_message_bytes_max);
        let addresses: Vec<_> = listeners.addresses().iter().map(ToString::to_string).collect();
        let ops = self.ops.map(|address| format!("http://{address}"));
        let ready = Ready { event: "ready", listeners: addresses, node: link.node().to_string(), ops };
        let text = || format!("The gateway listens on {}.", ready.listeners.join(", "));
        self.around.output.event(&ready, text)?;
        Ok(listeners)
    }

    async fn accept(&mut self, gateway: &Gateway, listeners: &Listeners, link: &Link) -> (End, Served) {
        let mut end = End::Drain;
        let mut orders = link.orders();
        let told = async {
            end = tokio::select! {
                signal = self.signals.next() => {
                    tracing::info!(signal, "draining; a second signal ends at once");
                    End::Drain
                }
                order = orders.wait_for(|order| *order != Order::None) => match order.as_deref() {
                    Ok(Order::Lost(_)) => End::Lost,
                    Ok(Order::Revoked(reason)) => End::Revoked(reason.clone()),
                    Ok(Order::Drain(reason)) => {
                        tracing::info!(reason, "draining, as the control plane asks");
                        End::Drain
                    }
                    // Nobody can give orders any more.
                    Ok(Order::None) | Err(_) => End::Drain,
                },
            };
        };
        let served = gateway.accept(listeners, told).await;
        (end, served)
    }

    /// Those that wait are given their ticket, those that run may finish; then the last records are delivered.
    async fn drain(&mut self, link: Link, served: Served) -> Result<(), CliError> {
        link.drain();
        let drained = async {
            served.finish(self.config.drain).await;
            link.close(DELIVERY_MAX).await;
        };
        tokio::select! {
            () = drained => Ok(()),
            _ = self.signals.next() => Err(CliError::failed("ended by a second signal while draining")),
        }
    }
}

fn shut_out(reason: &str) -> CliError {
    CliError::new(Exit::Refused, format!("the gateway was shut out of its fleet: {reason}"))
        .help("it has to join again as another gateway: with a new token, and an empty `state` directory")
}

fn nobody(error: &IdentityError) -> CliError {
    let text = CliError::because(Exit::Refused, "the gateway cannot join", error);
    text.help("`countersign fleet token` issues a join token; name its file with `join_token_file`")
}
