//! What is typed is sent, what is heard is shown, and what has been shown is acknowledged.

use super::board::Board;
use crate::failure::Failure;
use crate::input::{self, Input, Line, Whole};
use futures_lite::future;
use smoltalk::direct::{self, Direct, Error, Event, Waiting};
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
    /// The messages that are on the board, but may not have been written yet.
    shown: Vec<u64>,
    /// How many messages are too long, here or there.
    pub refused: usize,
}

/// What comes next.
enum Turn {
    Heard(Result<Event, Error>),
    Typed(Option<Line>),
}

impl Desk {
    pub fn new(as_whom: &direct::Config, whole: Option<Whole>) -> io::Result<Self> {
        Ok(Self {
            input: Input::messages(input::chunks()?, as_whom.limit, whole),
            limit: as_whom.limit,
            finished: false,
            board: Board::new(as_whom.name, whole.is_some()),
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
        let typed = async { Turn::Typed(self.input.next().await) };
        future::race(heard, typed).await
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
