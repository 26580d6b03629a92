//! What a connection's socket did not take at once, and the judgement on those who lag behind.

use super::chunk::{Chunk, Cost};
use crate::limits::{self, Limits};
use crate::room::SeatId;
use async_channel::{Receiver, Sender};
use std::collections::BTreeSet;
use std::mem;
use std::time::Instant;

/// The queue of a connection whose socket is full. It is there only as long as something waits in it.
///
/// The sender is here, in the registry; the drain task at the other end waits for the socket.
#[derive(Debug)]
pub struct Backlog {
    chunks: Sender<Chunk>,
    queue: Receiver<Chunk>,
    /// What waits, what the drain task holds included.
    queued: Cost,
    last_taken: Instant,
    lag: Option<Lag>,
    /// Who waited for it when that was found out last.
    awaited: Waiting,
    /// Those who have told this member something and wait until it has taken enough.
    tellers: BTreeSet<SeatId>,
    /// Its own session waits until it has taken what it asked for.
    asker_waits: bool,
}

/// Who waits for one who lags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// Nobody.
    #[default]
    Nobody,
    /// Those who say much.
    Loud,
    /// All who say something.
    All,
}

/// What is known of one who lags.
#[derive(Debug)]
struct Lag {
    since: Instant,
    /// When it has to go, unless it takes something before.
    due: Instant,
    pace: Pace,
}

/// Whether one who lags will soon have caught up.
#[derive(Debug)]
struct Pace {
    since: Instant,
    taken: usize,
    is_fast: bool,
}

impl Pace {
    /// Nobody is called slow before it has had the time to be fast.
    fn new(now: Instant) -> Self {
        Self { since: now, taken: 0, is_fast: true }
    }

    /// Judges what was taken in the last [`limits::PACED`].
    fn judge(&mut self, now: Instant, unit: usize) {
        let passed = now.saturating_duration_since(self.since);
        if passed >= limits::PACED {
            let is_fast =
                self.taken as u128 * 1000 >= unit as u128 * limits::FAST * passed.as_millis();
            *self = Self { since: now, taken: 0, is_fast };
        }
    }
}

impl Backlog {
    /// An empty one, and the end that the drain task takes from.
    pub fn new(now: Instant) -> (Self, Receiver<Chunk>) {
        // Bounded in bytes, by whoever pushes: a bound in chunks throws out healthy members in bulk.
        let (chunks, queue) = async_channel::unbounded();
        let backlog = Self {
            chunks,
            queue: queue.clone(),
            queued: Cost::default(),
            last_taken: now,
            lag: None,
            awaited: Waiting::Nobody,
            tellers: BTreeSet::new(),
            asker_waits: false,
        };
        (backlog, queue)
    }

    /// Adds to the end of it.
    pub fn push(&mut self, chunk: Chunk) {
        let cost = chunk.cost();
        if self.chunks.try_send(chunk).is_ok() {
            self.queued += cost;
        }
    }

    /// The drain task has sent that much. Half an outbox buys one who lags a stall timeout, a part
    /// of it as much less; but nobody has more time than that.
    ///
    /// So a steady reader stays, in however large steps TCP shows what it takes.
    pub fn took(&mut self, cost: Cost, now: Instant, limits: &Limits) {
        self.queued -= cost;
        self.last_taken = now;
        if let Some(lag) = &mut self.lag {
            let count = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
            let bought =
                limits.stall_timeout * count(cost.bytes) / count(limits.outbox.div_ceil(2));
            lag.due = (lag.due + bought.min(limits.stall_timeout)).min(now + limits.stall_timeout);
            lag.pace.taken += cost.bytes;
        }
    }

    /// Whether all of it has been taken.
    pub fn is_empty(&self) -> bool {
        debug_assert!(
            self.queued.bytes > 0 || self.queued == Cost::default(),
            "all is accounted for"
        );
        self.queued.bytes == 0
    }

    /// What waits in all.
    pub fn queued(&self) -> Cost {
        self.queued
    }

    /// What waits of what others have said. What it asked for itself, such as what was said before it
    /// came, keeps nobody waiting but itself.
    fn said(&self) -> usize {
        self.queued.bytes.saturating_sub(self.queued.asked)
    }

    /// Whether so little waits that it does not lag any more.
    fn is_low(&self, limits: &Limits) -> bool {
        self.said() <= limits.outbox / 2
    }

    /// Says whether `teller` has to wait before it tells this member more: while much of what waits
    /// are such words. What all say is not the teller's to wait for.
    pub fn makes_wait(&mut self, teller: SeatId, limits: &Limits) -> bool {
        let waits = self.queued.told > limits.outbox / 2;
        if waits {
            self.tellers.insert(teller);
        }
        waits
    }

