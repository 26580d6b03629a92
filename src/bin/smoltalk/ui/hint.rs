//! What to say to whoever typed a line that asks for nothing.

use super::grammar::{Grammar, first_word};
use smoltalk::protocol::text::to_safe;
use smoltalk::protocol::{Command, Name};

/// What has to follow a command that is whole by itself.
const NOTHING_MORE: &str = "nothing more";

/// Characters of a word that are repeated to whoever typed it.
const WORD: usize = 32;

impl Grammar {
    /// What is wrong with a line that is nearly a command; `None` where it may be anything, such as
    /// something to say.
    pub fn wrong(self, line: &[u8]) -> Option<String> {
        match self {
            Self::Commands => wrong_command(line),
            Self::Chat => {
                let word = first_word(line.strip_prefix(b"/")?);
                let shown = shown(word);
                Some(takes(word).map_or_else(
                    || format!("there is no /{shown}: type /help, or //{shown} to say that"),
                    |takes| format!("/{shown} takes {takes}"),
                ))
            }
            Self::Lines => None,
        }
    }

    /// What to type in a chat instead of a message that is a command where there is no slash before them;
    /// where it tells something, to somebody who is `here`.
    pub fn doubt(self, line: &[u8], here: impl Fn(&Name) -> bool) -> Option<String> {
        match Self::Commands.parse(line).ok().filter(|_| self == Self::Chat)? {
            Command::Tell(to, _) if here(&to) => Some(format!("/tell {to} is for {to} alone")),
            Command::Leave => Some("/leave leaves".into()),
            Command::Who => Some("/who lists who is here".into()),
            _ => None,
        }
    }

    /// Why pasted lines are not obeyed, though the first of them could be.
    pub fn refuses(self, pasted: &[u8]) -> Option<String> {
        let word = self.cut_short(pasted)?;
        let takes = takes(word.strip_prefix(b"/").unwrap_or(word));
        let takes = takes.filter(|takes| *takes == NOTHING_MORE).unwrap_or("one line");
        Some(format!("{} takes {takes}: nothing was done", shown(word)))
    }
}

fn wrong_command(line: &[u8]) -> Option<String> {
    if let Some(word) = misspelt(line) {
        return Some(word);
    }
    let Some(slashed) = line.strip_prefix(b"/") else {
        return match first_word(line) {
            // People leave, and ask for help, in more words than one.
            b"leave" | b"help" | b"msg" | b"quit" => None,
            word => takes(word).map(|takes| format!("{} takes {takes}", shown(word))),
        };
    };
    let word: &[u8] = match first_word(slashed) {
        b"msg" => b"tell",
        b"quit" => b"leave",
        word => word,
    };
    Some(match takes(word) {
        Some(_) => format!("type {}, without the slash", shown(word)),
        None => format!("there is no /{}: type help", shown(word)),
    })
}

/// How to type what is a command but for capitals, and blanks before it, or is one elsewhere.
fn misspelt(line: &[u8]) -> Option<String> {
    let trimmed = line.trim_ascii();
    if [&b"quit"[..], b"exit", b"bye"].contains(&trimmed) {
        return Some("type leave".into());
    }
    let small = trimmed.to_ascii_lowercase();
    if small.is_empty() || !Grammar::Commands.is_command(&small) {
        return None;
    }
    let how = if small == trimmed { "with no blank before it" } else { "in small letters" };
    Some(format!("type {}, {how}", shown(first_word(&small))))
}

/// What has to follow a command.
fn takes(command: &[u8]) -> Option<&'static str> {
    Some(match command {
        b"send" | b"reply" => "a message",
        b"send-file" => "the path of a file",
        b"tell" | b"msg" => "a name and a message",
        b"ignore" => "a name, or nothing",
        b"unignore" => "a name",
        b"who" | b"ping" | b"leave" | b"quit" | b"help" => NOTHING_MORE,
        _ => return None,
    })
}

fn shown(word: &[u8]) -> String {
    to_safe(word).chars().take(WORD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_lacks_something_is_told_what() {
        for (line, wrong) in [
            ("tell", "tell takes a name and a message"),
            ("tell bob ", "tell takes a name and a message"),
            ("send", "send takes a message"),
            ("who now", "who takes nothing more"),
            ("ignore all of it", "ignore takes a name, or nothing"),
            ("/tell bob hi", "type tell, without the slash"),
            ("/quit", "type leave, without the slash"),
            ("quit", "type leave"),
            ("Send hi", "type send, in small letters"),
            ("HELP", "type help, in small letters"),
            ("  who", "type who, with no blank before it"),
            (" send hi", "type send, with no blank before it"),
            ("/nick x", "there is no /nick: type help"),
            ("/\x1b[2J", "there is no /␛[2J: type help"),
        ] {
            assert_eq!(Grammar::Commands.wrong(line.as_bytes()).as_deref(), Some(wrong), "{line}");
        }
        for (line, wrong) in [
            ("/tell bob", "/tell takes a name and a message"),
            ("/leave me alone", "/leave takes nothing more"),
            ("/nick x", "there is no /nick: type /help, or //nick to say that"),
            ("/etc/passwd is", "there is no /etc/passwd: type /help, or //etc/passwd to say that"),
        ] {
            assert_eq!(Grammar::Chat.wrong(line.as_bytes()).as_deref(), Some(wrong), "{line}");
        }
    }

    #[test]
    fn what_may_be_something_to_say_is_not_judged() {
        for line in [
            "hello everyone",
            "leave me alone",
            "help me",
            "Tell",
            "Who is there?",
            "telling",
            "quit it",
        ] {
            assert_eq!(Grammar::Commands.wrong(line.as_bytes()), None, "{line}");
        }
    }
}
