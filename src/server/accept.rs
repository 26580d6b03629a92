//! Taking connections, and turning those away for whom there is no place.

use super::registry::Registry;
use super::{Shared, session};
use crate::limits;
use crate::net::admission::{Admission, Permit};
use crate::net::listener::Listener;
use crate::net::peer::Peer;
use crate::net::sink::Sink;
use crate::net::socket::{Socket, send_once};
use crate::protocol::{Event, Refusal};
use crate::room::notice::{Closed, Notice, note};
use futures_lite::FutureExt;
use smol::Timer;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

impl Shared {
    /// Takes connections for as long as the server runs, whatever goes wrong with one of them.
    pub async fn accept(self, listener: Listener) {
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
                Ok((fd, peer)) => self.admit(listener, fd, peer).await?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_exhaustion(&error) => return Err(error),
                // This connection broke before it was taken. The next may be better.
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Seats a connection, or tells it that it may not come in, or has no place. Within TLS nothing can be told before the
    /// handshake, which is too much to do for somebody who does not come in.
    async fn admit(&self, listener: &Listener, fd: OwnedFd, peer: Peer) -> io::Result<()> {
        let is_tls = listener.is_tls();
        let mut registry = self.registry.lock().await;
        if registry.guard.bans(peer) {
            registry.counters.refuse(Refusal::Banned);
            note(self.notices.as_ref(), || Notice::SentAway(peer, Closed::Banned));
            let permit = self.door.refuse();
            return if is_tls { Ok(()) } else { self.turn_away(fd, peer, permit, BANNED) };
        }
        match self.door.admit(peer) {
            Admission::Welcome(permit) => {
                let socket = Socket::new(fd, peer, permit)?;
                #[cfg(feature = "tls")]
                if is_tls {
                    self.begin_tls(socket);
                    registry.counters.handshakes += 1;
                    return Ok(());
                }
                self.seat(&mut registry, socket, Instant::now());
                Ok(())
            }
            Admission::Full(full, permit) => {
                registry.counters.refuse(Refusal::Full);
                note(self.notices.as_ref(), || Notice::Full(peer, full));
                let why = (Refusal::Full, full.explanation());
                if is_tls { Ok(()) } else { self.turn_away(fd, peer, permit, why) }
            }
        }
    }

    /// Seats a connection that came at that time.
    pub fn seat(&self, registry: &mut Registry<Arc<Socket>>, socket: Socket, came: Instant) {
        let Some(executor) = self.executor.upgrade() else { return };
        let socket = Arc::new(socket);
        let seat = registry.arrive(socket.clone(), came);
        let session = session::serve(self.registry.clone(), seat, socket);
        executor.spawn(session).detach();
    }

    /// Tells a connection why it does not come in.
    fn turn_away(
        &self,
        fd: OwnedFd,
        peer: Peer,
        permit: Option<Permit>,
        why: Why,
    ) -> io::Result<()> {
        let Some(executor) = self.executor.upgrade() else { return Ok(()) };
        let ((refusal, text), mut words) = (why, Vec::new());
        Event::Err(refusal.code().as_bytes(), text.as_bytes()).render(&mut words);
        match permit {
            Some(permit) => {
                executor.spawn(hear_out(Socket::new(fd, peer, permit)?, words)).detach();
            }
            None => send_once(&fd, &words),
        }
        Ok(())
    }
}

/// What those are told who do not come in.
type Why = (Refusal, &'static str);

const BANNED: Why = (Refusal::Banned, Refusal::Banned.explanation());

/// Says that to a connection, and reads on for a moment, so that it is not lost to a reset.
pub async fn hear_out(socket: Socket, words: Vec<u8>) {
    if socket.send(&words).is_err() {
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
