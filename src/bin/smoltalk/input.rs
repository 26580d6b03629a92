//! Standard input, line by line.

use async_channel::{Receiver, Sender};
use smoltalk::limits;
use std::io::{self, Read};
use std::thread;

/// Bytes read at once. As much again may wait to be cut, and no more is read ahead.
const CHUNK: usize = 64 * 1024;

/// The longest line that could be sent: `send ` is one byte longer than `MSG `.
const LONGEST: usize = limits::LINE + 1;

/// A line as it was typed, without its line end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Whole(Vec<u8>),
    /// A line longer than any that could be sent. It has been thrown away.
    TooLong,
}

/// Cuts what is typed into lines, and holds no more of one than could be sent.
///
/// Its future may be dropped half-way: what was read stays.
pub struct Input {
    chunks: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    /// How much of the chunk has been cut.
    cut: usize,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    too_long: bool,
}

/// Standard input, read on a thread of its own: not every file can be polled.
///
/// `smol::Unblock` would do the same, but reads on past an end of file, and a terminal has more than
/// one: Ctrl-D would have to be typed twice.
pub fn stdin() -> io::Result<Input> {
    Ok(Input::new(chunks()?))
}

/// Standard input as it comes.
pub fn chunks() -> io::Result<Receiver<Vec<u8>>> {
    let (sender, chunks) = async_channel::bounded(1);
    thread::Builder::new().spawn(move || read_to_end(io::stdin(), &sender))?;
    Ok(chunks)
}

/// Passes on what is read, up to the first end of it. What cannot be read has ended.
fn read_to_end(mut source: impl Read, chunks: &Sender<Vec<u8>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match source.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(read) => {
                if chunks.send_blocking(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        }
    }
}

impl Input {
    fn new(chunks: Receiver<Vec<u8>>) -> Self {
        Self { chunks, chunk: Vec::new(), cut: 0, begun: Vec::new(), too_long: false }
    }

    /// The next line; `None` at the end. A last line that lacks its LF counts.
    pub async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.ready() {
                return Some(line);
            }
            let Ok(chunk) = self.chunks.recv().await else {
                return (self.too_long || !self.begun.is_empty()).then(|| self.line());
            };
            self.chunk = chunk;
            self.cut = 0;
        }
    }

    /// All of it, up to its end; `None` where that is more than `most` bytes.
    pub async fn whole(&mut self, most: usize) -> Option<Vec<u8>> {
        let mut whole = Vec::new();
        while let Ok(chunk) = self.chunks.recv().await {
            if whole.len() + chunk.len() > most {
                return None;
            }
            whole.extend_from_slice(&chunk);
        }
        Some(whole)
    }

    /// The next line, if it has been read already.
    pub fn ready(&mut self) -> Option<Line> {
        let uncut = &self.chunk[self.cut..];
        let end = uncut.iter().position(|b| *b == b'\n');
        let part = &uncut[..end.unwrap_or(uncut.len())];
        self.cut += part.len() + usize::from(end.is_some());
        // One byte more, for the CR that the LF may turn it into.
        if self.too_long || self.begun.len() + part.len() > LONGEST + 1 {
            self.too_long = true;
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(part);
        }
        end.map(|_| self.line())
    }

    /// What has come of a line that is over.
    fn line(&mut self) -> Line {
        let mut line = std::mem::take(&mut self.begun);
        line.pop_if(|b| *b == b'\r');
        if std::mem::take(&mut self.too_long) || line.len() > LONGEST {
            return Line::TooLong;
        }
        Line::Whole(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of what comes in pieces of `size` bytes.
    fn lines_of(size: usize, typed: &[u8]) -> Vec<Line> {
        smol::block_on(async {
            let (sender, chunks) = async_channel::unbounded();
            for piece in typed.chunks(size) {
                sender.try_send(piece.to_vec()).expect("it is unbounded");
            }
            drop(sender);
            let mut input = Input::new(chunks);
            let mut lines = Vec::new();
            while let Some(line) = input.next().await {
                assert!(input.begun.len() <= LONGEST + 1);
                lines.push(line);
            }
            lines
        })
    }

    fn lines(typed: &[u8]) -> Vec<Line> {
        let lines = lines_of(CHUNK, typed);
        assert_eq!(lines_of(7, typed), lines);
        lines
    }

    fn whole(line: &[u8]) -> Line {
        Line::Whole(line.to_vec())
    }

    #[test]
    fn a_last_line_without_lf_counts() {
        assert_eq!(lines(b"a\nb\r\n\nc"), [whole(b"a"), whole(b"b"), whole(b""), whole(b"c")]);
        assert_eq!(lines(b"a\n"), [whole(b"a")]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn after_the_first_end_nothing_more_is_read() {
        /// As a terminal: after each line an end, and then more.
        struct Terminal(u8);
        impl Read for Terminal {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                assert!(self.0 <= 2);
                (&b"a\n"[usize::from(self.0 == 2) * 2..]).read(buffer)
            }
        }
        let (sender, chunks) = async_channel::unbounded();
        read_to_end(Terminal(0), &sender);
        assert_eq!(chunks.try_recv().as_deref(), Ok(&b"a\n"[..]));
        assert!(chunks.is_empty());
    }

    #[test]
    fn a_line_is_kept_as_typed() {
        assert_eq!(lines(b" \xff\xfb\x01\0\r\r\n"), [whole(b" \xff\xfb\x01\0\r")]);
    }

    #[test]
    fn only_a_line_that_could_be_sent_is_held() {
        let at = [b'x'; LONGEST];
        assert_eq!(lines(&[&at[..], b"\r\nb"].concat()), [whole(&at), whole(b"b")]);
        assert_eq!(lines(&[&at[..], b"x\nb"].concat()), [Line::TooLong, whole(b"b")]);
        let endless = b"x".repeat(1_000_000);
        assert_eq!(lines(&endless), [Line::TooLong]);
        assert_eq!(lines(&[&endless[..], b"\nb"].concat()), [Line::TooLong, whole(b"b")]);
    }
}
