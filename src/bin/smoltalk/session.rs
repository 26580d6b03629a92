//! The conversation, from connecting to leaving.

mod bytes;
mod doubt;
mod enter;
mod obey;
mod ping;
mod reconnect;

use crate::console::{Console, Next, Turn};
use crate::failure::Failure;
use crate::flags::Config;
use crate::json;
use crate::wait::{Reader, unless, when, within};
use async_signal::{Signal, Signals};
use doubt::Doubt;
use enter::enter;
use futures_lite::future;
use ping::BARRIER;
use smoltalk::client::{self, Client, Event};
use smoltalk::limits;
use smoltalk::protocol::{Command, Refusal};
use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::time::Instant;

/// Joins, talks until there is a reason to stop, and leaves. The first signal is such a reason; the
/// second ends it wherever it is.
pub async fn run(config: &Config) -> Result<(), Failure> {
    let mut console = Console::open(config)?;
    // Who started it with nohup wants it to ignore SIGHUP; but not on a terminal.
    let closed = console.is_terminal().then_some(Signal::Hup);
    let mut signals = Signals::new([Signal::Int, Signal::Term].into_iter().chain(closed))?;
    let entered = unless(&mut signals, enter(config, &mut console)).await;
    let (client, name, whole) = match entered {
        Some(Ok(entered)) => entered,
        // Nobody has seen it come: it may just go.
        otherwise => {
            console.prompt("");
            unless(&mut signals, console.flush()).await;
            return otherwise.map_or(Ok(()), |entered| entered.map(drop));
        }
    };
    let mut session = Session::new(config, name, client, console, Reader::watch()?);
    session.whole = whole;
    let talked = unless(&mut signals, session.converse()).await.unwrap_or(Ok(()));
    unless(&mut signals, session.close()).await;
    Failure::unless_unread(talked)
}

struct Session<'a> {
    config: &'a Config,
    name: String,
    client: Client,
    console: Console,
    reader: Reader,
    /// False from when the connection is lost until there is another.
    connected: bool,
    since: Instant,
    /// Nothing more will be typed.
    finished: bool,
    /// How often getting back in was tried since a connection last proved steady.
    attempts: u32,
    doubt: Doubt,
    /// What was typed and waits: for a connection, or for the server to take what came before.
    waiting: VecDeque<Vec<u8>>,
    /// All that there is to say, until it is said.
    whole: Option<Vec<u8>>,
    /// Why the server did not take it.
    refused: Option<String>,
}

impl<'a> Session<'a> {
    fn new(
        config: &'a Config,
        name: String,
        client: Client,
        console: Console,
        reader: Reader,
    ) -> Self {
        Self {
            config,
            name,
            client,
            console,
            reader,
            connected: true,
            since: Instant::now(),
            finished: false,
            attempts: 0,
            doubt: Doubt::default(),
            waiting: VecDeque::new(),
            whole: None,
            refused: None,
        }
    }

    /// Talks until it is time to leave, over as many connections as that takes.
    async fn converse(&mut self) -> Result<(), Failure> {
        loop {
            let lost = match self.talk().await {
                Err(Failure::Lost(lost)) => lost,
                // On a terminal it has been said already.
                Ok(()) if self.doubt.lost() > 0 && !self.console.is_terminal() => {
                    return Err(Failure::Unconfirmed(self.doubt.lost()));
                }
                Ok(()) => {
                    return self.refused.take().map_or(Ok(()), |why| Err(Failure::Refused(why)));
                }
                otherwise => return otherwise,
            };
            self.connected = false;
            self.console.json(|now| json::ended(now, &lost));
            if !self.config.reconnect || reconnect::is_final(&lost) {
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
                    Event::Pong(token) if !self.config.stay && token == BARRIER => {
                        return Ok(self.console.flush().await?);
                    }
                    event => self.show(&event),
                },
                Next::Here(Turn::Typed(Some(line))) => {
                    if self.obey(line).is_break() {
                        return self.send_all().await;
                    }
                }
                Next::Here(Turn::Typed(None)) => self.finish()?,
            }
        }
    }

    /// What comes next. What nobody reads keeps nobody from typing, and what the server does not
    /// take yet keeps nobody from listening.
    async fn turn(&mut self) -> Next<Result<Event, client::Error>> {
        let Self { client, console, reader, waiting, .. } = self;
        let (full, unsent) = (console.is_full(), client.unsent() > 0);
        let shows = full || client.waiting() == 0;
        // A person may go on typing meanwhile: what waits to be sent grows only so fast, and so far.
        let room = waiting.is_empty() && client.has_room();
        let reads = !self.finished && room && (console.is_typed() || !unsent);
        let heard = async {
            match (full, unsent) {
                (false, false) => Next::Heard(client.next().await),
                (false, true) => {
                    client.next_until_sent().await.transpose().map_or(Next::Sent, Next::Heard)
                }
                // What comes waits: first here, and then with the server.
                (true, _) => {
                    when(unsent && client.flush().await.is_ok()).await;
                    Next::Sent
                }
            }
        };
        let here = async { Next::Here(console.turn(shows, reads).await) };
        let unread = async {
            // Whoever still has something to say, or waits until it is confirmed, goes on.
            let listens = self.finished && self.config.stay && !unsent;
            when(listens || io::stdin().is_terminal()).await;
            Next::Here(Turn::Shown(reader.gone().await))
        };
        future::or(future::race(heard, here), unread).await
    }

    /// Sends what was typed. Listens meanwhile: the server slows down those who flood the room, and
    /// drops those who do not listen.
    async fn send(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.client.next_until_sent().await? {
            self.show(&event);
            self.settle().await?;
        }
        Ok(())
    }

    async fn send_all(&mut self) -> Result<(), Failure> {
        self.send().await?;
        Ok(self.console.flush().await?)
    }

    /// Nothing more will be typed.
    fn finish(&mut self) -> Result<(), Failure> {
        self.finished = true;
        self.console.prompt("");
        if !self.config.stay {
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
            let room = self.client.has_room() || self.send().await.is_ok();
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
        within(limits::GOODBYE, closed).await;
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Err { code, text } => {
                let (code, text) = (code.clone(), text.clone());
                let refused = client::Error::Refused { code, text };
                self.complain(&refused);
                if self.config.whole {
                    self.refused = Some("not all was said".into());
                }
            }
            Event::Pong(token) => self.pong(token),
            event => self.console.event(event),
        }
    }

    /// Says that something is not done.
    fn complain(&mut self, error: &client::Error) {
        let said = match error {
            client::Error::Refused { code, text } => {
                self.console.json(|now| json::err(now, code, text))
            }
            client::Error::TooLong | client::Error::PayloadTooLong => {
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
    async fn settle(&mut self) -> io::Result<()> {
        if self.client.waiting() == 0 || self.console.is_full() {
            self.console.flush().await?;
        }
        Ok(())
    }
}
