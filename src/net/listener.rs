//! Where a server listens: TCP and Unix.

use super::claim::{Claim, identity};
use super::peer::Peer;
use super::socket::{set_connection_options, spread_keepalive};
use crate::limits;
use crate::protocol::text::to_safe;
use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::{self as sys, AddressFamily, SocketFlags, SocketType, sockopt};
use smol::Async;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// An IP address, with the port that it got.
    Tcp(SocketAddr),
    /// The same, where all is within TLS.
    Tls(SocketAddr),
    /// A Unix socket's path.
    Unix(PathBuf),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Tls(address) => write!(f, "tls:{address}"),
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

    /// The same, for connections within TLS.
    pub fn within_tls(mut self) -> Self {
        if let Bound::Tcp(address) = self.bound {
            self.bound = Bound::Tls(address);
        }
        self
    }

    /// Whether what is said on its connections is within TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self.bound, Bound::Tls(_))
    }

    /// Listens on a Unix socket. A file left behind by a server that is gone is taken over.
    pub fn unix(path: &Path) -> io::Result<Self> {
        Self::unix_with(path, stream_socket(AddressFamily::UNIX)?)
    }

    /// The same for this server's user alone: the file is made with that mode, and never has another.
    pub fn private(path: &Path) -> io::Result<Self> {
        let fd = stream_socket(AddressFamily::UNIX)?;
        // What the file gets is the socket's own mode, as far as the umask lets it.
        fchmod(&fd, Mode::RUSR | Mode::WUSR)?;
        let listener = Self::unix_with(path, fd)?;
        let mode = fs::symlink_metadata(path)?.mode();
        if mode & 0o077 != 0 {
            let error = format!("cannot be made with mode 0600, got {:o}", mode & 0o777);
            return Err(io::Error::other(error));
        }
        Ok(listener)
    }

    fn unix_with(path: &Path, fd: OwnedFd) -> io::Result<Self> {
        let address = sys::SocketAddrUnix::new(path)?;
        // Until it listens: before that it looks stale itself.
        let _claim = Claim::on(path)?;
        match sys::bind(&fd, &address) {
            Err(Errno::ADDRINUSE) => {
                clear_away_what_is_stale(path)?;
                sys::bind(&fd, &address)?;
            }
            bound => bound?,
        }
        sys::listen(&fd, limits::LISTEN_BACKLOG)?;
        let file = identity(path);
        Ok(Self { socket: Async::new_nonblocking(fd)?, bound: Bound::Unix(path.into()), file })
    }

    /// A socket that listens already, and that somebody else has made: what is at its path is not this server's.
    pub fn adopt(fd: OwnedFd) -> io::Result<Self> {
        let strange =
            |what: &str| io::Error::other(format!("a socket that was handed over {what}"));
        let kind = sockopt::socket_type(&fd).map_err(|_| strange("is none"))?;
        if kind != SocketType::STREAM || !sockopt::socket_acceptconn(&fd)? {
            return Err(strange("does not listen for connections"));
        }
        let address = sys::getsockname(&fd)?;
        let bound = match SocketAddr::try_from(address.clone()) {
            Ok(address) => {
                set_connection_options(&fd)?;
                Bound::Tcp(address)
            }
            Err(_) if address.address_family() == AddressFamily::UNIX => {
                let address = sys::SocketAddrUnix::try_from(address)?;
                Bound::Unix(unix_path(&address))
            }
            Err(_) => return Err(strange("is neither TCP nor Unix")),
        };
        Ok(Self { socket: Async::new(fd)?, bound, file: None })
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
            Bound::Tcp(_) | Bound::Tls(_) => {
                spread_keepalive(&fd)?;
                Ok((fd, Peer::from(address)))
            }
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
            && self.file.is_some()
            && identity(path) == self.file
        {
            let _ = fs::remove_file(path);
        }
    }
}

/// Where a Unix socket is; of one that is not among the files, its name, as it is usually written.
fn unix_path(address: &sys::SocketAddrUnix) -> PathBuf {
    match (address.path_bytes(), address.abstract_name()) {
        (Some(path), _) => PathBuf::from(OsStr::from_bytes(path)),
        (None, Some(name)) => PathBuf::from(format!("@{}", to_safe(name))),
        (None, None) => PathBuf::new(),
    }
}

fn stream_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(sys::socket_with(family, SocketType::STREAM, flags, None)?)
}

