//! The conversation, from connecting to leaving.

mod arrive;
mod bytes;
mod doubt;
mod reconnect;

use crate::console::Console;
use crate::failure::Failure;
use crate::flags::Config;
use crate::input::Line;
use crate::json;
use crate::show::in_its_unit;
use crate::typed::Grammar;
use crate::wait::{unless, within};
use arrive::arrive;
use async_signal::{Signal, Signals};
use doubt::Doubt;
use futures_lite::future;
use smoltalk::client::{self, Client, Event};
use smoltalk::limits;
use smoltalk::protocol::{Command, Name, Refusal};
use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Bytes of commands gathered into one write, where the input brings them faster.
const BATCH: usize = 64 * 1024;

/// What asks for the answer that all was sent.
const BARRIER: &str = "sent";

/// What asks for the answer that all was sent so far.
const SO_FAR: &str = "so far";

/// What asks for the answer to `ping`. When it was asked, in microseconds, follows.
const ROUND_TRIP: &str = "round trip ";

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
    let mut session = Session::new(config, name, client, console);
    session.whole = whole;
    let talked = unless(&mut signals, session.converse()).await.unwrap_or(Ok(()));
    unless(&mut signals, session.close()).await;
    Failure::unless_unread(talked)
}

/// Has a name, connects and joins. Where a person can be asked for another name, a refused one is
/// no end.
async fn enter(
    config: &Config,
    console: &mut Console,
) -> Result<(Client, String, Option<Vec<u8>>), Failure> {
    // Before the room, where nobody should wait for it.
    let whole = if config.whole { Some(bytes::whole(console).await?) } else { None };
    let mut name = match &config.username {
        Some(username) => username.clone(),
        None => ask_username(console).await?,
    };
    loop {
        let error = match arrive(config, &name).await {
            Ok((mut client, members)) => {
                greet(config, console, &mut client, &name, members);
                return Ok((client, name, whole));
            }
            Err(error) => error,
        };
        let client::Error::Refused { code, text } = &error else {
            let Config { host, port, .. } = config;
            return Err(Failure::Alone(format!("{host}:{port}: {error}")));
        };
        if !console.is_terminal() || !is_about_the_name(code) {
            console.json(|now| json::err(now, code, text));
            return Err(Failure::Refused(error.to_string()));
        }
        console.notice(&format!("smoltalk: {error}"));
        name = ask_username(console).await?;
    }
}

fn is_about_the_name(code: &str) -> bool {
    [Refusal::NameTaken, Refusal::BadName].iter().any(|refusal| refusal.code() == code)
}

/// Says that one is in.
fn greet(config: &Config, console: &mut Console, client: &mut Client, name: &str, members: usize) {
    // That a member has a name, the server has checked.
    if let Some(me) = Name::new(name.as_bytes())
        && console.joined(me, members)
    {
        let _ = client.queue(Command::Who);
    }
    if console.is_terminal() {
        let help = if config.grammar == Grammar::Chat { "/help" } else { "help" };
        console.notice(&format!("* you are {name}, one of {members} here; type {help} for help"));
        console.prompt(&format!("{name}> "));
    }
    console.json(|now| json::ok(now, name, members));
}

/// Asks until there is a name that could be one.
async fn ask_username(console: &mut Console) -> Result<String, Failure> {
    const MISSING: &str = "--username takes a name, and there is none";
    if !console.is_terminal() {
        return Err(Failure::Usage(MISSING.into()));
    }
    console.prompt("username: ");
    loop {
        console.flush().await?;
        let Some(line) = console.next().await else {
            return Err(Failure::Usage(MISSING.into()));
        };
        console.entered();
        match line {
            Line::Whole(line) if line.is_empty() => continue,
            Line::Whole(line) => {
                if let Some(name) = Name::new(&line) {
                    return Ok(name.to_string());
                }
            }
            Line::TooLong => {}
        }
        console.notice(Refusal::BadName.explanation());
    }
}

struct Session<'a> {
    config: &'a Config,
    name: String,
    client: Client,
    console: Console,
    /// False from when the connection is lost until there is another.
    connected: bool,
    since: Instant,
    /// Nothing more will be typed.
    finished: bool,
    /// How often getting back in was tried since a connection last proved steady.
    attempts: u32,
    doubt: Doubt,
    /// What a person typed while there was no connection.
    kept: VecDeque<Vec<u8>>,
    /// All that there is to say, until it is said.
    whole: Option<Vec<u8>>,
    /// Why the server did not take it.
    refused: Option<String>,
}

/// What comes next.
enum Turn {
    Heard(Result<Event, client::Error>),
    Typed(Option<Line>),
}

