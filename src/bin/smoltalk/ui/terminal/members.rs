//! Who is in the room, as far as a terminal knows, and so what Tab can put in.

use super::complete::{self, Completion};
use super::paths;
use crate::ui::grammar::Grammar;
use smoltalk::client::Event;
use smoltalk::protocol::Name;
use std::collections::VecDeque;

/// Names that are kept, 33 KB of them. More are no help in completing one, the server tells of no
/// more who come and go, and a room of passing names would fill the memory.
pub const NAMES: usize = 1000;

/// What a terminal knows of a room.
pub struct Members {
    grammar: Grammar,
    /// Whoever was heard of last stands last.
    here: VecDeque<Name>,
    /// Who told one something last.
    teller: Option<Name>,
    /// The answer to a WHO that nobody has typed is still to come.
    asked: bool,
}

impl Members {
    pub fn new(grammar: Grammar) -> Self {
        Self { grammar, here: VecDeque::new(), teller: None, asked: false }
    }

    /// One is in; whether WHO is `asked`. Who was here before one was away may have gone.
    pub fn begin(&mut self, asked: bool) {
        *self = Self { asked, teller: self.teller, ..Self::new(self.grammar) };
    }

    /// What to put in the place of a reply that has been begun, so that it says whom it goes to: somebody
    /// else may tell something meanwhile.
    pub fn reply(&self, line: &str) -> Option<String> {
        let slash = if self.grammar == Grammar::Chat { "/" } else { "" };
        let teller = self.teller.filter(|_| line == format!("{slash}reply "))?;
        Some(format!("{slash}tell {teller} "))
    }

    /// What to type instead of a message to all that may be meant as a command.
    pub fn doubt(&self, line: &str) -> Option<String> {
        self.grammar.doubt(line.as_bytes(), |name| self.here.contains(name))
    }

    /// Whether a bare line is a message here.
    pub fn chats(&self) -> bool {
        self.grammar != Grammar::Commands
    }

    /// What may be meant at the end of `line`.
    pub fn complete(&self, line: &str) -> Completion {
        let path = paths::at_end(line, self.grammar);
        path.unwrap_or_else(|| self.complete_name(line))
    }

    fn complete_name(&self, line: &str) -> Completion {
        complete::at_end(line, self.grammar, &self.here.iter().copied().collect())
    }

    /// Notes who is here. Whether `event` is also to be shown.
    pub fn note(&mut self, event: &Event) -> bool {
        match event {
            Event::Joined(name) => self.came(*name),
            Event::Left { name, .. } => self.went(name),
            Event::Msg { from, .. } => self.came(*from),
            Event::Tell { from, .. } => {
                self.teller = Some(*from);
                self.came(*from);
            }
            Event::Who(names) => {
                self.here = names.iter().copied().take(NAMES).collect();
                return !std::mem::take(&mut self.asked);
            }
            _ => {}
        }
        true
    }

    /// Who is new, or speaks again, is the last to be forgotten.
    fn came(&mut self, name: Name) {
        if self.here.back() == Some(&name) {
            return;
        }
        self.went(&name);
        if self.here.len() == NAMES {
            self.here.pop_front();
        }
        self.here.push_back(name);
    }

    fn went(&mut self, name: &Name) {
        self.here.retain(|here| here != name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(spelt: &str) -> Name {
        Name::new(spelt.as_bytes()).expect("a name")
    }

    #[test]
    fn a_room_of_passing_names_is_forgotten_but_for_the_last() {
        let mut members = Members::new(Grammar::Chat);
        let bob = Event::Msg { from: name("bob"), text: String::new() };
        for n in 0..5 * NAMES {
            members.note(&Event::Joined(name(&format!("n{n}"))));
            if n % 500 == 0 {
                members.note(&bob);
            }
            assert!(members.here.len() <= NAMES);
        }
        let complete = |part: &str| members.complete(&format!("/tell {part}")).words;
        assert_eq!(complete("bo"), ["bob"], "he speaks now and then");
        assert_eq!(complete("n4999"), ["n4999"]);
        assert_eq!(complete("n0"), Vec::<String>::new());
    }

    #[test]
    fn of_a_crowd_no_more_is_kept() {
        let mut members = Members::new(Grammar::Chat);
        let crowd = (0..3 * NAMES).map(|n| name(&format!("n{n}"))).collect();
        assert!(members.note(&Event::Who(crowd)));
        assert_eq!(members.here.len(), NAMES);
        members.note(&Event::Left { name: name("N7"), reason: String::new() });
        assert_eq!(members.here.len(), NAMES - 1, "names are compared without case");
    }
}
