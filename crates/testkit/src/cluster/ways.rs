//! The ways between the parts of a fleet, each through a proxy of its own when they may go bad.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use super::parts::Part;
use crate::FaultProxy;

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
    pub(super) fn lead_to_etcd(&mut self, control: usize, members: &[String]) -> Result<Vec<String>> {
        let mut reached = Vec::new();
        for (number, member) in members.iter().enumerate() {
            let (scheme, address) = member.split_once("://").context("an address without a scheme")?;
            let name = format!("{} to {}", Part::Control(control), Part::Etcd(number));
            reached.push(format!("{scheme}://{}", self.lead(name, address.parse()?)?));
        }
        Ok(reached)
    }

    /// From a gateway to the control-plane nodes.
    pub(super) fn lead_to_controls(
        &mut self,
        gateway: usize,
        controls: &[SocketAddr],
    ) -> Result<Vec<SocketAddr>> {
        let ways = controls.iter().enumerate();
        let name = |number| format!("{} to {}", Part::Gateway(gateway), Part::Control(number));
        ways.map(|(number, control)| self.lead(name(number), *control)).collect()
    }

    /// From the balancer to a gateway.
    pub(super) fn lead_to_gateway(&mut self, number: usize, gateway: SocketAddr) -> Result<SocketAddr> {
        self.lead(format!("{} to {}", Part::Balancer, Part::Gateway(number)), gateway)
    }

    /// Where the way to `to` begins.
    fn lead(&mut self, name: String, to: SocketAddr) -> Result<SocketAddr> {
        let Some(seed) = self.seed else { return Ok(to) };
        let proxy = FaultProxy::start(to, seed.wrapping_add(self.proxies.len() as u64))?;
        let from = proxy.address();
        self.proxies.push((name, proxy));
        Ok(from)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.proxies.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn get(&self, wanted: &str) -> Option<&FaultProxy> {
        self.proxies.iter().find(|(name, _)| name == wanted).map(|(_, proxy)| proxy)
    }
}
