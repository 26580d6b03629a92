//! What a client may say: the verbs, what has to follow each, and what is wrong with a line first.

use super::key::push_raw;
use super::{JoinOptions, Name, Refusal, length, line, word};

/// What a client asks for. Borrows its line: parsing copies no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// `JOIN <name> [option …]`
    Join(Name, JoinOptions),
    /// `MSG <text>`; the text as it came, not yet made safe.
    Msg(&'a [u8]),
    /// `TELL <name> <text>`
    Tell(Name, &'a [u8]),
    /// `DATA <len>`: so many bytes follow, and an LF.
    Data(usize),
    /// `WHO`
    Who,
    /// `PING [token]`; the token is empty where there is none.
    Ping(&'a [u8]),
    /// `PASS <secret>`, as it came.
    Pass(&'a [u8]),
    /// `HELP`
    Help,
    /// `LEAVE`
    Leave,
}

/// What a line is judged by, beside itself.
#[derive(Debug, Clone, Copy)]
pub struct Speaker {
    /// Whether it has joined.
    pub is_member: bool,
    /// The longest payload that it may say.
    pub payload: usize,
    /// Why a guest may not join, whatever it says of itself.
    pub shut_out: Option<Refusal>,
}

/// A line that is not obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why not.
    pub refusal: Refusal,
    /// How long the payload is that follows it all the same, and is to be skipped.
    pub payload: Option<u64>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, payload: None }
    }
}

impl<'a> Command<'a> {
    /// Reads one line of `speaker`'s, its line end taken off. Verbs are read in any case.
    ///
    /// Much may be wrong with a line at once. What is answered is the first, and the order is that
    /// of the steps here: its verb, the payload that it announces, for whom it is, its arguments.
    /// What only the room knows comes after them: that a name is taken, or that nobody has it.
    pub fn parse(line: &'a [u8], speaker: Speaker) -> Result<Self, Refused> {
        let (verb, rest) = word(line);
        let known = VERBS.iter().find(|(known, _)| verb.eq_ignore_ascii_case(known.as_bytes()));
        let (_, verb) = known.ok_or(Refusal::UnknownCommand)?;
        match *verb {
            Verb::Data => data(rest, speaker),
            Verb::Members(read) => {
                for_members(speaker)?;
                Ok(read(rest)?)
            }
            Verb::Pass => {
                for_guests(speaker)?;
                Ok(Command::Pass(rest))
            }
            Verb::Join => {
                for_guests(speaker)?;
                speaker.shut_out.map_or(Ok(()), Err)?;
                Ok(join(rest)?)
            }
            Verb::All(read) => Ok(read(rest)),
        }
    }

    /// Appends the line that asks for this, made safe, with its LF.
    pub fn render(&self, out: &mut Vec<u8>) {
        match self {
            Self::Join(name, options) => {
                out.extend_from_slice(b"JOIN ");
                out.extend_from_slice(name.as_bytes());
                options.render(out);
                out.push(b'\n');
            }
            Self::Msg(text) => line(out, &[b"MSG"], Some(text)),
            Self::Tell(name, text) => line(out, &[b"TELL ", name.as_bytes()], Some(text)),
            Self::Data(len) => line(out, &[b"DATA ", len.to_string().as_bytes()], None),
            Self::Who => line(out, &[b"WHO"], None),
            Self::Ping(b"") => line(out, &[b"PING"], None),
            Self::Ping(token) => line(out, &[b"PING"], Some(token)),
            Self::Pass(secret) => {
                out.extend_from_slice(b"PASS ");
                push_raw(secret, out);
                out.push(b'\n');
            }
            Self::Help => line(out, &[b"HELP"], None),
            Self::Leave => line(out, &[b"LEAVE"], None),
        }
    }
}

/// For whom a verb is, and how what follows it is read.
#[derive(Clone, Copy)]
enum Verb {
    Members(for<'a> fn(&'a [u8]) -> Result<Command<'a>, Refusal>),
    All(for<'a> fn(&'a [u8]) -> Command<'a>),
    /// For members. What is announced is read first all the same: it has to be skipped.
    Data,
    /// For guests.
    Pass,
    /// For guests, and not for all.
    Join,
}

