//! Those who come and go at the same time, as one line.

use crate::ui::line::presence;
use smoltalk::client::Event;
use smoltalk::protocol::Name;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// From one line about those who come and go to the next, while they keep coming and going.
const PAUSE: Duration = Duration::from_secs(1);

/// Whom a line names. The others it counts.
const NAMED: usize = 10;

/// So many have a line each.
const FEW: usize = 3;

/// Those whom a line is about at most.
const MOST: usize = 1000;

/// Different things that befall those who are gathered.
const KINDS: usize = 8;

/// Gathers who comes and goes. Who does so alone is shown at once.
#[derive(Debug, Default)]
pub struct Fold {
    /// When a line about them was shown last.
    last: Option<Instant>,
    /// All who are gathered.
    gathered: BTreeSet<Name>,
    groups: Vec<Group>,
    /// Each is shown at once, whatever comes.
    never: bool,
}

/// Those whom the same has befallen.
#[derive(Debug)]
struct Group {
    /// What has: ` joined`, ` left (stalled)`.
    what: String,
    count: usize,
    /// The first of them.
    named: Vec<Name>,
}

impl Fold {
    /// One that gathers nobody: what waits has not been shown.
    pub fn never() -> Self {
        Self { never: true, ..Self::default() }
    }

    /// Whether `event` is to wait for others like it: there has just been one.
    pub fn gathers(&mut self, event: &Event, now: Instant) -> bool {
        if self.never || subject(event).is_none() {
            return false;
        }
        let alone = |last: Instant| now.saturating_duration_since(last) >= PAUSE;
        let gathers = !self.groups.is_empty() || !self.last.is_none_or(alone);
        if !gathers {
            self.last = Some(now);
        }
        gathers
    }

    /// Whether what was gathered has to be shown before `event` is added: one line would not say in
    /// which order somebody came and went.
    pub fn is_before(&self, event: &Event) -> bool {
        let again = |name| self.gathered.contains(name);
        let full = self.gathered.len() >= MOST || self.groups.len() >= KINDS;
        full || subject(event).is_some_and(again)
    }

    /// Gathers `event`.
    pub fn add(&mut self, event: &Event) {
        let (Some(name), Some(what)) = (subject(event), presence(event, |_| String::new())) else {
            return;
        };
        self.gathered.insert(*name);
        let at = self.groups.iter().position(|group| group.what == what);
        let at = at.unwrap_or_else(|| {
            self.groups.push(Group { what, count: 0, named: Vec::new() });
            self.groups.len() - 1
        });
        let group = &mut self.groups[at];
        group.count += 1;
        if group.named.len() < NAMED {
            group.named.push(*name);
        }
    }

    /// When what was gathered is to be shown, if anything was.
    pub fn due(&self) -> Option<Instant> {
        self.last.filter(|_| !self.groups.is_empty()).map(|last| last + PAUSE)
    }

    /// What was gathered, a line for each kind; or for each of them, where they are few.
    pub fn unfold(&mut self, now: Instant) -> Vec<String> {
        if !self.groups.is_empty() {
            self.last = Some(now);
        }
        self.gathered.clear();
        self.groups.drain(..).flat_map(Group::lines).collect()
    }
}

impl Group {
    fn lines(self) -> Vec<String> {
        let Self { what, count, named } = self;
        if count <= FEW {
            return named.iter().map(|name| format!("{name}{what}")).collect();
        }
        let names: Vec<&str> = named.iter().map(Name::as_str).collect();
        let line = format!("{count}{what}: {}", names.join(" "));
        match count - named.len() {
            0 => vec![line],
            more => vec![format!("{line} … and {more} more")],
        }
    }
}

/// Who has come or gone, if that is what `event` says.
fn subject(event: &Event) -> Option<&Name> {
    match event {
        Event::Joined(name) | Event::Left { name, .. } => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(spelt: &str) -> Name {
        Name::new(spelt.as_bytes()).expect("a name")
    }

    fn joined(spelt: &str) -> Event {
        Event::Joined(name(spelt))
    }

    fn left(spelt: &str, reason: &str) -> Event {
        Event::Left { name: name(spelt), reason: reason.into() }
    }

    #[test]
    fn where_each_is_to_be_shown_none_is_gathered() {
        let (mut fold, now) = (Fold::never(), Instant::now());
        assert!(!fold.gathers(&joined("ada"), now) && !fold.gathers(&joined("bob"), now));
    }

    /// All lines about `events` that come at the same time.
    fn lines(events: &[Event]) -> Vec<String> {
        let (mut fold, now, mut lines) = (Fold::default(), Instant::now(), Vec::new());
        for event in events {
            if !fold.gathers(event, now) {
                lines.extend(presence(event, Name::to_string));
                continue;
            }
            if fold.is_before(event) {
                lines.extend(fold.unfold(now));
            }
            fold.add(event);
        }
        lines.extend(fold.unfold(now));
        lines
    }

    #[test]
    fn who_comes_with_many_is_one_of_them() {
        let crowd: Vec<Event> = (0..200).map(|n| joined(&format!("n{n}"))).collect();
        let expected = ["n0 joined", "199 joined: n1 n2 n3 n4 n5 n6 n7 n8 n9 n10 … and 189 more"];
        assert_eq!(lines(&crowd), expected);
    }

    #[test]
    fn each_fate_has_its_line() {
        let events = [
            left("ada", ""),
            left("bob", "stalled"),
            joined("eve"),
            left("dan", "stalled"),
            left("fay", ""),
            left("gus", "stalled"),
            left("hal", "stalled"),
        ];
        assert_eq!(
            lines(&events),
            ["ada left", "4 left (stalled): bob dan gus hal", "eve joined", "fay left"]
        );
    }

    #[test]
    fn who_goes_and_comes_back_is_there_in_the_end() {
        let events = [left("ada", ""), left("bob", ""), joined("Bob"), left("eve", "")];
        assert_eq!(lines(&events), ["ada left", "bob left", "Bob joined", "eve left"]);
    }

    #[test]
    fn one_after_the_other_each_is_shown_at_once() {
        let (mut fold, start) = (Fold::default(), Instant::now());
        for seconds in 0..3 {
            let now = start + PAUSE * seconds;
            assert!(!fold.gathers(&joined("ada"), now), "{seconds}");
        }
        let soon = start + PAUSE * 5 / 2;
        assert!(fold.gathers(&joined("bob"), soon));
        assert_eq!(fold.due(), None);
        fold.add(&joined("bob"));
        assert_eq!(fold.due(), Some(start + PAUSE * 3));
        let talk = Event::Msg { from: name("ada"), text: "hi".into() };
        assert!(!fold.gathers(&talk, soon));
    }

    #[test]
    fn no_more_are_gathered_than_a_line_is_about() {
        let mut fold = Fold::default();
        for n in 0..MOST {
            let event = joined(&format!("n{n}"));
            assert!(!fold.is_before(&event));
            fold.add(&event);
        }
        assert!(fold.is_before(&joined("bob")));
        let mut fold = Fold::default();
        (0..KINDS).for_each(|n| fold.add(&left(&format!("n{n}"), &n.to_string())));
        assert!(fold.is_before(&left("bob", "x")));
    }
}
