//! The id of an entry: when it happened, and its place among those of the same millisecond.

/// Rises strictly in the room's order: `ms` is Unix time, and counts on in `n` where the clock
/// stands still or goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    ms: u64,
    n: u64,
}

impl Id {
    /// Where a log stands that has begun at `ms` and is empty.
    pub fn from_ms(ms: u64) -> Self {
        Self { ms, n: 0 }
    }

    /// The first id behind this one for something that happens at `ms`.
    #[must_use]
    pub fn next(self, ms: u64) -> Self {
        if ms > self.ms { Self { ms, n: 0 } } else { Self { ms: self.ms, n: self.n + 1 } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_also_where_the_clock_stands_still_or_goes_back() {
        let mut last = Id::from_ms(5);
        for (ms, expected) in [(5, (5, 1)), (5, (5, 2)), (3, (5, 3)), (9, (9, 0)), (9, (9, 1))] {
            let next = last.next(ms);
            assert!(next > last);
            assert_eq!((next.ms, next.n), expected);
            last = next;
        }
    }
}
