//! The other side of a connection: what the command line, bots and tests use.
//!
//! ```no_run
//! # smol::block_on(async {
//! use smoltalk::client::{Client, Event};
//!
//! let mut client = Client::connect("127.0.0.1", 7878).await?;
//! client.join("ada").await?;
//! client.say("hi").await?;
//! while let Event::Msg { from, text } = client.next().await? {
//!     client.tell(from, format!("you said {text}")).await?;
//! }
//! client.leave().await?;
//! # Ok::<(), smoltalk::client::Error>(())
//! # });
//! ```

mod error;
mod event;
mod heard;
mod reach;

pub use error::Error;
pub use event::Event;

use crate::frames::{Frame, Frames};
use crate::limits;
use crate::lines::Line;
use crate::protocol::{Command, Form, Name, Refusal};
use futures_lite::{AsyncRead, AsyncWrite, future};
use heard::Heard;
pub(crate) use reach::reach;
use smol::{Async, Timer};
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// A connection to a server, and what was heard on it.
///
/// Every future may be dropped half-way and nothing is lost: a command goes out whole or not at
/// all, and an answer that nobody waits for any longer comes out of [`next`](Self::next).
///
/// While a command waits to be sent, the client goes on reading: a server that slows its senders
/// down also drops members that do not read. What is heard meanwhile waits for `next`, up to
/// [`limits::HEARD`] bytes, and one payload of at most [`limits::PAYLOAD`].
///
/// Dropping a client closes the connection without a goodbye.
#[derive(Debug)]
pub struct Client {
    socket: Async<TcpStream>,
    frames: Frames,
    heard: Heard,
    /// What the socket has not taken yet.
    unsent: Vec<u8>,
    /// The socket will take no more.
    mute: bool,
    form: Form,
    /// Each PING gets its number as token, so that its PONG is known.
    pings: u64,
}

impl Client {
    /// Connects to the first address of `host` that accepts, and waits for the server's HELLO: for
    /// [`limits::GREETING`] at most.
    pub async fn connect(host: &str, port: u16) -> Result<Self, Error> {
        Self::connect_within(limits::GREETING, host, port).await
    }

    /// The same, but for `time` at most: from looking up the name of `host` to HELLO.
    pub async fn connect_within(time: Duration, host: &str, port: u16) -> Result<Self, Error> {
        let began = Instant::now();
        let reached = reach(time, host, port).await;
        let socket = reached.map_err(|error| Error::Unreachable(Arc::new(error)))?;
        let mut client = Self {
            socket,
            frames: Frames::new(limits::EVENT_LINE),
            heard: Heard::default(),
            unsent: Vec::new(),
            mute: false,
            form: Form::Text,
            pings: 0,
        };
        let rest = time.saturating_sub(began.elapsed());
        let silence = || Error::NotSmoltalk("it says nothing".into());
        within(rest, client.greeting()).await.unwrap_or_else(|| Err(silence()))?;
        Ok(client)
    }

    /// Enters the room; returns how many members it has, this one included. Payloads come as text.
    pub async fn join(&mut self, name: impl AsRef<[u8]>) -> Result<usize, Error> {
        self.join_with(name, Form::Text).await
    }

    /// Enters the room, where payloads will come in `form`: with [`Form::Data`] as they are, in
    /// [`Event::Data`].
    ///
    /// A server that has no payloads refuses that with `bad-option`: [`join`](Self::join), then.
    pub async fn join_with(&mut self, name: impl AsRef<[u8]>, form: Form) -> Result<usize, Error> {
        let name = Name::new(name.as_ref()).ok_or(Refusal::BadName)?;
        let joined = self.ask(Command::Join(name, form), |event| match event {
            Event::Ok { members, .. } => Some(Ok(*members)),
            // The answer to something that was said too early.
            Event::Err { code, .. } if code == Refusal::NotJoined.code() => None,
            Event::Err { code, text } => Some(Err(Error::said(code, text))),
            _ => None,
        });
        let members = joined.await?;
        self.form = form;
        Ok(members)
    }

    /// In which form payloads come. Where they come as [`Form::Data`], the server knows DATA.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// Says `text` to the room; returns when it is on its way.
    pub async fn say(&mut self, text: impl AsRef<[u8]>) -> Result<(), Error> {
        self.send(Command::Msg(text.as_ref())).await
    }

    /// Says any bytes to the room; returns when they are on their way.
    ///
    /// Only where the server knows DATA, which it does if it let [`join_with`](Self::join_with) ask
    /// for [`Form::Data`]: any other would take the bytes for commands.
    ///
    /// How many it may be, 65,536 as a rule, the server knows: more is answered with an
    /// [`Event::Err`] whose code is `too-long`. [`ping`](Self::ping) to know that it was not.
    pub async fn send_data(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.sent().await?;
        self.queue_data(bytes)?;
        self.sent().await
    }

