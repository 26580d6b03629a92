//! How what is said gets into a socket: as the socket takes it, in order, and until it takes no more.

use crate::limits;
use futures_lite::AsyncWrite;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bytes to be sent, of which the first have been sent.
#[derive(Debug, Default)]
pub struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
    mute: bool,
}

impl Unsent {
    /// How many bytes the socket has not taken yet.
    pub fn len(&self) -> usize {
        self.rest().len()
    }

    /// Whether the socket will take no more. What it did not take is gone.
    pub fn is_mute(&self) -> bool {
        self.mute
    }

    /// Where more is appended.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Sends what `socket` takes; ready once there is no more to send.
    pub fn poll_into(
        &mut self,
        socket: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        while self.len() > 0 {
            match ready!(Pin::new(&mut *socket).poll_write(cx, self.rest())) {
                Ok(sent) if sent > 0 => self.took(sent),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The other side is gone. The reason may be among the bytes that came before:
                // reading goes on, and comes to the end.
                Ok(_) | Err(_) => *self = Self { mute: true, ..Self::default() },
            }
        }
        Poll::Ready(())
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    fn took(&mut self, sent: usize) {
        self.sent += sent;
        // Moved up only when more goes than stays: each byte is moved once, on average.
        if 2 * self.sent >= self.bytes.len() {
            self.bytes.drain(..self.sent);
            self.sent = 0;
            self.bytes.shrink_to(limits::UNSENT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_in_order_however_they_are_taken() {
        let mut unsent = Unsent::default();
        let (mut pushed, mut taken) = (0_u8, 0_u8);
        for step in 0..200 {
            for _ in 0..step % 7 {
                unsent.tail().push(pushed);
                pushed = pushed.wrapping_add(1);
            }
            for _ in 0..unsent.len().min(step % 5) {
                assert_eq!(unsent.rest()[0], taken);
                taken = taken.wrapping_add(1);
                unsent.took(1);
            }
        }
    }
}
