//! The log: what happened in the room, in order. The room is a fold over it.
//!
//! An entry has its place as soon as it is appended, and the room applies it in the same critical
//! section. Whatever keeps entries, or has to wait for them, goes between the two.

mod entry;
mod history;
#[cfg(feature = "redis")]
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "the server does not use it yet"))]
pub mod nodes;

pub use entry::{Entry, Speaker};
pub use history::{Piece, Replay, Resumed, Wanted};

use crate::limits::Limits;
use crate::protocol::Id;
use history::History;
use std::time::{Duration, SystemTime};

/// Gives each entry its place, and keeps what was said last.
#[derive(Debug)]
pub struct Log {
    last: Id,
    history: History,
}

impl Log {
    /// An empty log, which begins now.
    pub fn new(limits: &Limits) -> Self {
        let began = Id::from_ms(unix_ms());
        Self { last: began, history: History::new(limits, began) }
    }

    /// Where it stands: the id of the last entry, or when it began.
    pub fn last(&self) -> Id {
        self.last
    }

    /// Takes an entry in, and gives it its id, which is behind all others, whatever the clock says.
    pub fn append(&mut self, entry: &Entry<'_>) -> Id {
        if matches!(entry, Entry::Resumed(..)) {
            return self.last;
        }
        self.last = self.last.next(unix_ms());
        match entry {
            Entry::Msg(speaker, text) => self.history.say(self.last, speaker, false, text),
            Entry::Data(speaker, bytes) => self.history.say(self.last, speaker, true, bytes),
            Entry::Tell(speaker, to, text) => self.history.tell(self.last, speaker, to, text),
            Entry::Joined(..) | Entry::Left(..) | Entry::Resumed(..) => {}
        }
        self.last
    }

    /// What one who joins gets of what was said before, where `newest` was the last id until it came.
    pub fn replay(&mut self, wanted: &Wanted<'_>, newest: Id) -> Replay {
        self.history.replay(wanted, newest)
    }
}

/// Milliseconds since 1970. A clock that stands before that is taken to stand there.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or(Duration::ZERO).as_millis()).unwrap_or(u64::MAX)
}
