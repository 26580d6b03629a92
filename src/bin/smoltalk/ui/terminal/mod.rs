//! A terminal with a person at it: what arrives is shown above the line that is being typed.
//!
//! The `screen` is all that is on it, the `bottom` the rows of the line. `look` says how things look,
//! what is `said` and other `events` among them, in `rows` of a `width`; a `fold` has many of them in
//! one. What there is only `in_room`: `members`, whose names Tab completes, as it does `paths`.

mod bottom;
mod clock;
mod complete;
mod events;
mod fold;
mod in_room;
pub mod look;
mod members;
mod paths;
mod raw;
pub mod rows;
mod said;
mod screen;
mod width;

pub use members::{Members, NAMES};
pub use paths::expand;

use super::editor::{Did, Editor, History, Key, Keys};
use super::fate::Fate;
use super::input::{self, Chunks, Line};
use super::turn::Turn;
use crate::wait::when;
use async_signal::{Signal, Signals};
use clock::Clock;
use fold::Fold;
use futures_lite::{StreamExt, future};
use look::Look;
use said::Said;
use screen::Screen;
use smol::Timer;
use smoltalk::protocol::Name;
use std::io;
use std::time::{Duration, Instant};
use tz::DateTime;

/// How long the rest of a key's bytes may take to come: as they are sent together, the network's
/// jitter.
const KEY: Duration = Duration::from_millis(50);

/// The screen and the keyboard. Nothing appears before [`Terminal::flush`].
///
/// Its futures may be dropped half-way and nothing is lost. When it is dropped, the terminal is what
/// it was before.
#[allow(clippy::struct_excessive_bools)]
pub struct Terminal {
    // Dropped first: whatever else there is, the terminal is what it was.
    screen: Screen,
    chunks: Chunks,
    signals: Signals,
    keys: Keys,
    editor: Editor,
    prompt: String,
    /// What is typed is not shown.
    hides: bool,
    /// Tab was the last key, and had more than one thing to put in.
    tabbed: bool,
    ended: bool,
    /// Where the conversation is one of many.
    members: Option<Members>,
    /// The message that was put back last, as it may be meant as a command.
    doubted: Option<String>,
    look: Look,
    clock: Clock,
    /// When something was shown last.
    last: Option<DateTime>,
    /// What comes was missed, and that has been said.
    missed: bool,
    /// Those who come and go in a burst, and when the first of them did.
    fold: Fold,
    folded_at: DateTime,
}

impl Terminal {
    pub fn open(members: Option<Members>, colour: bool, bell: bool) -> io::Result<Self> {
        let signals = Signals::new([Signal::Winch, Signal::Tstp, Signal::Cont])?;
        let clock = Clock::new();
        Ok(Self {
            screen: Screen::open(colour, bell)?,
            chunks: input::chunks()?,
            signals,
            keys: Keys::default(),
            editor: Editor::new(History::kept_in(None)),
            prompt: String::new(),
            hides: false,
            tabbed: false,
            ended: false,
            members,
            doubted: None,
            look: Look { colour, me: None },
            folded_at: clock.now(),
            clock,
            last: None,
            missed: false,
            fold: Fold::default(),
        })
    }

    /// The conversation begins, as `me`.
    pub fn begin(&mut self, me: Name) {
        if self.look.me.replace(me).is_none() {
            self.last = Some(self.clock.now());
        }
    }

    /// From now on, prompts with `text`; there is no line to type if it is empty.
    ///
    /// One that has been begun then can still be read: it may have been much to type.
    pub fn prompt(&mut self, text: &str) {
        if text == self.prompt {
            return;
        }
        if text.is_empty() && !self.editor.text().is_empty() && !self.hides {
            let typed = self.look.typed(self.editor.text(), Screen::columns());
            self.screen.show(&typed);
        }
        self.prompt = text.into();
        Screen::interrupts(!text.is_empty());
        self.screen.changed();
    }

    /// What is typed from now on is not shown, nor kept by the editor; or it is again.
    pub fn hide(&mut self, hides: bool) {
        self.hides = hides;
        self.editor.forget();
        self.screen.changed();
    }

    /// The next line that is entered, if it `reads`; or that what was taken has appeared. Between the
    /// keys the line is drawn anew, and keys are obeyed while the terminal takes nothing.
    ///
    /// Also where it does not read, a Ctrl-D before any other key is the end.
    pub async fn turn(&mut self, reads: bool) -> Turn {
        let had_ended = self.ended;
        loop {
            if reads {
                let line = self.ready();
                if line.is_some() || self.ended {
                    return Turn::Typed(line);
                }
            }
            self.draw();
            match self.wake(reads).await {
                Woken::Shown(shown) if shown.is_err() || self.is_flushed() => {
                    return Turn::Shown(shown);
                }
                Woken::Shown(_) => {}
                Woken::Keys(chunk) => self.keys.take(&chunk),
                Woken::Undecided => {
                    if let Some(key) = self.keys.decide() {
                        self.press(key);
                    }
                }
                Woken::Signal(signal) => self.obey(signal),
                Woken::Due => self.unfold(),
                Woken::Closed => self.ended = true,
            }
            if !reads {
                while let Some(typed) = self.keys.interrupted() {
                    self.interrupt(typed);
                }
            }
            let ends = !reads && self.keys.are_the_end() && self.editor.text().is_empty();
            self.ended |= ends;
            if self.ended && !had_ended {
                return Turn::Typed(None);
            }
        }
    }

