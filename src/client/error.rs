//! Why a client did not get what it asked for.

use crate::limits;
use crate::protocol::Refusal;
use crate::protocol::text::to_safe;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why something did not happen. Its text is one line, safe to print.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// No address of the host accepted; this is what the last one said.
    Unreachable(Arc<io::Error>),
    /// A certificate does not hold, the server's or one's own: what is wrong with it.
    Untrusted(String),
    /// What answers is no server of this protocol; what it did instead.
    NotSmoltalk(String),
    /// What answers speaks TLS, and was not spoken to within it.
    Tls,
    /// The server said ERR.
    Refused {
        /// For programs: one of `PROTOCOL.md`'s codes, as a rule.
        code: String,
        /// For people.
        text: String,
    },
    /// The server said BYE; the reason is empty after LEAVE.
    Closed {
        /// One of `PROTOCOL.md`'s reasons, as a rule.
        reason: String,
    },
    /// The connection ended without BYE.
    Lost(io::ErrorKind),
    /// There is no text to say. Nothing was sent.
    Empty,
    /// The line would be over [`limits::LINE`] bytes. Nothing was sent.
    TooLong,
    /// The payload would be over [`limits::PAYLOAD`] bytes. Nothing was sent.
    PayloadTooLong,
    /// [`limits::UNSENT`] bytes wait to be sent: wait for that, then queue again. Nothing was queued.
    NoRoom,
    /// More than [`limits::HEARD`] bytes wait for [`next`](super::Client::next): take them, then
    /// ask again.
    Behind,
}

impl Error {
    /// Why there is no connection.
    pub(super) fn unreached(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Untrusted(to_safe(error.to_string().as_bytes())),
            _ => Self::Unreachable(Arc::new(error)),
        }
    }

    pub(super) fn said(code: &str, text: &str) -> Self {
        Self::Refused { code: code.into(), text: text.into() }
    }

    /// A payload of `len` bytes, for a server that takes `limit`.
    pub(super) fn over(limit: usize, len: usize) -> Self {
        let text = format!("a payload may have {limit} bytes, this one has {len}");
        Self::said(Refusal::TooLong.code(), &text)
    }
}

/// As if the server had said so: what it would refuse is not sent.
impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::said(refusal.code(), refusal.explanation())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "cannot connect: {}", in_words(error)),
            Self::Untrusted(why) => f.write_str(why),
            Self::NotSmoltalk(why) => write!(f, "this is no smoltalk server: {why}"),
            Self::Tls => f.write_str("this server speaks TLS"),
            Self::Refused { code, text } if text.is_empty() => write!(f, "{code}"),
            Self::Refused { code, text } => write!(f, "{text} ({code})"),
            Self::Closed { reason } if reason.is_empty() => write!(f, "the server said goodbye"),
            Self::Closed { reason } if reason == "replaced" => {
                write!(f, "the server ended the connection: replaced by somebody, perhaps you, ")?;
                write!(f, "who came in elsewhere under this name")
            }
            Self::Closed { reason } => {
                let reason = reason.replacen("kicked ", "kicked: ", 1);
                write!(f, "the server ended the connection: {reason}")
            }
            Self::Lost(io::ErrorKind::UnexpectedEof) => {
                write!(f, "the server closed the connection")
            }
            Self::Lost(kind) => write!(f, "the connection was lost: {kind}"),
            Self::Empty => write!(f, "there is no text to say"),
            Self::TooLong => write!(f, "too long: a line may have {} bytes", limits::LINE),
            Self::PayloadTooLong => {
                write!(f, "too long: a payload may have {} bytes", limits::PAYLOAD)
            }
            Self::NoRoom => write!(f, "too much waits to be sent"),
            Self::Behind => write!(f, "too much waits to be read"),
        }
    }
}

/// What the system says, without its number for it, and as a part of a sentence.
pub(crate) fn in_words(error: &io::Error) -> String {
    let said = error.to_string();
    let words = said.split_once(" (os error ").map_or(said.as_str(), |(words, _)| words);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}
