//! What a member's socket did not take at once, and the judgement on those who lag behind.

use crate::limits::{self, Limits};
use crate::socket::Socket;
use async_channel::{Receiver, Sender};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// A piece of the stream to one member; its bytes are shared with all who lag behind.
#[derive(Debug, Clone)]
pub struct Chunk {
    bytes: Arc<[u8]>,
    range: Range<usize>,
}

impl Chunk {
    /// The part `range` of `bytes`.
    pub fn new(bytes: Arc<[u8]>, range: Range<usize>) -> Self {
        Self { bytes, range }
    }

    /// What it counts for in a backlog.
    fn cost(&self) -> usize {
        self.range.len() + limits::CHUNK_OVERHEAD
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
    /// Since when, while it lags.
    window: Option<Window>,
}

/// A stall timeout's length of watching one who lags.
#[derive(Debug)]
struct Window {
    since: Instant,
    taken: usize,
}

/// What becomes of one who lags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The senders wait for it.
    Awaited,
    /// It goes on lagging, but nobody waits for it.
    GivenUp,
    /// It goes.
    Stalled,
}

impl Backlog {
    /// An empty one, and the end that the drain task takes from.
    pub fn new(now: Instant) -> (Self, Receiver<Chunk>) {
        // Bounded in bytes, by whoever pushes: a bound in chunks throws out healthy members in bulk.
        let (chunks, queue) = async_channel::unbounded();
        let backlog =
            Self { chunks, queue: queue.clone(), queued: 0, last_taken: now, window: None };
        (backlog, queue)
    }

    /// Adds to the end of it.
    pub fn push(&mut self, chunk: Chunk) {
        let cost = chunk.cost();
        if self.chunks.try_send(chunk).is_ok() {
            self.queued += cost;
        }
    }

