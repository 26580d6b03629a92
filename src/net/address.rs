//! Where a server listens, as a person writes it.

use super::listener::{Bound, Listener};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddrV6, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

/// Where to listen, as a person writes it: `host:port`, `[v6]:port` or `unix:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host or IP address, and a port; with port 0 the system chooses one.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "takes host:port, [v6]:port or unix:PATH";
        match written.strip_prefix("unix:") {
            Some("") => Err(EXPECTED),
            Some(path) => Ok(Self::Unix(path.into())),
            None if written.starts_with('[') => match written.parse::<SocketAddrV6>() {
                Ok(_) => Ok(Self::Tcp(written.into())),
                Err(_) => Err(EXPECTED),
            },
            None => match written.rsplit_once(':') {
                Some((host, port)) if is_host(host) && port.parse::<u16>().is_ok() => {
                    Ok(Self::Tcp(written.into()))
                }
                _ => Err(EXPECTED),
            },
        }
    }
}

/// Whether it could be a name or an IPv4 address.
fn is_host(written: &str) -> bool {
    let strange = |c: char| c.is_whitespace() || c.is_control() || ":[]".contains(c);
    !written.is_empty() && !written.contains(strange)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// Listens at every address that this one stands for; a name may stand for several, not all of
    /// which this machine need have.
    pub(crate) fn listen(&self) -> io::Result<Vec<Listener>> {
        let address = match self {
            Self::Unix(path) => return Ok(vec![Listener::unix(path)?]),
            Self::Tcp(address) => address,
        };
        let mut listeners: Vec<Listener> = Vec::new();
        let mut failed = io::Error::new(ErrorKind::NotFound, "the name has no address");
        for mut address in address.to_socket_addrs()? {
            if let Some(Bound::Tcp(first)) = listeners.first().map(Listener::bound) {
                address.set_port(first.port());
            }
            match Listener::tcp(address) {
                Ok(listener) => listeners.push(listener),
                Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
                Err(error) => failed = error,
            }
        }
        if listeners.is_empty() { Err(failed) } else { Ok(listeners) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for good in ["127.0.0.1:0", "localhost:7878", "[::1]:7878", "unix:/tmp/s", "unix:s"] {
            assert_eq!(good.parse::<Address>().map(|a| a.to_string()), Ok(good.to_string()));
        }
        for bad in ["", "7878", "host", "host:", "host:x", "host:65536", ":1", "::1:7878", "unix:"]
            .into_iter()
            .chain(["[zz]:1", "[::1]", "[127.0.0.1]:1", " a:1", "a b:1", "a:1 "])
        {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
