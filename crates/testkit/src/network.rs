//! A network of namespaces: every node has its own, with an address of its own, and all hang on one bridge. What
//! one sends another can be dropped, in one direction or in both, whatever connection it belongs to.
//!
//! The bridge lies in the namespace of this process, which has to be new, never the machine's: [`Network::isolated`].
//! No namespace has a name: each is there as long as a process is in it, so that nothing is left over, not even
//! after a crash. All addresses are of 127.77.0.0/16: to whoever asks they are loopback, and yet go over the wire.
//! Packets are dropped by leading them to a hardware address that nobody has, which needs no firewall.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::wait::eventually;
use crate::{Place, Process, Signal};

/// The hardware address that nobody has.
const NOBODY: &str = "02:00:00:00:00:01";

/// The hardware address of the bridge.
const BRIDGE: &str = "02:00:00:00:00:02";

/// How many nodes fit, by the plan of addresses.
const NODES_MAX: usize = 250;

/// Where the servers of a test stand, and how they reach each other.
#[derive(Debug, Default)]
pub struct Network {
    /// `None`: all in the network of this process.
    bridge: Option<Bridge>,
}

#[derive(Debug, Default)]
struct Bridge {
    nodes: Vec<Node>,
    /// Addresses on the bridge that lead to a node, from one other or from all.
    doors: Vec<Door>,
    cut: BTreeSet<(String, String)>,
}

/// A namespace, which is there as long as its sleeper.
#[derive(Debug)]
struct Node {
    name: String,
    place: Place,
    _sleeper: Process,
    namespace: PathBuf,
}

#[derive(Debug)]
struct Door {
    from: Option<String>,
    to: String,
    address: Ipv4Addr,
}

impl Network {
    /// Everything in the network of this process, at 127.0.0.1. Nothing can be cut.
    #[must_use]
    pub const fn shared() -> Self {
        Self { bridge: None }
    }

    /// A bridge and nothing on it yet.
    ///
    /// # Errors
    /// This process is in a network that is used, or may not change its network.
    pub fn namespaces() -> Result<Self> {
        ensure!(!is_inhabited()?, "this is not a network of its own, but one that is used");
        shrink_loopback(None)?;
        // An address of its own: else it takes that of a port, another one whenever a port comes, and what nodes send to
        // the one before is lost until they ask again.
        let lines = format!(
            "link add name br0 address {BRIDGE} type bridge forward_delay 0\nlink set br0 up\n\
             addr add 127.77.0.1/16 dev br0 scope global\n"
        );
        ip(None, &lines)?;
        Ok(Self { bridge: Some(Bridge::default()) })
    }

    /// Whether a process can be given a network of its own, and one in which bridges can be made.
    ///
    /// # Errors
    /// It cannot, and why.
    pub fn possible() -> Result<()> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "ip", "link", "add", "name", "br0", "type", "bridge"]);
        let output = command.stdin(Stdio::null()).output().context("cannot run unshare")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        ensure!(program("nsenter"), "no `nsenter` on this machine");
        Ok(())
    }

    /// The command that runs `program` in a network of its own, in which [`Network::namespaces`] works.
    #[must_use]
    pub fn isolated(program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--net", "--"]).arg(program);
        command
    }

    /// Whether parts can be cut off from each other.
    #[must_use]
    pub const fn can_cut(&self) -> bool {
        self.bridge.is_some()
    }

    /// A place for a new node of this name.
    ///
    /// # Errors
    /// No namespace can be made.
    pub fn place(&mut self, name: &str) -> Result<Place> {
        match &mut self.bridge {
            None => Ok(Place::default()),
            Some(bridge) => bridge.add(name),
        }
    }

    /// An address of this process, for a proxy that leads to `to`: from one node, or from whoever comes. What it
    /// carries counts as sent between these nodes.
    ///
    /// # Errors
    /// There is no such node.
    pub fn door(&mut self, from: Option<&str>, to: &str) -> Result<Ipv4Addr> {
        match &mut self.bridge {
            None => Ok(Ipv4Addr::LOCALHOST),
            Some(bridge) => bridge.door(from, to),
        }
    }

    /// Drops everything that `from` sends to `to`, until it heals.
    ///
    /// # Errors
    /// There is no such node, or there are no namespaces.
    pub fn cut(&mut self, from: &str, to: &str) -> Result<()> {
        let bridge = self.bridge.as_mut().context("there are no namespaces to cut off from each other")?;
        bridge.lead(from, to, |address| {
            format!("neigh replace {address} lladdr {NOBODY} dev eth0 nud permanent\n")
        })?;
        bridge.cut.insert((from.to_owned(), to.to_owned()));
        Ok(())
    }

    /// Lets everything through again.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn heal(&mut self) -> Result<()> {
        let Some(bridge) = &mut self.bridge else { return Ok(()) };
        for (from, to) in std::mem::take(&mut bridge.cut) {
            bridge.lead(&from, &to, |address| format!("neigh del {address} dev eth0\n"))?;
        }
        Ok(())
    }
}

