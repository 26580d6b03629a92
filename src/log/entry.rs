//! What can happen in a room.

use crate::protocol::{Form, Name};

/// Something that happened. Borrows what was said: the log decides what it keeps of it.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// A guest became a member, who gets payloads in that form.
    Joined(Speaker, Form),
    /// A member said something to all.
    Msg(Speaker, &'a [u8]),
    /// A member said any bytes to all.
    Data(Speaker, &'a [u8]),
    /// A member said something to one other.
    Tell(Speaker, Name, &'a [u8]),
    /// A member went; the reason is that of LEFT. It is not for the others where all go at once.
    Left(Speaker, Option<&'static str>),
}

/// Who did it.
#[derive(Debug, Clone, Copy)]
pub struct Speaker {
    /// The connection.
    pub seat: usize,
    /// The name under which it is in.
    pub name: Name,
}
