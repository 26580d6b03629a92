//! The room: who is in it, and who gets what. A fold over the [log](crate::log).
//!
//! What a connection asks for is checked here and becomes an entry ([`Room::propose`]); entries take
//! effect in the log's order ([`Room::apply`]), and become lines of the [`round`]. [`life`] is how
//! connections come and go. No I/O: bytes go out elsewhere.

mod life;
pub mod notice;
pub mod round;
mod seat;

pub use life::{Due, Next, Was};

use crate::limits::{self, Limits};
use crate::log::{Entry, Speaker};
use crate::protocol::{Event, Form, Id, Name, Refusal};
use round::{Listeners, Round, ViewId};
use seat::{Seat, Stage};
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::time::Instant;

/// A connection's number. It is given away again only after the connection is over.
pub type SeatId = usize;

/// All that is known of the room.
#[derive(Debug)]
pub struct Room {
    limits: Limits,
    seats: Slab<Seat>,
    names: BTreeMap<Name, SeatId>,
    listeners: Listeners,
    round: Round,
    /// The memory of the round before.
    spare: Round,
    /// The last entry that has taken effect.
    applied: Option<Id>,
    /// The answer to WHO, until a name comes or goes.
    who: Option<Arc<[u8]>>,
    /// Until when guests have to join, leavers to be gone, and the deaf to be found out.
    deadlines: BTreeSet<(Instant, SeatId)>,
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
    /// An empty room.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            seats: Slab::new(),
            names: BTreeMap::new(),
            listeners: Listeners::default(),
            round: Round::default(),
            spare: Round::default(),
            applied: None,
            who: None,
            deadlines: BTreeSet::new(),
        }
    }
}

// From commands to entries.
impl Room {
    /// What becomes of a member's words, or why nothing does.
    pub fn propose<'a>(&self, id: SeatId, speech: Speech<'a>) -> Result<Entry<'a>, Refusal> {
        let speaker = self.speaker(id)?;
        Ok(match speech {
            Speech::Msg(text) => Entry::Msg(speaker, text),
            Speech::Data(bytes) => Entry::Data(speaker, bytes),
            Speech::Tell(to, text) => {
                self.seat_of(to).ok_or(Refusal::NoSuchMember)?;
                Entry::Tell(speaker, to, text)
            }
        })
    }

    /// What becomes of a guest that wants to enter, or why it may not.
    pub fn propose_join(
        &self,
        id: SeatId,
        name: Name,
        form: Form,
    ) -> Result<Entry<'static>, Refusal> {
        if !self.is_guest(id) {
            return Err(Refusal::AlreadyJoined);
        }
        match self.seat_of(name) {
            Some(_) => Err(Refusal::NameTaken),
            None => Ok(Entry::Joined(Speaker { seat: id, name }, form)),
        }
    }

    fn speaker(&self, seat: SeatId) -> Result<Speaker, Refusal> {
        match self.seats[seat].stage {
            Stage::Member(name, _) => Ok(Speaker { seat, name }),
            _ => Err(Refusal::NotJoined),
        }
    }
}

// From entries to the round.
impl Room {
    /// An entry takes effect. They come in the order of their ids.
    pub fn apply(&mut self, id: Id, entry: Entry<'_>) {
        debug_assert!(self.applied < Some(id), "the log has one order");
        self.applied = Some(id);
        match entry {
            Entry::Joined(speaker, form) => self.joined(speaker, form),
            Entry::Left(speaker, reason) => self.left(speaker, reason),
            Entry::Msg(Speaker { seat, name }, text) => {
                let view = self.view(seat);
                self.announce(Some(view), Event::Msg(name, text));
            }
            Entry::Data(Speaker { seat, name }, bytes) => {
                let view = self.view(seat);
                let most = self.limits.payload;
                let render =
                    |form, out: &mut _| Event::render_payload(name, bytes, form, id, most, out);
                self.round.say(Some(view), &self.listeners, render);
            }
            Entry::Tell(Speaker { name, .. }, to, text) => {
                if let Some(to) = self.seat_of(to) {
                    let view = self.view(to);
                    self.round.tell(view, |out| Event::Tell(name, text).render(out));
                }
            }
        }
    }

    fn joined(&mut self, Speaker { seat, name }: Speaker, form: Form) {
        self.names.insert(name, seat);
        self.who = None;
        let members = self.names.len();
        let view = self.view(seat);
        self.become_member(seat, name, form);
        self.listeners[form.index()] += 1;
        self.round.answer(view, |out| Event::Ok(name, members, None).render(out));
        self.round.enter(view, form);
        if members <= self.limits.presence_limit {
            self.announce(Some(view), Event::Joined(name));
        }
    }

    fn left(&mut self, Speaker { seat, name }: Speaker, reason: Option<&str>) {
        let Stage::Member(_, form) = self.seats[seat].stage else { return };
        self.listeners[form.index()] -= 1;
        let view = self.view(seat);
        self.round.exit(view);
        let members = self.names.len();
        self.names.remove(&name);
        self.who = None;
        if let Some(reason) = reason.filter(|_| members <= self.limits.presence_limit) {
            self.announce(None, Event::Left(name, reason.as_bytes()));
        }
    }

    /// Says something that is the same in all forms to all members but one.
    fn announce(&mut self, but: Option<ViewId>, event: Event<'_>) {
        self.round.say(but, &self.listeners, |_, out| event.render(out));
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
        let Stage::Guest { errors, .. } = &mut self.seats[id].stage else { return false };
        *errors += 1;
        *errors >= limits::GUEST_ERRORS
    }
}

// What there is to know.
impl Room {
    /// How many members are in.
    pub fn members(&self) -> usize {
        self.names.len()
    }

    /// Whose name that is.
    pub fn seat_of(&self, name: Name) -> Option<SeatId> {
        self.names.get(&name).copied()
    }

    /// How many bytes a payload may have.
    pub fn payload_limit(&self) -> usize {
        self.limits.payload
    }

    /// What is to be written.
    pub fn round(&self) -> &Round {
        &self.round
    }

    /// Whether more is likely to be said while a round is written.
    pub fn is_lively(&self) -> bool {
        self.names.len() >= limits::GATHER && self.round.is_lively()
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
