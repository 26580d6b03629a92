//! The words of smoltalk/1: what a client may say ([`Command`]) and what a server says ([`Event`]).
//!
//! Pure: parsing takes one line without its line end and borrows from it, rendering appends to the
//! caller's buffer. No clock, no socket. `PROTOCOL.md` is the public text of it.

use crate::limits;
use crate::text::push_safe;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// What HELLO says that the server speaks.
pub const VERSION: &str = "smoltalk/1";

/// What HELLO says to a person.
pub const WELCOME: &str = "JOIN <name> to enter, HELP for help";

/// What HELP answers, a line each.
pub const HELP: [&str; 9] = [
    "JOIN <name> [data] enter the room; a name is 1 to 32 of A-Z a-z 0-9 _ - .",
    "MSG <text>         say something to everybody else",
    "TELL <name> <text> say something to one member",
    "DATA <len>         say the <len> bytes that follow, and an LF; JOIN with data gets them as they are",
    "WHO                who is here",
    "PING [token]       PONG comes once all you said before is in the room",
    "LEAVE              leave the room and close the connection",
    "HELP               this",
    "From a terminal: nc and telnet will do, one command a line.",
];

/// A member's name: 1 to [`Name::MAX`] characters of `A–Z a–z 0–9 _ - .`.
///
/// Shown as typed, compared without case: while Alice is in, nobody is alice.
#[derive(Clone, Copy)]
pub struct Name {
    len: u8,
    bytes: [u8; Self::MAX],
}

impl Name {
    /// The longest name, in characters, each of them one byte.
    pub const MAX: usize = 32;

    /// The name that `bytes` spell, if they spell one.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"_-.".contains(b);
        if bytes.is_empty() || bytes.len() > Self::MAX || !bytes.iter().all(allowed) {
            return None;
        }
        let mut name = Self { len: u8::try_from(bytes.len()).ok()?, bytes: [0; Self::MAX] };
        name.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(name)
    }

    /// The name as it was typed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    fn folded(&self) -> impl Iterator<Item = u8> {
        self.as_bytes().iter().map(u8::to_ascii_lowercase)
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().for_each(|b| b.hash(state));
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(str::from_utf8(self.as_bytes()).unwrap_or_default())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
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

fn tell(rest: &[u8]) -> Result<Command<'_>, Refusal> {
    let (name, rest) = word(rest);
    let text = text(rest)?;
    let name = Name::new(name).ok_or(Refusal::NoSuchMember)?;
    Ok(Command::Tell(name, text))
}

fn text(rest: &[u8]) -> Result<&[u8], Refusal> {
    if rest.is_empty() { Err(Refusal::Empty) } else { Ok(rest) }
}

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

/// Whether a guest's line, or the beginning of one, is plainly another protocol: a TLS hello, or an
/// HTTP request, by which a web page could talk to the room through its reader's browser.
#[must_use]
pub fn is_foreign(line: &[u8]) -> bool {
    const TLS_HANDSHAKE: &[u8] = &[0x16, 0x03]; // RFC 8446, 5.1
    const HTTP: [&[u8]; 10] = [
        b"GET ",
        b"POST ",
        b"PUT ",
        b"HEAD ",
        b"OPTIONS ",
        b"CONNECT ",
        b"DELETE ",
        b"PATCH ",
        b"TRACE ",
        b"PRI * HTTP/", // RFC 9110, 9; RFC 5789; RFC 9113, 3.4
    ];
    line.starts_with(TLS_HANDSHAKE) || HTTP.iter().any(|method| line.starts_with(method))
}

/// Why something a client asked for is not done: the code of an ERR line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The verb is none that the server knows.
    UnknownCommand,
    /// The name breaks the rule, or is missing.
    BadName,
    /// A member has the name.
    NameTaken,
    /// JOIN was given an option that the server does not know.
    BadOption,
    /// JOIN from a member.
    AlreadyJoined,
    /// Something for members alone, from a guest.
    NotJoined,
    /// TELL to a name that nobody has.
    NoSuchMember,
    /// MSG or TELL without text, DATA without bytes.
    Empty,
    /// A line over [`limits::LINE`], a payload over [`limits::Limits::payload`].
    TooLong,
    /// There is no place for another connection. The server closes after it.
    Full,
    /// DATA whose length is no number, or a payload that no LF closes. The server closes after it.
    BadFrame,
    /// The first bytes of another protocol. The server closes after it.
    NotSmoltalk,
}

impl Refusal {
    /// All of them, in the order of `PROTOCOL.md`.
    pub const ALL: [Self; 12] = [
        Self::UnknownCommand,
        Self::BadName,
        Self::NameTaken,
        Self::BadOption,
        Self::AlreadyJoined,
        Self::NotJoined,
        Self::NoSuchMember,
        Self::Empty,
        Self::TooLong,
        Self::Full,
        Self::BadFrame,
        Self::NotSmoltalk,
    ];

