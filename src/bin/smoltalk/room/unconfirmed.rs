//! What was said and is not yet known to have arrived.
//!
//! A lost connection may or may not have delivered what was on its way. Saying it again could say it
//! twice; so it is counted instead, and the person or the script is told.

/// Counts lines. One question is on its way at a time, however many lines it is about.
#[derive(Debug, Default)]
pub struct Unconfirmed {
    said: u64,
    asked: u64,
    confirmed: u64,
    lost: u64,
}

impl Unconfirmed {
    /// A line was said.
    pub fn said(&mut self) {
        self.said += 1;
    }

    /// Whether it is time to ask the server if all has arrived.
    pub fn ask(&mut self) -> bool {
        let due = self.asked == self.confirmed && self.said > self.asked;
        if due {
            self.asked = self.said;
        }
        due
    }

    /// The server has answered: what was said before the question has arrived.
    pub fn answered(&mut self) {
        self.confirmed = self.asked;
    }

    /// The connection is gone; returns how many lines may have gone with it.
    pub fn disconnected(&mut self) -> u64 {
        let doubtful = self.said - self.confirmed;
        *self = Self { lost: self.lost + doubtful, ..Self::default() };
        doubtful
    }

    /// How many lines may be lost, in all.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_after_the_question_is_not_confirmed_by_its_answer() {
        let mut unconfirmed = Unconfirmed::default();
        assert!(!unconfirmed.ask());
        unconfirmed.said();
        assert!(unconfirmed.ask());
        unconfirmed.said();
        assert!(!unconfirmed.ask(), "one is on its way");
        unconfirmed.answered();
        assert!(unconfirmed.ask());
        assert_eq!(unconfirmed.disconnected(), 1);
    }

    #[test]
    fn each_connection_begins_without_doubt() {
        let mut unconfirmed = Unconfirmed::default();
        unconfirmed.said();
        assert_eq!(unconfirmed.disconnected(), 1);
        assert_eq!(unconfirmed.disconnected(), 0);
        unconfirmed.said();
        assert!(unconfirmed.ask());
        unconfirmed.answered();
        assert_eq!((unconfirmed.disconnected(), unconfirmed.lost()), (0, 1));
    }
}
