//! A conversation in a room: what is known of it, and what becomes of what is heard.

use super::unconfirmed::Unconfirmed;
use super::visit::Visit;
use crate::failure::Failure;
use crate::ui::{Console, json};
use crate::wait::Reader;
use smoltalk::client::{Client, Error, Event};
use smoltalk::protocol::Refusal;
use std::collections::VecDeque;
use std::io;
use std::time::Instant;

/// What is known of the conversation. It may go on over several connections.
pub struct Session<'a> {
    pub visit: &'a Visit,
    pub name: String,
    pub client: Client,
    pub console: Console,
    pub reader: Reader,
    /// False from when the connection is lost until there is another.
    pub connected: bool,
    /// Since when there is this connection.
    pub since: Instant,
    /// Nothing more will be typed.
    pub finished: bool,
    /// How often getting back in was tried since a connection last proved steady.
    pub attempts: u32,
    pub unconfirmed: Unconfirmed,
    /// What was typed and waits: for a connection, or for the server to take what came before.
    pub waiting: VecDeque<Vec<u8>>,
    /// All that there is to say, until it is said.
    pub whole: Option<Vec<u8>>,
    /// Why the server did not take it.
    pub refused: Option<String>,
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
        Ok(self.console.flush().await?)
    }

    /// Takes what was heard.
    pub fn show(&mut self, event: &Event) {
        match event {
            Event::Err { code, text } => {
                let (code, text) = (code.clone(), text.clone());
                let refused = Error::Refused { code, text };
                self.complain(&refused);
                if self.visit.whole {
                    self.refused = Some("not all was said".into());
                }
            }
            Event::Pong(token) => self.pong(token),
            event => self.console.event(event),
        }
    }

    /// Says that something is not done.
    pub fn complain(&mut self, error: &Error) {
        let said = match error {
            Error::Refused { code, text } => self.console.json(|now| json::err(now, code, text)),
            Error::TooLong | Error::PayloadTooLong => {
                let code = Refusal::TooLong.code();
                self.console.json(|now| json::err(now, code, &error.to_string()))
            }
            _ => false,
        };
        if !said {
            self.console.notice(&format!("smoltalk: {error}"));
        }
    }

    /// Has what was taken in appear, unless more is about to.
    pub async fn settle(&mut self) -> io::Result<()> {
        if self.client.waiting() == 0 || self.console.is_full() {
            self.console.flush().await?;
        }
        Ok(())
    }
}
