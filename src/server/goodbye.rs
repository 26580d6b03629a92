//! Goodbyes at the end, spread over a time: so that those who come back do not come all at once.

use crate::room::SeatId;
use std::mem;
use std::time::{Duration, Instant};

/// What ends the server.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// What it was given to end by: a signal, as a rule.
    Signal,
    /// An operator, who may have said how long goodbyes are to take.
    Order(Option<Duration>),
}

impl End {
    /// How long goodbyes take, where that is `usual`.
    pub fn over(self, usual: Duration) -> Duration {
        match self {
            Self::Order(Some(over)) => over,
            Self::Order(None) | Self::Signal => usual,
        }
    }
}

/// Those who are still to go, and when.
#[derive(Debug)]
pub struct Goodbyes {
    /// Who goes next is the last.
    seats: Vec<SeatId>,
    /// How many they were when it began.
    all: usize,
    began: Instant,
    over: Duration,
}

impl Goodbyes {
    /// To those, one after the other, the last of them when that time is over.
    pub fn new(seats: Vec<SeatId>, began: Instant, over: Duration) -> Self {
        Self { all: seats.len(), seats, began, over }
    }

    /// Those whose turn it is.
    pub fn due(&mut self, now: Instant) -> Vec<SeatId> {
        let passed = now.saturating_duration_since(self.began);
        let gone = match self.over.as_micros() {
            over if passed < self.over => self.all as u128 * passed.as_micros() / over.max(1),
            _ => self.all as u128,
        };
        let left = self.all - usize::try_from(gone).unwrap_or(self.all);
        self.seats.split_off(left.min(self.seats.len()))
    }

    /// Whether all have gone.
    pub fn are_over(&self) -> bool {
        self.seats.is_empty()
    }

    /// How long they still take.
    pub fn left(&self, now: Instant) -> Duration {
        (self.began + self.over).saturating_duration_since(now)
    }

    /// From now on they take so long, if that is less than they would have taken.
    pub fn hurry(&mut self, now: Instant, over: Duration) {
        if over < self.left(now) {
            *self = Self::new(mem::take(&mut self.seats), now, over);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn they_are_spread_evenly_and_the_last_comes_at_the_end() {
        let start = Instant::now();
        let mut goodbyes = Goodbyes::new((0..100).collect(), start, 10 * SECOND);
        assert!(goodbyes.due(start).is_empty());
        assert_eq!(goodbyes.due(start + SECOND), (90..100).collect::<Vec<_>>());
        assert!(goodbyes.due(start + SECOND).is_empty());
        assert_eq!(goodbyes.due(start + SECOND * 9999 / 1000).len(), 89);
        assert!(!goodbyes.are_over());
        assert_eq!(goodbyes.due(start + 10 * SECOND), [0]);
        assert!(goodbyes.are_over());
    }

    #[test]
    fn without_time_for_them_all_are_due_at_once() {
        let start = Instant::now();
        assert_eq!(Goodbyes::new(vec![1, 2], start, Duration::ZERO).due(start), [1, 2]);
    }

    #[test]
    fn they_can_be_hurried_and_not_put_off() {
        let start = Instant::now();
        let mut goodbyes = Goodbyes::new((0..100).collect(), start, 10 * SECOND);
        goodbyes.due(start + 5 * SECOND);
        goodbyes.hurry(start + 5 * SECOND, 100 * SECOND);
        assert_eq!(goodbyes.left(start + 5 * SECOND), 5 * SECOND);
        goodbyes.hurry(start + 5 * SECOND, 2 * SECOND);
        assert_eq!(goodbyes.left(start + 6 * SECOND), SECOND);
        assert_eq!(goodbyes.due(start + 6 * SECOND).len(), 25);
        assert_eq!(goodbyes.due(start + 7 * SECOND).len(), 25);
        assert!(goodbyes.are_over());
    }
}
