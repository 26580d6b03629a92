//! The room: who is in it, and who gets what. A fold over the [log](crate::log).
//!
//! What a connection asks for is checked here and becomes an entry ([`Room::propose`]); entries take
//! effect in the log's order ([`Room::apply`]), and become lines of the [`round`]. [`life`] is how
//! connections come and go. No I/O: bytes go out elsewhere.

mod life;
pub mod notice;
pub mod round;
mod seat;
mod tally;

pub use life::{Due, Next, Was};
pub use tally::Tally;

use crate::limits::{self, Limits};
use crate::log::{Arrival, Entry, Log, Piece, Resumed, Speaker, Wanted};
use crate::protocol::{Event, Form, Id, JoinOptions, Name, Refusal, Secret, Standing};
use round::{Listeners, Round, ViewId};
use seat::{Record, Seat, Stage};
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A connection's number. It is given away again only after the connection is over.
pub type SeatId = usize;

/// All that is known of the room.
#[derive(Debug)]
pub struct Room {
    limits: Limits,
    seats: Slab<Seat>,
    guests: usize,
    /// Who is in, and where, if it is here.
    names: BTreeMap<Name, Option<SeatId>>,
    listeners: Listeners,
    round: Round,
    /// The memory of the round before.
    spare: Round,
    /// The last entry that has taken effect; before the first, where the log began.
    applied: Id,
    /// The answer to WHO, until a name comes or goes.
    who: Option<Arc<[u8]>>,
    /// Until when guests have to join, leavers to be gone, and the deaf to be found out.
    deadlines: BTreeSet<(Instant, SeatId)>,
    /// Since when connections are taken.
    began: Instant,
    tally: Tally,
}

/// What a member says: the part of an entry that is its own.
#[derive(Debug, Clone, Copy)]
pub enum Speech<'a> {
    /// Text to all.
    Msg(&'a [u8]),
    /// Any bytes to all.
    Data(&'a [u8]),
    /// Text to one.
    Tell(Name, &'a [u8]),
}

impl Room {
    /// An empty room, whose log begins there.
    pub fn new(limits: Limits, began: Id) -> Self {
        Self {
            limits,
            seats: Slab::new(),
            guests: 0,
            names: BTreeMap::new(),
            listeners: Listeners::default(),
            round: Round::default(),
            spare: Round::default(),
            applied: began,
            who: None,
            deadlines: BTreeSet::new(),
            began: Instant::now(),
            tally: Tally::default(),
        }
    }
}

// From commands to entries.
impl Room {
    /// What becomes of a member's words, or why nothing does. Where others share the log, it is for them
    /// to say whether there is somebody of a name.
    pub fn propose<'a>(
        &self,
        id: SeatId,
        speech: Speech<'a>,
        is_shared: bool,
    ) -> Result<Entry<'a>, Refusal> {
        let speaker = self.speaker(id)?;
        Ok(match speech {
            Speech::Msg(text) => Entry::Msg(speaker, text),
            Speech::Data(bytes) => Entry::Data(speaker, bytes),
            Speech::Tell(to, text) => {
                let elsewhere = Speaker { seat: None, name: to, secret: None };
                let addressee = self.addressee(to).or_else(|| is_shared.then_some(elsewhere));
                Entry::Tell(speaker, addressee.ok_or(Refusal::NoSuchMember)?, text)
            }
        })
    }

    fn addressee(&self, name: Name) -> Option<Speaker> {
        let (held, seat) = self.names.get_key_value(&name)?;
        let secret = seat.and_then(|seat| self.seats[seat].secret.clone());
        Some(Speaker { seat: *seat, name: *held, secret })
    }

    /// What becomes of a guest that wants to enter, or why it may not. Who has a secret can come back
    /// by it later; who names it has it from an earlier time, and takes over the place that is held
    /// with it. Where others share the log, it is for them to say who has the name.
    pub fn propose_join(
        &self,
        id: SeatId,
        name: Name,
        options: JoinOptions,
        secret: Option<Secret>,
        is_shared: bool,
    ) -> Result<Entry<'static>, Refusal> {
        if !self.is_guest(id) {
            return Err(Refusal::AlreadyJoined);
        }
        let arrival = Arrival { options, token: secret };
        let Some(holder) = self.addressee(name).filter(|_| !is_shared) else {
            let speaker = Speaker { seat: Some(id), name, secret: secret.map(Arc::new) };
            return Ok(Entry::Joined(speaker, arrival));
        };
        if options.resume.is_none() || holder.secret.as_deref() != options.resume.as_ref() {
            return Err(Refusal::NameTaken);
        }
        // The name stays as it was first typed.
        Ok(Entry::Resumed(Speaker { seat: Some(id), ..holder }, arrival))
    }

    fn speaker(&self, id: SeatId) -> Result<Speaker, Refusal> {
        match &self.seats[id] {
            Seat { stage: Stage::Member(name, _), secret, .. } => {
                Ok(Speaker { seat: Some(id), name: *name, secret: secret.clone() })
            }
            _ => Err(Refusal::NotJoined),
        }
    }
}

