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
use chunk::{Chunk, Cost, Held, Memory};
use hold::Hold;
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
    /// The text that many ask for and that somebody did not take last.
    text: Option<Arc<Held>>,
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
            text: None,
        }
    }

    /// Opens the way to a connection, which has this seat until it is [removed](Self::remove).
    pub fn open(&mut self, id: SeatId, sink: S) {
        if self.outlets.len() <= id {
            self.outlets.resize_with(id + 1, || None);
        }
        let outlet = Outlet { sink, backlog: None, listens: None, flow: Flow::Open, served: false };
        self.outlets[id] = Some(outlet);
    }

    /// Forgets a connection.
    pub fn remove(&mut self, id: SeatId) {
        if let Some(outlet) = self.outlets.get_mut(id) {
            *outlet = None;
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
            let outlet = outlet(&mut self.outlets, id);
            let Some(backlog) = outlet.and_then(|outlet| outlet.backlog.as_mut()) else { continue };
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
        self.memory.used() > self.limits.memory
    }

    /// Those for whom something waits, the one first who keeps most of it in memory alone.
    pub fn heaviest(&self) -> Vec<SeatId> {
        let weight = |(id, outlet): (SeatId, &Option<Outlet<S>>)| {
            let queued = outlet.as_ref()?.backlog.as_ref()?.queued();
            Some((queued.own, queued.bytes, id))
        };
        let mut heaviest: Vec<_> = self.outlets.iter().enumerate().filter_map(weight).collect();
        heaviest.sort_unstable_by(|one, other| other.cmp(one));
        heaviest.into_iter().map(|(.., id)| id).collect()
    }

    /// Throws away what waits for a connection, but for what is in its drain task's hand.
    pub fn discard(&mut self, id: SeatId) {
        if let Some(backlog) =
            outlet(&mut self.outlets, id).and_then(|outlet| outlet.backlog.as_mut())
        {
            backlog.discard();
        }
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        self.outlets.clear();
    }

    /// Whether anybody who says something has to wait.
    pub fn is_held(&self) -> bool {
        self.hold.held() > Waiting::Nobody
    }

    /// Whether there is somebody to be watched.
    pub fn is_watchful(&self) -> bool {
        !self.hold.is_empty()
    }

    /// How many of them are a text that is kept in case somebody asks for it again.
    #[cfg(test)]
    pub fn text_memory(&self) -> usize {
        self.text.as_ref().map_or(0, |text| text.len())
    }

    /// How many bytes wait for all together.
    #[cfg(test)]
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
        let backlog = outlet(&mut self.outlets, to).and_then(|outlet| outlet.backlog.as_mut());
        let Some(backlog) = backlog else { return false };
        let waits = backlog.makes_wait(teller, &self.limits);
        if waits {
            self.released.extend(self.hold.note(to, backlog.lags(now, &self.limits)));
        }
        waits
    }

    /// Says whether a connection has to wait, of whose answers no more than `most` bytes are to.
    pub fn makes_asker_wait(&mut self, id: SeatId, most: usize) -> bool {
        let backlog = outlet(&mut self.outlets, id).and_then(|outlet| outlet.backlog.as_mut());
        backlog.is_some_and(|backlog| backlog.makes_asker_wait(most))
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

fn outlet<S>(outlets: &mut [Option<Outlet<S>>], id: SeatId) -> Option<&mut Outlet<S>> {
    outlets.get_mut(id)?.as_mut()
}