    /// Says `text` to one member; returns when it is on its way.
    ///
    /// Whether there is such a member, the server says later, with an [`Event::Err`].
    pub async fn tell(
        &mut self,
        name: impl AsRef<[u8]>,
        text: impl AsRef<[u8]>,
    ) -> Result<(), Error> {
        let name = Name::new(name.as_ref()).ok_or(Refusal::NoSuchMember)?;
        self.send(Command::Tell(name, text.as_ref())).await
    }

    /// Who is here, oneself included, however many lines the answer takes.
    pub async fn who(&mut self) -> Result<Vec<Name>, Error> {
        const REFUSALS: [Refusal; 2] = [Refusal::NotJoined, Refusal::UnknownCommand];
        self.ask(Command::Who, |event| match event {
            Event::Who(names) => Some(Ok(names.clone())),
            Event::Err { code, text } if REFUSALS.iter().any(|refusal| refusal.code() == code) => {
                Some(Err(Error::said(code, text)))
            }
            _ => None,
        })
        .await
    }

    /// Returns once all that was asked before has taken effect, and how long that took.
    pub async fn ping(&mut self) -> Result<Duration, Error> {
        self.pings += 1;
        let token = self.pings.to_string();
        let asked = Instant::now();
        self.ask(Command::Ping(token.as_bytes()), |event| match event {
            Event::Pong(answer) if *answer == token => Some(Ok(asked.elapsed())),
            Event::Err { code, text } if code == Refusal::UnknownCommand.code() => {
                Some(Err(Error::said(code, text)))
            }
            _ => None,
        })
        .await
    }

    /// Leaves the room and waits for the server's BYE, [`limits::GOODBYE`] at most.
    ///
    /// What was heard before can still be taken with [`next`](Self::next).
    pub async fn leave(&mut self) -> Result<(), Error> {
        within(limits::GOODBYE, self.goodbye()).await.unwrap_or(Ok(()))
    }

    /// The next thing heard. After the last, each call says how the connection ended.
    pub async fn next(&mut self) -> Result<Event, Error> {
        poll_fn(|cx| {
            loop {
                // What was queued, and what a dropped future has left behind.
                let _ = self.poll_sent(cx);
                if let Some(heard) = self.heard.next() {
                    return Poll::Ready(heard);
                }
                ready!(self.poll_hear(cx));
            }
        })
        .await
    }

    /// Closes the connection without a goodbye, as dropping the client does; but what was heard can
    /// still be taken with [`next`](Self::next).
    pub fn hang_up(&mut self) {
        // One that is gone already is as good.
        let _ = self.socket.get_ref().shutdown(Shutdown::Both);
    }

