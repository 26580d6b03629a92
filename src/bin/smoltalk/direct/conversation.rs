//! What is typed is sent, what is heard is shown, and what has been shown is acknowledged.

use crate::failure::Failure;
use crate::ui::{Console, Fate, Line, Next, Turn, Whole};
use crate::wait::{Reader, when};
use futures_lite::future;
use smol::Timer;
use smoltalk::direct::{Config, Direct, Error, Event, Waiting};
use smoltalk::program::in_words;
use smoltalk::protocol::{Name, Refusal};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::pin::pin;
use std::time::{Duration, Instant};

/// How long a person who leaves waits for acknowledgements; the goodbye comes after it.
const PATIENCE: Duration = Duration::from_millis(250);

/// What the peer is called here. One without a name has an address: two of them are not the same.
fn name_of(peer: &Direct) -> String {
    let nameless = Config::default().name;
    match peer.address() {
        Some(address) if peer.peer() == nameless.as_str() => address.to_string(),
        _ => peer.peer().into(),
    }
}

/// What a person without a name is called on his own screen.
fn name_here(as_whom: &Config) -> Name {
    let nameless = as_whom.name == Config::default().name;
    Name::new(b"you").filter(|_| nameless).unwrap_or(as_whom.name)
}

/// Whether a message is what a person types who wants to leave a room.
fn is_leave(message: &[u8]) -> bool {
    [&b"leave"[..], b"/leave", b"/quit", b"quit"].contains(&message.trim_ascii())
}

/// What this side reads and writes, whoever is at the other.
pub struct Conversation {
    pub console: Console,
    /// What this side is called here.
    me: Name,
    /// What the other is called here.
    pub other: String,
    /// It listens on when nothing more is typed.
    stays: bool,
    /// How many bytes a message may have.
    limit: usize,
    reader: Reader,
    /// The messages that were taken to be shown, but may not have been written yet.
    shown: Vec<u64>,
    /// What a person has said and nobody has acknowledged, each under its number.
    underway: BTreeMap<u64, Vec<u8>>,
    /// How many messages are too long, here or there.
    pub refused: usize,
    /// Nothing more will be typed.
    finished: bool,
    /// Until when a person who leaves waits for acknowledgements.
    patience: Option<Instant>,
}

impl Conversation {
    pub fn new(as_whom: &Config, whole: Option<Whole>, stays: bool) -> io::Result<Self> {
        let me = name_here(as_whom);
        let mut conversation = Self {
            console: Console::for_two(me, as_whom.limit, whole)?,
            me,
            other: String::new(),
            stays,
            limit: as_whom.limit,
            reader: Reader::watch()?,
            shown: Vec::new(),
            underway: BTreeMap::new(),
            refused: 0,
            finished: false,
            patience: None,
        };
        conversation.prompt();
        Ok(conversation)
    }

    /// Tells a person what to do.
    pub fn say_how(&mut self) {
        if self.console.is_terminal() {
            self.console.notice("* each line is a message; Ctrl-D leaves");
        }
    }

    /// Waits for a peer; `None` where a person leaves first. What is typed meanwhile, nobody hears; a pipe
    /// waits.
    pub async fn await_peer(
        &mut self,
        waiting: &Waiting,
        as_whom: &Config,
    ) -> Result<Option<Direct>, Failure> {
        loop {
            // One future for all that is typed: a caller must not be lost to it.
            let mut accepted = pin!(waiting.accept(as_whom));
            let accepted = loop {
                let reads = !self.finished && self.console.is_terminal();
                let called = async { Some(accepted.as_mut().await) };
                let unread = self.reader.gone();
                match self.console.converse(0, reads, called, unread).await {
                    Next::Heard(accepted) => break accepted,
                    Next::Sent => {}
                    Next::Here(Turn::Shown(shown)) => shown?,
                    Next::Here(Turn::Typed(None)) => {
                        self.finish();
                        if self.has_left() {
                            return Ok(None);
                        }
                    }
                    Next::Here(Turn::Typed(Some(line))) => self.keep(&line),
                }
            };
            match accepted {
                Ok(peer) => return Ok(Some(peer)),
                Err(error) => self.console.notice(&format!("smoltalk: {error}")),
            }
        }
    }

