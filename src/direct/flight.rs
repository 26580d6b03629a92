//! The messages on their way: which wait for their acknowledgement, and since when.

use std::collections::VecDeque;
use std::time::Instant;

/// Messages are numbered 1, 2, 3 and so on. They may be acknowledged in any order.
#[derive(Debug)]
pub struct Flight {
    /// The number of the first in `departures`.
    first: u64,
    /// When each departed, from the oldest that waits to the newest; `None` for those that arrived.
    departures: VecDeque<Option<Instant>>,
    waiting: usize,
}

impl Flight {
    pub fn new() -> Self {
        Self { first: 1, departures: VecDeque::new(), waiting: 0 }
    }

    /// Sends the next one off; returns its number.
    pub fn depart(&mut self, now: Instant) -> u64 {
        self.departures.push_back(Some(now));
        self.waiting += 1;
        self.first + self.departures.len() as u64 - 1
    }

    /// When the message departed that has arrived now; `None` where none of that number waits.
    pub fn arrive(&mut self, id: u64) -> Option<Instant> {
        let at = usize::try_from(id.checked_sub(self.first)?).ok()?;
        let departed = self.departures.get_mut(at)?.take()?;
        self.waiting -= 1;
        while let Some(None) = self.departures.front() {
            self.departures.pop_front();
            self.first += 1;
        }
        Some(departed)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many there are from the oldest that waits to the newest: so many are kept in memory.
    pub fn span(&self) -> usize {
        self.departures.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_arrives_once_and_only_what_departed_does() {
        let now = Instant::now();
        let mut flight = Flight::new();
        assert_eq!(flight.arrive(1), None);
        assert_eq!([flight.depart(now), flight.depart(now), flight.depart(now)], [1, 2, 3]);
        assert_eq!(flight.arrive(0), None);
        assert_eq!(flight.arrive(4), None);
        assert_eq!(flight.arrive(2), Some(now));
        assert_eq!(flight.arrive(2), None);
        assert_eq!((flight.waiting(), flight.span()), (2, 3));
        assert_eq!(flight.arrive(1), Some(now));
        assert_eq!((flight.waiting(), flight.span()), (1, 1));
        assert_eq!(flight.arrive(1), None);
        assert_eq!(flight.arrive(3), Some(now));
        assert_eq!((flight.waiting(), flight.span()), (0, 0));
        assert_eq!(flight.depart(now), 4);
        assert_eq!(flight.arrive(u64::MAX), None);
    }
}
