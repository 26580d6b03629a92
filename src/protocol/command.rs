//! What a client may say: the verbs, and what has to follow each.

use super::{Name, Refusal, length, line, word};

/// What a client asks for. Borrows its line: parsing copies no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// `JOIN <name> [data]`
    Join(Name, Form),
    /// `MSG <text>`; the text as it came, not yet made safe.
    Msg(&'a [u8]),
    /// `TELL <name> <text>`
    Tell(Name, &'a [u8]),
    /// `DATA <len>`: so many bytes follow, and an LF.
    Data(u64),
    /// `WHO`
    Who,
    /// `PING [token]`; the token is empty where there is none.
    Ping(&'a [u8]),
    /// `HELP`
    Help,
    /// `LEAVE`
    Leave,
}

impl<'a> Command<'a> {
    /// Reads one line, its line end taken off. Verbs are read in any case.
    pub fn parse(line: &'a [u8]) -> Result<Self, Refusal> {
        let (verb, rest) = word(line);
        let known = VERBS.iter().find(|(known, _)| verb.eq_ignore_ascii_case(known.as_bytes()));
        known.map_or(Err(Refusal::UnknownCommand), |(_, read)| read(rest))
    }

    /// Appends the line that asks for this, made safe, with its LF.
    pub fn render(&self, out: &mut Vec<u8>) {
        match self {
            Self::Join(name, Form::Text) => line(out, &[b"JOIN ", name.as_bytes()], None),
            Self::Join(name, Form::Data) => line(out, &[b"JOIN ", name.as_bytes(), b" data"], None),
            Self::Msg(text) => line(out, &[b"MSG"], Some(text)),
            Self::Tell(name, text) => line(out, &[b"TELL ", name.as_bytes()], Some(text)),
            Self::Data(len) => line(out, &[b"DATA ", len.to_string().as_bytes()], None),
            Self::Who => line(out, &[b"WHO"], None),
            Self::Ping(b"") => line(out, &[b"PING"], None),
            Self::Ping(token) => line(out, &[b"PING"], Some(token)),
            Self::Help => line(out, &[b"HELP"], None),
            Self::Leave => line(out, &[b"LEAVE"], None),
        }
    }
}

/// In which form a member gets payloads. All else is the same for everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// As text made safe, a MSG for each line.
    #[default]
    Text,
    /// As DATA, byte for byte.
    Data,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Text, Self::Data];
}

/// Reads what follows a verb.
type Read = for<'a> fn(&'a [u8]) -> Result<Command<'a>, Refusal>;

/// What each verb asks for; those of a lively room first.
const VERBS: [(&str, Read); 8] = [
    ("MSG", |rest| Ok(Command::Msg(text(rest)?))),
    ("TELL", tell),
    ("DATA", |rest| Ok(Command::Data(length(rest).ok_or(Refusal::BadFrame)?))),
    ("PING", |rest| Ok(Command::Ping(rest))),
    ("JOIN", join),
    ("WHO", |_| Ok(Command::Who)),
    ("HELP", |_| Ok(Command::Help)),
    ("LEAVE", |_| Ok(Command::Leave)),
];

fn join(rest: &[u8]) -> Result<Command<'_>, Refusal> {
    let (name, options) = word(rest);
    let name = Name::new(name).ok_or(Refusal::BadName)?;
    let mut form = Form::Text;
    for option in options.split(|b| *b == b' ').filter(|option| !option.is_empty()) {
        match option {
            b"data" => form = Form::Data,
            _ => return Err(Refusal::BadOption),
        }
    }
    Ok(Command::Join(name, form))
}

fn tell(rest: &[u8]) -> Result<Command<'_>, Refusal> {
    let (name, rest) = word(rest);
    let text = text(rest)?;
    let name = Name::new(name).ok_or(Refusal::NoSuchMember)?;
    Ok(Command::Tell(name, text))
}

fn text(rest: &[u8]) -> Result<&[u8], Refusal> {
    if rest.is_empty() { Err(Refusal::Empty) } else { Ok(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tests::name;

    #[test]
    fn verbs_are_read_in_any_case() {
        for join in ["JOIN ada", "join ada", "JoIn ada", "JOIN ada  "] {
            assert_eq!(Command::parse(join.as_bytes()), Ok(Command::Join(name("ada"), Form::Text)));
        }
    }

    #[test]
    fn text_is_all_that_follows_the_first_space() {
        assert_eq!(Command::parse(b"MSG hi"), Ok(Command::Msg(b"hi")));
        assert_eq!(Command::parse(b"MSG   hi "), Ok(Command::Msg(b"  hi ")));
        assert_eq!(Command::parse(b"MSG  "), Ok(Command::Msg(b" ")));
        assert_eq!(Command::parse(b"TELL bob  x"), Ok(Command::Tell(name("bob"), b" x")));
        assert_eq!(Command::parse(b"PING a  b"), Ok(Command::Ping(b"a  b")));
    }

    #[test]
    fn words_after_who_help_and_leave_are_ignored() {
        assert_eq!(Command::parse(b"WHO is it"), Ok(Command::Who));
        assert_eq!(Command::parse(b"help me"), Ok(Command::Help));
        assert_eq!(Command::parse(b"LEAVE now"), Ok(Command::Leave));
    }

    #[test]
    fn what_is_wrong_has_its_code() {
        for (line, refusal) in [
            ("", Refusal::UnknownCommand),
            (" MSG hi", Refusal::UnknownCommand),
            ("HELLO", Refusal::UnknownCommand),
            ("MSGS hi", Refusal::UnknownCommand),
            ("DATA", Refusal::BadFrame),
            ("DATA x", Refusal::BadFrame),
            ("DATA -1", Refusal::BadFrame),
            ("DATA +1", Refusal::BadFrame),
            ("DATA 1 ", Refusal::BadFrame),
            ("DATA  1", Refusal::BadFrame),
            ("PASS x", Refusal::UnknownCommand),
            ("JOIN", Refusal::BadName),
            ("JOIN  ada", Refusal::BadName),
            ("JOIN a/b", Refusal::BadName),
            ("JOIN ada raw", Refusal::BadOption),
            ("MSG", Refusal::Empty),
            ("MSG ", Refusal::Empty),
            ("TELL", Refusal::Empty),
            ("TELL bob", Refusal::Empty),
            ("TELL bob ", Refusal::Empty),
            ("TELL b/b hi", Refusal::NoSuchMember),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), Err(refusal), "{line:?}");
        }
    }

    #[test]
    fn a_length_is_decimal_and_saturates() {
        assert_eq!(Command::parse(b"data 0"), Ok(Command::Data(0)));
        assert_eq!(Command::parse(b"DATA 65536"), Ok(Command::Data(65536)));
        assert_eq!(Command::parse(b"DATA 99999999999999999999999"), Ok(Command::Data(u64::MAX)));
    }
}