    /// The code, for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.words().0
    }

    /// What it says to a person.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        self.words().1
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::UnknownCommand => {
                ("unknown-command", "to speak: MSG <text>; for all commands: HELP")
            }
            Self::BadName => ("bad-name", "a name is 1 to 32 of A-Z a-z 0-9 _ - ."),
            Self::NameTaken => ("name-taken", "somebody here has that name, try another"),
            Self::BadOption => ("bad-option", "after the name, JOIN takes: data"),
            Self::AlreadyJoined => ("already-joined", "you are in already"),
            Self::NotJoined => ("not-joined", "first: JOIN <name>"),
            Self::NoSuchMember => ("no-such-member", "nobody here has that name"),
            Self::Empty => ("empty", "there is no text to say"),
            Self::TooLong => (
                "too-long",
                "over the limit of a line (4096 bytes) or of a payload, and thrown away",
            ),
            Self::Full => ("full", "there is no place for another connection"),
            Self::BadFrame => ("bad-frame", "DATA <len>, then so many bytes, then an LF"),
            Self::NotSmoltalk => ("not-smoltalk", "this is a smoltalk server: lines of plain text"),
        }
    }
}

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

    /// Appends a payload, in either form.
    pub fn render_payload(name: Name, payload: &[u8], form: Form, out: &mut Vec<u8>) {
        match form {
            Form::Data => {
                Event::Data(name, payload.len() as u64).render(out);
                out.extend_from_slice(payload);
                out.push(b'\n');
            }
            Form::Text => render_as_text(name, payload, out),
        }
    }

    /// Appends the HELLO of this server.
    pub fn render_hello(out: &mut Vec<u8>) {
        Event::Hello(VERSION.as_bytes(), WELCOME.as_bytes()).render(out);
    }

    /// Appends the ERR of `refusal`.
    pub fn render_refusal(refusal: Refusal, out: &mut Vec<u8>) {
        Event::Err(refusal.code().as_bytes(), refusal.explanation().as_bytes()).render(out);
    }

    /// Appends the answer to HELP.
    pub fn render_help(out: &mut Vec<u8>) {
        for text in HELP {
            Event::Help(text.as_bytes()).render(out);
        }
    }

    /// Appends the answer to WHO: as many lines as it takes for none to be over [`limits::LINE`],
    /// each with the same total.
    pub fn render_who(total: usize, names: impl Iterator<Item = Name>, out: &mut Vec<u8>) {
        let head = format!("WHO {total}");
        out.extend_from_slice(head.as_bytes());
        let mut room = limits::LINE - head.len();
        for name in names {
            let name = name.as_bytes();
            if room <= name.len() {
                out.push(b'\n');
                out.extend_from_slice(head.as_bytes());
                room = limits::LINE - head.len();
            }
            out.push(b' ');
            out.extend_from_slice(name);
            room -= name.len() + 1;
        }
        out.push(b'\n');
    }
}

/// Appends a MSG for each line of `payload` that is not empty, and several for one that is long:
/// none is over [`limits::LINE`].
fn render_as_text(name: Name, payload: &[u8], out: &mut Vec<u8>) {
    let longest = limits::LINE - "MSG  ".len() - name.as_bytes().len();
    let mut safe = Vec::new();
    for text in payload.split(|b| *b == b'\n') {
        safe.clear();
        push_safe(&mut safe, text.strip_suffix(b"\r").unwrap_or(text));
        let mut rest = safe.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(character_boundary(rest, longest));
            line(out, &[b"MSG ", name.as_bytes(), b" ", piece], None);
            rest = after;
        }
    }
}

