//! The room: who is in it, and who gets what. [`life`] is how they come and go, [`pace`] what
//! becomes of the slow.
//!
//! Everything here happens under the one lock, in one critical section an event: that is what makes
//! the order the same for all. Nothing here waits.

mod life;
pub mod notice;
mod pace;
pub mod round;

use crate::delivery::backlog::{Backlog, Chunk};
use crate::limits::{self, Limits};
use crate::net::socket::{Peer, Socket};
use crate::protocol::{Event, Form, Name, Refusal};
use crate::room::notice::{Closed, Notice, note};
use crate::room::round::{Listeners, Round, ViewId};
use async_channel::{Receiver, Sender};
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

/// A connection's place in the registry. It is given away again only after the connection is over.
pub type SeatId = usize;

/// One connection, as the room sees it.
#[derive(Debug)]
pub struct Seat {
    pub socket: Arc<Socket>,
    pub state: State,
    /// What its socket did not take; boxed, because nearly nobody has one.
    pub backlog: Option<Box<Backlog>>,
    /// Its view of the current round, if that differs from everybody's.
    pub view: Option<ViewId>,
    /// Its session still reads from the socket.
    pub read: bool,
    /// Its socket takes nothing any more, and why. What came from it before is still to be heard:
    /// only its session can say that it is over.
    pub deaf: Option<ErrorKind>,
}

/// What a connection is to the room.
#[derive(Debug)]
pub enum State {
    /// It has until then to join, and so many errors behind it.
    Guest { until: Instant, errors: u8 },
    /// It is in, under that name, and gets payloads in that form.
    Member(Name, Form),
    /// It is over: what is queued is still sent, then the server's side is shut.
    Leaving { until: Instant },
}

/// A member whose socket was full: somebody has to send it the rest.
#[derive(Debug)]
pub struct Lagger {
    /// Whose chunks these are.
    pub seat: SeatId,
    /// Where they go.
    pub socket: Arc<Socket>,
    /// What waits, and what will.
    pub chunks: Receiver<Chunk>,
}

/// All state that connections share.
#[derive(Debug)]
pub struct Room {
    limits: Limits,
    seats: Slab<Seat>,
    names: BTreeMap<Name, SeatId>,
    listeners: Listeners,
    round: Round,
    /// The memory of the round before.
    spare: Round,
    /// Until when guests have to join, and leavers to be gone.
    deadlines: BTreeSet<(Instant, SeatId)>,
    lagging: BTreeSet<SeatId>,
    /// The senders wait for somebody who lags.
    held: bool,
    /// Where readers wait. Nothing is ever sent through it: it opens by being closed.
    gate: Option<(Sender<()>, Receiver<()>)>,
    bells: Bells,
    /// Closed once the last connection of a server that stops is over.
    emptied: Option<Sender<()>>,
    /// What one `recv` takes, for all connections: reading happens under the lock.
    pub scratch: Vec<u8>,
}

/// How the room calls those who work for it.
#[derive(Debug)]
pub struct Bells {
    /// There is a round to flush.
    pub flush: Sender<()>,
    /// There is a deadline or a stall to watch.
    pub watch: Sender<()>,
    /// Where notices go, if anybody wants them.
    pub notices: Option<Sender<Notice>>,
}

impl Room {
    /// An empty room.
    pub fn new(limits: Limits, bells: Bells) -> Self {
        Self {
            limits,
            seats: Slab::new(),
            names: BTreeMap::new(),
            listeners: Listeners::default(),
            round: Round::default(),
            spare: Round::default(),
            deadlines: BTreeSet::new(),
            lagging: BTreeSet::new(),
            held: false,
            gate: None,
            bells,
            emptied: None,
            scratch: vec![0; limits::SCRATCH],
        }
    }
}

// What is said.
impl Room {
    /// Says something to everybody else.
    pub fn say(&mut self, id: SeatId, text: &[u8]) -> Result<(), Refusal> {
        let name = self.member(id)?;
        let view = self.view(id);
        self.announce(Some(view), Event::Msg(name, text));
        Ok(())
    }

