//! A conversation in a room, from connecting to leaving.
//!
//! `visit` says what was asked for, `enter` gets in and `reconnect` gets back in. In between,
//! `session` is what is known; `obey` and `bytes` do what is typed, `ping` has the server confirm it.
//! `others` is what one thinks of them.
//! What was said and heard over several connections stands in the `books`, and over several runs in a
//! `state`.

mod books;
mod bytes;
mod enter;
mod obey;
mod others;
mod ping;
mod reconnect;
mod session;
mod state;
mod visit;

pub use visit::Visit;

use crate::failure::Failure;
use crate::ui::{self, Console, Next, Turn, json};
use crate::wait::{Reader, close, signals, unless, when};
use enter::{Entered, enter};
use futures_lite::StreamExt;
use others::Others;
use ping::BARRIER;
use session::{Session, Unsaid};
use smol::Timer;
use smoltalk::client::{Error, Event};
use smoltalk::limits;
use smoltalk::program::in_words;
use smoltalk::protocol::Command;
use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::time::Instant;

/// Joins, talks until there is a reason to stop, and leaves. The first signal is such a reason; the
/// second ends it wherever it is.
pub async fn run(visit: &Visit) -> Result<(), Failure> {
    let Visit { looks, whole, resume, .. } = visit;
    let grammar = visit.grammar(ui::is_terminal());
    let mut console = Console::for_room(*looks, grammar, *whole, resume.is_some())?;
    let mut signals = signals(console.is_terminal())?;
    let mut turned_away = false;
    let entered = unless(signals.next(), enter(visit, &mut console, &mut turned_away)).await;
    let Entered { client, name, tls, key, members, whole, books } = match entered {
        Some(Ok(Some(entered))) => entered,
        // Nobody has seen it come: it may just go.
        otherwise => {
            console.prompt("");
            let shown = unless(Timer::after(limits::GOODBYE), console.flush());
            close(&mut signals, async { _ = shown.await }).await;
            return match otherwise {
                None if turned_away => Err(Failure::TurnedAway),
                None => Ok(()),
                Some(entered) => entered.map(drop),
            };
        }
    };
    let mut session = Session {
        visit,
        name,
        tls,
        key,
        client,
        console,
        reader: Reader::watch()?,
        connected: true,
        since: Instant::now(),
        finished: false,
        leaving: false,
        asked: false,
        attempts: 0,
        books,
        waiting: VecDeque::new(),
        whole,
        refused: None,
        unsaid: Unsaid::default(),
        failed: None,
        unprinted: false,
        others: Others::default(),
        welcome: None,
        hinted: false,
        line: 0,
        told: VecDeque::new(),
        told_unasked: false,
    };
    let talked = match session.enters(members, true) {
        Ok(()) => unless(signals.next(), session.converse()).await,
        failed => Some(failed),
    };
    close(&mut signals, session.close()).await;
    match talked {
        // What was said last may have been answered with the goodbye.
        Some(Ok(())) => session.left(),
        Some(failed) => Failure::unless_unread(failed),
        None => Ok(()),
    }
}

