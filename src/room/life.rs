//! A connection's life, from its arrival until nothing of it is left.
//!
//! A connection is over in two directions: its session reads from it until *its stream ends*, and
//! bytes go out to it until *all is sent*, its own last ones included. Its seat is free when both are
//! so. This is the one table of what happens when:
//!
//! |                     | guest           | member           | farewell              | linger     |
//! |---------------------|-----------------|------------------|-----------------------|------------|
//! | JOIN                | member          | –                | –                     | –          |
//! | it is *closed*      | farewell        | LEFT, farewell   | –                     | –          |
//! | its stream ends     | closed          | closed           | nobody reads any more | over       |
//! | all is sent         | –               | –                | linger; unread: over  | –          |
//! | its socket is deaf  | closed later    | closed later     | as if all were sent   | –          |
//! | its time is up      | closed          | closed if deaf   | cut off               | cut off    |
//!
//! *Closed later*: what it said before is still heard, for as long as [`limits::DEAF`]; most such
//! sockets end before. *Cut off*: the socket is shut in both directions, so that reading and writing
//! end by themselves.

use super::notice::Closed;
use super::round::Last;
use super::seat::{Record, Seat, Stage};
use super::{Room, SeatId};
use crate::limits;
use crate::log::Entry;
use crate::protocol::{Event, Form, Name};
use std::io::ErrorKind;
use std::time::Instant;

/// What is to be done with a connection's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Say that nothing more will be sent.
    ShutWriting,
    /// Cut it off in both directions.
    Shut,
    /// It is over: its seat is free.
    Free,
}

/// What becomes of one whose time is up.
#[derive(Debug, Clone, Copy)]
pub enum Due {
    /// It is closed.
    Close(Closed),
    /// It is closed already, and cut off in both directions.
    CutOff,
}

/// What a connection was before it was closed.
#[derive(Debug, Clone, Copy)]
pub enum Was {
    /// A guest.
    Guest,
    /// A member of that name.
    Member(Name),
    /// Closed already.
    Closed,
}

impl Room {
    /// Seats a new connection as a guest, and greets it.
    pub fn arrive(&mut self, hello: &[u8], now: Instant) -> SeatId {
        let until = now + self.limits.join_timeout;
        let since = Seat::seconds(self.age(now));
        let id =
            self.seats.insert(Seat::new(Stage::Guest { until, record: Record::default() }, since));
        self.guests += 1;
        self.deadlines.insert((until, id));
        let view = self.view(id);
        self.round.answer(view, |out| out.extend_from_slice(hello));
        id
    }

    /// A guest's name has entered the log.
    pub(super) fn become_member(&mut self, id: SeatId, name: Name, form: Form) {
        let until = self.seats[id].stage.until();
        self.set_stage(id, Stage::Member(name, form));
        // One that is deaf goes on being so.
        if self.seats[id].deaf.is_some() {
            self.deadlines.extend(until.map(|until| (until, id)));
        }
    }

