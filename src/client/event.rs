//! What a client hears, owned.

use super::queue::Waits;
use crate::protocol::{Id, Name};

/// What a server said. All text is safe to print, even where the server was careless.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The answer to JOIN.
    Ok {
        /// One's own name.
        name: Name,
        /// How many are in the room, oneself included.
        members: usize,
    },
    /// The answer to PASS: this was the key.
    Passed,
    /// A member said something to the room.
    Msg {
        /// Who said it.
        from: Name,
        /// What was said.
        text: String,
    },
    /// A member said something to the room that need not be text. Only these bytes are not made safe
    /// to print: [`to_safe`](crate::protocol::text::to_safe) does that.
    Data {
        /// Who said it.
        from: Name,
        /// What was said, as it was.
        bytes: Vec<u8>,
    },
    /// A member said something to this one alone.
    Tell {
        /// Who said it.
        from: Name,
        /// What was said.
        text: String,
    },
    /// What one told another has arrived, and this is what it reads: for those who joined with `echo`.
    Told {
        /// To whom it was told.
        to: Name,
        /// What was said.
        text: String,
    },
    /// Of what was asked for with `since`, something may be missing before what comes next.
    Gap,
    /// The operator said something to all.
    Note(String),
    /// A member came.
    Joined(Name),
    /// A member went.
    Left {
        /// Who went.
        name: Name,
        /// Why; empty where the member just left.
        reason: String,
    },
    /// The answer to WHO, whole.
    Who(Vec<Name>),
    /// The answer to PING: its token.
    Pong(String),
    /// A line of the answer to HELP.
    Help(String),
    /// Something asked for is not done.
    Err {
        /// For programs: one of `PROTOCOL.md`'s codes, as a rule.
        code: String,
        /// For people.
        text: String,
    },
}

/// An event, and its place in the room's order if the server has said it: those who joined with `id`
/// are told that of all that happens in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub id: Option<Id>,
    pub event: Event,
}

impl Waits for Heard {
    fn size(&self) -> usize {
        size_of::<Option<Id>>() + self.event.size()
    }
}

impl Waits for Event {
    fn size(&self) -> usize {
        let beyond = match self {
            Self::Ok { .. } | Self::Passed | Self::Joined(_) | Self::Gap => 0,
            Self::Msg { text, .. }
            | Self::Tell { text, .. }
            | Self::Told { text, .. }
            | Self::Note(text)
            | Self::Pong(text)
            | Self::Help(text) => text.len(),
            Self::Data { bytes, .. } => bytes.len(),
            Self::Left { reason, .. } => reason.len(),
            Self::Who(names) => size_of_val(names.as_slice()),
            Self::Err { code, text } => code.len() + text.len(),
        };
        size_of::<Self>() + beyond
    }
}
