//! What a visit to a room is to be like.

use crate::ui::{Grammar, Looks};
use std::time::Duration;

/// Where to go, as whom.
// Each bool is a switch of the command line.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, PartialEq, Eq)]
pub struct Visit {
    pub host: String,
    pub port: u16,
    /// Not yet checked: the answer to a bad one is the server's.
    pub username: Option<String>,
    /// Go on listening after standard input has ended.
    pub stay: bool,
    /// All of standard input is one message.
    pub whole: bool,
    /// Come back after the connection was lost.
    pub reconnect: bool,
    /// How long connecting and joining may take together.
    pub timeout: Duration,
    pub grammar: Grammar,
    pub looks: Looks,
}
