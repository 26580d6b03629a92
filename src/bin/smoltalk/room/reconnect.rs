//! Getting back in after the connection was lost.

use super::enter::{options, refused};
use super::session::Session;
use crate::failure::Failure;
use crate::ui::{Next, Turn, json};
use crate::wait::when;
use futures_lite::future;
use smol::Timer;
use smoltalk::client::{Client, Error, Missed, arrive, is_final, pause};
use smoltalk::limits;
use smoltalk::protocol::Refusal;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// A connection that has lasted so long was a good one: the pauses begin anew.
const STEADY: Duration = limits::LONGEST_PAUSE;

/// How often the waiting person is shown how long it still takes.
const COUNTDOWN: Duration = Duration::from_secs(1);

impl Session<'_> {
    /// Whether coming back would be no use.
    pub(super) fn is_over(&mut self, lost: &Error) -> bool {
        let books = self.books.as_mut();
        match lost {
            // Another client has taken the name over, with the right to it. It would be taken back.
            Error::Closed { reason } if reason == "replaced" => {
                !books.is_some_and(|books| books.ledger.comes_back())
            }
            lost => is_final(lost),
        }
    }

    /// Tries until it is in again, under the same name; breaks where the person leaves first.
    pub(super) async fn reconnect(&mut self, lost: &Error) -> Result<ControlFlow<()>, Failure> {
        // A half-open connection would keep the name.
        self.client.hang_up();
        self.console.notice(&format!("smoltalk: {lost}; reconnecting"));
        let lost = self.books.as_mut().map_or(0, |books| books.ledger.disconnected());
        self.tell_lost(lost);
        self.asked = false;
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
                    self.enters(members, false)?;
                    return Ok(ControlFlow::Continue(()));
                }
                ControlFlow::Continue(Err(missed)) => self.attempt_failed(&missed, &mut said)?,
            }
        }
    }

    /// Waits until it is `time`, then tries once. Meanwhile a person may go on typing; a pipe keeps
    /// what it has, and whoever writes to it waits.
    async fn attempt(
        &mut self,
        time: Instant,
    ) -> Result<ControlFlow<(), Result<(Client, usize), Missed>>, Failure> {
        let (visit, name, failed) = (self.visit, self.name.clone(), self.attempts - 1);
        let (tls, key) = (self.tls.clone(), self.key.clone());
        let options = options(visit, self.books.as_mut(), &self.console);
        let mut arrival = Box::pin(async {
            Timer::at(time).await;
            let (tls, key, name) = (tls.as_ref(), key.as_ref(), name.as_bytes());
            Some(arrive(visit.timeout, &visit.hosts, failed, tls, key, name, options).await)
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
            let arrived = future::or(&mut arrival, second);
            match self.console.converse(0, person && !self.finished, arrived, unread).await {
                Next::Heard(arrived) => return Ok(ControlFlow::Continue(arrived)),
                // A second has passed.
                Next::Sent => {}
                Next::Here(Turn::Shown(shown)) => {
                    self.shown(shown)?;
                    self.printed()?;
                }
                Next::Here(Turn::Typed(None)) if visit.stay => self.finished = true,
                Next::Here(Turn::Typed(None)) => return Ok(ControlFlow::Break(())),
                Next::Here(Turn::Typed(Some(line))) => {
                    if self.obey_one(line).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    self.failed.take().map_or(Ok(()), Err)?;
                }
            }
        }
    }

    /// Whether somebody else has the name now: what one has left there, one's secret would have replaced.
    fn is_taken(&self, error: &Error) -> bool {
        let taken = Refusal::NameTaken.code();
        matches!(error, Error::Refused { code, .. } if code == taken)
            && self.books.as_ref().is_some_and(|books| !books.ledger.is_blind())
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
    fn attempt_failed(&mut self, missed: &Missed, said: &mut String) -> Result<(), Failure> {
        let Missed { error, unanswered } = missed;
        if let Some(books) = self.books.as_mut().filter(|_| *unanswered) {
            books.ledger.unanswered();
        }
        let why = match error {
            Error::Unreachable(_) => format!("{}: {error}", self.visit.place()),
            error => refused(error, self.key.is_some()),
        };
        if is_final(error) || self.is_taken(error) {
            let Error::Refused { code, text } = error else {
                return Err(Failure::Lost(error.clone()));
            };
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
