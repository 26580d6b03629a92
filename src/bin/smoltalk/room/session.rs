//! A conversation in a room: what is known of it, and what becomes of what is heard.

use super::books::Books;
use super::others::Others;
use super::visit::Visit;
use crate::failure::Failure;
use crate::ui::{Console, When, json};
use crate::wait::Reader;
use smoltalk::client::{Client, Error, Event, Take, Tls};
use smoltalk::protocol::{Command, Key, Refusal};
use std::collections::VecDeque;
use std::io;
use std::time::Instant;

/// What is known of the conversation. It may go on over several connections.
#[allow(clippy::struct_excessive_bools)]
pub struct Session<'a> {
    pub visit: &'a Visit,
    pub name: String,
    /// What the server had to be told to be let in.
    pub tls: Option<Tls>,
    pub key: Option<Key>,
    pub client: Client,
    pub console: Console,
    pub reader: Reader,
    /// False from when the connection is lost until there is another.
    pub connected: bool,
    /// Since when there is this connection.
    pub since: Instant,
    /// Nothing more will be typed.
    pub finished: bool,
    /// Once all is confirmed, it leaves.
    pub leaving: bool,
    /// And the server is asked whether it is.
    pub asked: bool,
    /// How often getting back in was tried since a connection last proved steady.
    pub attempts: u32,
    /// What was said and heard, where that outlives the connection.
    pub books: Option<Books>,
    /// What was typed and waits: for a connection, or for the server to take what came before.
    pub waiting: VecDeque<Vec<u8>>,
    /// All that there is to say, until it is said.
    pub whole: Option<Vec<u8>>,
    /// Why it was not.
    pub refused: Option<Failure>,
    /// What has become of the lines of a script that were not said.
    pub unsaid: Unsaid,
    /// Why it cannot go on.
    pub failed: Option<Failure>,
    /// Something could not be printed.
    pub unprinted: bool,
    pub others: Others,
    /// What to say once what was said before has been shown.
    pub welcome: Option<String>,
    /// It has been said that there is an easier way to say something.
    pub hinted: bool,
    /// The number of the line that was typed last.
    pub line: u64,
    /// The lines of a script that tell somebody something, and may still be refused.
    pub told: VecDeque<u64>,
    /// What confirms the last of them had no room yet.
    pub told_unasked: bool,
}

/// Whether there were lines that were not said. Of each that has been told.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unsaid {
    /// Something was asked for: what the server refuses may be that.
    pub spoke: bool,
    /// Of some the server has said that it does not take them.
    pub refused: bool,
    /// Some were not sent.
    pub here: bool,
}

impl Session<'_> {
    /// Sends what was typed. Listens meanwhile: the server slows down those who flood the room, and
    /// drops those who do not listen.
    pub async fn send(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.client.next_until_sent().await? {
            self.show(&event);
            self.settle().await?;
        }
        Ok(())
    }

    /// Sends what was typed, and shows what came meanwhile.
    pub async fn send_all(&mut self) -> Result<(), Failure> {
        self.send().await?;
        self.flush().await
    }

    /// Takes what was heard last.
    pub fn show(&mut self, event: &Event) {
        let when = self.when();
        let take = self.books.as_mut().map_or(Take::New, |books| books.heard(when.id, event));
        // A connection that gets one further was a good one, however short.
        if when.id.is_some() && take != Take::Known {
            self.attempts = 0;
        }
        match event {
            Event::Err { code, text } => {
                let (code, text) = (code.clone(), text.clone());
                let refused = Error::Refused { code, text };
                let which = self.refused_line(&refused);
                self.complain_of(&which, &refused);
                self.unsaid.refused |= self.unsaid.spoke;
                if self.visit.whole {
                    self.refused = Some(Failure::Refused("not all was said".into()));
                }
            }
            Event::Pong(token) => self.pong(token),
            Event::Gap => {
                // It is a part of what was missed.
                if self.books.as_ref().is_some_and(Books::was_away) {
                    self.console.missed(true);
                }
                self.console.gap();
            }
            event => match take {
                _ if !self.others.show(event) => {}
                Take::Echo(_) => self.echoed(event),
                Take::Known => {}
                Take::Missed if self.books.as_ref().is_some_and(Books::was_away) => {
                    self.console.missed(true);
                    self.console.event(event, when);
                }
                Take::New | Take::Missed | Take::Own => self.console.event(event, when),
            },
        }
    }

    /// Shows what one told somebody, who has it now.
    fn echoed(&mut self, event: &Event) {
        if let Event::Told { to, text } = event {
            self.console.said(&Command::Tell(*to, text.as_bytes()));
        }
    }

    /// Where in the room's order that was, and whether it was before one came.
    fn when(&self) -> When {
        let id = self.client.id();
        let standing = self.client.standing().map(|standing| standing.id);
        When { id, before: id.is_some_and(|id| standing.is_some_and(|came| id <= came)) }
    }

    /// Says that something is not sent, and that it is not.
    pub fn not_said(&mut self, error: &Error) -> bool {
        self.unsaid.here = true;
        self.complain_of(&self.which(), error);
        false
    }

    /// What was not said, where it is known by its number: a line of a script.
    pub fn which(&self) -> String {
        if self.console.is_terminal() || self.visit.whole || self.line == 0 {
            return String::new();
        }
        format!("line {} was not said: ", self.line)
    }

    /// Says that something is not done.
    pub fn complain(&mut self, error: &Error) {
        self.complain_of("", error);
    }

    /// Says that something is not done, and what.
    pub fn complain_of(&mut self, which: &str, error: &Error) {
        let said = match error {
            Error::Refused { code, text } => self.console.json(|now| json::err(now, code, text)),
            Error::TooLong | Error::PayloadTooLong => {
                let code = Refusal::TooLong.code();
                self.console.json(|now| json::err(now, code, &error.to_string()))
            }
            _ => false,
        };
        if !said {
            self.console.notice(&format!("smoltalk: {which}{error}"));
        }
    }

    /// Has what was taken in appear, unless more is about to.
    pub async fn settle(&mut self) -> Result<(), Failure> {
        if self.client.waiting() == 0 || self.console.is_full() || self.is_kept() {
            self.flush().await?;
        }
        Ok(())
    }

    /// Has what was taken in appear, and notes that it has.
    pub async fn flush(&mut self) -> Result<(), Failure> {
        let shown = self.console.flush().await;
        self.shown(shown)?;
        self.printed()
    }

    /// Takes how showing something went: what could not be shown is not noted, nor what comes behind it.
    pub fn shown(&mut self, shown: io::Result<()>) -> io::Result<()> {
        self.unprinted |= shown.is_err();
        shown
    }

    /// Whether each line is noted once it has appeared: then it appears by itself.
    pub fn is_kept(&self) -> bool {
        self.books.as_ref().is_some_and(Books::is_kept)
    }

    /// Notes that all that was taken in has appeared, if it has.
    pub fn printed(&mut self) -> Result<(), Failure> {
        match &mut self.books {
            Some(books) if self.console.is_flushed() && !self.unprinted => books.printed(),
            _ => Ok(()),
        }
    }
}