/// Removes the socket file of a server that is gone, for whoever has a claim on `path`. `AddrInUse`
/// where there is anything else.
fn clear_away_what_is_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    // Without waiting: a server with a full queue is not stale.
    let connected =
        sys::connect(stream_socket(AddressFamily::UNIX)?, &sys::SocketAddrUnix::new(path)?);
    match connected {
        Err(Errno::CONNREFUSED) if is_socket => fs::remove_file(path),
        // Its server has just ended, and taken it away.
        Err(Errno::NOENT) => Ok(()),
        _ => Err(Errno::ADDRINUSE.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::sync::Barrier;
    use std::thread;

    #[test]
    fn connections_inherit_the_options_of_their_listener() -> io::Result<()> {
        let listener = Listener::tcp("127.0.0.1:0".parse().expect("an address"))?;
        let Bound::Tcp(address) = *listener.bound() else { panic!("not TCP") };
        let _client = std::net::TcpStream::connect(address)?;
        smol::block_on(listener.readable())?;
        let (fd, _) = listener.accept()?;
        assert!(sockopt::tcp_nodelay(&fd)?);
        assert!(sockopt::socket_keepalive(&fd)?);
        assert_eq!(sockopt::tcp_keepcnt(&fd)?, limits::KEEPALIVE_COUNT);
        #[cfg(target_os = "linux")]
        assert_eq!(sockopt::tcp_user_timeout(&fd)?, limits::USER_TIMEOUT_MS);
        assert!(sockopt::socket_send_buffer_size(&fd)? <= 2 * limits::SEND_BUFFER);
        assert!(sockopt::socket_recv_buffer_size(&fd)? <= 2 * limits::RECEIVE_BUFFER);
        Ok(())
    }

    #[test]
    fn connections_that_come_together_are_asked_at_different_times() -> io::Result<()> {
        let listener = Listener::tcp("127.0.0.1:0".parse().expect("an address"))?;
        let Bound::Tcp(address) = *listener.bound() else { panic!("not TCP") };
        let rows = limits::KEEPALIVE.len();
        // All are there before the first is accepted.
        let come = |_| std::net::TcpStream::connect(address);
        let _clients = (0..20 * rows).map(come).collect::<io::Result<Vec<_>>>()?;
        smol::block_on(listener.readable())?;
        let mut accepted = Vec::new();
        let mut times = std::collections::BTreeMap::<u64, usize>::new();
        for _ in 0..20 * rows {
            let (fd, _) = listener.accept()?;
            let idle = sockopt::tcp_keepidle(&fd)?.as_secs();
            assert!(limits::KEEPALIVE.contains(&(idle, sockopt::tcp_keepintvl(&fd)?.as_secs())));
            *times.entry(idle).or_default() += 1;
            accepted.push(fd);
        }
        // Other tests take numbers in between.
        assert!(times.len() == rows && times.values().all(|share| *share <= 60), "{times:?}");
        Ok(())
    }

    #[test]
    fn one_lost_question_costs_nobody_its_place_and_a_ghost_goes_in_time() {
        let timeout = u64::from(limits::USER_TIMEOUT_MS) / 1000;
        let mut times = std::collections::BTreeSet::new();
        for (idle, interval) in limits::KEEPALIVE {
            // The kernel's timers end late, by half a second together.
            let questions = (timeout - 1 - idle) / interval + 1;
            assert!(questions >= 3, "{idle}, {interval}: {questions}");
            assert!(idle + questions * interval >= timeout && timeout + 2 * interval < 60);
            assert!(times.insert(idle), "{idle} s twice");
        }
    }

    /// An empty directory, which goes with what is in it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> io::Result<Self> {
            let path = std::env::temp_dir().join(format!("smoltalk-{}-{test}", std::process::id()));
            fs::create_dir(&path)?;
            Ok(Self(path))
        }

        /// The names of what is in it.
        fn names(&self) -> io::Result<Vec<std::ffi::OsString>> {
            fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name())).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn of_many_who_start_at_once_on_one_path_exactly_one_gets_it() -> io::Result<()> {
        let folder = Folder::new("race")?;
        let path = folder.0.join("s");
        for round in 0..200 {
            if round % 2 == 0 {
                drop(UnixListener::bind(&path)?); // The file stays, as after a crash.
            }
            let gate = Barrier::new(8);
            let outcomes: Vec<io::Result<Listener>> = thread::scope(|scope| {
                let start = || {
                    gate.wait();
                    Listener::unix(&path)
                };
                let starters: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
                starters.into_iter().map(|starter| starter.join().expect("an outcome")).collect()
            });
            let mut winners = Vec::new();
            for outcome in outcomes {
                match outcome {
                    Ok(listener) => winners.push(listener),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}"),
                }
            }
            assert_eq!(winners.len(), 1, "in round {round}");
            let _client = UnixStream::connect(&path)?;
            winners[0].accept()?;
            assert_eq!(folder.names()?, ["s"], "nothing lies about");
            drop(winners);
            assert!(folder.names()?.is_empty());
        }
        Ok(())
    }
}
