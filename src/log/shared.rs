//! This server's part of a log that others share: what its connections did that has not come back.

use super::nodes::{Deed, Epoch, Holder, Item, Node};
use super::{Arrival, Entry, NodeState, Speaker};
use crate::limits;
use crate::protocol::{JoinOptions, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The node, and who of this server's connections is known to it.
#[derive(Debug)]
pub struct Shared {
    node: Node,
    /// As what the node is registered, while it is.
    epoch: Option<Epoch>,
    is_away: bool,
    /// Since when nothing can be done, while that is so.
    out_since: Option<Instant>,
    /// A number for each who asks to come in, never given twice.
    serials: u64,
    seated: BTreeMap<usize, Seated>,
    seats: BTreeMap<u64, usize>,
    /// Guests whose JOIN is asked for once the log is within reach.
    postponed: BTreeMap<usize, JoinOptions>,
    /// Connections that wait until what they did has come back, or until there is room for more.
    waiting: BTreeSet<usize>,
    /// Connections whose last deed has come back since it was asked who waits no longer.
    settled: Vec<usize>,
    /// Some may wait for room.
    is_holding: bool,
    /// What was submitted and has not come back, of those who are gone too.
    under_way: usize,
    /// How much of it is not on its way yet.
    unsent: usize,
    /// When it was said last that the slowest node is behind.
    behind_said: Option<Instant>,
}

/// A connection that is in, or wants to be.
#[derive(Debug)]
struct Seated {
    serial: u64,
    name: Name,
    /// What it asked for, until it is in.
    wants: Option<Arrival>,
    /// What it did that has not come back.
    under_way: usize,
}

/// The number of none who asks to come in.
const OPERATOR: u64 = 0;

/// What stands where there is no member to be named.
fn nobody() -> Name {
    Name::new(b"-").expect("a name")
}

impl Shared {
    /// Nobody is known to it yet.
    pub fn new(node: Node) -> Self {
        Self {
            node,
            epoch: None,
            is_away: true,
            out_since: Some(Instant::now()),
            serials: 0,
            seated: BTreeMap::new(),
            seats: BTreeMap::new(),
            postponed: BTreeMap::new(),
            waiting: BTreeSet::new(),
            settled: Vec::new(),
            is_holding: false,
            under_way: 0,
            unsent: 0,
            behind_said: None,
        }
    }

    /// Has something done, of which will come back what becomes of it.
    pub fn submit(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::Joined(by, arrival) | Entry::Resumed(by, arrival) => self.join(by, *arrival),
            Entry::Msg(by, text) => self.submit_deed(by, Deed::Msg(text)),
            Entry::Data(by, bytes) => self.submit_deed(by, Deed::Data(bytes)),
            Entry::Tell(by, to, text) => self.submit_deed(by, Deed::Tell(to.name, text)),
            Entry::Note(text) => self.put_of_operator(nobody(), Deed::Note(text)),
            // Who can come back may do so at another node, and nobody notices: its name is held for a
            // while after this one's end.
            Entry::Left(by, None) if by.secret.is_some() => {}
            Entry::Left(by, reason) => {
                self.submit_deed(by, Deed::Left(reason.filter(|reason| !reason.is_empty())));
            }
        }
    }

    fn join(&mut self, by: &Speaker, arrival: Arrival) {
        let Some(seat) = by.seat else { return };
        let seated = Seated { serial: 0, name: by.name, wants: Some(arrival), under_way: 0 };
        self.seated.insert(seat, seated);
        self.ask(seat);
    }

    /// Asks for one who wants to come in, now or when the node is registered.
    fn ask(&mut self, seat: usize) {
        self.serials += 1;
        let Some(seated) = self.seated.get_mut(&seat) else { return };
        let Some(arrival) = seated.wants else { return };
        (seated.serial, seated.under_way) = (self.serials, 0);
        self.seats.insert(self.serials, seat);
        self.put(seat, Deed::Join(arrival.token));
    }

    fn submit_deed(&mut self, by: &Speaker, deed: Deed<'_>) {
        if let Some(seat) = by.seat {
            self.put(seat, deed);
        }
    }

    fn put(&mut self, seat: usize, deed: Deed<'_>) {
        let (Some(epoch), Some(seated)) = (self.epoch, self.seated.get_mut(&seat)) else { return };
        seated.under_way += 1;
        self.under_way += 1;
        self.unsent += 1;
        self.node.submit(epoch, &Item { serial: seated.serial, name: seated.name, deed });
    }

    /// Has the member of that name shown the door by the node that it is at.
    pub fn kick(&mut self, name: Name, reason: &[u8]) {
        self.put_of_operator(name, Deed::Kick(reason));
    }

    /// What no member did. Where the node is not registered, nobody would hear of it.
    fn put_of_operator(&mut self, name: Name, deed: Deed<'_>) {
        if let Some(epoch) = self.epoch {
            self.under_way += 1;
            self.unsent += 1;
            self.node.submit(epoch, &Item { serial: OPERATOR, name, deed });
        }
    }

    /// How much was done here that is not on its way yet.
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// Sends it on its way.
    pub fn send(&mut self) {
        if std::mem::take(&mut self.unsent) > 0 {
            self.node.send();
        }
    }

    /// Whether something that this connection did has not come back.
    pub fn is_under_way(&self, seat: usize) -> bool {
        self.seated.get(&seat).is_some_and(|seated| seated.under_way > 0 || seated.wants.is_some())
    }

    /// Whether it has been asked whether this connection is let in.
    pub fn is_joining(&self, seat: usize) -> bool {
        self.seated.get(&seat).is_some_and(|seated| seated.wants.is_some())
    }

    /// Puts a JOIN off while the log is out of reach. Whoever asks then may be gone before it is back, and
    /// have asked elsewhere: that one is not to be put out by this.
    pub fn postpones(&mut self, seat: usize, options: &JoinOptions) -> bool {
        let postpones = self.is_away && !self.seated.contains_key(&seat);
        if postpones {
            self.postponed.insert(seat, *options);
        } else {
            self.postponed.remove(&seat);
        }
        postpones
    }

    /// What a connection wants that waits for the log to come in.
    pub fn wanted(&self, seat: usize) -> Option<JoinOptions> {
        let asked = || Some(self.seated.get(&seat)?.wants?.options);
        self.postponed.get(&seat).copied().or_else(asked)
    }

    /// Whether this connection is to say no more for now: what it says would only wait elsewhere.
    pub fn holds(&self, seat: usize) -> bool {
        self.is_away && self.postponed.contains_key(&seat)
            || self.holds_all() && self.seated.contains_key(&seat)
    }

    fn holds_all(&self) -> bool {
        self.is_away || self.node.is_full() || self.node.is_held()
    }

    /// This connection waits until it need not any longer.
    pub fn wait(&mut self, seat: usize) {
        self.is_holding |= self.holds_all();
        self.waiting.insert(seat);
    }

    /// Those who need not wait any longer. All who wait are looked at only where they waited for room:
    /// there may be thousands, and much that comes back.
    pub fn released(&mut self) -> Vec<usize> {
        // Asked once: the engine may change it meanwhile.
        let (is_holding, is_away) = (self.holds_all(), self.is_away);
        let mut released = std::mem::take(&mut self.settled);
        if std::mem::replace(&mut self.is_holding, is_holding) && !is_holding {
            released = self.waiting.iter().copied().collect();
        }
        released.retain(|seat| {
            let is_held = is_holding && self.seated.contains_key(seat)
                || is_away && self.postponed.contains_key(seat);
            !is_held && !self.is_under_way(*seat) && self.waiting.remove(seat)
        });
        released
    }

    /// This connection is over.
    pub fn forget(&mut self, seat: usize) {
        self.waiting.remove(&seat);
        self.postponed.remove(&seat);
        if self.is_joining(seat) {
            // Should it be let in, it is gone.
            self.put(seat, Deed::Left(None));
        }
        self.turn_away(seat);
    }

    /// This connection is not let in: it may ask once more.
    pub fn turn_away(&mut self, seat: usize) {
        if let Some(seated) = self.seated.remove(&seat) {
            self.seats.remove(&seated.serial);
        }
    }

    /// Whether all that was done here has come back.
    pub fn is_settled(&self) -> bool {
        self.under_way == 0 || self.epoch.is_none()
    }
}

