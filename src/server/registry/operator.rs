//! What the operator does in the room.

use super::Registry;
use crate::limits;
use crate::log::Entry;
use crate::net::sink::Sink;
use crate::protocol::{Name, Refusal};
use crate::room::notice::Closed;
use std::time::Instant;

impl<S: Sink + Clone> Registry<S> {
    /// Why that member cannot be shown the door, if so.
    pub fn may_kick(&self, name: Name, reason: &[u8]) -> Result<(), Refusal> {
        match reason.len() {
            0..=limits::LINE if self.room.has(name) => Ok(()),
            0..=limits::LINE => Err(Refusal::NoSuchMember),
            _ => Err(Refusal::TooLong),
        }
    }

    /// Whether it is at this server.
    pub fn is_here(&self, name: Name) -> bool {
        self.room.seat_of(name).is_some()
    }

    /// Whether what is done for all would not be heard of, as the log that others share is out of reach.
    pub fn is_cut_off(&self, now: Instant) -> bool {
        self.log.node_state(now).is_some_and(|node| node.away.is_some())
    }

    /// Shows a member the door, and tells it why if there is a reason. Where others share the log it may
    /// be at another node, which then does so.
    pub fn kick(&mut self, name: Name, reason: &[u8], now: Instant) -> Result<(), Refusal> {
        self.may_kick(name, reason)?;
        match self.room.seat_of(name) {
            Some(seat) => self.close_saying(seat, Closed::Kicked, reason, now),
            #[cfg(feature = "redis")]
            None if self.room.has(name) => self.kick_elsewhere(name, reason),
            None => return Err(Refusal::NoSuchMember),
        }
        self.settle();
        Ok(())
    }

    /// Says something to all members, at a place in the room's order as any other.
    pub fn note_to_all(&mut self, text: &[u8]) -> Result<(), Refusal> {
        match text.len() {
            0 => Err(Refusal::Empty),
            1..=limits::LINE => {
                self.enter(&Entry::Note(text));
                self.settle();
                Ok(())
            }
            _ => Err(Refusal::TooLong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::paper::Sheet;
    use super::*;
    use crate::protocol::Secret;

    fn name(spelt: &str) -> Name {
        Name::new(spelt.as_bytes()).expect("a name")
    }

    #[test]
    fn who_is_kicked_is_told_why_and_the_others_that_it_went() {
        let mut sheet = Sheet::new();
        let [ada, bob] = sheet.members(["ada", "Bob"]);
        assert_eq!(
            sheet.registry.kick(name("eve"), b"", Instant::now()),
            Err(Refusal::NoSuchMember)
        );
        let long = [b'x'; limits::LINE + 1];
        assert_eq!(sheet.registry.kick(name("bob"), &long, Instant::now()), Err(Refusal::TooLong));
        assert_eq!(sheet.registry.kick(name("bob"), b"not \x1b[2J here", Instant::now()), Ok(()));
        assert_eq!(sheet.heard(bob), "BYE kicked not \u{241b}[2J here\n");
        assert_eq!(sheet.heard(ada), "LEFT Bob kicked\n");
        assert_eq!(
            sheet.registry.kick(name("Bob"), b"", Instant::now()),
            Err(Refusal::NoSuchMember)
        );
        assert_eq!(sheet.registry.kick(name("ada"), b"", Instant::now()), Ok(()));
        assert_eq!(sheet.heard(ada), "BYE kicked\n");
    }

    #[test]
    fn a_note_reaches_all_members_and_has_an_id() {
        let mut sheet = Sheet::new();
        let [ada] = sheet.members(["ada"]);
        let guest = sheet.arrive();
        let secret = Secret::new(b"0123456789abcdef").expect("a secret");
        let bob = sheet.arrive();
        sheet.says(bob, &format!("JOIN bob id resume={}", secret.as_str()));
        assert_eq!(sheet.heard(ada), "JOINED bob\n");
        assert!(sheet.heard(bob).starts_with("OK bob 2 id="));
        assert_eq!(sheet.registry.note_to_all(b""), Err(Refusal::Empty));
        assert_eq!(sheet.registry.note_to_all(&[b'x'; limits::LINE + 1]), Err(Refusal::TooLong));
        assert_eq!(sheet.registry.note_to_all(b"back \x07 soon"), Ok(()));
        assert_eq!(sheet.heard(ada), "NOTE back \u{2407} soon\n");
        let heard = sheet.heard(bob);
        assert!(heard.starts_with('@') && heard.ends_with(" NOTE back \u{2407} soon\n"), "{heard}");
        assert_eq!(sheet.heard(guest), "");
        // It is no message: nobody is sent it later.
        sheet.says(guest, "JOIN eve last=9");
        assert_eq!(sheet.heard(guest), "OK eve 3\n");
    }
}
