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
    ///
    /// It stands still from [`limits::AWAY`] after a tick on, until the next one: so it never goes
    /// back, and nothing is dated into a time that did not count.
    pub fn at(&self, now: Instant) -> Instant {
        let now = self.last.map_or(now, |last| now.min(last + limits::AWAY));
        now.checked_sub(self.away).unwrap_or(now)
    }

    /// Notices whether the server has been away. To be called at the beginning of each time that
    /// somebody is watched, and then each [`limits::TICK`].
    pub fn tick(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            self.away += now.saturating_duration_since(last).saturating_sub(limits::AWAY);
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
        assert_eq!(clock.at(after(2145)), after(2145 - 2000 + 100));
    }

    #[test]
    fn it_stands_still_and_does_not_go_back() {
        let mut clock = Clock::default();
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        clock.tick(start);
        assert_eq!(clock.at(after(2000)), after(100));
        clock.tick(after(2000));
        assert_eq!(clock.at(after(2000)), after(100));
        assert_eq!(clock.at(after(2010)), after(110));
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
