//! One room on several nodes, which share a log in Redis.
//!
//! A node submits what its members did ([`Item`]), and does nothing else about it. What comes of it comes
//! back from the stream, as what other nodes' members did does ([`Event::Entries`]), in one order for all
//! nodes, and is applied only then. All that has to be decided about names is decided in Redis, by two
//! scripts: `start.lua` and `commit.lua`.
//!
//! Whoever uses it sees to this:
//!
//! - Each item comes back as one entry by the same [`Holder`], in the order in which they were submitted:
//!   so it is enough to count, for each connection, what has not come back. A JOIN, PING or WHO waits until that
//!   is nothing, and its connection is not read meanwhile.
//! - Nobody who can wait is read while the node is away, [`Node::is_full`] or [`Node::is_held`]. Each event is
//!   an occasion to look again. Departures are submitted at any time.
//! - [`Event::Fenced`] and [`Event::Lost`] end all members. Guests whose JOIN was under way ask again after
//!   [`Event::Started`], which replaces all that was known: names, history, floor, place in the log.
//! - A `since` before [`Started::floor`], or behind the last entry, has a gap. It is judged when the JOIN has
//!   come back.
//! - Before the future is dropped at the end, the departures that were submitted have to come back.

mod alarm;
mod answer;
mod engine;
mod event;
mod gather;
mod item;
mod keep;
mod link;
mod pack;
mod socket;
mod stay;
#[cfg(test)]
mod tests;

pub use event::{Event, Started};
pub use item::{Deed, Item};
pub use pack::{Entry, Epoch, Holder, Pack, Party, Refused, SecretHash};

use crate::limits::{self, Limits};
use crate::protocol::Name;
use async_channel::Receiver;
use engine::Engine;
use link::Keys;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};
use stay::Shared;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where a Redis is; fails where the address is none. What the crate would say of it may repeat a
/// password.
pub fn address(url: &str) -> io::Result<ConnectionInfo> {
    let info = url.into_connection_info().ok();
    let plain = info.filter(|info| !matches!(info.addr(), ConnectionAddr::TcpTls { .. }));
    let takes = "takes redis://[user:password@]host[:port][/db] or unix:PATH, and no TLS";
    plain.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, takes))
}

/// A node's handle: where its members' deeds go.
#[derive(Debug)]
pub struct Node {
    shared: Arc<Shared>,
}

impl Node {
    /// A node of this room in the Redis at this address; fails only where that is none. What comes back
    /// comes from the receiver. The node works for as long as the future is run: dropped, it is dead.
    pub fn open(
        url: &str,
        room: Name,
        limits: &Limits,
    ) -> io::Result<(Self, Receiver<Event>, impl Future<Output = ()> + Send + use<>)> {
        let redis = address(url)?;
        let (bell, rung) = async_channel::bounded(1);
        let (events, heard) = async_channel::bounded(limits::DELIVERIES);
        let shared = Arc::new(Shared::new(bell));
        let engine = Engine::new(redis, Keys::new(room), limits, shared.clone(), events, rung);
        Ok((Self { shared }, heard, engine.run()))
    }

    /// Takes in what a member did, which goes on its way with the next batch. Where the epoch is over,
    /// nothing becomes of it.
    pub fn submit(&self, epoch: Epoch, item: &Item<'_>) {
        self.shared.gathered().push(epoch, item);
    }

    /// Has a batch sent of what was submitted, unless one is under way: then it is the next.
    pub fn send(&self) {
        // A bell that rings already need not ring twice.
        let _ = self.shared.bell.try_send(());
    }

    /// Whether so much has gathered that nobody who can wait should say more. There is room again, at the
    /// latest, when the next [`Event::Entries`] has come.
    pub fn is_full(&self) -> bool {
        self.shared.gathered().bytes() >= limits::BATCH
    }

    /// By how many bytes the slowest node is behind.
    pub fn behind(&self) -> u64 {
        self.shared.behind.load(Ordering::Relaxed)
    }

    /// Whether members should wait for a slow node. Departures do not: the node that is waited for may be
    /// the one that gives up a stalled member.
    pub fn is_held(&self) -> bool {
        self.behind() > limits::BEHIND
    }
}
