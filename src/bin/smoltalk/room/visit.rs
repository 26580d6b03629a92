//! What a visit to a room is to be like.

use crate::failure::place;
use crate::ui::{Grammar, Looks};
use smoltalk::client::Trust;
use smoltalk::protocol::Key;
use std::path::PathBuf;
use std::time::Duration;

/// Where to go, as whom.
// Each bool is a switch of the command line.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, PartialEq, Eq)]
pub struct Visit {
    /// Hosts and ports of servers that are one room. A Unix socket, `unix:` and its path, has no port.
    pub hosts: Vec<(String, u16)>,
    /// Not yet checked: the answer to a bad one is the server's.
    pub username: Option<String>,
    /// What to believe, and to show, within TLS, if that is how to come there.
    pub tls: Option<Trust>,
    /// The key of the room, if it is known.
    pub key: Option<Key>,
    /// Go on listening after standard input has ended.
    pub stay: bool,
    /// All of standard input is one message.
    pub whole: bool,
    /// Show so many of the last messages on coming in; some on a terminal and none in a pipe, if that is
    /// not said.
    pub last: Option<u64>,
    /// Come back after the connection was lost; on a terminal and not in a pipe, if that is not said.
    pub reconnect: Option<bool>,
    /// Where is kept what it takes to go on later.
    pub resume: Option<PathBuf>,
    /// How long connecting and joining may take together.
    pub timeout: Duration,
    pub grammar: Grammar,
    /// On a terminal, a bare line is a message.
    pub chats: bool,
    pub looks: Looks,
}

/// Messages shown on a terminal on coming in.
const LAST: u64 = 20;

impl Visit {
    /// Whether to come back after the connection was lost.
    pub fn comes_back(&self, terminal: bool) -> bool {
        self.reconnect.unwrap_or(terminal)
    }

    /// How many of the last messages to show on coming in.
    pub fn shows(&self, terminal: bool) -> u64 {
        self.last.unwrap_or(if terminal { LAST } else { 0 })
    }

    /// What typed lines mean. Who likes to chat has not meant the scripts.
    pub fn grammar(&self, terminal: bool) -> Grammar {
        match self.grammar {
            Grammar::Commands if self.chats && terminal => Grammar::Chat,
            grammar => grammar,
        }
    }

    /// The servers, as a person writes them.
    pub fn place(&self) -> String {
        let places = self.hosts.iter().map(|(host, port)| place(host, *port));
        places.collect::<Vec<_>>().join(",")
    }
}