// From entries to the round.
impl Room {
    /// An entry takes effect. They come in the order of their ids. Who joins may want to have what was
    /// said before, from the log.
    pub fn apply(&mut self, id: Id, entry: &Entry<'_>, log: &mut Log) {
        let before = mem::replace(&mut self.applied, id);
        debug_assert!(before < id || matches!(entry, Entry::Resumed(..)), "the log has one order");
        match entry {
            Entry::Joined(speaker, arrival) => self.joined(id, speaker, arrival, before, log),
            Entry::Resumed(speaker, arrival) => self.enter(speaker, arrival, before, log),
            Entry::Left(speaker, reason) => self.left(id, speaker.name, *reason),
            Entry::Msg(speaker, text) => {
                let but = self.view_without_echo(speaker);
                self.count(text, but);
                self.announce(id, but, Event::Msg(speaker.name, text));
            }
            Entry::Data(speaker, bytes) => {
                let but = self.view_without_echo(speaker);
                self.count(bytes, but);
                let most = self.limits.payload;
                let render = |form, out: &mut _| {
                    Event::render_payload(speaker.name, bytes, form, id, most, out);
                };
                self.round.say(but, &self.listeners, render);
            }
            Entry::Tell(speaker, to, text) => self.told(id, speaker, to, text),
            Entry::Note(text) => {
                self.count(text, None);
                self.announce(id, None, Event::Note(text));
            }
        }
    }

    fn joined(&mut self, id: Id, speaker: &Speaker, arrival: &Arrival, before: Id, log: &mut Log) {
        self.who = None;
        self.enter(speaker, arrival, before, log);
        if self.names.len() <= self.limits.presence_limit {
            let view = speaker.seat.map(|seat| self.view(seat));
            self.announce(id, view, Event::Joined(speaker.name));
        }
    }

    /// A name is somebody's. Who is here and had none becomes a member: OK, what it wants of what was said
    /// before, and from then on what all get.
    fn enter(&mut self, speaker: &Speaker, arrival: &Arrival, before: Id, log: &mut Log) {
        let Speaker { seat, name, secret } = speaker;
        self.names.insert(*name, *seat);
        let Some(seat) = *seat else { return };
        let Arrival { options, token } = arrival;
        let (view, members) = (self.view(seat), self.names.len());
        self.become_member(seat, *name, options.form);
        self.listeners[options.form.index()] += 1;
        (self.seats[seat].secret, self.seats[seat].echo) = (secret.clone(), options.echo);
        let token = token.filter(|_| options.form.ids);
        let standing = token.map(|token| Standing { id: before, token });
        self.round.answer(view, |out| Event::Ok(*name, members, standing).render(out));
        self.replay(view, speaker, *options, before, log);
        self.round.enter(view, options.form);
    }

