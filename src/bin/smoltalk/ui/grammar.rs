//! The grammar of what is typed.

use smoltalk::protocol::{Command, Name, Refusal};

/// All commands but that which says something to the room, and what they do.
const COMMANDS: [(&str, &str); 9] = [
    ("send-file <PATH>", "say what is in a file"),
    ("tell <NAME> <MSG>", "say MSG to one member"),
    ("reply <MSG>", "say MSG to whoever told you something last"),
    ("ignore <NAME>", "hide what a member says; alone: list them"),
    ("unignore <NAME>", "show it again"),
    ("who", "list who is here"),
    ("ping", "measure the round trip to the server"),
    ("leave", "leave and exit; so do Ctrl-D and Ctrl-C"),
    ("help", "this"),
];

/// What a line means that is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// Each line is a command.
    Commands,
    /// A line is a message, unless it begins with `/`: then a command follows. A message that
    /// begins with `/` is typed with two.
    Chat,
    /// Each line is a message, whatever is in it.
    Lines,
}

/// What a line asks of this program, and not of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own<'a> {
    /// Tell this whoever told something last.
    Reply(&'a [u8]),
    /// Show nothing more of one; or, without a name, who that is.
    Ignore(Option<Name>),
    /// Show it again.
    Unignore(Name),
}

