//! Where a conversation of two is held: a terminal, or pipes.

use super::board::Board;
use crate::console::{self, Turn};
use crate::input::{self, Input, Line, Whole};
use crate::payload;
use crate::show::Fate;
use crate::terminal::{self, Terminal};
use smoltalk::direct::Config;
use smoltalk::protocol::Name;
use std::collections::BTreeMap;
use std::io;

/// What is typed comes from here, and what is heard is shown here once it is flushed.
///
/// Its futures may be dropped half-way, and nothing is lost.
pub struct Console {
    face: Face,
    me: Name,
    /// What a person has said and nobody has acknowledged, each under its number.
    underway: BTreeMap<u64, Vec<u8>>,
    /// Nothing more will be typed.
    finished: bool,
}

#[expect(clippy::large_enum_variant, reason = "there is only one")]
enum Face {
    /// Lines in, lines out. Also a terminal that can do no more: it has a prompt.
    Lines { input: Input, board: Board },
    /// A line is typed while messages arrive.
    Terminal(Terminal),
}

impl Console {
    pub fn open(as_whom: &Config, whole: Option<Whole>) -> io::Result<Self> {
        let face = if whole.is_none() && terminal::is_able() {
            let mut terminal = Terminal::open(None, terminal::is_coloured(), false)?;
            terminal.begin(as_whom.name);
            Face::Terminal(terminal)
        } else {
            let input = Input::messages(input::chunks()?, as_whom.limit, whole);
            Face::Lines { input, board: Board::new(as_whom.name, whole.is_some()) }
        };
        let underway = BTreeMap::new();
        let mut console = Self { face, me: as_whom.name, underway, finished: false };
        console.prompt();
        Ok(console)
    }

    /// Whether a person sits at it.
    pub fn is_terminal(&self) -> bool {
        match &self.face {
            Face::Lines { board, .. } => board.page.is_terminal(),
            Face::Terminal(_) => true,
        }
    }

    /// Whether lines come no faster than a person types.
    pub fn is_typed(&self) -> bool {
        matches!(self.face, Face::Terminal(_))
    }

    /// The next line, if it `reads`; or that what was taken has appeared, if it `shows` that. Neither
    /// waits for the other: what nobody reads does not keep anybody from typing.
    pub async fn turn(&mut self, shows: bool, reads: bool) -> Turn {
        match &mut self.face {
            Face::Lines { input, board } => {
                let shows = shows && !board.page.is_flushed();
                let reads = reads && !board.page.is_overfull();
                console::either(shows, board.page.flush(), reads, input.next()).await
            }
            Face::Terminal(terminal) => terminal.turn(reads).await,
        }
    }

    /// The next line, if it is there already.
    pub fn ready(&mut self) -> Option<Line> {
        match &mut self.face {
            Face::Lines { input, .. } => input.ready(),
            Face::Terminal(terminal) => terminal.ready(),
        }
    }

    /// Whether all that is typed has ended, and nothing of it is left.
    pub fn is_over(&self) -> bool {
        match &self.face {
            Face::Lines { input, .. } => input.is_over(),
            Face::Terminal(_) => self.finished,
        }
    }

    /// Whether nothing more will be typed.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Nothing more will be typed.
    pub fn finish(&mut self) {
        self.finished = true;
        match &mut self.face {
            Face::Lines { board, .. } => board.page.prompt(""),
            Face::Terminal(_) => self.prompt(),
        }
    }

    /// The line that was returned last has been taken note of.
    pub fn entered(&mut self) {
        if let Face::Lines { board, .. } = &mut self.face {
            board.page.entered();
        }
    }

    /// The line that was returned last could not be sent. On a terminal it can still be.
    pub fn put_back(&mut self, line: &[u8]) {
        if let Face::Terminal(terminal) = &mut self.face {
            terminal.put_back(&String::from_utf8_lossy(line));
        }
    }

    /// Takes what `peer` said.
    pub fn heard(&mut self, peer: &str, bytes: &[u8]) {
        match &mut self.face {
            Face::Lines { board, .. } => board.message(peer, bytes),
            Face::Terminal(terminal) => {
                terminal.message(peer, &payload::lines(bytes).join("\n"), None);
            }
        }
    }

    /// Takes what was said and is on its way. In a pipe nobody needs to be told again what it was.
    pub fn said(&mut self, id: u64, message: Vec<u8>) {
        if self.is_terminal() {
            self.underway.insert(id, message);
            self.prompt();
        }
    }

    /// Takes what has become of a message that was said.
    pub fn decided(&mut self, id: u64, fate: Fate) {
        let message = self.underway.remove(&id);
        match (&mut self.face, message) {
            (Face::Lines { board, .. }, message) => {
                // All else is told in other words.
                if let Fate::Acknowledged(_) = fate {
                    board.decided(fate, message.as_deref());
                }
            }
            (Face::Terminal(terminal), Some(message)) => {
                let text = payload::lines(&message).join("\n");
                terminal.message(self.me.as_str(), &text, Some(fate));
                self.prompt();
            }
            (Face::Terminal(_), None) => {}
        }
    }

    /// What has not been acknowledged will not be.
    pub fn parted(&mut self) {
        while let Some((&id, _)) = self.underway.first_key_value() {
            self.decided(id, Fate::Unacknowledged);
        }
    }

    /// Takes something to say that nobody sent.
    pub fn notice(&mut self, text: &str) {
        match &mut self.face {
            Face::Lines { board, .. } => board.page.notice(text),
            Face::Terminal(terminal) => terminal.notice(text),
        }
    }

    /// Whether enough has been gathered for a flush to be due.
    pub fn is_full(&self) -> bool {
        match &self.face {
            Face::Lines { board, .. } => board.page.is_full(),
            Face::Terminal(terminal) => terminal.is_full(),
        }
    }

    /// Whether all that was taken is there.
    pub fn is_flushed(&self) -> bool {
        match &self.face {
            Face::Lines { board, .. } => board.page.is_flushed(),
            Face::Terminal(terminal) => terminal.is_flushed(),
        }
    }

    /// Writes what was taken. It is there when this returns.
    pub async fn flush(&mut self) -> io::Result<()> {
        match &mut self.face {
            Face::Lines { board, .. } => board.page.flush().await,
            Face::Terminal(terminal) => terminal.flush().await,
        }
    }

    /// Prompts a person at a terminal, who sees there how much is not decided yet.
    fn prompt(&mut self) {
        let Face::Terminal(terminal) = &mut self.face else { return };
        terminal.prompt(&match self.underway.len() {
            _ if self.finished => String::new(),
            0 => format!("{}> ", self.me),
            1 => format!("(1 on its way) {}> ", self.me),
            n => format!("({n} on their way) {}> ", self.me),
        });
    }
}
