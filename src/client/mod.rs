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

mod back;
pub(crate) mod connect;
pub(crate) mod error;
mod event;
mod greeting;
mod inbox;
mod ledger;
pub(crate) mod link;
mod member;
pub(crate) mod queue;
pub(crate) mod unsent;
pub(crate) mod wire;

pub use crate::net::tls::{Connector as Tls, Trust};
pub use back::{Missed, arrive, is_final, pause};
pub use error::Error;
pub use event::Event;
pub use greeting::Greeting;
pub use ledger::{Ledger, Saying, Take};
pub use member::{Config, Member, random_secret};

use crate::limits;
use crate::protocol::{Command, Form, Id, JoinOptions, Key, Name, Refusal, Standing};
use connect::within;
use event::Heard;
use inbox::Inbox;
use link::Link;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

/// A connection to a server, and what was heard on it.
///
/// Every future may be dropped half-way and nothing is lost: a command goes out whole or not at
/// all, and an answer that nobody waits for any longer comes out of [`next`](Self::next).
///
/// While a command waits to be sent, the client goes on reading: a server that slows its senders
/// down also drops members that do not read. What is heard meanwhile waits for `next`, up to
/// [`limits::HEARD`] bytes, and one payload of at most [`limits::PAYLOAD`]. What waits to be sent is
/// bounded by [`limits::UNSENT`], and one command or payload.
///
/// A server that talks without end is given up as any other: after each piece of what it says,
/// whatever else the task has to do gets its turn.
///
/// Dropping a client closes the connection without a goodbye.
#[derive(Debug)]
pub struct Client {
    link: Link<Inbox>,
    /// Each PING gets its number as token, so that its PONG is known.
    pings: u64,
    /// That of the event that was taken last.
    id: Option<Id>,
}

impl Client {
    /// Connects to the first address of `host` that accepts, and waits for the server's HELLO: for
    /// [`limits::GREETING`] at most. Where the host is `unix:` and a path, that is a Unix socket, and has
    /// no port.
    pub async fn connect(host: &str, port: u16) -> Result<Self, Error> {
        Self::connect_within(limits::GREETING, host, port).await
    }

    /// The same, but for `time` at most: from looking up the name of `host` to HELLO.
    pub async fn connect_within(time: Duration, host: &str, port: u16) -> Result<Self, Error> {
        Self::connect_any(time, [(host, port)]).await
    }

    /// The same, to the first address of any of these hosts, which are tried in their order.
    pub async fn connect_any(
        time: Duration,
        hosts: impl IntoIterator<Item = (&str, u16)>,
    ) -> Result<Self, Error> {
        Self::connect_with(time, hosts, None).await
    }

    /// The same, within TLS where that is given: what is shown there has to be the certificate of the host that is
    /// connected to.
    pub async fn connect_with(
        time: Duration,
        hosts: impl IntoIterator<Item = (&str, u16)>,
        tls: Option<&Tls>,
    ) -> Result<Self, Error> {
        let began = Instant::now();
        let reached = connect::connect_any(time, hosts, tls).await;
        let link = Link::new(reached.map_err(Error::unreached)?, limits::EVENT_LINE, Inbox::new());
        let mut client = Self { link, pings: 0, id: None };
        let rest = time.saturating_sub(began.elapsed());
        client.greeted_within(rest).await?;
        Ok(client)
    }

    /// Waits for HELLO so long.
    ///
    /// A server that speaks TLS waits as well. Empty lines say nothing, and to TLS they are a record that there cannot be: it
    /// answers by an alert, which gives it away. They are said late, to one from whom hardly anything else is to be expected.
    async fn greeted_within(&mut self, time: Duration) -> Result<(), Error> {
        const NOTHING: &[u8] = b"\n\n\n\n\n";
        let last = limits::LAST_WORDS.min(time / 2);
        let patience = time.saturating_sub(last);
        if let Some(greeted) = within(patience, self.greeted()).await {
            return greeted;
        }
        self.link.unsent.tail().extend_from_slice(NOTHING);
        let nothing = |why: &str| Err(Error::NotSmoltalk(format!("it says nothing{why}")));
        match within(last, self.greeted()).await {
            Some(Err(Error::Lost(_))) => {
                nothing(", and goes when it hears something: it may speak TLS")
            }
            Some(greeted) => greeted,
            None => nothing(""),
        }
    }

    /// Waits for HELLO.
    async fn greeted(&mut self) -> Result<(), Error> {
        self.link
            .until(|Link { inbox, .. }, _| {
                let end = || inbox.queue.end().cloned().map(Err);
                inbox.greeted.then_some(Ok(())).or_else(end)
            })
            .await
    }

    /// What the server said of itself in its HELLO.
    #[must_use]
    pub fn greeting(&self) -> &Greeting {
        &self.link.inbox.greeting
    }

