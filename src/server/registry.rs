//! All that connections share, behind the one lock: log, room and delivery, and who waits for what.
//!
//! Whoever calls holds the lock, and nothing here waits. What a member does goes one way:
//! checked by the room, ordered by the log, applied by the room to its round, written by the delivery.
//! What becomes of the writing comes back as reports, which end connections.

mod access;
#[cfg(test)]
mod model;
#[cfg(feature = "redis")]
mod nodes;
mod operator;
#[cfg(test)]
mod paper;
pub mod state;

use super::clock::Clock;
use super::counters::Counters;
use super::goodbye::Goodbyes;
use super::guard::Guard;
use super::later::Later;
use super::line::{Line, Parked};
use super::pace::Paces;
use crate::delivery::chunk::Cost;
use crate::delivery::{Delivery, Lagger, Report};
use crate::limits::{self, Limits};
use crate::log::{Change, Entry, Log};
use crate::net::peer::Peer;
use crate::net::secrets::Secrets;
use crate::net::sink::{Ended, Sink};
use crate::protocol::{Command, Event, JoinOptions, Name, Refusal, Speaker};
use crate::room::notice::{Closed, Notice, Notices, note};
use crate::room::{Due, Next, Room, SeatId, Speech, Was};
use async_channel::{Receiver, Sender};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::Instant;

/// What connections share.
#[derive(Debug)]
pub struct Registry<S> {
    log: Log,
    room: Room,
    delivery: Delivery<S>,
    line: Line,
    parked: Parked,
    /// Who has said how much, and since when, while others wait for somebody who lags.
    said: BTreeMap<SeatId, usize>,
    said_since: Instant,
    said_together: usize,
    clock: Clock,
    secrets: Secrets,
    /// Who may come in.
    pub guard: Guard,
    /// How fast members may talk, and how far those are ahead of it who have talked.
    paces: Paces,
    later: Later,
    /// What greets everybody.
    hello: Vec<u8>,
    bells: Bells,
    /// What has happened since the start.
    pub counters: Counters,
    /// It says goodbye, or is about to: nobody is to be sent here.
    pub is_draining: bool,
    /// Closed once the last connection of a server that stops is over.
    emptied: Option<Sender<()>>,
    /// Why the log cannot be kept where it should be, for good.
    #[cfg(feature = "redis")]
    pub unfit: Option<String>,
    /// What one `recv` takes, for all connections: reading happens under the lock.
    pub scratch: Vec<u8>,
    /// What the model test holds everybody's story against.
    #[cfg(test)]
    entered: Vec<model::Entered>,
}

/// How those are called who work for the room.
#[derive(Debug)]
pub struct Bells {
    /// There is a round to flush.
    pub flush: Sender<()>,
    /// There is a deadline or a stall to watch.
    pub watch: Sender<()>,
    /// Where notices go, if anybody wants them.
    pub notices: Option<Notices>,
    /// Where troubles go.
    pub troubles: Option<Notices>,
}

impl<S: Sink + Clone> Registry<S> {
    /// What an empty room is.
    pub fn new(limits: Limits, log: Log, secrets: Secrets, guard: Guard, bells: Bells) -> Self {
        let mut hello = Vec::new();
        Event::render_hello(&limits, guard.key.is_some(), log.is_shared(), &mut hello);
        let mut registry = Self {
            paces: Paces::new(limits.pace),
            later: Later::default(),
            hello,
            guard,
            room: Room::new(limits.clone(), log.last()),
            log,
            delivery: Delivery::new(limits),
            line: Line::default(),
            parked: Parked::default(),
            said: BTreeMap::new(),
            said_since: Instant::now(),
            said_together: 0,
            clock: Clock::default(),
            secrets,
            bells,
            counters: Counters::default(),
            is_draining: false,
            emptied: None,
            #[cfg(feature = "redis")]
            unfit: None,
            scratch: vec![0; limits::SCRATCH],
            #[cfg(test)]
            entered: Vec::new(),
        };
        // A log that was opened may have something to be written, or to be said, before anybody comes.
        registry.settle();
        registry
    }

