//! Where the bytes of a connection go.

use super::peer::Peer;
use std::io::{self, IoSlice};
use std::sync::Arc;

/// What of a connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing.
    Nothing,
    /// The peer says no more, and all that it said has been read. It may still listen.
    Stream,
    /// Both directions: it is broken.
    All,
}

/// The way out to a peer: a socket, or what stands for one in a test. Nothing here waits.
pub trait Sink {
    /// Takes as much of `bytes` as it can at once; that may be nothing.
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Takes as much of `parts` as it can at once, up to [`limits::PIECES`](crate::limits::PIECES) of
    /// them.
    fn send_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;
    /// The same for what was not taken at once, by whoever sends the rest: it may take some time to make
    /// ready, but not wait.
    fn send_rest(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send_vectored(parts)
    }
    /// Whether it says something itself behind the last byte. Then that is left to whoever can wait until it
    /// is said.
    fn has_last_word(&self) -> bool {
        false
    }
    /// Says that nothing more will be sent. The peer may have gone: that is no error here.
    fn shut_writing(&self);
    /// All is said, both ways, and it will be dropped: what closes a socket says nothing within TLS.
    fn close(&self) {}
    /// Ends the connection in both directions; whoever waits for it is woken.
    fn shut(&self);
    /// How much of the connection has ended, as far as that is known.
    fn ended(&self) -> Ended;
    /// Who is at the other end.
    fn peer(&self) -> Peer;
}

impl<S: Sink> Sink for Arc<S> {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        (**self).send(bytes)
    }

    fn send_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        (**self).send_vectored(parts)
    }

    fn send_rest(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        (**self).send_rest(parts)
    }

    fn has_last_word(&self) -> bool {
        (**self).has_last_word()
    }

    fn shut_writing(&self) {
        (**self).shut_writing();
    }

    fn close(&self) {
        (**self).close();
    }

    fn shut(&self) {
        (**self).shut();
    }

    fn ended(&self) -> Ended {
        (**self).ended()
    }

    fn peer(&self) -> Peer {
        (**self).peer()
    }
}
