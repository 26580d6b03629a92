//! What makes one conversation of several connections: what was said and is not confirmed, and up to
//! where all was heard. A state machine without I/O, which `PROTOCOL.md` has in words: "So nothing is
//! missed, and nothing said twice".

use super::event::Event;
use crate::limits;
use crate::protocol::text::to_safe;
use crate::protocol::{Command, Form, Id, JoinOptions, Name, Refusal, Secret, Standing};
use std::collections::VecDeque;

/// Something to say, as others read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saying {
    /// Text for the room.
    Msg(String),
    /// Any bytes for the room.
    Data(Vec<u8>),
    /// Text for one member.
    Tell(Name, String),
}

/// What something that was heard is to one who may have heard it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// It is new: take it.
    New,
    /// It happened while one was away, or before one came: take it.
    Missed,
    /// One's own name has said it, and it is none of what this ledger holds: before one came, as a rule.
    Own,
    /// It is the echo of what one has said oneself: of the line with this number. Those before it that
    /// were not confirmed were refused.
    Echo(u64),
    /// It was taken before, or says nothing.
    Known,
}

/// Keeps the books of one member.
///
/// It is told what is [to be said](Self::push), gives it out [for a connection](Self::to_say), is told
/// all that is [heard](Self::heard), and says what that is. Each line has a number, from 0 on.
#[derive(Debug)]
pub struct Ledger {
    secret: Secret,
    /// The name under which one is in.
    me: Option<Name>,
    /// The place of the last that was taken.
    last: Option<Id>,
    /// The same before a [`Event::Gap`], until something is taken behind it.
    before_gap: Option<Id>,
    /// Where the log stood when one came first: nothing before it is missed.
    floor: Option<Id>,
    /// Of something that one tells oneself comes a TELL and a TOLD, at one place: this one of them was
    /// taken.
    half: Option<(Id, Half)>,
    unconfirmed: VecDeque<Saying>,
    /// The bytes of it.
    size: usize,
    /// How many lines have been settled before those: confirmed, refused or given up.
    settled: u64,
    /// How many of the unconfirmed may have arrived.
    given: usize,
    /// The numbers up to which all is settled at each PONG that is still to come.
    asked: VecDeque<u64>,
    at: At,
    /// The server has no echo: a PONG confirms, and what it has not confirmed when the connection
    /// breaks may or may not have arrived.
    blind: bool,
    /// JOINs on connections that are gone that were never answered: each of them may still arrive.
    late: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Tell,
    Told,
}

/// Where one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Not in the room.
    Away { gap: bool },
    /// In it, and some of what was missed may be still to come.
    Back {
        /// Where the log stood.
        standing: Id,
        /// What comes first is not what one missed, but what one has never known.
        history: bool,
        gap: bool,
    },
    /// In it.
    Here,
}

impl Saying {
    /// What `command` says, if it is one that says something.
    #[must_use]
    pub fn of(command: &Command<'_>) -> Option<Self> {
        match command {
            Command::Msg(text) => Some(Self::Msg(to_safe(text))),
            Command::Tell(to, text) => Some(Self::Tell(*to, to_safe(text))),
            _ => None,
        }
    }

