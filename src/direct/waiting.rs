//! The side that waits: one peer at a time, and a word for everybody else.

use super::chair::Chair;
use super::conversation::{Config, Direct};
use super::dialogue::BUSY;
use super::error::Error;
use crate::client::connect::within;
use crate::client::link;
use crate::limits;
use crate::net::listener::{Bound, Listener};
use async_channel::{Receiver, Sender};
use async_lock::Semaphore;
use futures_lite::{AsyncWriteExt, future};
use smol::{Async, Executor, Task, Timer};
use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

/// Waits for one peer after the other. Dropping it stops the waiting, and no conversation.
///
/// Whoever calls while a [`Direct`] that came of it is there is answered `ERR busy`: by
/// [`accept`](Self::accept) as long as somebody waits for that, and else by [`run`](Self::run),
/// which goes on beside the conversation. Nothing runs by itself: where nobody waits for either,
/// callers wait.
#[derive(Debug)]
pub struct Waiting {
    address: SocketAddr,
    callers: Receiver<Caller>,
    /// What is to be done for callers, by whoever waits.
    tasks: Arc<Executor<'static>>,
    _answering: Task<()>,
}

/// One who got the place, and has not said anything yet.
#[derive(Debug)]
struct Caller {
    socket: TcpStream,
    chair: Chair,
}

impl Direct {
    /// Waits for calls at the first address of `host` that this machine has. With port 0 the system
    /// chooses one.
    pub async fn listen(host: &str, port: u16) -> io::Result<Waiting> {
        Waiting::at(host, port).await
    }
}

impl Waiting {
    async fn at(host: &str, port: u16) -> io::Result<Self> {
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
            Bound::Tls(_) | Bound::Unix(_) => address,
        };
        // One place, so never more than one caller in it.
        let (queue, callers) = async_channel::bounded(1);
        let tasks = Arc::new(Executor::new());
        let answering = tasks.spawn(answer(listener, queue, Arc::downgrade(&tasks)));
        Self { address, callers, tasks, _answering: answering }
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
        self.tasks.run(self.next(config)).await
    }

    async fn next(&self, config: &Config) -> Result<Direct, Error> {
        let gone = |_| Error::Lost(ErrorKind::NotConnected);
        let Caller { socket, chair } = self.callers.recv().await.map_err(gone)?;
        let socket = Async::new_nonblocking(socket).map_err(|error| Error::Lost(error.kind()))?;
        let mut direct = Direct::on(socket, Some(chair), config);
        match direct.greeted().await {
            Ok(()) => Ok(direct),
            Err(error) => {
                // It may want to know why, but nobody waits for that.
                self.tasks.spawn(direct.leave()).detach();
                Err(error)
            }
        }
    }

    /// Answers callers, for ever: to be waited for beside a conversation.
    ///
    /// ```no_run
    /// # use smoltalk::direct::{Direct, Error, Waiting};
    /// # use futures_lite::future;
    /// # async fn talk(peer: Direct) -> Result<(), Error> { Ok(()) }
    /// # async fn both(waiting: Waiting, peer: Direct) -> Result<(), Error> {
    /// future::or(talk(peer), async { match waiting.run().await {} }).await
    /// # }
    /// ```
    pub async fn run(&self) -> Infallible {
        self.tasks.run(future::pending()).await
    }
}

/// Gives the place to whoever calls while it is free, and tells the others that it is not.
async fn answer(listener: Listener, callers: Sender<Caller>, tasks: Weak<Executor<'static>>) {
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
                if let Some(chair) = Chair::take(&taken) {
                    // Without waiting: whoever might be in the queue has the place.
                    let _ = callers.try_send(Caller { socket, chair });
                } else if let (Some(permit), Some(tasks)) =
                    (refused.try_acquire_arc(), tasks.upgrade())
                {
                    let told = async move {
                        within(limits::LINGER, turn_away(socket)).await;
                        drop(permit);
                    };
                    tasks.spawn(told).detach();
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
    link::close(&mut socket.into()).await
}
