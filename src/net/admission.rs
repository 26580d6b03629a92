//! The door: how many connections there are, and who gets in.

use super::peer::Peer;
use crate::limits::{self, Limits};
use crate::protocol::Refusal;
use rustix::process::{Resource, getrlimit, setrlimit};
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections. Every one carries a [`Permit`], which frees its place when the socket goes.
#[derive(Debug)]
pub struct Door {
    max_connections: usize,
    max_per_address: usize,
    census: Mutex<Census>,
}

#[derive(Debug, Default)]
struct Census {
    connections: usize,
    refused: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Whether a connection gets in.
#[derive(Debug)]
pub enum Admission {
    /// It has a place.
    Welcome(Permit),
    /// It has none, and is to be told so. Without a permit, so many are being told already that
    /// nobody waits until it has heard.
    Full(Full, Option<Permit>),
}

/// What has no place for another connection. Displayed, it is for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The server: it takes so many.
    Server(usize),
    /// What counts as the connection's address: so many from there are in.
    Address(usize),
}

impl Full {
    /// What it says to a person who does not get in.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Server(_) => Refusal::Full.explanation(),
            Self::Address(_) => "there are too many connections from your address",
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(most) => write!(f, "the server has {most} of {most}"),
            Self::Address(most) => write!(f, "its address has {most} of {most}"),
        }
    }
}

/// A connection's place, as long as its socket is open.
#[derive(Debug)]
pub struct Permit {
    door: Arc<Door>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Counted,
    /// Boxed: without a limit an address, nobody pays for it.
    CountedAt(Box<IpAddr>),
    Refused,
}

impl Door {
    /// A door for as many as `limits` say, and no more than the descriptor limit allows.
    pub fn new(limits: &Limits) -> Self {
        Self {
            max_connections: places(limits.max_connections, descriptors_allow()),
            max_per_address: limits.max_per_address,
            census: Mutex::default(),
        }
    }

    /// How many connections get in.
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// Counts a connection from `peer`.
    pub fn admit(self: &Arc<Self>, peer: Peer) -> Admission {
        let mut census = self.census();
        let permit = |place| Permit { door: self.clone(), place };
        let address = match peer {
            Peer::Tcp(address) if self.max_per_address > 0 => Some(counted_as(address.ip())),
            _ => None,
        };
        let at_address = address.map_or(0, |ip| census.by_address.get(&ip).copied().unwrap_or(0));
        let full = if census.connections >= self.max_connections {
            Full::Server(self.max_connections)
        } else if address.is_some() && at_address >= self.max_per_address {
            Full::Address(self.max_per_address)
        } else {
            census.connections += 1;
            let Some(ip) = address else { return Admission::Welcome(permit(Place::Counted)) };
            census.by_address.insert(ip, at_address + 1);
            return Admission::Welcome(permit(Place::CountedAt(Box::new(ip))));
        };
        drop(census);
        Admission::Full(full, self.refuse())
    }

    /// Counts a connection that is to be told why it does not get in.
    pub fn refuse(self: &Arc<Self>) -> Option<Permit> {
        let mut census = self.census();
        let is_heard_out = census.refused < limits::REFUSED_AT_ONCE;
        census.refused += usize::from(is_heard_out);
        is_heard_out.then(|| Permit { door: self.clone(), place: Place::Refused })
    }

    fn census(&self) -> MutexGuard<'_, Census> {
        self.census.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut census = self.door.census();
        match &self.place {
            Place::Refused => census.refused -= 1,
            Place::Counted => census.connections -= 1,
            Place::CountedAt(ip) => {
                census.connections -= 1;
                let last = census.by_address.get_mut(ip).is_none_or(|count| {
                    *count -= 1;
                    *count == 0
                });
                if last {
                    census.by_address.remove(ip.as_ref());
                }
            }
        }
    }
}

/// Raises the soft limit of descriptors to the hard one, as far as the system lets it.
pub fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