    /// The entry that a connection's end makes; only a member's makes one.
    pub fn departure(&self, id: SeatId, closed: Closed) -> Option<Entry<'static>> {
        let speaker = self.speaker(id).ok()?;
        // When all leave at once, nobody is left to be told.
        let reason = (closed != Closed::Shutdown).then(|| closed.left());
        // Whose place another has taken is not gone.
        (closed != Closed::Replaced).then_some(Entry::Left(speaker, reason))
    }

    /// Closes a connection, whose [departure](Self::departure) is to be applied after that: the reason is
    /// said if there is one to say, with what there is to `add` to it, and its stream ends.
    pub fn close(&mut self, id: SeatId, closed: Closed, add: &[u8], now: Instant) -> Was {
        let was = match self.seats[id].stage {
            Stage::Guest { .. } => Was::Guest,
            Stage::Member(name, _) => Was::Member(name),
            Stage::Farewell { .. } | Stage::Linger { .. } => return Was::Closed,
        };
        self.forget_listener(id);
        // Its name is held until the log says that it has gone: but its seat may be another's before that.
        if let Was::Member(name) = was
            && let Some(seat) = self.names.get_mut(&name).filter(|seat| **seat == Some(id))
        {
            *seat = None;
        }
        let view = self.view(id);
        let (last, patience) = match closed {
            Closed::Stalled => (Last::Instead, limits::LINGER),
            // A little longer than the server itself: it counts those whom it cuts short.
            Closed::Shutdown | Closed::Drained => {
                (Last::AfterAll, self.limits.shutdown_timeout + limits::LINGER)
            }
            _ => (Last::AfterAll, limits::FAREWELL),
        };
        self.round.end(view, last);
        if let Some(reason) = closed.bye() {
            let space: &[u8] = if add.is_empty() { b"" } else { b" " };
            let reason = [reason.as_bytes(), space, add].concat();
            self.round.answer(view, |out| Event::Bye(&reason).render(out));
        }
        self.set_stage(id, Stage::Farewell { until: now + patience });
        was
    }

    /// Nothing more comes from a connection: how is it to be closed, and is there more to do?
    pub fn stream_ended(&mut self, id: SeatId, closed: Closed) -> (Closed, Option<Next>) {
        let seat = &mut self.seats[id];
        seat.reads = false;
        // A broken pipe is what is found after the end of a stream. Anything else came before it.
        let broke = seat.deaf.is_some_and(|why| why != ErrorKind::BrokenPipe);
        let over = matches!(seat.stage, Stage::Linger { .. });
        (if broke { Closed::Lost } else { closed }, over.then(|| self.free(id)))
    }

    /// All has been sent to one who is closed; but not while it has a part in the current round.
    pub fn all_sent(&mut self, id: SeatId, now: Instant) -> Option<Next> {
        if !self.is_leaving(id) || self.seats[id].view.is_some() {
            return None;
        }
        if !self.seats[id].reads {
            return Some(self.free(id));
        }
        self.set_stage(id, Stage::Linger { until: now + limits::LINGER });
        Some(Next::ShutWriting)
    }

    /// A socket takes nothing any more.
    pub fn deaf(&mut self, id: SeatId, why: ErrorKind, now: Instant) -> Option<Next> {
        let until = now + limits::DEAF;
        self.seats[id].deaf = Some(why);
        match self.seats[id].stage {
            Stage::Guest { record, .. } => self.set_stage(id, Stage::Guest { until, record }),
            Stage::Member(..) => _ = self.deadlines.insert((until, id)),
            Stage::Farewell { .. } | Stage::Linger { .. } => return self.all_sent(id, now),
        }
        None
    }

    /// The next connection whose time is up, and what that means for it.
    pub fn due(&mut self, now: Instant) -> Option<(SeatId, Due)> {
        while let Some(&(until, id)) = self.deadlines.first().filter(|(until, _)| *until <= now) {
            self.deadlines.pop_first();
            // The deadline of a deaf member may have outlived it.
            let Some(seat) = self.seats.get(id) else { continue };
            let is_deaf = seat.deaf.is_some();
            return Some(match seat.stage {
                Stage::Member(..) if is_deaf => (id, Due::Close(Closed::Lost)),
                _ if seat.stage.until() != Some(until) => continue,
                Stage::Guest { .. } if is_deaf => (id, Due::Close(Closed::Lost)),
                Stage::Guest { .. } => (id, Due::Close(Closed::JoinTimeout)),
                Stage::Member(..) | Stage::Farewell { .. } | Stage::Linger { .. } => {
                    (id, Due::CutOff)
                }
            });
        }
        None
    }

    /// Whether anybody's time will be up.
    pub fn is_watchful(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// A guest has so much time more: it waits for something that is not its own.
    pub fn wait_longer(&mut self, id: SeatId, now: Instant) {
        if let Stage::Guest { record, .. } = self.seats[id].stage {
            let until = now + self.limits.join_timeout;
            self.set_stage(id, Stage::Guest { until, record });
        }
    }

    /// For how many seconds the connection has been there.
    pub fn seconds(&self, id: SeatId, now: Instant) -> u32 {
        Seat::seconds(self.age(now)).saturating_sub(self.seats[id].since)
    }

    /// Whether the connection has not joined yet.
    pub fn is_guest(&self, id: SeatId) -> bool {
        matches!(self.seats[id].stage, Stage::Guest { .. })
    }

    /// Whether it is a member that gets the ids of entries.
    pub fn has_ids(&self, id: SeatId) -> bool {
        self.form_of(id).is_some_and(|form| form.ids)
    }

    /// Whether the connection is closed: what it says is no longer heard.
    pub fn is_closed(&self, id: SeatId) -> bool {
        matches!(self.seats[id].stage, Stage::Farewell { .. } | Stage::Linger { .. })
    }

    /// Whether something is still to be sent to one who is closed.
    pub fn is_leaving(&self, id: SeatId) -> bool {
        matches!(self.seats[id].stage, Stage::Farewell { .. })
    }

    /// Everybody who has a seat.
    pub fn everybody(&self) -> Vec<SeatId> {
        self.seats.iter().map(|(id, _)| id).collect()
    }

    /// How many have one.
    #[cfg(test)]
    pub fn seated(&self) -> usize {
        self.seats.len()
    }

    /// Whether nobody has a seat.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    fn free(&mut self, id: SeatId) -> Next {
        if let Some(until) = self.seats.remove(id).stage.until() {
            self.deadlines.remove(&(until, id));
        }
        Next::Free
    }

    fn set_stage(&mut self, id: SeatId, stage: Stage) {
        let was = std::mem::replace(&mut self.seats[id].stage, stage);
        self.guests += usize::from(matches!(stage, Stage::Guest { .. }));
        self.guests -= usize::from(matches!(was, Stage::Guest { .. }));
        if let Some(until) = was.until() {
            self.deadlines.remove(&(until, id));
        }
        self.deadlines.extend(stage.until().map(|until| (until, id)));
    }
}