// What comes back.
impl Shared {
    /// The node is registered: who wants to come in is asked for, whether or not it was before.
    pub fn begin(&mut self, epoch: Epoch) {
        (self.epoch, self.is_away, self.under_way) = (Some(epoch), false, 0);
        self.out_since = None;
        self.seats.clear();
        let joining: Vec<usize> = self.seated.keys().copied().collect();
        for seat in joining {
            self.ask(seat);
        }
    }

    /// The node is not registered any more.
    pub fn end(&mut self) {
        (self.epoch, self.under_way) = (None, 0);
        self.out_since.get_or_insert_with(Instant::now);
    }

    /// The log is out of reach, or within it.
    pub fn set_away(&mut self, is_away: bool) {
        self.is_away = is_away;
        self.out_since = is_away.then(|| self.out_since.unwrap_or_else(Instant::now));
    }

    /// How this server stands with the others.
    pub fn state(&self, now: Instant) -> NodeState {
        NodeState {
            epoch: self.epoch.map(|epoch| epoch.to_string()),
            under_way: self.under_way,
            behind: self.node.behind(),
            away: self.out_since.map(|since| now.saturating_duration_since(since)),
        }
    }

    /// Whether it is worth a line that the slowest node is behind, or no longer: in a busy room it may be so
    /// many times a second.
    pub fn is_worth_a_line(&mut self, behind: u64, now: Instant) -> bool {
        let is_long_ago =
            |said: Instant| now.saturating_duration_since(said) >= limits::BEHIND_SAID;
        let is_worth_it = behind > limits::BEHIND && self.behind_said.is_none_or(is_long_ago);
        if is_worth_it {
            self.behind_said = Some(now);
        }
        is_worth_it
    }

    /// Something has come back that was done by this member. Which connection that is, if it is one of
    /// this server's and not over.
    pub fn returned(&mut self, holder: Holder) -> Option<usize> {
        if self.epoch != Some(holder.epoch) {
            return None;
        }
        self.under_way = self.under_way.saturating_sub(1);
        let seat = *self.seats.get(&holder.serial)?;
        let seated = self.seated.get_mut(&seat)?;
        seated.under_way = seated.under_way.saturating_sub(1);
        if seated.under_way == 0 && self.waiting.contains(&seat) {
            self.settled.push(seat);
        }
        Some(seat)
    }

    /// The connection of this member, if it is one of this server's and not over.
    pub fn seat_of(&self, holder: Holder) -> Option<usize> {
        let is_own = self.epoch == Some(holder.epoch);
        self.seats.get(&holder.serial).copied().filter(|_| is_own)
    }

    /// One who wanted to come in is in: what it asked for.
    pub fn let_in(&mut self, seat: usize) -> Option<Arrival> {
        self.seated.get_mut(&seat)?.wants.take()
    }
}
