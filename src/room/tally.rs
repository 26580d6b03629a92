//! What has been said in the room, in numbers.

/// Messages since the start: MSG, DATA, TELL and NOTE, those of other nodes among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub messages: u64,
    /// How many bytes they have, as they were said.
    pub bytes: u64,
    /// How many they make for all who got one, each counted for each of them.
    pub deliveries: u64,
}

impl Tally {
    /// Counts a message that so many get.
    pub fn count(&mut self, said: &[u8], receivers: usize) {
        self.messages += 1;
        self.bytes += said.len() as u64;
        self.deliveries += receivers as u64;
    }
}