    fn replay(
        &mut self,
        view: ViewId,
        speaker: &Speaker,
        options: JoinOptions,
        before: Id,
        log: &mut Log,
    ) {
        let JoinOptions { form, echo, last, since, .. } = options;
        let secret = speaker.secret.as_deref().filter(|_| options.resume.is_some());
        let resumed = secret.map(|secret| Resumed { name: speaker.name, secret, echo });
        let replay = log.replay(&Wanted { form, last, since, resumed }, before);
        if replay.gap {
            self.round.answer(view, |out| Event::Gap.render(out));
        }
        for Piece { text, part } in replay.pieces {
            self.round.replay(view, &text, part);
        }
    }

    fn told(&mut self, id: Id, speaker: &Speaker, to: &Speaker, text: &[u8]) {
        let listener = self.listener(to);
        self.tally.count(text, usize::from(listener.is_some()));
        if let Some((seat, form)) = listener {
            let view = self.view(seat);
            self.round.tell(view, |out| {
                form.stamp(id, out);
                Event::Tell(speaker.name, text).render(out);
            });
        }
        if let Some((seat, form)) = self.listener(speaker)
            && self.seats[seat].echo
        {
            let view = self.view(seat);
            self.round.answer(view, |out| {
                form.stamp(id, out);
                Event::Told(to.name, text).render(out);
            });
        }
    }

    fn left(&mut self, id: Id, name: Name, reason: Option<&str>) {
        let members = self.names.len();
        self.names.remove(&name);
        self.who = None;
        if let Some(reason) = reason.filter(|_| members <= self.limits.presence_limit) {
            self.announce(id, None, Event::Left(name, reason.as_bytes()));
        }
    }

    /// Who is here of those, and in which form it gets what all get.
    fn listener(&self, speaker: &Speaker) -> Option<(SeatId, Form)> {
        let seat = speaker.seat?;
        self.form_of(seat).map(|form| (seat, form))
    }

    fn form_of(&self, seat: SeatId) -> Option<Form> {
        match self.seats.get(seat)?.stage {
            Stage::Member(_, form) => Some(form),
            _ => None,
        }
    }

    /// A member gets no more of what all get.
    fn forget_listener(&mut self, seat: SeatId) {
        let Some(form) = self.form_of(seat) else { return };
        self.listeners[form.index()] -= 1;
        let view = self.view(seat);
        self.round.exit(view);
    }

    /// The view of a speaker who is here and does not get what it says itself.
    fn view_without_echo(&mut self, speaker: &Speaker) -> Option<ViewId> {
        let seat = speaker.seat.filter(|seat| !self.seats[*seat].echo)?;
        Some(self.view(seat))
    }

    /// Counts what is said to all members but one.
    fn count(&mut self, said: &[u8], but: Option<ViewId>) {
        let receivers = self.members_here().saturating_sub(usize::from(but.is_some()));
        self.tally.count(said, receivers);
    }

    /// Says something to all members but one.
    fn announce(&mut self, id: Id, but: Option<ViewId>, event: Event<'_>) {
        self.round.say(but, &self.listeners, |form, out| {
            form.stamp(id, out);
            event.render(out);
        });
    }
}

// Where others share the log.
#[cfg(feature = "redis")]
impl Room {
    /// The log stands there, and those are in, none of them here.
    pub fn stand_on(&mut self, at: Id, members: impl Iterator<Item = Name>) {
        self.applied = at;
        self.who = None;
        self.names = members.map(|name| (name, None)).collect();
    }

    /// The connections of the members that are here.
    pub fn seats_of_members(&self) -> Vec<SeatId> {
        let is_member = |seat: &Seat| matches!(seat.stage, Stage::Member(..));
        self.seats.iter().filter(|(_, seat)| is_member(seat)).map(|(id, _)| id).collect()
    }

    /// Nobody is in.
    pub fn forget_members(&mut self) {
        self.who = None;
        self.names.clear();
    }
}

// What a connection alone gets: that goes through no log.
impl Room {
    /// Answers something to one connection.
    pub fn answer(&mut self, id: SeatId, render: impl FnOnce(&mut Vec<u8>)) {
        let view = self.view(id);
        self.round.answer(view, render);
    }

