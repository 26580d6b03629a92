//! What was said last: for those who come, and those who come back.
//!
//! Messages lie in blocks. A block is rendered once in each form for all who are sent it at the same
//! time, so that a thousand who come back at once share it. What one told another is kept apart, for
//! these two alone.

use super::Party;
use crate::limits::{self, Limits};
use crate::protocol::{Event, Form, Id, Name, Secret};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Weak};

/// The last messages of the room, within [`Limits::history`] and [`Limits::history_bytes`]; and so much
/// of what was told to those who can come back, or by them.
#[derive(Debug)]
pub struct History {
    limits: Limits,
    blocks: VecDeque<Block>,
    /// The numbers of the messages that are kept: the first ever has number 0.
    kept: Range<u64>,
    bytes: usize,
    /// The last message that is not kept: who wants what came after an earlier one may miss something.
    floor: Id,
    told: VecDeque<Told>,
    told_bytes: usize,
    told_floor: Id,
}

/// Messages that follow each other.
#[derive(Debug, Default)]
struct Block {
    /// The number of the first of them.
    first: u64,
    messages: Vec<Message>,
    /// What was said, one after the other.
    bytes: Vec<u8>,
    rendered: [Rendered; Form::COUNT],
}

#[derive(Debug)]
struct Message {
    id: Id,
    by: Party,
    is_data: bool,
    /// Where its bytes end.
    end: u32,
}

/// How a block sounds in one form, for as long as somebody is being sent that; and where its messages
/// end in it.
#[derive(Debug, Default)]
struct Rendered {
    text: Option<Weak<[u8]>>,
    ends: Vec<u32>,
}

/// What one member told another.
#[derive(Debug)]
struct Told {
    id: Id,
    from: Party,
    to: Party,
    text: Box<[u8]>,
}

/// What one who joins wants to have of what was said before.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// How it gets it.
    pub form: Form,
    /// At most so many.
    pub last: Option<u64>,
    /// What came after this.
    pub since: Option<Id>,
    /// By what it comes back, if it does.
    pub resumed: Option<Resumed<'a>>,
}

/// One who comes back, or may.
#[derive(Debug, Clone, Copy)]
pub struct Resumed<'a> {
    /// Under this name.
    pub name: Name,
    /// By this.
    pub secret: &'a Secret,
    /// It gets what it said itself, too.
    pub echo: bool,
}

/// What one who joins gets of it.
#[derive(Debug, Default)]
pub struct Replay {
    /// Something of what it wanted may be missing.
    pub gap: bool,
    /// In order.
    pub pieces: Vec<Piece>,
}

/// A piece of what is replayed.
#[derive(Debug)]
pub enum Piece {
    /// Messages, as others get them, too.
    Shared(Arc<[u8]>, Range<usize>),
    /// What is for it alone.
    Own(Vec<u8>),
}

impl History {
    /// That of a log that begins there.
    pub fn new(limits: &Limits, began: Id) -> Self {
        Self {
            limits: limits.clone(),
            blocks: VecDeque::new(),
            kept: 0..0,
            bytes: 0,
            floor: began,
            told: VecDeque::new(),
            told_bytes: 0,
            told_floor: began,
        }
    }

    /// Of what came up to `id`, something is not known.
    pub fn lacks(&mut self, id: Id) {
        self.floor = self.floor.max(id);
        self.told_floor = self.told_floor.max(id);
    }

    /// Keeps what was said to all.
    pub fn say(&mut self, id: Id, by: Party, is_data: bool, said: &[u8]) {
        if !self.limits.has_history() {
            self.floor = id;
            return;
        }
        let full = |block: &Block| {
            block.bytes.len() >= limits::BLOCK || block.messages.len() >= limits::BLOCK_MESSAGES
        };
        if self.blocks.back().is_none_or(full) {
            self.blocks.push_back(Block { first: self.kept.end, ..Block::default() });
        }
        let Some(block) = self.blocks.back_mut() else { return };
        self.kept.end += 1;
        self.bytes += cost(by.name, said.len());
        block.push(id, by, is_data, said);
        while self.kept.end - self.kept.start > self.limits.history as u64
            || self.bytes > self.limits.history_bytes
        {
            self.forget_message();
        }
    }