    /// Whether the connection has not joined yet.
    pub fn is_guest(&self, id: SeatId) -> bool {
        self.room.is_guest(id)
    }

    /// Whether it is a member that gets the ids of entries.
    pub fn has_ids(&self, id: SeatId) -> bool {
        self.room.has_ids(id)
    }

    /// Whether the connection is closed: what it says is no longer heard.
    pub fn is_closed(&self, id: SeatId) -> bool {
        self.room.is_closed(id)
    }

    /// What a connection's commands are judged by.
    pub fn speaker(&self, id: SeatId) -> Speaker {
        let (is_member, payload) = (!self.room.is_guest(id), self.room.payload_limit());
        Speaker { is_member, payload, shut_out: self.shuts_out(id) }
    }

    /// Rings for those who have something to do now.
    fn settle(&mut self) {
        for id in self.delivery.released() {
            self.parked.wake(id);
        }
        // What is said may make no line for anybody, and is to be kept all the same.
        if !self.room.round().is_empty() || self.log.has_unwritten() {
            ring(&self.bells.flush);
        }
        if self.is_watchful() {
            ring(&self.bells.watch);
        }
    }

    /// Whether there is anything that time will change.
    fn is_watchful(&self) -> bool {
        self.room.is_watchful()
            || self.delivery.is_watchful()
            || self.log.is_watchful()
            || !self.later.is_empty()
    }

    fn note(&self, notice: impl FnOnce(&Self) -> Notice) {
        note(self.bells.notices.as_ref(), || notice(self));
    }

    /// How many are in without one who has just gone: where others share the log, it is not out yet.
    fn members_left(&self) -> usize {
        self.room.members().saturating_sub(usize::from(self.log.is_shared()))
    }

    fn peer(&self, id: SeatId) -> Peer {
        self.delivery.sink(id).map_or(Peer::Unknown, Sink::peer)
    }
}

// Coming and going.
impl<S: Sink + Clone> Registry<S> {
    /// Seats a new connection as a guest, and greets it.
    pub fn arrive(&mut self, sink: S, now: Instant) -> SeatId {
        let id = self.room.arrive(&self.hello, self.clock.at(now));
        self.delivery.open(id, sink);
        self.settle();
        id
    }

    /// Makes a guest a member; in another's place, if it has that one's secret. Returns what it has to wait
    /// for until that is decided.
    pub fn join(
        &mut self,
        id: SeatId,
        name: Name,
        options: JoinOptions,
        now: Instant,
    ) -> Result<Option<Receiver<()>>, Refusal> {
        let secret = options.resume.or_else(|| options.form.ids.then(|| self.secrets.next()));
        let before = self.room.seat_of(name);
        let is_shared = self.log.is_shared();
        let entry = self.room.propose_join(id, name, options, secret, is_shared)?;
        self.enter(&entry);
        if is_shared {
            return Ok(Some(self.wait_for_log(id)));
        }
        match (entry, before) {
            (Entry::Resumed(by, _), Some(before)) => {
                self.note(|own| Notice::Resumed(by.name, own.peer(id)));
                self.replace(before, Some(id), now);
            }
            _ => self.note(|own| Notice::Joined(name, own.peer(id), own.room.members())),
        }
        Ok(None)
    }

    /// Ends a connection whose member goes on by another one, if that is here.
    fn replace(&mut self, before: SeatId, by: Option<SeatId>, now: Instant) {
        if let Some(by) = by {
            self.paces.hand_over(before, by);
        }
        self.close(before, Closed::Replaced, now);
    }

    /// Ends a connection: the name is free, the others are told, the reason is said if there is one
    /// to say, and the server's side will be shut when all that is queued has been sent.
    pub fn close(&mut self, id: SeatId, closed: Closed, now: Instant) {
        self.close_saying(id, closed, b"", now);
    }