    /// What is typed to nobody.
    fn keep(&mut self, line: &Line) {
        self.console.entered();
        match line {
            Line::Whole(line) if line.is_empty() && self.console.is_typed() => {}
            line => {
                self.console.notice("smoltalk: nobody is here yet");
                if let Line::Whole(line) = line {
                    self.console.put_back(line);
                }
            }
        }
    }

    /// Talks to `peer`; returns how that ended, or nothing where it `leaves` when all is said.
    pub async fn converse(&mut self, peer: &mut Direct, leaves: bool) -> io::Result<Option<Error>> {
        self.other = name_of(peer);
        self.console.notice(&format!("* {} is here", self.other));
        loop {
            let heard = peer.waiting() == 0 && self.shown.is_empty();
            let settled = heard && peer.unacknowledged() == 0;
            let patience = self.patience.filter(|_| leaves);
            let late = patience.is_some_and(|end| end <= Instant::now());
            if leaves && self.finished && (settled || late) {
                return Ok(None);
            }
            let mut end = None;
            match self.turn(peer, patience).await {
                Next::Here(Turn::Shown(shown)) => {
                    shown?;
                    self.acknowledge(peer);
                }
                Next::Here(Turn::Typed(Some(typed))) => self.send(peer, typed),
                Next::Here(Turn::Typed(None)) => self.finish(),
                Next::Heard(Ok(event)) => end = self.show(event),
                Next::Heard(Err(ended)) => end = Some(ended),
                Next::Sent => {}
            }
            if end.is_some() {
                // It may have stopped talking and still listen.
                self.console.flush().await?;
                self.acknowledge(peer);
                return Ok(end);
            }
        }
    }

    /// What comes next. Nothing is heard that could not be shown, and nothing read that could not be
    /// sent; and neither waits for the other.
    async fn turn(
        &mut self,
        peer: &mut Direct,
        patience: Option<Instant>,
    ) -> Next<Result<Event, Error>> {
        let Self { console, reader, finished, .. } = self;
        let late = async {
            patience.map_or_else(Timer::never, Timer::at).await;
            Next::Sent
        };
        // A person may go on typing meanwhile: what cannot be sent is put back.
        let reads = !*finished && (peer.has_sent() || console.is_typed());
        let said_all = *finished && peer.unacknowledged() == 0;
        let unread = async {
            // Somebody may still have something to say, though he has heard enough.
            when(said_all || io::stdin().is_terminal()).await;
            reader.gone().await
        };
        // What comes while the console is full waits: first here, and then with the peer.
        let (hears, heard) = (!console.is_full(), peer.waiting());
        let next = console.converse(heard, reads, peer.next_or_sent(hears), unread);
        future::or(late, next).await
    }

    /// Sends what was typed, and what came with it.
    fn send(&mut self, peer: &mut Direct, typed: Line) {
        let mut next = Some(typed);
        while let Some(typed) = next {
            self.console.entered();
            let sent = match typed {
                // A person who just presses the key has said nothing.
                Line::Whole(message) if message.is_empty() && self.console.is_terminal() => true,
                Line::Whole(message) => self.say(peer, message),
                Line::TooLong(len) => self.refuse(&Error::TooLong(self.limit), len),
            };
            let more = sent && peer.has_room() && !self.console.is_full();
            next = if more { self.console.ready() } else { None };
        }
    }

