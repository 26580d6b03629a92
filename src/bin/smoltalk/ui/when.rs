//! When something happened that is shown.

use smoltalk::protocol::Id;

/// When something in the room happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct When {
    /// Its place in the room's order, if the server says it.
    pub id: Option<Id>,
    /// It was before one came.
    pub before: bool,
}

impl When {
    /// The time at which it happened, where that is not now: milliseconds since 1970.
    pub fn ms(self) -> Option<u64> {
        self.id.filter(|_| self.before).map(Id::ms)
    }
}
