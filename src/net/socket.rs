//! Sockets: one type for TCP and Unix, and the options that every connection has.

use super::admission::Permit;
use super::peer::Peer;
use super::sink::{Ended, Sink};
#[cfg(feature = "tls")]
use super::tls::Acceptor;
use super::tls::Layer;
use crate::limits;
use futures_lite::future;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::net::{self as sys, sockopt};
use smol::Async;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::Duration;

/// A connected socket that never blocks.
#[derive(Debug)]
pub struct Socket {
    io: Async<OwnedFd>,
    /// Kept from the accept: to ask the kernel costs a system call, and after a reset it has forgotten.
    peer: Peer,
    /// What lies between the bytes of the connection and those on the wire, if anything does.
    tls: Option<Layer>,
    _permit: Option<Permit>,
}

impl Socket {
    /// Takes a connected, non-blocking descriptor to the reactor.
    pub fn new(fd: OwnedFd, peer: Peer, permit: Permit) -> io::Result<Self> {
        Ok(Self { io: Async::new_nonblocking(fd)?, peer, tls: None, _permit: Some(permit) })
    }

    /// The same of one that is not counted among those of the room.
    pub fn uncounted(fd: OwnedFd, peer: Peer) -> io::Result<Self> {
        Ok(Self { io: Async::new_nonblocking(fd)?, peer, tls: None, _permit: None })
    }

    /// What is on the wire from now on, as it is.
    #[cfg(feature = "tls")]
    pub fn bare(self) -> Self {
        Self { tls: None, ..self }
    }

    /// Waits until there is something to receive, or the end, or an error. Errors are left to
    /// whoever receives next.
    ///
    /// One task at a time may wait: that one waker has its place in the reactor, where several
    /// would cost each idle connection a table of its own.
    pub async fn readable(&self) {
        // What TLS has taken off the wire already nobody else will tell of.
        if self.tls.as_ref().is_some_and(Layer::has_received) {
            return future::yield_now().await;
        }
        woken(|cx| self.io.poll_readable(cx)).await;
    }

    /// Waits until the kernel takes more, or the socket is broken. One task at a time may wait.
    pub async fn writable(&self) {
        woken(|cx| self.io.poll_writable(cx)).await;
    }

    /// Receives what is there: 0 bytes at the end of the stream, `WouldBlock` where there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.tls {
            Some(tls) => tls.receive(self, buffer),
            None => self.receive_bare(buffer),
        }
    }

    /// Goes on with TLS's handshake, or begins it: from then on, all is within TLS. `WouldBlock` where it has to
    /// [wait](Self::ready_to_shake).
    #[cfg(feature = "tls")]
    pub fn shake_hands(&mut self, acceptor: &Acceptor) -> io::Result<()> {
        if self.tls.is_none() {
            self.tls = Some(acceptor.begin()?);
        }
        let this = &*self;
        this.tls.as_ref().map_or(Ok(()), |tls| tls.shake_hands(this))
    }

    /// Whether the peer has said its last, be it read or not, before TLS has said anything to it: then its handshake
    /// comes to nothing.
    #[cfg(feature = "tls")]
    pub fn goes_unanswered(&self) -> bool {
        !self.tls.as_ref().is_some_and(Layer::has_answered) && self.has_hung_up()
    }

    #[cfg(feature = "tls")]
    fn has_hung_up(&self) -> bool {
        let mut state = [PollFd::new(&self.io, HUNG_UP)];
        let _ = poll(&mut state, Some(&Timespec::default()));
        !state[0].revents().is_empty()
    }

    /// Waits until TLS's handshake can go on.
    #[cfg(feature = "tls")]
    pub async fn ready_to_shake(&self) {
        if self.tls.as_ref().is_some_and(Layer::is_blocked) {
            self.writable().await;
        } else {
            self.readable().await;
        }
    }

    /// Says within TLS that nothing more follows, and waits until that is on its way.
    pub async fn say_last(&self) {
        let Some(tls) = &self.tls else { return };
        while let Ok(false) = tls.close(self) {
            self.writable().await;
        }
    }

    fn receive_bare(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (received, _) = sys::recv(&self.io, buffer, sys::RecvFlags::DONTWAIT)?;
        Ok(received)
    }

    fn send_bare(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        taken(sys::sendmsg(&self.io, parts, &mut sys::SendAncillaryBuffer::default(), SEND))
    }
}

/// The wire beneath TLS.
impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive_bare(buffer)
    }
}

