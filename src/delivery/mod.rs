//! Bytes out: rounds on their way into sockets, and what becomes of those who do not take them.
//!
//! It knows connections by their seats' numbers and by what they listen to, which the rounds say.
//! What it finds out goes back as a [`Report`]: what becomes of a connection is decided elsewhere.

pub mod backlog;
pub mod chunk;
mod flush;
mod hold;

use crate::limits::Limits;
use crate::net::sink::Sink;
use crate::protocol::Form;
use crate::room::SeatId;
use async_channel::Receiver;
use backlog::{Backlog, Waiting};
use chunk::{Chunk, Cost, Memory, Texts};
use hold::Hold;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Instant;

/// Everybody's way out.
#[derive(Debug)]
pub struct Delivery<S> {
    limits: Limits,
    /// By the numbers of their seats.
    outlets: Vec<Option<Outlet<S>>>,
    hold: Hold,
    /// Sessions that need not wait any longer.
    released: Vec<SeatId>,
    memory: Arc<Memory>,
    /// The texts that many ask for, while they wait for somebody.
    texts: Texts,
    /// Whom those have told something who wait for it.
    telling: BTreeMap<SeatId, SeatId>,
    /// For how many something waits.
    behind: usize,
    /// Bytes that sockets have taken since the start.
    sent: u64,
}

/// The way out to one connection.
#[derive(Debug)]
struct Outlet<S> {
    sink: S,
    /// What the sink did not take; boxed, because nearly nobody has one.
    backlog: Option<Box<Backlog>>,
    /// In which form it gets what all get; `None` outside the room.
    listens: Option<Form>,
    flow: Flow,
    /// It has had its share of the round that is being written.
    served: bool,
    /// It goes, because it keeps too much in memory.
    given_up: bool,
}

/// Whether anything goes out to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Open,
    /// The last bytes are under way.
    Ending,
    /// Nothing more goes out: all is sent, or the sink is broken.
    Over,
}

/// A connection whose socket was full: somebody has to send it the rest.
#[derive(Debug)]
pub struct Lagger<S> {
    /// Whose chunks these are.
    pub seat: SeatId,
    /// Where they go.
    pub sink: S,
    /// What waits, and what will.
    pub chunks: Receiver<Chunk>,
}

/// What has become of a connection's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// Its stream has ended, and all of it has been sent.
    Sent(SeatId),
    /// Its sink takes nothing any more. What waited is thrown away.
    Broken(SeatId, ErrorKind),
}

