//! An event of a room as a line. What the library hands out is safe to print.

use super::terminal::look::colour;
use super::terminal::rows::PLAIN;
use smoltalk::client::Event;
use smoltalk::protocol::Name;

/// The line that shows `event`; `None` where it says nothing about the room.
pub fn of(event: &Event, colour: bool) -> Option<String> {
    let named = |name: &Name| name_of(name, colour);
    Some(match event {
        Event::Msg { from, text } => format!("<{}> {text}", named(from)),
        Event::Tell { from, text } => format!("<{}> [to you] {text}", named(from)),
        Event::Who(names) => {
            let here = format!("* {} here:", names.len());
            names.iter().fold(here, |line, name| line + " " + &named(name))
        }
        Event::Note(text) => format!("* note: {text}"),
        event => format!("* {}", presence(event, named)?),
    })
}

/// Who has come or gone, if that is what `event` says.
pub fn presence(event: &Event, named: impl Fn(&Name) -> String) -> Option<String> {
    match event {
        Event::Joined(name) => Some(format!("{} joined", named(name))),
        Event::Left { name, reason } if reason.is_empty() => Some(format!("{} left", named(name))),
        Event::Left { name, reason } => Some(format!("{} left ({reason})", named(name))),
        _ => None,
    }
}

fn name_of(name: &Name, coloured: bool) -> String {
    if coloured { format!("{}{name}{PLAIN}", colour(name.as_str())) } else { name.to_string() }
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
            (Event::Note(text()), "* note: hi"),
            (Event::Joined(bob), "* bob joined"),
            (Event::Left { name: bob, reason: String::new() }, "* bob left"),
            (Event::Left { name: bob, reason: "stalled".into() }, "* bob left (stalled)"),
            (Event::Who(vec![name("ada"), bob, name("eve")]), "* 3 here: ada bob eve"),
        ] {
            assert_eq!(of(&event, false).as_deref(), Some(line));
        }
        assert_eq!(of(&Event::Pong(text()), false), None);
    }
}
