//! Where a server listens, as a person writes it.

use super::listener::{Bound, Listener};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddrV6, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

/// Where to listen, as a person writes it: `host:port`, `[v6]:port`, `tls:` before one of these, or
/// `unix:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host or IP address, and a port; with port 0 the system chooses one.
    Tcp(String),
    /// The same, where all is within TLS.
    Tls(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        match (written.strip_prefix("unix:"), written.strip_prefix("tls:")) {
            (Some(""), _) => Err(EXPECTED),
            (Some(path), _) => Ok(Self::Unix(path.into())),
            // A host may have that name.
            (None, Some(address)) if is_tcp(address) => tls(address),
            (None, _) if is_tcp(written) => Ok(Self::Tcp(written.into())),
            (None, _) => Err(EXPECTED),
        }
    }
}

#[cfg(not(feature = "tls"))]
const EXPECTED: &str = "takes host:port, [v6]:port or unix:PATH";
#[cfg(feature = "tls")]
const EXPECTED: &str = "takes host:port, [v6]:port, tls:host:port or unix:PATH";

#[cfg(feature = "tls")]
#[allow(clippy::unnecessary_wraps)] // Another build has none.
fn tls(address: &str) -> Result<Address, &'static str> {
    Ok(Address::Tls(address.into()))
}

#[cfg(not(feature = "tls"))]
fn tls(_: &str) -> Result<Address, &'static str> {
    Err("takes no tls:host:port in this build, which has no TLS (it needs the feature tls)")
}

/// Whether it is a host and a port.
fn is_tcp(written: &str) -> bool {
    if written.starts_with('[') {
        return written.parse::<SocketAddrV6>().is_ok();
    }
    let parts = written.rsplit_once(':');
    parts.is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok())
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
            Self::Tls(address) => write!(f, "tls:{address}"),
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
            Self::Tls(address) => {
                let listeners = Self::Tcp(address.clone()).listen()?;
                return Ok(listeners.into_iter().map(Listener::within_tls).collect());
            }
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
        for good in
            ["127.0.0.1:0", "localhost:7878", "[::1]:7878", "unix:/tmp/s", "unix:s", "tls:1"]
        {
            assert_eq!(good.parse::<Address>().map(|a| a.to_string()), Ok(good.to_string()));
        }
        for bad in ["", "7878", "host", "host:", "host:x", "host:65536", ":1", "::1:7878", "unix:"]
            .into_iter()
            .chain(["[zz]:1", "[::1]", "[127.0.0.1]:1", " a:1", "a b:1", "a:1 "])
        {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tls_is_for_those_who_have_it() {
        for written in ["tls:host:1", "tls:[::1]:0", "tls:tls:1"] {
            let address = written.parse::<Address>();
            if cfg!(feature = "tls") {
                assert_eq!(address, Ok(Address::Tls(written[4..].into())));
            } else {
                assert!(address.is_err_and(|why| why.contains("has no TLS")));
            }
        }
        for bad in ["tls:", "tls:host", "tls:host:", "tls:unix:s", "tls::1", "tls:tls:h:1"] {
            assert_eq!(bad.parse::<Address>(), Err(EXPECTED), "{bad}");
        }
    }
}
