//! Where sessions wait: each at a place of its own, so that it can be woken alone; and the line in
//! which those stand who wait for their turn.

use crate::room::SeatId;
use async_channel::{Receiver, Sender};
use std::collections::BTreeMap;

/// The sessions that wait. Nothing is ever sent to one: it is woken by its channel being closed.
#[derive(Debug, Default)]
pub struct Parked(BTreeMap<SeatId, Sender<()>>);

impl Parked {
    /// Is closed when the session is woken.
    pub fn park(&mut self, id: SeatId) -> Receiver<()> {
        let (gate, woken) = async_channel::bounded(1);
        self.0.insert(id, gate);
        woken
    }

    /// Whether nobody waits.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Wakes a session. Says whether it has waited.
    pub fn wake(&mut self, id: SeatId) -> bool {
        self.0.remove(&id).is_some()
    }
}

/// Two queues, first come, first served: of members who have had no turn yet, and of guests and those who
/// have had theirs and have more to say. The first go before, three to one, so that who says a word is not kept
/// from it by those who have much to say, and none of these waits for ever.
#[derive(Debug, Default)]
pub struct Line {
    waiting: [BTreeMap<Ticket, SeatId>; 2],
    /// Those of all who wait, and of those whose turn has come: who could not take it does not lose
    /// its place.
    places: BTreeMap<SeatId, Ticket>,
    tickets: Ticket,
    calls: usize,
}

/// The number of a place: even in the first queue, odd in the second.
type Ticket = usize;

impl Line {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.iter().all(BTreeMap::is_empty)
    }

    /// Whether this session has stood in line, and not had its turn yet. One that comes back has been
    /// called, as a rule.
    pub fn has_called(&self, id: SeatId) -> bool {
        self.places.contains_key(&id)
    }

    /// Takes a place at the end of a queue, or back the one that a session had.
    pub fn stand(&mut self, id: SeatId, has_had_a_turn: bool) {
        let ticket = *self.places.entry(id).or_insert_with(|| {
            self.tickets += 2;
            self.tickets + usize::from(has_had_a_turn)
        });
        self.waiting[ticket % 2].insert(ticket, id);
    }

    /// Whether nothing is known of anybody.
    #[cfg(test)]
    pub fn is_forgotten(&self) -> bool {
        self.is_empty() && self.places.is_empty()
    }

    /// Takes the first out of the line: it is its turn.
    pub fn next(&mut self) -> Option<SeatId> {
        self.calls += 1;
        let first = usize::from(self.calls.is_multiple_of(4));
        let [queue, other] = [first, 1 - first];
        let next = self.waiting[queue].pop_first().or_else(|| self.waiting[other].pop_first());
        next.map(|(_, id)| id)
    }

    /// Gives a place up. Says whether there was one.
    pub fn leave(&mut self, id: SeatId) -> bool {
        let ticket = self.places.remove(&id);
        ticket.inspect(|ticket| _ = self.waiting[ticket % 2].remove(ticket)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_serves_in_the_order_of_arrival_also_those_who_come_back() {
        let mut line = Line::default();
        line.stand(7, false);
        line.stand(3, false);
        assert_eq!(line.next(), Some(7));
        line.stand(5, false);
        assert_eq!(line.next(), Some(3));
        line.stand(3, false);
        line.stand(7, false);
        assert_eq!([line.next(), line.next(), line.next()], [Some(7), Some(3), Some(5)]);
        assert!(line.is_empty() && line.next().is_none());
    }

    #[test]
    fn who_gives_its_place_up_comes_last_the_next_time() {
        let mut line = Line::default();
        line.stand(7, false);
        line.stand(3, false);
        assert_eq!((line.leave(7), line.leave(7)), (true, false));
        line.stand(7, false);
        assert_eq!([line.next(), line.next(), line.next()], [Some(3), Some(7), None]);
    }

    #[test]
    fn who_has_had_no_turn_goes_before_three_to_one() {
        let mut line = Line::default();
        for id in 0..4 {
            line.stand(id, true);
        }
        for id in 10..15 {
            line.stand(id, false);
        }
        let order: Vec<SeatId> = std::iter::from_fn(|| line.next()).collect();
        assert_eq!(order, [10, 11, 12, 0, 13, 14, 1, 2, 3]);
    }

    #[test]
    fn who_is_parked_is_woken_alone() {
        let mut parked = Parked::default();
        let (ada, bob) = (parked.park(1), parked.park(2));
        assert_eq!((parked.wake(1), parked.wake(9)), (true, false));
        assert!(ada.is_closed() && !bob.is_closed());
    }
}
