//! A proxy between a node and Redis that delays, and cuts connections in the middle of anything.

use super::Dice;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A proxy of one node. It works for as long as the process does.
#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// All connections, each way.
    sockets: Mutex<Vec<TcpStream>>,
    /// Nothing goes through, and nobody is told.
    is_silent: AtomicBool,
    /// Of 10,000 pieces, so many are cut in the middle; and four times as many are late.
    mischief: AtomicU32,
}

impl Proxy {
    pub fn start(to: u16, mut dice: Dice) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State::default());
        let proxy = Self { port, state: state.clone() };
        thread::spawn(move || {
            for inner in listener.incoming().flatten() {
                let Ok(outer) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { continue };
                for (from, to) in [(&inner, &outer), (&outer, &inner)] {
                    let (from, to) =
                        (from.try_clone().expect("a clone"), to.try_clone().expect("a clone"));
                    let _ = from.set_nodelay(true);
                    state.sockets.lock().expect("a lock").push(from.try_clone().expect("a clone"));
                    let (state, dice) = (state.clone(), dice.another());
                    thread::spawn(move || pass(from, to, &state, dice));
                }
            }
        });
        proxy
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for socket in self.state.sockets.lock().expect("a lock").drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Lets nothing through, or everything again.
    pub fn set_silent(&self, is_silent: bool) {
        self.state.is_silent.store(is_silent, Ordering::Relaxed);
    }

    /// Cuts so many of 10,000 pieces.
    pub fn set_mischief(&self, cut: u32) {
        self.state.mischief.store(cut, Ordering::Relaxed);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, state: &State, mut dice: Dice) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(many @ 1..) = from.read(&mut buffer) {
        while state.is_silent.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
        let mischief = u64::from(state.mischief.load(Ordering::Relaxed));
        let roll = dice.below(10_000);
        if roll < mischief {
            let some = usize::try_from(dice.below(many as u64 + 1)).expect("small");
            let _ = to.write_all(&buffer[..some]);
            break;
        }
        if roll < 5 * mischief {
            thread::sleep(Duration::from_millis(dice.below(50)));
        }
        if to.write_all(&buffer[..many]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
