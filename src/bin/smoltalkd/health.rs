//! Asks another smoltalkd how it is: what a container's health check runs, where there is no curl.

use smoltalk::limits;
use smoltalk::protocol::text::to_safe;
use smoltalk::server::Address;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;

/// What the server whose `--metrics` is `address` says where it is well; or else why it is not, in one line.
pub fn ask(address: &Address) -> Result<String, String> {
    let answer = if let Address::Unix(path) = address {
        UnixStream::connect(path).and_then(over_unix)
    } else {
        reach(&address.to_string()).and_then(over_tcp)
    };
    verdict(&answer.map_err(|error| format!("{address}: {error}"))?)
}

fn over_unix(socket: UnixStream) -> io::Result<String> {
    socket.set_read_timeout(Some(limits::HEALTH))?;
    exchange(socket)
}

fn over_tcp(socket: TcpStream) -> io::Result<String> {
    socket.set_read_timeout(Some(limits::HEALTH))?;
    exchange(socket)
}

/// The first of the addresses of a name at which somebody is.
fn reach(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limits::HEALTH) {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn exchange(mut socket: impl Read + Write) -> io::Result<String> {
    socket.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")?;
    let mut answer = Vec::new();
    match socket.take(limits::REQUEST as u64).read_to_end(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::TimedOut.into()),
        Err(error) => Err(error),
        Ok(_) => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// What an answer by HTTP comes to.
fn verdict(answer: &str) -> Result<String, String> {
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let reasons: Vec<String> = text.lines().map(|line| to_safe(line.as_bytes())).collect();
    match head.split(' ').nth(1) {
        Some("200") if head.starts_with("HTTP/1.") => Ok(reasons.join("\n") + "\n"),
        Some("503") if head.starts_with("HTTP/1.") => Err(reasons.join(", ")),
        _ => Err("that is not the --metrics of a smoltalkd".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        let said = |answer: &str| verdict(answer);
        assert_eq!(said("HTTP/1.1 200 OK\r\nA: b\r\n\r\nok\n"), Ok("ok\n".into()));
        assert_eq!(
            said("HTTP/1.1 503 Service Unavailable\r\n\r\ndraining\njournal failing\n"),
            Err("draining, journal failing".into())
        );
        for other in
            ["", "HELLO smoltalk/1 200\n", "HTTP/1.1 404 Not Found\r\n\r\n", "X 200 \r\n\r\nok"]
        {
            assert!(said(other).is_err(), "{other}");
        }
        assert!(!said("HTTP/1.1 503 No\r\n\r\n\x1b[2J").unwrap_err().contains('\x1b'));
    }
}