    /// Keeps what was said to one, if either of the two can come back to hear it.
    pub fn tell(&mut self, id: Id, from: Party, to: Party, text: &[u8]) {
        if from.secret.is_none() && to.secret.is_none() {
            return;
        }
        if !self.limits.has_history() {
            self.told_floor = id;
            return;
        }
        self.told_bytes += cost(from.name, text.len());
        self.told.push_back(Told { id, from, to, text: text.into() });
        while self.told.len() > self.limits.history || self.told_bytes > self.limits.history_bytes {
            let Some(told) = self.told.pop_front() else { return };
            self.told_bytes -= cost(told.from.name, told.text.len());
            self.told_floor = told.id;
        }
    }

    fn forget_message(&mut self) {
        let Some(block) = self.blocks.front_mut() else { return };
        let (message, bytes) = block.message(self.kept.start);
        self.bytes -= cost(message.by.name, bytes.len());
        self.floor = message.id;
        self.kept.start += 1;
        if self.kept.start == block.end() {
            self.blocks.pop_front();
        }
    }
}

// What is wanted of it.
impl History {
    /// What one who joins gets, where `newest` is the last id that the log knows.
    pub fn replay(&mut self, wanted: &Wanted<'_>, newest: Id) -> Replay {
        let last = wanted.last;
        let Some(since) = wanted.since else {
            let from = self.kept.end.saturating_sub(last.unwrap_or_default()).max(self.kept.start);
            return Replay {
                gap: false,
                pieces: self.render(&[Part::Said(from..self.kept.end)], wanted),
            };
        };
        let is_unknown = since > newest;
        // That was another log: of this one, everything.
        let since = if is_unknown { Id::default() } else { since };
        let mut parts = self.parts(since, wanted);
        let many: u64 = parts.iter().map(Part::len).sum();
        let left_out = last.map_or(0, |last| many.saturating_sub(last));
        leave_out(left_out, &mut parts);
        let gap = is_unknown || left_out > 0 || self.may_lack(since, wanted);
        Replay { gap, pieces: self.render(&parts, wanted) }
    }

    /// Whether something of what came after `since` is not here, or whoever comes back cannot tell
    /// what of it was its own.
    fn may_lack(&self, since: Id, wanted: &Wanted<'_>) -> bool {
        let Some(Resumed { name, secret, .. }) = wanted.resumed else { return since < self.floor };
        let is_others = |message: &Message| {
            message.by.name == name && message.by.secret.as_deref() != Some(secret)
        };
        since < self.floor.max(self.told_floor) || self.after(since).any(is_others)
    }

    /// All that came after `since`, in order.
    fn parts(&self, since: Id, wanted: &Wanted<'_>) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut from = self.first_after(since);
        let first = self.told.partition_point(|told| told.id <= since);
        for (at, told) in self.told.iter().enumerate().skip(first) {
            if !told.is_for(wanted) {
                continue;
            }
            let until = self.first_after(told.id);
            parts.extend([Part::Said(from..until), Part::Told(at)]);
            from = until;
        }
        parts.push(Part::Said(from..self.kept.end));
        parts
    }

    /// The number of the first message that is kept and came after `id`.
    fn first_after(&self, id: Id) -> u64 {
        let block = self.blocks.partition_point(|block| block.last() <= id);
        let Some(block) = self.blocks.get(block) else { return self.kept.end };
        let within = block.messages.partition_point(|message| message.id <= id);
        (block.first + within as u64).max(self.kept.start)
    }

    fn after(&self, id: Id) -> impl Iterator<Item = &Message> {
        let first = self.blocks.partition_point(|block| block.last() <= id);
        let messages = self.blocks.iter().skip(first).flat_map(|block| &block.messages);
        messages.skip_while(move |message| message.id <= id)
    }

