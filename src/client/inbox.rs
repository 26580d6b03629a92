//! What was heard on one connection and waits to be taken: frames in, events out. Still no I/O.

use super::error::Error;
use super::event::{Event, Heard};
use super::greeting::Greeting;
use super::link::{Hear, Next};
use super::queue::Queue;
use crate::limits;
use crate::protocol::frames::Frame;
use crate::protocol::lines::Line;
use crate::protocol::text::to_safe;
use crate::protocol::{self, Form, Id, Name, Standing, VERSION, word};
use std::collections::VecDeque;
use std::io::ErrorKind;

/// The errors that answer JOIN and nothing else.
const REFUSALS: [&[u8]; 5] =
    [b"bad-name", b"bad-option", b"name-taken", b"already-joined", b"denied"];

/// How an alert of TLS begins.
const ALERT: &[u8] = &[0x15, 3];

/// What a client has heard.
#[derive(Debug)]
pub struct Inbox {
    pub queue: Queue<Heard, Error>,
    /// The server has said HELLO, and this of itself.
    pub greeted: bool,
    pub greeting: Greeting,
    /// The form in which payloads come, once one is in.
    pub form: Form,
    /// The forms that were asked for, by each JOIN that is not answered yet.
    pub joins: VecDeque<Form>,
    /// What the last OK said of the log.
    pub standing: Option<Standing>,
    /// The names so far of an answer to WHO that goes on in another line.
    who: Vec<Name>,
    /// Whose payload comes next, and at which place in the room's order.
    speaker: Option<(Name, Option<Id>)>,
}

impl Inbox {
    pub fn new() -> Self {
        Self {
            queue: Queue::new(),
            greeted: false,
            greeting: Greeting::default(),
            form: Form::default(),
            joins: VecDeque::new(),
            standing: None,
            who: Vec::new(),
            speaker: None,
        }
    }
}

impl Hear for Inbox {
    fn frame(&mut self, frame: Frame<'_>, _: &mut Vec<u8>) -> Next {
        match frame {
            _ if self.queue.end().is_some() => {}
            Frame::Line(line) => return self.line(line),
            Frame::Payload(bytes) => {
                if let Some((from, id)) = self.speaker.take() {
                    let event = Event::Data { from, bytes: bytes.into() };
                    self.queue.push(Heard { id, event });
                }
            }
            Frame::Unclosed { .. } => self.distrust("a payload that is not closed".into()),
        }
        Next::Line
    }

    fn beginning(&mut self, line: Line<'_>, out: &mut Vec<u8>) {
        match line {
            Line::TooLong { .. } => _ = self.frame(Frame::Line(line), out),
            Line::Whole(line) if !self.greeted && line.starts_with(ALERT) => self.greeting(line),
            _ => {}
        }
    }

    fn end(&mut self, torn: Option<Line<'_>>, out: &mut Vec<u8>) {
        // A word of the protocol might have gone on: `ERR full` may be half of another code.
        if let Some(Line::Whole(line)) = torn
            && !self.greeted
            && protocol::Event::parse(line).is_none()
        {
            self.frame(Frame::Line(Line::Whole(line)), out);
        }
        self.lost(ErrorKind::UnexpectedEof);
    }

    fn lost(&mut self, how: ErrorKind) {
        self.queue.finish(Error::Lost(how));
    }

    fn is_full(&self, _: usize) -> bool {
        self.queue.is_full()
    }
}

impl Inbox {
    /// Takes a line in. Words that this version does not have are skipped.
    fn line(&mut self, line: Line<'_>) -> Next {
        match line {
            // The latter two are telnet's, and a server is none.
            Line::Whole(b"") | Line::TimingMark | Line::Interrupt => {}
            Line::TooLong { .. } => {
                self.distrust(format!("a line over {} bytes", limits::EVENT_LINE));
            }
            Line::Whole(line) if self.greeted => return self.words(line),
            Line::Whole(line) => self.greeting(line),
        }
        Next::Line
    }

    fn words(&mut self, line: &[u8]) -> Next {
        let (id, line) = Id::stamped(line);
        match protocol::Event::parse(line) {
            Some(protocol::Event::Data(from, len)) => return self.announced(from, id, len),
            Some(event) => self.event(id, event),
            // What follows would be read as lines, whoever has written it.
            None if word(line).0 == b"DATA" => {
                self.distrust("a DATA line that cannot be read".into());
            }
            None => {}
        }
        Next::Line
    }

