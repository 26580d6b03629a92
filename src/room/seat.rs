//! A connection, as the room sees it.

use super::round::ViewId;
use crate::protocol::{Form, Name, Secret};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the room knows of a connection.
#[derive(Debug)]
pub struct Seat {
    /// How far its life has come.
    pub stage: Stage,
    /// Its view of the current round, if that differs from everybody's.
    pub view: Option<ViewId>,
    /// By what it will be known when it comes back; only a member's that can.
    pub secret: Option<Arc<Secret>>,
    /// It gets its own messages, too.
    pub echo: bool,
    /// Its session still reads from the socket.
    pub reads: bool,
    /// When it came: so many seconds after the room began.
    pub since: u32,
    /// Why its socket takes nothing any more, if that is so.
    pub deaf: Option<ErrorKind>,
}

/// How far a connection's life has come, and when its time there is up.
#[derive(Debug, Clone, Copy)]
pub enum Stage {
    /// It may join, and has that behind it.
    Guest { until: Instant, record: Record },
    /// It is in, under that name, and gets in that form what all get.
    Member(Name, Form),
    /// It is closed, and what is queued for it is being sent.
    Farewell { until: Instant },
    /// All has been sent. The server reads on for a moment, so that it is not lost to a reset.
    Linger { until: Instant },
}

/// What is known of a guest.
#[derive(Debug, Clone, Copy, Default)]
pub struct Record {
    /// How often it was answered ERR.
    pub errors: u8,
    /// How often it had a wrong key.
    pub wrong_keys: u8,
    /// It has had the right one.
    pub has_key: bool,
}

impl Seat {
    /// That of one who has just come.
    pub fn new(stage: Stage, since: u32) -> Self {
        Self { stage, view: None, secret: None, echo: false, reads: true, since, deaf: None }
    }

    /// A time as seats keep it: a century in four bytes.
    pub fn seconds(time: Duration) -> u32 {
        u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
    }
}

impl Stage {
    /// When its time is up; a member's is not.
    pub fn until(&self) -> Option<Instant> {
        match self {
            Self::Guest { until, .. } | Self::Farewell { until } | Self::Linger { until } => {
                Some(*until)
            }
            Self::Member(..) => None,
        }
    }
}