/// Those of a lively room first.
const VERBS: [(&str, Verb); 9] = [
    ("MSG", Verb::Members(|rest| Ok(Command::Msg(text(rest)?)))),
    ("TELL", Verb::Members(tell)),
    ("DATA", Verb::Data),
    ("PING", Verb::All(|token| Command::Ping(token))),
    ("JOIN", Verb::Join),
    ("PASS", Verb::Pass),
    ("WHO", Verb::Members(|_| Ok(Command::Who))),
    ("HELP", Verb::All(|_| Command::Help)),
    ("LEAVE", Verb::All(|_| Command::Leave)),
];

fn for_members(speaker: Speaker) -> Result<(), Refusal> {
    if speaker.is_member { Ok(()) } else { Err(Refusal::NotJoined) }
}

fn for_guests(speaker: Speaker) -> Result<(), Refusal> {
    if speaker.is_member { Err(Refusal::AlreadyJoined) } else { Ok(()) }
}

fn join(rest: &[u8]) -> Result<Command<'_>, Refusal> {
    let (name, options) = word(rest);
    let name = Name::new(name).ok_or(Refusal::BadName)?;
    Ok(Command::Join(name, JoinOptions::parse(options)?))
}

fn tell(rest: &[u8]) -> Result<Command<'_>, Refusal> {
    let (name, rest) = word(rest);
    let text = text(rest)?;
    // Nobody can have such a name.
    let name = Name::new(name).ok_or(Refusal::NoSuchMember)?;
    Ok(Command::Tell(name, text))
}

fn text(rest: &[u8]) -> Result<&[u8], Refusal> {
    if rest.is_empty() { Err(Refusal::Empty) } else { Ok(rest) }
}

