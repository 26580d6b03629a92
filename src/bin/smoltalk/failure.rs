//! Why the client did not just leave: in words for a person, in an exit code for a script.

use smoltalk::client;
use smoltalk::program::HINT;
use smoltalk::protocol::text::to_safe;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// What there is to complain about.
#[derive(Debug)]
pub enum Failure {
    /// It was called wrongly.
    Usage(String),
    /// The other side does not let it in, or has not taken all that was said.
    Refused(String),
    /// The other side does not let it in, and that has been said.
    TurnedAway,
    /// There is nobody to talk to, or no more.
    Alone(String),
    /// There is no connection to the server any more.
    Lost(client::Error),
    /// So many lines may have gone down with a connection.
    Unconfirmed(u64),
    /// Something that others said may be missing, and that has been said.
    Gap,
    /// Lines of a script were not said, at least one because the server has `refused` it. It has been said of each.
    Unsaid { refused: bool },
    /// So many lines were refused, and nobody knows why.
    RefusedUnheard(u64),
    /// The file for going on later cannot be used.
    State(PathBuf, io::Error),
    /// Not all messages were acknowledged, and that has been said of each.
    Said,
    /// So many messages were not acknowledged.
    Unacknowledged(usize),
    /// What was read was not all sent.
    Unsent,
    /// There is more of it than can be said at once.
    TooMuch(String),
    /// Standard input cannot be read to its end.
    Unread(io::Error),
    /// Standard output cannot be written, or signals cannot be had.
    Io(io::Error),
}

impl Failure {
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Refused(_)
            | Self::TurnedAway
            | Self::RefusedUnheard(_)
            | Self::Unsaid { refused: true } => 3,
            _ => 1,
        })
    }

    /// Whether nothing more needs to be said of it.
    pub fn is_said(&self) -> bool {
        matches!(self, Self::Gap | Self::Said | Self::TurnedAway | Self::Unsaid { .. })
    }

    /// `ended`, but for a reader who reads no further, as `head` does: no reason to complain.
    pub fn unless_unread(ended: Result<(), Self>) -> Result<(), Self> {
        match ended {
            Err(Self::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            ended => ended,
        }
    }
}

/// A host and a port as a person writes them. A Unix socket has no port.
pub fn place(host: &str, port: u16) -> String {
    match host {
        path if path.starts_with("unix:") => to_safe(path.as_bytes()),
        v6 if v6.contains(':') => format!("[{v6}]:{port}"),
        name => format!("{name}:{port}"),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) => write!(f, "{why} ({HINT})"),
            Self::Refused(why) | Self::Alone(why) | Self::TooMuch(why) => f.write_str(why),
            Self::Lost(error) => error.fmt(f),
            Self::Unconfirmed(1) => write!(f, "one of the lines may not have arrived"),
            Self::Unconfirmed(lines) => write!(f, "{lines} of the lines may not have arrived"),
            Self::TurnedAway => f.write_str("refused"),
            Self::Gap => f.write_str("something that was said may be missing"),
            Self::RefusedUnheard(1) => {
                write!(f, "one of the lines was refused; why, was lost with the connection")
            }
            Self::RefusedUnheard(lines) => {
                write!(f, "{lines} of the lines were refused; why, was lost with the connection")
            }
            Self::Said | Self::Unsaid { .. } => f.write_str("not all was said"),
            Self::State(path, error) => {
                write!(f, "{}: {error}", to_safe(path.as_os_str().as_encoded_bytes()))
            }
            Self::Unacknowledged(1) => write!(f, "one message was not acknowledged"),
            Self::Unacknowledged(messages) => {
                write!(f, "{messages} messages were not acknowledged")
            }
            Self::Unsent => f.write_str("not all that was read was sent"),
            Self::Unread(error) => write!(f, "standard input: {error}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        Self::Lost(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