impl Bridge {
    fn add(&mut self, name: &str) -> Result<Place> {
        let number = self.nodes.len() + 1;
        ensure!(number < NODES_MAX, "no address is left");
        ensure!(self.number(name).is_err(), "there is a `{name}` already");
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "sleep", "infinity"]).stdin(Stdio::null());
        let sleeper = Process::spawn(&format!("the namespace of {name}"), &mut command, Signal::Kill)?;
        let namespace = PathBuf::from(format!("/proc/{}/ns/net", sleeper.id()));
        let ours = std::fs::read_link("/proc/self/ns/net")?;
        eventually("a namespace", Duration::from_secs(5), || {
            Ok(std::fs::read_link(&namespace).ok().filter(|theirs| *theirs != ours))
        })?;
        let address = Ipv4Addr::new(127, 77, 0, u8::try_from(number + 1)?);
        let file = namespace.display();
        ip(
            None,
            &format!(
                "link add v{number} type veth peer name eth0 netns {file}\nlink set v{number} master br0 up\n"
            ),
        )?;
        shrink_loopback(Some(&namespace))?;
        let lines = format!("link set eth0 up\naddr add {address}/16 dev eth0 scope global\n");
        ip(Some(&namespace), &lines)?;
        let place = Place::within(namespace.clone(), address);
        self.nodes.push(Node { name: name.to_owned(), place: place.clone(), _sleeper: sleeper, namespace });
        Ok(place)
    }

    fn door(&mut self, from: Option<&str>, to: &str) -> Result<Ipv4Addr> {
        let third = from.map_or(Ok(NODES_MAX), |from| self.number(from))?;
        let address = Ipv4Addr::new(127, 77, u8::try_from(third)?, u8::try_from(self.number(to)?)?);
        if self.doors.iter().all(|door| door.address != address) {
            ip(None, &format!("addr add {address}/32 dev br0 scope global\n"))?;
            self.doors.push(Door { from: from.map(str::to_owned), to: to.to_owned(), address });
        }
        Ok(address)
    }

    /// The number of a node, from one.
    fn number(&self, name: &str) -> Result<usize> {
        let found = self.nodes.iter().position(|node| node.name == name);
        Ok(found.with_context(|| format!("no node `{name}`"))? + 1)
    }

    /// Changes how `from` reaches every address that stands for `to`.
    fn lead(&self, from: &str, to: &str, change: impl Fn(Ipv4Addr) -> String) -> Result<()> {
        let node = |name| self.nodes.iter().find(|node| node.name == name);
        let (Some(sender), Some(receiver)) = (node(from), node(to)) else {
            bail!("no nodes `{from}` and `{to}`")
        };
        let between = |door: &&Door| match &door.from {
            Some(one) => (one == from && door.to == to) || (one == to && door.to == from),
            None => door.to == to,
        };
        let doors = self.doors.iter().filter(between).map(|door| door.address);
        let lines: String = doors.chain([receiver.place.address()]).map(change).collect();
        ip(Some(&sender.namespace), &lines).with_context(|| format!("from {from} to {to}"))
    }
}

/// Whether somebody lives in the network of this process: in a new one nothing has an address.
fn is_inhabited() -> Result<bool> {
    let addresses = std::fs::read_to_string("/proc/self/net/fib_trie");
    Ok(!addresses.context("cannot tell whether this network is used")?.trim().is_empty())
}

/// Leaves 127.0.0.1 alone to the loopback device, so that other addresses of 127.0.0.0/8 can be elsewhere.
fn shrink_loopback(namespace: Option<&Path>) -> Result<()> {
    let ours = "sysctl=/proc/sys/net/ipv4/conf/all/route_localnet; ip link set lo up \
                && ip addr del 127.0.0.1/8 dev lo && ip addr add 127.0.0.1/32 dev lo && echo 1 >$sysctl";
    let status = entering(namespace, "sh").args(["-c", ours]).status().context("cannot run sh")?;
    ensure!(status.success(), "the loopback device cannot be changed");
    Ok(())
}

