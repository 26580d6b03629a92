//! Who may come in, and how fast he may talk.

use super::Registry;
use crate::limits;
use crate::net::sink::Sink;
use crate::protocol::{Event, Key, Refusal};
use crate::room::SeatId;
use crate::room::notice::{Closed, Notice, Notices, note};
use crate::server::guard::Heard;
use crate::server::later::Why;
use async_channel::Receiver;
use std::net::IpAddr;
use std::time::Instant;

// Who may come in.
impl<S: Sink + Clone> Registry<S> {
    /// Why a guest may not join, whatever it says of itself.
    pub(super) fn shuts_out(&self, id: SeatId) -> Option<Refusal> {
        if !self.room.is_guest(id) {
            None
        } else if self.guard.bans(self.peer(id)) {
            Some(Refusal::Banned)
        } else {
            let lacks_key = self.guard.key.is_some() && !self.room.has_key(id);
            lacks_key.then_some(Refusal::Denied)
        }
    }

    /// Hears what a guest has for a key. Returns what it has to wait for until it is told that it is wrong.
    pub fn hear_key(&mut self, id: SeatId, said: &[u8], now: Instant) -> Option<Receiver<()>> {
        let why = match self.guard.hear(self.peer(id), said, now) {
            Heard::Right => {
                self.room.take_key(id);
                self.answer(id, |out| Event::Passed.render(out));
                return None;
            }
            Heard::Wrong { locked_out } => {
                locked_out.inspect(|net| self.tell_of_lockout(*net));
                Why::WrongKey
            }
            Heard::Nothing => Why::UnheardKey,
        };
        self.later.put(id, now + limits::DENIAL, why);
        Some(self.parked.park(id))
    }

    /// Whoever has the right key and is not let in from there will ask the operator why, quiet or not.
    fn tell_of_lockout(&self, net: IpAddr) {
        let troubles = self.bells.troubles.as_ref().map(Notices::of_strangers);
        note(troubles.as_ref(), || Notice::LockedOut(net));
    }

    /// The room has this key from now on. Who is in stays; but guests have to say it, if it is another one.
    pub fn change_key(&mut self, key: Key) {
        let before = self.guard.key.replace(key);
        if before != self.guard.key {
            self.room.forget_keys();
        }
    }

    /// Lets those go on who have waited for their time.
    pub(super) fn wake_later(&mut self, now: Instant) {
        while let Some((id, why)) = self.later.due(now) {
            match why {
                Why::WrongKey => self.deny(id, "a wrong key", now),
                Why::UnheardKey => self.deny(id, "no key is heard from there", now),
                Why::Pace => {}
            }
            self.parked.wake(id);
        }
    }

    fn deny(&mut self, id: SeatId, why: &'static str, now: Instant) {
        let too_many = self.room.take_wrong_key(id);
        self.refuse_because(id, Refusal::Denied, why, now);
        if too_many {
            self.close(id, Closed::Denied, now);
        }
    }
}

// How fast a member may talk.
impl<S: Sink + Clone> Registry<S> {
    /// Whether it counts what this connection says: guests have little to say, and little time for it.
    pub fn is_paced(&self, id: SeatId) -> bool {
        self.paces.are_kept() && !self.room.is_guest(id) && !self.room.is_closed(id)
    }

    /// What a member has to wait for before it says so many lines more, if it is to say no more for now.
    pub fn slows_down(&mut self, id: SeatId, lines: u32, now: Instant) -> Option<Receiver<()>> {
        if !self.is_paced(id) {
            return None;
        }
        let wait = self.paces.wait(id, lines, now);
        if wait.is_zero() {
            return None;
        }
        self.later.put(id, now + wait, Why::Pace);
        Some(self.parked.park(id))
    }

    /// A member has said so many lines.
    pub fn has_said(&mut self, id: SeatId, lines: u32, now: Instant) {
        if !self.room.is_closed(id) {
            self.paces.said(id, lines, now);
        }
    }
}
