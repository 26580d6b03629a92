//! Taking connections, and turning those away for whom there is no place.

use super::{Shared, session};
use crate::limits;
use crate::net::admission::{Admission, Full};
use crate::net::listener::Listener;
use crate::net::peer::Peer;
use crate::net::sink::Sink;
use crate::net::socket::{Socket, send_once};
use crate::protocol::{Event, Refusal};
use crate::room::notice::{Notice, note};
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
                let mut registry = self.registry.lock().await;
                let seat = registry.arrive(socket.clone(), Instant::now());
                drop(registry);
                let session = session::serve(self.registry.clone(), seat, socket);
                executor.spawn(session).detach();
            }
            Admission::Full(full, permit) => {
                self.registry.lock().await.counters.refuse(Refusal::Full);
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
