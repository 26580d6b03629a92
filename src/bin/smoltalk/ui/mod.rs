//! Where a conversation is held, in a room or of two: on a `terminal`, where a line is typed in the
//! `editor`, or `plain`, in pipes. The `grammar` says what a typed line means, a `hint` why it means
//! nothing, `input` cuts what is piped, `patient` waits for it; `line`, `json` and `payload` say how something heard looks there.

mod editor;
mod fate;
mod grammar;
mod hint;
mod input;
pub mod json;
mod line;
mod patient;
pub mod payload;
mod plain;
mod stream;
mod terminal;
mod tty;
mod turn;
mod when;

pub use fate::{Fate, in_its_unit};
pub use grammar::{Grammar, Own};
pub use input::{Line, Whole};
pub use patient::Patient;
pub use plain::Output;
pub use terminal::expand;
pub use tty::is_there as is_terminal;
pub use turn::{Next, Turn};
pub use when::When;

use futures_lite::future;
use input::Input;
use plain::Plain;
use smoltalk::client::Event;
use smoltalk::limits;
use smoltalk::protocol::{Command, Name};
use std::io::{self, IsTerminal};
use std::time::SystemTime;
use terminal::{Members, NAMES, Terminal};

/// How a room is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    pub output: Output,
    pub colour: Colour,
    /// Ring for a mention.
    pub bell: bool,
    /// The time before each line, in a pipe.
    pub times: bool,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Where there is a terminal that has some, and nobody is against it.
    Auto,
    Always,
    Never,
}

/// What is typed comes from here, and what is heard is shown here once it is flushed.
///
/// Its futures may be dropped half-way, and nothing is lost.
#[expect(clippy::large_enum_variant, reason = "there is only one")]
pub enum Console {
    /// Lines in, lines out. Also a terminal that can do no more: it has a prompt.
    Plain(Plain),
    /// A line is typed while others arrive.
    Terminal(Terminal),
}

/// The same for both.
macro_rules! either {
    ($console:expr, $either:ident => $what:expr) => {
        match $console {
            Console::Plain($either) => $what,
            Console::Terminal($either) => $what,
        }
    };
}

impl Console {
    /// One for a room. With `whole`, nobody types lines: all that is piped is one. Where what is read
    /// is `kept`, nothing is read ahead of that.
    pub fn for_room(looks: Looks, grammar: Grammar, whole: bool, kept: bool) -> io::Result<Self> {
        let output = match looks.output {
            // Nothing that drives a terminal may get there.
            Output::Raw if io::stdout().is_terminal() => Output::Text,
            output => output,
        };
        let terminal = tty::is_there() && output == Output::Text && !whole;
        let able = terminal && tty::is_able();
        let colour = match looks.colour {
            Colour::Auto => able && tty::is_coloured(),
            Colour::Always => true,
            Colour::Never => false,
        };
        if able {
            let members = Some(Members::new(grammar));
            let mut terminal = Terminal::open(members, colour, looks.bell)?;
            if kept {
                terminal.folds_nothing();
            }
            return Ok(Self::Terminal(terminal));
        }
        let input = if whole {
            Input::messages(input::chunks()?, limits::PAYLOAD, Some(Whole::UnlessEmpty))
        } else if kept {
            let (chunks, asks) = input::chunks_asked_for()?;
            Input::lines(chunks).asking(asks)
        } else {
            Input::lines(input::chunks()?)
        };
        let times = looks.times && !terminal;
        Ok(Self::Plain(Plain::new(input, terminal, output, colour).with_times(times)))
    }

    /// One for two, of whom `me` is here. Messages have at most `limit` bytes; with `whole`, there is
    /// one of them.
    pub fn for_two(me: Name, limit: usize, whole: Option<Whole>) -> io::Result<Self> {
        if whole.is_none() && tty::is_able() {
            let mut terminal = Terminal::open(None, tty::is_coloured(), false)?;
            terminal.begin(me);
            return Ok(Self::Terminal(terminal));
        }
        let output = match whole {
            _ if io::stdout().is_terminal() => Output::Text,
            Some(_) => Output::Raw,
            None => Output::Lines,
        };
        let input = Input::messages(input::chunks()?, limit, whole);
        Ok(Self::Plain(Plain::new(input, tty::is_there(), output, false)))
    }

