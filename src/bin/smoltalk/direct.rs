//! `smoltalk direct`: a conversation of two, from one side.
//!
//! `flags` is how it is started, `source` what is sent, `board` where what comes is shown.

pub mod flags;

mod board;
mod source;

use crate::input;
use async_signal::{Signal, Signals};
use board::Board;
use futures_lite::{StreamExt, future};
use smol::Timer;
use smoltalk::direct::{self, Direct, Error, Event, Waiting};
use smoltalk::limits;
use smoltalk::protocol::Name;
use source::{Source, Typed, Whole};
use std::fmt;
use std::io;
use std::pin::pin;

/// Whom to talk to, as whom.
#[derive(Debug, PartialEq, Eq)]
pub struct Config {
    pub place: Place,
    pub name: Option<Name>,
    /// All of standard input is one message.
    pub whole: bool,
    /// Go on listening after standard input has ended.
    pub stay: bool,
}

/// Where the other side is found.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// It calls here.
    Listen(String, u16),
    /// It waits there.
    Call(String, u16),
}

/// Why it did not just end.
#[derive(Debug)]
pub enum Failure {
    /// The other side talks to somebody else, or does not want to talk.
    Refused(Error),
    /// There is nobody to talk to, or no more.
    Lost(String),
    /// So many messages were not acknowledged.
    Unacknowledged(usize),
    /// Standard output cannot be written, or signals cannot be had.
    Io(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Lost(why) => f.write_str(why),
            Self::Unacknowledged(1) => write!(f, "one message was not acknowledged"),
            Self::Unacknowledged(messages) => {
                write!(f, "{messages} messages were not acknowledged")
            }
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Talks until there is a reason to stop. The first signal is such a reason; the second ends it
/// wherever it is.
pub async fn run(config: &Config) -> Result<(), Failure> {
    let mut signals = Signals::new([Signal::Int, Signal::Term])?;
    let mut side = Side::new(config)?;
    let talked = unless(&mut signals, side.talk()).await.unwrap_or(Ok(()));
    let ended = match talked {
        // Nobody reads on, as `head` does: no reason to complain.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        ended => ended,
    };
    unless(&mut signals, side.close()).await;
    match ended {
        Ok(()) if side.lost > 0 => Err(Failure::Unacknowledged(side.lost)),
        ended => ended,
    }
}

/// What `future` comes to, unless a signal comes first.
async fn unless<T>(signals: &mut Signals, future: impl Future<Output = T>) -> Option<T> {
    let signal = async {
        signals.next().await;
        None
    };
    future::or(signal, async { Some(future.await) }).await
}

/// This side, and who is at the other.
struct Side<'a> {
    config: &'a Config,
    as_whom: direct::Config,
    desk: Desk,
    peer: Option<Direct>,
    /// How many messages nobody has, as far as is known.
    lost: usize,
}

impl<'a> Side<'a> {
    fn new(config: &'a Config) -> io::Result<Self> {
        let default = direct::Config::default();
        let as_whom = direct::Config { name: config.name.unwrap_or(default.name), ..default };
        let whole = match config.place {
            Place::Listen(..) => Whole::UnlessEmpty,
            Place::Call(..) => Whole::EvenEmpty,
        };
        let whole = config.whole.then_some(whole);
        let desk = Desk {
            source: Source::new(input::chunks()?, whole, as_whom.limit),
            finished: false,
            board: Board::new(as_whom.name, config.whole),
            shown: Vec::new(),
            refused: 0,
        };
        Ok(Self { config, as_whom, desk, peer: None, lost: 0 })
    }

    async fn talk(&mut self) -> Result<(), Failure> {
        match &self.config.place {
            Place::Listen(host, port) => self.listen(host, *port).await,
            Place::Call(host, port) => self.call(host, *port).await,
        }
    }

