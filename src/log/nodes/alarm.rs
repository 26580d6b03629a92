//! Waiting for a moment that is put off again and again.

use smol::Timer;
use std::time::Instant;

/// A timer for moments that mostly are put off before they come. It is set anew only when it has rung too
/// early: to set one wakes the reactor, which costs as much as the message in hand.
#[derive(Debug)]
pub struct Alarm {
    timer: Timer,
    /// When it rings, where it is set.
    at: Option<Instant>,
}

impl Alarm {
    /// One that is not set.
    pub fn new() -> Self {
        Self { timer: Timer::never(), at: None }
    }

    /// Waits until then. May be dropped, and asked again for another moment.
    pub async fn wait_until(&mut self, due: Instant) {
        while Instant::now() < due {
            if self.at.is_none_or(|at| at > due) {
                self.timer.set_at(due);
                self.at = Some(due);
            }
            (&mut self.timer).await;
            self.at = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_once};
    use std::time::Duration;

    #[test]
    fn it_rings_at_the_moment_that_was_asked_for_last() {
        let mut alarm = Alarm::new();
        let began = Instant::now();
        let in_ms = |ms| began + Duration::from_millis(ms);
        block_on(async {
            // Put off, and brought forward.
            for ms in [20, 3_600_000, 40] {
                assert!(poll_once(alarm.wait_until(in_ms(ms))).await.is_none());
            }
            alarm.wait_until(in_ms(40)).await;
            assert!(Instant::now() >= in_ms(40));
            alarm.wait_until(in_ms(60)).await;
            assert!(Instant::now() >= in_ms(60));
            alarm.wait_until(in_ms(1)).await;
        });
    }
}
