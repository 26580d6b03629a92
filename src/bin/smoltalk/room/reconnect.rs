//! Getting back in after the connection was lost.

use super::enter::{arrive, greet};
use super::session::Session;
use crate::failure::Failure;
use crate::ui::{Next, Turn, json};
use crate::wait::when;
use futures_lite::future;
use smol::Timer;
use smoltalk::client::{Client, Error};
use smoltalk::protocol::Refusal;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::{Duration, Instant};

/// The longest pause before the first attempt. Half of it at least is waited for.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause before any attempt: each may be twice as long as the one before, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A connection that has lasted so long was a good one: the pauses begin anew.
const STEADY: Duration = LONGEST_PAUSE;

/// How often the waiting person is shown how long it still takes.
const COUNTDOWN: Duration = Duration::from_secs(1);

/// Whether `lost` is an end that coming back would only repeat.
pub fn is_final(lost: &Error) -> bool {
    // Another client has taken the name over, with the right to it. It would be taken back.
    matches!(lost, Error::Closed { reason } if reason == "replaced")
}

/// How long to wait after so many failed attempts: a random part of what is allowed, so that a
/// whole room does not come back at once.
fn pause(failed: u32, random: u64) -> Duration {
    let allowed = FIRST_PAUSE.saturating_mul(1 << failed.min(16)).min(LONGEST_PAUSE);
    let thousandths = u32::try_from(random % 1001).unwrap_or_default();
    allowed / 2 + allowed / 2 * thousandths / 1000
}

impl Session<'_> {
    /// Tries until it is in again, under the same name; breaks where the person leaves first.
    pub(super) async fn reconnect(&mut self, lost: &Error) -> Result<ControlFlow<()>, Failure> {
        // A half-open connection would keep the name.
        self.client.hang_up();
        self.console.notice(&format!("smoltalk: {lost}; reconnecting"));
        match self.unconfirmed.disconnected() {
            0 => {}
            1 => self.console.notice("smoltalk: the last line may not have arrived"),
            n => self.console.notice(&format!("smoltalk: the last {n} lines may not have arrived")),
        }
        if self.since.elapsed() >= STEADY {
            self.attempts = 0;
        }
        let mut said = String::new();
        loop {
            let pause = pause(self.attempts, RandomState::new().hash_one(self.attempts));
            self.attempts = self.attempts.saturating_add(1);
            match self.attempt(Instant::now() + pause).await? {
                ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
                ControlFlow::Continue(Ok((client, members))) => {
                    self.client = client;
                    self.connected = true;
                    self.since = Instant::now();
                    self.console.notice("smoltalk: connected again");
                    greet(self.visit, &mut self.console, &mut self.client, &self.name, members);
                    return Ok(ControlFlow::Continue(()));
                }
                ControlFlow::Continue(Err(error)) => self.attempt_failed(&error, &mut said)?,
            }
        }
    }

    /// Waits until it is `time`, then tries once. Meanwhile a person may go on typing; a pipe keeps
    /// what it has, and whoever writes to it waits.
    async fn attempt(
        &mut self,
        time: Instant,
    ) -> io::Result<ControlFlow<(), Result<(Client, usize), Error>>> {
        let (visit, name) = (self.visit, self.name.clone());
        let mut arrival = pin!(async {
            Timer::at(time).await;
            Some(arrive(visit, &name).await)
        });
        let person = self.console.is_terminal();
        loop {
            self.show_progress(time);
            let second = async {
                when(person).await;
                Timer::after(COUNTDOWN).await;
                None
            };
            let reader = &self.reader;
            let unread = async {
                when(!person).await;
                reader.gone().await
            };
            let arrived = future::or(arrival.as_mut(), second);
            match self.console.converse(0, person && !self.finished, arrived, unread).await {
                Next::Heard(arrived) => return Ok(ControlFlow::Continue(arrived)),
                // A second has passed.
                Next::Sent => {}
                Next::Here(Turn::Shown(shown)) => shown?,
                Next::Here(Turn::Typed(None)) if visit.stay => self.finished = true,
                Next::Here(Turn::Typed(None)) => return Ok(ControlFlow::Break(())),
                Next::Here(Turn::Typed(Some(line))) => {
                    if self.obey_one(line).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
    }

    /// What a person is shown in place of the prompt, in one line that changes.
    fn show_progress(&mut self, time: Instant) {
        let left = time.saturating_duration_since(Instant::now()).as_millis().div_ceil(1000);
        let attempt = self.attempts;
        self.console.prompt(&match left {
            0 => format!("(offline, attempt {attempt}) {}> ", self.name),
            left => format!("(offline, attempt {attempt} in {left} s) {}> ", self.name),
        });
    }

    /// Says so; fails where another attempt would not go otherwise. A person is told what he has not
    /// been told before, for the prompt shows the rest.
    fn attempt_failed(&mut self, error: &Error, said: &mut String) -> Result<(), Failure> {
        let why = error.to_string();
        if let Error::Refused { code, text } = error
            // The name one had may still be held by the connection that is gone.
            && code != Refusal::NameTaken.code()
        {
            self.console.json(|now| json::err(now, code, text));
            return Err(Failure::Refused(why));
        }
        if !self.console.is_terminal() {
            self.console.notice(&format!("smoltalk: attempt {}: {why}", self.attempts));
        } else if *said != why {
            self.console.notice(&format!("smoltalk: {why}"));
            *said = why;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
