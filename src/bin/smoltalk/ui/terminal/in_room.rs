//! What a terminal does in a room, where there are many: shows events, and completes names.

use super::Terminal;
use super::fold::Fold;
use super::look::Look;
use super::members::Members;
use super::screen::Screen;
use crate::ui::editor::{Editor, History, history};
use crate::ui::when::When;
use smoltalk::client::Event;
use smoltalk::protocol::text::to_safe;
use smoltalk::protocol::{Command, Name};
use std::time::Instant;
use tz::DateTime;

impl Terminal {
    /// From now on, whoever comes and goes is shown at once: what is shown is noted.
    pub fn folds_nothing(&mut self) {
        self.fold = Fold::never();
    }

    /// The conversation begins, as `me`. Whether the room will be asked who is here.
    pub fn joined(&mut self, me: Name, asks: bool) {
        if let Some(members) = &mut self.members {
            members.begin(asks);
        }
        // He who comes back goes on typing.
        if self.look.me.is_none() {
            let chats = self.members.as_ref().is_some_and(Members::chats);
            self.editor = Editor::new(History::kept_in(history::file(chats)));
        }
        self.begin(me);
    }

    /// Takes an event to show.
    pub fn event(&mut self, event: &Event, when: When) {
        // Who spoke then may have gone.
        let now = !when.before;
        if now && !self.members.as_mut().is_none_or(|members| members.note(event)) {
            return;
        }
        let at = when.ms().map_or_else(|| self.clock.now(), |ms| self.clock.at(ms));
        if self.folds(event, at) {
            return;
        }
        if let Some(shown) = self.look.event(event, at, Screen::columns()) {
            if now && self.look.concerns_me(event) {
                self.screen.ring();
            }
            self.show(&shown, at);
        }
    }

    /// Puts off showing `event`, which happened at a time, if it is one of many alike.
    fn folds(&mut self, event: &Event, at: DateTime) -> bool {
        let folds = self.fold.gathers(event, Instant::now());
        if folds {
            if self.fold.is_before(event) {
                self.unfold();
            }
            if self.fold.due().is_none() {
                self.folded_at = at;
            }
            self.fold.add(event);
        }
        folds
    }

    /// What comes now was missed, or no more of it comes.
    pub fn missed(&mut self, begins: bool) {
        if self.missed != begins {
            self.unfold();
            self.missed = begins;
            self.screen.show(&self.look.missed(begins, Screen::columns()));
        }
    }

    /// Takes a message that was typed: it is shown as others see it.
    pub fn said(&mut self, command: &Command<'_>) {
        let (to, text) = match command {
            Command::Msg(text) => (None, text),
            Command::Tell(to, text) => (Some(to), text),
            _ => return,
        };
        let (now, columns) = (self.clock.now(), Screen::columns());
        self.show(&self.look.own(to, &to_safe(text), now, columns), now);
    }

    /// Takes a line that was typed and is no message: it stays as it was.
    pub fn typed(&mut self, line: &[u8]) {
        let lines: Vec<String> = line.split(|b| *b == b'\n').map(to_safe).collect();
        let typed = self.look.typed(&lines.join("\n"), Screen::columns());
        self.screen.show(&typed);
    }

    /// Puts a message to all back, once, that may be meant as a command; whether it did. Who types on
    /// has no doubt.
    pub fn doubts(&mut self, line: &[u8]) -> bool {
        let Some(members) = self.members.as_ref().filter(|_| self.keys.are_all_taken()) else {
            return false;
        };
        let line = to_safe(line);
        let doubted = self.doubted.take().is_some_and(|before| before == line);
        let Some(command) = members.doubt(&line).filter(|_| !doubted) else { return false };
        self.notice(&format!("smoltalk: to say this to all, press Enter again; {command}"));
        self.put_back(&line);
        self.doubted = Some(line);
        true
    }

    /// Says whom a reply goes to that is being begun.
    pub(super) fn address_reply(&mut self) {
        let members = self.members.as_ref();
        if let Some(tell) = members.and_then(|members| members.reply(self.editor.text())) {
            self.editor.complete(0, &tell);
        }
    }

    /// Puts in what is sure to be meant at the cursor. Where more than one thing may be, a second
    /// Tab shows them.
    pub(super) fn complete(&mut self, tabbed: bool) {
        let Some(members) = &self.members else { return };
        let line = &self.editor.text()[..self.editor.cursor()];
        let completion = members.complete(line);
        let unfinished = line.len() - completion.start;
        match completion.common() {
            Some(common) if common.len() > unfinished => {
                self.editor.complete(completion.start, &common);
            }
            Some(_) if tabbed => {
                let words = completion.words.join("  ");
                self.screen.show(&Look::notice(&words, Screen::columns()));
            }
            found => self.tabbed = found.is_some(),
        }
        self.screen.changed();
    }
}