    /// How many events wait for [`next`](Self::next): so many times it returns at once.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.heard.len()
    }

    /// Sends any command; returns when it is on its way. Its answer comes out of
    /// [`next`](Self::next).
    pub async fn send(&mut self, command: Command<'_>) -> Result<(), Error> {
        self.sent().await?;
        self.queue(command)?;
        self.sent().await
    }

    /// Takes a command to be sent, without waiting: the next call that waits sends it.
    ///
    /// With [`next_until_sent`](Self::next_until_sent) for programs that speak and listen at the
    /// same time, and never want one to wait for the other.
    pub fn queue(&mut self, command: Command<'_>) -> Result<(), Error> {
        // A DATA without its payload would have the next command taken for one.
        if let Command::Msg(b"") | Command::Tell(_, b"") | Command::Data(_) = command {
            return Err(Error::Empty);
        }
        let start = self.unsent.len();
        command.render(&mut self.unsent);
        if self.unsent.len() - start - b"\n".len() > limits::LINE {
            self.unsent.truncate(start);
            return Err(Error::TooLong);
        }
        Ok(())
    }

    /// Takes any bytes to be said to the room, without waiting, as [`queue`](Self::queue) does.
    pub fn queue_data(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match bytes.len() {
            0 => return Err(Error::Empty),
            1..=limits::PAYLOAD => {}
            _ => return Err(Error::PayloadTooLong),
        }
        Command::Data(bytes.len() as u64).render(&mut self.unsent);
        self.unsent.extend_from_slice(bytes);
        self.unsent.push(b'\n');
        Ok(())
    }

    /// How many bytes of commands the socket has not taken yet.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// What is heard while commands wait to be sent; `None` once all are on their way.
    pub async fn next_until_sent(&mut self) -> Result<Option<Event>, Error> {
        poll_fn(|cx| {
            loop {
                if self.poll_sent(cx).is_ready() {
                    return Poll::Ready(Ok(None));
                }
                if let Some(heard) = self.heard.next() {
                    return Poll::Ready(heard.map(Some));
                }
                ready!(self.poll_hear(cx));
            }
        })
        .await
    }

    async fn greeting(&mut self) -> Result<(), Error> {
        poll_fn(|cx| {
            loop {
                if self.heard.is_greeted() {
                    return Poll::Ready(Ok(()));
                }
                if let Some(end) = self.heard.end() {
                    return Poll::Ready(Err(end.clone()));
                }
                ready!(self.poll_hear(cx));
            }
        })
        .await
    }

    /// Sends `command` and waits for the first event from then on in which `read` sees its answer.
    /// All other events wait for `next`.
    async fn ask<T>(
        &mut self,
        command: Command<'_>,
        read: impl Fn(&Event) -> Option<Result<T, Error>>,
    ) -> Result<T, Error> {
        self.sent().await?;
        if self.heard.is_full() {
            return Err(Error::Behind);
        }
        self.queue(command)?;
        let mut seen = self.heard.len();
        poll_fn(|cx| {
            loop {
                if let Some(answer) = self.heard.take_answer(&mut seen, &read) {
                    return Poll::Ready(answer);
                }
                if let Some(end) = self.heard.end() {
                    return Poll::Ready(Err(end.clone()));
                }
                if self.heard.is_full() {
                    return Poll::Ready(Err(Error::Behind));
                }
                let _ = self.poll_sent(cx);
                ready!(self.poll_hear(cx));
            }
        })
        .await
    }

    /// Returns once the socket has taken everything.
    async fn sent(&mut self) -> Result<(), Error> {
        poll_fn(|cx| {
            loop {
                let sent = self.poll_sent(cx).is_ready();
                if let Some(end) = self.heard.end() {
                    return Poll::Ready(Err(end.clone()));
                }
                if sent && !self.mute {
                    return Poll::Ready(Ok(()));
                }
                if self.heard.is_full() {
                    let lost = Error::Lost(io::ErrorKind::BrokenPipe);
                    return if self.mute { Poll::Ready(Err(lost)) } else { Poll::Pending };
                }
                ready!(self.poll_hear(cx));
            }
        })
        .await
    }

    async fn goodbye(&mut self) -> Result<(), Error> {
        self.queue(Command::Leave)?;
        poll_fn(|cx| {
            loop {
                match self.heard.end() {
                    // Without BYE the server has seen us go all the same.
                    Some(Error::Closed { .. } | Error::Lost(_)) => return Poll::Ready(Ok(())),
                    Some(end) => return Poll::Ready(Err(end.clone())),
                    None => {}
                }
                // Who leaves has stopped listening; but BYE comes after all the rest.
                if self.heard.is_full() {
                    self.heard.forget();
                }
                let _ = self.poll_sent(cx);
                ready!(self.poll_hear(cx));
            }
        })
        .await
    }

    /// Sends what it can; ready once there is no more to send.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, &self.unsent)) {
                Ok(sent) if sent > 0 => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The server is gone. The reason may be among the bytes that came before: reading
                // goes on, and comes to the end.
                Ok(_) | Err(_) => {
                    self.unsent.clear();
                    self.mute = true;
                }
            }
        }
        Poll::Ready(())
    }

    /// Ready once something came in, were it the end.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Not kept between calls: an idle client costs no buffer.
        let mut scratch = [0; 16 * 1024];
        match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut scratch)) {
            Ok(0) => self.hear_the_end(),
            Ok(received) => self.hear(&scratch[..received]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.heard.finish(Error::Lost(error.kind())),
        }
        Poll::Ready(())
    }

    fn hear(&mut self, mut received: &[u8]) {
        while let Some(frame) = self.frames.next(&mut received) {
            if let Some(len) = self.heard.frame(frame) {
                self.frames.expect(len);
            }
        }
        // Not only once its LF has come: it may never.
        if let Some(line @ Line::TooLong(_)) = self.frames.pending() {
            self.heard.frame(Frame::Line(line));
        }
    }

    fn hear_the_end(&mut self) {
        if let Some(line) = self.frames.pending() {
            self.heard.frame(Frame::Line(line));
        }
        self.heard.finish(Error::Lost(io::ErrorKind::UnexpectedEof));
    }
}

/// What `future` comes to, if it does in `time`.
pub(crate) async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let late = async {
        Timer::after(time).await;
        None
    };
    future::or(async { Some(future.await) }, late).await
}