fn data(rest: &[u8], speaker: Speaker) -> Result<Command<'static>, Refused> {
    let len = length(rest).ok_or(Refusal::BadFrame)?;
    let payload = || {
        let within = usize::try_from(len).ok().filter(|len| *len <= speaker.payload);
        let len = within.ok_or(Refusal::TooLong)?;
        for_members(speaker)?;
        if len == 0 { Err(Refusal::Empty) } else { Ok(Command::Data(len)) }
    };
    payload().map_err(|refusal| Refused { refusal, payload: Some(len) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tests::name;

    const GUEST: Speaker = Speaker { is_member: false, payload: 65536, shut_out: None };
    const MEMBER: Speaker = Speaker { is_member: true, ..GUEST };

    fn said(line: &str) -> Result<Command<'_>, Refused> {
        Command::parse(line.as_bytes(), MEMBER)
    }

    fn refused(line: &str, speaker: Speaker) -> Option<Refusal> {
        Command::parse(line.as_bytes(), speaker).err().map(|refused| refused.refusal)
    }

    #[test]
    fn verbs_are_read_in_any_case() {
        let join = Command::Join(name("ada"), JoinOptions::default());
        for line in ["JOIN ada", "join ada", "JoIn ada", "JOIN ada  "] {
            assert_eq!(Command::parse(line.as_bytes(), GUEST), Ok(join));
        }
    }

    #[test]
    fn text_is_all_that_follows_the_first_space() {
        assert_eq!(said("MSG hi"), Ok(Command::Msg(b"hi")));
        assert_eq!(said("MSG   hi "), Ok(Command::Msg(b"  hi ")));
        assert_eq!(said("MSG  "), Ok(Command::Msg(b" ")));
        assert_eq!(said("TELL bob  x"), Ok(Command::Tell(name("bob"), b" x")));
        assert_eq!(said("PING a  b"), Ok(Command::Ping(b"a  b")));
    }

    #[test]
    fn words_after_who_help_and_leave_are_ignored() {
        assert_eq!(said("WHO is it"), Ok(Command::Who));
        assert_eq!(said("help me"), Ok(Command::Help));
        assert_eq!(said("LEAVE now"), Ok(Command::Leave));
    }

    #[test]
    fn what_is_wrong_first_has_its_code() {
        use Refusal::*;
        for (line, guest, member) in [
            ("", Some(UnknownCommand), Some(UnknownCommand)),
            (" MSG hi", Some(UnknownCommand), Some(UnknownCommand)),
            ("HELLO", Some(UnknownCommand), Some(UnknownCommand)),
            ("MSGS hi", Some(UnknownCommand), Some(UnknownCommand)),
            ("PASS x", None, Some(AlreadyJoined)),
            ("PASS", None, Some(AlreadyJoined)),
            ("DATA", Some(BadFrame), Some(BadFrame)),
            ("DATA x", Some(BadFrame), Some(BadFrame)),
            ("DATA -1", Some(BadFrame), Some(BadFrame)),
            ("DATA +1", Some(BadFrame), Some(BadFrame)),
            ("DATA 1 ", Some(BadFrame), Some(BadFrame)),
            ("DATA  1", Some(BadFrame), Some(BadFrame)),
            ("DATA 1\t", Some(BadFrame), Some(BadFrame)),
            ("DATA 65537", Some(TooLong), Some(TooLong)),
            ("DATA 1", Some(NotJoined), None),
            ("DATA 0", Some(NotJoined), Some(Empty)),
            ("JOIN", Some(BadName), Some(AlreadyJoined)),
            ("JOIN  ada", Some(BadName), Some(AlreadyJoined)),
            ("JOIN a/b raw", Some(BadName), Some(AlreadyJoined)),
            ("JOIN ada raw", Some(BadOption), Some(AlreadyJoined)),
            ("JOIN ada data data", Some(BadOption), Some(AlreadyJoined)),
            ("JOIN ada DATA", Some(BadOption), Some(AlreadyJoined)),
            ("JOIN ada", None, Some(AlreadyJoined)),
            ("MSG", Some(NotJoined), Some(Empty)),
            ("MSG ", Some(NotJoined), Some(Empty)),
            ("TELL", Some(NotJoined), Some(Empty)),
            ("TELL bob", Some(NotJoined), Some(Empty)),
            ("TELL bob ", Some(NotJoined), Some(Empty)),
            ("TELL b/b ", Some(NotJoined), Some(Empty)),
            ("TELL b/b hi", Some(NotJoined), Some(NoSuchMember)),
            ("TELL  hi", Some(NotJoined), Some(NoSuchMember)),
            ("WHO", Some(NotJoined), None),
            ("PING", None, None),
        ] {
            assert_eq!(refused(line, GUEST), guest, "{line:?} from a guest");
            assert_eq!(refused(line, MEMBER), member, "{line:?} from a member");
        }
    }

    #[test]
    fn who_is_shut_out_is_told_so_before_all_else_about_its_join() {
        let guest = Speaker { shut_out: Some(Refusal::Denied), ..GUEST };
        for line in ["JOIN ada", "JOIN", "JOIN a/b raw", "JOIN ada raw"] {
            assert_eq!(refused(line, guest), Some(Refusal::Denied), "{line}");
        }
        assert_eq!(refused("MSG hi", guest), Some(Refusal::NotJoined));
        assert_eq!(refused("DANCE", guest), Some(Refusal::UnknownCommand));
        assert_eq!(refused("PING", guest), None);
        let member = Speaker { shut_out: Some(Refusal::Denied), ..MEMBER };
        assert_eq!(refused("JOIN ada", member), Some(Refusal::AlreadyJoined));
    }

    #[test]
    fn a_key_is_said_as_it_is() {
        assert_eq!(Command::parse(b"pass  a b ", GUEST), Ok(Command::Pass(b" a b ")));
        let mut line = Vec::new();
        Command::Pass(b"\x1b\xff\0 \xe4").render(&mut line);
        assert_eq!(line, b"PASS \x1b\xff\xff\0 \xe4\n");
    }

    #[test]
    fn a_length_is_decimal_and_what_is_refused_is_to_be_skipped() {
        assert_eq!(said("data 65536"), Ok(Command::Data(65536)));
        assert_eq!(said("DATA 00000000000000000000007"), Ok(Command::Data(7)));
        for (line, len) in [("DATA 0", 0), ("DATA 99999999999999999999999", u64::MAX)] {
            assert_eq!(said(line).expect_err(line).payload, Some(len));
            assert_eq!(said(line).expect_err(line).payload, Some(len));
        }
        assert_eq!(Command::parse(b"DATA 7", GUEST).expect_err("a guest").payload, Some(7));
        assert_eq!(said("DATA x").expect_err("no number").payload, None);
    }
}
