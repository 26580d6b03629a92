//! What is typed is sent, what is heard is shown, and what has been shown is acknowledged.

use super::console::Console;
use crate::console::{Next, Turn};
use crate::failure::Failure;
use crate::input::{Line, Whole};
use crate::show::Fate;
use crate::wait::{Reader, when};
use futures_lite::future;
use smoltalk::direct::{self, Direct, Error, Event, Waiting};
use smoltalk::protocol::Refusal;
use std::io;
use std::pin::pin;

/// What this side reads and writes.
pub struct Desk {
    /// How many bytes a message may have.
    limit: usize,
    console: Console,
    reader: Reader,
    /// The messages that were taken to be shown, but may not have been written yet.
    shown: Vec<u64>,
    /// How many messages are too long, here or there.
    pub refused: usize,
}

impl Desk {
    pub fn new(as_whom: &direct::Config, whole: Option<Whole>) -> io::Result<Self> {
        Ok(Self {
            limit: as_whom.limit,
            console: Console::open(as_whom, whole)?,
            reader: Reader::watch()?,
            shown: Vec::new(),
            refused: 0,
        })
    }

    /// Waits for a peer. What a person types meanwhile, nobody hears; a pipe waits.
    pub async fn await_peer(
        &mut self,
        waiting: &Waiting,
        as_whom: &direct::Config,
    ) -> Result<Direct, Failure> {
        loop {
            // One future for all that is typed: a caller must not be lost to it.
            let mut accepted = pin!(waiting.accept(as_whom));
            let accepted = loop {
                let reads = !self.console.is_finished() && self.console.is_terminal();
                let accepted = async { Ok(accepted.as_mut().await) };
                let here = async { Err(self.console.turn(true, reads).await) };
                match future::or(accepted, here).await {
                    Ok(accepted) => break accepted,
                    Err(Turn::Shown(shown)) => shown?,
                    Err(Turn::Typed(None)) => self.finish(),
                    Err(Turn::Typed(Some(line))) => self.keep(&line),
                }
            };
            match accepted {
                Ok(peer) => return Ok(peer),
                Err(error) => self.notice(&format!("smoltalk: {error}")),
            }
        }
    }

    /// What is typed to nobody.
    fn keep(&mut self, line: &Line) {
        self.console.entered();
        match line {
            Line::Whole(line) if line.is_empty() && self.console.is_typed() => {}
            line => {
                self.notice("smoltalk: nobody is here yet");
                if let Line::Whole(line) = line {
                    self.console.put_back(line);
                }
            }
        }
    }

    /// Talks to `peer`; returns how that ended, or nothing where it `leaves` when all is said.
    pub async fn converse(&mut self, peer: &mut Direct, leaves: bool) -> io::Result<Option<Error>> {
        loop {
            let heard = peer.waiting() == 0 && self.shown.is_empty();
            if leaves && self.console.is_finished() && heard && peer.unacknowledged() == 0 {
                return Ok(None);
            }
            let end = match self.turn(peer).await {
                Next::Here(Turn::Shown(shown)) => {
                    shown?;
                    self.acknowledge(peer);
                    None
                }
                Next::Heard(Ok(event)) => self.show(peer, event),
                Next::Heard(Err(end)) => Some(end),
                Next::Here(Turn::Typed(Some(typed))) => {
                    self.send(peer, typed);
                    None
                }
                Next::Sent => None,
                Next::Here(Turn::Typed(None)) => {
                    self.finish();
                    None
                }
            };
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
    async fn turn(&mut self, peer: &mut Direct) -> Next<Result<Event, Error>> {
        let Self { console, reader, .. } = self;
        let finished = console.is_finished();
        let said_all = finished && peer.unacknowledged() == 0;
        let (full, sent) = (console.is_full(), peer.has_sent());
        let shows = (full || peer.waiting() == 0) && !console.is_flushed();
        // A person may go on typing meanwhile: what cannot be sent is put back.
        let reads = !finished && (sent || console.is_typed());
        let talked = async {
            match (full, sent) {
                (false, true) => Next::Heard(peer.next().await),
                (false, false) => {
                    peer.next_until_sent().await.transpose().map_or(Next::Sent, Next::Heard)
                }
                // What comes waits: first here, and then with the peer.
                (true, _) => {
                    when(!sent && peer.flush().await.is_ok()).await;
                    Next::Sent
                }
            }
        };
        let here = async { Next::Here(console.turn(shows, reads).await) };
        let unread = async {
            // Somebody may still have something to say, though he has heard enough.
            when(said_all).await;
            Next::Here(Turn::Shown(reader.gone().await))
        };
        let next = async {
            // What has come appears, and is acknowledged, before more comes.
            if shows { future::or(here, talked).await } else { future::race(here, talked).await }
        };
        future::or(next, unread).await
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
                Line::TooLong => self.refuse(&Error::TooLong(self.limit)),
            };
            let more = sent && peer.has_room() && !self.console.is_full();
            next = if more { self.console.ready() } else { None };
        }
    }

    /// Sends a message, or says why not; whether another may be.
    fn say(&mut self, peer: &mut Direct, message: Vec<u8>) -> bool {
        match peer.queue(&message) {
            Ok(id) => {
                self.console.said(id, message);
                true
            }
            Err(too_long @ Error::TooLong(_)) => self.refuse(&too_long),
            Err(not_now) => {
                // How it has ended, the peer has yet to be heard to say.
                if let Error::Behind = not_now {
                    self.notice(&format!("smoltalk: {not_now}"));
                }
                self.console.put_back(&message);
                false
            }
        }
    }

    /// Says that a message is not sent, as one of those that nobody has; another may be.
    fn refuse(&mut self, too_long: &Error) -> bool {
        self.refused += 1;
        self.notice(&format!("smoltalk: {too_long}"));
        true
    }

    /// Takes what was heard to be shown; returns how the conversation ended, if that ends it.
    fn show(&mut self, peer: &Direct, event: Event) -> Option<Error> {
        match event {
            Event::Message { id, bytes } => {
                self.console.heard(peer.peer(), &bytes);
                self.shown.push(id);
            }
            Event::Acked { id, round_trip } => {
                self.console.decided(id, Fate::Acknowledged(round_trip));
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
                    self.console.decided(id, Fate::Refused);
                }
                self.notice(&format!("smoltalk: {refused}"));
            }
            _ => {}
        }
        None
    }

    /// Whether a person sits at it.
    pub fn is_terminal(&self) -> bool {
        self.console.is_terminal()
    }

    /// Whether it is at a terminal at which each message is seen, and what has become of it.
    pub fn is_typed(&self) -> bool {
        self.console.is_typed()
    }

    /// What has not been acknowledged will not be.
    pub fn parted(&mut self) {
        self.console.parted();
    }

    /// Nothing more will be typed.
    pub fn finish(&mut self) {
        self.console.finish();
    }

    /// Whether standard input has ended, and nothing of it is left.
    pub fn has_read_all(&self) -> bool {
        self.console.is_over()
    }

    pub fn notice(&mut self, text: &str) {
        self.console.notice(text);
    }

    /// Has what was taken in appear, if anybody can see it.
    pub async fn flush(&mut self) {
        let _ = self.console.flush().await;
    }

    /// Acknowledges what has appeared, and not before it has: whoever kills this program in between
    /// has not got it.
    fn acknowledge(&mut self, peer: &mut Direct) {
        for id in self.shown.drain(..) {
            peer.ack(id);
        }
    }
}