impl Grammar {
    /// What can be typed, in one line.
    pub fn usage(self) -> &'static str {
        match self {
            Self::Commands => {
                "type send <MSG>, send-file <PATH>, tell <NAME> <MSG>, reply <MSG>, ignore <NAME>, \
                 who, ping, leave or help"
            }
            Self::Chat => {
                "type a message, /send-file <PATH>, /tell <NAME> <MSG>, /reply <MSG>, \
                 /ignore <NAME>, /who, /ping, /leave or /help"
            }
            Self::Lines => "each line is a message; Ctrl-D leaves",
        }
    }

    /// What can be typed, for a person.
    pub fn help(self) -> String {
        let (say, how, slash) = match self {
            Self::Lines => return self.usage().into(),
            Self::Commands => ("send <MSG>", "say MSG to the room", ""),
            Self::Chat => ("<MSG>", "say MSG to the room; where it begins with /, type //", "/"),
        };
        let width = 19 + slash.len();
        let others = COMMANDS.iter().map(|(typed, does)| (format!("{slash}{typed}"), *does));
        let all = std::iter::once((say.into(), how)).chain(others);
        let mut lines: Vec<String> =
            all.map(|(typed, does)| format!("{typed:width$}{does}")).collect();
        if self == Self::Chat {
            lines.push("/msg is /tell, and /quit is /leave".into());
        }
        lines.join("\n")
    }

    /// The first words of commands, in the order of the alphabet.
    pub fn commands(self) -> Vec<String> {
        let words = COMMANDS.iter().filter_map(|(typed, _)| typed.split(' ').next());
        let mut words: Vec<String> = match self {
            Self::Commands => words.chain(["send"]).map(String::from).collect(),
            Self::Chat => words.map(|word| format!("/{word}")).collect(),
            Self::Lines => Vec::new(),
        };
        words.sort();
        words
    }

    /// Reads one typed line.
    pub fn parse(self, line: &[u8]) -> Result<Command<'_>, Refusal> {
        match (self, line) {
            (Self::Commands, _) => parse(line),
            (Self::Chat, [b'/', b'/', ..]) => Ok(Command::Msg(&line[1..])),
            (Self::Chat, [b'/', command @ ..]) => parse_habit(command),
            (_, []) => Err(Refusal::UnknownCommand),
            (_, message) => Ok(Command::Msg(message)),
        }
    }

    /// Whether a line says and asks for nothing.
    pub fn is_blank(self, line: &[u8]) -> bool {
        if self == Self::Lines { line.is_empty() } else { line.trim_ascii().is_empty() }
    }

    /// The path of the file that `line` asks to be sent, if it does.
    pub fn file(self, line: &[u8]) -> Option<&[u8]> {
        let path = self.command(line)?.strip_prefix(b"send-file ")?.trim_ascii_end();
        (!path.is_empty()).then_some(path)
    }

    /// What `line` asks of this program, if it does.
    pub fn own(self, line: &[u8]) -> Option<Own<'_>> {
        let command = self.command(line)?;
        let name = |name: &[u8]| Name::new(name.trim_ascii_end());
        match word(command) {
            Some((b"reply", text)) if !text.is_empty() => Some(Own::Reply(text)),
            _ if command.trim_ascii_end() == b"ignore" => Some(Own::Ignore(None)),
            Some((b"ignore", whom)) => name(whom).map(|name| Own::Ignore(Some(name))),
            Some((b"unignore", whom)) => name(whom).map(Own::Unignore),
            _ => None,
        }
    }

    /// The part of `line` that may be a command.
    pub fn command(self, line: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Commands => Some(line),
            Self::Chat => line.strip_prefix(b"/"),
            Self::Lines => None,
        }
    }

    /// The one message to the room that pasted lines are, if they are one: all of them, without the
    /// word that sends it, and without line ends after the last.
    pub fn message(self, pasted: &[u8]) -> Option<Vec<u8>> {
        let end = pasted.iter().rposition(|b| !b"\r\n".contains(b))? + 1;
        let pasted = &pasted[..end];
        let (first, rest) = pasted.split_at(pasted.iter().position(|b| *b == b'\n')?);
        let each = || pasted.split(|b| *b == b'\n');
        if self == Self::Commands && each().all(|line| self.is_command(line)) {
            return None;
        }
        match self.parse(first) {
            Ok(Command::Msg(text)) => Some([text, rest].concat()),
            _ => None,
        }
    }

    /// The word of the command that pasted lines begin with, where the others would get lost: it takes no
    /// more than a line, and they are no commands.
    pub fn cut_short(self, pasted: &[u8]) -> Option<&[u8]> {
        let lines = || pasted.split(|b| *b == b'\n').filter(|line| !self.is_blank(line));
        let first = lines().next().filter(|_| lines().nth(1).is_some())?;
        let says = matches!(self.parse(first), Ok(Command::Msg(_) | Command::Tell(..)));
        let obeyed = self == Self::Commands && lines().all(|line| self.is_command(line));
        (!says && !obeyed && self.is_command(first)).then(|| first_word(first))
    }

    /// Whether `line` is a command by itself.
    pub fn is_command(self, line: &[u8]) -> bool {
        let known = self.parse(line).is_ok() || self.file(line).is_some();
        known || self.own(line).is_some() || line.trim_ascii().is_empty()
    }

    /// The single lines that pasted lines stand for.
    ///
    /// All go the way of the first, so that nothing pasted into a `tell` is said to the room, and
    /// no pasted line is taken for a command by chance. Only where each line is a command by
    /// itself, each is obeyed.
    pub fn unfold(self, pasted: &[u8]) -> Vec<Vec<u8>> {
        let blank = |line: &&[u8]| self.is_blank(line);
        let lines = || pasted.split(|b| *b == b'\n').filter(|line| !blank(line));
        let commands = self == Self::Commands && lines().all(|line| self.is_command(line));
        let mut unfolded: Vec<Vec<u8>> = lines().map(<[u8]>::to_vec).collect();
        let Some(first) = unfolded.first().filter(|_| !commands) else { return unfolded };
        let way = match self.parse(first) {
            Ok(Command::Msg(text) | Command::Tell(_, text)) => {
                first[..first.len() - text.len()].to_vec()
            }
            // It asks for nothing, and one answer to it is enough.
            _ => return unfolded.drain(..1).collect(),
        };
        // A message that is typed with two slashes has one of its own.
        let way: &[u8] = if self == Self::Chat && way == b"/" { b"" } else { &way };
        for line in &mut unfolded[1..] {
            let slash = self == Self::Chat && way.is_empty() && line.starts_with(b"/");
            *line = [way, if slash { b"/" } else { b"" }, line].concat();
        }
        unfolded
    }
}