    /// Says the room's key, where HELLO says that it has one; returns once the server has said that it is the one.
    /// Elsewhere nothing is said: it is nobody else's business.
    pub async fn pass(&mut self, key: &Key) -> Result<(), Error> {
        const REFUSALS: [Refusal; 2] = [Refusal::Denied, Refusal::AlreadyJoined];
        if !self.greeting().has("key") {
            return Ok(());
        }
        self.ask(Command::Pass(key.as_bytes()), |event| match event {
            Event::Passed => Some(Ok(())),
            Event::Err { code, text } if REFUSALS.iter().any(|refusal| refusal.code() == code) => {
                Some(Err(Error::said(code, text)))
            }
            _ => None,
        })
        .await
    }

    /// Enters the room; returns how many members it has, this one included. Payloads come as text.
    pub async fn join(&mut self, name: impl AsRef<[u8]>) -> Result<usize, Error> {
        self.join_with(name, JoinOptions::default()).await
    }

    /// Enters the room with these options: where the [form](Form) has `data`, payloads come as they
    /// are, in [`Event::Data`].
    ///
    /// A server that does not know one of them refuses it with `bad-option`: [`join`](Self::join), then.
    pub async fn join_with(
        &mut self,
        name: impl AsRef<[u8]>,
        options: JoinOptions,
    ) -> Result<usize, Error> {
        let name = Name::new(name.as_ref()).ok_or(Refusal::BadName)?;
        self.ask(Command::Join(name, options), |event| match event {
            Event::Ok { members, .. } => Some(Ok(*members)),
            // The answer to something that was said too early.
            Event::Err { code, .. } if code == Refusal::NotJoined.code() => None,
            Event::Err { code, text } => Some(Err(Error::said(code, text))),
            _ => None,
        })
        .await
    }

    /// Enters the room with these options; or, where the server does not know them all, with `data`
    /// alone of them, or with none. Where `id` was asked for and granted there is a
    /// [`standing`](Self::standing).
    pub async fn join_if_known(
        &mut self,
        name: impl AsRef<[u8]>,
        options: JoinOptions,
    ) -> Result<usize, Error> {
        let name = name.as_ref();
        let form = Form { data: options.form.data, ids: false };
        let fewer = JoinOptions { form, ..JoinOptions::default() };
        let known = [options, fewer];
        for options in &known[usize::from(options == fewer)..] {
            match self.join_with(name, *options).await {
                Err(Error::Refused { code, .. }) if code == Refusal::BadOption.code() => {}
                joined => return joined,
            }
        }
        self.join(name).await
    }

    /// In which form payloads come: that which the server has said OK to, whoever waited for it.
    /// Where they come as `data`, the server knows DATA.
    #[must_use]
    pub fn form(&self) -> Form {
        self.link.inbox.form
    }

    /// Whether a payload may have `len` bytes, or why not: there are as many as the server
    /// [says](Greeting::payload) that it takes, and never more than [`limits::PAYLOAD`].
    pub fn takes(&self, len: usize) -> Result<(), Error> {
        match self.greeting().payload {
            _ if len > limits::PAYLOAD => Err(Error::PayloadTooLong),
            Some(limit) if len > limit => Err(Error::over(limit, len)),
            _ => Ok(()),
        }
    }

    /// Says `text` to the room; returns when it is on its way.
    pub async fn say(&mut self, text: impl AsRef<[u8]>) -> Result<(), Error> {
        self.send(Command::Msg(text.as_ref())).await
    }

