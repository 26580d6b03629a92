//! Who is at the other end of a connection.

use rustix::net::{AddressFamily, SocketAddrAny};
use std::fmt;
use std::net::SocketAddr;

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

impl Peer {
    /// What it is in one word, for programs: an address with a port, `unix` or `unknown`.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Tcp(address) => address.to_string(),
            Self::Unix => "unix".into(),
            Self::Unknown => "unknown".into(),
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
