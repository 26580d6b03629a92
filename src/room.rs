//! The room: who is in it, who gets what, and what becomes of the slow.
//!
//! Everything here happens under the one lock, in one critical section an event: that is what makes
//! the order the same for all. Nothing here waits.

use crate::backlog::{Backlog, Chunk};
use crate::limits::{self, Limits};
use crate::notice::{Closed, Notice, note};
use crate::post::Post;
use crate::protocol::{Event, Form, Name, Refusal};
use crate::round::{Listeners, Round, ViewId};
use crate::socket::{Peer, Socket};
use async_channel::{Receiver, Sender};
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

// Coming and going.
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
        self.answer(id, Event::render_hello);
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
    fn drop_output(&mut self, id: SeatId) {
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
    fn end_stream(&mut self, id: SeatId) {
        match &self.seats[id].backlog {
            Some(backlog) => backlog.close(),
            None => self.said_goodbye(id),
        }
    }

    /// All has been sent to a leaver. The server reads on for a moment, so that it is not lost to a
    /// reset.
    fn said_goodbye(&mut self, id: SeatId) {
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
        let render = |form, out: &mut _| Event::render_payload(name, payload, form, out);
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

    /// How many are in.
    pub fn members(&self) -> usize {
        self.names.len()
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

// What is sent, and how fast.
impl Room {
    /// Whether a session may read on. If not, it waits at the [gate](Self::gate) and asks again.
    ///
    /// The senders wait for a round that is full, and for healthy members who lag; one who lags
    /// because of what it asked for waits for itself.
    pub fn may_read(&self, id: SeatId) -> bool {
        let seat = &self.seats[id];
        match (&seat.state, seat.backlog.as_deref()) {
            // A leaver is only heard out, and there is time for that once all has been sent to it.
            (State::Leaving { .. }, backlog) => backlog.is_none(),
            _ if self.held || self.round.is_full() => false,
            (_, backlog) => backlog.is_none_or(|backlog| backlog.is_low(&self.limits)),
        }
    }

    /// Is closed when it is worthwhile to ask again.
    pub fn gate(&mut self) -> Receiver<()> {
        self.gate.get_or_insert_with(|| async_channel::bounded(1)).1.clone()
    }

    fn open_gate(&mut self) {
        if let Some((gate, _)) = self.gate.take() {
            gate.close();
        }
    }

    /// Writes the round to all sockets, as far as they take it. Returns those who fell behind.
    pub fn flush(&mut self) -> Vec<Lagger> {
        let mut round = mem::replace(&mut self.round, mem::take(&mut self.spare));
        round.close();
        let mut post = Post::new(&round, &self.limits);
        post.deliver_to_all(&mut self.seats);
        post.deliver_views(&mut self.seats);
        let Post { fell_behind, broken, lagging, goodbyes, .. } = post;
        round.clear();
        self.spare = round;
        for (id, why) in broken {
            self.deafen(id, why);
        }
        for id in goodbyes {
            self.end_stream(id);
        }
        if !lagging.is_empty() {
            self.lagging.extend(lagging);
            ring(&self.bells.watch);
        }
        self.hold();
        fell_behind
    }

    /// Part of a backlog has been sent. Returns whether that was all of it, and the backlog is gone.
    pub fn took(&mut self, id: SeatId, cost: usize) -> bool {
        let now = Instant::now();
        let Some(backlog) = &mut self.seats[id].backlog else { return true };
        let was_low = backlog.is_low(&self.limits);
        backlog.took(cost, now, &self.limits);
        if !was_low {
            if !backlog.lags(now, &self.limits) {
                self.lagging.remove(&id);
            }
            self.hold();
        }
        let empty = self.seats[id].backlog.as_ref().is_some_and(|backlog| backlog.is_empty());
        if empty {
            self.drained(id);
        }
        empty
    }

    /// A backlog is gone.
    pub fn drained(&mut self, id: SeatId) {
        self.seats[id].backlog = None;
        if self.is_over(id) {
            // Its session may wait for that.
            self.open_gate();
            if self.seats[id].view.is_none() {
                self.said_goodbye(id);
            }
        }
    }

    /// A socket takes nothing any more, and its drain task, if there was one, has ended.
    pub fn deafen(&mut self, id: SeatId, why: ErrorKind) {
        self.seats[id].deaf = Some(why);
        self.drop_output(id);
        self.lagging.remove(&id);
        self.hold();
        self.drained(id);
    }

    /// Looks after deadlines and stalls. Returns whether there is any left to look after.
    pub fn tick(&mut self, now: Instant) -> bool {
        while let Some(&(until, id)) = self.deadlines.first()
            && until <= now
        {
            self.deadlines.pop_first();
            match self.seats[id].state {
                State::Guest { .. } => self.close(id, Closed::JoinTimeout),
                State::Leaving { .. } => self.seats[id].socket.shut(),
                State::Member(..) => {}
            }
        }
        let mut stalled = Vec::new();
        for &id in &self.lagging {
            let backlog = self.seats[id].backlog.as_ref();
            if backlog.is_some_and(|backlog| backlog.is_stalled(now, &self.limits)) {
                stalled.push(id);
            }
        }
        for id in stalled {
            self.close(id, Closed::Stalled);
        }
        !self.deadlines.is_empty() || !self.lagging.is_empty()
    }

    /// Holds the senders if they have to wait for somebody who lags, or lets them go on.
    fn hold(&mut self) {
        let awaited = |id: &SeatId| {
            self.seats[*id].backlog.as_ref().is_some_and(|backlog| backlog.is_awaited())
        };
        self.held = self.lagging.iter().any(awaited);
        if !self.held {
            self.open_gate();
        }
    }
}

fn ring(bell: &Sender<()>) {
    // A bell that rings already need not ring twice.
    let _ = bell.try_send(());
}
