//! Those who lag, and those who wait for them.

use super::backlog::Waiting;
use crate::room::SeatId;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;

/// Whom the room watches because they lag, and who has to wait for one of them.
#[derive(Debug, Default)]
pub struct Hold {
    /// Those who lag, and who waits for each.
    lagging: BTreeMap<SeatId, Waiting>,
    /// For how many of them the loud wait, and for how many all do.
    awaited: [usize; 2],
    waiting: BTreeSet<SeatId>,
}

impl Hold {
    /// Notes who waits for somebody who lags; `None` where he does not lag any more. Returns the
    /// sessions that go on because of it.
    pub fn note(&mut self, id: SeatId, lag: Option<Waiting>) -> BTreeSet<SeatId> {
        let before = self.held();
        let was = match lag {
            Some(waiting) => self.lagging.insert(id, waiting),
            None => self.lagging.remove(&id),
        };
        if let Some(counter) = was.and_then(|waiting| self.counter(waiting)) {
            *counter -= 1;
        }
        if let Some(counter) = lag.and_then(|waiting| self.counter(waiting)) {
            *counter += 1;
        }
        if self.held() < before { mem::take(&mut self.waiting) } else { BTreeSet::new() }
    }

    fn counter(&mut self, waiting: Waiting) -> Option<&mut usize> {
        match waiting {
            Waiting::Nobody => None,
            Waiting::Loud => Some(&mut self.awaited[0]),
            Waiting::All => Some(&mut self.awaited[1]),
        }
    }

    /// Who has to wait now.
    pub fn held(&self) -> Waiting {
        match self.awaited {
            [0, 0] => Waiting::Nobody,
            [_, 0] => Waiting::Loud,
            _ => Waiting::All,
        }
    }

    /// Says whether a session that has said something to all has to wait before it says more.
    pub fn makes_wait(&mut self, id: SeatId, is_loud: bool) -> bool {
        let waits = match self.held() {
            Waiting::Nobody => false,
            Waiting::Loud => is_loud,
            Waiting::All => true,
        };
        if waits {
            self.waiting.insert(id);
        }
        waits
    }

    /// A session does not wait any more, for a reason of its own.
    pub fn forget(&mut self, id: SeatId) {
        self.waiting.remove(&id);
    }

    /// Those who lag.
    pub fn lagging(&self) -> Vec<SeatId> {
        self.lagging.keys().copied().collect()
    }

    /// Whether anybody lags.
    pub fn is_empty(&self) -> bool {
        self.lagging.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_held_by_the_one_for_whom_most_have_to_wait() {
        let mut hold = Hold::default();
        hold.note(1, Some(Waiting::Nobody));
        assert!(!hold.makes_wait(7, true));
        hold.note(2, Some(Waiting::Loud));
        assert!(hold.makes_wait(7, true) && !hold.makes_wait(8, false));
        hold.note(1, Some(Waiting::All));
        assert!(hold.makes_wait(8, false));
        assert_eq!(hold.note(1, None), [7, 8].into());
        assert_eq!(hold.held(), Waiting::Loud);
        assert!(hold.makes_wait(7, true));
        hold.forget(7);
        assert!(hold.note(2, Some(Waiting::Nobody)).is_empty());
        assert_eq!((hold.held(), hold.lagging()), (Waiting::Nobody, vec![2]));
    }
}
