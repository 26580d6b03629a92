//! Sockets: one type for TCP and Unix, and the options that every connection has.

use crate::door::Permit;
use crate::limits;
use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{self as sys, AddressFamily, SocketAddrAny, SocketFlags, SocketType, sockopt};
use smol::Async;
use std::fmt;
use std::fs;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A connected socket that never blocks.
#[derive(Debug)]
pub struct Socket {
    io: Async<OwnedFd>,
    /// Kept from the accept: to ask the kernel costs a system call, and after a reset it has forgotten.
    peer: Peer,
    _permit: Permit,
}

impl Socket {
    /// Takes a connected, non-blocking descriptor to the reactor.
    pub fn new(fd: OwnedFd, peer: Peer, permit: Permit) -> io::Result<Self> {
        Ok(Self { io: Async::new_nonblocking(fd)?, peer, _permit: permit })
    }

    /// Waits until there is something to receive, or the end, or an error. Errors are left to
    /// whoever receives next.
    ///
    /// One task at a time may wait: that one waker has its place in the reactor, where several
    /// would cost each idle connection a table of its own.
    pub async fn readable(&self) {
        let _ = poll_fn(|cx| self.io.poll_readable(cx)).await;
    }

    /// Waits until the kernel takes more, or the socket is broken. One task at a time may wait.
    pub async fn writable(&self) {
        let _ = poll_fn(|cx| self.io.poll_writable(cx)).await;
    }

    /// Receives what is there: 0 bytes at the end of the stream, `WouldBlock` where there is none.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (received, _) = sys::recv(&self.io, buffer, sys::RecvFlags::DONTWAIT)?;
        Ok(received)
    }

    /// Sends as much of `bytes` as the kernel takes at once; that may be nothing.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        taken(sys::send(&self.io, bytes, SEND))
    }

    /// Sends as much of `parts` as the kernel takes at once; that may be nothing.
    pub fn send_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        taken(sys::sendmsg(&self.io, parts, &mut sys::SendAncillaryBuffer::default(), SEND))
    }

    /// Says that nothing more will be sent. The peer may have gone: that is no error here.
    pub fn shut_writing(&self) {
        let _ = sys::shutdown(&self.io, sys::Shutdown::Write);
    }

    /// Ends the connection in both directions; whoever waits for it is woken.
    pub fn shut(&self) {
        let _ = sys::shutdown(&self.io, sys::Shutdown::Both);
    }

    /// Who is at the other end.
    pub fn peer(&self) -> Peer {
        self.peer
    }
}

/// Sends as much of `bytes` as the kernel takes at once, to one of whom nothing more is wanted.
pub fn send_once(fd: impl AsFd, bytes: &[u8]) {
    let _ = sys::send(fd, bytes, SEND);
}

const SEND: sys::SendFlags = sys::SendFlags::DONTWAIT.union(sys::SendFlags::NOSIGNAL);

