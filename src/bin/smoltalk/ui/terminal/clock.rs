//! The time of day where the user is.

use std::env;
use tz::{DateTime, TimeZone};

/// Knows the user's time zone; where none can be found out, UTC.
#[derive(Debug)]
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    pub fn new() -> Self {
        let named = env::var("TZ").ok().filter(|name| !name.is_empty());
        let zone = match named {
            Some(name) => TimeZone::from_posix_tz(&name),
            None => TimeZone::local(),
        };
        Self { zone: zone.unwrap_or_else(|_| TimeZone::utc()) }
    }

    /// The moment, as a wall clock and a calendar show it; their beginning, where they show none.
    pub fn now(&self) -> DateTime {
        let utc = TimeZone::utc();
        let now = DateTime::now(self.zone.as_ref()).or_else(|_| DateTime::now(utc.as_ref()));
        now.unwrap_or_else(|_| moment(1970, 1, 1, 0, 0))
    }

    /// The moment so many milliseconds after the beginning of 1970, or now, where no calendar has it.
    pub fn at(&self, ms: u64) -> DateTime {
        let seconds = i64::try_from(ms / 1000).ok();
        let at = |seconds| DateTime::from_timespec(seconds, 0, self.zone.as_ref()).ok();
        seconds.and_then(at).unwrap_or_else(|| self.now())
    }
}

/// A moment in UTC.
pub fn moment(year: i32, month: u8, day: u8, hour: u8, minute: u8) -> DateTime {
    let utc = tz::LocalTimeType::utc();
    DateTime::new(year, month, day, hour, minute, 0, 0, utc).expect("there is such a time")
}