    /// The same, with something to add to the reason.
    // It is long, and called in several places.
    #[inline(never)]
    fn close_saying(&mut self, id: SeatId, closed: Closed, add: &[u8], now: Instant) {
        let departure = self.room.departure(id, closed);
        let was = self.room.close(id, closed, add, self.clock.at(now));
        if let Some(entry) = departure {
            self.enter(&entry);
        }
        self.log.forget(id);
        match was {
            Was::Closed => return,
            Was::Member(_) if closed == Closed::Replaced => self.counters.leave(closed),
            Was::Member(name) => {
                self.counters.leave(closed);
                self.note(|own| Notice::Left(name, closed, own.members_left()));
            }
            Was::Guest if closed.is_worth_a_notice() => {
                self.note(|own| Notice::SentAway(own.peer(id), closed));
            }
            Was::Guest => {}
        }
        self.delivery.close(id);
        if closed == Closed::Stalled {
            self.delivery.give_up(id);
        }
        // Its session may be waiting for something to say: that is over.
        if self.line.leave(id) {
            self.call_next();
        }
        self.later.remove(id);
        self.paces.forget(id);
        self.parked.wake(id);
        self.said.remove(&id);
    }

    /// Nothing more comes from a connection, and nobody reads from it any more.
    pub fn stream_ended(&mut self, id: SeatId, closed: Closed, now: Instant) {
        let (closed, next) = self.room.stream_ended(id, closed);
        match next {
            Some(next) => self.act(id, next),
            None => self.close(id, closed, now),
        }
    }

    /// From now on nobody comes. Returns those who are there, and are to go.
    pub fn begin_to_drain(&mut self) -> Vec<SeatId> {
        self.is_draining = true;
        self.room.everybody()
    }

    /// Ends those connections of whom it is time to take leave, while others go on. Says whether nobody is left.
    pub fn say_goodbye(&mut self, goodbyes: &mut Goodbyes, now: Instant) -> bool {
        // Who comes back may do so at another node, and was never missed.
        let closed = if self.log.is_shared() { Closed::Shutdown } else { Closed::Drained };
        for id in goodbyes.due(now) {
            // It may have gone by itself.
            if self.delivery.sink(id).is_some() {
                self.close(id, closed, now);
            }
        }
        self.settle();
        goodbyes.are_over() || self.room.members_here() + self.room.guests() == 0
    }

    /// Ends all connections. What is returned is closed when the last of them is over.
    pub fn close_all(&mut self, now: Instant) -> Receiver<()> {
        let (emptied, empty) = async_channel::bounded(1);
        self.emptied = (!self.room.is_empty()).then_some(emptied);
        for id in self.room.everybody() {
            self.close(id, Closed::Shutdown, now);
        }
        self.settle();
        empty
    }

    /// Whether all that was done here has come back from a log that others share.
    pub fn is_settled(&self) -> bool {
        self.log.is_settled()
    }

    /// Drops all connections, as they are, and ends the log. Returns how many of them had not been sent
    /// all.
    pub fn clear(&mut self) -> usize {
        let change = self.log.finish();
        self.say_of_journal(change);
        let everybody = self.room.everybody();
        self.delivery.clear();
        everybody.into_iter().filter(|id| self.room.is_leaving(*id)).count()
    }

    fn act(&mut self, id: SeatId, next: Next) {
        match next {
            Next::ShutWriting => self.delivery.sink(id).into_iter().for_each(Sink::shut_writing),
            Next::Shut => self.delivery.sink(id).into_iter().for_each(Sink::shut),
            Next::Free => {
                self.delivery.sink(id).into_iter().for_each(Sink::close);
                self.delivery.remove(id);
                if self.room.is_empty() {
                    self.emptied = None;
                }
            }
        }
        self.parked.wake(id);
    }
}

