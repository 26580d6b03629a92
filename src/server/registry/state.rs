//! How the server stands, for its operator: read in one moment, and put into words elsewhere.

use super::Registry;
use crate::log::{JournalState, NodeState};
use crate::net::admission::Door;
use crate::net::peer::Peer;
use crate::net::sink::Sink;
use crate::protocol::Name;
use crate::room::Tally;
use crate::server::bans::Net;
use crate::server::counters::Counters;
use crate::server::guard::unix_seconds;
use std::time::{Duration, Instant};

/// How the server stands.
#[derive(Debug, Clone)]
pub struct State {
    /// For how long it has been there.
    pub uptime: Duration,
    /// Who is in, and connected here.
    pub members: usize,
    /// Who is connected and has not joined.
    pub guests: usize,
    /// What has been said.
    pub tally: Tally,
    /// Bytes that sockets have taken.
    pub sent: u64,
    /// For how many connections something waits.
    pub lagging: usize,
    /// How many bytes that is, those counted once that several wait for.
    pub backlog: usize,
    /// How many bytes may wait.
    pub max_backlog: usize,
    /// How many connections there is room for.
    pub max_connections: usize,
    /// What has happened.
    pub counters: Counters,
    /// How the journal does, if there is one.
    pub journal: Option<JournalState>,
    /// How it stands with those who share its log, if anybody does.
    pub node: Option<NodeState>,
    /// How many are in, here and elsewhere.
    pub room: usize,
    /// It says goodbye.
    pub is_draining: bool,
    /// How it stands with TLS, where it listens within it.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsState>,
}

/// How a server stands with TLS.
#[cfg(feature = "tls")]
#[derive(Debug, Clone, Copy)]
pub struct TlsState {
    /// Until when its certificate holds, in seconds since 1970.
    pub not_after: Option<u64>,
}

/// A member, for an operator.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name.
    pub name: Name,
    /// Where it comes from.
    pub peer: Peer,
    /// Since when it is connected.
    pub seconds: u32,
    /// How many bytes wait for it.
    pub waiting: usize,
}

impl<S: Sink + Clone> Registry<S> {
    /// How it stands. Nothing here takes longer where there are more members.
    #[inline(never)]
    pub fn state(&self, door: &Door, now: Instant) -> State {
        State {
            uptime: self.room.age(now),
            members: self.room.members_here(),
            guests: self.room.guests(),
            tally: self.room.tally(),
            sent: self.delivery.sent(),
            lagging: self.delivery.behind(),
            backlog: self.delivery.memory(),
            max_backlog: self.delivery.max_memory(),
            max_connections: door.max_connections(),
            counters: self.counters,
            journal: self.log.journal_state(),
            node: self.log.node_state(now),
            room: self.room.members(),
            is_draining: self.is_draining,
            // Is not in the room's hands.
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The next members behind `last`, of whom so many are looked at, and the last of these: `None` at the end.
    pub fn rows(&self, last: Option<Name>, most: usize, now: Instant) -> (Vec<Row>, Option<Name>) {
        let now = self.clock.at(now);
        let mut end = None;
        let mut rows = Vec::new();
        for (name, seat) in self.room.members_behind(last).take(most) {
            end = Some(name);
            let Some(seat) = seat else { continue };
            let (peer, seconds) = (self.peer(seat), self.room.seconds(seat, now));
            rows.push(Row { name, peer, seconds, waiting: self.delivery.waiting(seat) });
        }
        (rows, end)
    }

    /// The nets that are banned, each with the seconds for which it still is, if not for ever.
    pub fn banned(&self) -> impl Iterator<Item = (Net, Option<u64>)> {
        let now = unix_seconds();
        self.guard.bans.iter(now).map(move |(net, until)| (net, until.map(|until| until - now)))
    }
}
