//! One connection within TLS, as seen by whoever has its socket.

use crate::limits;
use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::mem;

/// What is spoken within TLS, on a wire that does not block: its `read` and `write` say `WouldBlock`
/// instead.
#[derive(Debug)]
pub struct Connection {
    tls: rustls::Connection,
    /// The last byte that was taken to be sent is not said to be, until the wire has all before it.
    owes_last: bool,
    /// The other side does not keep to TLS. It was told so.
    failed: bool,
    /// Bytes that the handshake has taken off the wire.
    shaken: usize,
}

impl Connection {
    /// One that has said nothing yet.
    pub fn new(mut tls: rustls::Connection) -> Self {
        tls.set_buffer_limit(Some(limits::RECORDS));
        Self { tls, owes_last: false, failed: false, shaken: 0 }
    }

    /// Goes on with the handshake, as far as the wire lets it: `WouldBlock` where it has to wait, and
    /// for what, says [`is_blocked`](Self::is_blocked).
    pub fn shake_hands(&mut self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        while self.flush(wire)? && self.tls.is_handshaking() {
            if self.shaken >= limits::HANDSHAKE {
                let why = "too much is said before hands are shaken";
                return Err(io::Error::new(ErrorKind::InvalidData, why));
            }
            self.shaken += self.hear(wire)?;
            if self.tls.is_handshaking() && self.has_more() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        if self.is_blocked() { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    /// The same, until the other side has said something as well.
    pub fn meet(&mut self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        self.shake_hands(wire)?;
        while !self.has_more() {
            self.hear(wire)?;
        }
        // One that has ended instead says why not when it is received from.
        Ok(())
    }

    /// Whether the hello of the other side has been taken, and answered.
    pub fn has_answered(&self) -> bool {
        self.tls.protocol_version().is_some()
    }

    /// Whether the wire has to take something before anything else can go on.
    pub fn is_blocked(&self) -> bool {
        self.tls.wants_write()
    }

    /// Receives what is there: 0 bytes where the other side has said that nothing more follows,
    /// `UnexpectedEof` where the wire has ended without that, `WouldBlock` where there is nothing, or
    /// nothing yet that is of any use.
    pub fn receive(
        &mut self,
        wire: &mut (impl Read + Write),
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        for _ in 0..limits::RECORD_READS {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                received => return received,
            }
            let heard = self.hear(wire);
            // What came before something that is no TLS has been said all the same.
            if !self.has_more() {
                heard?;
            }
        }
        self.tls.reader().read(buffer)
    }

    /// Whether the next [`receive`](Self::receive) comes to something, whatever is on the wire. If not, it
    /// is about to wait, and keeps no more memory for that than it has to.
    pub fn has_received(&mut self) -> bool {
        let has_received = self.failed || self.has_more();
        if !has_received {
            // What has grown for a large record, TLS gives back only as it begins to read again.
            let _ = self.tls.read_tls(&mut Silence);
        }
        has_received
    }

    /// Sends a few records of what is in `parts`, and says how many bytes of them were taken. The last one of these is
    /// only once the wire has all: so whoever sends all that there is knows that it is on its way.
    pub fn send(
        &mut self,
        wire: &mut (impl Read + Write),
        parts: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        if !self.flush(wire)? {
            return Ok(0);
        }
        if mem::take(&mut self.owes_last) {
            return Ok(1);
        }
        let taken = self.tls.writer().write_vectored(parts)?;
        self.owes_last = !self.flush(wire)?;
        Ok(taken - usize::from(self.owes_last))
    }

    /// Says that nothing more follows. Whether the wire has taken all by now.
    pub fn close(&mut self, wire: &mut (impl Read + Write)) -> io::Result<bool> {
        self.tls.send_close_notify();
        self.flush(wire)
    }

    /// Whether something that was said is there, or the end.
    fn has_more(&mut self) -> bool {
        let waits = |error: io::Error| error.kind() == ErrorKind::WouldBlock;
        !self.tls.reader().fill_buf().is_err_and(waits)
    }

    /// Reads once from the wire, and answers what has to be answered. Returns how many bytes it read.
    fn hear(&mut self, wire: &mut (impl Read + Write)) -> io::Result<usize> {
        let read = if self.failed { 0 } else { self.tls.read_tls(wire)? };
        let understood = self.tls.process_new_packets();
        self.failed = understood.is_err();
        // Should it not be taken: who finds the wire broken is whoever reads or sends next.
        let _ = self.flush(wire);
        understood.map(|_| read).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    /// Whether the wire has taken all that was to be sent.
    fn flush(&mut self, wire: &mut impl Write) -> io::Result<bool> {
        while self.tls.wants_write() {
            match self.tls.write_tls(wire) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => _ = written?,
            }
        }
        Ok(true)
    }
}

/// A wire on which nothing is.
struct Silence;

impl Read for Silence {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Acceptor, Certificates, Connector, Layer, Trust};
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    fn file(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
    }

    /// A client and a server that have shaken hands, and the wire between them.
    fn pair() -> (Connection, UnixStream, Layer, UnixStream) {
        let trust = Trust { authorities: Some(file("authority.pem")), certificate: None };
        let mut client = Connector::open(&trust).expect("files").begin("localhost").expect("TLS");
        let certificates = Certificates {
            certificate: file("server.pem"),
            key: file("key.pem"),
            client_authorities: None,
        };
        let server = Acceptor::open(&certificates).expect("files").begin().expect("TLS");
        let (near, far) = UnixStream::pair().expect("a pair");
        near.set_nonblocking(true).expect("non-blocking");
        far.set_nonblocking(true).expect("non-blocking");
        while client.shake_hands(&mut &near).is_err() | server.shake_hands(&far).is_err() {}
        (client, near, server, far)
    }

    #[test]
    fn the_last_byte_is_not_taken_before_the_wire_has_all() {
        let (mut client, near, server, far) = pair();
        let text = [b'x'; 10_000];
        let mut sent = 0;
        let taken = loop {
            match client.send(&mut &near, &[IoSlice::new(&text)]).expect("sent") {
                10_000 => sent += 10_000,
                taken => break taken,
            }
        };
        assert_eq!(taken, 9_999);
        let last = [IoSlice::new(b"x")];
        assert_eq!(client.send(&mut &near, &last).expect("nothing yet"), 0);
        let (mut heard, mut buffer) = (0, [0; 4096]);
        while heard < sent + 10_000 {
            match server.receive(&far, &mut buffer) {
                Err(_) => assert_eq!(client.send(&mut &near, &last).expect("the last"), 1),
                received => heard += received.expect("bytes"),
            }
        }
        assert_eq!(heard, sent + 10_000);
    }
}
