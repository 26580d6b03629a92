//! Standard output and standard error.

use super::patient::Patient;
use futures_lite::AsyncWriteExt;
use smol::Unblock;
use std::io::{self, Write};

/// Bytes that are gathered into one write. While as many wait, nothing more is heard.
pub const BATCH: usize = 64 * 1024;

/// A stream that is written on a thread of its own: not every file can be polled.
pub struct Stream {
    pipe: Unblock<Box<dyn Write + Send>>,
    unwritten: Vec<u8>,
    /// All that was taken is there.
    flushed: bool,
}

impl Stream {
    pub fn stdout() -> Self {
        Self::new(Box::new(Patient(io::stdout())))
    }

    pub fn stderr() -> Self {
        Self::new(Box::new(Patient(io::stderr())))
    }

    pub fn new(stream: Box<dyn Write + Send>) -> Self {
        let pipe = Unblock::with_capacity(BATCH, stream);
        Self { pipe, unwritten: Vec::new(), flushed: true }
    }

    pub fn line(&mut self, line: &str) {
        self.text(line);
        self.text("\n");
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.unwritten.extend_from_slice(bytes);
        self.flushed = false;
    }

    /// How many bytes have not been written yet.
    pub fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    /// Whether all that was taken is there.
    pub fn is_flushed(&self) -> bool {
        self.flushed
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            match self.pipe.write(&self.unwritten).await {
                Ok(written) if written > 0 => drop(self.unwritten.drain(..written)),
                // It has failed already. The flush says how.
                _ => self.unwritten.clear(),
            }
        }
        let flushed = self.pipe.flush().await;
        self.flushed = true;
        flushed
    }
}