    /// Sends a message, or says why not; whether another may be.
    fn say(&mut self, peer: &mut Direct, message: Vec<u8>) -> bool {
        match peer.queue(&message) {
            Ok(id) => {
                if self.console.is_typed() && is_leave(&message) {
                    self.console.notice("* that goes out as a message; Ctrl-D leaves");
                }
                self.said(id, message);
                true
            }
            Err(too_long @ Error::TooLong(_)) => self.refuse(&too_long, message.len()),
            Err(not_now) => {
                // How it has ended, the peer has yet to be heard to say.
                if let Error::Behind = not_now {
                    self.console.notice(&format!("smoltalk: {not_now}"));
                }
                self.console.put_back(&message);
                false
            }
        }
    }

    /// Says that a message is not sent, as one of those that nobody has; another may be.
    fn refuse(&mut self, too_long: &Error, len: usize) -> bool {
        self.refused += 1;
        self.console.notice(&format!("smoltalk: {too_long}, this one has {len}"));
        true
    }

    /// Takes what was heard to be shown; returns how the conversation ended, if that ends it.
    fn show(&mut self, event: Event) -> Option<Error> {
        match event {
            Event::Message { id, bytes } => {
                self.console.message(&self.other, &bytes);
                self.shown.push(id);
            }
            Event::Acked { id, round_trip } => {
                self.decided(id, Fate::Acknowledged(round_trip));
            }
            Event::Refused { id, code, text } => {
                let too_long = code == Refusal::TooLong.code();
                let refused = Error::Refused { code, text };
                // Without its number it would be waited for for ever.
                if too_long && id.is_none() {
                    return Some(refused);
                }
                if let Some(id) = id {
                    self.refused += 1;
                    self.decided(id, Fate::Refused);
                }
                self.console.notice(&format!("smoltalk: {refused}"));
            }
            _ => {}
        }
        None
    }

    /// Takes what was said and is on its way. In a pipe nobody needs to be told again what it was.
    fn said(&mut self, id: u64, message: Vec<u8>) {
        if self.console.is_terminal() {
            self.underway.insert(id, message);
            self.prompt();
        }
    }

    /// Takes what has become of a message that was said.
    fn decided(&mut self, id: u64, fate: Fate) {
        let message = self.underway.remove(&id);
        self.console.decided(self.me, fate, message.as_deref());
        self.prompt();
    }

    /// What has not been acknowledged will not be.
    pub fn parted(&mut self) {
        while let Some((&id, _)) = self.underway.first_key_value() {
            self.decided(id, Fate::Unacknowledged);
        }
    }

    /// Nothing more will be typed.
    pub fn finish(&mut self) {
        if self.console.is_terminal() && self.stays && !self.finished {
            self.console.notice("* nothing more is sent; Ctrl-C leaves");
        }
        self.finished = true;
        if let Some(error) = self.console.broken() {
            self.refused += 1;
            self.console.notice(&in_words(&format!("smoltalk: {}", Failure::Unread(error))));
        }
        self.patience = self.console.is_terminal().then(|| Instant::now() + PATIENCE);
        self.prompt();
    }

    /// Whether a person has left. A pipe that has ended is no word to a listener.
    pub fn has_left(&self) -> bool {
        self.finished && self.leaves()
    }

    /// Whether the end of what is typed is a goodbye also where peers are waited for.
    pub fn leaves(&self) -> bool {
        self.console.is_terminal() && !self.stays
    }

    /// Whether all that is typed has ended, and nothing of it is left.
    pub fn has_said_all(&self) -> bool {
        self.console.is_over() || self.console.is_typed() && self.finished
    }

    /// Prompts a person, who sees at a terminal how much is not decided yet.
    fn prompt(&mut self) {
        let underway = if self.console.is_typed() { self.underway.len() } else { 0 };
        self.console.prompt(&match underway {
            _ if self.finished => String::new(),
            0 => format!("{}> ", self.me),
            1 => format!("(1 on its way) {}> ", self.me),
            n => format!("({n} on their way) {}> ", self.me),
        });
    }

    /// Acknowledges what has appeared, and not before it has: whoever kills this program in between
    /// has not got it.
    fn acknowledge(&mut self, peer: &mut Direct) {
        for id in self.shown.drain(..) {
            peer.ack(id);
        }
    }
}
