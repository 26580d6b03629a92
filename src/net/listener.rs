//! Where a server listens: TCP and Unix.

use super::socket::{Peer, set_connection_options};
use crate::limits;
use rustix::net::{self as sys, AddressFamily, SocketFlags, SocketType, sockopt};
use smol::Async;
use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

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