/// The last boundary of a character in the UTF-8 of `text` that is not beyond `longest`.
fn character_boundary(text: &[u8], longest: usize) -> usize {
    let within = |b: &u8| b & 0b1100_0000 == 0b1000_0000;
    (0..=longest).rev().find(|at| !text.get(*at).is_some_and(within)).unwrap_or(0).min(text.len())
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
    use proptest::prelude::*;

    fn name(spelt: &str) -> Name {
        Name::new(spelt.as_bytes()).expect("a good name")
    }

    fn rendered(render: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        render(&mut out);
        String::from_utf8(out).expect("what is rendered is UTF-8")
    }

    #[test]
    fn a_name_has_1_to_32_characters_of_the_alphabet() {
        assert!(Name::new(b"").is_none());
        assert!(Name::new(&[b'a'; 32]).is_some());
        assert!(Name::new(&[b'a'; 33]).is_none());
        for byte in 0..=u8::MAX {
            let allowed = byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            assert_eq!(Name::new(&[byte]).is_some(), allowed, "{byte:#x}");
        }
    }

    #[test]
    fn names_are_compared_without_case_and_shown_as_typed() {
        assert_eq!(name("Alice"), name("aLICE"));
        assert_eq!(name("Alice").cmp(&name("aLICE")), Ordering::Equal);
        assert_ne!(name("Alice"), name("Alic"));
        assert_eq!(name("Alice").to_string(), "Alice");
    }

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

    #[test]
    fn a_payload_becomes_a_message_for_each_line_that_is_not_empty() {
        let text = |payload: &[u8]| {
            rendered(|out| Event::render_payload(name("ada"), payload, Form::Text, out))
        };
        assert_eq!(text(b"a\r\n\n\r\nMSG b\nc\r"), "MSG ada a\nMSG ada MSG b\nMSG ada c\n");
        assert_eq!(text(b"\x1b\0\xff"), "MSG ada \u{241b}\u{2400}\u{fffd}\n");
        assert_eq!(text(b"\n\r\n"), "");
    }

    #[test]
    fn a_long_line_of_a_payload_is_cut_between_characters() {
        for long in ["x".repeat(10_000), "\u{1f600}".repeat(3000), "a\u{20ac}".repeat(3000)] {
            let text = rendered(|out| {
                Event::render_payload(name("ada"), long.as_bytes(), Form::Text, out);
            });
            assert!(text.lines().all(|line| line.len() <= limits::LINE));
            assert!(text.lines().rev().skip(1).all(|line| line.len() > limits::LINE - 4));
            assert_eq!(
                text.lines().map(|l| l.replacen("MSG ada ", "", 1)).collect::<String>(),
                long
            );
        }
    }

    #[test]
    fn another_protocol_is_known_by_its_first_bytes() {
        for foreign in [&b"\x16\x03\x01\x02"[..], b"GET / HTTP/1.1", b"POST /x", b"CONNECT a:1"] {
            assert!(is_foreign(foreign));
        }
        for ours in [&b"JOIN ada"[..], b"GET", b"get / HTTP/1.1", b"PUTTY", b"", b"\x16"] {
            assert!(!is_foreign(ours));
        }
    }

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
        assert!(rendered(Event::render_hello).starts_with("HELLO smoltalk/1 "));
        assert!(rendered(Event::render_help).lines().all(|line| line.starts_with("HELP ")));
    }

    #[test]
    fn every_refusal_is_one_line_with_its_code() {
        for refusal in Refusal::ALL {
            let line = rendered(|out| Event::render_refusal(refusal, out));
            assert!(line.starts_with(&format!("ERR {} ", refusal.code())));
            assert_eq!(line.find('\n'), Some(line.len() - 1));
        }
        assert!(Refusal::TooLong.explanation().contains(&limits::LINE.to_string()));
    }

    #[test]
    fn who_answers_in_lines_within_the_limit_each_with_the_total() {
        // Names of 28 characters fill a line of 4,096 bytes to its last: 7 + 141 × 29.
        for len in 8..=Name::MAX {
            let names: Vec<Name> = (100..700).map(|i| name(&format!("{i:a>len$}"))).collect();
            let answer = rendered(|out| Event::render_who(names.len(), names.iter().copied(), out));
            let mut seen = Vec::new();
            for line in answer.lines() {
                assert!(line.len() <= limits::LINE);
                let Some(Event::Who(600, part)) = Event::parse(line.as_bytes()) else {
                    panic!("{line}");
                };
                seen.extend(part.split(|b| *b == b' ').map(|n| Name::new(n).expect("a name")));
            }
            assert!(answer.lines().count() > 1);
            assert_eq!(seen, names);
        }
    }

    fn names() -> impl Strategy<Value = Name> {
        "[A-Za-z0-9_.-]{1,32}".prop_map(|spelt| name(&spelt))
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(line: Vec<u8>) {
            let _ = Command::parse(&line);
            let _ = Event::parse(&line);
            let _ = is_foreign(&line);
        }

        #[test]
        fn a_rendered_command_parses_back(ada in names(), n: u64, text in "[^\\p{C}]+") {
            let text = text.as_bytes();
            for command in [
                Command::Join(ada, Form::Text), Command::Join(ada, Form::Data), Command::Data(n), Command::Msg(text), Command::Tell(ada, text), Command::Who,
                Command::Ping(text), Command::Ping(b""), Command::Help, Command::Leave,
            ] {
                let line = rendered(|out| command.render(out));
                prop_assert_eq!(Command::parse(line.trim_end_matches('\n').as_bytes()), Ok(command));
            }
        }

        #[test]
        fn a_rendered_event_parses_back(ada in names(), n: usize, text in "[^\\p{C}]+") {
            let text = text.as_bytes();
            for event in [
                Event::Hello(b"smoltalk/1", text), Event::Ok(ada, n), Event::Msg(ada, text),
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