    /// Says whether its own session has to wait, of whose answers no more than `most` bytes are to.
    pub fn makes_asker_wait(&mut self, most: usize) -> bool {
        self.asker_waits = self.queued.asked > most;
        self.asker_waits
    }

    /// Those who need not wait any longer; `own` is its own session, which looks again.
    pub fn released(&mut self, own: SeatId, limits: &Limits) -> BTreeSet<SeatId> {
        let mut released = BTreeSet::new();
        if self.queued.told <= limits.outbox / 4 {
            released = mem::take(&mut self.tellers);
        }
        released.extend(mem::take(&mut self.asker_waits).then_some(own));
        released
    }

    /// One who has told it something does not wait any more, for a reason of its own.
    pub fn forget_teller(&mut self, teller: SeatId) {
        self.tellers.remove(&teller);
    }

    /// Lets those go on who have told it something: it does not matter to them any more.
    pub fn release_tellers(&mut self) -> BTreeSet<SeatId> {
        mem::take(&mut self.tellers)
    }

    /// All who wait: it is over.
    pub fn into_waiting(self, own: SeatId) -> impl Iterator<Item = SeatId> {
        self.tellers.into_iter().chain(self.asker_waits.then_some(own))
    }

    /// Throws away all that the drain task has not taken out yet, but for the rest of what the socket
    /// has begun to take: the peer is to understand what comes after it.
    pub fn discard(&mut self) {
        let mut begun = None;
        while let Ok(chunk) = self.queue.try_recv() {
            self.queued -= chunk.cost();
            if chunk.is_torn() {
                begun = Some(chunk);
            }
        }
        if let Some(chunk) = begun {
            self.push(chunk);
        }
    }

    /// Nothing more comes: the drain task ends once it has sent what is queued.
    pub fn close(&self) {
        self.chunks.close();
    }

    /// Who waits for it from now on, if it lags.
    ///
    /// It lags from the moment when more waits than the outbox may hold until half of that waits, and
    /// while somebody waits who has told it something: so that it goes, should it not read. If
    /// it is fast, it will soon have caught up, and the loud wait for it at once: so nobody who reads
    /// fast is far behind. If not, they wait from the moment when many times as much waits, or what there is
    /// memory for, until there is room again; and all do where still more comes from the others.
    pub fn lags(&mut self, now: Instant, limits: &Limits) -> Option<Waiting> {
        let unit = limits.outbox.max(limits::ROUND);
        let is_awaited = !self.tellers.is_empty();
        if self.lag.is_none() && (is_awaited || self.said() > limits.outbox) {
            let due = now + limits.stall_timeout;
            self.lag = Some(Lag { since: now, due, pace: Pace::new(now) });
        } else if !is_awaited && self.is_low(limits) {
            self.lag = None;
        }
        let said = self.said();
        let Some(lag) = &mut self.lag else {
            self.awaited = Waiting::Nobody;
            return None;
        };
        lag.pace.judge(now, unit);
        let from = if lag.pace.is_fast { unit } else { limits.far_behind() };
        let grade = |bytes: usize| match bytes {
            _ if bytes >= limits::OUTBOXES_FOR_ALL * unit => Waiting::All,
            _ if bytes >= from => Waiting::Loud,
            _ => Waiting::Nobody,
        };
        // Half an outbox of room, before those who waited go on.
        let falling = grade(said + unit / 2);
        self.awaited = grade(said).max(self.awaited.min(falling));
        Some(self.awaited)
    }