    fn announced(&mut self, from: Name, id: Option<Id>, len: u64) -> Next {
        match usize::try_from(len) {
            Ok(len) if len <= limits::PAYLOAD => {
                self.speaker = Some((from, id));
                Next::Payload(len)
            }
            _ => {
                self.distrust(format!("a payload over {} bytes", limits::PAYLOAD));
                Next::Line
            }
        }
    }

    fn greeting(&mut self, line: &[u8]) {
        match protocol::Event::parse(line) {
            Some(protocol::Event::Hello(version, text)) if version == VERSION.as_bytes() => {
                self.greeted = true;
                self.greeting = Greeting::parse(text);
            }
            Some(protocol::Event::Err(code, text)) => {
                self.queue.finish(Error::said(&to_safe(code), &to_safe(text)));
            }
            Some(protocol::Event::Bye(reason)) => {
                self.queue.finish(Error::Closed { reason: to_safe(reason) });
            }
            _ if line.starts_with(ALERT) => self.queue.finish(Error::Tls),
            _ => {
                let said: String = to_safe(line).chars().take(limits::QUOTE).collect();
                self.distrust(format!("it says \"{said}\""));
            }
        }
    }

    fn event(&mut self, id: Option<Id>, event: protocol::Event<'_>) {
        self.answered(&event);
        let event = match event {
            protocol::Event::Ok(name, members, _) => Event::Ok { name, members },
            protocol::Event::Passed => Event::Passed,
            protocol::Event::Msg(from, text) => Event::Msg { from, text: to_safe(text) },
            protocol::Event::Tell(from, text) => Event::Tell { from, text: to_safe(text) },
            protocol::Event::Told(to, text) => Event::Told { to, text: to_safe(text) },
            protocol::Event::Gap => Event::Gap,
            protocol::Event::Note(text) => Event::Note(to_safe(text)),
            protocol::Event::Joined(name) => Event::Joined(name),
            protocol::Event::Left(name, reason) => Event::Left { name, reason: to_safe(reason) },
            protocol::Event::Pong(token) => Event::Pong(to_safe(token)),
            protocol::Event::Help(text) => Event::Help(to_safe(text)),
            protocol::Event::Err(code, text) => {
                Event::Err { code: to_safe(code), text: to_safe(text) }
            }
            protocol::Event::Who(total, names) => return self.who(total, names),
            protocol::Event::Bye(reason) => {
                return self.queue.finish(Error::Closed { reason: to_safe(reason) });
            }
            // A payload is taken whole.
            protocol::Event::Hello(..) | protocol::Event::Data(..) => return,
        };
        self.queue.push(Heard { id, event });
    }

    /// Notes the answers to JOIN, which come in the order in which it was asked, and whether or not
    /// anybody waits for them.
    fn answered(&mut self, event: &protocol::Event<'_>) {
        match event {
            protocol::Event::Ok(.., standing) => {
                self.standing = *standing;
                if let Some(form) = self.joins.pop_front() {
                    self.form = form;
                }
            }
            protocol::Event::Err(code, _) if REFUSALS.iter().any(|of_join| of_join == code) => {
                self.joins.pop_front();
            }
            _ => {}
        }
    }

    /// Collects the lines of an answer to WHO: it is whole once `total` names have come.
    fn who(&mut self, total: usize, names: &[u8]) {
        self.who.extend(names.split(|b| *b == b' ').filter_map(Name::new));
        if self.who.len() >= total {
            let names = std::mem::take(&mut self.who);
            self.queue.push(Heard { id: None, event: Event::Who(names) });
        } else if self.who.len() > limits::WHO_NAMES {
            self.distrust("it names more members than there can be".into());
        }
    }

