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
mod width;

use crate::console::Turn;
use crate::input::{self, Line};
use crate::typed::Grammar;
use crate::wait::when;
use async_channel::Receiver;
use async_signal::{Signal, Signals};
use clock::{Clock, Day};
use display::Display;
use editor::{Did, Editor};
use futures_lite::{StreamExt, future};
use history::History;
use keys::{Key, Keys};
use paint::Paint;
use smol::Timer;
use smoltalk::client::Event;
use smoltalk::protocol::{Command, Name};
use smoltalk::text::to_safe;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

/// How long the rest of a key's bytes may take to come: as they are sent together, the network's
/// jitter.
const KEY: Duration = Duration::from_millis(50);

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
    grammar: Grammar,
    paint: Paint,
    clock: Clock,
    /// The day of what was shown last.
    day: Option<Day>,
    here: BTreeSet<Name>,
    /// The answer to a WHO that nobody has typed is still to come.
    asked: bool,
}

impl Terminal {
    pub fn open(grammar: Grammar, colour: bool, bell: bool) -> io::Result<Self> {
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
            grammar,
            paint: Paint { colour, me: None },
            clock: Clock::new(),
            day: None,
            here: BTreeSet::new(),
            asked: false,
        })
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

    /// The conversation begins, as `me`. Whether the room will be asked who is here.
    pub fn joined(&mut self, me: Name, asks: bool) {
        self.asked = asks;
        // He who comes back goes on typing.
        if self.paint.me.replace(me).is_none() {
            self.editor = Editor::new(History::kept_in(history::file()));
            self.day = Some(self.clock.now().day);
        }
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
            if !self.display.is_flushed() {
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

    /// Takes an event to show.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Joined(name) => drop(self.here.insert(*name)),
            Event::Left { name, .. } => drop(self.here.remove(name)),
            Event::Msg { from, .. } | Event::Tell { from, .. } => drop(self.here.insert(*from)),
            Event::Who(names) => {
                self.here = names.iter().copied().collect();
                if std::mem::take(&mut self.asked) {
                    return;
                }
            }
            _ => {}
        }
        let shown = self.paint.event(event, self.clock.now(), Display::columns());
        if let Some(shown) = shown {
            if self.paint.concerns_me(event) {
                self.display.ring();
            }
            self.show(&shown);
        }
    }

    /// Takes a message that was typed: it is shown as others see it.
    pub fn said(&mut self, command: &Command<'_>) {
        let (to, text) = match command {
            Command::Msg(text) => (None, text),
            Command::Tell(to, text) => (Some(to), text),
            _ => return,
        };
        let (now, columns) = (self.clock.now(), Display::columns());
        self.show(&self.paint.own(to, &to_safe(text), now, columns));
    }

    /// Takes a line that was typed and is no message: it stays as it was.
    pub fn typed(&mut self, line: &[u8]) {
        let typed = self.paint.typed(&to_safe(line), Display::columns());
        self.display.show(&typed);
    }

    /// Takes something to say that is not the room's.
    pub fn notice(&mut self, text: &str) {
        self.display.notice(text);
    }

    /// Whether enough has been gathered for a flush to be due.
    pub fn is_full(&self) -> bool {
        self.display.is_full()
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

    fn complete(&mut self, tabbed: bool) {
        let line = &self.editor.text()[..self.editor.cursor()];
        let completion = complete::at_end(line, self.grammar, &self.here);
        let unfinished = line.len() - completion.start;
        match completion.common() {
            Some(common) if common.len() > unfinished => {
                self.editor.complete(completion.start, &common);
            }
            Some(_) if tabbed => {
                let words = completion.words.join("  ");
                self.display.show(&Paint::notice(&words, Display::columns()));
            }
            found => self.tabbed = found.is_some(),
        }
        self.display.changed();
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
