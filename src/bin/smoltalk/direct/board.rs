//! What of a conversation of two is shown, and where.

use crate::payload;
use crate::screen::{self, Stream};
use crate::show::Fate;
use crate::terminal;
use smoltalk::protocol::Name;
use std::io::{self, IsTerminal};

/// Characters of a message that say which one it is.
const BEGINNING: usize = 40;

/// Standard output and standard error. Nothing appears before [`Board::flush`], whose future may be
/// dropped half-way: what has not been written stays.
pub struct Board {
    out: Stream,
    err: Stream,
    look: Look,
    /// The prompt, where a person sits at it.
    prompt: Option<String>,
    /// It stands on the terminal's last line.
    prompted: bool,
}

/// What becomes of a message's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// They are made safe to print: a terminal gets them.
    Safe,
    /// They are written as they are, and a line has its LF again.
    Lines,
    /// They are written as they are.
    Bytes,
}

impl Board {
    /// One whose standard output has nothing added to it, if `whole`.
    pub fn new(name: Name, whole: bool) -> Self {
        let look = match whole {
            _ if io::stdout().is_terminal() => Look::Safe,
            true => Look::Bytes,
            false => Look::Lines,
        };
        Self {
            out: Stream::new(Box::new(io::stdout())),
            err: Stream::new(Box::new(io::stderr())),
            look,
            prompt: terminal::is_there().then(|| format!("{name}> ")),
            prompted: false,
        }
    }

    /// Whether a person sits at it.
    pub fn is_terminal(&self) -> bool {
        self.prompt.is_some()
    }

    /// The person has ended the line that began with the prompt.
    pub fn entered(&mut self) {
        self.prompted = false;
    }

    /// There will be no more to type.
    pub fn no_prompt(&mut self) {
        self.clear();
        if let Some(prompt) = &mut self.prompt {
            prompt.clear();
        }
    }

    /// Takes what `peer` said.
    pub fn message(&mut self, peer: &str, bytes: &[u8]) {
        self.clear();
        match self.look {
            Look::Safe => {
                for line in payload::lines(bytes) {
                    self.out.line(&format!("<{peer}> {line}"));
                }
            }
            Look::Bytes => self.out.bytes(bytes),
            Look::Lines => {
                self.out.bytes(bytes);
                // What came of a line has none in it. What has one is not a line's.
                if !bytes.contains(&b'\n') {
                    self.out.bytes(b"\n");
                }
            }
        }
    }

    /// Takes what has become of a message: of this one, if somebody needs to be told which.
    pub fn decided(&mut self, fate: Fate, message: Option<&[u8]>) {
        let which = message.map(|message| format!("  {}", beginning(message)));
        self.notice(&format!("{fate}{}", which.unwrap_or_default()));
    }

    /// Takes something to say that nobody sent.
    pub fn notice(&mut self, text: &str) {
        self.clear();
        self.err.line(text);
    }

    /// Whether enough has been gathered for a flush to be due.
    pub fn is_full(&self) -> bool {
        screen::is_full(&self.out, &self.err)
    }

    /// Whether so much waits to be written that nothing may be added.
    pub fn is_overfull(&self) -> bool {
        screen::is_overfull(&self.out, &self.err)
    }

    /// Whether all that was taken is there, and the prompt below it.
    pub fn is_flushed(&self) -> bool {
        let prompted = self.prompted || self.prompt.as_ref().is_none_or(String::is_empty);
        prompted && self.out.is_flushed() && self.err.is_flushed()
    }

    /// Writes what was taken. What goes to standard output is there when this returns.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.out.flush().await?;
        // Nobody can be told that standard error is closed.
        let _ = self.err.flush().await;
        if let Some(prompt) = self.prompt.as_ref().filter(|prompt| !prompt.is_empty())
            && !std::mem::replace(&mut self.prompted, true)
        {
            self.out.text(prompt);
            self.out.flush().await?;
        }
        Ok(())
    }

    /// Takes the prompt away: what is shown comes in its place, and it comes again below.
    fn clear(&mut self) {
        if std::mem::take(&mut self.prompted) {
            self.out.text("\r\x1b[K");
        }
    }
}

/// How a message begins, in so many words that it is known again.
fn beginning(message: &[u8]) -> String {
    let lines = payload::lines(message);
    let first = lines.first().map(String::as_str).unwrap_or_default();
    let cut = first.char_indices().nth(BEGINNING).map_or(first.len(), |(at, _)| at);
    let more = if cut < first.len() || lines.len() > 1 { "…" } else { "" };
    format!("{}{more}", &first[..cut])
}
