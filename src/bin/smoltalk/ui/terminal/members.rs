//! Who is in the room, as far as a terminal knows, and so what Tab can put in.

use super::complete::{self, Completion};
use crate::ui::grammar::Grammar;
use smoltalk::client::Event;
use smoltalk::protocol::Name;
use std::collections::BTreeSet;

/// What a terminal knows of a room.
pub struct Members {
    grammar: Grammar,
    here: BTreeSet<Name>,
    /// The answer to a WHO that nobody has typed is still to come.
    asked: bool,
}

impl Members {
    pub fn new(grammar: Grammar) -> Self {
        Self { grammar, here: BTreeSet::new(), asked: false }
    }

    /// One is in; whether WHO is `asked`. Who was here before one was away may have gone.
    pub fn begin(&mut self, asked: bool) {
        *self = Self { asked, ..Self::new(self.grammar) };
    }

    /// What may be meant at the end of `line`.
    pub fn complete(&self, line: &str) -> Completion {
        complete::at_end(line, self.grammar, &self.here)
    }

    /// Notes who is here. Whether `event` is also to be shown.
    pub fn note(&mut self, event: &Event) -> bool {
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
