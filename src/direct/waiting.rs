//! The side that waits: one peer at a time, and a word for everybody else.

use super::dialogue::BUSY;
use super::{Config, Direct, Error};
use crate::client::connect::within;
use crate::client::link;
use crate::limits;
use crate::net::listener::{Bound, Listener};
use async_channel::{Receiver, Sender};
use async_lock::Semaphore;
use futures_lite::AsyncWriteExt;
use smol::{Async, Task, Timer};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Waits for one peer after the other. Dropping it stops the waiting, and no conversation.
///
/// Whoever calls while a [`Direct`] that came of it is there is answered `ERR busy`, by a task of
/// its own: also while the program is busy with something else.
#[derive(Debug)]
pub struct Waiting {
    address: SocketAddr,
    callers: Receiver<Caller>,
    _answering: Task<()>,
}

/// One who got the place, and has not said anything yet.
#[derive(Debug)]
struct Caller {
    socket: TcpStream,
    place: Place,
}

/// The one place that there is.
#[derive(Debug)]
pub struct Place(Arc<AtomicBool>);

impl Place {
    fn take(taken: &Arc<AtomicBool>) -> Option<Self> {
        (!taken.swap(true, Ordering::SeqCst)).then(|| Self(taken.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Waiting {
    pub(super) async fn at(host: &str, port: u16) -> io::Result<Self> {
        let mut failed = io::Error::new(ErrorKind::NotFound, "the host has no address");
        for address in smol::net::resolve((host, port)).await? {
            match Listener::tcp(address) {
                Ok(listener) => return Ok(Self::on(listener, address)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn on(listener: Listener, address: SocketAddr) -> Self {
        let address = match listener.bound() {
            Bound::Tcp(bound) => *bound,
            Bound::Unix(_) => address,
        };
        // One place, so never more than one caller in it.
        let (queue, callers) = async_channel::bounded(1);
        Self { address, callers, _answering: smol::spawn(answer(listener, queue)) }
    }

    /// Where it waits, with the port that it got.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next peer. An error is about one caller that turned out to be none: accept
    /// again. A caller that says nothing has the place for [`limits::GREETING`].
    ///
    /// Dropping this future may drop a caller that has come.
    pub async fn accept(&self, config: &Config) -> Result<Direct, Error> {
        let gone = |_| Error::Lost(ErrorKind::NotConnected);
        let Caller { socket, place } = self.callers.recv().await.map_err(gone)?;
        let socket = Async::new_nonblocking(socket).map_err(|error| Error::Lost(error.kind()))?;
        Direct::greet(socket, Some(place), config).await
    }
}

/// Gives the place to whoever calls while it is free, and tells the others that it is not.
async fn answer(listener: Listener, callers: Sender<Caller>) {
    let taken = Arc::new(AtomicBool::new(false));
    let refused = Arc::new(Semaphore::new(limits::REFUSED_AT_ONCE));
    loop {
        let accepted = match listener.readable().await {
            Ok(()) => listener.accept(),
            Err(error) => Err(error),
        };
        match accepted {
            Ok((socket, _)) => {
                let socket = TcpStream::from(socket);
                if let Some(place) = Place::take(&taken) {
                    // Without waiting: what might be in the queue has the place.
                    let _ = callers.try_send(Caller { socket, place });
                } else if let Some(permit) = refused.try_acquire_arc() {
                    let told = async move {
                        within(limits::LINGER, turn_away(socket)).await;
                        drop(permit);
                    };
                    smol::spawn(told).detach();
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // For want of descriptors or memory, as a rule: trying at once would spin.
            Err(_) => _ = Timer::after(limits::ACCEPT_PAUSE).await,
        }
    }
}

/// Tells a caller that there is no place, and reads on, so that it is not lost to a reset.
async fn turn_away(socket: TcpStream) -> io::Result<()> {
    let mut socket = Async::new_nonblocking(socket)?;
    let mut busy = Vec::new();
    BUSY.render(&mut busy);
    socket.write_all(&busy).await?;
    link::close(&mut socket).await
}
