//! What a client's bytes go over: a socket, as it is or within TLS.

use crate::net::tls::{Connection, Connector, explained};
use futures_lite::{AsyncRead, AsyncWrite};
use smol::Async;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A socket, and what lies between the bytes that are spoken and those on it, if anything does.
#[derive(Debug)]
pub struct Wire {
    socket: Async<TcpStream>,
    tls: Option<Box<Connection>>,
}

impl From<Async<TcpStream>> for Wire {
    fn from(socket: Async<TcpStream>) -> Self {
        Self { socket, tls: None }
    }
}

impl Wire {
    /// TLS on `socket` with the server `host`: once hands are shaken, and it has said something. Only then it is
    /// known that it takes the client's certificate, or does without.
    pub async fn within(
        socket: Async<TcpStream>,
        connector: &Connector,
        host: &str,
    ) -> io::Result<Self> {
        let mut tls = Box::new(connector.begin(host)?);
        loop {
            match tls.meet(&mut socket.get_ref()) {
                Ok(()) => return Ok(Self { socket, tls: Some(tls) }),
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    return Err(explained(host, error));
                }
                Err(_) if tls.is_blocked() => socket.writable().await?,
                Err(_) => socket.readable().await?,
            }
        }
    }

    /// Says that nothing more follows.
    pub fn shut_writing(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            // What the socket does not take now is lost, as is this.
            let _ = tls.close(&mut self.socket.get_ref());
        }
        self.socket.get_ref().shutdown(Shutdown::Write)
    }

    /// Where the other side is.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().peer_addr()
    }

    /// Ends it, both ways.
    pub fn hang_up(&self) -> io::Result<()> {
        self.socket.get_ref().shutdown(Shutdown::Both)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Self { socket, tls } = &mut *self;
        let Some(tls) = tls else { return Pin::new(socket).poll_read(cx, buffer) };
        loop {
            match tls.receive(&mut socket.get_ref(), buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(socket.poll_readable(cx))?;
                }
                received => return Poll::Ready(received),
            }
        }
    }
}

impl AsyncWrite for Wire {
    /// Within TLS, what is not taken comes again, and more may come behind it.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { socket, tls } = &mut *self;
        let Some(tls) = tls else { return Pin::new(socket).poll_write(cx, bytes) };
        loop {
            match tls.send(&mut socket.get_ref(), &[IoSlice::new(bytes)]) {
                Ok(0) => ready!(socket.poll_writable(cx))?,
                taken => return Poll::Ready(taken),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shut_writing())
    }
}
