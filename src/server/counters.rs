//! What has happened since the start: plain numbers, counted where it happens.

use crate::protocol::Refusal;
use crate::room::notice::Closed;
use std::time::Duration;

/// Refusals, departures, and how long rounds take to be written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    refused: [u64; Refusal::ALL.len()],
    left: [u64; Gone::ALL.len()],
    #[cfg(feature = "tls")]
    unshaken: [u64; Unshaken::ALL.len()],
    /// How many handshakes of TLS are under way.
    #[cfg(feature = "tls")]
    pub handshakes: usize,
    /// How long it took to write rounds.
    pub flush: Histogram,
}

impl Counters {
    /// Somebody was answered ERR.
    pub fn refuse(&mut self, refusal: Refusal) {
        if let Some(at) = Refusal::ALL.iter().position(|known| *known == refusal) {
            self.refused[at] += 1;
        }
    }

    /// A member has gone.
    pub fn leave(&mut self, closed: Closed) {
        self.left[Gone::of(closed) as usize] += 1;
    }

    /// A handshake of TLS that was under way came to nothing.
    #[cfg(feature = "tls")]
    pub fn miss(&mut self, why: Unshaken) {
        self.handshakes -= 1;
        self.unshaken[why as usize] += 1;
    }

    /// How many handshakes came to nothing for each reason.
    #[cfg(feature = "tls")]
    pub fn unshaken(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Unshaken::ALL.into_iter().map(|(_, reason)| reason).zip(self.unshaken)
    }

    /// How often each code was answered.
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::ALL.iter().map(|refusal| refusal.code()).zip(self.refused)
    }

    /// How many members went for each reason.
    pub fn left(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Gone::ALL.into_iter().map(|(_, reason)| reason).zip(self.left)
    }

    /// How many went because they took too little.
    pub fn stalled(&self) -> u64 {
        self.left[Gone::Stalled as usize]
    }
}

/// Why a member is gone, as far as it is counted apart.
#[derive(Debug, Clone, Copy)]
enum Gone {
    Left,
    Lost,
    Stalled,
    Kicked,
    Replaced,
    Shutdown,
}

impl Gone {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Left, "left"),
        (Self::Lost, "lost"),
        (Self::Stalled, "stalled"),
        (Self::Kicked, "kicked"),
        (Self::Replaced, "replaced"),
        (Self::Shutdown, "shutdown"),
    ];

    fn of(closed: Closed) -> Self {
        match closed {
            Closed::Stalled => Self::Stalled,
            Closed::Kicked => Self::Kicked,
            Closed::Replaced => Self::Replaced,
            Closed::Shutdown | Closed::Drained => Self::Shutdown,
            // A node or a log that is lost has lost its members.
            Closed::Lost | Closed::BadFrame | Closed::NodeLost | Closed::LogLost => Self::Lost,
            // The last five never were members.
            Closed::Left
            | Closed::Ended
            | Closed::JoinTimeout
            | Closed::TooManyErrors
            | Closed::Denied
            | Closed::Banned
            | Closed::NotSmoltalk => Self::Left,
        }
    }
}

/// Why a connection is over before hands were shaken.
#[cfg(feature = "tls")]
#[derive(Debug, Clone, Copy)]
pub enum Unshaken {
    /// What one of the two spoke was no TLS, or none that the other does.
    NoTls,
    /// One of the two would not have the other's certificate, or there was none.
    Certificate,
    /// It took too long.
    Late,
    /// It just went.
    Lost,
}

#[cfg(feature = "tls")]
impl Unshaken {
    const ALL: [(Self, &'static str); 4] = [
        (Self::NoTls, "no-tls"),
        (Self::Certificate, "certificate"),
        (Self::Late, "join-timeout"),
        (Self::Lost, "lost"),
    ];
}

/// How often something took how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Histogram {
    /// For each of [`Histogram::BOUNDS`], how often it took so long and longer than the one before; behind
    /// them, how often it took longer than the last.
    counts: [u64; Histogram::BOUNDS.len() + 1],
    sum: Duration,
}

impl Histogram {
    /// In microseconds, with what they are in seconds. A round for a few members takes some 10 µs, one for 10,000
    /// some 30 ms.
    pub const BOUNDS: [(u128, &'static str); 8] = [
        (30, "0.00003"),
        (100, "0.0001"),
        (300, "0.0003"),
        (1_000, "0.001"),
        (3_000, "0.003"),
        (10_000, "0.01"),
        (30_000, "0.03"),
        (100_000, "0.1"),
    ];

    /// It took so long once more.
    pub fn count(&mut self, took: Duration) {
        let within = |(bound, _): &(u128, _)| took.as_micros() < *bound;
        let at = Self::BOUNDS.iter().position(within).unwrap_or(Self::BOUNDS.len());
        self.counts[at] += 1;
        self.sum += took;
    }

    /// For each bound, how often it took no longer.
    pub fn within(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let mut all = 0;
        Self::BOUNDS.into_iter().map(|(_, bound)| bound).zip(self.counts).map(move |(bound, n)| {
            all += n;
            (bound, all)
        })
    }

    /// How often it happened, and how long that took in all.
    pub fn total(&self) -> (u64, Duration) {
        (self.counts.iter().sum(), self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_where_they_are_counted() {
        for (at, (gone, _)) in Gone::ALL.into_iter().enumerate() {
            assert_eq!(gone as usize, at);
        }
        #[cfg(feature = "tls")]
        for (at, (why, _)) in Unshaken::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, at);
        }
    }

    #[test]
    fn each_refusal_and_each_departure_is_counted_under_its_word() {
        let mut counters = Counters::default();
        counters.refuse(Refusal::NameTaken);
        counters.leave(Closed::Ended);
        counters.leave(Closed::Left);
        counters.leave(Closed::Stalled);
        let told = |all: &mut dyn Iterator<Item = (&'static str, u64)>| {
            all.filter(|(_, n)| *n > 0).collect::<Vec<_>>()
        };
        assert_eq!(told(&mut counters.refused()), [("name-taken", 1)]);
        assert_eq!(told(&mut counters.left()), [("left", 2), ("stalled", 1)]);
        assert_eq!(counters.stalled(), 1);
    }

    #[test]
    fn a_histogram_counts_each_time_within_all_bounds_that_are_longer() {
        let mut histogram = Histogram::default();
        for micros in [7, 200, 200, 5_000_000] {
            histogram.count(Duration::from_micros(micros));
        }
        let within: Vec<u64> = histogram.within().map(|(_, n)| n).collect();
        assert_eq!(within, [1, 1, 3, 3, 3, 3, 3, 3]);
        assert_eq!(histogram.total(), (4, Duration::from_micros(5_000_407)));
        for (micros, seconds) in Histogram::BOUNDS {
            let seconds = Duration::from_secs_f64(seconds.parse().expect("a number"));
            assert_eq!(seconds.as_micros(), micros);
        }
    }
}
