//! The server: listens, seats whom it accepts, lets three tasks work for the room, says goodbye.
//!
//! One executor thread, one task a connection. The *flusher* writes rounds, the *watch* looks after
//! deadlines and stalls, a *drain* sends one slow member what its socket did not take at once.

use crate::delivery::backlog::Hand;
use crate::limits::{self, Limits};
pub use crate::net::address::Address;
use crate::net::admission::{Admission, Door};
pub use crate::net::admission::{Full, raise_descriptor_limit};
use crate::protocol::{Event, Refusal};
use crate::room::notice::note;
pub use crate::room::notice::{Closed, Notice};
use crate::room::{Bells, Lagger, Room};
mod session;
pub use crate::net::listener::Bound;
use crate::net::listener::Listener;
pub use crate::net::socket::Peer;
use crate::net::socket::{Socket, Turn, send_once};
use async_channel::{Receiver, Sender};
use async_lock::Mutex;
use futures_lite::FutureExt;
use smol::{Executor, Timer};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// What a server is to do.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where it listens.
    pub listen: Vec<Address>,
    /// Its limits.
    pub limits: Limits,
    /// Where it tells of arrivals, departures, refusals and troubles. What this channel does not
    /// take at once is lost; the server never waits for it.
    pub notices: Option<Sender<Notice>>,
    /// Tells of troubles alone.
    pub quiet: bool,
}

/// A chat server that is listening, but does not serve yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    addresses: Vec<Bound>,
    door: Arc<Door>,
    turn: Turn,
    config: Config,
}

impl Server {
    /// Listens at all addresses of `config`, or fails, naming the one where that is not possible, or
    /// the limit that cannot be kept ([`Limits::check`]).
    pub fn bind(config: Config) -> io::Result<Self> {
        config.limits.check()?;
        let mut listeners = Vec::new();
        for address in &config.listen {
            let named = |e: io::Error| io::Error::new(e.kind(), format!("{address}: {e}"));
            listeners.extend(address.listen().map_err(named)?);
        }
        let addresses = listeners.iter().map(|listener| listener.bound().clone()).collect();
        let door = Arc::new(Door::new(&config.limits));
        Ok(Self { listeners, addresses, door, turn: Turn::new()?, config })
    }

    /// Where it listens, with the ports that it got.
    #[must_use]
    pub fn addresses(&self) -> &[Bound] {
        &self.addresses
    }

    /// How many connections it will take.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.door.max_connections()
    }

    /// Serves until `shutdown` completes. Then it accepts no more, sends every connection what is
    /// queued for it and `BYE shutdown`, and returns once all are over, or after
    /// [`limits::SHUTDOWN`].
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (flush, flushes) = async_channel::bounded(1);
        let (watch, watches) = async_channel::bounded(1);
        let Config { limits, notices: troubles, quiet, .. } = self.config;
        let notices = troubles.clone().filter(|_| !quiet);
        let bells = Bells { flush, watch, notices: notices.clone() };
        let room = Arc::new(Mutex::new(Room::new(limits, bells)));
        let executor = Arc::new(Executor::new());
        let house = House {
            room: room.clone(),
            door: self.door,
            notices,
            troubles,
            executor: Arc::downgrade(&executor),
        };
        // These never end. Should one panic, so does the server: without it there would be no chat.
        let flusher = executor.spawn(house.clone().flusher(flushes, self.turn));
        let watch = executor.spawn(house.clone().watch(watches));
        let accepting: Vec<_> = self
            .listeners
            .into_iter()
            .map(|listener| executor.spawn(house.clone().accept(listener)))
            .collect();
        let serve = async {
            shutdown.await;
            for task in accepting {
                task.cancel().await;
            }
            let empty = room.lock().await.close_all();
            let everybody_gone = async { _ = empty.recv().await };
            let long_enough = async { _ = Timer::after(limits::SHUTDOWN).await };
            everybody_gone.or(long_enough).await;
        };
        executor.run(serve.or(flusher).or(watch)).await;
        // Should a task outlive the executor, being woken as it ends, no socket outlives the server.
        room.lock().await.clear();
    }
}

/// What the server's tasks share.
#[derive(Debug, Clone)]
struct House {
    room: Arc<Mutex<Room>>,
    door: Arc<Door>,
    notices: Option<Sender<Notice>>,
    troubles: Option<Sender<Notice>>,
    /// Weak, because the tasks that hold it are the executor's own.
    executor: Weak<Executor<'static>>,
}

