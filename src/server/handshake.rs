//! TLS's handshake, before a connection is anybody in the room: until it is over, nothing is said of it there.

use super::Shared;
use super::accept::hear_out;
use super::counters::Unshaken;
use crate::net::peer::Peer;
use crate::net::sink::Sink;
use crate::net::socket::Socket;
use crate::net::tls::{Acceptor, is_about_certificates};
use crate::protocol::text::to_safe;
use crate::room::notice::{Closed, Notice, note};
use async_lock::Semaphore;
use futures_lite::{FutureExt, future};
use smol::Timer;
use std::io::{self, ErrorKind};
use std::time::Instant;

impl Shared {
    /// Begins TLS on a connection that has got a place.
    pub fn begin_tls(&self, socket: Socket) {
        if let (Some(executor), Some(acceptor)) = (self.executor.upgrade(), self.tls.clone()) {
            executor.spawn(self.clone().shake_hands(socket, acceptor)).detach();
        }
    }

    /// Seats a connection once hands are shaken. The time that it took for that it has not to join.
    async fn shake_hands(self, mut socket: Socket, acceptor: Acceptor) {
        let came = Instant::now();
        let late = async {
            Timer::at(came + self.join_timeout).await;
            Err(ErrorKind::TimedOut.into())
        };
        let shaken = hands_shaken(&mut socket, &acceptor, &self.handshakes).or(late).await;
        match shaken {
            Ok(()) => self.let_in(socket, came).await,
            Err(error) => {
                if self.miss(socket.peer(), &error).await {
                    // It was told by an alert, which is not to be lost to a reset.
                    hear_out(socket.bare(), Vec::new()).await;
                }
            }
        }
    }

    /// Counts and tells of a handshake that came to nothing. Whether the other side may still be there.
    async fn miss(&self, peer: Peer, error: &io::Error) -> bool {
        let (why, notice) = match error.kind() {
            ErrorKind::TimedOut => {
                (Unshaken::Late, Some(Notice::SentAway(peer, Closed::JoinTimeout)))
            }
            ErrorKind::InvalidData => {
                let why = to_safe(error.to_string().as_bytes());
                if is_about_certificates(error) {
                    (Unshaken::Certificate, Some(Notice::NoCertificate(peer, why)))
                } else {
                    (Unshaken::NoTls, Some(Notice::NoTls(peer, why)))
                }
            }
            _ => (Unshaken::Lost, None),
        };
        self.locked().await.counters.miss(why);
        let is_there = notice.is_some();
        if let Some(notice) = notice {
            note(self.notices.as_ref(), || notice);
        }
        is_there
    }

    async fn let_in(&self, socket: Socket, came: Instant) {
        let mut registry = self.registry.lock().await;
        registry.counters.handshakes -= 1;
        if registry.is_draining {
            // Goodbyes have been said, and this one would not be heard any more.
            return socket.shut_writing();
        }
        self.seat(&mut registry, socket, came);
    }
}

/// Goes through the handshake, one step in each turn of everybody else. Who does not say anything, or waits for the first
/// turn, has no TLS yet, which would take memory.
async fn hands_shaken(
    socket: &mut Socket,
    acceptor: &Acceptor,
    turns: &Semaphore,
) -> io::Result<()> {
    loop {
        socket.ready_to_shake().await;
        let turn = turns.acquire().await;
        if socket.goes_unanswered() {
            // What comes first is what costs most. Thousands who have gone by now are passed over at once.
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let shaken = socket.shake_hands(acceptor);
        future::yield_now().await;
        drop(turn);
        match shaken {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            shaken => return shaken,
        }
    }
}
