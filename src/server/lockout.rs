//! From where too many wrong keys came.

use crate::limits;
use std::net::IpAddr;
use std::time::Instant;

/// What is known of wrong keys, by what counts as an address. No larger than [`limits::LOCKOUTS`].
#[derive(Debug, Default)]
pub struct Lockouts(Vec<(IpAddr, Wrong)>);

/// The wrong keys of the last minute; or that there were too many, and since when.
#[derive(Debug)]
enum Wrong {
    Some(Vec<Instant>),
    TooMany(Instant),
}

impl Wrong {
    /// Whether nothing of it counts any more.
    fn is_over(&self, now: Instant) -> bool {
        !is_recent(self.last(), now)
    }

    fn last(&self) -> Option<Instant> {
        match self {
            Self::Some(times) => times.last().copied(),
            Self::TooMany(since) => Some(*since),
        }
    }
}

fn is_recent(time: Option<Instant>, now: Instant) -> bool {
    time.is_some_and(|time| now.saturating_duration_since(time) < limits::LOCKOUT)
}

impl Lockouts {
    /// Whether keys from there are not heard now.
    pub fn has(&self, from: IpAddr, now: Instant) -> bool {
        let known = self.0.iter().find(|(known, _)| *known == from);
        matches!(known, Some((_, wrong @ Wrong::TooMany(_))) if !wrong.is_over(now))
    }

    /// A wrong key was heard from there. Whether it is the one past which none is heard.
    pub fn note(&mut self, from: IpAddr, now: Instant) -> bool {
        let known = self.0.iter().position(|(known, _)| *known == from);
        let at = known.unwrap_or_else(|| {
            self.make_room(now);
            self.0.push((from, Wrong::Some(Vec::new())));
            self.0.len() - 1
        });
        let wrong = &mut self.0[at].1;
        if wrong.is_over(now) {
            *wrong = Wrong::Some(Vec::new());
        }
        if let Wrong::Some(times) = wrong {
            times.retain(|time| is_recent(Some(*time), now));
            times.push(now);
            if times.len() >= limits::WRONG_KEYS {
                *wrong = Wrong::TooMany(now);
                return true;
            }
        }
        false
    }

    /// Forgets what does not count any more; and where all does, the oldest. Whoever has so many addresses
    /// that he can bring that about needs no address twice.
    fn make_room(&mut self, now: Instant) {
        if self.0.len() < limits::LOCKOUTS {
            return;
        }
        self.0.retain(|(_, wrong)| !wrong.is_over(now));
        if self.0.len() >= limits::LOCKOUTS {
            let oldest = self.0.iter().enumerate().min_by_key(|(_, (_, wrong))| wrong.last());
            if let Some(at) = oldest.map(|(at, _)| at) {
                self.0.swap_remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    fn ip(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn past_ten_in_a_minute_nothing_is_heard_for_a_minute() {
        let (mut lockouts, start) = (Lockouts::default(), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        for secs in 0..9 {
            assert!(!lockouts.note(ip(1), at(secs)));
        }
        assert!(!lockouts.has(ip(1), at(9)));
        assert!(lockouts.note(ip(1), at(59)));
        assert!(!lockouts.note(ip(1), at(59)));
        assert!(lockouts.has(ip(1), at(59)) && !lockouts.has(ip(2), at(59)));
        assert!(lockouts.has(ip(1), at(59 + 59)));
        assert!(!lockouts.has(ip(1), at(59 + 60)));
        // From then on it is counted anew.
        lockouts.note(ip(1), at(120));
        assert!(!lockouts.has(ip(1), at(120)));
    }

    #[test]
    fn ten_in_more_than_a_minute_are_not_too_many() {
        let (mut lockouts, start) = (Lockouts::default(), Instant::now());
        for n in 0..100 {
            let now = start + Duration::from_secs(7) * n;
            lockouts.note(ip(1), now);
            assert!(!lockouts.has(ip(1), now));
        }
    }

    #[test]
    fn what_is_known_is_bounded() {
        let (mut lockouts, start) = (Lockouts::default(), Instant::now());
        for _ in 0..limits::WRONG_KEYS {
            lockouts.note(ip(0), start + Duration::from_secs(1));
        }
        let many = u32::try_from(limits::LOCKOUTS).expect("few");
        for number in 1..many + 100 {
            lockouts.note(ip(number), start);
        }
        assert_eq!(lockouts.0.len(), limits::LOCKOUTS);
        // What is newest stays.
        assert!(lockouts.has(ip(0), start + Duration::from_secs(1)));
        lockouts.note(ip(1), start + Duration::from_secs(99));
        assert_eq!(lockouts.0.len(), 1);
    }
}