/// The wire beneath TLS.
impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.send_bare(parts)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            sent => Ok(sent),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What all get is encrypted for each anew within TLS. Little is at once; what is longer is left to whoever sends the rest,
/// one after the other, so that nobody waits for that.
impl Sink for Socket {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.tls.is_some() {
            return self.send_vectored(&[IoSlice::new(bytes)]);
        }
        taken(sys::send(&self.io, bytes, SEND))
    }

    fn send_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes = || parts.iter().map(|part| part.len()).sum::<usize>();
        if self.tls.is_some() && bytes() > limits::ENCRYPTED_AT_ONCE {
            return Ok(0);
        }
        self.send_rest(parts)
    }

    fn send_rest(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.tls {
            Some(tls) => tls.send(self, parts),
            None => self.send_bare(parts),
        }
    }

    fn has_last_word(&self) -> bool {
        self.tls.is_some()
    }

    fn close(&self) {
        if let Some(tls) = &self.tls {
            let _ = tls.close(self);
        }
    }

    fn shut_writing(&self) {
        self.close();
        let _ = sys::shutdown(&self.io, sys::Shutdown::Write);
    }

    fn shut(&self) {
        let _ = sys::shutdown(&self.io, sys::Shutdown::Both);
    }

    fn ended(&self) -> Ended {
        // A broken connection may still have something to be read.
        let mut state = [PollFd::new(&self.io, PollFlags::empty())];
        let _ = poll(&mut state, Some(&Timespec::default()));
        if !state[0].revents().is_empty() {
            return Ended::All;
        }
        let flags = sys::RecvFlags::PEEK | sys::RecvFlags::DONTWAIT;
        match sys::recv(&self.io, &mut [0; 1], flags) {
            Ok((0, _)) => Ended::Stream,
            Ok(_) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ended::Nothing,
            Err(_) => Ended::All,
        }
    }

    fn peer(&self) -> Peer {
        self.peer
    }
}

/// Waits until `poll` is ready, or has woken the task: that is the answer already.
///
/// What it says when it is polled again is whether the event is newer than the one before, which it is
/// not taken to be while the reactor is busy: a socket with something to read would wait for another
/// turn of the reactor, and another. It is asked all the same, so that it does not give the same event
/// as the answer to the next question.
async fn woken(mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>>) {
    let mut waits = false;
    poll_fn(|cx| {
        let polled = poll(cx).map(drop);
        let is_woken = mem::replace(&mut waits, true);
        if is_woken { Poll::Ready(()) } else { polled }
    })
    .await;
}

/// Sends as much of `bytes` as the kernel takes at once, to one of whom nothing more is wanted.
pub fn send_once(fd: impl AsFd, bytes: &[u8]) {
    let _ = sys::send(fd, bytes, SEND);
}

const SEND: sys::SendFlags = sys::SendFlags::DONTWAIT.union(sys::SendFlags::NOSIGNAL);

/// What a poll tells beside the end of both directions: elsewhere, who has ended one is answered.
#[cfg(all(feature = "tls", target_os = "linux"))]
const HUNG_UP: PollFlags = PollFlags::RDHUP;
#[cfg(all(feature = "tls", not(target_os = "linux")))]
const HUNG_UP: PollFlags = PollFlags::empty();

fn taken(sent: rustix::io::Result<usize>) -> io::Result<usize> {
    match sent {
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
        sent => Ok(sent?),
    }
}

/// A descriptor that is always readable: who waits for it waits for one turn of the reactor.
#[derive(Debug)]
pub struct Turn(Async<OwnedFd>);

impl Turn {
    /// Takes a descriptor for it.
    pub fn new() -> io::Result<Self> {
        let flags = EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC;
        Ok(Self(Async::new_nonblocking(eventfd(1, flags)?)?))
    }

    /// Waits until all that has become ready in the meantime is known, and not for anything else.
    pub async fn over(&self) {
        let _ = poll_fn(|cx| self.0.poll_readable(cx)).await;
    }
}

/// Sets what every connection is to have. From a listener they inherit it, so that none of it costs
/// a system call for each of them.
// It is long, and called in several places.
#[inline(never)]
pub(crate) fn set_connection_options(fd: impl AsFd) -> io::Result<()> {
    // Without it, a small line waits up to 40 ms for the acknowledgement of the one before.
    sockopt::set_tcp_nodelay(&fd, true)?;
    sockopt::set_socket_send_buffer_size(&fd, limits::SEND_BUFFER)?;
    sockopt::set_socket_recv_buffer_size(&fd, limits::RECEIVE_BUFFER)?;
    sockopt::set_socket_keepalive(&fd, true)?;
    set_keepalive(&fd, 0)?;
    sockopt::set_tcp_keepcnt(&fd, limits::KEEPALIVE_COUNT)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(&fd, limits::USER_TIMEOUT_MS)?;
    Ok(())
}

/// Chooses when an idle peer is asked whether it is still there: by the row of [`limits::KEEPALIVE`]
/// that `number` falls on.
fn set_keepalive(fd: impl AsFd, number: usize) -> io::Result<()> {
    let (idle, interval) = limits::KEEPALIVE[number % limits::KEEPALIVE.len()];
    sockopt::set_tcp_keepidle(&fd, Duration::from_secs(idle))?;
    Ok(sockopt::set_tcp_keepintvl(&fd, Duration::from_secs(interval))?)
}

/// Lets a connection that has just been accepted ask at other times than those accepted with it.
///
/// The one thing that it cannot inherit: thousands may have come before the first is accepted.
pub(crate) fn spread_keepalive(fd: &OwnedFd) -> io::Result<()> {
    // The system gives the lowest number that is free: neighbours in time have different ones.
    set_keepalive(fd, usize::try_from(fd.as_raw_fd()).unwrap_or_default())
}