/// Runs lines of `ip` in a namespace, or here.
fn ip(namespace: Option<&Path>, lines: &str) -> Result<()> {
    let mut command = entering(namespace, "ip");
    command.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot run ip; install iproute2")?;
    child.stdin.take().context("no input")?.write_all(lines.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "ip: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

fn entering(namespace: Option<&Path>, program: &str) -> Command {
    let Some(namespace) = namespace else { return Command::new(program) };
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", namespace.display())).arg("--").arg(program);
    command
}

/// Whether a program is on the path.
fn program(name: &str) -> bool {
    let found = |path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    std::env::var_os("PATH").is_some_and(found)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};

    use super::*;
    use crate::Account;

    /// Runs this very test again in a network of its own; `false`: the machine does not let it.
    fn isolated(test: &str) -> bool {
        if let Err(reason) = Network::possible() {
            eprintln!("no namespaces here: {reason:#}");
            return false;
        }
        let name = format!("network::tests::{test}");
        let mut command = Network::isolated(&std::env::current_exe().unwrap());
        let status = command.args([&name, "--exact", "--nocapture"]).env(INSIDE, "1").status().unwrap();
        assert!(status.success());
        true
    }

    const INSIDE: &str = "COUNTERSIGN_TEST_ISOLATED";

    /// Whether `from` gets an answer of the server at this address.
    fn reaches(from: &Place, to: SocketAddr) -> bool {
        let script = format!("exec 3<>/dev/tcp/{}/{} && head -c 5 <&3", to.ip(), to.port());
        let mut command = from.command("timeout", Account::Own);
        let output = command.args(["1", "bash", "-c", &script]).stderr(Stdio::null()).output().unwrap();
        output.stdout == b"hello"
    }

    /// A server that greets everybody.
    fn greeter(place: &Place) -> (Process, SocketAddr) {
        let address = place.at(7000);
        let script = format!(
            "import socket\ns = socket.create_server(('{}', {}))\nprint('ready', flush=True)\n\
             while True: s.accept()[0].sendall(b'hello')",
            address.ip(),
            address.port()
        );
        let mut command = place.command("python3", Account::Own);
        command.args(["-c", &script]).stdout(Stdio::piped());
        let mut process = Process::spawn("greeter", &mut command, Signal::Kill).unwrap();
        let mut ready = [0; 5];
        let output = process.child().stdout.as_mut().unwrap();
        std::io::Read::read_exact(output, &mut ready).unwrap();
        (process, address)
    }

    #[test]
    fn a_cut_drops_what_one_sends_another_in_its_direction_and_nothing_else() {
        if std::env::var_os(INSIDE).is_none() {
            isolated("a_cut_drops_what_one_sends_another_in_its_direction_and_nothing_else");
            return;
        }
        let mut network = Network::namespaces().unwrap();
        let [one, two, three] = ["one", "two", "three"].map(|name| network.place(name).unwrap());
        let (_server, address) = greeter(&one);
        // Through a proxy of ours, which stands for the server.
        let door = network.door(Some("two"), "one").unwrap();
        let proxy = crate::FaultProxy::start_at(door, address, 1).unwrap();
        let through = proxy.address();
        for place in [&two, &three] {
            assert!(reaches(place, address));
        }
        assert!(reaches(&two, through));
        assert!(TcpStream::connect(address).is_ok(), "not from outside");
        for (from, to) in [("two", "one"), ("one", "two")] {
            network.cut(from, to).unwrap();
            assert!(!reaches(&two, address), "{from} to {to}");
            assert!(!reaches(&two, through), "{from} to {to}, through the proxy");
            assert!(reaches(&three, address), "{from} to {to}: somebody else");
            network.heal().unwrap();
            assert!(reaches(&two, address) && reaches(&two, through), "{from} to {to}, healed");
        }
    }

    #[test]
    fn a_network_that_is_used_is_left_alone() {
        assert!(Network::namespaces().unwrap_err().to_string().contains("used"));
    }

    #[test]
    fn without_namespaces_nothing_can_be_cut() {
        let mut network = Network::shared();
        assert_eq!(network.place("one").unwrap(), Place::default());
        assert!(network.cut("one", "two").is_err());
    }
}
