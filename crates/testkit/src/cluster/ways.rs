//! The ways between the parts of a fleet, each through a proxy of its own when they may go bad.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use super::parts::Part;
use crate::{FaultProxy, Network};

/// All ways that go through a proxy.
#[derive(Debug)]
pub(super) struct Ways {
    /// `None`: no way goes through a proxy.
    seed: Option<u64>,
    proxies: Vec<(String, FaultProxy)>,
}

impl Ways {
    pub(super) const fn new(seed: Option<u64>) -> Self {
        Self { seed, proxies: Vec::new() }
    }

    /// From a control-plane node to the members of etcd: the addresses that it uses.
    pub(super) fn lead_to_etcd(
        &mut self,
        network: &mut Network,
        control: usize,
        members: &[String],
    ) -> Result<Vec<String>> {
        let mut reached = Vec::new();
        for (number, member) in members.iter().enumerate() {
            let (scheme, address) = member.split_once("://").context("an address without a scheme")?;
            let ends = (Part::Control(control), Part::Etcd(number));
            reached.push(format!("{scheme}://{}", self.lead(network, ends, address.parse()?)?));
        }
        Ok(reached)
    }

    /// From a control-plane node to Redis.
    pub(super) fn lead_to_redis(
        &mut self,
        network: &mut Network,
        control: usize,
        redis: SocketAddr,
    ) -> Result<SocketAddr> {
        self.lead(network, (Part::Control(control), Part::Redis), redis)
    }

    /// From a gateway to the control-plane nodes.
    pub(super) fn lead_to_controls(
        &mut self,
        network: &mut Network,
        gateway: usize,
        controls: &[SocketAddr],
    ) -> Result<Vec<SocketAddr>> {
        let ways = controls.iter().enumerate();
        let ends = |number| (Part::Gateway(gateway), Part::Control(number));
        ways.map(|(number, control)| self.lead(network, ends(number), *control)).collect()
    }

    /// From the balancer to a gateway.
    pub(super) fn lead_to_gateway(
        &mut self,
        network: &mut Network,
        number: usize,
        gateway: SocketAddr,
    ) -> Result<SocketAddr> {
        self.lead(network, (Part::Balancer, Part::Gateway(number)), gateway)
    }

    /// Where the way from one part to the address of another begins.
    fn lead(&mut self, network: &mut Network, ends: (Part, Part), to: SocketAddr) -> Result<SocketAddr> {
        let Some(seed) = self.seed else { return Ok(to) };
        let (one, other) = (ends.0.to_string(), ends.1.to_string());
        let own = network.door(Some(&one), &other)?;
        let proxy = FaultProxy::start_at(own, to, seed.wrapping_add(self.proxies.len() as u64))?;
        let begins = proxy.address();
        self.proxies.push((format!("{one} to {other}"), proxy));
        Ok(begins)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.proxies.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn get(&self, wanted: &str) -> Option<&FaultProxy> {
        self.proxies.iter().find(|(name, _)| name == wanted).map(|(_, proxy)| proxy)
    }
}
