//! One connection within TLS, as seen by whoever has its socket.

use crate::limits;
use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::mem;

/// What is spoken within TLS, on a wire that does not block: its `read` and `write` say `WouldBlock`
/// instead.
#[derive(Debug)]
pub struct Connection {
    tls: rustls::Connection,
    /// Bytes that were given to be sent, and that the wire has not taken all of yet.
    under_way: usize,
    /// The other side does not keep to TLS. It was told so.
    failed: bool,
}

impl Connection {
    /// One that has said nothing yet.
    pub fn new(mut tls: rustls::Connection) -> Self {
        tls.set_buffer_limit(Some(limits::RECORDS));
        Self { tls, under_way: 0, failed: false }
    }

    /// Goes on with the handshake, as far as the wire lets it: `WouldBlock` where it has to wait, and
    /// for what, says [`is_blocked`](Self::is_blocked).
    pub fn shake_hands(&mut self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        while self.flush(wire)? && self.tls.is_handshaking() {
            self.hear(wire)?;
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

    /// Sends a few records of what is in `parts`, or what is left of the last ones, and says how many bytes of them the
    /// wire has taken all of. Where it has not yet, the same are to be sent again.
    pub fn send(
        &mut self,
        wire: &mut (impl Read + Write),
        parts: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        if self.under_way == 0 && self.flush(wire)? {
            self.under_way = self.tls.writer().write_vectored(parts)?;
        }
        Ok(if self.flush(wire)? { mem::take(&mut self.under_way) } else { 0 })
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

    /// Reads once from the wire, and answers what has to be answered.
    fn hear(&mut self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        if !self.failed {
            self.tls.read_tls(wire)?;
        }
        let understood = self.tls.process_new_packets();
        self.failed = understood.is_err();
        // Should it not be taken: who finds the wire broken is whoever reads or sends next.
        let _ = self.flush(wire);
        understood.map(drop).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
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
