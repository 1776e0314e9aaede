//! The state of a way that all its connections share: where it leads, what is wrong with it, who goes it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::{Cut, Fault};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

impl Cut {
    const fn holds(self, direction: Direction) -> bool {
        match self {
            Self::Both => true,
            Self::ToServer => matches!(direction, Direction::ToServer),
            Self::ToClient => matches!(direction, Direction::ToClient),
        }
    }
}

/// The shared state.
#[derive(Debug)]
pub(super) struct Way {
    own: Ipv4Addr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    fault: Fault,
    ended: bool,
    chance: fastrand::Rng,
    connections: Vec<Weak<Connection>>,
}

impl Way {
    /// From `own` to the server.
    pub(super) fn new(own: Ipv4Addr, server: SocketAddr, seed: u64) -> Self {
        let state = State {
            server,
            fault: Fault::default(),
            ended: false,
            chance: fastrand::Rng::with_seed(seed),
            connections: Vec::new(),
        };
        Self { own, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) const fn own(&self) -> Ipv4Addr {
        self.own
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lead_to(&self, server: SocketAddr) {
        self.state().server = server;
    }

    pub(super) fn set(&self, fault: Fault) {
        self.state().fault = fault;
        self.changed.notify_all();
    }

    pub(super) fn reset(&self) {
        let connections = std::mem::take(&mut self.state().connections);
        connections.iter().filter_map(Weak::upgrade).for_each(|connection| connection.break_off());
        self.changed.notify_all();
    }

    pub(super) fn end(&self) {
        self.state().ended = true;
        self.reset();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state().ended
    }

    pub(super) fn connections(&self) -> usize {
        self.state().connections.iter().filter(|connection| connection.strong_count() > 0).count()
    }

    /// Where a new connection leads, once it gets through; `None`: it is refused.
    pub(super) fn entrance(&self) -> Option<SocketAddr> {
        let mut state = self.state();
        while state.fault.cut.is_some() && !state.ended && !state.fault.refused {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        (!state.ended && !state.fault.refused).then_some(state.server)
    }

    /// From here on `connection` is broken off with the others.
    pub(super) fn enter(&self, connection: &Arc<Connection>) {
        let mut state = self.state();
        if state.ended {
            connection.break_off();
        }
        state.connections.retain(|connection| connection.strong_count() > 0);
        state.connections.push(Arc::downgrade(connection));
    }

    /// Waits until a chunk of so many bytes, zero for a farewell, gets through; `false`: never.
    pub(super) fn pass(&self, connection: &Connection, direction: Direction, bytes: usize) -> bool {
        let start = Instant::now();
        let mut state = self.state();
        let chance = state.chance.f64();
        loop {
            if state.ended || connection.is_broken() {
                return false;
            }
            if state.fault.cut.is_some_and(|cut| cut.holds(direction)) {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // Asked anew after every change: a fault that heals lets go of what it delayed.
            let left = takes(&state.fault, bytes, chance).saturating_sub(start.elapsed());
            if left.is_zero() {
                return true;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// How long so many bytes take on a way with this fault.
fn takes(fault: &Fault, bytes: usize, chance: f64) -> Duration {
    let narrow = fault.bytes_per_second.map_or(Duration::ZERO, |rate| {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        Duration::from_secs_f64(f64::from(bytes) / f64::from(rate.max(1)))
    });
    fault.delay + fault.jitter.mul_f64(chance) + narrow
}
