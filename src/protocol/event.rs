//! What a server says, a line each.

use super::{Name, length, line, word};

/// What a server says. Borrows its line, or what it is rendered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// `HELLO <version> <text>`: the first line on a connection.
    Hello(&'a [u8], &'a [u8]),
    /// `OK <name> <members>`: the answer to JOIN; the new one counts.
    Ok(Name, usize),
    /// `MSG <name> <text>`
    Msg(Name, &'a [u8]),
    /// `DATA <name> <len>`: so many bytes follow, and an LF.
    Data(Name, u64),
    /// `TELL <name> <text>`
    Tell(Name, &'a [u8]),
    /// `JOINED <name>`
    Joined(Name),
    /// `LEFT <name> [reason]`; the reason is empty where there is none.
    Left(Name, &'a [u8]),
    /// `WHO <total> <name> …`: one of the lines that answer WHO; the names, with spaces between.
    Who(usize, &'a [u8]),
    /// `PONG [token]`
    Pong(&'a [u8]),
    /// `HELP <text>`
    Help(&'a [u8]),
    /// `ERR <code> <text>`
    Err(&'a [u8], &'a [u8]),
    /// `BYE [reason]`: the last line on a connection.
    Bye(&'a [u8]),
}

impl<'a> Event<'a> {
    /// Reads one line, its line end taken off; `None` for what this version has no word for.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (verb, rest) = word(line);
        let (first, last) = word(rest);
        Some(match verb {
            b"MSG" => Self::Msg(Name::new(first)?, last),
            b"TELL" => Self::Tell(Name::new(first)?, last),
            b"DATA" => Self::Data(Name::new(first)?, length(last)?),
            b"JOINED" => Self::Joined(Name::new(first)?),
            b"LEFT" => Self::Left(Name::new(first)?, last),
            b"OK" => Self::Ok(Name::new(first)?, number(word(last).0)?),
            b"WHO" => Self::Who(number(first)?, last),
            b"PONG" => Self::Pong(rest),
            b"HELP" => Self::Help(rest),
            b"ERR" => Self::Err(first, last),
            b"BYE" => Self::Bye(rest),
            b"HELLO" => Self::Hello(first, last),
            _ => return None,
        })
    }

    /// Appends the line that says this, made safe, with its LF.
    pub fn render(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Hello(version, text) => line(out, &[b"HELLO ", version], Some(text)),
            Self::Ok(name, members) => {
                let members = members.to_string();
                line(out, &[b"OK ", name.as_bytes()], Some(members.as_bytes()));
            }
            Self::Msg(name, text) => line(out, &[b"MSG ", name.as_bytes()], Some(text)),
            Self::Tell(name, text) => line(out, &[b"TELL ", name.as_bytes()], Some(text)),
            Self::Data(name, len) => {
                line(out, &[b"DATA ", name.as_bytes()], Some(len.to_string().as_bytes()));
            }
            Self::Joined(name) => line(out, &[b"JOINED ", name.as_bytes()], None),
            Self::Left(name, reason) => line(out, &[b"LEFT ", name.as_bytes()], present(reason)),
            Self::Who(total, names) => {
                line(out, &[b"WHO ", total.to_string().as_bytes()], Some(names));
            }
            Self::Pong(token) => line(out, &[b"PONG"], present(token)),
            Self::Help(text) => line(out, &[b"HELP"], Some(text)),
            Self::Err(code, text) => line(out, &[b"ERR ", code], Some(text)),
            Self::Bye(reason) => line(out, &[b"BYE"], present(reason)),
        }
    }
}

fn present(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text)
}

fn number(digits: &[u8]) -> Option<usize> {
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tests::{name, rendered};

    #[test]
    fn events_are_rendered_as_the_protocol_shows_them() {
        let ada = name("ada");
        for (event, line) in [
            (Event::Ok(ada, 3), "OK ada 3\n"),
            (Event::Msg(ada, b"hi \x1b"), "MSG ada hi \u{241b}\n"),
            (Event::Tell(ada, b"hi"), "TELL ada hi\n"),
            (Event::Joined(ada), "JOINED ada\n"),
            (Event::Left(ada, b""), "LEFT ada\n"),
            (Event::Left(ada, b"stalled"), "LEFT ada stalled\n"),
            (Event::Pong(b""), "PONG\n"),
            (Event::Pong(b"7"), "PONG 7\n"),
            (Event::Bye(b""), "BYE\n"),
            (Event::Bye(b"shutdown"), "BYE shutdown\n"),
        ] {
            assert_eq!(rendered(|out| event.render(out)), line);
        }
        assert!(rendered(Event::render_help).lines().all(|line| line.starts_with("HELP ")));
    }
}
