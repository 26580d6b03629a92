//! Whom one ignores and whom one replies to, as long as this run lasts.

use smoltalk::client::Event;
use smoltalk::protocol::Name;
use std::collections::BTreeSet;

/// What one thinks of the others.
#[derive(Debug, Default)]
pub struct Others {
    ignored: BTreeSet<Name>,
    /// Who told one something last.
    pub teller: Option<Name>,
}

impl Others {
    /// Takes what happened; whether it is to be shown. Of whom one ignores, that he comes and goes is
    /// not either.
    pub fn show(&mut self, event: &Event) -> bool {
        let whose = match event {
            Event::Msg { from, .. } | Event::Tell { from, .. } | Event::Data { from, .. } => from,
            Event::Joined(name) | Event::Left { name, .. } => name,
            _ => return true,
        };
        if self.ignored.contains(whose) {
            return false;
        }
        if let Event::Tell { from, .. } = event {
            self.teller = Some(*from);
        }
        true
    }

    /// Ignores one from now on, if it is given; says who is ignored.
    pub fn ignore(&mut self, name: Option<Name>) -> String {
        self.ignored.extend(name);
        self.teller = self.teller.filter(|teller| !self.ignored.contains(teller));
        let names: Vec<&str> = self.ignored.iter().map(Name::as_str).collect();
        let names = if names.is_empty() { "nobody".into() } else { names.join(" ") };
        format!("* you ignore {names}")
    }

    /// Ignores one no more; says so.
    pub fn unignore(&mut self, name: &Name) -> String {
        match self.ignored.take(name) {
            Some(name) => format!("* you hear {name} again"),
            None => format!("* you did not ignore {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(spelt: &str) -> Name {
        Name::new(spelt.as_bytes()).expect("a name")
    }

    fn tell(from: &str) -> Event {
        Event::Tell { from: name(from), text: "psst".into() }
    }

    #[test]
    fn of_whom_one_ignores_nothing_is_shown() {
        let mut others = Others::default();
        assert_eq!(others.ignore(None), "* you ignore nobody");
        assert!(others.show(&tell("bob")));
        assert_eq!(others.ignore(Some(name("Bob"))), "* you ignore Bob");
        assert_eq!(others.teller, None, "what one ignores, one does not reply to");
        let bob = name("bob");
        let text = String::new;
        for event in [
            Event::Msg { from: bob, text: text() },
            Event::Data { from: bob, bytes: Vec::new() },
            Event::Joined(bob),
            Event::Left { name: bob, reason: text() },
            tell("bob"),
        ] {
            assert!(!others.show(&event), "{event:?}");
        }
        assert!(others.show(&Event::Who(vec![bob])) && others.show(&tell("eve")));
        assert_eq!(others.ignore(Some(name("ada"))), "* you ignore ada Bob");
        assert_eq!(others.teller, Some(name("eve")));
    }

    #[test]
    fn who_is_not_ignored_any_more_is_heard() {
        let mut others = Others::default();
        assert_eq!(others.unignore(&name("bob")), "* you did not ignore bob");
        others.ignore(Some(name("bob")));
        assert_eq!(others.unignore(&name("BOB")), "* you hear bob again");
        assert!(others.show(&tell("bob")));
    }
}
