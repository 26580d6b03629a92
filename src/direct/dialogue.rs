//! A conversation without its socket: frames in, events out, and bytes to be sent.

use super::error::Error;
use super::event::Event;
use super::flight::Flight;
use super::words::{Malformed, VERSION, Word};
use crate::client::link::{Hear, Next};
use crate::client::queue::Queue;
use crate::client::unsent::Unsent;
use crate::limits;
use crate::protocol::frames::Frame;
use crate::protocol::lines::Line;
use crate::protocol::text::to_safe;
use crate::protocol::{Refusal, begins_foreign};
use std::io::ErrorKind;
use std::time::Instant;

/// The code that answers an acknowledgement of what was never sent.
const BAD_ACK: &str = "bad-ack";

/// The codes after which nothing more comes. Any other is about one line.
const CLOSING: [&[u8]; 4] = [b"busy", b"bad-frame", BAD_ACK.as_bytes(), b"not-smoltalk"];

/// What the other side is told by whom it is one too many for.
pub const BUSY: Word<'_> = Word::Err(b"busy", b"somebody else is being talked to, try again later");

/// All that is known of a conversation.
#[derive(Debug)]
pub struct Dialogue {
    pub queue: Queue<Event, Error>,
    pub flight: Flight,
    /// The longest message, either way.
    limit: usize,
    /// The other side's name, once it has said HELLO.
    peer: Option<String>,
    /// The number of the message whose payload comes next.
    announced: Option<u64>,
}

impl Dialogue {
    pub fn new(limit: usize) -> Self {
        Self { queue: Queue::new(), flight: Flight::new(), limit, peer: None, announced: None }
    }

    pub fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    /// Whether another message may be queued.
    pub fn has_room(&self, unsent: &Unsent) -> bool {
        unsent.len() < limits::UNSENT && self.flight.span() < limits::UNACKNOWLEDGED
    }

    /// Whether the socket has taken everything, and there is room for more.
    pub fn has_sent(&self, unsent: &Unsent) -> bool {
        let taken = unsent.len() == 0 && !unsent.is_mute();
        taken && self.has_room(unsent) && self.queue.end().is_none()
    }

    /// Queues a message; returns its number.
    pub fn say(&mut self, bytes: &[u8], now: Instant, unsent: &mut Unsent) -> Result<u64, Error> {
        if bytes.len() > self.limit {
            return Err(Error::TooLong(self.limit));
        }
        if let Some(end) = self.queue.end() {
            return Err(end.clone());
        }
        if !self.has_room(unsent) {
            return Err(Error::Behind);
        }
        let id = self.flight.depart(now);
        let out = unsent.tail();
        Word::Data(id, bytes.len() as u64).render(out);
        out.extend_from_slice(bytes);
        out.push(b'\n');
        Ok(id)
    }
}

impl Hear for Dialogue {
    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Next {
        match frame {
            _ if self.queue.end().is_some() => {}
            // The latter two are telnet's, and who speaks here is none.
            Frame::Line(Line::Whole(b"") | Line::TimingMark | Line::Interrupt) => {}
            Frame::Line(Line::Whole(line) | Line::TooLong { beginning: line, .. })
                if self.peer.is_none() =>
            {
                self.greeting(line, out);
            }
            Frame::Line(Line::Whole(line)) => match Word::parse(line) {
                Ok(word) => return self.word(word, out),
                Err(Malformed) => self.bad_frame(out),
            },
            Frame::Line(Line::TooLong { .. }) => {
                let text = format!("a line here may have {} bytes", limits::LINE);
                complain(out, Refusal::TooLong.code(), &text);
            }
            Frame::Unclosed { .. } => self.bad_frame(out),
            Frame::Payload(bytes) => {
                if let Some(id) = self.announced.take() {
                    self.queue.push(Event::Message { id, bytes: bytes.into() });
                }
            }
        }
        Next::Line
    }

    fn beginning(&mut self, line: Line<'_>, out: &mut Vec<u8>) {
        match line {
            _ if self.peer.is_some() || self.queue.end().is_some() => {}
            Line::Whole(line) if !begins_foreign(line) => {}
            Line::Whole(line) | Line::TooLong { beginning: line, .. } => self.greeting(line, out),
            Line::TimingMark | Line::Interrupt => {}
        }
    }