    /// The command that says it; of bytes, its first line.
    #[must_use]
    pub fn command(&self) -> Command<'_> {
        match self {
            Self::Msg(text) => Command::Msg(text.as_bytes()),
            Self::Data(bytes) => Command::Data(bytes.len()),
            Self::Tell(to, text) => Command::Tell(*to, text.as_bytes()),
        }
    }

    /// Whether it can be said; what it is too long for is the limit of a line.
    pub fn check(&self) -> Result<(), Refusal> {
        let (len, text) = match self {
            Self::Msg(text) => ("MSG ".len(), text.len()),
            Self::Tell(to, text) => ("TELL  ".len() + to.as_bytes().len(), text.len()),
            Self::Data(bytes) => (0, bytes.len()),
        };
        match self {
            _ if text == 0 => Err(Refusal::Empty),
            Self::Data(bytes) if bytes.len() > limits::PAYLOAD => Err(Refusal::TooLong),
            Self::Msg(_) | Self::Tell(..) if len + text > limits::LINE => Err(Refusal::TooLong),
            _ => Ok(()),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Msg(text) | Self::Tell(_, text) => text.len(),
            Self::Data(bytes) => bytes.len(),
        }
    }

    /// What `event` is the echo of, were one called `me`.
    fn echoed(event: &Event, me: Name) -> Option<Self> {
        Some(match event {
            Event::Msg { from, text } if *from == me => Self::Msg(text.clone()),
            Event::Data { from, bytes } if *from == me => Self::Data(bytes.clone()),
            Event::Told { to, text } => Self::Tell(*to, text.clone()),
            _ => return None,
        })
    }

    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tell(one, _), Self::Tell(other, _)) => one == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Ledger {
    /// One of who has said and heard nothing, and will be known by `secret`.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self {
            secret,
            me: None,
            last: None,
            before_gap: None,
            floor: None,
            half: None,
            unconfirmed: VecDeque::new(),
            size: 0,
            settled: 0,
            given: 0,
            asked: VecDeque::new(),
            at: At::Away { gap: false },
            blind: false,
            late: 0,
        }
    }

    /// One that goes on where another ended: with what that took [last](Self::last), how many lines it
    /// had [settled](Self::settled), and those that were not. Any of them may have arrived; unless
    /// nothing was taken, for then one has not got so far as to say them.
    #[must_use]
    pub fn restored(
        secret: Secret,
        last: Option<Id>,
        settled: u64,
        unconfirmed: impl IntoIterator<Item = Saying>,
    ) -> Self {
        let mut ledger = Self { last, settled, late: 1, ..Self::new(secret) };
        for saying in unconfirmed {
            ledger.push(saying);
        }
        ledger.given = if last.is_some() { ledger.unconfirmed.len() } else { 0 };
        ledger
    }

    /// The same of one that ended [in doubt](Self::is_in_doubt).
    #[must_use]
    pub fn in_doubt(self) -> Self {
        Self { at: At::Away { gap: true }, ..self }
    }

    /// By what one is known.
    #[must_use]
    pub fn secret(&self) -> Secret {
        self.secret
    }

    /// The place up to which all was taken; `None` where one has not got so far, or half of what has
    /// one place is still to come.
    #[must_use]
    pub fn last(&self) -> Option<Id> {
        self.last.filter(|_| self.half.is_none())
    }

    /// Whether there was a [`Event::Gap`], and what comes behind it is not all there: then nobody will
    /// know what had arrived before, wherever one goes on.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self.at, At::Away { gap: true } | At::Back { gap: true, .. })
    }

    /// How many lines have been settled: confirmed, refused or given up.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// How many lines are not.
    #[must_use]
    pub fn unsettled(&self) -> usize {
        self.unconfirmed.len()
    }

    /// How many of them have been given to no connection, or are to be said again.
    #[must_use]
    pub fn unsaid(&self) -> usize {
        self.unconfirmed.len() - self.given
    }

    /// How many of them were given to a connection: they may or may not have arrived.
    #[must_use]
    pub fn unconfirmed(&self) -> u64 {
        self.given as u64
    }

    /// What a connection was given that tells somebody something, where it is one line: who is nobody here
    /// is meant by it.
    #[must_use]
    pub fn told(&self) -> Option<(&Name, &str)> {
        let mut told = self.unconfirmed.iter().take(self.given).filter_map(|saying| match saying {
            Saying::Tell(to, text) => Some((to, text.as_str())),
            _ => None,
        });
        told.next().filter(|_| told.next().is_none())
    }

    /// The number of the line that is [given](Self::to_say) next.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.settled + self.given as u64
    }

    /// Whether one more line should be taken: while there are fewer than
    /// [`limits::UNCONFIRMED_LINES`], and [`limits::UNCONFIRMED`] bytes of them.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.unconfirmed.len() < limits::UNCONFIRMED_LINES && self.size < limits::UNCONFIRMED
    }

    /// Whether one is in the room and has all that was missed: what is pushed can be said at once.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.at == At::Here
    }

    /// Takes something to say; its number.
    pub fn push(&mut self, saying: Saying) -> u64 {
        self.size += saying.size();
        self.unconfirmed.push_back(saying);
        self.settled + self.unconfirmed.len() as u64 - 1
    }

    /// The next to give to the connection, if it is time; it then has been.
    pub fn to_say(&mut self) -> Option<&Saying> {
        let next = self.unconfirmed.get(self.given).filter(|_| self.at == At::Here)?;
        self.given += 1;
        Some(next)
    }
}

