//! A connection at one of the operator's doors.

use crate::limits;
use crate::net::sink::Sink;
use crate::net::socket::Socket;
use crate::server::Unhurried;
use futures_lite::FutureExt;
use smol::Timer;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// A connection on which nothing takes longer than it may.
#[derive(Debug)]
pub struct Wire {
    socket: Socket,
    buffer: Box<[u8]>,
}

impl Wire {
    /// Over that socket.
    pub fn new(socket: Socket) -> Self {
        Self { socket, buffer: vec![0; limits::LINE].into() }
    }

    /// What comes next; nothing at the end of the stream.
    #[inline(never)]
    pub fn hear(&mut self, patience: Duration) -> Unhurried<'_, io::Result<&[u8]>> {
        Box::pin(async move {
            let received = async {
                loop {
                    self.socket.readable().await;
                    match self.socket.receive(&mut self.buffer) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        received => return received,
                    }
                }
            };
            let received = received.or(late(patience)).await?;
            Ok(&self.buffer[..received])
        })
    }

    /// Says all of it.
    #[inline(never)]
    pub fn say<'a>(&'a self, mut bytes: &'a [u8]) -> Unhurried<'a, io::Result<()>> {
        Box::pin(async move {
            let said = async {
                loop {
                    bytes = &bytes[self.socket.send(bytes)?..];
                    if bytes.is_empty() {
                        return Ok(());
                    }
                    self.socket.writable().await;
                }
            };
            said.or(late(limits::FAREWELL)).await
        })
    }

    /// Says that this was all, and reads on for a moment, so that it is not lost to a reset.
    pub async fn end(&mut self) {
        self.socket.shut_writing();
        let heard_out = async {
            while !self.hear(limits::LINGER).await?.is_empty() {}
            Ok(())
        };
        let _ = heard_out.or(late(limits::LINGER)).await;
    }
}

/// The end of somebody's patience.
#[inline(never)]
pub fn late<T>(patience: Duration) -> Unhurried<'static, io::Result<T>> {
    Box::pin(async move {
        Timer::after(patience).await;
        Err(ErrorKind::TimedOut.into())
    })
}
