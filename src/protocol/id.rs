//! The id of what happened in the room: when, and its place among what happened in the same
//! millisecond.

use std::fmt;

/// `<ms>-<n>`: rises strictly in the room's order. `ms` is Unix time, and counts on in `n` where the
/// clock stands still or goes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    ms: u64,
    n: u64,
}

impl Id {
    /// Where a log stands that has begun at `ms` and is empty.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self { ms, n: 0 }
    }

    /// The first id behind this one for something that happens at `ms`.
    #[must_use]
    pub fn next(self, ms: u64) -> Self {
        if ms > self.ms {
            return Self { ms, n: 0 };
        }
        // The counter never ends in practice; a peer may have made this one up.
        match self.n.checked_add(1) {
            Some(n) => Self { n, ..self },
            None => Self { ms: self.ms.saturating_add(1), n: 0 },
        }
    }

    /// When it happened, in milliseconds since 1970.
    #[must_use]
    pub fn ms(self) -> u64 {
        self.ms
    }

    /// Reads `<ms>-<n>`, both decimal and without leading zeros.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        let dash = word.iter().position(|b| *b == b'-')?;
        Some(Self { ms: number(&word[..dash])?, n: number(&word[dash + 1..])? })
    }

    /// The id that precedes a line, and the line after it.
    #[must_use]
    pub fn stamped(line: &[u8]) -> (Option<Self>, &[u8]) {
        let stamp = || {
            let space = line.iter().position(|b| *b == b' ')?;
            Some((Self::parse(line[..space].strip_prefix(b"@")?)?, &line[space + 1..]))
        };
        stamp().map_or((None, line), |(id, rest)| (Some(id), rest))
    }

    /// Appends what precedes a line: `@<ms>-<n>` and a space.
    pub fn stamp(self, out: &mut Vec<u8>) {
        out.push(b'@');
        push_number(self.ms, out);
        out.push(b'-');
        push_number(self.n, out);
        out.push(b' ');
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.n)
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_digit)
        && (digits.len() == 1 || digits.first() != Some(&b'0'));
    str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

/// Appends decimal digits, without the formatter: each message has an id.
fn push_number(mut n: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(n % 10).unwrap_or_default();
        n /= 10;
        if n == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

#[cfg(feature = "redis")]
impl Id {
    /// The id that is so many before this one in the same millisecond, if there is one.
    #[must_use]
    pub(crate) fn back(self, many: u64) -> Option<Self> {
        Some(Self { n: self.n.checked_sub(many)?, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_rise_also_where_the_clock_stands_still_or_goes_back() {
        let mut last = Id::from_ms(5);
        for (ms, expected) in [(5, "5-1"), (5, "5-2"), (3, "5-3"), (9, "9-0"), (9, "9-1")] {
            let next = last.next(ms);
            assert!(next > last);
            assert_eq!(next.to_string(), expected);
            last = next;
        }
        let end = Id { ms: 7, n: u64::MAX };
        assert_eq!(end.next(7), Id { ms: 8, n: 0 });
    }

    #[test]
    fn an_id_is_two_numbers_without_leading_zeros() {
        assert_eq!(Id::parse(b"0-0"), Some(Id::default()));
        for bad in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "01-1",
            "1-01",
            "00-0",
            "1-1-1",
            "+1-1",
            "1-1 ",
            "x-1",
            "18446744073709551616-0",
        ] {
            assert_eq!(Id::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_stamp_belongs_to_the_line() {
        for line in ["MSG bob hi", "@x MSG bob hi", "@1-1", "", "@", "1-1 MSG bob hi"] {
            assert_eq!(Id::stamped(line.as_bytes()), (None, line.as_bytes()), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn a_stamp_reads_back(ms: u64, n: u64) {
            let id = Id { ms, n };
            let mut line = Vec::new();
            id.stamp(&mut line);
            prop_assert_eq!(String::from_utf8(line.clone()), Ok(format!("@{id} ")));
            line.extend_from_slice(b"MSG bob  hi");
            prop_assert_eq!(Id::stamped(&line), (Some(id), &b"MSG bob  hi"[..]));
            prop_assert_eq!(Id::parse(id.to_string().as_bytes()), Some(id));
        }
    }
}