    fn render(&mut self, parts: &[Part], wanted: &Wanted<'_>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for part in parts {
            match part {
                Part::Said(numbers) => self.render_said(numbers.clone(), wanted.form, &mut pieces),
                Part::Told(at) => pieces.push(Piece::Own(self.told[*at].rendered(wanted))),
            }
        }
        pieces
    }

    fn render_said(&mut self, mut numbers: Range<u64>, form: Form, pieces: &mut Vec<Piece>) {
        let most = self.limits.payload;
        let first = self.blocks.partition_point(|block| block.end() <= numbers.start);
        for block in self.blocks.iter_mut().skip(first) {
            if numbers.is_empty() {
                return;
            }
            let until = numbers.end.min(block.end());
            let (text, range) = block.rendered(numbers.start..until, form, most);
            if !range.is_empty() {
                pieces.push(Piece::Shared(text, range));
            }
            numbers.start = until;
        }
    }
}

/// A part of what is replayed.
#[derive(Debug)]
enum Part {
    /// The messages with these numbers.
    Said(Range<u64>),
    /// The one at this place among what was told.
    Told(usize),
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Said(numbers) => numbers.end - numbers.start,
            Self::Told(_) => 1,
        }
    }
}

/// Drops the first so many.
fn leave_out(mut many: u64, parts: &mut Vec<Part>) {
    parts.retain_mut(|part| {
        let dropped = many.min(part.len());
        many -= dropped;
        if let Part::Said(numbers) = part {
            numbers.start += dropped;
        }
        dropped == 0 || part.len() > 0 && matches!(part, Part::Said(_))
    });
}

impl Block {
    fn push(&mut self, id: Id, by: Party, is_data: bool, said: &[u8]) {
        self.bytes.extend_from_slice(said);
        let end = offset(self.bytes.len());
        self.messages.push(Message { id, by, is_data, end });
        self.rendered = Default::default();
    }

    /// The number of the message after the last.
    fn end(&self) -> u64 {
        self.first + self.messages.len() as u64
    }

    /// The id of the last message.
    fn last(&self) -> Id {
        self.messages.last().map_or(Id::default(), |message| message.id)
    }

    /// The message with this number, and where its bytes are.
    fn message(&self, number: u64) -> (&Message, Range<usize>) {
        let at = self.index(number);
        let start = at.checked_sub(1).map_or(0, |before| self.messages[before].end);
        let message = &self.messages[at];
        (message, start as usize..message.end as usize)
    }

    /// The place of the message with this number.
    fn index(&self, number: u64) -> usize {
        usize::try_from(number - self.first).expect("a block has its limit")
    }

    /// How the block sounds in a form, and where in that the messages with these numbers are.
    fn rendered(
        &mut self,
        numbers: Range<u64>,
        form: Form,
        most: usize,
    ) -> (Arc<[u8]>, Range<usize>) {
        let text = self.rendered[form.index()].text.as_ref().and_then(Weak::upgrade);
        let text = text.unwrap_or_else(|| self.render(form, most));
        let ends = &self.rendered[form.index()].ends;
        let end_of = |number| match self.index(number) {
            0 => 0,
            at => ends[at - 1] as usize,
        };
        (text, end_of(numbers.start)..end_of(numbers.end))
    }

    fn render(&mut self, form: Form, most: usize) -> Arc<[u8]> {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        for number in self.first..self.end() {
            let (message, range) = self.message(number);
            message.render(&self.bytes[range], form, most, &mut text);
            ends.push(offset(text.len()));
        }
        let text: Arc<[u8]> = text.into();
        self.rendered[form.index()] = Rendered { text: Some(Arc::downgrade(&text)), ends };
        text
    }
}

impl Message {
    fn render(&self, said: &[u8], form: Form, most: usize, out: &mut Vec<u8>) {
        if self.is_data {
            return Event::render_payload(self.by.name, said, form, self.id, most, out);
        }
        form.stamp(self.id, out);
        Event::Msg(self.by.name, said).render(out);
    }
}