fn taken(sent: rustix::io::Result<usize>) -> io::Result<usize> {
    match sent {
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
        sent => Ok(sent?),
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A program on this machine, by a Unix socket.
    Unix,
    /// The kernel did not say.
    Unknown,
}

impl From<Option<SocketAddrAny>> for Peer {
    fn from(address: Option<SocketAddrAny>) -> Self {
        let Some(address) = address else { return Self::Unknown };
        match SocketAddr::try_from(address.clone()) {
            Ok(address) => Self::Tcp(address),
            Err(_) if address.address_family() == AddressFamily::UNIX => Self::Unix,
            Err(_) => Self::Unknown,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("the Unix socket"),
            Self::Unknown => f.write_str("an unknown address"),
        }
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

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// An IP address, with the port that it got.
    Tcp(SocketAddr),
    /// A Unix socket's path.
    Unix(PathBuf),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that takes connections. A Unix socket's file goes when it is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: Async<OwnedFd>,
    bound: Bound,
    /// The device and number of a Unix socket's file: another server may have put its own there.
    file: Option<(u64, u64)>,
}

impl Listener {
    /// Listens on an IP address. `[::]` is IPv6 alone, so that it goes beside `0.0.0.0`.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let fd = stream_socket(family)?;
        sockopt::set_socket_reuseaddr(&fd, true)?;
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&fd, true)?;
        }
        set_connection_options(&fd)?;
        sys::bind(&fd, &address)?;
        sys::listen(&fd, limits::LISTEN_BACKLOG)?;
        let bound = SocketAddr::try_from(sys::getsockname(&fd)?)?;
        Ok(Self { socket: Async::new_nonblocking(fd)?, bound: Bound::Tcp(bound), file: None })
    }

    /// Listens on a Unix socket. A file left behind by a server that is gone is taken over.
    pub fn unix(path: &Path) -> io::Result<Self> {
        let fd = stream_socket(AddressFamily::UNIX)?;
        let address = sys::SocketAddrUnix::new(path)?;
        match sys::bind(&fd, &address) {
            Err(rustix::io::Errno::ADDRINUSE) if is_stale(path)? => {
                fs::remove_file(path)?;
                sys::bind(&fd, &address)?;
            }
            bound => bound?,
        }
        sys::listen(&fd, limits::LISTEN_BACKLOG)?;
        let file = file_identity(path);
        Ok(Self { socket: Async::new_nonblocking(fd)?, bound: Bound::Unix(path.into()), file })
    }

    /// Where it listens.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Waits until somebody wants to connect.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Takes the next connection, if one waits: `WouldBlock` where there is none.
    pub fn accept(&self) -> io::Result<(OwnedFd, Peer)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (fd, address) = sys::acceptfrom_with(&self.socket, flags)?;
        match self.bound {
            Bound::Tcp(_) => Ok((fd, Peer::from(address))),
            Bound::Unix(_) => {
                // A Unix socket's buffer, unlike a TCP one's, is not inherited from the listener.
                sockopt::set_socket_send_buffer_size(&fd, limits::SEND_BUFFER)?;
                Ok((fd, Peer::Unix))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Bound::Unix(path) = &self.bound
            && file_identity(path) == self.file
        {
            let _ = fs::remove_file(path);
        }
    }
}

fn file_identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

fn stream_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(sys::socket_with(family, SocketType::STREAM, flags, None)?)
}

/// Whether nobody listens any more at the socket file `path`.
fn is_stale(path: &Path) -> io::Result<bool> {
    let is_socket = fs::symlink_metadata(path)?.file_type().is_socket();
    // Without waiting: a server with a full queue is not stale.
    let connected =
        sys::connect(stream_socket(AddressFamily::UNIX)?, &sys::SocketAddrUnix::new(path)?);
    Ok(is_socket && connected == Err(rustix::io::Errno::CONNREFUSED))
}

/// Sets what every connection is to have. From a listener they inherit it, so that none of it costs
/// a system call for each of them.
pub(crate) fn set_connection_options(fd: impl AsFd) -> io::Result<()> {
    // Without it, a small line waits up to 40 ms for the acknowledgement of the one before.
    sockopt::set_tcp_nodelay(&fd, true)?;
    sockopt::set_socket_send_buffer_size(&fd, limits::SEND_BUFFER)?;
    sockopt::set_socket_keepalive(&fd, true)?;
    sockopt::set_tcp_keepidle(&fd, limits::KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(&fd, limits::KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(&fd, limits::KEEPALIVE_COUNT)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(&fd, limits::USER_TIMEOUT_MS)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_inherit_the_options_of_their_listener() -> io::Result<()> {
        let listener = Listener::tcp("127.0.0.1:0".parse().expect("an address"))?;
        let Bound::Tcp(address) = *listener.bound() else { panic!("not TCP") };
        let _client = std::net::TcpStream::connect(address)?;
        smol::block_on(listener.readable())?;
        let (fd, _) = listener.accept()?;
        assert!(sockopt::tcp_nodelay(&fd)?);
        assert!(sockopt::socket_keepalive(&fd)?);
        assert_eq!(sockopt::tcp_keepidle(&fd)?, limits::KEEPALIVE_IDLE);
        assert_eq!(sockopt::tcp_keepintvl(&fd)?, limits::KEEPALIVE_INTERVAL);
        assert_eq!(sockopt::tcp_keepcnt(&fd)?, limits::KEEPALIVE_COUNT);
        #[cfg(target_os = "linux")]
        assert_eq!(sockopt::tcp_user_timeout(&fd)?, limits::USER_TIMEOUT_MS);
        assert!(sockopt::socket_send_buffer_size(&fd)? <= 2 * limits::SEND_BUFFER);
        Ok(())
    }
}
