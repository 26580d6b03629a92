//! What may come next.

use super::input::Line;
use std::io;

/// What may come next at a console.
pub enum Turn {
    /// What was taken has appeared.
    Shown(io::Result<()>),
    /// The next line, or the end of them.
    Typed(Option<Line>),
}

/// What may come next in a conversation.
pub enum Next<Heard> {
    /// The other side said something, or has ended it.
    Heard(Heard),
    /// What was typed is on its way.
    Sent,
    /// Something has happened on this side.
    Here(Turn),
}
