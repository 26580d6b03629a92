//! The time of day where the user is.

use std::env;
use tz::{DateTime, TimeZone};

/// A moment, as a wall clock and a calendar show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub day: Day,
    pub hour: u8,
    pub minute: u8,
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub year: i32,
    /// From 1.
    pub month: u8,
    /// From 1.
    pub of_month: u8,
    /// From 0, Sunday.
    pub weekday: u8,
}

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

    pub fn now(&self) -> Moment {
        let utc = TimeZone::utc();
        let now = DateTime::now(self.zone.as_ref()).or_else(|_| DateTime::now(utc.as_ref()));
        now.map_or(EPOCH, |now| Moment {
            day: Day {
                year: now.year(),
                month: now.month(),
                of_month: now.month_day(),
                weekday: now.week_day(),
            },
            hour: now.hour(),
            minute: now.minute(),
        })
    }
}

/// What a clock shows that was never set.
const EPOCH: Moment =
    Moment { day: Day { year: 1970, month: 1, of_month: 1, weekday: 4 }, hour: 0, minute: 0 };
