//! A terminal with a person at it: what arrives is shown above the line that is being typed.

mod canvas;
mod clock;
mod complete;
mod display;
mod editor;
mod history;
mod keys;
mod paint;
mod raw;
mod room;
mod width;

pub use room::Room;

use crate::console::Turn;
use crate::input::{self, Line};
use crate::show::Fate;
use crate::wait::when;
use async_channel::Receiver;
use async_signal::{Signal, Signals};
use clock::{Clock, Day};
use display::Display;
use editor::{Did, Editor};
use futures_lite::{StreamExt, future};
use history::History;
use keys::{Key, Keys};
use paint::{Paint, Said};
use smol::Timer;
use smoltalk::protocol::Name;
use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::time::Duration;

/// How long the rest of a key's bytes may take to come: as they are sent together, the network's
/// jitter.
const KEY: Duration = Duration::from_millis(50);

/// Whether a person sits at a terminal: standard input and standard output are one.
pub fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether that terminal can do more than show line after line.
pub fn is_able() -> bool {
    is_there() && set("TERM").is_some_and(|term| term != "dumb")
}

/// Whether whoever looks at it wants to see colours there.
pub fn is_coloured() -> bool {
    is_able() && set("NO_COLOR").is_none()
}

fn set(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}

/// The screen and the keyboard. Nothing appears before [`Terminal::flush`].
///
/// Its futures may be dropped half-way and nothing is lost. When it is dropped, the terminal is what
/// it was before.
pub struct Terminal {
    // Dropped first: whatever else there is, the terminal is what it was.
    display: Display,
    chunks: Receiver<Vec<u8>>,
    signals: Signals,
    keys: Keys,
    editor: Editor,
    prompt: String,
    /// Tab was the last key, and had more than one thing to put in.
    tabbed: bool,
    ended: bool,
    /// Where the conversation is one of many.
    room: Option<Room>,
    paint: Paint,
    clock: Clock,
    /// The day of what was shown last.
    day: Option<Day>,
}

impl Terminal {
    pub fn open(room: Option<Room>, colour: bool, bell: bool) -> io::Result<Self> {
        let signals = Signals::new([Signal::Winch, Signal::Tstp, Signal::Cont])?;
        Ok(Self {
            display: Display::open(colour, bell)?,
            chunks: input::chunks()?,
            signals,
            keys: Keys::default(),
            editor: Editor::new(History::kept_in(None)),
            prompt: String::new(),
            tabbed: false,
            ended: false,
            room,
            paint: Paint { colour, me: None },
            clock: Clock::new(),
            day: None,
        })
    }

    /// The conversation begins, as `me`.
    pub fn begin(&mut self, me: Name) {
        if self.paint.me.replace(me).is_none() {
            self.day = Some(self.clock.now().day);
        }
    }

    /// From now on, prompts with `text`; there is no line to type if it is empty.
    ///
    /// One that has been begun then can still be read: it may have been much to type.
    pub fn prompt(&mut self, text: &str) {
        if text.is_empty() && !self.prompt.is_empty() && !self.editor.text().is_empty() {
            let typed = self.paint.typed(self.editor.text(), Display::columns());
            self.display.show(&typed);
        }
        self.prompt = text.into();
        self.display.changed();
    }

    /// The next line that is entered; `None` at the end.
    pub async fn next(&mut self) -> Option<Line> {
        loop {
            match self.turn(true).await {
                Turn::Typed(line) => return line,
                Turn::Shown(shown) => shown.ok()?,
            }
        }
    }

