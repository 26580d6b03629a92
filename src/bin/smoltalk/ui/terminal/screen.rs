//! What is on the screen: all that was said, and below it the line being typed.

use super::bottom::{Bottom, Drawing};
use super::look::Look;
use super::raw::{self, Raw};
use super::width;
use crate::ui::stream::{BATCH, Stream};
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// Rows of a long or pasted text that are shown at once, and no more than half of the screen's.
const ROWS: usize = 10;

/// The time from one ring to the next: whoever rings on and on is heard no better.
const BELL: Duration = Duration::from_secs(1);

/// Nothing appears before it is drawn and written. The future that writes may be dropped half-way.
///
/// When it is dropped, the terminal is what it was before.
pub struct Screen {
    _raw: Raw,
    out: Stream,
    /// Standard error, where it is not this terminal.
    err: Option<Stream>,
    bottom: Bottom,
    /// What is to be shown above the line.
    above: String,
    changed: bool,
    ring: bool,
    /// `None` if it is not to ring at all.
    bell: Option<Bell>,
}

/// When it rang last.
#[derive(Debug, Default)]
struct Bell(Option<Instant>);

impl Bell {
    /// Rings, unless it has just done so.
    fn rings(&mut self, now: Instant) -> bool {
        let rings = self.0.is_none_or(|last| now.saturating_duration_since(last) >= BELL);
        if rings {
            self.0 = Some(now);
        }
        rings
    }
}

/// The line being typed.
#[derive(Debug)]
pub struct Entry<'a> {
    pub prompt: &'a str,
    pub text: &'a str,
    pub cursor: usize,
}

impl Screen {
    pub fn open(colour: bool, bell: bool) -> io::Result<Self> {
        let raw = Raw::enter(colour)?;
        let mut out = Stream::new(Box::new(raw::Output));
        out.text(Raw::greeting());
        let elsewhere = !io::stderr().is_terminal();
        Ok(Self {
            _raw: raw,
            out,
            err: elsewhere.then(Stream::stderr),
            bottom: Bottom::default(),
            above: String::new(),
            changed: false,
            ring: false,
            bell: bell.then(Bell::default),
        })
    }

    /// How many columns there are.
    pub fn columns() -> usize {
        raw::size().0
    }

    /// Takes rows to show, each with its line end.
    pub fn show(&mut self, rows: &str) {
        self.above.push_str(rows);
    }

    /// Takes something to say that is not the room's.
    pub fn notice(&mut self, text: &str) {
        match &mut self.err {
            Some(err) => err.line(text),
            None => self.above.push_str(&Look::notice(text, Self::columns())),
        }
    }

    /// Has the terminal ring, if it is to.
    pub fn ring(&mut self) {
        self.ring |= self.bell.as_mut().is_some_and(|bell| bell.rings(Instant::now()));
    }

    /// The line is not what it was when it was drawn, or the screen is not.
    pub fn changed(&mut self) {
        self.changed = true;
    }

    pub fn clear(&mut self) {
        self.bottom = Bottom::default();
        self.above.insert_str(0, "\x1b[H\x1b[2J");
        self.changed = true;
    }

    /// Whether Ctrl-C is a key from now on, and no signal.
    pub fn interrupts(is_key: bool) {
        Raw::interrupts(is_key);
    }

    /// Does what Ctrl-C does where it is no key.
    pub fn interrupt() {
        let _ = Raw::interrupt();
    }

    /// Lets the shell have the terminal, and returns when it has given it back.
    pub fn suspend() {
        let _ = Raw::suspend();
    }

    /// The terminal is ours again, and shows whatever it does.
    pub fn resumed(&mut self) {
        let _ = Raw::again();
        self.bottom = Bottom::default();
        self.out.text("\n");
        self.out.text(Raw::greeting());
        self.changed = true;
    }

    /// Whether enough has been gathered for a flush to be due.
    pub fn is_full(&self) -> bool {
        self.above.len() + self.out.unwritten() >= BATCH
    }

    /// Whether all that was taken is there, and the line as it is now below it.
    pub fn is_flushed(&self) -> bool {
        let said = self.err.as_ref().is_none_or(Stream::is_flushed);
        !self.changed && self.above.is_empty() && self.out.is_flushed() && said
    }

    /// Draws what was taken, and below it `line`, if one is being typed. Nothing is, while the
    /// terminal has not taken what was drawn before: it would grow with each key.
    pub fn draw(&mut self, look: &Look, line: Option<&Entry<'_>>) {
        if self.out.is_flushed() && (self.changed || !self.above.is_empty()) {
            self.changed = false;
            let drawn = self.drawing(look, line);
            self.out.text(&drawn);
        }
    }

    /// Writes what was drawn.
    pub async fn write(&mut self) -> io::Result<()> {
        if let Some(err) = self.err.as_mut().filter(|err| !err.is_flushed()) {
            // Nobody can be told that standard error is closed.
            let _ = err.flush().await;
        }
        // A terminal that is gone is a reader that has left.
        self.out.flush().await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn drawing(&mut self, look: &Look, line: Option<&Entry<'_>>) -> String {
        let (columns, height) = raw::size();
        let mut out = String::new();
        self.bottom.erase(&mut out, columns);
        out.push_str(&std::mem::take(&mut self.above));
        if std::mem::take(&mut self.ring) {
            out.push('\x07');
        }
        let Some(&Entry { prompt, text, cursor }) = line else { return out };
        // A name may take a narrow terminal's whole row.
        let prompt = if width::width(prompt) >= columns { "> " } else { prompt };
        let typed = width::typed(text, cursor, columns, width::width(prompt));
        let shown = typed.around_cursor((height / 2).clamp(1, ROWS));
        let prompt = if shown.start == 0 { prompt } else { "" };
        let drawing = Drawing {
            prompt,
            dressed: &look.prompt(prompt),
            row: typed.row - shown.start,
            before: typed.before,
            rows: &typed.rows[shown],
        };
        self.bottom.draw(&mut out, &drawing);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bell_rings_once_a_second_at_most() {
        let start = Instant::now();
        let mut bell = Bell::default();
        let rang =
            (0..=2500).step_by(10).filter(|ms| bell.rings(start + Duration::from_millis(*ms)));
        assert_eq!(rang.collect::<Vec<u64>>(), [0, 1000, 2000]);
    }
}