// Coming and going.
impl Ledger {
    /// What to ask for with JOIN. Who comes for the first time gets the `last` messages, too.
    #[must_use]
    pub fn join(&self, last: u64) -> JoinOptions {
        let since = self.since();
        JoinOptions {
            form: Form { data: true, ids: true },
            echo: true,
            last: (since.is_none() && last > 0).then_some(last),
            since,
            resume: Some(self.secret),
        }
    }

    /// A JOIN was sent on a connection that is gone, and never answered.
    pub fn unanswered(&mut self) {
        self.late = self.late.saturating_add(1);
    }

    /// One is in, as `me`: what was missed comes now, and after it the PONG that
    /// [`caught_up`](Self::caught_up) waits for.
    pub fn joined(&mut self, me: Name, standing: Standing) {
        self.me = Some(me);
        let history = self.since().is_none();
        if history {
            self.floor = Some(standing.id);
        }
        self.blind = false;
        let At::Away { gap } = self.at else { return };
        self.at = At::Back { standing: standing.id, history, gap };
    }

    /// One is in, as `me`, with a server that knows no ids: nothing of what was missed comes. How many
    /// lines that another server may have got are given up, so that nothing is said twice.
    pub fn joined_blindly(&mut self, me: Name) -> u64 {
        self.me = Some(me);
        self.at = At::Here;
        let doubtful = self.give_up();
        self.blind = true;
        doubtful
    }

    /// The PONG behind the JOIN has come: what has not been confirmed by then is to be said again. But
    /// after a [`Event::Gap`] nobody knows what had arrived: how many lines are given up for that.
    pub fn caught_up(&mut self) -> u64 {
        let At::Back { standing, gap, .. } = self.at else { return 0 };
        self.at = At::Here;
        self.last = self.last.max(Some(standing));
        self.before_gap = None;
        let doubtful = if gap { self.give_up() } else { 0 };
        self.given = 0;
        doubtful
    }

    /// Settles what may have arrived.
    fn give_up(&mut self) -> u64 {
        let doubtful = self.given as u64;
        self.settle(self.settled + doubtful);
        doubtful
    }

    /// Whether the server one was in last knows no ids.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.blind
    }

    /// The connection is gone. Where the server knows no ids, nothing is said twice: how many lines that
    /// may not have arrived are given up for that.
    pub fn disconnected(&mut self) -> u64 {
        self.at = At::Away { gap: self.is_in_doubt() };
        self.asked.clear();
        if self.blind { self.give_up() } else { 0 }
    }

    /// Whether to join again after `BYE replaced`: as often as an own JOIN may have come late. Else it
    /// was somebody else's who knows the secret, and the two would replace each other for ever.
    pub fn comes_back(&mut self) -> bool {
        let was_late = self.late > 0;
        self.late = self.late.saturating_sub(1);
        was_late
    }

    fn since(&self) -> Option<Id> {
        self.last.or(self.before_gap).or(self.floor)
    }
}

// What is heard.
impl Ledger {
    /// Says what something that was heard is to one; whatever is not [`Take::Known`] counts as taken.
    pub fn heard(&mut self, id: Option<Id>, event: &Event) -> Take {
        let Some(id) = id.filter(|_| !self.blind) else {
            if *event == Event::Gap {
                self.gap();
            }
            return Take::New;
        };
        if !self.advance(id, event) {
            return Take::Known;
        }
        let (missed, history) = match self.at {
            At::Back { standing, history, .. } if id <= standing => (true, history),
            _ => (false, false),
        };
        let echoed = self.me.and_then(|me| Saying::echoed(event, me));
        match echoed {
            Some(echoed) => match if history { None } else { self.confirm(&echoed) } {
                Some(number) => Take::Echo(number),
                // Nobody needs to hear what was told.
                None if matches!(echoed, Saying::Tell(..)) => Take::Known,
                None => Take::Own,
            },
            None if missed => Take::Missed,
            None => Take::New,
        }
    }

