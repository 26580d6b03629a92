//! What is sent, and how fast: the round to all, the rest to the slow, and who waits for whom.

use super::{Lagger, Room, SeatId, State, ring};
use crate::delivery::flush::Post;
use crate::room::notice::Closed;
use async_channel::Receiver;
use std::io::ErrorKind;
use std::mem;
use std::time::Instant;

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

    pub(super) fn open_gate(&mut self) {
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
    pub(super) fn hold(&mut self) {
        let awaited = |id: &SeatId| {
            self.seats[*id].backlog.as_ref().is_some_and(|backlog| backlog.is_awaited())
        };
        self.held = self.lagging.iter().any(awaited);
        if !self.held {
            self.open_gate();
        }
    }
}