    /// Whether a person sits at it.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.is_terminal(),
            Self::Terminal(_) => true,
        }
    }

    /// Whether lines come no faster than a person types.
    pub fn is_typed(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }
}

// What comes next.
impl Console {
    /// What comes next in a conversation: from the other side, of which so much is `waiting`, or
    /// from here, where a line may be typed if it `reads`; or that it is `unread`. Neither side waits
    /// for the other, but what has come appears before more comes.
    pub async fn converse<Heard>(
        &mut self,
        waiting: usize,
        reads: bool,
        other: impl Future<Output = Option<Heard>>,
        unread: impl Future<Output = io::Result<()>>,
    ) -> Next<Heard> {
        let shows = (self.is_full() || waiting == 0) && !self.is_flushed();
        let there = async { other.await.map_or(Next::Sent, Next::Heard) };
        let here = async { Next::Here(self.turn(shows, reads).await) };
        let next = async {
            if shows { future::or(here, there).await } else { future::race(here, there).await }
        };
        let next = future::or(next, async { Next::Here(Turn::Shown(unread.await)) }).await;
        if let Next::Here(_) = next {
            // The other side has waited for its turn meanwhile, and would go on at once: where both have
            // something without end, a signal would never get one.
            future::yield_now().await;
        }
        next
    }

    /// The next line, if it `reads`; or that what was taken has appeared, if it `shows` that. Neither
    /// waits for the other: what nobody reads does not keep anybody from typing.
    pub async fn turn(&mut self, shows: bool, reads: bool) -> Turn {
        match self {
            Self::Plain(plain) => plain.turn(shows, reads).await,
            Self::Terminal(terminal) => terminal.turn(reads).await,
        }
    }

    /// The next line; `None` at the end. What was taken appears meanwhile.
    pub async fn next(&mut self) -> Option<Line> {
        loop {
            match self.turn(true, true).await {
                Turn::Typed(line) => return line,
                Turn::Shown(shown) => shown.ok()?,
            }
        }
    }

    /// Waits until a person at the terminal ends it, where no line is read.
    pub async fn ended(&mut self) {
        while !matches!(self.turn(true, false).await, Turn::Typed(None)) {}
    }

    /// The next line, if it is there already.
    pub fn ready(&mut self) -> Option<Line> {
        either!(self, either => either.ready())
    }

    /// Whether something has been piped that was not taken.
    pub fn has_more(&self) -> bool {
        matches!(self, Self::Plain(plain) if !plain.is_terminal() && plain.input.has_more())
    }

    /// Throws away what has been piped already; how many lines that is.
    pub fn drop_rest(&mut self) -> u64 {
        match self {
            Self::Plain(plain) if !plain.is_terminal() => plain.input.drop_rest(),
            _ => 0,
        }
    }

    /// Why what is piped could not be read to its end, if that is so. It is said once.
    pub fn broken(&mut self) -> Option<io::Error> {
        match self {
            Self::Plain(plain) => plain.input.broken(),
            Self::Terminal(_) => None,
        }
    }

    /// Whether all that is piped has ended, and nothing of it is left.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Plain(plain) if plain.input.is_over())
    }
}

// What is typed.
impl Console {
    /// From now on, prompts with `text`; with none if it is empty.
    pub fn prompt(&mut self, text: &str) {
        either!(self, either => either.prompt(text));
    }

