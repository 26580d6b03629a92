//! How far back the log is kept for this node: as far as its room's history goes.

use super::pack::Extent;
use crate::limits::{self, Limits};
use crate::protocol::Id;
use std::collections::VecDeque;

/// What the node has read of the log, and how much of that it still wants.
#[derive(Debug)]
pub struct Progress {
    limits: Limits,
    /// The last id that the room was given.
    pub at: Id,
    /// The bytes of the log up to there.
    pub read: u64,
    /// The log from the oldest that is wanted on, in a few parts.
    parts: VecDeque<Part>,
    together: Amount,
}

/// Packs that follow each other.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// The id of the first of them.
    first: Id,
    amount: Amount,
}

#[derive(Debug, Default, Clone, Copy)]
struct Amount {
    messages: usize,
    said: usize,
    /// With all that is no message.
    bytes: usize,
}

/// Parts that a history is kept in. It is kept longer by one of them at most.
const PARTS: usize = 16;

impl Progress {
    /// That of a node that has read nothing yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            at: Id::default(),
            read: 0,
            parts: VecDeque::new(),
            together: Amount::default(),
        }
    }

    /// Starts where the node stands that has just been registered. It has the log from the floor on still
    /// to read.
    pub fn start(&mut self, floor: Id, at: Id, read: u64) {
        let part = Part { first: floor, amount: Amount::default() };
        *self = Self { at, read, parts: [part].into(), ..Self::new(&self.limits) };
    }

    /// A pack has been given to the room.
    pub fn pass(&mut self, pack: &Extent) {
        (self.at, self.read) = (pack.id, pack.end);
        let amount = Amount { messages: pack.messages, said: pack.said, bytes: pack.bytes };
        let one = self.wanted().map(|most| (most / PARTS).max(1));
        match self.parts.back_mut().filter(|part| !part.amount.reaches(one)) {
            Some(part) => part.amount.add(amount),
            None => self.parts.push_back(Part { first: pack.id, amount }),
        }
        self.together.add(amount);
        while let Some(part) = self.parts.front() {
            let rest = self.together.less(part.amount);
            if !rest.reaches(self.wanted()) {
                return;
            }
            self.together = rest;
            self.parts.pop_front();
        }
    }

    /// The oldest id that is wanted.
    pub fn keep(&self) -> Id {
        self.parts.front().map_or(self.at, |part| part.first)
    }

    /// Any one of these is enough: messages, bytes said, bytes in all.
    fn wanted(&self) -> [usize; 3] {
        [self.limits.history, self.limits.history_bytes, limits::LOG_BYTES]
    }
}

impl Amount {
    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.said += other.said;
        self.bytes += other.bytes;
    }

    fn less(self, other: Self) -> Self {
        Self {
            messages: self.messages - other.messages,
            said: self.said - other.said,
            bytes: self.bytes - other.bytes,
        }
    }

    fn reaches(&self, [messages, said, bytes]: [usize; 3]) -> bool {
        self.messages >= messages || self.said >= said || self.bytes >= bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last of ever so many packs of that many messages of ten bytes that is still kept.
    fn kept(limits: &Limits, messages: usize) -> u64 {
        let mut progress = Progress::new(limits);
        progress.start(Id::from_ms(1), Id::from_ms(3), 0);
        assert_eq!((progress.at, progress.keep()), (Id::from_ms(3), Id::from_ms(1)));
        for ms in 2..=2000 {
            let (id, said, bytes) = (Id::from_ms(ms), 10 * messages, 40 * messages.max(1));
            progress.pass(&Extent { id, end: 5, messages, said, bytes });
        }
        assert_eq!((progress.at.ms(), progress.read), (2000, 5));
        assert!(progress.parts.len() <= 2 * PARTS);
        2001 - progress.keep().ms()
    }

    #[test]
    fn as_much_is_kept_as_the_history_goes_back_and_little_more() {
        let limits =
            |history, history_bytes| Limits { history, history_bytes, ..Limits::default() };
        for (limits, messages, least, most) in [
            (limits(1000, 1 << 20), 1, 1000, 1070),
            (limits(1000, 1 << 20), 4, 250, 270),
            (limits(1000, 1000), 1, 100, 110),
            (limits(10, 1 << 20), 1, 10, 12),
            // Arrivals and the like are no messages: they push none out.
            (limits(10, 1 << 20), 0, 2000, 2000),
        ] {
            let kept = kept(&limits, messages);
            assert!((least..=most).contains(&kept), "{kept} of {limits:?}");
        }
        assert!(kept(&limits(0, 0), 1) <= 1);
    }
}
