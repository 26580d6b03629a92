//! What comes back from a log that this server shares with others, and what becomes of it in the room.

use super::Registry;
use crate::log::nodes::{Entry as Fact, Event, Holder, Pack, Party, Refused, Started};
use crate::log::{Arrival, Entry, Party as Known, Shared, Speaker};
use crate::net::sink::Sink;
use crate::protocol::{Id, Name, Refusal};
use crate::room::SeatId;
use crate::room::notice::{Closed, Notice, note};
use std::time::Instant;

impl<S: Sink + Clone> Registry<S> {
    /// Does what the node says. Returns what is to be [done](Self::heed_pack) in the room, pack by pack,
    /// as there is room for it.
    pub fn heed_node(&mut self, event: Event, now: Instant) -> Vec<Pack> {
        match event {
            Event::Entries(packs) => return packs,
            Event::Started(started) => self.stand_on(&started),
            Event::Away(why) => {
                self.set_away(true);
                self.say_of_log(format!("out of reach: {why}"));
            }
            Event::Back => {
                self.set_away(false);
                self.say_of_log("within reach again".into());
            }
            Event::Fenced => {
                self.put_out(Closed::NodeLost, "the others have given this node up", now);
            }
            Event::Lost => self.put_out(Closed::LogLost, "lost: it begins anew", now),
            Event::Behind(bytes) => {
                let shared = self.log.shared_mut();
                if shared.is_some_and(|shared| shared.is_worth_a_line(bytes, now)) {
                    self.say_of_log(format!("the slowest node is behind by {bytes} bytes"));
                }
            }
            Event::Unfit(why) => {
                self.put_out(Closed::LogLost, &why, now);
                self.unfit = Some(why);
            }
        }
        self.settle();
        Vec::new()
    }

    /// Wakes those who need not wait for the log any longer. Says whether there will be none any more.
    pub fn go_on(&mut self) -> bool {
        for id in self.log.shared_mut().into_iter().flat_map(Shared::released) {
            self.parked.wake(id);
        }
        self.unfit.is_some()
    }

    /// Does what came of one batch.
    pub fn heed_pack(&mut self, pack: &Pack, now: Instant) {
        for (id, fact) in pack.entries() {
            self.heed_fact(id, fact, now);
        }
        self.settle();
    }

    fn say_of_log(&self, what: String) {
        note(self.bells.troubles.as_ref(), || Notice::Log(what));
    }

    fn set_away(&mut self, is_away: bool) {
        if let Some(shared) = self.log.shared_mut() {
            shared.set_away(is_away);
        }
    }

    /// The room is as the log says that it is.
    fn stand_on(&mut self, started: &Started) {
        self.log.restore(self.room.limits(), started);
        self.room.stand_on(started.at, started.members.iter().map(|party| party.name));
        if let Some(shared) = self.log.shared_mut() {
            shared.begin(started.epoch);
        }
        let (epoch, members) = (started.epoch, started.members.len());
        self.say_of_log(format!("node {epoch} is registered, {members} here"));
    }

    /// All members of this server have to go, and nobody is in.
    fn put_out(&mut self, closed: Closed, why: &str, now: Instant) {
        self.say_of_log(why.into());
        if let Some(shared) = self.log.shared_mut() {
            shared.end();
        }
        for id in self.room.seats_of_members() {
            self.close(id, closed, now);
        }
        self.room.forget_members();
    }