impl Session<'_> {
    /// Talks until it is time to leave, over as many connections as that takes.
    async fn converse(&mut self) -> Result<(), Failure> {
        loop {
            let lost = match self.talk().await {
                Err(Failure::Lost(lost)) => lost,
                ended => return ended,
            };
            self.connected = false;
            self.console.json(|now| json::ended(now, &lost));
            let comes_back = self.visit.comes_back(self.console.is_terminal());
            if !comes_back || self.is_over(&lost) {
                return Err(Failure::Lost(lost));
            }
            if self.reconnect(&lost).await?.is_break() {
                return Ok(());
            }
        }
    }

    /// What there is to complain about when one leaves. On a terminal it has been said already.
    fn left(&mut self) -> Result<(), Failure> {
        if self.console.is_terminal() {
            return Ok(());
        }
        match &self.books {
            Some(books) if books.lost > 0 => return Err(Failure::Unconfirmed(books.lost)),
            Some(books) if books.gap => return Err(Failure::Gap),
            Some(books) if books.refused_unheard() > 0 => {
                return Err(Failure::RefusedUnheard(books.refused_unheard()));
            }
            _ => {}
        }
        match (self.refused.take(), self.unsaid) {
            (Some(why), _) => Err(why),
            (None, Unsaid { refused: true, .. }) => Err(Failure::Unsaid { refused: true }),
            (None, Unsaid { here: true, .. }) => Err(Failure::Unsaid { refused: false }),
            (None, _) => Ok(()),
        }
    }

    /// Talks until it is time to leave.
    async fn talk(&mut self) -> Result<(), Failure> {
        if let Some(whole) = self.whole.take() {
            self.say_whole(&whole);
        }
        if self.obey_waiting().is_break() && self.leaves_now() {
            return self.send_all().await;
        }
        loop {
            self.failed.take().map_or(Ok(()), Err)?;
            self.printed()?;
            self.give();
            self.confirm()?;
            match self.turn().await {
                Next::Here(Turn::Shown(shown)) => self.shown(shown)?,
                Next::Sent => {}
                Next::Heard(event) => {
                    let event = event?;
                    self.show(&event);
                    if self.asked && event == Event::Pong(BARRIER.into()) {
                        return self.flush().await;
                    }
                }
                Next::Here(Turn::Typed(Some(line))) => {
                    if self.obey(line).is_break() && self.leaves_now() {
                        return self.send_all().await;
                    }
                }
                // A script waits for the server's word. A person who leaves does not.
                Next::Here(Turn::Typed(None)) if self.leaves() => return Ok(()),
                Next::Here(Turn::Typed(None)) => self.finish(),
            }
            if self.obey_waiting().is_break() && self.leaves_now() {
                return self.send_all().await;
            }
        }
    }

    /// Whether who was told to leave does so at once. A script whose lines are to arrive whatever breaks
    /// waits until they have.
    fn leaves_now(&mut self) -> bool {
        self.tell_behind();
        let waits = self.books.as_ref().is_some_and(|books| !books.ledger.is_blind());
        if waits && !self.console.is_terminal() {
            self.leaving = true;
            self.finish();
            return false;
        }
        self.give();
        // From here on, Ctrl-C has nothing to take back.
        self.console.prompt("");
        true
    }

    /// Says what was piped behind a `leave`: nobody will get it.
    fn tell_behind(&mut self) {
        let first = self.line + 1;
        let said = match self.console.drop_rest() {
            0 => return,
            1 => format!("smoltalk: line {first} was not said: it came after leave"),
            n => format!(
                "smoltalk: {n} lines from line {first} on were not said: they came after leave"
            ),
        };
        self.unsaid.here = true;
        self.console.notice(&said);
    }

    /// What comes next. What nobody reads keeps nobody from typing, and what the server does not
    /// take yet keeps nobody from listening.
    async fn turn(&mut self) -> Next<Result<Event, Error>> {
        let room = self.waiting.is_empty() && self.has_room() && self.client.has_room();
        let kept = self.is_kept();
        let Self { client, console, reader, .. } = self;
        let unsent = client.unsent() > 0;
        // A person may go on typing meanwhile: what waits to be sent grows only so fast, and so far.
        let reads = !self.finished && room && (console.is_typed() || !unsent);
        // Whoever still has something to say, or waits until it is confirmed, goes on.
        let listens = self.finished && self.visit.stay && !unsent;
        let unread = async {
            when(listens || io::stdin().is_terminal()).await;
            reader.gone().await
        };
        // What comes while the console is full waits: first here, and then with the server. What is
        // noted line by line appears line by line.
        let hears = if kept { console.is_flushed() } else { !console.is_full() };
        let heard = if kept { 0 } else { client.waiting() };
        console.converse(heard, reads, client.next_or_sent(hears), unread).await
    }

    /// Whether there is no more to wait for once nothing more will be typed.
    fn leaves(&self) -> bool {
        self.console.is_terminal() && !self.visit.stay
    }

    /// Nothing more will be typed.
    fn finish(&mut self) {
        self.finished = true;
        if let Some(error) = self.console.broken() {
            self.unsaid.here = true;
            self.console.notice(&in_words(&format!("smoltalk: {}", Failure::Unread(error))));
        }
        self.console.prompt("");
    }

    /// Leaves, if there is somebody to leave; shows what there is to show, and gives all that a
    /// moment.
    async fn close(&mut self) {
        self.console.prompt("");
        self.tell_unsent();
        let mut confirmed = false;
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
                // The goodbye comes once all that was said before is in the room.
                confirmed = matches!(&end, Error::Closed { reason } if reason.is_empty());
                self.console.json(|now| json::ended(now, &end));
            }
            let _ = self.flush().await;
        };
        unless(Timer::after(limits::GOODBYE), closed).await;
        // With a file, the next run knows what became of it.
        let given = self.books.as_ref().map_or(0, |books| books.ledger.unconfirmed());
        if given > 0 && !confirmed && !self.is_kept() {
            self.tell_lost(given);
            unless(Timer::after(limits::GOODBYE), self.flush()).await;
        }
    }

    /// Says how many lines nobody will get, or not before the next run.
    fn tell_unsent(&mut self) {
        let unsaid = self.books.as_ref().map_or(0, |books| books.ledger.unsaid());
        let kept = if self.is_kept() { unsaid } else { 0 };
        match self.waiting.len() + unsaid - kept {
            0 => {}
            1 => self.console.notice("smoltalk: 1 line was not sent"),
            n => self.console.notice(&format!("smoltalk: {n} lines were not sent")),
        }
        match kept {
            0 => {}
            1 => self.console.notice("smoltalk: 1 line is kept for the next run"),
            n => self.console.notice(&format!("smoltalk: {n} lines are kept for the next run")),
        }
    }
}
