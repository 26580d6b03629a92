//! One end of a connection, whatever is spoken on it: what is said goes out as the socket takes it,
//! what comes in is cut into frames. A client in a room and a side of a conversation of two are both
//! made of it; they differ in who hears the frames.

use super::unsent::Unsent;
use super::wire::Wire;
use crate::limits;
use crate::protocol::frames::{Frame, Frames};
use crate::protocol::lines::Line;
use futures_lite::{AsyncRead, future};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bytes read at once where little comes. On the stack: an idle connection costs no buffer.
const LITTLE: usize = 16 * 1024;

/// Who hears what comes in. What it answers by itself, it appends to `out`.
pub trait Hear {
    /// Takes a frame in; says what follows it.
    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<u8>) -> Next;

    /// Looks at a line whose LF has not come yet: it may never.
    fn beginning(&mut self, line: Line<'_>, out: &mut Vec<u8>);

    /// Nothing more comes. A `torn` last line, whose LF never came, may be half of another: it says
    /// nothing, but to whoever has not been greeted yet, what is there instead.
    fn end(&mut self, torn: Option<Line<'_>>, out: &mut Vec<u8>);

    /// The connection broke.
    fn lost(&mut self, how: ErrorKind);

    /// Whether so much waits to be taken, or with so much `unsent` to be read by the other side, that
    /// reading should stop.
    fn is_full(&self, unsent: usize) -> bool;
}

/// What follows a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A line.
    Line,
    /// A payload of so many bytes.
    Payload(usize),
    /// So many bytes that are not wanted.
    Unwanted(u64),
}

/// A connection, and who hears what comes in on it.
#[derive(Debug)]
pub struct Link<H> {
    wire: Wire,
    frames: Frames,
    /// Where much comes, it is read into this, until nothing more is there.
    scratch: Option<Box<[u8]>>,
    /// Something has come in, and nothing else has had its turn since.
    heard: bool,
    pub unsent: Unsent,
    pub inbox: H,
}

impl<H: Hear> Link<H> {
    /// The lines of the other side have at most `longest` bytes.
    pub fn new(wire: impl Into<Wire>, longest: usize, inbox: H) -> Self {
        let (wire, frames) = (wire.into(), Frames::new(longest));
        Self { wire, frames, scratch: None, heard: false, unsent: Unsent::default(), inbox }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.wire.peer_addr().ok()
    }

    /// Whether reading has stopped until something is taken.
    pub fn is_full(&self) -> bool {
        self.inbox.is_full(self.unsent.len())
    }

    /// Sends and hears until `done` comes to something. It is told whether all has been sent: what
    /// was queued, and what a dropped future has left behind.
    pub async fn until<T>(&mut self, mut done: impl FnMut(&mut Self, bool) -> Option<T>) -> T {
        poll_fn(|cx| {
            loop {
                let sent = self.unsent.poll_into(&mut self.wire, cx).is_ready();
                if let Some(result) = done(self, sent) {
                    return Poll::Ready(result);
                }
                ready!(self.poll_hear(cx));
            }
        })
        .await
    }

    /// Sends what waits, and hears nothing.
    pub async fn send(&mut self) {
        poll_fn(|cx| self.unsent.poll_into(&mut self.wire, cx)).await;
    }

    /// Says that nothing more follows, and waits until the other side has seen it.
    pub async fn close(&mut self) {
        // How it ends makes no difference any more.
        let _ = close(&mut self.wire).await;
    }

    /// Ends the connection, both ways.
    pub fn hang_up(&self) {
        // One that is gone already is as good.
        let _ = self.wire.hang_up();
    }

    /// Ready once something came in, were it the end. Nothing does while too much waits.
    fn poll_hear(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_full() {
            return Poll::Pending;
        }
        // Who talks without end, and be it of nothing, must not keep this task from all else: from a
        // signal, or the end of the time that the other side was given.
        if std::mem::take(&mut self.heard) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Taken out as long as it is read into: what is not put back, as at a wait, is given back.
        let mut scratch = self.scratch.take();
        let mut little = [0; LITTLE];
        let buffer = scratch.as_deref_mut().unwrap_or(&mut little);
        match ready!(Pin::new(&mut self.wire).poll_read(cx, buffer)) {
            Ok(0) => self.inbox.end(self.frames.pending(), self.unsent.tail()),
            Ok(received) => {
                self.hear(&buffer[..received]);
                let much = received >= LITTLE;
                self.scratch = scratch.or_else(|| much.then(|| vec![0; limits::SCRATCH].into()));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => self.inbox.lost(error.kind()),
        }
        self.heard = true;
        Poll::Ready(())
    }

    fn hear(&mut self, mut received: &[u8]) {
        let out = self.unsent.tail();
        while let Some(frame) = self.frames.next(&mut received) {
            match self.inbox.frame(frame, out) {
                Next::Line => {}
                Next::Payload(len) => self.frames.expect(len),
                Next::Unwanted(len) => self.frames.skip(len),
            }
        }
        if let Some(line) = self.frames.pending() {
            self.inbox.beginning(line, out);
        }
    }
}

/// Says that nothing more follows on `wire`, and reads on to its end: what arrives at a closed
/// socket is answered by a reset, which can overtake what was sent.
pub async fn close(wire: &mut Wire) -> io::Result<()> {
    wire.shut_writing()?;
    let read = |cx: &mut Context<'_>, wire: &mut Wire| {
        // On the stack: in the future, it would be kept for all that time.
        Pin::new(wire).poll_read(cx, &mut [0; LITTLE])
    };
    while poll_fn(|cx| read(cx, wire)).await? > 0 {
        // It may go on for ever, and not have so much time.
        future::yield_now().await;
    }
    Ok(())
}