    async fn wake(&mut self, reads: bool) -> Woken {
        let undecided = reads && self.keys.is_undecided();
        let takes = reads || !self.ended && self.keys.have_room();
        let unseen = !self.is_flushed();
        let keys = async {
            when(takes).await;
            self.chunks
                .recv()
                .await
                .map_or(Woken::Closed, |keys| keys.map_or(Woken::Closed, Woken::Keys))
        };
        let shown = async {
            when(unseen).await;
            Woken::Shown(self.screen.write().await)
        };
        let signal = async {
            match self.signals.next().await {
                Some(Ok(signal)) => Woken::Signal(signal),
                _ => future::pending().await,
            }
        };
        let folded = self.fold.due();
        let due = async {
            folded.map_or_else(Timer::never, Timer::at).await;
            Woken::Due
        };
        let pause = async {
            when(undecided).await;
            Timer::after(KEY).await;
            Woken::Undecided
        };
        future::or(keys, future::or(signal, future::or(pause, future::or(due, shown)))).await
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
        let now = self.clock.now();
        let shown = self.look.said(&said, now, Screen::columns());
        self.show(&shown, now);
    }

    /// Puts back the line that was entered last, to be entered again or changed.
    pub fn put_back(&mut self, line: &str) {
        self.editor.put_back(line);
        self.screen.changed();
    }

    /// Takes something to say that is not the room's.
    pub fn notice(&mut self, text: &str) {
        self.screen.notice(text);
    }

    /// Whether enough has been gathered for a flush to be due.
    pub fn is_full(&self) -> bool {
        self.screen.is_full()
    }

    /// Whether all that was taken is there, and the line as it is now below it.
    pub fn is_flushed(&self) -> bool {
        self.screen.is_flushed()
    }

    /// Writes what was taken.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.unfold();
        while !self.is_flushed() {
            self.draw();
            self.screen.write().await?;
        }
        Ok(())
    }

    fn draw(&mut self) {
        let search = self.editor.search();
        let line = screen::Entry {
            prompt: search.as_deref().filter(|_| !self.hides).unwrap_or(&self.prompt),
            text: if self.hides { "" } else { self.editor.text() },
            cursor: if self.hides { 0 } else { self.editor.cursor() },
        };
        self.screen.draw(&self.look, (!self.prompt.is_empty()).then_some(&line));
    }

    /// Shows what happened at `now`, below what happened before it.
    fn show(&mut self, shown: &str, now: DateTime) {
        self.unfold();
        let day = |at: DateTime| (at.year(), at.year_day());
        if self.last.replace(now).is_some_and(|last| day(last) != day(now)) {
            self.screen.show(&self.look.day(now, Screen::columns()));
        }
        self.screen.show(shown);
    }

    /// Shows who came and went in a burst.
    fn unfold(&mut self) {
        let at = self.folded_at;
        for line in self.fold.unfold(Instant::now()) {
            self.show(&self.look.presence(&line, at, Screen::columns()), at);
        }
    }

    /// The line, if the key was its last.
    fn press(&mut self, key: Key) -> Option<String> {
        // Nothing is being typed.
        if self.prompt.is_empty() {
            return None;
        }
        let tabbed = std::mem::take(&mut self.tabbed);
        let blank = key == Key::Char(' ');
        match self.editor.press(key) {
            Did::Nothing => {}
            Did::Edited => {
                if blank {
                    self.address_reply();
                }
                self.screen.changed();
            }
            Did::Ended => self.ended = true,
            Did::Interrupted => Screen::interrupt(),
            Did::Complete => self.complete(tabbed),
            Did::ClearScreen => self.screen.clear(),
            Did::Entered(line) => {
                self.screen.changed();
                if !self.hides {
                    self.editor.remember(&line);
                }
                return Some(line);
            }
        }
        None
    }

    /// Ctrl-C while no line is read: takes back what was typed, or else all.
    fn interrupt(&mut self, typed: bool) {
        match self.editor.press(Key::Ctrl('c')) {
            Did::Interrupted if !typed => Screen::interrupt(),
            _ => self.screen.changed(),
        }
    }

    fn obey(&mut self, signal: Signal) {
        match signal {
            // The line stays where it is, and is drawn anew below.
            Signal::Tstp => Screen::suspend(),
            Signal::Cont => self.screen.resumed(),
            _ => self.screen.changed(),
        }
    }
}

/// What there is to do.
enum Woken {
    Shown(io::Result<()>),
    Keys(Vec<u8>),
    /// The bytes of a key have not gone on.
    Undecided,
    Signal(Signal),
    /// Those who came and went are to be shown.
    Due,
    Closed,
}
