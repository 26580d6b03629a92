//! Pieces of the stream to one connection that its socket did not take at once, and the memory that
//! they take.

use crate::limits;
use crate::net::sink::Sink;
use async_channel::Receiver;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::ops::{AddAssign, Range, SubAssign};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

/// Bytes that wait for somebody. All who wait for the same ones hold them once.
#[derive(Debug)]
pub struct Held {
    bytes: Arc<[u8]>,
    memory: Arc<Memory>,
}

/// Texts that many ask for: each is held once for all who did not take it.
#[derive(Debug, Default)]
pub struct Texts {
    /// By where they are in memory: nothing else is there for as long as they are held.
    held: BTreeMap<usize, Weak<Held>>,
    /// From how many on to look which of them nobody waits for any more.
    many: usize,
}

impl Texts {
    /// Holds `text` until the last chunk of it is gone.
    pub fn hold(&mut self, text: &Arc<[u8]>, memory: &Arc<Memory>) -> Arc<Held> {
        let address = text.as_ptr().addr();
        if let Some(held) = self.held.get(&address).and_then(Weak::upgrade) {
            return held;
        }
        if self.held.len() >= self.many {
            self.held.retain(|_, held| held.strong_count() > 0);
            self.many = 2 * self.held.len() + 1;
        }
        let held = memory.hold(text.clone());
        self.held.insert(address, Arc::downgrade(&held));
        held
    }
}

/// How many bytes are held for all connections together.
#[derive(Debug, Default)]
pub struct Memory(AtomicUsize);

impl Memory {
    /// Holds `bytes` until the last chunk of them is gone.
    pub fn hold(self: &Arc<Self>, bytes: impl Into<Arc<[u8]>>) -> Arc<Held> {
        let bytes = bytes.into();
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        Arc::new(Held { bytes, memory: self.clone() })
    }

    /// How many bytes are held now.
    pub fn used(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.memory.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// A piece of the stream to one connection.
#[derive(Debug)]
pub struct Chunk {
    held: Arc<Held>,
    start: u32,
    end: u32,
    /// How many bytes of it the connection has asked for, and how many others had for it alone.
    asked: u32,
    told: u32,
    /// Nobody shares it.
    own: bool,
    /// What comes before its first byte, in the middle of a line as a rule, has been sent.
    torn: bool,
}

/// What a chunk counts for in a backlog, or what part of it has been sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Its bytes, and what a chunk takes beside them.
    pub bytes: usize,
    /// Its bytes alone.
    pub stream: usize,
    /// Those of them that the connection has asked for.
    pub asked: usize,
    /// Those of them that others had for it alone.
    pub told: usize,
    /// Those of them that nobody shares with it.
    pub own: usize,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.stream += other.stream;
        self.asked += other.asked;
        self.told += other.told;
        self.own += other.own;
    }
}

impl SubAssign for Cost {
    fn sub_assign(&mut self, other: Self) {
        self.bytes -= other.bytes;
        self.stream -= other.stream;
        self.asked -= other.asked;
        self.told -= other.told;
        self.own -= other.own;
    }
}

impl Chunk {
    /// These bytes of what others hold, too.
    pub fn shared(held: Arc<Held>, range: Range<usize>) -> Self {
        let (start, end) = (short(range.start), short(range.end));
        held.memory.0.fetch_add(limits::CHUNK_OVERHEAD, Ordering::Relaxed);
        Self { held, start, end, asked: 0, told: 0, own: false, torn: false }
    }

    /// Bytes that are held for this connection alone.
    pub fn own(held: Arc<Held>) -> Self {
        let range = 0..held.bytes.len();
        let mut chunk = Self::shared(held, range);
        chunk.own = true;
        chunk
    }

    /// The same, of which so many bytes are answers, and so many what others have told it.
    pub fn of_which(mut self, asked: usize, told: usize) -> Self {
        (self.asked, self.told) = (short(asked), short(told));
        self
    }

    /// The same, where the bytes before it have been sent.
    pub fn torn_off(mut self, torn: bool) -> Self {
        self.torn = torn;
        self
    }

    /// Whether the bytes before it have been sent.
    pub fn is_torn(&self) -> bool {
        self.torn
    }

    fn bytes(&self) -> &[u8] {
        &self.held.bytes[self.start as usize..self.end as usize]
    }

    /// What it counts for.
    pub fn cost(&self) -> Cost {
        let stream = self.bytes().len();
        Cost { bytes: stream + limits::CHUNK_OVERHEAD, stream, ..self.once() }
    }

    /// What counts until all of it is taken.
    fn once(&self) -> Cost {
        let own = if self.own { self.held.bytes.len() } else { 0 };
        let (asked, told) = (self.asked as usize, self.told as usize);
        Cost { bytes: 0, stream: 0, asked, told, own }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.held.memory.0.fetch_sub(limits::CHUNK_OVERHEAD, Ordering::Relaxed);
    }
}