    /// What is typed from now on is not shown, nor kept anywhere; or it is again.
    pub fn hide(&mut self, hides: bool) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.hide(hides),
            Self::Terminal(terminal) => {
                terminal.hide(hides);
                Ok(())
            }
        }
    }

    /// The line that was returned last has been taken note of.
    pub fn entered(&mut self) {
        if let Self::Plain(plain) = self {
            plain.entered();
        }
    }

    /// The line that was returned last could not be sent. On a terminal it can still be.
    pub fn put_back(&mut self, line: &[u8]) {
        if let Self::Terminal(terminal) = self {
            terminal.put_back(&String::from_utf8_lossy(line));
        }
    }

    /// Asks a person once whether a message to all was meant as a command; whether it did. The line can then
    /// be entered again.
    pub fn doubts(&mut self, line: &[u8]) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Terminal(terminal) => terminal.doubts(line),
        }
    }

    /// Takes a message to the room that was typed and is on its way.
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
}

// What is shown.
impl Console {
    /// One is in a room. Whether WHO should be asked, whose answer nobody will see.
    pub fn joined(&mut self, me: Name, members: usize) -> bool {
        let Self::Terminal(terminal) = self else { return false };
        let asks = members <= NAMES;
        terminal.joined(me, asks);
        asks
    }

    /// Whether ids are of use here: for what is printed with them, or for the times of what was said
    /// before one came.
    pub fn shows_ids(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.shows_ids(),
            Self::Terminal(_) => true,
        }
    }

    /// What comes now was missed, or no more of it comes: on a terminal it stands between two lines.
    pub fn missed(&mut self, begins: bool) {
        if let Self::Terminal(terminal) = self {
            terminal.missed(begins);
        }
    }

    /// Something may be missing before what comes next.
    pub fn gap(&mut self) {
        self.json(json::gap);
        self.notice(
            "smoltalk: something that was said may be missing here: the server no longer has it",
        );
    }

    /// Takes an event of a room.
    pub fn event(&mut self, event: &Event, when: When) {
        if let Event::Data { from, bytes } = event
            && !matches!(self, Self::Plain(plain) if plain.takes_payloads())
        {
            for text in payload::lines(bytes) {
                self.event(&Event::Msg { from: *from, text }, when);
            }
            return;
        }
        either!(self, either => either.event(event, when));
    }

    /// With `--json`, takes the line that `write` gives for this moment; says whether it did.
    pub fn json(&mut self, write: impl FnOnce(SystemTime) -> String) -> bool {
        match self {
            Self::Plain(plain) => plain.json(write),
            Self::Terminal(_) => false,
        }
    }

    /// Takes what `from`, the other of two, said.
    pub fn message(&mut self, from: &str, bytes: &[u8]) {
        match self {
            Self::Plain(plain) => plain.message(from, bytes),
            Self::Terminal(terminal) => {
                terminal.message(from, &payload::lines(bytes).join("\n"), None);
            }
        }
    }

    /// Takes what has become of what `me`, one of two, has said. In a pipe nobody needs to be told
    /// again what it was.
    pub fn decided(&mut self, me: Name, fate: Fate, message: Option<&[u8]>) {
        match (self, message) {
            // All else is told in other words.
            (Self::Plain(_), _) if !matches!(fate, Fate::Acknowledged(_)) => {}
            (Self::Plain(plain), message) => plain.decided(fate, message),
            (Self::Terminal(terminal), Some(message)) => {
                let text = payload::lines(message).join("\n");
                terminal.message(me.as_str(), &text, Some(fate));
            }
            (Self::Terminal(_), None) => {}
        }
    }

    /// Takes something to say that nobody sent.
    pub fn notice(&mut self, text: &str) {
        either!(self, either => either.notice(text));
    }

    /// Whether enough has been gathered for a flush to be due.
    pub fn is_full(&self) -> bool {
        either!(self, either => either.is_full())
    }

    /// Whether all that was taken is there.
    pub fn is_flushed(&self) -> bool {
        either!(self, either => either.is_flushed())
    }

    /// Writes what was taken. It is there when this returns.
    pub async fn flush(&mut self) -> io::Result<()> {
        either!(self, either => either.flush().await)
    }
}
