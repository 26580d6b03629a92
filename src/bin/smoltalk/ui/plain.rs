//! A console of pipes, or a terminal that can do no more: lines in, lines out.

use super::fate::Fate;
use super::input::{Input, Line};
use super::stream::{BATCH, Stream};
use super::tty::Unseen;
use super::turn::Turn;
use super::when::{When, rfc3339};
use super::{json, line, payload, tty};
use crate::wait::when;
use futures_lite::future;
use smoltalk::client::Event;
use smoltalk::limits;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes past which nothing more is read either: what is typed may be wrong, and that is said here.
/// The longest event is a fourth of it.
const MOST: usize = 4 * limits::PAYLOAD;

/// Characters of a message that say which one it is.
const BEGINNING: usize = 40;

/// What standard output gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A line for each event, safe to print.
    Text,
    /// The same, as JSON.
    Json,
    /// Payloads alone, as they are.
    Raw,
    /// The same, but what came of a line has its LF again.
    Lines,
}

/// Lines in, lines out. Nothing appears before [`Plain::flush`].
///
/// Its futures may be dropped half-way: what has not been written stays. They wait for whoever reads
/// the output.
pub struct Plain {
    pub input: Input,
    out: Stream,
    err: Stream,
    /// `None` where there is no terminal, or it is to be treated as none.
    prompt: Option<Prompt>,
    output: Output,
    colour: bool,
    /// Each line begins with its time.
    times: bool,
    /// What is typed is not shown.
    unseen: Option<Unseen>,
}

/// The prompt of a terminal.
#[derive(Default)]
struct Prompt {
    text: String,
    /// It stands on the terminal's last line.
    shown: bool,
}

impl Plain {
    /// A person sits at it, if it has a `prompt`.
    pub fn new(input: Input, prompt: bool, output: Output, colour: bool) -> Self {
        let prompt = prompt.then(Prompt::default);
        let (out, err) = (Stream::stdout(), Stream::stderr());
        Self { input, out, err, prompt, output, colour, times: false, unseen: None }
    }

    /// This, with the time before each line that shows an event, if it is `so`. As JSON, they have it anyway.
    pub fn with_times(self, so: bool) -> Self {
        Self { times: so && self.output != Output::Json, ..self }
    }

    /// Whether a person sits at it.
    pub fn is_terminal(&self) -> bool {
        self.prompt.is_some()
    }

    /// The next line, if it `reads`; or that what was taken has appeared, if it `shows` that.
    pub async fn turn(&mut self, shows: bool, reads: bool) -> Turn {
        let shows = shows && !self.is_flushed();
        let reads = reads && self.unwritten() < MOST;
        let Self { input, out, err, prompt, .. } = self;
        let shown = async {
            when(shows).await;
            Turn::Shown(write(out, err, prompt.as_mut()).await)
        };
        let typed = async {
            when(reads).await;
            Turn::Typed(input.next().await)
        };
        future::or(shown, typed).await
    }

    /// The next line, if it is there already.
    pub fn ready(&mut self) -> Option<Line> {
        self.input.ready()
    }

    /// From now on, prompts with `text`; with none if it is empty.
    pub fn prompt(&mut self, text: &str) {
        if self.prompt.as_ref().is_some_and(|prompt| prompt.text != text) {
            self.clear();
            self.prompt = Some(Prompt { text: text.into(), shown: false });
        }
    }

    /// What is typed from now on is not shown, or it is again.
    pub fn hide(&mut self, hides: bool) -> io::Result<()> {
        self.unseen = if hides { Some(Unseen::begin()?) } else { None };
        Ok(())
    }

    /// The person has ended the line that began with the prompt.
    pub fn entered(&mut self) {
        if let Some(prompt) = &mut self.prompt {
            prompt.shown = false;
        }
    }

    /// Takes an event of a room to show.
    pub fn event(&mut self, event: &Event, when: When) {
        let line = match (self.output, event) {
            (Output::Json, event) => json::event(time(when), when.id, event),
            (Output::Raw, Event::Data { bytes, .. }) => return self.out.bytes(bytes),
            (_, event) => line::of(event, self.colour),
        };
        let Some(line) = line else { return };
        self.clear();
        let raw = self.output == Output::Raw;
        let stream = if raw { &mut self.err } else { &mut self.out };
        if self.times {
            stream.text(&rfc3339(time(when)));
            stream.text(" ");
        }
        stream.line(&line);
    }

    /// Whether places in the room's order are shown.
    pub fn shows_ids(&self) -> bool {
        self.times || self.output == Output::Json
    }

    /// Whether payloads are shown as they are; else somebody has to make text of them.
    pub fn takes_payloads(&self) -> bool {
        self.output != Output::Text
    }

    /// With `--json`, takes the line that `write` gives for this moment; says whether it did.
    pub fn json(&mut self, write: impl FnOnce(SystemTime) -> String) -> bool {
        let json = self.output == Output::Json;
        if json {
            self.out.line(&write(SystemTime::now()));
        }
        json
    }

    /// Takes what `from` said to this side alone.
    pub fn message(&mut self, from: &str, bytes: &[u8]) {
        self.clear();
        if self.output == Output::Text {
            for line in payload::lines(bytes) {
                self.out.line(&format!("<{from}> {line}"));
            }
            return;
        }
        self.out.bytes(bytes);
        // What came of a line has no LF in it. What has one is not a line's.
        if self.output == Output::Lines && !bytes.contains(&b'\n') {
            self.out.bytes(b"\n");
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
        self.unwritten() >= BATCH
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
        write(&mut self.out, &mut self.err, self.prompt.as_mut()).await
    }

    /// Takes the prompt away: what is shown comes in its place, and it comes again below.
    fn clear(&mut self) {
        if let Some(prompt) = &mut self.prompt
            && std::mem::take(&mut prompt.shown)
        {
            if tty::is_able() {
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

async fn write(out: &mut Stream, err: &mut Stream, prompt: Option<&mut Prompt>) -> io::Result<()> {
    if !err.is_flushed() {
        out.flush().await?;
        // Nobody can be told that standard error is closed.
        let _ = err.flush().await;
    }
    if let Some(prompt) = prompt.filter(|prompt| !prompt.is_shown()) {
        prompt.shown = true;
        out.text(&prompt.text);
    }
    out.flush().await
}

/// The time at which something happened: now, or before one came.
fn time(when: When) -> SystemTime {
    let then = when.ms().and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
    then.unwrap_or_else(SystemTime::now)
}

/// How a message begins, in so many words that it is known again.
fn beginning(message: &[u8]) -> String {
    let lines = payload::lines(message);
    let first = lines.first().map(String::as_str).unwrap_or_default();
    let cut = first.char_indices().nth(BEGINNING).map_or(first.len(), |(at, _)| at);
    let more = if cut < first.len() || lines.len() > 1 { "…" } else { "" };
    format!("{}{more}", &first[..cut])
}
