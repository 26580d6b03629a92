//! Standard input, line by line.

use futures_lite::{AsyncRead, AsyncReadExt};
use smol::Unblock;
use smoltalk::limits;
use std::io;
use std::ops::Range;

/// Bytes read ahead of what has been sent.
const AHEAD: usize = 64 * 1024;

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
pub struct Input<R> {
    source: R,
    buffer: Box<[u8]>,
    /// What of the buffer was read and not yet cut.
    uncut: Range<usize>,
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    too_long: bool,
}

/// Standard input. It is read on a thread of its own: not every file can be polled.
pub fn stdin() -> Input<Unblock<io::Stdin>> {
    Input::new(Unblock::with_capacity(AHEAD, io::stdin()))
}

impl<R: AsyncRead + Unpin> Input<R> {
    fn new(source: R) -> Self {
        let buffer = vec![0; AHEAD].into();
        Self { source, buffer, uncut: 0..0, begun: Vec::new(), too_long: false }
    }

    /// The next line; `None` at the end. A last line that lacks its LF counts.
    ///
    /// Not to be called again after the end: a terminal would go on.
    pub async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.ready() {
                return Some(line);
            }
            // What cannot be read has ended.
            let read = self.source.read(&mut self.buffer).await.unwrap_or(0);
            if read == 0 {
                return (self.too_long || !self.begun.is_empty()).then(|| self.line());
            }
            self.uncut = 0..read;
        }
    }

    /// The next line, if it has been read already.
    pub fn ready(&mut self) -> Option<Line> {
        let uncut = &self.buffer[self.uncut.clone()];
        let end = uncut.iter().position(|b| *b == b'\n');
        let part = &uncut[..end.unwrap_or(uncut.len())];
        self.uncut.start += part.len() + usize::from(end.is_some());
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

    fn lines(typed: &[u8]) -> Vec<Line> {
        smol::block_on(async {
            let mut input = Input::new(typed);
            let mut lines = Vec::new();
            while let Some(line) = input.next().await {
                assert!(input.begun.len() <= LONGEST + 1);
                lines.push(line);
            }
            lines
        })
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
    fn a_line_is_kept_as_typed() {
        assert_eq!(lines(b" \xff\xfb\x01\0\r\r\n"), [whole(b" \xff\xfb\x01\0\r")]);
    }

    #[test]
    fn only_a_line_that_could_be_sent_is_held() {
        let at = [b'x'; LONGEST];
        assert_eq!(lines(&[&at[..], b"\r\nb"].concat()), [whole(&at), whole(b"b")]);
        assert_eq!(lines(&[&at[..], b"x\nb"].concat()), [Line::TooLong, whole(b"b")]);
        assert_eq!(lines(&[b'x'; 1_000_000]), [Line::TooLong]);
        assert_eq!(lines(&[&[b'x'; 1_000_000][..], b"\nb"].concat()), [Line::TooLong, whole(b"b")]);
    }
}
