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

    /// Wakes a session. Says whether it has waited.
    pub fn wake(&mut self, id: SeatId) -> bool {
        self.0.remove(&id).is_some()
    }
}

/// A queue: first come, first served.
#[derive(Debug, Default)]
pub struct Line {
    waiting: BTreeMap<Ticket, SeatId>,
    /// Those of all who wait, and of those whose turn has come: who could not take it does not lose
    /// its place.
    tickets: BTreeMap<SeatId, Ticket>,
    last: Ticket,
}

type Ticket = usize;

impl Line {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether it is the turn of this session, which has stood in line.
    pub fn has_called(&self, id: SeatId) -> bool {
        self.tickets.contains_key(&id)
    }

    /// Takes a place at the end of the line, or back the one that a session had.
    pub fn stand(&mut self, id: SeatId) {
        let ticket = *self.tickets.entry(id).or_insert_with(|| {
            self.last += 1;
            self.last
        });
        self.waiting.insert(ticket, id);
    }

    /// Takes the first out of the line: it is its turn.
    pub fn next(&mut self) -> Option<SeatId> {
        self.waiting.pop_first().map(|(_, id)| id)
    }

    /// Gives a place up. Says whether there was one.
    pub fn leave(&mut self, id: SeatId) -> bool {
        let ticket = self.tickets.remove(&id);
        ticket.inspect(|ticket| _ = self.waiting.remove(ticket)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_serves_in_the_order_of_arrival_also_those_who_come_back() {
        let mut line = Line::default();
        line.stand(7);
        line.stand(3);
        assert_eq!(line.next(), Some(7));
        line.stand(5);
        assert_eq!(line.next(), Some(3));
        line.stand(3);
        line.stand(7);
        assert_eq!([line.next(), line.next(), line.next()], [Some(7), Some(3), Some(5)]);
        assert!(line.is_empty() && line.next().is_none());
    }

    #[test]
    fn who_gives_its_place_up_comes_last_the_next_time() {
        let mut line = Line::default();
        line.stand(7);
        line.stand(3);
        assert_eq!((line.leave(7), line.leave(7)), (true, false));
        line.stand(7);
        assert_eq!([line.next(), line.next(), line.next()], [Some(3), Some(7), None]);
    }

    #[test]
    fn who_is_parked_is_woken_alone() {
        let mut parked = Parked::default();
        let (ada, bob) = (parked.park(1), parked.park(2));
        assert_eq!((parked.wake(1), parked.wake(9)), (true, false));
        assert!(ada.is_closed() && !bob.is_closed());
    }
}