    /// Says any bytes to everybody else, in the form that each wants.
    pub fn say_payload(&mut self, id: SeatId, payload: &[u8]) -> Result<(), Refusal> {
        let name = self.member(id)?;
        let view = self.view(id);
        let most = self.limits.payload;
        let render = |form, out: &mut _| Event::render_payload(name, payload, form, most, out);
        self.round.say(Some(view), &self.listeners, render);
        Ok(())
    }

    /// How many bytes a payload may have.
    pub fn payload_limit(&self) -> usize {
        self.limits.payload
    }

    /// Says something that is the same in all forms to all members but one.
    fn announce(&mut self, but: Option<ViewId>, event: Event<'_>) {
        self.round.say(but, &self.listeners, |_, out| event.render(out));
    }

    /// Says something to one member.
    pub fn tell(&mut self, id: SeatId, to: Name, text: &[u8]) -> Result<(), Refusal> {
        let name = self.member(id)?;
        let to = *self.names.get(&to).ok_or(Refusal::NoSuchMember)?;
        self.answer(to, |out| Event::Tell(name, text).render(out));
        Ok(())
    }

    /// Answers who is here, in alphabetical order.
    pub fn who(&mut self, id: SeatId) -> Result<(), Refusal> {
        self.member(id)?;
        let view = self.view(id);
        let names = self.names.keys().copied();
        self.round.tell(view, |out| Event::render_who(names.len(), names, out));
        Ok(())
    }

    /// Answers something to one connection.
    pub fn answer(&mut self, id: SeatId, render: impl FnOnce(&mut Vec<u8>)) {
        let view = self.view(id);
        self.round.tell(view, render);
    }

    /// Answers why something is not done. A guest is not answered so forever.
    pub fn refuse(&mut self, id: SeatId, refusal: Refusal) {
        self.answer(id, |out| Event::render_refusal(refusal, out));
        if matches!(refusal, Refusal::BadName | Refusal::NameTaken | Refusal::BadOption) {
            self.note(|room| Notice::Refused(room.peer(id), refusal));
        }
        if let State::Guest { errors, .. } = &mut self.seats[id].state {
            *errors += 1;
            if *errors >= limits::GUEST_ERRORS {
                self.close(id, Closed::TooManyErrors);
            }
        }
    }

    /// The name of a member; guests have none.
    pub fn member(&self, id: SeatId) -> Result<Name, Refusal> {
        match self.seats[id].state {
            State::Member(name, _) => Ok(name),
            _ => Err(Refusal::NotJoined),
        }
    }

    /// Whether more is likely to be said while a round is written.
    pub fn is_lively(&self) -> bool {
        self.names.len() >= limits::GATHER && self.round.is_lively()
    }

    /// Whether the connection has not joined yet.
    pub fn is_guest(&self, id: SeatId) -> bool {
        matches!(self.seats[id].state, State::Guest { .. })
    }

    /// Whether the connection is over: what it says is no longer heard.
    pub fn is_over(&self, id: SeatId) -> bool {
        matches!(self.seats[id].state, State::Leaving { .. })
    }

    /// The seat's view of the current round. Whoever has one gets it flushed.
    fn view(&mut self, id: SeatId) -> ViewId {
        if self.round.is_empty() {
            ring(&self.bells.flush);
        }
        let seat = &mut self.seats[id];
        let listening = match seat.state {
            State::Member(_, form) => Some(form),
            State::Guest { .. } | State::Leaving { .. } => None,
        };
        *seat.view.get_or_insert_with(|| self.round.open_view(id, listening))
    }

    fn note(&self, notice: impl FnOnce(&Self) -> Notice) {
        note(self.bells.notices.as_ref(), || notice(self));
    }

    fn peer(&self, id: SeatId) -> Peer {
        self.seats[id].socket.peer()
    }
}

fn ring(bell: &Sender<()>) {
    // A bell that rings already need not ring twice.
    let _ = bell.try_send(());
}
