//! What was heard on one connection and waits to be taken: frames in, events out. Still no I/O.

use super::{Error, Event};
use crate::limits;
use crate::protocol::frames::Frame;
use crate::protocol::lines::Line;
use crate::protocol::text::to_safe;
use crate::protocol::{self, Name, VERSION};
use std::collections::VecDeque;

/// The events that wait, and after them how the connection ended, if it has.
#[derive(Debug, Default)]
pub(super) struct Heard {
    greeted: bool,
    events: VecDeque<Event>,
    /// The sum of the events' sizes.
    size: usize,
    /// The names so far of an answer to WHO that goes on in another line.
    who: Vec<Name>,
    /// Whose payload comes next.
    speaker: Option<Name>,
    end: Option<Error>,
}

impl Heard {
    /// Whether the server has said HELLO.
    pub(super) fn is_greeted(&self) -> bool {
        self.greeted
    }

    /// How many events wait.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether so much waits that reading should stop.
    pub(super) fn is_full(&self) -> bool {
        self.size >= limits::HEARD
    }

    /// How the connection ended, if it has. Events may still wait.
    pub(super) fn end(&self) -> Option<&Error> {
        self.end.as_ref()
    }

    /// The next event, or the end after the last one.
    pub(super) fn next(&mut self) -> Option<Result<Event, Error>> {
        self.pop().map(Ok).or_else(|| self.end.clone().map(Err))
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.size -= event.size();
        Some(event)
    }

    /// Takes out the first event, of those after the first `seen`, in which `read` sees something.
    pub(super) fn take_answer<T>(
        &mut self,
        seen: &mut usize,
        read: impl Fn(&Event) -> Option<T>,
    ) -> Option<T> {
        while let Some(event) = self.events.get(*seen) {
            if let Some(answer) = read(event) {
                self.size -= event.size();
                self.events.remove(*seen);
                return Some(answer);
            }
            *seen += 1;
        }
        None
    }

    /// Forgets what waits.
    pub(super) fn forget(&mut self) {
        self.events.clear();
        self.size = 0;
    }

    /// Notes how the connection ended. What came first is the reason.
    pub(super) fn finish(&mut self, end: Error) {
        self.end.get_or_insert(end);
    }

    /// Takes a frame in; returns how long the payload is that comes next, if one does.
    pub(super) fn frame(&mut self, frame: Frame<'_>) -> Option<usize> {
        match frame {
            _ if self.end.is_some() => {}
            Frame::Line(line) => return self.line(line),
            Frame::Payload(bytes) => {
                let from = self.speaker.take()?;
                self.push(Event::Data { from, bytes: bytes.into() });
            }
            Frame::Unclosed { .. } => {
                self.finish(Error::NotSmoltalk("a payload that is not closed".into()));
            }
        }
        None
    }

    /// Takes a line in. Words that this version does not have are skipped.
    fn line(&mut self, line: Line<'_>) -> Option<usize> {
        match line {
            // The latter two are telnet's, and a server is none.
            Line::Whole(b"") | Line::TimingMark | Line::Interrupt => {}
            Line::TooLong { .. } => {
                let why = format!("a line over {} bytes", limits::EVENT_LINE);
                self.finish(Error::NotSmoltalk(why));
            }
            Line::Whole(line) if self.greeted => match protocol::Event::parse(line) {
                Some(protocol::Event::Data(from, len)) => return self.announced(from, len),
                Some(event) => self.event(event),
                None => {}
            },
            Line::Whole(line) => self.greeting(line),
        }
        None
    }

    fn announced(&mut self, from: Name, len: u64) -> Option<usize> {
        let len = usize::try_from(len).ok().filter(|len| *len <= limits::PAYLOAD);
        if len.is_none() {
            let why = format!("a payload over {} bytes", limits::PAYLOAD);
            self.finish(Error::NotSmoltalk(why));
        }
        self.speaker = Some(from);
        len
    }

    fn greeting(&mut self, line: &[u8]) {
        match protocol::Event::parse(line) {
            Some(protocol::Event::Hello(version, _)) if version == VERSION.as_bytes() => {
                self.greeted = true;
            }
            Some(protocol::Event::Err(code, text)) => {
                self.finish(Error::said(&to_safe(code), &to_safe(text)));
            }
            Some(protocol::Event::Bye(reason)) => {
                self.finish(Error::Closed { reason: to_safe(reason) });
            }
            _ => {
                let said: String = to_safe(line).chars().take(limits::QUOTE).collect();
                self.finish(Error::NotSmoltalk(format!("it says \"{said}\"")));
            }
        }
    }

