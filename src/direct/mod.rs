//! One to one: two programs, no server between them, any bytes, and each message acknowledged.
//!
//! One side waits and talks to one peer at a time, the other calls. Then both are alike.
//!
//! ```no_run
//! # smol::block_on(async {
//! use smoltalk::direct::{Config, Direct, Error, Event};
//!
//! let mut peer = Direct::connect("127.0.0.1", 7879, &Config::default()).await?;
//! peer.send(b"any bytes").await?;
//! loop {
//!     match peer.next().await? {
//!         Event::Acked { round_trip, .. } => println!("arrived, after {round_trip:?}"),
//!         Event::Message { id, bytes } => {
//!             println!("{} said {} bytes", peer.peer(), bytes.len());
//!             peer.ack(id); // and not before: now somebody has it
//!         }
//!         _ => {}
//!     }
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), Error>(())
//! # });
//! ```

mod error;
mod event;
mod flight;
mod talk;
mod waiting;
mod words;

pub use error::Error;
pub use event::Event;
pub use waiting::Waiting;

use crate::client::{reach, within};
use crate::limits;
use crate::protocol::Name;
use crate::protocol::frames::Frames;
use futures_lite::AsyncRead;
use smol::Async;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use talk::{Talk, Then};
use waiting::Place;

/// How one side takes part.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the other side is told to call it.
    pub name: Name,
    /// The longest message, in bytes, that it sends or takes.
    pub limit: usize,
}

impl Default for Config {
    /// `somebody`, with [`limits::MESSAGE`].
    fn default() -> Self {
        let name = Name::new(b"somebody").expect("it is a name");
        Self { name, limit: limits::MESSAGE }
    }
}

/// A conversation with one peer.
///
/// Every future may be dropped half-way and nothing is lost: a message goes out whole or not at
/// all. Nothing is queued without a limit. At most [`limits::UNACKNOWLEDGED`] messages are on their
/// way, at most [`limits::HEARD`] bytes and one message wait for [`next`](Self::next), and a peer
/// that does not read what is said to it is not read either.
///
/// Dropping it closes the connection, and what is on its way may be lost: [`leave`](Self::leave).
#[derive(Debug)]
pub struct Direct {
    /// Above the socket, and so given back before that is closed: whoever sees the end of this
    /// conversation may begin the next at once.
    place: Option<Place>,
    socket: Async<TcpStream>,
    frames: Frames,
    talk: Talk,
    scratch: Box<[u8]>,
}

// Coming and going.
impl Direct {
    /// Calls the side that waits at the first address of `host` that accepts.
    pub async fn connect(host: &str, port: u16, config: &Config) -> Result<Self, Error> {
        let reached = reach(limits::GREETING, host, port).await;
        let socket = reached.map_err(|error| Error::Unreachable(Arc::new(error)))?;
        Self::greet(socket, None, config).await
    }

    /// Waits for calls at the first address of `host` that this machine has. With port 0 the system
    /// chooses one.
    pub async fn listen(host: &str, port: u16) -> io::Result<Waiting> {
        Waiting::at(host, port).await
    }

    /// Both sides say HELLO at once.
    async fn greet(
        socket: Async<TcpStream>,
        place: Option<Place>,
        config: &Config,
    ) -> Result<Self, Error> {
        let mut direct = Self {
            place,
            socket,
            frames: Frames::new(limits::LINE),
            talk: Talk::new(config),
            scratch: vec![0; limits::SCRATCH].into(),
        };
        let silence = || Error::NotDirect("it says nothing".into());
        let greeted = within(limits::GREETING, direct.greeting()).await;
        match greeted.unwrap_or_else(|| Err(silence())) {
            Ok(()) => Ok(direct),
            Err(error) => {
                // It may want to know why, but nobody waits for that.
                smol::spawn(direct.leave()).detach();
                Err(error)
            }
        }
    }

    async fn greeting(&mut self) -> Result<(), Error> {
        self.until(|talk, _| match talk.peer() {
            Some(_) => Some(Ok(())),
            None => talk.end().cloned().map(Err),
        })
        .await
    }

    /// Goes: sends what was queued, acknowledgements too, and waits until the peer has seen the end,
    /// [`limits::GOODBYE`] at most. Does not wait for acknowledgements, and takes no more messages.
    pub async fn leave(mut self) {
        within(limits::GOODBYE, self.goodbye()).await;
    }

    async fn goodbye(&mut self) {
        poll_fn(|cx| self.talk.unsent().poll_into(&mut self.socket, cx)).await;
        self.place = None;
        let _ = self.socket.get_ref().shutdown(Shutdown::Write);
        // Reading on: what arrives at a closed socket is answered by a reset, which can overtake
        // what was sent.
        let ended = |end| matches!(end, &Error::Gone | &Error::CutOff | &Error::Lost(_));
        if !self.talk.end().is_some_and(ended) {
            while self.received().await.is_ok_and(|received| received > 0) {}
        }
    }

