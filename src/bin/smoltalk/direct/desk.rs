//! What is typed is sent, what is heard is shown, and what has been shown is acknowledged.

use super::board::Board;
use crate::failure::Failure;
use crate::input::{self, Input, Line, Whole};
use crate::wait::{Reader, when};
use futures_lite::future;
use smoltalk::direct::{self, Direct, Error, Event, Waiting};
use smoltalk::protocol::Refusal;
use std::io;
use std::pin::pin;

/// What this side reads and writes.
pub struct Desk {
    input: Input,
    /// How many bytes a message may have.
    limit: usize,
    /// Nothing more will be typed.
    finished: bool,
    board: Board,
    reader: Reader,
    /// The messages that are on the board, but may not have been written yet.
    shown: Vec<u64>,
    /// How many messages are too long, here or there.
    pub refused: usize,
}

/// What comes next.
enum Turn {
    Heard(Result<Event, Error>),
    Typed(Option<Line>),
    /// What was heard has appeared.
    Shown(io::Result<()>),
}

impl Desk {
    pub fn new(as_whom: &direct::Config, whole: Option<Whole>) -> io::Result<Self> {
        Ok(Self {
            input: Input::messages(input::chunks()?, as_whom.limit, whole),
            limit: as_whom.limit,
            finished: false,
            board: Board::new(as_whom.name, whole.is_some()),
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
                self.board.flush().await?;
                if self.finished || !self.board.is_terminal() {
                    break accepted.await;
                }
                let accepted = async { Ok(accepted.as_mut().await) };
                let typed = async { Err(self.input.next().await) };
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

    /// Talks to `peer`; returns how that ended, or nothing where it `leaves` when all is said.
    pub async fn converse(&mut self, peer: &mut Direct, leaves: bool) -> io::Result<Option<Error>> {
        loop {
            let heard = peer.waiting() == 0 && self.shown.is_empty();
            if leaves && self.finished && heard && peer.unacknowledged() == 0 {
                return Ok(None);
            }
            let end = match self.turn(peer).await {
                Turn::Shown(shown) => {
                    shown?;
                    self.acknowledge(peer);
                    None
                }
                Turn::Heard(Ok(event)) => self.show(peer, event),
                Turn::Heard(Err(end)) => Some(end),
                Turn::Typed(Some(typed)) => self.send(peer, typed),
                Turn::Typed(None) => {
                    self.finish();
                    None
                }
            };
            if end.is_some() {
                // It may have stopped talking and still listen.
                self.board.flush().await?;
                self.acknowledge(peer);
                return Ok(end);
            }
        }
    }

    /// What comes next. Nothing is heard that could not be shown, and nothing read that could not be
    /// sent; and neither waits for the other.
    async fn turn(&mut self, peer: &mut Direct) -> Turn {
        let Self { input, board, reader, .. } = self;
        let said_all = self.finished && peer.unacknowledged() == 0;
        let full = board.is_full();
        let shows = full || peer.waiting() == 0;
        let reads = !self.finished && !board.is_overfull();
        let shown = async {
            when(shows && !board.is_flushed()).await;
            Turn::Shown(board.flush().await)
        };
        let talked = async {
            if full {
                when(peer.flush().await.is_ok()).await;
            } else if let Some(heard) = peer.next_until_sent().await.transpose() {
                return Turn::Heard(heard);
            }
            let heard = async {
                when(!full).await;
                Turn::Heard(peer.next().await)
            };
            let typed = async {
                when(reads).await;
                Turn::Typed(input.next().await)
            };
            future::race(heard, typed).await
        };
        let unread = async {
            // Somebody may still have something to say, though he has heard enough.
            when(said_all).await;
            Turn::Shown(reader.gone().await)
        };
        future::or(shown, future::or(talked, unread)).await
    }

    /// Sends what was typed, and what came with it.
    fn send(&mut self, peer: &mut Direct, typed: Line) -> Option<Error> {
        let mut next = Some(typed);
        while let Some(typed) = next {
            self.board.entered();
            let queued = match typed {
                // A person who just presses the key has said nothing.
                Line::Whole(message) if message.is_empty() && self.board.is_terminal() => Ok(0),
                Line::Whole(message) => peer.queue(&message),
                Line::TooLong => Err(Error::TooLong(self.limit)),
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
            next = if more { self.input.ready() } else { None };
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
                let too_long = code == Refusal::TooLong.code();
                let refused = Error::Refused { code, text };
                // Without its number it would be waited for for ever.
                if too_long && id.is_none() {
                    return Some(refused);
                }
                self.refused += usize::from(id.is_some());
                self.notice(&format!("smoltalk: {refused}"));
            }
            _ => {}
        }
        None
    }

    /// Nothing more will be typed.
    pub fn finish(&mut self) {
        self.finished = true;
        self.board.no_prompt();
    }

    /// Whether standard input has ended, and nothing of it is left.
    pub fn has_read_all(&self) -> bool {
        self.input.is_over()
    }

    pub fn notice(&mut self, text: &str) {
        self.board.notice(text);
    }

    /// Has what was taken in appear, if anybody can see it.
    pub async fn flush(&mut self) {
        let _ = self.board.flush().await;
    }

    /// Acknowledges what has appeared, and not before it has: whoever kills this program in between
    /// has not got it.
    fn acknowledge(&mut self, peer: &mut Direct) {
        for id in self.shown.drain(..) {
            peer.ack(id);
        }
    }
}
