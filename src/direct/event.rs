//! What one side hears of the other.

use crate::client::queue::Waits;
use std::time::Duration;

/// Something heard.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The peer said something. [`Direct::ack`](super::Direct::ack) it once whoever it is for has it.
    Message {
        /// The peer's number for it.
        id: u64,
        /// What was said: any bytes, none at all among them, and nothing made safe.
        bytes: Vec<u8>,
    },
    /// Whoever a message was for has it.
    Acked {
        /// What [`Direct::send`](super::Direct::send) returned.
        id: u64,
        /// The time from then to now.
        round_trip: Duration,
    },
    /// The peer will not take something, as a message that is too long there. All else goes on.
    Refused {
        /// Which message; `None` where the peer does not say. If one was meant, it stays
        /// unacknowledged.
        id: Option<u64>,
        /// For programs, as `too-long`.
        code: String,
        /// For people; safe to print.
        text: String,
    },
}

impl Waits for Event {
    fn size(&self) -> usize {
        let beyond = match self {
            Self::Message { bytes, .. } => bytes.len(),
            Self::Acked { .. } => 0,
            Self::Refused { code, text, .. } => code.len() + text.len(),
        };
        size_of::<Self>() + beyond
    }
}
