//! How fast a member may talk.

use crate::limits;
use crate::room::SeatId;
use std::time::{Duration, Instant};

/// What is known of each who has talked, where there is a pace.
#[derive(Debug)]
pub struct Paces {
    pace: Option<Pace>,
    /// By the numbers of their seats.
    ahead: Vec<Option<Ahead>>,
}

impl Paces {
    /// So many lines a second; 0 for any number.
    pub fn new(lines_a_second: u32) -> Self {
        Self { pace: Pace::new(lines_a_second), ahead: Vec::new() }
    }

    /// Whether there is a pace.
    pub fn are_kept(&self) -> bool {
        self.pace.is_some()
    }

    /// How long this one has to wait before it says so many lines.
    pub fn wait(&self, id: SeatId, lines: u32, now: Instant) -> Duration {
        let ahead = self.ahead.get(id).copied().flatten();
        self.pace.map_or(Duration::ZERO, |pace| pace.wait(ahead, lines, now))
    }

    /// It has said them.
    pub fn said(&mut self, id: SeatId, lines: u32, now: Instant) {
        let Some(pace) = self.pace.filter(|_| lines > 0) else { return };
        let ahead = self.of(id);
        *ahead = Some(pace.said(*ahead, lines, now));
    }

    /// Another connection is the same member now: it has said what that one has said.
    pub fn hand_over(&mut self, from: SeatId, to: SeatId) {
        if let Some(ahead) = self.forget(from) {
            *self.of(to) = Some(ahead);
        }
    }

    /// The seat may be another's from now on.
    pub fn forget(&mut self, id: SeatId) -> Option<Ahead> {
        self.ahead.get_mut(id)?.take()
    }

    fn of(&mut self, id: SeatId) -> &mut Option<Ahead> {
        if self.ahead.len() <= id {
            self.ahead.resize(id + 1, None);
        }
        &mut self.ahead[id]
    }
}

/// So many lines a second, and [`limits::BURST`] worth of them at once. Pure: it says how long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The time in which one more line may be said.
    line: Duration,
}

/// How far one has talked ahead of its time: until when it would have to be silent to have all of its
/// burst again.
#[derive(Debug, Clone, Copy)]
pub struct Ahead(Instant);

impl Pace {
    /// None for 0.
    pub fn new(lines_a_second: u32) -> Option<Self> {
        let line = Duration::from_secs(1).checked_div(lines_a_second)?;
        Some(Self { line })
    }

    /// How long to wait before so many lines may be said. More than the burst go through once there is
    /// all of it: on credit.
    pub fn wait(self, ahead: Option<Ahead>, lines: u32, now: Instant) -> Duration {
        let owed = ahead.map_or(Duration::ZERO, |ahead| ahead.0.saturating_duration_since(now));
        let wanted = self.line.saturating_mul(lines).min(limits::BURST);
        (owed + wanted).saturating_sub(limits::BURST)
    }

    /// What is known of one that has said so many lines now.
    pub fn said(self, ahead: Option<Ahead>, lines: u32, now: Instant) -> Ahead {
        let from = ahead.map_or(now, |ahead| ahead.0.max(now));
        Ahead(from + self.line.saturating_mul(lines))
    }
}

/// For how many lines a payload counts.
pub fn lines_of(payload: usize) -> u32 {
    u32::try_from(payload.div_ceil(1024)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// When each of these is said by one who says as much as it may.
    fn said(pace: u32, lines: &[u32]) -> Vec<Duration> {
        let (pace, start) = (Pace::new(pace).expect("a pace"), Instant::now());
        let (mut ahead, mut now) = (None, start);
        let one = |lines: &u32| {
            now += pace.wait(ahead, *lines, now);
            ahead = Some(pace.said(ahead, *lines, now));
            now - start
        };
        lines.iter().map(one).collect()
    }

    #[test]
    fn ten_seconds_worth_goes_at_once_and_then_so_many_a_second() {
        for pace in [1, 3, 7, 50, 1000] {
            let burst = 10 * pace as usize;
            let times = said(pace, &vec![1; burst + 2 * pace as usize]);
            assert_eq!(times[burst - 1], Duration::ZERO, "{pace}");
            let next = times[burst].as_secs_f64() * f64::from(pace);
            assert!((next - 1.0).abs() < 0.001, "{pace}: {next}");
            let last = times[burst + 2 * pace as usize - 1].as_secs_f64();
            assert!((last - 2.0).abs() < 0.001, "{pace}: {last}");
        }
        assert!(Pace::new(0).is_none());
    }

    #[test]
    fn what_is_larger_than_the_burst_goes_through_on_credit() {
        let seconds =
            |lines: &[u32]| -> Vec<u64> { said(1, lines).iter().map(Duration::as_secs).collect() };
        assert_eq!(seconds(&[64, 1]), [0, 55]);
        // Once all of the burst is there; but no sooner.
        assert_eq!(seconds(&[4, 64, 1]), [0, 4, 59]);
        // What the burst could hold has to wait until it does.
        assert_eq!(seconds(&[9, 10]), [0, 9]);
    }

    #[test]
    fn a_payload_counts_a_line_for_each_kibibyte() {
        assert_eq!([1, 1024, 1025, 65_536].map(lines_of), [1, 1, 2, 64]);
        assert_eq!(lines_of(0), 1);
    }

    proptest! {
        #[test]
        fn in_no_time_more_is_said_than_its_worth_and_the_burst(
            pace in 1_u32..100, lines in proptest::collection::vec(1_u32..5, 1..200),
        ) {
            let times = said(pace, &lines);
            let times: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
            for (from, first) in times.iter().enumerate() {
                let mut sum = 0;
                for (at, time) in times.iter().enumerate().skip(from) {
                    sum += lines[at];
                    let worth = f64::from(pace) * (time - first + 10.0);
                    prop_assert!(f64::from(sum) <= worth + 0.01);
                }
            }
        }
    }
}
