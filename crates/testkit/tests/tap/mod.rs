//! A wire between the gateway and its target that can be looked at, and cut where a test says.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// Where the connection is cut, for both sides: once the gateway sends this.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "not every test cuts in both ways")]
pub(crate) enum Cut {
    /// Before the target gets it.
    Before(&'static [u8]),
    /// When the target has got it, and the gateway no answer.
    After(&'static [u8]),
    /// Not cut: it stands still until [`Tap::thaw`].
    Frozen(&'static [u8]),
}

/// What became of bytes at which the wire was to stand still.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ice {
    /// They have come.
    Solid,
    /// They may go on, or never do.
    Thawed { arrives: bool },
}

#[derive(Default)]
struct State {
    seen: Vec<u8>,
    cut: Option<Cut>,
    ice: Option<Ice>,
}

/// The wire.
pub(crate) struct Tap {
    /// Where the gateway connects.
    pub(crate) port: u16,
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Rung when the ice changes.
    ice: Condvar,
}

#[allow(dead_code, reason = "not every test needs all of it")]
impl Tap {
    /// Before the server on this port of loopback. Lasts as long as the test's process.
    pub(crate) fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Shared>::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for gateway in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let (up, down) = (gateway.try_clone().unwrap(), server.try_clone().unwrap());
                let state = Arc::clone(&shared);
                std::thread::spawn(move || go_up(up, server, &state));
                std::thread::spawn(move || go_down(down, gateway));
            }
        });
        Self { port, state }
    }

    /// Cuts the next connection on which this is sent.
    pub(crate) fn cut(&self, cut: Cut) {
        let mut state = self.state.state.lock().unwrap();
        state.seen.clear();
        state.ice = None;
        state.cut = Some(cut);
    }

    /// Forgets what was seen.
    pub(crate) fn forget(&self) {
        self.state.state.lock().unwrap().seen.clear();
    }

    /// Whether this was sent since.
    pub(crate) fn saw(&self, pattern: &[u8]) -> bool {
        contains(&self.state.state.lock().unwrap().seen, pattern)
    }

    /// Waits until the wire stands still.
    pub(crate) fn frozen(&self) {
        let state = self.state.state.lock().unwrap();
        drop(self.state.ice.wait_while(state, |state| state.ice != Some(Ice::Solid)).unwrap());
    }

    /// Lets what stands still arrive at the target after all, or never.
    pub(crate) fn thaw(&self, arrives: bool) {
        self.state.state.lock().unwrap().ice = Some(Ice::Thawed { arrives });
        self.state.ice.notify_all();
    }
}

fn contains(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.windows(pattern.len()).any(|part| part == pattern)
}

fn go_up(mut gateway: TcpStream, mut server: TcpStream, shared: &Shared) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = gateway.read(&mut buffer) {
        let bytes = &buffer[..read];
        let mut state = shared.state.lock().unwrap();
        state.seen.extend_from_slice(bytes);
        let cut = state.cut;
        match cut {
            Some(Cut::Before(pattern)) if contains(&state.seen, pattern) => {
                state.cut = None;
                let _ = server.shutdown(Shutdown::Both);
                break;
            }
            Some(Cut::After(pattern)) if contains(&state.seen, pattern) => {
                state.cut = None;
                // The gateway first, so that the answer does not reach it.
                let _ = gateway.shutdown(Shutdown::Both);
                let _ = server.write_all(bytes);
                return;
            }
            Some(Cut::Frozen(pattern)) if contains(&state.seen, pattern) => {
                state.cut = None;
                state.ice = Some(Ice::Solid);
                shared.ice.notify_all();
                let state = shared.ice.wait_while(state, |state| state.ice == Some(Ice::Solid)).unwrap();
                if state.ice == Some(Ice::Thawed { arrives: false }) {
                    break;
                }
                drop(state);
                let _ = server.write_all(bytes);
                continue;
            }
            _ => {}
        }
        drop(state);
        if server.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
    let _ = gateway.shutdown(Shutdown::Read);
}

fn go_down(mut server: TcpStream, mut gateway: TcpStream) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = server.read(&mut buffer) {
        if gateway.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = gateway.shutdown(Shutdown::Both);
}
