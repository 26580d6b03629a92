//! Time as it counts for connections: only that in which the server was there.

use crate::limits;
use std::time::{Duration, Instant};

/// Leaves out the time for which the server stood still: its machine was paused, or had no time for
/// it. Nobody is to blame for what he could not be given meanwhile.
#[derive(Debug, Default)]
pub struct Clock {
    /// For how long it was away in all.
    away: Duration,
    /// The last tick; `None` while nobody is watched.
    last: Option<Instant>,
}

impl Clock {
    /// What `now` is by this clock.
    pub fn at(&self, now: Instant) -> Instant {
        now.checked_sub(self.away).unwrap_or(now)
    }

    /// Notices whether the server has been away. To be called each [`limits::TICK`].
    pub fn tick(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            let passed = now.saturating_duration_since(last);
            if passed > limits::AWAY {
                self.away += passed.saturating_sub(limits::TICK);
            }
        }
    }

    /// There will be no tick for a while.
    pub fn rest(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_for_which_the_server_stood_still_does_not_count() {
        let mut clock = Clock::default();
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        for ms in [0, 25, 50, 120, 2120, 2145] {
            clock.tick(after(ms));
        }
        assert_eq!(clock.at(after(2145)), after(2145 - 2000 + 25));
    }

    #[test]
    fn time_without_anybody_to_watch_does() {
        let mut clock = Clock::default();
        let start = Instant::now();
        clock.tick(start);
        clock.rest();
        let later = start + Duration::from_secs(60);
        clock.tick(later);
        assert_eq!(clock.at(later), later);
    }
}