    /// The drain task has sent that much.
    pub fn took(&mut self, cost: usize, now: Instant) {
        self.queued = self.queued.saturating_sub(cost);
        self.last_taken = now;
        if let Some(window) = &mut self.window {
            window.taken += cost;
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

    /// Says whether it lags, and begins or ends the watch on it.
    ///
    /// It lags from the moment when more waits than the outbox may hold until less than half waits.
    pub fn lags(&mut self, now: Instant, limits: &Limits) -> bool {
        if self.queued > limits.outbox && self.window.is_none() {
            self.window = Some(Window { since: now, taken: 0 });
        } else if self.is_low(limits) {
            self.window = None;
        }
        self.window.is_some()
    }

    /// Judges one who lags.
    ///
    /// Whoever takes half an outbox in each stall timeout stays, and is waited for. Whoever takes
    /// less goes when that time is over. Whoever has not taken anything for a part of it is not
    /// waited for in the meantime, and goes sooner should far too much wait for it.
    pub fn judge(&mut self, now: Instant, limits: &Limits) -> Verdict {
        let Some(window) = &mut self.window else { return Verdict::Awaited };
        if self.queued > limits::OUTBOX_HARD * limits.outbox.max(limits::ROUND) {
            return Verdict::Stalled;
        }
        if now - window.since >= limits.stall_timeout {
            if window.taken < limits.outbox / 2 {
                return Verdict::Stalled;
            }
            *window = Window { since: now, taken: 0 };
        }
        let patience = limits.stall_timeout / limits::PATIENCE;
        if window.taken == 0 && now - self.last_taken >= patience {
            return Verdict::GivenUp;
        }
        Verdict::Awaited
    }
}

/// Chunks on their way into a socket: a few at a time, so that small ones share a system call.
#[derive(Debug, Default)]
pub struct Hand(VecDeque<Chunk>);

impl Hand {
    const MAX: usize = 64;

    /// Takes chunks out of the queue, waiting for the first; `false` where no more will come.
    pub async fn fill(&mut self, queue: &Receiver<Chunk>) -> bool {
        if self.0.is_empty() {
            match queue.recv().await {
                Ok(chunk) => self.0.push_back(chunk),
                Err(_) => return false,
            }
        }
        while self.0.len() < Self::MAX {
            let Ok(chunk) = queue.try_recv() else { break };
            self.0.push_back(chunk);
        }
        true
    }

    /// Sends what the socket takes at once, and returns what that counts for in the backlog.
    pub fn send(&mut self, socket: &Socket) -> io::Result<usize> {
        let parts: Vec<_> =
            self.0.iter().map(|chunk| IoSlice::new(&chunk.bytes[chunk.range.clone()])).collect();
        let sent = socket.send_vectored(&parts)?;
        Ok(self.drop_front(sent))
    }

    fn drop_front(&mut self, mut sent: usize) -> usize {
        let mut cost = sent;
        while let Some(chunk) = self.0.front_mut() {
            if sent < chunk.range.len() {
                chunk.range.start += sent;
                break;
            }
            sent -= chunk.range.len();
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

    const LIMITS: fn() -> Limits = || Limits { outbox: limits::ROUND, ..Limits::default() };

    fn chunk(len: usize) -> Chunk {
        Chunk::new(vec![0; len].into(), 0..len)
    }

    /// A backlog that began to lag at the instant returned with it.
    fn lagging(len: usize) -> (Backlog, Instant) {
        let now = Instant::now();
        let (mut backlog, _) = Backlog::new(now);
        backlog.push(chunk(len));
        assert!(backlog.lags(now, &LIMITS()));
        (backlog, now)
    }

    #[test]
    fn one_lags_from_over_the_outbox_until_under_half_of_it() {
        let (mut backlog, now) = lagging(limits::ROUND + 1);
        backlog.took(limits::ROUND / 4, now);
        assert!(backlog.lags(now, &LIMITS()));
        backlog.took(limits::ROUND / 2, now);
        assert!(!backlog.lags(now, &LIMITS()));
    }

    #[test]
    fn nobody_waits_long_for_one_who_takes_nothing() {
        let (mut backlog, start) = lagging(limits::ROUND + 1);
        let after = |ms| start + Duration::from_millis(ms);
        assert_eq!(backlog.judge(after(99), &LIMITS()), Verdict::Awaited);
        assert_eq!(backlog.judge(after(100), &LIMITS()), Verdict::GivenUp);
        assert_eq!(backlog.judge(after(1000), &LIMITS()), Verdict::Stalled);
    }

    #[test]
    fn one_who_drips_is_waited_for_once_and_goes() {
        let (mut backlog, start) = lagging(limits::ROUND + 1);
        let after = |ms| start + Duration::from_millis(ms);
        for ms in (50..1000).step_by(50) {
            backlog.took(100, after(ms));
            assert_eq!(backlog.judge(after(ms), &LIMITS()), Verdict::Awaited);
        }
        assert_eq!(backlog.judge(after(1000), &LIMITS()), Verdict::Stalled);
    }

    #[test]
    fn one_who_takes_half_an_outbox_in_time_stays_however_often() {
        let (mut backlog, start) = lagging(limits::ROUND + 1);
        for second in 1..10 {
            let now = start + Duration::from_secs(second);
            backlog.push(chunk(limits::ROUND / 2));
            backlog.took(limits::ROUND / 2, now);
            assert!(backlog.lags(now, &LIMITS()));
            assert_eq!(backlog.judge(now, &LIMITS()), Verdict::Awaited);
        }
    }

    #[test]
    fn far_too_much_is_not_waited_for() {
        let (mut backlog, now) = lagging(limits::OUTBOX_HARD * limits::ROUND + 1);
        assert_eq!(backlog.judge(now, &LIMITS()), Verdict::Stalled);
    }

    #[test]
    fn what_is_discarded_no_longer_counts() {
        let (mut backlog, _) = lagging(limits::ROUND + 1);
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