    /// Talks to one peer after the other, for ever.
    async fn listen(&mut self, host: &str, port: u16) -> Result<(), Failure> {
        let deaf = |error: io::Error| Failure::Lost(format!("{host}:{port}: {error}"));
        let waiting = Direct::listen(host, port).await.map_err(deaf)?;
        self.desk.notice(&format!("listening on {}", waiting.address()));
        loop {
            let peer = self.desk.await_peer(&waiting, &self.as_whom).await?;
            let name = peer.peer().to_string();
            let end = self.converse(peer, false).await?;
            let (lost, peer) = self.part();
            // The next one need not wait until this one has seen that it is over.
            if let Some(peer) = peer {
                smol::spawn(peer.leave()).detach();
            }
            self.desk.notice(&match end {
                None | Some(Error::Gone) => format!("* {name} has gone"),
                Some(error) => format!("smoltalk: {name}: {error}"),
            });
            if lost > 0 {
                self.desk.notice(&format!("smoltalk: {name}: {}", Failure::Unacknowledged(lost)));
            }
        }
    }

    /// Talks until all is said and acknowledged.
    async fn call(&mut self, host: &str, port: u16) -> Result<(), Failure> {
        let peer =
            Direct::connect(host, port, &self.as_whom).await.map_err(|error| match error {
                Error::Busy | Error::Refused { .. } => Failure::Refused(error),
                _ => Failure::Lost(format!("{host}:{port}: {error}")),
            })?;
        let end = self.converse(peer, !self.config.stay).await?;
        let (lost, peer) = self.part();
        if let Some(peer) = peer {
            peer.leave().await;
        }
        match end {
            None => Ok(()),
            // It has all that was said.
            Some(Error::Gone) if self.desk.source.is_over() && self.lost == 0 => Ok(()),
            Some(busy @ Error::Busy) => Err(Failure::Refused(busy)),
            Some(error) if lost == 0 => Err(Failure::Lost(error.to_string())),
            Some(error) => {
                Err(Failure::Lost(format!("{error}: {}", Failure::Unacknowledged(lost))))
            }
        }
    }

    /// Talks to `peer`; returns how that ended, or nothing where it `leaves` when all is said.
    async fn converse(&mut self, peer: Direct, leaves: bool) -> Result<Option<Error>, Failure> {
        let peer = self.peer.insert(peer);
        self.desk.notice(&format!("* {} is here", peer.peer()));
        Ok(self.desk.converse(peer, leaves).await?)
    }

    /// Lets the peer go; returns how many messages it has not acknowledged, too.
    fn part(&mut self) -> (usize, Option<Direct>) {
        let peer = self.peer.take();
        let unacknowledged = peer.as_ref().map_or(0, Direct::unacknowledged);
        let lost = unacknowledged + std::mem::take(&mut self.desk.refused);
        self.lost += lost;
        (lost, peer)
    }

    /// Parts, shows what there is to show, and gives all that a moment.
    async fn close(&mut self) {
        self.desk.board.no_prompt();
        if let (_, Some(peer)) = self.part() {
            peer.leave().await;
        }
        let shown = async { _ = self.desk.board.flush().await };
        let late = async { _ = Timer::after(limits::GOODBYE).await };
        future::or(shown, late).await;
    }
}

/// What this side reads and writes.
struct Desk {
    source: Source,
    /// Nothing more will be typed.
    finished: bool,
    board: Board,
    /// The messages that are on the board, but may not have been written yet.
    shown: Vec<u64>,
    /// How many messages are too long, here or there.
    refused: usize,
}

/// What comes next.
enum Turn {
    Heard(Result<Event, Error>),
    Typed(Option<Typed>),
}

impl Desk {
    /// Waits for a peer. What a person types meanwhile, nobody hears; a pipe waits.
    async fn await_peer(
        &mut self,
        waiting: &Waiting,
        as_whom: &direct::Config,
    ) -> Result<Direct, Failure> {
        loop {
            // One future for all that is typed: a caller must not be lost to it.
            let mut accepted = pin!(waiting.accept(as_whom));
            let accepted = loop {
                self.board.flush().await?;
                if self.finished || !self.board.is_terminal() {
                    break accepted.await;
                }
                let accepted = async { Ok(accepted.as_mut().await) };
                let typed = async { Err(self.source.next().await) };
                match future::or(accepted, typed).await {
                    Ok(accepted) => break accepted,
                    Err(None) => self.finish(),
                    Err(Some(_)) => {
                        self.board.entered();
                        self.notice("smoltalk: nobody is here yet");
                    }
                }
            };
            match accepted {
                Ok(peer) => return Ok(peer),
                Err(error) => self.notice(&format!("smoltalk: {error}")),
            }
        }
    }

