//! What decides who may come in: a key, bans, and from where too many wrong keys came.

use super::bans::Bans;
use super::lockout::Lockouts;
use crate::net::admission::counted_as;
use crate::net::peer::Peer;
use crate::protocol::Key;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// All that is asked about somebody at the door. By default it is open.
#[derive(Debug, Default)]
pub struct Guard {
    /// What one has to know, if anything.
    pub key: Option<Key>,
    /// Who may not come in.
    pub bans: Bans,
    lockouts: Lockouts,
}

impl Guard {
    /// One that asks for this key, if there is one, and keeps those out.
    pub fn new(key: Option<Key>, bans: Bans) -> Self {
        Self { key, bans, lockouts: Lockouts::default() }
    }

    /// Whether that one may not come in, wherever it has been until now.
    pub fn bans(&self, peer: Peer) -> bool {
        !self.bans.is_empty() && self.bans.has(peer, unix_seconds())
    }

    /// Whether this is the key. Past too many wrong ones from one address nothing is heard from there for a
    /// while; a Unix socket is no address.
    pub fn lets_in(&mut self, peer: Peer, said: &[u8], now: Instant) -> bool {
        let Some(key) = &self.key else { return true };
        let from = match peer {
            Peer::Tcp(address) => Some(counted_as(address.ip())),
            Peer::Unix | Peer::Unknown => None,
        };
        if from.is_some_and(|from| self.lockouts.has(from, now)) {
            return false;
        }
        let is_key = key.is(said);
        if let Some(from) = from.filter(|_| !is_key) {
            self.lockouts.note(from, now);
        }
        is_key
    }
}

/// What the clock on the wall says.
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use std::time::Duration;

    fn from(address: &str) -> Peer {
        Peer::Tcp(address.parse().expect("an address"))
    }

    fn guard() -> Guard {
        Guard::new(Key::new(b"sesame"), Bans::default())
    }

    #[test]
    fn past_too_many_wrong_keys_the_right_one_is_not_heard_either() {
        let (mut guard, now) = (guard(), Instant::now());
        for port in 0..limits::WRONG_KEYS {
            assert!(!guard.lets_in(from(&format!("10.0.0.1:{port}")), b"x", now));
        }
        assert!(!guard.lets_in(from("10.0.0.1:99"), b"sesame", now));
        assert!(!guard.lets_in(from("[::ffff:10.0.0.1]:99"), b"sesame", now));
        assert!(guard.lets_in(from("10.0.0.2:99"), b"sesame", now));
        assert!(guard.lets_in(from("10.0.0.1:99"), b"sesame", now + Duration::from_secs(60)));
    }

    #[test]
    fn a_network_of_64_bits_is_one_address_and_a_unix_socket_none() {
        let (mut guard, now) = (guard(), Instant::now());
        for n in 0..limits::WRONG_KEYS {
            assert!(!guard.lets_in(from(&format!("[2001:db8::{n}]:1")), b"x", now));
            assert!(!guard.lets_in(Peer::Unix, b"x", now));
        }
        assert!(!guard.lets_in(from("[2001:db8::ffff]:1"), b"sesame", now));
        assert!(guard.lets_in(from("[2001:db8:0:1::1]:1"), b"sesame", now));
        assert!(guard.lets_in(Peer::Unix, b"sesame", now));
    }

    #[test]
    fn without_a_key_whatever_is_said_is_right() {
        assert!(Guard::default().lets_in(Peer::Unknown, b"", Instant::now()));
    }
}
