//! Sessions that wait for a time, and for nothing else.

use crate::room::SeatId;
use std::collections::BTreeSet;
use std::time::Instant;

/// What a session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// To be told that its key is wrong.
    WrongKey,
    /// The same, of a key that was not heard.
    UnheardKey,
    /// It has said more than its pace allows.
    Pace,
}

/// Who waits until when. One clock watches them all ([`limits::TICK`](crate::limits::TICK)): ten thousand
/// who wait need no ten thousand timers.
#[derive(Debug, Default)]
pub struct Later {
    by_time: BTreeSet<(Instant, SeatId)>,
    /// By the numbers of their seats.
    by_seat: Vec<Option<(Instant, Why)>>,
}

impl Later {
    /// Has a session wait until then; whatever it waited for before.
    pub fn put(&mut self, id: SeatId, until: Instant, why: Why) {
        self.remove(id);
        self.by_time.insert((until, id));
        if self.by_seat.len() <= id {
            self.by_seat.resize(id + 1, None);
        }
        self.by_seat[id] = Some((until, why));
    }

    /// It waits no longer.
    pub fn remove(&mut self, id: SeatId) {
        if let Some((until, _)) = self.by_seat.get_mut(id).and_then(Option::take) {
            self.by_time.remove(&(until, id));
        }
    }

    /// Whether it waits.
    pub fn has(&self, id: SeatId) -> bool {
        self.by_seat.get(id).is_some_and(Option::is_some)
    }

    /// Whether nobody does.
    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    /// The next one whose time has come, and what it has waited for.
    pub fn due(&mut self, now: Instant) -> Option<(SeatId, Why)> {
        let (until, id) = *self.by_time.first().filter(|(until, _)| *until <= now)?;
        self.by_time.remove(&(until, id));
        self.by_seat.get_mut(id)?.take().map(|(_, why)| (id, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_is_due_once_in_the_order_of_their_times() {
        let (mut later, start) = (Later::default(), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        later.put(1, at(3), Why::Pace);
        later.put(2, at(1), Why::WrongKey);
        later.put(3, at(2), Why::Pace);
        later.put(1, at(1), Why::WrongKey);
        later.remove(3);
        assert!(later.has(1) && later.has(2) && !later.has(3));
        assert_eq!(later.due(at(0)), None);
        let due = [later.due(at(9)), later.due(at(9)), later.due(at(9))];
        assert_eq!(due, [Some((1, Why::WrongKey)), Some((2, Why::WrongKey)), None]);
        assert!(later.is_empty() && later.by_seat.iter().all(Option::is_none));
    }
}
