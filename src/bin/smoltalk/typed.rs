//! The grammar of what is typed.

use smoltalk::protocol::{Command, Name, Refusal};

/// What can be typed, in one line.
pub const USAGE: &str = "type send <MSG>, tell <NAME> <MSG>, who, ping, leave or help";

/// What can be typed, for a person.
pub const HELP: &str = "\
send <MSG>         say MSG to the room
tell <NAME> <MSG>  say MSG to one member
who                list who is here
ping               measure the round trip to the server
leave              leave and exit; so do Ctrl-D and Ctrl-C
help               this";

/// Reads one typed line. The commands and the wire's go one to one.
///
/// Exact, so that talk which happens to begin like a command is not taken for one: `leave me alone`
/// leaves nobody. Only blanks after a whole command are forgiven. A message keeps all of its.
pub fn parse(line: &[u8]) -> Result<Command<'_>, Refusal> {
    match line.trim_ascii_end() {
        b"who" => return Ok(Command::Who),
        b"ping" => return Ok(Command::Ping(b"")),
        b"leave" => return Ok(Command::Leave),
        b"help" => return Ok(Command::Help),
        _ => {}
    }
    match word(line) {
        Some((b"send", text)) if !text.is_empty() => Ok(Command::Msg(text)),
        Some((b"tell", rest)) => tell(rest),
        _ => Err(Refusal::UnknownCommand),
    }
}

fn tell(rest: &[u8]) -> Result<Command<'_>, Refusal> {
    match word(rest) {
        Some((name, text)) if !name.is_empty() && !text.is_empty() => {
            Ok(Command::Tell(Name::new(name).ok_or(Refusal::NoSuchMember)?, text))
        }
        _ => Err(Refusal::UnknownCommand),
    }
}

/// What comes before the first space, and what after.
fn word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = line.iter().position(|b| *b == b' ')?;
    Some((&line[..space], &line[space + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> Name {
        Name::new(b"bob").expect("a name")
    }

    #[test]
    fn a_message_is_all_that_follows_the_first_space() {
        assert_eq!(parse(b"send hi"), Ok(Command::Msg(b"hi")));
        assert_eq!(parse(b"send   hi \t"), Ok(Command::Msg(b"  hi \t")));
        assert_eq!(parse(b"send  "), Ok(Command::Msg(b" ")));
        assert_eq!(parse(b"send leave"), Ok(Command::Msg(b"leave")));
        assert_eq!(parse(b"send \xff"), Ok(Command::Msg(b"\xff")));
        assert_eq!(parse(b"tell bob  hi "), Ok(Command::Tell(bob(), b" hi ")));
    }

    #[test]
    fn blanks_after_a_whole_command_are_forgiven() {
        for (line, command) in [
            ("who", Command::Who),
            ("ping", Command::Ping(b"")),
            ("leave", Command::Leave),
            ("help", Command::Help),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(command));
            assert_eq!(parse(format!("{line} \t ").as_bytes()), Ok(command));
        }
    }

    #[test]
    fn anything_else_asks_for_nothing() {
        for line in [
            "leave me alone",
            "who is it",
            "help me",
            "ping bob",
            "send",
            "send ",
            "tell",
            "tell bob",
            "tell bob ",
            "tell  bob hi",
            "Send hi",
            "LEAVE",
            " leave",
            " send hi",
            "hi",
            "JOIN eve",
            "send\thi",
            "sendhi",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(Refusal::UnknownCommand), "{line:?}");
        }
    }

    #[test]
    fn a_name_that_cannot_be_is_nobody_s() {
        assert_eq!(parse(b"tell b/b hi"), Err(Refusal::NoSuchMember));
    }
}
