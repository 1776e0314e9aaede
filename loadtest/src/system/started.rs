//! What was started of Countersign, in each of its shapes.

use std::net::SocketAddr;

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use countersign_testkit::{Bundle, Cluster, ClusterOptions, Countersign, Fleet, Part as Piece, shop};

use super::{Part, Setup, Shape};

/// Control-plane nodes of a cluster: one that has the gateway's link, and one where people decide.
const CONTROLS: usize = 2;

/// Members of etcd.
const MEMBERS: usize = 3;

pub(super) enum Started {
    Embedded(Box<Countersign>),
    Fleet { fleet: Box<Mutex<Fleet>>, gateways: usize },
    Cluster { cluster: Box<Mutex<Cluster>>, gateways: usize },
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Started {
    pub(super) fn start(setup: &Setup, bundle: &Bundle) -> Result<Self> {
        let gateways = setup.gateways;
        Ok(match setup.shape {
            Shape::Embedded => Self::Embedded(Box::new(Countersign::start(bundle.dev())?)),
            Shape::Fleet => {
                let fleet = Fleet::start(bundle.dev(), gateways)?;
                Self::Fleet { fleet: Box::new(Mutex::new(fleet)), gateways }
            }
            Shape::Cluster => {
                let options = ClusterOptions {
                    etcd: MEMBERS,
                    controls: CONTROLS,
                    gateways,
                    redis: setup.redis,
                    // Its clients choose their gateway themselves.
                    proxy_protocol: false,
                    ..ClusterOptions::default()
                };
                let cluster = Cluster::start(bundle, &options)?;
                Self::Cluster { cluster: Box::new(Mutex::new(cluster)), gateways }
            }
        })
    }

    /// Where the gateways are.
    pub(super) fn gateways(&self) -> Result<Vec<SocketAddr>> {
        match self {
            Self::Embedded(countersign) => Ok(vec![countersign.postgres().parse()?]),
            Self::Fleet { fleet, gateways } => (0..*gateways)
                .map(|number| {
                    let dsn = lock(fleet).dsn(number, "shop", "", shop::DATABASE)?;
                    Ok(format!("{}:{}", dsn.host, dsn.port).parse()?)
                })
                .collect(),
            Self::Cluster { cluster, gateways } => {
                (0..*gateways).map(|number| lock(cluster).gateway_address(number)).collect()
            }
        }
    }

    /// Where people decide.
    pub(super) fn api(&self) -> Result<String> {
        match self {
            Self::Embedded(countersign) => Ok(countersign.api().to_owned()),
            Self::Fleet { fleet, .. } => Ok(lock(fleet).control().api().to_owned()),
            Self::Cluster { cluster, .. } => lock(cluster).apis().into_iter().next().context("no API"),
        }
    }

    /// The same at a control-plane node that has not the link of this gateway, where there is another.
    pub(super) fn api_elsewhere(&self, gateway: usize) -> Result<String> {
        let Self::Cluster { cluster, .. } = self else { return self.api() };
        let cluster = lock(cluster);
        let linked = cluster.linked_to(gateway)?;
        let others = cluster.apis().into_iter().enumerate().filter(|(number, _)| *number != linked);
        others.map(|(_, api)| api).next().context("no other control-plane node")
    }

    /// The token of a person who may approve.
    pub(super) fn approver(&self) -> String {
        match self {
            Self::Embedded(countersign) => countersign.approver().to_owned(),
            Self::Fleet { fleet, .. } => lock(fleet).control().approver().to_owned(),
            Self::Cluster { cluster, .. } => lock(cluster).approver().to_owned(),
        }
    }

    /// A new agent's token.
    pub(super) fn agent(&self, number: usize) -> Result<String> {
        let (subject, groups) = (format!("agent-{number}"), ["agents"]);
        match self {
            Self::Embedded(countersign) => countersign.token(&subject, "agent", &groups),
            Self::Fleet { fleet, .. } => lock(fleet).control().token(&subject, "agent", &groups),
            Self::Cluster { cluster, .. } => lock(cluster).token(&subject, "agent", &groups),
        }
    }

    /// The processes that run, control plane first.
    pub(super) fn parts(&self) -> Result<Vec<Part>> {
        let gateway = |number: usize, id: u32| Part { name: format!("gateway {}", number + 1), id };
        let mut parts = Vec::new();
        match self {
            Self::Embedded(countersign) => {
                parts.push(Part { name: "gateway and control plane".into(), id: countersign.id() });
            }
            Self::Fleet { fleet, gateways } => {
                let fleet = lock(fleet);
                parts.push(Part { name: "control plane".into(), id: fleet.control().id() });
                for number in 0..*gateways {
                    parts.push(gateway(number, fleet.gateway_id(number)?));
                }
            }
            Self::Cluster { cluster, gateways } => {
                let cluster = lock(cluster);
                for number in 0..CONTROLS {
                    let (name, id) =
                        (format!("control plane {}", number + 1), cluster.id(Piece::Control(number))?);
                    parts.push(Part { name, id });
                }
                for number in 0..*gateways {
                    parts.push(gateway(number, cluster.id(Piece::Gateway(number))?));
                }
            }
        }
        Ok(parts)
    }

    pub(super) fn kill_gateway(&self, number: usize) -> Result<()> {
        match self {
            Self::Embedded(_) => bail!("one process has no other gateway: give --system fleet or cluster"),
            Self::Fleet { fleet, .. } => lock(fleet).kill_gateway(number),
            Self::Cluster { cluster, .. } => lock(cluster).kill(Piece::Gateway(number)),
        }
    }

    pub(super) fn start_gateway_again(&self, number: usize) -> Result<()> {
        match self {
            Self::Embedded(_) => bail!("one process is not started again"),
            Self::Fleet { fleet, .. } => lock(fleet).start_gateway_again(number),
            Self::Cluster { cluster, .. } => lock(cluster).start_again(Piece::Gateway(number)),
        }
    }

    pub(super) fn kill_redis(&self) -> Result<()> {
        match self {
            Self::Cluster { cluster, .. } => lock(cluster).kill(Piece::Redis),
            Self::Embedded(_) | Self::Fleet { .. } => {
                bail!("only a cluster has Redis: give --system cluster")
            }
        }
    }
}