// What is said.
impl<S: Sink + Clone> Registry<S> {
    /// Does what a member's words ask for. Returns what it has to wait for before it says more.
    pub fn say(
        &mut self,
        id: SeatId,
        speech: Speech<'_>,
        now: Instant,
    ) -> Result<Option<Receiver<()>>, Refusal> {
        let entry = self.room.propose(id, speech, self.log.is_shared())?;
        self.enter(&entry);
        let waits = match speech {
            Speech::Tell(to, _) => {
                let to = self.room.seat_of(to);
                to.is_some_and(|to| self.delivery.makes_teller_wait(id, to, self.clock.at(now)))
            }
            Speech::Msg(said) | Speech::Data(said) if self.delivery.is_held() => {
                let is_loud = self.is_loud(id, said.len(), now);
                self.delivery.makes_speaker_wait(id, is_loud)
            }
            Speech::Msg(_) | Speech::Data(_) => false,
        };
        if self.log.holds(id) {
            return Ok(Some(self.wait_for_log(id)));
        }
        Ok(waits.then(|| self.parked.park(id)))
    }

    /// What a connection has to wait for before this is done: that all that it did before has come back.
    pub fn must_wait(&mut self, id: SeatId, command: &Command<'_>) -> Option<Receiver<()>> {
        let waits = match command {
            Command::Join(_, options) => {
                self.log.is_under_way(id) || self.log.postpones(id, options)
            }
            Command::Ping(_) | Command::Who | Command::Leave => self.log.is_under_way(id),
            _ => false,
        };
        waits.then(|| self.wait_for_log(id))
    }

    /// Whether a guest is gone that had to wait for the log to come in. Who only ends its stream may still
    /// listen; but not who can come back: that one has asked again, here or elsewhere. And nobody comes to say
    /// nothing and to hear nothing.
    pub fn has_given_up(&self, id: SeatId, has_more_to_say: bool) -> bool {
        let Some(options) = self.log.wanted(id) else { return false };
        let wants_to_hear = options.last.is_some() || options.since.is_some();
        match self.delivery.sink(id).map(Sink::ended) {
            Some(Ended::Nothing) => false,
            Some(Ended::Stream) => options.resume.is_some() || !has_more_to_say && !wants_to_hear,
            Some(Ended::All) | None => true,
        }
    }

    fn wait_for_log(&mut self, id: SeatId) -> Receiver<()> {
        self.log.wait(id);
        self.parked.park(id)
    }

    /// Counts what a member says while others wait for somebody who lags, and says whether that is
    /// much.
    fn is_loud(&mut self, id: SeatId, bytes: usize, now: Instant) -> bool {
        if now.saturating_duration_since(self.said_since) >= limits::LOUD_WITHIN {
            self.said.clear();
            (self.said_since, self.said_together) = (now, 0);
        }
        let bytes = bytes + limits::LOUD_LINE;
        self.said_together += bytes;
        let own = self.said.entry(id).or_default();
        *own += bytes;
        let own = *own;
        let average = self.said_together / self.said.len();
        own > limits::LOUD || self.said_together > limits::LOUD_TOGETHER && own >= average
    }

    /// An entry gets its place in the log, and takes effect.
    fn enter(&mut self, entry: &Entry<'_>) {
        let Some(id) = self.log.append(entry) else { return };
        #[cfg(test)]
        self.entered.push(model::Entered::new(id, entry));
        self.room.apply(id, entry, &mut self.log);
    }

    /// Answers who is here.
    pub fn who(&mut self, id: SeatId) -> Result<(), Refusal> {
        self.room.who(id)
    }

    /// Answers something to one connection.
    pub fn answer(&mut self, id: SeatId, render: impl FnOnce(&mut Vec<u8>)) {
        self.room.answer(id, render);
    }

    /// Answers why something is not done. A guest is not answered so forever.
    pub fn refuse(&mut self, id: SeatId, refusal: Refusal, now: Instant) {
        let why = if refusal == Refusal::Denied { "without the key" } else { "" };
        self.refuse_because(id, refusal, why, now);
    }

