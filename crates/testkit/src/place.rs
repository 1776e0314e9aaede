//! Where a server stands: in the network of this process, at 127.0.0.1, or in a network namespace of its own, at
//! an address of its own. That is a loopback address, too, so that no server has to be configured otherwise there.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use crate::Account;

/// Where a server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    address: Ipv4Addr,
    /// The file of its namespace.
    namespace: Option<PathBuf>,
}

impl Default for Place {
    /// 127.0.0.1, here.
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST, namespace: None }
    }
}

impl Place {
    pub(crate) const fn within(namespace: PathBuf, address: Ipv4Addr) -> Self {
        Self { address, namespace: Some(namespace) }
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        (self.address, port).into()
    }

    /// The addresses from which somebody may come who is on the same network, as CIDR.
    pub(crate) const fn neighbours(&self) -> &'static str {
        if self.namespace.is_some() { "127.77.0.0/16" } else { "127.0.0.1/32" }
    }

    /// A command that runs there as this account. The process that is started becomes the program, and keeps its id.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, account: Account) -> Command {
        let Some(namespace) = &self.namespace else {
            let mut command = Command::new(program);
            account.apply(&mut command);
            return command;
        };
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", namespace.display()));
        // Only after it has entered: the account itself may not.
        if let Account::Other { uid, gid } = account {
            command.arg(format!("--setgid={gid}")).arg(format!("--setuid={uid}"));
        }
        command.arg("--").arg(program);
        command
    }
}
