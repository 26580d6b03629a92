//! A member of a room over as many connections as it takes.

use super::back::{Missed, arrive, is_final, pause};
use super::error::Error;
use super::event::{Event, Heard};
use super::ledger::{Ledger, Saying, Take};
use super::queue::Queue;
use super::{Client, Tls};
use crate::limits;
use crate::net::secrets::Secrets;
use crate::protocol::{Command, Id, Key, Name, Refusal, Secret};
use smol::Timer;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where to be a member, and as whom.
#[derive(Debug, Clone)]
pub struct Config {
    /// Hosts and ports of servers that are one room. They are tried in turn, also to come back.
    pub hosts: Vec<(String, u16)>,
    /// The name.
    pub name: Name,
    /// So many of the last messages come first.
    pub last: u64,
    /// By what to begin TLS, if that is how to come there.
    pub tls: Option<Tls>,
    /// The key of the room; only said where it has one.
    pub key: Option<Key>,
    /// By what one is known again; a random one where there is none.
    pub secret: Option<Secret>,
    /// How long one attempt to get in may take.
    pub timeout: Duration,
}

impl Config {
    /// As `name` at one server, from now on, within [`limits::GREETING`].
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16, name: Name) -> Self {
        let hosts = vec![(host.into(), port)];
        Self { hosts, name, last: 0, tls: None, key: None, secret: None, timeout: limits::GREETING }
    }
}

/// A member of a room, who misses nothing and says nothing twice: when a connection breaks it comes
/// back on another, by itself, while somebody waits for something.
///
/// It hears each message of the others once, and in order, and each of its own lines is in the room
/// once. Only after an [`Event::Gap`] something may be missing. (A server that knows no ids cannot
/// promise that. There, what was said while nobody was connected is missed, and what was on its way
/// when a connection broke is given up: it comes to [`Error::Lost`].)
///
/// Every future may be dropped half-way, and nothing is lost: what was to be said is said all the
/// same, and what was heard comes out of [`next`](Self::next).
///
/// ```no_run
/// # smol::block_on(async {
/// use smoltalk::client::{Config, Event, Member};
/// use smoltalk::protocol::Name;
///
/// let parrot = Name::new(b"parrot").expect("a name");
/// let mut parrot = Member::join(Config::new("127.0.0.1", 7878, parrot)).await?;
/// loop {
///     if let Event::Msg { from, text } = parrot.next().await? {
///         parrot.say(format!("{from} said: {text}")).await?;
///     }
/// }
/// # Ok::<(), smoltalk::client::Error>(())
/// # });
/// ```
#[derive(Debug)]
pub struct Member {
    config: Config,
    ledger: Ledger,
    place: Place,
    heard: Queue<Heard, Error>,
    /// That of the event that was taken last.
    id: Option<Id>,
    /// What the server has refused, of which it is not known yet which lines that were.
    refusals: VecDeque<Error>,
    /// The server is to be asked whether what was refused was the last.
    asks: bool,
    /// What has become of lines that somebody may wait for: a number, and where it is.
    fates: VecDeque<(u64, Fate)>,
    /// How often getting in was tried since a connection last proved good.
    failed: u32,
    /// Since when there is this one.
    since: Instant,
}

/// What has become of a line: its place in the room's order, if the server says it.
type Fate = Result<Option<Id>, Error>;

/// How one is connected.
enum Place {
    In(Box<Client>),
    /// On the way to it.
    Coming(Coming),
}

type Coming = Pin<Box<dyn Future<Output = Result<Client, Missed>> + Send>>;

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::In(_) => "In",
            Self::Coming(_) => "Coming",
        })
    }
}

/// What is asked when one is back, and whether a line that was refused was the last.
const BACK: &str = "back";
const SO_FAR: &str = "so far";

impl Member {
    /// Enters the room; fails where that does not succeed at the first attempt. From then on it comes
    /// back by itself.
    pub async fn join(config: Config) -> Result<Self, Error> {
        let secret = match config.secret {
            Some(secret) => secret,
            None => random_secret().map_err(|error| Error::Unreachable(Arc::new(error)))?,
        };
        let ledger = Ledger::new(secret);
        let coming = come(&config, &ledger, Duration::ZERO, 0);
        let client = coming.await.map_err(|missed| missed.error)?;
        let place = Place::Coming(Box::pin(std::future::ready(Ok(client))));
        let mut member = Self {
            config,
            ledger,
            place,
            heard: Queue::new(),
            id: None,
            refusals: VecDeque::new(),
            asks: false,
            fates: VecDeque::new(),
            failed: 0,
            since: Instant::now(),
        };
        member.turn().await;
        member.failed = 0;
        Ok(member)
    }

