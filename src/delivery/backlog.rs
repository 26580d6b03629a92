//! What a member's socket did not take at once, and the judgement on those who lag behind.

use crate::limits::{self, Limits};
use crate::net::socket::Socket;
use async_channel::{Receiver, Sender};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Instant;

/// A piece of the stream to one member, from `start` on. What all get is kept once for all.
#[derive(Debug, Clone)]
pub struct Chunk {
    bytes: Arc<[u8]>,
    start: usize,
}

impl Chunk {
    /// What follows the first `start` of `bytes`.
    pub fn new(bytes: Arc<[u8]>, start: usize) -> Self {
        Self { bytes, start }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// What it counts for in a backlog.
    fn cost(&self) -> usize {
        self.rest().len() + limits::CHUNK_OVERHEAD
    }
}

/// The queue of a member whose socket is full. It is there only as long as something waits in it.
///
/// The sender is here, in the registry; the drain task at the other end waits for the socket.
#[derive(Debug)]
pub struct Backlog {
    chunks: Sender<Chunk>,
    queue: Receiver<Chunk>,
    /// Bytes that wait, what the drain task holds included.
    queued: usize,
    last_taken: Instant,
    lag: Option<Lag>,
    /// The senders wait for it.
    awaited: bool,
}

/// What is known of one who lags.
#[derive(Debug)]
struct Lag {
    since: Instant,
    /// When it has to go, unless it takes something before.
    due: Instant,
}

impl Backlog {
    /// An empty one, and the end that the drain task takes from.
    pub fn new(now: Instant) -> (Self, Receiver<Chunk>) {
        // Bounded in bytes, by whoever pushes: a bound in chunks throws out healthy members in bulk.
        let (chunks, queue) = async_channel::unbounded();
        let backlog = Self {
            chunks,
            queue: queue.clone(),
            queued: 0,
            last_taken: now,
            lag: None,
            awaited: false,
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
    pub fn took(&mut self, cost: usize, now: Instant, limits: &Limits) {
        self.queued -= cost;
        self.last_taken = now;
        if let Some(lag) = &mut self.lag {
            let count = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
            let bought = limits.stall_timeout * count(cost) / count(limits.outbox.div_ceil(2));
            lag.due = (lag.due + bought.min(limits.stall_timeout)).min(now + limits.stall_timeout);
        }
    }

    /// Whether all of it has been taken.
    pub fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// Whether so little waits that it may have more to read because of what it says.
    pub fn is_low(&self, limits: &Limits) -> bool {
        self.queued <= limits.outbox / 2
    }

    /// Whether the senders wait for it.
    pub fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// Throws away all that the drain task has not taken out yet.
    pub fn discard(&mut self) {
        while let Ok(chunk) = self.queue.try_recv() {
            self.queued -= chunk.cost();
        }
    }

    /// Nothing more comes: the drain task ends once it has sent what is queued.
    pub fn close(&self) {
        self.chunks.close();
    }

    /// Says whether it lags, and whether the senders wait for it, from now on.
    ///
    /// It lags from the moment when more waits than the outbox may hold until half of that waits.
    /// It is awaited from the moment when many times as much waits until there is room again.
    pub fn lags(&mut self, now: Instant, limits: &Limits) -> bool {
        if self.queued > limits.outbox && self.lag.is_none() {
            self.lag = Some(Lag { since: now, due: now + limits.stall_timeout });
        } else if self.is_low(limits) {
            self.lag = None;
        }
        let most = limits::OUTBOXES * limits.outbox.max(limits::ROUND);
        let enough = most - limits.outbox.max(limits::ROUND) / 2;
        self.awaited = self.queued > if self.awaited { enough } else { most };
        self.lag.is_some()
    }

    /// Whether one who lags has to go.
    ///
    /// Whoever takes half an outbox in each stall timeout stays, and if need be is waited for.
    /// Whoever takes less goes; and sooner, if the others have to wait and it has taken nothing at
    /// all since it lags.
    pub fn is_stalled(&self, now: Instant, limits: &Limits) -> bool {
        let Some(lag) = &self.lag else { return false };
        let takes_nothing = || {
            let patience = limits.stall_timeout * limits::PATIENCE / 100;
            self.last_taken <= lag.since && now - self.last_taken >= patience
        };
        now >= lag.due || self.awaited && takes_nothing()
    }
}

/// Chunks on their way into a socket: a few at a time, so that small ones share a system call.
#[derive(Debug, Default)]
pub struct Hand(VecDeque<Chunk>);

impl Hand {
    /// Takes chunks out of the queue, waiting for the first; `false` where no more will come.
    pub async fn fill(&mut self, queue: &Receiver<Chunk>) -> bool {
        if self.0.is_empty() {
            match queue.recv().await {
                Ok(chunk) => self.0.push_back(chunk),
                Err(_) => return false,
            }
        }
        while self.0.len() < limits::HAND {
            let Ok(chunk) = queue.try_recv() else { break };
            self.0.push_back(chunk);
        }
        true
    }

    /// Sends what the socket takes at once, and returns what that counts for in the backlog.
    pub fn send(&mut self, socket: &Socket) -> io::Result<usize> {
        let mut parts = [IoSlice::new(&[]); limits::HAND];
        for (part, chunk) in parts.iter_mut().zip(&self.0) {
            *part = IoSlice::new(chunk.rest());
        }
        let sent = socket.send_vectored(&parts[..self.0.len()])?;
        Ok(self.drop_front(sent))
    }

    fn drop_front(&mut self, mut sent: usize) -> usize {
        let mut cost = sent;
        while let Some(chunk) = self.0.front_mut() {
            let len = chunk.rest().len();
            if sent < len {
                chunk.start += sent;
                break;
            }
            sent -= len;
            cost += limits::CHUNK_OVERHEAD;
            self.0.pop_front();
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const OUTBOX: usize = limits::ROUND;

    fn limits() -> Limits {
        Limits { outbox: OUTBOX, ..Limits::default() }
    }

    fn chunk(len: usize) -> Chunk {
        Chunk::new(vec![0; len].into(), 0)
    }

    /// A backlog that began to lag at the instant returned with it.
    fn lagging(len: usize) -> (Backlog, Instant) {
        let now = Instant::now();
        let (mut backlog, _) = Backlog::new(now);
        backlog.push(chunk(len));
        assert!(backlog.lags(now, &limits()));
        (backlog, now)
    }

    #[test]
    fn one_lags_from_over_the_outbox_until_half_of_it() {
        let (mut backlog, now) = lagging(OUTBOX + 1);
        backlog.took(OUTBOX / 4, now, &limits());
        assert!(backlog.lags(now, &limits()));
        backlog.took(OUTBOX / 2, now, &limits());
        assert!(!backlog.lags(now, &limits()));
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
                backlog.took(OUTBOX / 4, after(ms), &limits());
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
            backlog.took(OUTBOX / 2 * 9 / 10, now, &limits());
        }
    }

    #[test]
    fn nobody_saves_time_up() {
        let (mut backlog, start) = lagging(3 * OUTBOX);
        backlog.took(2 * OUTBOX, start, &limits());
        assert!(backlog.is_stalled(start + Duration::from_secs(1), &limits()));
    }

    #[test]
    fn one_who_takes_half_an_outbox_in_time_stays_however_often() {
        let (mut backlog, start) = lagging(OUTBOX + 1);
        for second in 1..10 {
            let now = start + Duration::from_secs(second);
            backlog.push(chunk(OUTBOX / 2));
            backlog.took(OUTBOX / 2, now, &limits());
            assert!(backlog.lags(now, &limits()));
            assert!(!backlog.is_stalled(now, &limits()));
        }
    }

    #[test]
    fn the_senders_wait_from_far_too_much_until_there_is_room_again() {
        let (mut backlog, now) = lagging(limits::OUTBOXES * OUTBOX - limits::CHUNK_OVERHEAD);
        assert!(!backlog.is_awaited());
        backlog.push(chunk(1));
        assert!(backlog.lags(now, &limits()) && backlog.is_awaited());
        backlog.took(OUTBOX / 4, now, &limits());
        assert!(backlog.lags(now, &limits()) && backlog.is_awaited());
        backlog.took(OUTBOX / 4 + 1 + limits::CHUNK_OVERHEAD, now, &limits());
        assert!(backlog.lags(now, &limits()) && !backlog.is_awaited());
    }

    #[test]
    fn the_senders_do_not_wait_long_for_one_who_takes_nothing() {
        let (mut backlog, start) = lagging(limits::OUTBOXES * OUTBOX + 1);
        let after = |ms| start + Duration::from_millis(ms);
        assert!(!backlog.is_stalled(after(399), &limits()));
        assert!(backlog.is_stalled(after(400), &limits()));
        backlog.took(1, after(399), &limits());
        assert!(!backlog.is_stalled(after(999), &limits()));
    }

    #[test]
    fn even_the_smallest_outbox_has_to_be_emptied() {
        let limits = Limits { outbox: 1, ..limits() };
        let (backlog, start) = lagging(OUTBOX + 1);
        assert!(backlog.is_stalled(start + Duration::from_secs(1), &limits));
    }

    #[test]
    fn what_is_discarded_no_longer_counts() {
        let (mut backlog, _) = lagging(OUTBOX + 1);
        backlog.discard();
        assert!(backlog.is_empty());
    }

    #[test]
    fn what_was_sent_is_dropped_from_the_front_whole_chunks_with_their_overhead() {
        let mut hand = Hand([chunk(3), chunk(5)].into());
        assert_eq!(hand.drop_front(2), 2);
        assert_eq!(hand.drop_front(3), 3 + limits::CHUNK_OVERHEAD);
        assert_eq!(hand.drop_front(3), 3 + limits::CHUNK_OVERHEAD);
        assert!(hand.0.is_empty());
    }
}
