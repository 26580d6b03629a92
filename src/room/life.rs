//! Coming and going: who has a seat, who has a name, and how a connection ends.

use super::{Room, Seat, SeatId, State, ring};
use crate::limits;
use crate::net::socket::Socket;
use crate::protocol::{Event, Form, Name, Refusal};
use crate::room::notice::{Closed, Notice};
use async_channel::Receiver;
use std::io::ErrorKind;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Room {
    /// Seats a new connection as a guest, and greets it.
    pub fn arrive(&mut self, socket: Arc<Socket>) -> SeatId {
        let until = Instant::now() + self.limits.join_timeout.min(limits::LONGEST);
        let state = State::Guest { until, errors: 0 };
        let id = self.seats.insert(Seat {
            socket,
            state,
            backlog: None,
            view: None,
            read: true,
            deaf: None,
        });
        self.deadlines.insert((until, id));
        ring(&self.bells.watch);
        let view = self.view(id);
        self.round.tell(view, |out| Event::render_hello(&self.limits, out));
        id
    }

    /// Makes a guest a member: checks the name, seats it, announces it.
    pub fn join(&mut self, id: SeatId, name: Name, form: Form) -> Result<(), Refusal> {
        let State::Guest { until, .. } = self.seats[id].state else {
            return Err(Refusal::AlreadyJoined);
        };
        if self.names.contains_key(&name) {
            return Err(Refusal::NameTaken);
        }
        self.names.insert(name, id);
        self.deadlines.remove(&(until, id));
        let members = self.names.len();
        let view = self.view(id);
        self.seats[id].state = State::Member(name, form);
        self.listeners[form as usize] += 1;
        self.round.tell(view, |out| Event::Ok(name, members).render(out));
        self.round.enter(view, form);
        if members <= self.limits.presence_limit {
            self.announce(Some(view), Event::Joined(name));
        }
        self.note(|room| Notice::Joined(name, room.peer(id), members));
        Ok(())
    }

    /// Ends a connection: the name is free, the others are told, the reason is said if there is
    /// one to say, and the server's side will be shut when all that is queued has been sent.
    pub fn close(&mut self, id: SeatId, closed: Closed) {
        match self.seats[id].state {
            State::Leaving { .. } => return,
            State::Member(name, form) => {
                self.listeners[form as usize] -= 1;
                self.depart(id, name, closed);
            }
            State::Guest { until, .. } => {
                self.deadlines.remove(&(until, id));
                if !matches!(closed, Closed::Left | Closed::Ended | Closed::Lost) {
                    self.note(|room| Notice::SentAway(room.peer(id), closed));
                }
            }
        }
        if closed == Closed::Stalled {
            self.drop_output(id);
            self.set_leaving(id, limits::LINGER);
        } else {
            self.set_leaving(id, limits::FAREWELL);
        }
        if let Some(reason) = closed.bye() {
            self.answer(id, |out| Event::Bye(reason.as_bytes()).render(out));
        }
        if self.seats[id].view.is_none() {
            self.end_stream(id);
        }
        // Its session may be waiting for its turn to speak: that is over.
        self.open_gate();
    }

    /// Takes a member out of the room, and tells the others.
    fn depart(&mut self, id: SeatId, name: Name, closed: Closed) {
        let view = self.view(id);
        self.round.exit(view);
        let members = self.names.len();
        self.names.remove(&name);
        if self.lagging.remove(&id) {
            self.hold();
        }
        // When all leave at once, nobody is left to be told.
        if members <= self.limits.presence_limit && closed != Closed::Shutdown {
            self.announce(None, Event::Left(name, closed.left().as_bytes()));
        }
        self.note(|_| Notice::Left(name, closed, members - 1));
    }

    /// Throws away what waits for one who does not take it.
    pub(super) fn drop_output(&mut self, id: SeatId) {
        let seat = &mut self.seats[id];
        if let Some(view) = seat.view {
            self.round.forget(view);
        }
        if let Some(backlog) = &mut seat.backlog {
            backlog.discard();
        }
    }

    fn set_leaving(&mut self, id: SeatId, patience: Duration) {
        let until = Instant::now() + patience;
        let was = mem::replace(&mut self.seats[id].state, State::Leaving { until });
        if let State::Leaving { until } = was {
            self.deadlines.remove(&(until, id));
        }
        self.deadlines.insert((until, id));
        ring(&self.bells.watch);
    }

    /// Nothing more is said to a leaver. What waits for it is still sent.
    pub(super) fn end_stream(&mut self, id: SeatId) {
        match &self.seats[id].backlog {
            Some(backlog) => backlog.close(),
            None => self.said_goodbye(id),
        }
    }

    /// All has been sent to a leaver. The server reads on for a moment, so that it is not lost to a
    /// reset.
    pub(super) fn said_goodbye(&mut self, id: SeatId) {
        if self.seats[id].read {
            self.seats[id].socket.shut_writing();
            self.set_leaving(id, limits::LINGER);
        }
        self.retire(id);
    }

    /// Nothing more comes from a connection, and nobody reads from it any more.
    pub fn end(&mut self, id: SeatId, closed: Closed) {
        let seat = &mut self.seats[id];
        seat.read = false;
        // A broken pipe is what is found after the end of a stream. Anything else came before it.
        let broke = seat.deaf.is_some_and(|why| why != ErrorKind::BrokenPipe);
        let closed = if broke { Closed::Lost } else { closed };
        if self.is_over(id) { self.retire(id) } else { self.close(id, closed) }
    }

    /// Gives a leaver's seat back, once neither session nor backlog nor round knows it any more.
    fn retire(&mut self, id: SeatId) {
        let seat = &self.seats[id];
        let State::Leaving { until } = seat.state else { return };
        if seat.read || seat.backlog.is_some() || seat.view.is_some() {
            return;
        }
        self.deadlines.remove(&(until, id));
        self.seats.remove(id);
        if self.seats.is_empty() {
            self.emptied = None;
        }
    }

    /// Drops all connections, as they are.
    pub fn clear(&mut self) {
        self.seats.clear();
    }

    /// Ends all connections. What is returned is closed when the last of them is over.
    pub fn close_all(&mut self) -> Receiver<()> {
        let (emptied, empty) = async_channel::bounded(1);
        self.emptied = (!self.seats.is_empty()).then_some(emptied);
        let all: Vec<SeatId> = self.seats.iter().map(|(id, _)| id).collect();
        for id in all {
            self.close(id, Closed::Shutdown);
        }
        empty
    }
}
