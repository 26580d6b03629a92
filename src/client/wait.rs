//! How a client waits: whatever it waits for, it goes on sending and hearing.

use super::{Client, Error, Event};
use crate::protocol::Command;
use crate::protocol::frames::Frame;
use crate::protocol::lines::Line;
use futures_lite::AsyncRead;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

impl Client {
    /// Waits for HELLO.
    pub(super) async fn greeting(&mut self) -> Result<(), Error> {
        let greeted = |client: &mut Self, _| {
            let end = || client.heard.end().cloned().map(Err);
            client.heard.is_greeted().then_some(Ok(())).or_else(end)
        };
        self.until(greeted).await
    }

    /// Sends `command` and waits for the first event from then on in which `read` sees its answer.
    /// All other events wait for `next`.
    pub(super) async fn ask<T>(
        &mut self,
        command: Command<'_>,
        read: impl Fn(&Event) -> Option<Result<T, Error>>,
    ) -> Result<T, Error> {
        self.sent().await?;
        if self.heard.is_full() {
            return Err(Error::Behind);
        }
        self.queue(command)?;
        let mut seen = self.heard.len();
        self.until(|Self { heard, .. }, _| {
            let answer = heard.take_answer(&mut seen, &read);
            let end = || heard.end().cloned().map(Err);
            answer.or_else(end).or_else(|| heard.is_full().then_some(Err(Error::Behind)))
        })
        .await
    }

    /// Waits until the socket has taken everything.
    pub(super) async fn sent(&mut self) -> Result<(), Error> {
        self.until(|Self { heard, unsent, .. }, sent| match heard.end() {
            Some(end) => Some(Err(end.clone())),
            None if sent && !unsent.is_mute() => Some(Ok(())),
            // The reason may have come, but nothing is heard while so much waits.
            None if unsent.is_mute() && heard.is_full() => {
                Some(Err(Error::Lost(io::ErrorKind::BrokenPipe)))
            }
            None => None,
        })
        .await
    }

    /// Says LEAVE and waits for BYE.
    pub(super) async fn goodbye(&mut self) -> Result<(), Error> {
        self.queue(Command::Leave)?;
        self.until(|Self { heard, .. }, _| match heard.end() {
            // Without BYE the server has seen us go all the same.
            Some(Error::Closed { .. } | Error::Lost(_)) => Some(Ok(())),
            Some(end) => Some(Err(end.clone())),
            None => {
                // Who leaves has stopped listening; but BYE comes after all the rest.
                if heard.is_full() {
                    heard.forget();
                }
                None
            }
        })
        .await
    }

    /// Sends and hears until `done` comes to something. It is told whether all has been sent: what
    /// was queued, and what a dropped future has left behind.
    pub(super) async fn until<T>(
        &mut self,
        mut done: impl FnMut(&mut Self, bool) -> Option<T>,
    ) -> T {
        poll_fn(|cx| {
            loop {
                let sent = self.unsent.poll_into(&mut self.socket, cx).is_ready();
                if let Some(result) = done(self, sent) {
                    return Poll::Ready(result);
                }
                ready!(self.poll_hear(cx));
            }
        })
        .await
    }

    /// Ready once something came in, were it the end. Nothing does while too much waits.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.heard.is_full() {
            return Poll::Pending;
        }
        // Not kept between calls: an idle client costs no buffer.
        let mut scratch = [0; 16 * 1024];
        match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut scratch)) {
            Ok(0) => self.hear_the_end(),
            Ok(received) => self.hear(&scratch[..received]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.heard.finish(Error::Lost(error.kind())),
        }
        Poll::Ready(())
    }

    fn hear(&mut self, mut received: &[u8]) {
        while let Some(frame) = self.frames.next(&mut received) {
            if let Some(len) = self.heard.frame(frame) {
                self.frames.expect(len);
            }
        }
        // Not only once its LF has come: it may never.
        if let Some(line @ Line::TooLong { .. }) = self.frames.pending() {
            self.heard.frame(Frame::Line(line));
        }
    }

    fn hear_the_end(&mut self) {
        if let Some(line) = self.frames.pending() {
            self.heard.frame(Frame::Line(line));
        }
        self.heard.finish(Error::Lost(io::ErrorKind::UnexpectedEof));
    }
}