    /// The same, where there is more to say to the operator than the code.
    fn refuse_because(&mut self, id: SeatId, refusal: Refusal, why: &'static str, now: Instant) {
        self.counters.refuse(refusal);
        let too_often = self.room.refuse(id, refusal);
        if matches!(
            refusal,
            Refusal::BadName | Refusal::NameTaken | Refusal::BadOption | Refusal::Denied
        ) {
            self.note(|own| Notice::Refused(own.peer(id), refusal, why));
        }
        if too_often {
            self.close(id, Closed::TooManyErrors, now);
        }
    }
}

// Whose turn it is.
impl<S: Sink + Clone> Registry<S> {
    /// Lets a session have its turn, or says what it has to wait for.
    ///
    /// A leaver is only heard out, once all has been sent to it. Whoever does not take the answers
    /// that it has asked for waits for itself. All others take turns, and wait in line for a place in
    /// the round.
    pub fn begin_turn(&mut self, id: SeatId, has_had_a_turn: bool) -> Option<Receiver<()>> {
        if self.room.is_closed(id) {
            return self.room.is_leaving(id).then(|| self.pass(id));
        }
        if self.log.holds(id) || self.log.is_joining(id) {
            self.log.wait(id);
            return Some(self.pass(id));
        }
        if self.later.has(id) {
            return Some(self.pass(id));
        }
        let most = if self.room.is_guest(id) { limits::ASKED_BY_GUEST } else { limits::ASKED };
        if self.delivery.makes_asker_wait(id, most) {
            return Some(self.pass(id));
        }
        let others_first = || !self.line.is_empty() && !self.line.has_called(id);
        if self.room.round().is_full() || others_first() {
            return Some(self.stand_in_line(id, has_had_a_turn));
        }
        self.line.leave(id);
        None
    }

    /// Waits for something else than a turn, which the next in line gets instead.
    fn pass(&mut self, id: SeatId) -> Receiver<()> {
        if self.line.leave(id) {
            self.call_next();
        }
        self.parked.park(id)
    }

    /// Waits for a turn: the first, or another.
    pub fn stand_in_line(&mut self, id: SeatId, has_had_a_turn: bool) -> Receiver<()> {
        self.line.stand(id, has_had_a_turn || self.room.is_guest(id));
        self.parked.park(id)
    }

    /// Whether readers have to wait for the flusher.
    #[cfg(feature = "redis")]
    pub fn is_full(&self) -> bool {
        self.room.round().is_full()
    }

    /// Whether nothing more is to be said for now, wherever it comes from, because somebody here lags too
    /// far behind: other nodes' members wait as those of this one do.
    #[cfg(feature = "redis")]
    pub fn keeps_all_waiting(&self) -> bool {
        self.delivery.keeps_all_waiting()
    }

    /// How many bytes of output the current round has.
    pub fn output(&self) -> usize {
        self.room.round().len()
    }

    /// Whether a session has had its turn that has had so many lines and payloads heard, and has
    /// caused all output since there was so much.
    pub fn is_turn_over(&self, id: SeatId, began_at: usize, frames: usize) -> bool {
        let most = if self.room.is_guest(id) { limits::TURN_OF_GUEST } else { limits::TURN };
        let caused = (self.output() - began_at).max(frames * limits::FRAME);
        caused >= most || self.room.round().is_full()
    }

    /// A turn is over: the next one begins, if there is room for it.
    pub fn end_turn(&mut self) {
        if !self.room.round().is_full() {
            self.call_next();
        }
        self.settle();
    }

    fn call_next(&mut self) {
        while let Some(id) = self.line.next() {
            if self.parked.wake(id) {
                return;
            }
        }
    }
}

// What those do who work for the room.
impl<S: Sink + Clone> Registry<S> {
    /// Whether more is likely to be said while a round is written.
    pub fn is_lively(&self) -> bool {
        self.room.is_large() && (self.room.round().is_lively() || self.log.is_lively())
    }