    fn event(&mut self, event: protocol::Event<'_>) {
        self.push(match event {
            protocol::Event::Ok(name, members) => Event::Ok { name, members },
            protocol::Event::Msg(from, text) => Event::Msg { from, text: to_safe(text) },
            protocol::Event::Tell(from, text) => Event::Tell { from, text: to_safe(text) },
            protocol::Event::Joined(name) => Event::Joined(name),
            protocol::Event::Left(name, reason) => Event::Left { name, reason: to_safe(reason) },
            protocol::Event::Pong(token) => Event::Pong(to_safe(token)),
            protocol::Event::Help(text) => Event::Help(to_safe(text)),
            protocol::Event::Err(code, text) => {
                Event::Err { code: to_safe(code), text: to_safe(text) }
            }
            protocol::Event::Who(total, names) => return self.who(total, names),
            protocol::Event::Bye(reason) => {
                return self.finish(Error::Closed { reason: to_safe(reason) });
            }
            // A payload is taken whole.
            protocol::Event::Hello(..) | protocol::Event::Data(..) => return,
        });
    }

    /// Collects the lines of an answer to WHO: it is whole once `total` names have come.
    fn who(&mut self, total: usize, names: &[u8]) {
        self.who.extend(names.split(|b| *b == b' ').filter_map(Name::new));
        if self.who.len() >= total {
            let names = std::mem::take(&mut self.who);
            self.push(Event::Who(names));
        } else if self.who.len() > limits::WHO_NAMES {
            self.finish(Error::NotSmoltalk("it names more members than there can be".into()));
        }
    }

    fn push(&mut self, event: Event) {
        self.size += event.size();
        self.events.push_back(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Heard {
        let mut heard = Heard::default();
        for line in lines {
            heard.frame(Frame::Line(Line::Whole(line.as_bytes())));
        }
        heard
    }

    fn names(spelt: &[&str]) -> Vec<Name> {
        spelt.iter().filter_map(|name| Name::new(name.as_bytes())).collect()
    }

    #[test]
    fn an_answer_to_who_is_whole_once_all_names_have_come() {
        let mut heard = heard(&["HELLO smoltalk/1 x", "WHO 3 ada bob", "MSG bob hi", "WHO 3 eve"]);
        assert!(matches!(heard.pop(), Some(Event::Msg { .. })));
        assert_eq!(heard.pop(), Some(Event::Who(names(&["ada", "bob", "eve"]))));
        assert_eq!(heard.size, 0);
    }

    #[test]
    fn a_server_that_never_stops_naming_members_is_not_believed() {
        let mut heard = heard(&["HELLO smoltalk/1"]);
        let line = format!("WHO 99999999999{}", " x".repeat(4000));
        for _ in 0..=limits::WHO_NAMES / 4000 + 1 {
            heard.frame(Frame::Line(Line::Whole(line.as_bytes())));
        }
        assert!(matches!(heard.end(), Some(Error::NotSmoltalk(_))));
    }

    #[test]
    fn words_of_a_later_version_are_skipped() {
        let mut heard = heard(&["HELLO smoltalk/1", "WEATHER rain", "MSG b@d hi", "", "PONG 1"]);
        assert_eq!(heard.pop(), Some(Event::Pong("1".into())));
        assert!(heard.next().is_none());
    }

    #[test]
    fn what_a_careless_server_says_is_made_safe() {
        let mut heard =
            heard(&["HELLO smoltalk/1", "MSG bob \x1b[2J", "LEFT bob \x07", "ERR \x1b \x1b"]);
        let bob = Name::new(b"bob").expect("a name");
        assert_eq!(heard.pop(), Some(Event::Msg { from: bob, text: "␛[2J".into() }));
        assert_eq!(heard.pop(), Some(Event::Left { name: bob, reason: "␇".into() }));
        assert_eq!(heard.pop(), Some(Event::Err { code: "␛".into(), text: "␛".into() }));
    }

    #[test]
    fn what_came_first_is_how_it_ended() {
        let mut heard = heard(&["HELLO smoltalk/1", "PONG 1", "BYE shutdown", "PONG 2"]);
        heard.finish(Error::Lost(std::io::ErrorKind::ConnectionReset));
        assert!(matches!(heard.next(), Some(Ok(Event::Pong(token))) if token == "1"));
        for _ in 0..2 {
            assert!(
                matches!(heard.next(), Some(Err(Error::Closed { reason })) if reason == "shutdown")
            );
        }
    }

    #[test]
    fn another_protocol_is_quoted_safely_and_in_short() {
        for (line, why) in [
            ("SSH-2.0-\x1b[2J", "it says \"SSH-2.0-␛[2J\""),
            ("HELLO smoltalk/2 hi", "it says \"HELLO smoltalk/2 hi\""),
            ("HELLO smoltalk-direct/1 ada", "it says \"HELLO smoltalk-direct/1 ada\""),
            ("MSG bob hi", "it says \"MSG bob hi\""),
            (&"x".repeat(5000), &format!("it says \"{}\"", "x".repeat(80))),
        ] {
            let heard = heard(&[line]);
            assert!(!heard.is_greeted());
            assert!(matches!(heard.end(), Some(Error::NotSmoltalk(said)) if said == why), "{line}");
        }
    }
}