    fn end(&mut self, torn: Option<Line<'_>>, out: &mut Vec<u8>) {
        if let Some(Line::Whole(line)) = torn
            && self.peer.is_none()
            && Word::parse(line) == Ok(Word::Unknown)
        {
            self.frame(Frame::Line(Line::Whole(line)), out);
        }
        self.queue.finish(match self.peer {
            None => Error::NotDirect("it says nothing".into()),
            Some(_) if self.announced.is_some() => Error::CutOff,
            Some(_) => Error::Gone,
        });
    }

    fn lost(&mut self, how: ErrorKind) {
        self.queue.finish(Error::Lost(how));
    }

    /// One who does not read what we say is not read either.
    fn is_full(&self, unsent: usize) -> bool {
        self.queue.is_full() || unsent >= limits::UNREAD + self.limit
    }
}

// What is heard.
impl Dialogue {
    fn greeting(&mut self, line: &[u8], out: &mut Vec<u8>) {
        match Word::parse(line) {
            Ok(Word::Hello(version, name)) if version == VERSION.as_bytes() => {
                let name: String = to_safe(name).chars().take(limits::QUOTE).collect();
                self.peer = Some(if name.is_empty() { "somebody".into() } else { name });
            }
            Ok(Word::Err(code, text)) => self.refused(code, text),
            _ => {
                let said: String = to_safe(line).chars().take(limits::QUOTE).collect();
                self.give_up(
                    out,
                    Refusal::NotSmoltalk.code(),
                    "this is smoltalk direct, which begins with HELLO smoltalk-direct/1 <name>",
                    Error::NotDirect(format!("it says \"{said}\"")),
                );
            }
        }
    }

    fn word(&mut self, word: Word<'_>, out: &mut Vec<u8>) -> Next {
        match word {
            Word::Data(id, len) => return self.announced(id, len, out),
            Word::Ack(id) => self.arrived(id, Instant::now(), out),
            Word::Err(code, text) if code == Refusal::TooLong.code().as_bytes() => {
                self.too_long_for_the_peer(text);
            }
            Word::Err(code, text) if CLOSING.contains(&code) => self.refused(code, text),
            Word::Err(code, text) => {
                self.queue.push(Event::Refused {
                    id: None,
                    code: to_safe(code),
                    text: to_safe(text),
                });
            }
            // Of a later version.
            Word::Hello(..) | Word::Unknown => {}
        }
        Next::Line
    }

    fn arrived(&mut self, id: u64, now: Instant, out: &mut Vec<u8>) {
        if let Some(departed) = self.flight.arrive(id) {
            let round_trip = now.saturating_duration_since(departed);
            self.queue.push(Event::Acked { id, round_trip });
        } else {
            let why = format!("{id} does not wait for it");
            self.give_up(out, BAD_ACK, &why, Error::NeverSent(id));
        }
    }

    fn announced(&mut self, id: u64, len: u64, out: &mut Vec<u8>) -> Next {
        if let Ok(len) = usize::try_from(len)
            && len <= self.limit
        {
            self.announced = Some(id);
            return Next::Payload(len);
        }
        // The number comes first, so that the sender's program knows which it was.
        let text = format!("{id} has {len} bytes, a message here may have {}", self.limit);
        complain(out, Refusal::TooLong.code(), &text);
        Next::Unwanted(len)
    }

    /// The peer has skipped a message.
    fn too_long_for_the_peer(&mut self, text: &[u8]) {
        let text = to_safe(text);
        let id = text.split(' ').next().and_then(|id| id.parse().ok());
        let id = id.filter(|id| self.flight.arrive(*id).is_some());
        self.queue.push(Event::Refused { id, code: Refusal::TooLong.code().into(), text });
    }

    fn refused(&mut self, code: &[u8], text: &[u8]) {
        self.queue.finish(match code {
            b"busy" => Error::Busy,
            _ => Error::Refused { code: to_safe(code), text: to_safe(text) },
        });
    }

    fn bad_frame(&mut self, out: &mut Vec<u8>) {
        const EXPECTED: &str = "DATA <id> <len>, then so many bytes, then an LF; or ACK <id>";
        self.give_up(out, Refusal::BadFrame.code(), EXPECTED, Error::BadFrame);
    }