impl<S: Sink> Delivery<S> {
    /// Nobody's way out yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            outlets: Vec::new(),
            hold: Hold::default(),
            released: Vec::new(),
            memory: Arc::default(),
            texts: Texts::default(),
            telling: BTreeMap::new(),
            behind: 0,
            sent: 0,
        }
    }

    /// Opens the way to a connection, which has this seat until it is [removed](Self::remove).
    pub fn open(&mut self, id: SeatId, sink: S) {
        if self.outlets.len() <= id {
            self.outlets.resize_with(id + 1, || None);
        }
        let outlet = Outlet {
            sink,
            backlog: None,
            listens: None,
            flow: Flow::Open,
            served: false,
            given_up: false,
        };
        self.outlets[id] = Some(outlet);
    }

    /// Forgets a connection.
    pub fn remove(&mut self, id: SeatId) {
        if let Some(outlet) = self.outlets.get_mut(id).and_then(Option::take) {
            self.behind -= usize::from(outlet.backlog.is_some());
        }
    }

    /// Where a connection's bytes go.
    pub fn sink(&self, id: SeatId) -> Option<&S> {
        self.outlets.get(id)?.as_ref().map(|outlet| &outlet.sink)
    }

    /// Part of a backlog has been sent. Says whether nothing more is to be sent from it, and what
    /// there is to report then.
    pub fn took(&mut self, id: SeatId, cost: Cost, now: Instant) -> (bool, Option<Report>) {
        let Some(outlet) = outlet(&mut self.outlets, id) else { return (true, None) };
        let Some(backlog) = &mut outlet.backlog else { return (true, None) };
        self.sent += cost.stream as u64;
        backlog.took(cost, now, &self.limits);
        self.released.extend(backlog.released(id, &self.limits));
        let empty = backlog.is_empty();
        if outlet.listens.is_some() {
            self.released.extend(self.hold.note(id, backlog.lags(now, &self.limits)));
        }
        let report = if empty { self.drained(id) } else { None };
        (empty, report)
    }

    /// All that waited has been sent.
    pub fn drained(&mut self, id: SeatId) -> Option<Report> {
        let outlet = outlet(&mut self.outlets, id)?;
        self.behind -= usize::from(outlet.backlog.is_some());
        self.released.extend(outlet.drop_backlog(id));
        let ended = outlet.flow == Flow::Ending;
        if ended {
            outlet.flow = Flow::Over;
        }
        self.released.extend(self.hold.note(id, None));
        ended.then_some(Report::Sent(id))
    }

    /// A sink takes nothing any more. Its drain task, if there was one, has ended.
    pub fn broke(&mut self, id: SeatId, why: ErrorKind) -> Option<Report> {
        let outlet = outlet(&mut self.outlets, id)?;
        self.behind -= usize::from(outlet.backlog.is_some());
        self.released.extend(outlet.drop_backlog(id));
        let was = std::mem::replace(&mut outlet.flow, Flow::Over);
        self.released.extend(self.hold.note(id, None));
        match was {
            Flow::Open => Some(Report::Broken(id, why)),
            Flow::Ending => Some(Report::Sent(id)),
            Flow::Over => None,
        }
    }

    /// A connection is closed: nobody waits for it any longer, it waits for nobody, and it is not
    /// judged.
    pub fn close(&mut self, id: SeatId) {
        self.released.extend(self.hold.note(id, None));
        self.hold.forget(id);
        if let Some(told) = self.telling.remove(&id)
            && let Some(backlog) = backlog(&mut self.outlets, told)
        {
            backlog.forget_teller(id);
        }
        if let Some(outlet) = outlet(&mut self.outlets, id) {
            outlet.listens = None;
            let backlog = outlet.backlog.as_mut();
            self.released.extend(backlog.into_iter().flat_map(|backlog| backlog.release_tellers()));
        }
    }

    /// Those who have to go because they take too little.
    pub fn stalled(&mut self, now: Instant) -> Vec<SeatId> {
        let mut stalled = Vec::new();
        for id in self.hold.lagging() {
            let Some(backlog) = backlog(&mut self.outlets, id) else { continue };
            // It may have turned out to be slow, so that nobody waits for it.
            self.released.extend(self.hold.note(id, backlog.lags(now, &self.limits)));
            if backlog.is_stalled(now, &self.limits) {
                stalled.push(id);
            }
        }
        stalled
    }

    /// Whether more waits for all together than may.
    pub fn is_over_memory(&self) -> bool {
        self.memory.used() > self.limits.memory_of_all()
    }

    /// The next to go where more waits for all together than may: the one who keeps most of it in
    /// memory alone. `None` once enough will be free when those who go are gone.
    pub fn heaviest(&self) -> Option<SeatId> {
        let (mut going, mut heaviest) = (0, None);
        for (id, outlet) in self.outlets.iter().enumerate() {
            let Some(outlet) = outlet else { continue };
            let Some(queued) = outlet.backlog.as_ref().map(|backlog| backlog.queued()) else {
                continue;
            };
            if outlet.given_up {
                going += queued.own;
            } else {
                let alone = queued.own.max(queued.asked);
                heaviest = heaviest.max(Some((alone, queued.bytes, id)));
            }
        }
        let is_over =
            self.memory.used() - going.min(self.memory.used()) > self.limits.memory_of_all();
        heaviest.filter(|_| is_over).map(|(.., id)| id)
    }

    /// Throws away what waits for a connection, but for what is in its drain task's hand, and what its
    /// socket has begun to take.
    pub fn give_up(&mut self, id: SeatId) {
        if let Some(outlet) = outlet(&mut self.outlets, id) {
            outlet.given_up = true;
            if let Some(backlog) = &mut outlet.backlog {
                backlog.discard();
            }
        }
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        self.outlets.clear();
        self.behind = 0;
    }

    /// Whether anybody who says something has to wait.
    pub fn is_held(&self) -> bool {
        self.hold.held() > Waiting::Nobody
    }

    /// Whether so much waits for somebody who lags that all have to.
    #[cfg(feature = "redis")]
    pub fn keeps_all_waiting(&self) -> bool {
        self.hold.held() == Waiting::All
    }

    /// Whether there is somebody to be watched.
    pub fn is_watchful(&self) -> bool {
        !self.hold.is_empty()
    }

    /// Those who are watched because they lag.
    #[cfg(test)]
    pub fn lagging(&self) -> Vec<SeatId> {
        self.hold.lagging()
    }

    /// How many bytes wait for a connection.
    pub fn waiting(&self, id: SeatId) -> usize {
        let outlet = self.outlets.get(id).and_then(Option::as_ref);
        outlet.and_then(|outlet| outlet.backlog.as_ref()).map_or(0, |it| it.queued().stream)
    }

    /// For how many connections something waits.
    pub fn behind(&self) -> usize {
        self.behind
    }

    /// How many bytes sockets have taken since the start.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many bytes may wait for all together.
    pub fn max_memory(&self) -> usize {
        self.limits.memory_of_all()
    }

    /// How many bytes wait for all together, what is shared counted once.
    pub fn memory(&self) -> usize {
        self.memory.used()
    }
}

