//! What can happen in a room.

use crate::protocol::{JoinOptions, Name, Secret};
use std::sync::Arc;

/// Something that happened. Borrows what was said: the log decides what it keeps of it.
#[derive(Debug, Clone)]
pub enum Entry<'a> {
    /// Somebody became a member, and wants it so.
    Joined(Speaker, Arrival),
    /// Somebody took a member's place over, because it has the same secret. Nobody else notices: this
    /// alone has no id.
    Resumed(Speaker, Arrival),
    /// A member said something to all.
    Msg(Speaker, &'a [u8]),
    /// A member said any bytes to all.
    Data(Speaker, &'a [u8]),
    /// A member said something to one other, who is the second.
    Tell(Speaker, Speaker, &'a [u8]),
    /// The operator said something to all.
    Note(&'a [u8]),
    /// A member went; the reason is that of LEFT. It is not for the others where all go at once.
    Left(Speaker, Option<&'a str>),
}

/// Who did it, or to whom it was done.
#[derive(Debug, Clone)]
pub struct Speaker {
    /// The connection, if it is one to this server.
    pub seat: Option<usize>,
    /// The name under which it is in.
    pub name: Name,
    /// By what it will be known again; only where it can come back.
    pub secret: Option<Arc<Secret>>,
}

/// What one who joins wants.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arrival {
    /// As it asked.
    pub options: JoinOptions,
    /// What it is to come back by, if it can.
    pub token: Option<Secret>,
}

/// The same, as it is known when the connection is over.
#[derive(Debug, Clone)]
pub struct Party {
    /// Under which name it was in.
    pub name: Name,
    /// By what it is known.
    pub secret: Option<Arc<Secret>>,
}

impl Speaker {
    /// What is known of it when the connection is over.
    pub fn party(&self) -> Party {
        Party { name: self.name, secret: self.secret.clone() }
    }
}