    /// Whether something was given that no PONG will settle, and none is on its way.
    #[must_use]
    pub fn is_unasked(&self) -> bool {
        self.asked.is_empty() && self.given > 0
    }

    /// Notes that a PING goes out: at its PONG, all that was given to this connection before it is
    /// settled, for the echoes come first.
    pub fn ask(&mut self) {
        self.asked.push_back(self.settled + self.given as u64);
    }

    /// That PONG has come; how many lines had not been confirmed before it: they were refused.
    pub fn answered(&mut self) -> u64 {
        let before = self.settled;
        if let Some(number) = self.asked.pop_front() {
            self.settle(number);
        }
        self.settled - before
    }

    fn gap(&mut self) {
        if let At::Back { gap, .. } = &mut self.at {
            *gap = true;
            // The places of another log may be lower.
            self.before_gap = self.last.take().or(self.before_gap);
            self.half = None;
        }
    }

    /// Whether what is at `id` is new.
    fn advance(&mut self, id: Id, event: &Event) -> bool {
        let half = match event {
            Event::Tell { from, .. } if Some(*from) == self.me => Some(Half::Tell),
            Event::Told { to, .. } if Some(*to) == self.me => Some(Half::Told),
            _ => None,
        };
        match (self.half, half) {
            (Some((at, taken)), Some(half)) if at == id => {
                if taken == half {
                    return false;
                }
                self.half = None;
                self.last = Some(id);
                return true;
            }
            _ if self.last.is_some_and(|last| id <= last) => return false,
            _ => {}
        }
        self.half = half.map(|half| (id, half));
        if half.is_none() {
            self.last = Some(id);
        }
        true
    }

    /// The line that `echoed` confirms, and with it settles all before it: they came in order.
    fn confirm(&mut self, echoed: &Saying) -> Option<u64> {
        let gap = matches!(self.at, At::Back { gap: true, .. });
        let mut given = self.unconfirmed.iter().take(self.given);
        let same = given.position(|said| said == echoed);
        // The first of its kind it is in any case, if nothing is missing.
        let first = || {
            let mut given = self.unconfirmed.iter().take(self.given).filter(|_| !gap);
            given.position(|said| said.is_like(echoed))
        };
        let number = self.settled + same.or_else(first)? as u64;
        self.settle(number + 1);
        Some(number)
    }

