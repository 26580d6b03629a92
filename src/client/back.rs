//! Coming, and coming back: how, when it is no use, and how long to wait.

use super::connect::within;
use super::{Client, Error, Tls};
use crate::limits;
use crate::protocol::{JoinOptions, Key, Refusal};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why one is not in.
#[derive(Debug, Clone)]
pub struct Missed {
    /// What went wrong.
    pub error: Error,
    /// A JOIN was sent, and was not answered: it may still arrive.
    pub unanswered: bool,
}

/// Connects to one of the hosts, by `tls` if that is how, and joins, in `time`: with these options, or as many of them as the
/// server [knows](Client::join_if_known), and the `key` where it asks for one. After so many that have `failed`,
/// another host comes first. Returns how many members the room has, too.
pub async fn arrive(
    time: Duration,
    hosts: &[(String, u16)],
    failed: u32,
    tls: Option<&Tls>,
    key: Option<&Key>,
    name: &[u8],
    options: JoinOptions,
) -> Result<(Client, usize), Missed> {
    let mut hosts: Vec<(&str, u16)> =
        hosts.iter().map(|(host, port)| (host.as_str(), *port)).collect();
    let count = hosts.len().max(1);
    hosts.rotate_left(failed as usize % count);
    let began = Instant::now();
    let connected = Client::connect_with(time, hosts, tls).await;
    let mut client = connected.map_err(|error| Missed { error, unanswered: false })?;
    let rest = time.saturating_sub(began.elapsed());
    let mut asked = false;
    let join = async {
        if let Some(key) = key {
            client.pass(key).await?;
        }
        asked = true;
        client.join_if_known(name, options).await
    };
    let joined = within(rest, join).await;
    match joined.unwrap_or_else(|| Err(late(time))) {
        Ok(members) => Ok((client, members)),
        Err(error) => {
            let unanswered = asked && !matches!(error, Error::Refused { .. });
            Err(Missed { error, unanswered })
        }
    }
}

fn late(time: Duration) -> Error {
    let late = format!("no answer to JOIN within {} s", time.as_secs_f32());
    Error::Unreachable(Arc::new(io::Error::new(io::ErrorKind::TimedOut, late)))
}

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
        Error::Untrusted(_) => true,
        Error::Refused { code, .. } => !passes.contains(&code.as_str()),
        _ => false,
    }
}

/// How long to wait after so many failed attempts: next to nothing before the first, and then a `random`
/// part of what is allowed, so that a whole room does not come back at once.
#[must_use]
pub fn pause(failed: u32, random: u64) -> Duration {
    let allowed = match failed.checked_sub(1) {
        None => limits::AT_ONCE,
        Some(doubled) => {
            limits::PAUSE.saturating_mul(1 << doubled.min(16)).min(limits::LONGEST_PAUSE)
        }
    };
    let thousandths = u32::try_from(random % 1001).unwrap_or_default();
    allowed / 2 + allowed / 2 * thousandths / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use limits::{AT_ONCE, LONGEST_PAUSE, PAUSE};
    use proptest::prelude::*;

    #[test]
    fn the_first_attempt_comes_at_once_and_the_last_late() {
        assert_eq!(pause(0, 0), AT_ONCE / 2);
        assert_eq!(pause(0, 1000), AT_ONCE);
        assert_eq!(pause(1, 0), PAUSE / 2);
        assert_eq!(pause(2, 1000), 2 * PAUSE);
        assert_eq!(pause(u32::MAX, 0), LONGEST_PAUSE / 2);
        assert_eq!(pause(u32::MAX, 1000), LONGEST_PAUSE);
    }

    proptest! {
        #[test]
        fn pauses_grow_and_stay_within_their_limits(failed: u32, one: u64, other: u64) {
            let (this, next) = (pause(failed, one), pause(failed.saturating_add(1), other));
            prop_assert!(this >= AT_ONCE / 2 && this <= LONGEST_PAUSE);
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