    /// Answers who is here, in alphabetical order.
    pub fn who(&mut self, id: SeatId) -> Result<(), Refusal> {
        self.speaker(id)?;
        let names = &self.names;
        let text = self.who.get_or_insert_with(|| {
            let mut text = Vec::new();
            Event::render_who(names.len(), names.keys().copied(), &mut text);
            text.into()
        });
        let text = text.clone();
        let view = self.view(id);
        self.round.share(view, &text);
        Ok(())
    }

    /// Answers why something is not done. Says whether a guest has been answered so too often.
    pub fn refuse(&mut self, id: SeatId, refusal: Refusal) -> bool {
        self.answer(id, |out| Event::render_refusal(refusal, out));
        let Some(record) = self.record(id) else { return false };
        record.errors += 1;
        record.errors >= limits::GUEST_ERRORS
    }

    /// A guest has the key of the room.
    pub fn take_key(&mut self, id: SeatId) {
        if let Some(record) = self.record(id) {
            record.has_key = true;
        }
    }

    /// The room has another key: that of no guest is right any more.
    pub fn forget_keys(&mut self) {
        for (_, seat) in &mut self.seats {
            if let Stage::Guest { record, .. } = &mut seat.stage {
                record.has_key = false;
            }
        }
    }

    /// A guest had a wrong one. Says whether it has had too many.
    pub fn take_wrong_key(&mut self, id: SeatId) -> bool {
        let Some(record) = self.record(id) else { return false };
        record.wrong_keys += 1;
        record.wrong_keys >= limits::GUEST_KEYS
    }

    fn record(&mut self, id: SeatId) -> Option<&mut Record> {
        match &mut self.seats[id].stage {
            Stage::Guest { record, .. } => Some(record),
            _ => None,
        }
    }
}

// What there is to know.
impl Room {
    /// Whether a guest has the key of the room.
    pub fn has_key(&self, id: SeatId) -> bool {
        matches!(self.seats[id].stage, Stage::Guest { record, .. } if record.has_key)
    }

    /// How many members are in.
    pub fn members(&self) -> usize {
        self.names.len()
    }

    /// How many of them are here: all, but where others share the log.
    pub fn members_here(&self) -> usize {
        self.listeners.iter().sum()
    }

    /// How many connections have not joined.
    pub fn guests(&self) -> usize {
        self.guests
    }

    /// What has been said.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// For how long it has been there.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// The members behind that name, or from the first on, in alphabetical order. Who is not here has no connection.
    pub fn members_behind(
        &self,
        name: Option<Name>,
    ) -> impl Iterator<Item = (Name, Option<SeatId>)> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        self.names.range((from, Bound::Unbounded)).map(|(name, seat)| (*name, *seat))
    }

    /// The connection of the member of that name, if it is here.
    pub fn seat_of(&self, name: Name) -> Option<SeatId> {
        self.names.get(&name).copied().flatten()
    }

    /// Whether somebody of that name is in, here or elsewhere.
    pub fn has(&self, name: Name) -> bool {
        self.names.contains_key(&name)
    }

    /// Its limits.
    #[cfg(feature = "redis")]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many bytes a payload may have.
    pub fn payload_limit(&self) -> usize {
        self.limits.payload
    }

    /// What is to be written.
    pub fn round(&self) -> &Round {
        &self.round
    }

    /// Whether it costs less to look who else has something to say than to write a round more.
    pub fn is_large(&self) -> bool {
        self.names.len() >= limits::GATHER
    }

    /// Closes the round: what is said from now on belongs to the next one. It is to be given back
    /// when it is written.
    pub fn take_round(&mut self) -> Round {
        for own in self.round.views() {
            self.seats[own.seat].view = None;
        }
        let mut round = mem::replace(&mut self.round, mem::take(&mut self.spare));
        round.close();
        round
    }

    /// Takes the memory of a round that has been written.
    pub fn give_back(&mut self, mut round: Round) {
        round.clear();
        self.spare = round;
    }

    /// The seat's view of the current round.
    fn view(&mut self, id: SeatId) -> ViewId {
        let seat = &mut self.seats[id];
        let listening = match seat.stage {
            Stage::Member(_, form) => Some(form),
            _ => None,
        };
        *seat.view.get_or_insert_with(|| self.round.open_view(id, listening))
    }
}
