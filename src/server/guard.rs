//! What decides who may come in: a key, bans, and from where too many wrong keys came.

use super::bans::Bans;
use super::lockout::Lockouts;
use crate::net::admission::counted_as;
use crate::net::peer::Peer;
use crate::protocol::Key;
use std::net::IpAddr;
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

    /// Hears what somebody has for a key. Past too many wrong ones from one address nothing is heard from there for a
    /// while; a Unix socket is no address.
    pub fn hear(&mut self, peer: Peer, said: &[u8], now: Instant) -> Heard {
        let Some(key) = &self.key else { return Heard::Right };
        let from = match peer {
            Peer::Tcp(address) => Some(counted_as(address.ip())),
            Peer::Unix | Peer::Unknown => None,
        };
        if from.is_some_and(|from| self.lockouts.has(from, now)) {
            return Heard::Nothing;
        }
        if key.is(said) {
            return Heard::Right;
        }
        let locked_out = from.filter(|from| self.lockouts.note(*from, now));
        Heard::Wrong { locked_out }
    }
}

/// What was heard of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is the one.
    Right,
    /// It is another one.
    Wrong {
        /// From where, as it is counted, nothing is heard from now on.
        locked_out: Option<IpAddr>,
    },
    /// Nothing, as too many wrong ones came from there.
    Nothing,
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

    fn lets_in(guard: &mut Guard, peer: Peer, said: &[u8], now: Instant) -> bool {
        guard.hear(peer, said, now) == Heard::Right
    }

    fn guard() -> Guard {
        Guard::new(Key::new(b"sesame"), Bans::default())
    }

    #[test]
    fn past_too_many_wrong_keys_the_right_one_is_not_heard_either() {
        let (mut guard, now) = (guard(), Instant::now());
        for port in 0..limits::WRONG_KEYS {
            assert!(!lets_in(&mut guard, from(&format!("10.0.0.1:{port}")), b"x", now));
        }
        assert!(!lets_in(&mut guard, from("10.0.0.1:99"), b"sesame", now));
        assert!(!lets_in(&mut guard, from("[::ffff:10.0.0.1]:99"), b"sesame", now));
        assert!(lets_in(&mut guard, from("10.0.0.2:99"), b"sesame", now));
        assert!(lets_in(&mut guard, from("10.0.0.1:99"), b"sesame", now + Duration::from_secs(60)));
    }

    #[test]
    fn a_network_of_64_bits_is_one_address_and_a_unix_socket_none() {
        let (mut guard, now) = (guard(), Instant::now());
        for n in 0..limits::WRONG_KEYS {
            assert!(!lets_in(&mut guard, from(&format!("[2001:db8::{n}]:1")), b"x", now));
            assert!(!lets_in(&mut guard, Peer::Unix, b"x", now));
        }
        assert!(!lets_in(&mut guard, from("[2001:db8::ffff]:1"), b"sesame", now));
        assert!(lets_in(&mut guard, from("[2001:db8:0:1::1]:1"), b"sesame", now));
        assert!(lets_in(&mut guard, Peer::Unix, b"sesame", now));
    }

    #[test]
    fn what_begins_a_lockout_says_of_which_net_and_nothing_after_it_does() {
        let (mut guard, now) = (guard(), Instant::now());
        let mut hear = |key| guard.hear(from("[2001:db8::7]:1"), key, now);
        for _ in 1..limits::WRONG_KEYS {
            assert_eq!(hear(b"x"), Heard::Wrong { locked_out: None });
        }
        let net = "2001:db8::".parse().expect("an address");
        assert_eq!(hear(b"x"), Heard::Wrong { locked_out: Some(net) });
        for key in [&b"x"[..], b"sesame"] {
            assert_eq!(hear(key), Heard::Nothing);
        }
    }

    #[test]
    fn without_a_key_whatever_is_said_is_right() {
        assert!(lets_in(&mut Guard::default(), Peer::Unknown, b"", Instant::now()));
    }
}
