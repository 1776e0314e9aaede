//! A wire between the gateway and its target that can be looked at, and cut where a test says.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Where the connection is cut, for both sides: once the gateway sends this.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "not every test cuts in both ways")]
pub(crate) enum Cut {
    /// Before the target gets it.
    Before(&'static [u8]),
    /// When the target has got it, and the gateway no answer.
    After(&'static [u8]),
}

#[derive(Default)]
struct State {
    seen: Vec<u8>,
    cut: Option<Cut>,
}

/// The wire.
pub(crate) struct Tap {
    /// Where the gateway connects.
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

#[allow(dead_code, reason = "not every test needs all of it")]
impl Tap {
    /// Before the server on this port of loopback. Lasts as long as the test's process.
    pub(crate) fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<Mutex<State>>::default();
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
        let mut state = self.state.lock().unwrap();
        state.seen.clear();
        state.cut = Some(cut);
    }

    /// Forgets what was seen.
    pub(crate) fn forget(&self) {
        self.state.lock().unwrap().seen.clear();
    }

    /// Whether this was sent since.
    pub(crate) fn saw(&self, pattern: &[u8]) -> bool {
        contains(&self.state.lock().unwrap().seen, pattern)
    }
}

fn contains(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.windows(pattern.len()).any(|part| part == pattern)
}

fn go_up(mut gateway: TcpStream, mut server: TcpStream, state: &Mutex<State>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = gateway.read(&mut buffer) {
        let bytes = &buffer[..read];
        let mut state = state.lock().unwrap();
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
