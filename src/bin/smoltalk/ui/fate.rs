//! What has become of a message, and how that looks.

use std::fmt;
use std::time::Duration;

/// What has become of a message that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Whoever it was for has it, and so long it took until that was known.
    Acknowledged(Duration),
    /// The other side does not take it.
    Refused,
    /// Nobody knows, and nobody will.
    Unacknowledged,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledged(round_trip) => write!(f, "✓ {}", in_its_unit(*round_trip)),
            Self::Refused => f.write_str("✗ refused"),
            Self::Unacknowledged => f.write_str("✗ not acknowledged"),
        }
    }
}

/// A round trip, short enough to read.
pub fn in_its_unit(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..10_000 => format!("{micros} µs"),
        micros @ 10_000..10_000_000 => format!("{} ms", micros / 1_000),
        micros => format!("{} s", micros / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_is_short_to_read() {
        for (micros, shown) in [
            (184, "184 µs"),
            (9_999, "9999 µs"),
            (10_000, "10 ms"),
            (9_999_999, "9999 ms"),
            (10_000_000, "10 s"),
        ] {
            assert_eq!(in_its_unit(Duration::from_micros(micros)), shown);
        }
    }
}