    /// The next line that is entered, if it `reads`; or that what was taken has appeared. Between the
    /// keys the line is drawn anew.
    pub async fn turn(&mut self, reads: bool) -> Turn {
        loop {
            if reads {
                let line = self.ready();
                if line.is_some() || self.ended {
                    return Turn::Typed(line);
                }
            }
            if !self.is_flushed() {
                return Turn::Shown(self.flush().await);
            }
            match self.wake(reads).await {
                Woken::Keys(chunk) => self.keys.take(&chunk),
                Woken::Undecided => {
                    if let Some(key) = self.keys.decide() {
                        self.press(key);
                    }
                }
                Woken::Signal(signal) => self.obey(signal),
                Woken::Closed => self.ended = true,
            }
        }
    }

    async fn wake(&mut self, reads: bool) -> Woken {
        let undecided = reads && self.keys.is_undecided();
        let keys = async {
            when(reads).await;
            self.chunks.recv().await.map_or(Woken::Closed, Woken::Keys)
        };
        let signal = async {
            match self.signals.next().await {
                Some(Ok(signal)) => Woken::Signal(signal),
                _ => future::pending().await,
            }
        };
        let pause = async {
            when(undecided).await;
            Timer::after(KEY).await;
            Woken::Undecided
        };
        future::or(keys, future::or(signal, pause)).await
    }

    /// The next line, if all its keys have come already.
    pub fn ready(&mut self) -> Option<Line> {
        while !self.ended {
            let key = self.keys.next()?;
            if let Some(line) = self.press(key) {
                return Some(Line::Whole(line.into_bytes()));
            }
        }
        None
    }

    /// Takes a message of one line or more, and what has become of it if one's own.
    pub fn message(&mut self, from: &str, text: &str, fate: Option<Fate>) {
        let said = Said { from, mark: "", text, fate };
        let shown = self.paint.said(&said, self.clock.now(), Display::columns());
        self.show(&shown);
    }

    /// Puts back the line that was entered last, to be entered again or changed.
    pub fn put_back(&mut self, line: &str) {
        self.editor.put_back(line);
        self.display.changed();
    }

    /// Takes something to say that is not the room's.
    pub fn notice(&mut self, text: &str) {
        self.display.notice(text);
    }

    /// Whether enough has been gathered for a flush to be due.
    pub fn is_full(&self) -> bool {
        self.display.is_full()
    }

    /// Whether all that was taken is there, and the line as it is now below it.
    pub fn is_flushed(&self) -> bool {
        self.display.is_flushed()
    }

    /// Writes what was taken.
    pub async fn flush(&mut self) -> io::Result<()> {
        let search = self.editor.search();
        let line = display::Line {
            prompt: search.as_deref().unwrap_or(&self.prompt),
            text: self.editor.text(),
            cursor: self.editor.cursor(),
        };
        self.display.flush(&self.paint, (!self.prompt.is_empty()).then_some(line)).await
    }

    fn show(&mut self, shown: &str) {
        let day = self.clock.now().day;
        if self.day.replace(day).is_some_and(|last| last != day) {
            self.display.show(&self.paint.day(day, Display::columns()));
        }
        self.display.show(shown);
    }

    /// The line, if the key was its last.
    fn press(&mut self, key: Key) -> Option<String> {
        // Nothing is being typed.
        if self.prompt.is_empty() {
            return None;
        }
        let tabbed = std::mem::take(&mut self.tabbed);
        match self.editor.press(key) {
            Did::Nothing => {}
            Did::Edited => self.display.changed(),
            Did::Ended => self.ended = true,
            Did::Complete => self.complete(tabbed),
            Did::ClearScreen => self.display.clear(),
            Did::Entered(line) => {
                self.display.changed();
                self.editor.remember(&line);
                return Some(line);
            }
        }
        None
    }

    fn obey(&mut self, signal: Signal) {
        match signal {
            // The line stays where it is, and is drawn anew below.
            Signal::Tstp => Display::suspend(),
            Signal::Cont => self.display.resumed(),
            _ => self.display.changed(),
        }
    }
}

/// What there is to do.
enum Woken {
    Keys(Vec<u8>),
    /// The bytes of a key have not gone on.
    Undecided,
    Signal(Signal),
    Closed,
}