    async fn received(&mut self) -> io::Result<usize> {
        poll_fn(|cx| Pin::new(&mut self.socket).poll_read(cx, &mut self.scratch)).await
    }
}

// Talking.
impl Direct {
    /// What the peer calls itself; safe to print, and not empty. Nobody has checked it.
    #[must_use]
    pub fn peer(&self) -> &str {
        self.talk.peer().unwrap_or_default()
    }

    /// Sends a message of any bytes, none at all among them; returns its number when it is on its
    /// way. Waits until as many others are acknowledged as it takes.
    ///
    /// Two that both only send, and never take what they are sent, end up waiting for each other:
    /// [`queue`](Self::queue) with [`next_until_sent`](Self::next_until_sent) is for them.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        self.flush().await?;
        let id = self.queue(bytes)?;
        self.sent(|_| true).await?;
        Ok(id)
    }

    /// Takes a message to be sent, without waiting: the next call that waits sends it.
    /// [`Error::Behind`] where there is no [room](Self::has_room) for it.
    pub fn queue(&mut self, bytes: &[u8]) -> Result<u64, Error> {
        self.talk.send(bytes, Instant::now())
    }

    /// Whether one more message may be queued.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.talk.has_room()
    }

    /// Tells the peer that whoever its message was for has it. The next call that waits sends that.
    ///
    /// Only for what came, and once: the peer ends the conversation otherwise.
    pub fn ack(&mut self, id: u64) {
        self.talk.ack(id);
    }

    /// How many messages are on their way.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.talk.flight().waiting()
    }

    /// The next thing heard. After the last, each call says how the conversation ended.
    pub async fn next(&mut self) -> Result<Event, Error> {
        self.until(|talk, _| talk.next()).await
    }

    /// How many events wait for [`next`](Self::next): so many times it returns at once.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.talk.waiting()
    }

    /// Whether all that was queued is on its way and there is room for more.
    #[must_use]
    pub fn has_sent(&self) -> bool {
        self.talk.has_sent()
    }

    /// What is heard until [all is sent](Self::has_sent); `None` then.
    pub async fn next_until_sent(&mut self) -> Result<Option<Event>, Error> {
        self.until(|talk, _| {
            let sent = talk.has_sent().then_some(Ok(None));
            sent.or_else(|| talk.next().map(|heard| heard.map(Some)))
        })
        .await
    }

    /// Returns once all that was queued is on its way and there is room for more. What is heard
    /// meanwhile waits for [`next`](Self::next); [`Error::Behind`] where so much does that nothing
    /// more is heard, and so no room comes.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.sent(Talk::has_room).await
    }

    /// Returns once the socket has taken everything and `ready` is so. Hears on meanwhile.
    async fn sent(&mut self, ready: impl Fn(&Talk) -> bool) -> Result<(), Error> {
        self.until(|talk, sent| {
            if let Some(end) = talk.end() {
                return Some(Err(end.clone()));
            }
            if sent && !talk.unsent().is_mute() && ready(talk) {
                return Some(Ok(()));
            }
            (talk.is_full() && sent).then_some(Err(Error::Behind))
        })
        .await
    }

    /// Sends and hears until `done` comes to something. It is told whether all has been sent.
    async fn until<T>(&mut self, mut done: impl FnMut(&mut Talk, bool) -> Option<T>) -> T {
        poll_fn(|cx| {
            loop {
                let sent = self.talk.unsent().poll_into(&mut self.socket, cx).is_ready();
                if let Some(result) = done(&mut self.talk, sent) {
                    return Poll::Ready(result);
                }
                ready!(self.poll_hear(cx));
            }
        })
        .await
    }

    /// Ready once something came in, were it the end.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.talk.is_full() {
            return Poll::Pending;
        }
        match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut self.scratch)) {
            Ok(0) => {
                if let Some(line) = self.frames.pending() {
                    self.talk.frame(crate::protocol::frames::Frame::Line(line), Instant::now());
                }
                self.talk.hear_the_end();
            }
            Ok(received) => self.hear(received),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.talk.finish(Error::Lost(error.kind())),
        }
        Poll::Ready(())
    }

    fn hear(&mut self, received: usize) {
        let now = Instant::now();
        let mut received = &self.scratch[..received];
        while let Some(frame) = self.frames.next(&mut received) {
            match self.talk.frame(frame, now) {
                Then::Line => {}
                Then::Expect(len) => self.frames.expect(len),
                Then::Skip(len) => self.frames.skip(len),
            }
        }
        if let Some(beginning) = self.frames.pending() {
            self.talk.beginning(beginning);
        }
    }
}
