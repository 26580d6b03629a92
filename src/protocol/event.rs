//! What a server says, a line each.

use super::{Id, Name, Secret, length, line, word};

/// What a server says. Borrows its line, or what it is rendered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// `HELLO <version> <text>`: the first line on a connection.
    Hello(&'a [u8], &'a [u8]),
    /// `OK <name> <members>`: the answer to JOIN; the new one counts. To who asked for ids it also says
    /// `id=<ms>-<n> token=<secret>`.
    Ok(Name, usize, Option<Standing>),
    /// `OK pass`: the answer to PASS.
    Passed,
    /// `MSG <name> <text>`
    Msg(Name, &'a [u8]),
    /// `DATA <name> <len>`: so many bytes follow, and an LF.
    Data(Name, u64),
    /// `TELL <name> <text>`
    Tell(Name, &'a [u8]),
    /// `TOLD <name> <text>`: the echo of a TELL, with the addressee's name.
    Told(Name, &'a [u8]),
    /// `GAP`: of what was asked for, something may be missing.
    Gap,
    /// `NOTE <text>`: what the operator says to all.
    Note(&'a [u8]),
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

/// What a member has to know to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Where the log stood before the member came.
    pub id: Id,
    /// By what it is known.
    pub token: Secret,
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
            b"TOLD" => Self::Told(Name::new(first)?, last),
            b"GAP" => Self::Gap,
            b"NOTE" => Self::Note(rest),
            b"JOINED" => Self::Joined(Name::new(first)?),
            b"LEFT" => Self::Left(Name::new(first)?, last),
            b"OK" if rest == b"pass" => Self::Passed,
            b"OK" => {
                let (members, words) = word(last);
                Self::Ok(Name::new(first)?, number(members)?, Standing::parse(words))
            }
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
            Self::Ok(name, members, standing) => {
                let rest = match standing {
                    None => members.to_string(),
                    Some(Standing { id, token }) => {
                        format!("{members} id={id} token={}", token.as_str())
                    }
                };
                line(out, &[b"OK ", name.as_bytes()], Some(rest.as_bytes()));
            }
            Self::Passed => line(out, &[b"OK pass"], None),
            Self::Msg(name, text) => line(out, &[b"MSG ", name.as_bytes()], Some(text)),
            Self::Tell(name, text) => line(out, &[b"TELL ", name.as_bytes()], Some(text)),
            Self::Data(name, len) => {
                line(out, &[b"DATA ", name.as_bytes()], Some(len.to_string().as_bytes()));
            }
            Self::Told(name, text) => line(out, &[b"TOLD ", name.as_bytes()], Some(text)),
            Self::Gap => line(out, &[b"GAP"], None),
            Self::Note(text) => line(out, &[b"NOTE"], Some(text)),
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

impl Standing {
    /// Reads it from the words after the number of members, among which there may be others.
    fn parse(words: &[u8]) -> Option<Self> {
        let value =
            |key: &[u8]| words.split(|b| *b == b' ').find_map(|word| word.strip_prefix(key));
        Some(Self { id: Id::parse(value(b"id=")?)?, token: Secret::new(value(b"token=")?)? })
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
            (Event::Ok(ada, 3, None), "OK ada 3\n"),
            (Event::Passed, "OK pass\n"),
            (Event::Ok(name("pass"), 1, None), "OK pass 1\n"),
            (Event::Told(ada, b"hi"), "TOLD ada hi\n"),
            (Event::Gap, "GAP\n"),
            (Event::Note(b"hi"), "NOTE hi\n"),
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
        let token = Secret::new(b"0123456789abcdef").expect("a secret");
        let standing = Standing { id: Id::from_ms(7), token };
        let ok = rendered(|out| Event::Ok(ada, 3, Some(standing)).render(out));
        assert_eq!(ok, "OK ada 3 id=7-0 token=0123456789abcdef\n");
        assert!(rendered(Event::render_help).lines().all(|line| line.starts_with("HELP ")));
    }
}