    /// It does what no server of this protocol does.
    fn distrust(&mut self, why: String) {
        self.queue.finish(Error::NotSmoltalk(why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Inbox {
        let mut heard = Inbox::new();
        for line in lines {
            heard.frame(Frame::Line(Line::Whole(line.as_bytes())), &mut Vec::new());
        }
        heard
    }

    fn pop(heard: &mut Inbox) -> Option<Event> {
        Some(heard.queue.next()?.ok()?.event)
    }

    fn names(spelt: &[&str]) -> Vec<Name> {
        spelt.iter().filter_map(|name| Name::new(name.as_bytes())).collect()
    }

    #[test]
    fn an_answer_to_who_is_whole_once_all_names_have_come() {
        let mut heard = heard(&["HELLO smoltalk/1 x", "WHO 3 ada bob", "MSG bob hi", "WHO 3 eve"]);
        assert!(matches!(pop(&mut heard), Some(Event::Msg { .. })));
        assert_eq!(pop(&mut heard), Some(Event::Who(names(&["ada", "bob", "eve"]))));
    }

    #[test]
    fn a_server_that_never_stops_naming_members_is_not_believed() {
        let mut heard = heard(&["HELLO smoltalk/1"]);
        let line = format!("WHO 99999999999{}", " x".repeat(4000));
        for _ in 0..=limits::WHO_NAMES / 4000 + 1 {
            heard.frame(Frame::Line(Line::Whole(line.as_bytes())), &mut Vec::new());
        }
        assert!(matches!(heard.queue.end(), Some(Error::NotSmoltalk(_))));
    }

    #[test]
    fn words_of_a_later_version_are_skipped() {
        let mut heard = heard(&["HELLO smoltalk/1", "WEATHER rain", "MSG b@d hi", "", "PONG 1"]);
        assert_eq!(pop(&mut heard), Some(Event::Pong("1".into())));
        assert!(heard.queue.next().is_none());
    }

    #[test]
    fn behind_a_data_line_that_cannot_be_read_nothing_is_heard() {
        for line in ["DATA", "DATA bob", "DATA b@d 5", "DATA bob -1", "DATA bob 1 2", "DATA  5"] {
            let mut heard = heard(&["HELLO smoltalk/1", "PONG 1", line, "MSG bob payload"]);
            assert_eq!(pop(&mut heard), Some(Event::Pong("1".into())), "{line}");
            let end = heard.queue.next();
            assert!(
                matches!(&end, Some(Err(Error::NotSmoltalk(why))) if why.contains("DATA")),
                "{line}: {end:?}"
            );
        }
    }

    #[test]
    fn what_happens_in_the_room_has_its_place() {
        let mut heard = heard(&[
            "HELLO smoltalk/1",
            "OK ada 2 id=7-0 token=0123456789abcdef",
            "@7-1 MSG bob hi",
            "GAP",
            "@7-2 TOLD bob hi",
            "@8-0 NOTE hi",
            "@9-0 DATA bob 2",
        ]);
        heard.frame(Frame::Payload(b"hi"), &mut Vec::new());
        assert_eq!(heard.standing.map(|standing| standing.id), Id::parse(b"7-0"));
        let places: Vec<Option<String>> = std::iter::from_fn(|| heard.queue.next())
            .map(|heard| heard.expect("an event").id.map(|id| id.to_string()))
            .collect();
        let expected = [None, Some("7-1"), None, Some("7-2"), Some("8-0"), Some("9-0")];
        assert_eq!(places, expected.map(|id| id.map(String::from)));
    }

    #[test]
    fn what_a_careless_server_says_is_made_safe() {
        let mut heard =
            heard(&["HELLO smoltalk/1", "MSG bob \x1b[2J", "LEFT bob \x07", "ERR \x1b \x1b"]);
        let bob = Name::new(b"bob").expect("a name");
        assert_eq!(pop(&mut heard), Some(Event::Msg { from: bob, text: "␛[2J".into() }));
        assert_eq!(pop(&mut heard), Some(Event::Left { name: bob, reason: "␇".into() }));
        assert_eq!(pop(&mut heard), Some(Event::Err { code: "␛".into(), text: "␛".into() }));
    }

    #[test]
    fn what_came_first_is_how_it_ended() {
        let mut heard = heard(&["HELLO smoltalk/1", "PONG 1", "BYE shutdown", "PONG 2"]);
        heard.lost(ErrorKind::ConnectionReset);
        assert!(matches!(pop(&mut heard), Some(Event::Pong(token)) if token == "1"));
        for _ in 0..2 {
            assert!(
                matches!(heard.queue.next(), Some(Err(Error::Closed { reason })) if reason == "shutdown")
            );
        }
    }

    #[test]
    fn tls_is_known_by_its_alert() {
        // The last is `unexpected_message`, whose number is that of LF.
        for alert in ["\x15\x03\x01\x00\x02\x02\x46", "\x15\x03\x03\x00\x02\x02"] {
            let heard = heard(&[alert]);
            assert!(matches!(heard.queue.end(), Some(Error::Tls)));
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
            assert!(!heard.greeted);
            assert!(
                matches!(heard.queue.end(), Some(Error::NotSmoltalk(said)) if said == why),
                "{line}"
            );
        }
    }
}