impl<'a> Session<'a> {
    fn new(config: &'a Config, name: String, client: Client, console: Console) -> Self {
        Self {
            config,
            name,
            client,
            console,
            connected: true,
            since: Instant::now(),
            finished: false,
            attempts: 0,
            doubt: Doubt::default(),
            kept: VecDeque::new(),
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
        while let Some(line) = self.kept.pop_front() {
            // What was kept is no `leave`.
            let _ = self.obey_one(&line);
        }
        if let Some(whole) = self.whole.take() {
            self.say_bytes(&whole);
        }
        loop {
            self.settle().await?;
            self.confirm()?;
            // A person may go on typing meanwhile: what waits to be sent grows only so fast.
            if !self.console.is_typed() {
                self.send().await?;
            }
            let heard = async { Turn::Heard(self.client.next().await) };
            let typed = async { Turn::Typed(self.console.next().await) };
            match future::race(heard, typed).await {
                Turn::Heard(event) => self.show(&event?),
                Turn::Typed(Some(line)) => {
                    if self.obey(line).is_break() {
                        self.send().await?;
                        return Ok(self.console.flush().await?);
                    }
                }
                Turn::Typed(None) => return self.finish().await,
            }
        }
    }

    /// Where a lost connection is not the end, has the server confirm what was said: what it has not
    /// confirmed may be lost as well.
    fn confirm(&mut self) -> Result<(), Failure> {
        if self.config.reconnect && self.doubt.ask() {
            self.client.queue(Command::Ping(SO_FAR.as_bytes()))?;
        }
        Ok(())
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

    /// Nothing more will be typed.
    async fn finish(&mut self) -> Result<(), Failure> {
        let stay = self.config.stay;
        self.finished = true;
        self.console.prompt("");
        if !stay {
            self.client.queue(Command::Ping(BARRIER.as_bytes()))?;
        }
        loop {
            self.settle().await?;
            match self.client.next().await? {
                Event::Pong(token) if !stay && token == BARRIER => {
                    return Ok(self.console.flush().await?);
                }
                event => self.show(&event),
            }
        }
    }

    /// Leaves, if there is somebody to leave; shows what there is to show, and gives all that a
    /// moment.
    async fn close(&mut self) {
        self.console.prompt("");
        match self.kept.len() {
            0 => {}
            1 => self.console.notice("smoltalk: 1 line was not sent"),
            n => self.console.notice(&format!("smoltalk: {n} lines were not sent")),
        }
        let closed = async {
            if self.connected && self.client.queue(Command::Leave).is_ok() {
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

    /// Obeys a line, and those that came with it; breaks where it was to leave.
    fn obey(&mut self, line: Line) -> ControlFlow<()> {
        let mut next = Some(line);
        while let Some(line) = next {
            self.console.entered();
            match line {
                Line::Whole(line) => self.obey_one(&line)?,
                Line::TooLong => self.complain(&client::Error::TooLong),
            }
            let full = self.client.unsent() >= BATCH || self.console.is_full();
            next = if full { None } else { self.console.ready() };
        }
        ControlFlow::Continue(())
    }

    /// Obeys one line, or the several that were pasted into it.
    fn obey_one(&mut self, line: &[u8]) -> ControlFlow<()> {
        let grammar = self.config.grammar;
        if line.contains(&b'\n') {
            if let Some(message) = grammar.message(line).filter(|_| self.takes_bytes()) {
                self.say_bytes(&message);
                return ControlFlow::Continue(());
            }
            return grammar.unfold(line).iter().try_for_each(|line| self.obey_one(line));
        }
        if line.trim_ascii().is_empty() {
            return ControlFlow::Continue(());
        }
        if let Some(path) = grammar.file(line) {
            self.console.typed(line);
            self.say_file(path);
            return ControlFlow::Continue(());
        }
        let command = grammar.parse(line);
        if !matches!(command, Ok(Command::Msg(_) | Command::Tell(..))) {
            self.console.typed(line);
        }
        match command {
            Ok(Command::Leave) => return ControlFlow::Break(()),
            Ok(Command::Help) => self.console.notice(grammar.help()),
            Ok(Command::Ping(_)) => {
                let asked = format!("{ROUND_TRIP}{}", self.since.elapsed().as_micros());
                self.command(Command::Ping(asked.as_bytes()));
            }
            Ok(command) => self.command(command),
            Err(Refusal::NoSuchMember) => self.complain(&Refusal::NoSuchMember.into()),
            Err(_) => self.misunderstand(),
        }
        ControlFlow::Continue(())
    }

    fn command(&mut self, command: Command<'_>) {
        match self.client.queue(command) {
            Ok(()) if matches!(command, Command::Msg(_) | Command::Tell(..)) => {
                self.doubt.said();
                self.console.said(&command);
            }
            Ok(()) => {}
            Err(error) => self.complain(&error),
        }
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

    fn pong(&mut self, token: &str) {
        if token == SO_FAR {
            self.doubt.answered();
        }
        let asked = token.strip_prefix(ROUND_TRIP).and_then(|micros| micros.parse().ok());
        let round_trip =
            asked.and_then(|asked| self.since.elapsed().checked_sub(Duration::from_micros(asked)));
        if let Some(time) = round_trip
            && !self.console.json(|now| json::pong(now, time))
        {
            self.console.notice(&format!("pong: {}", in_its_unit(time)));
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

    /// Says what can be typed.
    fn misunderstand(&mut self) {
        let code = Refusal::UnknownCommand.code();
        let usage = self.config.grammar.usage();
        if !self.console.json(|now| json::err(now, code, usage)) {
            self.console.notice(&format!("smoltalk: {usage}"));
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
