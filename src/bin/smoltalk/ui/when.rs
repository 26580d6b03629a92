//! When something happened that is shown.

use smoltalk::protocol::Id;
use std::time::{SystemTime, UNIX_EPOCH};
use tz::UtcDateTime;

/// When something in the room happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct When {
    /// Its place in the room's order, if the server says it.
    pub id: Option<Id>,
    /// It was before one came.
    pub before: bool,
}

impl When {
    /// The time at which it happened, where that is not now: milliseconds since 1970.
    pub fn ms(self) -> Option<u64> {
        self.id.filter(|_| self.before).map(Id::ms)
    }
}

/// UTC, to the millisecond. A clock that stands before 1970 is taken to stand at its beginning, as is
/// one that has outlived all calendars.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let Ok(utc) = UtcDateTime::from_timespec(seconds, 0) else { return rfc3339(UNIX_EPOCH) };
    let date = format!("{:04}-{:02}-{:02}", utc.year(), utc.month(), utc.month_day());
    let time = format!("{:02}:{:02}:{:02}", utc.hour(), utc.minute(), utc.second());
    format!("{date}T{time}.{:03}Z", since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_calendar_is_gregorian() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_454, "2026-01-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            let noon = Duration::from_secs(days * 86_400 + 12 * 3600);
            assert_eq!(rfc3339(UNIX_EPOCH + noon), format!("{expected}T12:00:00.000Z"));
        }
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
    }
}