fn short(n: usize) -> u32 {
    u32::try_from(n).expect("a round has its limit")
}

/// Chunks on their way into a socket: a few at a time, so that small ones share a system call, and so
/// few bytes that a goodbye does not wait long behind them.
#[derive(Debug, Default)]
pub struct Hand {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

impl Hand {
    /// Takes chunks out of the queue, waiting for the first; `false` where no more will come.
    pub async fn fill(&mut self, queue: &Receiver<Chunk>) -> bool {
        if self.chunks.is_empty() {
            match queue.recv().await {
                Ok(chunk) => self.take(chunk),
                Err(_) => return false,
            }
        }
        self.fill_at_once(queue);
        true
    }

    /// Takes what is in the queue, as far as there is room for it.
    pub fn fill_at_once(&mut self, queue: &Receiver<Chunk>) {
        while self.chunks.len() < limits::HAND && self.bytes < limits::HAND_BYTES {
            let Ok(chunk) = queue.try_recv() else { break };
            self.take(chunk);
        }
    }

    fn take(&mut self, chunk: Chunk) {
        self.bytes += chunk.bytes().len();
        self.chunks.push_back(chunk);
    }

    /// How many bytes are in it, with what its chunks take beside them.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        let held = |chunk: &Chunk| chunk.held.bytes.len() + limits::CHUNK_OVERHEAD;
        self.chunks.iter().map(held).sum()
    }

    /// Whether there is nothing in it.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether all of it has been sent, and nothing more will come out of the queue.
    pub fn is_done(&self, queue: &Receiver<Chunk>) -> bool {
        self.chunks.is_empty() && queue.is_closed() && queue.is_empty()
    }

    /// Sends what the sink takes at once, and returns what that counts for in the backlog.
    pub fn send(&mut self, sink: &impl Sink) -> io::Result<Cost> {
        let mut parts = [IoSlice::new(&[]); limits::HAND];
        for (part, chunk) in parts.iter_mut().zip(&self.chunks) {
            *part = IoSlice::new(chunk.bytes());
        }
        let sent = sink.send_rest(&parts[..self.chunks.len()])?;
        Ok(self.drop_front(sent))
    }

    fn drop_front(&mut self, mut sent: usize) -> Cost {
        self.bytes -= sent;
        let mut cost = Cost { bytes: sent, stream: sent, ..Cost::default() };
        while let Some(chunk) = self.chunks.front_mut() {
            let len = chunk.bytes().len();
            if sent < len {
                chunk.start += short(sent);
                break;
            }
            sent -= len;
            cost.bytes += limits::CHUNK_OVERHEAD;
            cost += chunk.once();
            self.chunks.pop_front();
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(memory: &Arc<Memory>, len: usize, asked: usize) -> Chunk {
        Chunk::own(memory.hold(vec![0; len])).of_which(asked, 0)
    }

    fn cost(stream: usize, chunks: usize, asked: usize, own: usize) -> Cost {
        let bytes = stream + chunks * limits::CHUNK_OVERHEAD;
        Cost { bytes, stream, asked, told: 0, own }
    }

    #[test]
    fn what_is_held_counts_once_until_the_last_is_gone() {
        let memory = Arc::default();
        let one = chunk(&memory, 5, 0);
        let other = Chunk::shared(one.held.clone(), 2..4);
        let more = chunk(&memory, 7, 0);
        assert_eq!(memory.used(), 12 + 3 * limits::CHUNK_OVERHEAD);
        drop(one);
        assert_eq!(memory.used(), 12 + 2 * limits::CHUNK_OVERHEAD);
        drop(other);
        assert_eq!(memory.used(), 7 + limits::CHUNK_OVERHEAD);
        drop(more);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn what_was_sent_is_dropped_from_the_front_whole_chunks_with_their_overhead() {
        let memory = Arc::default();
        let mut hand = Hand::default();
        hand.take(chunk(&memory, 3, 2));
        hand.take(chunk(&memory, 5, 0));
        assert_eq!(hand.drop_front(2), cost(2, 0, 0, 0));
        assert_eq!(hand.drop_front(3), cost(3, 1, 2, 3));
        assert_eq!(hand.drop_front(3), cost(3, 1, 0, 5));
        assert_eq!((hand.chunks.len(), hand.bytes, memory.used()), (0, 0, 0));
    }

    #[test]
    fn a_hand_holds_few_bytes_however_large_the_chunks_are() {
        let memory = Arc::default();
        let (sender, queue) = async_channel::unbounded();
        for _ in 0..limits::HAND {
            let len = limits::HAND_BYTES / 2 + 1;
            sender.try_send(chunk(&memory, len, 0)).expect("unbounded");
        }
        let mut hand = Hand::default();
        hand.fill_at_once(&queue);
        assert_eq!(hand.chunks.len(), 2);
    }
}
