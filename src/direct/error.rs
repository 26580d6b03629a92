//! Why a conversation did not go on.

use crate::client::error::in_words;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why something did not happen, or how a conversation ended. Its text is one line, safe to print.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// No address of the host accepted; this is what the last one said.
    Unreachable(Arc<io::Error>),
    /// What is at the other end does not speak smoltalk-direct/1; what it did instead.
    NotDirect(String),
    /// The peer talks to somebody else.
    Busy,
    /// The peer said ERR and will not go on.
    Refused {
        /// For programs: one of `PROTOCOL.md`'s codes, as a rule.
        code: String,
        /// For people.
        text: String,
    },
    /// A message may have no more bytes than this. Nothing was sent.
    TooLong(usize),
    /// Too much is on its way, or waits for [`next`](super::Direct::next): take it, then send again.
    Behind,
    /// The peer has gone, as is its right.
    Gone,
    /// The peer went in the middle of a message. Nothing of that one is delivered.
    CutOff,
    /// The connection broke.
    Lost(io::ErrorKind),
    /// The peer sent something from which there is no way back to the next line.
    BadFrame,
    /// The peer acknowledged a message that was never sent, or had been acknowledged before.
    NeverSent(u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "cannot connect: {}", in_words(error)),
            Self::NotDirect(why) => write!(f, "this is no smoltalk direct: {why}"),
            Self::Busy => write!(f, "the other side talks to somebody else (busy)"),
            Self::Refused { code, text } if text.is_empty() => write!(f, "{code}"),
            Self::Refused { code, text } => write!(f, "{text} ({code})"),
            Self::TooLong(limit) => write!(f, "too long: a message may have {limit} bytes"),
            Self::Behind => write!(f, "too much is on its way"),
            Self::Gone => write!(f, "the other side has gone"),
            Self::CutOff => write!(f, "the other side went in the middle of a message"),
            Self::Lost(kind) => write!(f, "the connection was lost: {kind}"),
            Self::BadFrame => write!(f, "the other side sent a message that is not well-formed"),
            Self::NeverSent(id) => {
                write!(f, "the other side acknowledged message {id}, which does not wait for that")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}
