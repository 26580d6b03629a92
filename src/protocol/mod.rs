//! The words of smoltalk/1: what a client may say ([`Command`]) and what a server says ([`Event`]).
//!
//! Pure: parsing takes one line without its line end and borrows from it, rendering appends to the
//! caller's buffer. No clock, no socket. `PROTOCOL.md` is the public text of it.

mod command;
mod event;
mod foreign;
pub mod frames;
mod id;
mod key;
pub mod lines;
mod name;
mod options;
mod refusal;
mod reply;
mod secret;
pub mod telnet;
pub mod text;

pub use command::{Command, Refused, Speaker};
pub use event::{Event, Standing};
pub use foreign::{begins_foreign, is_foreign};
pub use id::Id;
pub use key::Key;
pub use name::Name;
pub use options::{Form, JoinOptions};
pub use refusal::Refusal;
pub use secret::Secret;

use text::push_safe;

/// What HELLO says that the server speaks.
pub const VERSION: &str = "smoltalk/1";

/// What HELLO says to a person.
pub const WELCOME: &str = "JOIN <name> to enter, HELP for help";

/// The same, where the room has a key.
pub const WELCOME_WITH_KEY: &str = "PASS <key>, then JOIN <name> to enter, HELP for help";

/// What HELP answers, a line each.
pub const HELP: [&str; 11] = [
    "JOIN <name>        enter the room; a name is 1 to 32 of A-Z a-z 0-9 _ - .",
    "JOIN <name> last=9 the same, and shows the last 9 messages; more options: data id echo since= resume=",
    "PASS <key>         before JOIN, where the room has a key",
    "MSG <text>         say something to everybody else",
    "TELL <name> <text> say something to one member",
    "DATA <len>         say the <len> bytes that follow, and an LF; JOIN with data gets them as they are",
    "WHO                who is here",
    "PING [token]       PONG comes once all you said before is in the room",
    "LEAVE              leave the room and close the connection",
    "HELP               this",
    "From a terminal: nc and telnet will do, one command a line.",
];

/// The first word of `line`, and what follows the one space that ends it.
pub(crate) fn word(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|b| *b == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[]),
    }
}

/// Appends the words, then a space and the text made safe if there is one, then LF.
pub(crate) fn line(out: &mut Vec<u8>, words: &[&[u8]], text: Option<&[u8]>) {
    for word in words {
        out.extend_from_slice(word);
    }
    if let Some(text) = text {
        out.push(b' ');
        push_safe(out, text);
    }
    out.push(b'\n');
}

/// A payload's length: decimal digits, however many. What is more than a `u64` is that much.
pub(crate) fn length(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |len, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        Some(len.saturating_mul(10).saturating_add(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub fn name(spelt: &str) -> Name {
        Name::new(spelt.as_bytes()).expect("a good name")
    }

    pub fn rendered(render: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        render(&mut out);
        String::from_utf8(out).expect("what is rendered is UTF-8")
    }

    fn names() -> impl Strategy<Value = Name> {
        "[A-Za-z0-9_.-]{1,32}".prop_map(|spelt| name(&spelt))
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(line: Vec<u8>) {
            for is_member in [false, true] {
                let _ = Command::parse(&line, Speaker { is_member, payload: 65_536, shut_out: None });
            }
            let _ = Event::parse(&line);
            let _ = is_foreign(lines::Line::Whole(&line));
        }

        #[test]
        fn a_rendered_command_parses_back(ada in names(), n in 1..=usize::MAX, text in "[^\\p{C}]+") {
            let text = text.as_bytes();
            let [form, data, ids, both] = Form::ALL.map(|form| JoinOptions { form, ..JoinOptions::default() });
            for command in [
                Command::Join(ada, form), Command::Join(ada, data), Command::Join(ada, ids), Command::Join(ada, both), Command::Data(n), Command::Msg(text), Command::Tell(ada, text), Command::Who,
                Command::Ping(text), Command::Ping(b""), Command::Help, Command::Leave, Command::Pass(text),
            ] {
                let line = rendered(|out| command.render(out));
                let is_member = !matches!(command, Command::Join(..) | Command::Pass(_));
                let speaker = Speaker { is_member, payload: usize::MAX, shut_out: None };
                prop_assert_eq!(Command::parse(line.trim_end_matches('\n').as_bytes(), speaker), Ok(command));
            }
        }

        #[test]
        fn a_rendered_event_parses_back(ada in names(), n: usize, text in "[^\\p{C}]+") {
            let text = text.as_bytes();
            let standing = Standing { id: Id::from_ms(n as u64), token: Secret::from_random([1; 24]) };
            for event in [
                Event::Hello(b"smoltalk/1", text), Event::Ok(ada, n, None), Event::Ok(ada, n, Some(standing)), Event::Msg(ada, text),
                Event::Told(ada, text), Event::Gap, Event::Passed, Event::Note(text),
                Event::Tell(ada, text), Event::Data(ada, n as u64), Event::Joined(ada), Event::Left(ada, b""),
                Event::Left(ada, b"lost"), Event::Who(n, text), Event::Pong(text),
                Event::Pong(b""), Event::Help(text), Event::Err(b"full", text), Event::Bye(b""),
                Event::Bye(b"stalled"),
            ] {
                let line = rendered(|out| event.render(out));
                prop_assert_eq!(Event::parse(line.trim_end_matches('\n').as_bytes()), Some(event));
            }
        }

        #[test]
        fn whatever_is_said_stays_on_its_line(ada in names(), text: Vec<u8>) {
            for event in [Event::Msg(ada, &text), Event::Pong(&text), Event::Err(b"x", &text)] {
                let line = rendered(|out| event.render(out));
                prop_assert_eq!(line.matches('\n').count(), 1);
                prop_assert!(line.len() <= 3 * text.len() + 39);
            }
        }
    }
}