    /// Settles all lines below `number`.
    fn settle(&mut self, number: u64) {
        while self.settled < number
            && let Some(line) = self.unconfirmed.pop_front()
        {
            self.size -= line.size();
            self.settled += 1;
            self.given = self.given.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(spelt: &str) -> Name {
        Name::new(spelt.as_bytes()).expect("a name")
    }

    fn secret() -> Secret {
        Secret::from_random([7; 24])
    }

    fn id(ms: u64) -> Id {
        Id::from_ms(ms)
    }

    fn standing(ms: u64) -> Standing {
        Standing { id: id(ms), token: secret() }
    }

    fn msg(from: &str, text: &str) -> Event {
        Event::Msg { from: name(from), text: text.into() }
    }

    /// Ada, who is in since 10.
    fn ada() -> Ledger {
        let mut ada = Ledger::new(secret());
        ada.joined(name("ada"), standing(10));
        assert_eq!(ada.caught_up(), 0);
        ada
    }

    fn says(ledger: &mut Ledger, text: &str) {
        ledger.push(Saying::Msg(text.into()));
        while ledger.to_say().is_some() {}
    }

    #[test]
    fn what_did_not_come_back_is_said_again() {
        let mut ada = ada();
        says(&mut ada, "one");
        says(&mut ada, "two");
        assert_eq!(ada.heard(Some(id(11)), &msg("ada", "one")), Take::Echo(0));
        ada.disconnected();
        ada.push(Saying::Msg("three".into()));
        assert_eq!(ada.to_say(), None, "there is nobody to say it to");
        assert_eq!(ada.join(20).since, Some(id(11)));
        ada.joined(name("ada"), standing(15));
        assert_eq!(ada.heard(Some(id(12)), &msg("bob", "hi")), Take::Missed);
        assert_eq!(ada.to_say(), None, "more may come back");
        assert_eq!(ada.caught_up(), 0);
        assert_eq!(ada.to_say(), Some(&Saying::Msg("two".into())));
        assert_eq!(ada.to_say(), Some(&Saying::Msg("three".into())));
        assert_eq!(ada.heard(Some(id(16)), &msg("bob", "hi")), Take::New);
        assert_eq!(ada.last(), Some(id(16)));
    }

    #[test]
    fn what_was_given_before_a_gap_is_said_no_more_and_what_was_not_is() {
        let mut ada = ada();
        for text in ["one", "two", "three"] {
            says(&mut ada, text);
        }
        ada.disconnected();
        ada.push(Saying::Msg("four".into()));
        // Another log, of an earlier time.
        ada.joined(name("ada"), standing(5));
        assert_eq!(ada.heard(None, &Event::Gap), Take::New);
        assert_eq!(ada.heard(Some(id(3)), &msg("bob", "hi")), Take::Missed);
        assert_eq!(ada.heard(Some(id(4)), &msg("ada", "two")), Take::Echo(1));
        assert_eq!(ada.caught_up(), 1, "three may have arrived");
        assert_eq!(ada.to_say(), Some(&Saying::Msg("four".into())));
        assert_eq!(ada.last(), Some(id(5)));
    }

    #[test]
    fn a_gap_is_asked_about_again_where_nothing_came_behind_it() {
        let mut ada = ada();
        says(&mut ada, "one");
        ada.disconnected();
        for _ in 0..2 {
            assert_eq!(ada.join(0).since, Some(id(10)));
            ada.joined(name("ada"), standing(5));
            ada.heard(None, &Event::Gap);
            ada.disconnected();
        }
        ada.joined(name("ada"), standing(6));
        assert_eq!(ada.caught_up(), 1, "the gap is not forgotten");
    }

    #[test]
    fn who_goes_on_behind_a_gap_says_nothing_twice() {
        let lines = [Saying::Msg("one".into())];
        let restored = Ledger::restored(secret(), Some(id(3)), 0, lines);
        let mut ada = restored.in_doubt();
        ada.joined(name("ada"), standing(5));
        assert!(ada.is_in_doubt());
        assert_eq!(ada.heard(Some(id(4)), &msg("bob", "hi")), Take::Missed);
        assert_eq!(ada.caught_up(), 1, "it may have arrived");
        assert_eq!(ada.to_say(), None);
        assert!(!ada.is_in_doubt());
    }

    #[test]
    fn what_was_said_under_ones_name_before_one_came_is_no_echo() {
        let mut ada = Ledger::new(secret());
        ada.push(Saying::Msg("hi".into()));
        assert_eq!(ada.join(20).last, Some(20));
        ada.joined(name("ada"), standing(10));
        assert_eq!(ada.heard(Some(id(9)), &msg("ada", "hi")), Take::Own);
        assert_eq!(ada.heard(Some(id(10)), &msg("bob", "hi")), Take::Missed);
        ada.caught_up();
        assert!(ada.to_say().is_some());
        assert_eq!(ada.heard(Some(id(11)), &msg("ADA", "hi")), Take::Echo(0));
    }

    #[test]
    fn of_the_last_messages_those_that_did_not_come_are_missed() {
        let mut ada = Ledger::new(secret());
        ada.joined(name("ada"), standing(10));
        assert_eq!(ada.last(), None);
        ada.disconnected();
        assert_eq!(ada.join(20).since, Some(id(10)), "nothing that was said since may be missing");
        ada.joined(name("ada"), standing(12));
        ada.heard(Some(id(11)), &msg("bob", "hi"));
        ada.disconnected();
        assert_eq!(ada.join(20).since, Some(id(11)));
    }

    #[test]
    fn what_one_tells_oneself_comes_twice_and_may_break_between() {
        for told_first in [false, true] {
            let mut ada = ada();
            ada.push(Saying::Tell(name("ada"), "hi".into()));
            assert!(ada.to_say().is_some());
            let tell = Event::Tell { from: name("ada"), text: "hi".into() };
            let told = Event::Told { to: name("Ada"), text: "hi".into() };
            let (first, second) = if told_first { (told, tell) } else { (tell, told) };
            let taken = |event: &Event, take| {
                let is_echo = matches!(event, Event::Told { .. });
                assert_eq!(matches!(take, Take::Echo(0)), is_echo, "{event:?}");
                assert_eq!(matches!(take, Take::New | Take::Missed), !is_echo, "{event:?}");
            };
            taken(&first, ada.heard(Some(id(11)), &first));
            assert_eq!(ada.last(), None, "half of it may be missing");
            ada.disconnected();
            assert_eq!(ada.join(0).since, Some(id(10)));
            ada.joined(name("ada"), standing(11));
            assert_eq!(ada.heard(Some(id(11)), &first), Take::Known);
            taken(&second, ada.heard(Some(id(11)), &second));
            assert_eq!((ada.caught_up(), ada.unsettled(), ada.last()), (0, 0, Some(id(11))));
        }
    }

    #[test]
    fn a_refused_line_is_settled_by_the_echo_or_the_pong_behind_it() {
        let mut ada = ada();
        let tell = |to: &str| Saying::Tell(name(to), "hi".into());
        for saying in [tell("eve"), Saying::Msg("hi".into()), tell("eve"), tell("bob")] {
            ada.push(saying);
            assert!(ada.to_say().is_some());
        }
        assert_eq!(ada.heard(Some(id(11)), &msg("ada", "hi")), Take::Echo(1));
        ada.ask();
        says(&mut ada, "more");
        let told = Event::Told { to: name("bob"), text: "hi".into() };
        assert_eq!(ada.heard(Some(id(12)), &told), Take::Echo(3));
        assert_eq!(ada.answered(), 0);
        assert_eq!(ada.unsettled(), 1);
        ada.push(tell("eve"));
        assert!(ada.to_say().is_some());
        ada.heard(Some(id(13)), &msg("ada", "more"));
        ada.ask();
        assert_eq!((ada.answered(), ada.unsettled()), (1, 0));
    }

    #[test]
    fn who_is_replaced_comes_back_as_often_as_a_join_may_be_late() {
        let mut ada = ada();
        assert!(!ada.comes_back(), "all were answered");
        ada.disconnected();
        ada.unanswered();
        ada.joined(name("ada"), standing(12));
        assert!(ada.comes_back());
        assert!(!ada.comes_back());
    }

    #[test]
    fn only_so_much_is_taken() {
        let mut ada = ada();
        for _ in 0..limits::UNCONFIRMED_LINES {
            assert!(ada.has_room());
            ada.push(Saying::Msg("hi".into()));
        }
        assert!(!ada.has_room());
        let mut ada = Ledger::new(secret());
        ada.push(Saying::Data(vec![0; limits::UNCONFIRMED]));
        assert!(!ada.has_room());
    }

    #[test]
    fn what_cannot_be_said_is_known_beforehand() {
        let long = |n: usize| "x".repeat(n);
        for (saying, check) in [
            (Saying::Msg(String::new()), Err(Refusal::Empty)),
            (Saying::Msg(long(4092)), Ok(())),
            (Saying::Msg(long(4093)), Err(Refusal::TooLong)),
            (Saying::Tell(name("bob"), long(4087)), Ok(())),
            (Saying::Tell(name("bob"), long(4088)), Err(Refusal::TooLong)),
            (Saying::Data(vec![]), Err(Refusal::Empty)),
            (Saying::Data(vec![0; limits::PAYLOAD]), Ok(())),
            (Saying::Data(vec![0; limits::PAYLOAD + 1]), Err(Refusal::TooLong)),
        ] {
            assert_eq!(saying.check(), check);
        }
    }
}
