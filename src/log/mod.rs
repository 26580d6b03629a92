//! The log: what happened in the room, in order. The room is a fold over it.
//!
//! This server keeps it nowhere: an entry has its place as soon as it is appended, and the room
//! applies it in the same critical section. Whatever keeps entries, or has to wait for them, goes
//! between the two.

mod entry;
mod journal;

pub use entry::{Entry, Speaker};

use crate::protocol::Id;
use std::time::{Duration, SystemTime};

/// Gives each entry its place.
#[derive(Debug)]
pub struct Log {
    last: Id,
}

impl Log {
    /// An empty log, which begins now.
    pub fn new() -> Self {
        Self { last: Id::from_ms(unix_ms()) }
    }

    /// The id of the next entry. It is behind all others, whatever the clock says.
    pub fn append(&mut self) -> Id {
        self.last = self.last.next(unix_ms());
        self.last
    }
}

/// Milliseconds since 1970. A clock that stands before that is taken to stand there.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or(Duration::ZERO).as_millis()).unwrap_or(u64::MAX)
}
