//! A terminal in a room: its events, its members, and the commands that can be typed there.

use super::Terminal;
use super::complete;
use super::display::Display;
use super::editor::Editor;
use super::history::{self, History};
use super::paint::Paint;
use crate::typed::Grammar;
use smoltalk::client::Event;
use smoltalk::protocol::text::to_safe;
use smoltalk::protocol::{Command, Name};
use std::collections::BTreeSet;

/// What a terminal knows of a room.
pub struct Room {
    grammar: Grammar,
    here: BTreeSet<Name>,
    /// The answer to a WHO that nobody has typed is still to come.
    asked: bool,
}

impl Room {
    pub fn new(grammar: Grammar) -> Self {
        Self { grammar, here: BTreeSet::new(), asked: false }
    }

    /// Notes who is here. Whether `event` is also to be shown.
    fn note(&mut self, event: &Event) -> bool {
        match event {
            Event::Joined(name) => drop(self.here.insert(*name)),
            Event::Left { name, .. } => drop(self.here.remove(name)),
            Event::Msg { from, .. } | Event::Tell { from, .. } => drop(self.here.insert(*from)),
            Event::Who(names) => {
                self.here = names.iter().copied().collect();
                return !std::mem::take(&mut self.asked);
            }
            _ => {}
        }
        true
    }
}

impl Terminal {
    /// The conversation begins, as `me`. Whether the room will be asked who is here.
    pub fn joined(&mut self, me: Name, asks: bool) {
        if let Some(room) = &mut self.room {
            // Who was here before one was away may have gone.
            *room = Room { asked: asks, ..Room::new(room.grammar) };
        }
        // He who comes back goes on typing.
        if self.paint.me.is_none() {
            self.editor = Editor::new(History::kept_in(history::file()));
        }
        self.begin(me);
    }

    /// Takes an event to show.
    pub fn event(&mut self, event: &Event) {
        if !self.room.as_mut().is_none_or(|room| room.note(event)) {
            return;
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

    /// Puts in what is sure to be meant at the cursor. Where more than one thing may be, a second
    /// Tab shows them.
    pub(super) fn complete(&mut self, tabbed: bool) {
        let Some(Room { grammar, here, .. }) = &self.room else { return };
        let line = &self.editor.text()[..self.editor.cursor()];
        let completion = complete::at_end(line, *grammar, here);
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
}