    async fn converse(&mut self, peer: &mut Direct, leaves: bool) -> io::Result<Option<Error>> {
        loop {
            self.settle(peer).await?;
            let said = self.finished && peer.unacknowledged() == 0 && peer.waiting() == 0;
            if leaves && said {
                return Ok(None);
            }
            let end = match self.turn(peer).await {
                Turn::Heard(Ok(event)) => self.show(peer, event),
                Turn::Heard(Err(end)) => Some(end),
                Turn::Typed(Some(typed)) => self.send(peer, typed),
                Turn::Typed(None) => {
                    self.finish();
                    None
                }
            };
            if end.is_some() {
                return Ok(end);
            }
        }
    }

    /// What comes next. Nothing is read that could not be sent.
    async fn turn(&mut self, peer: &mut Direct) -> Turn {
        match peer.next_until_sent().await {
            Ok(Some(event)) => return Turn::Heard(Ok(event)),
            Err(end) => return Turn::Heard(Err(end)),
            Ok(None) if self.finished => return Turn::Heard(peer.next().await),
            Ok(None) => {}
        }
        let heard = async { Turn::Heard(peer.next().await) };
        let typed = async { Turn::Typed(self.source.next().await) };
        future::race(heard, typed).await
    }

    /// Sends what was typed, and what came with it.
    fn send(&mut self, peer: &mut Direct, typed: Typed) -> Option<Error> {
        let mut next = Some(typed);
        while let Some(typed) = next {
            self.board.entered();
            let queued = match typed {
                // A person who just presses the key has said nothing.
                Typed::Message(message) if message.is_empty() && self.board.is_terminal() => Ok(0),
                Typed::Message(message) => peer.queue(&message),
                Typed::TooLong => Err(Error::TooLong(self.source.limit())),
            };
            match queued {
                Ok(_) => {}
                Err(too_long @ Error::TooLong(_)) => {
                    self.refused += 1;
                    self.notice(&format!("smoltalk: {too_long}"));
                }
                Err(end) => return Some(end),
            }
            let more = peer.has_room() && !self.board.is_full();
            next = if more { self.source.ready() } else { None };
        }
        None
    }

    /// Takes what was heard to be shown; returns how the conversation ended, if that ends it.
    fn show(&mut self, peer: &Direct, event: Event) -> Option<Error> {
        match event {
            Event::Message { id, bytes } => {
                self.board.message(peer.peer(), &bytes);
                self.shown.push(id);
            }
            Event::Acked { round_trip, .. } => self.board.acknowledged(round_trip),
            Event::Refused { id, code, text } => {
                let refused = Error::Refused { code, text };
                // Without its number it would be waited for for ever.
                if id.is_none() {
                    return Some(refused);
                }
                self.refused += 1;
                self.notice(&format!("smoltalk: {refused}"));
            }
            _ => {}
        }
        None
    }

    fn finish(&mut self) {
        self.finished = true;
        self.board.no_prompt();
    }

    fn notice(&mut self, text: &str) {
        self.board.notice(text);
    }

    /// Has what was taken in appear, unless more is about to. What has appeared is acknowledged, and
    /// not before: whoever kills this program in between has not got it.
    async fn settle(&mut self, peer: &mut Direct) -> io::Result<()> {
        if peer.waiting() == 0 || self.board.is_full() {
            self.board.flush().await?;
            for id in self.shown.drain(..) {
                peer.ack(id);
            }
        }
        Ok(())
    }
}
