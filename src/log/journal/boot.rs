//! Since when the machine runs: what a machine that died took with it nobody can count, so that it
//! died has to be known.

use std::fs;

/// Names the time from one start of the machine to its end; no other has the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot(String);

impl Boot {
    /// This one; none where the system gives it no name.
    pub fn current() -> Option<Self> {
        let name = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Self::new(name.trim_end().as_bytes())
    }

    /// The one of that name, if it can be one: a word of printable ASCII.
    pub fn new(name: &[u8]) -> Option<Self> {
        let is_word = (1..=64).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic);
        let name = str::from_utf8(name).ok().filter(|_| is_word)?;
        Some(Self(name.into()))
    }

    /// Its name.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
