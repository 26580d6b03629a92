//! Where the conversation is held: a terminal, or pipes.

use crate::flags::{Colour, Config, Output};
use crate::input::{self, Input, Line};
use crate::payload;
use crate::screen::Screen;
use crate::terminal::{self, Room, Terminal};
use crate::wait::when;
use futures_lite::future;
use smoltalk::client::Event;
use smoltalk::protocol::{Command, Name};
use std::io::{self, IsTerminal};
use std::time::SystemTime;

/// What is typed comes from here, and what is heard is shown here once it is flushed.
///
/// Its futures may be dropped half-way, and nothing is lost.
#[expect(clippy::large_enum_variant, reason = "there is only one")]
pub enum Console {
    /// Lines in, lines out. Also a terminal that can do no more: it has a prompt.
    Lines { input: Input, screen: Screen },
    /// A line is typed while others arrive.
    Terminal(Terminal),
}

/// What may come next at a console.
pub enum Turn {
    /// What was taken has appeared.
    Shown(io::Result<()>),
    /// The next line, or the end of them.
    Typed(Option<Line>),
}

/// What may come next in a conversation.
pub enum Next<Heard> {
    /// The other side said something, or has ended it.
    Heard(Heard),
    /// What was typed is on its way.
    Sent,
    /// Something has happened on this side.
    Here(Turn),
}

/// What comes first: what is `flushed`, if it `shows` that, or the next line, if it `reads` one.
pub async fn either(
    shows: bool,
    flushed: impl Future<Output = io::Result<()>>,
    reads: bool,
    next: impl Future<Output = Option<Line>>,
) -> Turn {
    let shown = async {
        when(shows).await;
        Turn::Shown(flushed.await)
    };
    let typed = async {
        when(reads).await;
        Turn::Typed(next.await)
    };
    future::or(shown, typed).await
}

impl Console {
    pub fn open(config: &Config) -> io::Result<Self> {
        let output = match config.output {
            // Nothing that drives a terminal may get there.
            Output::Raw if io::stdout().is_terminal() => Output::Text,
            output => output,
        };
        let terminal = terminal::is_there() && output == Output::Text && !config.whole;
        let able = terminal && terminal::is_able();
        let colour = match config.colour {
            Colour::Auto => able && terminal::is_coloured(),
            Colour::Always => true,
            Colour::Never => false,
        };
        if able {
            let terminal = Terminal::open(Some(Room::new(config.grammar)), colour, config.bell)?;
            return Ok(Self::Terminal(terminal));
        }
        let screen = Screen::new(terminal, colour, output);
        Ok(Self::Lines { input: Input::lines(input::chunks()?), screen })
    }

    /// Whether a person sits at it.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Lines { screen, .. } => screen.page.is_terminal(),
            Self::Terminal(_) => true,
        }
    }

    /// Whether lines come no faster than a person types.
    pub fn is_typed(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The conversation begins. Whether WHO should be asked, whose answer nobody will see.
    pub fn joined(&mut self, me: Name, members: usize) -> bool {
        /// More names are no help in completing one, and more than the server tells of.
        const MOST: usize = 1000;
        let Self::Terminal(terminal) = self else { return false };
        let asks = members <= MOST;
        terminal.joined(me, asks);
        asks
    }

    /// The next line; `None` at the end.
    pub async fn next(&mut self) -> Option<Line> {
        match self {
            Self::Lines { input, .. } => input.next().await,
            Self::Terminal(terminal) => terminal.next().await,
        }
    }

    /// The next line, if it `reads`; or that what was taken has appeared, if it `shows` that. Neither
    /// waits for the other: what nobody reads does not keep anybody from typing.
    pub async fn turn(&mut self, shows: bool, reads: bool) -> Turn {
        match self {
            Self::Lines { input, screen } => {
                let shows = shows && !screen.page.is_flushed();
                let reads = reads && !screen.page.is_overfull();
                either(shows, screen.page.flush(), reads, input.next()).await
            }
            Self::Terminal(terminal) => terminal.turn(reads).await,
        }
    }

    /// All that is typed, up to its end; `None` where that is more than `most` bytes.
    pub async fn whole(&mut self, most: usize) -> Option<Vec<u8>> {
        match self {
            Self::Lines { input, .. } => input.whole(most).await,
            // A person at an editor of lines types lines.
            Self::Terminal(_) => None,
        }
    }

    /// The next line, if it is there already.
    pub fn ready(&mut self) -> Option<Line> {
        match self {
            Self::Lines { input, .. } => input.ready(),
            Self::Terminal(terminal) => terminal.ready(),
        }
    }

    /// From now on, prompts with `text`; with none if it is empty.
    pub fn prompt(&mut self, text: &str) {
        match self {
            Self::Lines { screen, .. } => screen.page.prompt(text),
            Self::Terminal(terminal) => terminal.prompt(text),
        }
    }

    /// The line that [`Console::next`] returned has been taken note of.
    pub fn entered(&mut self) {
        if let Self::Lines { screen, .. } = self {
            screen.page.entered();
        }
    }

    /// Takes a message that was typed and is on its way.
    pub fn said(&mut self, command: &Command<'_>) {
        if let Self::Terminal(terminal) = self {
            terminal.said(command);
        }
    }

    /// Takes a line that was typed and is no message.
    pub fn typed(&mut self, line: &[u8]) {
        if let Self::Terminal(terminal) = self {
            terminal.typed(line);
        }
    }

    /// With `--json`, takes the line that `write` gives for this moment; says whether it did.
    pub fn json(&mut self, write: impl FnOnce(SystemTime) -> String) -> bool {
        match self {
            Self::Lines { screen, .. } => screen.json(write),
            Self::Terminal(_) => false,
        }
    }

    /// Takes an event to show.
    pub fn event(&mut self, event: &Event) {
        if let Event::Data { from, bytes } = event
            && !self.takes_payloads()
        {
            for text in payload::lines(bytes) {
                self.event(&Event::Msg { from: *from, text });
            }
            return;
        }
        match self {
            Self::Lines { screen, .. } => screen.event(event),
            Self::Terminal(terminal) => terminal.event(event),
        }
    }

    fn takes_payloads(&self) -> bool {
        matches!(self, Self::Lines { screen, .. } if screen.takes_payloads())
    }

    /// Takes something to say that is not the room's.
    pub fn notice(&mut self, text: &str) {
        match self {
            Self::Lines { screen, .. } => screen.page.notice(text),
            Self::Terminal(terminal) => terminal.notice(text),
        }
    }

    /// Whether enough has been gathered for a flush to be due.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Lines { screen, .. } => screen.page.is_full(),
            Self::Terminal(terminal) => terminal.is_full(),
        }
    }

    /// Writes what was taken.
    pub async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Lines { screen, .. } => screen.page.flush().await,
            Self::Terminal(terminal) => terminal.flush().await,
        }
    }
}