    /// Writes the round to all sockets, as far as they take it. Returns those who fell behind.
    pub fn flush(&mut self, now: Instant) -> Vec<Lagger<S>> {
        // Before anybody gets it.
        self.write_log();
        let round = self.room.take_round();
        let flushed = self.delivery.flush(&round, self.clock.at(now));
        self.room.give_back(round);
        for report in flushed.reports {
            self.heed(report, now);
        }
        self.keep_within_memory(now);
        // As many as may fill the next round.
        for _ in 0..limits::ROUND / limits::TURN {
            self.call_next();
        }
        if !self.delivery.is_held() {
            self.said.clear();
        }
        self.settle();
        flushed.behind
    }

    /// Part of a backlog has been sent. Returns whether that was all of it, and the backlog is gone.
    pub fn took(&mut self, id: SeatId, cost: Cost, now: Instant) -> bool {
        let (empty, report) = self.delivery.took(id, cost, self.clock.at(now));
        self.heed_all(report, now);
        empty
    }

    /// All of a backlog has been sent, and its stream has ended.
    pub fn drained(&mut self, id: SeatId, now: Instant) {
        let report = self.delivery.drained(id);
        self.heed_all(report, now);
    }

    /// A drain task has found its socket broken.
    pub fn broke(&mut self, id: SeatId, why: ErrorKind, now: Instant) {
        let report = self.delivery.broke(id, why);
        self.heed_all(report, now);
    }

    /// Keeps what has entered the log where it outlives the server, if that is wanted.
    fn write_log(&mut self) {
        let change = self.log.write();
        self.say_of_journal(change);
    }

    fn say_of_journal(&self, change: Option<Change>) {
        if let Some(change) = change {
            note(self.bells.troubles.as_ref(), || Notice::Journal(change.to_string()));
        }
    }

    fn heed_all(&mut self, reports: impl IntoIterator<Item = Report>, now: Instant) {
        for report in reports {
            self.heed(report, now);
        }
        self.settle();
    }

    /// Learns what has become of a connection's output.
    fn heed(&mut self, report: Report, now: Instant) {
        let now = self.clock.at(now);
        let (id, next) = match report {
            Report::Sent(id) => (id, self.room.all_sent(id, now)),
            Report::Broken(id, why) => (id, self.room.deaf(id, why, now)),
        };
        if let Some(next) = next {
            self.act(id, next);
        }
    }

    /// Looks after deadlines and stalls. Returns whether there is any left to look after.
    pub fn tick(&mut self, now: Instant) -> bool {
        self.clock.tick(now);
        self.wake_later(now);
        while let Some((id, due)) = self.room.due(self.clock.at(now)) {
            match due {
                // That the log is out of reach is not its fault. It may have more to say.
                Due::Close(Closed::JoinTimeout)
                    if self.log.wanted(id).is_some() && !self.has_given_up(id, true) =>
                {
                    self.room.wait_longer(id, self.clock.at(now));
                }
                Due::Close(closed) => self.close(id, closed, now),
                Due::CutOff => self.act(id, Next::Shut),
            }
        }
        for id in self.delivery.stalled(self.clock.at(now)) {
            self.close(id, Closed::Stalled, now);
        }
        self.keep_within_memory(now);
        if self.log.is_watchful() {
            self.write_log();
        }
        self.settle();
        let watchful = self.is_watchful();
        if !watchful {
            self.clock.rest();
        }
        watchful
    }

    /// Where more waits for all together than may, those go who keep most of it in memory alone. Who
    /// is going already is cut off.
    fn keep_within_memory(&mut self, now: Instant) {
        if !self.delivery.is_over_memory() {
            return;
        }
        while let Some(id) = self.delivery.heaviest() {
            if self.room.is_closed(id) {
                self.delivery.give_up(id);
                self.act(id, Next::Shut);
            } else {
                self.close(id, Closed::Stalled, now);
            }
        }
    }

    /// Whether a seat is anybody's who is still heard.
    #[cfg(test)]
    fn is_closed_or_gone(&self, id: SeatId) -> bool {
        self.delivery.sink(id).is_none() || self.room.is_closed(id)
    }
}

fn ring(bell: &Sender<()>) {
    // A bell that rings already need not ring twice.
    let _ = bell.try_send(());
}