// Who waits for whom.
impl<S: Sink> Delivery<S> {
    /// Says whether whoever has said something to all has to wait before it says more.
    pub fn makes_speaker_wait(&mut self, id: SeatId, is_loud: bool) -> bool {
        self.hold.makes_wait(id, is_loud)
    }

    /// Says whether `teller` has to wait before it tells the member `to` more.
    pub fn makes_teller_wait(&mut self, teller: SeatId, to: SeatId, now: Instant) -> bool {
        let Some(backlog) = backlog(&mut self.outlets, to) else { return false };
        let waits = backlog.makes_wait(teller, &self.limits);
        if waits {
            self.telling.insert(teller, to);
            self.released.extend(self.hold.note(to, backlog.lags(now, &self.limits)));
        }
        waits
    }

    /// Says whether a connection has to wait, of whose answers no more than `most` bytes are to.
    pub fn makes_asker_wait(&mut self, id: SeatId, most: usize) -> bool {
        backlog(&mut self.outlets, id).is_some_and(|backlog| backlog.makes_asker_wait(most))
    }

    /// Sessions that need not wait any longer.
    pub fn released(&mut self) -> impl Iterator<Item = SeatId> {
        self.released.drain(..)
    }
}

impl<S> Outlet<S> {
    /// Nothing waits any more. Returns the sessions that have waited for that.
    fn drop_backlog(&mut self, own: SeatId) -> impl Iterator<Item = SeatId> + use<S> {
        self.backlog.take().into_iter().flat_map(move |backlog| backlog.into_waiting(own))
    }
}

fn backlog<S>(outlets: &mut [Option<Outlet<S>>], id: SeatId) -> Option<&mut Backlog> {
    outlet(outlets, id)?.backlog.as_deref_mut()
}

fn outlet<S>(outlets: &mut [Option<Outlet<S>>], id: SeatId) -> Option<&mut Outlet<S>> {
    outlets.get_mut(id)?.as_mut()
}
