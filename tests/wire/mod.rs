//! A bad line between clients and a server: it breaks again and again, at any byte, either way.

// Each test file uses its part.
#![allow(dead_code)]

use rustix::net::sockopt::set_socket_linger;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Random numbers, the same for the same seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// One below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// A port that leads to another, for a while.
pub struct Wire {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    server: u16,
    calm: AtomicBool,
    cuts: AtomicU64,
}

impl Wire {
    /// Each connection breaks after at most so many bytes, up or down.
    pub fn to(server: u16, seed: u64, most: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (calm, cuts) = (AtomicBool::new(false), AtomicU64::new(0));
        let state = Arc::new(State { server, calm, cuts });
        let (shared, mut dice) = (state.clone(), Dice::new(seed));
        thread::spawn(move || {
            for client in listener.incoming() {
                shared.carry(client.expect("a connection"), &mut dice, most);
            }
        });
        Self { port, state }
    }

    /// From now on, nothing breaks.
    pub fn calm(&self) {
        self.state.calm.store(true, Ordering::SeqCst);
    }

    /// From now on, it breaks again.
    pub fn storm(&self) {
        self.state.calm.store(false, Ordering::SeqCst);
    }

    /// How often a connection broke.
    pub fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::SeqCst)
    }
}

impl State {
    fn carry(self: &Arc<Self>, client: TcpStream, dice: &mut Dice, most: u64) {
        // A server that is away is away.
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.server)) else { return };
        // Now and then an end that is none, but a reset: what is on its way is lost, too.
        let resets = dice.below(3) == 0;
        for socket in [&client, &server] {
            socket.set_nodelay(true).expect("set");
            if resets {
                set_socket_linger(socket, Some(Duration::ZERO)).expect("set");
            }
        }
        let twin = |socket: &TcpStream| socket.try_clone().expect("a handle");
        for (from, to) in [(twin(&client), twin(&server)), (server, client)] {
            let (state, left) = (self.clone(), dice.below(most));
            thread::spawn(move || state.copy(from, to, left));
        }
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream, mut left: u64) {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            let calm = self.calm.load(Ordering::SeqCst);
            let carried = if calm { read } else { read.min(usize::try_from(left).unwrap_or(read)) };
            if to.write_all(&bytes[..carried]).is_err() {
                break;
            }
            if carried < read || !calm && left == 0 {
                self.cuts.fetch_add(1, Ordering::SeqCst);
                break;
            }
            left -= if calm { 0 } else { carried as u64 };
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
