//! The conversation, from connecting to leaving.

use crate::flags::Config;
use crate::input::{self, Input, Line};
use crate::screen::Screen;
use crate::typed;
use async_signal::{Signal, Signals};
use futures_lite::{StreamExt, future};
use smol::Timer;
use smoltalk::client::{self, Client, Event};
use smoltalk::limits;
use smoltalk::protocol::{Command, Name, Refusal};
use std::fmt;
use std::io;
use std::ops::ControlFlow;

/// Bytes of commands gathered into one write, where the input brings them faster.
const BATCH: usize = 64 * 1024;

/// What asks for the answer that all was sent.
const BARRIER: &str = "sent";

/// Why the client did not just leave.
#[derive(Debug)]
pub enum Failure {
    /// There is no name to join with.
    Usage(String),
    /// The server does not let it in.
    Refused(String),
    /// There is no connection, or no more.
    Lost(String),
    /// Standard output cannot be written, or signals cannot be had.
    Io(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) | Self::Refused(why) | Self::Lost(why) => f.write_str(why),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Joins, talks until there is a reason to stop, and leaves. The first signal is such a reason; the
/// second ends it wherever it is.
pub async fn run(config: &Config) -> Result<(), Failure> {
    let mut signals = Signals::new([Signal::Int, Signal::Term])?;
    let mut screen = Screen::new();
    let entered = unless(&mut signals, enter(config, &mut screen)).await;
    let (client, input) = match entered {
        Some(Ok(entered)) => entered,
        // Nobody has seen it come: it may just go.
        otherwise => {
            screen.prompt("");
            unless(&mut signals, screen.flush()).await;
            return otherwise.map_or(Ok(()), |entered| entered.map(drop));
        }
    };
    let mut session = Session { client, input, screen, stay: config.stay };
    let talked = unless(&mut signals, session.talk()).await.unwrap_or(Ok(()));
    let ended = match talked {
        // Nobody reads on, as `head` does: no reason to complain.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        ended => ended,
    };
    let connected = !matches!(ended, Err(Failure::Lost(_)));
    unless(&mut signals, session.close(connected)).await;
    ended
}

/// What `future` comes to, unless a signal comes first.
async fn unless<T>(signals: &mut Signals, future: impl Future<Output = T>) -> Option<T> {
    let signal = async {
        signals.next().await;
        None
    };
    future::or(signal, async { Some(future.await) }).await
}

async fn enter(config: &Config, screen: &mut Screen) -> Result<(Client, Input), Failure> {
    let mut input = input::stdin()?;
    let username = match &config.username {
        Some(username) => username.clone(),
        None => ask_username(screen, &mut input).await?,
    };
    let Config { host, port, .. } = config;
    let refused = |error: client::Error| match error {
        client::Error::Refused { .. } => Failure::Refused(error.to_string()),
        _ => Failure::Lost(format!("{host}:{port}: {error}")),
    };
    let mut client = Client::connect(host, *port).await.map_err(refused)?;
    let members = client.join(&username).await.map_err(refused)?;
    if screen.is_terminal() {
        screen.notice(&format!("* you are {username}, one of {members} here; type help for help"));
        screen.prompt(&format!("{username}> "));
    }
    Ok((client, input))
}

/// Asks until there is a name that could be one.
async fn ask_username(screen: &mut Screen, input: &mut Input) -> Result<String, Failure> {
    const MISSING: &str = "--username takes a name, and there is none";
    if !screen.is_terminal() {
        return Err(Failure::Usage(MISSING.into()));
    }
    screen.prompt("username: ");
    loop {
        screen.flush().await?;
        let Some(line) = input.next().await else {
            return Err(Failure::Usage(MISSING.into()));
        };
        screen.entered();
        match line {
            Line::Whole(line) if line.is_empty() => continue,
            Line::Whole(line) => {
                if let Some(name) = Name::new(&line) {
                    return Ok(name.to_string());
                }
            }
            Line::TooLong => {}
        }
        screen.notice(Refusal::BadName.explanation());
    }
}

struct Session {
    client: Client,
    input: Input,
    screen: Screen,
    stay: bool,
}

/// What comes next.
enum Turn {
    Heard(Result<Event, client::Error>),
    Typed(Option<Line>),
}

impl Session {
    /// Talks until it is time to leave.
    async fn talk(&mut self) -> Result<(), Failure> {
        loop {
            self.settle().await?;
            self.send().await?;
            let heard = async { Turn::Heard(self.client.next().await) };
            let typed = async { Turn::Typed(self.input.next().await) };
            match future::race(heard, typed).await {
                Turn::Heard(event) => self.show(&event?),
                Turn::Typed(Some(line)) => {
                    if self.obey(line).is_break() {
                        self.send().await?;
                        return Ok(self.screen.flush().await?);
                    }
                }
                Turn::Typed(None) => return self.finish().await,
            }
        }
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
        self.screen.prompt("");
        if !self.stay {
            self.client.queue(Command::Ping(BARRIER.as_bytes()))?;
        }
        loop {
            self.settle().await?;
            match self.client.next().await? {
                Event::Pong(token) if !self.stay && token == BARRIER => {
                    return Ok(self.screen.flush().await?);
                }
                event => self.show(&event),
            }
        }
    }

    /// Leaves, if there is somebody to leave; shows what there is to show, and gives all that a
    /// moment.
    async fn close(&mut self, leave: bool) {
        self.screen.prompt("");
        let closed = async {
            if leave && self.client.queue(Command::Leave).is_ok() {
                while let Ok(event) = self.client.next().await {
                    self.show(&event);
                    // Nobody may be there to read it. The goodbye is the server's.
                    let _ = self.settle().await;
                }
            }
            let _ = self.screen.flush().await;
        };
        let late = async {
            Timer::after(limits::GOODBYE).await;
        };
        future::or(closed, late).await;
    }

    /// Obeys a line, and those that came with it; breaks where it was to leave.
    fn obey(&mut self, line: Line) -> ControlFlow<()> {
        let mut next = Some(line);
        while let Some(line) = next {
            self.screen.entered();
            match line {
                Line::Whole(line) => self.obey_one(&line)?,
                Line::TooLong => self.complain(&client::Error::TooLong),
            }
            let full = self.client.unsent() >= BATCH || self.screen.is_full();
            next = if full { None } else { self.input.ready() };
        }
        ControlFlow::Continue(())
    }

    fn obey_one(&mut self, line: &[u8]) -> ControlFlow<()> {
        match typed::parse(line) {
            _ if line.trim_ascii().is_empty() => {}
            Ok(Command::Leave) => return ControlFlow::Break(()),
            Ok(Command::Help) => self.screen.notice(typed::HELP),
            Ok(command) => {
                if let Err(error) = self.client.queue(command) {
                    self.complain(&error);
                }
            }
            Err(Refusal::NoSuchMember) => self.complain(&Refusal::NoSuchMember.into()),
            Err(_) => self.screen.notice(&format!("smoltalk: {}", typed::USAGE)),
        }
        ControlFlow::Continue(())
    }

    fn show(&mut self, event: &Event) {
        if let Event::Err { code, text } = event {
            let (code, text) = (code.clone(), text.clone());
            return self.complain(&client::Error::Refused { code, text });
        }
        self.screen.event(event);
    }

    fn complain(&mut self, error: &client::Error) {
        self.screen.notice(&format!("smoltalk: {error}"));
    }

    /// Has what was taken in appear, unless more is about to.
    async fn settle(&mut self) -> io::Result<()> {
        if self.client.waiting() == 0 || self.screen.is_full() {
            self.screen.flush().await?;
        }
        Ok(())
    }
}