    /// The next thing heard: all but one's own messages and what answers them. After the last, each
    /// call says how it ended: one was put out, or is not let in any more.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(heard) = self.heard.next() {
                let heard = heard?;
                self.id = heard.id;
                return Ok(heard.event);
            }
            self.turn().await;
        }
    }

    /// The place in the room's order of the event that was taken last, of all that happens in the room.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        self.id
    }

    /// Says `text` to the room; returns once it is there, with its place in the room's order if the
    /// server says it.
    ///
    /// [`Error::Behind`]: it will be said, but too much waits for [`next`](Self::next) to wait for that.
    pub async fn say(&mut self, text: impl AsRef<[u8]>) -> Result<Option<Id>, Error> {
        self.settle(Saying::of(&Command::Msg(text.as_ref()))).await
    }

    /// Says any bytes to the room; returns once they are there, as [`say`](Self::say) does.
    pub async fn send_data(&mut self, bytes: &[u8]) -> Result<Option<Id>, Error> {
        if let Place::In(client) = &self.place {
            client.takes(bytes.len())?;
        }
        self.settle(Some(Saying::Data(bytes.into()))).await
    }

    /// Says `text` to one member; returns once it has taken effect, or the server has refused it.
    pub async fn tell(
        &mut self,
        name: impl AsRef<[u8]>,
        text: impl AsRef<[u8]>,
    ) -> Result<Option<Id>, Error> {
        let name = Name::new(name.as_ref()).ok_or(Refusal::NoSuchMember)?;
        self.settle(Saying::of(&Command::Tell(name, text.as_ref()))).await
    }

    /// Leaves the room, once all that was said is there: waits for that as long as it takes.
    pub async fn leave(mut self) -> Result<(), Error> {
        while self.ledger.unsettled() > 0 && self.heard.end().is_none() {
            self.heard.clear();
            self.turn().await;
        }
        match &mut self.place {
            Place::In(client) if self.heard.end().is_none() => client.leave().await,
            _ => self.heard.end().cloned().map_or(Ok(()), Err),
        }
    }

    /// Takes a line to be said, and waits for what becomes of it.
    async fn settle(&mut self, saying: Option<Saying>) -> Result<Option<Id>, Error> {
        let saying = saying.ok_or(Refusal::Empty)?;
        saying.check().map_err(|refusal| match (&saying, refusal) {
            (_, Refusal::Empty) => Error::Empty,
            (Saying::Data(_), _) => Error::PayloadTooLong,
            _ => Error::TooLong,
        })?;
        while !self.ledger.has_room() {
            self.ready()?;
            self.turn().await;
        }
        self.ready()?;
        let number = self.ledger.push(saying);
        loop {
            self.fates.retain(|(at, _)| *at >= number);
            if let Some((_, fate)) = self.fates.pop_front() {
                return fate;
            }
            if let Some(end) = self.heard.end() {
                return Err(end.clone());
            }
            if self.heard.is_full() {
                return Err(Error::Behind);
            }
            self.turn().await;
        }
    }

    fn ready(&self) -> Result<(), Error> {
        self.heard.end().cloned().map_or(Ok(()), Err)
    }
}

// One step after the other.
impl Member {
    /// Goes on by one event: something is heard, or one is back.
    async fn turn(&mut self) {
        match &mut self.place {
            Place::Coming(coming) => match poll_fn(|cx| coming.as_mut().poll(cx)).await {
                Ok(client) => self.arrived(client),
                Err(missed) => self.missed(missed),
            },
            Place::In(client) => {
                speak(client, &mut self.ledger, &mut self.asks);
                match client.next().await {
                    Ok(event) => {
                        let id = client.id();
                        self.hear(id, event);
                    }
                    Err(end) => self.lost(end),
                }
            }
        }
    }

    fn arrived(&mut self, mut client: Client) {
        let name = self.config.name;
        if let Some(standing) = client.standing() {
            self.ledger.joined(name, standing);
            // There is room for it: nothing else has been said.
            let _ = client.queue(Command::Ping(BACK.as_bytes()));
        } else {
            let lost = self.ledger.joined_blindly(name);
            self.given_up(lost);
        }
        self.failed = self.failed.saturating_add(1);
        self.since = Instant::now();
        self.place = Place::In(Box::new(client));
    }

    fn missed(&mut self, Missed { error, unanswered }: Missed) {
        if unanswered {
            self.ledger.unanswered();
        }
        self.failed = self.failed.saturating_add(1);
        self.come_back(error);
    }