impl Told {
    /// Whether it was told to whoever comes back, or by it, if that is wanted.
    fn is_for(&self, wanted: &Wanted<'_>) -> bool {
        self.is_to(wanted) || self.is_by(wanted)
    }

    fn is_to(&self, wanted: &Wanted<'_>) -> bool {
        wanted.resumed.as_ref().is_some_and(|own| self.to.secret.as_deref() == Some(own.secret))
    }

    fn is_by(&self, wanted: &Wanted<'_>) -> bool {
        let own = wanted.resumed.as_ref().filter(|own| own.echo);
        own.is_some_and(|own| self.from.secret.as_deref() == Some(own.secret))
    }

    fn rendered(&self, wanted: &Wanted<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let tell = self.is_to(wanted).then_some(Event::Tell(self.from.name, &self.text));
        let told = self.is_by(wanted).then_some(Event::Told(self.to.name, &self.text));
        for event in [tell, told].into_iter().flatten() {
            wanted.form.stamp(self.id, &mut out);
            event.render(&mut out);
        }
        out
    }
}

/// What a message counts for: as many bytes as a member is sent who asked for nothing else.
fn cost(name: Name, said: usize) -> usize {
    "MSG  \n".len() + name.as_bytes().len() + said
}

/// A place in a block, which is bounded by [`limits::BLOCK`] and one payload.
fn offset(len: usize) -> u32 {
    u32::try_from(len).expect("a block has its limit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::RangeInclusive;

    const TEXT: Form = Form { data: false, ids: false };
    const IDS: Form = Form { data: false, ids: true };

    fn id(n: u64) -> Id {
        Id::from_ms(n)
    }

    fn party(name: &str, secret: Option<&str>) -> Party {
        let secret = secret.and_then(|secret| Secret::new(secret.as_bytes())).map(Arc::new);
        Party { name: Name::new(name.as_bytes()).expect("a name"), secret }
    }

    /// A history to which ada said so many numbers: the message 7 has the id 7-0.
    fn numbers(limits: &Limits, many: u64) -> History {
        let mut history = History::new(limits, id(0));
        for n in 1..=many {
            history.say(id(n), party("ada", None), false, n.to_string().as_bytes());
        }
        history
    }

    fn wanted(form: Form, last: Option<u64>, since: Option<u64>) -> Wanted<'static> {
        Wanted { form, last, since: since.map(id), resumed: None }
    }

    fn text(replay: &Replay) -> String {
        let bytes = replay.pieces.iter().flat_map(|piece| match piece {
            Piece::Shared(text, part) => &text[part.clone()],
            Piece::Own(text) => text,
        });
        String::from_utf8(bytes.copied().collect()).expect("text")
    }

    fn lines(numbers: RangeInclusive<u64>, line: impl Fn(u64) -> String) -> String {
        numbers.map(line).collect()
    }

    fn limits(history: usize, history_bytes: usize) -> Limits {
        Limits { history, history_bytes, ..Limits::default() }
    }

    #[test]
    fn the_last_are_as_many_as_are_wanted_and_kept() {
        let mut history = numbers(&limits(1000, 1_000_000), 1500);
        for (last, first) in [(0, 1501), (1, 1500), (999, 502), (1000, 501), (5000, 501)] {
            let replay = history.replay(&wanted(TEXT, Some(last), None), id(1500));
            assert_eq!(text(&replay), lines(first..=1500, |n| format!("MSG ada {n}\n")));
        }
    }

    #[test]
    fn what_came_since_is_whole_as_far_back_as_it_is_kept() {
        let mut history = numbers(&limits(1000, 1_000_000), 1500);
        for since in [500, 501, 627, 628, 629, 1499, 1500] {
            let expected = lines(since + 1..=1500, |n| format!("@{n}-0 MSG ada {n}\n"));
            let replay = history.replay(&wanted(IDS, None, Some(since)), id(1500));
            assert_eq!((replay.gap, text(&replay)), (false, expected), "since {since}");
        }
        for since in [0, 499, 1501] {
            let replay = history.replay(&wanted(IDS, None, Some(since)), id(1500));
            assert!(replay.gap && text(&replay).lines().count() == 1000, "since {since}");
        }
    }

    #[test]
    fn bytes_are_counted_as_they_are_sent() {
        let line = "MSG ada 7\n".len();
        for (bytes, kept) in [(2 * line - 1, 1), (2 * line, 2), (line - 1, 0), (0, 0)] {
            let mut history = numbers(&limits(1000, bytes), 9);
            let replay = history.replay(&wanted(TEXT, Some(9), None), id(9));
            assert_eq!(text(&replay).lines().count(), kept, "{bytes} bytes");
        }
    }

    #[test]
    fn all_who_come_at_once_share_what_they_get() {
        let mut history = numbers(&limits(1000, 1_000_000), 500);
        let one = history.replay(&wanted(TEXT, Some(400), None), id(500));
        let other = history.replay(&wanted(TEXT, None, Some(50)), id(500));
        let texts = |replay: &Replay| -> Vec<*const u8> {
            let shared = replay.pieces.iter().map(|piece| match piece {
                Piece::Shared(text, _) => text.as_ptr(),
                Piece::Own(_) => panic!("all is shared"),
            });
            shared.collect()
        };
        assert_eq!(texts(&one), texts(&other));
    }

    #[test]
    fn nothing_is_kept_of_how_it_sounds_once_nobody_is_sent_it() {
        let mut history = numbers(&limits(1000, 1_000_000), 10);
        drop(history.replay(&wanted(TEXT, Some(10), None), id(10)));
        let rendered = &history.blocks[0].rendered[TEXT.index()];
        assert!(rendered.text.as_ref().is_some_and(|text| text.upgrade().is_none()));
    }

    #[test]
    fn what_is_told_is_for_the_two_alone_and_only_if_they_can_come_back() {
        let (secret, other) = ("0123456789abcdef", "fedcba9876543210");
        let (ada, bob) = (party("ada", Some(secret)), party("bob", None));
        let mut history = numbers(&Limits::default(), 1);
        history.tell(id(2), ada.clone(), bob.clone(), b"2");
        history.say(id(3), bob.clone(), false, b"3");
        history.tell(id(4), bob.clone(), ada.clone(), b"4");
        history.tell(id(5), bob.clone(), bob.clone(), b"5");
        assert_eq!(history.told.len(), 2);
        let mut replay = |name: &Party, secret: &str, echo| {
            let secret = Secret::new(secret.as_bytes()).expect("a secret");
            let resumed = Some(Resumed { name: name.name, secret: &secret, echo });
            let wanted = Wanted { resumed, ..wanted(TEXT, None, Some(1)) };
            let replay = history.replay(&wanted, id(5));
            (replay.gap, text(&replay))
        };
        assert_eq!(
            replay(&ada, secret, true),
            (false, "TOLD bob 2\nMSG bob 3\nTELL bob 4\n".into())
        );
        assert_eq!(replay(&ada, secret, false), (false, "MSG bob 3\nTELL bob 4\n".into()));
        // Another has spoken under that name.
        assert_eq!(replay(&bob, other, true), (true, "MSG bob 3\n".into()));
    }

    #[test]
    fn of_what_came_since_the_last_are_what_remains_when_the_rest_is_left_out() {
        let mut history = numbers(&Limits::default(), 9);
        let replay = history.replay(&wanted(TEXT, Some(2), Some(5)), id(9));
        assert_eq!((replay.gap, text(&replay)), (true, "MSG ada 8\nMSG ada 9\n".into()));
        let replay = history.replay(&wanted(TEXT, Some(4), Some(5)), id(9));
        assert_eq!((replay.gap, text(&replay).lines().count()), (false, 4));
    }
}