impl House {
    /// Takes connections for as long as the server runs, whatever goes wrong with one of them.
    async fn accept(self, listener: Listener) {
        let mut told = false;
        loop {
            let accepted = match listener.readable().await {
                Ok(()) => self.accept_batch(&listener).await,
                Err(error) => Err(error),
            };
            if let Err(error) = accepted {
                // Out of descriptors or memory: they come free again, and trying at once would spin.
                if !std::mem::replace(&mut told, true) {
                    note(self.troubles.as_ref(), || Notice::CannotAccept(error.to_string()));
                }
                Timer::after(limits::ACCEPT_PAUSE).await;
            } else {
                told = false;
            }
            smol::future::yield_now().await;
        }
    }

    async fn accept_batch(&self, listener: &Listener) -> io::Result<()> {
        for _ in 0..limits::ACCEPT_BATCH {
            match listener.accept() {
                Ok((fd, peer)) => self.admit(fd, peer).await?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_exhaustion(&error) => return Err(error),
                // This connection broke before it was taken. The next may be better.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Seats a connection, or tells it that there is no place.
    async fn admit(&self, fd: OwnedFd, peer: Peer) -> io::Result<()> {
        let Some(executor) = self.executor.upgrade() else { return Ok(()) };
        match self.door.admit(peer) {
            Admission::Welcome(permit) => {
                let socket = Arc::new(Socket::new(fd, peer, permit)?);
                let seat = self.room.lock().await.arrive(socket.clone());
                executor.spawn(session::serve(self.room.clone(), seat, socket)).detach();
            }
            Admission::Full(full, permit) => {
                note(self.notices.as_ref(), || Notice::Full(peer, full));
                match permit {
                    Some(permit) => {
                        executor.spawn(turn_away(Socket::new(fd, peer, permit)?, full)).detach();
                    }
                    None => send_once(&fd, &refusal(full)),
                }
            }
        }
        Ok(())
    }

    /// Writes each round. Being woken by its first line, it runs after every reader that was ready;
    /// where writing takes long, also after those that have become ready in the meantime.
    async fn flusher(self, bell: Receiver<()>, turn: Turn) {
        while bell.recv().await.is_ok() {
            if self.room.lock().await.is_lively() {
                turn.over().await;
            }
            let fell_behind = self.room.lock().await.flush();
            let Some(executor) = self.executor.upgrade() else { return };
            for lagger in fell_behind {
                executor.spawn(drain(self.room.clone(), lagger)).detach();
            }
        }
    }

    /// The one clock of the server: it ticks only as long as there is something to watch.
    async fn watch(self, bell: Receiver<()>) {
        while bell.recv().await.is_ok() {
            loop {
                Timer::after(limits::TICK).await;
                if !self.room.lock().await.tick(Instant::now()) {
                    break;
                }
            }
        }
    }
}

/// Sends a member who fell behind what waits for it, until that is all.
async fn drain(room: Arc<Mutex<Room>>, lagger: Lagger) {
    let Lagger { seat, socket, chunks } = lagger;
    let mut hand = Hand::default();
    while hand.fill(&chunks).await {
        match hand.send(&socket) {
            Ok(0) => socket.writable().await,
            Ok(cost) => {
                if room.lock().await.took(seat, cost) {
                    return;
                }
            }
            Err(error) => return room.lock().await.deafen(seat, error.kind()),
        }
    }
    room.lock().await.drained(seat);
}

/// What those are told for whom there is no place.
fn refusal(full: Full) -> Vec<u8> {
    let (code, text) = (Refusal::Full.code(), full.explanation());
    let mut refusal = Vec::new();
    Event::Err(code.as_bytes(), text.as_bytes()).render(&mut refusal);
    refusal
}

/// Tells a connection for which there is no place, and reads on for a moment, so that the reason is
/// not lost to a reset.
async fn turn_away(socket: Socket, full: Full) {
    if socket.send(&refusal(full)).is_err() {
        return;
    }
    socket.shut_writing();
    let hear_out = async {
        let mut ignored = [0; 4096];
        loop {
            // Waiting each time, however fast it comes, so that others get their turn.
            socket.readable().await;
            match socket.receive(&mut ignored) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return,
            }
        }
    };
    hear_out.or(async { _ = Timer::after(limits::LINGER).await }).await;
}

/// Whether `accept` failed for want of something that may come free again.
fn is_exhaustion(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhaustion = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|error| exhaustion.contains(&error))
}