    fn heed_fact(&mut self, id: Id, fact: Fact<'_>, now: Instant) {
        match fact {
            Fact::Begun => self.log.pass(id),
            Fact::Joined(party) => self.joined_log(id, party),
            Fact::Taken(party, before) => self.resumed_log(id, party, before, now),
            Fact::No(holder, _, refused) => self.refused_log(id, holder, refused, now),
            Fact::Msg(party, text) => {
                let by = self.speaker_of(party, true);
                self.apply_fact(id, &Entry::Msg(by, text));
            }
            Fact::Data(party, bytes) => {
                let by = self.speaker_of(party, true);
                self.apply_fact(id, &Entry::Data(by, bytes));
            }
            Fact::Tell(party, to, text) => {
                let (by, to) = (self.speaker_of(party, true), self.speaker_of(to, false));
                self.apply_fact(id, &Entry::Tell(by, to, text));
            }
            Fact::Note(by, text) => {
                self.returned(by);
                self.apply_fact(id, &Entry::Note(text));
            }
            Fact::Kicked(by, party, reason) => {
                self.returned(by);
                self.log.pass(id);
                let shared = self.log.shared_mut();
                if let Some(seat) = shared.and_then(|shared| shared.seat_of(party.holder)) {
                    self.close_saying(seat, Closed::Kicked, reason, now);
                }
            }
            Fact::Left(party, reason) => {
                let by = Speaker { seat: None, ..self.speaker_of(party, true) };
                self.apply_fact(id, &Entry::Left(by, Some(reason)));
            }
        }
    }

    fn returned(&mut self, by: Holder) {
        self.log.shared_mut().and_then(|shared| shared.returned(by));
    }

    /// Shows a member of another node the door: it is that one's to do.
    pub(super) fn kick_elsewhere(&mut self, name: Name, reason: &[u8]) {
        if let Some(shared) = self.log.shared_mut() {
            shared.kick(name, reason);
        }
    }

    fn apply_fact(&mut self, id: Id, entry: &Entry<'_>) {
        self.log.keep(id, entry);
        self.room.apply(id, entry, &mut self.log);
    }

    /// Somebody came, here or elsewhere.
    fn joined_log(&mut self, id: Id, party: Party) {
        let (by, arrival) = self.arrival(party);
        let seat = by.seat;
        self.apply_fact(id, &Entry::Joined(by, arrival));
        if let Some(seat) = seat {
            self.note(|own| Notice::Joined(party.name, own.peer(seat), own.room.members()));
        }
    }

    /// Somebody came back, here or elsewhere, before it was gone, here or elsewhere.
    fn resumed_log(&mut self, id: Id, party: Party, before: Holder, now: Instant) {
        let before = self.log.shared_mut().and_then(|shared| shared.seat_of(before));
        let (by, arrival) = self.arrival(party);
        let seat = by.seat;
        self.apply_fact(id, &Entry::Resumed(by, arrival));
        if let Some(seat) = seat {
            self.note(|own| Notice::Resumed(party.name, own.peer(seat)));
        }
        if let Some(before) = before {
            self.replace(before, seat, now);
        }
    }

    fn refused_log(&mut self, id: Id, holder: Holder, refused: Refused, now: Instant) {
        self.log.pass(id);
        let Some(shared) = self.log.shared_mut() else { return };
        let Some(seat) = shared.returned(holder) else { return };
        let refusal = match refused {
            Refused::Join => {
                shared.turn_away(seat);
                // For what comes now it has as much time as others.
                self.room.wait_longer(seat, self.clock.at(now));
                Refusal::NameTaken
            }
            Refused::Tell => Refusal::NoSuchMember,
            Refused::Other => return,
        };
        if !self.room.is_closed(seat) {
            self.refuse(seat, refusal, now);
        }
    }

    /// Who came, and what it wants, if it is here and has not gone meanwhile.
    fn arrival(&mut self, party: Party) -> (Speaker, Arrival) {
        let mut by = Self::speaker_at(None, party);
        let Some(shared) = self.log.shared_mut() else { return (by, Arrival::default()) };
        let seat = shared.returned(party.holder);
        let arrival = seat.and_then(|seat| shared.let_in(seat));
        if arrival.is_some() {
            by.seat = seat;
        }
        (by, arrival.unwrap_or_default())
    }

    /// Who did something that comes back, or to whom it was done.
    fn speaker_of(&mut self, party: Party, returned: bool) -> Speaker {
        let shared = self.log.shared_mut();
        let seat: Option<SeatId> = shared.and_then(|shared| {
            if returned { shared.returned(party.holder) } else { shared.seat_of(party.holder) }
        });
        Self::speaker_at(seat, party)
    }

    fn speaker_at(seat: Option<SeatId>, party: Party) -> Speaker {
        let Known { name, secret } = party.into();
        Speaker { seat, name, secret }
    }
}
