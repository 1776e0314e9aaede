//! A server process that is ended by its process id: when its value is dropped, and by a watchdog when
//! the process that started it dies without dropping anything.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::wait::eventually;

/// The signals that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Reload.
    Hangup,
    /// Ctrl-C.
    Interrupt,
    /// PostgreSQL: end at once.
    Quit,
    /// End in good order.
    Terminate,
    /// End without a chance to say anything.
    Kill,
    /// Stand still.
    Stop,
    /// Go on.
    Continue,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Hangup => "HUP",
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A running process of ours.
#[derive(Debug)]
pub struct Process {
    child: Child,
    watchdog: Option<Child>,
    name: String,
    ends_by: Signal,
}

impl Process {
    /// Starts `command`. It is asked to end with `ends_by`; one that does not is killed after 10 s.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn(name: &str, command: &mut Command, ends_by: Signal) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let id = child.id().to_string();
        // The watchdog reads from us and gets nothing but the end of the file when we are gone.
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, ends_by.name(), &id, &started(&id).unwrap_or_default()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok();
        Ok(Self { child, watchdog, name: name.to_owned(), ends_by })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its pipes, where its command asked for some.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let ended = self.child.try_wait().with_context(|| format!("cannot ask after {}", self.name))?;
        if ended.is_some() {
            self.dismiss_watchdog();
        }
        Ok(ended)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// The signal cannot be sent, such as to a process that has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.ended()?.is_some() {
            anyhow::bail!("{} has ended already", self.name);
        }
        send(self.child.id(), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Asks it to end and waits for it; kills it after `patience`.
    ///
    /// # Errors
    /// The system does not tell how it ended.
    pub fn stop(&mut self, patience: Duration) -> Result<ExitStatus> {
        self.dismiss_watchdog();
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        send(self.child.id(), self.ends_by)?;
        let name = self.name.clone();
        match eventually(&format!("the end of {name}"), patience, || self.ended()) {
            Ok(status) => Ok(status),
            Err(_) => self.kill(),
        }
    }

    /// Kills it, as a power cut would, and waits until it is gone.
    ///
    /// # Errors
    /// The system does not tell how it ended.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.dismiss_watchdog();
        // An error here means that it has ended, which `wait` then tells.
        let _ = self.child.kill();
        self.child.wait().with_context(|| format!("cannot wait for {}", self.name))
    }

    /// It has nothing to do any more.
    fn dismiss_watchdog(&mut self) {
        if let Some(mut watchdog) = self.watchdog.take() {
            let _ = watchdog.kill();
            let _ = watchdog.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop(Duration::from_secs(10)) {
            eprintln!("{error:#}");
        }
    }
}

/// Waits for the end of its input and sends a signal, by the name `$0`, to the process of the id `$1`, if that is still
/// the one that began at `$2`: when it was waited for before, its id may have become another's.
const WATCHDOG: &str = r#"read -r line
stat=$(cat "/proc/$1/stat") && set -- "$1" "$2" ${stat##*) } && [ "${22}" = "$2" ] && kill -s "$0" "$1""#;

/// When the process of this id began, in the system's ticks: the 22nd field, and the 20th after the name, in which
/// anything may stand.
fn started(id: &str) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(19).map(str::to_owned)
}

/// Sends `signal` to one process, by its id, which must not have been waited for: until then the id is its own,
/// afterwards it may be another's. The shell's own `kill` needs no package.
fn send(id: u32, signal: Signal) -> Result<()> {
    let status = Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\"", signal.name(), &id.to_string()])
        .stderr(Stdio::null())
        .status()
        .context("cannot run sh")?;
    anyhow::ensure!(status.success(), "no process {id} to send {} to", signal.name());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn sleeper() -> Process {
        Process::spawn("sleep", Command::new("sleep").arg("60"), Signal::Terminate).unwrap()
    }

    fn runs(id: u32) -> bool {
        std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn a_dropped_process_has_ended() {
        let process = sleeper();
        let id = process.id();
        assert!(runs(id));
        drop(process);
        assert!(!runs(id));
    }

    #[test]
    fn a_process_ends_when_the_one_that_started_it_is_killed() {
        // This very test as a child: it starts a sleeper, tells its id and is killed.
        if std::env::var_os("COUNTERSIGN_TEST_STARTER").is_some() {
            println!("sleeper={}", sleeper().id_kept());
            std::thread::sleep(Duration::from_secs(60));
            return;
        }
        let name = "process::tests::a_process_ends_when_the_one_that_started_it_is_killed";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env("COUNTERSIGN_TEST_STARTER", "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut text = String::new();
        let id: u32 = loop {
            let mut buffer = [0; 256];
            let count = output.read(&mut buffer).unwrap();
            assert!(count > 0, "no id in {text}");
            text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            if let Some((_, rest)) = text.split_once("sleeper=")
                && let Some((id, _)) = rest.split_once('\n')
            {
                break id.parse().unwrap();
            }
        };
        assert!(runs(id));
        child.kill().unwrap();
        child.wait().unwrap();
        eventually("the sleeper's end", Duration::from_secs(5), || Ok((!runs(id)).then_some(()))).unwrap();
    }

    impl Process {
        /// The id of a process that outlives its value, watched all the same.
        fn id_kept(self) -> u32 {
            let id = self.id();
            std::mem::forget(self);
            id
        }
    }

    #[test]
    fn a_watchdog_leaves_a_process_alone_that_has_the_id_of_another() {
        let process = sleeper();
        let id = process.id().to_string();
        let watch = |began: &str| {
            let words = ["-c", WATCHDOG, "KILL", &id, began];
            Command::new("sh").args(words).stdin(Stdio::null()).status().unwrap().success()
        };
        assert!(!watch("1") && runs(process.id()));
        assert!(watch(&started(&id).unwrap()));
        eventually("its end", Duration::from_secs(5), || Ok((!runs(process.id())).then_some(()))).unwrap();
    }

    #[test]
    fn one_that_ignores_the_signal_is_killed() {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]).stdout(Stdio::piped());
        let mut process = Process::spawn("stubborn", &mut command, Signal::Terminate).unwrap();
        let mut ready = [0; 6];
        process.child().stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        assert!(!process.stop(Duration::from_millis(100)).unwrap().success());
    }
}
