//! Coming back: when it is no use, and how long to wait.

use super::error::Error;
use crate::limits;
use crate::protocol::Refusal;
use std::time::Duration;

/// Whether coming back after this would only come to the same: one was put out, or is not let in. Who
/// was `replaced` asks the [ledger](super::Ledger::comes_back).
#[must_use]
pub fn is_final(end: &Error) -> bool {
    // The name may still be held by the connection that is gone, and a full room has a place one day.
    let passes = [Refusal::NameTaken, Refusal::Full].map(Refusal::code);
    match end {
        Error::Closed { reason } => {
            let word = reason.split(' ').next().unwrap_or_default();
            ["", "kicked", "denied"].contains(&word)
        }
        Error::Refused { code, .. } => !passes.contains(&code.as_str()),
        _ => false,
    }
}

/// How long to wait after so many failed attempts: a `random` part of what is allowed, so that a
/// whole room does not come back at once.
#[must_use]
pub fn pause(failed: u32, random: u64) -> Duration {
    let (first, longest) = (limits::FIRST_PAUSE, limits::LONGEST_PAUSE);
    let allowed = first.saturating_mul(1 << failed.min(16)).min(longest);
    let thousandths = u32::try_from(random % 1001).unwrap_or_default();
    allowed / 2 + allowed / 2 * thousandths / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use limits::{FIRST_PAUSE, LONGEST_PAUSE};
    use proptest::prelude::*;

    #[test]
    fn the_first_pause_is_short_and_the_last_long() {
        assert_eq!(pause(0, 0), FIRST_PAUSE / 2);
        assert_eq!(pause(0, 1000), FIRST_PAUSE);
        assert_eq!(pause(1, 1000), 2 * FIRST_PAUSE);
        assert_eq!(pause(u32::MAX, 0), LONGEST_PAUSE / 2);
        assert_eq!(pause(u32::MAX, 1000), LONGEST_PAUSE);
    }

    proptest! {
        #[test]
        fn pauses_grow_and_stay_within_their_limits(failed: u32, one: u64, other: u64) {
            let (this, next) = (pause(failed, one), pause(failed.saturating_add(1), other));
            prop_assert!(this >= FIRST_PAUSE / 2 && this <= LONGEST_PAUSE);
            prop_assert!(next >= this / 2);
        }
    }

    #[test]
    fn who_was_put_out_stays_out() {
        let closed = |reason: &str| Error::Closed { reason: reason.into() };
        for end in [closed(""), closed("kicked"), closed("kicked for good"), closed("denied")] {
            assert!(is_final(&end), "{end}");
        }
        for end in ["shutdown", "stalled", "replaced", "node-lost", "log-lost"].map(closed) {
            assert!(!is_final(&end), "{end}");
        }
        for (code, is) in
            [("denied", true), ("banned", true), ("name-taken", false), ("full", false)]
        {
            assert_eq!(is_final(&Error::said(code, "")), is, "{code}");
        }
        assert!(!is_final(&Error::Lost(std::io::ErrorKind::UnexpectedEof)));
    }
}