    /// Says any bytes to the room; returns when they are on their way.
    ///
    /// Only where the server knows DATA, which it does if it let [`join_with`](Self::join_with) ask
    /// for `data`: any other would take the bytes for commands.
    ///
    /// More than it [takes](Self::takes) are refused at once. A server that does not say how many it
    /// takes answers more with an [`Event::Err`] whose code is `too-long`:
    /// [`ping`](Self::ping) to know that it did not.
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
        let heard = self.link.until(|link, _| link.inbox.queue.next()).await;
        heard.map(|heard| self.taken(heard))
    }

    /// The place in the room's order of the event that was taken last, by whichever way: of all that
    /// happens in the room, if one joined with `id`.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        self.id
    }

    /// What the last OK said of the log, to one who joined with `id`.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        self.link.inbox.standing
    }

    fn taken(&mut self, heard: Heard) -> Event {
        self.id = heard.id;
        heard.event
    }

    /// Closes the connection without a goodbye, as dropping the client does; but what was heard can
    /// still be taken with [`next`](Self::next).
    pub fn hang_up(&mut self) {
        self.link.hang_up();
    }

    /// How many events wait for [`next`](Self::next): so many times it returns at once.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.link.inbox.queue.len()
    }

    /// Sends any command; returns when it is on its way. Its answer comes out of
    /// [`next`](Self::next).
    pub async fn send(&mut self, command: Command<'_>) -> Result<(), Error> {
        self.sent().await?;
        self.queue(command)?;
        self.sent().await
    }

    /// Takes a command to be sent, without waiting: the next call that waits sends it.
    /// [`Error::NoRoom`] where there is no [room](Self::has_room) for it.
    ///
    /// With [`next_until_sent`](Self::next_until_sent) for programs that speak and listen at the
    /// same time, and never want one to wait for the other.
    pub fn queue(&mut self, command: Command<'_>) -> Result<(), Error> {
        // A DATA without its payload would have the next command taken for one.
        if let Command::Msg(b"") | Command::Tell(_, b"") | Command::Data(_) = command {
            return Err(Error::Empty);
        }
        self.room()?;
        self.put(command)
    }

    /// Takes any bytes to be said to the room, without waiting, as [`queue`](Self::queue) does.
    pub fn queue_data(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() {
            return Err(Error::Empty);
        }
        self.takes(bytes.len())?;
        self.room()?;
        let unsent = self.link.unsent.tail();
        Command::Data(bytes.len()).render(unsent);
        unsent.extend_from_slice(bytes);
        unsent.push(b'\n');
        Ok(())
    }

    /// Whether one more command, or payload, may be queued: while fewer than [`limits::UNSENT`] bytes
    /// wait to be sent.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.unsent() < limits::UNSENT
    }

    fn room(&self) -> Result<(), Error> {
        if self.has_room() { Ok(()) } else { Err(Error::NoRoom) }
    }

    fn put(&mut self, command: Command<'_>) -> Result<(), Error> {
        let unsent = self.link.unsent.tail();
        let start = unsent.len();
        command.render(unsent);
        // A key is no longer than that, and what telnet takes for a command comes twice in it.
        let is_key = matches!(command, Command::Pass(_));
        if !is_key && unsent.len() - start - b"\n".len() > limits::LINE {
            unsent.truncate(start);
            return Err(Error::TooLong);
        }
        if let Command::Join(_, options) = command {
            self.link.inbox.joins.push_back(options.form);
        }
        Ok(())
    }

    /// How many bytes of commands the socket has not taken yet.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.link.unsent.len()
    }

    /// Returns once all commands are on their way. What is heard meanwhile waits for
    /// [`next`](Self::next), as far as there is room for it.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.sent().await
    }
}

// Speaking and listening at once.
impl Client {
    /// What is heard while commands wait to be sent; `None` once all are on their way.
    pub async fn next_until_sent(&mut self) -> Result<Option<Event>, Error> {
        let heard = self
            .link
            .until(|link, sent| {
                if sent {
                    return Some(Ok(None));
                }
                link.inbox.queue.next().map(|heard| heard.map(Some))
            })
            .await?;
        Ok(heard.map(|heard| self.taken(heard)))
    }

    /// The next thing heard, if it `hears`; or `None`, once all commands are on their way that are
    /// not now.
    pub async fn next_or_sent(&mut self, hears: bool) -> Option<Result<Event, Error>> {
        let had_sent = self.unsent() == 0;
        let heard = self
            .link
            .until(|link, sent| {
                let heard = if hears { link.inbox.queue.next() } else { None };
                heard.map(Some).or_else(|| (sent && !had_sent).then_some(None))
            })
            .await?;
        Some(heard.map(|heard| self.taken(heard)))
    }
}

// Waiting. Whatever is waited for, sending and hearing goes on.
impl Client {
    /// Sends `command` and waits for the first event from then on in which `read` sees its answer.
    /// All other events wait for `next`.
    async fn ask<T>(
        &mut self,
        command: Command<'_>,
        read: impl Fn(&Event) -> Option<Result<T, Error>>,
    ) -> Result<T, Error> {
        self.sent().await?;
        if self.link.is_full() {
            return Err(Error::Behind);
        }
        self.queue(command)?;
        let mut seen = self.waiting();
        self.link
            .until(|link, _| {
                let queue = &mut link.inbox.queue;
                let answer = queue.take_answer(&mut seen, |heard| read(&heard.event));
                let end = || queue.end().cloned().map(Err);
                answer.or_else(end).or_else(|| queue.is_full().then_some(Err(Error::Behind)))
            })
            .await
    }

    /// Waits until the socket has taken everything.
    async fn sent(&mut self) -> Result<(), Error> {
        self.link
            .until(|link, sent| match link.inbox.queue.end() {
                Some(end) => Some(Err(end.clone())),
                None if sent && !link.unsent.is_mute() => Some(Ok(())),
                // The reason may have come, but nothing is heard while so much waits.
                None if sent && link.is_full() => Some(Err(Error::Lost(ErrorKind::BrokenPipe))),
                None => None,
            })
            .await
    }

    /// Says LEAVE and waits for BYE.
    async fn goodbye(&mut self) -> Result<(), Error> {
        // There is always room for this.
        self.put(Command::Leave)?;
        self.link
            .until(|Link { inbox: Inbox { queue, .. }, .. }, _| match queue.end() {
                // Without BYE the server has seen us go all the same.
                Some(Error::Closed { .. } | Error::Lost(_)) => Some(Ok(())),
                Some(end) => Some(Err(end.clone())),
                None => {
                    // Who leaves has stopped listening; but BYE comes after all the rest.
                    if queue.is_full() {
                        queue.clear();
                    }
                    None
                }
            })
            .await
    }
}