    /// Whether one who lags has to go.
    ///
    /// Whoever takes half an outbox in each stall timeout stays, and if need be is waited for.
    /// Whoever takes less goes; and sooner, if so much waits that the others have to and it has taken
    /// nothing at all since it lags.
    pub fn is_stalled(&self, now: Instant, limits: &Limits) -> bool {
        let Some(lag) = &self.lag else { return false };
        let takes_nothing = || {
            let patience = limits.stall_timeout * limits::PATIENCE / 100;
            self.last_taken <= lag.since && now - self.last_taken >= patience
        };
        let far_too_much = limits.far_behind() - limits.outbox / 2;
        now >= lag.due || self.said() >= far_too_much && takes_nothing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::chunk::Memory;
    use std::sync::Arc;
    use std::time::Duration;

    const OUTBOX: usize = limits::ROUND;

    fn limits() -> Limits {
        Limits { outbox: OUTBOX, ..Limits::default() }
    }

    fn chunk(len: usize) -> Chunk {
        Chunk::own(Arc::<Memory>::default().hold(vec![0; len]))
    }

    fn bytes(bytes: usize) -> Cost {
        Cost { bytes, ..Cost::default() }
    }

    /// A backlog that began to lag at the instant returned with it.
    fn lagging(len: usize) -> (Backlog, Instant) {
        let now = Instant::now();
        let (mut backlog, _) = Backlog::new(now);
        backlog.push(chunk(len));
        assert!(backlog.lags(now, &limits()).is_some());
        (backlog, now)
    }

    #[test]
    fn one_lags_from_over_the_outbox_until_half_of_it() {
        let (mut backlog, now) = lagging(OUTBOX + 1);
        backlog.took(bytes(OUTBOX / 4), now, &limits());
        assert!(backlog.lags(now, &limits()).is_some());
        backlog.took(bytes(OUTBOX / 2), now, &limits());
        assert_eq!(backlog.lags(now, &limits()), None);
    }

    #[test]
    fn one_who_takes_nothing_in_time_goes() {
        let (backlog, start) = lagging(OUTBOX + 1);
        let after = |ms| start + Duration::from_millis(ms);
        assert!(!backlog.is_stalled(after(999), &limits()));
        assert!(backlog.is_stalled(after(1000), &limits()));
    }

    #[test]
    fn one_who_takes_less_than_half_an_outbox_in_each_timeout_goes_in_the_end() {
        let (mut backlog, start) = lagging(OUTBOX + 1);
        let after = |ms| start + Duration::from_millis(ms);
        // Half of what it should have taken buys half of the time.
        for (ms, stalled) in [(750, false), (1000, false), (1499, false), (1500, true)] {
            assert_eq!(backlog.is_stalled(after(ms), &limits()), stalled, "after {ms} ms");
            if ms == 750 {
                backlog.took(bytes(OUTBOX / 4), after(ms), &limits());
            }
        }
    }

    #[test]
    fn a_steady_reader_stays_in_however_large_steps_it_is_seen_to_read() {
        let (mut backlog, start) = lagging(OUTBOX + 1);
        for step in 1..20 {
            let now = start + Duration::from_millis(900 * step);
            assert!(!backlog.is_stalled(now, &limits()), "at step {step}");
            backlog.push(chunk(OUTBOX / 2));
            backlog.took(bytes(OUTBOX / 2 * 9 / 10), now, &limits());
        }
    }

    #[test]
    fn nobody_saves_time_up() {
        let (mut backlog, start) = lagging(3 * OUTBOX);
        backlog.took(bytes(2 * OUTBOX), start, &limits());
        assert!(backlog.is_stalled(start + Duration::from_secs(1), &limits()));
    }

    #[test]
    fn one_who_takes_half_an_outbox_in_time_stays_however_often() {
        let (mut backlog, start) = lagging(OUTBOX + 1);
        for second in 1..10 {
            let now = start + Duration::from_secs(second);
            backlog.push(chunk(OUTBOX / 2));
            backlog.took(bytes(OUTBOX / 2), now, &limits());
            assert!(backlog.lags(now, &limits()).is_some());
            assert!(!backlog.is_stalled(now, &limits()));
        }
    }

    #[test]
    fn for_one_who_is_slow_the_loud_wait_from_far_too_much_until_there_is_room_again() {
        let most = limits::OUTBOXES * OUTBOX;
        let (mut backlog, now) = lagging(most - OUTBOX - limits::CHUNK_OVERHEAD);
        let now = now + limits::PACED;
        let awaited = |backlog: &mut Backlog| backlog.lags(now, &limits()).expect("it lags");
        assert_eq!(awaited(&mut backlog), Waiting::Nobody);
        backlog.push(chunk(OUTBOX - limits::CHUNK_OVERHEAD));
        assert_eq!(awaited(&mut backlog), Waiting::Loud);
        backlog.took(bytes(OUTBOX / 4), now, &limits());
        assert_eq!(awaited(&mut backlog), Waiting::Loud);
        backlog.took(bytes(OUTBOX / 4 + 1), now, &limits());
        assert_eq!(awaited(&mut backlog), Waiting::Nobody);
    }

    #[test]
    fn where_there_is_little_memory_the_loud_wait_sooner_for_one_who_is_slow() {
        let plenty = limits();
        let eighth = |outboxes: usize| Limits { memory: 8 * outboxes * OUTBOX, ..limits() };
        for (limits, from) in [(plenty, limits::OUTBOXES), (eighth(3), 3), (eighth(2), 2)] {
            let (mut backlog, now) = lagging((from - 1) * OUTBOX + 1);
            let now = now + limits::PACED;
            assert_eq!(backlog.lags(now, &limits), Some(Waiting::Nobody), "{from}");
            backlog.push(chunk(OUTBOX - 2 * limits::CHUNK_OVERHEAD - 1));
            assert_eq!(backlog.lags(now, &limits), Some(Waiting::Loud), "{from}");
            // And who takes nothing at all goes before a whole timeout has passed.
            assert!(backlog.is_stalled(now + limits.stall_timeout / 2, &limits), "{from}");
        }
    }

    #[test]
    fn for_one_who_is_fast_the_loud_wait_at_once() {
        let (mut backlog, mut now) = lagging(3 * OUTBOX);
        for _ in 0..3 {
            now += limits::PACED;
            backlog.took(bytes(OUTBOX * 55 / 100), now, &limits());
            assert_eq!(backlog.lags(now, &limits()), Some(Waiting::Loud));
        }
        now += limits::PACED;
        backlog.took(bytes(OUTBOX * 45 / 100), now, &limits());
        assert_eq!(backlog.lags(now, &limits()), Some(Waiting::Nobody));
    }

    #[test]
    fn all_wait_for_one_for_whom_even_more_waits() {
        let (mut backlog, now) = lagging(limits::OUTBOXES_FOR_ALL * OUTBOX);
        assert_eq!(backlog.lags(now, &limits()), Some(Waiting::All));
        backlog.took(bytes(OUTBOX), now, &limits());
        assert_eq!(backlog.lags(now, &limits()), Some(Waiting::Loud));
    }

    #[test]
    fn the_senders_do_not_wait_long_for_one_who_takes_nothing() {
        let (mut backlog, start) = lagging(limits::OUTBOXES * OUTBOX + 1);
        let after = |ms| start + Duration::from_millis(ms);
        assert!(!backlog.is_stalled(after(399), &limits()));
        assert!(backlog.is_stalled(after(400), &limits()));
        backlog.took(bytes(1), after(399), &limits());
        assert!(!backlog.is_stalled(after(999), &limits()));
    }

    #[test]
    fn who_tells_somebody_much_waits_until_half_of_it_is_taken() {
        let now = Instant::now();
        let (mut backlog, _) = Backlog::new(now);
        backlog.push(chunk(OUTBOX));
        assert!(
            !backlog.makes_wait(7, &limits()),
            "what all say is not for the teller to wait for"
        );
        let told = OUTBOX / 2 + 1;
        backlog.push(chunk(told).of_which(0, told));
        assert!(backlog.makes_wait(7, &limits()));
        backlog.took(bytes(OUTBOX), now, &limits());
        assert!(backlog.released(1, &limits()).is_empty());
        assert!(
            backlog.lags(now, &limits()).is_some(),
            "it is watched while somebody waits for it"
        );
        backlog.took(Cost { bytes: told, told, ..Cost::default() }, now, &limits());
        assert_eq!(backlog.released(1, &limits()), [7].into());
        assert!(backlog.lags(now, &limits()).is_none() && !backlog.makes_wait(7, &limits()));
    }

    #[test]
    fn what_it_asked_for_itself_keeps_nobody_waiting_and_hides_nothing_that_others_say() {
        let now = Instant::now();
        let (mut backlog, _) = Backlog::new(now);
        let asked = limits::OUTBOXES_FOR_ALL * OUTBOX;
        backlog.push(chunk(asked).of_which(asked, 0));
        assert_eq!(backlog.lags(now, &limits()), None);
        backlog.push(chunk(OUTBOX));
        assert_eq!(backlog.lags(now, &limits()), Some(Waiting::Loud));
        assert!(!backlog.is_stalled(now + Duration::from_millis(999), &limits()));
        assert!(backlog.is_stalled(now + Duration::from_secs(1), &limits()));
    }

    #[test]
    fn even_the_smallest_outbox_has_to_be_emptied() {
        let limits = Limits { outbox: 1, ..limits() };
        let (backlog, start) = lagging(OUTBOX + 1);
        assert!(backlog.is_stalled(start + Duration::from_secs(1), &limits));
    }

    #[test]
    fn a_line_that_was_begun_is_not_discarded() {
        let now = Instant::now();
        let (mut backlog, queue) = Backlog::new(now);
        backlog.push(chunk(5).torn_off(true));
        backlog.push(chunk(7));
        backlog.discard();
        assert_eq!((queue.len(), backlog.queued().bytes), (1, 5 + limits::CHUNK_OVERHEAD));
    }

    #[test]
    fn what_is_discarded_no_longer_counts() {
        let (mut backlog, _) = lagging(OUTBOX + 1);
        backlog.discard();
        assert!(backlog.is_empty());
    }
}