/// What counts as one address: an IPv4 address, also within an IPv6 one; of others the first 64 bits.
///
/// A network of 64 bits is what one customer gets, and each machine in it has as many addresses as
/// it likes.
pub fn counted_as(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// How many connections there are places for: as many as `wanted`, where 0 is any number, and no
/// more than `possible`.
fn places(wanted: usize, possible: usize) -> usize {
    if wanted == 0 { possible } else { wanted.min(possible) }
}

/// How many connections the limit of descriptors leaves room for.
fn descriptors_allow() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    limit.saturating_sub(limits::RESERVED_DESCRIPTORS).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(max_connections: usize, max_per_address: usize) -> Arc<Door> {
        let limits = Limits { max_connections, max_per_address, ..Limits::default() };
        Arc::new(Door::new(&limits))
    }

    fn peer(address: &str) -> Peer {
        Peer::Tcp(address.parse().expect("an address"))
    }

    fn welcome(admission: Admission) -> Option<Permit> {
        match admission {
            Admission::Welcome(permit) => Some(permit),
            Admission::Full(..) => None,
        }
    }

    #[test]
    fn a_place_is_free_again_when_its_permit_goes() {
        let door = door(1, 0);
        let first = welcome(door.admit(Peer::Unix));
        assert!(first.is_some());
        assert!(welcome(door.admit(Peer::Unix)).is_none());
        drop(first);
        assert!(welcome(door.admit(Peer::Unix)).is_some());
    }

    #[test]
    fn no_number_is_as_many_as_possible_and_no_number_is_more() {
        assert_eq!([0, 1, 7, 8, usize::MAX].map(|wanted| places(wanted, 7)), [7, 1, 7, 7, 7]);
    }

    #[test]
    fn an_address_has_its_own_limit() {
        let door = door(9, 1);
        let first = welcome(door.admit(peer("10.0.0.1:1")));
        assert!(first.is_some());
        assert!(welcome(door.admit(peer("10.0.0.1:2"))).is_none());
        assert!(welcome(door.admit(peer("10.0.0.2:1"))).is_some());
        drop(first);
        assert!(welcome(door.admit(peer("10.0.0.1:3"))).is_some());
        assert!(door.census().by_address.is_empty(), "nothing is kept of who has gone");
    }

    #[test]
    fn a_network_of_64_bits_is_one_address_and_a_mapped_ipv4_address_another() {
        let door = door(9, 1);
        let _first = door.admit(peer("[2001:db8:1:2::1]:1"));
        for same in ["[2001:db8:1:2::1]:2", "[2001:db8:1:2:ffff:ffff:ffff:ffff]:1"] {
            let refused = door.admit(peer(same));
            assert!(matches!(refused, Admission::Full(Full::Address(1), Some(_))), "{same}");
        }
        let others = ["[2001:db8:1:3::1]:1", "[::ffff:10.0.0.1]:1", "10.0.0.2:1", "[::1]:1"];
        let others = others.map(|other| welcome(door.admit(peer(other))));
        assert!(others.iter().all(Option::is_some));
        assert!(welcome(door.admit(peer("10.0.0.1:2"))).is_none());
        assert!(welcome(door.admit(peer("[::ffff:10.0.0.2]:2"))).is_none());
        drop(others);
        assert_eq!(door.census().by_address.len(), 1);
    }

    #[test]
    fn so_many_are_heard_out_and_the_rest_just_closed() {
        let door = door(1, 0);
        let _first = welcome(door.admit(Peer::Unix));
        let told: Vec<_> = (0..limits::REFUSED_AT_ONCE).map(|_| door.admit(Peer::Unix)).collect();
        let full = Full::Server(1);
        let is_told = |it: &Admission| matches!(it, Admission::Full(why, Some(_)) if *why == full);
        assert!(told.iter().all(is_told));
        assert!(matches!(door.admit(Peer::Unix), Admission::Full(why, None) if why == full));
    }
}
