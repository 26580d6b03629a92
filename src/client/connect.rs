//! From a host's name to a connection.

use super::wire::Wire;
use crate::limits;
use crate::net::socket::set_connection_options;
use crate::net::tls::Connector;
use futures_lite::future;
use smol::{Async, Timer};
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// What stands before the path of a Unix socket, where that is the host.
const UNIX: &str = "unix:";

/// A connection to the first address of `host` that accepts in `time`; or the error of the last that
/// did not.
pub async fn connect(time: Duration, host: &str, port: u16) -> io::Result<Wire> {
    connect_any(time, [(host, port)], None).await
}

/// The same, of all addresses of several hosts; within TLS where that is how.
pub async fn connect_any(
    time: Duration,
    hosts: impl IntoIterator<Item = (&str, u16)>,
    tls: Option<&Connector>,
) -> io::Result<Wire> {
    let connected = first(hosts.into_iter().map(|(host, port)| async move {
        match host.strip_prefix(UNIX) {
            Some(_) if tls.is_some() => {
                let error = "there is no TLS on a Unix socket";
                Err(io::Error::new(io::ErrorKind::InvalidInput, error))
            }
            Some(path) => unix(path).await.map(Wire::from),
            None => {
                let addresses = smol::net::resolve((host, port)).await?;
                first(addresses.into_iter().map(|address| reach(address, host, tls))).await
            }
        }
    }));
    within(time, connected).await.unwrap_or_else(|| {
        let late = format!("no answer within {} s", time.as_secs_f32());
        Err(io::Error::new(io::ErrorKind::TimedOut, late))
    })
}

async fn reach(address: SocketAddr, host: &str, tls: Option<&Connector>) -> io::Result<Wire> {
    let socket = tcp(address).await?;
    match tls {
        Some(tls) => Wire::within(socket, tls, host).await,
        None => Ok(socket.into()),
    }
}

async fn tcp(address: SocketAddr) -> io::Result<Async<TcpStream>> {
    let socket = Async::<TcpStream>::connect(address).await?;
    set_connection_options(&socket)?;
    Ok(socket)
}

/// To read, to write and to half-close, a socket is a socket.
async fn unix(path: &str) -> io::Result<Async<TcpStream>> {
    let socket = Async::<UnixStream>::connect(path).await?.into_inner()?;
    Async::new(TcpStream::from(OwnedFd::from(socket)))
}

/// What `future` comes to, if it does in `time`.
pub async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let late = async {
        Timer::after(time).await;
        None
    };
    future::or(async { Some(future.await) }, late).await
}

/// What the first of `attempts` to succeed comes to.
///
/// Another one begins when one has failed, or has let [`limits::NEXT_ADDRESS`] pass: an address that
/// swallows all that is sent to it must not use up the time of those that answer (RFC 8305).
async fn first<T>(
    mut attempts: impl Iterator<Item = impl Future<Output = io::Result<T>>>,
) -> io::Result<T> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let mut running: Vec<Pin<Box<_>>> = Vec::new();
    loop {
        let begun = attempts.next().map(|attempt| running.push(Box::pin(attempt)));
        if running.is_empty() {
            return Err(failed);
        }
        let finished = poll_fn(|cx| {
            for at in 0..running.len() {
                if let Poll::Ready(result) = running[at].as_mut().poll(cx) {
                    drop(running.swap_remove(at));
                    return Poll::Ready(result);
                }
            }
            Poll::Pending
        });
        let finished = match begun {
            Some(()) => within(limits::NEXT_ADDRESS, finished).await,
            None => Some(finished.await),
        };
        match finished {
            Some(Ok(connected)) => return Ok(connected),
            // To be told that a certificate does not hold, and only that, ends all trying.
            Some(Err(_)) if failed.kind() == io::ErrorKind::InvalidData => {}
            Some(Err(error)) => failed = error,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{Boxed, pending, ready};
    use std::io::ErrorKind;

    fn first_of(attempts: Vec<Boxed<io::Result<u8>>>) -> Result<u8, ErrorKind> {
        smol::block_on(first(attempts.into_iter())).map_err(|error| error.kind())
    }

    fn refused() -> Boxed<io::Result<u8>> {
        Box::pin(ready(Err(ErrorKind::ConnectionRefused.into())))
    }

    #[test]
    fn every_address_is_tried() {
        assert_eq!(first_of(vec![refused(), refused(), Box::pin(ready(Ok(3)))]), Ok(3));
        assert_eq!(first_of(vec![refused(), refused()]), Err(ErrorKind::ConnectionRefused));
        assert_eq!(first_of(vec![]), Err(ErrorKind::NotFound));
    }

    #[test]
    fn an_address_that_swallows_everything_delays_the_next_one_only() {
        assert_eq!(first_of(vec![Box::pin(pending()), refused(), Box::pin(ready(Ok(3)))]), Ok(3));
    }

    #[test]
    fn a_slow_address_may_still_be_the_one() {
        let slow = Box::pin(async {
            smol::Timer::after(2 * limits::NEXT_ADDRESS).await;
            Ok(1)
        });
        assert_eq!(first_of(vec![slow, refused(), Box::pin(pending())]), Ok(1));
    }
}