    /// Says what is wrong, and that it is over.
    fn give_up(&mut self, out: &mut Vec<u8>, code: &str, text: &str, end: Error) {
        complain(out, code, text);
        self.queue.finish(end);
    }
}

/// Says what is wrong.
fn complain(out: &mut Vec<u8>, code: &str, text: &str) {
    Word::Err(code.as_bytes(), text.as_bytes()).render(out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frames::Frames;
    use proptest::prelude::*;
    use std::time::Duration;

    /// One that hears `stream` in pieces, after HELLO; what it makes of it, and says.
    fn heard<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<Event>, Option<Error>, String) {
        let mut dialogue = Dialogue::new(100);
        for n in 1..=3 {
            let sent = dialogue.say(b"x", Instant::now(), &mut Unsent::default());
            assert_eq!(sent.expect("sent"), n);
        }
        let mut out = Vec::new();
        let mut frames = Frames::new(limits::LINE);
        for mut piece in std::iter::once(&b"HELLO smoltalk-direct/1 bob\n"[..]).chain(pieces) {
            while let Some(frame) = frames.next(&mut piece) {
                match dialogue.frame(frame, &mut out) {
                    Next::Line => {}
                    Next::Payload(len) => frames.expect(len),
                    Next::Unwanted(len) => frames.skip(len),
                }
            }
        }
        let events = std::iter::from_fn(|| dialogue.queue.next()?.ok()).collect();
        (events, dialogue.queue.end().cloned(), String::from_utf8(out).expect("UTF-8"))
    }

    fn message(id: u64, bytes: &[u8]) -> Event {
        Event::Message { id, bytes: bytes.into() }
    }

    #[test]
    fn a_message_is_any_bytes_and_is_not_acknowledged_by_itself() {
        let (events, end, said) = heard([&b"DATA 1 5\nACK 9\nDATA 2 0\n\n"[..]]);
        assert_eq!(events, [message(1, b"ACK 9"), message(2, b"")]);
        assert!(end.is_none());
        assert_eq!(said, "");
    }

    #[test]
    fn acknowledgements_come_in_any_order_but_once() {
        let (events, end, said) = heard([&b"ACK 2\nACK 1\nACK 2\nACK 3\n"[..]]);
        assert!(matches!(events[..], [Event::Acked { id: 2, .. }, Event::Acked { id: 1, .. }]));
        assert!(matches!(end, Some(Error::NeverSent(2))));
        assert_eq!(said, "ERR bad-ack 2 does not wait for it\n");
    }

    #[test]
    fn what_is_not_well_formed_ends_it() {
        for stream in ["DATA 1\n", "DATA 1 x\n", "DATA 1 1\nab\n", "ACK\n"] {
            let (events, end, said) = heard([stream.as_bytes(), b"\nDATA 2 1\nx\n"]);
            assert_eq!(events, []);
            assert!(matches!(end, Some(Error::BadFrame)), "{stream}");
            assert!(said.starts_with("ERR bad-frame "));
        }
    }

    #[test]
    fn what_is_too_long_is_skipped_and_the_next_message_heard() {
        let stream = [b"DATA 1 101\n", &[b'\n'; 101][..], b"\nDATA 2 100\n", &[7; 100], b"\n"];
        let (events, end, said) = heard(stream);
        assert_eq!(events, [message(2, &[7; 100])]);
        assert!(end.is_none());
        assert_eq!(said, "ERR too-long 1 has 101 bytes, a message here may have 100\n");
    }

    #[test]
    fn a_line_that_is_too_long_costs_only_itself() {
        let long = "x".repeat(5000);
        let (events, end, said) = heard([long.as_bytes(), b"y", b"\nDATA 1 1\nx\n"]);
        assert_eq!(events, [message(1, b"x")]);
        assert!(end.is_none());
        assert_eq!(said, "ERR too-long a line here may have 4096 bytes\n");
    }

    #[test]
    fn what_was_too_long_for_the_peer_waits_no_longer() {
        let (events, end, _) =
            heard([&b"ERR too-long 2 is too much\nERR too-long what?\nACK 2\n"[..]]);
        let refused =
            |id, text: &str| Event::Refused { id, code: "too-long".into(), text: text.into() };
        assert_eq!(events, [refused(Some(2), "2 is too much"), refused(None, "what?")]);
        assert!(matches!(end, Some(Error::NeverSent(2))));
    }

    #[test]
    fn words_of_a_later_version_are_skipped_and_its_errors_told() {
        let (events, end, said) =
            heard([&b"\nTYPING\nhello again\nERR \x1b \x1b[2J\nDATA 1 1\nx\n"[..]]);
        let (code, text) = ("␛".to_string(), "␛[2J".to_string());
        assert_eq!(events, [Event::Refused { id: None, code, text }, message(1, b"x")]);
        assert!(end.is_none());
        assert_eq!(said, "");
    }

    #[test]
    fn some_errors_are_the_end() {
        for error in ["busy", "bad-frame", "bad-ack", "not-smoltalk"] {
            let (events, end, _) = heard([format!("ERR {error} why\nACK 1\n").as_bytes()]);
            assert_eq!(events, []);
            assert!(matches!(end, Some(Error::Busy | Error::Refused { .. })), "{error}");
        }
    }

    #[test]
    fn a_name_is_safe_to_print_and_short() {
        for (hello, name) in [
            ("HELLO smoltalk-direct/1 \x1b[2J", "␛[2J"),
            ("hello smoltalk-direct/1", "somebody"),
            (&format!("HELLO smoltalk-direct/1 {}", "x".repeat(4000)), &"x".repeat(limits::QUOTE)),
        ] {
            let mut dialogue = Dialogue::new(limits::MESSAGE);
            dialogue.frame(Frame::Line(Line::Whole(hello.as_bytes())), &mut Vec::new());
            assert_eq!(dialogue.peer(), Some(name));
        }
    }

    #[test]
    fn no_more_is_on_its_way_than_may_be() {
        let mut dialogue = Dialogue::new(limits::MESSAGE);
        let mut say = |bytes: &[u8], unsent: &mut Unsent, acked: Option<u64>| {
            assert!(acked.is_none_or(|id| dialogue.flight.arrive(id).is_some()));
            dialogue.say(bytes, Instant::now(), unsent)
        };
        for _ in 0..limits::UNACKNOWLEDGED {
            say(b"", &mut Unsent::default(), None).expect("there is room");
        }
        let mut unsent = Unsent::default();
        assert!(matches!(say(b"", &mut unsent, None), Err(Error::Behind)));
        say(&vec![0; limits::UNSENT], &mut unsent, Some(1)).expect("there is room again");
        assert!(matches!(say(b"", &mut unsent, Some(2)), Err(Error::Behind)));
    }

    #[test]
    fn the_round_trip_is_from_queued_to_acknowledged() {
        let mut dialogue = Dialogue::new(limits::MESSAGE);
        let departed = Instant::now();
        dialogue.say(b"x", departed, &mut Unsent::default()).expect("sent");
        let round_trip = Duration::from_micros(184);
        dialogue.arrived(1, departed + round_trip, &mut Vec::new());
        let acked = dialogue.queue.next();
        assert!(
            matches!(acked, Some(Ok(Event::Acked { id: 1, round_trip: r })) if r == round_trip)
        );
    }

    proptest! {
        #[test]
        fn every_cut_of_a_stream_is_heard_alike(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 0..6),
            piece in 1..200usize,
        ) {
            let mut stream = Vec::new();
            for (n, payload) in payloads.iter().enumerate() {
                stream.extend_from_slice(format!("DATA {n} {}\n", payload.len()).as_bytes());
                stream.extend_from_slice(payload);
                stream.extend_from_slice(b"\n");
            }
            let (events, end, _) = heard(stream.chunks(piece));
            prop_assert!(end.is_none());
            let expected: Vec<Event> = payloads
                .iter()
                .enumerate()
                .filter(|(_, payload)| payload.len() <= 100)
                .map(|(n, payload)| message(n as u64, payload))
                .collect();
            prop_assert_eq!(events, expected);
        }

        #[test]
        fn arbitrary_bytes_never_panic(stream: Vec<u8>) {
            heard([&stream[..]]);
        }
    }
}
