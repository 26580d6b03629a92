//! How an event looks, and the fate of a message. What the library hands out is safe to print.

use smoltalk::client::Event;
use smoltalk::protocol::Name;
use std::fmt;
use std::time::Duration;

/// With or without colour.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub colour: bool,
}

impl Look {
    /// The line that shows `event`; `None` where it says nothing about the room.
    pub fn line(self, event: &Event) -> Option<String> {
        Some(match event {
            Event::Msg { from, text } => format!("<{}> {text}", self.name(from)),
            Event::Tell { from, text } => format!("<{}> [to you] {text}", self.name(from)),
            Event::Joined(name) => format!("* {} joined", self.name(name)),
            Event::Left { name, reason } if reason.is_empty() => {
                format!("* {} left", self.name(name))
            }
            Event::Left { name, reason } => format!("* {} left ({reason})", self.name(name)),
            Event::Who(names) => {
                let here = format!("* {} here:", names.len());
                names.iter().fold(here, |line, name| line + " " + &self.name(name))
            }
            _ => return None,
        })
    }

    /// A name, in the same colour wherever it comes.
    fn name(self, name: &Name) -> String {
        if !self.colour {
            return name.to_string();
        }
        // Red to cyan. Neither black nor white: one of them is the background.
        let sum: u32 = name.as_bytes().iter().map(|b| u32::from(b.to_ascii_lowercase())).sum();
        format!("\x1b[{}m{name}\x1b[m", 31 + sum % 6)
    }
}

/// What has become of a message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Whoever it was for has it, and so long it took until that was known.
    Acknowledged(Duration),
    /// The other side does not take it.
    Refused,
    /// Nobody knows, and nobody will.
    Unacknowledged,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledged(round_trip) => write!(f, "✓ {}", in_its_unit(*round_trip)),
            Self::Refused => f.write_str("✗ refused"),
            Self::Unacknowledged => f.write_str("✗ not acknowledged"),
        }
    }
}

/// A round trip, short enough to read.
pub fn in_its_unit(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..10_000 => format!("{micros} µs"),
        micros @ 10_000..10_000_000 => format!("{} ms", micros / 1_000),
        micros => format!("{} s", micros / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(spelt: &str) -> Name {
        Name::new(spelt.as_bytes()).expect("a name")
    }

    #[test]
    fn each_event_of_the_room_has_its_form() {
        let bob = name("bob");
        let text = || "hi".to_string();
        for (event, line) in [
            (Event::Msg { from: bob, text: text() }, "<bob> hi"),
            (Event::Tell { from: bob, text: text() }, "<bob> [to you] hi"),
            (Event::Joined(bob), "* bob joined"),
            (Event::Left { name: bob, reason: String::new() }, "* bob left"),
            (Event::Left { name: bob, reason: "stalled".into() }, "* bob left (stalled)"),
            (Event::Who(vec![name("ada"), bob, name("eve")]), "* 3 here: ada bob eve"),
        ] {
            assert_eq!(Look { colour: false }.line(&event).as_deref(), Some(line));
        }
        assert_eq!(Look { colour: false }.line(&Event::Pong(text())), None);
    }

    #[test]
    fn a_name_keeps_its_colour_whatever_its_case() {
        let look = Look { colour: true };
        assert_eq!(look.name(&name("bob")), "\x1b[32mbob\x1b[m");
        assert_eq!(look.name(&name("BOB")), "\x1b[32mBOB\x1b[m");
    }

    #[test]
    fn a_round_trip_is_short_to_read() {
        for (micros, shown) in [
            (184, "184 µs"),
            (9_999, "9999 µs"),
            (10_000, "10 ms"),
            (9_999_999, "9999 ms"),
            (10_000_000, "10 s"),
        ] {
            assert_eq!(in_its_unit(Duration::from_micros(micros)), shown);
        }
    }
}
