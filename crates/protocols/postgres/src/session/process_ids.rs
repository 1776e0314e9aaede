//! Process ids in notifications. A client knows itself by the process id that we gave it (`BackendKeyData`), its target
//! by that of a server process; what names the one process is made to name the other.

use std::sync::Arc;

use super::flow::Flow;
use crate::cancel_registry::{CancelRegistry, Process, Registered, ServedBy};
use crate::upstream::CancelToken;

/// The process id of nobody.
const NOBODY: u32 = 0;

/// The client, as notifications name it.
#[derive(Debug, Clone)]
pub(crate) struct ClientIdentity {
    registry: Arc<CancelRegistry>,
    /// The process id that it was told.
    pid: u32,
}

impl ClientIdentity {
    /// That of a client that was given its key.
    pub(crate) fn of(registered: &Registered) -> Self {
        Self { registry: Arc::clone(&registered.registry), pid: registered.pid }
    }

    /// This server process serves the client from here on.
    pub(super) fn served_by(&self, token: &CancelToken) -> ServedBy {
        self.registry.serves(self.pid, token.process())
    }

    /// The process id under which the client knows a process of its server: its own, that of another client of this
    /// gateway, or else the server's number. A stranger that has by chance the number which the client was told is nobody:
    /// the client would take what it says for its own.
    fn shown(&self, process: Process) -> u32 {
        match self.registry.client_of(process) {
            Some(client) => client,
            None if process.1 == self.pid => NOBODY,
            None => process.1,
        }
    }
}

impl Flow {
    /// The process id by which the client knows the process of its target that has this one.
    pub(super) fn shown_pid(&self, pid: u32) -> u32 {
        let token = self.upstream.as_ref().and_then(|open| open.cancel.as_ref());
        token.map_or(pid, |token| self.identity.shown((token.process().0, pid)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::CancelKey;

    fn registered(registry: &Arc<CancelRegistry>, pid: u32) -> Registered {
        registry.register(CancelKey::new(pid, vec![1; 4]), || None).1
    }

    #[test]
    fn a_process_is_shown_by_the_number_that_its_client_was_told() {
        let registry = Arc::<CancelRegistry>::default();
        let (one, two) = (registered(&registry, 70_001), registered(&registry, 70_002));
        let (first, second) = (ClientIdentity::of(&one), ClientIdentity::of(&two));
        let server = SocketAddr::from(([127, 0, 0, 1], 5432));
        let _served = [registry.serves(70_001, (server, 11)), registry.serves(70_002, (server, 12))];
        for client in [&first, &second] {
            assert_eq!(client.shown((server, 11)), 70_001);
            assert_eq!(client.shown((server, 12)), 70_002);
            assert_eq!(client.shown((server, 13)), 13, "a process that serves nobody here");
            let elsewhere = SocketAddr::from(([127, 0, 0, 2], 5432));
            assert_eq!(client.shown((elsewhere, 11)), 11, "a process of another server");
        }
        assert_eq!(first.shown((server, 70_001)), NOBODY, "a stranger is not the client itself");
        assert_eq!(second.shown((server, 70_001)), 70_001);
    }
}
