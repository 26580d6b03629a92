//! Standard output and standard error, and the prompt of a terminal that shows line after line.

use crate::terminal;
use futures_lite::AsyncWriteExt;
use smol::Unblock;
use smoltalk::limits;
use std::io::{self, Write};

/// Bytes of events that are gathered into one write. While as many wait, nothing more is heard.
pub const BATCH: usize = 64 * 1024;

/// Bytes past which nothing more is read either: what is typed may be wrong, and that is said here.
/// The longest event is a fourth of it.
const MOST: usize = 4 * limits::PAYLOAD;

/// Where lines are shown. Nothing appears before [`Page::flush`].
///
/// Its futures may be dropped half-way: what has not been written stays. They wait for whoever reads
/// the output.
pub struct Page {
    pub out: Stream,
    pub err: Stream,
    /// `None` where there is no terminal, or it is to be treated as none.
    prompt: Option<Prompt>,
}

/// The prompt of a terminal.
#[derive(Default)]
struct Prompt {
    text: String,
    /// It stands on the terminal's last line.
    shown: bool,
}

/// A stream that is written on a thread of its own: not every file can be polled.
pub struct Stream {
    pipe: Unblock<Box<dyn Write + Send>>,
    unwritten: Vec<u8>,
    /// All that was taken is there.
    flushed: bool,
}

impl Page {
    /// A person sits at it, if it has a prompt.
    pub fn new(prompt: bool) -> Self {
        Self {
            out: Stream::new(Box::new(io::stdout())),
            err: Stream::new(Box::new(io::stderr())),
            prompt: prompt.then(Prompt::default),
        }
    }

    /// Whether a person sits at it.
    pub fn is_terminal(&self) -> bool {
        self.prompt.is_some()
    }

    /// From now on, prompts with `text`; with none if it is empty.
    pub fn prompt(&mut self, text: &str) {
        self.clear();
        if let Some(prompt) = &mut self.prompt {
            prompt.text = text.into();
        }
    }

    /// The person has ended the line that began with the prompt.
    pub fn entered(&mut self) {
        if let Some(prompt) = &mut self.prompt {
            prompt.shown = false;
        }
    }

    /// Takes something to say that nobody sent.
    pub fn notice(&mut self, text: &str) {
        self.clear();
        self.err.line(text);
    }

    /// Whether enough has been gathered for a flush to be due.
    pub fn is_full(&self) -> bool {
        self.unwritten() >= BATCH
    }

    /// Whether so much waits, because nobody reads it, that nothing may be added.
    pub fn is_overfull(&self) -> bool {
        self.unwritten() >= MOST
    }

    fn unwritten(&self) -> usize {
        self.out.unwritten() + self.err.unwritten()
    }

    /// Whether all that was taken is there, and the prompt below it.
    pub fn is_flushed(&self) -> bool {
        let prompted = self.prompt.as_ref().is_none_or(Prompt::is_shown);
        prompted && self.out.is_flushed() && self.err.is_flushed()
    }

    /// Writes what was taken.
    pub async fn flush(&mut self) -> io::Result<()> {
        if !self.err.is_flushed() {
            self.out.flush().await?;
            // Nobody can be told that standard error is closed.
            let _ = self.err.flush().await;
        }
        if let Some(prompt) = self.prompt.as_mut().filter(|prompt| !prompt.is_shown()) {
            prompt.shown = true;
            self.out.text(&prompt.text);
        }
        self.out.flush().await
    }

    /// Takes the prompt away: what is shown comes in its place, and it comes again below.
    pub fn clear(&mut self) {
        if let Some(prompt) = &mut self.prompt
            && std::mem::take(&mut prompt.shown)
        {
            if terminal::is_able() {
                self.out.text("\r\x1b[K");
            } else {
                // It knows no "erase to the end of the line".
                self.out.text(&format!("\r{:1$}\r", "", prompt.text.len().max(40)));
            }
        }
    }
}

impl Prompt {
    /// Whether it is where it is to be. One without words is anywhere.
    fn is_shown(&self) -> bool {
        self.shown || self.text.is_empty()
    }
}

impl Stream {
    pub fn new(stream: Box<dyn Write + Send>) -> Self {
        let pipe = Unblock::with_capacity(BATCH, stream);
        Self { pipe, unwritten: Vec::new(), flushed: true }
    }

    pub fn line(&mut self, line: &str) {
        self.text(line);
        self.text("\n");
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.unwritten.extend_from_slice(bytes);
        self.flushed = false;
    }

    /// How many bytes have not been written yet.
    pub fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    /// Whether all that was taken is there.
    pub fn is_flushed(&self) -> bool {
        self.flushed
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            match self.pipe.write(&self.unwritten).await {
                Ok(written) if written > 0 => drop(self.unwritten.drain(..written)),
                // It has failed already. The flush says how.
                _ => self.unwritten.clear(),
            }
        }
        let flushed = self.pipe.flush().await;
        self.flushed = true;
        flushed
    }
}
