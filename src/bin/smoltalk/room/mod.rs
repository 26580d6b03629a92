//! A conversation in a room, from connecting to leaving.
//!
//! `visit` says what was asked for, `enter` gets in and `reconnect` gets back in. In between,
//! `session` is what is known; `obey` and `bytes` do what is typed, `ping` has the server confirm it,
//! and `unconfirmed` counts what it has not.

mod bytes;
mod enter;
mod obey;
mod ping;
mod reconnect;
mod session;
mod unconfirmed;
mod visit;

pub use visit::Visit;

use crate::failure::Failure;
use crate::ui::{Console, Next, Turn, json};
use crate::wait::{Reader, close, signals, unless, when};
use enter::enter;
use futures_lite::StreamExt;
use ping::BARRIER;
use session::Session;
use smol::Timer;
use smoltalk::client::{Error, Event};
use smoltalk::limits;
use smoltalk::protocol::Command;
use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::time::Instant;
use unconfirmed::Unconfirmed;

/// Joins, talks until there is a reason to stop, and leaves. The first signal is such a reason; the
/// second ends it wherever it is.
pub async fn run(visit: &Visit) -> Result<(), Failure> {
    let mut console = Console::for_room(visit.looks, visit.grammar, visit.whole)?;
    let mut signals = signals(console.is_terminal())?;
    let entered = unless(signals.next(), enter(visit, &mut console)).await;
    let (client, name, whole) = match entered {
        Some(Ok(Some(entered))) => entered,
        // Nobody has seen it come: it may just go.
        otherwise => {
            console.prompt("");
            let shown = unless(Timer::after(limits::GOODBYE), console.flush());
            close(&mut signals, async { _ = shown.await }).await;
            return otherwise.map_or(Ok(()), |entered| entered.map(drop));
        }
    };
    let mut session = Session {
        visit,
        name,
        client,
        console,
        reader: Reader::watch()?,
        connected: true,
        since: Instant::now(),
        finished: false,
        attempts: 0,
        unconfirmed: Unconfirmed::default(),
        waiting: VecDeque::new(),
        whole,
        refused: None,
    };
    let talked = unless(signals.next(), session.converse()).await.unwrap_or(Ok(()));
    close(&mut signals, session.close()).await;
    Failure::unless_unread(talked)
}

impl Session<'_> {
    /// Talks until it is time to leave, over as many connections as that takes.
    async fn converse(&mut self) -> Result<(), Failure> {
        loop {
            let lost = match self.talk().await {
                Err(Failure::Lost(lost)) => lost,
                // On a terminal it has been said already.
                Ok(()) if self.unconfirmed.lost() > 0 && !self.console.is_terminal() => {
                    return Err(Failure::Unconfirmed(self.unconfirmed.lost()));
                }
                Ok(()) => {
                    return self.refused.take().map_or(Ok(()), |why| Err(Failure::Refused(why)));
                }
                otherwise => return otherwise,
            };
            self.connected = false;
            self.console.json(|now| json::ended(now, &lost));
            if !self.visit.reconnect || reconnect::is_final(&lost) {
                return Err(Failure::Lost(lost));
            }
            if self.reconnect(&lost).await?.is_break() {
                return Ok(());
            }
        }
    }

    /// Talks until it is time to leave.
    async fn talk(&mut self) -> Result<(), Failure> {
        if self.finished {
            self.finish()?;
        }
        if let Some(whole) = self.whole.take() {
            self.say_bytes(&whole);
        }
        loop {
            if self.obey_waiting().is_break() {
                return self.send_all().await;
            }
            self.confirm()?;
            match self.turn().await {
                Next::Here(Turn::Shown(shown)) => shown?,
                Next::Sent => {}
                Next::Heard(event) => match event? {
                    Event::Pong(token) if !self.visit.stay && token == BARRIER => {
                        return Ok(self.console.flush().await?);
                    }
                    event => self.show(&event),
                },
                Next::Here(Turn::Typed(Some(line))) => {
                    if self.obey(line).is_break() {
                        return self.send_all().await;
                    }
                }
                // A script waits for the server's word. A person who leaves does not.
                Next::Here(Turn::Typed(None)) if self.leaves() => return Ok(()),
                Next::Here(Turn::Typed(None)) => self.finish()?,
            }
        }
    }

    /// What comes next. What nobody reads keeps nobody from typing, and what the server does not
    /// take yet keeps nobody from listening.
    async fn turn(&mut self) -> Next<Result<Event, Error>> {
        let Self { client, console, reader, waiting, .. } = self;
        let unsent = client.unsent() > 0;
        // A person may go on typing meanwhile: what waits to be sent grows only so fast, and so far.
        let room = waiting.is_empty() && client.has_room();
        let reads = !self.finished && room && (console.is_typed() || !unsent);
        // Whoever still has something to say, or waits until it is confirmed, goes on.
        let listens = self.finished && self.visit.stay && !unsent;
        let unread = async {
            when(listens || io::stdin().is_terminal()).await;
            reader.gone().await
        };
        // What comes while the console is full waits: first here, and then with the server.
        let (hears, heard) = (!console.is_full(), client.waiting());
        console.converse(heard, reads, client.next_or_sent(hears), unread).await
    }

    /// Whether there is no more to wait for once nothing more will be typed.
    fn leaves(&self) -> bool {
        self.console.is_terminal() && !self.visit.stay
    }

    /// Nothing more will be typed.
    fn finish(&mut self) -> Result<(), Failure> {
        self.finished = true;
        self.console.prompt("");
        if !self.visit.stay {
            self.client.queue(Command::Ping(BARRIER.as_bytes()))?;
        }
        Ok(())
    }

    /// Leaves, if there is somebody to leave; shows what there is to show, and gives all that a
    /// moment.
    async fn close(&mut self) {
        self.console.prompt("");
        match self.waiting.len() {
            0 => {}
            1 => self.console.notice("smoltalk: 1 line was not sent"),
            n => self.console.notice(&format!("smoltalk: {n} lines were not sent")),
        }
        let closed = async {
            let room = self.client.has_room() || self.connected && self.send().await.is_ok();
            if self.connected && room && self.client.queue(Command::Leave).is_ok() {
                let end = loop {
                    match self.client.next().await {
                        Ok(event) => self.show(&event),
                        Err(end) => break end,
                    }
                    // Nobody may be there to read it. The goodbye is the server's.
                    let _ = self.settle().await;
                };
                self.console.json(|now| json::ended(now, &end));
            }
            let _ = self.console.flush().await;
        };
        unless(Timer::after(limits::GOODBYE), closed).await;
    }
}