/// Reads one command. The commands and the wire's go one to one.
///
/// Exact, so that talk which happens to begin like a command is not taken for one: `leave me alone`
/// leaves nobody. Only blanks after a whole command are forgiven. A message keeps all of its.
fn parse(line: &[u8]) -> Result<Command<'_>, Refusal> {
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

/// The same; and what those type who have chatted elsewhere.
fn parse_habit(line: &[u8]) -> Result<Command<'_>, Refusal> {
    match word(line) {
        _ if line.trim_ascii_end() == b"quit" => Ok(Command::Leave),
        Some((b"msg", rest)) => tell(rest),
        _ => parse(line),
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

pub fn first_word(line: &[u8]) -> &[u8] {
    line.split(u8::is_ascii_whitespace).next().unwrap_or_default()
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
    fn in_a_chat_a_bare_line_is_a_message() {
        let chat = |line| Grammar::Chat.parse(line);
        assert_eq!(chat(b"leave"), Ok(Command::Msg(b"leave")));
        assert_eq!(chat(b"  hi "), Ok(Command::Msg(b"  hi ")));
        assert_eq!(chat(b"//etc"), Ok(Command::Msg(b"/etc")));
        assert_eq!(chat(b"/leave "), Ok(Command::Leave));
        assert_eq!(chat(b"/tell bob hi"), Ok(Command::Tell(bob(), b"hi")));
        for line in [&b""[..], b"/", b"/leave me alone", b"/ who", b"/shrug"] {
            assert_eq!(chat(line), Err(Refusal::UnknownCommand));
        }
    }

    #[test]
    fn a_line_can_be_a_message_whatever_is_in_it() {
        let lines = Grammar::Lines;
        for line in [&b"leave"[..], b"/quit", b"//", b"send hi", b" ", b"send-file x"] {
            assert_eq!(lines.parse(line), Ok(Command::Msg(line)));
            assert_eq!((lines.file(line), lines.is_blank(line)), (None, false));
        }
        assert!(lines.is_blank(b"") && Grammar::Chat.is_blank(b" \t"));
        assert_eq!(lines.message(b"//a\n/b\n"), Some(b"//a\n/b".to_vec()));
    }

    fn unfolded(grammar: Grammar, pasted: &str) -> Vec<String> {
        let text = |line: Vec<u8>| String::from_utf8(line).expect("UTF-8");
        grammar.unfold(pasted.as_bytes()).into_iter().map(text).collect()
    }

    #[test]
    fn pasted_lines_go_the_way_of_the_first() {
        let chat = |pasted| unfolded(Grammar::Chat, pasted);
        assert_eq!(chat("a\n\n/leave\n b"), ["a", "//leave", " b"]);
        assert_eq!(chat("//a\n/b"), ["//a", "//b"]);
        assert_eq!(chat("/tell bob a\nb\n/who"), ["/tell bob a", "/tell bob b", "/tell bob /who"]);
        assert_eq!(chat("/who\nb"), ["/who"]);
        let commands = |pasted| unfolded(Grammar::Commands, pasted);
        assert_eq!(commands("send a\nb\nwho"), ["send a", "send b", "send who"]);
        assert_eq!(commands("tell bob a\nb"), ["tell bob a", "tell bob b"]);
        assert_eq!(commands("what\nis\nthis"), ["what"]);
    }

    #[test]
    fn what_is_pasted_behind_a_command_does_not_get_lost() {
        let word = |grammar: Grammar, pasted: &'static str| {
            grammar.cut_short(pasted.as_bytes()).map(|word| str::from_utf8(word).expect("UTF-8"))
        };
        for (pasted, first) in [
            ("/who\nb", Some("/who")),
            ("/quit \n\n/who", Some("/quit")),
            ("/send-file a\nb", Some("/send-file")),
            ("/reply a\nb", Some("/reply")),
            ("/who\n\n", None),
            ("/tell bob a\nb", None),
            ("a\n/who", None),
            ("/shrug\nb", None),
        ] {
            assert_eq!(word(Grammar::Chat, pasted), first, "{pasted:?}");
        }
        assert_eq!(word(Grammar::Commands, "who\nb"), Some("who"));
        assert_eq!(word(Grammar::Commands, "who\nping"), None);
    }

    #[test]
    fn pasted_commands_are_each_obeyed() {
        for pasted in ["send a\nwho\nsend b", "send-file a\n\nwho"] {
            let lines: Vec<&str> = pasted.lines().filter(|line| !line.is_empty()).collect();
            assert_eq!(unfolded(Grammar::Commands, pasted), lines);
            assert_eq!(Grammar::Commands.message(pasted.as_bytes()), None);
        }
    }

    #[test]
    fn pasted_lines_to_the_room_are_one_message() {
        let message = |grammar: Grammar, pasted: &str| {
            grammar.message(pasted.as_bytes()).map(|text| String::from_utf8(text).expect("UTF-8"))
        };
        for (pasted, text) in [
            ("send a\n\n  b\nwho\n\n", Some("a\n\n  b\nwho")),
            ("send a\n", None),
            ("tell bob a\nb", None),
            ("what\nis\nthis", None),
            ("\n", None),
        ] {
            assert_eq!(message(Grammar::Commands, pasted).as_deref(), text, "{pasted:?}");
        }
        for (pasted, text) in [
            ("a\n/leave\n//b", Some("a\n/leave\n//b")),
            ("//a\r\nb\r\n", Some("/a\r\nb")),
            ("/tell bob a\nb", None),
            ("/who\nb", None),
        ] {
            assert_eq!(message(Grammar::Chat, pasted).as_deref(), text, "{pasted:?}");
        }
    }

    #[test]
    fn a_file_is_all_that_follows_the_first_space() {
        let (commands, chat) = (Grammar::Commands, Grammar::Chat);
        assert_eq!(commands.file(b"send-file a b.txt "), Some(&b"a b.txt"[..]));
        assert_eq!(chat.file(b"/send-file a"), Some(&b"a"[..]));
        for line in ["send-file", "send-file ", "send-files a", "Send-file a", "/send-file a"] {
            assert_eq!(commands.file(line.as_bytes()), None, "{line}");
        }
        assert_eq!(chat.file(b"send-file a"), None);
    }

    #[test]
    fn what_one_asks_of_the_program_is_no_command_of_the_server() {
        let commands = |line: &'static str| Grammar::Commands.own(line.as_bytes());
        assert_eq!(commands("reply  hi"), Some(Own::Reply(b" hi")));
        assert_eq!(commands("ignore bob "), Some(Own::Ignore(Some(bob()))));
        assert_eq!(commands("ignore "), Some(Own::Ignore(None)));
        assert_eq!(commands("unignore bob"), Some(Own::Unignore(bob())));
        assert_eq!(Grammar::Chat.own(b"/reply hi"), Some(Own::Reply(b"hi")));
        for line in ["reply", "reply ", "ignore all of it", "unignore", "ignored", "/reply hi"] {
            assert_eq!(commands(line), None, "{line}");
        }
        assert_eq!(Grammar::Chat.own(b"reply hi"), None);
    }

    #[test]
    fn in_a_chat_habits_of_elsewhere_will_do() {
        let chat = |line| Grammar::Chat.parse(line);
        assert_eq!(chat(b"/quit "), Ok(Command::Leave));
        assert_eq!(chat(b"/msg bob hi"), Ok(Command::Tell(bob(), b"hi")));
        assert!(parse(b"quit").is_err() && parse(b"msg bob hi").is_err());
    }

    #[test]
    fn a_name_that_cannot_be_is_nobody_s() {
        assert_eq!(parse(b"tell b/b hi"), Err(Refusal::NoSuchMember));
    }
}