    fn lost(&mut self, end: Error) {
        let replaced = matches!(&end, Error::Closed { reason } if reason == "replaced");
        let lost = self.ledger.disconnected();
        self.given_up(lost);
        if self.since.elapsed() >= limits::LONGEST_PAUSE {
            self.failed = 0;
        }
        self.refusals.clear();
        self.asks = false;
        if replaced && !self.ledger.comes_back() {
            return self.heard.finish(end);
        }
        self.come_back(end);
    }

    fn come_back(&mut self, why: Error) {
        if is_final(&why) {
            return self.heard.finish(why);
        }
        let pause = pause(self.failed, RandomState::new().hash_one(self.failed));
        // A half-open connection goes with what was there.
        self.place = Place::Coming(come(&self.config, &self.ledger, pause, self.failed));
    }

    fn hear(&mut self, id: Option<Id>, event: Event) {
        let before = self.ledger.settled();
        let take = self.ledger.heard(id, &event);
        // A connection that gets one further was a good one, however short.
        if id.is_some() && take != Take::Known {
            self.failed = 0;
        }
        match (&event, take) {
            (Event::Pong(token), _) if token == BACK => {
                let lost = self.ledger.caught_up();
                self.given_up(lost);
            }
            (Event::Pong(token), _) if token == SO_FAR => {
                self.ledger.answered();
                self.decided(before, None);
            }
            (Event::Err { code, text }, _) if self.ledger.unsettled() > 0 => {
                self.refusals.push_back(Error::said(code, text));
                self.asks = !self.ledger.is_blind();
            }
            (_, Take::Echo(_)) => self.decided(before, id),
            (_, Take::Known) => {}
            (_, Take::New | Take::Missed | Take::Own) => self.heard.push(Heard { id, event }),
        }
    }

    /// Notes what has become of the lines from `before` on that are settled now. The last has been
    /// `confirmed`, or all were refused; where nothing was refused, a PONG has confirmed them.
    fn decided(&mut self, before: u64, confirmed: Option<Id>) {
        let settled = self.ledger.settled();
        for number in before..settled {
            let last = number + 1 == settled && confirmed.is_some();
            let refusal = if last { None } else { self.refusals.pop_front() };
            self.fates.push_back((number, refusal.map_or(Ok(confirmed.filter(|_| last)), Err)));
        }
        self.forget();
    }

    /// Notes that the last so many lines that are settled may or may not have arrived.
    fn given_up(&mut self, lost: u64) {
        let settled = self.ledger.settled();
        let lost = (settled - lost..settled).map(|number| {
            let end = Error::Lost(io::ErrorKind::ConnectionAborted);
            (number, Err(end))
        });
        self.fates.extend(lost);
        self.forget();
    }

    /// Nobody may wait for a fate: whoever asks, asks for the last.
    fn forget(&mut self) {
        let most = limits::UNCONFIRMED_LINES;
        let over = self.fates.len().saturating_sub(most);
        self.fates.drain(..over);
    }
}

/// Getting in, after a pause.
fn come(config: &Config, ledger: &Ledger, pause: Duration, failed: u32) -> Coming {
    let (config, options) = (config.clone(), ledger.join(config.last));
    Box::pin(async move {
        Timer::after(pause).await;
        let Config { hosts, name, tls, key, timeout, .. } = &config;
        let (tls, key) = (tls.as_ref(), key.as_ref());
        let arrived = arrive(*timeout, hosts, failed, tls, key, name.as_bytes(), options).await;
        arrived.map(|(client, _)| client)
    })
}

/// Gives the connection what it has room for. Where there are no echoes, each line is asked about.
fn speak(client: &mut Client, ledger: &mut Ledger, asks: &mut bool) {
    let ping = |client: &mut Client, ledger: &mut Ledger| {
        ledger.ask();
        // Room or not: it is a few bytes, and the line has been given.
        let _ = client.put(Command::Ping(SO_FAR.as_bytes()));
    };
    while client.has_room()
        && let Some(saying) = ledger.to_say()
    {
        let said = match saying {
            Saying::Data(bytes) => client.queue_data(bytes),
            saying => client.queue(saying.command()),
        };
        // What this server does not take it would refuse: the PONG says so.
        if ledger.is_blind() || said.is_err() {
            ping(client, ledger);
        }
    }
    if mem::take(asks) {
        ping(client, ledger);
    }
}

/// A secret that nobody can guess: of the system's randomness.
pub fn random_secret() -> io::Result<Secret> {
    Ok(Secrets::open()?.next())
}
